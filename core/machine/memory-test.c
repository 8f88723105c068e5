/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: accesses of all shapes, DMA, and readers during changes.
 */
#include "core/machine/machine-test.h"

#include <errno.h>
#include <string.h>

#include "core/machine/services.h"

static const struct tn_region_ops plain_ops = {
    .size = sizeof plain_ops, .min_access = 1, .max_access = 8};

/* ---- shapes of accesses ---- */

struct bytes_device {
    uint8_t bytes[64];
    guint calls;
    uint32_t sizes; /* seen */
};

static uint64_t bytes_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct bytes_device *d = opaque;
    uint64_t value = 0;

    d->calls++;
    d->sizes |= size;
    assert_true(offset + size <= sizeof d->bytes);
    memcpy(&value, d->bytes + offset, size);
    return value;
}

static void bytes_write(void *opaque, uint64_t offset, uint64_t value,
                        uint32_t size)
{
    struct bytes_device *d = opaque;

    d->calls++;
    d->sizes |= size;
    assert_true(offset + size <= sizeof d->bytes);
    memcpy(d->bytes + offset, &value, size);
}

/* Every size at every offset behaves as if the device were bytes. */
static void accesses_of_all_shapes(void **state)
{
    struct bytes_device bytes = {{0}, 0, 0};
    struct fake device = {.id = "device", .data = &bytes};

    (void)state;
    for (uint32_t min = 1; min <= 8; min *= 2)
        for (uint32_t max = min; max <= 8; max *= 2) {
            struct tn_region_ops ops = {.size = sizeof ops,
                                        .min_access = min,
                                        .max_access = max,
                                        .read = bytes_read,
                                        .write = bytes_write};
            struct tn_machine *machine = test_machine(&device, 1, 0);
            struct tn_region *region =
                host_memory.new_mmio(device.host, "bytes", 64, &ops, &bytes);
            uint8_t model[64];

            bytes.sizes = 0;
            host_memory.map(device.host, region, NULL, 0x1000, 0);
            for (guint i = 0; i < 64; i++)
                model[i] = bytes.bytes[i] = (uint8_t)(i * 37 + 11);
            for (uint32_t size = 1; size <= 8; size++)
                for (uint64_t at = 0; at + size <= 64; at++) {
                    uint64_t value = 0, expected = 0;

                    memcpy(&expected, model + at, size);
                    assert_int_equal(host_guestmem.io_read(device.host,
                                                           0x1000 + at, size,
                                                           &value),
                                     0);
                    assert_int_equal(value, expected);
                    value = 0x0123456789abcdefu * (at + size);
                    memcpy(model + at, &value, size);
                    assert_int_equal(host_guestmem.io_write(
                                         device.host, 0x1000 + at, size, value),
                                     0);
                    assert_memory_equal(model, bytes.bytes, 64);
                }
            assert_true(!(bytes.sizes & ~(2 * max - 1)));
            assert_true(!(bytes.sizes & (min - 1)));
            test_end(machine);
        }
}

static uint64_t register_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque, (void)offset, (void)size;
    return 0x11223344;
}

static void big_endian_registers_are_swapped(void **state)
{
    static const struct tn_region_ops ops = {.size = sizeof ops,
                                             .flags = TN_REGION_BIG_ENDIAN,
                                             .min_access = 4,
                                             .max_access = 4,
                                             .read = register_read};
    struct fake device = {.id = "device"};
    struct tn_machine *machine = test_machine(&device, 1, 0);
    struct tn_region *region =
        host_memory.new_mmio(device.host, "big", 16, &ops, NULL);
    uint64_t value;
    uint8_t bytes[4];

    (void)state;
    host_memory.map(device.host, region, NULL, 0, 0);
    assert_int_equal(host_guestmem.io_read(device.host, 4, 4, &value), 0);
    assert_int_equal(value, 0x44332211);
    assert_int_equal(host_memory.dma_read(device.host, 8, bytes, 4), 0);
    assert_memory_equal(bytes, "\x11\x22\x33\x44", 4);
    assert_int_equal(host_guestmem.io_read(device.host, 16, 4, &value),
                     -EFAULT);
    assert_int_equal(host_guestmem.io_read(device.host, 14, 4, &value),
                     -EFAULT);
    test_end(machine);
}

