/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the riscv-virt board, driven through the machine's own memory
 * map.
 */
#include "tests/board/board.h"

#include <fcntl.h>
#include <libfdt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLASH1 0x22000000u
#define PLIC 0x0c000000u
#define CLINT 0x02000000u
#define FINISHER 0x00100000u
#define RTC 0x00101000u
#define UART 0x10000000u
#define FW_CFG 0x10100000u
#define RAM 0x80000000u

/* ---- flash ---- */

static void command(uint64_t address, uint32_t code)
{
    out(address, 4, code | code << 16);
}

static void flash_answers_the_query(void **state)
{
    (void)state;
    build_machine("");
    assert_int_equal(in(FLASH1, 4), 0xffffffff);
    command(FLASH1 + 0x55 * 4, 0x98);
    assert_int_equal(in(FLASH1 + 0x10 * 4, 4), 'Q' | 'Q' << 16);
    assert_int_equal(in(FLASH1 + 0x11 * 4, 4), 'R' | 'R' << 16);
    assert_int_equal(in(FLASH1 + 0x12 * 4, 2), 'Y');
    assert_int_equal(in(FLASH1 + 0x27 * 4, 1), 24);  /* 16 MiB a chip */
    assert_int_equal(in(FLASH1 + 0x2d * 4, 1), 127); /* sectors less one */
    command(FLASH1, 0x90);
    assert_int_equal(in(FLASH1, 4), 0x00890089);
    command(FLASH1, 0xff);
    assert_int_equal(in(FLASH1 + 0x40, 4), 0xffffffff);
    free_machine();
}

static void flash_is_programmed_erased_and_kept(void **state)
{
    uint32_t kept = 0;
    int fd;

    (void)state;
    assert_true(g_file_set_contents(b.vars, "", 0, NULL));
    build_machine("");
    command(FLASH1 + 0x1000, 0x40);
    out(FLASH1 + 0x1000, 4, 0x12345678);
    assert_int_equal(in(FLASH1, 4), 0x00800080);
    command(FLASH1, 0xff);
    assert_int_equal(in(FLASH1 + 0x1000, 4), 0x12345678);
    /* Bits are only cleared. */
    command(FLASH1 + 0x1000, 0x40);
    out(FLASH1 + 0x1000, 4, 0xf0f0f0f0);
    command(FLASH1, 0xff);
    assert_int_equal(in(FLASH1 + 0x1000, 4), 0x12345678 & 0xf0f0f0f0);
    /* The write buffer. */
    command(FLASH1 + 0x2000, 0xe8);
    command(FLASH1 + 0x2000, 3);
    for (guint i = 0; i < 4; i++)
        out(FLASH1 + 0x2000 + 4 * i, 4, 0x1000 + i);
    command(FLASH1 + 0x2000, 0xd0);
    assert_int_equal(in(FLASH1, 4), 0x00800080);
    command(FLASH1, 0xff);
    assert_int_equal(in(FLASH1 + 0x200c, 4), 0x1003);
    assert_int_equal(in(FLASH1 + 0x2010, 4), 0xffffffff);
    /* Erase the first sector only. */
    command(FLASH1 + 0x40000, 0x40);
    out(FLASH1 + 0x40000, 4, 0xabcd);
    command(FLASH1 + 0x1234, 0x20);
    command(FLASH1 + 0x1234, 0xd0);
    command(FLASH1, 0xff);
    assert_int_equal(in(FLASH1 + 0x1000, 4), 0xffffffff);
    assert_int_equal(in(FLASH1 + 0x40000, 4), 0xabcd);
    free_machine();
    fd = open(b.vars, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &kept, 4, 0x40000), 4);
    close(fd);
    assert_int_equal(kept, 0xabcd);
    build_machine("");
    assert_int_equal(in(FLASH1 + 0x40000, 4), 0xabcd);
    assert_int_equal(in(FLASH1 + 0x50000, 4), 0xffffffff);
    assert_int_equal(in(FLASH1 + 0x1fffffc, 4), 0xffffffff);
    free_machine();
}

static void read_only_flash_refuses(void **state)
{
    (void)state;
    build_machine("[device flash0]\nreadonly = yes\n");
    command(0x20000000, 0x40);
    out(0x20000000, 4, 0);
    assert_int_equal(in(0x20000000, 1), 0x92);
    command(0x20000000, 0x50);
    command(0x20000000, 0x20);
    command(0x20000000, 0xd0);
    assert_int_equal(in(0x20000000, 1), 0xa2);
    command(0x20000000, 0xff);
    assert_int_equal(in(0x20000000, 4), 0xffffffff);
    free_machine();
}

