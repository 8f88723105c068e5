/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps: directory, tables and bits in the file. May block but where it says
 * otherwise. */
#include "qcow2-bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES 24u
#define MAX_EXTRA 65536u

uint64_t bitmap_pages(const struct qcow2 *q, const struct qcow2_bitmap *b)
{
    uint64_t g = 1ull << b->granularity_bits;
    uint64_t bits = q->bytes / g + (q->bytes % g != 0);

    return qcow2_clusters(q, (bits + 7) / 8);
}

int bitmap_is_usable(const struct qcow2_bitmap *b)
{
    return b->type == 1 &&
           (!b->extra_bytes || b->flags & BITMAP_EXTRA_COMPATIBLE);
}

void bitmap_free_pages(struct qcow2 *q, struct qcow2_bitmap *b)
{
    for (uint32_t i = 0; b->pages && i < b->table_entries; i++)
        q->image->free(q->host, b->pages[i]);
    q->image->free(q->host, b->pages);
    b->pages = NULL;
    b->changed = 0;
}

void bitmap_free(struct qcow2 *q, struct qcow2_bitmap *b)
{
    bitmap_free_pages(q, b);
    q->image->free(q->host, b->name);
    q->image->free(q->host, b->extra);
    b->name = NULL;
    b->extra = NULL;
}

void qcow2_bitmaps_free(struct qcow2 *q)
{
    for (uint32_t i = 0; q->bitmaps && i < q->n_bitmaps; i++)
        bitmap_free(q, &q->bitmaps[i]);
    q->image->free(q->host, q->bitmaps);
    q->bitmaps = NULL;
    q->n_bitmaps = 0;
}

/* ---- the directory ---- */

static uint64_t entry_bytes(const struct qcow2_bitmap *b)
{
    return (ENTRY_BYTES + b->extra_bytes + strlen(b->name) + 7) & ~7ull;
}

int bitmap_is_too_large(const struct qcow2 *q, const struct qcow2_bitmap *b)
{
    return bitmap_pages(q, b) > MAX_BITMAP_BYTES >> q->cluster_bits;
}

static int is_inside(const struct qcow2 *q, const struct qcow2_bitmap *b)
{
    uint64_t length = q->image->length(q->host, 0);

    return b->table_offset <= length &&
           b->table_entries * 8ull <= length - b->table_offset;
}

/* Returns how long the entry is, 0 if it makes no sense. */
static uint64_t parse_entry(struct qcow2 *q, const uint8_t *p, uint64_t room,
                            struct qcow2_bitmap *b)
{
    uint32_t name, length;

    if (room < ENTRY_BYTES)
        return 0;
    b->table_offset = get_be64(p);
    b->table_entries = get_be32(p + 8);
    b->flags = get_be32(p + 12);
    b->type = p[16];
    b->granularity_bits = p[17];
    name = (uint32_t)p[18] << 8 | p[19];
    b->extra_bytes = get_be32(p + 20);
    if (b->extra_bytes > MAX_EXTRA || name == 0 || name > 1023 ||
        b->granularity_bits > 63 || b->flags & ~7u)
        return 0;
    length = ENTRY_BYTES + b->extra_bytes + name;
    if (length > room || b->table_offset % q->cluster ||
        (b->granularity_bits < 9 && b->type == 1))
        return 0;
    b->name = q->image->allocate(q->host, name + 1ull);
    b->extra = q->image->allocate(q->host, b->extra_bytes + 1ull);
    if (!b->name || !b->extra)
        return 0;
    memcpy(b->extra, p + ENTRY_BYTES, b->extra_bytes);
    memcpy(b->name, p + ENTRY_BYTES + b->extra_bytes, name);
    if (b->type != 1 || b->table_entries != bitmap_pages(q, b) ||
        bitmap_is_too_large(q, b) || !is_inside(q, b))
        b->flags |= BITMAP_IN_USE; /* not usable */
    return (length + 7) & ~7ull;
}

