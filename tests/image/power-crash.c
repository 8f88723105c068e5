/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a loss of power: the files are made again of what was flushed and of a
 * random part, sector by sector, of what was not. See power.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/power.h"

static const struct record *record_at(const struct power *p, guint i)
{
    return &g_array_index(p->records, struct record, i);
}

static const struct deed *deed_at(const struct power *p, guint i)
{
    return g_ptr_array_index(p->deeds, i);
}

/* ---- the files ---- */

static gboolean chance(struct power *p, guint percent)
{
    return g_rand_int_range(p->t.random, 0, 100) < (gint32)percent;
}

static void apply_flushed(struct memory_file *file, const struct record *r)
{
    if (r->kind == MEMORY_RESIZE)
        mem_base_resize(file, r->bytes);
    else if (r->kind != MEMORY_FLUSH)
        mem_base_write(file, r->offset, r->data, r->bytes);
}

/* Each sector is there or is not. */
static void apply_some(struct power *p, struct memory_file *file,
                       const struct record *r, guint keep)
{
    uint64_t at = 0;

    if (r->kind == MEMORY_RESIZE && chance(p, keep))
        mem_resize(file, r->bytes);
    if (r->kind != MEMORY_WRITE && r->kind != MEMORY_ZERO)
        return;
    while (at < r->bytes) {
        uint64_t n = MIN(r->bytes - at, SECTOR - (r->offset + at) % SECTOR);

        if (chance(p, keep))
            mem_write(file, r->offset + at, r->data ? r->data + at : NULL,
                         n);
        at += n;
    }
}

void power_make_file(struct power *p, guint i, guint point, guint keep)
{
    struct power_file *f = &p->files[i];
    guint flush = f->flush;

    for (guint n = f->flush; n < point; n++)
        if (record_at(p, n)->file == i && record_at(p, n)->kind == MEMORY_FLUSH)
            flush = n;
    f->flush = flush;
    for (; f->applied < flush; f->applied++)
        if (record_at(p, f->applied)->file == i)
            apply_flushed(f->crash, record_at(p, f->applied));
    mem_restore(f->crash);
    for (guint n = f->applied; n < point; n++)
        if (record_at(p, n)->file == i)
            apply_some(p, f->crash, record_at(p, n), keep);
}

/* ---- when ---- */

