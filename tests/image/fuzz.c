/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged images: opened, mapped, read, written, checked, repaired, described,
 * resized and given snapshots. Whatever comes of it must be an error at worst,
 * and soon. What check() says is repaired must then be whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/util/log.h"
#include "tests/image/kind.h"

#define SEED_BYTES (512u << 10)
#define MOST_SECONDS 20u
#define IO_BYTES (64u << 10)

struct seed {
    char *directory; /* other files of the image lie there too */
    uint8_t *data;
    gsize bytes;
};

struct fuzz {
    struct image_test t;
    const struct image_kind *kind;
    GArray *seeds;
    GRand *random; /* of one input: the same for the same bytes */
    uint8_t io[IO_BYTES];
};

static guint below(struct fuzz *f, guint n)
{
    return (guint)(g_rand_int(f->random) % n);
}

/* ---- seeds ---- */

static void add_seed(struct fuzz *f)
{
    struct seed s = {0};
    g_autofree char *name = g_strdup_printf("seed%u", f->seeds->len);
    g_autofree char *here = NULL;

    assert_true(
        g_file_get_contents(f->t.path, (char **)&s.data, &s.bytes, NULL));
    s.directory = g_build_filename(f->t.directory, name, NULL);
    here = g_build_filename(f->t.directory, "work", NULL);
    assert_int_equal(image_test_run("mv %s %s", here, s.directory), 0);
    g_array_append_val(f->seeds, s);
}

static void begin_seed(struct fuzz *f)
{
    g_autofree char *here = g_build_filename(f->t.directory, "work", NULL);

    g_mkdir(here, 0700);
    g_free(f->t.path);
    f->t.path = g_build_filename(here, "image", NULL);
}

static void take_snapshots(struct fuzz *f)
{
    struct image_test *t = &f->t;

    for (guint i = 0; i < 2; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_image_snapshot s = {.size = sizeof s};
        const struct tn_format *fmt = image_calls_begin(t);

        g_snprintf(s.name, sizeof s.name, "snapshot %u", i);
        if (fmt->snapshot)
            fmt->snapshot(t->node->host.self, TN_SNAPSHOT_CREATE, &s, &error);
        image_calls_end(t);
        image_test_history(t, 20, 1);
    }
}

static void make_seeds(struct fuzz *f)
{
    const struct image_kind *kind = f->kind;
    guint n = kind->fuzz_options ? kind->fuzz_options : kind->n_options;

    for (guint i = 0; i < n; i++) {
        const struct image_options *o = &kind->options[i];

        if (!image_wanted(o))
            continue;
        begin_seed(f);
        /* The base is not in the directory of the seed and not looked at. */
        if (!image_kind_make(&f->t, kind, o, MADE_HERE, SEED_BYTES) &&
            !image_kind_make(&f->t, kind, o, MADE_BY_REFERENCE, SEED_BYTES))
            continue;
        if (!(kind->abilities & IMAGE_READ_ONLY)) {
            image_kind_open(&f->t, kind, TN_IMAGE_WRITABLE);
            image_test_history(&f->t, 60, 1);
            if (image_able(kind, o) & IMAGE_SNAPSHOTS)
                take_snapshots(f);
            image_test_close(&f->t);
        }
        add_seed(f);
    }
    for (guint i = 0; kind->seed; i++) {
        begin_seed(f);
        if (!kind->seed(&f->t, i))
            break;
        add_seed(f);
    }
}

/* ---- damage ---- */

static gsize a_place(struct fuzz *f, const GByteArray *b)
{
    gsize at = below(f, b->len);

    switch (below(f, 4)) {
    case 0:
        return at % 512;
    case 1: /* at the front */
        return at % 16384 % b->len;
    case 2: /* the end: some formats have their header there */
        return b->len - 1 - at % 1024 % b->len;
    default: /* where something is */
        for (guint i = 0; i < 64 && !b->data[at]; i++)
            at = below(f, b->len);
        return at;
    }
}

