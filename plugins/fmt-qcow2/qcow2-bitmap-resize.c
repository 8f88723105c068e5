/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bitmaps of a disk that has another size now: each has a new table, which the
 * new directory refers to, and one header makes directory and size true. Bits
 * of what is cut off are gone; those of what is added are clear. May block.
 */
#include "qcow2-bitmap.h"

#include <errno.h>
#include <string.h>

static uint64_t bits_of(const struct qcow2_bitmap *b, uint64_t bytes)
{
    uint64_t g = 1ull << b->granularity_bits;

    return bytes / g + (bytes % g != 0);
}

/* Bits from N on, which is inside the page, become zero. */
static void clear_tail(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
    uint64_t byte = n / 8;

    if (n % 8) {
        page[byte] &= (uint8_t)((1u << n % 8) - 1);
        byte++;
    }
    memset(page + byte, 0, q->cluster - byte);
}

/* The page that the shorter disk ends in, if it ends inside it: a copy
 * without the bits behind that. */
static int32_t trim_page(struct qcow2 *q, uint64_t *entry, uint64_t n)
{
    uint8_t *page = q->image->allocate(q->host, q->cluster);
    uint64_t cluster;
    int32_t rc = page ? qcow2_take_run(q, 1, &cluster) : -ENOMEM;

    if (rc == 0 && *entry & OFFSET_MASK)
        rc = q->image->pread(q->host, 0, *entry & OFFSET_MASK, page,
                             q->cluster);
    else if (rc == 0)
        memset(page, 0xff, q->cluster);
    if (rc == 0) {
        clear_tail(q, page, n);
        rc = q->image->pwrite(q->host, 0, cluster << q->cluster_bits, page,
                              q->cluster);
        *entry = cluster << q->cluster_bits;
    }
    q->image->free(q->host, page);
    return rc;
}

static int32_t write_table(struct qcow2 *q, const struct qcow2_bitmap *b,
                           uint64_t *table)
{
    for (uint64_t i = 0; i < b->table_entries; i++)
        put_be64(&table[i], table[i]);
    return q->image->pwrite(q->host, 0, b->table_offset, table,
                            qcow2_clusters(q, b->table_entries * 8ull)
                                << q->cluster_bits);
}

/* NEW is a copy of OLD: it gets a table for the disk's size. LEAST: the
 * smaller one of the two sizes. */
static int32_t make_table(struct qcow2 *q, const struct qcow2_bitmap *old,
                          struct qcow2_bitmap *new, uint64_t least)
{
    uint64_t per_page = q->cluster * 8, n = bits_of(old, least), first = 0;
    uint64_t runs = qcow2_clusters(q, new->table_entries * 8ull);
    uint64_t kept = (n + per_page - 1) / per_page;
    uint64_t *table = q->image->allocate(q->host, runs << q->cluster_bits);
    uint64_t *was = NULL;
    int32_t rc = table ? qcow2_bitmap_table(q, old, &was) : -ENOMEM;

    if (rc == 0)
        rc = qcow2_take_run(q, runs, &first);
    if (rc == 0) {
        new->table_offset = first << q->cluster_bits;
        memcpy(table, was, kept * 8);
        if (n % per_page && table[kept - 1])
            rc = trim_page(q, &table[kept - 1], n % per_page);
    }
    if (rc == 0)
        rc = write_table(q, new, table);
    q->image->free(q->host, was);
    q->image->free(q->host, table);
    return rc;
}

/* What FROM's table refers to and KEEP's does not, and the table itself. */
static int32_t give_table(struct qcow2 *q, const struct qcow2_bitmap *from,
                          const struct qcow2_bitmap *keep)
{
    uint64_t *table = NULL, *kept = NULL;
    int32_t rc = qcow2_bitmap_table(q, from, &table);

    if (rc == 0)
        rc = qcow2_bitmap_table(q, keep, &kept);
    for (uint32_t i = 0; rc == 0 && i < from->table_entries; i++)
        if (table[i] & OFFSET_MASK &&
            (i >= keep->table_entries || kept[i] != table[i]))
            rc = qcow2_refcount_add(
                q, (table[i] & OFFSET_MASK) >> q->cluster_bits, -1);
    if (rc == 0)
        rc = qcow2_give_run(q, from->table_offset >> q->cluster_bits,
                            qcow2_clusters(q, from->table_entries * 8ull));
    q->image->free(q->host, table);
    q->image->free(q->host, kept);
    return rc;
}

