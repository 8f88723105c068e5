/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains: objects kept in a list of the device, and the walk over
 * descriptors that fills them (virtio 1.2 sections 2.7.5 and 2.8.6).
 */
#ifndef TENON_COMMON_VIRTIO_CHAIN_H
#define TENON_COMMON_VIRTIO_CHAIN_H

#include "virtio/device.h"

#define VIRTIO_DESC_NEXT 0x1u
#define VIRTIO_DESC_WRITE 0x2u
#define VIRTIO_DESC_INDIRECT 0x4u
#define VIRTIO_DESC_BYTES 16u

struct virtio_chain {
    struct tn_virtio_chain pub; /* first */
    struct virtqueue *owner;
    struct virtio_chain *next; /* free list */
    struct virtio_chain *next_all;
    uint32_t epoch;
    uint16_t id;          /* split: head; packed: buffer id */
    uint16_t slots;       /* descriptors it takes in the ring */
    uint32_t descriptors; /* walked, those of an indirect table included */
    uint32_t n_pieces;
    uint32_t capacity;
    struct tn_iovec *pieces; /* out, then in */
    uint64_t *addresses;     /* guest addresses of the pieces */
};

/* A descriptor as both formats have it. */
struct virtio_desc {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags;
    uint16_t next; /* split: next descriptor; packed: buffer id */
};

/* A chain for QUEUE, or NULL: no memory. */
struct virtio_chain *virtio_chain_get(struct tn_virtio *virtio,
                                      struct virtqueue *queue);
/* Back to the free list; releases what waited for it. */
void virtio_chain_put(struct tn_virtio *virtio, struct virtio_chain *chain);
void virtio_chains_free(struct tn_virtio *virtio);

/* Add the buffer of DESC. NULL, or what is wrong with it. */
const char *virtio_chain_add(struct tn_virtio *virtio,
                             struct virtio_chain *chain,
                             const struct virtio_desc *desc);
/* Add the indirect table that DESC points to. LINKED: entries go by `next`
 * (split ring), else one after the other (packed). */
const char *virtio_chain_add_table(struct tn_virtio *virtio,
                                   struct virtio_chain *chain,
                                   const struct virtio_desc *desc,
                                   uint32_t linked);
/* The last descriptor was added: fill in what the device sees. */
void virtio_chain_finish(struct virtio_chain *chain);
/* WRITTEN bytes of its `in` pieces were changed. */
void virtio_chain_dirty(struct tn_virtio *virtio,
                        const struct virtio_chain *chain, uint64_t written);

/* Guest memory in the guest's (little-endian) order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#    define virtio_le16(x) ((uint16_t)(x))
#    define virtio_le32(x) ((uint32_t)(x))
#    define virtio_le64(x) ((uint64_t)(x))
#else
#    define virtio_le16(x) __builtin_bswap16(x)
#    define virtio_le32(x) __builtin_bswap32(x)
#    define virtio_le64(x) __builtin_bswap64(x)
#endif

/* Copy a descriptor once: the driver may be changing it. */
static inline struct virtio_desc virtio_desc_load(const void *from)
{
    struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t first, second;
    } raw;

    __builtin_memcpy(&raw, from, sizeof raw);
    __asm__ volatile("" : "+m"(raw) : : "memory");
    return (struct virtio_desc){virtio_le64(raw.address),
                                virtio_le32(raw.bytes), virtio_le16(raw.first),
                                virtio_le16(raw.second)};
}

/* Section 2.8.13: the id stands before the flags. */
static inline struct virtio_desc virtio_packed_desc_load(const void *from)
{
    struct virtio_desc desc = virtio_desc_load(from);
    uint16_t id = desc.flags;

    desc.flags = desc.next;
    desc.next = id;
    return desc;
}

static inline uint16_t virtio_load16(const void *from, int order)
{
    uint16_t raw =
        order == __ATOMIC_ACQUIRE
            ? __atomic_load_n((const uint16_t *)from, __ATOMIC_ACQUIRE)
            : __atomic_load_n((const uint16_t *)from, __ATOMIC_RELAXED);

    return virtio_le16(raw);
}

static inline void virtio_store16(void *to, uint16_t value)
{
    __atomic_store_n((uint16_t *)to, virtio_le16(value), __ATOMIC_RELAXED);
}

static inline void virtio_store16_release(void *to, uint16_t value)
{
    __atomic_store_n((uint16_t *)to, virtio_le16(value), __ATOMIC_RELEASE);
}

/* Has the index EVENT been passed in going from OLD to NOW? Section 2.7.10. */
static inline uint32_t virtio_event_passed(uint16_t event, uint16_t now,
                                           uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

#endif
