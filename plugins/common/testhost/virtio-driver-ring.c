/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of split (2.7) and packed (2.8) rings. Little-endian hosts
 * only. */
#include <stdlib.h>
#include <string.h>

#include "testhost/virtio-driver-private.h"

#define F_EVENT_IDX ((uint64_t)1 << 29)
#define F_PACKED ((uint64_t)1 << 34)
#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u
#define AVAIL 0x0080u
#define USED 0x8000u

struct desc {
    uint64_t address;
    uint32_t bytes;
    uint16_t a, b; /* split: flags, next; packed: id, flags */
};

static uint32_t packed(const struct driver *d)
{
    return (d->features & F_PACKED) != 0;
}

static uint16_t *half(struct driver *d, uint64_t address)
{
    return testhost_at(d->machine, address, 2);
}

static struct desc *desc_at(struct driver *d, uint64_t table, uint32_t index)
{
    return testhost_at(d->machine, table + 16u * index, 16);
}

/* BUFFERS into an indirect table; returns its descriptor. */
static struct driver_buffer fill_table(struct driver *d, struct driver_queue *q,
                                       uint16_t id,
                                       const struct driver_buffer *buffers,
                                       uint32_t n)
{
    uint64_t table = q->tables + (uint64_t)id * DRIVER_TABLE * 16u;

    if (n > DRIVER_TABLE)
        abort();
    for (uint32_t i = 0; i < n; i++) {
        struct desc *e = desc_at(d, table, i);
        uint16_t flags = buffers[i].write ? WRITE : 0;

        e->address = buffers[i].address;
        e->bytes = buffers[i].bytes;
        if (packed(d)) {
            e->a = 0;
            e->b = flags;
        } else {
            e->a = (uint16_t)(flags | (i + 1 < n ? NEXT : 0));
            e->b = (uint16_t)(i + 1);
        }
    }
    return (struct driver_buffer){table, 16u * n, 0};
}

static int32_t add_split(struct driver *d, struct driver_queue *q,
                         const struct driver_buffer *buffers, uint32_t n,
                         uint16_t extra)
{
    uint16_t head = q->free_ids[q->n_free - 1];
    uint16_t *avail = half(d, q->driver + 4 + 2u * (q->avail % q->size));

    for (uint32_t i = 0; i < n; i++) {
        uint16_t slot = q->free_ids[--q->n_free];
        struct desc *e = desc_at(d, q->descriptors, slot);

        e->address = buffers[i].address;
        e->bytes = buffers[i].bytes;
        e->a = (uint16_t)((buffers[i].write ? WRITE : 0) |
                          (i + 1 < n ? NEXT : 0) | extra);
        e->b = i + 1 < n ? q->free_ids[q->n_free - 1] : 0;
        q->next[slot] = e->b;
    }
    q->chain_slots[head] = (uint16_t)n;
    *avail = head;
    q->avail++;
    __atomic_store_n(half(d, q->driver + 2), q->avail, __ATOMIC_RELEASE);
    return head;
}

static int32_t add_packed(struct driver *d, struct driver_queue *q,
                          const struct driver_buffer *buffers, uint32_t n,
                          uint16_t extra)
{
    uint16_t id = q->free_ids[--q->n_ids];
    struct desc *first = desc_at(d, q->descriptors, q->avail);
    uint16_t first_flags = 0;

    q->n_free -= n;
    for (uint32_t i = 0; i < n; i++) {
        struct desc *e = desc_at(d, q->descriptors, q->avail);
        uint16_t flags =
            (uint16_t)((buffers[i].write ? WRITE : 0) | (i + 1 < n ? NEXT : 0) |
                       extra | (q->avail_wrap ? AVAIL : USED));

        e->address = buffers[i].address;
        e->bytes = buffers[i].bytes;
        e->a = id;
        if (e == first)
            first_flags = flags;
        else
            e->b = flags;
        if (++q->avail == q->size) {
            q->avail = 0;
            q->avail_wrap ^= 1;
        }
    }
    q->chain_slots[id] = (uint16_t)n;
    __atomic_store_n(&first->b, first_flags, __ATOMIC_RELEASE);
    return id;
}

