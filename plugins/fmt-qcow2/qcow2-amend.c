/* SPDX-License-Identifier: Apache-2.0 */
/* Other options and another backing image for an image that exists. */
#include "qcow2-check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

int32_t qcow2_set_backing(void *self, const char *backing,
                          const char *backing_format, struct tn_error *error)
{
    struct qcow2 *q = self;
    char old[sizeof q->backing], old_format[sizeof q->backing_format];
    int32_t rc;

    backing = backing ? backing : "";
    backing_format = backing[0] && backing_format ? backing_format : "";
    if (strlen(backing) >= sizeof q->backing ||
        strlen(backing_format) >= sizeof q->backing_format)
        return tn_fail(q->host, error, -EINVAL,
                       "the backing image's name has more than %zu bytes",
                       sizeof q->backing - 1);
    if (backing[0] && q->autoclear & AUTOCLEAR_RAW_EXTERNAL)
        return tn_fail(q->host, error, -EINVAL,
                       "an image with a raw data file has no backing image");
    memcpy(old, q->backing, sizeof old);
    memcpy(old_format, q->backing_format, sizeof old_format);
    strcpy(q->backing, backing);
    strcpy(q->backing_format, backing_format);
    rc = qcow2_header_write(q, error);
    if (rc < 0) {
        memcpy(q->backing, old, sizeof old);
        memcpy(q->backing_format, old_format, sizeof old_format);
        return rc;
    }
    q->has_backing = backing[0] != 0;
    return 0;
}

/* ---- the width of the counts ---- */

static int32_t other_width(struct qcow2 *q, uint64_t bits,
                           struct tn_error *error)
{
    if (bits == 0 || bits > 64 || bits & (bits - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "refcount-bits must be a power of two up to 64");
    if (q->version < 3)
        return tn_fail(q->host, error, -ENOTSUP,
                       "compat = 0.10 has counts of 16 bits");
    if (bits == 1u << q->refcount_order)
        return 0;
    return qcow2_check_width(q, (uint32_t)__builtin_ctzll(bits), error);
}

/* ---- versions ---- */

static int32_t upgrade(struct qcow2 *q, struct tn_error *error)
{
    q->version = 3;
    if (q->header_bytes < V3_BYTES_NEW) {
        memset(q->header + q->header_bytes, 0,
               V3_BYTES_NEW - q->header_bytes);
        q->header_bytes = V3_BYTES_NEW;
    }
    q->incompatible = q->compatible = q->autoclear = 0;
    return qcow2_header_write(q, error);
}

/* A zero mark in a table that COUNT L1 tables refer to: no mark any more. */
static int32_t write_zeroes(struct qcow2 *q, uint8_t *entry, uint64_t count,
                            const uint8_t *zeroes)
{
    uint64_t e = get_be64(entry), at = e & OFFSET_MASK, cluster;
    int32_t rc;

    if (!q->has_backing) {
        put_be64(entry, 0);
        return at ? qcow2_refcount_add(q, at >> q->cluster_bits,
                                       -(int64_t)count)
                  : 0;
    }
    if (!at) {
        rc = qcow2_take_run(q, 1, &cluster);
        if (rc == 0 && count > 1)
            rc = qcow2_refcount_add(q, cluster, (int64_t)count - 1);
        if (rc < 0)
            return rc;
        at = cluster << q->cluster_bits;
    }
    put_be64(entry, at | (count == 1 ? ENTRY_COPIED : 0));
    return q->image->pwrite(q->host, 0, at, zeroes, q->cluster);
}

static int32_t expand_table(struct qcow2 *q, uint64_t at, uint8_t *table,
                            const uint8_t *zeroes)
{
    uint64_t count;
    int changed = 0;
    int32_t rc = q->image->pread(q->host, 0, at, table, q->cluster);

    if (rc == 0)
        rc = qcow2_refcount_get(q, at >> q->cluster_bits, &count);
    for (uint64_t i = 0; rc == 0 && i < q->cluster; i += 8) {
        uint64_t e = get_be64(table + i);

        if (e & ENTRY_COMPRESSED || !(e & ENTRY_ZERO))
            continue;
        rc = write_zeroes(q, table + i, count, zeroes);
        changed = 1;
    }
    if (rc == 0 && changed) {
        rc = q->image->flush(q->host);
        if (rc == 0)
            rc = q->image->pwrite(q->host, 0, at, table, q->cluster);
    }
    return rc;
}

static int32_t expand_all(struct qcow2 *q, const uint64_t *l1,
                          uint64_t entries)
{
    uint8_t *table = q->image->allocate(q->host, q->cluster * 2);
    int32_t rc = table ? 0 : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < entries; i++)
        if (l1[i] & OFFSET_MASK)
            rc = expand_table(q, l1[i] & OFFSET_MASK, table,
                              table + q->cluster);
    q->image->free(q->host, table);
    return rc;
}

