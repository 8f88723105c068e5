/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failure. The transfers to an image's files are recorded; at random
 * points the files are made again of what was flushed and of a random part,
 * sector by sector and in any order, of what was not. The image must open,
 * have no damage but leaks, and hold in each sector what was there at the
 * guest's last flush or was written later, and nothing else; a snapshot what
 * was there when it was taken.
 *
 * Each sector that the guest writes says which deed wrote it and where. All of
 * it is in memory and on one thread; the order in which transfers are done is
 * drawn.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/secret.h"
#include "core/util/log.h"
#include "tests/image/power.h"

#define DEEDS 260u
#define AT_ONCE 5u

static struct power *current; /* deed_done() has no place for it */

/* ---- recording ---- */

void power_record(void *opaque, struct memory_file *file,
                  enum memory_change change, uint64_t offset, uint64_t bytes,
                  const uint8_t *data)
{
    struct power *p = opaque;
    struct record r = {change, 0, offset, bytes, NULL};

    if (!p->recording)
        return;
    while (p->files[r.file].file != file)
        assert_true(++r.file < p->n_files);
    r.data = data ? g_memdup2(data, bytes) : NULL;
    g_array_append_val(p->records, r);
}

struct memory_file *power_copy(struct power *p, const struct memory_file *file)
{
    g_autofree char *name = g_path_get_basename(file->name);
    g_autofree char *path =
        g_build_filename(p->t.directory, "crash", name, NULL);
    struct memory_file *crash =
        mem_put(p->memory, path, file->data, file->high);

    mem_base_resize(crash, file->length);
    return crash;
}

void power_watch(struct power *p, struct memory_file *file,
                 struct memory_file *crash)
{
    assert_true(p->n_files < MOST_FILES);
    p->files[p->n_files].file = file;
    p->files[p->n_files++].crash = crash;
}

static void start_recording(struct power *p)
{
    struct block_node *node = p->t.node;

    current = p;
    for (guint i = 0; i < node->files->len; i++) {
        struct memory_file *file =
            mem_find(p->memory, node_file(node, i)->name);

        power_watch(p, file, power_copy(p, file));
    }
    p->recording = TRUE;
}

/* ---- the guest ---- */

static void stamp(uint8_t *sector, uint32_t number, uint64_t offset)
{
    uint32_t words[2] = {number, (uint32_t)(offset / SECTOR)};

    for (guint i = 0; i < SECTOR; i += sizeof words)
        memcpy(sector + i, words, sizeof words);
}

static void deed_done(struct block_op *op, int result)
{
    struct deed *d = (struct deed *)op;

    if (result)
        fail_msg("operation %u: %s", d->kind, g_strerror(-result));
    d->end = current->records->len;
    d->finished = TRUE;
}

static void note(struct power *p, struct deed *d)
{
    d->start = p->records->len;
    d->end = G_MAXUINT;
    g_ptr_array_add(p->deeds, d);
    d->number = p->deeds->len;
}

static void start(struct power *p, struct deed *d, uint32_t flags)
{
    note(p, d);
    if (d->kind == TN_DISK_WRITE) {
        d->data = g_malloc(d->bytes);
        for (uint64_t i = 0; i < d->bytes; i += SECTOR)
            stamp(d->data + i, d->number, d->offset + i);
    }
    d->iov = (struct iovec){d->data, d->bytes};
    d->op = (struct block_op){
        .node = p->t.node,
        .op = d->kind,
        .flags = flags,
        .offset = d->offset,
        .bytes = d->bytes,
        .iov = &d->iov,
        .n_iov = d->data ? 1 : 0,
        .done = deed_done,
    };
    block_op_start(&d->op);
}

static struct deed *random_deed(struct power *p)
{
    static const uint32_t scales[] = {1, 8, 40, 300};
    struct deed *d = g_new0(struct deed, 1);
    GRand *r = p->t.random;
    guint n = (guint)g_rand_int_range(r, 0, 20);
    gint32 most = (gint32)scales[g_rand_int_range(r, 0, 4)];

