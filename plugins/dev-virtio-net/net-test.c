/* SPDX-License-Identifier: Apache-2.0 */
/* The network device over virtio-mmio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testhost/net.h"
#include "testhost/virtio-hostile.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (8u << 20))
#define HEADER 12u
#define BIT(n) ((uint64_t)1 << (n))
#define VERSION_1 BIT(32)
#define PACKED BIT(34)
#define NO_MQ (UINT64_MAX & ~BIT(22))
#define NO_MERGE (NO_MQ & ~BIT(15))

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct test_instance *device;
    struct test_net net;
    struct driver driver;
};

static void begin(struct fixture *f)
{
    static const char *const props[] = {"mac=52:54:00:12:34:56", NULL};

    memset(f, 0, sizeof *f);
    f->net.info = (struct tn_net_info){
        .size = sizeof f->net.info, .link = 1, .mtu = 1500, .queues = 4};
    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    testhost_net(f->machine, &f->net);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    f->device = testhost_add(f->machine, "dev-virtio-net", "virtio-net",
                             "net.lan", f->bus, props);
    assert_non_null(f->device);
    assert_int_equal(testhost_realize(f->device, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
}

static struct driver_queue *queue(struct fixture *f, uint32_t index)
{
    return &f->driver.queue[index];
}

/* A control command; returns the answer. */
static uint32_t control(struct fixture *f, uint32_t index, uint8_t class,
                        uint8_t number, const void *data, uint32_t bytes)
{
    struct driver_buffer b[2] = {{DATA, 2 + bytes, 0}, {DATA + 4096, 1, 1}};
    uint8_t *to = testhost_at(f->machine, DATA, 2 + bytes);

    to[0] = class;
    to[1] = number;
    memcpy(to + 2, data, bytes);
    testhost_write(f->machine, DATA + 4096, 0xee, 1);
    if (driver_do(&f->driver, queue(f, index), b, 2) != 1)
        return 0xff;
    return (uint32_t)testhost_read(f->machine, DATA + 4096, 1);
}

static struct tn_net_frame frame_of(struct tn_iovec *iov, uint8_t *bytes,
                                    uint32_t n)
{
    iov->base = bytes;
    iov->bytes = n;
    return (struct tn_net_frame){
        .size = sizeof(struct tn_net_frame), .n_iov = 1, .iov = iov};
}

static void shows_its_configuration(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_int_equal(driver_config(&f.driver, 0, 4), 0x12005452);
    assert_int_equal(driver_config(&f.driver, 4, 2), 0x5634);
    assert_int_equal(driver_config(&f.driver, 6, 2), 1);
    assert_int_equal(driver_config(&f.driver, 8, 2), 2);
    assert_int_equal(driver_config(&f.driver, 10, 2), 1500);
    testhost_net_link(&f.net, 0);
    assert_int_equal(driver_config(&f.driver, 6, 2), 0);
    testhost_free(f.machine);
}

static void transmits(void **state)
{
    (void)state;
    for (uint32_t packed = 0; packed < 2; packed++) {
        struct fixture f;
        struct driver_buffer one = {DATA, HEADER + 100, 0};
        struct driver_buffer cut[3] = {
            {DATA, 5, 0}, {DATA + 5, 20, 0}, {DATA + 25, HEADER + 75, 0}};
        uint8_t *data;

        begin(&f);
        assert_true(
            driver_start(&f.driver, packed ? NO_MQ : NO_MQ & ~PACKED, 3));
        assert_int_equal(f.net.active, 1);
        data = testhost_at(f.machine, DATA, 200);
        for (uint32_t i = 0; i < 100; i++)
            data[HEADER + i] = (uint8_t)i;
        assert_int_equal(driver_do(&f.driver, queue(&f, 1), &one, 1), 0);
        assert_int_equal(f.net.n_bytes, 100);
        assert_memory_equal(f.net.bytes, data + HEADER, 100);
        assert_int_equal(driver_do(&f.driver, queue(&f, 1), cut, 3), 0);
        assert_int_equal(f.net.n_bytes, 100);
        /* Segmentation and checksum. */
        memcpy(data, (uint8_t[]){1, 1, 54, 0, 200, 5, 34, 0, 16, 0}, 10);
        assert_int_equal(driver_do(&f.driver, queue(&f, 1), &one, 1), 0);
        assert_int_equal(f.net.last.gso, TN_NET_GSO_TCP4);
        assert_int_equal(f.net.last.gso_bytes, 1480);
        assert_int_equal(f.net.last.csum_start, 34);
        assert_int_equal(f.net.last.flags, TN_NET_NEEDS_CSUM);
        assert_int_equal(testhost_guest_errors(f.machine), 0);
        /* Nonsense is dropped. */
        data[6] = 99;
        assert_int_equal(driver_do(&f.driver, queue(&f, 1), &one, 1), 0);
        assert_int_equal(f.net.sent, 3);
        assert_int_equal(testhost_guest_errors(f.machine), 1);
        testhost_free(f.machine);
    }
}

