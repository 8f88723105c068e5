/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for the guest: filter, then fill its buffers (section 5.1.6.4). */
#include <endian.h>

#include "virtio-net.h"

/* Of one frame: 64 KiB in buffers of 256 bytes. */
#define MOST_BUFFERS 260u
#define VLAN_TYPE 0x8100u

static uint64_t frame_bytes(const struct tn_net_frame *frame)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < frame->n_iov; i++)
        bytes += frame->iov[i].bytes;
    return bytes;
}

/* BYTES from the start of FRAME. */
static void peek(const struct tn_net_frame *frame, uint8_t *to, uint32_t bytes)
{
    for (uint32_t i = 0; i < frame->n_iov && bytes; i++) {
        uint64_t piece = frame->iov[i].bytes;

        if (piece > bytes)
            piece = bytes;
        memcpy(to, frame->iov[i].base, piece);
        to += piece;
        bytes -= (uint32_t)piece;
    }
}

static uint32_t in_table(const struct net *net, const uint8_t *mac)
{
    for (uint32_t i = 0; i < net->n_macs; i++)
        if (!memcmp(net->macs + i * MAC_BYTES, mac, MAC_BYTES))
            return 1;
    return 0;
}

static uint32_t address_wanted(const struct net *net, const uint8_t *to)
{
    static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff,
                                                 0xff, 0xff, 0xff};

    if (!memcmp(to, broadcast, MAC_BYTES))
        return !(net->mode & MODE_NO_BROADCAST);
    if (to[0] & 1) {
        if (net->mode & MODE_NO_MULTICAST)
            return 0;
        return net->mode & MODE_ALL_MULTICAST || net->many_multicast ||
               in_table(net, to);
    }
    if (net->mode & MODE_NO_UNICAST)
        return 0;
    return net->mode & MODE_ALL_UNICAST || net->many_unicast ||
           !memcmp(to, net->mac, MAC_BYTES) || in_table(net, to);
}

static uint32_t wanted(const struct net *net, const struct tn_net_frame *frame)
{
    uint8_t start[ETHERNET_BYTES + 2] = {0};
    uint32_t vlan;

    /* Without control of what it gets a driver gets all. */
    if (net->mode & MODE_PROMISCUOUS || !net_has(net, F_CTRL_RX))
        return 1;
    peek(frame, start, sizeof start);
    if (net_has(net, F_CTRL_VLAN) &&
        (start[12] << 8 | start[13]) == VLAN_TYPE) {
        vlan = (uint32_t)(start[14] << 8 | start[15]) & (VLANS - 1);
        if (!(net->vlans[vlan / 64] >> vlan % 64 & 1))
            return 0;
    }
    return address_wanted(net, start);
}

static struct net_header header_of(const struct tn_net_frame *frame)
{
    static const uint8_t types[] = {
        [TN_NET_GSO_NONE] = 0,
        [TN_NET_GSO_TCP4] = HEADER_GSO_TCP4,
        [TN_NET_GSO_TCP6] = HEADER_GSO_TCP6,
        [TN_NET_GSO_UDP4] = HEADER_GSO_UDP_L4,
        [TN_NET_GSO_UDP6] = HEADER_GSO_UDP_L4,
    };
    uint32_t kind = frame->gso & ~TN_NET_GSO_ECN;
    struct net_header header = {0};

    if (frame->flags & TN_NET_NEEDS_CSUM) {
        header.flags = HEADER_NEEDS_CSUM;
        header.csum_start = htole16(frame->csum_start);
        header.csum_offset = htole16(frame->csum_offset);
    } else if (frame->flags & TN_NET_DATA_VALID) {
        header.flags = HEADER_DATA_VALID;
    }
    if (kind && kind < sizeof types) {
        header.gso_type = types[kind];
        if (frame->gso & TN_NET_GSO_ECN)
            header.gso_type |= HEADER_GSO_ECN;
        header.hdr_len = htole16(frame->header_bytes);
        header.gso_size = htole16(frame->gso_bytes);
    }
    return header;
}

struct buffers {
    struct tn_virtio_chain *chain[MOST_BUFFERS];
    uint32_t n;
};

static void put_back(struct net *net, struct buffers *buffers)
{
    while (buffers->n)
        net->transport->unpop(net->virtio, buffers->chain[--buffers->n]);
}

/* Buffers for BYTES. 1; 0: there are not enough now; -1: there never will be,
 * drop the frame. */
static int32_t take_buffers(struct net *net, uint32_t queue, uint64_t bytes,
                            struct buffers *buffers)
{
    uint32_t most = net_has(net, F_MRG_RXBUF) ? MOST_BUFFERS : 1;
    uint64_t room = 0;

    buffers->n = 0;
    while (room < bytes) {
        struct tn_virtio_chain *chain;

        if (buffers->n == most) {
            put_back(net, buffers);
            return -1;
        }
        chain = net->transport->pop(net->virtio, queue);
        if (!chain) {
            put_back(net, buffers);
            return 0;
        }
        buffers->chain[buffers->n++] = chain;
        room += chain->in_bytes;
        /* The header must fit in the first buffer. */
        if (buffers->n == 1 && room < sizeof(struct net_header)) {
            put_back(net, buffers);
            net->transport->needs_reset(net->virtio,
                                        "a buffer shorter than the header");
            return -1;
        }
    }
    return 1;
}

/* Spread the header and FRAME over the buffers and give them back. */
static void fill(struct net *net, struct buffers *buffers,
                 const struct tn_net_frame *frame)
{
    struct net_header header = header_of(frame);
    uint64_t at = sizeof header; /* in the current buffer */
    uint32_t current = 0;

    header.num_buffers = htole16((uint16_t)buffers->n);
    tn_virtio_copy_in(buffers->chain[0], 0, &header, sizeof header);
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        const uint8_t *from = frame->iov[i].base;
        uint64_t left = frame->iov[i].bytes;

        while (left) {
            struct tn_virtio_chain *chain = buffers->chain[current];
            uint64_t done = tn_virtio_copy_in(chain, at, from, left);

            from += done;
            left -= done;
            at += done;
            if (left) {
                net->transport->push(net->virtio, chain, at);
                at = 0;
                current++;
            }
        }
    }
    net->transport->push(net->virtio, buffers->chain[current], at);
}

uint32_t net_receive(void *opaque, uint32_t pair,
                     const struct tn_net_frame *frame)
{
    struct net *net = opaque;
    uint64_t bytes = frame_bytes(frame);
    struct buffers buffers;
    uint32_t queue;
    int32_t rc;

    if (pair >= net->pairs)
        pair = 0;
    queue = 2 * pair;
    if (bytes < ETHERNET_BYTES || bytes > TN_NET_MAX_FRAME ||
        !wanted(net, frame))
        return 1;
    if (!net->transport->is_ready(net->virtio, queue)) {
        net->starved[pair] = 1;
        return 0;
    }
    rc = take_buffers(net, queue, sizeof(struct net_header) + bytes, &buffers);
    if (rc > 0) {
        fill(net, &buffers, frame);
        net->transport->flush(net->virtio, queue);
    }
    net->starved[pair] = !rc;
    return rc != 0;
}