static uint64_t resident_pages(const char *name)
{
    const struct ram_block *block = atomic_load(&b.machine->memory.ram.blocks);
    struct stat info;

    while (block && strcmp(block->name, name) != 0)
        block = block->next;
    assert_non_null(block);
    assert_int_equal(fstat(block->fd, &info), 0);
    return (uint64_t)info.st_blocks * 512 / 4096;
}

static void blank_flash_takes_no_memory(void **state)
{
    (void)state;
    build_machine("");
    assert_int_equal(in(0x20000000, 8), UINT64_MAX);
    assert_int_equal(resident_pages("flash0/flash"), 0);
    command(0x20000000 + 0x100, 0x40);
    out(0x20000000 + 0x100, 4, 0x55);
    command(0x20000000, 0xff);
    assert_int_equal(in(0x20000100, 4), 0x55);
    assert_int_equal(in(0x20000104, 4), 0xffffffff);
    assert_int_equal(in(0x21fffff8, 8), UINT64_MAX);
    free_machine();
}

/* ---- interrupts and timers ---- */

static void plic_claims_by_priority(void **state)
{
    struct tn_irq *ten, *twelve;

    (void)state;
    build_machine("");
    ten = host_irqs.wire(b.host, "plic", 40);
    twelve = host_irqs.wire(b.host, "plic", 41);
    out(PLIC + 4 * 40, 4, 1);
    out(PLIC + 4 * 41, 4, 2);
    out(PLIC + 0x2080 + 4, 4, 3u << 8); /* hart 0, S mode */
    host_irqs.set(b.host, ten, 1);
    assert_int_equal(mip(0) & 1u << 9, 1u << 9);
    assert_int_equal(mip(1) & 1u << 9, 0);
    host_irqs.set(b.host, twelve, 1);
    assert_int_equal(in(PLIC + 0x201004, 4), 41);
    assert_int_equal(in(PLIC + 0x201004, 4), 40);
    assert_int_equal(in(PLIC + 0x201004, 4), 0);
    assert_int_equal(mip(0) & 1u << 9, 0);
    host_irqs.set(b.host, ten, 0);
    out(PLIC + 0x201004, 4, 40);
    assert_int_equal(mip(0) & 1u << 9, 0);
    out(PLIC + 0x201004, 4, 41); /* its line is still high */
    assert_int_equal(mip(0) & 1u << 9, 1u << 9);
    out(PLIC + 0x201000, 4, 2); /* threshold */
    assert_int_equal(mip(0) & 1u << 9, 0);
    free_machine();
}

static void aclint_interrupts_harts(void **state)
{
    guint waited = 0;

    (void)state;
    build_machine("");
    out(CLINT + 4, 4, 1);
    assert_int_equal(mip(1) & 1u << 3, 1u << 3);
    assert_int_equal(mip(0) & 1u << 3, 0);
    out(CLINT + 4, 4, 0);
    assert_int_equal(mip(1) & 1u << 3, 0);
    out(CLINT + 0x4008, 8, 1000); /* 100 us */
    assert_int_equal(mip(1) & 1u << 7, 0);
    clock_start(b.machine);
    while (!(mip(1) & 1u << 7) && waited++ < 100000)
        g_usleep(100);
    assert_int_equal(mip(1) & 1u << 7, 1u << 7);
    assert_true(in(CLINT + 0xbff8, 8) >= 1000);
    out(CLINT + 0x4008, 8, UINT64_MAX);
    assert_int_equal(mip(1) & 1u << 7, 0);
    clock_stop(b.machine);
    free_machine();
}

static void finisher_asks_for_the_end(void **state)
{
    (void)state;
    build_machine("");
    out(FINISHER, 4, 0x7777);
    assert_int_equal(b.machine->requests, 1u << TN_REQUEST_RESET);
    out(FINISHER, 4, 0x5555);
    assert_true(b.machine->requests & 1u << TN_REQUEST_POWEROFF);
    out(FINISHER, 4, 0x33333 | 5u << 16);
    assert_true(b.machine->requests & 1u << TN_REQUEST_FAIL);
    free_machine();
}

static void rtc_tells_the_time(void **state)
{
    uint64_t before, time;

    (void)state;
    build_machine("");
    before = (uint64_t)g_get_real_time() * 1000;
    time = in(RTC, 4);
    time |= in(RTC + 4, 4) << 32;
    assert_true(time + 1000000000u >= before);
    assert_true(time <= (uint64_t)g_get_real_time() * 1000 + 1000000000u);
    free_machine();
}

