/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network: what a network device is connected to.
 *
 * Two sides that never meet: a device uses the service `tenon.host.net/1`, a
 * back-end (a component of kind TN_KIND_NET) offers the interface
 * `tenon.net/1`. Core stands between: it does in software what one side wants
 * and the other cannot (checksums, segmentation), queues what a slow side does
 * not take at once, and keeps the optional capture file.
 *
 * A packet is an Ethernet frame without FCS. Its offload fields mean what
 * struct virtio_net_hdr's mean (virtio 1.2 section 5.1.6).
 */
#ifndef TENON_NET_H
#define TENON_NET_H

#include "host.h"
#include "iov.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest packet, header of a segmented one included. */
#define TN_NET_MAX_BYTES (65536u + 256u)

/* Packet flags. */
#define TN_NET_NEEDS_CHECKSUM 0x1u /* from checksum_start on, not yet done */
#define TN_NET_CHECKSUM_VALID 0x2u /* was checked */

/* Segmentation: tn_net_packet.gso. */
#define TN_NET_GSO_NONE 0u
#define TN_NET_GSO_TCP4 1u
#define TN_NET_GSO_TCP6 4u
#define TN_NET_GSO_UDP 5u    /* UDP segmentation, not fragmentation */
#define TN_NET_GSO_ECN 0x80u /* or'ed in: TCP with CWR */

struct tn_net_packet {
    uint32_t size;
    uint32_t flags;
    uint32_t gso;
    uint32_t gso_bytes;       /* payload of each segment */
    uint32_t header_bytes;    /* Ethernet to TCP or UDP; with gso */
    uint32_t checksum_start;  /* with TN_NET_NEEDS_CHECKSUM */
    uint32_t checksum_offset; /* from checksum_start */
    uint32_t n_iov;
    const struct tn_iov *iov;
    uint64_t bytes; /* the sum of iov */
};

/* What a side takes without core's help. */
#define TN_NET_CAN_CHECKSUM 0x1u /* TN_NET_NEEDS_CHECKSUM */
#define TN_NET_CAN_TSO4 0x2u
#define TN_NET_CAN_TSO6 0x4u
#define TN_NET_CAN_ECN 0x8u
#define TN_NET_CAN_USO 0x10u

/* ---- the device's side ---- */

struct tn_net_port; /* one device's connection */

struct tn_net_handlers {
    uint32_t size;
    uint32_t reserved;
    /* [io] A packet for the guest, the device's only until it returns.
     * 1: taken (or dropped by the device's choice); 0: no room now, core keeps
     * it until accept(). */
    uint32_t (*receive)(void *opaque, const struct tn_net_packet *packet);
    /* [io] Optional. The link went up (1) or down (0). */
    void (*link)(void *opaque, uint32_t up);
    /* [io] Optional. send() said -EAGAIN, and now would not. */
    void (*writable)(void *opaque);
    /* [io] Optional. The guest should tell the network where it is now (after
     * migration). */
    void (*announce)(void *opaque);
};

#define TN_HOST_NET "tenon.host.net/1"
struct tn_nets {
    uint32_t size;
    uint32_t reserved;
    /* [control] Connect to the network back-end instance ID, or, where ID is
     * NULL, to the one of the device's own section ([net NAME]). A device
     * without one gets a port whose link is down. HANDLERS are not copied. */
    struct tn_net_port *(*open)(struct tn_host *host, const char *id,
                                const struct tn_net_handlers *handlers,
                                void *opaque, struct tn_error *error);
    /* [control] */
    void (*close)(struct tn_host *host, struct tn_net_port *port);
    /* [any] What may be sent without core's help (TN_NET_CAN_*): a device
     * offers its guest no more than that. */
    uint32_t (*offloads)(struct tn_host *host, struct tn_net_port *port);
    /* [any] What receive() takes from now on; none after open(). */
    void (*set_offloads)(struct tn_host *host, struct tn_net_port *port,
                         uint32_t offloads);
    /* [io] Send. 0: taken (the bytes were copied or are gone); -EAGAIN: the
     * queue is full, writable() follows; other errors: dropped. */
    int32_t (*send)(struct tn_host *host, struct tn_net_port *port,
                    const struct tn_net_packet *packet);
    /* [any] receive() would take a packet again. */
    void (*accept)(struct tn_host *host, struct tn_net_port *port);
    /* [any] */
    uint32_t (*is_up)(struct tn_host *host, struct tn_net_port *port);
    /* [control] Give back packets that core keeps: before saving state. */
    void (*drain)(struct tn_host *host, struct tn_net_port *port);
};

/* ---- the back-end's side ---- */

/* How a back-end hands over what it received. Core gives it the table. */
struct tn_net_sink {
    uint32_t size;
    uint32_t reserved;
    /* [io] 1: taken. 0: the back-end keeps it and stops reading until
     * wanted(). */
    uint32_t (*receive)(void *opaque, const struct tn_net_packet *packet);
    /* [io] */
    void (*link)(void *opaque, uint32_t up);
    /* [io] send() said -EAGAIN, and now would not. */
    void (*writable)(void *opaque);
    /* [any] The TN_NET_CAN_* of packets that receive() takes. */
    uint32_t (*offloads)(void *opaque);
};

#define TN_NET "tenon.net/1"
struct tn_net {
    uint32_t size;
    uint32_t reserved;
    /* [control] Where to deliver; SINK is NULL when the device goes away. */
    void (*attach)(void *self, const struct tn_net_sink *sink, void *opaque);
    /* [io] 0, -EAGAIN (writable() follows), or an error: dropped. The packet
     * is the back-end's only until it returns. */
    int32_t (*send)(void *self, const struct tn_net_packet *packet);
    /* [any] The TN_NET_CAN_* that send() takes. Optional: none. */
    uint32_t (*offloads)(void *self);
    /* [io] The sink takes packets again. */
    void (*wanted)(void *self);
    /* [any] Optional: the link is up unless this says otherwise. */
    uint32_t (*is_up)(void *self);
    /* [io] Optional: the sink's offloads changed. */
    void (*offloads_changed)(void *self, uint32_t offloads);
};

#ifdef __cplusplus
}
#endif
#endif
