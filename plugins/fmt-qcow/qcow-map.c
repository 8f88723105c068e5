/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's bytes are, and changing it. Order on stable storage: the
 * data (which the engine sees to), then the L2 entry; a new L2 table, then the
 * L1 entry that refers to it. An image that is killed at any moment is good as
 * it is.
 */
#include "qcow.h"

#include <errno.h>

#define MAX_RUN 256u /* clusters an allocation covers at most */

/* tn_allocation.plugin[] */
#define P_COUNT 0
#define P_ENTRY 1 /* of the first cluster */

static int32_t damaged(struct qcow *q, const char *what, uint64_t offset)
{
    tn_logf(q->host, TN_LOG_ERROR,
            "the %s entry of guest offset %#llx is damaged", what,
            (unsigned long long)offset);
    return -EIO;
}

static uint64_t span(const struct qcow *q) /* guest bytes of an L2 table */
{
    return 1ull << (q->cluster_bits + q->l2_bits);
}

static uint64_t l1_place(const struct qcow *q, uint64_t offset)
{
    return q->l1 + offset / span(q) * 8;
}

static uint64_t l2_place(const struct qcow *q, uint64_t table, uint64_t offset)
{
    return table + offset % span(q) / q->cluster * 8;
}

static int32_t read_entry(struct qcow *q, uint64_t place, uint64_t *entry)
{
    const void *p;
    int32_t rc = q->image->read(q->host, 0, place, 8, &p);

    if (rc == 0)
        *entry = get64(p);
    return rc;
}

/* TABLE is 0 if there is none. */
static int32_t get_table(struct qcow *q, uint64_t offset, uint64_t *table)
{
    int32_t rc;

    if (offset / span(q) >= q->l1_entries)
        return -EIO;
    rc = read_entry(q, l1_place(q, offset), table);
    if (rc == 0 && *table &&
        (*table % UNIT || *table < q->first || *table > INT64_MAX / 2))
        return damaged(q, "L1", offset);
    return rc;
}

static int32_t get_entry(struct qcow *q, uint64_t offset, uint64_t *table,
                         uint64_t *entry)
{
    int32_t rc = get_table(q, offset, table);

    *entry = 0;
    if (rc < 0 || !*table)
        return rc;
    rc = read_entry(q, l2_place(q, *table, offset), entry);
    if (rc < 0 || !*entry || *entry & ENTRY_COMPRESSED)
        return rc;
    return *entry % UNIT || *entry < q->first || *entry > INT64_MAX / 2
               ? damaged(q, "L2", offset)
               : 0;
}

/* ---- map ---- */

static void make_extent(const struct qcow *q, uint64_t offset, uint64_t table,
                        uint64_t entry, struct tn_extent *e)
{
    uint64_t inside = offset & (q->cluster - 1);
    uint32_t bits = 63 - q->cluster_bits;

    *e = (struct tn_extent){.kind = TN_EXTENT_UNALLOCATED,
                            .offset = offset,
                            .bytes = q->cluster - inside};
    if (!table) {
        e->bytes = span(q) - offset % span(q);
    } else if (entry & ENTRY_COMPRESSED) {
        e->kind = TN_EXTENT_COMPRESSED;
        e->at = entry & ((1ull << bits) - 1);
        e->stored = entry >> bits & (q->cluster - 1);
        e->unit = offset - inside;
        e->unit_bytes = q->cluster;
    } else if (entry) {
        e->kind = TN_EXTENT_DATA;
        e->flags = TN_EXTENT_WRITABLE;
        if (q->crypt)
            e->flags |= TN_EXTENT_ENCRYPTED;
        e->at = entry + inside;
    }
}

static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    if (a->kind != b->kind || a->kind == TN_EXTENT_COMPRESSED)
        return 0;
    return a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at;
}

int32_t qcow_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max)
{
    struct qcow *q = self;
    uint64_t end = offset + bytes, table, entry;
    uint32_t n = 0;

    while (offset < end) {
        struct tn_extent e;
        int32_t rc = get_entry(q, offset, &table, &entry);

        if (rc < 0)
            return rc == -EAGAIN && n > 0 ? (int32_t)n : rc;
        make_extent(q, offset, table, entry, &e);
        if (n > 0 && continues(&extents[n - 1], &e))
            extents[n - 1].bytes += e.bytes;
        else if (n == max)
            break;
        else
            extents[n++] = e;
        offset += e.bytes;
    }
    return (int32_t)n;
}

