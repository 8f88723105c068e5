/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expandable image format of Parallels, after its public description
 * ("Parallels Expandable Image File Format"): a header, one table, the BAT,
 * and clusters.
 */
#ifndef TENON_FMT_PARALLELS_H
#define TENON_FMT_PARALLELS_H

#include <endian.h>
#include <string.h>

#include "tenon/block-plugin.h"

#define SECTOR 512ull
#define UNIT 4096u /* of metadata */
#define HEADER_BYTES 64u

#define MAGIC_BYTES 16
#define MAGIC "WithoutFreeSpace"     /* entries count sectors */
#define MAGIC_EXT "WithouFreSpacExt" /* entries count clusters */
#define VERSION 2u

/* Header fields */
#define H_VERSION 16
#define H_HEADS 20
#define H_CYLINDERS 24
#define H_TRACKS 28 /* sectors of a cluster */
#define H_ENTRIES 32
#define H_SECTORS 36
#define H_IN_USE 44
#define H_DATA 48 /* first sector of the data */
#define H_FLAGS 52
#define H_EXTENSION 56

#define IN_USE 0x746f6e59u
#define CLOSED 0x312e3276u

struct parallels {
    struct tn_host *host;
    const struct tn_image *image;
    uint8_t header[HEADER_BYTES];
    uint64_t cluster;
    uint64_t multiplier; /* bytes that an entry counts in */
    uint64_t entries;
    uint64_t bytes;
    uint64_t data; /* where clusters may begin */
    uint32_t writable;
    uint32_t changed;
    /* Slots: places of clusters from `data` on. Bits of those in use. */
    uint8_t *used;
    uint64_t slots; /* bits */
    uint64_t end;   /* no slot from here on is in use */
    uint64_t hint;
};

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

/* parallels-open.c */
uint32_t parallels_probe(const uint8_t *header, uint32_t bytes,
                         uint64_t length);
int32_t parallels_open(void *self, uint32_t flags, struct tn_image_info *info,
                       struct tn_error *error);
void parallels_close(void *self);
int32_t parallels_create(void *self, const struct tn_create *create,
                         struct tn_error *error);
/* [may block] */
int32_t parallels_write_header(struct parallels *p);

/* parallels-map.c */
int32_t parallels_map(void *self, uint64_t offset, uint64_t bytes,
                      struct tn_extent *extents, uint32_t max);
int32_t parallels_allocate(void *self, uint64_t offset, uint64_t bytes,
                           uint32_t flags, struct tn_allocation *allocation);
int32_t parallels_commit(void *self, const struct tn_allocation *allocation);
void parallels_cancel(void *self, const struct tn_allocation *allocation);
int32_t parallels_change(void *self, uint64_t offset, uint64_t bytes,
                         uint32_t kind, uint64_t *done);
int32_t parallels_release(void *self, uint32_t file, uint64_t offset,
                          uint64_t bytes);
/* Marks the slots that a cluster at PLACE touches. Returns how many of them
 * had the mark already. */
uint32_t parallels_mark(struct parallels *p, uint8_t *bits, uint64_t place,
                        int used);
/* May an entry refer to PLACE in a file of LENGTH? */
int parallels_place_is_good(const struct parallels *p, uint64_t place,
                            uint64_t length);
/* A free slot's place; 0 none. */
uint64_t parallels_take(struct parallels *p);

/* parallels-check.c */
int32_t parallels_check(void *self, struct tn_check *check,
                        struct tn_error *error);
int32_t parallels_resize(void *self, uint64_t bytes, struct tn_error *error);

#endif
