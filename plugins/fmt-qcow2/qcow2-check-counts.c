/* SPDX-License-Identifier: Apache-2.0 */
/* check(): what the image says of references against what there are. */
#include "qcow2-check.h"

#include <errno.h>
#include <string.h>

/* The table and its blocks belong to nothing else. */
void check_refcount_structures(struct checker *c)
{
    struct qcow2 *q = c->q;
    uint64_t bytes = q->refcount_table_entries * 8ull;

    c->owns_counts = 0;
    if (q->refcounts_lost ||
        (bytes && !check_claim(c, q->refcount_table_offset, bytes))) {
        check_say(c, "the refcount table at %#llx cannot be used",
                  (unsigned long long)q->refcount_table_offset);
        check_corrupt(c, (int)c->repair);
        c->rebuild = 1;
        return;
    }
    c->owns_counts = 1;
    for (uint32_t i = 0; i < q->refcount_table_entries; i++) {
        uint64_t at = q->refcount_table[i];

        if (!at)
            continue;
        if (!(at & ~OFFSET_MASK) && check_claim(c, at, q->cluster))
            continue;
        check_say(c, "entry %u of the refcount table, %#llx, is not the place "
                     "of a refcount block",
                  i, (unsigned long long)at);
        check_corrupt(c, (int)c->repair);
        c->rebuild = 1;
        q->refcount_table[i] = 0;
    }
}

/* ---- comparing ---- */

static void leak(struct checker *c, uint64_t cluster, uint64_t says,
                 uint64_t is, int fixed)
{
    check_say(c, "cluster %#llx: reference count %llu, should be %llu (leak)",
              (unsigned long long)(cluster << c->q->cluster_bits),
              (unsigned long long)says, (unsigned long long)is);
    c->result->leaks++;
    if (fixed)
        c->result->leaks_fixed++;
}

static int32_t compare(struct checker *c, uint64_t cluster)
{
    struct qcow2 *q = c->q;
    uint64_t is = cluster < c->n_clusters ? c->counts[cluster] : 0, says;
    int32_t rc = qcow2_refcount_get(q, cluster, &says);

    if (rc < 0 || says == is || (is == COUNT_MOST && says >= is))
        return rc;
    if (says > is) {
        leak(c, cluster, says, is, c->result->repair > 0 && !c->rebuild);
        return c->result->repair > 0 && !c->rebuild
                   ? qcow2_refcount_add(q, cluster, (int64_t)(is - says))
                   : 0;
    }
    check_say(c, "cluster %#llx: reference count %llu, should be %llu",
              (unsigned long long)(cluster << q->cluster_bits),
              (unsigned long long)says, (unsigned long long)is);
    check_corrupt(c, (int)c->repair);
    if (!c->repair || c->rebuild)
        return 0;
    if (is > qcow2_refcount_max(q) || !qcow2_refcount_place(q, cluster)) {
        c->rebuild = 1;
        return 0;
    }
    return qcow2_refcount_add(q, cluster, (int64_t)(is - says));
}

/* Counts of what a block has beyond the end of the file are leaks too. */
static int32_t compare_all(struct checker *c)
{
    struct qcow2 *q = c->q;
    uint64_t per_block = 1ull << q->refcount_block_bits;
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < c->n_clusters; i++)
        rc = compare(c, i);
    for (uint64_t b = c->n_clusters >> q->refcount_block_bits;
         rc == 0 && b < q->refcount_table_entries; b++)
        for (uint64_t i = 0; rc == 0 && q->refcount_table[b] && i < per_block;
             i++)
            if (b * per_block + i >= c->n_clusters)
                rc = compare(c, b * per_block + i);
    return rc;
}

int32_t check_counts(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    uint64_t leaks = c->result->leaks;
    int32_t rc = compare_all(c);

    /* A set of new ones has no leaks. */
    if (rc == 0 && c->rebuild && c->repair) {
        rc = check_rebuild(c, error);
        c->result->leaks_fixed += c->result->leaks - leaks;
        if (c->result->leaks_fixed > c->result->leaks)
            c->result->leaks_fixed = c->result->leaks;
    }
    if (rc == 0 && c->result->repair)
        rc = q->image->flush(q->host);
    return rc;
}

/* ---- making them anew ---- */

struct plan {
    uint64_t first;  /* cluster: the table, then the blocks */
    uint64_t tables, blocks;
    uint64_t end; /* first cluster behind them */
};

