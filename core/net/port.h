/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's connection to its back-end.
 *
 * Each direction has a queue per queue pair. Whoever has a frame leaves a copy
 * and goes; one job on the receiver's I/O thread hands over all that waits,
 * under the receiver's lock. The port's own lock is held only around its
 * members, never around a call to either side.
 */
#ifndef TENON_CORE_NET_PORT_H
#define TENON_CORE_NET_PORT_H

#include "core/net/packet.h"

/* What may wait in one queue: several full windows of TCP. */
#define PORT_MAX_PACKETS 1024u
#define PORT_MAX_BYTES (2u << 20)
/* Handed over in one run; then others on the thread have their turn. */
#define PORT_BATCH 256u

/* One direction of one queue pair. */
struct lane {
    struct packet_queue queue;
    gboolean busy;         /* the receiver said 0 and has not called since */
    gboolean sender_waits; /* was told 0: tell it when there is room */
    uint32_t calls;        /* the receiver's "there is room again" */
    uint32_t given_packets; /* taken out of the queue; may come back */
    uint64_t given_bytes;
};

struct direction {
    struct tn_host *host; /* of the receiver */
    struct lane *lanes;
    gboolean queued; /* a job is under way */
    uint32_t offloads; /* that the receiver can take */
    /* 1: taken, 0: no room, negative: refused */
    int32_t (*give)(struct tn_net_port *port, uint32_t queue,
                    const struct tn_net_frame *frame);
    void (*job)(void *port);
};

struct tn_net_port {
    gatomicrefcount references; /* the device, and each job under way */
    GMutex lock;                /* all below that changes */
    struct tn_host *device, *backend; /* backend NULL: not connected */
    const struct tn_net *ops;
    void *self;
    const struct tn_net_handlers *handlers;
    void *opaque;
    struct tn_net_info info;
    struct direction out; /* device to back-end */
    struct direction in;  /* back-end to device */
    uint32_t n_lanes, n_queues;
    gboolean closed, active;
    gboolean link_changed; /* not yet told */
    gboolean error_logged;
};

/* Not connected. */
struct tn_net_port *port_new(struct tn_host *device,
                             const struct tn_net_handlers *handlers,
                             void *opaque);
void port_ref(struct tn_net_port *port);
void port_unref(struct tn_net_port *port);
/* Run JOB on HOST's thread; it drops the reference it is given. */
void port_queue_job(struct tn_net_port *port, struct tn_host *host,
                    void (*job)(void *port), gboolean *queued);
/* Queues for as many pairs as the back-end has. Before frames flow. */
void port_make_lanes(struct tn_net_port *port, uint32_t count);

/* [any] Leave a copy of FRAME: 1 taken, 0 full. */
uint32_t port_put(struct tn_net_port *port, struct direction *d,
                  uint32_t queue, const struct tn_net_frame *frame);
/* [any] The receiver of D would take a frame on QUEUE. */
void port_resume(struct tn_net_port *port, struct direction *d,
                 uint32_t queue);
/* [any] Throw away what waits for the device. */
void port_drop_input(struct tn_net_port *port);

#endif
