/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory protection finer than a page, under code that has run
 * before: an instruction at a time may be executable. Under each accelerator.
 */
#include "tests/board/board.h"

#define RAM 0x80000000u
#define TRAP (RAM + 0x80u)
#define VICTIM (RAM + 0x100u)
#define SHARED (RAM + 0x100000u)

/* Twice calls the victim; before the second time its first instruction alone
 * is left executable, by NA4 before NAPOT, both locked. */
static const uint32_t start[] = {
    /* clang-format off */
    0x00000317, /* auipc t1,0x0 */
    0x08030313, /* add t1,t1,128 */
    0x30531073, /* csrw mtvec,t1 */
    0x00000513, /* li a0,0 */
    0x0f0000ef, /* jal 100 */
    0x00000297, /* auipc t0,0x0 */
    0x0ec28293, /* add t0,t0,236 */
    0x0022d293, /* srl t0,t0,0x2 */
    0x3b029073, /* csrw pmpaddr0,t0 */
    0x01f2e293, /* or t0,t0,31 */
    0x3b129073, /* csrw pmpaddr1,t0 */
    0x000022b7, /* lui t0,0x2 */
    0x8942829b, /* addw t0,t0,-1900 */
    0x000083b7, /* lui t2,0x8 */
    0x007282b3, /* add t0,t0,t2 */
    0x3a029073, /* csrw pmpcfg0,t0 */
    0x0c0000ef, /* jal 100 */
    /* clang-format on */
};
static const uint32_t trap[] = {
    /* clang-format off */
    0x400804b7, /* lui s1,0x40080 */
    0x00149493, /* sll s1,s1,0x1 */
    0x342022f3, /* csrr t0,mcause */
    0x0054b023, /* sd t0,0(s1) */
    0x341022f3, /* csrr t0,mepc */
    0x0054b423, /* sd t0,8(s1) */
    0x00a4b823, /* sd a0,16(s1) */
    0x00005337, /* lui t1,0x5 */
    0x55530313, /* add t1,t1,1365 */
    0x001003b7, /* lui t2,0x100 */
    0x0063a023, /* sw t1,0(t2) */
    0x10500073, /* wfi */
    0xffdff06f, /* j ac <here> */
    /* clang-format on */
};
static const uint32_t victim[] = {
    0x00150513, /* addi a0, a0, 1 */
    0x00150513, /* addi a0, a0, 1 */
    0x00008067, /* ret */
};

static void run(const char *accel)
{
    const uint64_t pc = RAM;
    uint64_t found[3] = {0};
    g_autofree char *plugin = g_strdup_printf(
        "%s/plugins/accel-%s/.libs/accel-%s.so",
        g_getenv("TENON_TOP_BUILDDIR"), accel, accel);

    if (!g_file_test(plugin, G_FILE_TEST_EXISTS)) {
        print_message("skipped: accel-%s is not built\n", accel);
        skip();
    }
    b.accel = accel;
    build_machine("");
    host_memory.dma_write(b.host, RAM, start, sizeof start);
    host_memory.dma_write(b.host, TRAP, trap, sizeof trap);
    host_memory.dma_write(b.host, VICTIM, victim, sizeof victim);
    for (guint i = 0; i < b.machine->vcpus.n; i++)
        b.machine->target.write_reg(b.machine->target_instance->self,
                                    b.machine->vcpus.cpus[i].cpu, "pc", &pc,
                                    sizeof pc);
    assert_int_equal(tn_machine_resume(b.machine, NULL), 0);
    assert_int_equal(tn_machine_wait(b.machine, NULL), TN_REQUEST_POWEROFF);
    host_memory.dma_read(b.host, SHARED, found, sizeof found);
    assert_int_equal(found[0], 1); /* instruction access fault */
    assert_int_equal(found[1], VICTIM + 4);
    assert_int_equal(found[2], 3);
    free_machine();
}

static void interp_executes_what_is_allowed(void **state)
{
    (void)state;
    run("interp");
}

static void tcg_executes_what_is_allowed(void **state)
{
    (void)state;
    run("tcg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interp_executes_what_is_allowed),
        cmocka_unit_test(tcg_executes_what_is_allowed),
    };

    return cmocka_run_group_tests(tests, board_setup, board_teardown);
}
