/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VHDX image format, after [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File
 * Format". The plugin answers where bytes are and changes the tables; the
 * block engine moves the data.
 *
 * A change of a table (BAT, sector bitmap, metadata) is made in a copy of its
 * 4 KiB sector, here called a page. before_flush() writes all changed pages
 * into the log as one entry, and to their places when the entry is stable.
 */
#ifndef TENON_FMT_VHDX_H
#define TENON_FMT_VHDX_H

#include <endian.h>
#include <string.h>

#include "tenon/block-plugin.h"

#define KIB 1024ull
#define MIB (1024ull * 1024ull)

/* 2.2: fixed places in the first megabyte */
#define FILE_ID_PLACE 0ull
#define HEADER_PLACE(i) (64 * KIB * ((i) + 1ull))
#define REGIONS_PLACE(i) (64 * KIB * ((i) + 3ull))
#define FILE_ID "vhdxfile"

#define PAGE 4096u /* sector of the log, and the unit of metadata */
#define REGIONS_BYTES (64u * 1024u)
#define METADATA_TABLE_BYTES (64u * 1024u)

#define SIGNATURE_HEADER 0x64616568u  /* "head" */
#define SIGNATURE_REGIONS 0x69676572u /* "regi" */
#define SIGNATURE_ENTRY 0x65676f6cu   /* "loge" */
#define SIGNATURE_DATA 0x63736564u    /* "desc" */
#define SIGNATURE_ZERO 0x6f72657au    /* "zero" */
#define SIGNATURE_SECTOR 0x61746164u  /* "data" */

/* 2.2.2 Header */
#define H_CHECKSUM 4
#define H_SEQUENCE 8
#define H_FILE_WRITE_GUID 16
#define H_DATA_WRITE_GUID 32
#define H_LOG_GUID 48
#define H_LOG_VERSION 64
#define H_VERSION 66
#define H_LOG_LENGTH 68
#define H_LOG_OFFSET 72

/* 2.5.1: BAT entries */
#define STATE_MASK 7ull
#define OFFSET_MASK 0xfffffffffff00000ull
#define BLOCK_NOT_PRESENT 0u
#define BLOCK_UNDEFINED 1u
#define BLOCK_ZERO 2u
#define BLOCK_UNMAPPED 3u
#define BLOCK_UNMAPPED_OLD 5u /* written by drafts of the specification */
#define BLOCK_PRESENT 6u
#define BLOCK_PARTIAL 7u
#define BITMAP_NOT_PRESENT 0u
#define BITMAP_PRESENT 6u

#define MAX_BYTES (64ull << 40)
#define SECTORS_PER_BITMAP (1ull << 23) /* 2.4: a bitmap block's bits */
#define BITMAP_BLOCK MIB

#define GUID_BYTES 16

struct vhdx_region {
    uint64_t offset;
    uint32_t bytes;
};

/* A changed sector that is not in the log yet. With a log that could not be
 * replayed: what it says of a sector. */
struct vhdx_page {
    uint64_t offset;
    uint8_t *data;
};

#define MAX_PAGES 1024u
#define PAGES_A_COMMIT 20u /* a block's bits in the bitmap, BAT entries */
#define SLOTS (2u * MAX_PAGES)

struct vhdx {
    struct tn_host *host;
    const struct tn_image *image;
    uint32_t writable;
    /* the header that counts */
    uint8_t header[PAGE];
    uint32_t current; /* 0 or 1: its place */
    struct vhdx_region log, bat, metadata;
    uint32_t n_regions;
    uint32_t bat_index, metadata_index; /* in the region table */
    /* metadata items */
    uint64_t bytes;
    uint64_t size_place; /* of the virtual disk size, in the file */
    uint32_t block;
    uint32_t leave_allocated; /* "fixed" */
    uint32_t has_parent;
    uint32_t logical, physical;
    uint8_t page83[GUID_BYTES];
    uint64_t chunk_ratio;
    uint64_t n_blocks, n_entries;
    /* changed pages: slots of a hash table hold index + 1 */
    struct vhdx_page *pages;
    uint32_t n_pages, max_pages;
    uint16_t slots[SLOTS];
    struct vhdx_page *replayed; /* read-only, sorted by offset */
    uint32_t n_replayed;
    uint64_t replayed_end; /* what the log says the file's length is */
    /* the log */
    uint8_t log_guid[GUID_BYTES];
    uint64_t log_sequence;
    uint32_t log_at;
    uint32_t log_in_header; /* the header has log_guid */
    uint32_t file_guid_new; /* FileWriteGuid was changed since open */
    uint32_t data_guid_new; /* DataWriteGuid was, or must not be */
    uint32_t data_written;  /* the guest's data changes */
    uint8_t *entry;         /* the log entry that is being made */
    uint64_t stable_length; /* the file's at open */
    /* space: megabytes of the file */
    uint64_t end;  /* none is used from here on, in bytes */
    uint8_t *used; /* bits; NULL: not known, only `end` counts */
    uint64_t used_bits;
    uint64_t hint;
};

static inline uint16_t get16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, 2);
    return le16toh(v);
}

static inline uint32_t get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return le32toh(v);
}

static inline uint64_t get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return le64toh(v);
}

static inline void put16(void *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, 2);
}

static inline void put32(void *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, 4);
}

static inline void put64(void *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, 8);
}

