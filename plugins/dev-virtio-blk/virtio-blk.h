/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio block device (virtio 1.2 section 5.2): the instance, shared by its
 * files.
 */
#ifndef TENON_VIRTIO_BLK_H
#define TENON_VIRTIO_BLK_H

#include <tenon/block.h>
#include <tenon/loop.h>
#include <tenon/virtio.h>

#define SECTOR_BYTES 512u
#define SECTOR_SHIFT 9u
#define ID_BYTES 20u
#define MOST_RANGES 16u /* of one discard or write-zeroes request */

/* Section 5.2.3. */
#define F_SIZE_MAX 1u
#define F_SEG_MAX 2u
#define F_RO 5u
#define F_BLK_SIZE 6u
#define F_FLUSH 9u
#define F_TOPOLOGY 10u
#define F_CONFIG_WCE 11u
#define F_MQ 12u
#define F_DISCARD 13u
#define F_WRITE_ZEROES 14u

struct blk {
    struct tn_host *host;
    const struct tn_virtio_transport *transport;
    struct tn_virtio *virtio;
    const struct tn_blocks *blocks;
    struct tn_disk *disk;
    const struct tn_loop *loop;
    struct tn_task *flush_task;
    struct tn_disk_info info;
    uint64_t features;                             /* negotiated */
    uint64_t unflushed[TN_VIRTIO_MAX_QUEUES / 64]; /* queues with pushes */
    uint32_t in_flight;
    uint32_t n_queues;
    uint32_t queue_size;
    uint32_t size_max; /* property; 0: not offered */
    uint32_t discard;  /* property */
    uint8_t default_writeback;
    char id[ID_BYTES];
    /* Saved. */
    uint8_t writeback;
};

/* A range of discard or write-zeroes, section 5.2.6. */
struct blk_range {
    uint64_t sector;
    uint32_t sectors;
    uint32_t flags;
};

/* In the room of each chain. */
struct blk_request {
    struct tn_disk_request disk; /* first */
    struct blk *blk;
    struct tn_virtio_chain *chain;
    struct tn_iovec *own_iov; /* pieces cut to the data; NULL: not needed */
    uint64_t in_data;         /* bytes of `in` before the status byte */
    uint32_t n_ranges;
    uint32_t next_range;
    struct blk_range ranges[MOST_RANGES];
};

/* request.c: take over CHAIN. */
void blk_request_start(struct blk *blk, struct tn_virtio_chain *chain);

#endif
