/* SPDX-License-Identifier: Apache-2.0 */
/* The control queue: section 5.1.6.5. A command is a class, a number and data;
 * the answer is one byte. */
#include <endian.h>

#include "virtio-net.h"

#define ACK_OK 0u
#define ACK_ERROR 1u

#define CLASS_RX 0u
#define CLASS_MAC 1u
#define CLASS_VLAN 2u
#define CLASS_ANNOUNCE 3u
#define CLASS_MQ 4u
#define CLASS_GUEST_OFFLOADS 5u

#define MAC_TABLE_SET 0u
#define MAC_ADDR_SET 1u
#define VLAN_ADD 0u
#define ANNOUNCE_ACK 0u
#define MQ_PAIRS_SET 0u
#define OFFLOADS_SET 0u

#define HEAD_BYTES 2u /* class and number */

/* Read BYTES at position AT of the data; 0: it is shorter. */
static uint32_t data(const struct tn_virtio_chain *chain, uint64_t at, void *to,
                     uint32_t bytes)
{
    return tn_virtio_copy_out(chain, HEAD_BYTES + at, to, bytes) == bytes;
}

static uint8_t rx_mode(struct net *net, uint8_t number,
                       const struct tn_virtio_chain *chain)
{
    /* By number of the command. */
    static const uint8_t bits[] = {MODE_PROMISCUOUS, MODE_ALL_MULTICAST,
                                   MODE_ALL_UNICAST, MODE_NO_MULTICAST,
                                   MODE_NO_UNICAST,  MODE_NO_BROADCAST};
    uint8_t on;

    if (number >= sizeof bits || !data(chain, 0, &on, 1))
        return ACK_ERROR;
    if (number >= 2 && !net_has(net, F_CTRL_RX_EXTRA))
        return ACK_ERROR;
    net->mode = on ? net->mode | bits[number] : net->mode & ~bits[number];
    return ACK_OK;
}

/* One list of the table, at *AT; 0: it does not fit the chain. */
static uint32_t take_macs(struct net *net, const struct tn_virtio_chain *chain,
                          uint64_t *at, uint8_t *too_many)
{
    uint32_t raw;
    uint64_t n;

    if (!data(chain, *at, &raw, sizeof raw))
        return 0;
    n = le32toh(raw);
    *at += sizeof raw;
    if (n * MAC_BYTES > chain->out_bytes ||
        *at + n * MAC_BYTES > chain->out_bytes - HEAD_BYTES)
        return 0;
    *too_many = n > MOST_MACS - net->n_macs;
    if (!*too_many) {
        data(chain, *at, net->macs + net->n_macs * MAC_BYTES,
             (uint32_t)n * MAC_BYTES);
        net->n_macs += (uint32_t)n;
    }
    *at += n * MAC_BYTES;
    return 1;
}

static uint8_t mac(struct net *net, uint8_t number,
                   const struct tn_virtio_chain *chain)
{
    uint64_t at = 0;

    if (number == MAC_ADDR_SET && net_has(net, F_CTRL_MAC_ADDR)) {
        uint8_t new_mac[MAC_BYTES];

        if (!data(chain, 0, new_mac, MAC_BYTES))
            return ACK_ERROR;
        memcpy(net->mac, new_mac, MAC_BYTES);
        return ACK_OK;
    }
    if (number != MAC_TABLE_SET || !net_has(net, F_CTRL_RX))
        return ACK_ERROR;
    net->n_macs = 0;
    if (take_macs(net, chain, &at, &net->many_unicast) &&
        take_macs(net, chain, &at, &net->many_multicast))
        return ACK_OK;
    net->n_macs = 0;
    return ACK_ERROR;
}

static uint8_t vlan(struct net *net, uint8_t number,
                    const struct tn_virtio_chain *chain)
{
    uint16_t raw;
    uint32_t id;

    if (number > 1 || !net_has(net, F_CTRL_VLAN) ||
        !data(chain, 0, &raw, sizeof raw))
        return ACK_ERROR;
    id = le16toh(raw);
    if (id >= VLANS)
        return ACK_ERROR;
    if (number == VLAN_ADD)
        net->vlans[id / 64] |= (uint64_t)1 << id % 64;
    else
        net->vlans[id / 64] &= ~((uint64_t)1 << id % 64);
    return ACK_OK;
}

static uint8_t announce(struct net *net, uint8_t number,
                        const struct tn_virtio_chain *chain)
{
    (void)chain;
    if (number != ANNOUNCE_ACK || !net_has(net, F_GUEST_ANNOUNCE) ||
        !net->announce)
        return ACK_ERROR;
    net->announce = 0;
    return ACK_OK;
}

static uint8_t multi_queue(struct net *net, uint8_t number,
                           const struct tn_virtio_chain *chain)
{
    uint16_t raw;
    uint32_t pairs;

    if (number != MQ_PAIRS_SET || !net_has(net, F_MQ) ||
        !data(chain, 0, &raw, sizeof raw))
        return ACK_ERROR;
    pairs = le16toh(raw);
    if (!pairs || pairs > net->max_pairs ||
        net->nets->set_queues(net->host, net->port, pairs))
        return ACK_ERROR;
    net->pairs = pairs;
    return ACK_OK;
}

static uint8_t guest_offloads(struct net *net, uint8_t number,
                              const struct tn_virtio_chain *chain)
{
    uint64_t raw;

    if (number != OFFLOADS_SET || !net_has(net, F_CTRL_GUEST_OFFLOADS) ||
        !data(chain, 0, &raw, sizeof raw))
        return ACK_ERROR;
    raw = le64toh(raw);
    if (raw & ~net->features)
        return ACK_ERROR;
    net->offloads = raw;
    net_apply_offloads(net);
    return ACK_OK;
}

static uint8_t command(struct net *net, const struct tn_virtio_chain *chain)
{
    static uint8_t (*const classes[])(struct net * net, uint8_t number,
                                      const struct tn_virtio_chain *chain) = {
        [CLASS_RX] = rx_mode,     [CLASS_MAC] = mac,
        [CLASS_VLAN] = vlan,      [CLASS_ANNOUNCE] = announce,
        [CLASS_MQ] = multi_queue, [CLASS_GUEST_OFFLOADS] = guest_offloads,
    };
    uint8_t head[HEAD_BYTES];

    tn_virtio_copy_out(chain, 0, head, sizeof head);
    if (head[0] >= sizeof classes / sizeof classes[0] ||
        (head[0] == CLASS_RX && !net_has(net, F_CTRL_RX)))
        return ACK_ERROR;
    return classes[head[0]](net, head[1], chain);
}

void net_control(struct net *net, uint32_t queue)
{
    const struct tn_virtio_transport *transport = net->transport;
    struct tn_virtio_chain *chain;

    while ((chain = transport->pop(net->virtio, queue))) {
        uint8_t ack;

        if (chain->out_bytes < HEAD_BYTES || !chain->in_bytes) {
            transport->push(net->virtio, chain, 0);
            transport->needs_reset(net->virtio,
                                   "a command without head or answer");
            return;
        }
        ack = command(net, chain);
        tn_virtio_copy_in(chain, 0, &ack, 1);
        transport->push(net->virtio, chain, 1);
    }
    transport->flush(net->virtio, queue);
}
