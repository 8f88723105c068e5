/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.balloon/1: what management does with a memory balloon. Offered by
 * balloon devices from get_interface().
 */
#ifndef TENON_BALLOON_H
#define TENON_BALLOON_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* tn_balloon_stats.value by index; the tags of virtio 1.2 section 5.5.6.3. */
#define TN_BALLOON_SWAP_IN 0u
#define TN_BALLOON_SWAP_OUT 1u
#define TN_BALLOON_MAJOR_FAULTS 2u
#define TN_BALLOON_MINOR_FAULTS 3u
#define TN_BALLOON_FREE 4u      /* bytes */
#define TN_BALLOON_TOTAL 5u     /* bytes */
#define TN_BALLOON_AVAILABLE 6u /* bytes */
#define TN_BALLOON_CACHES 7u    /* bytes */
#define TN_BALLOON_STATS 16u

struct tn_balloon_stats {
    uint32_t size;  /* set by the caller */
    uint32_t known; /* a bit for each value the guest gave */
    uint64_t time;  /* TN_CLOCK_REALTIME of the answer; 0: none came yet */
    uint64_t value[TN_BALLOON_STATS];
};

#define TN_BALLOON "tenon.balloon/1"
struct tn_balloon {
    uint32_t size;
    uint32_t reserved;
    /* [any] Ask the guest to get along with BYTES of memory. */
    void (*set_target)(void *self, uint64_t bytes);
    /* [any] What it has now: main memory without what the balloon holds. */
    uint64_t (*actual)(void *self);
    /* [any] The guest's statistics, polled every stats-interval. */
    void (*stats)(void *self, struct tn_balloon_stats *stats);
};

#ifdef __cplusplus
}
#endif
#endif
