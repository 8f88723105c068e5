/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The qcow image format, version 1, after its public description: two levels
 * of tables, no account of what is used, so that space is taken at the file's
 * end only and stays where it is.
 */
#ifndef TENON_FMT_QCOW_H
#define TENON_FMT_QCOW_H

#include <endian.h>
#include <string.h>

#include "tenon/block-plugin.h"

#define QCOW_MAGIC 0x514649fbu /* "QFI\xfb" */
#define QCOW_VERSION 1u
#define UNIT 512u /* of metadata: data may begin right after a table */

/* Header fields, big-endian */
#define H_VERSION 4
#define H_BACKING 8
#define H_BACKING_BYTES 16
#define H_MTIME 20
#define H_BYTES 24
#define H_CLUSTER_BITS 32
#define H_L2_BITS 33
#define H_CRYPT 36
#define H_L1 40
#define HEADER_BYTES 48u

#define CRYPT_NONE 0u
#define CRYPT_AES 1u

#define ENTRY_COMPRESSED (1ull << 63)

struct crypto_cipher;

struct qcow {
    struct tn_host *host;
    const struct tn_image *image;
    uint32_t cluster_bits, l2_bits;
    uint64_t cluster;
    uint64_t bytes;
    uint64_t l1, l1_entries;
    uint64_t first; /* no data before it */
    uint64_t end;   /* nothing was ever written from here on */
    uint32_t crypt;
    uint32_t writable;
    struct crypto_cipher *cipher;
};

static inline uint32_t get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return be32toh(v);
}

static inline uint64_t get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return be64toh(v);
}

static inline void put32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
}

static inline void put64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, 8);
}

static inline uint64_t round_up(uint64_t a, uint64_t unit)
{
    return (a + unit - 1) / unit * unit;
}

static inline uint64_t qcow_table_bytes(const struct qcow *q)
{
    return 8ull << q->l2_bits;
}

/* qcow-open.c */
uint32_t qcow_probe(const uint8_t *header, uint32_t bytes, uint64_t length);
int32_t qcow_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error);
void qcow_close(void *self);
int32_t qcow_create(void *self, const struct tn_create *create,
                    struct tn_error *error);

/* qcow-map.c */
int32_t qcow_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max);
int32_t qcow_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *allocation);
int32_t qcow_commit(void *self, const struct tn_allocation *allocation);
void qcow_cancel(void *self, const struct tn_allocation *allocation);

/* qcow-codec.c */
int32_t qcow_decode(void *self, const struct tn_extent *extent,
                    const void *stored, uint64_t stored_bytes, void *data);
int64_t qcow_encode(void *self, const struct tn_encode *unit);
int32_t qcow_transform(void *self, uint32_t encrypt, uint64_t guest_offset,
                       uint64_t file_offset, void *data, uint64_t bytes);

#endif