static inline uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static inline uint64_t round_up(uint64_t a, uint64_t unit)
{
    return ceil_div(a, unit) * unit;
}

/* vhdx-util.c */
extern const uint8_t vhdx_guid_none[GUID_BYTES];
extern const uint8_t vhdx_guid_bat[GUID_BYTES];
extern const uint8_t vhdx_guid_metadata[GUID_BYTES];
extern const uint8_t vhdx_guid_parameters[GUID_BYTES];
extern const uint8_t vhdx_guid_size[GUID_BYTES];
extern const uint8_t vhdx_guid_page83[GUID_BYTES];
extern const uint8_t vhdx_guid_logical[GUID_BYTES];
extern const uint8_t vhdx_guid_physical[GUID_BYTES];
extern const uint8_t vhdx_guid_locator[GUID_BYTES];
extern const uint8_t vhdx_guid_locator_vhdx[GUID_BYTES];

/* CRC-32C of BYTES at DATA whose 4 bytes at SKIP count as zeroes. */
uint32_t vhdx_checksum(const void *data, uint64_t bytes, uint64_t skip);
int32_t vhdx_new_guid(uint8_t *guid);
/* "8-4-4-4-12" in small letters, 36 characters and a NUL. */
void vhdx_guid_text(const uint8_t *guid, char *text);
/* UTF-16LE to UTF-8 and back. Returns bytes, or -1: no room, or nonsense. */
int32_t vhdx_from_utf16(const uint8_t *from, uint32_t bytes, char *to,
                        uint32_t room);
int32_t vhdx_to_utf16(const char *from, uint8_t *to, uint32_t room);
int32_t vhdx_bad(struct vhdx *v, struct tn_error *error, const char *what);

/* vhdx-log.c: replay */
/* Whatever the log has of changes is applied: to the file if it is writable,
 * else in memory. */
int32_t vhdx_log_open(struct vhdx *v, struct tn_error *error);
/* [may block] The file as it is with the log replayed. */
int32_t vhdx_pread(struct vhdx *v, uint64_t offset, void *data, uint64_t bytes);

/* vhdx-page.c */
int32_t vhdx_pages_init(struct vhdx *v);
void vhdx_pages_free(struct vhdx *v);
/* [restarts] BYTES at OFFSET, within a page. */
int32_t vhdx_read(struct vhdx *v, uint64_t offset, uint32_t bytes,
                  const void **data);
/* Can N pages more be changed? 0, or -EAGAIN and a flush is on its way. */
int32_t vhdx_room(struct vhdx *v, uint32_t n);
/* [restarts] After vhdx_room(). */
int32_t vhdx_write(struct vhdx *v, uint64_t offset, uint32_t bytes,
                   const void *data);
int32_t vhdx_before_flush(void *self);
/* [may block] Leave the image without a log. */
int32_t vhdx_finish(struct vhdx *v);

/* vhdx-space.c: megabytes */
/* [may block] Which are used; v->used stays NULL if the BAT is very large. */
int32_t vhdx_space_init(struct vhdx *v, struct tn_error *error);
/* BYTES in one piece; FRESH: must never have been used. 0: none. */
uint64_t vhdx_take(struct vhdx *v, uint64_t bytes, uint32_t fresh);
void vhdx_give(struct vhdx *v, uint64_t offset, uint64_t bytes);
/* Where the last that is in use ends. */
uint64_t vhdx_last_used(const struct vhdx *v);
/* Is it a place for a block: not over the headers, the regions, the log? */
int32_t vhdx_place_is_good(const struct vhdx *v, uint64_t offset,
                           uint64_t bytes);

/* vhdx-map.c */
/* The place of the BAT entry of a block, and of a chunk's sector bitmap. */
uint64_t vhdx_block_place(const struct vhdx *v, uint64_t block);
uint64_t vhdx_bitmap_place(const struct vhdx *v, uint64_t chunk);
/* [restarts] Checked. */
int32_t vhdx_block_entry(struct vhdx *v, uint64_t block, uint64_t *entry);
int32_t vhdx_bitmap_entry(struct vhdx *v, uint64_t chunk, uint64_t *entry);
int32_t vhdx_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max);

/* vhdx-open.c */
uint32_t vhdx_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t vhdx_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error);
void vhdx_close(void *self);
/* Sets n_blocks, chunk_ratio, n_entries for v->bytes. */
void vhdx_geometry(struct vhdx *v);

/* vhdx-metadata.c */
int32_t vhdx_read_metadata(struct vhdx *v, struct tn_image_info *info,
                           struct tn_error *error);

/* vhdx-write.c */
int32_t vhdx_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *allocation);
int32_t vhdx_commit(void *self, const struct tn_allocation *allocation);
void vhdx_cancel(void *self, const struct tn_allocation *allocation);
int32_t vhdx_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                    uint64_t *done);
int32_t vhdx_release(void *self, uint32_t file, uint64_t offset,
                     uint64_t bytes);
void vhdx_written(void *self, uint64_t offset, uint64_t bytes);

/* vhdx-create.c, vhdx-check.c, vhdx-resize.c */
int32_t vhdx_create(void *self, const struct tn_create *create,
                    struct tn_error *error);
int32_t vhdx_check(void *self, struct tn_check *check, struct tn_error *error);
int32_t vhdx_resize(void *self, uint64_t bytes, struct tn_error *error);

#endif
