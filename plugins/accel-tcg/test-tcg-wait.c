/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which units are loops that wait for another vCPU, and that one of them runs
 * as any loop does.
 */
#include "test-frame.h"

#include <string.h>
#include <time.h>

#define CODE 0x2000ull
#define DONE 0x2100ull
#define FLAG 0x8000ull

/* What a unit of the test does beside "x1 = load(x2); if x1 cc 0 go round". */
struct shape {
    bool no_load, moves, stores, elsewhere, is_long, counts;
};

static void make_unit(struct tn_ir_unit *u, const struct shape *s)
{
    uint64_t to = s->elsewhere ? CODE + 64 : CODE;
    uint32_t a, b, n = s->is_long ? 9 : 0, round;

    for (uint32_t i = 0; i < n; i++)
        tn_insn(u, CODE, 2);
    tn_insn(u, CODE, 2);
    a = tn_get(u, TN_I64, REG_INT + 2);
    b = s->no_load ? a : tn_load(u, TN_I64, a, TN_MO_64);
    tn_set(u, TN_I64, REG_INT + 1, b);
    tn_ir(u, TN_OP_FENCE, TN_VOID, 0, TN_FENCE_READ, TN_FENCE_READ, 0);
    if (s->moves)
        tn_set(u, TN_I64, REG_INT + 2,
               tn_op2(u, TN_OP_ADD, TN_I64, a, tn_const(u, TN_I64, 8)));
    if (s->stores)
        tn_store(u, TN_I64, a, b, TN_MO_8);
    round = tn_label(u);
    a = tn_get(u, TN_I64, REG_INT + 1); /* what this round loaded */
    tn_brcc(u, TN_I64, TN_CC_EQ, a, tn_const(u, TN_I64, 0), round);
    if (s->counts) { /* only on the way out: set somewhere, read there */
        a = tn_get(u, TN_I64, REG_INT + 3);
        tn_set(u, TN_I64, REG_INT + 3,
               tn_op2(u, TN_OP_ADD, TN_I64, a, tn_const(u, TN_I64, 1)));
    }
    tn_exit(u, TN_OP_EXIT, DONE, TN_HINT_JUMP, 0);
    tn_place(u, round);
    tn_exit(u, TN_OP_EXIT, to, TN_HINT_JUMP, 0);
    u->n_bytes = 2;
}

static bool waits(struct shape s)
{
    struct tn_ir_op ops[64];
    struct tn_ir_unit u = {.size = sizeof u, .ops = ops, .max_ops = 64,
                           .pc = CODE};
    const struct tn_target_info info = {.size = sizeof info, .regs = test_regs,
                                        .n_regs = N_REGS};

    make_unit(&u, &s);
    assert_false(u.overflow);
    return unit_waits(&u, &info);
}

static void a_loop_of_one_load_waits(void **state)
{
    (void)state;
    assert_true(waits((struct shape){0}));
}

static void a_loop_without_a_load_does_not_wait(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.no_load = true}));
}

static void a_loop_whose_address_moves_does_not_wait(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.moves = true}));
}

static void a_loop_that_stores_does_not_wait(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.stores = true}));
}

static void a_loop_that_counts_does_not_wait(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.counts = true}));
}

static void a_branch_to_elsewhere_does_not_wait(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.elsewhere = true}));
}

static void a_long_loop_is_left_alone(void **state)
{
    (void)state;
    assert_false(waits((struct shape){.is_long = true}));
}

/* ---- running one ---- */

static int32_t decode(struct frame *f, struct tn_decode *d)
{
    const struct shape s = {0};

    (void)f;
    if (d->pc == CODE) {
        make_unit(d->unit, &s);
        return 0;
    }
    tn_insn(d->unit, d->pc, 2);
    tn_ir(d->unit, TN_OP_EXIT_TRAP, TN_I64, 0, 5, TN_NONE, 0);
    d->unit->n_bytes = 2;
    return 0;
}

/* Let the loop go on after some rounds; after a minute in any case. */
static void *other_vcpu(void *opaque)
{
    struct frame *f = opaque;
    struct tcg_cpu *tc = tcg_cpu_of(f->cpu);
    const struct timespec moment = {0, 1000000};

    for (uint32_t i = 0; i < 60000; i++) {
        if (__atomic_load_n(&tc->n_wait_rounds, __ATOMIC_RELAXED) > 1000)
            break;
        nanosleep(&moment, NULL);
    }
    __atomic_store_n((uint64_t *)(void *)(f->ram + FLAG), 1, __ATOMIC_RELEASE);
    return NULL;
}

static void a_waiting_loop_ends_when_memory_changes(void **state)
{
    struct frame *f = frame_new();
    pthread_t thread;

    (void)state;
    f->decode = decode;
    frame_start(f);
    f->state->x[2] = FLAG;
    f->state->x[3] = 77;
    assert_int_equal(pthread_create(&thread, NULL, other_vcpu, f), 0);
    frame_run(f, CODE);
    pthread_join(thread, NULL);
    assert_int_equal(f->state->x[1], 1);
    assert_int_equal(f->state->x[2], FLAG);
    assert_int_equal(f->state->x[3], 77);
    assert_int_equal(f->exception.code, 5);
    assert_int_equal(f->exception.pc, DONE);
    assert_true(tcg_cpu_of(f->cpu)->n_wait_rounds > 1000);
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_of_one_load_waits),
        cmocka_unit_test(a_loop_without_a_load_does_not_wait),
        cmocka_unit_test(a_loop_whose_address_moves_does_not_wait),
        cmocka_unit_test(a_loop_that_stores_does_not_wait),
        cmocka_unit_test(a_loop_that_counts_does_not_wait),
        cmocka_unit_test(a_branch_to_elsewhere_does_not_wait),
        cmocka_unit_test(a_long_loop_is_left_alone),
        cmocka_unit_test(a_waiting_loop_ends_when_memory_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
