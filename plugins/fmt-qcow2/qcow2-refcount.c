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

uint64_t qcow2_refcount_max(const struct qcow2 *q)
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
    return v >> count_shift(q, cluster) & qcow2_refcount_max(q);
}

static void write_count(const struct qcow2 *q, uint64_t cluster, uint8_t *p,
                        uint64_t count)
{
    uint32_t n = count_bytes(q), shift = count_shift(q, cluster);

    if (q->refcount_order < 3) {
        *p = (uint8_t)((*p & ~(qcow2_refcount_max(q) << shift)) | count << shift);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)(count >> 8 * (n - 1 - i));
}

void qcow2_count_put(const struct qcow2 *q, uint8_t *block, uint64_t index,
                     uint64_t count)
{
    write_count(q, index, block + (index << q->refcount_order >> 3), count);
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

int32_t qcow2_used(void *self, uint64_t enough, uint64_t *clusters)
{
    struct qcow2 *q = self;
    uint64_t end = q->image->length(q->host, 0) / q->cluster, refcount;
    int32_t rc = 0;

    *clusters = 0;
    for (uint64_t i = 0; rc == 0 && i < end && *clusters < enough; i++) {
        rc = qcow2_refcount_get(q, i, &refcount);
        *clusters += rc == 0 && refcount;
    }
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
    if (delta > 0 && count > qcow2_refcount_max(q) - (uint64_t)delta)
        return -ERANGE;
    if (delta < 0 && count < (uint64_t)-delta) {
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
    if (rc == 0 && count == 0 && cluster == q->packing >> q->cluster_bits)
        q->packing = 0;
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
int32_t qcow2_make_block(struct qcow2 *q, uint64_t cluster)
{
    uint64_t block = block_of(q, cluster);
    uint64_t offset = cluster << q->cluster_bits;
    uint64_t entry = q->refcount_table_offset + block * 8;
    uint8_t bytes[8];
    const void *p;
    int32_t rc = 0;

    if (block >= q->refcount_table_entries) {
        tn_logf(q->host, TN_LOG_GUEST, /* as often as a guest likes */
                "the image file is as large as its refcount table allows");
        return -ENOSPC;
    }
    if (block < q->refcount_table_written)
        rc = q->image->read(q->host, 0, entry, 8, &p);
    if (rc == 0)
        rc = zero_cluster(q, offset);
    if (rc < 0)
        return rc;
    q->refcount_table[block] = offset;
    rc = qcow2_refcount_add(q, cluster, 1);
    /* A table that is being made is written as a whole. */
    if (block >= q->refcount_table_written)
        return rc;
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
            rc = qcow2_make_block(q, *cluster);
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

/* With lazy refcounts only the dirty bit has to be there first. */
static int32_t mark_dirty(struct qcow2 *q, uint64_t then)
{
    uint8_t bytes[8];
    const void *p;
    int32_t rc = q->image->read(q->host, 0, H_INCOMPATIBLE, 8, &p);

    if (rc == 0 && !q->marked_dirty) {
        put_be64(bytes, q->incompatible | INCOMPAT_DIRTY);
        rc = q->image->write(q->host, 0, H_INCOMPATIBLE, 8, bytes);
        if (rc < 0)
            return rc;
        q->incompatible |= INCOMPAT_DIRTY;
        q->marked_dirty = 1;
    }
    return rc == 0 ? q->image->order(q->host, 0, 0, 0, then) : rc;
}

int32_t qcow2_refcounts_before(struct qcow2 *q, uint64_t cluster, uint32_t n,
                               uint64_t then)
{
    uint64_t unit =
        q->cluster < METADATA_UNIT ? q->cluster : (uint64_t)METADATA_UNIT;
    uint64_t last = UINT64_MAX;
    int32_t rc = 0;

    if (q->lazy)
        return mark_dirty(q, then);
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
