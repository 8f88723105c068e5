/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine state and persistent bitmaps in the power test (see power.c). The
 * first comes with snapshots. Bitmaps are made, enabled, disabled, cleared,
 * merged and removed between the guest's writes. After a crash one that does
 * not say "in use" has a bit for everything that was changed while it was
 * enabled, and for nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/power.h"

#define DEED_BITS (MOST_BYTES / 512) /* of the finest granularity */

static struct deed *deed_at(const struct power *p, guint i)
{
    return g_ptr_array_index(p->deeds, i);
}

static gboolean find_bitmap(struct power *p, guint i,
                            struct tn_image_bitmap *b)
{
    const struct tn_format *f = &p->t.node->fmt;
    g_autofree char *name = g_strdup_printf("b%u", i);

    for (uint32_t n = 0;; n++) {
        memset(b, 0, sizeof *b);
        b->size = sizeof *b;
        if (f->bitmap_info(p->t.node->host.self, n, b))
            return FALSE;
        if (!strcmp(b->name, name))
            return TRUE;
    }
}

static void set_bits(uint8_t *bits, uint64_t granularity, uint64_t offset,
                     uint64_t bytes)
{
    for (uint64_t i = offset / granularity; i * granularity < offset + bytes;
         i++)
        bits[i / 8] |= (uint8_t)(1u << i % 8);
}

/* How many bytes the image's bitmap has. */
static uint64_t bits_bytes(const struct power *p,
                           const struct tn_image_bitmap *b)
{
    return (p->t.node->info.bytes + b->granularity * 8 - 1) /
           (b->granularity * 8);
}

static void read_bits(struct power *p, const struct tn_image_bitmap *b,
                      uint8_t *bits)
{
    const struct tn_format *f = image_calls_begin(&p->t);

    memset(bits, 0, DEED_BITS / 8);
    assert_int_equal(f->bitmap_bits(p->t.node->host.self, b->index, 0, 0, bits,
                                    bits_bytes(p, b)),
                     0);
    image_calls_end(&p->t);
    p->bitmaps_read++;
}

/* ---- deeds ---- */

static guint any_bitmap(struct power *p)
{
    guint there[MOST_BITMAPS], n = 0;

    for (guint i = 0; i < p->n_bitmaps; i++)
        if (!p->bitmaps[i].removed)
            there[n++] = i;
    return n ? there[g_rand_int(p->t.random) % n] : MOST_BITMAPS;
}

static guint count_bitmaps(const struct power *p)
{
    guint n = 0;

    for (guint i = 0; i < p->n_bitmaps; i++)
        n += p->bitmaps[i].removed ? 0 : 1;
    return n;
}

static void change(struct power *p, guint i, uint32_t what, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    struct deed *d = power_call_begin(p, DEED_BITMAP + what);
    int32_t rc;

    d->snapshot = i;
    d->flags = flags;
    b->size = sizeof *b;
    b->flags = flags;
    b->granularity = p->bitmaps[i].granularity;
    g_snprintf(b->name, sizeof b->name, "b%u", i);
    rc = p->t.node->fmt.bitmap(p->t.node->host.self, what, b, &error);
    power_call_end(p, d, rc, &error);
}

static void add_bitmap(struct power *p)
{
    static const uint64_t granularities[] = {512, 4096, 65536};
    struct power_bitmap *b = &p->bitmaps[p->n_bitmaps];

    b->granularity = granularities[g_rand_int(p->t.random) % 3];
    b->added = p->deeds->len + 1; /* a flush comes before it */
    b->removed = 0;
    change(p, p->n_bitmaps++, TN_BITMAP_ADD,
           g_rand_int(p->t.random) % 3 ? TN_BITMAP_ENABLED : 0);
    assert_int_equal(deed_at(p, b->added)->kind, DEED_BITMAP + TN_BITMAP_ADD);
}

static void merge_bits(const struct power *p, guint from, const uint8_t *bits,
                       guint to, uint8_t *merged)
{
    uint64_t g = p->bitmaps[from].granularity;

    for (uint64_t i = 0; i < MOST_BYTES / g; i++)
        if (bits[i / 8] & 1u << i % 8)
            set_bits(merged, p->bitmaps[to].granularity, i * g, g);
}

