/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device as its transport sees it: what all transports have in
 * common. A transport embeds struct tn_virtio in its instance, maps its
 * registers to the functions here, and offers virtio_transport_table.
 *
 * All functions are called with the instance's lock held unless they say
 * otherwise.
 */
#ifndef TENON_COMMON_VIRTIO_DEVICE_H
#define TENON_COMMON_VIRTIO_DEVICE_H

#include <tenon/loop.h>
#include <tenon/memory.h>
#include <tenon/state.h>
#include <tenon/virtio.h>

#include "virtio/window.h"

/* What a transport does for the common part. */
struct virtio_wires {
    /* Interrupt the driver for QUEUE / for a configuration change. */
    void (*queue_interrupt)(void *transport, uint32_t queue);
    void (*config_interrupt)(void *transport);
    /* A device was attached (1) or is about to be detached (0). [control] */
    int32_t (*attached)(void *transport, uint32_t attached,
                        struct tn_error *error);
};

struct virtio_chain; /* chain.h */
struct virtqueue;

/* What differs between split and packed rings. */
struct virtio_ring_ops {
    /* Cache pointers to the areas; 0, or the areas are no such memory. */
    int32_t (*map)(struct tn_virtio *virtio, struct virtqueue *queue);
    struct virtio_chain *(*pop)(struct tn_virtio *virtio,
                                struct virtqueue *queue);
    void (*unpop)(struct virtqueue *queue, const struct virtio_chain *chain);
    uint32_t (*available)(struct virtqueue *queue);
    void (*push)(struct virtqueue *queue, const struct virtio_chain *chain,
                 uint32_t written);
    /* Publish; returns 1 if the driver wants an interrupt. */
    uint32_t (*flush)(struct tn_virtio *virtio, struct virtqueue *queue);
};
extern const struct virtio_ring_ops virtio_split_ring;
extern const struct virtio_ring_ops virtio_packed_ring;

struct virtqueue {
    /* The driver's settings. Saved. */
    uint64_t descriptors; /* guest addresses of the three areas */
    uint64_t driver;      /* split: available ring; packed: driver events */
    uint64_t device;      /* split: used ring; packed: device events */
    uint32_t size;        /* descriptors; 1..max_size */
    uint32_t ready;
    uint32_t vector; /* MSI-X; the PCI transport's */
    /* Where the device is. Saved. */
    uint16_t avail_index; /* next to pop; packed: a slot */
    uint16_t used_index;  /* next to push; packed: a slot */
    uint8_t avail_wrap;   /* packed: wrap counters */
    uint8_t used_wrap;
    /* Not saved: */
    uint8_t silenced; /* the driver was told not to notify */
    uint8_t broken;
    uint8_t mapped;       /* the pointers below are good */
    uint16_t avail_seen;  /* split: the driver's index when last looked at */
    uint16_t unflushed;   /* split: entries, packed: slots pushed but not
                             published */
    uint16_t first_flags; /* packed: of the first unpublished slot */
    uint16_t first_slot;
    uint32_t in_flight;       /* chains popped, not pushed, of this epoch */
    uint32_t in_flight_slots; /* packed: and the slots they take */
    uint32_t outstanding;     /* chains out of any epoch */
    uint32_t epoch; /* grows with each reset: older chains are dropped */
    uint32_t max_size;
    uint32_t index;
    const struct virtio_ring_ops *ops;
    uint8_t *descriptors_map;
    uint8_t *driver_map;
    uint8_t *device_map;
    struct tn_task *task;
    struct tn_virtio *virtio;
};

struct tn_virtio {
    /* Fixed while a device is attached. */
    struct tn_virtio_device device; /* the device's table */
    void *self;                     /* of the device; NULL: none attached */
    struct tn_host *device_host;
    const struct tn_loop *loop;
    uint32_t n_queues;
    uint32_t config_size;
    uint64_t offered;
    /* The transport. */
    struct tn_host *host;
    const struct virtio_wires *wires;
    void *transport;
    uint64_t ring_features; /* what it offers of its own */
    /* Saved. */
    uint32_t status;
    uint32_t config_generation;
    uint64_t driver_features;
    /* Not saved. */
    uint32_t running;
    uint32_t resetting; /* the status before a reset that is not complete */
    uint32_t outstanding;
    uint32_t starved; /* pops refused until chains come back */
    struct virtio_chain *free_chains;
    struct virtio_chain *all_chains;
    struct virtio_windows windows;
    struct virtqueue queue[TN_VIRTIO_MAX_QUEUES];
};

/* ---- for transports ---- */

/* Feature bits of the rings that the library can do. */
#define VIRTIO_RING_FEATURES                                                   \
    (TN_VIRTIO_BIT(TN_VIRTIO_F_INDIRECT_DESC) |                                \
     TN_VIRTIO_BIT(TN_VIRTIO_F_EVENT_IDX) |                                    \
     TN_VIRTIO_BIT(TN_VIRTIO_F_VERSION_1) |                                    \
     TN_VIRTIO_BIT(TN_VIRTIO_F_RING_PACKED) |                                  \
     TN_VIRTIO_BIT(TN_VIRTIO_F_RING_RESET))

/* The table to offer as TN_VIRTIO_TRANSPORT; its `transport` is the tn_virtio,
 * so a transport's self must begin with it. */
