/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI transport on the ECAM bridge, with the entropy device on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testhost/virtio-driver.h"

#define RAM 0x80000000u
#define RAM_BYTES (4u << 20)
#define ECAM 0x30000000u
#define FUNCTION (ECAM + (1u << 15)) /* device 1 */
#define MMIO32 0x40000000u
#define MMIO64 UINT64_C(0x400000000)
#define DATA (RAM + (2u << 20))
#define MESSAGES (RAM + (3u << 20))
#define VERSION_1 ((uint64_t)1 << 32)

struct fixture {
    struct testhost *machine;
    struct test_instance *bridge;
    struct test_instance *transport;
    struct driver driver;
};

static void begin(struct fixture *f, uint64_t bars)
{
    static const uint64_t addresses[] = {ECAM, MMIO32, MMIO64, 0x3000000};
    struct test_instance *rng;

    f->machine = testhost_new();
    testhost_ram(f->machine, RAM, RAM_BYTES);
    f->bridge =
        testhost_add(f->machine, "bus-pci-ecam", "pci-ecam", "pci", NULL, NULL);
    assert_non_null(f->bridge);
    testhost_addresses(f->bridge, addresses, 4);
    assert_int_equal(testhost_realize(f->bridge, 0), 0);
    f->transport = testhost_add(f->machine, "bus-virtio-pci", "virtio-pci",
                                "virtio0", f->bridge, NULL);
    assert_non_null(f->transport);
    assert_int_equal(testhost_realize(f->transport, 0), 0);
    rng = testhost_add(f->machine, "dev-virtio-rng", "virtio-rng", "rng",
                       f->transport, NULL);
    assert_int_equal(testhost_realize(rng, 0), 0);
    testhost_reset(f->machine);
    testhost_start(f->machine);
    driver_init_pci(&f->driver, f->machine, f->transport, FUNCTION, bars, RAM);
}

static void is_found_by_configuration_space(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, MMIO32);
    assert_int_equal(testhost_read(f.machine, FUNCTION, 4), 0x10441af4);
    assert_int_equal(testhost_read(f.machine, FUNCTION + 8, 1), 1);
    assert_int_equal(testhost_read(f.machine, ECAM, 4), UINT32_MAX);
    assert_int_equal(testhost_read(f.machine, FUNCTION + (1 << 20), 4),
                     UINT32_MAX); /* bus 1 */
    assert_true(driver_offered(&f.driver) & VERSION_1);
    testhost_free(f.machine);
}

static void works_with_intx(uint64_t bars)
{
    struct fixture f;
    const struct driver_buffer b = {DATA, 32, 1};

    begin(&f, bars);
    assert_true(driver_start(&f.driver, VERSION_1, 1));
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    /* Device 1, INTA: line 1 after the swizzle. */
    assert_int_equal(testhost_irq_level(f.bridge, 1), 1);
    assert_true(testhost_read(f.machine, FUNCTION + 6, 2) & 8);
    assert_int_equal(driver_isr(&f.driver), 1);
    assert_int_equal(testhost_irq_level(f.bridge, 1), 0);
    assert_int_equal(driver_isr(&f.driver), 0);
    /* Interrupt disable. */
    testhost_write(f.machine, FUNCTION + 4, 0x406, 2);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    assert_int_equal(testhost_irq_level(f.bridge, 1), 0);
    testhost_write(f.machine, FUNCTION + 4, 0x6, 2);
    assert_int_equal(testhost_irq_level(f.bridge, 1), 1);
    testhost_free(f.machine);
}

static void works_with_intx_below_4g(void **state)
{
    (void)state;
    works_with_intx(MMIO32);
}

static void works_with_bars_above_4g(void **state)
{
    struct fixture f;
    const struct driver_buffer b = {DATA, 32, 1};

    (void)state;
    begin(&f, MMIO32);
    /* BAR 0 moves while it is enabled. */
    testhost_write(f.machine, FUNCTION + 0x10, 0, 4);
    testhost_write(f.machine, FUNCTION + 0x14, 4, 4);
    assert_int_equal(testhost_read(f.machine, f.driver.base + 0x12, 2), 0);
    f.driver.base += MMIO64 - MMIO32;
    f.driver.notify += MMIO64 - MMIO32;
    f.driver.isr += MMIO64 - MMIO32;
    assert_true(driver_start(&f.driver, VERSION_1, 1));
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    /* Decoding off: nothing there. */
    testhost_write(f.machine, FUNCTION + 4, 0, 2);
    assert_int_equal(driver_status(&f.driver), 0);
    testhost_write(f.machine, FUNCTION + 4, 6, 2);
    assert_int_equal(driver_status(&f.driver), 15);
    testhost_free(f.machine);
}