int32_t driver_add(struct driver *d, struct driver_queue *q,
                   const struct driver_buffer *buffers, uint32_t n,
                   uint32_t indirect)
{
    struct driver_buffer table;
    uint16_t extra = 0;

    if (q->n_free < (indirect ? 1 : n))
        return -1;
    if (indirect) {
        uint32_t top = packed(d) ? q->n_ids : q->n_free;

        table = fill_table(d, q, q->free_ids[top - 1], buffers, n);
        buffers = &table;
        n = 1;
        extra = INDIRECT;
    }
    return packed(d) ? add_packed(d, q, buffers, n, extra)
                     : add_split(d, q, buffers, n, extra);
}

static uint32_t device_wants(struct driver *d, struct driver_queue *q)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (packed(d)) /* 1: disabled; 0 and 2 are answered with a notification */
        return *half(d, q->device + 2) != 1;
    if (d->features & F_EVENT_IDX) {
        uint16_t event = *half(d, q->device + 4 + 8u * q->size);

        /* Test drivers kick after each add. */
        return event == (uint16_t)(q->avail - 1);
    }
    return !(*half(d, q->device) & 1);
}

uint32_t driver_kick(struct driver *d, struct driver_queue *q)
{
    if (!device_wants(d, q))
        return 0;
    driver_notify(d, q->index);
    return 1;
}

/* Give back the ids of a chain of N slots that began with ID. */
static void release(struct driver *d, struct driver_queue *q, uint16_t id)
{
    uint32_t n = q->chain_slots[id];

    q->chain_slots[id] = 0;
    if (packed(d)) {
        q->n_free += n;
        q->free_ids[q->n_ids++] = id;
        return;
    }
    for (uint16_t at = id; n--; at = q->next[at])
        q->free_ids[q->n_free++] = at;
}

/* The ring may be rubble. */
static uint32_t is_mine(struct driver_queue *q, uint32_t id)
{
    if (id < q->size && q->chain_slots[id])
        return 1;
    q->damaged = 1;
    return 0;
}

uint32_t driver_used(struct driver *d, struct driver_queue *q, uint32_t *id,
                     uint32_t *bytes)
{
    if (packed(d)) {
        struct desc *e = desc_at(d, q->descriptors, q->used);
        uint16_t flags = __atomic_load_n(&e->b, __ATOMIC_ACQUIRE);
        uint32_t n;

        if (!!(flags & AVAIL) != q->used_wrap ||
            !!(flags & USED) != q->used_wrap)
            return 0;
        *id = e->a;
        *bytes = e->bytes;
        if (!is_mine(q, *id))
            return 0;
        n = q->used + q->chain_slots[*id];
        if (n >= q->size) {
            n -= q->size;
            q->used_wrap ^= 1;
        }
        q->used = (uint16_t)n;
    } else {
        uint16_t index =
            __atomic_load_n(half(d, q->device + 2), __ATOMIC_ACQUIRE);
        uint32_t *entry = testhost_at(
            d->machine, q->device + 4 + 8u * (q->used % q->size), 8);

        if (index == q->used)
            return 0;
        *id = entry[0];
        *bytes = entry[1];
        if (!is_mine(q, *id))
            return 0;
        q->used++;
    }
    release(d, q, (uint16_t)*id);
    return 1;
}

void driver_want_interrupt(struct driver *d, struct driver_queue *q,
                           uint16_t more)
{
    if (packed(d)) {
        uint32_t at = q->used + more - 1u;
        uint16_t wrap = q->used_wrap;

        if (at >= q->size) {
            at -= q->size;
            wrap ^= 1;
        }
        *half(d, q->driver) = (uint16_t)(at | (wrap ? 0x8000u : 0));
        *half(d, q->driver + 2) = d->features & F_EVENT_IDX ? 2 : 0;
    } else if (d->features & F_EVENT_IDX) {
        *half(d, q->driver + 4 + 2u * q->size) = (uint16_t)(q->used + more - 1);
    } else {
        *half(d, q->driver) = 0;
    }
}

void driver_no_interrupts(struct driver *d, struct driver_queue *q)
{
    if (packed(d))
        *half(d, q->driver + 2) = 1;
    else if (d->features & F_EVENT_IDX)
        *half(d, q->driver + 4 + 2u * q->size) = (uint16_t)(q->used - 1);
    else
        *half(d, q->driver) = 1;
}
