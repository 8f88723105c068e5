/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories: operations on an image and on a plain model of it, with
 * resizes, snapshots, reopening, commits into the image below, rebases onto
 * another one, and the reference tool looking at it and writing into it
 * between times.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define BYTES ((5u << 20) + 1536)
#define MOST_SNAPSHOTS 4u
#define THREADED 400u /* operations with threads, or io_uring */

struct saved {
    char name[32];
    uint8_t *model;
    uint64_t bytes;
};

struct history {
    struct image_test t;
    const struct image_kind *kind;
    uint32_t able;
    struct saved saved[MOST_SNAPSHOTS];
    guint n_saved, n_named;
    gboolean based; /* on another image, now */
};

static void reopen(struct history *h)
{
    image_test_close(&h->t);
    image_kind_open(&h->t, h->kind, TN_IMAGE_WRITABLE);
    image_test_compare(&h->t);
}

/* Afterwards there may be anything, but always the same. */
static void discard(struct history *h)
{
    struct image_test *t = &h->t;
    uint64_t sectors = t->bytes / 512;
    uint64_t offset = 512 * (uint64_t)g_rand_int_range(t->random, 0,
                                                       (gint32)sectors);
    uint64_t bytes = 512 * (uint64_t)g_rand_int_range(t->random, 1, 4096);

    bytes = MIN(bytes, t->bytes - offset);
    assert_int_equal(image_do(t, TN_DISK_DISCARD, 0, offset, bytes, NULL), 0);
    assert_int_equal(
        image_do(t, TN_DISK_READ, 0, offset, bytes, t->model + offset), 0);
}

/* Whole units, some of which compress and some do not. */
static void compress(struct history *h)
{
    struct image_test *t = &h->t;
    uint64_t unit = t->node->info.compress_bytes;
    uint64_t n = unit ? (t->bytes + unit - 1) / unit : 0;

    for (guint i = 0; n && i < 10; i++) {
        uint64_t at = g_rand_int(t->random) % n * unit;
        uint64_t bytes = MIN(unit, t->bytes - at);
        guint noise = 1 + g_rand_int(t->random) % 256;

        for (uint64_t j = 0; j < bytes; j++)
            t->model[at + j] = (uint8_t)(j / 7 + g_rand_int(t->random) % noise);
        assert_int_equal(image_do(t, TN_DISK_WRITE, BLOCK_OP_COMPRESS, at,
                                  bytes, t->model + at),
                         0);
    }
}

/* ---- what the format does with no operation in flight ---- */

static void resize(struct history *h)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &h->t;
    uint64_t unit = h->kind->size_unit ? h->kind->size_unit : 512;
    uint64_t least = h->able & IMAGE_SHRINKS ? BYTES / 2 : t->bytes;
    uint64_t most = MAX(least + unit, BYTES + BYTES / 4);
    uint64_t bytes =
        (uint64_t)g_rand_double_range(t->random, (double)least, (double)most) /
        unit * unit;
    const struct tn_format *f;
    int32_t rc;

    if (bytes < least || bytes == t->bytes || t->bytes > 2 * BYTES)
        return;
    f = image_calls_begin(t);
    rc = f->resize(t->node->host.self, bytes, &error);
    if (rc)
        fail_msg("resize: %s", tn_error_text(&error, rc));
    t->node->info.bytes = bytes;
    image_calls_end(t);
    t->model = g_realloc(t->model, bytes);
    if (bytes > t->bytes) {
        /* As the engine does: what the last cluster had, and what a backing
         * image has there. */
        assert_int_equal(image_do(t, TN_DISK_ZERO, 0, t->bytes,
                                  bytes - t->bytes, NULL),
                         0);
        memset(t->model + t->bytes, 0, bytes - t->bytes);
    }
    t->bytes = bytes;
}

static void forget(struct history *h, guint i)
{
    g_free(h->saved[i].model);
    h->saved[i] = h->saved[--h->n_saved];
}

