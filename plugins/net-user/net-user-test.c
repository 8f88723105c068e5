/* SPDX-License-Identifier: Apache-2.0 */
/* A guest made of frames on a user-mode network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tenon/net.h>

#include "test-frames.h"
#include "testhost/testhost.h"

#define MAX_FRAMES 64u

struct fixture {
    struct testhost *machine;
    struct test_instance *instance;
    const struct tn_net *net;
    struct test_frame frames[MAX_FRAMES]; /* that the guest received */
    uint32_t n_frames, n_read;
    uint8_t host_mac[6];
};

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

static uint32_t receive(void *opaque, uint32_t queue,
                        const struct tn_net_frame *frame)
{
    struct fixture *f = opaque;
    struct test_frame *to = &f->frames[f->n_frames % MAX_FRAMES];

    assert_int_equal(queue, 0);
    to->bytes = 0;
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        assert_true(to->bytes + frame->iov[i].bytes <= sizeof to->data);
        memcpy(to->data + to->bytes, frame->iov[i].base, frame->iov[i].bytes);
        to->bytes += (uint32_t)frame->iov[i].bytes;
    }
    f->n_frames++;
    return 1;
}

static void writable(void *opaque, uint32_t queue)
{
    (void)opaque;
    (void)queue;
}

static void set_link(void *opaque, uint32_t up)
{
    (void)opaque;
    (void)up;
}

static const struct tn_net_sink sink = {
    .size = sizeof sink,
    .receive = receive,
    .writable = writable,
    .set_link = set_link,
};

static int32_t try_begin(struct fixture *f, const char *const *props)
{
    memset(f, 0, sizeof *f);
    f->machine = testhost_new();
    testhost_ram(f->machine, 0x80000000u, 4096);
    f->instance = testhost_add(f->machine, "net-user", "user", "lan", NULL,
                               props);
    return f->instance ? testhost_realize(f->instance, 0) : -1;
}

static void begin(struct fixture *f, const char *const *props)
{
    assert_int_equal(try_begin(f, props), 0);
    f->net = testhost_interface(f->instance, TN_NET);
    assert_non_null(f->net);
    f->net->attach(testhost_self(f->instance), &sink, f);
    testhost_start(f->machine);
    testhost_run(f->machine);
}

static void end(struct fixture *f)
{
    if (f->net)
        f->net->attach(testhost_self(f->instance), NULL, NULL);
    testhost_free(f->machine);
}

static void send_frame(struct fixture *f, struct test_frame *frame)
{
    const struct tn_iovec iov[2] = {{frame->data, 10},
                                    {frame->data + 10, frame->bytes - 10}};
    const struct tn_net_frame given = {
        .size = sizeof given, .n_iov = 2, .iov = iov};

    assert_int_equal(f->net->send(testhost_self(f->instance), 0, &given), 1);
    testhost_run(f->machine);
}

/* The next frame of TYPE, and of IP PROTOCOL if that is not 0. Waits for what
 * comes through the host's sockets. */
static uint8_t *next_frame(struct fixture *f, uint32_t type, uint32_t protocol)
{
    for (uint32_t tries = 0; tries < 2000; tries++) {
        while (f->n_read < f->n_frames) {
            uint8_t *data = f->frames[f->n_read++ % MAX_FRAMES].data;

            if (get_be(data + 12, 2) == type &&
                (!protocol || data[ETHERNET + 9] == protocol))
                return data;
        }
        usleep(1000);
        testhost_advance(f->machine, 1000000);
    }
    fail_msg("no frame of type 0x%x, protocol %u came", type, protocol);
    return NULL;
}

static void put_arp(struct test_frame *frame, uint32_t operation,
                    const uint8_t to[6], uint32_t target)
{
    uint8_t *arp = frame->data + ETHERNET;

    memset(frame, 0, sizeof *frame);
    put_ethernet(frame, to, 0x0806);
    put_be(arp, 1, 2);
    put_be(arp + 2, 0x0800, 2);
    arp[4] = 6;
    arp[5] = 4;
    put_be(arp + 6, operation, 2);
    memcpy(arp + 8, guest_mac, 6);
    put_be(arp + 14, GUEST_IP, 4);
    memcpy(arp + 18, to, 6);
    put_be(arp + 24, target, 4);
    frame->bytes = 60;
}

