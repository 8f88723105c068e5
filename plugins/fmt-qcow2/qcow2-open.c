/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header, its extensions, and what opening for writing changes. Spec,
 * "Header" and "Header extensions".
 */
#include "qcow2.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEADER_V2_BYTES 72u
#define HEADER_V3_BYTES 104u
#define MAX_HEADER_BYTES 4096u
#define MAX_BACKING_BYTES 1023u
/* Header fields, byte offsets. */
#define H_VERSION 4
#define H_BACKING_OFFSET 8
#define H_BACKING_BYTES 16
#define H_CLUSTER_BITS 20
#define H_BYTES 24
#define H_ENCRYPTION 32
#define H_L1_ENTRIES 36
#define H_L1_OFFSET 40
#define H_REFCOUNT_OFFSET 48
#define H_REFCOUNT_CLUSTERS 56
#define H_SNAPSHOTS 60
#define H_INCOMPATIBLE 72
#define H_COMPATIBLE 80
#define H_AUTOCLEAR 88
#define H_REFCOUNT_ORDER 96
#define H_HEADER_BYTES 100
#define H_COMPRESSION 104

#define EXTENSION_END 0u
#define EXTENSION_BACKING_FORMAT 0xe2792acau

uint32_t qcow2_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    if (bytes < HEADER_V2_BYTES || get_be32(header) != QCOW2_MAGIC)
        return 0;
    return get_be32(header + H_VERSION) >= 2 ? 100 : 0;
}

static int32_t refuse(struct qcow2 *q, struct tn_error *error, int32_t code,
                      const char *what)
{
    return tn_fail(q->host, error, code, "%s", what);
}

static int32_t read_version_3(struct qcow2 *q, const uint8_t *h,
                              struct tn_error *error)
{
    q->incompatible = get_be64(h + H_INCOMPATIBLE);
    q->compatible = get_be64(h + H_COMPATIBLE);
    q->autoclear = get_be64(h + H_AUTOCLEAR);
    q->refcount_order = get_be32(h + H_REFCOUNT_ORDER);
    q->header_bytes = get_be32(h + H_HEADER_BYTES);
    if (q->header_bytes < HEADER_V3_BYTES || q->header_bytes % 8 ||
        q->header_bytes > q->cluster)
        return refuse(q, error, -EINVAL, "the header's length is damaged");
    if (q->incompatible & ~INCOMPAT_KNOWN)
        return tn_fail(q->host, error, -ENOTSUP,
                       "it uses features that are not known here "
                       "(incompatible features %#llx)",
                       (unsigned long long)(q->incompatible &
                                            ~INCOMPAT_KNOWN));
    if (q->incompatible & INCOMPAT_COMPRESSION) {
        if (q->header_bytes <= H_COMPRESSION || h[H_COMPRESSION] > 1)
            return refuse(q, error, -ENOTSUP, "unknown compression");
        q->compression = h[H_COMPRESSION];
    }
    if (q->refcount_order > 6)
        return refuse(q, error, -EINVAL, "the refcount width is damaged");
    return 0;
}

static int32_t read_header(struct qcow2 *q, const uint8_t *h,
                           struct tn_error *error)
{
    uint64_t clusters;

    if (get_be32(h) != QCOW2_MAGIC)
        return refuse(q, error, -EINVAL, "not a qcow2 image");
    q->version = get_be32(h + H_VERSION);
    if (q->version != 2 && q->version != 3)
        return tn_fail(q->host, error, -ENOTSUP, "qcow2 version %u",
                       (unsigned)q->version);
    q->cluster_bits = get_be32(h + H_CLUSTER_BITS);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return refuse(q, error, -EINVAL, "the cluster size is damaged");
    q->cluster = 1ull << q->cluster_bits;
    q->bytes = get_be64(h + H_BYTES);
    if (get_be32(h + H_ENCRYPTION))
        return refuse(q, error, -ENOTSUP, "encrypted images are not read yet");
    q->l1_entries = get_be32(h + H_L1_ENTRIES);
    q->l1_offset = get_be64(h + H_L1_OFFSET);
    q->refcount_table_offset = get_be64(h + H_REFCOUNT_OFFSET);
    clusters = get_be32(h + H_REFCOUNT_CLUSTERS);
    q->n_snapshots = get_be32(h + H_SNAPSHOTS);
    q->refcount_order = 4;
    q->header_bytes = HEADER_V2_BYTES;
    if (clusters > (MAX_REFCOUNT_TABLE_BYTES >> q->cluster_bits) ||
        q->l1_entries > MAX_L1_BYTES / 8)
        return refuse(q, error, -EFBIG, "a table is larger than is taken");
    q->refcount_table_entries = (uint32_t)(clusters << q->cluster_bits >> 3);
    return q->version >= 3 ? read_version_3(q, h, error) : 0;
}

