/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's bytes are, and changing it. Order on stable storage: the
 * data (which the engine sees to), then the L2 entry; a new L2 table, then the
 * L1 entry that refers to it. So an image that is killed at any moment has
 * leaks at worst and needs no check: we never set NEED_CHECK.
 */
#include "qed.h"

#include <errno.h>

#define MAX_RUN 64u /* clusters an allocation covers at most */
#define MOST_AT_ONCE 65536u

int qed_place_is_good(const struct qed *q, uint64_t offset, uint64_t bytes)
{
    uint64_t length = q->image->length(q->host, 0);

    /* New tables may not be in the file yet. */
    if (q->writable && q->end > length)
        length = q->end;
    return offset % q->cluster == 0 && offset >= q->first && offset < length &&
           bytes <= round_up(length, q->cluster) - offset &&
           !(offset < q->l1 + q->table && q->l1 < offset + bytes);
}

static int32_t damaged(struct qed *q, const char *what, uint64_t offset)
{
    tn_logf(q->host, TN_LOG_ERROR,
            "the %s entry of guest offset %#llx is "
            "damaged",
            what, (unsigned long long)offset);
    return -EIO;
}

static uint64_t span(const struct qed *q) /* guest bytes of an L2 table */
{
    return q->entries * q->cluster;
}

static uint64_t l1_place(const struct qed *q, uint64_t offset)
{
    return q->l1 + offset / span(q) * 8;
}

static uint64_t l2_place(const struct qed *q, uint64_t table, uint64_t offset)
{
    return table + offset / q->cluster % q->entries * 8;
}

static int32_t read_entry(struct qed *q, uint64_t place, uint64_t *entry)
{
    const void *p;
    int32_t rc = q->image->read(q->host, 0, place, 8, &p);

    if (rc == 0)
        *entry = get64(p);
    return rc;
}

/* TABLE is 0 if there is none. */
static int32_t get_table(struct qed *q, uint64_t offset, uint64_t *table)
{
    int32_t rc;

    if (offset / span(q) >= q->entries)
        return -EIO;
    rc = read_entry(q, l1_place(q, offset), table);
    if (rc < 0 || !*table)
        return rc;
    return qed_place_is_good(q, *table, q->table) ? 0
                                                  : damaged(q, "L1", offset);
}

static int32_t get_entry(struct qed *q, uint64_t offset, uint64_t *table,
                         uint64_t *entry)
{
    int32_t rc = get_table(q, offset, table);

    *entry = ENTRY_NONE;
    if (rc < 0 || !*table)
        return rc;
    rc = read_entry(q, l2_place(q, *table, offset), entry);
    if (rc < 0 || *entry == ENTRY_NONE || *entry == ENTRY_ZERO)
        return rc;
    return qed_place_is_good(q, *entry, q->cluster) ? 0
                                                    : damaged(q, "L2", offset);
}

/* ---- map ---- */

static void make_extent(const struct qed *q, uint64_t offset, uint64_t table,
                        uint64_t entry, struct tn_extent *e)
{
    uint64_t inside = offset % q->cluster;

    *e = (struct tn_extent){.kind = TN_EXTENT_UNALLOCATED,
                            .offset = offset,
                            .bytes = q->cluster - inside};
    if (!table) {
        e->bytes = span(q) - offset % span(q);
    } else if (entry == ENTRY_ZERO) {
        e->kind = TN_EXTENT_ZERO;
    } else if (entry != ENTRY_NONE) {
        e->kind = TN_EXTENT_DATA;
        e->flags = TN_EXTENT_WRITABLE;
        e->at = entry + inside;
    }
}

static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    return a->kind == b->kind &&
           (a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at);
}