/* No room in the counts. */
static gboolean refused(struct history *h, int32_t rc)
{
    if (rc != -ERANGE || !(h->able & IMAGE_FULL_COUNTS))
        return FALSE;
    image_check_clean(&h->t, TRUE);
    image_test_compare(&h->t);
    return TRUE;
}

static void take_snapshot(struct history *h)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &h->t;
    struct tn_image_snapshot s = {.size = sizeof s, .date_seconds = 1};
    struct saved *saved = &h->saved[h->n_saved];
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc;

    g_snprintf(saved->name, sizeof saved->name, "snap%u", ++h->n_named);
    g_strlcpy(s.name, saved->name, sizeof s.name);
    rc = f->snapshot(t->node->host.self, TN_SNAPSHOT_CREATE, &s, &error);
    image_calls_end(t);
    if (refused(h, rc))
        return;
    if (rc)
        fail_msg("snapshot: %s", tn_error_text(&error, rc));
    saved->model = g_memdup2(t->model, t->bytes);
    saved->bytes = t->bytes;
    h->n_saved++;
}

static void find_snapshot(struct history *h, guint i,
                          struct tn_image_snapshot *s)
{
    const struct tn_format *f = &h->t.node->fmt;

    for (uint32_t n = 0;; n++) {
        *s = (struct tn_image_snapshot){.size = sizeof *s};
        if (f->snapshot_info(h->t.node->host.self, n, s))
            fail_msg("snapshot %s is lost", h->saved[i].name);
        if (!strcmp(s->name, h->saved[i].name))
            break;
    }
    assert_int_equal(s->bytes, h->saved[i].bytes);
}

static void use_snapshot(struct history *h, uint32_t what)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &h->t;
    guint i = g_rand_int(t->random) % h->n_saved;
    struct tn_image_snapshot s;
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc;

    find_snapshot(h, i, &s);
    rc = f->snapshot(t->node->host.self, what, &s, &error);
    if (rc == 0 && what == TN_SNAPSHOT_APPLY)
        t->node->info.bytes = h->saved[i].bytes;
    image_calls_end(t);
    if (what == TN_SNAPSHOT_APPLY && refused(h, rc))
        return;
    if (rc)
        fail_msg("snapshot: %s", tn_error_text(&error, rc));
    if (what == TN_SNAPSHOT_DELETE) {
        forget(h, i);
        return;
    }
    t->bytes = h->saved[i].bytes;
    g_free(t->model);
    t->model = g_memdup2(h->saved[i].model, t->bytes);
    image_test_compare(t);
}

/* A snapshot has what was there when it was taken, whatever came later. */
static void view_snapshot(struct history *h)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &h->t;
    guint i = g_rand_int(t->random) % h->n_saved;
    uint64_t bytes = t->bytes;
    uint8_t *model = t->model;
    struct tn_image_snapshot s;
    const struct tn_format *f;
    int32_t rc;

    image_test_close(t);
    image_kind_open(t, h->kind, 0);
    f = image_calls_begin(t);
    find_snapshot(h, i, &s);
    rc = f->snapshot(t->node->host.self, TN_SNAPSHOT_VIEW, &s, &error);
    if (rc)
        fail_msg("view: %s", tn_error_text(&error, rc));
    t->node->info.bytes = t->bytes = h->saved[i].bytes;
    image_calls_end(t);
    t->model = h->saved[i].model;
    image_test_compare(t);
    t->model = model;
    t->bytes = bytes;
    image_test_close(t);
    image_kind_open(t, h->kind, TN_IMAGE_WRITABLE);
}

static void snapshots(struct history *h)
{
    guint n = (guint)g_rand_int_range(h->t.random, 0, 5);

    if (h->n_saved == 0 || (n < 2 && h->n_saved < MOST_SNAPSHOTS))
        take_snapshot(h);
    else if (n == 2)
        use_snapshot(h, TN_SNAPSHOT_APPLY);
    else if (n == 3)
        view_snapshot(h);
    else
        use_snapshot(h, TN_SNAPSHOT_DELETE);
}