static void merge(struct power *p, guint to, guint from)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new(struct tn_image_bitmap, 1);
    g_autofree uint8_t *bits = g_malloc(DEED_BITS / 8);
    g_autofree uint8_t *merged = g_malloc0(DEED_BITS / 8);
    struct deed *d;
    int32_t rc;

    assert_true(find_bitmap(p, from, b));
    read_bits(p, b, bits);
    merge_bits(p, from, bits, to, merged);
    d = power_call_begin(p, DEED_MERGE);
    d->snapshot = to;
    d->from = from;
    assert_true(find_bitmap(p, to, b));
    rc = p->t.node->fmt.bitmap_bits(p->t.node->host.self, b->index, 1, 0,
                                    merged, bits_bytes(p, b));
    power_call_end(p, d, rc, &error);
}

void power_do_bitmap(struct power *p)
{
    static const uint32_t kinds[] = {TN_BITMAP_ENABLE, TN_BITMAP_DISABLE,
                                     TN_BITMAP_CLEAR};
    guint i = any_bitmap(p), n = g_rand_int(p->t.random) % 12;

    if (i == MOST_BITMAPS || (n < 4 && count_bitmaps(p) < 5)) {
        if (p->n_bitmaps < MOST_BITMAPS)
            add_bitmap(p);
    } else if (n < 8) {
        change(p, i, kinds[g_rand_int(p->t.random) % 3], 0);
    } else if (n < 10) {
        merge(p, i, any_bitmap(p));
    } else {
        p->bitmaps[i].removed = p->deeds->len + 1;
        change(p, i, TN_BITMAP_REMOVE, 0);
    }
}

/* Closes the image, which saves the bitmaps, and opens it again. */
void power_do_reopen(struct power *p)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct deed *d = power_call_begin(p, DEED_REOPEN);

    image_test_close(&p->t);
    image_kind_open(&p->t, p->kind, TN_IMAGE_WRITABLE);
    image_calls_begin(&p->t);
    power_call_end(p, d, 0, &error);
}

/* ---- what they must say ---- */

struct model {
    gboolean enabled[MOST_BITMAPS];
    uint8_t bits[MOST_BITMAPS][DEED_BITS / 8];
};

static void cut(uint8_t *bits, uint64_t granularity, uint64_t bytes)
{
    uint64_t i = bytes / granularity + (bytes % granularity != 0);

    for (; i < DEED_BITS; i++)
        bits[i / 8] &= (uint8_t)~(1u << i % 8);
}

static void apply(const struct power *p, struct model *m, const struct deed *d)
{
    guint b = d->snapshot;

    switch (d->kind) {
    case DEED_BITMAP + TN_BITMAP_ADD:
        m->enabled[b] = d->flags & TN_BITMAP_ENABLED;
        break;
    case DEED_BITMAP + TN_BITMAP_CLEAR:
        memset(m->bits[b], 0, sizeof m->bits[b]);
        break;
    case DEED_BITMAP + TN_BITMAP_ENABLE:
    case DEED_BITMAP + TN_BITMAP_DISABLE:
        m->enabled[b] = d->kind == DEED_BITMAP + TN_BITMAP_ENABLE;
        break;
    case DEED_MERGE:
        merge_bits(p, d->from, m->bits[d->from], b, m->bits[b]);
        break;
    case DEED_RESIZE:
        for (guint i = 0; i < p->n_bitmaps; i++)
            cut(m->bits[i], p->bitmaps[i].granularity, d->bytes);
        break;
    default:
        for (guint i = 0; d->kind <= 0xff && i < p->n_bitmaps; i++)
            if (m->enabled[i])
                set_bits(m->bits[i], p->bitmaps[i].granularity, d->offset,
                         d->bytes);
    }
}

