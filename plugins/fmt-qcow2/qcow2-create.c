/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image: header, refcount table, refcount blocks for what is written
 * here, encryption header, an L1 table, and with preallocation the L2 tables
 * and the data, in this order. The header is written last: until then it is no
 * image.
 */
#include "qcow2-create.h"

#include <errno.h>
#include <string.h>

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* ---- options ---- */

static int32_t read_sizes(struct qcow2 *q, struct layout *l,
                          const struct tn_props *props, struct tn_error *error)
{
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
    return 0;
}

static int32_t check_options(struct qcow2 *q, const struct layout *l,
                             const struct tn_create *c,
                             struct tn_error *error)
{
    if (l->version == 2 && (l->refcount_order != 4 || l->extended ||
                            l->compression || l->lazy || l->data_file))
        return tn_fail(q->host, error, -EINVAL,
                       "compat = 0.10 has none of the newer features");
    if (l->extended && l->cluster_bits < 14)
        return tn_fail(q->host, error, -EINVAL,
                       "extended-l2 needs clusters of at least 16K");
    if (l->data_raw && !l->data_file)
        return tn_fail(q->host, error, -EINVAL,
                       "data-file-raw needs a data-file");
    if (l->data_keep && !l->data_file)
        return tn_fail(q->host, error, -EINVAL,
                       "keep-data-file needs a data-file");
    if (l->data_keep && (l->preallocation == TN_PREALLOCATE_OFF ||
                         l->preallocation == TN_PREALLOCATE_FULL))
        return tn_fail(q->host, error, -EINVAL,
                       "what is in the data file can only be seen with "
                       "data-file-raw or preallocation=metadata or falloc");
    if (l->data_raw && c->backing)
        return tn_fail(q->host, error, -EINVAL,
                       "data-file-raw and a backing image exclude each other");
    if (l->data_file && l->crypt)
        return tn_fail(q->host, error, -EINVAL,
                       "a data file cannot be encrypted");
    if (l->preallocation && c->backing && !l->extended)
        return tn_fail(q->host, error, -EINVAL,
                       "preallocation hides the backing image: only "
                       "extended-l2 goes with both");
    return 0;
}

int32_t layout_options(struct qcow2 *q, struct layout *l,
                       const struct tn_create *c, struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    int32_t rc = read_sizes(q, l, props, error);

    if (rc < 0)
        return rc;
    l->extended = (uint32_t)props->get_uint(q->host, "extended-l2");
    l->compression = (uint32_t)props->get_uint(q->host, "compression-type");
    l->lazy = (uint32_t)props->get_uint(q->host, "lazy-refcounts");
    l->preallocation = (uint32_t)props->get_uint(q->host, "preallocation");
    l->data_file = props->get_string(q->host, "data-file");
    if (l->data_file && !l->data_file[0])
        l->data_file = NULL;
    l->data_raw = (uint32_t)props->get_uint(q->host, "data-file-raw");
    l->data_keep = (uint32_t)props->get_uint(q->host, "keep-data-file");
    /* Whoever reads the raw file sees all of it. */
    if (l->data_raw && !l->preallocation)
        l->preallocation = TN_PREALLOCATE_METADATA;
    rc = crypt_options(q, l, error);
    return rc < 0 ? rc : check_options(q, l, c, error);
}

/* ---- layout ---- */

/* Sizes that depend on each other: the blocks count themselves too. */
int32_t layout_make(struct qcow2 *q, struct layout *l, uint64_t bytes,
                    uint32_t all, struct tn_error *error)
{
    uint64_t per_table = l->cluster / (l->extended ? 16 : 8);
    uint64_t per_block = l->cluster * 8 >> l->refcount_order, before;
    uint64_t clusters = ceil_div(bytes, l->cluster);

    if (bytes >> 62)
        return tn_fail(q->host, error, -EINVAL, "the disk is too large");
    l->l1_entries = ceil_div(clusters, per_table);
    if (l->l1_entries == 0)
        l->l1_entries = 1;
    if (l->l1_entries * 8 > MAX_L1_BYTES)
        return tn_fail(q->host, error, -EINVAL,
                       "the disk is too large for clusters of %llu bytes",
                       (unsigned long long)l->cluster);
    l->l1 = ceil_div(l->l1_entries * 8, l->cluster);
    l->l2 = all ? ceil_div(clusters, per_table) : 0;
    l->data = all && !l->data_file ? clusters : 0;
    l->crypt_clusters =
        l->crypt == CRYPT_LUKS ? ceil_div(crypt_header_bytes(q), l->cluster)
                               : 0;
    l->table = l->blocks = 0;
    do {
        before = l->blocks + l->table;
        l->total = 1 + l->table + l->blocks + l->crypt_clusters + l->l1 +
                   l->l2 + l->data;
        l->blocks = ceil_div(l->total, per_block);
        l->table = ceil_div(l->blocks * 8, l->cluster);
    } while (before != l->blocks + l->table);
    if (l->table * l->cluster > MAX_REFCOUNT_TABLE_BYTES)
        return tn_fail(q->host, error, -EINVAL,
                       "the disk is too large for reference counts of %u bits",
                       1u << l->refcount_order);
    return 0;
}

