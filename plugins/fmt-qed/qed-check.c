/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing: each entry must refer to a place of its own inside
 * the file. Clusters that nothing refers to are leaks; those at the end of the
 * file can be given back.
 */
#include "qed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PIECE (64u * 1024u)

struct checking {
    struct qed *q;
    struct tn_check *c;
    uint8_t *seen;
    uint64_t clusters; /* of the file */
    uint64_t last;     /* place of the data cluster before */
};

static void say(struct tn_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct tn_check *c, const char *format, ...)
{
    char text[160];
    va_list ap;

    if (!c->message)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    c->message(c->opaque, text);
}

/* 0: one of the clusters was marked before. */
static int mark(struct checking *k, uint64_t place, uint64_t bytes)
{
    uint64_t first = place / k->q->cluster, end, i;

    end = first + bytes / k->q->cluster;
    for (i = first; i < end && i < k->clusters; i++)
        if (k->seen[i / 8] >> (i % 8) & 1)
            return 0;
    for (i = first; i < end && i < k->clusters; i++)
        k->seen[i / 8] |= (uint8_t)(1u << (i % 8));
    if (place + bytes > k->c->image_end)
        k->c->image_end = place + bytes;
    return 1;
}

/* What is wrong with an entry; NULL: nothing. */
static const char *wrong_entry(struct checking *k, uint64_t entry, int is_l1)
{
    struct qed *q = k->q;
    uint64_t bytes = is_l1 ? q->table : q->cluster;

    if (!qed_place_is_good(q, entry, bytes))
        return "is not the place of a cluster in the file";
    if (!mark(k, entry, bytes))
        return "is a place that another entry has";
    if (is_l1)
        return NULL;
    k->c->allocated_clusters++;
    k->c->fragmented_clusters += k->last && k->last + q->cluster != entry;
    k->last = entry;
    return NULL;
}

static int32_t check_table(struct checking *k, uint64_t table, int is_l1);

/* An entry of a table that is good. */
static int32_t enter(struct checking *k, uint64_t entry, int is_l1)
{
    return is_l1 ? check_table(k, entry, 0) : 0;
}

static int32_t check_entry(struct checking *k, uint64_t place, uint64_t entry,
                           int is_l1)
{
    static const uint8_t none[8];
    struct qed *q = k->q;
    const char *wrong;
    int32_t rc = 0;

    if (entry == ENTRY_NONE || (!is_l1 && entry == ENTRY_ZERO))
        return 0;
    wrong = wrong_entry(k, entry, is_l1);
    if (!wrong)
        return enter(k, entry, is_l1);
    k->c->corruptions++;
    say(k->c, "the %s entry at offset %#llx: %#llx %s", is_l1 ? "L1" : "L2",
        (unsigned long long)place, (unsigned long long)entry, wrong);
    if (k->c->repair != 2 || !q->writable)
        return 0;
    rc = q->image->pwrite(q->host, 0, place, none, 8);
    if (rc == 0)
        k->c->corruptions_fixed++;
    return rc;
}

static int32_t check_table(struct checking *k, uint64_t table, int is_l1)
{
    struct qed *q = k->q;
    uint32_t n = q->table < PIECE ? (uint32_t)q->table : PIECE;
    uint8_t *piece = q->image->allocate(q->host, n);
    int32_t rc = piece ? 0 : -ENOMEM;

    for (uint64_t at = 0; rc == 0 && at < q->table; at += n) {
        rc = q->image->pread(q->host, 0, table + at, piece, n);
        for (uint32_t i = 0; rc == 0 && i < n; i += 8)
            rc = check_entry(k, table + at + i, get64(piece + i), is_l1);
    }
    q->image->free(q->host, piece);
    return rc;
}

static int32_t check_leaks(struct checking *k, struct tn_error *error)
{
    struct qed *q = k->q;
    struct tn_check *c = k->c;
    uint64_t tail = k->clusters;
    int32_t rc = 0;

    for (uint64_t i = 0; i < k->clusters; i++)
        if (!(k->seen[i / 8] >> (i % 8) & 1)) {
            c->leaks++;
            say(c, "cluster %#llx is not used",
                (unsigned long long)(i * q->cluster));
        }
    while (tail > 0 && !(k->seen[(tail - 1) / 8] >> ((tail - 1) % 8) & 1))
        tail--;
    if (!c->repair || !q->writable || tail == k->clusters)
        return 0;
    rc = q->image->flush(q->host);
    if (rc == 0)
        rc = q->image->set_length(q->host, 0, tail * q->cluster, error);
    if (rc == 0) {
        c->leaks_fixed += k->clusters - tail;
        q->end = tail * q->cluster;
    }
    return rc;
}

/* Everything is as it should be. */
static int32_t clear_mark(struct checking *k)
{
    struct qed *q = k->q;
    int32_t rc;

    if (!q->writable || !k->c->repair ||
        k->c->corruptions != k->c->corruptions_fixed)
        return 0;
    rc = q->image->flush(q->host);
    if (rc < 0 || !(q->features & FEATURE_NEED_CHECK))
        return rc;
    q->features &= ~FEATURE_NEED_CHECK;
    return qed_write_header(q);
}

int32_t qed_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct qed *q = self;
    struct checking k = {.q = q, .c = c};
    uint64_t length = q->image->length(q->host, 0);
    int32_t rc;

    k.clusters = (length + q->cluster - 1) / q->cluster;
    k.seen = q->image->allocate(q->host, k.clusters / 8 + 1);
    if (!k.seen)
        return tn_fail(q->host, error, -ENOMEM,
                       "no memory to check %llu clusters",
                       (unsigned long long)k.clusters);
    c->total_clusters = (q->bytes + q->cluster - 1) / q->cluster;
    mark(&k, 0, q->first);
    mark(&k, q->l1, q->table);
    rc = check_table(&k, q->l1, 1);
    if (rc == 0)
        rc = check_leaks(&k, error);
    if (rc == 0)
        rc = clear_mark(&k);
    q->image->free(q->host, k.seen);
    return rc;
}
