/* SPDX-License-Identifier: Apache-2.0 */
/* All that an L1 table refers to, at once: for snapshots. Everything here may
 * block, and nothing else changes the image meanwhile. */
#include "qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int32_t qcow2_read_l1(struct qcow2 *q, uint64_t offset, uint64_t entries,
                      uint64_t **table, const char *what,
                      struct tn_error *error)
{
    uint64_t length = q->image->length(q->host, 0);
    int32_t rc;

    *table = NULL;
    if (offset % q->cluster || offset > length ||
        (entries && entries * 8 > length - offset))
        return tn_fail(q->host, error, -EINVAL,
                       "the %s at offset %#llx is not inside the file", what,
                       (unsigned long long)offset);
    *table = q->image->allocate(q->host, entries ? entries * 8 : 8);
    if (!*table)
        return tn_fail(q->host, error, -ENOMEM, "no memory for the %s", what);
    rc = q->image->pread(q->host, 0, offset, *table, entries * 8);
    if (rc < 0) {
        q->image->free(q->host, *table);
        *table = NULL;
        return tn_fail(q->host, error, rc,
                       "the %s at offset %#llx cannot be read", what,
                       (unsigned long long)offset);
    }
    for (uint64_t i = 0; i < entries; i++)
        (*table)[i] = get_be64(&(*table)[i]);
    return 0;
}

static int32_t read_l2(struct qcow2 *q, uint64_t entry, uint8_t *table)
{
    uint64_t at = entry & OFFSET_MASK;

    if (at % q->cluster || at >= q->image->length(q->host, 0))
        return -EIO;
    return q->image->pread(q->host, 0, at, table, q->cluster);
}

static int by_offset(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a & OFFSET_MASK;
    uint64_t y = *(const uint64_t *)b & OFFSET_MASK;

    return x < y ? -1 : x > y;
}

/* No two entries of an L1 table have one L2 table. A crafted image that says
 * so would have each of its tables read as often as it likes. */
static int32_t tables_differ(struct qcow2 *q, const uint64_t *l1,
                             uint64_t entries)
{
    uint64_t *sorted = q->image->allocate(q->host, entries * 8 + 8);
    int32_t rc = 0;

    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, l1, entries * 8);
    qsort(sorted, entries, 8, by_offset);
    for (uint64_t i = 1; i < entries; i++)
        if (sorted[i] & OFFSET_MASK && by_offset(&sorted[i - 1], &sorted[i]) == 0)
            rc = -EUCLEAN;
    q->image->free(q->host, sorted);
    return rc;
}

/* So many counts change, and no more than that. */
struct counting {
    int64_t delta;
    uint64_t done, most;
    uint64_t cluster; /* the last one */
};

static int32_t count_cluster(struct qcow2 *q, uint64_t cluster,
                             struct counting *c)
{
    int32_t rc;

    if (c->done == c->most)
        return 1;
    c->cluster = cluster;
    rc = qcow2_refcount_add(q, cluster, c->delta);
    c->done += rc == 0;
    return rc;
}

static int32_t count_table(struct qcow2 *q, const uint8_t *table,
                           struct counting *c)
{
    uint64_t first;
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < q->cluster;
         i += 1ull << q->l2_entry_bits) {
        uint32_t n = qcow2_entry_clusters(q, get_be64(table + i), &first);

        for (; rc == 0 && n; n--, first++)
            rc = count_cluster(q, first, c);
    }
    return rc;
}

static int32_t count_all(struct qcow2 *q, const uint64_t *l1,
                         uint64_t entries, uint8_t *table, struct counting *c)
{
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < entries; i++) {
        if (!(l1[i] & OFFSET_MASK))
            continue;
        rc = read_l2(q, l1[i], table);
        if (rc == 0)
            rc = count_table(q, table, c);
        if (rc == 0)
            rc = count_cluster(q, (l1[i] & OFFSET_MASK) >> q->cluster_bits, c);
    }
    return rc;
}