extern const struct tn_virtio_transport virtio_transport_table;

/* [control] In the transport's realize() / unrealize(). */
int32_t virtio_init(struct tn_virtio *virtio, struct tn_host *host,
                    const struct virtio_wires *wires, void *transport,
                    uint64_t ring_features, struct tn_error *error);
void virtio_fini(struct tn_virtio *virtio);
/* [control] In start() / stop() / reset() / state.loaded(). */
void virtio_start(struct tn_virtio *virtio);
void virtio_stop(struct tn_virtio *virtio);
void virtio_reset(struct tn_virtio *virtio);
int32_t virtio_loaded(struct tn_virtio *virtio, struct tn_error *error);

/* Registers that every transport has. SELECT numbers 32 feature bits. */
uint32_t virtio_device_features(struct tn_virtio *virtio, uint32_t select);
uint32_t virtio_driver_features(struct tn_virtio *virtio, uint32_t select);
void virtio_write_driver_features(struct tn_virtio *virtio, uint32_t select,
                                  uint32_t value);
uint32_t virtio_read_status(struct tn_virtio *virtio);
void virtio_write_status(struct tn_virtio *virtio, uint32_t value);
/* Configuration space: what lies outside reads as zero. */
uint64_t virtio_config_read(struct tn_virtio *virtio, uint64_t offset,
                            uint32_t bytes);
void virtio_config_write(struct tn_virtio *virtio, uint64_t offset,
                         uint64_t value, uint32_t bytes);
/* [any, unlocked] The driver's notification of a queue. */
void virtio_notify(struct tn_virtio *virtio, uint32_t queue);

/* Queue registers. virtio_queue() is NULL if there is no such queue. */
struct virtqueue *virtio_queue(struct tn_virtio *virtio, uint32_t index);
void virtio_queue_set_size(struct virtqueue *queue, uint32_t size);
/* Set up / take down. Bad settings: the device needs a reset. */
void virtio_queue_enable(struct virtqueue *queue, uint32_t ready);
void virtio_queue_reset(struct virtqueue *queue);
/* Is a queue reset still waiting for chains? */
uint32_t virtio_queue_resetting(const struct virtqueue *queue);
/* The address registers are written in halves. */
static inline void virtio_set_low(uint64_t *address, uint32_t value)
{
    *address = (*address & ~(uint64_t)UINT32_MAX) | value;
}
static inline void virtio_set_high(uint64_t *address, uint32_t value)
{
    *address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

/* Rows of the transport's state table; OWNER begins with the tn_virtio
 * called MEMBER. */
#define VIRTIO_STATE_QUEUE(owner_, member_, field_)                            \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = TN_FIELD_UINT,                \
        .name = "queue." #field_,                                              \
        .offset = offsetof(owner_, member_) +                                  \
                  offsetof(struct tn_virtio, queue) +                          \
                  offsetof(struct virtqueue, field_),                          \
        .width = sizeof(((struct virtqueue *)0)->field_),                      \
        .count = TN_VIRTIO_MAX_QUEUES, .stride = sizeof(struct virtqueue),     \
        .since = 1                                                             \
    }
#define VIRTIO_STATE_DEVICE(owner_, member_, field_)                           \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = TN_FIELD_UINT,                \
        .name = #field_,                                                       \
        .offset =                                                              \
            offsetof(owner_, member_) + offsetof(struct tn_virtio, field_),    \
        .width = sizeof(((struct tn_virtio *)0)->field_), .since = 1           \
    }
#define VIRTIO_STATE(owner_, member_)                                          \
    VIRTIO_STATE_DEVICE(owner_, member_, status),                              \
        VIRTIO_STATE_DEVICE(owner_, member_, config_generation),               \
        VIRTIO_STATE_DEVICE(owner_, member_, driver_features),                 \
        VIRTIO_STATE_QUEUE(owner_, member_, descriptors),                      \
        VIRTIO_STATE_QUEUE(owner_, member_, driver),                           \
        VIRTIO_STATE_QUEUE(owner_, member_, device),                           \
        VIRTIO_STATE_QUEUE(owner_, member_, size),                             \
        VIRTIO_STATE_QUEUE(owner_, member_, ready),                            \
        VIRTIO_STATE_QUEUE(owner_, member_, vector),                           \
        VIRTIO_STATE_QUEUE(owner_, member_, avail_index),                      \
        VIRTIO_STATE_QUEUE(owner_, member_, used_index),                       \
        VIRTIO_STATE_QUEUE(owner_, member_, avail_wrap),                       \
        VIRTIO_STATE_QUEUE(owner_, member_, used_wrap)

/* ---- inside the library ---- */

void virtio_needs_reset(struct tn_virtio *virtio, const char *text);
/* Message about QUEUE, and needs_reset. */
void virtio_queue_broken(struct virtqueue *queue, const char *text);
/* Cached pointers up to date? 1, or the queue cannot be used now. */
uint32_t virtio_queue_current(struct tn_virtio *virtio,
                              struct virtqueue *queue);
static inline uint32_t virtio_has(const struct tn_virtio *virtio, uint32_t bit)
{
    return (uint32_t)(virtio->driver_features >> bit & 1);
}

#endif
