/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of snapshots (spec, "Snapshots"). May block. */
#include "qcow2.h"

#include <errno.h>
#include <string.h>

#define ENTRY_BYTES 40u
#define EXTRA_KNOWN 16u
#define MAX_EXTRA 1024u

void qcow2_snapshot_clear(struct qcow2 *q, struct qcow2_snapshot *s)
{
    q->image->free(q->host, s->id);
    q->image->free(q->host, s->name);
    q->image->free(q->host, s->extra);
    memset(s, 0, sizeof *s);
}

void qcow2_snapshots_free(struct qcow2 *q)
{
    for (uint32_t i = 0; q->snapshots && i < q->n_snapshots; i++)
        qcow2_snapshot_clear(q, &q->snapshots[i]);
    q->image->free(q->host, q->snapshots);
    q->snapshots = NULL;
    q->n_snapshots = 0;
}

/* ---- reading ---- */

struct lengths {
    uint32_t id, name, extra;
};

static void parse_fixed(const uint8_t *p, struct qcow2_snapshot *s,
                        struct lengths *l)
{
    s->l1_offset = get_be64(p);
    s->l1_entries = get_be32(p + 8);
    l->id = (uint32_t)p[12] << 8 | p[13];
    l->name = (uint32_t)p[14] << 8 | p[15];
    s->seconds = get_be32(p + 16);
    s->nanoseconds = get_be32(p + 20);
    s->clock = get_be64(p + 24);
    s->state_bytes = get_be32(p + 32);
    l->extra = get_be32(p + 36);
}

static char *text(struct qcow2 *q, const uint8_t *data, uint32_t length)
{
    char *t = q->image->allocate(q->host, length + 1ull);

    if (t)
        memcpy(t, data, length);
    return t;
}

static int32_t parse_rest(struct qcow2 *q, const uint8_t *p,
                          const struct lengths *l, struct qcow2_snapshot *s)
{
    s->bytes = q->bytes;
    if (l->extra >= 8)
        s->state_bytes = get_be64(p);
    if (l->extra >= 16)
        s->bytes = get_be64(p + 8);
    if (l->extra > EXTRA_KNOWN) {
        s->extra_bytes = l->extra - EXTRA_KNOWN;
        s->extra = q->image->allocate(q->host, s->extra_bytes);
        if (!s->extra)
            return -ENOMEM;
        memcpy(s->extra, p + EXTRA_KNOWN, s->extra_bytes);
    }
    s->id = text(q, p + l->extra, l->id);
    s->name = text(q, p + l->extra + l->id, l->name);
    return s->id && s->name ? 0 : -ENOMEM;
}

static int32_t is_sound(struct qcow2 *q, const struct qcow2_snapshot *s)
{
    uint64_t length = q->image->length(q->host, 0);

    return s->l1_offset % q->cluster == 0 && s->l1_offset <= length &&
           s->l1_entries * 8ull <= MAX_L1_BYTES &&
           s->l1_entries * 8ull <= length - s->l1_offset &&
           s->bytes >> 62 == 0 && s->state_bytes >> 62 == 0 &&
           s->l1_entries >= qcow2_l1_wanted(q, s->bytes);
}

/* One entry at *AT; -EINVAL: it makes no sense. */
static int32_t read_one(struct qcow2 *q, uint64_t *at,
                        struct qcow2_snapshot *s)
{
    uint64_t length = q->image->length(q->host, 0), rest;
    uint8_t fixed[ENTRY_BYTES], *p;
    struct lengths l;
    int32_t rc;

    if (*at > length || length - *at < ENTRY_BYTES)
        return -EINVAL;
    rc = q->image->pread(q->host, 0, *at, fixed, sizeof fixed);
    if (rc < 0)
        return rc;
    parse_fixed(fixed, s, &l);
    rest = (uint64_t)l.extra + l.id + l.name;
    if (l.extra > MAX_EXTRA || length - *at < ENTRY_BYTES + rest)
        return -EINVAL;
    p = q->image->allocate(q->host, rest + 1);
    rc = p ? q->image->pread(q->host, 0, *at + ENTRY_BYTES, p, rest) : -ENOMEM;
    if (rc == 0)
        rc = parse_rest(q, p, &l, s);
    q->image->free(q->host, p);
    *at = (*at + ENTRY_BYTES + rest + 7) & ~7ull;
    return rc == 0 && !is_sound(q, s) ? -EINVAL : rc;
}