int32_t qcow2_tree_count(struct qcow2 *q, const uint64_t *l1, uint64_t entries,
                         int64_t delta, struct tn_error *error)
{
    struct counting c = {.delta = delta, .most = UINT64_MAX};
    uint8_t *table = q->image->allocate(q->host, q->cluster);
    int32_t rc = table ? tables_differ(q, l1, entries) : -ENOMEM;

    if (rc == 0)
        rc = count_all(q, l1, entries, table, &c);
    if (rc < 0 && delta > 0) { /* as if nothing had been tried */
        struct counting back = {.delta = -delta, .most = c.done};

        (void)count_all(q, l1, entries, table, &back);
    }
    q->image->free(q->host, table);
    if (rc == -ERANGE)
        return tn_fail(q->host, error, rc,
                       "the cluster at offset %#llx cannot be shared once "
                       "more: its reference count has %u bits; delete a "
                       "snapshot, or amend refcount-bits",
                       (unsigned long long)(c.cluster << q->cluster_bits),
                       1u << q->refcount_order);
    return rc < 0 ? tn_fail(q->host, error, rc,
                            "the reference counts cannot be changed: check "
                            "the image")
                  : 0;
}

/* ---- the COPIED marks ---- */

static int32_t is_only(struct qcow2 *q, uint64_t at, uint32_t clear, int *only)
{
    uint64_t count = 0;
    int32_t rc = clear ? 0
                       : qcow2_refcount_get(q, at >> q->cluster_bits, &count);

    *only = count == 1;
    return rc;
}

static int32_t mark_table(struct qcow2 *q, uint8_t *table, uint32_t clear,
                          int *changed)
{
    uint64_t entry, at;
    int32_t rc = 0;
    int only;

    for (uint64_t i = 0; rc == 0 && i < q->cluster;
         i += 1ull << q->l2_entry_bits) {
        entry = get_be64(table + i);
        at = entry & OFFSET_MASK;
        if (entry & ENTRY_COMPRESSED || !at)
            continue;
        rc = is_only(q, at, clear, &only);
        if (rc == 0 && only != (int)(entry >> 63)) {
            put_be64(table + i, entry ^ ENTRY_COPIED);
            *changed = 1;
        }
    }
    return rc;
}

int32_t qcow2_write_l1(struct qcow2 *q, uint64_t first, uint64_t n)
{
    uint64_t *swapped = q->image->allocate(q->host, n * 8 + 8);
    int32_t rc;

    if (!swapped)
        return -ENOMEM;
    for (uint64_t i = 0; i < n; i++)
        put_be64(&swapped[i], q->l1[first + i]);
    rc = q->image->pwrite(q->host, 0, q->l1_offset + first * 8, swapped, n * 8);
    q->image->free(q->host, swapped);
    return rc;
}

int32_t qcow2_tree_marks(struct qcow2 *q, uint32_t clear)
{
    uint8_t *table = q->image->allocate(q->host, q->cluster);
    int32_t rc = table ? tables_differ(q, q->l1, q->l1_entries) : -ENOMEM;
    int only, changed;

    for (uint64_t i = 0; rc == 0 && i < q->l1_entries; i++) {
        uint64_t entry = q->l1[i];

        if (!(entry & OFFSET_MASK))
            continue;
        changed = 0;
        rc = read_l2(q, entry, table);
        if (rc == 0 && !q->data_file)
            rc = mark_table(q, table, clear, &changed);
        if (rc == 0 && changed)
            rc = q->image->pwrite(q->host, 0, entry & OFFSET_MASK, table,
                                  q->cluster);
        if (rc == 0)
            rc = is_only(q, entry & OFFSET_MASK, clear, &only);
        if (rc == 0)
            q->l1[i] = (entry & ~ENTRY_COPIED) | (only ? ENTRY_COPIED : 0);
    }
    q->image->free(q->host, table);
    return rc == 0 ? qcow2_write_l1(q, 0, q->l1_entries) : rc;
}
