/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal snapshots. In each of these what becomes reachable has its counts
 * first, then the header changes, in one sector, and then what is no longer
 * reachable loses its counts. So an image that was killed at any moment has
 * leaks at worst.
 */
#include "qcow2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct qcow2_snapshot *find(struct qcow2 *q,
                                   const struct tn_image_snapshot *wanted)
{
    for (uint32_t i = 0; i < q->n_snapshots; i++) {
        struct qcow2_snapshot *s = &q->snapshots[i];

        if (wanted->id[0] ? !strcmp(s->id, wanted->id)
                          : !strcmp(s->name, wanted->name))
            return s;
    }
    return NULL;
}

static void copy_text(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", from);
}

int32_t qcow2_snapshot_info(void *self, uint32_t index,
                            struct tn_image_snapshot *out)
{
    struct qcow2 *q = self;
    const struct qcow2_snapshot *s;

    if (index >= q->n_snapshots)
        return -ENOENT;
    s = &q->snapshots[index];
    out->index = index;
    copy_text(out->id, sizeof out->id, s->id);
    copy_text(out->name, sizeof out->name, s->name);
    out->bytes = s->bytes;
    out->state_bytes = s->state_bytes;
    out->date_seconds = s->seconds;
    out->date_nanoseconds = s->nanoseconds;
    out->clock_nanoseconds = s->clock;
    return 0;
}

/* ---- taking one ---- */

static void free_id(const struct qcow2 *q, char id[16])
{
    unsigned long most = 0;

    for (uint32_t i = 0; i < q->n_snapshots; i++) {
        unsigned long n = strtoul(q->snapshots[i].id, NULL, 10);

        if (n > most && n < UINT32_MAX)
            most = n;
    }
    snprintf(id, 16, "%lu", most + 1);
}

static char *duplicate(struct qcow2 *q, const char *text)
{
    char *t = q->image->allocate(q->host, strlen(text) + 1);

    if (t)
        memcpy(t, text, strlen(text));
    return t;
}

static int32_t append(struct qcow2 *q, const struct qcow2_snapshot *s)
{
    struct qcow2_snapshot *more = q->image->allocate(
        q->host, (q->n_snapshots + 1ull) * sizeof *more);

    if (!more)
        return -ENOMEM;
    if (q->n_snapshots)
        memcpy(more, q->snapshots, q->n_snapshots * sizeof *more);
    more[q->n_snapshots] = *s;
    q->image->free(q->host, q->snapshots);
    q->snapshots = more;
    q->n_snapshots++;
    return 0;
}

/* The active L1 table, without marks, in a place of its own. */
static int32_t copy_l1(struct qcow2 *q, const uint64_t *l1, uint64_t entries,
                       uint64_t *offset)
{
    uint64_t n = qcow2_clusters(q, entries * 8), first = 0;
    uint64_t *copy = q->image->allocate(q->host, n << q->cluster_bits);
    int32_t rc = copy ? qcow2_take_run(q, n, &first) : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < entries; i++)
        put_be64(&copy[i], l1[i] & OFFSET_MASK);
    if (rc == 0)
        rc = q->image->pwrite(q->host, 0, first << q->cluster_bits, copy,
                              n << q->cluster_bits);
    q->image->free(q->host, copy);
    *offset = first << q->cluster_bits;
    return rc;
}

static uint64_t file_bytes_with(const struct qcow2 *q, uint64_t state)
{
    return q->image->length(q->host, 0) + q->bytes + state;
}

/* The machine state is the snapshot's now. */
static int32_t drop_state(struct qcow2 *q)
{
    uint64_t bytes = q->new_snapshot_state;

    q->new_snapshot_state = 0;
    return bytes ? qcow2_cut(q, qcow2_l1_wanted(q, q->bytes) *
                                    qcow2_table_span(q))
                 : 0;
}

static int32_t take(struct qcow2 *q, struct tn_image_snapshot *wanted,
                    struct tn_error *error)
{
    struct qcow2_snapshot s = {.seconds = (uint32_t)wanted->date_seconds,
                               .nanoseconds = wanted->date_nanoseconds,
                               .clock = wanted->clock_nanoseconds,
                               .state_bytes = wanted->state_bytes,
                               .bytes = q->bytes};
    char id[16];
    int32_t rc;