/* ---- writes ---- */

/* How many clusters from OFFSET on, in one L2 table, need space. */
static int32_t run_length(struct qcow *q, uint64_t offset, uint64_t bytes,
                          uint64_t *n)
{
    uint64_t start = offset & ~(q->cluster - 1), table, entry;
    uint64_t end = start - start % span(q) + span(q), at;

    if (end - start > round_up(offset + bytes - start, q->cluster))
        end = start + round_up(offset + bytes - start, q->cluster);
    if (end - start > MAX_RUN * q->cluster)
        end = start + MAX_RUN * q->cluster;
    for (at = start; at < end; at += q->cluster) {
        int32_t rc = get_entry(q, at, &table, &entry);

        if (rc < 0)
            return rc;
        if (at > start && entry && !(entry & ENTRY_COMPRESSED))
            break;
    }
    *n = (at - start) / q->cluster;
    return 0;
}

static int32_t allocate_compressed(struct qcow *q, uint64_t offset,
                                   struct tn_allocation *a)
{
    uint32_t bits = 63 - q->cluster_bits;

    if (!a->stored || a->stored >= q->cluster)
        return -EINVAL;
    if (q->end + a->stored > 1ull << bits || q->end > INT64_MAX / 4)
        return -ENOSPC;
    a->offset = offset;
    a->bytes = q->cluster;
    a->at = q->end;
    a->plugin[P_COUNT] = 1;
    a->plugin[P_ENTRY] = ENTRY_COMPRESSED | a->stored << bits | a->at;
    q->end += a->stored;
    return 0;
}

int32_t qcow_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *a)
{
    struct qcow *q = self;
    uint64_t n;
    int32_t rc;

    if (flags & TN_ALLOCATE_COMPRESSED)
        return allocate_compressed(q, offset, a);
    rc = run_length(q, offset, bytes, &n);
    if (rc < 0)
        return rc;
    if (q->end > INT64_MAX / 4)
        return -ENOSPC;
    a->offset = offset & ~(q->cluster - 1);
    a->bytes = n * q->cluster;
    a->at = round_up(q->end, q->cluster);
    a->fresh = 1;
    a->flags = TN_ALLOCATION_EXTENDS | (q->crypt ? TN_EXTENT_ENCRYPTED : 0);
    a->plugin[P_COUNT] = n;
    a->plugin[P_ENTRY] = a->at;
    q->end = a->at + a->bytes;
    return 0;
}

static int32_t make_table(struct qcow *q, uint64_t offset, uint64_t *table)
{
    static const uint8_t zeroes[UNIT];
    uint64_t place = l1_place(q, offset);
    uint64_t align = q->cluster > UNIT ? q->cluster : UNIT;
    uint8_t bytes[8];
    int32_t rc = get_table(q, offset, table);

    if (rc < 0 || *table)
        return rc;
    if (q->end > INT64_MAX / 4)
        return -ENOSPC;
    *table = round_up(q->end, align);
    for (uint64_t i = 0; rc == 0 && i < qcow_table_bytes(q); i += UNIT) {
        rc = q->image->write(q->host, 0, *table + i, UNIT, zeroes);
        if (rc == 0)
            rc = q->image->order(q->host, 0, *table + i, 0, place);
    }
    put64(bytes, *table);
    if (rc == 0)
        rc = q->image->write(q->host, 0, place, 8, bytes);
    if (rc == 0)
        q->end = *table + round_up(qcow_table_bytes(q), UNIT);
    return rc;
}

int32_t qcow_commit(void *self, const struct tn_allocation *a)
{
    struct qcow *q = self;
    uint64_t table, entry, n = a->plugin[P_COUNT];
    uint8_t bytes[8];
    int32_t rc = get_table(q, a->offset, &table);

    /* Read everything first: nothing below may have to be tried again. */
    for (uint64_t i = 0; rc == 0 && table && i < n; i++)
        rc = read_entry(q, l2_place(q, table, a->offset + i * q->cluster),
                        &entry);
    if (rc == 0)
        rc = make_table(q, a->offset, &table);
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        put64(bytes, a->plugin[P_ENTRY] + i * q->cluster);
        rc = q->image->write(q->host, 0,
                             l2_place(q, table, a->offset + i * q->cluster), 8,
                             bytes);
    }
    return rc;
}

void qcow_cancel(void *self, const struct tn_allocation *a)
{
    (void)self;
    (void)a; /* space that is not used again */
}