static void waits_while_the_network_is_busy(void **state)
{
    struct fixture f;
    struct driver_buffer one = {DATA, HEADER + 100, 0};
    uint32_t id, bytes, n = 0;

    (void)state;
    begin(&f);
    driver_start(&f.driver, NO_MQ, 3);
    f.net.busy = 1;
    for (uint32_t i = 0; i < 10; i++)
        driver_add(&f.driver, queue(&f, 1), &one, 1, 0);
    driver_notify(&f.driver, 1);
    testhost_run(f.machine);
    assert_false(driver_used(&f.driver, queue(&f, 1), &id, &bytes));
    f.net.busy = 0;
    testhost_net_writable(&f.net, 0);
    testhost_run(f.machine);
    while (driver_used(&f.driver, queue(&f, 1), &id, &bytes))
        n++;
    assert_int_equal(n, 10);
    assert_int_equal(f.net.sent, 10);
    testhost_free(f.machine);
}

static void receives_in_one_buffer(void **state)
{
    struct fixture f;
    struct driver_buffer b = {DATA, 2048, 1};
    uint8_t bytes[600];
    struct tn_iovec iov;
    struct tn_net_frame frame = frame_of(&iov, bytes, sizeof bytes);
    uint32_t id, length;
    uint8_t *data;

    (void)state;
    memset(bytes, 0x77, sizeof bytes);
    begin(&f);
    driver_start(&f.driver, NO_MERGE, 3);
    /* No buffer: it must wait until there is one. */
    assert_int_equal(testhost_net_receive(&f.net, 0, &frame), 0);
    driver_add(&f.driver, queue(&f, 0), &b, 1, 0);
    driver_notify(&f.driver, 0);
    testhost_run(f.machine);
    assert_int_equal(f.net.accepted, 1);
    assert_int_equal(testhost_net_receive(&f.net, 0, &frame), 1);
    assert_true(driver_used(&f.driver, queue(&f, 0), &id, &length));
    assert_int_equal(length, 600 + HEADER);
    data = testhost_at(f.machine, DATA, 2048);
    assert_memory_equal(data + HEADER, bytes, 600);
    assert_int_equal(data[10], 1);
    /* Longer than the buffer: dropped, the buffer stays. */
    b.bytes = 300;
    driver_add(&f.driver, queue(&f, 0), &b, 1, 0);
    assert_int_equal(testhost_net_receive(&f.net, 0, &frame), 1);
    assert_false(driver_used(&f.driver, queue(&f, 0), &id, &length));
    testhost_free(f.machine);
}

static void merges_buffers(uint64_t features)
{
    struct fixture f;
    static uint8_t bytes[65000];
    struct tn_iovec iov[3];
    struct tn_net_frame frame = {.size = sizeof frame,
                                 .n_iov = 3,
                                 .iov = iov,
                                 .flags = TN_NET_NEEDS_CSUM,
                                 .csum_start = 34,
                                 .csum_offset = 16,
                                 .gso = TN_NET_GSO_TCP6,
                                 .gso_bytes = 1440,
                                 .header_bytes = 74};
    uint32_t id, length, n = 0, total = 0;
    uint8_t *data;

    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 256);
    iov[0] = (struct tn_iovec){bytes, 1};
    iov[1] = (struct tn_iovec){bytes + 1, 40000};
    iov[2] = (struct tn_iovec){bytes + 40001, sizeof bytes - 40001};
    begin(&f);
    driver_start(&f.driver, features, 3);
    data = testhost_at(f.machine, DATA, 1 << 20);
    for (uint32_t round = 0; round < 20; round++) {
        n = total = 0;
        for (uint32_t i = 0; i < 63; i++) {
            struct driver_buffer b = {DATA + 1024 * i, 1024, 1};

            assert_true(driver_add(&f.driver, queue(&f, 0), &b, 1, 0) >= 0);
        }
        assert_int_equal(testhost_net_receive(&f.net, 0, &frame), 0);
        assert_false(driver_used(&f.driver, queue(&f, 0), &id, &length));
        for (uint32_t i = 63; i < 66; i++) {
            struct driver_buffer b = {DATA + 1024 * i, 1024, 1};

            assert_true(driver_add(&f.driver, queue(&f, 0), &b, 1, 0) >= 0);
        }
        assert_int_equal(testhost_net_receive(&f.net, 0, &frame), 1);
        while (driver_used(&f.driver, queue(&f, 0), &id, &length)) {
            n++;
            total += length;
        }
        assert_int_equal(n, 64);
        assert_int_equal(total, sizeof bytes + HEADER);
        assert_int_equal(data[10] | data[11] << 8, 64);
        assert_int_equal(data[1], 4);
        assert_memory_equal(data + HEADER, bytes, sizeof bytes);
        /* The two left over go back to the driver by a reset. */
        driver_queue_reset(&f.driver, 0);
        f.driver.memory = RAM + (1 << 20);
        driver_queue_setup(&f.driver, 0, 0);
    }
    assert_int_equal(testhost_guest_errors(f.machine), 0);
    testhost_free(f.machine);
}

