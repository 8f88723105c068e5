/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver can do wrong with rings, one mistake a case: each must end in
 * DEVICE_NEEDS_RESET and a line in the log, and a reset must mend it. Through
 * the entropy device on virtio-mmio.
 */
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
#define DATA (RAM + (2u << 20))
#define TABLE (RAM + (3u << 20))
#define SIZE 16u
#define BIT(n) ((uint64_t)1 << (n))
#define VERSION_1 BIT(32)
#define PACKED BIT(34)
#define INDIRECT BIT(28)
#define NEXT 1u
#define WRITE 2u
#define TABLE_FLAG 4u
#define NEEDS_RESET 0x40u

struct fixture {
    struct testhost *machine;
    struct test_instance *bus;
    struct driver driver;
    struct driver_queue *q;
};

static void begin(struct fixture *f, uint64_t features)
{
    struct test_instance *rng;

    memset(f, 0, sizeof *f);
    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    f->bus = testhost_add(f->machine, "bus-virtio-mmio", "virtio-mmio",
                          "virtio0", NULL, NULL);
    assert_int_equal(testhost_realize(f->bus, MMIO), 0);
    rng = testhost_add(f->machine, "dev-virtio-rng", "virtio-rng", "rng",
                       f->bus, NULL);
    assert_int_equal(testhost_realize(rng, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_mmio(&f->driver, f->machine, f->bus, MMIO, RAM);
    assert_true(driver_negotiate(&f->driver, features | VERSION_1));
    f->q = driver_queue_setup(&f->driver, 0, SIZE);
    driver_ok(&f->driver);
}

/* Raw descriptor INDEX of the table at AT. */
static void desc(struct fixture *f, uint64_t at, uint32_t index,
                 uint64_t address, uint32_t bytes, uint16_t a, uint16_t b)
{
    uint64_t to = at + 16u * index;

    testhost_write(f->machine, to, address, 8);
    testhost_write(f->machine, to + 8, bytes, 4);
    testhost_write(f->machine, to + 12, a, 2);
    testhost_write(f->machine, to + 14, b, 2);
}

/* Make head 0 available in the split ring. */
static void offer(struct fixture *f, uint16_t head)
{
    testhost_write(f->machine, f->q->driver + 4, head, 2);
    testhost_write(f->machine, f->q->driver + 2, 1, 2);
}

/* The device noticed, says so, and works again after a reset. */
static void expect_broken(struct fixture *f, const char *what)
{
    const struct driver_buffer b = {DATA, 32, 1};

    driver_notify(&f->driver, 0);
    testhost_run(f->machine);
    if (!(driver_status(&f->driver) & NEEDS_RESET))
        fail_msg("not noticed: %s", what);
    assert_int_equal(driver_isr(&f->driver) & 2, 2);
    assert_int_equal(testhost_guest_errors(f->machine), 1);
    assert_non_null(strstr(testhost_last_log(f->machine), what));
    /* It stays as it is until the driver resets it. */
    driver_notify(&f->driver, 0);
    testhost_run(f->machine);
    assert_int_equal(testhost_guest_errors(f->machine), 0);
    f->driver.memory = RAM;
    assert_true(driver_start(&f->driver, f->driver.features, 1));
    assert_int_equal(driver_do(&f->driver, &f->driver.queue[0], &b, 1), 32);
    testhost_free(f->machine);
}

/* ---- one descriptor of the split ring, wrong in some way ---- */

static void bad_descriptors(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags, next;
        const char *what;
    } cases[] = {
        {DATA, 0, WRITE, 0, "of no bytes"},
        {RAM + RAM_BYTES, 16, WRITE, 0, "cannot be written"},
        {RAM + RAM_BYTES, 16, 0, 0, "not memory"},
        {RAM + RAM_BYTES - 8, 16, WRITE, 0, "cannot be written"},
        {MMIO, 16, WRITE, 0, "cannot be written"},
        {MMIO, 16, 0, 0, "not memory"},
        {UINT64_MAX - 7, 16, WRITE, 0, "wraps around"},
        {UINT64_MAX, 1, WRITE, 0, "cannot be written"},
        {DATA, UINT32_MAX, WRITE, 0, "cannot be written"},
        {DATA, 16, WRITE | NEXT, 0, "a loop"},
        {DATA, 16, WRITE | NEXT, SIZE, "past the table"},
        {DATA, 16, WRITE | NEXT, 0xffff, "past the table"},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;

        begin(&f, 0);
        desc(&f, f.q->descriptors, 0, cases[i].address, cases[i].bytes,
             cases[i].flags, cases[i].next);
        offer(&f, 0);
        expect_broken(&f, cases[i].what);
    }
}

static void loop_of_two(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    desc(&f, f.q->descriptors, 0, DATA, 16, WRITE | NEXT, 1);
    desc(&f, f.q->descriptors, 1, DATA, 16, WRITE | NEXT, 0);
    offer(&f, 0);
    expect_broken(&f, "a loop");
}

static void readable_after_writable(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    desc(&f, f.q->descriptors, 0, DATA, 16, WRITE | NEXT, 1);
    desc(&f, f.q->descriptors, 1, DATA, 16, 0, 0);
    offer(&f, 0);
    expect_broken(&f, "readable descriptor after");
}

static void chain_of_4_gib(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, INDIRECT);
    testhost_ram(f.machine, RAM + RAM_BYTES, RAM_BYTES);
    for (uint32_t i = 0; i < 1024; i++)
        desc(&f, TABLE, i, RAM, 2 * RAM_BYTES, WRITE | NEXT, (uint16_t)(i + 1));
    desc(&f, f.q->descriptors, 0, TABLE, 16 * 1025, TABLE_FLAG, 0);
    offer(&f, 0);
    expect_broken(&f, "4 GiB");
}