static void a_number(struct fuzz *f, GByteArray *b)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       0x7f,
                                       0xff,
                                       0x200,
                                       0x1000,
                                       0x10000,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x100000000,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xfffffffffffffe00,
                                       0xffffffffffffffff};
    uint64_t v = numbers[below(f, G_N_ELEMENTS(numbers))];
    guint bytes = 1u << below(f, 4);
    gsize at = a_place(f, b) / bytes * bytes;

    v += below(f, 3) == 0 ? below(f, 5) - 2u : 0;
    if (below(f, 4) == 0)
        v = (uint64_t)below(f, b->len + 4096);
    if (below(f, 4) == 0)
        v |= 0x8000000000000000ull;
    if (below(f, 2)) /* big endian */
        v = GUINT64_SWAP_LE_BE(v) >> (64 - 8 * bytes);
    if (at + bytes <= b->len)
        memcpy(b->data + at, &v, bytes);
}

static void damage(struct fuzz *f, GByteArray *b)
{
    gsize at = a_place(f, b), from, n;

    switch (below(f, 12)) {
    case 0:
    case 1:
        b->data[at] = (uint8_t)below(f, 256);
        break;
    case 2:
    case 3:
        b->data[at] ^= (uint8_t)(1u << below(f, 8));
        break;
    case 4: /* something from elsewhere */
        n = 8u << below(f, 8);
        n = MIN(n, b->len - at);
        from = below(f, (guint)(b->len - n + 1)) / 8 * 8;
        memmove(b->data + at / 8 * 8, b->data + from,
                MIN(n, b->len - at / 8 * 8));
        break;
    case 5:
        n = 1u << below(f, 13);
        n = MIN(n, b->len - at);
        memset(b->data + at, below(f, 4) ? 0 : 0xff, n);
        break;
    case 6:
        if (below(f, 6) == 0 && b->len > 1)
            g_byte_array_set_size(b, 1 + below(f, b->len - 1));
        break;
    default:
        a_number(f, b);
    }
}

/* ---- what is done to it ---- */

static void use_data(struct fuzz *f)
{
    struct block_node *node = f->t.node;
    uint64_t sectors = node->info.bytes / 512;

    for (guint i = 0; sectors && i < 12; i++) {
        static const uint32_t ops[] = {TN_DISK_READ, TN_DISK_READ,
                                       TN_DISK_WRITE, TN_DISK_ZERO,
                                       TN_DISK_DISCARD, TN_DISK_FLUSH};
        uint32_t op = ops[below(f, G_N_ELEMENTS(ops))];
        uint64_t bytes = 512ull * (1 + below(f, IO_BYTES / 512));
        uint64_t at = ((uint64_t)below(f, G_MAXUINT) << 20) % sectors;

        if (below(f, 4))
            at = below(f, (guint)MIN(sectors, SEED_BYTES / 512));
        bytes = MIN(bytes, (sectors - at) * 512);
        if (op == TN_DISK_WRITE)
            memset(f->io, 0xee, bytes);
        if (op == TN_DISK_FLUSH)
            at = bytes = 0;
        if (op == TN_DISK_READ || node->flags & TN_IMAGE_WRITABLE)
            image_do(&f->t, op, below(f, 2) ? TN_DISK_UNMAP : 0, at * 512,
                     bytes, f->io);
    }
}

static void use_bitmaps(struct fuzz *f, const struct tn_format *fmt, void *self)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);

    for (uint32_t i = 0; i < 64; i++) {
        *b = (struct tn_image_bitmap){.size = sizeof *b};
        if (fmt->bitmap_info(self, i, b))
            break;
        if (fmt->bitmap_bits)
            fmt->bitmap_bits(self, i, 0, 0, f->io, 512);
    }
    if (fmt->bitmap && f->t.node->flags & TN_IMAGE_WRITABLE) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;

        fmt->bitmap(self, below(f, 5), b, &error);
    }
}

