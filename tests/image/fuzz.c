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
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/util/log.h"
#include "tests/image/fuzz.h"

#define SEED_BYTES (512u << 10)
#define MOST_SECONDS 60u

/* ---- seeds ---- */

static void add_seed(struct fuzz *f)
{
    g_autofree char *name = g_strdup_printf("seed%u", f->seeds->len);
    g_autofree char *directory = g_build_filename(f->t.directory, name, NULL);
    g_autofree char *here = g_build_filename(f->t.directory, "work", NULL);
    struct seed s = {.path = g_build_filename(directory, "image", NULL)};

    assert_int_equal(g_rename(here, directory), 0);
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
    int32_t rc = image_open_alone(&f->t, f->kind->name, 0, &error);

    if (rc == -ENOKEY)
        return;
    if (rc)
        fail_msg("repaired, but cannot be opened: %s",
                 tn_error_text(&error, 0));
    if (image_kind_check(&f->t, 0, FALSE, &c) || c.corruptions || c.leaks) {
        image_kind_check(&f->t, 0, TRUE, &c);
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
    gboolean whole = image_kind_check(&f->t, repair, FALSE, &c) == 0 &&
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

static void begin(struct fuzz *f, const struct image_kind *kind)
{
    f->kind = kind;
    f->seeds = g_array_new(FALSE, TRUE, sizeof(struct seed));
    image_kind_init_io(&f->t, kind, 1, BLOCK_IO_INLINE);
    make_seeds(f);
    g_clear_pointer(&f->t.path, g_free);
    f->memory = mem_enter(&f->t);
    for (guint i = 0; i < f->seeds->len; i++) {
        struct seed *s = &g_array_index(f->seeds, struct seed, i);
        g_autofree char *directory = g_path_get_dirname(s->path);

        mem_import(f->memory, directory);
        s->file = mem_find(f->memory, s->path);
    }
    tn_log_set_fd(g_open("/dev/null", O_WRONLY | O_CLOEXEC, 0));
}

static void end(struct fuzz *f)
{
    tn_log_set_fd(-1);
    mem_leave(f->memory);
    for (guint i = 0; i < f->seeds->len; i++)
        g_free(g_array_index(f->seeds, struct seed, i).path);
    g_array_unref(f->seeds);
    image_test_clear(&f->t);
    g_free(f);
}

/* ---- the bounded run ---- */

static void mended(void *opaque, gsize at, const uint8_t *data, gsize bytes)
{
    mem_write(opaque, at, data, bytes);
}

/* TENON_TEST_SAVE: the image, as it is before anything is done to it. */
static void save(const struct memory_file *file)
{
    const char *path = g_getenv("TENON_TEST_SAVE");

    if (path)
        assert_true(g_file_set_contents(path, (const char *)file->data,
                                        (gssize)file->length, NULL));
}

static void one_mutation(struct fuzz *f, guint64 number)
{
    const struct seed *s;

    f->random = g_rand_new_with_seed_array(
        (guint32[]){(guint32)number, (guint32)(number >> 32)}, 2);
    s = &g_array_index(f->seeds, struct seed, below(f, f->seeds->len));
    mem_restore_all(f->memory);
    for (guint i = below(f, 6) + (number > f->seeds->len); i; i--)
        fuzz_damage(f, s->file);
    if (f->kind->mend && below(f, 4))
        f->kind->mend(s->file->data, s->file->length, mended, s->file);
    save(s->file);
    f->t.path = s->path;
    try(f);
    f->t.path = NULL;
    g_rand_free(f->random);
}

/* Which one is under way: for whoever has to find it again. */
static volatile guint64 *under_way;
static guint64 nowhere;

static void died(void)
{
    char text[80];
    int n = g_snprintf(text, sizeof text,
                       "TENON_TEST_SEED=%" G_GUINT64_FORMAT
                       " TENON_TEST_MUTATIONS=1\n",
                       *under_way);

    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        return;
}

void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

static void note_progress(void)
{
    const char *path = g_getenv("TENON_TEST_PROGRESS");
    int fd;

    under_way = &nowhere;
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(died);
    if (!path)
        return;
    fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, sizeof *under_way) == 0);
    under_way = mmap(NULL, sizeof *under_way, PROT_READ | PROT_WRITE,
                     MAP_SHARED, fd, 0);
    assert_true(under_way != MAP_FAILED);
    close(fd);
}

void image_fuzz_test(const struct image_kind *kind)
{
    guint64 mutations = image_environment("TENON_TEST_MUTATIONS", 1500);
    guint64 seed = image_environment("TENON_TEST_SEED", 1);
    struct fuzz *f = g_new0(struct fuzz, 1);

    begin(f, kind);
    if (!f->seeds->len) {
        print_message("skipped: nothing makes such an image\n");
        end(f);
        skip();
    }
    note_progress();
    for (guint64 i = 0; i < mutations; i++) {
        *under_way = seed + i;
        one_mutation(f, seed + i);
    }
    print_message("%s: %" G_GUINT64_FORMAT " damaged images of %u\n",
                  kind->name, mutations, f->seeds->len);
    end(f);
}

void image_fuzz_failed(void)
{
    if (under_way)
        died();
}

/* ---- libFuzzer ---- */

int image_fuzz_one(const struct image_kind *kind, const uint8_t *data,
                   size_t bytes)
{
    static struct fuzz *f;
    const struct seed *s;
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
    s = &g_array_index(f->seeds, struct seed, 0);
    mem_restore_all(f->memory);
    mem_resize(s->file, 0);
    mem_write(s->file, 0, data, bytes);
    f->t.path = s->path;
    try(f);
    f->t.path = NULL;
    g_rand_free(f->random);
    return 0;
}
