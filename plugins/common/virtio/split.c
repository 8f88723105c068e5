/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings: virtio 1.2 section 2.7. The driver writes the descriptor table
 * and the available ring, the device the used ring; indexes run freely.
 */
#include "virtio/chain.h"

/* Offsets in the available and used rings. */
#define RING_FLAGS 0u
#define RING_INDEX 2u
#define RING_ENTRIES 4u
#define AVAIL_ENTRY_BYTES 2u
#define USED_ENTRY_BYTES 8u

#define AVAIL_NO_INTERRUPT 0x1u
#define USED_NO_NOTIFY 0x1u

static uint64_t avail_bytes(const struct virtqueue *queue)
{
    /* With used_event behind the entries. */
    return RING_ENTRIES + AVAIL_ENTRY_BYTES * (uint64_t)queue->size + 2;
}

static uint64_t used_bytes(const struct virtqueue *queue)
{
    /* With avail_event behind the entries. */
    return RING_ENTRIES + USED_ENTRY_BYTES * (uint64_t)queue->size + 2;
}

static uint8_t *area(struct tn_virtio *virtio, uint64_t address, uint64_t bytes,
                     uint32_t direction, uint32_t align)
{
    uint64_t there = bytes;
    uint8_t *base = virtio_translate(&virtio->windows, address, &there,
                                     direction, virtio->outstanding);

    return there < bytes || (uintptr_t)base % align ? NULL : base;
}

static int32_t split_map(struct tn_virtio *virtio, struct virtqueue *queue)
{
    if (queue->size & (queue->size - 1))
        return -1;
    queue->descriptors_map =
        area(virtio, queue->descriptors,
             (uint64_t)queue->size * VIRTIO_DESC_BYTES, TN_DMA_READ, 16);
    queue->driver_map =
        area(virtio, queue->driver, avail_bytes(queue), TN_DMA_READ, 2);
    queue->device_map =
        area(virtio, queue->device, used_bytes(queue), TN_DMA_WRITE, 4);
    if (!queue->descriptors_map || !queue->driver_map || !queue->device_map)
        return -1;
    return 0;
}

/* Write the two bytes at OFFSET of the used ring. */
static void used_store(struct virtqueue *queue, uint64_t offset, uint16_t value)
{
    struct tn_virtio *virtio = queue->virtio;

    virtio_store16(queue->device_map + offset, value);
    virtio->windows.memory->dma_dirty(virtio->host, queue->device + offset, 2);
}

