/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing. Everything that the header leads to is visited once
 * and each cluster's references are counted. What cannot be is taken out of
 * the tables at once if repair is wanted, so that the counts are those of the
 * image as it is then. They are compared with what the image says; counts that
 * cannot be put where they belong are made anew at the end of the file.
 */
#include "qcow2-check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AGAIN 1 /* from the beginning: what was claimed is void */

void check_say(struct checker *c, const char *format, ...)
{
    char text[256];
    va_list ap;

    if (!c->result->message)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    c->result->message(c->result->opaque, text);
}

void check_corrupt(struct checker *c, int fixed)
{
    c->result->corruptions++;
    if (fixed)
        c->result->corruptions_fixed++;
}

void check_count(struct checker *c, uint64_t first, uint64_t n,
                 uint32_t times)
{
    for (; n; n--, first++)
        if (times < (uint32_t)COUNT_MOST - c->counts[first])
            c->counts[first] = (uint16_t)(c->counts[first] + times);
        else
            c->counts[first] = COUNT_MOST;
}

int check_is_fixed(const struct checker *c, uint64_t cluster)
{
    return c->fixed[cluster / 8] >> (cluster % 8) & 1;
}

int check_claim(struct checker *c, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> c->q->cluster_bits;
    uint64_t n = qcow2_clusters(c->q, bytes);

    if (offset % c->q->cluster || first > c->n_clusters ||
        n > c->n_clusters - first)
        return 0;
    for (uint64_t i = first; i < first + n; i++)
        if (c->counts[i])
            return 0;
    for (uint64_t i = first; i < first + n; i++)
        c->fixed[i / 8] |= (uint8_t)(1u << (i % 8));
    check_count(c, first, n, 1);
    return 1;
}

/* ---- snapshots and bitmaps ---- */

static int32_t drop_snapshot(struct checker *c, uint32_t i,
                             struct tn_error *error)
{
    struct qcow2 *q = c->q;

    (void)error;
    qcow2_snapshot_clear(q, &q->snapshots[i]);
    memmove(&q->snapshots[i], &q->snapshots[i + 1],
            (q->n_snapshots - i - 1) * sizeof *q->snapshots);
    q->n_snapshots--;
    c->flush = 1;
    return 0;
}

static int32_t check_snapshot(struct checker *c, struct qcow2_snapshot *s)
{
    struct qcow2 *q = c->q;
    uint64_t *l1;
    int32_t rc = qcow2_read_l1(q, s->l1_offset, s->l1_entries, &l1, "L1 table",
                               NULL);

    if (rc < 0)
        return rc;
    rc = check_l1(c, l1, s->l1_offset, s->l1_entries, 0);
    q->image->free(q->host, l1);
    return rc;
}

/* The places of the snapshots' L1 tables, before anything may share. */
static int32_t claim_snapshots(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    int32_t rc = 0;

    if (q->snapshots_lost) {
        check_say(c, "snapshot table: %u entries from the %uth on are damaged",
                  q->snapshots_lost, q->n_snapshots + 1);
        check_corrupt(c, (int)c->repair);
        c->flush |= c->repair;
    }
    for (uint32_t i = 0; rc == 0 && i < q->n_snapshots;) {
        struct qcow2_snapshot *s = &q->snapshots[i];

        if (check_claim(c, s->l1_offset, s->l1_entries * 8ull)) {
            i++;
            continue;
        }
        check_say(c, "snapshot %s: its L1 table at %#llx is in use otherwise",
                  s->id, (unsigned long long)s->l1_offset);
        check_corrupt(c, (int)c->repair);
        if (c->repair)
            rc = drop_snapshot(c, i, error);
        else
            i++;
    }
    /* The table itself is written anew if it changes. */
    if (q->n_snapshots && !c->flush &&
        !check_claim(c, q->snapshots_offset, q->snapshots_bytes)) {
        check_say(c, "the snapshot table at %#llx is in use otherwise",
                  (unsigned long long)q->snapshots_offset);
        check_corrupt(c, (int)c->repair);
        c->flush |= c->repair;
    }
    return rc;
}

static int claim_bitmap(struct checker *c, const struct qcow2_bitmap *b)
{
    struct qcow2 *q = c->q;
    uint64_t *table;
    int ok;

    if (b->table_entries == 0)
        return 1;
    if (!check_claim(c, b->table_offset, b->table_entries * 8ull) ||
        qcow2_bitmap_table(q, b, &table) < 0)
        return 0;
    ok = 1;
    for (uint32_t i = 0; ok && i < b->table_entries; i++) {
        uint64_t at = table[i] & OFFSET_MASK;

        if (table[i] & ~(OFFSET_MASK | 1) || (at && table[i] & 1) ||
            (at && !check_claim(c, at, q->cluster)))
            ok = 0;
    }
    q->image->free(q->host, table);
    return ok;
}

/* One that is not whole takes the others with it: what it claimed is not known
 * to be its own. */
static int32_t claim_bitmaps(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    int ok = !q->bitmaps_lost;
    int32_t rc;

    if (q->n_bitmaps && ok)
        ok = check_claim(c, q->directory_offset, q->directory_bytes);
    for (uint32_t i = 0; ok && i < q->n_bitmaps && q->bitmaps; i++)
        ok = claim_bitmap(c, &q->bitmaps[i]);
    if (ok)
        return 0;
    check_say(c, "the bitmaps in the directory at %#llx are damaged",
              (unsigned long long)q->directory_offset);
    check_corrupt(c, (int)c->repair);
    if (!c->repair)
        return 0;
    rc = qcow2_bitmaps_drop(q, error);
    return rc == 0 ? AGAIN : rc;
}

/* ---- all of it ---- */