static void uart_has_its_registers(void **state)
{
    (void)state;
    build_machine("");
    out(UART + 7, 1, 0x5a); /* scratch */
    assert_int_equal(in(UART + 7, 1), 0x5a);
    assert_int_equal(in(UART + 5, 1) & 0x60, 0x60); /* nothing to send */
    out(UART + 3, 1, 0x80);                         /* divisor latch */
    out(UART, 1, 0x34);
    out(UART + 1, 1, 0x12);
    assert_int_equal(in(UART, 1), 0x34);
    out(UART + 3, 1, 0x03);
    out(UART + 4, 1, 0x10); /* loop back */
    out(UART, 1, 'x');
    assert_int_equal(in(UART + 5, 1) & 1, 1);
    assert_int_equal(in(UART, 1), 'x');
    free_machine();
}

/* ---- firmware configuration ---- */

static void select_key(uint32_t key)
{
    out(FW_CFG + 8, 2, (key >> 8 | key << 8) & 0xffff);
}

static void fw_cfg_items_are_read(void **state)
{
    (void)state;
    build_machine("[device fw-cfg]\ncmdline = hello\n");
    select_key(0);
    assert_int_equal(in(FW_CFG, 1), 'Q');
    assert_int_equal(in(FW_CFG, 2), 'E' | 'M' << 8);
    assert_int_equal(in(FW_CFG, 8), 'U'); /* zeroes after the end */
    select_key(5);
    assert_int_equal(in(FW_CFG, 2), 2); /* CPUs */
    select_key(0x15);
    assert_int_equal(in(FW_CFG, 4), 'h' | 'e' << 8 | 'l' << 16 | 'l' << 24);
    select_key(0x3ffe);
    assert_int_equal(in(FW_CFG, 8), 0);
    assert_int_equal(in(FW_CFG + 16, 8), GUINT64_FROM_BE(0x51454d5520434647));
    free_machine();
}

static void fw_cfg_files_come_by_dma(void **state)
{
    g_autofree char *more = g_strdup_printf(
        "[device fw-cfg]\nfiles = opt/org.example/a=%s\n", b.file);
    uint32_t access[4], control = 1;
    uint8_t directory[68];
    char start[10] = "";

    (void)state;
    build_machine(more);
    access[0] = GUINT32_TO_BE(0x19u << 16 | 0x8 | 0x2); /* select, read */
    access[1] = GUINT32_TO_BE(sizeof directory);
    access[2] = 0;
    access[3] = GUINT32_TO_BE(RAM + 0x100);
    host_memory.dma_write(b.host, RAM, access, sizeof access);
    out(FW_CFG + 16, 4, 0);
    out(FW_CFG + 20, 4, GUINT32_TO_BE(RAM));
    host_memory.dma_read(b.host, RAM, &control, 4);
    assert_int_equal(control, 0);
    host_memory.dma_read(b.host, RAM + 0x100, directory, sizeof directory);
    assert_int_equal(directory[3], 1);
    assert_int_equal(directory[9], 0x20);
    assert_string_equal((char *)directory + 12, "opt/org.example/a");
    access[0] = GUINT32_TO_BE(0x20u << 16 | 0x8 | 0x2);
    access[1] = GUINT32_TO_BE(9);
    host_memory.dma_write(b.host, RAM, access, sizeof access);
    out(FW_CFG + 16, 8, GUINT64_TO_BE((uint64_t)RAM));
    host_memory.dma_read(b.host, RAM + 0x100, start, 9);
    assert_string_equal(start, "[machine]");
    /* Into its own registers: refused, and said so. */
    access[3] = GUINT32_TO_BE(FW_CFG);
    host_memory.dma_write(b.host, RAM, access, sizeof access);
    out(FW_CFG + 16, 8, GUINT64_TO_BE((uint64_t)RAM));
    host_memory.dma_read(b.host, RAM, &control, 4);
    assert_int_equal(GUINT32_FROM_BE(control), 1);
    free_machine();
}

/* ---- the whole ---- */

static void device_tree_is_what_firmware_expects(void **state)
{
    static const char *const paths[] = {"/cpus/cpu@0",
                                        "/cpus/cpu@1",
                                        "/memory@80000000",
                                        "/soc/serial@10000000",
                                        "/soc/interrupt-controller@c000000",
                                        "/soc/clint@2000000",
                                        "/soc/rtc@101000",
                                        "/soc/flash@20000000",
                                        "/soc/virtio_mmio@10001000"};
    GBytes *tree;
    const void *blob;
    int length;

    (void)state;
    build_machine("");
    tree = tn_machine_device_tree(b.machine, NULL);
    blob = g_bytes_get_data(tree, NULL);
    assert_int_equal(fdt_check_full(blob, g_bytes_get_size(tree)), 0);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        assert_true(fdt_path_offset(blob, paths[i]) > 0);
    assert_string_equal(fdt_getprop(blob, 0, "compatible", &length),
                        "riscv-virtio");
    assert_string_equal(fdt_getprop(blob, fdt_path_offset(blob, "/chosen"),
                                    "stdout-path", &length),
                        "/soc/serial@10000000");
    assert_non_null(fdt_getprop(blob, fdt_path_offset(blob, "/cpus"),
                                "timebase-frequency", &length));
    g_bytes_unref(tree);
    free_machine();
}

