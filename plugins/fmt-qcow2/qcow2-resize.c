/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another size for the disk. The header says it first: what lies beyond it is
 * out of reach then, and taken away after that, or before the disk grows over
 * it again.
 */
#include "qcow2.h"

#include <errno.h>

/* The L1 table as q->l1 has it now, in a new place. */
static int32_t move_l1(struct qcow2 *q, uint64_t entries,
                       struct tn_error *error)
{
    uint64_t n = qcow2_clusters(q, entries * 8), first;
    uint64_t old = q->l1_offset >> q->cluster_bits;
    uint64_t n_old = qcow2_clusters(q, q->l1_entries * 8ull);
    uint64_t *l1 = q->image->allocate(q->host, n << q->cluster_bits);
    int32_t rc = l1 ? qcow2_take_run(q, n, &first) : -ENOMEM;

    if (rc < 0) {
        q->image->free(q->host, l1);
        return tn_fail(q->host, error, rc, "no space for a larger L1 table");
    }
    __builtin_memcpy(l1, q->l1, q->l1_entries * 8ull);
    q->image->free(q->host, q->l1);
    q->l1 = l1;
    q->l1_entries = (uint32_t)entries;
    q->l1_offset = first << q->cluster_bits;
    rc = qcow2_write_l1(q, 0, (n << q->cluster_bits) / 8);
    if (rc == 0)
        rc = qcow2_header_write(q, error);
    return rc == 0 ? qcow2_give_run(q, old, n_old) : rc;
}

int32_t qcow2_l1_grow(struct qcow2 *q, uint64_t entries,
                      struct tn_error *error)
{
    if (entries <= q->l1_entries)
        return 0;
    if (entries * 8 > MAX_L1_BYTES)
        return tn_fail(q->host, error, -EFBIG,
                       "the disk is too large for clusters of %llu bytes",
                       (unsigned long long)q->cluster);
    return move_l1(q, entries, error);
}

/* ---- what is beyond ---- */

static int32_t cut_entry(struct qcow2 *q, uint64_t offset)
{
    static const struct l2_entry nothing = {0, 0};
    struct l2_entry l2;
    uint64_t table, first;
    uint32_t n;
    int32_t rc = qcow2_l2_get(q, offset, &table, &l2);

    if (rc < 0 || !table || (!l2.entry && !l2.bitmap))
        return rc;
    rc = qcow2_l2_make(q, offset, &table);
    if (rc == 0)
        rc = qcow2_l2_set(q, table, offset, &nothing);
    n = qcow2_entry_clusters(q, l2.entry, &first);
    for (; rc == 0 && n; n--, first++)
        q->image->release(q->host, 0, first << q->cluster_bits, q->cluster);
    return rc;
}

int32_t qcow2_cut(struct qcow2 *q, uint64_t offset)
{
    uint64_t span = qcow2_table_span(q);
    uint64_t first = (offset + q->cluster - 1) & ~(q->cluster - 1);
    uint64_t i = qcow2_l1_wanted(q, first);
    int32_t rc = 0;

    for (; first & (span - 1) && rc == 0; first += q->cluster)
        rc = first >> (q->cluster_bits + q->l2_bits) < q->l1_entries
                 ? cut_entry(q, first)
                 : 0;
    for (; rc == 0 && i < q->l1_entries; i++) {
        uint64_t entry = q->l1[i];

        if (!entry)
            continue;
        q->l1[i] = 0;
        if (rc == 0)
            rc = qcow2_write_l1(q, i, 1);
        if (rc == 0)
            rc = q->image->flush(q->host);
        if (rc == 0)
            rc = qcow2_tree_count(q, &entry, 1, -1, NULL);
    }
    return rc == 0 ? q->image->flush(q->host) : rc;
}

/* Nothing is in use behind the last cluster that is. */
static int32_t shorten_file(struct qcow2 *q)
{
    uint64_t length = q->image->length(q->host, 0);
    uint64_t last = qcow2_clusters(q, length), count = 0;
    int32_t rc = 0;

    while (rc == 0 && last > 1) {
        if (!qcow2_refcount_place(q, last - 1)) {
            last--;
            continue;
        }
        rc = qcow2_refcount_get(q, last - 1, &count);
        if (count)
            break;
        last--;
    }
    if (rc == 0 && last << q->cluster_bits < length)
        rc = q->image->set_length(q->host, 0, last << q->cluster_bits, NULL);
    return rc;
}

/* ---- space for what is new ---- */

