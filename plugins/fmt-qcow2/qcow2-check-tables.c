/* SPDX-License-Identifier: Apache-2.0 */
/* check(): L1 and L2 tables, and the marks in the active ones. */
#include "qcow2-check.h"

#include <errno.h>

static uint32_t step(const struct qcow2 *q)
{
    return 1u << q->l2_entry_bits;
}

/* What is wrong with an entry; NULL: nothing. */
static const char *fault(struct checker *c, const struct l2_entry *e,
                         uint64_t guest, uint64_t *first, uint32_t *n)
{
    struct qcow2 *q = c->q;
    uint64_t at;
    int space = qcow2_has_space(q, e, &at);

    *n = qcow2_entry_clusters(q, e->entry, first);
    if (e->entry & ENTRY_COMPRESSED) {
        if (q->data_file)
            return "is compressed, which a data file cannot have";
    } else if (at % q->cluster) {
        return "is not cluster aligned";
    } else if (q->data_file && space && at != guest) {
        return "is not where a data file has it";
    } else if (qcow2_is_extended(q) &&
               ((uint32_t)e->bitmap & (uint32_t)(e->bitmap >> 32))) {
        return "has a subcluster that is both data and zeroes";
    } else if (qcow2_is_extended(q) && !space && (uint32_t)e->bitmap) {
        return "has subclusters with data, but no place";
    } else if (!space && e->entry & ENTRY_COPIED) {
        return "is marked as the only reference to nothing";
    }
    for (uint32_t i = 0; i < *n; i++) {
        if (*first + i >= c->n_clusters)
            return "points beyond the end of the file";
        if (check_is_fixed(c, *first + i))
            return "points into metadata";
    }
    return NULL;
}

/* The content is lost; zeroes, not what a backing image has. */
static void empty(const struct qcow2 *q, uint8_t *entry)
{
    put_be64(entry, q->version >= 3 && !qcow2_is_extended(q) ? ENTRY_ZERO : 0);
    if (qcow2_is_extended(q))
        put_be64(entry + 8, 0xffffffffull << 32);
}

static void statistics(struct checker *c, const struct l2_entry *e,
                       uint64_t first)
{
    struct tn_check *r = c->result;
    uint64_t at;

    if (e->entry & ENTRY_COMPRESSED) {
        r->compressed_clusters++;
        r->allocated_clusters++;
        r->fragmented_clusters++;
    } else if (qcow2_has_space(c->q, e, &at)) {
        r->allocated_clusters++;
        if (c->next_host && first != c->next_host)
            r->fragmented_clusters++;
        c->next_host = first + 1;
    }
}

static int check_table(struct checker *c, uint8_t *table, uint64_t guest,
                       uint32_t times, uint32_t active)
{
    struct qcow2 *q = c->q;
    int changed = 0;

    c->next_host = 0; /* what stands between two tables' clusters is a table */
    for (uint64_t i = 0; i < q->cluster; i += step(q), guest += q->cluster) {
        struct l2_entry e = {get_be64(table + i),
                             qcow2_is_extended(q) ? get_be64(table + i + 8)
                                                  : 0};
        uint64_t first;
        uint32_t n;
        const char *what;

        if (!e.entry && !e.bitmap)
            continue;
        what = fault(c, &e, guest, &first, &n);
        if (what) {
            check_say(c, "guest offset %#llx: its L2 entry %#llx %s",
                      (unsigned long long)guest, (unsigned long long)e.entry,
                      what);
            check_corrupt(c, (int)c->repair);
            if (c->repair) {
                empty(q, table + i);
                changed = 1;
            }
            continue;
        }
        check_count(c, first, n, times);
        if (active)
            statistics(c, &e, first);
    }
    return changed;
}

static int is_table(struct checker *c, uint64_t at)
{
    return at % c->q->cluster == 0 &&
           at >> c->q->cluster_bits < c->n_clusters &&
           !check_is_fixed(c, at >> c->q->cluster_bits);
}

static int32_t drop_table(struct checker *c, uint64_t *l1, uint64_t offset,
                          uint64_t i)
{
    static const uint8_t zero[8];

    l1[i] = 0;
    return c->q->image->pwrite(c->q->host, 0, offset + i * 8, zero, 8);
}

/* Entries that cannot be; how often the others refer to each table. With a
 * data file a table is right for one place only. */
