/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header cluster: fields, extensions, the backing image's name. Every value
 * is checked before anything uses it.
 *
 * Writing: all that the image depends on stands in the first sector, which
 * reaches the disk as a whole. If what lies behind it changes too, the first
 * sector ends the extensions for as long as that takes.
 */
#include "qcow2.h"

#include <errno.h>
#include <string.h>

#define SECTOR 512u

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
    if (unknown)
        return tn_fail(q->host, error, -ENOTSUP,
                       "unknown incompatible features %#llx",
                       (unsigned long long)unknown);
    if (q->incompatible & INCOMPAT_COMPRESSION &&
        q->header_bytes > H_COMPRESSION)
        q->compression = h[H_COMPRESSION];
    if (q->compression > COMPRESSION_ZSTD)
        return tn_fail(q->host, error, -ENOTSUP,
                       "unknown compression type %u", q->compression);
    return 0;
}

static int32_t parse_sizes(struct qcow2 *q, const uint8_t *h, uint32_t flags,
                           struct tn_error *error)
{
    uint32_t table_clusters = get_be32(h + H_REFTABLE_CLUSTERS);

    q->cluster_bits = get_be32(h + H_CLUSTER_BITS);
    if (q->cluster_bits < 9 || q->cluster_bits > 21 ||
        (qcow2_is_extended(q) && q->cluster_bits < 14))
        return bad(q, error, "the cluster size is out of range");
    q->cluster = 1ull << q->cluster_bits;
    if (q->header_bytes > q->cluster)
        return bad(q, error, "the header is longer than a cluster");
    q->l2_entry_bits = qcow2_is_extended(q) ? 4 : 3;
    q->l2_bits = q->cluster_bits - q->l2_entry_bits;
    q->refcount_block_bits = q->cluster_bits + 3 - q->refcount_order;
    q->bytes = get_be64(h + H_SIZE);
    q->l1_entries = get_be32(h + H_L1_ENTRIES);
    q->l1_offset = get_be64(h + H_L1_OFFSET);
    q->refcount_table_offset = get_be64(h + H_REFTABLE_OFFSET);
    q->snapshots_offset = get_be64(h + H_SNAPSHOTS_OFFSET);
    if (q->bytes >> 62)
        return bad(q, error, "the disk is too large");
    if (q->l1_entries < qcow2_l1_wanted(q, q->bytes) ||
        q->l1_entries * 8ull > MAX_L1_BYTES)
        return bad(q, error, "the size of the L1 table is wrong");
    if (table_clusters > MAX_REFCOUNT_TABLE_BYTES >> q->cluster_bits) {
        if (!(flags & TN_IMAGE_CHECK))
            return bad(q, error, "the refcount table is too large");
        q->refcounts_lost = 1;
        table_clusters = 0;
    }
    q->refcount_table_entries =
        (uint32_t)(((uint64_t)table_clusters << q->cluster_bits) / 8);
    return 0;
}

static int32_t parse_header(struct qcow2 *q, const uint8_t *h, uint32_t flags,
                            struct tn_error *error)
{
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
    memcpy(q->header, h, q->header_bytes);
    q->crypt_method = get_be32(h + H_ENCRYPTION);
    if (q->crypt_method > CRYPT_LUKS)
        return tn_fail(q->host, error, -ENOTSUP, "unknown encryption %u",
                       q->crypt_method);
    return parse_sizes(q, h, flags, error);
}

/* ---- extensions ---- */

static int32_t keep(struct qcow2 *q, uint8_t **list, uint32_t *bytes,
                    const uint8_t *extension, uint32_t length)
{
    uint32_t padded = 8 + ((length + 7) & ~7u);
    uint8_t *more = q->image->allocate(q->host, *bytes + padded);

    if (!more)
        return -ENOMEM;
    if (*list)
        memcpy(more, *list, *bytes);
    memcpy(more + *bytes, extension, 8 + length);
    q->image->free(q->host, *list);
    *list = more;
    *bytes += padded;
    return 0;
}

