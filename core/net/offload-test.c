/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and segmentation against a plain reading of the RFCs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/net/offload.h"

#define PAYLOAD 5000u

static uint64_t seed = 7;

static uint8_t random_byte(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(seed >> 56);
}

/* RFC 1071, byte by byte. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *p, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t be(const uint8_t *p, uint32_t bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | *p++;
    return value;
}

struct shape {
    uint32_t vlan, version, protocol, gso;
    uint32_t ip, transport, payload; /* offsets */
};

static void set_offsets(struct shape *s)
{
    s->ip = s->vlan ? 18 : 14;
    s->transport = s->ip + (s->version == 4 ? 20 : 40);
    s->payload = s->transport + (s->protocol == 6 ? 32 : 8);
}

/* A frame of SHAPE with BYTES of payload in one piece, not yet cut. */
static struct packet *make(struct shape *s, uint32_t bytes)
{
    struct packet *p;
    uint8_t *ip;

    set_offsets(s);
    p = packet_new(s->payload + bytes);
    for (uint32_t i = 0; i < packet_bytes(p); i++)
        p->data[i] = random_byte();
    if (s->vlan)
        memcpy(p->data + 12, "\x81\x00\x00\x05", 4);
    memcpy(p->data + s->ip - 2, s->version == 4 ? "\x08\x00" : "\x86\xdd", 2);
    ip = p->data + s->ip;
    ip[0] = s->version == 4 ? 0x45 : 0x60;
    if (s->version == 4)
        memcpy(ip + 6, "\x40\x00", 2);
    ip[s->version == 4 ? 9 : 6] = (uint8_t)s->protocol;
    if (s->protocol == 6) {
        p->data[s->transport + 12] = 8 << 4;
        p->data[s->transport + 13] = 0x80 | 0x10 | 0x08 | 0x01;
    }
    p->frame.flags = TN_NET_NEEDS_CSUM;
    p->frame.gso = s->gso;
    p->frame.csum_start = (uint16_t)s->transport;
    p->frame.csum_offset = s->protocol == 6 ? 16 : 6;
    return p;
}

/* Is the transport checksum of frame P right? */
static void check_sums(const struct shape *s, const struct packet *p)
{
    const uint8_t *ip = p->data + s->ip;
    uint32_t bytes = packet_bytes(p) - s->transport;
    uint32_t sum;

    if (s->version == 4) {
        assert_int_equal(plain_sum(0, ip, 20), 0xffff);
        assert_int_equal(be(ip + 2, 2), packet_bytes(p) - s->ip);
        sum = plain_sum(s->protocol + bytes, ip + 12, 8);
    } else {
        assert_int_equal(be(ip + 4, 2), bytes);
        sum = plain_sum(s->protocol + bytes, ip + 8, 32);
    }
    assert_int_equal(plain_sum(sum, p->data + s->transport, bytes), 0xffff);
}

static void check_tcp(const struct shape *s, const struct packet *whole,
                      const struct packet *p, uint32_t offset)
{
    const uint8_t *tcp = p->data + s->transport;
    uint32_t first = be(whole->data + s->transport + 4, 4);
    uint32_t last = p->next == NULL;

    assert_int_equal(be(tcp + 4, 4), (uint32_t)(first + offset));
    assert_int_equal(tcp[13] & 0x09, last ? 0x09 : 0);
    assert_int_equal(tcp[13] & 0x80, offset == 0 ? 0x80 : 0);
}

static void check_segments(struct shape *s, uint32_t step)
{
    struct packet *p = make(s, PAYLOAD), *whole = make(s, PAYLOAD);
    struct packet_queue out;
    uint32_t offset = 0, index = 0;

    memcpy(whole->data, p->data, packet_bytes(p));
    p->frame.gso_bytes = (uint16_t)step;
    packet_queue_init(&out);
    assert_true(offload_complete(p, TN_NET_CSUM, &out));
    assert_int_equal(out.packets, (PAYLOAD + step - 1) / step);
    for (struct packet *piece = out.first; piece; piece = piece->next) {
        uint32_t length = packet_bytes(piece) - s->payload;

        assert_true(length == step || !piece->next);
        assert_int_equal(piece->frame.flags, 0);
        assert_int_equal(piece->frame.gso, TN_NET_GSO_NONE);
        assert_memory_equal(piece->data, whole->data, s->ip);
        assert_memory_equal(piece->data + s->payload,
                            whole->data + s->payload + offset, length);
        check_sums(s, piece);
        if (s->protocol == 6)
            check_tcp(s, whole, piece, offset);
        if (s->version == 4)
            assert_int_equal(be(piece->data + s->ip + 4, 2),
                             (be(whole->data + s->ip + 4, 2) + index) & 0xffff);
        offset += length;
        index++;
    }
    assert_int_equal(offset, PAYLOAD);
    packet_queue_clear(&out);
    packet_free(whole);
}

