/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image: header, refcount table, refcount blocks for what is written
 * here, and an L1 table of zeroes, in this order, a cluster or more each.
 */
#include "qcow2.h"

#include <errno.h>
#include <string.h>

struct layout {
    uint64_t cluster;
    uint32_t cluster_bits, refcount_order, version;
    uint64_t table_clusters, block_clusters, l1_clusters, l1_entries;
    uint32_t extended, compression, lazy;
};

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static int32_t read_options(struct qcow2 *q, struct layout *l,
                            struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    uint64_t cluster = props->get_uint(q->host, "cluster-size");
    uint64_t refcount_bits = props->get_uint(q->host, "refcount-bits");

    if (cluster < 512 || cluster > 2u << 20 || cluster & (cluster - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "cluster-size must be a power of two, 512 to 2M");
    if (refcount_bits == 0 || refcount_bits > 64 ||
        refcount_bits & (refcount_bits - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "refcount-bits must be a power of two up to 64");
    l->cluster = cluster;
    l->cluster_bits = (uint32_t)__builtin_ctzll(cluster);
    l->refcount_order = (uint32_t)__builtin_ctzll(refcount_bits);
    l->version = (uint32_t)props->get_uint(q->host, "compat") == 0 ? 2 : 3;
    l->extended = (uint32_t)props->get_uint(q->host, "extended-l2");
    l->compression = (uint32_t)props->get_uint(q->host, "compression-type");
    l->lazy = (uint32_t)props->get_uint(q->host, "lazy-refcounts");
    if (l->version == 2 && (l->refcount_order != 4 || l->extended ||
                            l->compression || l->lazy))
        return tn_fail(q->host, error, -EINVAL,
                       "compat = 0.10 has none of the newer features");
    if (l->extended && l->cluster_bits < 14)
        return tn_fail(q->host, error, -EINVAL,
                       "extended-l2 needs clusters of at least 16K");
    return 0;
}

/* Sizes that depend on each other: the blocks count themselves too. */
static void lay_out(struct layout *l, uint64_t bytes)
{
    uint64_t per_table = l->cluster / (l->extended ? 16 : 8);
    uint64_t per_block = l->cluster * 8 >> l->refcount_order, total, before;

    l->l1_entries = ceil_div(ceil_div(bytes, l->cluster), per_table);
    if (l->l1_entries == 0)
        l->l1_entries = 1;
    l->l1_clusters = ceil_div(l->l1_entries * 8, l->cluster);
    l->table_clusters = 1;
    l->block_clusters = 1;
    do {
        before = l->block_clusters + l->table_clusters;
        total = 1 + l->table_clusters + l->block_clusters + l->l1_clusters;
        l->block_clusters = ceil_div(total, per_block);
        l->table_clusters = ceil_div(l->block_clusters * 8, l->cluster);
    } while (before != l->block_clusters + l->table_clusters);
}

static uint32_t put_extensions(uint8_t *h, uint32_t at,
                               const struct tn_create *c)
{
    uint32_t n;

    if (c->backing_format) {
        n = (uint32_t)strlen(c->backing_format);
        put_be32(h + at, 0xe2792acau);
        put_be32(h + at + 4, n);
        memcpy(h + at + 8, c->backing_format, n);
        at += 8 + ((n + 7) & ~7u);
    }
    return at + 8; /* the end marker is zeroes */
}

static void fill_header(uint8_t *h, const struct layout *l,
                        const struct tn_create *c)
{
    uint32_t bytes = l->version == 3 ? 112 : 72, end;
    uint64_t incompatible = (l->extended ? INCOMPAT_EXTENDED_L2 : 0) |
                            (l->compression ? INCOMPAT_COMPRESSION : 0);

    put_be32(h, QCOW2_MAGIC);
    put_be32(h + 4, l->version);
    put_be32(h + 20, l->cluster_bits);
    put_be64(h + 24, c->bytes);
    put_be32(h + 36, (uint32_t)l->l1_entries);
    put_be64(h + 40,
             (1 + l->table_clusters + l->block_clusters) * l->cluster);
    put_be64(h + 48, l->cluster);
    put_be32(h + 56, (uint32_t)l->table_clusters);
    if (l->version == 3) {
        put_be64(h + 72, incompatible);
        put_be64(h + 80, l->lazy ? COMPAT_LAZY_REFCOUNTS : 0);
        put_be32(h + 96, l->refcount_order);
        put_be32(h + 100, bytes);
        h[104] = (uint8_t)l->compression;
    }
    end = put_extensions(h, bytes, c);
    if (c->backing) {
        put_be64(h + 8, end);
        put_be32(h + 16, (uint32_t)strlen(c->backing));
        memcpy(h + end, c->backing, strlen(c->backing));
    }
}

/* Counts of one for the first N clusters. */
static void fill_counts(uint8_t *blocks, uint32_t order, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (order < 3) {
            uint64_t bit = i << order;

            blocks[bit / 8] |= (uint8_t)(1u << (bit % 8));
        } else {
            uint64_t bytes = 1ull << (order - 3);

            blocks[(i + 1) * bytes - 1] = 1;
        }
    }
}

static int32_t write_image(struct qcow2 *q, const struct layout *l,
                           const struct tn_create *c, struct tn_error *error)
{
    uint64_t before_l1 = 1 + l->table_clusters + l->block_clusters;
    uint64_t total = before_l1 + l->l1_clusters;
    uint8_t *image = q->image->allocate(q->host, before_l1 * l->cluster);
    uint8_t *table, *blocks;
    int32_t rc;

    if (!image)
        return -ENOMEM;
    table = image + l->cluster;
    blocks = table + l->table_clusters * l->cluster;
    fill_counts(blocks, l->refcount_order, total);
    for (uint64_t i = 0; i < l->block_clusters; i++)
        put_be64(table + i * 8, (1 + l->table_clusters + i) * l->cluster);
    fill_header(image, l, c);
    rc = q->image->set_length(q->host, 0, total * l->cluster, error);
    if (rc == 0)
        rc = q->image->pwrite(q->host, 0, l->cluster, table,
                              (before_l1 - 1) * l->cluster);
    if (rc == 0) /* the header last: until then it is no image */
        rc = q->image->pwrite(q->host, 0, 0, image, l->cluster);
    q->image->free(q->host, image);
    return rc;
}

int32_t qcow2_create(void *self, const struct tn_create *c,
                     struct tn_error *error)
{
    struct qcow2 *q = self;
    struct layout l = {0};
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    rc = read_options(q, &l, error);
    if (rc < 0)
        return rc;
    if (c->bytes >> 62)
        return tn_fail(q->host, error, -EINVAL, "the disk is too large");
    lay_out(&l, c->bytes);
    if (l.l1_entries * 8 > MAX_L1_BYTES)
        return tn_fail(q->host, error, -EINVAL,
                       "the disk is too large for clusters of %llu bytes",
                       (unsigned long long)l.cluster);
    if ((c->backing && strlen(c->backing) > 1023) ||
        (c->backing_format && strlen(c->backing_format) > 63) ||
        (c->backing ? strlen(c->backing) : 0) + 256 > l.cluster)
        return tn_fail(q->host, error, -EINVAL,
                       "the backing file's name is too long");
    return write_image(q, &l, c, error);
}