static void claim_or_say(struct checker *c, uint64_t offset, uint64_t bytes,
                         const char *what)
{
    if (bytes == 0 || check_claim(c, offset, bytes))
        return;
    check_say(c, "%s at %#llx is in use otherwise or outside the file", what,
              (unsigned long long)offset);
    check_corrupt(c, 0);
}

static int32_t claim_all(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    int32_t rc;

    claim_or_say(c, 0, q->cluster, "the header");
    claim_or_say(c, q->l1_offset, q->l1_entries * 8ull, "the L1 table");
    if (q->crypt_lost) {
        check_say(c, "the encryption header at %#llx cannot be read",
                  (unsigned long long)q->crypt_offset);
        check_corrupt(c, 0);
    } else if (q->crypt_method == CRYPT_LUKS) {
        claim_or_say(c, q->crypt_offset, q->crypt_bytes,
                     "the encryption header");
    }
    rc = claim_snapshots(c, error);
    if (rc == 0)
        rc = claim_bitmaps(c, error);
    return rc;
}

static int32_t count_trees(struct checker *c)
{
    struct qcow2 *q = c->q;
    int32_t rc = check_l1(c, q->l1, q->l1_offset, q->l1_entries, 1);

    for (uint32_t i = 0; rc == 0 && i < q->n_snapshots; i++)
        rc = check_snapshot(c, &q->snapshots[i]);
    return rc;
}

static int32_t start(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    uint64_t length = q->image->length(q->host, 0);

    c->n_clusters = qcow2_clusters(q, length);
    c->counts = q->image->allocate(q->host, c->n_clusters * 2 + 2);
    c->fixed = q->image->allocate(q->host, c->n_clusters / 8 + 1);
    c->times = q->image->allocate(q->host, c->n_clusters * 4 + 4);
    if (c->counts && c->fixed && c->times)
        return 0;
    return tn_fail(q->host, error, -ENOMEM,
                   "no memory to count the references to %llu clusters",
                   (unsigned long long)c->n_clusters);
}

static void free_counts(struct checker *c)
{
    c->q->image->free(c->q->host, c->counts);
    c->q->image->free(c->q->host, c->times);
    c->q->image->free(c->q->host, c->fixed);
    c->counts = NULL;
    c->times = NULL;
    c->fixed = NULL;
}

static void finish(struct checker *c)
{
    struct qcow2 *q = c->q;
    uint64_t end = c->n_clusters;

    while (end && !c->counts[end - 1])
        end--;
    if (c->result->image_end < end << q->cluster_bits)
        c->result->image_end = end << q->cluster_bits;
    c->result->total_clusters = qcow2_clusters(q, q->bytes);
}

/* The image is whole: the header may say so. */
static int32_t clear_bits(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    uint64_t bits = q->incompatible & (INCOMPAT_DIRTY | INCOMPAT_CORRUPT);

    if (!c->repair || c->result->corruptions > c->result->corruptions_fixed ||
        (!bits && !c->flush))
        return 0;
    q->incompatible &= ~bits;
    q->marked_dirty = 0;
    return qcow2_header_write(q, error);
}

static int32_t run(struct checker *c, struct tn_error *error)
{
    struct qcow2 *q = c->q;
    int32_t rc = start(c, error);

    if (rc == 0)
        rc = claim_all(c, error);
    if (rc == 0)
        check_refcount_structures(c);
    if (rc == 0)
        rc = count_trees(c);
    if (rc == 0)
        finish(c);
    if (rc == 0)
        rc = check_counts(c, error);
    /* The table of snapshots needs space, so counts that hold. */
    if (rc == 0 && c->flush) {
        q->snapshots_offset = q->snapshots_bytes = 0;
        rc = qcow2_snapshots_write(q, error);
        q->snapshots_lost = 0;
    }
    if (rc == 0)
        rc = check_marks(c);
    if (rc == 0)
        rc = clear_bits(c, error);
    return rc;
}

int32_t qcow2_check(void *self, struct tn_check *check, struct tn_error *error)
{
    struct qcow2 *q = self;
    struct checker c = {.q = q, .result = check, .repair = check->repair == 2};
    int32_t rc;

    if (check->repair && !q->writable)
        return tn_fail(q->host, error, -EROFS,
                       "the image is not open for writing");
    (void)tn_fail(q->host, error, 0, "the image cannot be checked");
    do {
        rc = run(&c, error);
        free_counts(&c);
    } while (rc == AGAIN);
    return rc;
}

/* New counts of another width, which the header says in the same sector. */
int32_t qcow2_check_width(struct qcow2 *q, uint32_t order,
                          struct tn_error *error)
{
    struct tn_check result = {.size = sizeof result};
    struct checker c = {.q = q, .result = &result, .rebuild = 1};
    uint32_t old = q->refcount_order;
    int32_t rc = qcow2_check(q, &result, error);

    if (rc == 0 && (result.corruptions || result.leaks))
        return tn_fail(q->host, error, -EIO,
                       "the image has errors: repair it first");
    result = (struct tn_check){.size = sizeof result};
    if (rc == 0)
        rc = start(&c, error);
    if (rc == 0)
        rc = claim_all(&c, error);
    if (rc == 0)
        check_refcount_structures(&c);
    if (rc == 0)
        rc = count_trees(&c);
    if (rc == 0) {
        uint64_t at = q->refcount_table_offset;

        q->refcount_order = order;
        q->refcount_block_bits = q->cluster_bits + 3 - order;
        rc = check_rebuild(&c, error);
        if (rc < 0 && q->refcount_table_offset == at) {
            q->refcount_order = old;
            q->refcount_block_bits = q->cluster_bits + 3 - old;
        }
    }
    free_counts(&c);
    return rc;
}