/* Bits that are only in memory. OLD: how many pages there were. */
static void fit_pages(struct qcow2 *q, struct qcow2_bitmap *b, uint32_t old,
                      uint64_t least)
{
    uint64_t per_page = q->cluster * 8, n = bits_of(b, least);
    uint8_t **pages = b->pages;

    if (!pages)
        return;
    if (n % per_page && pages[n / per_page])
        clear_tail(q, pages[n / per_page], n % per_page);
    b->pages =
        q->image->allocate(q->host, b->table_entries * sizeof *b->pages);
    if (!b->pages)
        b->lost = 1;
    for (uint32_t i = 0; i < old; i++)
        if (b->pages && i < b->table_entries)
            b->pages[i] = pages[i];
        else
            q->image->free(q->host, pages[i]);
    q->image->free(q->host, pages);
}

static void swap_tables(struct qcow2 *q, struct qcow2_bitmap *other)
{
    for (uint32_t i = 0; i < q->n_bitmaps; i++) {
        struct qcow2_bitmap *b = &q->bitmaps[i], t = *b;

        b->table_offset = other[i].table_offset;
        b->table_entries = other[i].table_entries;
        other[i].table_offset = t.table_offset;
        other[i].table_entries = t.table_entries;
    }
}

int32_t qcow2_bitmaps_can_resize(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error)
{
    if (!bytes && q->n_bitmaps)
        return tn_fail(q->host, error, -ENOTSUP,
                       "the image has bitmaps, which have no bits then: "
                       "remove them first");
    for (uint32_t i = 0; i < q->n_bitmaps; i++) {
        const struct qcow2_bitmap *b = &q->bitmaps[i];

        if (b->flags & BITMAP_IN_USE || !bitmap_is_usable(b))
            return tn_fail(q->host, error, -ENOTSUP,
                           "bitmap '%s' was not saved, or is of a kind that "
                           "is not known: remove it first",
                           b->name);
        if (qcow2_clusters(q, (bits_of(b, bytes) + 7) / 8) >
                MAX_L1_BYTES / 8 ||
            bits_of(b, bytes) > MAX_BITMAP_BYTES * 8)
            return tn_fail(q->host, error, -EFBIG,
                           "bitmap '%s' would be too large: remove it first",
                           b->name);
    }
    return 0;
}

int32_t qcow2_bitmaps_resize(struct qcow2 *q, uint64_t old_bytes,
                             struct tn_error *error)
{
    uint64_t least = old_bytes < q->bytes ? old_bytes : q->bytes;
    uint32_t n = q->n_bitmaps, made = 0;
    struct qcow2_bitmap *other =
        q->image->allocate(q->host, n * sizeof *other);
    int32_t rc = other ? 0 : -ENOMEM;

    for (; rc == 0 && made < n; made += rc == 0) {
        other[made] = q->bitmaps[made];
        other[made].table_entries = (uint32_t)bitmap_pages(q, &other[made]);
        rc = make_table(q, &q->bitmaps[made], &other[made], least);
    }
    if (rc == 0) {
        swap_tables(q, other);
        rc = bitmap_directory_write(q, error);
        if (rc < 0) {
            swap_tables(q, other);
            made = 0; /* either may be what the file has now */
        }
    } else {
        (void)tn_fail(q->host, error, rc, "no space for larger bitmaps");
    }
    for (uint32_t i = 0; i < made; i++) {
        const struct qcow2_bitmap *b = &q->bitmaps[i];

        if (rc == 0)
            fit_pages(q, &q->bitmaps[i], other[i].table_entries, least);
        if (give_table(q, &other[i], b) < 0)
            tn_logf(q->host, TN_LOG_WARNING,
                    "space of bitmap '%s' could not be given back", b->name);
    }
    q->image->free(q->host, other);
    return rc;
}
