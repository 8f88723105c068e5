/* SPDX-License-Identifier: Apache-2.0 */
/* The console device over virtio-mmio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testhost/char.h"
#include "testhost/virtio-hostile.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (8u << 20))
#define BIT(n) ((uint64_t)1 << (n))
#define ALL (UINT64_MAX & ~BIT(34))

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct test_instance *device;
    struct test_chars *chars;
    struct driver driver;
};

static void begin(struct fixture *f, const char *const *props)
{
    memset(f, 0, sizeof *f);
    f->chars = calloc(1, sizeof *f->chars);
    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    testhost_chars(f->machine, f->chars);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    f->device = testhost_add(f->machine, "dev-virtio-console", "virtio-console",
                             "console", f->bus, props);
    assert_non_null(f->device);
    assert_int_equal(testhost_realize(f->device, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
}

static void end(struct fixture *f)
{
    testhost_free(f->machine);
    free(f->chars);
}

static const char *const two_ports[] = {"ports=char.a,char.b", "names=first",
                                        NULL};

static void writes_and_reads(void **state)
{
    struct fixture f;
    struct driver_buffer out = {DATA, 5, 0};
    struct driver_buffer in = {DATA + 4096, 4, 1};
    uint32_t id, bytes;

    (void)state;
    begin(&f, NULL);
    assert_false(driver_offered(&f.driver) & BIT(1));
    driver_start(&f.driver, ALL, 2);
    memcpy(testhost_at(f.machine, DATA, 5), "hello", 5);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[1], &out, 1), 0);
    assert_memory_equal(f.chars->stream[0].written, "hello", 5);
    assert_int_equal(testhost_char_receive(&f.chars->stream[0], "abcdef", 6),
                     0);
    driver_add(&f.driver, &f.driver.queue[0], &in, 1, 0);
    driver_notify(&f.driver, 0);
    testhost_run(f.machine);
    assert_true(f.chars->stream[0].accepted > 0);
    assert_int_equal(testhost_char_receive(&f.chars->stream[0], "abcdef", 6),
                     4);
    assert_true(driver_used(&f.driver, &f.driver.queue[0], &id, &bytes));
    assert_int_equal(bytes, 4);
    assert_memory_equal(testhost_at(f.machine, DATA + 4096, 4), "abcd", 4);
    end(&f);
}

static void waits_for_a_slow_back_end(void **state)
{
    struct fixture f;
    struct driver_buffer out = {DATA, 10, 0};
    struct test_char *stream;
    uint32_t id, bytes;

    (void)state;
    begin(&f, NULL);
    driver_start(&f.driver, ALL, 2);
    stream = &f.chars->stream[0];
    stream->room = 4;
    memcpy(testhost_at(f.machine, DATA, 10), "0123456789", 10);
    driver_add(&f.driver, &f.driver.queue[1], &out, 1, 0);
    driver_notify(&f.driver, 1);
    testhost_run(f.machine);
    assert_int_equal(stream->n_written, 4);
    assert_false(driver_used(&f.driver, &f.driver.queue[1], &id, &bytes));
    testhost_char_writable(stream, 100);
    testhost_run(f.machine);
    assert_int_equal(stream->n_written, 10);
    assert_memory_equal(stream->written, "0123456789", 10);
    assert_true(driver_used(&f.driver, &f.driver.queue[1], &id, &bytes));
    end(&f);
}

static void emergency_write_needs_no_driver(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NULL);
    driver_set_config(&f.driver, 8, 'X', 4);
    assert_int_equal(f.chars->stream[0].written[0], 'X');
    assert_int_equal(f.chars->stream[0].n_written, 1);
    end(&f);
}

/* Send a control message and run. */
static void control(struct fixture *f, uint32_t port, uint16_t event,
                    uint16_t value)
{
    struct driver_buffer out = {DATA, 8, 0};
    uint16_t raw[4] = {(uint16_t)port, (uint16_t)(port >> 16), event, value};

    memcpy(testhost_at(f->machine, DATA, 8), raw, 8);
    assert_int_equal(driver_do(&f->driver, &f->driver.queue[3], &out, 1), 0);
}

