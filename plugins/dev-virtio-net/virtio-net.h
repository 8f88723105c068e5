/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio network device (virtio 1.2 section 5.1): the instance, shared by its
 * files. Queues 2N and 2N+1 receive and transmit for pair N; the control queue
 * follows the last pair, or is queue 2 if multi-queue was not negotiated.
 */
#ifndef TENON_VIRTIO_NET_H
#define TENON_VIRTIO_NET_H

#include <string.h>

#include <tenon/net.h>
#include <tenon/virtio.h>

/* Section 5.1.3. */
#define F_CSUM 0u
#define F_GUEST_CSUM 1u
#define F_CTRL_GUEST_OFFLOADS 2u
#define F_MTU 3u
#define F_MAC 5u
#define F_GUEST_TSO4 7u
#define F_GUEST_TSO6 8u
#define F_GUEST_ECN 9u
#define F_HOST_TSO4 11u
#define F_HOST_TSO6 12u
#define F_HOST_ECN 13u
#define F_MRG_RXBUF 15u
#define F_STATUS 16u
#define F_CTRL_VQ 17u
#define F_CTRL_RX 18u
#define F_CTRL_VLAN 19u
#define F_CTRL_RX_EXTRA 20u
#define F_GUEST_ANNOUNCE 21u
#define F_MQ 22u
#define F_CTRL_MAC_ADDR 23u
#define F_GUEST_USO4 54u
#define F_GUEST_USO6 55u
#define F_HOST_USO 56u
#define F_SPEED_DUPLEX 63u

/* struct virtio_net_hdr, section 5.1.6; little-endian. */
struct net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};
#define HEADER_NEEDS_CSUM 0x1u
#define HEADER_DATA_VALID 0x2u
#define HEADER_GSO_TCP4 1u
#define HEADER_GSO_TCP6 4u
#define HEADER_GSO_UDP_L4 5u
#define HEADER_GSO_ECN 0x80u

#define MAC_BYTES 6u
#define ETHERNET_BYTES 14u
#define MOST_MACS 64u
#define VLANS 4096u
#define MOST_PAIRS 32u
#define MOST_PIECES 1024u /* of a frame */

/* Bits of net.mode: which frames the driver wants. */
#define MODE_PROMISCUOUS 0x01u
#define MODE_ALL_MULTICAST 0x02u
#define MODE_ALL_UNICAST 0x04u
#define MODE_NO_MULTICAST 0x08u
#define MODE_NO_UNICAST 0x10u
#define MODE_NO_BROADCAST 0x20u

struct net {
    struct tn_host *host;
    const struct tn_virtio_transport *transport;
    struct tn_virtio *virtio;
    const struct tn_nets *nets;
    struct tn_net_port *port;
    struct tn_net_info info;
    uint64_t features; /* negotiated */
    uint32_t max_pairs;
    uint32_t queue_size;
    uint32_t mtu;      /* property; 0: what the back-end says */
    uint32_t restored; /* a saved state was loaded; start() finishes that */
    uint64_t restored_offloads;
    uint8_t permanent_mac[MAC_BYTES];
    uint32_t starved[MOST_PAIRS];        /* receive() found no room */
    struct tn_iovec pieces[MOST_PIECES]; /* of the frame being sent */
    /* Saved. */
    uint8_t mac[MAC_BYTES];
    uint8_t announce; /* the driver was asked and has not acknowledged */
    uint8_t many_unicast, many_multicast; /* the table overflowed */
    uint32_t mode;
    uint32_t pairs;    /* in use */
    uint64_t offloads; /* feature bits of what the guest takes */
    uint32_t n_macs;
    uint8_t macs[MOST_MACS * MAC_BYTES];
    uint64_t vlans[VLANS / 64];
};

static inline uint32_t net_has(const struct net *net, uint32_t feature)
{
    return (uint32_t)(net->features >> feature & 1);
}

static inline uint32_t net_control_queue(const struct net *net)
{
    return net_has(net, F_MQ) ? 2 * net->max_pairs : 2;
}

/* virtio-net.c */
void net_apply_offloads(struct net *net);
/* receive.c */
uint32_t net_receive(void *opaque, uint32_t queue,
                     const struct tn_net_frame *frame);
/* transmit.c */
void net_transmit(struct net *net, uint32_t queue);
/* control.c */
void net_control(struct net *net, uint32_t queue);

#endif