/* BEFORE, AFTER: without and with what was under way at the crash. */
static void check_bitmap(struct power *p, guint point, guint i,
                         const struct model *before, const struct model *after)
{
    const struct power_bitmap *of = &p->bitmaps[i];
    g_autofree struct tn_image_bitmap *b = g_new(struct tn_image_bitmap, 1);
    g_autofree uint8_t *bits = g_malloc(DEED_BITS / 8);
    guint last = power_last_flush(p, point);

    if (!find_bitmap(p, i, b)) {
        if (of->added < last &&
            (!of->removed || deed_at(p, of->removed)->start > point))
            fail_msg("crash at %u: bitmap %u is lost", point, i);
        return;
    }
    if (of->removed && of->removed < last)
        fail_msg("crash at %u: removed bitmap %u is back", point, i);
    if (b->flags & TN_BITMAP_IN_USE)
        return;
    assert_int_equal(b->granularity, of->granularity);
    read_bits(p, b, bits);
    if (memcmp(bits, before->bits[i], DEED_BITS / 8) &&
        memcmp(bits, after->bits[i], DEED_BITS / 8)) {
        for (uint64_t n = 0; n < DEED_BITS / 8; n++)
            if (bits[n] != after->bits[i][n])
                print_message("  byte %" G_GUINT64_FORMAT ": %#x, not %#x\n",
                              n, bits[n], after->bits[i][n]);
        for (guint n = 0; n < p->deeds->len; n++)
            if (deed_at(p, n)->start <= point && deed_at(p, n)->kind > 0xff)
                print_message("  deed %u kind %#x of %u records %u..%u\n", n,
                              deed_at(p, n)->kind, deed_at(p, n)->snapshot,
                              deed_at(p, n)->start, deed_at(p, n)->end);
        fail_msg("crash at %u: bitmap %u (granularity %" G_GUINT64_FORMAT
                 ") claims to be saved and is wrong",
                 point, i, of->granularity);
    }
}

/* The image is open. */
void power_check_bitmaps(struct power *p, guint point)
{
    g_autofree struct model *before = g_new0(struct model, 1);
    g_autofree struct model *after = g_new0(struct model, 1);

    for (guint i = 0; p->n_bitmaps && i < p->deeds->len; i++) {
        const struct deed *d = deed_at(p, i);

        if (d->start > point)
            break;
        apply(p, after, d);
        if (d->end <= point || d->kind <= 0xff)
            apply(p, before, d);
    }
    for (guint i = 0; i < p->n_bitmaps; i++)
        if (deed_at(p, p->bitmaps[i].added)->start <= point)
            check_bitmap(p, point, i, before, after);
}

/* The image is open for writing, after a crash: what there is of bitmaps. */
void power_note_bitmaps(struct power *p)
{
    for (guint i = 0; i < p->n_bitmaps; i++) {
        g_autofree struct tn_image_bitmap *b =
            g_new(struct tn_image_bitmap, 1);

        p->bitmaps[i].usable =
            find_bitmap(p, i, b) && !(b->flags & TN_BITMAP_IN_USE);
    }
}

/* It was closed, and is open: they know of the writes since, and one that was
 * in use is still. */
void power_check_written(struct power *p, const uint64_t *offsets, guint n,
                         uint64_t bytes)
{
    g_autofree struct tn_image_bitmap *b = g_new(struct tn_image_bitmap, 1);
    g_autofree uint8_t *bits = g_malloc(DEED_BITS / 8);
    g_autofree uint8_t *must = g_malloc(DEED_BITS / 8);

    for (guint i = 0; i < p->n_bitmaps; i++) {
        if (!find_bitmap(p, i, b))
            continue;
        if (!!(b->flags & TN_BITMAP_IN_USE) == p->bitmaps[i].usable)
            fail_msg("bitmap %u is%s in use after another opening", i,
                     p->bitmaps[i].usable ? "" : " not");
        if (!p->bitmaps[i].usable || !(b->flags & TN_BITMAP_ENABLED))
            continue;
        memset(must, 0, DEED_BITS / 8);
        for (guint j = 0; j < n; j++)
            set_bits(must, b->granularity, offsets[j], bytes);
        read_bits(p, b, bits);
        for (uint64_t j = 0; j < DEED_BITS / 8; j++)
            if (must[j] & ~bits[j])
                fail_msg("bitmap %u does not know what was written", i);
    }
}

/* ---- machine state ---- */

uint8_t *power_state(guint i, uint64_t bytes)
{
    uint8_t *data = g_malloc(bytes + 1);

    for (uint64_t at = 0; at < bytes; at++)
        data[at] = (uint8_t)(i * 31 + at * 7 + at / 1000 + 1);
    return data;
}

uint64_t power_write_state(struct power *p)
{
    const struct tn_format *f = &p->t.node->fmt;
    uint64_t bytes = g_rand_int(p->t.random) % 300000 + 1;
    g_autofree uint8_t *data = power_state(p->n_snapshots - 1, bytes);

    for (uint64_t at = 0; at < bytes; at += 100000)
        assert_int_equal(f->state_io(p->t.node->host.self, 1, at, data + at,
                                     MIN(bytes - at, 100000)),
                         0);
    return bytes;
}
