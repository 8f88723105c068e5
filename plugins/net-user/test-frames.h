/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as a guest of the test makes and reads them. */
#ifndef TENON_NET_USER_TEST_FRAMES_H
#define TENON_NET_USER_TEST_FRAMES_H

#include <stdint.h>
#include <string.h>

#define ETHERNET 14u
#define IP 20u
#define GUEST_IP 0x0a00020fu /* 10.0.2.15 */
#define HOST_IP 0x0a000202u  /* 10.0.2.2 */
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

struct test_frame {
    uint32_t bytes;
    uint8_t data[2048];
};

static inline uint32_t get_be(const uint8_t *p, uint32_t bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | *p++;
    return value;
}

static inline void put_be(uint8_t *p, uint32_t value, uint32_t bytes)
{
    while (bytes--) {
        p[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static inline uint32_t sum_be(uint32_t sum, const uint8_t *p, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static inline uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static inline void put_ethernet(struct test_frame *f, const uint8_t to[6],
                                uint32_t type)
{
    memcpy(f->data, to, 6);
    memcpy(f->data + 6, guest_mac, 6);
    put_be(f->data + 12, type, 2);
    f->bytes = ETHERNET;
}

/* An IPv4 packet of PROTOCOL with BYTES at PAYLOAD; the transport checksum,
 * if FIELD is not 0, is filled in there. */
static inline void put_ipv4(struct test_frame *f, const uint8_t to[6],
                            uint32_t from_ip, uint32_t to_ip,
                            uint32_t protocol, const void *payload,
                            uint32_t bytes, uint32_t field)
{
    uint8_t *ip = f->data + ETHERNET;
    uint8_t *transport = ip + IP;
    uint32_t sum;

    memset(f, 0, sizeof *f);
    put_ethernet(f, to, 0x0800);
    ip[0] = 0x45;
    put_be(ip + 2, IP + bytes, 2);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put_be(ip + 12, from_ip, 4);
    put_be(ip + 16, to_ip, 4);
    put_be(ip + 10, fold(sum_be(0, ip, IP)), 2);
    memcpy(transport, payload, bytes);
    f->bytes = ETHERNET + IP + bytes;
    if (field) {
        sum = sum_be(protocol + bytes, ip + 12, 8);
        put_be(transport + field, fold(sum_be(sum, transport, bytes)), 2);
    }
}

/* A UDP datagram into TO, without a checksum. */
static inline uint32_t make_udp(uint8_t *to, uint32_t from_port,
                                uint32_t to_port, const void *data,
                                uint32_t bytes)
{
    put_be(to, from_port, 2);
    put_be(to + 2, to_port, 2);
    put_be(to + 4, 8 + bytes, 2);
    put_be(to + 6, 0, 2);
    memcpy(to + 8, data, bytes);
    return 8 + bytes;
}

static inline uint32_t make_tcp(uint8_t *to, uint32_t from_port,
                                uint32_t to_port, uint32_t sequence,
                                uint32_t acknowledge, uint32_t flags,
                                const void *data, uint32_t bytes)
{
    memset(to, 0, 20);
    put_be(to, from_port, 2);
    put_be(to + 2, to_port, 2);
    put_be(to + 4, sequence, 4);
    put_be(to + 8, acknowledge, 4);
    to[12] = 5 << 4;
    to[13] = (uint8_t)flags;
    put_be(to + 14, 65535, 2);
    if (bytes)
        memcpy(to + 20, data, bytes);
    return 20 + bytes;
}

#endif