    d->kind = n < 13   ? TN_DISK_WRITE
              : n < 17 ? TN_DISK_ZERO
                       : TN_DISK_DISCARD;
    d->bytes = SECTOR * (uint64_t)g_rand_int_range(r, 1, most + 1);
    d->offset = SECTOR * (uint64_t)g_rand_int_range(
                             r, 0,
                             (gint32)((p->t.node->info.bytes - d->bytes) /
                                      SECTOR));
    return d;
}

static gboolean overlaps(struct power *p, guint first, const struct deed *d)
{
    for (guint i = first; i < p->deeds->len; i++) {
        const struct deed *e = g_ptr_array_index(p->deeds, i);

        if (e->offset < d->offset + d->bytes &&
            d->offset < e->offset + e->bytes)
            return TRUE;
    }
    return FALSE;
}

static void wait_for(struct power *p, guint first)
{
    for (guint i = first; i < p->deeds->len; i++) {
        struct deed *d = g_ptr_array_index(p->deeds, i);

        while (!d->finished)
            block_context_wait(p->t.context);
    }
}

static void do_flush(struct power *p)
{
    struct deed *d = g_new0(struct deed, 1);
    guint first = p->deeds->len;

    d->kind = TN_DISK_FLUSH;
    start(p, d, 0);
    wait_for(p, first);
}

static void do_io(struct power *p)
{
    guint n = (guint)g_rand_int_range(p->t.random, 1, AT_ONCE + 1);
    guint first = p->deeds->len;

    while (n--) {
        struct deed *d = random_deed(p);
        gboolean unmap = d->kind == TN_DISK_ZERO &&
                         g_rand_int_range(p->t.random, 0, 2);

        if (overlaps(p, first, d))
            g_free(d);
        else
            start(p, d, unmap ? TN_DISK_UNMAP : 0);
    }
    wait_for(p, first);
}

/* ---- what else there is in a format ---- */

static void do_compressed(struct power *p)
{
    uint64_t unit = p->t.node->info.compress_bytes;
    uint64_t n = unit ? p->t.node->info.bytes / unit : 0;
    guint first = p->deeds->len;

    for (guint i = 0; n && i < 3; i++) {
        struct deed *d = g_new0(struct deed, 1);

        d->kind = TN_DISK_WRITE;
        d->bytes = unit;
        d->offset = g_rand_int(p->t.random) % n * unit;
        if (overlaps(p, first, d))
            g_free(d);
        else
            start(p, d, BLOCK_OP_COMPRESS);
    }
    wait_for(p, first);
}

struct deed *power_call_begin(struct power *p, uint32_t kind)
{
    struct deed *d = g_new0(struct deed, 1);

    do_flush(p);
    image_calls_begin(&p->t);
    d->kind = kind;
    note(p, d);
    return d;
}

void power_call_end(struct power *p, struct deed *d, int32_t rc,
                    struct tn_error *error)
{
    if (rc == -ERANGE && p->kind->abilities & IMAGE_FULL_COUNTS &&
        (d->kind == DEED_SNAPSHOT || d->kind == DEED_APPLY)) {
        d->kind = TN_DISK_FLUSH;
        d->bytes = 0;
    } else if (rc)
        fail_msg("deed %#x: %s", d->kind, tn_error_text(error, rc));
    image_calls_end(&p->t);
    d->end = p->records->len;
    d->finished = TRUE;
    do_flush(p);
}

static void do_resize(struct power *p)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct block_node *node = p->t.node;
    uint64_t unit = MAX(node->info.cluster_bytes, 65536);
    uint64_t least = p->kind->abilities & IMAGE_SHRINKS ? BYTES / 2
                                                        : node->info.bytes;
    uint64_t bytes =
        (least + g_rand_int(p->t.random) % (MOST_BYTES - least + 1)) / unit *
        unit;
    struct deed *d;
    int32_t rc;

    if (bytes < least || !bytes || bytes == node->info.bytes)
        return;
    d = power_call_begin(p, DEED_RESIZE);
    d->bytes = bytes;
    rc = node->fmt.resize(node->host.self, bytes, &error);
    node->info.bytes = bytes;
    power_call_end(p, d, rc, &error);
}

