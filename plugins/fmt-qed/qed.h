/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The QED image format, after its public specification ("QED Image File
 * Format"). Two levels of tables; no account of what is used: a cluster that
 * no entry refers to is a leak, and new ones are taken at the file's end.
 */
#ifndef TENON_FMT_QED_H
#define TENON_FMT_QED_H

#include <endian.h>
#include <string.h>

#include "tenon/block-plugin.h"

#define QED_MAGIC 0x00444551u /* "QED\0" */
#define UNIT 4096u            /* of metadata; no cluster is smaller */

#define FEATURE_BACKING 0x1ull
#define FEATURE_NEED_CHECK 0x2ull
#define FEATURE_RAW_BACKING 0x4ull /* do not look at what it is */
#define FEATURES_KNOWN 0x7ull

/* Header fields */
#define H_CLUSTER 4
#define H_TABLE 8   /* clusters of a table */
#define H_HEADER 12 /* clusters of the header */
#define H_FEATURES 16
#define H_COMPATIBLE 24
#define H_AUTOCLEAR 32
#define H_L1 40
#define H_BYTES 48
#define H_NAME 56 /* offset of the backing file's name */
#define H_NAME_BYTES 60
#define HEADER_BYTES 64u

#define ENTRY_NONE 0ull
#define ENTRY_ZERO 1ull

struct qed {
    struct tn_host *host;
    const struct tn_image *image;
    uint8_t header[HEADER_BYTES];
    uint64_t cluster;
    uint64_t table;   /* bytes of a table */
    uint64_t entries; /* of a table */
    uint64_t first;   /* clusters before that are the header's */
    uint64_t l1;
    uint64_t bytes;
    uint64_t features;
    uint64_t end; /* the next cluster; nothing was ever written there */
    uint32_t writable;
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

static inline uint64_t round_up(uint64_t a, uint64_t unit)
{
    return (a + unit - 1) / unit * unit;
}

/* qed-open.c */
uint32_t qed_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t qed_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error);
void qed_close(void *self);
/* [may block] Write the header and make it stable. */
int32_t qed_write_header(struct qed *q);
int32_t qed_resize(void *self, uint64_t bytes, struct tn_error *error);
int32_t qed_set_backing(void *self, const char *backing,
                        const char *backing_format, struct tn_error *error);

/* qed-create.c */
int32_t qed_create(void *self, const struct tn_create *create,
                   struct tn_error *error);
/* Puts NAME at PLACE into the header's clusters and refers to it. */
int32_t qed_put_backing(struct qed *q, uint32_t place, const char *name,
                        const char *format, struct tn_error *error);

/* qed-map.c */
/* May an entry refer to BYTES at OFFSET? */
int qed_place_is_good(const struct qed *q, uint64_t offset, uint64_t bytes);
int32_t qed_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max);
int32_t qed_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *allocation);
int32_t qed_commit(void *self, const struct tn_allocation *allocation);
void qed_cancel(void *self, const struct tn_allocation *allocation);
int32_t qed_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done);

/* qed-check.c */
int32_t qed_check(void *self, struct tn_check *check, struct tn_error *error);

#endif
