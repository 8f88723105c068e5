/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.block/1: a disk, as the device that shows it to the guest has it.
 *
 * The machine file's section [disk root] makes the device instance `disk.root`
 * and the block node `disk.root`; the device opens its node with id NULL and
 * never learns what format or file lies under it.
 *
 * Requests are asynchronous, may overlap and finish in any order. A request
 * that was acknowledged is in the image, not necessarily on stable storage:
 * a FLUSH submitted after it finished puts it there. There is no order
 * between requests in flight at the same time.
 */
#ifndef TENON_BLOCK_H
#define TENON_BLOCK_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_disk; /* one open disk of one device */

/* A piece of memory. May point into guest RAM (tn_memory.dma_map). */
struct tn_iovec {
    void *base;
    uint64_t bytes;
};

/* tn_disk_request.op */
#define TN_DISK_READ 0u
#define TN_DISK_WRITE 1u
#define TN_DISK_FLUSH 2u /* offset and bytes are 0 */
/* The content is of no use any more: afterwards it reads as anything. */
#define TN_DISK_DISCARD 3u
/* Reads as zeroes afterwards. */
#define TN_DISK_ZERO 4u

/* tn_disk_request.flags */
#define TN_DISK_FUA 0x1u   /* WRITE, ZERO: stable when done, as if flushed */
#define TN_DISK_UNMAP 0x2u /* ZERO: space may be given back */

/*
 * One request. The device owns the structure and what IOV points to; both
 * must stay until done() is called, and done() may reuse or free them.
 */
struct tn_disk_request {
    uint32_t size;
    uint32_t op;
    uint32_t flags;
    uint32_t n_iov; /* at most 1024; READ and WRITE only */
    uint64_t offset; /* bytes; a multiple of tn_disk_info.block_bytes */
    uint64_t bytes;  /* likewise; the sum of IOV for READ and WRITE */
    const struct tn_iovec *iov;
    /* [io] RESULT is 0 or a negative errno: -EINVAL (unaligned or beyond the
     * end), -EROFS, -ENOSPC, -EIO, ... Never called from inside submit(). */
    void (*done)(struct tn_disk_request *request, int32_t result);
    void *opaque; /* the device's */
    uint64_t host[8]; /* the host's while the request is in flight */
};

#define TN_DISK_READ_ONLY 0x1u  /* writes fail with -EROFS */
#define TN_DISK_WRITEBACK 0x2u  /* FLUSH is needed for stability; else every
                                   write is stable when it is done */
#define TN_DISK_CAN_DISCARD 0x4u
#define TN_DISK_CAN_UNMAP 0x8u  /* TN_DISK_UNMAP gives space back */
#define TN_DISK_ROTATIONAL 0x10u

struct tn_disk_info {
    uint32_t size; /* set by the caller before the call */
    uint32_t flags;
    uint64_t bytes;              /* a multiple of block_bytes */
    uint32_t block_bytes;        /* smallest unit of a request: 512 .. 4096 */
    uint32_t physical_bytes;     /* unit without read-modify-write underneath */
    uint32_t optimal_bytes;      /* best transfer size, 0 unknown */
    uint32_t discard_bytes;      /* granularity of DISCARD and UNMAP; others
                                    are done in part or not at all */
    uint64_t max_transfer_bytes; /* of one READ or WRITE */
    uint64_t max_discard_bytes;  /* of one DISCARD or ZERO */
    char serial[64];             /* of the image or host device, "" none */
};

struct tn_disk_handlers {
    uint32_t size;
    uint32_t reserved;
    /* [io] Optional. info() says something else than before: the size, or
     * that it became read-only. */
    void (*changed)(void *opaque);
};

#define TN_HOST_BLOCK "tenon.host.block/1"
struct tn_blocks {
    uint32_t size;
    uint32_t reserved;
    /* [control] Open block node ID; NULL is the instance's own. One device a
     * node, unless the node is read-only. HANDLERS may be NULL and is not
     * copied. NULL with ERROR set: there is no such node or it has another
     * user. */
    struct tn_disk *(*open)(struct tn_host *host, const char *id,
                            const struct tn_disk_handlers *handlers,
                            void *opaque, struct tn_error *error);
    /* [control] After drain(). NULL is allowed. */
    void (*close)(struct tn_host *host, struct tn_disk *disk);
    /* [any] */
    void (*info)(struct tn_host *host, struct tn_disk *disk,
                 struct tn_disk_info *info);
    /* [any] Start REQUEST; done() is called exactly once, also for requests
     * that are refused. */
    void (*submit)(struct tn_host *host, struct tn_disk *disk,
                   struct tn_disk_request *request);
    /* [control] Wait until no request is in flight: every done() has run. The
     * caller holds its instance's lock; it is released meanwhile. */
    void (*drain)(struct tn_host *host, struct tn_disk *disk);
    /* [any] Choose between write-back and write-through as the guest does
     * (virtio-blk WCE). A machine file that says writethrough wins. */
    void (*set_writeback)(struct tn_host *host, struct tn_disk *disk,
                          uint32_t enabled);
};

#ifdef __cplusplus
}
#endif
#endif