static void unsound_regions_are_refused(void **state)
{
    struct tn_region_ops ops = plain_ops;
    struct fake device = {.id = "device"};
    struct tn_machine *machine = test_machine(&device, 1, 0);
    struct tn_region *container;

    (void)state;
    ops.max_access = 3;
    assert_null(host_memory.new_mmio(device.host, "x", 16, &ops, NULL));
    ops.max_access = 16;
    assert_null(host_memory.new_mmio(device.host, "x", 16, &ops, NULL));
    assert_null(host_memory.new_mmio(device.host, "x", 0, &plain_ops, NULL));
    assert_null(host_memory.new_ram(device.host, "x", 100, 0, NULL));
    assert_null(
        host_memory.new_ram(device.host, "x", (uint64_t)1 << 60, 0, NULL));
    container = host_memory.new_container(device.host, "c", 100);
    assert_null(host_memory.new_alias(device.host, "x", container, 50, 51));
    assert_int_equal(host_memory.map(device.host, container, container, 0, 0),
                     -EINVAL);
    test_end(machine);
}

/* ---- DMA ---- */

struct dma_device {
    struct tn_host *host;
    int32_t to_self, to_ram, read_self;
};

static void dma_register(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct dma_device *d = opaque;

    (void)offset, (void)size;
    d->to_self = host_memory.dma_write(d->host, 0x100000, &value, 4);
    d->read_self = host_memory.dma_read(d->host, 0x100010, &value, 4);
    d->to_ram = host_memory.dma_write(d->host, 0x80, &value, 8);
}

static void dma_into_own_registers_is_refused(void **state)
{
    static const struct tn_region_ops ops = {.size = sizeof ops,
                                             .min_access = 4,
                                             .max_access = 4,
                                             .write = dma_register};
    const uint32_t kinds[] = {0, TN_COMPONENT_PARALLEL};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        struct dma_device d = {.to_ram = 1};
        struct fake device = {.id = "device", .flags = kinds[i]};
        struct tn_machine *machine = test_machine(&device, 1, 1 << 20);
        struct tn_region *region;

        d.host = device.host;
        region = host_memory.new_mmio(device.host, "dma", 4096, &ops, &d);
        host_memory.map(device.host, region, NULL, 0x100000, 0);
        assert_int_equal(host_guestmem.io_write(device.host, 0x100000, 4, 1),
                         0);
        assert_int_equal(d.to_self, -EFAULT);
        assert_int_equal(d.read_self, -EFAULT);
        assert_int_equal(d.to_ram, 0);
        test_end(machine);
    }
}

static void dma_is_bounds_checked(void **state)
{
    struct fake device = {.id = "device"};
    struct tn_machine *machine = test_machine(&device, 1, 1 << 20);
    uint8_t buffer[64] = {1};
    uint64_t bytes = 64;

    (void)state;
    assert_int_equal(
        host_memory.dma_write(device.host, (1 << 20) - 32, buffer, 64),
        -EFAULT);
    assert_int_equal(
        host_memory.dma_read(device.host, UINT64_MAX - 10, buffer, 64),
        -EFAULT);
    assert_int_equal(host_memory.dma_read(device.host, 0, buffer, 0), 0);
    assert_non_null(
        host_memory.dma_map(device.host, (1 << 20) - 32, &bytes, TN_DMA_WRITE));
    assert_int_equal(bytes, 32);
    bytes = UINT64_MAX;
    assert_non_null(host_memory.dma_map(device.host, 0, &bytes, TN_DMA_READ));
    assert_int_equal(bytes, 1 << 20);
    bytes = 8;
    assert_null(host_memory.dma_map(device.host, 1 << 20, &bytes, TN_DMA_READ));
    assert_int_equal(bytes, 0);
    test_end(machine);
}

static void rom_is_read_only_but_core_can_fill_it(void **state)
{
    struct fake device = {.id = "device"};
    struct tn_machine *machine = test_machine(&device, 1, 0);
    void *memory;
    struct tn_region *rom = host_memory.new_ram(device.host, "rom", 8192,
                                                TN_RAM_READ_ONLY, &memory);
    uint64_t value = 0x55, bytes = 8;

    (void)state;
    host_memory.map(device.host, rom, NULL, 0x1000, 0);
    assert_int_equal(host_memory.dma_write(device.host, 0x1000, &value, 8), 0);
    assert_int_equal(*(uint8_t *)memory, 0);
    assert_null(host_memory.dma_map(device.host, 0x1000, &bytes, TN_DMA_WRITE));
    assert_int_equal(memory_write(machine, 0x1000, &value, 8, TRUE), 0);
    assert_int_equal(*(uint8_t *)memory, 0x55);
    test_end(machine);
}

