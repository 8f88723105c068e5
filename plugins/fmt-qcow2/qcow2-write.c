/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the map. Order on stable storage: refcounts, then the L2 entries
 * that need them, then the L1 entry of a new L2 table. What an entry no longer
 * refers to loses its reference only after the entry is stable (release()). So
 * an image that is killed at any moment has leaks at worst.
 */
#include "qcow2.h"

#include <errno.h>

/* TN_CHANGE_FORGET of newer hosts: what is below is seen again. */
#define CHANGE_FORGET 4u

#define MAX_RUN 64u /* clusters an allocation covers at most */

/* tn_allocation.plugin[] */
#define P_HOST 0  /* file offset of the first cluster */
#define P_COUNT 1 /* clusters that were taken; 0: in place */
#define P_GUEST 2 /* guest offset of the first cluster */

static uint64_t sub_bytes(const struct qcow2 *q)
{
    return qcow2_is_extended(q) ? q->cluster / SUBCLUSTERS : q->cluster;
}

/* Clusters from OFFSET on, in one L2 table, that have no space of their own:
 * at most LIMIT. */
static int32_t run_length(struct qcow2 *q, uint64_t offset, uint32_t limit,
                          uint32_t *n)
{
    uint64_t left = (1ull << q->l2_bits) -
                    (offset >> q->cluster_bits & ((1ull << q->l2_bits) - 1));
    uint64_t table, at;
    struct l2_entry l2;

    if (limit > left)
        limit = (uint32_t)left;
    for (*n = 1; *n < limit; ++*n) {
        int32_t rc = qcow2_l2_get(
            q, offset + ((uint64_t)*n << q->cluster_bits), &table, &l2);

        if (rc < 0)
            return rc;
        if (qcow2_own_space(q, &l2, &at))
            break;
    }
    return 0;
}

static int32_t allocate_in_place(struct qcow2 *q, uint64_t offset,
                                 uint64_t bytes, uint64_t host,
                                 struct tn_allocation *a)
{
    uint64_t sub = sub_bytes(q), guest = offset & ~(q->cluster - 1);
    uint64_t first = offset & ~(sub - 1);
    uint64_t end = (offset + bytes + sub - 1) & ~(sub - 1);

    if (end > guest + q->cluster)
        end = guest + q->cluster;
    a->offset = first;
    a->bytes = end - first;
    a->at = host + (first - guest);
    a->plugin[P_HOST] = host;
    a->plugin[P_COUNT] = 0;
    a->plugin[P_GUEST] = guest;
    return 0;
}

/* Which part of a fresh cluster must be written: with subclusters only those
 * touched, unless there is old content to take along. */
static void cover(const struct qcow2 *q, const struct l2_entry *l2,
                  uint64_t offset, uint64_t bytes, uint32_t n,
                  struct tn_allocation *a)
{
    uint64_t guest = offset & ~(q->cluster - 1), sub = sub_bytes(q);
    uint64_t end;

    a->offset = guest;
    a->bytes = (uint64_t)n << q->cluster_bits;
    if (!qcow2_is_extended(q) || l2->entry || n > 1)
        return;
    end = (offset + bytes + sub - 1) & ~(sub - 1);
    a->offset = offset & ~(sub - 1);
    if (end < guest + q->cluster)
        a->bytes = end - a->offset;
    else
        a->bytes = guest + q->cluster - a->offset;
}

