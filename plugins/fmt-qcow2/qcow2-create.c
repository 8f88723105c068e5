/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image: header, refcount table, refcount blocks and L1 table, one after
 * the other, with reference counts for just these.
 */
#include "qcow2.h"

#include <errno.h>
#include <string.h>

#define HEADER_BYTES 112u /* with the compression type */

struct layout {
    uint64_t table_clusters, block_clusters, l1_clusters, all;
};

static const struct tn_props *props(struct qcow2 *q)
{
    return tn_service(q->host, TN_HOST_PROPS);
}

static uint32_t log2_of(uint64_t value)
{
    return (uint32_t)(63 - __builtin_clzll(value));
}

static int32_t read_options(struct qcow2 *q, struct tn_error *error)
{
    uint64_t cluster = props(q)->get_uint(q->host, "cluster-size");
    uint64_t bits = props(q)->get_uint(q->host, "refcount-bits");

    q->version = props(q)->get_uint(q->host, "compat") ? 3 : 2;
    if (cluster < 512 || cluster & (cluster - 1) || !bits ||
        bits & (bits - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "cluster-size and refcount-bits are powers of two");
    q->cluster = cluster;
    q->cluster_bits = log2_of(cluster);
    q->refcount_order = log2_of(bits);
    q->compression =
        (uint32_t)props(q)->get_uint(q->host, "compression-type");
    if (props(q)->get_uint(q->host, "extended-l2"))
        q->incompatible |= INCOMPAT_EXTENDED_L2;
    if (q->compression)
        q->incompatible |= INCOMPAT_COMPRESSION;
    if (q->version < 3 && (q->incompatible || bits != 16))
        return tn_fail(q->host, error, -EINVAL,
                       "that needs compat = 1.1");
    if (qcow2_is_extended(q) && q->cluster_bits < 14)
        return tn_fail(q->host, error, -EINVAL,
                       "subclusters need clusters of 16K at least");
    q->l2_entry_bits = qcow2_is_extended(q) ? 4 : 3;
    q->l2_bits = q->cluster_bits - q->l2_entry_bits;
    q->refcount_block_bits = q->cluster_bits + 3 - q->refcount_order;
    return 0;
}

static uint64_t divide_up(uint64_t value, uint32_t bits)
{
    return (value >> bits) + ((value & ((1ull << bits) - 1)) ? 1 : 0);
}

static int32_t make_layout(struct qcow2 *q, uint64_t bytes, struct layout *l,
                           struct tn_error *error)
{
    uint64_t entries = divide_up(bytes, q->cluster_bits + q->l2_bits);
    uint64_t last = 0;

    if (entries > MAX_L1_BYTES / 8)
        return tn_fail(q->host, error, -EFBIG,
                       "the disk is too large for this cluster size");
    q->l1_entries = (uint32_t)entries;
    l->table_clusters = 1;
    l->l1_clusters = divide_up(entries * 8, q->cluster_bits);
    l->l1_clusters += l->l1_clusters == 0;
    l->block_clusters = 1;
    do { /* the blocks count themselves too */
        last = l->block_clusters;
        l->all = 1 + l->table_clusters + last + l->l1_clusters;
        l->block_clusters = divide_up(l->all, q->refcount_block_bits);
        l->table_clusters = divide_up(l->block_clusters * 8, q->cluster_bits);
    } while (l->block_clusters != last ||
             l->all != 1 + l->table_clusters + last + l->l1_clusters);
    return 0;
}

static int32_t write_header(struct qcow2 *q, const struct tn_create *create,
                            const struct layout *l)
{
    uint8_t h[2048] = {0};
    uint64_t at = q->version >= 3 ? HEADER_BYTES : 72;
    size_t format = create->backing_format ? strlen(create->backing_format) : 0;
    size_t backing = create->backing ? strlen(create->backing) : 0;

    if (backing > 1023 || format > 63 ||
        at + 16 + ((format + 7) & ~7ull) + backing > q->cluster)
        return -ENAMETOOLONG;
    put_be32(h, QCOW2_MAGIC);
    put_be32(h + 4, q->version);
    put_be32(h + 20, q->cluster_bits);
    put_be64(h + 24, create->bytes);
    put_be32(h + 36, q->l1_entries);
    put_be64(h + 40, (1 + l->table_clusters + l->block_clusters) * q->cluster);
    put_be64(h + 48, q->cluster);
    put_be32(h + 56, (uint32_t)l->table_clusters);
    if (q->version >= 3) {
        put_be64(h + 72, q->incompatible);
        put_be32(h + 96, q->refcount_order);
        put_be32(h + 100, HEADER_BYTES);
        h[104] = (uint8_t)q->compression;
    }
    if (format) {
        put_be32(h + at, 0xe2792aca);
        put_be32(h + at + 4, (uint32_t)format);
        memcpy(h + at + 8, create->backing_format, format);
        at += 8 + ((format + 7) & ~7ull);
    }
    at += 8; /* the end mark */
    if (backing) {
        memcpy(h + at, create->backing, backing);
        put_be64(h + 8, at);
        put_be32(h + 16, (uint32_t)backing);
        at += backing;
    }
    return q->image->pwrite(q->host, 0, 0, h, at);
}

static int32_t write_refcounts(struct qcow2 *q, const struct layout *l)
{
    uint64_t first = 1 + l->table_clusters;
    uint8_t entry[8];
    int32_t rc = 0;

    q->refcount_table_offset = q->cluster;
    q->refcount_table_entries =
        (uint32_t)(l->table_clusters << q->cluster_bits >> 3);
    q->refcount_table =
        q->image->allocate(q->host, q->refcount_table_entries * 8ull);
    if (!q->refcount_table)
        return -ENOMEM;
    for (uint64_t i = 0; !rc && i < l->block_clusters; i++) {
        q->refcount_table[i] = (first + i) << q->cluster_bits;
        put_be64(entry, q->refcount_table[i]);
        rc = q->image->pwrite(q->host, 0, q->cluster + i * 8, entry, 8);
    }
    for (uint64_t i = 0; !rc && i < l->all; i++)
        rc = qcow2_refcount_add(q, i, 1);
    return rc;
}

int32_t qcow2_create(void *self, const struct tn_create *create,
                     struct tn_error *error)
{
    struct qcow2 *q = self;
    struct layout l;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    rc = read_options(q, error);
    if (!rc)
        rc = make_layout(q, create->bytes, &l, error);
    if (rc)
        return rc;
    rc = q->image->set_block(q->host, q->cluster < METADATA_UNIT
                                          ? (uint32_t)q->cluster
                                          : METADATA_UNIT);
    if (!rc)
        rc = q->image->set_length(q->host, 0, l.all << q->cluster_bits, error);
    if (!rc)
        rc = write_refcounts(q, &l);
    if (!rc)
        rc = q->image->flush(q->host);
    if (!rc) /* the header makes it an image: last */
        rc = write_header(q, create, &l);
    q->image->free(q->host, q->refcount_table);
    q->refcount_table = NULL;
    if (rc)
        return tn_fail(q->host, error, rc, "the image could not be made: %s",
                       strerror(-rc));
    return 0;
}