static struct shape shapes[] = {
    {0, 4, 6, TN_NET_GSO_TCP4, 0, 0, 0},
    {1, 4, 6, TN_NET_GSO_TCP4 | TN_NET_GSO_ECN, 0, 0, 0},
    {0, 6, 6, TN_NET_GSO_TCP6, 0, 0, 0},
    {1, 6, 6, TN_NET_GSO_TCP6, 0, 0, 0},
    {0, 4, 17, TN_NET_GSO_UDP4, 0, 0, 0},
    {0, 6, 17, TN_NET_GSO_UDP6, 0, 0, 0},
};

static void cuts_in_segments(void **state)
{
    static const uint32_t steps[] = {48, 100, 999, 1448, 2500, 4999, 5000,
                                     60000};

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        for (size_t j = 0; j < G_N_ELEMENTS(steps); j++)
            check_segments(&shapes[i], steps[j]);
}

static void sums_like_the_reference(void **state)
{
    uint8_t data[300];

    (void)state;
    for (uint32_t bytes = 0; bytes < sizeof data; bytes++) {
        for (uint32_t i = 0; i < sizeof data; i++)
            data[i] = bytes % 3 ? random_byte() : 0xff;
        for (uint32_t from = 0; from < 2 && from <= bytes; from++)
            assert_int_equal(
                checksum_finish(checksum_add(5, data + from, bytes - from)),
                ~plain_sum(5, data + from, bytes - from) & 0xffff);
    }
}

/* What a driver leaves in the field: the pseudo header's sum. */
static void fills_checksum(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes < 64; bytes++) {
        struct shape s = shapes[0];
        struct packet *p = make(&s, bytes);
        uint8_t *field = p->data + s.transport + 16;
        uint8_t *ip = p->data + s.ip;
        struct packet_queue out;
        uint32_t sum = plain_sum(6 + packet_bytes(p) - s.transport, ip + 12, 8);

        ip[2] = 0;
        ip[3] = (uint8_t)(packet_bytes(p) - s.ip);
        memset(ip + 10, 0, 2);
        uint32_t header = ~plain_sum(0, ip, 20) & 0xffff;
        ip[10] = (uint8_t)(header >> 8);
        ip[11] = (uint8_t)header;
        field[0] = (uint8_t)(sum >> 8);
        field[1] = (uint8_t)sum;
        p->frame.gso = TN_NET_GSO_NONE;
        packet_queue_init(&out);
        assert_true(offload_complete(p, 0, &out));
        assert_int_equal(out.first->frame.flags, 0);
        check_sums(&s, out.first);
        packet_queue_clear(&out);
    }
}

static void leaves_what_the_receiver_can_take(void **state)
{
    struct shape s = shapes[0];
    struct packet *p = make(&s, PAYLOAD);
    struct packet_queue out;

    (void)state;
    packet_queue_init(&out);
    p->frame.gso_bytes = 1000;
    assert_true(offload_complete(p, TN_NET_CSUM | TN_NET_TSO4, &out));
    assert_ptr_equal(out.first, p);
    assert_int_equal(p->frame.gso, TN_NET_GSO_TCP4);
    packet_queue_clear(&out);
}

/* Nothing a guest writes into a frame may lead outside it. */
static void survives_hostile_frames(void **state)
{
    uint32_t accepted = 0;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        struct shape s = shapes[i % G_N_ELEMENTS(shapes)];
        struct packet *p = make(&s, i % 200);
        struct packet_queue out;

        for (uint32_t j = 0; j < 3; j++)
            p->data[12 + random_byte() % 64u] = random_byte();
        p->iov.bytes = 14 + (i * 7) % (packet_bytes(p) - 13);
        p->frame.gso = i % 5 ? s.gso : random_byte();
        p->frame.gso_bytes = (uint16_t)(random_byte() * (i % 3));
        p->frame.csum_start = (uint16_t)(random_byte() * 2);
        p->frame.csum_offset = random_byte();
        packet_queue_init(&out);
        accepted += offload_complete(p, i % 64, &out) ? 1 : 0;
        packet_queue_clear(&out);
    }
    assert_true(accepted > 100);
}

static void refuses_too_many_segments(void **state)
{
    struct shape s = shapes[0];
    struct packet *p = make(&s, 60000);
    struct packet_queue out;

    (void)state;
    packet_queue_init(&out);
    p->frame.gso_bytes = 1;
    assert_false(offload_complete(p, 0, &out));
    assert_null(out.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_like_the_reference),
        cmocka_unit_test(fills_checksum),
        cmocka_unit_test(cuts_in_segments),
        cmocka_unit_test(leaves_what_the_receiver_can_take),
        cmocka_unit_test(survives_hostile_frames),
        cmocka_unit_test(refuses_too_many_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