/* Nothing is available: ask to be notified. */
static void want_notification(struct tn_virtio *virtio, struct virtqueue *queue)
{
    if (virtio_has(virtio, TN_VIRTIO_F_EVENT_IDX))
        used_store(queue, used_bytes(queue) - 2, queue->avail_index);
    else if (queue->silenced)
        used_store(queue, RING_FLAGS, 0);
    queue->silenced = 0;
    /* The wish must be seen before the index is looked at again. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint32_t split_available(struct virtqueue *queue)
{
    uint16_t there;

    queue->avail_seen =
        virtio_load16(queue->driver_map + RING_INDEX, __ATOMIC_ACQUIRE);
    there = (uint16_t)(queue->avail_seen - queue->avail_index);
    if (there <= queue->size)
        return there;
    virtio_queue_broken(queue, "the available index jumped");
    queue->avail_seen = queue->avail_index;
    return 0;
}

static uint32_t look(struct tn_virtio *virtio, struct virtqueue *queue)
{
    if (queue->avail_seen != queue->avail_index || split_available(queue))
        return 1;
    if (queue->broken)
        return 0;
    want_notification(virtio, queue);
    return split_available(queue);
}

/* Walk the chain that starts at descriptor INDEX. */
static const char *walk(struct tn_virtio *virtio, struct virtqueue *queue,
                        struct virtio_chain *chain, uint32_t index)
{
    for (;;) {
        struct virtio_desc desc;
        const char *wrong;

        if (index >= queue->size)
            return "a descriptor number past the table";
        if (++chain->descriptors > queue->size)
            return "a chain longer than the queue, or a loop";
        desc = virtio_desc_load(queue->descriptors_map +
                                index * VIRTIO_DESC_BYTES);
        if (desc.flags & VIRTIO_DESC_INDIRECT)
            return virtio_chain_add_table(virtio, chain, &desc, 1);
        wrong = virtio_chain_add(virtio, chain, &desc);
        if (wrong || !(desc.flags & VIRTIO_DESC_NEXT))
            return wrong;
        index = desc.next;
    }
}

static struct virtio_chain *split_pop(struct tn_virtio *virtio,
                                      struct virtqueue *queue)
{
    struct virtio_chain *chain;
    const char *wrong;
    uint16_t head;

    if (!look(virtio, queue))
        return NULL;
    if (queue->in_flight >= queue->size) {
        virtio_queue_broken(queue, "more chains in flight than descriptors");
        return NULL;
    }
    chain = virtio_chain_get(virtio, queue);
    if (!chain)
        return NULL;
    head = virtio_load16(queue->driver_map + RING_ENTRIES +
                             AVAIL_ENTRY_BYTES *
                                 (queue->avail_index & (queue->size - 1)),
                         __ATOMIC_RELAXED);
    chain->id = head;
    chain->slots = 1;
    wrong = walk(virtio, queue, chain, head);
    if (wrong) {
        virtio_chain_put(virtio, chain);
        virtio_queue_broken(queue, wrong);
        return NULL;
    }
    queue->avail_index++;
    if (!queue->silenced && !virtio_has(virtio, TN_VIRTIO_F_EVENT_IDX)) {
        used_store(queue, RING_FLAGS, USED_NO_NOTIFY);
        queue->silenced = 1;
    }
    return chain;
}

static void split_unpop(struct virtqueue *queue,
                        const struct virtio_chain *chain)
{
    (void)chain;
    queue->avail_index--;
}

static void split_push(struct virtqueue *queue,
                       const struct virtio_chain *chain, uint32_t written)
{
    uint16_t at = (uint16_t)(queue->used_index + queue->unflushed++);
    uint32_t entry[2] = {virtio_le32(chain->id), virtio_le32(written)};

    __builtin_memcpy(queue->device_map + RING_ENTRIES +
                         USED_ENTRY_BYTES * (at & (queue->size - 1)),
                     entry, sizeof entry);
}

/* The entries from used_index on were written: report them dirty. */
static void dirty_entries(struct tn_virtio *virtio, struct virtqueue *queue)
{
    const struct tn_memory *memory = virtio->windows.memory;
    uint32_t first = queue->used_index & (queue->size - 1);
    uint32_t count = queue->unflushed;
    uint64_t entries = queue->device + RING_ENTRIES;

    if (first + count > queue->size) {
        memory->dma_dirty(virtio->host, entries,
                          (uint64_t)USED_ENTRY_BYTES * queue->size);
        return;
    }
    memory->dma_dirty(virtio->host, entries + USED_ENTRY_BYTES * first,
                      (uint64_t)USED_ENTRY_BYTES * count);
}

static uint32_t split_flush(struct tn_virtio *virtio, struct virtqueue *queue)
{
    uint16_t old = queue->used_index;
    uint16_t now = (uint16_t)(old + queue->unflushed);

    dirty_entries(virtio, queue);
    queue->used_index = now;
    queue->unflushed = 0;
    virtio_store16_release(queue->device_map + RING_INDEX, now);
    virtio->windows.memory->dma_dirty(virtio->host, queue->device + RING_INDEX,
                                      2);
    /* The index must be seen before the driver's wish is looked at. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (virtio_has(virtio, TN_VIRTIO_F_EVENT_IDX))
        return virtio_event_passed(
            virtio_load16(queue->driver_map + avail_bytes(queue) - 2,
                          __ATOMIC_RELAXED),
            now, old);
    return !(virtio_load16(queue->driver_map + RING_FLAGS, __ATOMIC_RELAXED) &
             AVAIL_NO_INTERRUPT);
}

const struct virtio_ring_ops virtio_split_ring = {
    .map = split_map,
    .pop = split_pop,
    .unpop = split_unpop,
    .available = split_available,
    .push = split_push,
    .flush = split_flush,
};
