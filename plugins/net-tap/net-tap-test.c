/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap interface that the kernel makes for the test, with a packet socket at
 * the host's end. Skipped without the right to make one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tenon/net.h>

#include "testhost/testhost.h"

/* An EtherType for experiments: IEEE 802, local experimental 1. */
#define ETHERTYPE 0x88b5u
#define FRAME 100u

struct fixture {
    struct testhost *machine;
    struct test_instance *instance;
    const struct tn_net *net;
    void *self;
    char name[IFNAMSIZ];
    int fd; /* packet socket */
    uint32_t received; /* of our type, by the guest */
    uint32_t room;
    uint32_t refused;
    uint8_t last[2048];
};

static uint32_t receive(void *opaque, uint32_t queue,
                        const struct tn_net_frame *frame)
{
    struct fixture *f = opaque;
    const uint8_t *data = frame->iov[0].base;

    (void)queue;
    if (frame->iov[0].bytes < 14 || (data[12] << 8 | data[13]) != ETHERTYPE)
        return 1; /* the host's own: neighbour discovery and the like */
    if (!f->room) {
        f->refused++;
        return 0;
    }
    f->received++;
    memcpy(f->last, data, FRAME);
    return 1;
}

static void ignore(void *opaque, uint32_t value)
{
    (void)opaque;
    (void)value;
}

static const struct tn_net_sink sink = {
    .size = sizeof sink,
    .receive = receive,
    .writable = ignore,
    .set_link = ignore,
};

static void bring_up(struct fixture *f)
{
    struct sockaddr_ll link = {.sll_family = AF_PACKET,
                               .sll_protocol = htons(ETHERTYPE)};
    struct ifreq request;

    f->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETHERTYPE));
    assert_true(f->fd >= 0);
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, f->name);
    assert_int_equal(ioctl(f->fd, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags |= IFF_UP;
    assert_int_equal(ioctl(f->fd, SIOCSIFFLAGS, &request), 0);
    link.sll_ifindex = (int)if_nametoindex(f->name);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&link, sizeof link), 0);
}

static void begin(struct fixture *f, const char *queues)
{
    char ifname[64], number[32];
    const char *props[] = {ifname, number, NULL};

    memset(f, 0, sizeof *f);
    f->room = 1;
    snprintf(f->name, sizeof f->name, "tntest%d", (int)(getpid() % 100000));
    snprintf(ifname, sizeof ifname, "ifname=%s", f->name);
    snprintf(number, sizeof number, "queues=%s", queues);
    f->machine = testhost_new();
    testhost_ram(f->machine, 0x80000000u, 4096);
    f->instance = testhost_add(f->machine, "net-tap", "tap", "lan", NULL,
                               props);
    assert_non_null(f->instance);
    if (testhost_realize(f->instance, 0))
        fail_msg("%s", testhost_error(f->machine));
    f->self = testhost_self(f->instance);
    f->net = testhost_interface(f->instance, TN_NET);
    f->net->attach(f->self, &sink, f);
    bring_up(f);
    testhost_run(f->machine);
}

static void end(struct fixture *f)
{
    f->net->attach(f->self, NULL, NULL);
    testhost_free(f->machine);
    close(f->fd);
}

static void make_frame(uint8_t data[FRAME], uint8_t mark)
{
    memset(data, mark, FRAME);
    memset(data, 0xff, 6);
    memcpy(data + 6, "\x52\x54\x00\x00\x00\x01", 6);
    data[12] = ETHERTYPE >> 8;
    data[13] = ETHERTYPE & 0xff;
}

static int32_t guest_sends(struct fixture *f, uint32_t queue, uint8_t mark)
{
    uint8_t data[FRAME];
    const struct tn_iovec iov[2] = {{data, 20}, {data + 20, FRAME - 20}};
    const struct tn_net_frame frame = {
        .size = sizeof frame, .n_iov = 2, .iov = iov};

    make_frame(data, mark);
    return f->net->send(f->self, queue, &frame);
}

static void host_sends(struct fixture *f, uint8_t mark)
{
    uint8_t data[FRAME];

    make_frame(data, mark);
    assert_int_equal(write(f->fd, data, FRAME), FRAME);
}

