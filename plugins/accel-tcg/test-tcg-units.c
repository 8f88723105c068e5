/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens around translated code: memory, devices, exceptions, changed
 * code, links between units, interrupts. The test target's code is bytes that
 * the "decoder" below turns into IR, two bytes an instruction:
 *   01 n  x0 += n              02 n  jump to page n (two pages: 02 n, at its
 *   03 n  x1 = load64(x2 + n)        start)
 *   04 n  store8(x3) = x4      05 n  exception n
 *   06 n  x0 += n; jump to x5  07 n  halt
 *   08 n  x1 = load64(x2), reserved
 *   09 n  x6 = store64(x2) = x4 failed; x7 += x6
 */
#include "test-frame.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OP_ADD = 1, OP_JUMP, OP_LOAD, OP_STORE, OP_TRAP, OP_JUMP_REG, OP_HALT,
       OP_RESERVE, OP_CONDITIONAL };

#define CODE 0x2000ull

static void add_to_x0(struct tn_ir_unit *u, uint32_t n)
{
    uint32_t a = tn_get(u, TN_I64, REG_INT), b = tn_const(u, TN_I64, n);

    a = tn_op2(u, TN_OP_ADD, TN_I64, a, b);
    tn_set(u, TN_I64, REG_INT, a);
}

/* One instruction; true if it ends the unit. */
static bool decode_one(struct tn_ir_unit *u, uint64_t pc, uint32_t op,
                       uint32_t n)
{
    uint32_t a, b;

    tn_insn(u, pc, 2);
    switch (op) {
    case OP_ADD:
        add_to_x0(u, n);
        return false;
    case OP_JUMP:
        tn_exit(u, TN_OP_EXIT, (uint64_t)n << PAGE_BITS, TN_HINT_JUMP, 0);
        return true;
    case OP_LOAD:
        a = tn_get(u, TN_I64, REG_INT + 2);
        b = tn_load(u, TN_I64, a, TN_MO_64 | TN_MO_DISP((int32_t)n));
        tn_set(u, TN_I64, REG_INT + 1, b);
        return false;
    case OP_STORE:
        a = tn_get(u, TN_I64, REG_INT + 3);
        b = tn_get(u, TN_I64, REG_INT + 4);
        tn_store(u, TN_I64, a, b, TN_MO_8);
        return false;
    case OP_JUMP_REG:
        add_to_x0(u, n);
        a = tn_get(u, TN_I64, REG_INT + 5);
        tn_ir(u, TN_OP_EXIT_REG, TN_VOID, TN_HINT_JUMP, a, 0, 0);
        return true;
    case OP_RESERVE:
        a = tn_get(u, TN_I64, REG_INT + 2);
        b = tn_ir(u, TN_OP_LOAD_EX, TN_I64, 0, a, 0, TN_MO_64);
        tn_set(u, TN_I64, REG_INT + 1, b);
        return false;
    case OP_CONDITIONAL:
        a = tn_get(u, TN_I64, REG_INT + 2);
        b = tn_get(u, TN_I64, REG_INT + 4);
        b = tn_ir(u, TN_OP_STORE_EX, TN_I64, 0, a, b, TN_MO_64);
        tn_set(u, TN_I64, REG_INT + 6, b);
        a = tn_get(u, TN_I64, REG_INT + 7);
        tn_set(u, TN_I64, REG_INT + 7,
               tn_op2(u, TN_OP_ADD, TN_I64, a, b));
        return false;
    case OP_HALT:
        tn_exit(u, TN_OP_EXIT_HALT, pc + 2, 0, 0);
        return true;
    default:
        tn_ir(u, TN_OP_EXIT_TRAP, TN_I64, 0, n, TN_NONE, 0);
        return true;
    }
}

