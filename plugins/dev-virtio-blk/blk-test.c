/* SPDX-License-Identifier: Apache-2.0 */
/* The block device over virtio-mmio, on a disk in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testhost/block.h"
#include "testhost/virtio-hostile.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (8u << 20))
#define DISK_BYTES (1u << 20)
#define VERSION_1 ((uint64_t)1 << 32)
#define ALL (UINT64_MAX & ~((uint64_t)1 << 34))
#define PACKED ((uint64_t)1 << 34)
#define BIT(n) ((uint64_t)1 << (n))

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct test_instance *blk;
    struct test_disk disk;
    struct driver driver;
};

static void begin(struct fixture *f, uint32_t flags, const char *const *props)
{
    memset(f, 0, sizeof *f);
    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    f->disk.content = malloc(DISK_BYTES);
    for (uint32_t i = 0; i < DISK_BYTES; i++)
        f->disk.content[i] = (uint8_t)(i / 512 * 7 + i);
    f->disk.bytes = DISK_BYTES;
    f->disk.flags = flags;
    testhost_disk(f->machine, &f->disk);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    f->blk = testhost_add(f->machine, "dev-virtio-blk", "virtio-blk",
                          "disk.root", f->bus, props);
    assert_non_null(f->blk);
    assert_int_equal(testhost_realize(f->blk, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
}

static void end(struct fixture *f)
{
    testhost_free(f->machine);
    free(f->disk.content);
}

/* Header at DATA, data behind it, status at DATA + 0x1ff0. */
static uint32_t request(struct fixture *f, uint32_t type, uint64_t sector,
                        uint32_t bytes, uint32_t write)
{
    struct driver_buffer b[3] = {
        {DATA, 16, 0}, {DATA + 16, bytes, write}, {DATA + 0x1ff0, 1, 1}};
    uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};

    memcpy(testhost_at(f->machine, DATA, 16), header, 16);
    testhost_write(f->machine, DATA + 0x1ff0, 0xee, 1);
    if (!bytes)
        b[1] = b[2];
    if (driver_do(&f->driver, &f->driver.queue[0], b, bytes ? 3 : 2) < 0)
        return 0xff;
    return (uint32_t)testhost_read(f->machine, DATA + 0x1ff0, 1);
}

static void shows_the_disk(void **state)
{
    struct fixture f;
    uint64_t offered;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK | TN_DISK_CAN_DISCARD, NULL);
    offered = driver_offered(&f.driver);
    assert_true(offered & BIT(9));
    assert_true(offered & BIT(12));
    assert_true(offered & BIT(13));
    assert_true(offered & BIT(14));
    assert_false(offered & BIT(5));
    assert_int_equal(driver_config(&f.driver, 0, 8), DISK_BYTES / 512);
    assert_int_equal(driver_config(&f.driver, 12, 4), 254);
    assert_int_equal(driver_config(&f.driver, 20, 4), 512);
    assert_int_equal(driver_config(&f.driver, 24, 1), 3);
    assert_int_equal(driver_config(&f.driver, 32, 1), 1);
    assert_int_equal(driver_config(&f.driver, 34, 2), 2);
    end(&f);
}

static void reads_and_writes(uint64_t features)
{
    struct fixture f;
    uint8_t *data;

    begin(&f, TN_DISK_WRITEBACK, NULL);
    driver_start(&f.driver, features, 1);
    data = testhost_at(f.machine, DATA + 16, 4096);
    assert_int_equal(request(&f, 0, 5, 2048, 1), 0);
    assert_memory_equal(data, f.disk.content + 5 * 512, 2048);
    memset(data, 0x5a, 1024);
    assert_int_equal(request(&f, 1, 9, 1024, 0), 0);
    assert_memory_equal(data, f.disk.content + 9 * 512, 1024);
    assert_int_equal(request(&f, 4, 0, 0, 0), 0);
    assert_int_equal(f.disk.flushes, 1);
    assert_int_equal(request(&f, 8, 0, 20, 1), 0);
    assert_string_equal((char *)data, "disk.root");
    end(&f);
}

static void reads_and_writes_split(void **state)
{
    (void)state;
    reads_and_writes(ALL);
}

static void reads_and_writes_packed(void **state)
{
    (void)state;
    reads_and_writes(UINT64_MAX);
}

