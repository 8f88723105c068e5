/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest's bytes are: L2 entries as extents. */
#include "qcow2.h"

#include <errno.h>

/* Spec, "Compressed Clusters Descriptor". */
static void compressed_extent(const struct qcow2 *q, uint64_t entry,
                              struct tn_extent *e)
{
    uint32_t offset_bits = 62 - (q->cluster_bits - 8);
    uint64_t sectors = (entry & (ENTRY_COMPRESSED - 1)) >> offset_bits;

    e->kind = TN_EXTENT_COMPRESSED;
    e->codec = q->compression;
    e->at = entry & ((1ull << offset_bits) - 1);
    e->stored = (sectors + 1) * 512 - (e->at & 511);
    e->unit = e->offset & ~(q->cluster - 1);
    e->unit_bytes = q->cluster;
}

/* What subcluster INDEX of an extended entry is. */
static uint32_t subcluster_kind(uint64_t bitmap, uint32_t index)
{
    if (bitmap >> (32 + index) & 1)
        return TN_EXTENT_ZERO;
    return bitmap >> index & 1 ? TN_EXTENT_DATA : TN_EXTENT_UNALLOCATED;
}

static void extended_extent(const struct qcow2 *q, const struct l2_entry *l2,
                            uint64_t inside, struct tn_extent *e)
{
    uint32_t size_bits = q->cluster_bits - 5;
    uint32_t first = (uint32_t)(inside >> size_bits), last = first + 1;
    uint32_t kind = subcluster_kind(l2->bitmap, first);

    while (last < SUBCLUSTERS && subcluster_kind(l2->bitmap, last) == kind)
        last++;
    e->kind = kind;
    e->bytes = ((uint64_t)last << size_bits) - inside;
}

static void cluster_extent(const struct qcow2 *q, const struct l2_entry *l2,
                           uint64_t offset, struct tn_extent *e)
{
    uint64_t inside = offset & (q->cluster - 1), host;
    int space = qcow2_has_space(q, l2, &host);

    *e = (struct tn_extent){.kind = TN_EXTENT_UNALLOCATED, .offset = offset,
                            .bytes = q->cluster - inside};
    if (l2->entry & ENTRY_COMPRESSED) {
        compressed_extent(q, l2->entry, e);
        return;
    }
    if (qcow2_is_extended(q))
        extended_extent(q, l2, inside, e);
    else if (q->version >= 3 && l2->entry & ENTRY_ZERO)
        e->kind = TN_EXTENT_ZERO;
    else if (space)
        e->kind = TN_EXTENT_DATA;
    e->file = q->data_file;
    e->at = host + inside;
    if (e->kind != TN_EXTENT_DATA && space)
        e->flags = TN_EXTENT_RESERVED;
    if (e->kind != TN_EXTENT_DATA)
        return;
    if (l2->entry & ENTRY_COPIED && !q->viewing)
        e->flags = TN_EXTENT_WRITABLE;
    if (q->crypt_method)
        e->flags |= TN_EXTENT_ENCRYPTED;
}

static int32_t check_entry(struct qcow2 *q, const struct l2_entry *l2,
                           uint64_t offset)
{
    uint64_t host, guest = offset & ~(q->cluster - 1);
    int space = qcow2_has_space(q, l2, &host);
    int fits = !q->data_file || !space || host == guest;

    if (l2->entry & ENTRY_COMPRESSED ? !q->data_file && !q->crypt_method
                                     : host % q->cluster == 0 && fits &&
            !(qcow2_is_extended(q) && (uint32_t)l2->bitmap && !space) &&
            !((uint32_t)l2->bitmap & l2->bitmap >> 32))
        return 0;
    tn_logf(q->host, TN_LOG_ERROR,
            "the L2 entry of guest offset %#llx is damaged",
            (unsigned long long)offset);
    return -EIO;
}

/* Does B go on where A ends, in the guest and in the file? */
static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    if (a->kind != b->kind || a->flags != b->flags ||
        a->kind == TN_EXTENT_COMPRESSED)
        return 0;
    return a->kind == TN_EXTENT_DATA || a->flags & TN_EXTENT_RESERVED
               ? a->at + a->bytes == b->at
               : 1;
}

int32_t qcow2_map(void *self, uint64_t offset, uint64_t bytes,
                  struct tn_extent *extents, uint32_t max)
{
    struct qcow2 *q = self;
    uint64_t end = offset + bytes, table;
    uint32_t n = 0;

    while (offset < end) {
        struct l2_entry l2;
        struct tn_extent e;
        int32_t rc = qcow2_l2_get(q, offset, &table, &l2);

        if (rc == 0)
            rc = check_entry(q, &l2, offset);
        if (rc < 0)
            return rc == -EAGAIN && n > 0 ? (int32_t)n : rc;
        cluster_extent(q, &l2, offset, &e);
        if (!table) { /* nothing under the whole table */
            uint64_t span = 1ull << (q->cluster_bits + q->l2_bits);

            e.bytes = span - (offset & (span - 1));
        }
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