/* Run until the guest has received COUNT frames, or for two seconds. */
static void wait_received(struct fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < 2000 && f->received < count; i++) {
        testhost_run(f->machine);
        usleep(1000);
    }
    assert_int_equal(f->received, count);
}

static void carries_frames_both_ways(void **state)
{
    uint8_t got[2048];
    struct fixture f;
    ssize_t n = -1;

    (void)state;
    begin(&f, "1");
    assert_int_equal(guest_sends(&f, 0, 7), 1);
    for (uint32_t i = 0; i < 2000 && n < 0; i++) {
        n = read(f.fd, got, sizeof got);
        usleep(1000);
    }
    assert_int_equal(n, FRAME);
    assert_int_equal(got[50], 7);
    host_sends(&f, 9);
    wait_received(&f, 1);
    assert_int_equal(f.last[50], 9);
    end(&f);
}

static void keeps_a_frame_there_is_no_room_for(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, "1");
    f.room = 0;
    host_sends(&f, 1);
    host_sends(&f, 2);
    for (uint32_t i = 0; i < 2000 && !f.refused; i++) {
        testhost_run(f.machine);
        usleep(1000);
    }
    assert_int_equal(f.refused, 1);
    f.room = 1;
    f.net->wanted(f.self, 0);
    wait_received(&f, 2);
    assert_int_equal(f.last[50], 2);
    end(&f);
}

static void tells_what_the_kernel_can(void **state)
{
    struct tn_net_info info = {.size = sizeof info};
    uint32_t all = TN_NET_CSUM | TN_NET_TSO4 | TN_NET_TSO6 | TN_NET_ECN;
    struct fixture f;

    (void)state;
    begin(&f, "1");
    f.net->info(f.self, &info);
    assert_int_equal(info.queues, 1);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(f.net->offloads(f.self) & all, all);
    f.net->set_offloads(f.self, TN_NET_CSUM | TN_NET_TSO4);
    f.net->set_offloads(f.self, 0);
    assert_string_equal(testhost_last_log(f.machine), "");
    end(&f);
}

static void uses_several_queues(void **state)
{
    struct tn_net_info info = {.size = sizeof info};
    struct fixture f;

    (void)state;
    begin(&f, "3");
    f.net->info(f.self, &info);
    assert_int_equal(info.queues, 3);
    for (uint32_t round = 1; round <= 3; round++) {
        assert_int_equal(f.net->set_queues(f.self, round), 0);
        for (uint32_t queue = 0; queue < round; queue++)
            assert_int_equal(guest_sends(&f, queue, 1), 1);
        for (uint8_t i = 0; i < 8; i++)
            host_sends(&f, i);
        wait_received(&f, 8 * round);
    }
    assert_int_equal(f.net->set_queues(f.self, 1), 0);
    assert_true(f.net->set_queues(f.self, 4) < 0);
    host_sends(&f, 5);
    wait_received(&f, 25);
    end(&f);
}

static void refuses_a_descriptor_that_is_no_tap(void **state)
{
    const char *props[] = {"fd=0", NULL};
    struct testhost *machine = testhost_new();
    struct test_instance *instance;

    (void)state;
    testhost_ram(machine, 0x80000000u, 4096);
    instance = testhost_add(machine, "net-tap", "tap", "lan", NULL, props);
    assert_non_null(instance);
    assert_true(testhost_realize(instance, 0) < 0);
    assert_non_null(strstr(testhost_error(machine), "fd 0"));
    testhost_free(machine);
}

/* May we make an interface? */
static int may_test(void)
{
    struct ifreq request;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int good;

    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "tnprobe%d");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    good = fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0;
    if (!good)
        printf("skipped: no tap interface can be made: %s\n", strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_frames_both_ways),
        cmocka_unit_test(keeps_a_frame_there_is_no_room_for),
        cmocka_unit_test(tells_what_the_kernel_can),
        cmocka_unit_test(uses_several_queues),
        cmocka_unit_test(refuses_a_descriptor_that_is_no_tap),
    };

    if (!may_test())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