/* ---- the other tool ---- */

static void reference_writes(struct history *h)
{
    struct image_test *t = &h->t;
    g_autoptr(GString) line = g_string_new("cd ");

    g_string_append_printf(line, "%s && qemu-io -f %s %s", t->directory,
                           h->kind->reference, t->path);
    for (guint i = 0; i < 12; i++) {
        guint fill = g_rand_int(t->random) % 255 + 1;
        uint64_t offset = 512 * (uint64_t)g_rand_int_range(
                                    t->random, 0, (gint32)(t->bytes / 512));
        uint64_t bytes =
            512 * (uint64_t)g_rand_int_range(t->random, 1, 300);
        gboolean zero = g_rand_int(t->random) % 4 == 0;

        bytes = MIN(bytes, t->bytes - offset);
        if (zero)
            fill = 0;
        if (zero)
            g_string_append(line, " -c 'write -z -u");
        else
            g_string_append_printf(line, " -c 'write -P %u", fill);
        g_string_append_printf(
            line, " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "'", offset,
            bytes);
        memset(t->model + offset, (int)fill, bytes);
    }
    g_string_append(line, " >/dev/null");
    assert_int_equal(image_test_run("%s", line->str), 0);
}

static void reference(struct history *h)
{
    image_test_close(&h->t);
    image_reference_check(&h->t, h->kind, FALSE);
    image_reference_compare(&h->t, h->kind);
    if (h->able & IMAGE_REFERENCE_WRITES) {
        reference_writes(h);
        image_reference_check(&h->t, h->kind, FALSE);
    }
    image_kind_open(&h->t, h->kind, TN_IMAGE_WRITABLE);
    image_test_compare(&h->t);
}

/* ---- the image below: by the tools, ours and the reference's in turn ---- */

/* The other tool where it can, now and then. */
static void tool(struct history *h, const char *what)
{
    struct image_test *t = &h->t;
    const char *top = g_getenv("TENON_TOP_BUILDDIR");
    gboolean theirs = g_rand_int(t->random) & 1;
    g_autofree char *ours =
        g_strdup_printf("%s/tools/tenon-img", top ? top : ".");

    /* On an image that is based on none the reference's rebase leaves out the
     * zeroes, where the format has no mark for them. And it knows nothing of
     * what a base's content id is for. */
    theirs = theirs && h->based && !h->kind->base && h->kind->reference &&
             image_test_has_reference();
    assert_int_equal(
        image_test_run("cd %s && %s %s -f %s %s", t->directory,
                       theirs ? "qemu-img" : ours, what,
                       theirs ? h->kind->reference : h->kind->name, t->path),
        0);
}

/* On NAME's content, in the format that the kind can be based on. */
static char *rebase_onto(struct history *h, const char *name)
{
    const char *top = g_getenv("TENON_TOP_BUILDDIR");
    const char *format = h->kind->base;

    assert_int_equal(image_test_run("%s/tools/tenon-img convert -q -f raw -O "
                                    "%s %s %s.%s",
                                    top ? top : ".", format, name, name,
                                    format),
                     0);
    return g_strdup_printf("rebase -q -F %s -b %s.%s", format, name, format);
}

/* Into the image below, or onto another one. What a snapshot does not have
 * itself would not be the same afterwards. */
static void below(struct history *h)
{
    struct image_test *t = &h->t;
    gboolean can_rebase =
        t->node->fmt.set_backing || t->node->fmt.set_base;
    guint n = g_rand_int(t->random) % 4;
    g_autofree char *other = NULL, *what = NULL;

    if (h->n_saved || (!h->based && !can_rebase))
        return;
    image_test_close(t);
    if (h->based && (n < 2 || !can_rebase)) {
        tool(h, "commit -q");
    } else if (n == 2) {
        tool(h, "rebase -q -b ''");
        h->based = FALSE;
    } else {
        gsize bytes = (g_rand_int(t->random) % 14 + 1) << 19;

        other = g_strdup_printf("%s/other%u.raw", t->directory, ++h->n_named);
        g_free(image_kind_below(t, other, bytes));
        what = h->kind->base ? rebase_onto(h, other)
                             : g_strdup_printf("rebase -q -F raw -b %s", other);
        tool(h, what);
        h->based = TRUE;
    }
    image_reference_check(t, h->kind, FALSE);
    image_kind_open(t, h->kind, TN_IMAGE_WRITABLE);
    image_test_compare(t);
}