int32_t qcow2_allocate(void *self, uint64_t offset, uint64_t bytes,
                       uint32_t flags, struct tn_allocation *a)
{
    struct qcow2 *q = self;
    uint64_t guest = offset & ~(q->cluster - 1), table, cluster, own;
    uint64_t wanted =
        ((offset + bytes + q->cluster - 1) >> q->cluster_bits) -
        (guest >> q->cluster_bits);
    uint32_t n, found;
    struct l2_entry l2;
    int32_t rc = qcow2_l2_make(q, offset, &table);

    if (flags & TN_ALLOCATE_COMPRESSED)
        return rc == 0 ? qcow2_allocate_compressed(q, offset, a) : rc;
    if (rc == 0)
        rc = qcow2_l2_get(q, offset, &table, &l2);
    if (rc < 0)
        return rc;
    a->size = sizeof *a;
    a->file = q->data_file;
    a->flags = q->crypt_method ? TN_EXTENT_ENCRYPTED : 0;
    a->fresh = 0;
    if (q->data_file) /* where the guest has it */
        return allocate_in_place(q, offset, bytes, guest, a);
    if (qcow2_own_space(q, &l2, &own))
        return allocate_in_place(q, offset, bytes, own, a);
    n = wanted < MAX_RUN ? (uint32_t)wanted : MAX_RUN;
    if (qcow2_is_extended(q))
        n = 1;
    rc = run_length(q, guest, n, &n);
    if (rc == 0)
        rc = qcow2_take(q, n, &cluster, &found);
    if (rc < 0)
        return rc;
    cover(q, &l2, offset, bytes, found, a);
    a->plugin[P_HOST] = cluster << q->cluster_bits;
    a->plugin[P_COUNT] = found;
    a->plugin[P_GUEST] = guest;
    a->at = a->plugin[P_HOST] + (a->offset - guest);
    a->fresh = a->plugin[P_HOST] >= q->image->length(q->host, 0);
    return 0;
}

/* The bits of the subclusters that A covers. */
static uint32_t covered_bits(const struct qcow2 *q,
                             const struct tn_allocation *a)
{
    uint32_t size_bits = q->cluster_bits - 5;
    uint64_t first = (a->offset & (q->cluster - 1)) >> size_bits;
    uint64_t n = a->bytes >> size_bits;

    return (uint32_t)(n >= SUBCLUSTERS ? ~0u : ((1u << n) - 1) << first);
}

/* Each cluster that the old entry had references to loses one. */
void qcow2_release_entry(struct qcow2 *q, const struct l2_entry *old)
{
    uint64_t first, own;
    uint32_t n = qcow2_entry_clusters(q, old->entry, &first);

    if (!q->data_file && qcow2_own_space(q, old, &own)) {
        /* the only reference */
        q->image->drop(q->host, 0, own, q->cluster);
    } else {
        for (; n; n--, first++)
            q->image->release(q->host, 0, first << q->cluster_bits,
                              q->cluster);
    }
}

static int32_t commit_one(struct qcow2 *q, uint64_t table, uint64_t guest,
                          uint64_t host, const struct tn_allocation *a)
{
    int in_place = a->plugin[P_COUNT] == 0;
    struct l2_entry old, new_entry;
    int32_t rc = qcow2_l2_get(q, guest, &table, &old);

    if (rc < 0)
        return rc;
    new_entry = (struct l2_entry){host | ENTRY_COPIED, 0};
    if (qcow2_is_extended(q)) {
        uint64_t bits = covered_bits(q, a);

        new_entry.bitmap =
            (in_place || !old.entry) && !(old.entry & ENTRY_COMPRESSED)
                ? old.bitmap
                : 0;
        new_entry.bitmap |= bits;
        new_entry.bitmap &= ~(bits << 32);
    }
    rc = qcow2_l2_set(q, table, guest, &new_entry);
    if (rc == 0 && !in_place)
        qcow2_release_entry(q, &old);
    return rc;
}

int32_t qcow2_commit(void *self, const struct tn_allocation *a)
{
    struct qcow2 *q = self;
    uint32_t n = a->plugin[P_COUNT] ? (uint32_t)a->plugin[P_COUNT] : 1;
    uint64_t guest = a->plugin[P_GUEST], host = a->plugin[P_HOST], table;
    struct l2_entry old;
    int32_t rc;

    if (a->stored)
        return qcow2_commit_compressed(q, a);
    rc = qcow2_l2_make(q, guest, &table);
    /* Read everything first: nothing below may have to be tried again. */
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_l2_get(q, guest + ((uint64_t)i << q->cluster_bits), &table,
                          &old);
    for (uint32_t i = 0; rc == 0 && a->plugin[P_COUNT] && i < n; i++)
        rc = qcow2_refcounts_before(
            q, (host >> q->cluster_bits) + i, 1,
            qcow2_l2_place(q, table, guest + ((uint64_t)i << q->cluster_bits)));
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = commit_one(q, table, guest + ((uint64_t)i << q->cluster_bits),
                        host + ((uint64_t)i << q->cluster_bits), a);
    return rc;
}

