/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VDI, VirtualBox's image format, version 1.1: a header, a map with one 32-bit
 * entry for each block of the guest's disk, and blocks. Little-endian.
 *
 * Order on stable storage: the count of blocks in the header, then the map's
 * entry that needs it. So the count is never less than what the map refers to,
 * and another program that appends a block never meets one that is in use. A
 * block that was counted and not entered when an image was killed is used
 * next.
 */
#ifndef TENON_FMT_VDI_H
#define TENON_FMT_VDI_H

#include "tenon/block-plugin.h"

#include "bytes/bytes.h"

#define VDI_SIGNATURE 0xbeda107fu
#define VDI_VERSION_1_1 0x00010001u
#define VDI_SECTOR 512u
#define VDI_UNIT 512u /* of metadata: blocks may begin at any sector */

/* Where things are in the header. */
#define VDI_AT_SIGNATURE 64u
#define VDI_AT_VERSION 68u
#define VDI_AT_HEADER_BYTES 72u /* counted from here */
#define VDI_AT_TYPE 76u
#define VDI_AT_MAP 340u
#define VDI_AT_DATA 344u
#define VDI_AT_SECTOR_BYTES 360u
#define VDI_AT_BYTES 368u
#define VDI_AT_BLOCK_BYTES 376u
#define VDI_AT_BLOCK_EXTRA 380u
#define VDI_AT_BLOCKS 384u
#define VDI_AT_ALLOCATED 388u
#define VDI_AT_UUID 392u
#define VDI_AT_UUID_MODIFIED 408u
#define VDI_AT_UUID_PARENT 424u
#define VDI_AT_UUID_PARENT_MODIFIED 440u

#define VDI_DYNAMIC 1u
#define VDI_STATIC 2u
#define VDI_UNDO 3u
#define VDI_DIFFERENCING 4u

/* Entries of the map that are no block's index. */
#define VDI_FREE 0xffffffffu
#define VDI_ZERO 0xfffffffeu
#define VDI_MAX_BLOCKS 0x3fffffffu

struct vdi {
    struct tn_host *host;
    const struct tn_image *image;
    uint8_t header[VDI_SECTOR]; /* as it is, or shall be, in the file */
    uint32_t type;
    uint64_t bytes; /* the guest's */
    uint32_t block; /* bytes */
    uint32_t extra; /* bytes before the data of each block */
    uint64_t map_at, data_at;
    uint32_t blocks;
    uint32_t count;       /* blocks there are in the file */
    uint32_t count_found; /* what the header says */
    uint32_t *map;        /* host order */
    uint8_t *used;        /* a bit for each block below used_blocks */
    uint32_t used_blocks;
    uint32_t free_hint; /* no unused block lies below */
    uint32_t has_parent;
    uint32_t writable;
    uint32_t modified; /* the guest's bytes, since open */
    uint32_t marked;   /* and the header says so */
};

static inline int vdi_is_block(uint32_t entry)
{
    return entry < VDI_ZERO;
}

/* Where block INDEX's data begins in the file. */
static inline uint64_t vdi_place(const struct vdi *v, uint32_t index)
{
    return v->data_at + (uint64_t)index * ((uint64_t)v->block + v->extra) +
           v->extra;
}

static inline int vdi_is_used(const struct vdi *v, uint32_t index)
{
    return index < v->used_blocks && v->used[index / 8] >> index % 8 & 1;
}

static inline void vdi_use(struct vdi *v, uint32_t index, int used)
{
    uint8_t bit = (uint8_t)(1u << index % 8);

    if (used)
        v->used[index / 8] |= bit;
    else
        v->used[index / 8] &= (uint8_t)~bit;
}

/* vdi-open.c */
uint32_t vdi_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t vdi_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error);
void vdi_close(void *self);
void vdi_written(void *self, uint64_t offset, uint64_t bytes);
int32_t vdi_before_flush(void *self);

/* vdi-map.c */
int32_t vdi_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max);
int32_t vdi_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *allocation);
int32_t vdi_commit(void *self, const struct tn_allocation *allocation);
void vdi_cancel(void *self, const struct tn_allocation *allocation);
int32_t vdi_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done);

/* vdi-create.c */
void vdi_new_uuid(uint8_t uuid[16]);
int32_t vdi_create(void *self, const struct tn_create *create,
                   struct tn_error *error);
int32_t vdi_measure(void *self, const struct tn_create *create,
                    struct tn_measure *measure, struct tn_error *error);

/* vdi-check.c */
int32_t vdi_check(void *self, struct tn_check *check, struct tn_error *error);
/* [may block] Move blocks from the end into those not in use, and lower the
 * count. */
int32_t vdi_compact(struct vdi *v);
/* [may block] One entry of the map, stable when it returns. */
int32_t vdi_set_entry(struct vdi *v, uint32_t block, uint32_t entry);
/* [may block] The header, the same. */
int32_t vdi_write_header(struct vdi *v);

/* vdi-resize.c */
int32_t vdi_resize(void *self, uint64_t bytes, struct tn_error *error);

#endif
