/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums: RFC 1071. Headers: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293
 * (TCP), RFC 768 (UDP). Everything in a frame comes from the guest or from
 * the network: each offset is checked against the frame's end.
 */
#include "core/net/offload.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_QINQ 0x88a8u
#define IP_TCP 6u
#define IP_UDP 17u
/* IPv6 extension headers that may stand before TCP: RFC 8200 section 4 */
#define IPV6_HOP_BY_HOP 0u
#define IPV6_ROUTING 43u
#define IPV6_DESTINATION 60u

/* A guest that asks for tinier pieces wants to use up our memory. */
#define MAX_SEGMENTS 2048u

#define TCP_FLAGS 13u /* offset */
#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

/* ---- checksums ---- */

uint64_t checksum_add(uint64_t sum, const uint8_t *data, uint32_t bytes)
{
    uint64_t host = 0; /* in host byte order: the sum does not mind */
    uint32_t word;
    uint16_t half;

    for (; bytes >= 4; data += 4, bytes -= 4) {
        memcpy(&word, data, 4);
        host += word;
    }
    if (bytes & 2) {
        memcpy(&half, data, 2);
        host += half;
        data += 2;
    }
    if (bytes & 1) {
        half = 0;
        memcpy(&half, data, 1);
        host += half;
    }
    while (host >> 16)
        host = (host & 0xffff) + (host >> 16);
    return sum + GUINT16_FROM_BE((uint16_t)host);
}

uint16_t checksum_finish(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The sum over the frame's end, whose pseudo header is in the field already.
 * No checksum is sent as 0: to UDP that would mean there is none, and to the
 * others 0xffff is the same number. */
static gboolean fill_checksum(struct packet *packet)
{
    struct tn_net_frame *frame = &packet->frame;
    uint32_t bytes = packet_bytes(packet);
    uint32_t field = (uint32_t)frame->csum_start + frame->csum_offset;
    uint16_t sum;

    if (frame->csum_start < ETHERNET_HEADER || field + 2 > bytes)
        return FALSE;
    sum = checksum_finish(checksum_add(0, packet->data + frame->csum_start,
                                       bytes - frame->csum_start));
    put16(packet->data + field, sum ? sum : 0xffff);
    frame->flags &= ~TN_NET_NEEDS_CSUM;
    return TRUE;
}

/* ---- segmentation ---- */

/* Where the headers of a frame are. */
struct layout {
    uint32_t ip, transport, payload; /* offsets */
    uint32_t version;  /* of IP: 4 or 6 */
    uint32_t protocol; /* IP_TCP, IP_UDP */
};

static gboolean find_ipv4(const uint8_t *data, uint32_t bytes,
                          struct layout *at)
{
    uint32_t length;

    if (at->ip + 20 > bytes || data[at->ip] >> 4 != 4)
        return FALSE;
    length = (data[at->ip] & 15u) * 4;
    at->version = 4;
    at->protocol = data[at->ip + 9];
    at->transport = at->ip + length;
    /* No fragments: neither an offset nor more to come. */
    return length >= 20 && !(get16(data + at->ip + 6) & 0x3fffu);
}

static gboolean find_ipv6(const uint8_t *data, uint32_t bytes,
                          struct layout *at)
{
    if (at->ip + 40 > bytes || data[at->ip] >> 4 != 6)
        return FALSE;
    at->version = 6;
    at->protocol = data[at->ip + 6];
    at->transport = at->ip + 40;
    while (at->protocol == IPV6_HOP_BY_HOP || at->protocol == IPV6_ROUTING ||
           at->protocol == IPV6_DESTINATION) {
        if (at->transport + 8 > bytes)
            return FALSE;
        at->protocol = data[at->transport];
        at->transport += (data[at->transport + 1] + 1u) * 8;
    }
    return TRUE;
}

static gboolean find_headers(const struct packet *packet, struct layout *at)
{
    const uint8_t *data = packet->data;
    uint32_t bytes = packet_bytes(packet);
    uint32_t type = get16(data + 12);

    at->ip = ETHERNET_HEADER;
    while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ) {
        if (at->ip + 4 > bytes)
            return FALSE;
        type = get16(data + at->ip + 2);
        at->ip += 4;
    }
    if (type == ETHERTYPE_IPV4 ? !find_ipv4(data, bytes, at)
        : type == ETHERTYPE_IPV6 ? !find_ipv6(data, bytes, at)
                                 : TRUE)
        return FALSE;
    if (at->protocol == IP_UDP) {
        at->payload = at->transport + 8;
    } else if (at->protocol == IP_TCP) {
        if (at->transport + 20 > bytes)
            return FALSE;
        at->payload = at->transport + (data[at->transport + 12] >> 4) * 4u;
        if (at->payload < at->transport + 20)
            return FALSE;
    }
    return at->payload <= bytes;
}

