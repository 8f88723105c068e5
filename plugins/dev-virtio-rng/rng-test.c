/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device, and every ring format through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testhost/virtio-driver.h"

#define RAM 0x80000000u
#define RAM_BYTES (4u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (1u << 20))
#define VERSION_1 ((uint64_t)1 << 32)
#define PACKED ((uint64_t)1 << 34)
#define EVENT_IDX ((uint64_t)1 << 29)
#define INDIRECT ((uint64_t)1 << 28)

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct driver driver;
};

static void begin(struct fixture *f, const char *const *props)
{
    struct test_instance *rng;

    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_non_null(f->bus);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    rng = testhost_add(f->machine, "dev-virtio-rng", "virtio-rng", "rng",
                       f->bus, props);
    assert_non_null(rng);
    assert_int_equal(testhost_realize(rng, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
}

static void identifies_itself(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NULL);
    assert_int_equal(testhost_read(f.machine, MMIO, 4), 0x74726976);
    assert_int_equal(testhost_read(f.machine, MMIO + 4, 4), 2);
    assert_int_equal(testhost_read(f.machine, MMIO + 8, 4), 4);
    assert_true(driver_offered(&f.driver) & VERSION_1);
    testhost_free(f.machine);
}

/* Many requests of one to three pieces, in flight together. */
static void fills_buffers(uint64_t features, uint32_t indirect)
{
    struct fixture f;
    struct driver_queue *q;
    uint64_t seed = 1;

    begin(&f, NULL);
    assert_true(driver_start(&f.driver, features | VERSION_1, 1));
    q = &f.driver.queue[0];
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t want[1024];
        uint32_t added = 0;
        uint32_t got = 0;
        uint32_t id, bytes;
        uint32_t most = 1 + testhost_random(&seed) % 20;

        memset(testhost_at(f.machine, DATA, 1 << 20), 0, 1 << 20);
        while (added < most) {
            struct driver_buffer b[3];
            uint32_t n = 1 + testhost_random(&seed) % 3;
            uint32_t total = 0;
            int32_t slot;

            for (uint32_t i = 0; i < n; i++) {
                uint32_t size = 16 + testhost_random(&seed) % 100;

                b[i] = (struct driver_buffer){DATA + 1024 * added + 256 * i,
                                              size, 1};
                total += size;
            }
            slot = driver_add(&f.driver, q, b, n, indirect);
            if (slot < 0)
                break;
            want[slot] = total;
            added++;
            if (testhost_random(&seed) & 1)
                driver_kick(&f.driver, q);
        }
        driver_notify(&f.driver, 0);
        testhost_run(f.machine);
        while (driver_used(&f.driver, q, &id, &bytes)) {
            assert_int_equal(bytes, want[id]);
            got++;
        }
        assert_int_equal(got, added);
        for (uint32_t i = 0; i < added; i++) {
            static const uint8_t none[16];

            assert_memory_not_equal(testhost_at(f.machine, DATA + 1024 * i, 16),
                                    none, 16);
        }
    }
    assert_int_equal(testhost_guest_errors(f.machine), 0);
    testhost_free(f.machine);
}

static void fills_buffers_split(void **state)
{
    (void)state;
    fills_buffers(0, 0);
}

static void fills_buffers_split_event_index(void **state)
{
    (void)state;
    fills_buffers(EVENT_IDX, 0);
}

static void fills_buffers_split_indirect(void **state)
{
    (void)state;
    fills_buffers(INDIRECT | EVENT_IDX, 1);
}

static void fills_buffers_packed(void **state)
{
    (void)state;
    fills_buffers(PACKED, 0);
}

static void fills_buffers_packed_event_index(void **state)
{
    (void)state;
    fills_buffers(PACKED | EVENT_IDX, 0);
}

static void fills_buffers_packed_indirect(void **state)
{
    (void)state;
    fills_buffers(PACKED | INDIRECT | EVENT_IDX, 1);
}