static int32_t expand_zeroes(struct qcow2 *q, struct tn_error *error)
{
    int32_t rc = expand_all(q, q->l1, q->l1_entries);

    for (uint32_t i = 0; rc == 0 && i < q->n_snapshots; i++) {
        struct qcow2_snapshot *s = &q->snapshots[i];
        uint64_t *l1;

        rc = qcow2_read_l1(q, s->l1_offset, s->l1_entries, &l1,
                           "snapshot's L1 table", error);
        if (rc == 0)
            rc = expand_all(q, l1, s->l1_entries);
        q->image->free(q->host, l1);
    }
    return rc < 0 ? tn_fail(q->host, error, rc,
                            "the zero clusters cannot be written out")
                  : 0;
}

static int32_t downgrade(struct qcow2 *q, struct tn_error *error)
{
    int32_t rc;

    if (q->incompatible & ~INCOMPAT_DIRTY || q->refcount_order != 4 ||
        q->n_bitmaps || q->data_file)
        return tn_fail(q->host, error, -ENOTSUP,
                       "the image uses what compat = 0.10 does not have: "
                       "other counts than of 16 bits, zstd, subclusters, a "
                       "data file or bitmaps");
    for (uint32_t i = 0; i < q->n_snapshots; i++)
        if (q->snapshots[i].bytes != q->bytes)
            return tn_fail(q->host, error, -ENOTSUP,
                           "snapshot '%s' has another size than the disk",
                           q->snapshots[i].name);
    rc = expand_zeroes(q, error);
    if (rc < 0)
        return rc;
    q->version = 2;
    q->header_bytes = V2_BYTES;
    q->incompatible = q->compatible = q->autoclear = 0;
    q->lazy = q->marked_dirty = 0;
    return qcow2_header_write(q, error);
}

/* ---- options ---- */

static int is_true(const char *value)
{
    return !strcmp(value, "on") || !strcmp(value, "yes") ||
           !strcmp(value, "true") || !strcmp(value, "1");
}

static int32_t set_lazy(struct qcow2 *q, const char *value,
                        struct tn_error *error)
{
    if (is_true(value) && q->version < 3)
        return tn_fail(q->host, error, -ENOTSUP,
                       "lazy-refcounts need compat = 1.1");
    if (is_true(value)) {
        q->compatible |= COMPAT_LAZY_REFCOUNTS;
        q->lazy = 1;
    } else {
        /* The counts were written before this call. */
        q->compatible &= ~COMPAT_LAZY_REFCOUNTS;
        q->incompatible &= ~INCOMPAT_DIRTY;
        q->lazy = q->marked_dirty = 0;
    }
    return qcow2_header_write(q, error);
}

static int32_t set_data_file(struct qcow2 *q, const char *value,
                             struct tn_error *error)
{
    if (!(q->incompatible & INCOMPAT_EXTERNAL_DATA) ||
        strlen(value) >= sizeof q->data_name)
        return tn_fail(q->host, error, -EINVAL,
                       "data-file only renames the data file of an image that "
                       "has one");
    strcpy(q->data_name, value);
    return qcow2_header_write(q, error);
}

