/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space for compressed clusters: one behind the other, whatever the byte they
 * begin at. Each host cluster counts those that are in it, even in part.
 */
#include "qcow2.h"

#include <errno.h>

/* May another part of N bytes go to q->packing? *LAST: its last cluster. */
static int32_t fits(struct qcow2 *q, uint64_t n, uint64_t *last, int *ok)
{
    uint64_t first = q->packing >> q->cluster_bits, count;
    int32_t rc;

    *ok = 0;
    if (!q->packing)
        return 0;
    *last = (q->packing + n - 1) >> q->cluster_bits;
    rc = qcow2_refcount_get(q, first, &count);
    if (rc < 0 || count == 0 || count >= qcow2_refcount_max(q))
        return rc;
    if (*last != first) {
        if (!qcow2_refcount_place(q, *last))
            return 0;
        rc = qcow2_refcount_get(q, *last, &count);
        if (rc < 0 || count)
            return rc;
    }
    *ok = 1;
    return 0;
}

int32_t qcow2_allocate_compressed(struct qcow2 *q, uint64_t offset,
                                  struct tn_allocation *a)
{
    uint64_t cluster, last = 0, first, end;
    uint32_t found;
    int32_t rc;
    int ok;

    if (a->stored == 0 || a->stored >= q->cluster || q->data_file)
        return -EINVAL;
    rc = fits(q, a->stored, &last, &ok);
    if (rc == 0 && !ok) {
        rc = qcow2_take(q, 1, &cluster, &found);
        if (rc < 0)
            return rc;
        a->at = cluster << q->cluster_bits;
    } else if (rc == 0) {
        a->at = q->packing;
        first = q->packing >> q->cluster_bits;
        rc = qcow2_refcount_add(q, first, 1);
        if (rc == 0 && last != first)
            rc = qcow2_refcount_add(q, last, 1);
    }
    if (rc < 0)
        return rc;
    end = a->at + a->stored;
    q->packing = end & (q->cluster - 1) ? end : 0;
    a->size = sizeof *a;
    a->file = TN_IMAGE_FILE_SELF;
    a->offset = offset & ~(q->cluster - 1);
    a->bytes = q->cluster;
    a->flags = 0;
    a->fresh = 0;
    return 0;
}

static uint64_t descriptor(const struct qcow2 *q,
                           const struct tn_allocation *a)
{
    uint32_t bits = 62 - (q->cluster_bits - 8);
    uint64_t sectors = ((a->at + a->stored - 1) >> 9) - (a->at >> 9);

    return ENTRY_COMPRESSED | sectors << bits | a->at;
}

int32_t qcow2_commit_compressed(struct qcow2 *q, const struct tn_allocation *a)
{
    uint64_t first = a->at >> q->cluster_bits, table;
    uint64_t last = (a->at + a->stored - 1) >> q->cluster_bits;
    struct l2_entry old, e = {descriptor(q, a), 0};
    int32_t rc;

    if (a->at >> (62 - (q->cluster_bits - 8)) || a->at >> 56)
        return -EFBIG;
    rc = qcow2_l2_make(q, a->offset, &table);
    if (rc == 0)
        rc = qcow2_l2_get(q, a->offset, &table, &old);
    for (uint64_t i = first; rc == 0 && i <= last; i++)
        rc = qcow2_refcounts_before(q, i, 1,
                                    qcow2_l2_place(q, table, a->offset));
    if (rc == 0)
        rc = qcow2_l2_set(q, table, a->offset, &e);
    if (rc == 0)
        qcow2_release_entry(q, &old);
    return rc;
}

void qcow2_cancel_compressed(struct qcow2 *q, const struct tn_allocation *a)
{
    uint64_t first = a->at >> q->cluster_bits;
    uint64_t last = (a->at + a->stored - 1) >> q->cluster_bits;

    for (; first <= last; first++)
        q->image->release(q->host, 0, first << q->cluster_bits, q->cluster);
}
