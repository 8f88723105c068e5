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
    (INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_EXTERNAL_DATA |              \
     INCOMPAT_COMPRESSION | INCOMPAT_EXTENDED_L2)
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
#define MAX_SNAPSHOTS 65536u
#define MAX_SNAPSHOT_BYTES (64u << 20)
#define MAX_BITMAPS 65535u
#define MAX_BITMAP_BYTES (512ull << 20) /* bits of one */
#define MAX_DIRECTORY_BYTES (64u << 20)
#define MAX_HEADER 4096u
#define MAX_DATA_FILE 1024u
#define METADATA_UNIT 4096u

#define CRYPT_NONE 0u
#define CRYPT_AES 1u
#define CRYPT_LUKS 2u

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
#define H_SNAPSHOTS_OFFSET 64
#define H_INCOMPATIBLE 72
#define H_COMPATIBLE 80
#define H_AUTOCLEAR 88
#define H_REFCOUNT_ORDER 96
#define H_HEADER_BYTES 100
#define H_COMPRESSION 104
#define V2_BYTES 72u
#define V3_BYTES 104u
#define V3_BYTES_NEW 112u /* with the compression type */

#define EXTENSION_END 0u
#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSION_FEATURES 0x6803f857u
#define EXTENSION_BITMAPS 0x23852875u
#define EXTENSION_CRYPT 0x0537be77u
#define EXTENSION_DATA_FILE 0x44415441u

struct qcow2_snapshot {
    char *id;
    char *name;
    uint64_t l1_offset;
    uint32_t l1_entries;
    uint32_t seconds, nanoseconds;
    uint64_t clock;
    uint64_t state_bytes;
    uint64_t bytes; /* of the disk */
    uint8_t *extra; /* what we do not know of the extra data */
    uint32_t extra_bytes;
};

struct qcow2_bitmap {
    uint64_t table_offset;
    uint32_t table_entries;
    uint32_t flags; /* BITMAP_* */
    uint32_t granularity_bits;
    uint32_t type;
    char *name;
    uint8_t *extra;
    uint32_t extra_bytes;
    /* While the image is written: bits set since it was opened, in pieces of
     * a cluster; NULL where there are none. */
    uint8_t **pages;
    uint32_t changed;
    uint32_t lost;   /* no memory to keep them */
    uint32_t marked; /* in use, by us: the directory says so */
};

#define BITMAP_IN_USE 1u
#define BITMAP_AUTO 2u
#define BITMAP_EXTRA_COMPATIBLE 4u

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
    uint32_t refcount_table_written; /* entries that are in the file */
    uint64_t incompatible, compatible, autoclear;
    uint32_t header_bytes;
    uint8_t header[MAX_HEADER]; /* as it was read: fields we do not know */
    uint8_t *unknown; /* extensions we do not know, as they stand */
    uint32_t unknown_bytes;
    uint8_t *features; /* the extension with their names, as it stands */
    uint32_t features_bytes;
    char backing[1024];
    char backing_format[64];
    uint64_t backing_offset; /* of the name in the header cluster */
    char data_name[MAX_DATA_FILE];
    uint32_t data_file; /* file that has the guest's data */
    uint32_t compression;
    uint32_t n_snapshots;
    uint64_t snapshots_offset, snapshots_bytes;
    struct qcow2_snapshot *snapshots;
    uint32_t n_bitmaps;
    uint64_t directory_offset, directory_bytes;
    struct qcow2_bitmap *bitmaps;
    uint32_t bitmaps_lost; /* the directory could not be read */
    uint32_t snapshots_lost;
    uint32_t refcounts_lost; /* the refcount table could not be read */
    uint32_t crypt_method;
    uint32_t crypt_lost; /* the header could not be read */
    uint64_t crypt_offset, crypt_bytes;
    struct crypto_cipher *cipher;
    struct luks1 *luks;
    uint32_t writable;
    uint32_t viewing; /* a snapshot */
    uint32_t lazy;    /* refcounts have no order: the dirty bit is set */
    uint32_t marked_dirty;
    uint32_t has_backing;
    uint64_t new_snapshot_state; /* bytes of machine state written so far */
    uint64_t free_hint; /* no free cluster lies below */
    /* An L2 table that was allocated for an L1 entry and could not be entered
     * yet: qcow2_l2_make() goes on with it when the engine calls again. */
    uint64_t pending_table;
    uint32_t pending_index;
    uint64_t packing; /* where the next compressed cluster goes; 0: nowhere */
    struct qcow2_codecs *codecs;
};

/* The guest's bytes that L1 entry and L2 table have. */
static inline uint64_t qcow2_table_span(const struct qcow2 *q)
{
    return 1ull << (q->cluster_bits + q->l2_bits);
}

