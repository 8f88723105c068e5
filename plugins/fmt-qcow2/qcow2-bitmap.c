/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent bitmaps (spec, "Bitmaps"): their directory, and what is done with
 * them. While bits are only in memory the directory says "in use".
 */
#include "qcow2-bitmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct qcow2_bitmap *find(struct qcow2 *q, const char *name)
{
    for (uint32_t i = 0; i < q->n_bitmaps; i++)
        if (!strcmp(q->bitmaps[i].name, name))
            return &q->bitmaps[i];
    return NULL;
}

int32_t qcow2_bitmap_info(void *self, uint32_t index,
                          struct tn_image_bitmap *out)
{
    struct qcow2 *q = self;
    const struct qcow2_bitmap *b;

    if (index >= q->n_bitmaps)
        return -ENOENT;
    b = &q->bitmaps[index];
    out->index = index;
    snprintf(out->name, sizeof out->name, "%s", b->name);
    out->granularity = 1ull << b->granularity_bits;
    out->flags = (b->flags & BITMAP_AUTO ? TN_BITMAP_ENABLED : 0) |
                 (b->flags & BITMAP_IN_USE ? TN_BITMAP_IN_USE : 0) |
                 (b->extra_bytes ? TN_BITMAP_EXTRA : 0);
    return 0;
}

/* ---- changes ---- */

static uint32_t default_granularity_bits(const struct qcow2 *q)
{
    return q->cluster_bits < 12 ? 12 : q->cluster_bits > 16 ? 16
                                                            : q->cluster_bits;
}

static int32_t add(struct qcow2 *q, const struct tn_image_bitmap *wanted,
                   struct tn_error *error)
{
    struct qcow2_bitmap b = {.type = 1}, *more;
    size_t length = strlen(wanted->name);

    if (q->version < 3)
        return tn_fail(q->host, error, -ENOTSUP,
                       "images with compat = 0.10 have no bitmaps");
    if (length == 0 || length > 1023 || find(q, wanted->name))
        return tn_fail(q->host, error, -EEXIST,
                       "'%s' is not a name for a new bitmap", wanted->name);
    b.granularity_bits =
        wanted->granularity
            ? (uint32_t)__builtin_ctzll(wanted->granularity)
            : default_granularity_bits(q);
    if (b.granularity_bits < 9 || b.granularity_bits > 31 ||
        (wanted->granularity &&
         wanted->granularity != 1ull << b.granularity_bits))
        return tn_fail(q->host, error, -EINVAL,
                       "the granularity must be a power of two, 512 to 2G");
    if (q->n_bitmaps >= MAX_BITMAPS)
        return tn_fail(q->host, error, -EFBIG, "there are %u bitmaps",
                       q->n_bitmaps);
    if (bitmap_is_too_large(q, &b))
        return tn_fail(q->host, error, -EFBIG,
                       "a bitmap of that granularity would be too large: "
                       "choose a coarser one");
    b.flags = wanted->flags & TN_BITMAP_ENABLED ? BITMAP_AUTO : 0;
    b.marked = b.flags & BITMAP_AUTO;
    b.table_entries = (uint32_t)bitmap_pages(q, &b);
    b.name = q->image->allocate(q->host, length + 1);
    more = q->image->allocate(q->host, (q->n_bitmaps + 1ull) * sizeof *more);
    if (!b.name || !more)
        return -ENOMEM;
    memcpy(b.name, wanted->name, length);
    if (q->n_bitmaps)
        memcpy(more, q->bitmaps, q->n_bitmaps * sizeof *more);
    more[q->n_bitmaps++] = b;
    q->image->free(q->host, q->bitmaps);
    q->bitmaps = more;
    return bitmap_make_table(q, &more[q->n_bitmaps - 1], error);
}

static int32_t drop(struct qcow2 *q, struct qcow2_bitmap *b,
                    struct tn_error *error)
{
    struct qcow2_bitmap old = *b;
    int32_t rc;