/* Header, data and status cut anywhere, and together in one piece. */
static void takes_any_layout(void **state)
{
    struct fixture f;
    uint64_t seed = 5;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    driver_start(&f.driver, ALL, 1);
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t write = round & 1;
        uint32_t bytes = 512 * (1 + testhost_random(&seed) % 8);
        uint32_t total = 16 + bytes + 1;
        uint32_t border = write ? 16 + bytes : 16;
        uint32_t sector = testhost_random(&seed) % 1000;
        uint32_t header[4] = {write, 0, sector, 0};
        struct driver_buffer b[12];
        uint32_t n = 0;
        uint32_t at = 0;

        while (at < total) {
            uint32_t left = (at < border ? border : total) - at;
            uint32_t piece = 1 + testhost_random(&seed) % left;

            if (n >= 10 || (at >= border && n >= 9))
                piece = left;
            if (n < 9 && testhost_random(&seed) % 4)
                piece = left;
            b[n++] = (struct driver_buffer){DATA + at, piece, at >= border};
            at += piece;
        }
        memcpy(testhost_at(f.machine, DATA, 16), header, 16);
        for (uint32_t i = 0; write && i < bytes; i++)
            *(uint8_t *)testhost_at(f.machine, DATA + 16 + i, 1) =
                (uint8_t)testhost_random(&seed);
        assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], b, n),
                         write ? 1 : (int64_t)bytes + 1);
        assert_int_equal(testhost_read(f.machine, DATA + 16 + bytes, 1), 0);
        assert_memory_equal(testhost_at(f.machine, DATA + 16, bytes),
                            f.disk.content + sector * 512, bytes);
    }
    end(&f);
}

static void many_in_flight_in_any_order(void **state)
{
    struct fixture f;
    uint32_t done = 0;
    uint32_t id, bytes;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    f.disk.shuffle = 99;
    driver_start(&f.driver, UINT64_MAX, 2);
    for (uint32_t i = 0; i < 160; i++) {
        uint64_t at = DATA + 1024 * i;
        struct driver_buffer b[3] = {
            {at, 16, 0}, {at + 16, 512, 1}, {at + 1000, 1, 1}};
        uint32_t header[4] = {0, 0, i, 0};
        struct driver_queue *q = &f.driver.queue[i & 1];

        memcpy(testhost_at(f.machine, at, 16), header, 16);
        assert_true(driver_add(&f.driver, q, b, 3, i % 3 == 0) >= 0);
        driver_kick(&f.driver, q);
    }
    testhost_run(f.machine);
    for (uint32_t q = 0; q < 2; q++)
        while (driver_used(&f.driver, &f.driver.queue[q], &id, &bytes)) {
            assert_int_equal(bytes, 513);
            done++;
        }
    assert_int_equal(done, 160);
    for (uint32_t i = 0; i < 160; i++)
        assert_memory_equal(testhost_at(f.machine, DATA + 1024 * i + 16, 512),
                            f.disk.content + 512 * i, 512);
    end(&f);
}

static void reports_errors(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    driver_start(&f.driver, ALL, 1);
    f.disk.fail_next = 1;
    assert_int_equal(request(&f, 0, 0, 512, 1), 1);
    assert_int_equal(request(&f, 0, 0, 512, 1), 0);
    /* Past the end, not whole sectors, offset that overflows. */
    assert_int_equal(request(&f, 0, DISK_BYTES / 512, 512, 1), 1);
    assert_int_equal(request(&f, 0, DISK_BYTES / 512 - 1, 1024, 1), 1);
    assert_int_equal(request(&f, 0, 0, 100, 1), 1);
    assert_int_equal(request(&f, 0, UINT64_MAX >> 9, 512, 1), 1);
    assert_int_equal(request(&f, 0, UINT64_MAX, 512, 1), 1);
    assert_int_equal(request(&f, 1, UINT64_MAX, 512, 0), 1);
    assert_int_equal(request(&f, 77, 0, 512, 1), 2);
    assert_int_equal(request(&f, 8, 0, 19, 1), 1);
    assert_int_equal(driver_status(&f.driver), 15);
    end(&f);
}

static void read_only_disk_stays_as_it_is(void **state)
{
    struct fixture f;
    uint8_t before[512];

    (void)state;
    begin(&f, TN_DISK_READ_ONLY, NULL);
    assert_true(driver_offered(&f.driver) & BIT(5));
    driver_start(&f.driver, ALL, 1);
    memcpy(before, f.disk.content, 512);
    assert_int_equal(request(&f, 1, 0, 512, 0), 1);
    assert_int_equal(request(&f, 11, 0, 16, 0), 2);
    assert_memory_equal(before, f.disk.content, 512);
    end(&f);
}

static void discards_and_zeroes(void **state)
{
    struct fixture f;
    uint32_t ranges[8] = {4, 0, 8, 0, 100, 0, 2, 0};
    uint8_t zeroes[1024] = {0};
    void *to;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK | TN_DISK_CAN_DISCARD, NULL);
    driver_start(&f.driver, ALL, 1);
    to = testhost_at(f.machine, DATA + 16, 32);
    memcpy(to, ranges, 32);
    assert_int_equal(request(&f, 11, 0, 32, 0), 0);
    assert_int_equal(f.disk.content[4 * 512], 0xdd);
    assert_int_equal(f.disk.content[101 * 512 + 511], 0xdd);
    ranges[3] = 1; /* unmap: not for discard */
    memcpy(to, ranges, 32);
    assert_int_equal(request(&f, 11, 0, 32, 0), 2);
    assert_int_equal(request(&f, 13, 0, 32, 0), 0);
    assert_memory_equal(f.disk.content + 100 * 512, zeroes, 1024);
    assert_true(f.disk.unmaps > 0);
    ranges[0] = DISK_BYTES / 512 - 3;
    memcpy(to, ranges, 32);
    assert_int_equal(request(&f, 13, 0, 32, 0), 1);
    assert_int_equal(request(&f, 13, 0, 20, 0), 1);
    end(&f);
}