static void works_with_msix(void **state)
{
    struct fixture f;
    const struct driver_buffer b = {DATA, 32, 1};
    uint32_t *messages;

    (void)state;
    begin(&f, MMIO32);
    messages = testhost_at(f.machine, MESSAGES, 16);
    driver_enable_msix(&f.driver, MESSAGES, 2);
    assert_true(driver_start(&f.driver, VERSION_1, 1));
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    assert_int_equal(messages[1], 0x1001);
    assert_int_equal(messages[0], 0);
    assert_int_equal(driver_isr(&f.driver), 0);
    /* Masked: it waits in the pending bits. */
    messages[1] = 0;
    testhost_write(f.machine, f.driver.msix_table + 16 + 12, 1, 4);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    assert_int_equal(messages[1], 0);
    assert_int_equal(testhost_read(f.machine, f.driver.msix_table + 0x1000, 4),
                     2);
    testhost_write(f.machine, f.driver.msix_table + 16 + 12, 0, 4);
    assert_int_equal(messages[1], 0x1001);
    /* No vector. */
    testhost_write(f.machine, f.driver.base + 0x16, 0, 2);
    testhost_write(f.machine, f.driver.base + 0x1a, 7, 2);
    assert_int_equal(testhost_read(f.machine, f.driver.base + 0x1a, 2), 0xffff);
    testhost_free(f.machine);
}

/* A message into the device's own table is refused, not a dead lock. */
static void msix_to_itself_is_refused(void **state)
{
    struct fixture f;
    const struct driver_buffer b = {DATA, 32, 1};

    (void)state;
    begin(&f, MMIO32);
    driver_enable_msix(&f.driver, f.driver.msix_table, 2);
    assert_true(driver_start(&f.driver, VERSION_1, 1));
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    assert_int_equal(testhost_read(f.machine, f.driver.msix_table + 4, 4), 0);
    testhost_write(f.machine, f.driver.msix_table, FUNCTION + 0x3c, 4);
    testhost_free(f.machine);
}

/* Access through configuration space, section 4.1.4.9. */
static void pci_cfg_capability_reaches_registers(void **state)
{
    struct fixture f;
    uint32_t at;

    (void)state;
    begin(&f, MMIO32);
    at = (uint32_t)testhost_read(f.machine, FUNCTION + 0x34, 1);
    while (at && (testhost_read(f.machine, FUNCTION + at, 1) != 9 ||
                  testhost_read(f.machine, FUNCTION + at + 3, 1) != 5))
        at = (uint32_t)testhost_read(f.machine, FUNCTION + at + 1, 1);
    assert_int_not_equal(at, 0);
    testhost_write(f.machine, FUNCTION + at + 4, 0, 1);
    testhost_write(f.machine, FUNCTION + at + 8, 0x14, 4);
    testhost_write(f.machine, FUNCTION + at + 12, 1, 4);
    testhost_write(f.machine, FUNCTION + at + 16, 3, 1);
    assert_int_equal(driver_status(&f.driver), 3);
    assert_int_equal(testhost_read(f.machine, FUNCTION + at + 16, 4), 3);
    /* Nonsense is ignored. */
    testhost_write(f.machine, FUNCTION + at + 8, 0xfffffffc, 4);
    testhost_write(f.machine, FUNCTION + at + 12, 4, 4);
    testhost_read(f.machine, FUNCTION + at + 16, 4);
    testhost_write(f.machine, FUNCTION + at + 4, 5, 1);
    testhost_write(f.machine, FUNCTION + at + 16, 3, 4);
    testhost_free(f.machine);
}

static void saves_and_loads(void **state)
{
    struct fixture f;
    const struct driver_buffer b = {DATA, 32, 1};
    uint8_t *saved;
    size_t bytes;

    (void)state;
    begin(&f, MMIO32);
    driver_enable_msix(&f.driver, MESSAGES, 2);
    assert_true(driver_start(&f.driver, VERSION_1, 1));
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    testhost_stop(f.machine);
    saved = testhost_save(f.transport, &bytes);
    testhost_reset(f.machine);
    assert_int_equal(testhost_load(f.transport, saved, bytes), 0);
    free(saved);
    testhost_start(f.machine);
    memset(testhost_at(f.machine, MESSAGES, 8), 0, 8);
    assert_int_equal(driver_do(&f.driver, &f.driver.queue[0], &b, 1), 32);
    assert_int_equal(testhost_read(f.machine, MESSAGES + 4, 4), 0x1001);
    testhost_free(f.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_found_by_configuration_space),
        cmocka_unit_test(works_with_intx_below_4g),
        cmocka_unit_test(works_with_bars_above_4g),
        cmocka_unit_test(works_with_msix),
        cmocka_unit_test(msix_to_itself_is_refused),
        cmocka_unit_test(pci_cfg_capability_reaches_registers),
        cmocka_unit_test(saves_and_loads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
