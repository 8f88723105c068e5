/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers in a file's or a wire's byte order, at any address. Header only.
 */
#ifndef TENON_COMMON_BYTES_H
#define TENON_COMMON_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_FROM_LE(bits, v) (v)
#define BYTES_FROM_BE(bits, v) __builtin_bswap##bits(v)
#else
#define BYTES_FROM_LE(bits, v) __builtin_bswap##bits(v)
#define BYTES_FROM_BE(bits, v) (v)
#endif

static inline uint16_t get_le16(const void *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_LE(16, v);
}

static inline void put_le16(void *at, uint16_t v)
{
    v = BYTES_FROM_LE(16, v);
    memcpy(at, &v, sizeof v);
}

static inline uint32_t get_le32(const void *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_LE(32, v);
}

static inline void put_le32(void *at, uint32_t v)
{
    v = BYTES_FROM_LE(32, v);
    memcpy(at, &v, sizeof v);
}

static inline uint64_t get_le64(const void *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_LE(64, v);
}

static inline void put_le64(void *at, uint64_t v)
{
    v = BYTES_FROM_LE(64, v);
    memcpy(at, &v, sizeof v);
}

static inline uint16_t get_be16(const void *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_BE(16, v);
}

static inline void put_be16(void *at, uint16_t v)
{
    v = BYTES_FROM_BE(16, v);
    memcpy(at, &v, sizeof v);
}

static inline uint32_t get_be32(const void *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_BE(32, v);
}

static inline void put_be32(void *at, uint32_t v)
{
    v = BYTES_FROM_BE(32, v);
    memcpy(at, &v, sizeof v);
}

static inline uint64_t get_be64(const void *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return BYTES_FROM_BE(64, v);
}

static inline void put_be64(void *at, uint64_t v)
{
    v = BYTES_FROM_BE(64, v);
    memcpy(at, &v, sizeof v);
}

#endif