static uint64_t l1_place(const struct layout *l)
{
    return (1 + l->table + l->blocks + l->crypt_clusters) * l->cluster;
}

static uint64_t data_place(const struct layout *l)
{
    return l1_place(l) + (l->l1 + l->l2) * l->cluster;
}

/* ---- writing, a cluster at a time ---- */

struct writer {
    struct qcow2 *q;
    const struct layout *l;
    uint64_t clusters; /* of the guest */
    uint32_t backing;
    uint8_t *buffer;
};

static int32_t write_table(struct writer *w)
{
    const struct layout *l = w->l;
    uint64_t per_cluster = l->cluster / 8;
    int32_t rc = 0;

    for (uint64_t t = 0; rc == 0 && t < l->table; t++) {
        memset(w->buffer, 0, l->cluster);
        for (uint64_t i = 0; i < per_cluster; i++)
            if (t * per_cluster + i < l->blocks)
                put_be64(w->buffer + i * 8,
                         (1 + l->table + t * per_cluster + i) * l->cluster);
        rc = w->q->image->pwrite(w->q->host, 0, (1 + t) * l->cluster,
                                 w->buffer, l->cluster);
    }
    return rc;
}

static int32_t write_blocks(struct writer *w)
{
    const struct layout *l = w->l;
    struct qcow2 *q = w->q;
    uint64_t per_block = l->cluster * 8 >> l->refcount_order;
    int32_t rc = 0;

    for (uint64_t b = 0; rc == 0 && b < l->blocks; b++) {
        memset(w->buffer, 0, l->cluster);
        for (uint64_t i = 0;
             i < per_block && b * per_block + i < l->total; i++)
            qcow2_count_put(q, w->buffer, i, 1);
        rc = q->image->pwrite(q->host, 0, (1 + l->table + b) * l->cluster,
                              w->buffer, l->cluster);
    }
    return rc;
}

static int32_t write_l1(struct writer *w)
{
    const struct layout *l = w->l;
    uint64_t per_cluster = l->cluster / 8;
    int32_t rc = 0;

    for (uint64_t t = 0; rc == 0 && t < l->l1; t++) {
        memset(w->buffer, 0, l->cluster);
        for (uint64_t i = 0; i < per_cluster; i++)
            if (t * per_cluster + i < l->l2)
                put_be64(w->buffer + i * 8,
                         (l1_place(l) +
                          (l->l1 + t * per_cluster + i) * l->cluster) |
                             ENTRY_COPIED);
        rc = w->q->image->pwrite(w->q->host, 0,
                                 l1_place(l) + t * l->cluster, w->buffer,
                                 l->cluster);
    }
    return rc;
}

static int32_t write_l2(struct writer *w)
{
    const struct layout *l = w->l;
    uint32_t entry = l->extended ? 16 : 8;
    uint64_t per_table = l->cluster / entry;
    uint64_t data = l->data_file ? 0 : data_place(l);
    int32_t rc = 0;

    for (uint64_t t = 0; rc == 0 && t < l->l2; t++) {
        memset(w->buffer, 0, l->cluster);
        for (uint64_t i = 0; i < per_table; i++) {
            uint64_t n = t * per_table + i;

            if (n >= w->clusters)
                break;
            put_be64(w->buffer + i * entry,
                     (data + n * l->cluster) | ENTRY_COPIED);
            if (l->extended)
                put_be64(w->buffer + i * entry + 8,
                         w->backing ? 0 : 0xffffffffull);
        }
        rc = w->q->image->pwrite(w->q->host, 0,
                                 l1_place(l) + (l->l1 + t) * l->cluster,
                                 w->buffer, l->cluster);
    }
    return rc;
}

/* The space that the tables already refer to. */
static int32_t make_data(struct writer *w, uint64_t bytes,
                         struct tn_error *error)
{
    const struct layout *l = w->l;
    struct qcow2 *q = w->q;
    uint64_t at = l->data_file ? 0 : data_place(l);
    uint64_t end = l->data_file ? bytes : at + l->data * l->cluster;

    if (l->preallocation >= TN_PREALLOCATE_FALLOC && end > at)
        return q->image->preallocate(q->host, q->data_file, at, end - at,
                                     l->preallocation, error);
    if (l->data_keep && q->image->length(q->host, q->data_file) >= end)
        return 0;
    return q->image->set_length(q->host, q->data_file, end, error);
}