static void use_snapshots(struct fuzz *f, const struct tn_format *fmt,
                          void *self)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot s = {.size = sizeof s}, last = s;
    gboolean writable = (f->t.node->flags & TN_IMAGE_WRITABLE) != 0;
    guint what = below(f, 4);

    for (uint32_t i = 0; i < 64 && fmt->snapshot_info(self, i, &s) == 0; i++)
        last = s;
    if (!fmt->snapshot || writable == (what == TN_SNAPSHOT_VIEW))
        return;
    if (what == TN_SNAPSHOT_CREATE)
        g_strlcpy(last.name, "another", sizeof last.name);
    if (fmt->snapshot(self, what, &last, &error) == 0 &&
        (what == TN_SNAPSHOT_VIEW || what == TN_SNAPSHOT_APPLY))
        f->t.node->info.bytes = last.bytes / 512 * 512;
    if (fmt->state_io && last.state_bytes)
        fmt->state_io(self, 0, 0, f->io, MIN(last.state_bytes, IO_BYTES));
}

static void use_format(struct fuzz *f)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_format *fmt = image_calls_begin(&f->t);
    void *self = f->t.node->host.self;
    guint which = below(f, 4);

    if (fmt->describe)
        fmt->describe(self, (char *)f->io, IO_BYTES);
    if (fmt->bitmap_info && which != 2)
        use_bitmaps(f, fmt, self);
    if (fmt->snapshot_info && which != 1)
        use_snapshots(f, fmt, self);
    if (fmt->resize && which == 1 && f->t.node->flags & TN_IMAGE_WRITABLE) {
        uint64_t bytes = 512ull * below(f, 8192);

        if (fmt->resize(self, bytes, &error) == 0)
            f->t.node->info.bytes = bytes;
    }
    image_calls_end(&f->t);
}

/* An image that was not changed by anyone but its format: no failure. */
static void close_it(struct fuzz *f)
{
    struct block_node *node = f->t.node;

    f->t.node = NULL;
    node_close(node, NULL);
}

static void check_repaired(struct fuzz *f)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_check c;

    if (image_open_alone(&f->t, f->kind->name, 0, &error))
        fail_msg("repaired, but cannot be opened: %s",
                 tn_error_text(&error, 0));
    if (image_check(&f->t, 0, FALSE, &c) || c.corruptions || c.leaks) {
        image_check(&f->t, 0, TRUE, &c);
        fail_msg("repaired, but there are %" G_GUINT64_FORMAT
                 " errors and %" G_GUINT64_FORMAT " leaks",
                 c.corruptions, c.leaks);
    }
    close_it(f);
}

static void check_it(struct fuzz *f, uint32_t flags)
{
    uint32_t repair = flags & TN_IMAGE_WRITABLE ? below(f, 3) : 0;
    struct tn_check c;
    gboolean whole = image_check(&f->t, repair, FALSE, &c) == 0 &&
                     repair == 2 && c.corruptions_fixed >= c.corruptions &&
                     c.leaks_fixed >= c.leaks;

    if (f->t.node->flush.result || f->t.node->broken)
        whole = FALSE;
    close_it(f);
    if (whole && f->kind->abilities & IMAGE_REPAIRS)
        check_repaired(f);
}

static void try(struct fuzz *f)
{
    static const uint32_t ways[] = {0, TN_IMAGE_WRITABLE,
                                    TN_IMAGE_CHECK | TN_IMAGE_WRITABLE,
                                    TN_IMAGE_CHECK, TN_IMAGE_NO_IO};
    uint32_t flags = ways[below(f, G_N_ELEMENTS(ways))];
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (f->kind->abilities & IMAGE_READ_ONLY)
        flags &= ~TN_IMAGE_WRITABLE;
    alarm(MOST_SECONDS);
    if (image_open_alone(&f->t, f->kind->name, flags, &error)) {
        if (!tn_error_text(&error, 0)[0])
            fail_msg("refused without a text");
    } else if (flags & TN_IMAGE_CHECK && f->t.node->fmt.check) {
        check_it(f, flags);
    } else {
        if (!(flags & TN_IMAGE_NO_IO))
            use_data(f);
        use_format(f);
        if (!(flags & TN_IMAGE_NO_IO))
            use_data(f);
        close_it(f);
    }
    alarm(0);
}

