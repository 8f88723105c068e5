/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that wait: copies in one piece, in bounded queues.
 */
#ifndef TENON_CORE_NET_PACKET_H
#define TENON_CORE_NET_PACKET_H

#include <glib.h>
#include <stdint.h>

#include <tenon/net.h>

/* An Ethernet header; what is shorter is no frame. */
#define ETHERNET_HEADER 14u

struct packet {
    struct packet *next;
    uint32_t room;     /* bytes of data[] */
    struct tn_net_frame frame; /* of one piece: iov */
    struct tn_iovec iov;
    uint8_t data[];
};

/* In order; not locked. */
struct packet_queue {
    struct packet *first, **end;
    uint32_t packets;
    uint64_t bytes;
};

/* Uninitialised data; frame is zero but for its iov of BYTES. */
struct packet *packet_new(uint32_t bytes);
/* A copy, or NULL if FRAME is malformed. */
struct packet *packet_copy(const struct tn_net_frame *frame);
void packet_free(struct packet *packet);
static inline uint32_t packet_bytes(const struct packet *packet)
{
    return (uint32_t)packet->iov.bytes;
}

void packet_queue_init(struct packet_queue *queue);
void packet_queue_put(struct packet_queue *queue, struct packet *packet);
struct packet *packet_queue_take(struct packet_queue *queue);
/* All of FROM before what TO has; FROM is empty then. */
void packet_queue_put_back(struct packet_queue *to, struct packet_queue *from);
void packet_queue_clear(struct packet_queue *queue);

#endif