static int32_t write_parts(struct writer *w, uint64_t bytes,
                           struct tn_error *error)
{
    const struct layout *l = w->l;
    struct qcow2 *q = w->q;
    int32_t rc =
        q->image->set_length(q->host, 0, (l->total - l->data) * l->cluster,
                             error);

    if (rc < 0)
        return rc;
    rc = write_table(w);
    if (rc == 0)
        rc = write_blocks(w);
    if (rc == 0 && l->l2)
        rc = write_l1(w);
    if (rc == 0)
        rc = write_l2(w);
    if (rc < 0)
        return tn_fail(q->host, error, rc, "the image cannot be written");
    return l->l2 || l->data_file ? make_data(w, bytes, error) : 0;
}

/* ---- the header ---- */

static void set_fields(struct qcow2 *q, const struct layout *l,
                       const struct tn_create *c)
{
    q->version = l->version;
    q->cluster_bits = l->cluster_bits;
    q->cluster = l->cluster;
    q->bytes = c->bytes;
    q->header_bytes = l->version == 3 ? V3_BYTES_NEW : V2_BYTES;
    q->l1_entries = (uint32_t)l->l1_entries;
    q->l1_offset = l1_place(l);
    q->refcount_order = l->refcount_order;
    q->refcount_table_offset = l->cluster;
    q->refcount_table_entries = (uint32_t)(l->table * l->cluster / 8);
    q->incompatible = (l->extended ? INCOMPAT_EXTENDED_L2 : 0) |
                      (l->compression ? INCOMPAT_COMPRESSION : 0) |
                      (l->data_file ? INCOMPAT_EXTERNAL_DATA : 0);
    q->compatible = l->lazy ? COMPAT_LAZY_REFCOUNTS : 0;
    q->autoclear = l->data_raw ? AUTOCLEAR_RAW_EXTERNAL : 0;
    q->compression = l->compression;
    q->crypt_method = l->crypt;
}

static int32_t set_names(struct qcow2 *q, const struct layout *l,
                         const struct tn_create *c, struct tn_error *error)
{
    if ((c->backing && strlen(c->backing) >= sizeof q->backing) ||
        (c->backing_format &&
         strlen(c->backing_format) >= sizeof q->backing_format) ||
        (l->data_file && strlen(l->data_file) >= sizeof q->data_name))
        return tn_fail(q->host, error, -EINVAL,
                       "the name of the backing image, its format or the data "
                       "file is too long");
    if (c->backing)
        strcpy(q->backing, c->backing);
    if (c->backing && c->backing_format)
        strcpy(q->backing_format, c->backing_format);
    if (l->data_file)
        strcpy(q->data_name, l->data_file);
    return 0;
}

/* What stands in the header must fit in before anything is made. */
static int32_t build_header(struct qcow2 *q, const struct layout *l,
                            const struct tn_create *c, uint8_t *buffer,
                            struct tn_error *error)
{
    int32_t rc;

    set_fields(q, l, c);
    rc = set_names(q, l, c, error);
    if (rc == 0)
        rc = qcow2_header_build(q, buffer, error);
    return rc;
}

static int32_t make_image(struct qcow2 *q, const struct layout *l,
                          const struct tn_create *c, uint8_t *buffer,
                          struct tn_error *error)
{
    struct writer w = {q, l, ceil_div(c->bytes, l->cluster),
                       c->backing != NULL, buffer};
    uint64_t crypt = (1 + l->table + l->blocks) * l->cluster;
    int32_t rc = build_header(q, l, c, buffer, error);

    if (rc == 0 && l->data_file) {
        rc = l->data_keep
                 ? q->image->add_file(q->host, l->data_file, TN_IMAGE_WRITABLE,
                                      error)
                 : q->image->create_file(q->host, l->data_file, 0, error);
        if (rc >= 0) {
            q->data_file = (uint32_t)rc;
            rc = 0;
        }
    }
    if (rc == 0)
        rc = write_parts(&w, c->bytes, error);
    if (rc == 0 && l->crypt == CRYPT_LUKS)
        rc = crypt_create(q, crypt, error);
    if (rc == 0)
        rc = qcow2_header_build(q, buffer, error);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0)
        rc = q->image->pwrite(q->host, 0, 0, buffer, l->cluster);
    return rc;
}

int32_t qcow2_create(void *self, const struct tn_create *c,
                     struct tn_error *error)
{
    struct qcow2 *q = self;
    struct layout l = {0};
    uint8_t *buffer;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    (void)tn_fail(q->host, error, 0, "the image cannot be made");
    rc = layout_options(q, &l, c, error);
    if (rc == 0)
        rc = layout_make(q, &l, c->bytes, l.preallocation != 0, error);
    if (rc < 0)
        return rc;
    buffer = q->image->allocate(q->host, l.cluster);
    if (!buffer)
        return -ENOMEM;
    rc = make_image(q, &l, c, buffer, error);
    q->image->free(q->host, buffer);
    qcow2_crypt_close(q);
    return rc;
}
