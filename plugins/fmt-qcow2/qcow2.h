/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The qcow2 image format, versions 2 and 3, after the format's public
 * specification ("The Qcow2 image file format"). The plugin answers where
 * bytes are and changes the tables; the block engine moves the data.
 */
#ifndef TENON_FMT_QCOW2_H
#define TENON_FMT_QCOW2_H

#include "tenon/block-plugin.h"

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */

/* Incompatible features: an unknown one forbids opening. */
#define INCOMPAT_DIRTY 0x1ull
#define INCOMPAT_CORRUPT 0x2ull
#define INCOMPAT_EXTERNAL_DATA 0x4ull
#define INCOMPAT_COMPRESSION 0x8ull
#define INCOMPAT_EXTENDED_L2 0x10ull
#define INCOMPAT_KNOWN                                                         \
    (INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION |                \
     INCOMPAT_EXTENDED_L2)
/* Compatible and autoclear features. */
#define COMPAT_LAZY_REFCOUNTS 0x1ull
#define AUTOCLEAR_BITMAPS 0x1ull
#define AUTOCLEAR_RAW_EXTERNAL 0x2ull

#define OFFSET_MASK 0x00fffffffffffe00ull /* L1, L2 standard, refcount table */
#define ENTRY_COPIED (1ull << 63)         /* the refcount is exactly one */
#define ENTRY_COMPRESSED (1ull << 62)
#define ENTRY_ZERO 1ull /* version 3, without extended L2 */
#define SUBCLUSTERS 32u

#define COMPRESSION_ZLIB 0u
#define COMPRESSION_ZSTD 1u

/* Limits of this implementation; larger images are refused with a text. */
#define MAX_L1_BYTES (32u << 20)
#define MAX_REFCOUNT_TABLE_BYTES (8u << 20)
#define METADATA_UNIT 4096u

struct qcow2 {
    struct tn_host *host;
    const struct tn_image *image;
    uint32_t version;
    uint32_t cluster_bits;
    uint64_t cluster; /* bytes */
    uint64_t bytes;   /* the guest's */
    uint32_t l2_entry_bits; /* log2 bytes: 3, or 4 with subclusters */
    uint32_t l2_bits;       /* log2 entries of an L2 table */
    uint32_t l1_entries;
    uint64_t l1_offset;
    uint64_t *l1; /* host order */
    uint32_t refcount_order;
    uint32_t refcount_block_bits; /* log2 entries of a refcount block */
    uint64_t refcount_table_offset;
    uint32_t refcount_table_entries;
    uint64_t *refcount_table; /* host order */
    uint64_t incompatible, compatible, autoclear;
    uint32_t header_bytes;
    uint32_t compression;
    uint32_t n_snapshots;
    uint32_t writable;
    uint32_t has_backing;
    uint64_t free_hint; /* no free cluster lies below */
    /* An L2 table that was allocated for an L1 entry and could not be entered
     * yet: qcow2_l2_make() goes on with it when the engine calls again. */
    uint64_t pending_table;
    uint32_t pending_index;
};

static inline int qcow2_is_extended(const struct qcow2 *q)
{
    return (q->incompatible & INCOMPAT_EXTENDED_L2) != 0;
}

static inline uint64_t get_be64(const void *p)
{
    uint64_t v;

    __builtin_memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static inline uint32_t get_be32(const void *p)
{
    uint32_t v;

    __builtin_memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline void put_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(p, &v, 8);
}

static inline void put_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(p, &v, 4);
}

/* An L2 entry as it stands in the file, and its subcluster bitmap. */
struct l2_entry {
    uint64_t entry;
    uint64_t bitmap; /* extended L2: allocated 0..31, zero 32..63 */
};

/* qcow2-table.c: L1 and L2. */
int32_t qcow2_read_tables(struct qcow2 *q, struct tn_error *error);
/* The entry that maps guest OFFSET. *TABLE is the L2 table's place in the
 * file, 0 if there is none (the entry is zero then). -EAGAIN, -EIO. */
int32_t qcow2_l2_get(struct qcow2 *q, uint64_t offset, uint64_t *table,
                     struct l2_entry *entry);
int32_t qcow2_l2_set(struct qcow2 *q, uint64_t table, uint64_t offset,
                     const struct l2_entry *entry);
/* Make sure that OFFSET has an L2 table of its own (refcount one). */
int32_t qcow2_l2_make(struct qcow2 *q, uint64_t offset, uint64_t *table);
uint64_t qcow2_l2_place(const struct qcow2 *q, uint64_t table,
                        uint64_t offset);

/* qcow2-refcount.c */
/* Place of the refcount of CLUSTER in the file, 0 if it has no block. */
uint64_t qcow2_refcount_place(const struct qcow2 *q, uint64_t cluster);
int32_t qcow2_refcount_get(struct qcow2 *q, uint64_t cluster,
                           uint64_t *refcount);
/* Change by DELTA; the block must exist. */
int32_t qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int64_t delta);
/* Find up to N free clusters in a row and count a reference to each. *CLUSTER
 * is the first, *FOUND how many. What is not referred to in the end is a leak,
 * never damage. */
int32_t qcow2_take(struct qcow2 *q, uint32_t n, uint64_t *cluster,
                   uint32_t *found);
/* The unit of metadata at THEN becomes stable after the refcounts of N
 * clusters. */
int32_t qcow2_refcounts_before(struct qcow2 *q, uint64_t cluster, uint32_t n,
                               uint64_t then);
/* [may block] Make the refcount table large enough for an image file of BYTES
 * and its tables. */
int32_t qcow2_refcount_table_fit(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error);

/* qcow2-open.c, qcow2-create.c, qcow2-map.c, qcow2-write.c, qcow2-codec.c,
 * qcow2-check.c: what qcow2.c's table names. */
uint32_t qcow2_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t qcow2_open(void *self, uint32_t flags, struct tn_image_info *info,
                   struct tn_error *error);
void qcow2_close(void *self);
int32_t qcow2_create(void *self, const struct tn_create *create,
                     struct tn_error *error);
int32_t qcow2_map(void *self, uint64_t offset, uint64_t bytes,
                  struct tn_extent *extents, uint32_t max);
int32_t qcow2_allocate(void *self, uint64_t offset, uint64_t bytes,
                       uint32_t flags, struct tn_allocation *allocation);
int32_t qcow2_commit(void *self, const struct tn_allocation *allocation);
void qcow2_cancel(void *self, const struct tn_allocation *allocation);
int32_t qcow2_change(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t kind, uint64_t *done);
int32_t qcow2_release(void *self, uint32_t file, uint64_t offset,
                      uint64_t bytes);
int32_t qcow2_decode(void *self, const struct tn_extent *extent,
                     const void *stored, uint64_t stored_bytes, void *data);

#endif