static int32_t parse_directory(struct qcow2 *q, const uint8_t *p,
                               uint32_t count)
{
    uint64_t at = 0;

    for (; q->n_bitmaps < count; q->n_bitmaps++) {
        struct qcow2_bitmap *b = &q->bitmaps[q->n_bitmaps];
        uint64_t n = at > q->directory_bytes
                         ? 0
                         : parse_entry(q, p + at, q->directory_bytes - at, b);

        if (n == 0) {
            bitmap_free(q, b);
            return -EINVAL;
        }
        if (!(q->autoclear & AUTOCLEAR_BITMAPS))
            b->flags |= BITMAP_IN_USE; /* somebody wrote without them */
        at += n;
    }
    return at == q->directory_bytes ? 0 : -EINVAL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Bitmaps that have one table would change each other, and a small image could
 * have so many of them that a write never ends. */
static int32_t refuse_shared(struct qcow2 *q)
{
    uint32_t n = q->n_bitmaps;
    uint64_t *tables = q->image->allocate(q->host, n * sizeof *tables);

    if (!tables)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        tables[i] = q->bitmaps[i].table_offset;
    qsort(tables, n, sizeof *tables, by_value);
    for (uint32_t i = 0; i < n; i++) {
        struct qcow2_bitmap *b = &q->bitmaps[i];
        uint64_t *at = bsearch(&b->table_offset, tables, n, sizeof *tables,
                               by_value);

        if (b->table_entries &&
            ((at > tables && at[-1] == *at) ||
             (at + 1 < tables + n && at[1] == *at)))
            b->flags |= BITMAP_IN_USE;
    }
    q->image->free(q->host, tables);
    return 0;
}

int32_t qcow2_bitmaps_read(struct qcow2 *q, uint32_t flags,
                           struct tn_error *error)
{
    uint64_t length = q->image->length(q->host, 0);
    uint32_t count = q->n_bitmaps;
    uint8_t *p = NULL;
    int32_t rc = -EINVAL;

    q->n_bitmaps = 0;
    if (!count && !q->directory_bytes)
        return 0;
    if (count && count <= MAX_BITMAPS &&
        q->directory_bytes <= MAX_DIRECTORY_BYTES &&
        q->directory_bytes >= (uint64_t)count * ENTRY_BYTES &&
        q->directory_offset % q->cluster == 0 &&
        q->directory_offset <= length &&
        q->directory_bytes <= length - q->directory_offset) {
        p = q->image->allocate(q->host, q->directory_bytes);
        q->bitmaps = q->image->allocate(q->host, count * sizeof *q->bitmaps);
        rc = p && q->bitmaps
                 ? q->image->pread(q->host, 0, q->directory_offset, p,
                                   q->directory_bytes)
                 : -ENOMEM;
    }
    if (rc == 0)
        rc = parse_directory(q, p, count);
    if (rc == 0)
        rc = refuse_shared(q);
    q->image->free(q->host, p);
    if (rc == 0)
        return 0;
    qcow2_bitmaps_free(q);
    q->bitmaps_lost = 1;
    if (flags & TN_IMAGE_CHECK)
        return 0;
    return tn_fail(q->host, error, rc,
                   "the bitmap directory at offset %#llx cannot be used: "
                   "check the image",
                   (unsigned long long)q->directory_offset);
}

static void put_entry(uint8_t *p, const struct qcow2_bitmap *b)
{
    size_t name = strlen(b->name);

    put_be64(p, b->table_offset);
    put_be32(p + 8, b->table_entries);
    put_be32(p + 12, b->flags | (b->marked ? BITMAP_IN_USE : 0));
    p[16] = (uint8_t)b->type;
    p[17] = (uint8_t)b->granularity_bits;
    p[18] = (uint8_t)(name >> 8);
    p[19] = (uint8_t)name;
    put_be32(p + 20, b->extra_bytes);
    if (b->extra_bytes)
        memcpy(p + ENTRY_BYTES, b->extra, b->extra_bytes);
    memcpy(p + ENTRY_BYTES + b->extra_bytes, b->name, name);
}

int32_t bitmap_directory_write(struct qcow2 *q, struct tn_error *error)
{
    uint64_t old = q->directory_offset >> q->cluster_bits;
    uint64_t n_old = qcow2_clusters(q, q->directory_bytes);
    uint64_t bytes = 0, at = 0, first = 0, n;
    uint8_t *p = NULL;
    int32_t rc = 0;

    for (uint32_t i = 0; i < q->n_bitmaps; i++)
        bytes += entry_bytes(&q->bitmaps[i]);
    n = qcow2_clusters(q, bytes);
    if (n) {
        p = q->image->allocate(q->host, n << q->cluster_bits);
        rc = p ? qcow2_take_run(q, n, &first) : -ENOMEM;
    }
    for (uint32_t i = 0; rc == 0 && i < q->n_bitmaps; i++) {
        put_entry(p + at, &q->bitmaps[i]);
        at += entry_bytes(&q->bitmaps[i]);
    }
    if (rc == 0 && n)
        rc = q->image->pwrite(q->host, 0, first << q->cluster_bits, p,
                              n << q->cluster_bits);
    q->image->free(q->host, p);
    if (rc < 0)
        return tn_fail(q->host, error, rc,
                       "the bitmap directory cannot be written");
    q->directory_offset = first << q->cluster_bits;
    q->directory_bytes = bytes;
    q->autoclear &= ~AUTOCLEAR_BITMAPS;
    if (n)
        q->autoclear |= AUTOCLEAR_BITMAPS;
    rc = qcow2_header_write(q, error);
    return rc == 0 ? qcow2_give_run(q, old, n_old) : rc;
}

int32_t qcow2_bitmaps_drop(struct qcow2 *q, struct tn_error *error)
{
    qcow2_bitmaps_free(q);
    q->bitmaps_lost = 0;
    q->directory_bytes = q->directory_offset = 0;
    q->autoclear &= ~AUTOCLEAR_BITMAPS;
    return qcow2_header_write(q, error);
}

/* ---- tables ---- */

int32_t qcow2_bitmap_table(struct qcow2 *q, const struct qcow2_bitmap *b,
                           uint64_t **table)
{
    return qcow2_read_l1(q, b->table_offset, b->table_entries, table,
                         "bitmap table", NULL);
}

int32_t bitmap_make_table(struct qcow2 *q, struct qcow2_bitmap *b,
                          struct tn_error *error)
{
    uint64_t n = qcow2_clusters(q, b->table_entries * 8ull), first = 0;
    uint8_t *zeroes = q->image->allocate(q->host, n << q->cluster_bits);
    int32_t rc = zeroes ? qcow2_take_run(q, n, &first) : -ENOMEM;

    if (rc == 0)
        rc = q->image->pwrite(q->host, 0, first << q->cluster_bits, zeroes,
                              n << q->cluster_bits);
    q->image->free(q->host, zeroes);
    b->table_offset = first << q->cluster_bits;
    return rc < 0 ? tn_fail(q->host, error, rc, "no space for the bitmap") : 0;
}

int32_t bitmap_give_data(struct qcow2 *q, const struct qcow2_bitmap *b)
{
    uint64_t *table;
    int32_t rc = qcow2_bitmap_table(q, b, &table);

    for (uint32_t i = 0; rc == 0 && i < b->table_entries; i++)
        if (table[i] & OFFSET_MASK)
            rc = qcow2_refcount_add(
                q, (table[i] & OFFSET_MASK) >> q->cluster_bits, -1);
    q->image->free(q->host, table);
    return rc;
}

/* ---- bits ---- */

/* [engine, no I/O] */
static uint8_t *page_of(struct qcow2 *q, struct qcow2_bitmap *b, uint64_t byte)
{
    uint64_t i = byte >> q->cluster_bits;

    if (i >= b->table_entries)
        return NULL;
    if (!b->pages)
        b->pages =
            q->image->allocate(q->host, b->table_entries * sizeof *b->pages);
    if (b->pages && !b->pages[i])
        b->pages[i] = q->image->allocate(q->host, q->cluster);
    if (!b->pages || !b->pages[i]) {
        b->lost = 1;
        return NULL;
    }
    b->changed = 1;
    return b->pages[i];
}

void bitmap_set(struct qcow2 *q, struct qcow2_bitmap *b, uint64_t first,
                uint64_t last)
{
    for (; first <= last; first++) {
        uint8_t *page = page_of(q, b, first / 8);

        if (!page)
            return;
        if (first % 8 == 0 && last - first >= 7) {
            page[first / 8 & (q->cluster - 1)] = 0xff;
            first += 7;
        } else {
            page[first / 8 & (q->cluster - 1)] |= (uint8_t)(1u << first % 8);
        }
    }
}

/* The directory has to say so before bits are only in memory. */
static int32_t mark(struct qcow2 *q, struct qcow2_bitmap *b,
                    struct tn_error *error)
{
    if (b->marked)
        return 0;
    b->marked = 1;
    return bitmap_directory_write(q, error);
}

int32_t bitmap_add_bytes(struct qcow2 *q, struct qcow2_bitmap *b, uint64_t at,
                         const uint8_t *bits, uint64_t bytes)
{
    int32_t rc = mark(q, b, NULL);

    for (; rc == 0 && bytes; bytes--, at++, bits++) {
        uint8_t *page = *bits ? page_of(q, b, at) : NULL;

        if (page)
            page[at & (q->cluster - 1)] |= *bits;
        else if (*bits)
            rc = -ENOMEM;
    }
    return rc;
}

static int32_t read_page(struct qcow2 *q, const struct qcow2_bitmap *b,
                         uint64_t entry, uint64_t i, uint8_t *page)
{
    int32_t rc = 0;

    memset(page, entry & 1 ? 0xff : 0, q->cluster);
    if (entry & OFFSET_MASK)
        rc = q->image->pread(q->host, 0, entry & OFFSET_MASK, page,
                             q->cluster);
    for (uint64_t j = 0; b->pages && b->pages[i] && j < q->cluster; j++)
        page[j] |= b->pages[i][j];
    return rc;
}

int32_t bitmap_read_bytes(struct qcow2 *q, const struct qcow2_bitmap *b,
                          uint64_t at, uint8_t *bits, uint64_t bytes)
{
    uint8_t *page = q->image->allocate(q->host, q->cluster);
    uint64_t *table = NULL;
    int32_t rc = page ? qcow2_bitmap_table(q, b, &table) : -ENOMEM;

    while (rc == 0 && bytes) {
        uint64_t inside = at & (q->cluster - 1);
        uint64_t n = q->cluster - inside < bytes ? q->cluster - inside : bytes;

        rc = read_page(q, b, table[at >> q->cluster_bits],
                       at >> q->cluster_bits, page);
        memcpy(bits, page + inside, n);
        at += n;
        bits += n;
        bytes -= n;
    }
    q->image->free(q->host, page);
    q->image->free(q->host, table);
    return rc;
}

/* ---- while the image is written ---- */

int32_t qcow2_bitmaps_begin(struct qcow2 *q, struct tn_error *error)
{
    int any = 0;

    for (uint32_t i = 0; i < q->n_bitmaps; i++) {
        struct qcow2_bitmap *b = &q->bitmaps[i];

        if (b->flags & BITMAP_AUTO && !(b->flags & BITMAP_IN_USE)) {
            b->marked = 1;
            any = 1;
        }
    }
    return any ? bitmap_directory_write(q, error) : 0;
}

static int32_t save_page(struct qcow2 *q, struct qcow2_bitmap *b,
                         uint64_t *entry, uint64_t i, uint8_t *page)
{
    uint8_t bytes[8];
    uint64_t cluster;
    int32_t rc = read_page(q, b, *entry, i, page);

    if (rc == 0 && *entry & OFFSET_MASK)
        return q->image->pwrite(q->host, 0, *entry & OFFSET_MASK, page,
                                q->cluster);
    if (rc == 0)
        rc = qcow2_take_run(q, 1, &cluster);
    if (rc < 0)
        return rc;
    rc = q->image->pwrite(q->host, 0, cluster << q->cluster_bits, page,
                          q->cluster);
    if (rc == 0)
        rc = q->image->flush(q->host);
    *entry = cluster << q->cluster_bits;
    put_be64(bytes, *entry);
    return rc == 0 ? q->image->pwrite(q->host, 0, b->table_offset + i * 8,
                                      bytes, 8)
                   : rc;
}

static int32_t save(struct qcow2 *q, struct qcow2_bitmap *b)
{
    uint8_t *page = q->image->allocate(q->host, q->cluster);
    uint64_t *table = NULL;
    int32_t rc = page ? qcow2_bitmap_table(q, b, &table) : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < b->table_entries; i++)
        if (b->pages[i])
            rc = save_page(q, b, &table[i], i, page);
    q->image->free(q->host, page);
    q->image->free(q->host, table);
    return rc;
}

void qcow2_bitmaps_end(struct qcow2 *q)
{
    int any = 0;

    for (uint32_t i = 0; i < q->n_bitmaps; i++) {
        struct qcow2_bitmap *b = &q->bitmaps[i];

        if (!b->marked)
            continue;
        if (b->lost || (b->changed && save(q, b) < 0)) {
            b->flags |= BITMAP_IN_USE;
            tn_logf(q->host, TN_LOG_WARNING,
                    "bitmap '%s' could not be saved", b->name);
        }
        b->marked = 0;
        any = 1;
    }
    if (any && q->image->flush(q->host) == 0)
        (void)bitmap_directory_write(q, NULL);
}
