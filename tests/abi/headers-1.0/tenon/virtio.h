/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio devices and the transports that carry them (virtio 1.2).
 *
 * A device plugin plugs into a bus of kind "virtio". It says what it is,
 * which features and configuration fields it has, and works on chains of
 * guest memory that the transport hands to it. It knows no rings, registers,
 * addresses or interrupts: those are the transport's (virtio-mmio,
 * virtio-pci, later virtio-ccw or a vhost-user server).
 *
 * A device sets TN_COMPONENT_PARENT_LOCK: device and transport share one lock,
 * and call each other directly. Life:
 *
 *   device.realize()    finds its parent (tn_tree.parent, .interface_) and
 *                       calls transport.attach()
 *   the guest's driver  negotiates: set_features(), queue_ready(), status()
 *   the guest notifies  -> the transport schedules queue N's task on the
 *                       device's I/O thread -> device.notify(N)
 *   device              pop() ... push() ... flush()
 *   device.quiesce()    every chain that was popped has been pushed or unpopped
 *   device.unrealize()  calls transport.detach()
 *
 * The guest is hostile. The transport has checked each chain: descriptors,
 * lengths, loops and addresses; its pieces are mapped memory. What is IN that
 * memory is the device's to check, must be read only once (another vCPU may be
 * changing it), and a chain may be shorter than the device's structures.
 */
#ifndef TENON_VIRTIO_H
#define TENON_VIRTIO_H

#include "block.h" /* struct tn_iovec */
#include "host.h"
#include "tree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* More queues than this a device cannot have. */
#define TN_VIRTIO_MAX_QUEUES 128u
/* More descriptors than this a chain cannot have; the greatest queue size. */
#define TN_VIRTIO_MAX_QUEUE_SIZE 1024u

/* Device status, virtio 1.2 section 2.1. */
#define TN_VIRTIO_STATUS_ACKNOWLEDGE 0x01u
#define TN_VIRTIO_STATUS_DRIVER 0x02u
#define TN_VIRTIO_STATUS_DRIVER_OK 0x04u
#define TN_VIRTIO_STATUS_FEATURES_OK 0x08u
#define TN_VIRTIO_STATUS_NEEDS_RESET 0x40u
#define TN_VIRTIO_STATUS_FAILED 0x80u

/* Feature bits that are the transport's, section 6: numbers, not masks. A
 * device does not offer them; the transport adds those it can do. */
#define TN_VIRTIO_F_NOTIFY_ON_EMPTY 24u /* legacy */
#define TN_VIRTIO_F_ANY_LAYOUT 27u      /* legacy */
#define TN_VIRTIO_F_INDIRECT_DESC 28u
#define TN_VIRTIO_F_EVENT_IDX 29u
#define TN_VIRTIO_F_VERSION_1 32u
#define TN_VIRTIO_F_ACCESS_PLATFORM 33u
#define TN_VIRTIO_F_RING_PACKED 34u
#define TN_VIRTIO_F_IN_ORDER 35u
#define TN_VIRTIO_F_ORDER_PLATFORM 36u
#define TN_VIRTIO_F_SR_IOV 37u
#define TN_VIRTIO_F_NOTIFICATION_DATA 38u
#define TN_VIRTIO_F_NOTIF_CONFIG_DATA 39u
#define TN_VIRTIO_F_RING_RESET 40u
#define TN_VIRTIO_BIT(n) ((uint64_t)1 << (n))

/*
 * A descriptor chain in the device's hands, from pop() to push() or unpop().
 * Pieces are guest memory itself: `out` is what the driver gives, to be read
 * only; `in` is for the device to fill. Neither has empty pieces. It is the
 * transport's object; the device may keep it as long as it works on it, but
 * after reset() it must come back soon (see reset()).
 */
struct tn_virtio_chain {
    uint32_t size;
    uint32_t queue;
    uint32_t n_out;
    uint32_t n_in;
    const struct tn_iovec *out;
    const struct tn_iovec *in;
    uint64_t out_bytes; /* the sum of out[], below 2^32 */
    uint64_t in_bytes;
    /* Room of tn_virtio_device.chain_room bytes for the device's own use, 16
     * byte aligned, not cleared; NULL if chain_room is 0. */
    void *room;
};

