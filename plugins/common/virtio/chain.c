/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains (virtio 1.2 sections 2.7.5, 2.8.6, 2.8.7). Everything in a
 * descriptor is the guest's word: each is copied once and checked before use.
 */
#include "virtio/chain.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 24u
/* One descriptor may span several pieces of memory; no honest one does often.
 */
#define MOST_PIECES (4u * TN_VIRTIO_MAX_QUEUE_SIZE)
#define ROOM_ALIGN 16u

static struct virtio_chain *new_chain(struct tn_virtio *virtio)
{
    size_t head = (sizeof(struct virtio_chain) + ROOM_ALIGN - 1) &
                  ~(size_t)(ROOM_ALIGN - 1);
    uint32_t room = virtio->device.chain_room;
    struct virtio_chain *chain = malloc(head + room);

    if (!chain)
        return NULL;
    memset(chain, 0, sizeof *chain);
    chain->pub.size = sizeof chain->pub;
    chain->pub.room = room ? (char *)chain + head : NULL;
    chain->next_all = virtio->all_chains;
    virtio->all_chains = chain;
    return chain;
}

struct virtio_chain *virtio_chain_get(struct tn_virtio *virtio,
                                      struct virtqueue *queue)
{
    struct virtio_chain *chain = virtio->free_chains;

    if (chain)
        virtio->free_chains = chain->next;
    else if (!(chain = new_chain(virtio)))
        return NULL;
    chain->pub.queue = queue->index;
    chain->pub.n_out = chain->pub.n_in = 0;
    chain->pub.out_bytes = chain->pub.in_bytes = 0;
    chain->owner = queue;
    chain->epoch = queue->epoch;
    chain->descriptors = chain->n_pieces = 0;
    queue->outstanding++;
    virtio->outstanding++;
    return chain;
}

void virtio_chain_put(struct tn_virtio *virtio, struct virtio_chain *chain)
{
    chain->owner->outstanding--;
    chain->next = virtio->free_chains;
    virtio->free_chains = chain;
    if (--virtio->outstanding)
        return;
    virtio->resetting = 0;
    virtio_windows_settle(&virtio->windows);
    if (virtio->starved) {
        virtio->starved = 0;
        for (uint32_t i = 0; i < virtio->n_queues; i++)
            virtio_notify(virtio, i);
    }
}

void virtio_chains_free(struct tn_virtio *virtio)
{
    struct virtio_chain *chain;

    virtio->free_chains = NULL;
    while ((chain = virtio->all_chains)) {
        virtio->all_chains = chain->next_all;
        free(chain->pieces);
        free(chain->addresses);
        free(chain);
    }
}

static uint32_t grow(struct virtio_chain *chain)
{
    uint32_t capacity = chain->capacity ? 2 * chain->capacity : FIRST_CAPACITY;
    void *pieces;
    void *addresses;

    if (capacity > MOST_PIECES)
        return 0;
    pieces = realloc(chain->pieces, capacity * sizeof chain->pieces[0]);
    if (!pieces)
        return 0;
    chain->pieces = pieces;
    addresses = realloc(chain->addresses, capacity * sizeof(uint64_t));
    if (!addresses)
        return 0;
    chain->addresses = addresses;
    chain->capacity = capacity;
    return 1;
}