static int32_t set_raw(struct qcow2 *q, const char *value,
                       struct tn_error *error)
{
    if (is_true(value) == !!(q->autoclear & AUTOCLEAR_RAW_EXTERNAL))
        return 0;
    if (is_true(value))
        return tn_fail(q->host, error, -EINVAL,
                       "data-file-raw can only be set when an image is made");
    q->autoclear &= ~AUTOCLEAR_RAW_EXTERNAL;
    return qcow2_header_write(q, error);
}

static const char *value_of(const struct tn_amend *a, const char *name)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (!strcmp(a->names[i], name))
            return a->values[i];
    return NULL;
}

static int32_t set_version(struct qcow2 *q, const char *value,
                           struct tn_error *error)
{
    int two = !strcmp(value, "0.10") || !strcmp(value, "v2");

    if (two == (q->version == 2))
        return 0;
    return two ? downgrade(q, error) : upgrade(q, error);
}

static int32_t amend_keys(struct qcow2 *q, const struct tn_amend *a,
                          struct tn_error *error)
{
    const char *state = value_of(a, "encrypt-state");
    const char *slot = value_of(a, "encrypt-keyslot");
    const char *time = value_of(a, "encrypt-iter-time");
    const char *old = value_of(a, "encrypt-old-secret");
    const char *new_secret = value_of(a, "encrypt-new-secret");
    struct luks1_amend l = {.slot = LUKS1_ANY_SLOT, .iter_milliseconds = 2000,
                            .force = a->force};
    int32_t rc = 0;

    if (!state && !slot && !old && !new_secret)
        return 0;
    if (q->crypt_method != CRYPT_LUKS || !q->luks || !q->cipher)
        return tn_fail(q->host, error, -EINVAL,
                       "the image has no LUKS keys, or is not unlocked");
    if (!state)
        return tn_fail(q->host, error, -EINVAL,
                       "encrypt-state must say what to do");
    l.activate = !strcmp(state, "active");
    if (slot)
        l.slot = (uint32_t)strtoul(slot, NULL, 0);
    if (time && strtoul(time, NULL, 0))
        l.iter_milliseconds = strtoul(time, NULL, 0);
    if (old)
        rc = crypt_secret(q, old, &l.old_secret, &l.old_bytes, error);
    if (rc == 0 && new_secret)
        rc = crypt_secret(q, new_secret, &l.new_secret, &l.new_bytes, error);
    return rc < 0 ? rc : luks1_amend(q->luks, &l, error);
}

int32_t qcow2_amend(void *self, const struct tn_amend *a,
                    struct tn_error *error)
{
    struct qcow2 *q = self;
    const char *compat = value_of(a, "compat");
    const char *lazy = value_of(a, "lazy-refcounts");
    const char *width = value_of(a, "refcount-bits");
    const char *data = value_of(a, "data-file");
    const char *raw = value_of(a, "data-file-raw");
    int down = compat && !strcmp(compat, "0.10");
    int32_t rc = 0;

    if (!q->writable)
        return tn_fail(q->host, error, -EROFS,
                       "the image is not open for writing");
    (void)tn_fail(q->host, error, 0, "the image cannot be changed");
    /* Up before what needs it, down after what stands against it. */
    if (compat && !down)
        rc = set_version(q, compat, error);
    if (rc == 0 && width)
        rc = other_width(q, strtoull(width, NULL, 0), error);
    if (rc == 0 && lazy)
        rc = set_lazy(q, lazy, error);
    if (rc == 0 && data)
        rc = set_data_file(q, data, error);
    if (rc == 0 && raw)
        rc = set_raw(q, raw, error);
    if (rc == 0 && down)
        rc = set_version(q, compat, error);
    return rc == 0 ? amend_keys(q, a, error) : rc;
}