static void head_past_the_table(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    offer(&f, SIZE);
    expect_broken(&f, "past the table");
}

static void available_index_jumps(void **state)
{
    static const uint16_t jumps[] = {SIZE + 1, 0x8000, 0xffff};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture f;

        begin(&f, 0);
        testhost_write(f.machine, f.q->driver + 2, jumps[i], 2);
        expect_broken(&f, "index jumped");
    }
}

/* ---- indirect tables ---- */

static void bad_tables(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags;
        uint16_t entry_flags, entry_next;
        const char *what;
    } cases[] = {
        {TABLE, 24, TABLE_FLAG, WRITE, 0, "whole number"},
        {TABLE, 0, TABLE_FLAG, WRITE, 0, "whole number"},
        {TABLE, 8, TABLE_FLAG, WRITE, 0, "whole number"},
        {TABLE, 16, TABLE_FLAG | NEXT, WRITE, 0, "both indirect and chained"},
        {MMIO, 16, TABLE_FLAG, WRITE, 0, "not memory"},
        {RAM + RAM_BYTES - 8, 16, TABLE_FLAG, WRITE, 0, "not memory"},
        {UINT64_MAX - 15, 32, TABLE_FLAG, WRITE, 0, "wraps around"},
        {TABLE, 16, TABLE_FLAG, TABLE_FLAG, 0, "in an indirect table"},
        {TABLE, 16, TABLE_FLAG, WRITE | NEXT, 1, "link out of"},
        {TABLE, 32, TABLE_FLAG, WRITE | NEXT, 0, "too long or a loop"},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;

        begin(&f, INDIRECT);
        desc(&f, TABLE, 0, DATA, 16, cases[i].entry_flags, cases[i].entry_next);
        desc(&f, f.q->descriptors, 0, cases[i].address, cases[i].bytes,
             cases[i].flags, 0);
        offer(&f, 0);
        expect_broken(&f, cases[i].what);
    }
}

static void indirect_without_the_feature(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    desc(&f, TABLE, 0, DATA, 16, WRITE, 0);
    desc(&f, f.q->descriptors, 0, TABLE, 16, TABLE_FLAG, 0);
    offer(&f, 0);
    expect_broken(&f, "without the feature");
}

/* ---- packed rings ---- */

static void packed_chain_longer_than_the_ring(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, PACKED);
    for (uint32_t i = 0; i < SIZE; i++)
        desc(&f, f.q->descriptors, i, DATA, 16, 0, 0x80 | WRITE | NEXT);
    expect_broken(&f, "longer than what is free");
}

static void packed_bad_tables(void **state)
{
    static const struct {
        uint32_t bytes;
        uint16_t flags;
        uint16_t entry_flags;
        const char *what;
    } cases[] = {
        {24, TABLE_FLAG, WRITE, "whole number"},
        {16, TABLE_FLAG | NEXT, WRITE, "both indirect and chained"},
        {16, TABLE_FLAG, TABLE_FLAG, "in an indirect table"},
        {16 * 1025, TABLE_FLAG, WRITE, "too long"},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;

        begin(&f, PACKED | INDIRECT);
        for (uint32_t e = 0; e < 1025; e++)
            desc(&f, TABLE, e, DATA, 16, 0, cases[i].entry_flags);
        desc(&f, f.q->descriptors, 0, TABLE, cases[i].bytes, 0,
             0x80 | cases[i].flags);
        expect_broken(&f, cases[i].what);
    }
}

/* ---- where the rings are ---- */

