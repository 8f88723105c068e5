/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the header: every value is checked before anything uses it. */
#include "qcow2.h"

#include <errno.h>
#include <string.h>

/* Header fields (spec, "Header"). */
#define H_VERSION 4
#define H_BACKING_OFFSET 8
#define H_BACKING_BYTES 16
#define H_CLUSTER_BITS 20
#define H_SIZE 24
#define H_ENCRYPTION 32
#define H_L1_ENTRIES 36
#define H_L1_OFFSET 40
#define H_REFTABLE_OFFSET 48
#define H_REFTABLE_CLUSTERS 56
#define H_SNAPSHOTS 60
#define H_INCOMPATIBLE 72
#define H_COMPATIBLE 80
#define H_AUTOCLEAR 88
#define H_REFCOUNT_ORDER 96
#define H_HEADER_BYTES 100
#define H_COMPRESSION 104
#define V2_BYTES 72u
#define V3_BYTES 104u
#define MAX_HEADER 4096u

#define EXTENSION_END 0u
#define EXTENSION_BACKING_FORMAT 0xe2792acau

uint32_t qcow2_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    uint32_t version;

    (void)length;
    if (bytes < 8 || get_be32(header) != QCOW2_MAGIC)
        return 0;
    version = get_be32(header + H_VERSION);
    return version == 2 || version == 3 ? 100 : 0;
}

static int32_t bad(struct qcow2 *q, struct tn_error *error, const char *what)
{
    return tn_fail(q->host, error, -EINVAL, "not a valid qcow2 image: %s",
                   what);
}

static int32_t parse_features(struct qcow2 *q, const uint8_t *h,
                              struct tn_error *error)
{
    uint64_t unknown;

    q->refcount_order = 4;
    q->header_bytes = V2_BYTES;
    if (q->version < 3)
        return 0;
    q->incompatible = get_be64(h + H_INCOMPATIBLE);
    q->compatible = get_be64(h + H_COMPATIBLE);
    q->autoclear = get_be64(h + H_AUTOCLEAR);
    q->refcount_order = get_be32(h + H_REFCOUNT_ORDER);
    q->header_bytes = get_be32(h + H_HEADER_BYTES);
    if (q->header_bytes < V3_BYTES || q->header_bytes > MAX_HEADER ||
        q->header_bytes % 8)
        return bad(q, error, "the header's length is wrong");
    if (q->refcount_order > 6)
        return bad(q, error, "refcounts are wider than 64 bits");
    unknown = q->incompatible & ~INCOMPAT_KNOWN;
    if (unknown & INCOMPAT_EXTERNAL_DATA)
        return tn_fail(q->host, error, -ENOTSUP,
                       "images with an external data file are not supported");
    if (unknown)
        return tn_fail(q->host, error, -ENOTSUP,
                       "unknown incompatible features %#llx",
                       (unsigned long long)unknown);
    if (q->incompatible & INCOMPAT_COMPRESSION && q->header_bytes > 104)
        q->compression = h[H_COMPRESSION];
    if (q->compression > COMPRESSION_ZSTD)
        return tn_fail(q->host, error, -ENOTSUP,
                       "unknown compression type %u", q->compression);
    return 0;
}

static int32_t parse_header(struct qcow2 *q, const uint8_t *h,
                            struct tn_error *error)
{
    uint64_t wanted;
    int32_t rc;

    if (get_be32(h) != QCOW2_MAGIC)
        return bad(q, error, "it does not begin with QFI\\xfb");
    q->version = get_be32(h + H_VERSION);
    if (q->version != 2 && q->version != 3)
        return tn_fail(q->host, error, -ENOTSUP, "qcow2 version %u",
                       q->version);
    rc = parse_features(q, h, error);
    if (rc < 0)
        return rc;
    q->cluster_bits = get_be32(h + H_CLUSTER_BITS);
    if (q->cluster_bits < 9 || q->cluster_bits > 21 ||
        (qcow2_is_extended(q) && q->cluster_bits < 14))
        return bad(q, error, "the cluster size is out of range");
    if (get_be32(h + H_ENCRYPTION))
        return tn_fail(q->host, error, -ENOTSUP,
                       "encrypted images are not supported");
    q->cluster = 1ull << q->cluster_bits;
    q->l2_entry_bits = qcow2_is_extended(q) ? 4 : 3;
    q->l2_bits = q->cluster_bits - q->l2_entry_bits;
    q->refcount_block_bits = q->cluster_bits + 3 - q->refcount_order;
    q->bytes = get_be64(h + H_SIZE);
    q->l1_entries = get_be32(h + H_L1_ENTRIES);
    q->l1_offset = get_be64(h + H_L1_OFFSET);
    q->refcount_table_offset = get_be64(h + H_REFTABLE_OFFSET);
    q->n_snapshots = get_be32(h + H_SNAPSHOTS);
    if (q->bytes >> 62)
        return bad(q, error, "the disk is too large");
    wanted = (q->bytes + (q->cluster << q->l2_bits) - 1) >>
             (q->cluster_bits + q->l2_bits);
    if (q->l1_entries < wanted || q->l1_entries * 8ull > MAX_L1_BYTES)
        return bad(q, error, "the size of the L1 table is wrong");
    if (get_be32(h + H_REFTABLE_CLUSTERS) >
        MAX_REFCOUNT_TABLE_BYTES >> q->cluster_bits)
        return bad(q, error, "the refcount table is too large");
    q->refcount_table_entries =
        (uint32_t)(((uint64_t)get_be32(h + H_REFTABLE_CLUSTERS)
                    << q->cluster_bits) /
                   8);
    return 0;
}