    if (q->n_snapshots >= MAX_SNAPSHOTS)
        return tn_fail(q->host, error, -EFBIG, "there are %u snapshots",
                       q->n_snapshots);
    if (!wanted->state_bytes && !q->new_snapshot_state) {
        /* of one that was applied */
        rc = qcow2_cut(q, q->bytes);
        if (rc < 0)
            return rc;
    }
    rc = qcow2_refcount_table_fit(q, file_bytes_with(q, 0), error);
    if (rc < 0)
        return rc;
    free_id(q, id);
    s.id = duplicate(q, id);
    s.name = duplicate(q, wanted->name);
    s.l1_entries = q->l1_entries;
    rc = s.id && s.name ? qcow2_tree_count(q, q->l1, q->l1_entries, 1, error)
                        : -ENOMEM;
    if (rc == 0)
        rc = copy_l1(q, q->l1, q->l1_entries, &s.l1_offset);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0)
        rc = qcow2_tree_marks(q, 1);
    if (rc == 0)
        rc = append(q, &s);
    if (rc < 0) {
        qcow2_snapshot_clear(q, &s);
        return rc == -ERANGE ? rc
                             : tn_fail(q->host, error, rc,
                                       "the snapshot cannot be taken");
    }
    rc = qcow2_snapshots_write(q, error);
    copy_text(wanted->id, sizeof wanted->id, id);
    wanted->bytes = s.bytes;
    return rc == 0 ? drop_state(q) : rc;
}

/* Refuse before anything changes what the width of the counts forbids. */
static int32_t check_room(struct qcow2 *q, struct tn_error *error)
{
    uint64_t most = qcow2_refcount_max(q);

    if (q->n_snapshots + 2ull <= most)
        return 0;
    return tn_fail(q->host, error, -ENOTSUP,
                   "reference counts of %u bits have no room for another "
                   "snapshot",
                   1u << q->refcount_order);
}

/* ---- going back to one ---- */

/* Marks mean nothing in a snapshot's tables; in the active ones they do. */
static int32_t clear_marks(struct qcow2 *q, uint64_t *l1, uint64_t entries)
{
    uint64_t *active = q->l1, offset = q->l1_offset;
    uint32_t n = q->l1_entries;
    int32_t rc;

    q->l1 = l1;
    q->l1_entries = (uint32_t)entries;
    rc = qcow2_tree_marks(q, 1);
    q->l1 = active;
    q->l1_offset = offset;
    q->l1_entries = n;
    return rc;
}

static int32_t apply(struct qcow2 *q, const struct qcow2_snapshot *s,
                     struct tn_error *error)
{
    uint64_t *l1, *old = q->l1, offset, old_offset = q->l1_offset;
    uint32_t n_old = q->l1_entries;
    int32_t rc = qcow2_refcount_table_fit(q, file_bytes_with(q, 0), error);

    if (rc == 0)
        rc = qcow2_read_l1(q, s->l1_offset, s->l1_entries, &l1,
                           "snapshot's L1 table", error);
    if (rc < 0)
        return rc;
    rc = qcow2_tree_count(q, l1, s->l1_entries, 1, error);
    if (rc == 0)
        rc = copy_l1(q, l1, s->l1_entries, &offset);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0) { /* write_l1() goes where the new table is */
        q->l1_offset = offset;
        rc = clear_marks(q, l1, s->l1_entries);
        q->l1_offset = old_offset;
    }
    if (rc < 0) {
        q->image->free(q->host, l1);
        return rc == -ERANGE ? rc
                             : tn_fail(q->host, error, rc,
                                       "the snapshot cannot be read");
    }
    q->l1 = l1;
    q->l1_entries = s->l1_entries;
    q->l1_offset = offset;
    q->bytes = s->bytes;
    rc = qcow2_header_write(q, error);
    if (rc == 0)
        rc = qcow2_tree_count(q, old, n_old, -1, error);
    if (rc == 0)
        rc = qcow2_give_run(q, old_offset >> q->cluster_bits,
                            qcow2_clusters(q, n_old * 8ull));
    q->image->free(q->host, old);
    return rc;
}

/* ---- removing one ---- */

static int32_t drop(struct qcow2 *q, struct qcow2_snapshot *s,
                    struct tn_error *error)
{
    struct qcow2_snapshot old = *s;
    uint32_t index = (uint32_t)(s - q->snapshots);
    uint64_t *l1;
    int32_t rc = qcow2_read_l1(q, s->l1_offset, s->l1_entries, &l1,
                               "snapshot's L1 table", error);

    if (rc < 0)
        return rc;
    memmove(s, s + 1, (q->n_snapshots - index - 1) * sizeof *s);
    q->n_snapshots--;
    rc = qcow2_snapshots_write(q, error);
    if (rc == 0)
        rc = qcow2_tree_count(q, l1, old.l1_entries, -1, error);
    if (rc == 0)
        rc = qcow2_give_run(q, old.l1_offset >> q->cluster_bits,
                            qcow2_clusters(q, old.l1_entries * 8ull));
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0)
        rc = qcow2_tree_marks(q, 0);
    q->image->free(q->host, l1);
    qcow2_snapshot_clear(q, &old);
    return rc;
}

static int32_t view(struct qcow2 *q, const struct qcow2_snapshot *s,
                    struct tn_error *error)
{
    uint64_t *l1;
    int32_t rc = qcow2_read_l1(q, s->l1_offset, s->l1_entries, &l1,
                               "snapshot's L1 table", error);

    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < s->l1_entries; i++)
        if ((l1[i] & OFFSET_MASK) % q->cluster) {
            q->image->free(q->host, l1);
            return tn_fail(q->host, error, -EIO,
                           "entry %u of the snapshot's L1 table is damaged",
                           i);
        }
    q->image->free(q->host, q->l1);
    q->l1 = l1;
    q->l1_entries = s->l1_entries;
    q->l1_offset = s->l1_offset;
    q->bytes = s->bytes;
    q->viewing = 1;
    return 0;
}