/* Zeroes stay holes: some formats' files are large and have little in them. */
static void put_file(const char *path, const uint8_t *data, gsize bytes)
{
    static const uint8_t zeroes[4096];
    int fd = g_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    for (gsize at = 0; at < bytes; at += sizeof zeroes) {
        gsize n = MIN(sizeof zeroes, bytes - at);

        if (memcmp(data + at, zeroes, n) != 0)
            assert_int_equal(pwrite(fd, data + at, n, (off_t)at), n);
    }
    close(fd);
}

static void begin(struct fuzz *f, const struct image_kind *kind)
{
    f->kind = kind;
    f->seeds = g_array_new(FALSE, TRUE, sizeof(struct seed));
    image_kind_init(&f->t, kind, 1);
    make_seeds(f);
    g_clear_pointer(&f->t.path, g_free);
    tn_log_set_fd(g_open("/dev/null", O_WRONLY | O_CLOEXEC, 0));
}

/* ---- the bounded run ---- */

static void one_mutation(struct fuzz *f, guint64 number)
{
    const struct seed *s;
    GByteArray *b = g_byte_array_new();

    f->random = g_rand_new_with_seed((guint32)number);
    s = &g_array_index(f->seeds, struct seed, below(f, f->seeds->len));
    g_byte_array_append(b, s->data, (guint)s->bytes);
    for (guint i = below(f, 6) + (number > f->seeds->len); i; i--)
        damage(f, b);
    if (f->kind->mend && below(f, 4))
        f->kind->mend(b->data, b->len);
    f->t.path = g_build_filename(s->directory, "image", NULL);
    put_file(f->t.path, b->data, b->len);
    g_byte_array_free(b, TRUE);
    try(f);
    g_clear_pointer(&f->t.path, g_free);
    g_rand_free(f->random);
}

static const char *number_file; /* says which mutation is under way */

void image_fuzz_test(const struct image_kind *kind)
{
    guint64 mutations = image_environment("TENON_TEST_MUTATIONS", 1500);
    guint64 seed = image_environment("TENON_TEST_SEED", 1);
    struct fuzz *f = g_new0(struct fuzz, 1);

    begin(f, kind);
    if (!f->seeds->len) {
        print_message("skipped: nothing makes such an image\n");
        skip();
    }
    number_file = g_getenv("TENON_TEST_PROGRESS");
    for (guint64 i = 0; i < mutations; i++) {
        if (number_file) {
            g_autofree char *text = g_strdup_printf(
                "TENON_TEST_SEED=%" G_GUINT64_FORMAT "\n", seed + i);

            put_file(number_file, (uint8_t *)text, strlen(text));
        }
        one_mutation(f, seed + i);
    }
    print_message("%s: %" G_GUINT64_FORMAT " damaged images of %u\n",
                  kind->name, mutations, f->seeds->len);
    tn_log_set_fd(-1);
    for (guint i = 0; i < f->seeds->len; i++) {
        g_free(g_array_index(f->seeds, struct seed, i).directory);
        g_free(g_array_index(f->seeds, struct seed, i).data);
    }
    g_array_unref(f->seeds);
    image_test_clear(&f->t);
    g_free(f);
}

/* ---- libFuzzer ---- */

int image_fuzz_one(const struct image_kind *kind, const uint8_t *data,
                   size_t bytes)
{
    static struct fuzz *f;
    guint32 hash = 2166136261u;

    if (!f) {
        f = g_new0(struct fuzz, 1);
        begin(f, kind);
        assert_true(f->seeds->len > 0);
    }
    if (bytes < 2)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * 16777619u;
    f->random = g_rand_new_with_seed(hash);
    f->t.path =
        g_build_filename(g_array_index(f->seeds, struct seed, 0).directory,
                         "image", NULL);
    put_file(f->t.path, data, bytes);
    try(f);
    g_clear_pointer(&f->t.path, g_free);
    g_rand_free(f->random);
    return 0;
}