int32_t qcow2_snapshots_read(struct qcow2 *q, uint32_t count, uint32_t flags,
                             struct tn_error *error)
{
    uint64_t at = q->snapshots_offset;
    int32_t rc = 0;

    if (count == 0)
        return 0;
    if (count > MAX_SNAPSHOTS || at % q->cluster) {
        rc = -EINVAL;
    } else {
        q->snapshots =
            q->image->allocate(q->host, count * sizeof *q->snapshots);
        if (!q->snapshots)
            return tn_fail(q->host, error, -ENOMEM,
                           "no memory for the snapshot table");
    }
    while (rc == 0 && q->n_snapshots < count) {
        struct qcow2_snapshot *s = &q->snapshots[q->n_snapshots];

        rc = read_one(q, &at, s);
        if (rc == 0 && at - q->snapshots_offset > MAX_SNAPSHOT_BYTES)
            rc = -EINVAL;
        if (rc < 0)
            qcow2_snapshot_clear(q, s);
        else
            q->n_snapshots++;
    }
    q->snapshots_bytes = at - q->snapshots_offset;
    if (rc == -EINVAL && flags & TN_IMAGE_CHECK) {
        q->snapshots_lost = count - q->n_snapshots;
        return 0; /* those before it are kept */
    }
    return rc < 0 ? tn_fail(q->host, error, rc,
                            "the entry of snapshot %u at offset %#llx of the "
                            "snapshot table cannot be used: check the image",
                            q->n_snapshots + 1, (unsigned long long)at)
                  : 0;
}

/* ---- writing ---- */

static uint64_t entry_bytes(const struct qcow2_snapshot *s)
{
    return (ENTRY_BYTES + EXTRA_KNOWN + s->extra_bytes + strlen(s->id) +
            strlen(s->name) + 7) &
           ~7ull;
}

static void put_be16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_entry(uint8_t *p, const struct qcow2_snapshot *s)
{
    put_be64(p, s->l1_offset);
    put_be32(p + 8, s->l1_entries);
    put_be16(p + 12, strlen(s->id));
    put_be16(p + 14, strlen(s->name));
    put_be32(p + 16, s->seconds);
    put_be32(p + 20, s->nanoseconds);
    put_be64(p + 24, s->clock);
    put_be32(p + 32, s->state_bytes > UINT32_MAX ? UINT32_MAX
                                                 : (uint32_t)s->state_bytes);
    put_be32(p + 36, EXTRA_KNOWN + s->extra_bytes);
    put_be64(p + 40, s->state_bytes);
    put_be64(p + 48, s->bytes);
    p += ENTRY_BYTES + EXTRA_KNOWN;
    if (s->extra_bytes)
        memcpy(p, s->extra, s->extra_bytes);
    p += s->extra_bytes;
    memcpy(p, s->id, strlen(s->id));
    memcpy(p + strlen(s->id), s->name, strlen(s->name));
}

int32_t qcow2_snapshots_write(struct qcow2 *q, struct tn_error *error)
{
    uint64_t old = q->snapshots_offset >> q->cluster_bits;
    uint64_t n_old = qcow2_clusters(q, q->snapshots_bytes);
    uint64_t bytes = 0, at = 0, first = 0, n;
    uint8_t *table = NULL;
    int32_t rc = 0;

    for (uint32_t i = 0; i < q->n_snapshots; i++)
        bytes += entry_bytes(&q->snapshots[i]);
    n = qcow2_clusters(q, bytes);
    if (bytes > MAX_SNAPSHOT_BYTES)
        return tn_fail(q->host, error, -EFBIG, "the snapshot table is full");
    if (n) {
        table = q->image->allocate(q->host, n << q->cluster_bits);
        rc = table ? qcow2_take_run(q, n, &first) : -ENOMEM;
    }
    for (uint32_t i = 0; rc == 0 && i < q->n_snapshots; i++) {
        put_entry(table + at, &q->snapshots[i]);
        at += entry_bytes(&q->snapshots[i]);
    }
    if (rc == 0 && n)
        rc = q->image->pwrite(q->host, 0, first << q->cluster_bits, table,
                              n << q->cluster_bits);
    q->image->free(q->host, table);
    if (rc < 0)
        return tn_fail(q->host, error, rc,
                       "the snapshot table cannot be written");
    q->snapshots_offset = first << q->cluster_bits;
    q->snapshots_bytes = bytes;
    rc = qcow2_header_write(q, error);
    return rc == 0 ? qcow2_give_run(q, old, n_old) : rc;
}
