/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference counts: a table of blocks, each with the counts of as many
 * clusters as fit. A cluster is free when its count is 0 or has no block.
 */
#include "qcow2.h"

#include <errno.h>

static uint64_t block_of(const struct qcow2 *q, uint64_t cluster)
{
    return cluster >> q->refcount_block_bits;
}

uint64_t qcow2_refcount_place(const struct qcow2 *q, uint64_t cluster)
{
    uint64_t block = block_of(q, cluster), inside;

    if (block >= q->refcount_table_entries ||
        !(q->refcount_table[block] & OFFSET_MASK))
        return 0;
    inside = cluster & ((1ull << q->refcount_block_bits) - 1);
    return (q->refcount_table[block] & OFFSET_MASK) +
           (inside << q->refcount_order >> 3);
}

/* Bytes a count is read in, and its bits among them. */
static uint32_t count_bytes(const struct qcow2 *q)
{
    return q->refcount_order < 3 ? 1 : 1u << (q->refcount_order - 3);
}

static uint32_t count_shift(const struct qcow2 *q, uint64_t cluster)
{
    uint32_t bits = 1u << q->refcount_order;

    return q->refcount_order < 3 ? (uint32_t)(cluster * bits & 7) : 0;
}

static uint64_t count_mask(const struct qcow2 *q)
{
    return q->refcount_order == 6 ? ~0ull
                                  : (1ull << (1u << q->refcount_order)) - 1;
}

static uint64_t read_count(const struct qcow2 *q, uint64_t cluster,
                           const uint8_t *p)
{
    uint64_t v = 0;

    for (uint32_t i = 0; i < count_bytes(q); i++)
        v = v << 8 | p[i];
    return v >> count_shift(q, cluster) & count_mask(q);
}

static void write_count(const struct qcow2 *q, uint64_t cluster, uint8_t *p,
                        uint64_t count)
{
    uint32_t n = count_bytes(q), shift = count_shift(q, cluster);

    if (q->refcount_order < 3) {
        *p = (uint8_t)((*p & ~(count_mask(q) << shift)) | count << shift);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)(count >> 8 * (n - 1 - i));
}

int32_t qcow2_refcount_get(struct qcow2 *q, uint64_t cluster,
                           uint64_t *refcount)
{
    uint64_t place = qcow2_refcount_place(q, cluster);
    const void *p;
    int32_t rc;

    *refcount = 0;
    if (!place)
        return 0;
    rc = q->image->read(q->host, 0, place, count_bytes(q), &p);
    if (rc == 0)
        *refcount = read_count(q, cluster, p);
    return rc;
}

int32_t qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int64_t delta)
{
    uint64_t place = qcow2_refcount_place(q, cluster), count;
    uint8_t bytes[8];
    const void *p;
    int32_t rc;

    if (!place)
        return -EIO;
    rc = q->image->read(q->host, 0, place, count_bytes(q), &p);
    if (rc < 0)
        return rc;
    __builtin_memcpy(bytes, p, count_bytes(q));
    count = read_count(q, cluster, bytes);
    if ((delta < 0 && count < (uint64_t)-delta) ||
        (delta > 0 && count > count_mask(q) - (uint64_t)delta)) {
        tn_logf(q->host, TN_LOG_ERROR,
                "the reference count of the cluster at offset %#llx is wrong",
                (unsigned long long)(cluster << q->cluster_bits));
        return -EIO;
    }
    count += (uint64_t)delta;
    write_count(q, cluster, bytes, count);
    rc = q->image->write(q->host, 0, place, count_bytes(q), bytes);
    if (rc == 0 && count == 0 && cluster < q->free_hint)
        q->free_hint = cluster;
    return rc;
}