static int32_t decode(struct frame *f, struct tn_decode *d)
{
    uint64_t pc = d->pc;
    uint8_t code[2];

    (void)f;
    for (uint32_t i = 0; i < d->max_insns; i++, pc += 2) {
        if (d->fetch(d->opaque, pc, 2, code) < 0) {
            if (i == 0) {
                d->fault_va = pc;
                return -14;
            }
            break;
        }
        d->unit->n_bytes = (uint32_t)(pc + 2 - d->pc);
        if (decode_one(d->unit, pc, code[0], code[1]))
            return 0;
    }
    tn_exit(d->unit, TN_OP_EXIT, pc, TN_HINT_JUMP, 0);
    return 0;
}

static struct frame *start(bool exact)
{
    struct frame *f = frame_new();

    f->decode = decode;
    f->needs_sync = !exact;
    frame_start(f);
    return f;
}

static void put(struct frame *f, uint64_t at, const char *code, size_t n)
{
    memcpy(f->ram + at, code, n);
}
#define PUT(f, at, code) put(f, at, code, sizeof(code) - 1)

static void units_run_and_trap(void **state)
{
    struct frame *f = start(false);

    (void)state;
    PUT(f, CODE, "\1\5\1\7\5\x21");
    frame_run(f, CODE);
    assert_int_equal(f->state->x[0], 12);
    assert_int_equal(f->exception.code, 0x21);
    assert_int_equal(f->exception.pc, CODE + 4);
    frame_free(f);
}

static void a_faulting_load_leaves_everything_before_it(void **state)
{
    static struct test_page pages[] = {{CODE, CODE, 7}, {0x5000, 0x5000, 1}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 2;
    PUT(f, CODE, "\1\1\3\0\1\2\3\x10\1\4\5\1");
    for (int i = 0; i < 3; i++) {
        f->state->x[0] = 0;
        f->state->x[1] = 99;
        f->state->x[2] = i == 0 ? 0x9000 : i == 1 ? 0x5ff0 : 0x5000;
        frame_run(f, CODE);
        assert_int_equal(f->exception.code, i == 2 ? 1 : 100);
        assert_int_equal(f->state->x[0], i == 0 ? 1 : i == 1 ? 3 : 7);
        assert_int_equal(f->exception.pc, CODE + (i == 0   ? 2
                                                  : i == 1 ? 6
                                                           : 10));
        assert_int_equal(f->state->x[1], i == 0 ? 99 : 0);
    }
    assert_int_equal(f->exception.value, 0);
    frame_free(f);
}

static void accesses_cross_pages_and_reach_devices(void **state)
{
    static struct test_page pages[] = {
        {CODE, CODE, 7}, {0x5000, 0x7000, 1}, {0x6000, 0x9000, 1},
        {0x8000, TEST_IO, 3}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 4;
    PUT(f, CODE, "\3\0\5\1");
    memcpy(f->ram + 0x7ffc, "\1\2\3\4", 4);
    memcpy(f->ram + 0x9000, "\5\6\7\10", 4);
    f->state->x[2] = 0x5ffc;
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 0x0807060504030201);
    f->state->x[2] = 0x8010;
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 0x1122334455667788 + TEST_IO + 0x10);
    assert_int_equal(f->n_io, 1);
    frame_free(f);
}

static void a_changed_mapping_is_seen_after_a_flush(void **state)
{
    static struct test_page pages[] = {{CODE, CODE, 7}, {0x5000, 0x7000, 3}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 2;
    PUT(f, CODE, "\3\0\5\1");
    f->ram[0x7000] = 1;
    f->ram[0x9000] = 2;
    f->state->x[2] = 0x5000;
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 1);
    pages[1].pa = 0x9000;
    f->cpu->services->tlb_flush(f->cpu, 0x5000, 4096, TN_SPACE_ALL);
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 2);
    pages[1].pa = 0x7000;
    f->cpu->services->set_space(f->cpu, 7); /* another space: own entries */
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 1);
    f->cpu->services->set_space(f->cpu, 0);
    frame_run(f, CODE);
    assert_int_equal(f->state->x[1], 2);
    frame_free(f);
}

/* A jump to another page is linked; the link must not survive a new mapping
 * of that page. */