/* ---- */

static void event(struct history *h)
{
    guint n = (guint)g_rand_int_range(h->t.random, 0, 17);

    if (n < 2)
        reopen(h);
    else if (n < 5)
        discard(h);
    else if (n < 7 && h->able & IMAGE_GROWS)
        resize(h);
    else if (n < 11 && h->able & IMAGE_SNAPSHOTS)
        snapshots(h);
    else if (n < 13)
        image_check_clean(&h->t, TRUE);
    else if (n < 14 && h->kind->reference && image_test_has_reference())
        reference(h);
    else if (n < 15 && h->t.node->info.flags & TN_FORMAT_COMPRESSES &&
             !(h->t.node->info.flags & TN_FORMAT_SEQUENTIAL))
        compress(h);
    else if (n < 16 && h->able & IMAGE_BACKING)
        below(h);
    else
        image_test_compare(&h->t);
}

static void end(struct history *h)
{
    struct image_test *t = &h->t;

    image_test_compare(t);
    image_test_close(t);
    image_reference_check(t, h->kind, FALSE);
    image_reference_compare(t, h->kind);
    image_kind_open(t, h->kind, 0);
    image_check_clean(t, FALSE);
    image_test_compare(t);
    while (h->n_saved)
        forget(h, 0);
    image_test_clear(t);
}

static void run(const struct image_kind *kind, const struct image_options *o,
                enum image_maker maker, enum block_io io, guint32 seed,
                guint64 operations)
{
    struct history h = {.kind = kind, .able = image_able(kind, o)};
    struct image_test *t = &h.t;

    image_kind_init_io(t, kind, seed, io);
    if (!image_kind_make(t, kind, o, maker, BYTES)) {
        image_test_clear(t);
        return;
    }
    print_message("%s: %s (%s)\n", kind->name,
                  maker == MADE_HERE ? o->ours : o->reference,
                  maker == MADE_HERE ? "made here" : "made by the reference");
    h.based = o->backing != 0;
    image_kind_open(t, kind, TN_IMAGE_WRITABLE);
    image_test_compare(t);
    while (operations) {
        guint n = (guint)g_rand_int_range(t->random, 20, 150);

        n = (guint)MIN(n, operations);
        image_test_history(t, n, 1u << g_rand_int_range(t->random, 0, 5));
        operations -= n;
        event(&h);
    }
    end(&h);
}

void image_history_test(const struct image_kind *kind)
{
    guint64 operations = image_environment("TENON_TEST_OPERATIONS", 600);
    guint32 seed = (guint32)image_environment("TENON_TEST_SEED", 1);

    if (!image_test_has_reference())
        print_message("the reference tool is missing: only images made here\n");
    /* On this thread alone: the same each time. */
    for (guint i = 0; i < kind->n_options; i++) {
        if (!image_wanted(&kind->options[i]))
            continue;
        run(kind, &kind->options[i], MADE_HERE, BLOCK_IO_INLINE, seed + i,
            operations);
        if (image_test_has_reference())
            run(kind, &kind->options[i], MADE_BY_REFERENCE, BLOCK_IO_INLINE,
                seed + 1000 + i, operations);
    }
    /* As it is used: what is done at once ends in any order. */
    run(kind, &kind->options[0], MADE_HERE, BLOCK_IO_BEST, seed,
        MIN(operations, THREADED));
    run(kind, &kind->options[0], MADE_HERE, BLOCK_IO_THREADS, seed,
        MIN(operations, THREADED));
}