/* L1 entries for a disk of BYTES. Behind them machine state is kept. */
static inline uint64_t qcow2_l1_wanted(const struct qcow2 *q, uint64_t bytes)
{
    return (bytes >> (q->cluster_bits + q->l2_bits)) +
           ((bytes & (qcow2_table_span(q) - 1)) != 0);
}

static inline uint32_t qcow2_unit(const struct qcow2 *q)
{
    return q->cluster < METADATA_UNIT ? (uint32_t)q->cluster : METADATA_UNIT;
}

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
int32_t qcow2_read_tables(struct qcow2 *q, uint32_t flags,
                          struct tn_error *error);
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
/* tn_format.used(). */
int32_t qcow2_used(void *self, uint64_t enough, uint64_t *clusters);
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

/* Put the count of cluster INDEX of a refcount BLOCK. */
void qcow2_count_put(const struct qcow2 *q, uint8_t *block, uint64_t index,
                     uint64_t count);
/* CLUSTER, which is free and has no refcount block, becomes that block. */
int32_t qcow2_make_block(struct qcow2 *q, uint64_t cluster);

/* qcow2-space.c. [may block] */
/* The table as it is in memory goes to OFFSET; the header then refers to it. */
int32_t qcow2_refcount_table_write(struct qcow2 *q, uint64_t offset,
                                   struct tn_error *error);
/* Make the table large enough for an image file of BYTES and its tables. */
int32_t qcow2_refcount_table_fit(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error);
/* N clusters in a row, counted. */
int32_t qcow2_take_run(struct qcow2 *q, uint64_t n, uint64_t *cluster);
/* N clusters from FIRST on lose a reference. */
int32_t qcow2_give_run(struct qcow2 *q, uint64_t first, uint64_t n);
static inline uint64_t qcow2_clusters(const struct qcow2 *q, uint64_t bytes)
{
    return (bytes + q->cluster - 1) >> q->cluster_bits;
}
uint64_t qcow2_refcount_max(const struct qcow2 *q);

/* qcow2-entry.c: what an L2 entry refers to. */
/* Host clusters of ENTRY: *FIRST and how many; 0 none (or those of a data
 * file, which are not counted). */
uint32_t qcow2_entry_clusters(const struct qcow2 *q, uint64_t entry,
                              uint64_t *first);
/* The cluster's own space, that it can be written in place: 1 and *AT. */
int qcow2_own_space(const struct qcow2 *q, const struct l2_entry *l2,
                    uint64_t *at);
/* Is there space under it, own or shared? */
int qcow2_has_space(const struct qcow2 *q, const struct l2_entry *l2,
                    uint64_t *at);

/* qcow2-header.c. [may block] */
int32_t qcow2_header_parse(struct qcow2 *q, uint32_t flags,
                           struct tn_error *error);
void qcow2_header_free(struct qcow2 *q);
/* The first cluster as it should be now. -ENOSPC: too much in it. */
int32_t qcow2_header_build(struct qcow2 *q, uint8_t *out,
                           struct tn_error *error);
/* Make the header as *Q has it, all at once, and stable. */
int32_t qcow2_header_write(struct qcow2 *q, struct tn_error *error);

/* qcow2-tree.c: all that an L1 table refers to. [may block] */
int32_t qcow2_read_l1(struct qcow2 *q, uint64_t offset, uint64_t entries,
                      uint64_t **table, const char *what,
                      struct tn_error *error);
int32_t qcow2_tree_count(struct qcow2 *q, const uint64_t *l1, uint64_t entries,
                         int64_t delta, struct tn_error *error);
/* Make the COPIED marks of the active tables say what the refcounts do; CLEAR:
 * take them all away. */
int32_t qcow2_tree_marks(struct qcow2 *q, uint32_t clear);
/* Write the active L1 table, ENTRIES from FIRST on. */
int32_t qcow2_write_l1(struct qcow2 *q, uint64_t first, uint64_t n);

/* qcow2-resize.c. [may block] */
int32_t qcow2_resize(void *self, uint64_t bytes, struct tn_error *error);
/* An L1 table of ENTRIES at least. */
int32_t qcow2_l1_grow(struct qcow2 *q, uint64_t entries,
                      struct tn_error *error);
/* Nothing is mapped from guest OFFSET on. */
int32_t qcow2_cut(struct qcow2 *q, uint64_t offset);

/* qcow2-snapshot.c, qcow2-snapshot-table.c */
int32_t qcow2_snapshots_read(struct qcow2 *q, uint32_t count, uint32_t flags,
                             struct tn_error *error);
void qcow2_snapshots_free(struct qcow2 *q);
/* A new table; the header then refers to it. */
int32_t qcow2_snapshots_write(struct qcow2 *q, struct tn_error *error);
void qcow2_snapshot_clear(struct qcow2 *q, struct qcow2_snapshot *s);
int32_t qcow2_snapshot_info(void *self, uint32_t index,
                            struct tn_image_snapshot *snapshot);
