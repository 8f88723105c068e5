/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.block/1: a disk as a device uses it. What is behind it (formats,
 * protocols, caches, backing chains, limits) is the block engine's, see
 * block-plugin.h.
 *
 * Requests are asynchronous and many may be in flight, in any order; the
 * device orders them where the guest asks for that, by waiting. A request that
 * was completed is on stable storage only after a flush submitted afterwards
 * has completed (or with TN_BLOCK_FUA).
 */
#ifndef TENON_BLOCK_H
#define TENON_BLOCK_H

#include "host.h"
#include "iov.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_block; /* one open disk */

#define TN_BLOCK_READ 1u
#define TN_BLOCK_WRITE 2u
#define TN_BLOCK_FLUSH 3u
#define TN_BLOCK_DISCARD 4u      /* the content becomes undefined */
#define TN_BLOCK_WRITE_ZEROES 5u /* reads as zero afterwards */

/* Request flags. */
#define TN_BLOCK_FUA 0x1u   /* WRITE, WRITE_ZEROES: on stable storage when done */
#define TN_BLOCK_UNMAP 0x2u /* WRITE_ZEROES: space may be given back */

/* What a disk can do: tn_block_info.flags. */
#define TN_BLOCK_READ_ONLY 0x1u
#define TN_BLOCK_CAN_DISCARD 0x2u
#define TN_BLOCK_CAN_WRITE_ZEROES 0x4u
/* Nothing is lost if flushes are left out (no volatile cache). */
#define TN_BLOCK_WRITE_THROUGH 0x8u
#define TN_BLOCK_ROTATIONAL 0x10u

struct tn_block_info {
    uint32_t size; /* set by the caller */
    uint32_t flags;
    uint64_t bytes;               /* a multiple of logical_block */
    uint32_t logical_block;       /* offsets and lengths are multiples of it */
    uint32_t physical_block;      /* what is written without reading first */
    uint32_t optimal_bytes;       /* best transfer size; 0 unknown */
    uint32_t discard_granularity; /* 0 unknown */
    uint64_t max_transfer;        /* most bytes of a request; 0 no limit */
};

/*
 * One request. The device owns it and its iov from submit() until done() is
 * called; it sets the members up to `opaque` and leaves the rest alone.
 */
struct tn_block_request {
    uint32_t size;
    uint32_t operation; /* TN_BLOCK_READ ... */
    uint32_t flags;
    uint32_t n_iov; /* READ, WRITE */
    const struct tn_iov *iov;
    uint64_t offset; /* bytes */
    uint64_t bytes;  /* the sum of iov, or how many to discard or zero */
    /* [io] Called once, on the device's I/O thread under its lock, never from
     * inside submit(). RESULT is 0 (all bytes) or a negative errno; a failed
     * read may have changed the buffer. */
    void (*done)(struct tn_block_request *request, int32_t result);
    void *opaque;
    uint64_t engine[16]; /* the block engine's */
};

struct tn_block_handlers {
    uint32_t size;
    uint32_t reserved;
    /* [io] Optional. The disk's size or abilities changed: ask info(). */
    void (*changed)(void *opaque);
};

#define TN_HOST_BLOCK "tenon.host.block/1"
struct tn_blocks {
    uint32_t size;
    uint32_t reserved;
    /* [control] Open block node ID, or, where ID is NULL, the one of the
     * device's own section ([disk NAME]). HANDLERS may be NULL. NULL with
     * ERROR set: there is none, it has another user, or it cannot be opened. */
    struct tn_block *(*open)(struct tn_host *host, const char *id,
                             const struct tn_block_handlers *handlers,
                             void *opaque, struct tn_error *error);
    /* [control] No request may be in flight. */
    void (*close)(struct tn_host *host, struct tn_block *block);
    /* [any] Fill INFO as far as its size says. */
    void (*info)(struct tn_host *host, struct tn_block *block,
                 struct tn_block_info *info);
    /* [io] also [vcpu]: never blocks. What cannot be (past the end, not a
     * multiple of the block, read-only) completes with an error. */
    void (*submit)(struct tn_host *host, struct tn_block *block,
                   struct tn_block_request *request);
    /* [any] Optional hint between submit()s: all that was submitted since the
     * last is started at the latest now. */
    void (*kick)(struct tn_host *host, struct tn_block *block);
    /* [control] With the instance's lock held: wait until nothing is in
     * flight; done() of what was is called on this thread meanwhile. */
    void (*drain)(struct tn_host *host, struct tn_block *block);
    /* [any] Count IN FLIGHT requests. */
    uint32_t (*in_flight)(struct tn_host *host, struct tn_block *block);
};

#ifdef __cplusplus
}
#endif
#endif