static int32_t take_string(struct qcow2 *q, char *to, size_t room,
                           const uint8_t *data, uint32_t length,
                           const char *what, struct tn_error *error)
{
    if (length >= room)
        return tn_fail(q->host, error, -EINVAL,
                       "not a valid qcow2 image: %s is too long", what);
    memcpy(to, data, length);
    to[length] = 0;
    return 0;
}

static int32_t parse_extension(struct qcow2 *q, uint32_t type,
                               const uint8_t *at, uint32_t length,
                               struct tn_error *error)
{
    const uint8_t *data = at + 8;

    switch (type) {
    case EXTENSION_BACKING_FORMAT:
        return take_string(q, q->backing_format, sizeof q->backing_format,
                           data, length, "the backing format's name", error);
    case EXTENSION_DATA_FILE:
        return take_string(q, q->data_name, sizeof q->data_name, data, length,
                           "the data file's name", error);
    case EXTENSION_FEATURES:
        return keep(q, &q->features, &q->features_bytes, at, length);
    case EXTENSION_CRYPT:
        if (length != 16)
            return bad(q, error, "the encryption extension's length is wrong");
        q->crypt_offset = get_be64(data);
        q->crypt_bytes = get_be64(data + 8);
        return 0;
    case EXTENSION_BITMAPS:
        if (length != 24)
            return bad(q, error, "the bitmap extension's length is wrong");
        q->n_bitmaps = get_be32(data);
        q->directory_bytes = get_be64(data + 8);
        q->directory_offset = get_be64(data + 16);
        return 0;
    default:
        return keep(q, &q->unknown, &q->unknown_bytes, at, length);
    }
}

/* Header extensions lie between the header and the backing file's name. */
static int32_t parse_extensions(struct qcow2 *q, const uint8_t *h,
                                uint64_t bytes, struct tn_error *error)
{
    uint64_t at = q->header_bytes, end = get_be64(h + H_BACKING_OFFSET);
    uint32_t type, length;
    int32_t rc;

    if (end == 0 || end > bytes)
        end = bytes;
    while (at + 8 <= end) {
        type = get_be32(h + at);
        length = get_be32(h + at + 4);
        if (type == EXTENSION_END)
            return 0;
        if (length > end - at - 8)
            return bad(q, error, "a header extension is longer than the rest");
        rc = parse_extension(q, type, h + at, length, error);
        if (rc < 0)
            return rc;
        at += 8 + (((uint64_t)length + 7) & ~7ull);
    }
    return 0;
}

static int32_t parse_backing(struct qcow2 *q, const uint8_t *h, uint64_t bytes,
                             struct tn_error *error)
{
    uint64_t offset = get_be64(h + H_BACKING_OFFSET);
    uint32_t length = get_be32(h + H_BACKING_BYTES);

    if (offset == 0)
        return 0;
    if (length > 1023 || offset > bytes || length > bytes - offset)
        return bad(q, error, "the backing file's name is out of place");
    memcpy(q->backing, h + offset, length);
    q->backing[length] = 0;
    q->backing_offset = offset;
    q->has_backing = length > 0;
    return 0;
}

#define FIRST_READ 65536u /* all of the first cluster, mostly */

/* The first BYTES; what *H had before is freed. */
static int32_t read_header(struct qcow2 *q, uint8_t **h, uint64_t bytes)
{
    q->image->free(q->host, *h);
    *h = q->image->allocate(q->host, bytes + MAX_HEADER);
    return *h ? q->image->pread(q->host, 0, 0, *h, bytes) : -ENOMEM;
}

int32_t qcow2_header_parse(struct qcow2 *q, uint32_t flags,
                           struct tn_error *error)
{
    uint64_t length = q->image->length(q->host, 0), bytes;
    uint8_t *h = NULL;
    int32_t rc;