static void write_cache_can_be_turned_off(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    driver_start(&f.driver, ALL, 1);
    assert_int_equal(f.disk.writeback, 1);
    driver_set_config(&f.driver, 32, 0, 1);
    assert_int_equal(f.disk.writeback, 0);
    assert_int_equal(driver_config(&f.driver, 32, 1), 0);
    /* Without FLUSH and WCE there is none. */
    driver_start(&f.driver, VERSION_1, 1);
    assert_int_equal(f.disk.writeback, 0);
    end(&f);
}

static void tells_when_the_disk_grows(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    driver_start(&f.driver, ALL, 1);
    f.disk.bytes /= 2;
    testhost_disk_changed(&f.disk);
    assert_int_equal(driver_isr(&f.driver), 2);
    assert_int_equal(driver_config(&f.driver, 0, 8), DISK_BYTES / 1024);
    assert_int_equal(testhost_read(f.machine, MMIO + 0xfc, 4), 1);
    end(&f);
}

/* A reset with requests in flight: they end with it and are dropped. */
static void resets_with_requests_in_flight(void **state)
{
    struct fixture f;
    struct driver_buffer b[3] = {
        {DATA, 16, 0}, {DATA + 16, 512, 1}, {DATA + 1000, 1, 1}};

    (void)state;
    begin(&f, TN_DISK_WRITEBACK, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        driver_start(&f.driver, i & 1 ? UINT64_MAX : ALL, 1);
        for (uint32_t n = 0; n < 10; n++)
            driver_add(&f.driver, &f.driver.queue[0], b, 3, 0);
        driver_notify(&f.driver, 0);
        if (i % 3)
            testhost_step(f.machine);
        driver_set_status(&f.driver, 0);
        /* No later transfer hits what the memory is used for now. */
        assert_int_equal(driver_status(&f.driver), 0);
        memset(testhost_at(f.machine, DATA, 2000), 0x77, 2000);
        testhost_run(f.machine);
        assert_int_equal(*(uint8_t *)testhost_at(f.machine, DATA + 16, 1),
                         0x77);
        assert_int_equal(*(uint8_t *)testhost_at(f.machine, DATA + 1000, 1),
                         0x77);
        f.driver.memory = RAM;
    }
    assert_int_equal(testhost_guest_errors(f.machine), 0);
    end(&f);
}

static void a_request_without_header_breaks_the_device(void **state)
{
    struct fixture f;
    struct driver_buffer b[2] = {{DATA, 15, 0}, {DATA + 16, 1, 1}};

    (void)state;
    begin(&f, 0, NULL);
    driver_start(&f.driver, ALL, 1);
    driver_do(&f.driver, &f.driver.queue[0], b, 2);
    assert_int_equal(driver_status(&f.driver), 15 | 0x40);
    assert_true(testhost_guest_errors(f.machine) > 0);
    end(&f);
}

static void block_request(uint64_t *seed, uint8_t *bytes, uint32_t n)
{
    static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 3, 255};

    for (uint32_t i = 0; i < n; i++)
        bytes[i] = 0;
    bytes[0] = types[testhost_random(seed) % 8];
    if (n > 9)
        bytes[8] = (uint8_t)testhost_random(seed);
    if (n > 15 && testhost_random(seed) % 16 == 0)
        bytes[15] = 0xff;
    for (uint32_t i = 16; i < n; i += 4)
        bytes[i] = (uint8_t)(testhost_random(seed) % 4);
}

static void survives_a_hostile_driver(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        struct fixture f;
        struct hostile h = {.driver = &f.driver,
                            .n_queues = 2,
                            .ram = RAM,
                            .ram_bytes = RAM_BYTES,
                            .registers = MMIO,
                            .register_bytes = 0x200,
                            .seed = 1000 + round,
                            .request = block_request};

        begin(&f, TN_DISK_WRITEBACK | TN_DISK_CAN_DISCARD, NULL);
        f.disk.shuffle = round;
        hostile_run(&h, 30000);
        assert_true(f.disk.requests > 100);
        testhost_reset(f.machine);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_disk),
        cmocka_unit_test(reads_and_writes_split),
        cmocka_unit_test(reads_and_writes_packed),
        cmocka_unit_test(takes_any_layout),
        cmocka_unit_test(many_in_flight_in_any_order),
        cmocka_unit_test(reports_errors),
        cmocka_unit_test(read_only_disk_stays_as_it_is),
        cmocka_unit_test(discards_and_zeroes),
        cmocka_unit_test(write_cache_can_be_turned_off),
        cmocka_unit_test(tells_when_the_disk_grows),
        cmocka_unit_test(resets_with_requests_in_flight),
        cmocka_unit_test(a_request_without_header_breaks_the_device),
        cmocka_unit_test(survives_a_hostile_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