static void writes_tell_of_code_and_dirt(void **state)
{
    struct fake device = {.id = "device"};
    struct tn_machine_desc *desc = test_desc(&device, 1, 1 << 20);
    struct tn_machine *machine;
    struct tn_backing backing = {.size = sizeof backing};
    uint8_t page[4096] = {0};
    uint64_t bytes = 16;
    void *memory;

    (void)state;
    test_add_cpus(desc, 1);
    machine = tn_machine_new(desc, NULL, NULL);
    assert_non_null(machine);
    host_guestmem.resolve(device.host, 0x3010, &backing);
    assert_int_equal(backing.last, (1 << 20) - 1);
    assert_int_equal(backing.start, 0);
    backing.page_flags[3] = TN_PAGE_CODE | TN_PAGE_CLEAN;
    backing.page_flags[5] = TN_PAGE_CLEAN;
    atomic_store(&fake_code_writes, 0);
    host_memory.dma_write(device.host, 0x2000, page, 0x1000);
    assert_int_equal(atomic_load(&fake_code_writes), 0);
    host_memory.dma_write(device.host, 0x2fff, page, 2);
    assert_int_equal(atomic_load(&fake_code_writes), 1);
    assert_int_equal(backing.page_flags[3], TN_PAGE_CODE);
    memory = host_memory.dma_map(device.host, 0x4ff8, &bytes, TN_DMA_WRITE);
    host_memory.dma_unmap(device.host, 0x4ff8, memory, 16, TN_DMA_WRITE, 8);
    assert_int_equal(backing.page_flags[5], TN_PAGE_CLEAN);
    host_memory.dma_dirty(device.host, 0x4ff8, 16);
    assert_int_equal(backing.page_flags[5], 0);
    test_end(machine);
}

/* ---- readers during changes ---- */

static atomic_int readers_stop;

static uint64_t constant_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)offset, (void)size;
    return GPOINTER_TO_UINT(opaque);
}

static const struct tn_region_ops constant_ops = {.size = sizeof constant_ops,
                                                  .min_access = 4,
                                                  .max_access = 4,
                                                  .read = constant_read};

static gpointer reader(gpointer data)
{
    struct fake *device = data;
    guint reads = 0;

    while (!atomic_load(&readers_stop)) {
        uint64_t value = 0;
        int32_t rc = host_guestmem.io_read(device->host, 0x1000, 4, &value);

        g_assert(!rc ? value >= 1 && value <= 3 : rc == -EFAULT);
        reads++;
    }
    return GUINT_TO_POINTER(reads);
}

static void readers_never_see_half_a_change(void **state)
{
    struct fake device = {.id = "device"};
    struct tn_machine *machine = test_machine(&device, 1, 0);
    GThread *threads[3];
    struct tn_region *below = host_memory.new_mmio(
        device.host, "1", 16, &constant_ops, GUINT_TO_POINTER(1));

    (void)state;
    atomic_store(&readers_stop, 0);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("reader", reader, &device);
    for (guint i = 0; i < 3000; i++) {
        struct tn_region *above = host_memory.new_mmio(
            device.host, "2", 16, &constant_ops, GUINT_TO_POINTER(2 + i % 2));

        host_memory.map(device.host, above, NULL, 0x1000, 1);
        if (i % 3 == 0)
            host_memory.map(device.host, below, NULL, 0x1000, 0);
        else if (i % 3 == 2)
            host_memory.unmap(device.host, below);
        host_memory.free_region(device.host, above);
    }
    atomic_store(&readers_stop, 1);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    test_end(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_of_all_shapes),
        cmocka_unit_test(big_endian_registers_are_swapped),
        cmocka_unit_test(unsound_regions_are_refused),
        cmocka_unit_test(dma_into_own_registers_is_refused),
        cmocka_unit_test(dma_is_bounds_checked),
        cmocka_unit_test(rom_is_read_only_but_core_can_fill_it),
        cmocka_unit_test(writes_tell_of_code_and_dirt),
        cmocka_unit_test(readers_never_see_half_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
