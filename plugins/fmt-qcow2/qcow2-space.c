/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The refcount table, and clusters in a row: what is done while nothing else
 * changes the image. May block.
 */
#include "qcow2.h"

#include <errno.h>

#define LONGEST_SEARCH (1u << 20) /* clusters looked at before the end is used */

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

int32_t qcow2_refcount_table_write(struct qcow2 *q, uint64_t offset,
                                   struct tn_error *error)
{
    uint64_t entries = q->refcount_table_entries;
    uint64_t *swapped = q->image->allocate(q->host, entries * 8 + 8);
    int32_t rc = swapped ? 0 : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < entries; i++)
        put_be64(&swapped[i], q->refcount_table[i]);
    if (rc == 0)
        rc = q->image->pwrite(q->host, 0, offset, swapped, entries * 8);
    q->image->free(q->host, swapped);
    if (rc < 0)
        return tn_fail(q->host, error, rc,
                       "the refcount table cannot be written");
    q->refcount_table_offset = offset;
    q->refcount_table_written = (uint32_t)entries;
    return qcow2_header_write(q, error);
}

/* N clusters in a row at the end of the file or of what is counted. */
static int32_t take_at_end(struct qcow2 *q, uint64_t n, uint64_t *cluster)
{
    uint64_t end = qcow2_clusters(q, q->image->length(q->host, 0));
    uint64_t row = 0, count;
    int32_t rc = 0;

    for (; rc == 0 && row < n; end++) {
        if (!qcow2_refcount_place(q, end)) {
            rc = qcow2_make_block(q, end);
            row = 0;
            continue;
        }
        rc = qcow2_refcount_get(q, end, &count);
        row = count ? 0 : row + 1;
    }
    *cluster = end - n;
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_add(q, *cluster + i, 1);
    return rc;
}

int32_t qcow2_refcount_table_fit(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error)
{
    uint64_t entries = entries_wanted(q, bytes), clusters, first;
    uint64_t old = q->refcount_table_offset >> q->cluster_bits;
    uint64_t n_old = q->refcount_table_entries * 8ull >> q->cluster_bits;
    uint64_t *table;
    int32_t rc;

    if (entries <= q->refcount_table_entries)
        return 0;
    clusters = qcow2_clusters(q, entries * 8);
    entries = clusters << q->cluster_bits >> 3;
    if (entries * 8 > MAX_REFCOUNT_TABLE_BYTES)
        return 0; /* as much as it has must do */
    table = q->image->allocate(q->host, entries * 8);
    if (!table)
        return tn_fail(q->host, error, -ENOMEM,
                       "no memory for a larger refcount table");
    __builtin_memcpy(table, q->refcount_table, q->refcount_table_entries * 8ull);
    q->image->free(q->host, q->refcount_table);
    q->refcount_table = table;
    q->refcount_table_entries = (uint32_t)entries;
    rc = take_at_end(q, clusters, &first);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0)
        rc = qcow2_refcount_table_write(q, first << q->cluster_bits, error);
    else
        (void)tn_fail(q->host, error, rc,
                      "the refcount table cannot be made larger");
    if (rc < 0) /* what is in the file goes no further */
        q->refcount_table_entries = q->refcount_table_written;
    return rc == 0 ? qcow2_give_run(q, old, n_old) : rc;
}

/* ---- clusters in a row ---- */

int32_t qcow2_take_run(struct qcow2 *q, uint64_t n, uint64_t *cluster)
{
    uint64_t at = q->free_hint ? q->free_hint : 1, row = 0, count;
    uint64_t end = at + LONGEST_SEARCH;
    int32_t rc = 0;

    for (; row < n; at++) {
        if (at == end)
            return take_at_end(q, n, cluster);
        if (!qcow2_refcount_place(q, at)) {
            rc = qcow2_make_block(q, at);
            row = 0;
        } else {
            rc = qcow2_refcount_get(q, at, &count);
            row = count ? 0 : row + 1;
        }
        if (rc < 0)
            return rc;
    }
    *cluster = at - n;
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_add(q, *cluster + i, 1);
    return rc;
}

int32_t qcow2_give_run(struct qcow2 *q, uint64_t first, uint64_t n)
{
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_add(q, first + i, -1);
    return rc;
}