int32_t qed_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max)
{
    struct qed *q = self;
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

int32_t qed_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *a)
{
    struct qed *q = self;
    uint64_t start = offset - offset % q->cluster, table, entry;
    uint64_t end = round_up(offset + bytes, q->cluster), at;
    int32_t rc = get_entry(q, offset, &table, &entry);

    (void)flags;
    if (rc < 0)
        return rc;
    if (end > start - start % span(q) + span(q))
        end = start - start % span(q) + span(q);
    if (end - start > MAX_RUN * q->cluster)
        end = start + MAX_RUN * q->cluster;
    for (at = start + q->cluster; at < end; at += q->cluster) {
        rc = get_entry(q, at, &table, &entry);
        if (rc < 0)
            return rc;
        if (entry != ENTRY_NONE && entry != ENTRY_ZERO)
            break;
    }
    if (q->end > (uint64_t)INT64_MAX / 4)
        return -ENOSPC;
    a->offset = start;
    a->bytes = at - start;
    a->at = q->end;
    a->fresh = 1;
    a->flags = TN_ALLOCATION_EXTENDS; /* a file ends with a whole cluster */
    q->end += a->bytes;
    return 0;
}

/* A table for OFFSET. Where it will be is zeroes now, so two units of it are
 * enough: the one that is wanted, and the last, which makes the file so long.
 */
static int32_t make_table(struct qed *q, uint64_t offset, uint64_t *table)
{
    static const uint8_t zeroes[UNIT];
    uint64_t place = l1_place(q, offset), used, last;
    uint8_t bytes[8];
    int32_t rc = get_table(q, offset, table);

    if (rc < 0 || *table)
        return rc;
    if (q->end > (uint64_t)INT64_MAX / 4)
        return -ENOSPC;
    *table = q->end;
    used = l2_place(q, *table, offset) / UNIT * UNIT;
    last = *table + q->table - UNIT;
    rc = q->image->write(q->host, 0, used, UNIT, zeroes);
    if (rc == 0)
        rc = q->image->write(q->host, 0, last, UNIT, zeroes);
    if (rc == 0)
        rc = q->image->order(q->host, 0, used, 0, place);
    if (rc == 0)
        rc = q->image->order(q->host, 0, last, 0, place);
    put64(bytes, *table);
    if (rc == 0)
        rc = q->image->write(q->host, 0, place, 8, bytes);
    if (rc == 0)
        q->end += q->table;
    return rc;
}

/* Entries of N clusters from OFFSET on become ENTRY, or, if that is a place,
 * places one after the other. */
static int32_t set_entries(struct qed *q, uint64_t offset, uint64_t n,
                           uint64_t entry)
{
    uint64_t table;
    uint8_t bytes[8];
    int32_t rc = make_table(q, offset, &table);

    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        put64(bytes, entry);
        rc = q->image->write(
            q->host, 0, l2_place(q, table, offset + i * q->cluster), 8, bytes);
        if (entry != ENTRY_ZERO)
            entry += q->cluster;
    }
    return rc;
}

/* Everything that set_entries() looks at. */
static int32_t fetch(struct qed *q, uint64_t offset, uint64_t n)
{
    uint64_t table, entry;
    int32_t rc = get_table(q, offset, &table);

    for (uint64_t i = 0; rc == 0 && table && i < n; i++)
        rc = read_entry(q, l2_place(q, table, offset + i * q->cluster), &entry);
    return rc;
}

int32_t qed_commit(void *self, const struct tn_allocation *a)
{
    struct qed *q = self;
    uint64_t n = a->bytes / q->cluster;
    int32_t rc = fetch(q, a->offset, n);

    return rc < 0 ? rc : set_entries(q, a->offset, n, a->at);
}

void qed_cancel(void *self, const struct tn_allocation *a)
{
    (void)self;
    (void)a; /* a leak */
}

/* Zeroes over a backing image need no space. Space that is there stays where
 * it is, since nothing but an entry can remember it: the engine zeroes it. */
int32_t qed_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done)
{
    struct qed *q = self;
    uint64_t table, entry;
    int32_t rc = 0;

    if (kind != TN_CHANGE_ZERO && kind != TN_CHANGE_UNMAP)
        return -ENOTSUP;
    for (*done = 0; *done < bytes && *done / q->cluster < MOST_AT_ONCE;
         *done += q->cluster) {
        rc = get_entry(q, offset + *done, &table, &entry);
        if (rc == 0 && entry == ENTRY_ZERO)
            continue;
        if (rc == 0 && entry != ENTRY_NONE)
            rc = -ENOTSUP;
        if (rc == 0 && q->features & FEATURE_BACKING)
            rc = set_entries(q, offset + *done, 1, ENTRY_ZERO);
        if (rc < 0)
            break;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}
