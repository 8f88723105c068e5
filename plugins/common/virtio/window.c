/* SPDX-License-Identifier: Apache-2.0 */
/* Windows onto guest memory: see window.h. Under the instance's lock. */
#include "virtio/window.h"

#include <string.h>

/* A new window starts at a multiple of this if that is memory too, so that one
 * window serves the whole of main memory. */
#define WINDOW_ALIGN ((uint64_t)1 << 30)
#define WINDOW_BYTES ((uint64_t)1 << 40)

void virtio_windows_init(struct virtio_windows *windows, struct tn_host *host,
                         const struct tn_memory *memory)
{
    memset(windows, 0, sizeof *windows);
    windows->host = host;
    windows->memory = memory;
    windows->generation = memory->generation(host);
}

static void unmap(struct virtio_windows *windows, struct virtio_window *window)
{
    /* What was written was reported with dma_dirty(). */
    if (window->bytes)
        windows->memory->dma_unmap(windows->host, window->start, window->base,
                                   window->bytes, window->direction, 0);
    window->bytes = 0;
}

void virtio_windows_settle(struct virtio_windows *windows)
{
    while (windows->n_retired)
        unmap(windows, &windows->retired[--windows->n_retired]);
}

void virtio_windows_drop(struct virtio_windows *windows)
{
    virtio_windows_settle(windows);
    for (uint32_t i = 0; i < 2 * VIRTIO_WINDOWS; i++)
        unmap(windows, &windows->window[i]);
}

/* Free WINDOW's place. 0: chains point into it and the list is full. */
static uint32_t retire(struct virtio_windows *windows,
                       struct virtio_window *window, uint32_t in_use)
{
    if (!window->bytes)
        return 1;
    if (!in_use) {
        unmap(windows, window);
        return 1;
    }
    if (windows->n_retired == VIRTIO_RETIRED)
        return 0;
    windows->retired[windows->n_retired++] = *window;
    window->bytes = 0;
    return 1;
}

static uint32_t still_true(struct virtio_windows *windows,
                           const struct virtio_window *window)
{
    uint64_t bytes = window->bytes;
    void *base = windows->memory->dma_map(windows->host, window->start, &bytes,
                                          window->direction);

    if (!base)
        return 0;
    windows->memory->dma_unmap(windows->host, window->start, base, bytes,
                               window->direction, 0);
    return base == window->base && bytes == window->bytes;
}

int32_t virtio_windows_check(struct virtio_windows *windows, uint32_t in_use)
{
    uint64_t now = windows->memory->generation(windows->host);

    if (now == windows->generation)
        return 0;
    for (uint32_t i = 0; i < 2 * VIRTIO_WINDOWS; i++) {
        struct virtio_window *window = &windows->window[i];

        if (window->bytes && !still_true(windows, window) &&
            !retire(windows, window, in_use))
            return -1;
    }
    windows->generation = now;
    return 1;
}

static uint32_t map(struct virtio_windows *windows,
                    struct virtio_window *window, uint64_t start)
{
    uint64_t bytes = WINDOW_BYTES;

    if (bytes > UINT64_MAX - start)
        bytes = UINT64_MAX - start;
    if (!bytes)
        return 0;
    window->base = windows->memory->dma_map(windows->host, start, &bytes,
                                            window->direction);
    window->start = start;
    window->bytes = window->base ? bytes : 0;
    return window->bytes != 0;
}

void *virtio_window_open(struct virtio_windows *windows, uint64_t address,
                         uint64_t *bytes, uint32_t direction, uint32_t in_use)
{
    struct virtio_window window = {.direction = direction};
    struct virtio_window *place =
        &windows->window[direction * VIRTIO_WINDOWS +
                         windows->victim++ % VIRTIO_WINDOWS];
    uint64_t at;

    if (map(windows, &window, address & ~(WINDOW_ALIGN - 1)) &&
        address - window.start >= window.bytes)
        unmap(windows, &window);
    if (!window.bytes && !map(windows, &window, address))
        return NULL;
    if (!retire(windows, place, in_use)) {
        unmap(windows, &window);
        return NULL;
    }
    *place = window;
    at = address - window.start;
    if (*bytes > window.bytes - at)
        *bytes = window.bytes - at;
    return window.base + at;
}