    if (length < V2_BYTES)
        return bad(q, error, "it is shorter than a header");
    rc = read_header(q, &h, length < FIRST_READ ? length : FIRST_READ);
    if (rc == 0)
        rc = parse_header(q, h, flags, error);
    bytes = q->cluster < length ? q->cluster : length;
    if (rc == 0 && bytes > FIRST_READ)
        rc = read_header(q, &h, bytes);
    if (rc == 0)
        rc = parse_extensions(q, h, bytes, error);
    if (rc == 0)
        rc = parse_backing(q, h, bytes, error);
    if (rc == 0)
        rc = qcow2_snapshots_read(q, get_be32(h + H_SNAPSHOTS), flags, error);
    q->image->free(q->host, h);
    return rc;
}

void qcow2_header_free(struct qcow2 *q)
{
    qcow2_snapshots_free(q);
    q->image->free(q->host, q->unknown);
    q->image->free(q->host, q->features);
    q->unknown = q->features = NULL;
    q->unknown_bytes = q->features_bytes = 0;
}

/* ---- writing ---- */

struct writer {
    uint8_t *out;
    uint64_t at, room;
};

static int put_extension(struct writer *w, uint32_t type, const void *data,
                         uint32_t length)
{
    if (8 + length + 16 > w->room - w->at)
        return 0;
    put_be32(w->out + w->at, type);
    put_be32(w->out + w->at + 4, length);
    memcpy(w->out + w->at + 8, data, length);
    w->at += 8 + ((length + 7) & ~7u);
    return 1;
}

static int put_list(struct writer *w, const uint8_t *list, uint32_t bytes)
{
    if (bytes + 8 > w->room - w->at)
        return 0;
    if (bytes)
        memcpy(w->out + w->at, list, bytes);
    w->at += bytes;
    return 1;
}

static void put_fields(const struct qcow2 *q, uint8_t *h)
{
    memcpy(h, q->header, q->header_bytes);
    put_be32(h, QCOW2_MAGIC);
    put_be32(h + H_VERSION, q->version);
    put_be32(h + H_CLUSTER_BITS, q->cluster_bits);
    put_be64(h + H_SIZE, q->bytes);
    put_be32(h + H_ENCRYPTION, q->crypt_method);
    put_be32(h + H_L1_ENTRIES, q->l1_entries);
    put_be64(h + H_L1_OFFSET, q->l1_offset);
    put_be64(h + H_REFTABLE_OFFSET, q->refcount_table_offset);
    put_be32(h + H_REFTABLE_CLUSTERS,
             (uint32_t)(q->refcount_table_entries * 8ull >> q->cluster_bits));
    put_be32(h + H_SNAPSHOTS, q->n_snapshots);
    put_be64(h + H_SNAPSHOTS_OFFSET, q->n_snapshots ? q->snapshots_offset : 0);
    if (q->version < 3)
        return;
    put_be64(h + H_INCOMPATIBLE, q->incompatible);
    put_be64(h + H_COMPATIBLE, q->compatible);
    put_be64(h + H_AUTOCLEAR, q->autoclear);
    put_be32(h + H_REFCOUNT_ORDER, q->refcount_order);
    put_be32(h + H_HEADER_BYTES, q->header_bytes);
    if (q->header_bytes > H_COMPRESSION)
        h[H_COMPRESSION] = (uint8_t)q->compression;
}

/* Those that must not get lost come first. */
static int put_extensions(const struct qcow2 *q, struct writer *w)
{
    uint8_t data[24] = {0};
    int ok = 1;

    if (q->n_bitmaps) {
        put_be32(data, q->n_bitmaps);
        put_be64(data + 8, q->directory_bytes);
        put_be64(data + 16, q->directory_offset);
        ok = put_extension(w, EXTENSION_BITMAPS, data, 24);
    }
    if (ok && q->crypt_method == CRYPT_LUKS) {
        put_be64(data, q->crypt_offset);
        put_be64(data + 8, q->crypt_bytes);
        ok = put_extension(w, EXTENSION_CRYPT, data, 16);
    }
    if (ok && q->backing_format[0])
        ok = put_extension(w, EXTENSION_BACKING_FORMAT, q->backing_format,
                           (uint32_t)strlen(q->backing_format));
    if (ok && q->data_name[0])
        ok = put_extension(w, EXTENSION_DATA_FILE, q->data_name,
                           (uint32_t)strlen(q->data_name));
    if (ok)
        ok = put_list(w, q->unknown, q->unknown_bytes);
    return ok;
}