    memmove(b, b + 1,
            (size_t)(&q->bitmaps[q->n_bitmaps] - b - 1) * sizeof *b);
    q->n_bitmaps--;
    rc = bitmap_directory_write(q, error);
    if (rc == 0)
        rc = bitmap_give_data(q, &old);
    if (rc == 0)
        rc = qcow2_give_run(q, old.table_offset >> q->cluster_bits,
                            qcow2_clusters(q, old.table_entries * 8ull));
    bitmap_free(q, &old);
    return rc;
}

static int32_t clear(struct qcow2 *q, struct qcow2_bitmap *b,
                     struct tn_error *error)
{
    struct qcow2_bitmap old = *b;
    int32_t rc;

    bitmap_free_pages(q, b);
    rc = bitmap_make_table(q, b, error);
    if (rc == 0)
        rc = bitmap_directory_write(q, error);
    if (rc == 0)
        rc = bitmap_give_data(q, &old);
    if (rc == 0)
        rc = qcow2_give_run(q, old.table_offset >> q->cluster_bits,
                            qcow2_clusters(q, old.table_entries * 8ull));
    return rc;
}

int32_t qcow2_bitmap(void *self, uint32_t what,
                     const struct tn_image_bitmap *wanted,
                     struct tn_error *error)
{
    struct qcow2 *q = self;
    struct qcow2_bitmap *b = find(q, wanted->name);
    int32_t rc;

    if (!q->writable || q->bitmaps_lost)
        return tn_fail(q->host, error, -EROFS,
                       "the image's bitmaps cannot be changed");
    if (what == TN_BITMAP_ADD) {
        rc = add(q, wanted, error);
        return rc == 0 ? bitmap_directory_write(q, error) : rc;
    }
    if (!b)
        return tn_fail(q->host, error, -ENOENT, "there is no bitmap '%s'",
                       wanted->name);
    if (what == TN_BITMAP_REMOVE)
        return drop(q, b, error);
    if (b->flags & BITMAP_IN_USE || !bitmap_is_usable(b))
        return tn_fail(q->host, error, -EINVAL,
                       "bitmap '%s' was not saved: it can only be removed",
                       b->name);
    switch (what) {
    case TN_BITMAP_CLEAR:
        return clear(q, b, error);
    case TN_BITMAP_ENABLE:
        b->flags |= BITMAP_AUTO;
        b->marked = 1;
        return bitmap_directory_write(q, error);
    case TN_BITMAP_DISABLE:
        b->flags &= ~BITMAP_AUTO;
        return bitmap_directory_write(q, error);
    default:
        return -EINVAL;
    }
}

/* ---- bits ---- */

void qcow2_written(void *self, uint64_t offset, uint64_t bytes)
{
    struct qcow2 *q = self;

    for (uint32_t i = 0; bytes && i < q->n_bitmaps; i++) {
        struct qcow2_bitmap *b = &q->bitmaps[i];

        if (b->flags & BITMAP_AUTO && !(b->flags & BITMAP_IN_USE) &&
            bitmap_is_usable(b))
            bitmap_set(q, b, offset >> b->granularity_bits,
                       (offset + bytes - 1) >> b->granularity_bits);
    }
}

int32_t qcow2_bitmap_bits(void *self, uint32_t index, uint32_t write,
                          uint64_t offset, uint8_t *bits, uint64_t bytes)
{
    struct qcow2 *q = self;
    struct qcow2_bitmap *b;
    uint64_t at, total;

    if (index >= q->n_bitmaps)
        return -ENOENT;
    b = &q->bitmaps[index];
    total = bitmap_pages(q, b) << q->cluster_bits;
    if (offset >> b->granularity_bits & 7 ||
        offset & ((1ull << b->granularity_bits) - 1))
        return -EINVAL;
    at = offset >> b->granularity_bits >> 3;
    if (at > total || bytes > total - at || !bitmap_is_usable(b) ||
        b->flags & BITMAP_IN_USE || (write && !q->writable))
        return -EINVAL;
    return write ? bitmap_add_bytes(q, b, at, bits, bytes)
                 : bitmap_read_bytes(q, b, at, bits, bytes);
}