/* Header extensions lie between the header and the backing file's name. */
static int32_t parse_extensions(struct qcow2 *q, const uint8_t *h,
                                uint64_t bytes, struct tn_image_info *info,
                                struct tn_error *error)
{
    uint64_t at = q->header_bytes, end = get_be64(h + H_BACKING_OFFSET);
    uint32_t type, length;

    if (end == 0 || end > bytes)
        end = bytes;
    while (at + 8 <= end) {
        type = get_be32(h + at);
        length = get_be32(h + at + 4);
        at += 8;
        if (type == EXTENSION_END)
            return 0;
        if (length > end - at)
            return bad(q, error, "a header extension is longer than the rest");
        if (type == EXTENSION_BACKING_FORMAT) {
            if (length >= sizeof info->backing_format)
                return bad(q, error, "the backing format's name is too long");
            memcpy(info->backing_format, h + at, length);
        }
        at += (length + 7) & ~7u;
    }
    return 0;
}

static int32_t parse_backing(struct qcow2 *q, const uint8_t *h, uint64_t bytes,
                             struct tn_image_info *info,
                             struct tn_error *error)
{
    uint64_t offset = get_be64(h + H_BACKING_OFFSET);
    uint32_t length = get_be32(h + H_BACKING_BYTES);

    if (offset == 0)
        return 0;
    if (length > 1023 || offset > bytes || length > bytes - offset)
        return bad(q, error, "the backing file's name is out of place");
    memcpy(info->backing, h + offset, length);
    q->has_backing = length > 0;
    return 0;
}

/* What another writer must not do while we keep no bitmaps. */
static int32_t clear_features(struct qcow2 *q, struct tn_error *error)
{
    uint8_t zero[8] = {0};
    int32_t rc;

    if (q->version < 3 || q->autoclear == 0)
        return 0;
    rc = q->image->pwrite(q->host, 0, H_AUTOCLEAR, zero, 8);
    if (rc < 0)
        return tn_fail(q->host, error, rc, "the header cannot be written");
    q->autoclear = 0;
    return q->image->flush(q->host);
}

static int32_t prepare_writing(struct qcow2 *q, struct tn_error *error)
{
    if (q->incompatible & INCOMPAT_CORRUPT)
        return tn_fail(q->host, error, -EROFS,
                       "the image is marked corrupt: open it read-only, or "
                       "repair it");
    if (q->incompatible & INCOMPAT_DIRTY)
        return tn_fail(q->host, error, -EROFS,
                       "the image was not closed cleanly and its refcounts "
                       "are out of date: repair it before writing");
    return qcow2_refcount_table_fit(q, q->bytes, error);
}

static void describe_info(const struct qcow2 *q, struct tn_image_info *info)
{
    info->bytes = (q->bytes + 511) & ~511ull;
    info->cluster_bytes = (uint32_t)q->cluster;
    info->flags = TN_FORMAT_BACKING;
    if (q->version >= 3 || !q->has_backing) {
        info->flags |= TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
        info->change_bytes = (uint32_t)q->cluster;
    }
    if (q->incompatible & INCOMPAT_CORRUPT)
        info->flags |= TN_FORMAT_DAMAGED;
    snprintf(info->format_version, sizeof info->format_version, "qcow2 v%u",
             q->version);
}

int32_t qcow2_open(void *self, uint32_t flags, struct tn_image_info *info,
                   struct tn_error *error)
{
    struct qcow2 *q = self;
    uint64_t length, bytes;
    uint8_t *header;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    length = q->image->length(q->host, 0);
    if (length < V2_BYTES)
        return bad(q, error, "it is shorter than a header");
    header = q->image->allocate(q->host, 1u << 21);
    if (!header)
        return -ENOMEM;
    rc = q->image->pread(q->host, 0, 0, header, 1u << 21);
    if (rc == 0)
        rc = parse_header(q, header, error);
    bytes = q->cluster < length ? q->cluster : length;
    if (rc == 0)
        rc = parse_extensions(q, header, bytes, info, error);
    if (rc == 0)
        rc = parse_backing(q, header, bytes, info, error);
    q->image->free(q->host, header);
    if (rc == 0)
        rc = q->image->set_block(q->host, q->cluster < METADATA_UNIT
                                              ? (uint32_t)q->cluster
                                              : METADATA_UNIT);
    if (rc == 0)
        rc = qcow2_read_tables(q, error);
    q->writable = flags & TN_IMAGE_WRITABLE;
    if (rc == 0 && q->writable)
        rc = prepare_writing(q, error);
    if (rc == 0 && q->writable)
        rc = clear_features(q, error);
    if (rc < 0) {
        qcow2_close(q);
        return rc;
    }
    describe_info(q, info);
    return 0;
}

void qcow2_close(void *self)
{
    struct qcow2 *q = self;

    /* Nothing ever referred to it. */
    if (q->pending_table && q->writable)
        (void)qcow2_refcount_add(q, q->pending_table >> q->cluster_bits, -1);
    q->image->free(q->host, q->l1);
    q->image->free(q->host, q->refcount_table);
    q->l1 = q->refcount_table = NULL;
    q->pending_table = 0;
}
