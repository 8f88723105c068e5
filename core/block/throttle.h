/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throttling of a disk: limits on requests and bytes a second, each of reads,
 * of writes and of both together. On the context's thread unless it says
 * otherwise.
 *
 * Each limit keeps the time at which what was let through is paid for at its
 * rate (the generic cell rate algorithm). A request goes once no limit is in
 * debt beyond the burst: so an idle disk has the burst's time to spend at
 * once. Reads wait for reads and writes for writes, in order.
 */
#ifndef TENON_CORE_BLOCK_THROTTLE_H
#define TENON_CORE_BLOCK_THROTTLE_H

#include "core/block/context.h"

enum throttle_limit {
    THROTTLE_REQUESTS,
    THROTTLE_READ_REQUESTS,
    THROTTLE_WRITE_REQUESTS,
    THROTTLE_BYTES,
    THROTTLE_READ_BYTES,
    THROTTLE_WRITE_BYTES,
    THROTTLE_LIMITS
};

struct throttle;

/* Embedded in what waits. */
struct throttle_item {
    struct throttle_item *next;
    struct block_work *work;
    uint64_t bytes;
};

/* RATES a second, 0: none; BURST in nanoseconds. NULL: there is no limit. */
struct throttle *throttle_new(struct block_context *context,
                              const uint64_t rates[THROTTLE_LIMITS],
                              uint64_t burst);
/* After the context, which may still know the timer. NULL is allowed. */
void throttle_free(struct throttle *throttle);
/* Run ITEM's work as soon as the limits allow: maybe now. */
void throttle_submit(struct throttle *throttle, struct throttle_item *item,
                     gboolean writes);
/* [any] Let everything through, from (+1) to (-1): somebody waits for it. */
void throttle_open(struct throttle *throttle, int more);
/* Nanoseconds that a request of BYTES at NOW would have to wait (tests). */
uint64_t throttle_delay(struct throttle *throttle, gboolean writes,
                        uint64_t now);
/* Account for one at NOW (tests). */
void throttle_charge(struct throttle *throttle, gboolean writes,
                     uint64_t bytes, uint64_t now);

#endif
