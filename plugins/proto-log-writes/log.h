/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log that Linux' dm-log-writes defines: a superblock in the first sector,
 * then entries, each a sector and the data it is about. All numbers are
 * little-endian; sectors are the log's. Documentation/admin-guide/
 * device-mapper/log-writes.rst.
 */
#ifndef TENON_PROTO_LOG_WRITES_LOG_H
#define TENON_PROTO_LOG_WRITES_LOG_H

#include "filter/filter.h"

#define LOG_MAGIC 0x006a736677736872u
#define LOG_VERSION 1u
#define LOG_SUPER_BYTES 28u
#define LOG_ENTRY_BYTES 32u

#define LOG_FLUSH 0x1u
#define LOG_FUA 0x2u
#define LOG_DISCARD 0x4u
#define LOG_MARK 0x8u

struct log_writes;

/* A request that is done but for its place in the log. */
struct log_record {
    struct log_record *next;
    struct log_writes *owner;
    struct tn_protocol_request *request;
    struct tn_protocol_request io; /* to the child, then to the log */
    uint32_t ready;                /* the child has done it */
    int32_t result;
    uint64_t logged; /* bytes of it that are in the log */
    uint64_t piece;  /* ... and that are on their way */
    struct tn_iovec iov[]; /* the entry, then the request's */
};

struct log_writes {
    struct filter filter;
    struct tn_child *log;
    uint32_t sector_bytes;
    uint64_t next_sector; /* of the log: where the next entry goes */
    uint64_t entries;     /* that are in it */
    int32_t broken;       /* it could not be written */
    struct log_record *first, **last;
    uint32_t writing;
    uint8_t *sector; /* an entry, or the superblock */
    uint8_t *zeroes; /* LOG_ZEROES of them */
};

#define LOG_ZEROES (1u << 20)

/* log.c */
int32_t log_open(struct log_writes *l, const char *name,
                 struct tn_error *error);
void log_close(struct log_writes *l);
void log_submit(struct log_writes *l, struct tn_protocol_request *request);

#endif
