/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows onto guest memory: long-lived direct maps that turn a guest address
 * into a host pointer with a comparison and an addition. They are looked at
 * again whenever the machine's physical map changes (tn_memory.generation);
 * one that is no longer true is kept mapped until no chain points into it.
 */
#ifndef TENON_COMMON_VIRTIO_WINDOW_H
#define TENON_COMMON_VIRTIO_WINDOW_H

#include <tenon/memory.h>

#define VIRTIO_WINDOWS 8u  /* for each direction */
#define VIRTIO_RETIRED 64u /* windows that chains may still point into */

struct virtio_window {
    uint64_t start; /* guest physical */
    uint64_t bytes; /* 0: free */
    uint8_t *base;
    uint32_t direction; /* TN_DMA_*: what it was mapped for */
};

struct virtio_windows {
    struct tn_host *host;
    const struct tn_memory *memory;
    uint64_t generation;
    uint32_t victim; /* which one a new window replaces */
    uint32_t n_retired;
    struct virtio_window window[2 * VIRTIO_WINDOWS]; /* readable, writable */
    struct virtio_window retired[VIRTIO_RETIRED];
};

void virtio_windows_init(struct virtio_windows *windows, struct tn_host *host,
                         const struct tn_memory *memory);
/* Unmap all; no chain may be out. */
void virtio_windows_drop(struct virtio_windows *windows);
/* Unmap those that only chains used: the last chain has come back. */
void virtio_windows_settle(struct virtio_windows *windows);
/* Was the machine's map changed? Then look at every window again. IN_USE:
 * chains are out. 0: it was not; 1: it was, cached pointers must be made
 * again; -1: too many old windows are still in use, nothing may be translated
 * until chains have come back. */
int32_t virtio_windows_check(struct virtio_windows *windows, uint32_t in_use);

/* The slow way of virtio_translate(). */
void *virtio_window_open(struct virtio_windows *windows, uint64_t address,
                         uint64_t *bytes, uint32_t direction, uint32_t in_use);

/* Guest memory at ADDRESS; *BYTES is how much of it is wanted and is lowered
 * to what is contiguous. NULL: not memory, or no window to be had. */
static inline void *virtio_translate(struct virtio_windows *windows,
                                     uint64_t address, uint64_t *bytes,
                                     uint32_t direction, uint32_t in_use)
{
    const struct virtio_window *w =
        &windows->window[direction * VIRTIO_WINDOWS];

    for (uint32_t i = 0; i < VIRTIO_WINDOWS; i++, w++) {
        uint64_t at = address - w->start;

        if (at < w->bytes) {
            if (*bytes > w->bytes - at)
                *bytes = w->bytes - at;
            return w->base + at;
        }
    }
    return virtio_window_open(windows, address, bytes, direction, in_use);
}

#endif