static gint ascending(gconstpointer a, gconstpointer b)
{
    const guint *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

guint *power_points(struct power *p, guint64 count)
{
    guint *points = g_new(guint, count);

    p->recording = FALSE;
    p->memory->shuffle = NULL;
    for (guint64 i = 0; i < count; i++)
        points[i] = (guint)g_rand_int_range(p->t.random, 0,
                                            (gint32)p->records->len + 1);
    qsort(points, count, sizeof *points, ascending);
    return points;
}

/* ---- what must be in it ---- */

static void apply_deed(struct power *p, const struct deed *d,
                       uint32_t *content, uint64_t *size)
{
    uint32_t *c;

    if (d->kind == DEED_RESIZE) {
        for (uint64_t i = d->bytes / SECTOR; i < SECTORS; i++)
            content[i] = 0;
        *size = d->bytes;
    } else if (d->kind == DEED_APPLY) {
        memcpy(content, p->snapshots[d->snapshot].content,
               SECTORS * sizeof *content);
        *size = d->bytes;
    }
    if (d->kind > 0xff)
        return;
    /* What is discarded may be as before, or zero, in any part. */
    for (uint64_t at = d->offset; at < d->offset + d->bytes; at += SECTOR) {
        c = &content[at / SECTOR];
        if (d->kind == TN_DISK_WRITE)
            *c = d->number;
        else if (d->kind == TN_DISK_ZERO)
            *c = 0;
        else if (d->kind == TN_DISK_DISCARD && *c)
            *c = *c >= BASE_OR_ZERO ? BASE_OR_ZERO : *c | OR_ZERO;
    }
}

uint64_t power_content(struct power *p, guint n, uint32_t *content)
{
    uint64_t size = BYTES;

    memcpy(content, p->base, SECTORS * sizeof *content);
    for (guint i = 0; i < n; i++)
        apply_deed(p, deed_at(p, i), content, &size);
    return size;
}

guint power_last_flush(const struct power *p, guint point)
{
    guint last = 0;

    for (guint i = 0; i < p->deeds->len; i++)
        if (deed_at(p, i)->kind == TN_DISK_FLUSH && deed_at(p, i)->end <= point)
            last = i;
    return last;
}

static gboolean is_one_of(uint32_t is, uint32_t of)
{
    return is == of || (of == BASE_OR_ZERO && (is == 0 || is == POWER_BASE)) ||
           (of < BASE_OR_ZERO && of & OR_ZERO &&
            (is == 0 || is == (of & ~OR_ZERO)));
}

static gboolean is_allowed(struct power *p, guint last, guint point,
                           uint32_t before, uint64_t offset, uint32_t is)
{
    if (is_one_of(is, before))
        return TRUE;
    for (guint i = last; i < p->deeds->len; i++) {
        const struct deed *d = deed_at(p, i);

        if (d->start > point)
            break;
        if (d->kind == DEED_APPLY) {
            if (is_one_of(is,
                          p->snapshots[d->snapshot].content[offset / SECTOR]))
                return TRUE;
        } else if (d->kind == DEED_RESIZE) {
            if (offset >= d->bytes && is == 0)
                return TRUE;
            if (p->kind->abilities & IMAGE_FOOTER && d->end > point)
                return TRUE; /* where the footer was, or is */
        } else if (offset >= d->offset && offset < d->offset + d->bytes &&
                   (d->kind == TN_DISK_WRITE ? is == d->number : is == 0)) {
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean size_is_allowed(struct power *p, guint last, guint point,
                                uint64_t was, uint64_t is)
{
    for (guint i = last; i < p->deeds->len && is != was; i++) {
        const struct deed *d = deed_at(p, i);

        if (d->start > point)
            return FALSE;
        if (d->kind == DEED_RESIZE || d->kind == DEED_APPLY)
            was = d->bytes;
    }
    return is == was;
}

/* Which deed wrote the sector, or that it is as before the first one. */
static uint32_t read_stamp(const struct power *p, const uint8_t *sector,
                           uint64_t offset)
{
    uint32_t words[2];

    memcpy(words, sector, sizeof words);
    if (!memcmp(sector, sector + sizeof words, SECTOR - sizeof words)) {
        if (!words[0] && !words[1])
            return 0;
        if (words[1] == offset / SECTOR && words[0] <= p->deeds->len)
            return words[0];
    }
    return offset < BYTES && !memcmp(sector, p->t.model + offset, SECTOR)
               ? POWER_BASE
               : FOREIGN;
}

static void failed(struct power *p, guint point, const char *what,
                   uint64_t offset, uint32_t is, uint32_t was)
{
    print_message("crash at %u of %u: %s", point, p->records->len, what);
    print_message(" (sector at %" G_GUINT64_FORMAT ": deed %u, was %u)\n",
                  offset, is, was);
    for (guint i = 0; i < p->deeds->len; i++) {
        const struct deed *d = deed_at(p, i);

        if (d->kind == TN_DISK_FLUSH || d->kind > 0xff ||
            (d->offset <= offset && offset < d->offset + d->bytes))
            print_message("  deed %u op %#x %" G_GUINT64_FORMAT
                          "+%" G_GUINT64_FORMAT " records %u..%u\n",
                          d->number, d->kind, d->offset, d->bytes, d->start,
                          d->end);
        if (d->start > point)
            break;
    }
    fail();
}

static void compare(struct power *p, guint point)
{
    g_autofree uint8_t *data = g_malloc(MOST_BYTES);
    g_autofree uint32_t *content = g_new(uint32_t, SECTORS);
    guint last = power_last_flush(p, point);
    uint64_t was_size = power_content(p, last, content);
    uint64_t size = p->t.node->info.bytes;

    if (!size_is_allowed(p, last, point, was_size, size))
        failed(p, point, "wrong size", size, 0, 0);
    assert_int_equal(image_do(&p->t, TN_DISK_READ, 0, 0, size, data), 0);
    for (uint64_t at = 0; at < size; at += SECTOR) {
        uint32_t was = content[at / SECTOR];
        uint32_t is = read_stamp(p, data + at, at);

        if (is != was && !is_allowed(p, last, point, was, at, is))
            failed(p, point, "wrong content", at, is, was);
    }
}

/* ---- snapshots ---- */

static gboolean find_snapshot(struct power *p, guint i,
                              struct tn_image_snapshot *s)
{
    const struct tn_format *f = &p->t.node->fmt;
    char name[32];

    g_snprintf(name, sizeof name, "s%u", i);
    for (uint32_t n = 0;; n++) {
        *s = (struct tn_image_snapshot){.size = sizeof *s};
        if (f->snapshot_info(p->t.node->host.self, n, s))
            return FALSE;
        if (!strcmp(s->name, name))
            return TRUE;
    }
}

static void compare_state(struct power *p, guint point, guint i,
                          uint64_t bytes)
{
    const struct tn_format *f = image_calls_begin(&p->t);
    g_autofree uint8_t *must = power_state(i, bytes);
    g_autofree uint8_t *is = g_malloc0(bytes + 1);

    if (bytes)
        assert_int_equal(f->state_io(p->t.node->host.self, 0, 0, is, bytes),
                         0);
    image_calls_end(&p->t);
    if (memcmp(is, must, bytes))
        failed(p, point, "wrong machine state", 0, i, 0);
}

/* The image is open, for reading, with the content of S afterwards. */
static void compare_snapshot(struct power *p, guint point, guint i,
                             struct tn_image_snapshot *s)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct power_snapshot *of = &p->snapshots[i];
    g_autofree uint8_t *data = g_malloc(MOST_BYTES);
    const struct tn_format *f = image_calls_begin(&p->t);
    int32_t rc = f->snapshot(p->t.node->host.self, TN_SNAPSHOT_VIEW, s, &error);

    if (rc)
        fail_msg("view: %s", tn_error_text(&error, rc));
    p->t.node->info.bytes = s->bytes;
    image_calls_end(&p->t);
    assert_int_equal(s->bytes, of->bytes);
    assert_int_equal(s->state_bytes, of->state_bytes);
    compare_state(p, point, i, of->state_bytes);
    assert_int_equal(image_do(&p->t, TN_DISK_READ, 0, 0, s->bytes, data), 0);
    for (uint64_t at = 0; at < s->bytes; at += SECTOR) {
        uint32_t was = of->content[at / SECTOR];
        uint32_t is = read_stamp(p, data + at, at);

        if (!is_one_of(is, was))
            failed(p, point, "wrong content of a snapshot", at, is, was);
    }
}

/* One that was taken before the last flush is there. The image is open before
 * and closed afterwards. */
static void check_snapshots(struct power *p, guint point)
{
    guint last = power_last_flush(p, point);

    for (guint i = 0; i < p->n_snapshots; i++) {
        const struct power_snapshot *of = &p->snapshots[i];
        struct tn_image_snapshot s;
        guint gone = of->deleted;

        if (!p->t.node)
            image_kind_open(&p->t, p->kind, 0);
        if (find_snapshot(p, i, &s)) {
            if (gone && gone < last)
                failed(p, point, "a deleted snapshot is back", 0, i, 0);
            compare_snapshot(p, point, i, &s);
            image_test_close(&p->t);
        } else if (of->deed < last &&
                   (!gone || deed_at(p, gone)->start > point)) {
            failed(p, point, "a snapshot is lost", 0, i, 0);
        }
    }
    image_test_close(&p->t);
}

/* ---- */

#define AGAIN 8u
#define AGAIN_BYTES 8192u

/* Go on where the crash was. */
static void write_again(struct power *p, uint64_t *offsets)
{
    uint8_t data[AGAIN_BYTES];
    gint32 most = (gint32)((p->t.node->info.bytes - AGAIN_BYTES) / SECTOR);

    memset(data, 0xa5, sizeof data);
    for (guint i = 0; i < AGAIN; i++) {
        offsets[i] =
            SECTOR * (uint64_t)g_rand_int_range(p->t.random, 0, most);
        assert_int_equal(image_do(&p->t, TN_DISK_WRITE, 0, offsets[i],
                                  sizeof data, data),
                         0);
    }
}

static void use_bitmaps(struct power *p, const uint64_t *offsets)
{
    power_note_bitmaps(p);
    image_test_close(&p->t);
    image_kind_open(&p->t, p->kind, 0);
    power_check_written(p, offsets, AGAIN, AGAIN_BYTES);
    image_check_clean(&p->t, TRUE);
}

/* Its check calls counts that are higher than the marks in the tables say
 * damage, which it mends as it does leaks; nobody can change both at once. */
static gboolean amid_snapshot(struct power *p, guint point)
{
    for (guint i = 0; i < p->deeds->len; i++)
        if (deed_at(p, i)->kind >= DEED_SNAPSHOT &&
            deed_at(p, i)->kind <= DEED_DELETE &&
            deed_at(p, i)->start <= point && point <= deed_at(p, i)->end)
            return TRUE;
    return FALSE;
}

static void reference_check(struct power *p, guint point)
{
    struct image_kind kind = *p->kind;
    g_autofree char *directory = g_path_get_dirname(p->t.path);

    mem_export(p->memory, directory);
    if (amid_snapshot(p, point))
        kind.abilities |= IMAGE_REPLAYS;
    image_reference_check(&p->t, &kind, TRUE);
}

void power_crash(struct power *p, guint point)
{
    static const guint parts[] = {0, 20, 50, 80, 100};
    guint keep = parts[g_rand_int_range(p->t.random, 0, 5)];
    struct block_node *node = p->t.node;
    char *path = p->t.path;
    uint64_t again[AGAIN];
    gboolean late = (p->kind->abilities & IMAGE_REPLAYS) != 0;
    gboolean reference = p->crashes++ % p->reference_every == 0;

    p->t.path = p->files[0].crash->name;
    p->t.node = NULL;
    for (guint i = 0; i < p->n_files; i++)
        power_make_file(p, i, point, keep);
    image_kind_open(&p->t, p->kind, 0);
    compare(p, point);
    if (!late)
        image_check_clean(&p->t, TRUE);
    power_check_bitmaps(p, point);
    check_snapshots(p, point);
    if (!late && reference)
        reference_check(p, point);
    image_kind_open(&p->t, p->kind, TN_IMAGE_WRITABLE);
    compare(p, point);
    write_again(p, again);
    image_check_clean(&p->t, TRUE);
    if (p->n_bitmaps)
        use_bitmaps(p, again);
    image_test_close(&p->t);
    if (late && reference)
        reference_check(p, point);
    p->t.path = path;
    p->t.node = node;
}