void qcow2_cancel(void *self, const struct tn_allocation *a)
{
    struct qcow2 *q = self;

    if (a->stored) {
        qcow2_cancel_compressed(q, a);
        return;
    }
    for (uint64_t i = 0; i < a->plugin[P_COUNT]; i++)
        q->image->drop(q->host, 0, a->plugin[P_HOST] + (i << q->cluster_bits),
                       q->cluster);
}

/* ---- zeroes and holes ---- */

/* What the entry becomes; returns 0 if it may stay as it is. */
static int changed_entry(const struct qcow2 *q, uint32_t kind,
                         const struct l2_entry *old, struct l2_entry *out)
{
    /* Version 2 has no mark for zeroes over space that is kept. */
    uint64_t at = 0;
    int keep = (kind == TN_CHANGE_ZERO || q->data_file) && q->version >= 3 &&
               qcow2_own_space(q, old, &at);
    int zero = q->version >= 3 && (q->has_backing || keep);

    *out = (struct l2_entry){keep ? at | ENTRY_COPIED : 0, 0};
    if (kind == CHANGE_FORGET)
        *out = (struct l2_entry){0, 0};
    else if (zero && qcow2_is_extended(q))
        out->bitmap = 0xffffffffull << 32;
    else if (zero)
        out->entry |= ENTRY_ZERO;
    return out->entry != old->entry || out->bitmap != old->bitmap;
}

static int32_t change_one(struct qcow2 *q, uint64_t offset, uint32_t kind)
{
    struct l2_entry old, new_entry;
    uint64_t table, at;
    int32_t rc = qcow2_l2_get(q, offset, &table, &old);

    if (rc < 0)
        return rc;
    if (!table && (!q->has_backing || kind == CHANGE_FORGET))
        return 0; /* reads as zeroes already */
    if (!changed_entry(q, kind, &old, &new_entry))
        return 0;
    rc = qcow2_l2_make(q, offset, &table);
    if (rc == 0)
        rc = qcow2_l2_get(q, offset, &table, &old);
    if (rc == 0)
        rc = qcow2_l2_set(q, table, offset, &new_entry);
    if (rc == 0 && !qcow2_has_space(q, &new_entry, &at))
        qcow2_release_entry(q, &old);
    return rc;
}

int32_t qcow2_change(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t kind, uint64_t *done)
{
    struct qcow2 *q = self;
    int32_t rc = 0;

    /* A raw data file has its zeroes written. */
    if (kind < TN_CHANGE_ZERO || kind > CHANGE_FORGET ||
        (q->version < 3 && q->has_backing && kind != CHANGE_FORGET) ||
        q->autoclear & AUTOCLEAR_RAW_EXTERNAL)
        return -ENOTSUP;
    for (*done = 0; *done < bytes; *done += q->cluster) {
        rc = change_one(q, offset + *done, kind);
        if (rc < 0)
            break;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}

int32_t qcow2_release(void *self, uint32_t file, uint64_t offset,
                      uint64_t bytes)
{
    struct qcow2 *q = self;
    uint64_t first = offset >> q->cluster_bits;
    uint64_t n = (bytes + q->cluster - 1) >> q->cluster_bits, count;
    int32_t rc = 0;

    if (file != TN_IMAGE_FILE_SELF) /* a data file's space has no counts */
        return 0;
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_get(q, first + i, &count);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = qcow2_refcount_add(q, first + i, -1);
    return rc;
}