/* The next message the device sent: port << 32 | event << 16 | value. */
static uint64_t message(struct fixture *f, char *name)
{
    struct driver_queue *q = &f->driver.queue[2];
    struct driver_buffer in = {DATA + 8192, 64, 1};
    uint32_t id, bytes;
    uint8_t *raw = testhost_at(f->machine, DATA + 8192, 64);

    driver_add(&f->driver, q, &in, 1, 0);
    driver_notify(&f->driver, 2);
    testhost_run(f->machine);
    if (!driver_used(&f->driver, q, &id, &bytes))
        return UINT64_MAX;
    if (name) {
        memcpy(name, raw + 8, bytes - 8);
        name[bytes - 8] = 0;
    }
    return (uint64_t)raw[0] << 32 | (uint64_t)raw[4] << 16 | raw[6];
}

#define MESSAGE(port, event, value)                                            \
    ((uint64_t)(port) << 32 | (uint64_t)(event) << 16 | (value))

static void opens_several_ports(void **state)
{
    struct fixture f;
    struct driver_buffer out = {DATA, 3, 0};
    struct driver_buffer in = {DATA + 4096, 100, 1};
    char name[64];
    uint32_t id, bytes;

    (void)state;
    begin(&f, two_ports);
    assert_int_equal(driver_config(&f.driver, 4, 4), 3);
    driver_start(&f.driver, ALL, 8);
    control(&f, 0, 0, 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(message(&f, NULL), MESSAGE(i, 1, 1));
    control(&f, 0, 3, 1);
    assert_int_equal(message(&f, NULL), MESSAGE(0, 4, 1));
    assert_int_equal(message(&f, NULL), MESSAGE(0, 6, 1));
    control(&f, 1, 3, 1);
    assert_int_equal(message(&f, name), MESSAGE(1, 7, 1));
    assert_string_equal(name, "first");
    assert_int_equal(message(&f, NULL), MESSAGE(1, 6, 1));
    /* Data goes both ways on port 1 once the guest opened it. */
    driver_add(&f.driver, &f.driver.queue[4], &in, 1, 0);
    driver_notify(&f.driver, 4);
    testhost_run(f.machine);
    assert_int_equal(testhost_char_receive(&f.chars->stream[1], "xyz", 3), 0);
    control(&f, 1, 6, 1);
    assert_int_equal(testhost_char_receive(&f.chars->stream[1], "xyz", 3), 3);
    assert_true(driver_used(&f.driver, &f.driver.queue[4], &id, &bytes));
    memcpy(testhost_at(f.machine, DATA, 3), "uvw", 3);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[5], &out, 1), 0);
    assert_memory_equal(f.chars->stream[1].written, "uvw", 3);
    testhost_char_event(&f.chars->stream[1], TN_CHAR_CLOSED);
    /* Buffers that message() left are used first. */
    testhost_run(f.machine);
    assert_int_equal(message(&f, NULL), MESSAGE(1, 6, 0));
    control(&f, 99, 3, 1);
    assert_true(testhost_guest_errors(f.machine) > 0);
    end(&f);
}

static void answers_do_not_pile_up(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, two_ports);
    driver_start(&f.driver, ALL, 8);
    for (uint32_t i = 0; i < 1000; i++)
        control(&f, 0, 0, 1);
    assert_true(testhost_guest_errors(f.machine) > 0);
    assert_int_equal(message(&f, NULL), MESSAGE(0, 1, 1));
    end(&f);
}

static void console_request(uint64_t *seed, uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = 0;
    bytes[0] = (uint8_t)(testhost_random(seed) % 4);
    if (n > 7) {
        bytes[4] = (uint8_t)(testhost_random(seed) % 9);
        bytes[6] = (uint8_t)(testhost_random(seed) % 2);
    }
}

static void survives_a_hostile_driver(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        struct fixture f;
        struct hostile h = {.driver = &f.driver,
                            .n_queues = 8,
                            .ram = RAM,
                            .ram_bytes = RAM_BYTES,
                            .registers = MMIO,
                            .register_bytes = 0x200,
                            .seed = 4000 + round,
                            .request = console_request};

        begin(&f, two_ports);
        for (uint32_t i = 0; i < 30; i++) {
            struct test_char *stream = &f.chars->stream[i % 3];

            hostile_run(&h, 100);
            testhost_char_receive(stream, "0123456789012345678901234567", 28);
            stream->room = i % 4 ? UINT32_MAX : i;
            testhost_char_writable(stream, UINT32_MAX);
            testhost_char_event(stream,
                                i & 1 ? TN_CHAR_OPENED : TN_CHAR_CLOSED);
        }
        testhost_reset(f.machine);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(waits_for_a_slow_back_end),
        cmocka_unit_test(emergency_write_needs_no_driver),
        cmocka_unit_test(opens_several_ports),
        cmocka_unit_test(answers_do_not_pile_up),
        cmocka_unit_test(survives_a_hostile_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