/* A cluster filled with zeroes, as metadata. */
static int32_t zero_cluster(struct qcow2 *q, uint64_t offset)
{
    static const uint8_t zeroes[METADATA_UNIT];
    uint32_t unit =
        q->cluster < METADATA_UNIT ? (uint32_t)q->cluster : METADATA_UNIT;
    int32_t rc;

    for (uint64_t i = 0; i < q->cluster; i += unit) {
        rc = q->image->write(q->host, 0, offset + i, unit, zeroes);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int32_t table_units_before(struct qcow2 *q, uint64_t block,
                                  uint64_t then)
{
    return q->image->order(q->host, 0, q->refcount_table_offset + block * 8, 0,
                           then);
}

/* CLUSTER, which is free, becomes the block that counts itself and those
 * around it. */
static int32_t make_block(struct qcow2 *q, uint64_t cluster)
{
    uint64_t block = block_of(q, cluster);
    uint64_t offset = cluster << q->cluster_bits;
    uint64_t entry = q->refcount_table_offset + block * 8;
    uint8_t bytes[8];
    const void *p;
    int32_t rc;

    if (block >= q->refcount_table_entries) {
        tn_logf(q->host, TN_LOG_GUEST, /* as often as a guest likes */
                "the image file is as large as its refcount table allows");
        return -ENOSPC;
    }
    rc = q->image->read(q->host, 0, entry, 8, &p);
    if (rc == 0)
        rc = zero_cluster(q, offset);
    if (rc < 0)
        return rc;
    q->refcount_table[block] = offset;
    rc = qcow2_refcount_add(q, cluster, 1);
    for (uint64_t i = 0; rc == 0 && i < q->cluster; i += METADATA_UNIT)
        rc = q->image->order(q->host, 0, offset + i, 0, entry);
    if (rc == 0) {
        put_be64(bytes, offset);
        rc = q->image->write(q->host, 0, entry, 8, bytes);
    }
    if (rc < 0)
        q->refcount_table[block] = 0;
    return rc;
}

/* From *CLUSTER on, the first free one that has a block. */
static int32_t find_free(struct qcow2 *q, uint64_t *cluster)
{
    uint64_t count;
    int32_t rc;

    for (;; ++*cluster) {
        if (!qcow2_refcount_place(q, *cluster)) {
            rc = make_block(q, *cluster);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = qcow2_refcount_get(q, *cluster, &count);
        if (rc < 0)
            return rc;
        if (count == 0)
            return 0;
    }
}

int32_t qcow2_take(struct qcow2 *q, uint32_t n, uint64_t *cluster,
                   uint32_t *found)
{
    uint64_t first = q->free_hint ? q->free_hint : 1, count; /* 0: header */
    uint32_t length = 1;
    int32_t rc = find_free(q, &first);

    if (rc < 0)
        return rc;
    q->free_hint = first;
    for (; length < n; length++) {
        if (!qcow2_refcount_place(q, first + length))
            break; /* the next call makes the block */
        rc = qcow2_refcount_get(q, first + length, &count);
        if (rc < 0)
            return rc;
        if (count != 0)
            break;
    }
    /* All that is changed now was read above. */
    for (uint32_t i = 0; i < length; i++) {
        rc = qcow2_refcount_add(q, first + i, 1);
        if (rc < 0)
            return rc;
    }
    q->free_hint = first + length;
    *cluster = first;
    *found = length;
    return 0;
}

int32_t qcow2_refcounts_before(struct qcow2 *q, uint64_t cluster, uint32_t n,
                               uint64_t then)
{
    uint64_t unit =
        q->cluster < METADATA_UNIT ? q->cluster : (uint64_t)METADATA_UNIT;
    uint64_t last = UINT64_MAX;
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        uint64_t place = qcow2_refcount_place(q, cluster + i);

        if (!place)
            return -EIO;
        if (place / unit == last)
            continue;
        last = place / unit;
        rc = table_units_before(q, block_of(q, cluster + i), then);
        if (rc == 0)
            rc = q->image->order(q->host, 0, place, 0, then);
    }
    return rc;
}

/* ---- the table itself ---- */

/* Clusters of data, L2 tables, refcount blocks and slack that a file for
 * BYTES of guest data can have. */
static uint64_t entries_wanted(const struct qcow2 *q, uint64_t bytes)
{
    uint64_t clusters = (bytes >> q->cluster_bits) + 1;
    uint64_t tables = (clusters >> q->l2_bits) + 1;
    uint64_t all = clusters + tables + (q->l1_entries * 8ull >> q->cluster_bits);

    all += (all >> q->refcount_block_bits) + 1;
    all += all / 4 + 64;
    return (all >> q->refcount_block_bits) + 1;
}

static int32_t write_new_table(struct qcow2 *q, uint64_t offset,
                               uint64_t *table, uint64_t entries)
{
    uint8_t header[12];
    int32_t rc;

    for (uint64_t i = 0; i < entries; i++)
        put_be64(&table[i], i < q->refcount_table_entries
                                ? q->refcount_table[i]
                                : 0);
    rc = q->image->pwrite(q->host, 0, offset, table, entries * 8);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc < 0)
        return rc;
    put_be64(header, offset);
    put_be32(header + 8, (uint32_t)(entries * 8 >> q->cluster_bits));
    rc = q->image->pwrite(q->host, 0, 48, header, sizeof header);
    return rc == 0 ? q->image->flush(q->host) : rc;
}

/* N clusters in a row at the end of the file, each counted. */
static int32_t take_at_end(struct qcow2 *q, uint64_t n, uint64_t *cluster)
{
    uint64_t end =
        (q->image->length(q->host, 0) + q->cluster - 1) >> q->cluster_bits;
    int32_t rc = 0;

    if (block_of(q, end + n + 1) >= q->refcount_table_entries)
        return -ENOSPC;
    for (uint64_t i = 0; rc == 0 && i <= n; i++)
        if (!qcow2_refcount_place(q, end + i)) {
            rc = make_block(q, end + i);
            end += i + 1; /* the row starts behind the new block */
            i = UINT64_MAX;
        }
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_add(q, end + i, 1);
    *cluster = end;
    return rc;
}

int32_t qcow2_refcount_table_fit(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error)
{
    uint64_t entries = entries_wanted(q, bytes), clusters, first;
    uint64_t old = q->refcount_table_offset >> q->cluster_bits;
    uint64_t n_old = q->refcount_table_entries * 8ull >> q->cluster_bits;
    uint64_t *table, *swapped;
    int32_t rc;

    if (entries <= q->refcount_table_entries)
        return 0;
    clusters = (entries * 8 + q->cluster - 1) >> q->cluster_bits;
    entries = clusters << q->cluster_bits >> 3;
    if (entries * 8 > MAX_REFCOUNT_TABLE_BYTES)
        return 0; /* as much as it has must do */
    rc = take_at_end(q, clusters, &first);
    if (rc == -ENOSPC)
        return tn_fail(q->host, error, -ENOSPC,
                       "the refcount table is full and cannot grow");
    table = q->image->allocate(q->host, entries * 8);
    swapped = q->image->allocate(q->host, entries * 8);
    if (rc == 0 && (!table || !swapped))
        rc = -ENOMEM;
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0)
        rc = write_new_table(q, first << q->cluster_bits, swapped, entries);
    q->image->free(q->host, swapped);
    if (rc < 0) {
        q->image->free(q->host, table);
        return tn_fail(q->host, error, rc, "cannot enlarge the refcount table");
    }
    __builtin_memcpy(table, q->refcount_table, q->refcount_table_entries * 8);
    q->image->free(q->host, q->refcount_table);
    q->refcount_table = table;
    q->refcount_table_entries = (uint32_t)entries;
    q->refcount_table_offset = first << q->cluster_bits;
    for (uint64_t i = 0; rc == 0 && i < n_old; i++)
        rc = qcow2_refcount_add(q, old + i, -1);
    return rc;
}
