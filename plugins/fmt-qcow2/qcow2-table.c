/* SPDX-License-Identifier: Apache-2.0 */
/* The two levels of tables that map guest clusters. */
#include "qcow2.h"

#include <errno.h>

/* No entry may point past the end of what a file can have, or be unaligned. */
static int32_t check_entries(struct qcow2 *q, const uint64_t *table,
                             uint64_t entries, const char *what,
                             struct tn_error *error)
{
    for (uint64_t i = 0; i < entries; i++)
        if ((table[i] & OFFSET_MASK) % q->cluster)
            return tn_fail(q->host, error, -EINVAL,
                           "entry %llu of the %s is not cluster aligned",
                           (unsigned long long)i, what);
    return 0;
}

static int32_t read_refcount_table(struct qcow2 *q, struct tn_error *error)
{
    int32_t rc = qcow2_read_l1(q, q->refcount_table_offset,
                               q->refcount_table_entries, &q->refcount_table,
                               "refcount table", error);

    if (rc == 0)
        rc = check_entries(q, q->refcount_table, q->refcount_table_entries,
                           "refcount table", error);
    return rc;
}

int32_t qcow2_read_tables(struct qcow2 *q, uint32_t flags,
                          struct tn_error *error)
{
    int32_t rc = qcow2_read_l1(q, q->l1_offset, q->l1_entries, &q->l1,
                               "L1 table", error);

    /* check() mends what follows. */
    if (rc == 0 && !(flags & TN_IMAGE_CHECK))
        rc = check_entries(q, q->l1, q->l1_entries, "L1 table", error);
    if (rc < 0)
        return rc;
    rc = q->refcounts_lost ? -EINVAL : read_refcount_table(q, error);
    if (rc < 0 && rc != -ENOMEM && flags & TN_IMAGE_CHECK) {
        q->refcounts_lost = 1;
        q->refcount_table_entries = 0;
        rc = 0;
    }
    q->refcount_table_written = q->refcount_table_entries;
    return rc;
}

static uint32_t l1_index(const struct qcow2 *q, uint64_t offset)
{
    return (uint32_t)(offset >> (q->cluster_bits + q->l2_bits));
}

uint64_t qcow2_l2_place(const struct qcow2 *q, uint64_t table, uint64_t offset)
{
    uint64_t index = offset >> q->cluster_bits & ((1ull << q->l2_bits) - 1);

    return table + (index << q->l2_entry_bits);
}

int32_t qcow2_l2_get(struct qcow2 *q, uint64_t offset, uint64_t *table,
                     struct l2_entry *entry)
{
    const void *p;
    int32_t rc;

    *entry = (struct l2_entry){0, 0};
    *table = 0;
    if (l1_index(q, offset) >= q->l1_entries)
        return -EIO;
    *table = q->l1[l1_index(q, offset)] & OFFSET_MASK;
    if (!*table)
        return 0;
    rc = q->image->read(q->host, 0, qcow2_l2_place(q, *table, offset),
                        1u << q->l2_entry_bits, &p);
    if (rc < 0)
        return rc;
    entry->entry = get_be64(p);
    if (qcow2_is_extended(q))
        entry->bitmap = get_be64((const uint8_t *)p + 8);
    return 0;
}

int32_t qcow2_l2_set(struct qcow2 *q, uint64_t table, uint64_t offset,
                     const struct l2_entry *entry)
{
    uint8_t bytes[16];

    put_be64(bytes, entry->entry);
    put_be64(bytes + 8, entry->bitmap);
    return q->image->write(q->host, 0, qcow2_l2_place(q, table, offset),
                           1u << q->l2_entry_bits, bytes);
}

/* The new table at NEW_TABLE: zeroes, or the content of OLD. */
static int32_t fill_table(struct qcow2 *q, uint64_t old, uint64_t new_table)
{
    static const uint8_t zeroes[METADATA_UNIT];
    uint32_t unit =
        q->cluster < METADATA_UNIT ? (uint32_t)q->cluster : METADATA_UNIT;
    uint8_t copy[METADATA_UNIT];
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < q->cluster; i += unit) {
        const void *data = zeroes;

        if (old) {
            rc = q->image->read(q->host, 0, old + i, unit, &data);
            if (rc < 0)
                return rc;
            __builtin_memcpy(copy, data, unit);
            data = copy;
        }
        rc = q->image->write(q->host, 0, new_table + i, unit, data);
    }
    return rc;
}

/* Everything before the L1 entry that refers to it. */
static int32_t table_before_entry(struct qcow2 *q, uint64_t table,
                                  uint64_t entry)
{
    uint32_t unit =
        q->cluster < METADATA_UNIT ? (uint32_t)q->cluster : METADATA_UNIT;
    int32_t rc =
        qcow2_refcounts_before(q, table >> q->cluster_bits, 1, entry);

    for (uint64_t i = 0; rc == 0 && i < q->cluster; i += unit)
        rc = q->image->order(q->host, 0, table + i, 0, entry);
    return rc;
}

int32_t qcow2_l2_make(struct qcow2 *q, uint64_t offset, uint64_t *table)
{
    uint32_t index = l1_index(q, offset), found;
    uint64_t entry = q->l1_offset + index * 8ull, old, cluster;
    uint8_t bytes[8];
    const void *p;
    int32_t rc;

    if (index >= q->l1_entries)
        return -EIO;
    old = q->l1[index];
    *table = old & OFFSET_MASK;
    if (*table && old & ENTRY_COPIED)
        return 0;
    rc = q->image->read(q->host, 0, entry, 8, &p);
    if (rc == 0 && q->pending_table && q->pending_index != index) {
        /* Left by a write that failed for good: a leak at worst. */
        q->image->release(q->host, 0, q->pending_table, q->cluster);
        q->pending_table = 0;
    }
    if (rc == 0 && !q->pending_table) {
        rc = qcow2_take(q, 1, &cluster, &found);
        if (rc == 0) {
            q->pending_table = cluster << q->cluster_bits;
            q->pending_index = index;
        }
    }
    if (rc == 0)
        rc = fill_table(q, *table, q->pending_table);
    if (rc == 0)
        rc = table_before_entry(q, q->pending_table, entry);
    if (rc < 0)
        return rc;
    put_be64(bytes, q->pending_table | ENTRY_COPIED);
    rc = q->image->write(q->host, 0, entry, 8, bytes);
    if (rc < 0)
        return rc;
    q->l1[index] = q->pending_table | ENTRY_COPIED;
    if (*table) /* one reference less to the shared one */
        q->image->release(q->host, 0, *table, q->cluster);
    *table = q->pending_table;
    q->pending_table = 0;
    return 0;
}