/* Does what the frame says about itself agree with what is in it? */
static gboolean agrees(uint32_t gso, const struct layout *at)
{
    static const struct {
        uint8_t version, protocol;
    } kinds[] = {
        [TN_NET_GSO_TCP4] = {4, IP_TCP},
        [TN_NET_GSO_TCP6] = {6, IP_TCP},
        [TN_NET_GSO_UDP4] = {4, IP_UDP},
        [TN_NET_GSO_UDP6] = {6, IP_UDP},
    };
    uint32_t kind = gso & ~TN_NET_GSO_ECN;

    return kind > TN_NET_GSO_NONE && kind < G_N_ELEMENTS(kinds) &&
           kinds[kind].version == at->version &&
           kinds[kind].protocol == at->protocol;
}

/* The IP header of segment INDEX; returns the sum of its pseudo header. */
static uint64_t fix_ip(uint8_t *ip, const struct layout *at, uint32_t index,
                       uint32_t bytes /* from the IP header on */)
{
    uint32_t transport = bytes - (at->transport - at->ip);
    uint64_t pseudo = at->protocol + transport;

    if (at->version == 6) {
        put16(ip + 4, bytes - 40);
        return checksum_add(pseudo, ip + 8, 32);
    }
    put16(ip + 2, bytes);
    put16(ip + 4, get16(ip + 4) + index);
    put16(ip + 10, 0);
    put16(ip + 10,
          checksum_finish(checksum_add(0, ip, at->transport - at->ip)));
    return checksum_add(pseudo, ip + 12, 8);
}

/* The TCP header of a segment whose payload begins OFFSET bytes in. */
static void fix_tcp(uint8_t *tcp, uint32_t offset, gboolean last)
{
    put32(tcp + 4, get32(tcp + 4) + offset);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (offset > 0)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

static struct packet *make_segment(const struct packet *whole,
                                   const struct layout *at, uint32_t index,
                                   uint32_t offset, uint32_t length)
{
    struct packet *s = packet_new(at->payload + length);
    uint8_t *transport = s->data + at->transport;
    uint32_t bytes = packet_bytes(s) - at->transport;
    uint32_t field = at->protocol == IP_TCP ? 16 : 6;
    gboolean last = at->payload + offset + length == packet_bytes(whole);
    uint64_t pseudo;
    uint16_t sum;

    memcpy(s->data, whole->data, at->payload);
    memcpy(s->data + at->payload, whole->data + at->payload + offset, length);
    pseudo = fix_ip(s->data + at->ip, at, index,
                    packet_bytes(s) - at->ip);
    if (at->protocol == IP_TCP)
        fix_tcp(transport, offset, last);
    else
        put16(transport + 4, bytes);
    put16(transport + field, 0);
    sum = checksum_finish(checksum_add(pseudo, transport, bytes));
    put16(transport + field, sum ? sum : 0xffff);
    s->frame.flags = whole->frame.flags & TN_NET_DATA_VALID;
    return s;
}

static gboolean segment(const struct packet *whole, struct packet_queue *out)
{
    struct layout at = {0};
    uint32_t step = whole->frame.gso_bytes, index = 0, offset = 0, left;

    if (!step || !find_headers(whole, &at) || !agrees(whole->frame.gso, &at))
        return FALSE;
    left = packet_bytes(whole) - at.payload;
    if (left / step >= MAX_SEGMENTS ||
        at.payload - at.ip + MIN(left, step) > UINT16_MAX)
        return FALSE;
    do { /* also a frame without payload is sent */
        uint32_t length = MIN(left, step);

        packet_queue_put(out, make_segment(whole, &at, index, offset, length));
        index++;
        offset += length;
        left -= length;
    } while (left > 0);
    return TRUE;
}

/* ---- what a receiver can take ---- */

static uint32_t needed(const struct tn_net_frame *frame)
{
    static const uint32_t segmentation[] = {
        [TN_NET_GSO_NONE] = 0,
        [TN_NET_GSO_TCP4] = TN_NET_TSO4,
        [TN_NET_GSO_TCP6] = TN_NET_TSO6,
        [TN_NET_GSO_UDP4] = TN_NET_USO4,
        [TN_NET_GSO_UDP6] = TN_NET_USO6,
    };
    uint32_t kind = frame->gso & ~TN_NET_GSO_ECN;
    uint32_t need = frame->flags & TN_NET_NEEDS_CSUM ? TN_NET_CSUM : 0u;

    if (frame->gso & TN_NET_GSO_ECN)
        need |= TN_NET_ECN;
    return kind < G_N_ELEMENTS(segmentation) ? need | segmentation[kind]
                                             : UINT32_MAX;
}

gboolean offload_can_take(const struct tn_net_frame *frame, uint32_t offloads)
{
    return !(needed(frame) & ~offloads);
}

gboolean offload_complete(struct packet *packet, uint32_t offloads,
                          struct packet_queue *out)
{
    gboolean good;

    if (offload_can_take(&packet->frame, offloads)) {
        packet_queue_put(out, packet);
        return TRUE;
    }
    if (packet->frame.gso != TN_NET_GSO_NONE) {
        good = segment(packet, out);
        packet_free(packet);
        return good;
    }
    good = fill_checksum(packet);
    if (good)
        packet_queue_put(out, packet);
    else
        packet_free(packet);
    return good;
}
