/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network: Ethernet frames between a device and a back-end.
 *
 * A device uses the service `tenon.host.net/1`; a back-end (a component of
 * kind TN_KIND_NET) offers the interface `tenon.net/1`. Core stands between:
 * neither runs under the other's lock, and neither needs to know which
 * offloads the other has. A frame that asks for work its receiver cannot do
 * (a checksum to fill in, TCP to cut in pieces) is completed by core.
 */
#ifndef TENON_NET_H
#define TENON_NET_H

#include "block.h" /* struct tn_iovec */
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest frame with segmentation offload, and without. */
#define TN_NET_MAX_FRAME (65536u + 256u)
#define TN_NET_MAX_QUEUES 256u

/* Offloads: what a side can take in a frame it is given. */
#define TN_NET_CSUM 0x1u  /* checksums not filled in */
#define TN_NET_TSO4 0x2u  /* TCP over IPv4 longer than the MTU; needs CSUM */
#define TN_NET_TSO6 0x4u  /* TCP over IPv6 */
#define TN_NET_ECN 0x8u   /* TSO with congestion bits */
#define TN_NET_USO4 0x10u /* UDP over IPv4, segmented */
#define TN_NET_USO6 0x20u

/* tn_net_frame.flags */
#define TN_NET_NEEDS_CSUM 0x1u /* ones' complement sum from csum_start to the
                                  end goes to csum_start + csum_offset */
#define TN_NET_DATA_VALID 0x2u /* checksums were verified */

/* tn_net_frame.gso */
#define TN_NET_GSO_NONE 0u
#define TN_NET_GSO_TCP4 1u
#define TN_NET_GSO_TCP6 2u
#define TN_NET_GSO_UDP4 3u
#define TN_NET_GSO_UDP6 4u
#define TN_NET_GSO_ECN 0x80u /* or-ed to TCP4, TCP6 */

/* One frame, from the destination address on, without the check sequence. */
struct tn_net_frame {
    uint32_t size;
    uint32_t flags;
    uint32_t gso;
    uint16_t gso_bytes;    /* payload of one segment */
    uint16_t header_bytes; /* of a GSO frame: all headers; a hint */
    uint16_t csum_start;
    uint16_t csum_offset;
    uint32_t n_iov; /* at most 1024 */
    const struct tn_iovec *iov;
};

/* ---- the device's side ---- */

struct tn_net_port; /* a device's connection */

struct tn_net_handlers {
    uint32_t size;
    uint32_t reserved;
    /* [io] A frame for QUEUE; valid during the call. Returns 1 if it was
     * taken (or dropped on purpose), 0 if there is no room now: core keeps it
     * and offers it again after accept(). */
    uint32_t (*receive)(void *opaque, uint32_t queue,
                        const struct tn_net_frame *frame);
    /* [io] Optional. send() said 0 on QUEUE and would now take a frame. */
    void (*writable)(void *opaque, uint32_t queue);
    /* [io] Optional. info() says another link state. */
    void (*link_changed)(void *opaque);
};

struct tn_net_info {
    uint32_t size; /* set by the caller before the call */
    uint32_t link; /* 1: up */
    uint32_t mtu;  /* 0: not known, use 1500 */
    uint32_t speed; /* Mbit/s, 0 not known */
    uint32_t queues; /* pairs the back-end has, at least 1 */
    uint32_t has_mac; /* 1: the back-end wants the device to have `mac` */
    uint8_t mac[8];
};

#define TN_HOST_NET "tenon.host.net/1"
struct tn_nets {
    uint32_t size;
    uint32_t reserved;
    /* [control] Connect to the back-end instance ID, or, where ID is NULL, to
     * the one of the device's own section. A device without one gets a port
     * whose link is down. NULL with ERROR set: there is no such back-end or
     * it has another user. HANDLERS are not copied. */
    struct tn_net_port *(*open)(struct tn_host *host, const char *id,
                                const struct tn_net_handlers *handlers,
                                void *opaque, struct tn_error *error);
    /* [control] NULL is allowed. */
    void (*close)(struct tn_host *host, struct tn_net_port *port);
    /* [any] */
    void (*info)(struct tn_host *host, struct tn_net_port *port,
                 struct tn_net_info *info);
    /* [any] Send; any offload of TN_NET_* may be used. The frame is copied or
     * sent before this returns. 1: taken (a frame that is malformed or that
     * the back-end refuses is taken and dropped); 0: busy, writable() follows.
     * Frames of one queue keep their order. */
    uint32_t (*send)(struct tn_host *host, struct tn_net_port *port,
                     uint32_t queue, const struct tn_net_frame *frame);
    /* [any] The offloads receive() can take; none at first. */
    void (*set_offloads)(struct tn_host *host, struct tn_net_port *port,
                         uint32_t offloads);
    /* [any] Use COUNT queue pairs, 1 at first. */
    int32_t (*set_queues)(struct tn_host *host, struct tn_net_port *port,
                          uint32_t count);
    /* [any] receive() would take a frame on QUEUE. */
    void (*accept)(struct tn_host *host, struct tn_net_port *port,
                   uint32_t queue);
    /* [any] Whether frames are delivered at all: off at first and while the
     * guest's driver is not there; then they are dropped, not kept. */
    void (*set_active)(struct tn_host *host, struct tn_net_port *port,
                       uint32_t active);
};

/* ---- the back-end's side ---- */

/* How a back-end hands over what it received. Core gives it the table. */
struct tn_net_sink {
    uint32_t size;
    uint32_t reserved;
    /* [any] A frame for QUEUE, valid during the call. 1: taken (or dropped
     * since nobody listens); 0: full, keep it or drop it, wanted() follows.
     * May be called from inside send(). */
    uint32_t (*receive)(void *opaque, uint32_t queue,
                        const struct tn_net_frame *frame);
    /* [any] send() said 0 on QUEUE, and now would not. */
    void (*writable)(void *opaque, uint32_t queue);
    /* [any] 1: link up. */
    void (*set_link)(void *opaque, uint32_t up);
};

#define TN_NET "tenon.net/1"
struct tn_net {
    uint32_t size;
    uint32_t reserved;
    /* [control] Where to deliver; SINK is NULL when the device goes away:
     * after that call nothing is delivered. */
    void (*attach)(void *self, const struct tn_net_sink *sink, void *opaque);
    /* [control] */
    void (*info)(void *self, struct tn_net_info *info);
    /* [control] The offloads (TN_NET_*) that send() takes. */
    uint32_t (*offloads)(void *self);
    /* [any] 1: taken, 0: busy (sink.writable() follows), or a negative errno:
     * the frame is dropped. The frame is the caller's again afterwards. */
    int32_t (*send)(void *self, uint32_t queue,
                    const struct tn_net_frame *frame);
    /* [io] Optional. sink.receive() would take a frame on QUEUE again. */
    void (*wanted)(void *self, uint32_t queue);
    /* [any] Optional. What the device can take: the back-end may from now on
     * deliver such frames (core completes those the device cannot take
     * anyway, so this only saves work). */
    void (*set_offloads)(void *self, uint32_t offloads);
    /* [any] Optional. 0 or a negative errno. */
    int32_t (*set_queues)(void *self, uint32_t count);
};

#ifdef __cplusplus
}
#endif
#endif
