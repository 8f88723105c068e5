/* SPDX-License-Identifier: Apache-2.0 */
/* The memory balloon over virtio-mmio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tenon/balloon.h>

#include "testhost/virtio-hostile.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (8u << 20))
#define PAGE 4096u
#define BIT(n) ((uint64_t)1 << (n))
#define ALL (UINT64_MAX & ~BIT(34))

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct test_instance *device;
    const struct tn_balloon *balloon;
    struct driver driver;
};

static void begin(struct fixture *f)
{
    static const char *const props[] = {"size=12M", "stats-interval=2s", NULL};

    memset(f, 0, sizeof *f);
    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    f->device = testhost_add(f->machine, "dev-virtio-balloon", "virtio-balloon",
                             "balloon", f->bus, props);
    assert_non_null(f->device);
    assert_int_equal(testhost_realize(f->device, 0), 0);
    f->balloon = testhost_interface(f->device, TN_BALLOON);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
}

static void takes_pages(void **state)
{
    struct fixture f;
    struct driver_buffer b = {DATA, 16, 0};
    uint32_t first = (DATA + (1u << 20)) / PAGE;
    uint32_t numbers[4] = {first, first + 1, first + 9, 1};
    uint8_t *page;

    (void)state;
    begin(&f);
    assert_int_equal(driver_config(&f.driver, 0, 4), (4 << 20) / PAGE);
    driver_start(&f.driver, ALL, 4);
    page = testhost_at(f.machine, (uint64_t)first * PAGE, PAGE * 16);
    memset(page, 0x11, PAGE * 16);
    memcpy(testhost_at(f.machine, DATA, 16), numbers, 16);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 0);
    assert_int_equal(testhost_discarded(f.machine), 3 * PAGE);
    assert_int_equal(page[PAGE], 0);
    assert_int_equal(page[2 * PAGE], 0x11);
    assert_int_equal(page[9 * PAGE], 0);
    assert_int_equal(testhost_guest_errors(f.machine), 1); /* page 1 */
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[1], &b, 1), 0);
    driver_set_config(&f.driver, 4, 3, 4);
    assert_int_equal(f.balloon->actual(testhost_self(f.device)),
                     RAM_BYTES - 3 * PAGE);
    f.balloon->set_target(testhost_self(f.device), 10u << 20);
    assert_int_equal(driver_config(&f.driver, 0, 4), (6 << 20) / PAGE);
    assert_int_equal(driver_isr(&f.driver) & 2, 2);
    testhost_free(f.machine);
}

static void gives_back_reported_pages(void **state)
{
    struct fixture f;
    struct driver_buffer b[2] = {{DATA + (1u << 20), 8 * PAGE, 1},
                                 {DATA + (2u << 20) + 100, 2 * PAGE, 1}};

    (void)state;
    begin(&f);
    driver_start(&f.driver, ALL, 4);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[3], b, 2), 0);
    assert_int_equal(testhost_discarded(f.machine), 9 * PAGE);
    /* Poison stays in free pages. */
    driver_set_config(&f.driver, 12, 0xaa, 4);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[3], b, 1), 0);
    assert_int_equal(testhost_discarded(f.machine), 9 * PAGE);
    /* Without statistics the queue moves up. */
    driver_start(&f.driver, ALL & ~BIT(1), 3);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[2], b, 1), 0);
    assert_int_equal(testhost_discarded(f.machine), 17 * PAGE);
    testhost_free(f.machine);
}

static void polls_statistics(void **state)
{
    struct fixture f;
    struct driver_buffer b = {DATA, 20, 0};
    struct tn_balloon_stats stats = {.size = sizeof stats};
    uint8_t raw[20] = {4, 0, 0, 0x10, [10] = 200, 0, 7};
    uint32_t id, bytes;

    (void)state;
    begin(&f);
    driver_start(&f.driver, ALL, 4);
    memcpy(testhost_at(f.machine, DATA, 20), raw, 20);
    for (uint32_t i = 0; i < 5; i++) {
        driver_add(&f.driver, &f.driver.queue[2], &b, 1, 0);
        driver_notify(&f.driver, 2);
        testhost_run(f.machine);
        assert_false(driver_used(&f.driver, &f.driver.queue[2], &id, &bytes));
        f.balloon->stats(testhost_self(f.device), &stats);
        assert_int_equal(stats.known, 1 << TN_BALLOON_FREE);
        assert_int_equal(stats.value[TN_BALLOON_FREE], 0x1000);
        if (i == 2) {
            /* A save in between keeps the buffer. */
            testhost_stop(f.machine);
            testhost_start(f.machine);
            testhost_run(f.machine);
        }
        testhost_advance(f.machine, 2000000000);
        assert_true(driver_used(&f.driver, &f.driver.queue[2], &id, &bytes));
    }
    testhost_free(f.machine);
}

static void balloon_request(uint64_t *seed, uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i + 4 <= n; i += 4) {
        uint32_t page = (uint32_t)(DATA / PAGE + testhost_random(seed) % 1024);

        if (testhost_random(seed) % 32 == 0)
            page = (uint32_t)testhost_random(seed);
        memcpy(bytes + i, &page, 4);
    }
}

static void survives_a_hostile_driver(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        struct fixture f;
        struct hostile h = {.driver = &f.driver,
                            .n_queues = 4,
                            .ram = RAM,
                            .ram_bytes = RAM_BYTES,
                            .registers = MMIO,
                            .register_bytes = 0x200,
                            .seed = 3000 + round,
                            .request = balloon_request};

        begin(&f);
        hostile_run(&h, 30000);
        assert_true(testhost_discarded(f.machine) > 0);
        testhost_reset(f.machine);
        testhost_free(f.machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_pages),
        cmocka_unit_test(gives_back_reported_pages),
        cmocka_unit_test(polls_statistics),
        cmocka_unit_test(survives_a_hostile_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