int32_t qcow2_snapshot(void *self, uint32_t what,
                       struct tn_image_snapshot *wanted,
                       struct tn_error *error)
{
    struct qcow2 *q = self;
    struct qcow2_snapshot *s = find(q, wanted);
    int32_t rc;

    if (what != TN_SNAPSHOT_VIEW && (!q->writable || q->viewing))
        return tn_fail(q->host, error, -EROFS,
                       "the image is not open for writing");
    if (q->data_file)
        return tn_fail(q->host, error, -ENOTSUP,
                       "images with a data file have no snapshots");
    if (what == TN_SNAPSHOT_CREATE) {
        rc = check_room(q, error);
        return rc == 0 ? take(q, wanted, error) : rc;
    }
    if (!s)
        return tn_fail(q->host, error, -ENOENT, "there is no snapshot '%s'",
                       wanted->id[0] ? wanted->id : wanted->name);
    wanted->bytes = s->bytes;
    switch (what) {
    case TN_SNAPSHOT_APPLY:
        if (q->n_bitmaps)
            return tn_fail(q->host, error, -EBUSY,
                           "the image has bitmaps, which would be false then: "
                           "remove them first");
        rc = check_room(q, error);
        return rc == 0 ? apply(q, s, error) : rc;
    case TN_SNAPSHOT_DELETE:
        return drop(q, s, error);
    case TN_SNAPSHOT_VIEW:
        return view(q, s, error);
    default:
        return -EINVAL;
    }
}

/* ---- machine state: behind the disk's end ---- */

static int32_t state_extent(struct qcow2 *q, uint64_t offset, uint32_t write,
                            uint64_t *at)
{
    struct l2_entry l2;
    uint64_t table, cluster;
    uint32_t found;
    int32_t rc = write ? qcow2_l2_make(q, offset, &table) : 0;

    if (rc == 0)
        rc = qcow2_l2_get(q, offset, &table, &l2);
    if (rc < 0)
        return rc;
    if (l2.entry & ENTRY_COMPRESSED || (l2.entry & OFFSET_MASK) % q->cluster)
        return -EIO;
    if (qcow2_own_space(q, &l2, at) ||
        (!write && qcow2_has_space(q, &l2, at)) || !write)
        return 0;
    rc = qcow2_take(q, 1, &cluster, &found);
    if (rc == 0) {
        struct l2_entry e = {cluster << q->cluster_bits | ENTRY_COPIED,
                             qcow2_is_extended(q) ? 0xffffffffull : 0};

        *at = cluster << q->cluster_bits;
        rc = qcow2_refcounts_before(q, cluster, 1,
                                    qcow2_l2_place(q, table, offset));
        if (rc == 0)
            rc = qcow2_l2_set(q, table, offset, &e);
    }
    return rc;
}

static int32_t state_piece(struct qcow2 *q, uint32_t write, uint64_t at,
                           uint64_t inside, uint8_t *data, uint64_t n)
{
    int32_t rc;

    if (!write) {
        if (at)
            return q->image->pread(q->host, 0, at + inside, data, n);
        memset(data, 0, n);
        return 0;
    }
    rc = q->image->pwrite(q->host, 0, at + inside, data, n);
    return rc;
}

int32_t qcow2_state_io(void *self, uint32_t write, uint64_t offset, void *data,
                       uint64_t bytes)
{
    struct qcow2 *q = self;
    uint64_t base = qcow2_l1_wanted(q, q->bytes) * qcow2_table_span(q), end;
    uint8_t *p = data;
    int32_t rc = 0;

    if (__builtin_add_overflow(offset, bytes, &end) || end >> 62 ||
        base >> 62 || (write && !q->writable) || q->crypt_method ||
        q->data_file)
        return -EINVAL;
    if (write) {
        rc = qcow2_refcount_table_fit(q, file_bytes_with(q, end), NULL);
        if (rc == 0)
            rc = qcow2_l1_grow(q, qcow2_l1_wanted(q, base + end), NULL);
        if (rc == 0 && end > q->new_snapshot_state)
            q->new_snapshot_state = end;
    }
    while (rc == 0 && bytes) {
        uint64_t inside = (base + offset) & (q->cluster - 1), at = 0;
        uint64_t n = q->cluster - inside < bytes ? q->cluster - inside : bytes;

        if (write || (base + offset) / qcow2_table_span(q) < q->l1_entries)
            rc = state_extent(q, base + offset, write, &at);
        if (rc == 0)
            rc = state_piece(q, write, at, inside, p, n);
        p += n;
        offset += n;
        bytes -= n;
    }
    return rc;
}