/* Learn the gateway's address, and let it learn ours. */
static void resolve_host(struct fixture *f)
{
    struct test_frame frame;
    uint8_t *reply;

    put_arp(&frame, 1, broadcast, HOST_IP);
    send_frame(f, &frame);
    reply = next_frame(f, 0x0806, 0);
    assert_int_equal(get_be(reply + ETHERNET + 6, 2), 2);
    assert_int_equal(get_be(reply + ETHERNET + 14, 4), HOST_IP);
    memcpy(f->host_mac, reply + ETHERNET + 8, 6);
}

static void answers_arp(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NULL);
    resolve_host(&f);
    end(&f);
}

static void pings_gateway(void **state)
{
    uint8_t echo[16] = {8, 0, 0, 0, 0x12, 0x34, 0, 1, 't', 'e', 's', 't'};
    struct test_frame frame;
    struct fixture f;
    uint8_t *reply;

    (void)state;
    begin(&f, NULL);
    resolve_host(&f);
    put_be(echo + 2, fold(sum_be(0, echo, sizeof echo)), 2);
    put_ipv4(&frame, f.host_mac, GUEST_IP, HOST_IP, 1, echo, sizeof echo, 0);
    send_frame(&f, &frame);
    reply = next_frame(&f, 0x0800, 1);
    assert_int_equal(reply[ETHERNET + IP], 0);
    assert_memory_equal(reply + ETHERNET + IP + 4, echo + 4, 12);
    end(&f);
}

/* DHCP, RFC 2131: option CODE of a message, or NULL. */
static const uint8_t *dhcp_option(const uint8_t *dhcp, uint8_t code)
{
    const uint8_t *at = dhcp + 240;

    while (at < dhcp + 500 && *at != 255) {
        if (*at == code)
            return at + 2;
        at += *at ? 2 + at[1] : 1;
    }
    return NULL;
}

static void dhcp_offers_address(void **state)
{
    static const uint8_t options[] = {99, 130, 83, 99, 53, 1, 1, 255};
    const char *props[] = {"network=192.168.7.0/24", "dhcp-start=192.168.7.50",
                           "hostname=tenon", NULL};
    uint8_t dhcp[300] = {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef};
    uint8_t udp[308];
    struct test_frame frame;
    struct fixture f;
    uint8_t *reply;

    (void)state;
    begin(&f, props);
    memcpy(dhcp + 28, guest_mac, 6);
    memcpy(dhcp + 236, options, sizeof options);
    put_ipv4(&frame, broadcast, 0, 0xffffffffu, 17, udp,
             make_udp(udp, 68, 67, dhcp, sizeof dhcp), 0);
    send_frame(&f, &frame);
    reply = next_frame(&f, 0x0800, 17) + ETHERNET + IP + 8;
    assert_int_equal(reply[0], 2);
    assert_int_equal(get_be(reply + 4, 4), 0xdeadbeefu);
    assert_int_equal(get_be(reply + 16, 4), 0xc0a80732u); /* 192.168.7.50 */
    assert_int_equal(*dhcp_option(reply, 53), 2);         /* offer */
    assert_int_equal(get_be(dhcp_option(reply, 3), 4), 0xc0a80702u);
    assert_int_equal(get_be(dhcp_option(reply, 6), 4), 0xc0a80703u);
    assert_memory_equal(dhcp_option(reply, 12), "tenon", 5);
    end(&f);
}

