/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that wait. */
#include "core/net/packet.h"

#include <string.h>

/* Most frames are of one of two sizes, which malloc keeps at hand. */
#define SMALL 256u
#define MIDDLE 1792u

struct packet *packet_new(uint32_t bytes)
{
    uint32_t room = bytes <= SMALL ? SMALL : MAX(bytes, MIDDLE);
    struct packet *packet = g_malloc(sizeof *packet + room);

    *packet = (struct packet){.room = room};
    packet->iov = (struct tn_iovec){packet->data, bytes};
    packet->frame.size = sizeof packet->frame;
    packet->frame.n_iov = 1;
    packet->frame.iov = &packet->iov;
    return packet;
}

static gboolean frame_bytes(const struct tn_net_frame *frame, uint64_t *bytes)
{
    *bytes = 0;
    if (frame->size < sizeof *frame || frame->n_iov > 1024)
        return FALSE;
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        if (frame->iov[i].bytes > TN_NET_MAX_FRAME)
            return FALSE;
        *bytes += frame->iov[i].bytes;
    }
    return *bytes >= ETHERNET_HEADER && *bytes <= TN_NET_MAX_FRAME;
}

struct packet *packet_copy(const struct tn_net_frame *frame)
{
    struct packet *packet;
    uint64_t bytes;
    uint8_t *to;

    if (!frame_bytes(frame, &bytes))
        return NULL;
    packet = packet_new((uint32_t)bytes);
    to = packet->data;
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        if (frame->iov[i].bytes)
            memcpy(to, frame->iov[i].base, frame->iov[i].bytes);
        to += frame->iov[i].bytes;
    }
    packet->frame.flags = frame->flags;
    packet->frame.gso = frame->gso;
    packet->frame.gso_bytes = frame->gso_bytes;
    packet->frame.header_bytes = frame->header_bytes;
    packet->frame.csum_start = frame->csum_start;
    packet->frame.csum_offset = frame->csum_offset;
    return packet;
}

void packet_free(struct packet *packet)
{
    g_free(packet);
}

void packet_queue_init(struct packet_queue *queue)
{
    *queue = (struct packet_queue){.first = NULL, .end = &queue->first};
}

void packet_queue_put(struct packet_queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *queue->end = packet;
    queue->end = &packet->next;
    queue->packets++;
    queue->bytes += packet_bytes(packet);
}

struct packet *packet_queue_take(struct packet_queue *queue)
{
    struct packet *packet = queue->first;

    if (!packet)
        return NULL;
    queue->first = packet->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->packets--;
    queue->bytes -= packet_bytes(packet);
    return packet;
}

void packet_queue_put_back(struct packet_queue *to, struct packet_queue *from)
{
    if (!from->first)
        return;
    *from->end = to->first;
    if (!to->first)
        to->end = from->end;
    to->first = from->first;
    to->packets += from->packets;
    to->bytes += from->bytes;
    packet_queue_init(from);
}

void packet_queue_clear(struct packet_queue *queue)
{
    struct packet *packet;

    while ((packet = packet_queue_take(queue)))
        packet_free(packet);
}