static int32_t map_new(struct qcow2 *q, uint64_t offset, uint64_t host)
{
    struct l2_entry l2 = {host | ENTRY_COPIED,
                          qcow2_is_extended(q) ? 0xffffffffull : 0};
    struct l2_entry old;
    uint64_t table;
    int32_t rc = qcow2_l2_make(q, offset, &table);

    if (rc == 0)
        rc = qcow2_l2_get(q, offset, &table, &old);
    if (rc == 0 && (old.entry || old.bitmap))
        return 0; /* the last one from before */
    return rc == 0 ? qcow2_l2_set(q, table, offset, &l2) : rc;
}

static int32_t preallocate(struct qcow2 *q, uint64_t from, uint64_t to,
                           uint32_t mode, struct tn_error *error)
{
    uint64_t start = (from + q->cluster - 1) & ~(q->cluster - 1);
    uint64_t n = to > start ? qcow2_clusters(q, to - start) : 0, end;
    int32_t rc = 0;

    /* Behind the end of the file: what was used before has old content. */
    if (n && !q->data_file) {
        rc = qcow2_refcount_table_fit(q, to + q->image->length(q->host, 0),
                                      error);
        q->free_hint = qcow2_clusters(q, q->image->length(q->host, 0));
    }
    while (rc == 0 && n) {
        uint64_t some = n < 1024 ? n : 1024, first = start >> q->cluster_bits;

        if (!q->data_file)
            rc = qcow2_take_run(q, some, &first);
        for (uint64_t i = 0; rc == 0 && i < some; i++, start += q->cluster)
            rc = map_new(q, start, (first + i) << q->cluster_bits);
        end = (first + some) << q->cluster_bits;
        if (rc == 0 && mode >= TN_PREALLOCATE_FALLOC)
            rc = q->image->preallocate(q->host, q->data_file,
                                       first << q->cluster_bits,
                                       some << q->cluster_bits, mode, error);
        else if (rc == 0 && q->image->length(q->host, q->data_file) < end)
            rc = q->image->set_length(q->host, q->data_file, end, error);
        n -= some;
    }
    q->free_hint = 0;
    return rc;
}

/* q->bytes is true from here on. */
static int32_t publish(struct qcow2 *q, uint64_t old, struct tn_error *error)
{
    return q->n_bitmaps ? qcow2_bitmaps_resize(q, old, error)
                        : qcow2_header_write(q, error);
}

static int32_t grow(struct qcow2 *q, uint64_t bytes, struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    uint64_t from = q->bytes;
    uint32_t mode = props->is_set(q->host, "preallocation")
                        ? (uint32_t)props->get_uint(q->host, "preallocation")
                        : TN_PREALLOCATE_OFF;
    int32_t rc = qcow2_cut(q, from);

    if (rc == 0)
        rc = qcow2_refcount_table_fit(q, bytes, error);
    if (rc == 0)
        rc = qcow2_l1_grow(q, qcow2_l1_wanted(q, bytes), error);
    if (rc == 0 && q->data_file &&
        q->image->length(q->host, q->data_file) < bytes)
        rc = q->image->set_length(q->host, q->data_file, bytes, error);
    if (rc == 0 && q->autoclear & AUTOCLEAR_RAW_EXTERNAL &&
        mode == TN_PREALLOCATE_OFF)
        mode = TN_PREALLOCATE_METADATA;
    q->bytes = bytes;
    if (rc == 0 && mode != TN_PREALLOCATE_OFF) {
        q->bytes = bytes;
        rc = preallocate(q, from, bytes, mode, error);
    }
    if (rc == 0)
        rc = publish(q, from, error);
    if (rc < 0)
        q->bytes = from;
    return rc;
}

static int32_t shrink(struct qcow2 *q, uint64_t bytes, struct tn_error *error)
{
    uint64_t old = q->bytes;
    int32_t rc;

    q->bytes = bytes;
    rc = publish(q, old, error);
    if (rc < 0)
        q->bytes = old;
    if (rc == 0)
        rc = qcow2_cut(q, bytes);
    if (rc == 0 && q->data_file)
        rc = q->image->set_length(q->host, q->data_file, bytes, error);
    if (rc == 0)
        rc = shorten_file(q);
    return rc;
}

int32_t qcow2_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct qcow2 *q = self;
    uint64_t old = q->bytes;
    int32_t rc;

    if (bytes == old)
        return 0;
    if (bytes >> 62 || bytes % 512)
        return tn_fail(q->host, error, -EINVAL,
                       "the size must be a multiple of 512 bytes below 4 EiB");
    if (q->n_snapshots && q->version < 3)
        return tn_fail(q->host, error, -ENOTSUP,
                       "snapshots in version 2 images do not say how large "
                       "they are: remove them first");
    rc = qcow2_bitmaps_can_resize(q, bytes, error);
    if (rc < 0)
        return rc;
    (void)tn_fail(q->host, error, 0, "the image cannot be resized");
    return bytes > old ? grow(q, bytes, error) : shrink(q, bytes, error);
}
