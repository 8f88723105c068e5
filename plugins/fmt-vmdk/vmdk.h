/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMDK, VMware's disk images, after "Virtual Disk Format 5.0": a descriptor (a
 * text, in a file of its own or inside the only extent) and extents. An extent
 * is flat, or sparse: a grain directory (GD) of grain tables (GT) of grains.
 * Little-endian, places in sectors.
 *
 * Order on stable storage: an empty grain table before the directory's entry
 * that refers to it; the engine has a grain's data there before the table's
 * entry. The redundant directory and tables follow the others without an order
 * between them: if they differ after a crash one of them has no entry.
 */
#ifndef TENON_FMT_VMDK_H
#define TENON_FMT_VMDK_H

#include "bytes/bytes.h"
#include "tenon/block-plugin.h"

#define VMDK_SECTOR 512u
#define VMDK_UNIT 512u /* of metadata: grains begin at any sector */
#define VMDK_MAGIC 0x564d444bu /* "KDMV" */
#define COWD_MAGIC 0x44574f43u /* "COWD" */
#define SESPARSE_MAGIC 0xcafebabeull
#define SESPARSE_VOLATILE_MAGIC 0xcafecafeull

/* The hosted sparse extent's header. */
#define H_VERSION 4u
#define H_FLAGS 8u
#define H_CAPACITY 12u
#define H_GRAIN 20u
#define H_DESCRIPTOR 28u
#define H_DESCRIPTOR_SECTORS 36u
#define H_GTES 44u
#define H_RGD 48u
#define H_GD 56u
#define H_OVERHEAD 64u
#define H_NEWLINES 73u
#define H_COMPRESSION 77u
#define FLAG_NEWLINES 0x1u
#define FLAG_REDUNDANT 0x2u
#define FLAG_ZEROED 0x4u
#define FLAG_COMPRESSED 0x10000u
#define FLAG_MARKERS 0x20000u
#define GD_AT_END (~0ull)
#define COMPRESSION_DEFLATE 1u

/* Markers of streamOptimized extents; a grain's has a size instead. */
#define MARKER_EOS 0u
#define MARKER_GT 1u
#define MARKER_GD 2u
#define MARKER_FOOTER 3u
#define MARKER_BYTES 12u /* before a grain's data */

#define VMDK_GTES 512u /* in tables that we make */
#define NO_PARENT 0xffffffffu
#define MAX_DESCRIPTOR (2u << 20)
#define VMDK_SPLIT (2ull << 30) /* bytes in an extent of a split image */
#define MAX_EXTENTS 4090u

enum extent_kind { EXTENT_FLAT, EXTENT_ZERO, EXTENT_SPARSE, EXTENT_COWD,
                   EXTENT_SESPARSE };

struct extent {
    enum extent_kind kind;
    uint32_t writable; /* "RW" */
    uint32_t file;
    uint64_t start; /* of the guest's bytes */
    uint64_t bytes;
    char name[256]; /* "" the image itself */
    char type[16];  /* as the descriptor says */
    uint64_t at;    /* FLAT: in the file */
    /* The rest: sparse. */
    uint32_t flags;
    uint64_t grain;      /* bytes */
    uint32_t gtes;       /* entries of a grain table */
    uint32_t entry_bytes; /* of tables and the directory: 4, or 8 seSparse */
    uint64_t n_tables;
    uint64_t gd_at, rgd_at; /* 0 none */
    uint64_t *gd, *rgd;     /* places of the tables, 0 none */
    uint64_t tables_at, table_bytes, grains_at; /* seSparse */
    uint64_t first;         /* no grain begins before */
    uint64_t end;           /* where new space is taken */
    uint64_t *free;         /* grains that were given up */
    uint64_t n_free, free_room;
    uint32_t shared_parent; /* there is one under what it has not */
};

/* Writing a streamOptimized extent: tables are written when they are full. */
struct stream {
    uint32_t active; /* something was written */
    uint32_t broken;
    uint64_t next;   /* guest offset that may be written next */
    uint64_t table;  /* index of the one in ENTRIES */
    uint8_t *entries;
    uint32_t n_entries; /* used in it */
};

struct vmdk {
    struct tn_host *host;
    const struct tn_image *image;
    struct extent *extents;
    uint32_t n_extents;
    uint64_t bytes;
    char *text;              /* the descriptor; NULL none */
    uint64_t text_at;        /* in file 0 */
    uint64_t text_room;      /* may be so long */
    uint64_t text_length;    /* is so long in the file */
    uint32_t text_file;      /* it is the whole file */
    uint32_t cid, parent_cid;
    char create_type[40];
    char parent[1024];
    struct stream stream;
    uint32_t sequential;
    uint32_t writable;
    uint32_t keep_id; /* the CID stays whatever is written */
    uint32_t modified, marked; /* the content; and the CID says so */
};

static inline uint64_t vmdk_round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static inline int vmdk_is_sparse(const struct extent *x)
{
    return x->kind >= EXTENT_SPARSE;
}

