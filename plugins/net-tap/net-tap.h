/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of one tap back-end. */
#ifndef TENON_NET_TAP_H
#define TENON_NET_TAP_H

#include <linux/virtio_net.h>

#include "tenon/loop.h"
#include "tenon/net.h"

#define MAX_QUEUES 16u

struct tap;

/* One queue: a descriptor of the interface. */
struct tap_queue {
    struct tap *tap;
    int32_t fd; /* -1: not open */
    uint32_t attached; /* the kernel delivers to it */
    struct tn_watch *watch;
    uint32_t events; /* of the watch */
    uint32_t index;
    uint32_t waits_write; /* send() said 0 */
    /* A frame the device had no room for, offered again in wanted(). */
    uint32_t kept_bytes;
    struct virtio_net_hdr header;
    uint8_t *frame; /* TN_NET_MAX_FRAME */
};

struct tap {
    struct tn_host *host;
    const struct tn_loop *loop;
    const struct tn_net_sink *sink; /* NULL: no device */
    void *sink_opaque;
    struct tap_queue queues[MAX_QUEUES];
    uint32_t n_queues; /* open */
    uint32_t in_use;   /* by the device */
    uint32_t vnet;     /* frames have a struct virtio_net_hdr before them */
    uint32_t offloads; /* TN_NET_* the kernel takes */
    char name[16];     /* of the interface */
};

/* interface.c: open the descriptors as the properties say, or take those of
 * `fd`. */
int32_t tap_open(struct tap *t, struct tn_error *error);
void tap_close(struct tap *t);
/* What frames the kernel may hand us: 0 or a negative errno. */
int32_t tap_accept_offloads(struct tap *t, uint32_t offloads);
/* The kernel delivers to queue Q, or not any more. */
int32_t tap_attach_queue(struct tap_queue *q, uint32_t attached);
uint32_t tap_mtu(struct tap *t);

#endif