static void take_snapshot(struct power *p)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct power_snapshot *of = &p->snapshots[p->n_snapshots];
    struct block_node *node = p->t.node;
    struct tn_image_snapshot s = {.size = sizeof s, .date_seconds = 1};
    struct deed *d = power_call_begin(p, DEED_SNAPSHOT);
    int32_t rc;

    of->content = g_new(uint32_t, SECTORS);
    of->deed = p->deeds->len - 1;
    of->bytes = power_content(p, of->deed, of->content);
    of->deleted = 0;
    assert_int_equal(of->bytes, node->info.bytes);
    g_snprintf(s.name, sizeof s.name, "s%u", p->n_snapshots++);
    if (p->kind->abilities & IMAGE_STATE && g_rand_int(p->t.random) % 4)
        s.state_bytes = power_write_state(p);
    of->state_bytes = s.state_bytes;
    rc = node->fmt.snapshot(node->host.self, TN_SNAPSHOT_CREATE, &s, &error);
    power_call_end(p, d, rc, &error);
    if (rc) {
        g_free(of->content);
        p->n_snapshots--;
    }
}

static void use_snapshot(struct power *p, uint32_t kind)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    guint i = g_rand_int(p->t.random) % p->n_snapshots;
    struct power_snapshot *of = &p->snapshots[i];
    struct block_node *node = p->t.node;
    struct tn_image_snapshot s = {.size = sizeof s};
    struct deed *d;
    int32_t rc;

    if (of->deleted)
        return;
    d = power_call_begin(p, kind);
    d->snapshot = i;
    for (uint32_t n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("s%u", i);

        assert_int_equal(node->fmt.snapshot_info(node->host.self, n, &s), 0);
        if (!strcmp(s.name, name))
            break;
    }
    if (kind == DEED_DELETE) {
        of->deleted = p->deeds->len - 1;
        rc = node->fmt.snapshot(node->host.self, TN_SNAPSHOT_DELETE, &s,
                                &error);
    } else {
        d->bytes = of->bytes;
        rc = node->fmt.snapshot(node->host.self, TN_SNAPSHOT_APPLY, &s,
                                &error);
        if (rc == 0)
            node->info.bytes = of->bytes;
    }
    power_call_end(p, d, rc, &error);
}

static void do_snapshot(struct power *p)
{
    guint n = g_rand_int(p->t.random) % 4;

    if (n < 2 || !p->n_snapshots) {
        if (p->n_snapshots < MOST_SNAPSHOTS)
            take_snapshot(p);
    } else {
        /* None is applied while there are bitmaps. */
        use_snapshot(p, n == 2 && !(p->kind->abilities & IMAGE_BITMAPS)
                            ? DEED_APPLY
                            : DEED_DELETE);
    }
}

static void do_some(struct power *p)
{
    const struct block_node *node = p->t.node;
    guint n = (guint)g_rand_int_range(p->t.random, 0, 40);

    if (n < 10)
        do_flush(p);
    else if (n == 10 && p->kind->abilities & IMAGE_SNAPSHOTS)
        do_snapshot(p);
    else if (n == 11 &&
             p->kind->abilities & (IMAGE_GROWS | IMAGE_SHRINKS) &&
             !node->backing)
        do_resize(p);
    else if (n > 12 && n < 17 && p->kind->abilities & IMAGE_BITMAPS)
        power_do_bitmap(p);
    else if (n > 16 && n < 19 && p->kind->abilities & IMAGE_BITMAPS)
        power_do_reopen(p);
    else if (n == 12 && node->info.flags & TN_FORMAT_COMPRESSES &&
             !(node->info.flags & TN_FORMAT_SEQUENTIAL))
        do_compressed(p);
    else
        do_io(p);
}

/* ---- */

static void note_base(struct power *p)
{
    p->base = g_new0(uint32_t, SECTORS);
    for (uint64_t i = 0; i < BYTES; i++)
        if (p->t.model[i])
            p->base[i / SECTOR] = POWER_BASE;
}