static void make_plan(const struct checker *c, struct plan *p)
{
    const struct qcow2 *q = c->q;
    uint64_t wanted;

    p->first = c->n_clusters;
    p->tables = p->blocks = 1;
    for (;;) {
        p->end = p->first + p->tables + p->blocks;
        wanted = (p->end + (1ull << q->refcount_block_bits) - 1) >>
                 q->refcount_block_bits;
        if (wanted == p->blocks &&
            p->tables == qcow2_clusters(q, wanted * 8))
            return;
        p->blocks = wanted > p->blocks ? wanted : p->blocks;
        if (p->tables < qcow2_clusters(q, p->blocks * 8))
            p->tables = qcow2_clusters(q, p->blocks * 8);
        else if (wanted < p->blocks)
            return; /* one more than needed */
    }
}

static uint64_t new_count(const struct checker *c, const struct plan *p,
                          uint64_t cluster)
{
    if (cluster < c->n_clusters)
        return c->counts[cluster];
    return cluster >= p->first && cluster < p->end;
}

static int32_t write_blocks(struct checker *c, const struct plan *p,
                            uint8_t *block)
{
    struct qcow2 *q = c->q;
    uint64_t per_block = 1ull << q->refcount_block_bits;
    int32_t rc = 0;

    for (uint64_t b = 0; rc == 0 && b < p->blocks; b++) {
        memset(block, 0, q->cluster);
        for (uint64_t i = 0; i < per_block; i++) {
            uint64_t count = new_count(c, p, b * per_block + i);

            if (count > qcow2_refcount_max(q))
                return -ERANGE;
            if (count)
                qcow2_count_put(q, block, i, count);
        }
        rc = q->image->pwrite(q->host, 0,
                              (p->first + p->tables + b) << q->cluster_bits,
                              block, q->cluster);
    }
    return rc;
}

/* The old table and blocks are no longer in use; what lies where they are said
 * to be but was claimed by something else (the header, say) still is. */
static void forget_old(struct checker *c)
{
    struct qcow2 *q = c->q;
    uint64_t n = qcow2_clusters(q, q->refcount_table_entries * 8ull);
    uint64_t first = q->refcount_table_offset >> q->cluster_bits;

    if (!c->owns_counts)
        return;
    for (uint32_t i = 0; i < q->refcount_table_entries; i++) {
        uint64_t at = q->refcount_table[i] >> q->cluster_bits;

        if (at && at < c->n_clusters && c->counts[at])
            c->counts[at]--;
    }
    for (uint64_t i = first; i < first + n && i < c->n_clusters; i++)
        if (check_is_fixed(c, i) && c->counts[i])
            c->counts[i]--;
}

int32_t check_rebuild(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    struct plan p;
    uint8_t *block = q->image->allocate(q->host, q->cluster);
    uint64_t *table;
    int32_t rc;

    check_say(c, "the reference counts are made anew");
    forget_old(c);
    make_plan(c, &p);
    if (p.tables << q->cluster_bits > MAX_REFCOUNT_TABLE_BYTES) {
        q->image->free(q->host, block);
        return tn_fail(q->host, error, -EFBIG,
                       "the file is too long for a refcount table");
    }
    table = q->image->allocate(q->host, p.tables << q->cluster_bits);
    rc = block && table ? q->image->set_length(
                              q->host, 0, p.end << q->cluster_bits, error)
                        : -ENOMEM;
    if (rc == 0)
        rc = write_blocks(c, &p, block);
    q->image->free(q->host, block);
    if (rc < 0) {
        q->image->free(q->host, table);
        return tn_fail(q->host, error, rc,
                       rc == -ERANGE
                           ? "there are more references to a cluster than "
                             "counts of this width can say"
                           : "new reference counts cannot be written");
    }
    for (uint64_t i = 0; i < p.blocks; i++)
        table[i] = (p.first + p.tables + i) << q->cluster_bits;
    q->image->free(q->host, q->refcount_table);
    q->refcount_table = table;
    q->refcount_table_entries =
        (uint32_t)(p.tables << q->cluster_bits >> 3);
    q->refcounts_lost = 0;
    q->free_hint = 0;
    if (c->result->image_end < p.end << q->cluster_bits)
        c->result->image_end = p.end << q->cluster_bits;
    return qcow2_refcount_table_write(q, p.first << q->cluster_bits, error);
}
