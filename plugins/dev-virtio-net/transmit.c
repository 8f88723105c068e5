/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from the guest (section 5.1.6.2). On the I/O thread. */
#include <endian.h>

#include "virtio-net.h"

/* Then others get their turn. */
#define BURST 256u

#define TYPE_IPV6 0x86ddu
#define TYPE_AT 12u

static uint32_t gso_of(const struct net_header *header,
                       const struct tn_virtio_chain *chain)
{
    uint32_t ecn = header->gso_type & HEADER_GSO_ECN ? TN_NET_GSO_ECN : 0;
    uint8_t type[2] = {0};

    switch (header->gso_type & ~HEADER_GSO_ECN) {
    case HEADER_GSO_TCP4:
        return TN_NET_GSO_TCP4 | ecn;
    case HEADER_GSO_TCP6:
        return TN_NET_GSO_TCP6 | ecn;
    case HEADER_GSO_UDP_L4:
        tn_virtio_copy_out(chain, sizeof *header + TYPE_AT, type, 2);
        return (type[0] << 8 | type[1]) == TYPE_IPV6 ? TN_NET_GSO_UDP6
                                                     : TN_NET_GSO_UDP4;
    default:
        return UINT32_MAX;
    }
}

/* The pieces after the header; 0: too many. */
static uint32_t cut(struct net *net, const struct tn_virtio_chain *chain,
                    struct tn_net_frame *frame)
{
    uint64_t skip = sizeof(struct net_header);
    uint32_t i = 0;

    while (i < chain->n_out && skip >= chain->out[i].bytes)
        skip -= chain->out[i++].bytes;
    frame->n_iov = chain->n_out - i;
    if (frame->n_iov > MOST_PIECES)
        return 0;
    frame->iov = chain->out + i;
    if (!skip)
        return 1;
    memcpy(net->pieces, chain->out + i, frame->n_iov * sizeof *net->pieces);
    net->pieces[0].base = (char *)net->pieces[0].base + skip;
    net->pieces[0].bytes -= skip;
    frame->iov = net->pieces;
    return 1;
}

/* Describe CHAIN as a frame. NULL, or what is wrong with it. */
static const char *parse(struct net *net, const struct tn_virtio_chain *chain,
                         struct tn_net_frame *frame)
{
    uint64_t bytes = chain->out_bytes - sizeof(struct net_header);
    struct net_header header;

    memset(frame, 0, sizeof *frame);
    frame->size = sizeof *frame;
    tn_virtio_copy_out(chain, 0, &header, sizeof header);
    if (bytes < ETHERNET_BYTES || bytes > TN_NET_MAX_FRAME ||
        !cut(net, chain, frame))
        return "a frame too short or too long";
    if (header.flags & HEADER_NEEDS_CSUM) {
        if (!net_has(net, F_CSUM))
            return "a checksum to fill in without the feature";
        frame->flags = TN_NET_NEEDS_CSUM;
        frame->csum_start = le16toh(header.csum_start);
        frame->csum_offset = le16toh(header.csum_offset);
        if (frame->csum_start + frame->csum_offset + 2u > bytes)
            return "a checksum past the end of the frame";
    }
    if (!header.gso_type)
        return NULL;
    frame->gso = gso_of(&header, chain);
    frame->gso_bytes = le16toh(header.gso_size);
    frame->header_bytes = le16toh(header.hdr_len);
    if (frame->gso == UINT32_MAX || !frame->gso_bytes)
        return "a segmentation that does not exist";
    if (!(frame->flags & TN_NET_NEEDS_CSUM))
        return "a segmentation without checksum";
    return NULL;
}

static uint32_t pair_of(uint32_t queue)
{
    return queue / 2;
}

/* 1: CHAIN is done with; 0: it has to wait. */
static uint32_t send(struct net *net, const struct tn_virtio_chain *chain)
{
    struct tn_net_frame frame;
    const char *wrong = parse(net, chain, &frame);

    if (wrong) {
        tn_logf(net->host, TN_LOG_GUEST, "transmit: %s: dropped", wrong);
        return 1;
    }
    return net->nets->send(net->host, net->port, pair_of(chain->queue), &frame);
}

void net_transmit(struct net *net, uint32_t queue)
{
    const struct tn_virtio_transport *transport = net->transport;
    struct tn_virtio_chain *chain;
    uint32_t sent = 0;

    while (sent < BURST && (chain = transport->pop(net->virtio, queue))) {
        if (chain->out_bytes < sizeof(struct net_header)) {
            transport->push(net->virtio, chain, 0);
            transport->needs_reset(net->virtio, "a frame without header");
            return;
        }
        if (!send(net, chain)) {
            /* writable() comes back here. */
            transport->unpop(net->virtio, chain);
            break;
        }
        transport->push(net->virtio, chain, 0);
        sent++;
    }
    transport->flush(net->virtio, queue);
    if (sent == BURST)
        transport->kick(net->virtio, queue);
}