int32_t qcow2_snapshot(void *self, uint32_t what,
                       struct tn_image_snapshot *snapshot,
                       struct tn_error *error);
int32_t qcow2_state_io(void *self, uint32_t write, uint64_t offset, void *data,
                       uint64_t bytes);

/* qcow2-bitmap.c */
int32_t qcow2_bitmaps_read(struct qcow2 *q, uint32_t flags,
                           struct tn_error *error);
void qcow2_bitmaps_free(struct qcow2 *q);
int32_t qcow2_bitmaps_begin(struct qcow2 *q, struct tn_error *error);
void qcow2_bitmaps_end(struct qcow2 *q);
int32_t qcow2_bitmap_table(struct qcow2 *q, const struct qcow2_bitmap *b,
                           uint64_t **table);
int32_t qcow2_bitmaps_drop(struct qcow2 *q, struct tn_error *error);
int32_t qcow2_bitmaps_can_resize(struct qcow2 *q, uint64_t bytes,
                                 struct tn_error *error);
/* The disk had OLD_BYTES; writes the header. */
int32_t qcow2_bitmaps_resize(struct qcow2 *q, uint64_t old_bytes,
                             struct tn_error *error);
int32_t qcow2_bitmap_info(void *self, uint32_t index,
                          struct tn_image_bitmap *bitmap);
int32_t qcow2_bitmap(void *self, uint32_t what,
                     const struct tn_image_bitmap *bitmap,
                     struct tn_error *error);
int32_t qcow2_bitmap_bits(void *self, uint32_t index, uint32_t write,
                          uint64_t offset, uint8_t *bits, uint64_t bytes);
void qcow2_written(void *self, uint64_t offset, uint64_t bytes);

/* qcow2-check.c */
int32_t qcow2_check(void *self, struct tn_check *check,
                    struct tn_error *error);

/* qcow2-compress.c */
int32_t qcow2_allocate_compressed(struct qcow2 *q, uint64_t offset,
                                  struct tn_allocation *a);
int32_t qcow2_commit_compressed(struct qcow2 *q,
                                const struct tn_allocation *a);
void qcow2_cancel_compressed(struct qcow2 *q, const struct tn_allocation *a);

/* qcow2-codec.c. [worker] */
struct qcow2_codecs;
struct qcow2_codecs *qcow2_codecs_new(void);
void qcow2_codecs_free(struct qcow2_codecs *codecs);
int64_t qcow2_encode(void *self, const struct tn_encode *unit);

/* Of compressed clusters: readers keep 4096 bytes. */
#define WINDOW_BITS 12

/* qcow2-noise.c: not worth an attempt to compress it. */
int qcow2_is_noise(const uint8_t *data, uint64_t bytes);

/* qcow2-deflate.c: raw deflate within the window. */
struct deflate_state;
struct deflate_state *deflate_state_new(void);
void deflate_state_free(struct deflate_state *d);
/* How many bytes, or 0: does not fit in ROOM. At most 2 MiB of DATA. */
uint64_t deflate_compress(struct deflate_state *d, const uint8_t *data,
                          uint64_t bytes, uint8_t *out, uint64_t room);

/* qcow2-igzip.c: the same by a library, if there is one; else new() is NULL. */
struct igzip_state;
struct igzip_state *igzip_state_new(void);
void igzip_state_free(struct igzip_state *s);
uint64_t igzip_compress(struct igzip_state *s, const uint8_t *data,
                        uint64_t bytes, uint8_t *out, uint64_t room);

/* qcow2-info.c */
int32_t qcow2_describe(void *self, char *text, uint32_t room);
int32_t qcow2_measure(void *self, const struct tn_create *create,
                      struct tn_measure *measure, struct tn_error *error);

/* qcow2-amend.c */
int32_t qcow2_amend(void *self, const struct tn_amend *amend,
                    struct tn_error *error);
int32_t qcow2_set_backing(void *self, const char *backing,
                          const char *backing_format, struct tn_error *error);

/* qcow2-crypt.c */
int32_t qcow2_crypt_open(struct qcow2 *q, uint32_t flags,
                         struct tn_error *error);
void qcow2_crypt_close(struct qcow2 *q);
/* The bytes of secret ID. */
int32_t crypt_secret(struct qcow2 *q, const char *id, const void **data,
                     uint64_t *bytes, struct tn_error *error);
int32_t qcow2_transform(void *self, uint32_t encrypt, uint64_t guest_offset,
                        uint64_t file_offset, void *data, uint64_t bytes);

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
/* What OLD refers to has a reference less. */
void qcow2_release_entry(struct qcow2 *q, const struct l2_entry *old);
int32_t qcow2_change(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t kind, uint64_t *done);
int32_t qcow2_release(void *self, uint32_t file, uint64_t offset,
                      uint64_t bytes);
int32_t qcow2_decode(void *self, const struct tn_extent *extent,
                     const void *stored, uint64_t stored_bytes, void *data);

#endif