/* vmdk-descriptor.c */
int vmdk_is_descriptor(const uint8_t *text, uint64_t bytes);
/* The value of KEY ("CID") in the descriptor; 0 if it is not there. */
int vmdk_value(const char *text, const char *key, char *value, uint32_t room);
/* CID, parent, type; and if WITH_EXTENTS the extents. */
int32_t vmdk_parse(struct vmdk *v, int with_extents, struct tn_error *error);
/* [restarts] A new CID. */
int32_t vmdk_before_flush(void *self);
void vmdk_written(void *self, uint64_t offset, uint64_t bytes);

/* vmdk-open.c */
uint32_t vmdk_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t vmdk_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error);
void vmdk_close(void *self);

/* vmdk-sparse.c: headers of sparse extents. X->file and ->kind are set, and
 * ->bytes or 0. */
int32_t vmdk_open_sparse(struct vmdk *v, struct extent *x,
                         struct tn_error *error);
/* Where a header has its descriptor. */
int32_t vmdk_find_text(struct vmdk *v, const uint8_t *header);

/* vmdk-map.c */
struct extent *vmdk_extent(struct vmdk *v, uint64_t offset);
/* Place of GRAIN's entry in the file; 0: it has no table. */
uint64_t vmdk_entry_place(const struct extent *x, uint64_t grain);
uint64_t vmdk_redundant_place(const struct extent *x, uint64_t grain);
/* [restarts] What the entry says: TN_EXTENT_*, and the place. */
int32_t vmdk_grain(struct vmdk *v, const struct extent *x, uint64_t grain,
                   uint32_t *kind, uint64_t *at);
int32_t vmdk_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max);

/* vmdk-write.c */
int32_t vmdk_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *allocation);
int32_t vmdk_commit(void *self, const struct tn_allocation *allocation);
void vmdk_cancel(void *self, const struct tn_allocation *allocation);
int32_t vmdk_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                    uint64_t *done);
int32_t vmdk_release(void *self, uint32_t file, uint64_t offset,
                     uint64_t bytes);

/* vmdk-stream.c */
int32_t vmdk_decode(void *self, const struct tn_extent *extent,
                    const void *stored, uint64_t stored_bytes, void *data);
int64_t vmdk_encode(void *self, const struct tn_encode *unit);
int32_t vmdk_stream_allocate(struct vmdk *v, uint64_t offset, uint64_t bytes,
                             struct tn_allocation *allocation);
/* [may block] The last table, the directory and the footer at the end of
 * extent X. */
int32_t vmdk_stream_finish(struct vmdk *v, struct extent *x,
                           const uint8_t *header);

/* vmdk-create.c */
int32_t vmdk_create(void *self, const struct tn_create *create,
                    struct tn_error *error);
int32_t vmdk_measure(void *self, const struct tn_create *create,
                     struct tn_measure *measure, struct tn_error *error);

/* Another file for X->bytes of the guest's, as extent INDEX, LIKE another one;
 * its name and file go into X. In resize(). */
int32_t vmdk_add_extent(struct vmdk *v, const struct extent *like,
                        uint32_t index, struct extent *x,
                        struct tn_error *error);

/* vmdk-resize.c, vmdk-base.c */
int32_t vmdk_resize(void *self, uint64_t bytes, struct tn_error *error);
int32_t vmdk_set_base(void *self, const struct tn_base *base,
                      struct tn_error *error);

/* vmdk-text.c: another descriptor, at once. All [may block], after a flush. */
/* TEXT, which is taken, and header H; TEXT NULL: the header. */
int32_t vmdk_put_embedded(struct vmdk *v, char *text, uint8_t *h);
/* May EDITED stand in the place of what is there? */
int vmdk_can_edit(const struct vmdk *v, const char *edited);
int32_t vmdk_put_file(struct vmdk *v, const char *edited, const char *tail,
                      int tail_first);
/* A text that fits into a sector, as the old one does; it is taken. */
int vmdk_is_small(const struct vmdk *v, const char *text);
int32_t vmdk_put_small(struct vmdk *v, char *text);
/* The last extent has LAST bytes and the disk BYTES, LINES are for extents that
 * follow it. */
char *vmdk_resized_text(struct vmdk *v, uint64_t last, uint64_t bytes,
                        const char *lines);
int32_t vmdk_put_resized(struct vmdk *v, uint64_t last, uint64_t bytes,
                         const char *lines);
/* As much of WANTED, in UNITs, as the last extent's line can say if N_NEW
 * follow. */
uint64_t vmdk_resized_limit(struct vmdk *v, uint64_t wanted, uint64_t unit,
                            uint64_t n_new);
/* A copy of the descriptor; free() of tn_image. */
char *vmdk_copy_text(struct vmdk *v);
/* TEXT's N bytes at AT become NEW. Frees TEXT; NULL: no memory. */
char *vmdk_splice(struct vmdk *v, char *text, uint64_t at, uint64_t n,
                  const char *new);

/* vmdk-check.c, vmdk-describe.c */
int32_t vmdk_check(void *self, struct tn_check *check, struct tn_error *error);
int32_t vmdk_describe(void *self, char *text, uint32_t room);

#endif
