/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues: what the driver sets up, and the part of the transport interface
 * that works on them.
 */
#include "virtio/queue.h"

#include <stdio.h>

#include "virtio/chain.h"

struct virtqueue *virtio_queue(struct tn_virtio *virtio, uint32_t index)
{
    return index < virtio->n_queues ? &virtio->queue[index] : NULL;
}

void virtio_queue_broken(struct virtqueue *queue, const char *text)
{
    char message[160];

    queue->broken = 1;
    snprintf(message, sizeof message, "queue %u: %s", queue->index, text);
    virtio_needs_reset(queue->virtio, message);
}

void virtio_queue_clear(struct virtqueue *queue)
{
    queue->descriptors = queue->driver = queue->device = 0;
    queue->size = queue->max_size;
    queue->ready = 0;
    queue->avail_index = queue->used_index = queue->avail_seen = 0;
    queue->avail_wrap = queue->used_wrap = 1;
    queue->silenced = queue->broken = queue->mapped = 0;
    queue->unflushed = 0;
    queue->in_flight = queue->in_flight_slots = 0;
    queue->epoch++;
}

uint32_t virtio_queue_current(struct tn_virtio *virtio, struct virtqueue *queue)
{
    int32_t changed =
        virtio_windows_check(&virtio->windows, virtio->outstanding);

    if (changed < 0) {
        virtio->starved = 1;
        return 0;
    }
    if (changed)
        for (uint32_t i = 0; i < virtio->n_queues; i++)
            virtio->queue[i].mapped = 0;
    if (queue->mapped)
        return 1;
    if (queue->ops->map(virtio, queue)) {
        virtio_queue_broken(queue, "its rings are not in memory, not aligned "
                                   "or of a size that cannot be");
        return 0;
    }
    queue->mapped = 1;
    return 1;
}

void virtio_queue_set_size(struct virtqueue *queue, uint32_t size)
{
    if (!queue->ready)
        queue->size = size;
}

void virtio_queue_enable(struct virtqueue *queue, uint32_t ready)
{
    struct tn_virtio *virtio = queue->virtio;
    const struct tn_virtio_device *device = &virtio->device;

    if (!ready) {
        if (queue->ready)
            virtio_queue_reset(queue);
        return;
    }
    if (queue->ready || virtio->status & TN_VIRTIO_STATUS_NEEDS_RESET)
        return;
    if (!(virtio->status & TN_VIRTIO_STATUS_FEATURES_OK)) {
        virtio_queue_broken(queue, "set up before features were settled");
        return;
    }
    if (!queue->size || queue->size > queue->max_size) {
        virtio_queue_broken(queue, "a size that the device does not have");
        return;
    }
    queue->ops = virtio_has(virtio, TN_VIRTIO_F_RING_PACKED)
                     ? &virtio_packed_ring
                     : &virtio_split_ring;
    queue->mapped = 0;
    if (!virtio_queue_current(virtio, queue))
        return;
    queue->ready = 1;
    if (device->queue_ready)
        device->queue_ready(virtio->self, queue->index, 1);
}

void virtio_queue_reset(struct virtqueue *queue)
{
    struct tn_virtio *virtio = queue->virtio;
    uint32_t vector = queue->vector;
    uint32_t was_ready = queue->ready;

    virtio_queue_clear(queue);
    queue->vector = vector;
    if (was_ready && virtio->device.queue_ready)
        virtio->device.queue_ready(virtio->self, queue->index, 0);
}

uint32_t virtio_queue_resetting(const struct virtqueue *queue)
{
    return !queue->ready && queue->outstanding > 0;
}

/* ---- tenon.virtio.transport/1 ---- */

static uint32_t usable(const struct tn_virtio *virtio,
                       const struct virtqueue *queue)
{
    const uint32_t go =
        TN_VIRTIO_STATUS_DRIVER_OK | TN_VIRTIO_STATUS_FEATURES_OK;

    return queue->ready && !queue->broken &&
           (virtio->status & (go | TN_VIRTIO_STATUS_NEEDS_RESET)) == go;
}

uint32_t virtio_is_ready(struct tn_virtio *virtio, uint32_t index)
{
    return index < virtio->n_queues && virtio->running &&
           usable(virtio, &virtio->queue[index]);
}

struct tn_virtio_chain *virtio_pop(struct tn_virtio *virtio, uint32_t index)
{
    struct virtqueue *queue = &virtio->queue[index];
    struct virtio_chain *chain;

    if (!virtio_is_ready(virtio, index) || !virtio_queue_current(virtio, queue))
        return NULL;
    chain = queue->ops->pop(virtio, queue);
    if (!chain)
        return NULL;
    queue->in_flight++;
    virtio_chain_finish(chain);
    return &chain->pub;
}

static struct virtio_chain *chain_of(struct tn_virtio_chain *chain)
{
    return (struct virtio_chain *)chain;
}

void virtio_unpop(struct tn_virtio *virtio, struct tn_virtio_chain *pub)
{
    struct virtio_chain *chain = chain_of(pub);
    struct virtqueue *queue = chain->owner;

    if (chain->epoch == queue->epoch) {
        queue->in_flight--;
        queue->ops->unpop(queue, chain);
    }
    virtio_chain_put(virtio, chain);
}

uint32_t virtio_available(struct tn_virtio *virtio, uint32_t index,
                          uint32_t most)
{
    struct virtqueue *queue = &virtio->queue[index];
    uint32_t there;

    if (!virtio_is_ready(virtio, index) || !virtio_queue_current(virtio, queue))
        return 0;
    there = queue->ops->available(queue);
    return there < most ? there : most;
}

void virtio_push(struct tn_virtio *virtio, struct tn_virtio_chain *pub,
                 uint64_t written)
{
    struct virtio_chain *chain = chain_of(pub);
    struct virtqueue *queue = chain->owner;

    if (written > pub->in_bytes)
        written = pub->in_bytes;
    /* The memory was changed even if the driver is told no more. */
    virtio_chain_dirty(virtio, chain, written);
    if (chain->epoch == queue->epoch) {
        queue->in_flight--;
        if (usable(virtio, queue) && virtio_queue_current(virtio, queue))
            queue->ops->push(queue, chain, (uint32_t)written);
    }
    virtio_chain_put(virtio, chain);
}

void virtio_flush(struct tn_virtio *virtio, uint32_t index)
{
    struct virtqueue *queue = virtio_queue(virtio, index);

    if (!queue || !queue->unflushed || !usable(virtio, queue) ||
        !virtio_queue_current(virtio, queue))
        return;
    if (queue->ops->flush(virtio, queue))
        virtio->wires->queue_interrupt(virtio->transport, index);
}

uint64_t virtio_in_address(struct tn_virtio *virtio,
                           const struct tn_virtio_chain *pub, uint32_t piece)
{
    const struct virtio_chain *chain = (const struct virtio_chain *)pub;

    (void)virtio;
    return chain->addresses[pub->n_out + piece];
}