static void merges_buffers_split(void **state)
{
    (void)state;
    merges_buffers(NO_MQ & ~PACKED);
}

static void merges_buffers_packed(void **state)
{
    (void)state;
    merges_buffers(NO_MQ);
}

/* Does a frame to MAC (and VLAN) reach the guest? */
static uint32_t passes(struct fixture *f, const uint8_t mac[6], int vlan)
{
    uint8_t bytes[64] = {0};
    struct tn_iovec iov;
    struct tn_net_frame frame = frame_of(&iov, bytes, sizeof bytes);
    struct driver_buffer b = {DATA + 8192, 2048, 1};
    uint32_t id, length, got;

    memcpy(bytes, mac, 6);
    if (vlan >= 0) {
        bytes[12] = 0x81;
        bytes[14] = (uint8_t)(vlan >> 8);
        bytes[15] = (uint8_t)vlan;
    }
    if (queue(f, 0)->avail == queue(f, 0)->used)
        driver_add(&f->driver, queue(f, 0), &b, 1, 0);
    assert_int_equal(testhost_net_receive(&f->net, 0, &frame), 1);
    got = driver_used(&f->driver, queue(f, 0), &id, &length);
    return got;
}

static void filters_what_it_receives(void **state)
{
    static const uint8_t own[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    static const uint8_t other[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    struct fixture f;
    uint8_t table[4 + 6 + 4 + 6] = {1};

    (void)state;
    begin(&f);
    driver_start(&f.driver, NO_MQ & ~PACKED, 3);
    assert_true(passes(&f, other, -1)); /* promiscuous at first */
    assert_int_equal(control(&f, 2, 0, 0, "\0", 1), 0);
    assert_true(passes(&f, own, -1));
    assert_false(passes(&f, other, -1));
    assert_false(passes(&f, group, -1));
    assert_true(passes(&f, all, -1));
    memcpy(table + 4, other, 6);
    table[10] = 1;
    memcpy(table + 14, group, 6);
    assert_int_equal(control(&f, 2, 1, 0, table, sizeof table), 0);
    assert_true(passes(&f, other, -1));
    assert_true(passes(&f, group, -1));
    assert_false(passes(&f, own, 5));
    assert_int_equal(control(&f, 2, 2, 0, "\5\0", 2), 0);
    assert_true(passes(&f, own, 5));
    assert_int_equal(control(&f, 2, 2, 1, "\5\0", 2), 0);
    assert_false(passes(&f, own, 5));
    assert_int_equal(control(&f, 2, 2, 0, "\0\20", 2), 1); /* 4096 */
    assert_int_equal(control(&f, 2, 0, 5, "\1", 1), 0);
    assert_false(passes(&f, all, -1));
    assert_int_equal(control(&f, 2, 1, 1, other, 6), 0);
    assert_int_equal(driver_config(&f.driver, 5, 1), 0x57);
    /* A table that says more than it has, and unknown commands. */
    table[0] = 200;
    assert_int_equal(control(&f, 2, 1, 0, table, sizeof table), 1);
    memset(table, 0xff, 4);
    assert_int_equal(control(&f, 2, 1, 0, table, sizeof table), 1);
    assert_int_equal(control(&f, 2, 77, 0, "", 0), 1);
    assert_int_equal(control(&f, 2, 0, 77, "\1", 1), 1);
    testhost_free(f.machine);
}

static void uses_several_queues(void **state)
{
    struct fixture f;
    struct driver_buffer one = {DATA, HEADER + 100, 0};

    (void)state;
    begin(&f);
    driver_start(&f.driver, UINT64_MAX, 5);
    assert_int_equal(control(&f, 4, 4, 0, "\2\0", 2), 0);
    assert_int_equal(f.net.queues, 2);
    assert_int_equal(control(&f, 4, 4, 0, "\0\0", 2), 1);
    assert_int_equal(control(&f, 4, 4, 0, "\3\0", 2), 1);
    memset(testhost_at(f.machine, DATA, HEADER), 0, HEADER);
    assert_int_equal(driver_do(&f.driver, queue(&f, 3), &one, 1), 0);
    assert_int_equal(f.net.last_queue, 1);
    testhost_free(f.machine);
}

static void tells_the_network_what_the_guest_takes(void **state)
{
    struct fixture f;
    uint64_t csum_only = BIT(1);

    (void)state;
    begin(&f);
    assert_int_equal(f.net.offloads, 0);
    driver_start(&f.driver, NO_MQ, 3);
    assert_int_equal(f.net.offloads, TN_NET_CSUM | TN_NET_TSO4 | TN_NET_TSO6 |
                                         TN_NET_ECN | TN_NET_USO4 |
                                         TN_NET_USO6);
    assert_int_equal(control(&f, 2, 5, 0, &csum_only, 8), 0);
    assert_int_equal(f.net.offloads, TN_NET_CSUM);
    /* TSO without checksum cannot be. */
    assert_false(driver_negotiate(&f.driver, VERSION_1 | BIT(7)));
    testhost_free(f.machine);
}

static void announces_itself_after_a_move(void **state)
{
    struct fixture f;
    uint8_t *saved[2];
    size_t bytes[2];

    (void)state;
    begin(&f);
    driver_start(&f.driver, NO_MQ & ~PACKED, 3);
    assert_int_equal(control(&f, 2, 0, 0, "\0", 1), 0);
    testhost_stop(f.machine);
    saved[0] = testhost_save(f.bus, &bytes[0]);
    saved[1] = testhost_save(f.device, &bytes[1]);
    testhost_reset(f.machine);
    assert_int_equal(testhost_load(f.bus, saved[0], bytes[0]), 0);
    assert_int_equal(testhost_load(f.device, saved[1], bytes[1]), 0);
    testhost_start(f.machine);
    assert_int_equal(driver_config(&f.driver, 6, 2), 3);
    assert_int_equal(control(&f, 2, 3, 0, "", 0), 0);
    assert_int_equal(driver_config(&f.driver, 6, 2), 1);
    free(saved[0]);
    free(saved[1]);
    testhost_free(f.machine);
}

static void net_request(uint64_t *seed, uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(testhost_random(seed) % 7);
    if (n > 12 && testhost_random(seed) % 4 == 0) {
        memset(bytes, 0, 12);
        bytes[0] = testhost_random(seed) & 1;
        bytes[1] = (uint8_t)(testhost_random(seed) % 7);
        bytes[4] = 100;
    }
}

static void survives_a_hostile_driver(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        struct fixture f;
        static uint8_t bytes[9000];
        struct tn_iovec iov;
        struct tn_net_frame frame = frame_of(&iov, bytes, sizeof bytes);
        struct hostile h = {.driver = &f.driver,
                            .n_queues = 5,
                            .ram = RAM,
                            .ram_bytes = RAM_BYTES,
                            .registers = MMIO,
                            .register_bytes = 0x200,
                            .seed = 2000 + round,
                            .request = net_request};

        begin(&f);
        for (uint32_t i = 0; i < 30; i++) {
            hostile_run(&h, 100);
            iov.bytes = 14 + testhost_random(&h.seed) % 8000;
            testhost_net_receive(&f.net, i % 3, &frame);
            f.net.busy = i % 5 == 0;
            testhost_net_writable(&f.net, i % 2);
        }
        testhost_reset(f.machine);
        testhost_free(f.machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_its_configuration),
        cmocka_unit_test(transmits),
        cmocka_unit_test(waits_while_the_network_is_busy),
        cmocka_unit_test(receives_in_one_buffer),
        cmocka_unit_test(merges_buffers_split),
        cmocka_unit_test(merges_buffers_packed),
        cmocka_unit_test(filters_what_it_receives),
        cmocka_unit_test(uses_several_queues),
        cmocka_unit_test(tells_the_network_what_the_guest_takes),
        cmocka_unit_test(announces_itself_after_a_move),
        cmocka_unit_test(survives_a_hostile_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
