/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VHD, the image format of Virtual PC, after Microsoft's "Virtual Hard Disk
 * Image Format Specification", 1.0: fixed, dynamic and differencing images.
 * Big-endian.
 *
 * A dynamic image: a copy of the footer, a header, the block allocation table
 * (BAT), blocks, the footer. A block is a bitmap with a bit for each of its
 * sectors, and the sectors.
 *
 * Order on stable storage: a block's bitmap and the footer behind it, then the
 * BAT's entry. The copy of the footer at the beginning never changes with
 * that; an image that was killed while it grew has no footer at its end, and
 * gets one when it is opened for writing.
 */
#ifndef TENON_FMT_VPC_H
#define TENON_FMT_VPC_H

#include "bytes/bytes.h"
#include "tenon/block-plugin.h"

#define VPC_SECTOR 512u
#define VPC_UNIT 512u /* of metadata: sectors of a block follow its bitmap */
#define VPC_FOOTER_BYTES 512u
#define VPC_HEADER_BYTES 1024u

#define VPC_FIXED 2u
#define VPC_DYNAMIC 3u
#define VPC_DIFFERENCING 4u

/* In the footer. */
#define F_FEATURES 8u
#define F_VERSION 12u
#define F_DATA_OFFSET 16u
#define F_TIME 24u
#define F_CREATOR 28u
#define F_CREATOR_VERSION 32u
#define F_CREATOR_OS 36u
#define F_ORIGINAL_BYTES 40u
#define F_BYTES 48u
#define F_CYLINDERS 56u
#define F_HEADS 58u
#define F_SECTORS 59u
#define F_TYPE 60u
#define F_CHECKSUM 64u
#define F_UUID 68u
/* In the header. */
#define H_DATA_OFFSET 8u
#define H_TABLE 16u
#define H_VERSION 24u
#define H_ENTRIES 28u
#define H_BLOCK 32u
#define H_CHECKSUM 36u
#define H_PARENT_UUID 40u
#define H_PARENT_NAME 64u
#define H_LOCATORS 576u
#define VPC_LOCATORS 8u
#define LOCATOR_BYTES 24u
#define LOCATOR_W2RU 0x57327275u /* relative path, UTF-16LE */
#define LOCATOR_W2KU 0x57326b75u /* absolute path, UTF-16LE */
#define LOCATOR_MACX 0x4d616358u /* file URL, UTF-8 */

#define VPC_UNUSED 0xffffffffu
/* Cylinders, heads and sectors end here, and so does the format. */
#define VPC_MAX_GEOMETRY (65535ull * 16 * 255)
#define VPC_MAX_BYTES (2040ull << 30)

struct vpc {
    struct tn_host *host;
    const struct tn_image *image;
    uint8_t footer[VPC_FOOTER_BYTES];
    uint8_t header[VPC_HEADER_BYTES];
    uint32_t type;
    uint64_t bytes; /* the guest's */
    uint64_t table_at;
    uint32_t entries;
    uint32_t block;        /* bytes */
    uint32_t bitmap_bytes; /* whole sectors */
    uint32_t *bat;         /* host order */
    uint8_t *full;         /* blocks known to have all bits set */
    uint64_t end;          /* the footer's place; new blocks go there */
    uint64_t *free;        /* places of blocks that were given up */
    uint32_t n_free, free_room;
    uint32_t writable;
    uint32_t has_parent;
    uint32_t copy_damaged; /* the footer's copy at the beginning */
};

static inline uint64_t vpc_block_bytes(const struct vpc *v)
{
    return (uint64_t)v->block + v->bitmap_bytes;
}

static inline uint64_t vpc_place(const struct vpc *v, uint32_t block)
{
    return (uint64_t)v->bat[block] * VPC_SECTOR;
}

/* Where the metadata before the first block ends. */
static inline uint64_t vpc_table_end(const struct vpc *v)
{
    return (v->table_at + (uint64_t)v->entries * 4 + VPC_SECTOR - 1) &
           ~(uint64_t)(VPC_SECTOR - 1);
}

/* vpc-footer.c */
uint32_t vpc_checksum(const uint8_t *data, uint32_t bytes, uint32_t field);
int vpc_footer_is_sound(const uint8_t *footer);
/* The size that cylinders, heads and sectors give, and whether they count. */
uint64_t vpc_size(const struct vpc *v);
/* Geometry for SECTORS; cylinders, heads and sectors of a track. */
void vpc_geometry(uint64_t sectors, uint32_t chs[3]);
/* A new footer of TYPE. SECTORS: the size, rounded up to what the geometry
 * gives unless EXACT. */
void vpc_new_footer(uint8_t *footer, uint32_t type, uint64_t *bytes,
                    int exact);
void vpc_set_size(uint8_t *footer, uint64_t *bytes, int exact);
/* [may block] The footer's copy, then the footer. */
int32_t vpc_write_footers(struct vpc *v);
int32_t vpc_write_header(struct vpc *v);

/* vpc-open.c */
uint32_t vpc_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t vpc_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error);
void vpc_close(void *self);
/* [may block] The footer goes behind the last block, and nothing is behind the
 * footer. */
int32_t vpc_place_footer(struct vpc *v, struct tn_error *error);

/* vpc-parent.c */
int32_t vpc_read_parent(struct vpc *v, struct tn_image_info *info,
                        struct tn_error *error);
/* Fills the header's fields and the 2 KiB LOCATOR that stands at AT. */
int32_t vpc_name_parent(struct vpc *v, const struct tn_create *create,
                        uint8_t *locator, uint64_t at,
                        struct tn_error *error);

/* vpc-map.c, vpc-write.c */
int32_t vpc_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max);
int32_t vpc_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *allocation);
int32_t vpc_commit(void *self, const struct tn_allocation *allocation);
void vpc_cancel(void *self, const struct tn_allocation *allocation);
int32_t vpc_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done);
int32_t vpc_release(void *self, uint32_t file, uint64_t offset,
                    uint64_t bytes);

/* vpc-create.c */
int32_t vpc_create(void *self, const struct tn_create *create,
                   struct tn_error *error);
int32_t vpc_measure(void *self, const struct tn_create *create,
                    struct tn_measure *measure, struct tn_error *error);

/* vpc-check.c */
/* The entries of the BAT in the order of their places; freed with the image's
 * free(). NULL: no memory. */
uint64_t *vpc_sorted_places(struct vpc *v, uint32_t *n);
/* Block BLOCK, at a place where blocks can be? */
int vpc_is_inside(const struct vpc *v, uint32_t block);
int32_t vpc_check(void *self, struct tn_check *check, struct tn_error *error);

/* vpc-resize.c */
int32_t vpc_resize(void *self, uint64_t bytes, struct tn_error *error);

#endif
