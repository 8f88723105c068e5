/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings: virtio 1.2 section 2.8. One ring of descriptors that both
 * sides write; two flag bits, compared with wrap counters, say whose a
 * descriptor is.
 */
#include "virtio/chain.h"

#define DESC_LENGTH 8u
#define DESC_ID 12u
#define DESC_FLAGS 14u
#define FLAG_AVAIL 0x0080u
#define FLAG_USED 0x8000u

/* The event suppression structures, section 2.8.14. */
#define EVENT_BYTES 4u
#define EVENT_OFFSET 0u /* low 15 bits a slot, the highest a wrap counter */
#define EVENT_FLAGS 2u
#define EVENT_ENABLE 0u
#define EVENT_DISABLE 1u
#define EVENT_AT_SLOT 2u
#define EVENT_WRAP 0x8000u

static uint8_t *area(struct tn_virtio *virtio, uint64_t address, uint64_t bytes,
                     uint32_t direction, uint32_t align)
{
    uint64_t there = bytes;
    uint8_t *base = virtio_translate(&virtio->windows, address, &there,
                                     direction, virtio->outstanding);

    return there < bytes || (uintptr_t)base % align ? NULL : base;
}

static int32_t packed_map(struct tn_virtio *virtio, struct virtqueue *queue)
{
    queue->descriptors_map =
        area(virtio, queue->descriptors,
             (uint64_t)queue->size * VIRTIO_DESC_BYTES, TN_DMA_WRITE, 16);
    queue->driver_map =
        area(virtio, queue->driver, EVENT_BYTES, TN_DMA_READ, 4);
    queue->device_map =
        area(virtio, queue->device, EVENT_BYTES, TN_DMA_WRITE, 4);
    if (!queue->descriptors_map || !queue->driver_map || !queue->device_map)
        return -1;
    return 0;
}

static uint8_t *slot(const struct virtqueue *queue, uint32_t index)
{
    return queue->descriptors_map + index * VIRTIO_DESC_BYTES;
}

static uint32_t packed_available(struct virtqueue *queue)
{
    uint16_t flags = virtio_load16(slot(queue, queue->avail_index) + DESC_FLAGS,
                                   __ATOMIC_ACQUIRE);

    if (!!(flags & FLAG_AVAIL) != queue->avail_wrap ||
        !!(flags & FLAG_USED) == queue->avail_wrap)
        return 0;
    /* How many slots follow only walking tells. */
    return queue->size;
}

static void device_event(struct virtqueue *queue, uint16_t flags)
{
    struct tn_virtio *virtio = queue->virtio;

    if (flags == EVENT_AT_SLOT)
        virtio_store16(queue->device_map + EVENT_OFFSET,
                       (uint16_t)(queue->avail_index |
                                  (queue->avail_wrap ? EVENT_WRAP : 0)));
    virtio_store16_release(queue->device_map + EVENT_FLAGS, flags);
    virtio->windows.memory->dma_dirty(virtio->host, queue->device, EVENT_BYTES);
}