/* Where the backing image's name goes: not over the one that stands there,
 * which holds until the first sector is written. */
static uint64_t name_place(const struct qcow2 *q, uint64_t least,
                           uint64_t length)
{
    uint64_t old = get_be64(q->header + H_BACKING_OFFSET);
    uint64_t old_end = old + get_be32(q->header + H_BACKING_BYTES);

    if (old >= least && old == q->backing_offset &&
        old + length <= q->cluster)
        return old; /* the same */
    if (least + length <= old || old_end <= least ||
        old_end + length > q->cluster)
        return least;
    return old_end;
}

int32_t qcow2_header_build(struct qcow2 *q, uint8_t *out,
                           struct tn_error *error)
{
    struct writer w = {out, q->header_bytes, q->cluster};
    uint32_t length = (uint32_t)strlen(q->backing);

    memset(out, 0, q->cluster);
    put_fields(q, out);
    /* Names of features are for old readers; they go if there is no room. */
    if (!put_extensions(q, &w) || w.at + 8 + length > q->cluster)
        return tn_fail(q->host, error, -ENOSPC,
                       "the header has no room for the backing image's name "
                       "and what else stands there: %llu bytes",
                       (unsigned long long)q->cluster);
    if (q->version >= 3 && q->features_bytes &&
        w.at + q->features_bytes + 8 + length <= q->cluster)
        put_list(&w, q->features, q->features_bytes);
    w.at += 8; /* the end: zeroes */
    q->backing_offset = length ? name_place(q, w.at, length) : 0;
    put_be64(out + H_BACKING_OFFSET, q->backing_offset);
    put_be32(out + H_BACKING_BYTES, length);
    if (length)
        memcpy(out + q->backing_offset, q->backing, length);
    return 0;
}

static int32_t write_stable(struct qcow2 *q, uint64_t offset, const void *data,
                            uint64_t bytes)
{
    int32_t rc = q->image->pwrite(q->host, 0, offset, data, bytes);

    return rc == 0 ? q->image->flush(q->host) : rc;
}

/* The first sector of OLD, with the extensions ending inside it. */
static void interim(const struct qcow2 *q, uint8_t *sector)
{
    uint64_t at = q->header_bytes;

    while (at + 8 <= SECTOR && get_be32(sector + at)) {
        uint64_t next = at + 8 + ((get_be32(sector + at + 4) + 7ull) & ~7ull);

        if (next + 8 > SECTOR)
            break;
        at = next;
    }
    if (at + 8 <= SECTOR)
        memset(sector + at, 0, 8);
}

int32_t qcow2_header_write(struct qcow2 *q, struct tn_error *error)
{
    uint8_t *h = q->image->allocate(q->host, 2 * q->cluster);
    uint8_t sector[SECTOR];
    uint8_t *old = h + q->cluster;
    int32_t rc = h ? qcow2_header_build(q, h, error) : -ENOMEM;

    if (rc == 0)
        rc = q->image->pread(q->host, 0, 0, old, q->cluster);
    if (rc == 0)
        rc = q->image->flush(q->host);
    if (rc == 0 && memcmp(old + SECTOR, h + SECTOR, q->cluster - SECTOR)) {
        memcpy(sector, old, SECTOR);
        interim(q, sector);
        if (memcmp(sector, old, SECTOR))
            rc = write_stable(q, 0, sector, SECTOR);
        if (rc == 0)
            rc = write_stable(q, SECTOR, h + SECTOR, q->cluster - SECTOR);
    }
    if (rc == 0)
        rc = write_stable(q, 0, h, SECTOR);
    if (rc == 0)
        memcpy(q->header, h, q->header_bytes);
    q->image->free(q->host, h);
    return rc < 0 ? tn_fail(q->host, error, rc, "the header cannot be written")
                  : 0;
}