static int32_t count_tables(struct checker *c, uint64_t *l1, uint64_t offset,
                            uint64_t entries)
{
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < entries; i++) {
        uint64_t at = l1[i] & OFFSET_MASK;
        uint64_t cluster = at >> c->q->cluster_bits;

        if (!l1[i])
            continue;
        if (at && is_table(c, at) &&
            !(c->q->data_file && c->times[cluster])) {
            c->times[cluster]++;
            continue;
        }
        check_say(c, "entry %llu of the L1 table at %#llx, %#llx, is not "
                     "the place of an L2 table",
                  (unsigned long long)i, (unsigned long long)offset,
                  (unsigned long long)l1[i]);
        check_corrupt(c, (int)c->repair);
        if (c->repair)
            rc = drop_table(c, l1, offset, i);
    }
    return rc;
}

/* Each table is read once: an image may refer to one as often as it likes. */
int32_t check_l1(struct checker *c, uint64_t *l1, uint64_t offset,
                 uint64_t entries, uint32_t active)
{
    struct qcow2 *q = c->q;
    uint8_t *table = q->image->allocate(q->host, q->cluster);
    int32_t rc = table ? count_tables(c, l1, offset, entries) : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < entries; i++) {
        uint64_t at = l1[i] & OFFSET_MASK, cluster = at >> q->cluster_bits;
        uint32_t times;

        if (!at || !is_table(c, at) || !c->times[cluster])
            continue;
        times = c->times[cluster];
        c->times[cluster] = 0;
        rc = q->image->pread(q->host, 0, at, table, q->cluster);
        if (rc == 0 && check_table(c, table, i * qcow2_table_span(q), times,
                                   active))
            rc = q->image->pwrite(q->host, 0, at, table, q->cluster);
        check_count(c, cluster, 1, times);
    }
    q->image->free(q->host, table);
    return rc;
}

/* ---- marks ---- */

/* A mark where there are other references is damage: a write would go into all
 * of them. A mark that is missing costs a copy. */
static int wrong_mark(struct checker *c, uint64_t entry, const char *what,
                      uint64_t where)
{
    uint64_t at = entry & OFFSET_MASK;
    int marked = (entry & ENTRY_COPIED) != 0;
    int only = c->counts[at >> c->q->cluster_bits] == 1;
    int fix = c->result->repair > 0;

    if (marked == only)
        return 0;
    if (marked) {
        check_say(c, "%s %#llx: cluster %#llx is marked as not shared, but has "
                     "%u references",
                  what, (unsigned long long)where, (unsigned long long)at,
                  c->counts[at >> c->q->cluster_bits]);
        check_corrupt(c, (int)c->repair);
        return (int)c->repair;
    }
    check_say(c, "%s %#llx: cluster %#llx is not shared, but not marked so",
              what, (unsigned long long)where, (unsigned long long)at);
    c->result->leaks++;
    if (fix)
        c->result->leaks_fixed++;
    return fix;
}

static int marks_in(struct checker *c, uint8_t *table, uint64_t guest)
{
    struct qcow2 *q = c->q;
    int changed = 0;

    for (uint64_t i = 0; i < q->cluster; i += step(q), guest += q->cluster) {
        uint64_t entry = get_be64(table + i), at = entry & OFFSET_MASK;

        if (entry & ENTRY_COMPRESSED || !at || at % q->cluster ||
            at >> q->cluster_bits >= c->n_clusters)
            continue;
        if (wrong_mark(c, entry, "guest offset", guest)) {
            put_be64(table + i, entry ^ ENTRY_COPIED);
            changed = 1;
        }
    }
    return changed;
}

int32_t check_marks(struct checker *c)
{
    struct qcow2 *q = c->q;
    uint8_t *table = q->image->allocate(q->host, q->cluster);
    int32_t rc = table ? 0 : -ENOMEM;
    int changed = 0;

    for (uint64_t i = 0; rc == 0 && i < q->l1_entries; i++) {
        uint64_t at = q->l1[i] & OFFSET_MASK;

        if (!at || !is_table(c, at))
            continue;
        if (!q->data_file && !c->times[at >> q->cluster_bits]++) {
            rc = q->image->pread(q->host, 0, at, table, q->cluster);
            if (rc == 0 && marks_in(c, table, i * qcow2_table_span(q)))
                rc = q->image->pwrite(q->host, 0, at, table, q->cluster);
        }
        if (wrong_mark(c, q->l1[i], "L1 entry", i)) {
            q->l1[i] ^= ENTRY_COPIED;
            changed = 1;
        }
    }
    q->image->free(q->host, table);
    if (rc == 0 && changed)
        rc = qcow2_write_l1(q, 0, q->l1_entries);
    return rc;
}