static uint32_t look(struct tn_virtio *virtio, struct virtqueue *queue)
{
    if (packed_available(queue))
        return 1;
    device_event(queue, virtio_has(virtio, TN_VIRTIO_F_EVENT_IDX)
                            ? EVENT_AT_SLOT
                            : EVENT_ENABLE);
    queue->silenced = 0;
    /* The wish must be seen before the flags are looked at again. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return packed_available(queue);
}

/* Walk the slots of the chain at avail_index. */
static const char *walk(struct tn_virtio *virtio, struct virtqueue *queue,
                        struct virtio_chain *chain)
{
    uint32_t index = queue->avail_index;

    for (;;) {
        struct virtio_desc desc;
        const char *wrong;

        if (chain->slots == queue->size - queue->in_flight_slots)
            return "a chain longer than what is free of the ring";
        desc = virtio_packed_desc_load(slot(queue, index));
        chain->id = desc.next;
        chain->slots++;
        chain->descriptors++;
        if (desc.flags & VIRTIO_DESC_INDIRECT)
            return virtio_chain_add_table(virtio, chain, &desc, 0);
        wrong = virtio_chain_add(virtio, chain, &desc);
        if (wrong || !(desc.flags & VIRTIO_DESC_NEXT))
            return wrong;
        if (++index == queue->size)
            index = 0;
    }
}

static void advance(uint16_t *index, uint8_t *wrap, uint32_t by, uint32_t size)
{
    uint32_t next = *index + by;

    if (next >= size) {
        next -= size;
        *wrap ^= 1;
    }
    *index = (uint16_t)next;
}

static struct virtio_chain *packed_pop(struct tn_virtio *virtio,
                                       struct virtqueue *queue)
{
    struct virtio_chain *chain;
    const char *wrong;

    if (!look(virtio, queue))
        return NULL;
    chain = virtio_chain_get(virtio, queue);
    if (!chain)
        return NULL;
    chain->slots = 0;
    wrong = walk(virtio, queue, chain);
    if (wrong) {
        virtio_chain_put(virtio, chain);
        virtio_queue_broken(queue, wrong);
        return NULL;
    }
    queue->in_flight_slots += chain->slots;
    advance(&queue->avail_index, &queue->avail_wrap, chain->slots, queue->size);
    if (!queue->silenced) {
        device_event(queue, EVENT_DISABLE);
        queue->silenced = 1;
    }
    return chain;
}

static void packed_unpop(struct virtqueue *queue,
                         const struct virtio_chain *chain)
{
    queue->in_flight_slots -= chain->slots;
    if (queue->avail_index < chain->slots) {
        queue->avail_index += (uint16_t)queue->size;
        queue->avail_wrap ^= 1;
    }
    queue->avail_index -= chain->slots;
}

/* The first slot of a batch gets its flags last, by flush(): until then the
 * driver sees none of the batch. */
static void packed_push(struct virtqueue *queue,
                        const struct virtio_chain *chain, uint32_t written)
{
    uint8_t *at = slot(queue, queue->used_index);
    uint16_t flags = queue->used_wrap ? FLAG_AVAIL | FLAG_USED : 0;
    uint32_t length = virtio_le32(written);

    if (written)
        flags |= VIRTIO_DESC_WRITE;
    __builtin_memcpy(at + DESC_LENGTH, &length, sizeof length);
    virtio_store16(at + DESC_ID, chain->id);
    if (queue->unflushed) {
        virtio_store16_release(at + DESC_FLAGS, flags);
    } else {
        queue->first_slot = queue->used_index;
        queue->first_flags = flags;
    }
    queue->virtio->windows.memory->dma_dirty(
        queue->virtio->host,
        queue->descriptors + queue->used_index * VIRTIO_DESC_BYTES,
        VIRTIO_DESC_BYTES);
    queue->unflushed += chain->slots;
    queue->in_flight_slots -= chain->slots;
    advance(&queue->used_index, &queue->used_wrap, chain->slots, queue->size);
}

static uint32_t wants_interrupt(struct tn_virtio *virtio,
                                struct virtqueue *queue, uint16_t slots)
{
    uint16_t flags =
        virtio_load16(queue->driver_map + EVENT_FLAGS, __ATOMIC_ACQUIRE);
    uint16_t event;
    uint16_t where;

    if (flags != EVENT_AT_SLOT || !virtio_has(virtio, TN_VIRTIO_F_EVENT_IDX))
        return flags != EVENT_DISABLE;
    event = virtio_load16(queue->driver_map + EVENT_OFFSET, __ATOMIC_RELAXED);
    where = event & (EVENT_WRAP - 1);
    /* A slot of the round before. */
    if (!!(event & EVENT_WRAP) != queue->used_wrap)
        where = (uint16_t)(where - queue->size);
    return virtio_event_passed(where, queue->used_index,
                               (uint16_t)(queue->used_index - slots));
}

static uint32_t packed_flush(struct tn_virtio *virtio, struct virtqueue *queue)
{
    uint16_t slots = queue->unflushed;

    virtio_store16_release(slot(queue, queue->first_slot) + DESC_FLAGS,
                           queue->first_flags);
    virtio->windows.memory->dma_dirty(virtio->host,
                                      queue->descriptors +
                                          queue->first_slot * VIRTIO_DESC_BYTES,
                                      VIRTIO_DESC_BYTES);
    queue->unflushed = 0;
    /* The flags must be seen before the driver's wish is looked at. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return wants_interrupt(virtio, queue, slots);
}

const struct virtio_ring_ops virtio_packed_ring = {
    .map = packed_map,
    .pop = packed_pop,
    .unpop = packed_unpop,
    .available = packed_available,
    .push = packed_push,
    .flush = packed_flush,
};