/* What follows from the header, and must fit. */
static int32_t derive(struct qcow2 *q, struct tn_error *error)
{
    uint64_t table_bits, wanted;

    q->l2_entry_bits = qcow2_is_extended(q) ? 4 : 3;
    q->l2_bits = q->cluster_bits - q->l2_entry_bits;
    q->refcount_block_bits = q->cluster_bits + 3 - q->refcount_order;
    if (qcow2_is_extended(q) && q->cluster_bits < 14)
        return refuse(q, error, -EINVAL,
                      "the clusters are too small for subclusters");
    table_bits = q->cluster_bits + q->l2_bits;
    if (q->bytes > (uint64_t)INT64_MAX - 511 ||
        q->bytes > (uint64_t)(MAX_L1_BYTES / 8) << table_bits)
        return refuse(q, error, -EFBIG, "the disk is larger than is taken");
    wanted = (q->bytes + (1ull << table_bits) - 1) >> table_bits;
    if (wanted > q->l1_entries)
        return refuse(q, error, -EINVAL, "the L1 table is too short");
    return 0;
}

static int32_t read_backing(struct qcow2 *q, const uint8_t *h,
                            struct tn_image_info *info,
                            struct tn_error *error)
{
    uint64_t offset = get_be64(h + H_BACKING_OFFSET);
    uint32_t bytes = get_be32(h + H_BACKING_BYTES);

    if (!offset)
        return 0;
    if (bytes > MAX_BACKING_BYTES || offset > q->cluster ||
        bytes > q->cluster - offset)
        return refuse(q, error, -EINVAL,
                      "the backing image's name is damaged");
    q->has_backing = bytes != 0;
    return q->image->pread(q->host, 0, offset, info->backing, bytes);
}

/* Spec, "Header extensions": up to the end mark, the backing image's name or
 * the end of the first cluster. */
static int32_t read_extensions(struct qcow2 *q, const uint8_t *h,
                               struct tn_image_info *info,
                               struct tn_error *error)
{
    uint64_t end = get_be64(h + H_BACKING_OFFSET), at = q->header_bytes;
    uint8_t head[8];
    int32_t rc;

    if (!end || end > q->cluster)
        end = q->cluster;
    while (at + 8 <= end) {
        uint32_t type, bytes;

        rc = q->image->pread(q->host, 0, at, head, sizeof head);
        if (rc)
            return rc;
        type = get_be32(head);
        bytes = get_be32(head + 4);
        at += 8;
        if (type == EXTENSION_END)
            return 0;
        if (bytes > end - at)
            return refuse(q, error, -EINVAL, "a header extension is damaged");
        if (type == EXTENSION_BACKING_FORMAT) {
            if (bytes >= sizeof info->backing_format)
                return refuse(q, error, -EINVAL,
                              "the backing format's name is damaged");
            rc = q->image->pread(q->host, 0, at, info->backing_format, bytes);
            if (rc)
                return rc;
        }
        at += (bytes + 7ull) & ~7ull;
    }
    return 0;
}

/* We keep none of what autoclear features promise: say so first. */
static int32_t clear_features(struct qcow2 *q)
{
    uint8_t zero[8] = {0};
    int32_t rc;

    if (q->version < 3 || !q->autoclear)
        return 0;
    rc = q->image->pwrite(q->host, 0, H_AUTOCLEAR, zero, sizeof zero);
    return rc ? rc : q->image->flush(q->host);
}

static int32_t prepare_writing(struct qcow2 *q, struct tn_error *error)
{
    int32_t rc;

    if (q->incompatible & INCOMPAT_DIRTY)
        return refuse(q, error, -EUCLEAN,
                      "it was not closed by a program that keeps reference "
                      "counts lazily; repair it first (qemu-img check -r all)");
    rc = clear_features(q);
    if (!rc)
        rc = qcow2_refcount_table_fit(q, q->bytes, error);
    return rc;
}

static void fill_info(const struct qcow2 *q, struct tn_image_info *info)
{
    info->bytes = (q->bytes + 511) & ~511ull;
    info->cluster_bytes = (uint32_t)q->cluster;
    info->change_bytes = (uint32_t)q->cluster;
    info->flags = TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD |
                  TN_FORMAT_BACKING |
                  (q->incompatible & INCOMPAT_CORRUPT ? TN_FORMAT_DAMAGED : 0);
    snprintf(info->format_version, sizeof info->format_version, "qcow2 v%u",
             (unsigned)q->version);
}

int32_t qcow2_open(void *self, uint32_t flags, struct tn_image_info *info,
                   struct tn_error *error)
{
    struct qcow2 *q = self;
    uint8_t h[HEADER_V3_BYTES + 8] = {0};
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    q->writable = flags & TN_IMAGE_WRITABLE;
    rc = q->image->pread(q->host, 0, 0, h, sizeof h);
    if (!rc)
        rc = read_header(q, h, error);
    if (!rc)
        rc = derive(q, error);
    if (!rc)
        rc = q->image->set_block(q->host, q->cluster < METADATA_UNIT
                                              ? (uint32_t)q->cluster
                                              : METADATA_UNIT);
    if (!rc)
        rc = read_extensions(q, h, info, error);
    if (!rc)
        rc = read_backing(q, h, info, error);
    if (!rc)
        rc = qcow2_read_tables(q, error);
    if (!rc && q->writable && !(q->incompatible & INCOMPAT_CORRUPT))
        rc = prepare_writing(q, error);
    if (rc)
        qcow2_close(q);
    else
        fill_info(q, info);
    return rc;
}

void qcow2_close(void *self)
{
    struct qcow2 *q = self;

    if (q->image) {
        q->image->free(q->host, q->l1);
        q->image->free(q->host, q->refcount_table);
    }
    q->l1 = NULL;
    q->refcount_table = NULL;
}
