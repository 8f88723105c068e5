/* SPDX-License-Identifier: Apache-2.0 */
/* virtio memory balloon: the instance, shared by its files. */
#ifndef TENON_VIRTIO_BALLOON_H
#define TENON_VIRTIO_BALLOON_H

#include <tenon/balloon.h>
#include <tenon/clock.h>
#include <tenon/memory.h>
#include <tenon/virtio.h>

/* Section 5.5.3. */
#define F_STATS_VQ 1u
#define F_DEFLATE_ON_OOM 2u
#define F_PAGE_POISON 4u
#define F_PAGE_REPORTING 5u

#define PAGE_BITS 12u /* whatever the guest's page size */
#define PAGE_BYTES ((uint64_t)1 << PAGE_BITS)

struct balloon {
    struct tn_host *host;
    const struct tn_virtio_transport *transport;
    struct tn_virtio *virtio;
    const struct tn_memory *memory;
    const struct tn_clock *clock;
    struct tn_timer *timer;
    uint64_t ram;            /* bytes of main memory */
    uint64_t size;           /* property: the first target; 0: all */
    uint64_t stats_interval; /* ns; 0: no polling */
    uint32_t deflate_on_oom;
    uint32_t reporting;
    uint64_t features;                   /* negotiated */
    struct tn_virtio_chain *stats_chain; /* kept until the next poll */
    struct tn_balloon_stats stats;
    uint32_t complained; /* discarding failed, and it was said */
    /* Saved. */
    uint32_t num_pages; /* what the guest shall give */
    uint32_t actual;    /* what it gave */
    uint32_t poison;
};

static inline uint32_t balloon_has(const struct balloon *b, uint32_t feature)
{
    return (uint32_t)(b->features >> feature & 1);
}

/* pages.c */
void balloon_inflate(struct balloon *b, const struct tn_virtio_chain *chain);
void balloon_report(struct balloon *b, const struct tn_virtio_chain *chain);

#endif