const char *virtio_chain_add(struct tn_virtio *virtio,
                             struct virtio_chain *chain,
                             const struct virtio_desc *desc)
{
    uint32_t direction =
        desc->flags & VIRTIO_DESC_WRITE ? TN_DMA_WRITE : TN_DMA_READ;
    uint64_t address = desc->address;
    uint64_t left = desc->bytes;
    uint64_t *total;

    if (!left)
        return "a descriptor of no bytes";
    if (address + (left - 1) < address)
        return "a descriptor that wraps around the end of memory";
    if (direction == TN_DMA_READ && chain->pub.n_in)
        return "a readable descriptor after a writable one";
    total = direction == TN_DMA_WRITE ? &chain->pub.in_bytes
                                      : &chain->pub.out_bytes;
    *total += left;
    if (chain->pub.in_bytes + chain->pub.out_bytes > UINT32_MAX)
        return "a chain of 4 GiB or more";
    while (left) {
        uint64_t bytes = left;
        void *base =
            virtio_translate(&virtio->windows, address, &bytes, direction, 1);

        if (!base)
            return direction == TN_DMA_WRITE
                       ? "a descriptor of memory that cannot be written"
                       : "a descriptor of what is not memory";
        if (chain->n_pieces == chain->capacity && !grow(chain))
            return "a chain of too many pieces of memory";
        chain->addresses[chain->n_pieces] = address;
        chain->pieces[chain->n_pieces].base = base;
        chain->pieces[chain->n_pieces++].bytes = bytes;
        if (direction == TN_DMA_WRITE)
            chain->pub.n_in++;
        else
            chain->pub.n_out++;
        address += bytes;
        left -= bytes;
    }
    return NULL;
}

/* Entry INDEX of the table; the 16 bytes must lie together. */
static uint32_t table_entry(struct tn_virtio *virtio, uint64_t table,
                            uint32_t index, uint32_t linked,
                            struct virtio_desc *desc)
{
    uint64_t bytes = VIRTIO_DESC_BYTES;
    const void *from = virtio_translate(
        &virtio->windows, table + (uint64_t)index * VIRTIO_DESC_BYTES, &bytes,
        TN_DMA_READ, 1);

    if (!from || bytes < VIRTIO_DESC_BYTES)
        return 0;
    *desc = linked ? virtio_desc_load(from) : virtio_packed_desc_load(from);
    return 1;
}

const char *virtio_chain_add_table(struct tn_virtio *virtio,
                                   struct virtio_chain *chain,
                                   const struct virtio_desc *desc,
                                   uint32_t linked)
{
    uint32_t count = desc->bytes / VIRTIO_DESC_BYTES;
    uint32_t index = 0;

    if (!virtio_has(virtio, TN_VIRTIO_F_INDIRECT_DESC))
        return "an indirect descriptor without the feature";
    if (desc->flags & VIRTIO_DESC_NEXT)
        return "a descriptor both indirect and chained";
    if (!count || desc->bytes % VIRTIO_DESC_BYTES)
        return "an indirect table of no whole number of descriptors";
    if (desc->address + (desc->bytes - 1) < desc->address)
        return "an indirect table that wraps around the end of memory";
    for (;;) {
        struct virtio_desc entry;
        const char *wrong;

        /* Also what ends a loop. */
        if (++chain->descriptors > TN_VIRTIO_MAX_QUEUE_SIZE)
            return "a chain that is too long or a loop";
        if (!table_entry(virtio, desc->address, index, linked, &entry))
            return "an indirect table in what is not memory";
        if (entry.flags & VIRTIO_DESC_INDIRECT)
            return "an indirect table in an indirect table";
        wrong = virtio_chain_add(virtio, chain, &entry);
        if (wrong)
            return wrong;
        if (!linked && ++index == count)
            return NULL;
        if (linked) {
            if (!(entry.flags & VIRTIO_DESC_NEXT))
                return NULL;
            index = entry.next;
            if (index >= count)
                return "a link out of an indirect table";
        }
    }
}

void virtio_chain_finish(struct virtio_chain *chain)
{
    chain->pub.out = chain->pieces;
    chain->pub.in = chain->pieces ? chain->pieces + chain->pub.n_out : NULL;
}

void virtio_chain_dirty(struct tn_virtio *virtio,
                        const struct virtio_chain *chain, uint64_t written)
{
    const struct tn_memory *memory = virtio->windows.memory;

    for (uint32_t i = chain->pub.n_out; i < chain->n_pieces && written; i++) {
        uint64_t bytes = chain->pieces[i].bytes;

        if (bytes > written)
            bytes = written;
        memory->dma_dirty(virtio->host, chain->addresses[i], bytes);
        written -= bytes;
    }
}
