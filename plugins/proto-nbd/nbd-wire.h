/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD protocol on the wire: NetworkBlockDevice doc/proto.md. All numbers
 * are big-endian.
 */
#ifndef TENON_PROTO_NBD_WIRE_H
#define TENON_PROTO_NBD_WIRE_H

#include <stdint.h>

/* "Newstyle negotiation" */
#define NBD_MAGIC UINT64_C(0x4e42444d41474943) /* NBDMAGIC */
#define NBD_OPTION_MAGIC UINT64_C(0x49484156454f5054) /* IHAVEOPT */
#define NBD_OLD_MAGIC UINT64_C(0x0000420281861253)
#define NBD_REPLY_MAGIC UINT64_C(0x0003e889045565a9)

#define NBD_FLAG_FIXED_NEWSTYLE 0x1u /* the server's and the client's */
#define NBD_FLAG_NO_ZEROES 0x2u

/* "Option types" */
#define NBD_OPT_EXPORT_NAME 1u
#define NBD_OPT_ABORT 2u
#define NBD_OPT_STARTTLS 5u
#define NBD_OPT_GO 7u
#define NBD_OPT_STRUCTURED_REPLY 8u
#define NBD_OPT_SET_META_CONTEXT 10u

/* "Option reply types" */
#define NBD_REP_ACK 1u
#define NBD_REP_INFO 3u
#define NBD_REP_META_CONTEXT 4u
#define NBD_REP_ERROR 0x80000000u
#define NBD_REP_ERR_UNSUP (NBD_REP_ERROR | 1u)
#define NBD_REP_ERR_POLICY (NBD_REP_ERROR | 2u)
#define NBD_REP_ERR_TLS_REQD (NBD_REP_ERROR | 5u)
#define NBD_REP_ERR_UNKNOWN (NBD_REP_ERROR | 6u)
#define NBD_REP_ERR_SHUTDOWN (NBD_REP_ERROR | 7u)
#define NBD_REP_ERR_BLOCK_SIZE_REQD (NBD_REP_ERROR | 8u)

#define NBD_INFO_EXPORT 0u
#define NBD_INFO_BLOCK_SIZE 3u

/* "Transmission flags" */
#define NBD_FLAG_READ_ONLY 0x2u
#define NBD_FLAG_SEND_FLUSH 0x4u
#define NBD_FLAG_SEND_FUA 0x8u
#define NBD_FLAG_ROTATIONAL 0x10u
#define NBD_FLAG_SEND_TRIM 0x20u
#define NBD_FLAG_SEND_WRITE_ZEROES 0x40u
#define NBD_FLAG_CAN_MULTI_CONN 0x100u

/* "Transmission phase" */
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_MAGIC 0x67446698u
#define NBD_STRUCTURED_MAGIC 0x668e33efu
#define NBD_REQUEST_BYTES 28u
#define NBD_SIMPLE_BYTES 16u
#define NBD_STRUCTURED_BYTES 20u

#define NBD_CMD_READ 0u
#define NBD_CMD_WRITE 1u
#define NBD_CMD_DISC 2u
#define NBD_CMD_FLUSH 3u
#define NBD_CMD_TRIM 4u
#define NBD_CMD_WRITE_ZEROES 6u
#define NBD_CMD_BLOCK_STATUS 7u

#define NBD_CMD_FLAG_FUA 0x1u
#define NBD_CMD_FLAG_NO_HOLE 0x2u

/* "Structured reply types" */
#define NBD_CHUNK_DONE 0x1u /* a flag */
#define NBD_CHUNK_NONE 0u
#define NBD_CHUNK_DATA 1u
#define NBD_CHUNK_HOLE 2u
#define NBD_CHUNK_BLOCK_STATUS 5u
#define NBD_CHUNK_ERROR_BIT 0x8000u
#define NBD_CHUNK_ERROR 0x8001u
#define NBD_CHUNK_ERROR_OFFSET 0x8002u

/* "base:allocation" */
#define NBD_STATE_HOLE 0x1u
#define NBD_STATE_ZERO 0x2u

#define NBD_DEFAULT_PORT "10809"
#define NBD_MAX_PAYLOAD (32u << 20) /* unless the server says less */
#define NBD_MAX_NAME 4096u

static inline void nbd_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void nbd_put32(uint8_t *at, uint32_t value)
{
    nbd_put16(at, value >> 16);
    nbd_put16(at + 2, value);
}

static inline void nbd_put64(uint8_t *at, uint64_t value)
{
    nbd_put32(at, (uint32_t)(value >> 32));
    nbd_put32(at + 4, (uint32_t)value);
}

static inline uint32_t nbd_get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t nbd_get32(const uint8_t *at)
{
    return nbd_get16(at) << 16 | nbd_get16(at + 2);
}

static inline uint64_t nbd_get64(const uint8_t *at)
{
    return (uint64_t)nbd_get32(at) << 32 | nbd_get32(at + 4);
}

#endif