static void bad_rings(void **state)
{
    static const struct {
        uint32_t reg;
        uint32_t low;
        uint32_t high;
    } cases[] = {
        {0x080, RAM + 8, 0},
        {0x090, RAM + 1, 0},
        {0x0a0, RAM + 2, 0},
        {0x080, MMIO, 0},
        {0x090, RAM, 0xffffffff},
        {0x0a0, RAM + RAM_BYTES - 64, 0},
        {0x080, 0xfffffff0, ~0u},
        {0x038, 0, 0},
        {0x038, 3, 0},
        {0x038, 2048, 0},
        {0x038, 0xffffffff, 0},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;

        begin(&f, 0);
        driver_negotiate(&f.driver, VERSION_1);
        testhost_write(f.machine, MMIO + 0x30, 0, 4);
        testhost_write(f.machine, MMIO + 0x38, SIZE, 4);
        testhost_write(f.machine, MMIO + 0x80, RAM, 4);
        testhost_write(f.machine, MMIO + 0x90, RAM + 4096, 4);
        testhost_write(f.machine, MMIO + 0xa0, RAM + 8192, 4);
        testhost_write(f.machine, MMIO + cases[i].reg, cases[i].low, 4);
        if (cases[i].high)
            testhost_write(f.machine, MMIO + cases[i].reg + 4, cases[i].high,
                           4);
        testhost_write(f.machine, MMIO + 0x44, 1, 4);
        assert_int_equal(testhost_read(f.machine, MMIO + 0x44, 4), 0);
        assert_true(driver_status(&f.driver) & NEEDS_RESET);
        assert_int_equal(testhost_guest_errors(f.machine), 1);
        testhost_free(f.machine);
    }
}

/* The map changes under running rings: pointers are looked up again. */
static void map_changes_are_noticed(void **state)
{
    const struct driver_buffer b = {DATA, 32, 1};
    struct fixture f;

    (void)state;
    begin(&f, 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(driver_do(&f.driver, f.q, &b, 1), 32);
        testhost_map_changed(f.machine);
    }
    testhost_free(f.machine);
}

/* Memory in pieces: one descriptor over a border, rings in another piece. */
static void memory_in_pieces(void **state)
{
    const uint64_t high = UINT64_C(0x100000000);
    struct driver_buffer b = {RAM + RAM_BYTES - 100, 200, 1};
    struct fixture f;

    (void)state;
    begin(&f, 0);
    testhost_ram(f.machine, RAM + RAM_BYTES, 1 << 20);
    testhost_ram(f.machine, high, 1 << 20);
    assert_int_equal(driver_do(&f.driver, f.q, &b, 1), 200);
    driver_negotiate(&f.driver, VERSION_1);
    f.driver.memory = high;
    f.q = driver_queue_setup(&f.driver, 0, SIZE);
    driver_ok(&f.driver);
    assert_int_equal(driver_do(&f.driver, f.q, &b, 1), 200);
    testhost_free(f.machine);
}

/* A queue reset gives the ring back in its first state. */
static void queue_reset_starts_over(void **state)
{
    const struct driver_buffer b = {DATA, 32, 1};

    (void)state;
    for (uint32_t packed = 0; packed < 2; packed++) {
        struct fixture f;

        begin(&f, BIT(40) | (packed ? PACKED : 0));
        for (uint32_t i = 0; i < 50; i++) {
            for (uint32_t n = 0; n < i; n++)
                assert_int_equal(driver_do(&f.driver, f.q, &b, 1), 32);
            driver_queue_reset(&f.driver, 0);
            assert_int_equal(testhost_read(f.machine, MMIO + 0xc0, 4), 0);
            assert_int_equal(testhost_read(f.machine, MMIO + 0x44, 4), 0);
            f.driver.memory = RAM;
            f.q = driver_queue_setup(&f.driver, 0, SIZE);
        }
        assert_int_equal(testhost_guest_errors(f.machine), 0);
        testhost_free(f.machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_descriptors),
        cmocka_unit_test(loop_of_two),
        cmocka_unit_test(readable_after_writable),
        cmocka_unit_test(chain_of_4_gib),
        cmocka_unit_test(head_past_the_table),
        cmocka_unit_test(available_index_jumps),
        cmocka_unit_test(bad_tables),
        cmocka_unit_test(indirect_without_the_feature),
        cmocka_unit_test(packed_chain_longer_than_the_ring),
        cmocka_unit_test(packed_bad_tables),
        cmocka_unit_test(bad_rings),
        cmocka_unit_test(map_changes_are_noticed),
        cmocka_unit_test(memory_in_pieces),
        cmocka_unit_test(queue_reset_starts_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