static void links_across_pages_follow_the_mapping(void **state)
{
    static struct test_page pages[] = {{CODE, CODE, 7}, {0x6000, 0x6000, 7}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 2;
    PUT(f, CODE, "\1\1\2\6");
    PUT(f, 0x6000, "\1\x10\5\1");
    PUT(f, 0x8000, "\1\x20\5\2");
    for (int i = 0; i < 4; i++)
        frame_run(f, CODE);
    assert_int_equal(f->state->x[0], 4 * 0x11);
    f->state->x[0] = 0;
    pages[1].pa = 0x8000;
    f->cpu->services->tlb_flush(f->cpu, 0x6000, 4096, 0);
    frame_run(f, CODE);
    assert_int_equal(f->state->x[0], 0x21);
    assert_int_equal(f->exception.code, 2);
    frame_free(f);
}

static void indirect_jumps_go_where_the_register_says(void **state)
{
    struct frame *f = start(false);

    (void)state;
    PUT(f, CODE, "\6\1");
    PUT(f, 0x4000, "\5\x40");
    PUT(f, 0x14000, "\5\x41"); /* the same index in the jump cache */
    for (int i = 0; i < 8; i++) {
        f->state->x[5] = i & 1 ? 0x14000 : 0x4000;
        frame_run(f, CODE);
        assert_int_equal(f->exception.code, 0x40 + (i & 1));
    }
    frame_free(f);
}

static void code_written_by_a_device_is_not_used_again(void **state)
{
    struct frame *f = start(false);

    (void)state;
    PUT(f, CODE, "\1\1\2\6");
    PUT(f, 0x6000, "\1\x10\5\1");
    for (int i = 0; i < 3; i++)
        frame_run(f, CODE);
    assert_true(f->page_flags[6] & TN_PAGE_CODE);
    f->ram[0x6001] = 0x30;
    f->accel->code_written(f->tcg, 0x6001, 1);
    f->state->x[0] = 0;
    frame_run(f, CODE);
    assert_int_equal(f->state->x[0], 0x31);
    frame_free(f);
}

static void code_written_by_the_guest_is_not_used_again(void **state)
{
    struct frame *f = start(false);

    (void)state;
    PUT(f, CODE, "\4\0\2\6");
    PUT(f, 0x6000, "\1\x10\5\1");
    for (int i = 0; i < 5; i++) {
        f->state->x[3] = 0x6001;
        f->state->x[4] = (uint64_t)i;
        f->state->x[0] = 0;
        frame_run(f, CODE);
        assert_int_equal(f->state->x[0], i);
    }
    frame_free(f);
}

/* On a target without a fetch barrier the next instruction is the new one. */
static void a_unit_that_writes_itself_is_exact(void **state)
{
    struct frame *f = start(true);

    (void)state;
    PUT(f, CODE, "\1\1\4\0\1\1\5\1");
    f->state->x[3] = CODE + 5;
    for (uint64_t i = 2; i < 20; i++) {
        f->state->x[4] = i;
        f->state->x[0] = 0;
        frame_run(f, CODE);
        assert_int_equal(f->state->x[0], 1 + i);
        assert_int_equal(f->exception.pc, CODE + 6);
    }
    frame_free(f);
}

static void an_instruction_may_cross_pages(void **state)
{
    static struct test_page pages[] = {{0x2000, 0x2000, 7},
                                       {0x3000, 0x5000, 7}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 2;
    PUT(f, 0x2fff, "\1");
    PUT(f, 0x5000, "\x44\5\1");
    PUT(f, 0x7000, "\x55\5\2");
    for (int i = 0; i < 3; i++)
        frame_run(f, 0x2fff);
    assert_int_equal(f->state->x[0], 3 * 0x44);
    f->state->x[0] = 0;
    pages[1].pa = 0x7000;
    f->cpu->services->tlb_flush(f->cpu, 0x3000, 4096, 0);
    frame_run(f, 0x2fff);
    assert_int_equal(f->state->x[0], 0x55);
    assert_int_equal(f->exception.code, 2);
    frame_free(f);
}

static void a_fetch_fault_is_an_exception_at_its_address(void **state)
{
    static struct test_page pages[] = {{CODE, CODE, 7}, {0x6000, 0x6000, 3}};
    struct frame *f = start(false);

    (void)state;
    f->pages = pages;
    f->n_pages = 2;
    PUT(f, CODE, "\1\1\2\6");
    frame_run(f, CODE);
    assert_int_equal(f->exception.code, 102);
    assert_int_equal(f->exception.pc, 0x6000);
    assert_int_equal(f->state->x[0], 1);
    frame_free(f);
}

/* Protection finer than a page, that comes after the code has run: in units of
 * two instructions, linked to each other, and in one unit. */
static void a_unit_ends_where_execution_is_forbidden(void **state)
{
    static const uint64_t lengths[] = {48, 2};

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct frame *f = frame_new();

        f->decode = decode;
        f->max_insns = lengths[i];
        frame_start(f);
        PUT(f, CODE, "\1\1\1\1\1\1\1\1\5\x21");
        for (uint32_t run = 0; run < 3; run++) {
            f->state->x[0] = 0;
            frame_run(f, CODE);
            assert_int_equal(f->exception.code, 0x21);
            assert_int_equal(f->state->x[0], 4);
        }
        for (uint32_t run = 0; run < 3; run++) {
            f->fence = run == 2 ? CODE + 6 : CODE + 4;
            f->cpu->services->tlb_flush(f->cpu, 0, 0, TN_SPACE_ALL);
            f->state->x[0] = 0;
            frame_run(f, CODE);
            assert_int_equal(f->exception.code, 102);
            assert_int_equal(f->exception.pc, f->fence);
            assert_int_equal(f->state->x[0], (f->fence - CODE) / 2);
        }
        f->fence = 0;
        f->cpu->services->tlb_flush(f->cpu, 0, 0, TN_SPACE_ALL);
        f->state->x[0] = 0;
        frame_run(f, CODE);
        assert_int_equal(f->state->x[0], 4);
        frame_free(f);
    }
}

static void halting_ends_with_an_interrupt(void **state)
{
    struct frame *f = start(false);

    (void)state;
    PUT(f, CODE, "\1\1\7\0\5\1");
    f->state->pc = CODE;
    f->irq = TN_IRQ_WAKE; /* not taken: goes on after the halt */
    assert_int_equal(f->accel->run(f->tcg, f->cpu), TN_RUN_STOPPED);
    assert_int_equal(f->exception.pc, CODE + 4);
    f->irq = TN_IRQ_TAKE;
    f->state->pc = CODE;
    assert_int_equal(f->accel->run(f->tcg, f->cpu), TN_RUN_STOPPED);
    assert_int_equal(f->n_irqs, 1);
    frame_free(f);
}

static void without_links_the_same_happens(void **state)
{
    struct frame *f = frame_new();

    (void)state;
    f->decode = decode;
    f->no_chain = true;
    f->max_insns = 1;
    f->flush_every = 3;
    frame_start(f);
    PUT(f, CODE, "\1\1\1\1\1\1\2\6");
    PUT(f, 0x6000, "\1\x10\5\1");
    for (int i = 0; i < 10; i++)
        frame_run(f, CODE);
    assert_int_equal(f->state->x[0], 10 * 0x13);
    frame_free(f);
}

/* Twice: the first time through C, then in line. */
static void a_reservation_holds_until_memory_changes(void **state)
{
    struct frame *f = start(false);
    uint64_t seen;

    (void)state;
    PUT(f, CODE, "\x8\0\x9\0\x9\0\5\1");     /* the second has none */
    PUT(f, CODE + 64, "\x8\0\4\0\x9\0\5\1"); /* a store between */
    f->state->x[2] = 0x5000;
    f->state->x[3] = 0x5004;
    for (uint64_t i = 1; i < 4; i++) {
        f->state->x[4] = i;
        f->state->x[7] = 0;
        frame_run(f, CODE);
        assert_int_equal(f->state->x[7], 1); /* one of two failed */
        assert_int_equal(f->state->x[6], 1);
        memcpy(&seen, f->ram + 0x5000, 8);
        assert_int_equal(seen, i);
        frame_run(f, CODE + 64);
        assert_int_equal(f->state->x[6], 1);
        memcpy(&seen, f->ram + 0x5000, 8);
        assert_int_equal(seen, i << 32 | i);
    }
    frame_free(f);
}

static bool file_has(const char *path, const char *text)
{
    char buffer[65536];
    FILE *f = fopen(path, "r");
    size_t n;

    assert_non_null(f);
    n = fread(buffer, 1, sizeof buffer - 1, f);
    buffer[n] = 0;
    fclose(f);
    return strstr(buffer, text) != NULL;
}

/* AES_SUB has an integer type and no one to do it; the unit's other
 * instructions run. */
static int32_t decode_unknown(struct frame *f, struct tn_decode *d)
{
    uint64_t pc = d->pc;

    (void)f;
    for (uint32_t i = 0; i < d->max_insns; i++, pc += 2) {
        tn_insn(d->unit, pc, 2);
        d->unit->n_bytes += 2;
        add_to_x0(d->unit, 1);
        if (pc == CODE + 4) {
            uint32_t v = tn_get(d->unit, TN_I64, REG_INT + 1);

            v = tn_ir(d->unit, TN_OP_AES_SUB, TN_I64, 0, v, 0, 0);
            tn_set(d->unit, TN_I64, REG_INT + 1, v);
        }
    }
    tn_exit(d->unit, TN_OP_EXIT, pc, TN_HINT_JUMP, 0);
    return 0;
}

static void an_operation_nobody_can_do_is_refused(void **state)
{
    struct frame *f = frame_new();

    (void)state;
    f->decode = decode_unknown;
    frame_start(f);
    f->state->pc = CODE;
    f->state->x[1] = 99;
    assert_int_equal(f->accel->run(f->tcg, f->cpu), TN_RUN_FAILED);
    assert_int_equal(f->state->x[0], 2);
    assert_int_equal(f->state->x[1], 99);
    assert_int_equal(f->state->pc, CODE + 4);
    frame_free(f);
}

static void the_log_lists_guest_ir_and_host_code(void **state)
{
    char path[] = "/tmp/tenon-test-log-XXXXXX";
    int fd = mkstemp(path);
    struct frame *f = frame_new();

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    f->decode = decode;
    f->log_file = path;
    frame_start(f);
    PUT(f, CODE, "\1\5\5\1");
    frame_run(f, CODE);
    assert_true(file_has(path, "unit 0x2000 key 0x0: 2 instructions"));
    assert_true(file_has(path, "2000: 01 05"));
    assert_true(file_has(path, "2002: 05 01"));
    assert_true(file_has(path, "EXIT_TRAP"));
    assert_true(file_has(path, ": 41 83 ")); /* the poll: cmp [r14-128], 0 */
#ifdef HAVE_CAPSTONE
    assert_true(file_has(path, "cmp dword ptr [r14"));
#endif
    frame_free(f);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_run_and_trap),
        cmocka_unit_test(a_faulting_load_leaves_everything_before_it),
        cmocka_unit_test(accesses_cross_pages_and_reach_devices),
        cmocka_unit_test(a_changed_mapping_is_seen_after_a_flush),
        cmocka_unit_test(links_across_pages_follow_the_mapping),
        cmocka_unit_test(indirect_jumps_go_where_the_register_says),
        cmocka_unit_test(code_written_by_a_device_is_not_used_again),
        cmocka_unit_test(code_written_by_the_guest_is_not_used_again),
        cmocka_unit_test(a_unit_that_writes_itself_is_exact),
        cmocka_unit_test(an_instruction_may_cross_pages),
        cmocka_unit_test(a_fetch_fault_is_an_exception_at_its_address),
        cmocka_unit_test(a_unit_ends_where_execution_is_forbidden),
        cmocka_unit_test(halting_ends_with_an_interrupt),
        cmocka_unit_test(without_links_the_same_happens),
        cmocka_unit_test(a_reservation_holds_until_memory_changes),
        cmocka_unit_test(an_operation_nobody_can_do_is_refused),
        cmocka_unit_test(the_log_lists_guest_ir_and_host_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