static void state_of_all_parts_comes_back(void **state)
{
    struct tn_error error = TN_ERROR_INIT;
    GBytes *saved, *again;

    (void)state;
    build_machine("");
    out(UART + 7, 1, 0x77);
    out(PLIC + 4 * 40, 4, 3);
    command(FLASH1, 0x90);
    saved = tn_machine_save_state(b.machine, &error);
    if (error.text)
        print_message("%s\n", error.text);
    assert_non_null(saved);
    out(UART + 7, 1, 0);
    assert_int_equal(tn_machine_load_state(b.machine, saved, &error), 0);
    assert_int_equal(in(UART + 7, 1), 0x77);
    assert_int_equal(in(PLIC + 4 * 40, 4), 3);
    assert_int_equal(in(FLASH1, 4), 0x00890089);
    again = tn_machine_save_state(b.machine, NULL);
    /* Counters of the harts go on: only the form must be the same. */
    assert_int_equal(g_bytes_get_size(saved), g_bytes_get_size(again));
    g_bytes_unref(saved);
    g_bytes_unref(again);
    free_machine();
}

/* Anything at any register of anything: nothing breaks. */
static void random_accesses_are_harmless(void **state)
{
    static const struct {
        uint64_t start, bytes;
    } windows[] = {{FINISHER, 0x1000},      {RTC, 0x1000},
                   {CLINT, 0x10000},        {PLIC, 0x2000},
                   {PLIC + 0x2000, 0x1000}, {PLIC + 0x200000, 0x8000},
                   {UART, 0x100},           {0x10001000, 0x8000},
                   {FLASH1, 0x100},         {FLASH1 + 0x1ffff00, 0x200},
                   {0x30000000, 0x10000},   {FW_CFG, 0x18},
                   {0x1000, 0x1000}};
    g_autoptr(GRand) random = g_rand_new_with_seed(99);

    (void)state;
    build_machine("[device entropy]\ncomponent = virtio-rng\n");
    clock_start(b.machine);
    for (guint i = 0; i < 300000; i++) {
        guint w = (guint)g_rand_int_range(random, 0, G_N_ELEMENTS(windows));
        uint32_t bytes = 1u << g_rand_int_range(random, 0, 4);
        uint64_t address =
            windows[w].start +
            (uint64_t)g_rand_int_range(random, 0, (gint32)windows[w].bytes);
        uint64_t value = g_rand_int(random);

        if (g_rand_int_range(random, 0, 4))
            address &= ~(uint64_t)(bytes - 1);
        if (g_rand_int_range(random, 0, 3) == 0)
            value &= 0xff;
        if (g_rand_boolean(random))
            host_guestmem.io_write(b.host, address, bytes, value << 32 | value);
        else
            host_guestmem.io_read(b.host, address, bytes, &value);
        if (i % 50000 == 49999)
            for (guint j = 0; j < b.machine->instances->len; j++)
                instance_reset(g_ptr_array_index(b.machine->instances, j),
                               TN_RESET_WARM);
    }
    clock_stop(b.machine);
    free_machine();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flash_answers_the_query),
        cmocka_unit_test(flash_is_programmed_erased_and_kept),
        cmocka_unit_test(read_only_flash_refuses),
        cmocka_unit_test(blank_flash_takes_no_memory),
        cmocka_unit_test(plic_claims_by_priority),
        cmocka_unit_test(aclint_interrupts_harts),
        cmocka_unit_test(finisher_asks_for_the_end),
        cmocka_unit_test(rtc_tells_the_time),
        cmocka_unit_test(uart_has_its_registers),
        cmocka_unit_test(fw_cfg_items_are_read),
        cmocka_unit_test(fw_cfg_files_come_by_dma),
        cmocka_unit_test(device_tree_is_what_firmware_expects),
        cmocka_unit_test(state_of_all_parts_comes_back),
        cmocka_unit_test(random_accesses_are_harmless),
    };

    return cmocka_run_group_tests(tests, board_setup, board_teardown);
}
