/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "overlay": what is written over an image and forgotten when it is
 * closed. The map is in memory only; the file, which begins empty, holds
 * nothing but data, cluster after cluster. All calls are the engine's, one at a
 * time (block-plugin.h).
 */
#ifndef TENON_FMT_OVERLAY_H
#define TENON_FMT_OVERLAY_H

#include <stdint.h>

#include "tenon/block-plugin.h"

#define CLUSTER 4096u
#define TABLE_ENTRIES 128u /* clusters that one table maps */

/* What a cluster of the guest is: the base's, zeroes, or at place n - FIRST of
 * the file, in clusters. */
#define ENTRY_BASE 0u
#define ENTRY_ZERO 1u
#define ENTRY_FIRST 2u

struct overlay_table {
    uint32_t entries[TABLE_ENTRIES];
};

/* Clusters of the file. */
struct overlay_space {
    uint64_t end;   /* clusters below were used once */
    uint64_t *free; /* a bit each of those */
    uint64_t words; /* of `free` */
    uint64_t n_free;
    uint64_t cursor; /* word to look at first */
};

struct overlay {
    struct tn_host *host;
    const struct tn_image *image;
    uint64_t bytes;
    uint64_t n_tables;
    struct overlay_table **tables; /* NULL: all is the base's; or overlay_zero */
    struct overlay_space space;
};

/* A table whose entries are all ENTRY_ZERO. Not written. */
extern struct overlay_table overlay_zero;

/* ---- overlay-space.c ---- */

/* Up to WANTED clusters in a row, at least one. *FRESH: never used before.
 * Returns how many from *PLACE on, or a negative errno. */
int64_t overlay_take(struct overlay_space *space, uint64_t wanted,
                     uint64_t *place, uint32_t *fresh);
void overlay_give(struct overlay_space *space, uint64_t place, uint64_t n);

/* ---- overlay-map.c ---- */

int32_t overlay_map(void *self, uint64_t offset, uint64_t bytes,
                    struct tn_extent *extents, uint32_t max);
int32_t overlay_allocate(void *self, uint64_t offset, uint64_t bytes,
                         uint32_t flags, struct tn_allocation *a);
int32_t overlay_commit(void *self, const struct tn_allocation *a);
void overlay_cancel(void *self, const struct tn_allocation *a);
int32_t overlay_change(void *self, uint64_t offset, uint64_t bytes,
                       uint32_t kind, uint64_t *done);
int32_t overlay_release(void *self, uint32_t file, uint64_t offset,
                        uint64_t bytes);

#endif