static void clear(struct power *p)
{
    p->recording = FALSE;
    image_test_close(&p->t);
    for (guint i = 0; i < p->records->len; i++)
        g_free(g_array_index(p->records, struct record, i).data);
    for (guint i = 0; i < p->deeds->len; i++) {
        struct deed *d = g_ptr_array_index(p->deeds, i);

        g_free(d->data);
        g_free(d);
    }
    for (guint i = 0; i < p->n_snapshots; i++)
        g_free(p->snapshots[i].content);
    g_array_unref(p->records);
    g_ptr_array_unref(p->deeds);
    g_free(p->base);
    mem_leave(p->memory);
    image_test_clear(&p->t);
}

static void crash_often(struct power *p, guint64 crashes)
{
    g_autofree guint *points = power_points(p, crashes);

    for (guint64 i = 0; i < crashes; i++)
        power_crash(p, points[i]);
}

static void run(const struct image_kind *kind, const struct image_options *o,
                guint32 seed, guint64 crashes)
{
    struct image_kind able = *kind;
    struct block_secrets *secrets = block_secrets_new();
    g_autofree char *directory = NULL;
    struct power p = {
        .kind = &able,
        .records = g_array_new(FALSE, FALSE, sizeof(struct record)),
        .deeds = g_ptr_array_new(),
        .reference_every =
            MAX(1, image_environment("TENON_TEST_REFERENCE_EVERY", 10)),
    };

    able.abilities = image_able(kind, o);
    image_kind_init_io(&p.t, kind, seed, BLOCK_IO_INLINE);
    p.t.opens = o->opens;
    block_secrets_add(secrets, "key", "sesame", 6);
    p.t.context->secrets = secrets;
    if (!image_kind_make(&p.t, kind, o, MADE_HERE, BYTES) &&
        !image_kind_make(&p.t, kind, o, MADE_BY_REFERENCE, BYTES)) {
        g_array_unref(p.records);
        g_ptr_array_unref(p.deeds);
        image_test_clear(&p.t);
        block_secrets_free(secrets);
        return;
    }
    print_message("%s: %s: %" G_GUINT64_FORMAT " crashes (seed %u)\n",
                  kind->name, o->ours ? o->ours : o->reference, crashes, seed);
    tn_log_set_fd(g_open("/dev/null", O_WRONLY | O_CLOEXEC, 0));
    directory = g_build_filename(p.t.directory, "crash", NULL);
    g_mkdir(directory, 0700);
    note_base(&p);
    p.memory = mem_enter(&p.t);
    mem_import(p.memory, p.t.directory);
    p.memory->changed = power_record;
    p.memory->opaque = &p;
    p.memory->shuffle = p.t.random;
    image_kind_open(&p.t, kind, TN_IMAGE_WRITABLE);
    start_recording(&p);
    while (p.deeds->len < DEEDS)
        do_some(&p);
    crash_often(&p, crashes);
    if (p.n_bitmaps)
        print_message("  %" G_GUINT64_FORMAT " bitmaps said to be whole\n",
                      p.bitmaps_read);
    clear(&p);
    block_secrets_free(secrets);
    tn_log_set_fd(-1);
}

void image_power_test(const struct image_kind *kind)
{
    guint64 crashes = image_environment("TENON_TEST_CRASHES", 120);
    guint32 seed = (guint32)image_environment("TENON_TEST_SEED", 1);
    guint n = 0;

    for (guint i = 0; i < kind->n_options; i++)
        n += image_wanted(&kind->options[i]) ? 1 : 0;
    /* A history of its own for every hundred. */
    for (guint i = 0; i < kind->n_options; i++)
        for (guint64 left = (crashes + n - 1) / MAX(n, 1u), round = 0;
             left && image_wanted(&kind->options[i]); round++) {
            const struct image_options *o = &kind->options[i];
            guint64 some = MIN(left, 100);

            run(kind, o, seed + i + 100 * (guint32)round, some);
            if ((o->backing || (kind->base && o->ours &&
                                !(o->without & IMAGE_BACKING))) &&
                !o->opens)
                power_commit_test(kind, o, seed + i + 100 * (guint32)round,
                                  some);
            left -= some;
        }
}