/* The interrupt comes exactly at the event the driver named. */
static void interrupts_at_event(uint64_t features)
{
    struct fixture f;
    struct driver_queue *q;
    const struct driver_buffer b = {DATA, 32, 1};

    begin(&f, NULL);
    driver_start(&f.driver, features | EVENT_IDX | VERSION_1, 1);
    q = &f.driver.queue[0];
    for (uint32_t round = 0; round < 200; round++) {
        uint64_t before = testhost_irq_edges(f.bus, 0);
        uint32_t more = 1 + round % 5;
        uint32_t id, bytes;

        driver_want_interrupt(&f.driver, q, (uint16_t)more);
        for (uint32_t i = 1; i <= 6; i++) {
            assert_true(driver_add(&f.driver, q, &b, 1, 0) >= 0);
            driver_notify(&f.driver, 0);
            testhost_run(f.machine);
            assert_int_equal(testhost_irq_edges(f.bus, 0) - before, i >= more);
        }
        assert_int_equal(driver_isr(&f.driver), 1);
        assert_int_equal(testhost_irq_level(f.bus, 0), 0);
        while (driver_used(&f.driver, q, &id, &bytes))
            ;
    }
    testhost_free(f.machine);
}

static void interrupts_at_event_split(void **state)
{
    (void)state;
    interrupts_at_event(0);
}

static void interrupts_at_event_packed(void **state)
{
    (void)state;
    interrupts_at_event(PACKED);
}

static void no_interrupt_when_not_wanted(void **state)
{
    (void)state;
    for (uint32_t packed = 0; packed < 2; packed++) {
        struct fixture f;
        const struct driver_buffer b = {DATA, 32, 1};

        begin(&f, NULL);
        driver_start(&f.driver, VERSION_1 | (packed ? PACKED : 0), 1);
        driver_no_interrupts(&f.driver, &f.driver.queue[0]);
        assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
        assert_int_equal(testhost_irq_level(f.bus, 0), 0);
        testhost_free(f.machine);
    }
}

static void keeps_to_its_rate(void **state)
{
    static const char *const props[] = {"rate=1000", NULL};
    struct fixture f;
    const struct driver_buffer b = {DATA, 70, 1};
    uint32_t id, bytes, total = 0;

    (void)state;
    begin(&f, props);
    driver_start(&f.driver, VERSION_1, 1);
    for (uint32_t i = 0; i < 40; i++)
        driver_add(&f.driver, &f.driver.queue[0], &b, 1, 0);
    driver_notify(&f.driver, 0);
    testhost_run(f.machine);
    for (uint32_t tenth = 0; tenth < 10; tenth++) {
        while (driver_used(&f.driver, &f.driver.queue[0], &id, &bytes))
            total += bytes;
        assert_int_equal(total, 100 * (tenth + 1));
        testhost_advance(f.machine, 100000000);
    }
    testhost_free(f.machine);
}

/* Every state of the rings survives a save and load. */
static void saves_and_loads(void **state)
{
    (void)state;
    for (uint32_t packed = 0; packed < 2; packed++) {
        struct fixture f;
        const struct driver_buffer b = {DATA, 40, 1};

        begin(&f, NULL);
        driver_start(&f.driver, VERSION_1 | (packed ? PACKED : 0), 1);
        for (uint32_t i = 0; i < 100; i++) {
            size_t bytes;
            uint8_t *saved;

            assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1),
                             40);
            testhost_stop(f.machine);
            saved = testhost_save(f.bus, &bytes);
            testhost_reset(f.machine);
            assert_int_equal(driver_status(&f.driver), 0);
            assert_int_equal(testhost_load(f.bus, saved, bytes), 0);
            free(saved);
            testhost_start(f.machine);
        }
        testhost_free(f.machine);
    }
}

static void refuses_features_it_did_not_offer(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NULL);
    assert_false(driver_negotiate(&f.driver, 0)); /* no VERSION_1 */
    driver_set_status(&f.driver, 0);
    driver_set_status(&f.driver, 3);
    testhost_write(f.machine, MMIO + 0x24, 1, 4);
    testhost_write(f.machine, MMIO + 0x20, 0x80000001u, 4);
    driver_set_status(&f.driver, 11);
    assert_int_equal(driver_status(&f.driver), 3);
    testhost_free(f.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifies_itself),
        cmocka_unit_test(fills_buffers_split),
        cmocka_unit_test(fills_buffers_split_event_index),
        cmocka_unit_test(fills_buffers_split_indirect),
        cmocka_unit_test(fills_buffers_packed),
        cmocka_unit_test(fills_buffers_packed_event_index),
        cmocka_unit_test(fills_buffers_packed_indirect),
        cmocka_unit_test(interrupts_at_event_split),
        cmocka_unit_test(interrupts_at_event_packed),
        cmocka_unit_test(no_interrupt_when_not_wanted),
        cmocka_unit_test(keeps_to_its_rate),
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(refuses_features_it_did_not_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