struct tn_virtio; /* one attached device */

/* ---- tenon.virtio.device/1: what a device gives to attach() ---- */

#define TN_VIRTIO_DEVICE "tenon.virtio.device/1"
struct tn_virtio_device {
    uint32_t size;
    uint32_t device_id;  /* section 5: 1 network, 2 block, ... */
    uint32_t pci_class;  /* 24-bit PCI class code if it sits on PCI */
    uint32_t chain_room; /* bytes of room in each chain */

    /* [any] How many queues there are, at most TN_VIRTIO_MAX_QUEUES, and the
     * most descriptors queue QUEUE has: a power of two, at most
     * TN_VIRTIO_MAX_QUEUE_SIZE. Constant from attach() to detach(). */
    uint32_t (*queue_count)(void *self);
    uint32_t (*queue_size)(void *self, uint32_t queue);

    /* [any] The device's own feature bits: WORD 0 is bits 0..63. Constant
     * from attach() to detach(). */
    uint64_t (*features)(void *self, uint32_t word);
    /* [vcpu] The driver settled on FEATURES, a subset of what was offered
     * (word 0; others by transport.features()). 0, or nonzero: this
     * combination cannot be, and FEATURES_OK is refused. Also called when a
     * saved state was loaded. Optional. */
    int32_t (*set_features)(void *self, uint64_t features);

    /* [any] Bytes of the configuration space; constant. */
    uint32_t (*config_size)(void *self);
    /* [vcpu] Inside config_size. Fields are little-endian. Called for the
     * width the guest used: 1, 2, 4 or 8. config_write is optional. */
    void (*config_read)(void *self, uint32_t offset, void *to, uint32_t bytes);
    void (*config_write)(void *self, uint32_t offset, const void *from,
                         uint32_t bytes);

    /* [vcpu, control] Back to the state after attach(): the guest reset the
     * device, or the machine was reset. Features are none, no queue is ready.
     * Requests under way are cancelled where that can be done at once; chains
     * may be pushed later and are dropped then. Until the last has come back
     * the driver is told that the reset is not complete. */
    void (*reset)(void *self);
    /* [vcpu] The device status changed (DRIVER_OK: go). Optional. */
    void (*status)(void *self, uint32_t status);
    /* [vcpu] Queue QUEUE was set up (READY 1) or taken away by a queue reset
     * (0; chains of it as for reset()). Optional. */
    void (*queue_ready)(void *self, uint32_t queue, uint32_t ready);

    /* [io] The driver made buffers available in QUEUE; maybe several times
     * since, maybe none is left. Called only between DRIVER_OK and reset. */
    void (*notify)(void *self, uint32_t queue);
};

/* ---- tenon.virtio.transport/1: what the transport offers ---- */

/*
 * All calls but the notes say otherwise: [any] with the shared lock held, as
 * it is in every callback of the device.
 */
#define TN_VIRTIO_TRANSPORT "tenon.virtio.transport/1"
struct tn_virtio_transport {
    uint32_t size;
    uint32_t reserved;

    /* [control] In the device's realize(). TABLE and SELF live until
     * detach(); HOST is the device's own handle: queue tasks run on its I/O
     * thread, messages are its. NULL (ERROR set) if a device is attached
     * already or TABLE makes no sense. */
    struct tn_virtio *(*attach)(void *transport,
                                const struct tn_virtio_device *table,
                                void *self, struct tn_host *host,
                                struct tn_error *error);
    /* [control] In unrealize(). Chains not yet pushed are gone with it. */
    void (*detach)(struct tn_virtio *virtio);

    /* Negotiated feature bits; 0 before FEATURES_OK. */
    uint64_t (*features)(struct tn_virtio *virtio, uint32_t word);
    /* The device status. */
    uint32_t (*get_status)(struct tn_virtio *virtio);
    /* 1 if QUEUE can be popped from: set up, DRIVER_OK, machine running. */
    uint32_t (*is_ready)(struct tn_virtio *virtio, uint32_t queue);