/* A socket on a port of its own on 127.0.0.1. */
static int bound_socket(int type, uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t length = sizeof in;
    int fd = socket(AF_INET, type, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void udp_goes_both_ways(void **state)
{
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct test_frame frame;
    struct fixture f;
    uint8_t udp[64], got[64];
    uint16_t port;
    uint8_t *reply;
    int fd = bound_socket(SOCK_DGRAM, &port);

    (void)state;
    begin(&f, NULL);
    resolve_host(&f);
    put_ipv4(&frame, f.host_mac, GUEST_IP, HOST_IP, 17, udp,
             make_udp(udp, 4000, port, "hello", 5), 0);
    send_frame(&f, &frame);
    assert_int_equal(recvfrom(fd, got, sizeof got, 0,
                              (struct sockaddr *)&from, &length), 5);
    assert_memory_equal(got, "hello", 5);
    assert_int_equal(sendto(fd, "there!", 6, 0, (struct sockaddr *)&from,
                            length), 6);
    reply = next_frame(&f, 0x0800, 17) + ETHERNET + IP;
    assert_int_equal(get_be(reply, 2), port);
    assert_int_equal(get_be(reply + 2, 2), 4000);
    assert_memory_equal(reply + 8, "there!", 6);
    close(fd);
    end(&f);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* A segment of the guest's end of a forwarded connection. */
static void send_tcp(struct fixture *f, uint32_t peer_port, uint32_t sequence,
                     uint32_t acknowledge, uint32_t flags, const char *text)
{
    struct test_frame frame;
    uint8_t tcp[128];
    uint32_t bytes = make_tcp(tcp, 22, peer_port, sequence, acknowledge, flags,
                              text, (uint32_t)strlen(text));

    put_ipv4(&frame, f->host_mac, GUEST_IP, HOST_IP, 6, tcp, bytes, 16);
    send_frame(f, &frame);
}

static void forwards_tcp_to_guest(void **state)
{
    char rule[64], got[16] = "";
    const char *props[] = {rule, NULL};
    uint32_t peer_port, peer_sequence;
    struct fixture f;
    uint16_t port;
    uint8_t *tcp;
    int fd;

    (void)state;
    close(bound_socket(SOCK_STREAM, &port));
    snprintf(rule, sizeof rule, "forward=tcp:%u:22", port);
    begin(&f, props);
    resolve_host(&f);
    fd = connect_to(port);
    tcp = next_frame(&f, 0x0800, 6) + ETHERNET + IP;
    assert_int_equal(get_be(tcp + 2, 2), 22);
    assert_int_equal(tcp[13], TCP_SYN);
    peer_port = get_be(tcp, 2);
    peer_sequence = get_be(tcp + 4, 4) + 1;
    send_tcp(&f, peer_port, 1000, peer_sequence, TCP_SYN | TCP_ACK, "");
    tcp = next_frame(&f, 0x0800, 6) + ETHERNET + IP;
    assert_int_equal(tcp[13] & (TCP_ACK | TCP_RST), TCP_ACK);
    assert_int_equal(get_be(tcp + 8, 4), 1001);

    assert_int_equal(write(fd, "to guest", 8), 8);
    do
        tcp = next_frame(&f, 0x0800, 6) + ETHERNET + IP;
    while (!(tcp[13] & TCP_PSH));
    assert_memory_equal(tcp + (tcp[12] >> 4) * 4, "to guest", 8);
    send_tcp(&f, peer_port, 1001, peer_sequence + 8, TCP_ACK | TCP_PSH,
             "to host");
    assert_int_equal(read(fd, got, sizeof got), 7);
    assert_memory_equal(got, "to host", 7);
    close(fd);
    end(&f);
}

static void names_the_port_in_use(void **state)
{
    char rule[64], number[16];
    const char *props[] = {rule, NULL};
    struct fixture f;
    uint16_t port;
    int fd = bound_socket(SOCK_STREAM, &port);

    (void)state;
    assert_int_equal(listen(fd, 1), 0);
    snprintf(rule, sizeof rule, "forward=tcp:%u:22", port);
    snprintf(number, sizeof number, "port %u", port);
    assert_int_not_equal(try_begin(&f, props), 0);
    assert_non_null(strstr(testhost_error(f.machine), number));
    assert_non_null(strstr(testhost_error(f.machine), "in use"));
    end(&f);
    close(fd);
}

static void refuses_wrong_settings(void **state)
{
    static const char *const wrong[] = {
        "forward=tcp:22",          "forward=sctp:1:2",
        "forward=tcp:0:22",        "forward=tcp:70000:22",
        "forward=tcp:a:1:b:2:3",   "forward=tcp:1.2.3:1:2",
        "forward=udp:[::1:1:2",    "network=10.0.2.1/24",
        "network=10.0.2.0/31",     "network=ten",
        "network=10.0.2.0/x",      "host=10.0.3.2",
        "host=10.0.2.255",         "dns=10.0.2.2",
        "dhcp-start=10.0.2.3",     "ipv6-prefix=fec0::1",
        "ipv6-host=fec1::2",       "ipv6-dns=fec0::2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *props[] = {wrong[i], NULL};
        struct fixture f;

        if (try_begin(&f, props) == 0)
            fail_msg("%s was accepted", wrong[i]);
        assert_true(*testhost_error(f.machine));
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_arp),
        cmocka_unit_test(pings_gateway),
        cmocka_unit_test(dhcp_offers_address),
        cmocka_unit_test(udp_goes_both_ways),
        cmocka_unit_test(forwards_tcp_to_guest),
        cmocka_unit_test(names_the_port_in_use),
        cmocka_unit_test(refuses_wrong_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