    /* The next available chain of QUEUE, or NULL: none (the driver will
     * notify when there is one), or the queue is not ready or broken. */
    struct tn_virtio_chain *(*pop)(struct tn_virtio *virtio, uint32_t queue);
    /* Put the chain popped last back as if it had not been popped; only if no
     * chain of the queue was popped since, other than ones unpopped. */
    void (*unpop)(struct tn_virtio *virtio, struct tn_virtio_chain *chain);
    /* How many chains could be popped now, at most MOST; an estimate from
     * above for packed rings, where only popping tells. */
    uint32_t (*available)(struct tn_virtio *virtio, uint32_t queue,
                          uint32_t most);
    /* Give CHAIN back, used, WRITTEN bytes of its `in` filled from the start.
     * In any order. The driver sees it at the next flush(): chains that
     * belong together (one packet in several buffers) appear at once. The
     * chain is gone after this. */
    void (*push)(struct tn_virtio *virtio, struct tn_virtio_chain *chain,
                 uint64_t written);
    /* Publish what was pushed to QUEUE and interrupt the driver if it asked
     * to be (used_event, flags). One a batch is best. */
    void (*flush)(struct tn_virtio *virtio, uint32_t queue);

    /* The configuration space changed by the device's own doing. */
    void (*config_changed)(struct tn_virtio *virtio);
    /* The guest broke the protocol, TEXT says how (logged as TN_LOG_GUEST):
     * set DEVICE_NEEDS_RESET and stop the queues until the driver resets. */
    void (*needs_reset)(struct tn_virtio *virtio, const char *text);

    /* [any, unlocked] As if the driver had notified QUEUE: notify() runs soon
     * on the I/O thread. For work put off, and after start(). */
    void (*kick)(struct tn_virtio *virtio, uint32_t queue);
};

/* ---- helpers for devices ---- */

/* [control] In realize(): find the transport and attach to it. Sets *TRANSPORT;
 * NULL with ERROR set if the parent is none. */
static inline struct tn_virtio *
tn_virtio_attach(struct tn_host *host, const struct tn_virtio_device *table,
                 void *self, const struct tn_virtio_transport **transport,
                 struct tn_error *error)
{
    const struct tn_tree *tree =
        (const struct tn_tree *)tn_service(host, TN_HOST_TREE);
    struct tn_peer *parent = tree ? tree->parent(host) : NULL;
    void *parent_self = NULL;

    *transport = NULL;
    if (parent)
        *transport = (const struct tn_virtio_transport *)tree->interface_(
            host, parent, TN_VIRTIO_TRANSPORT, &parent_self);
    if (!*transport) {
        tn_fail(host, error, -19 /* ENODEV */, "it sits on no virtio bus");
        return NULL;
    }
    return (*transport)->attach(parent_self, table, self, host, error);
}

/* Copy up to BYTES from position FROM of the pieces; returns how many. */
static inline uint64_t tn_virtio_copy_out(const struct tn_virtio_chain *chain,
                                          uint64_t from, void *buffer,
                                          uint64_t bytes)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < chain->n_out && done < bytes; i++) {
        const struct tn_iovec *v = &chain->out[i];
        uint64_t piece;

        if (from >= v->bytes) {
            from -= v->bytes;
            continue;
        }
        piece = v->bytes - from;
        if (piece > bytes - done)
            piece = bytes - done;
        __builtin_memcpy((char *)buffer + done, (char *)v->base + from, piece);
        done += piece;
        from = 0;
    }
    return done;
}

/* Copy up to BYTES to position TO of the pieces; returns how many. */
static inline uint64_t tn_virtio_copy_in(const struct tn_virtio_chain *chain,
                                         uint64_t to, const void *buffer,
                                         uint64_t bytes)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < chain->n_in && done < bytes; i++) {
        const struct tn_iovec *v = &chain->in[i];
        uint64_t piece;

        if (to >= v->bytes) {
            to -= v->bytes;
            continue;
        }
        piece = v->bytes - to;
        if (piece > bytes - done)
            piece = bytes - done;
        __builtin_memcpy((char *)v->base + to, (const char *)buffer + done,
                         piece);
        done += piece;
        to = 0;
    }
    return done;
}

#ifdef __cplusplus
}
#endif
#endif
