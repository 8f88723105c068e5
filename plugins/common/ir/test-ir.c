/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluator against results worked out by hand from ir.h's words, and the
 * verifier against units that each break one rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "ir/ir-tools.h"

static struct ir_value value(uint64_t lo)
{
    return (struct ir_value){lo, 0};
}

struct integer_case {
    uint16_t op;
    uint8_t type, flags;
    uint64_t a, b, c;
    uint64_t expected;
};

#define MIN64 0x8000000000000000ull
#define ONES ~0ull

static const struct integer_case integer_cases[] = {
    {TN_OP_ADD, TN_I64, 0, ONES, 1, 0, 0},
    {TN_OP_ADD, TN_I32, 0, 0x7fffffff, 1, 0, 0xffffffff80000000},
    {TN_OP_SUB, TN_I8, 0, 0, 1, 0, ONES},
    {TN_OP_MUL, TN_I32, 0, 0x10000, 0x10000, 0, 0},
    {TN_OP_SHL, TN_I32, 0, 1, 33, 0, 2},
    {TN_OP_SHR, TN_I32, 0, 0xffffffff80000000, 31, 0, 1},
    {TN_OP_SAR, TN_I16, 0, 0x8000, 15, 0, ONES},
    {TN_OP_ROTL, TN_I32, 0, 0x80000001, 1, 0, 3},
    {TN_OP_ROTR, TN_I64, 0, 1, 1, 0, MIN64},
    {TN_OP_DIVU, TN_I64, TN_DIV_RISCV, 7, 0, 0, ONES},
    {TN_OP_REMU, TN_I64, TN_DIV_RISCV, 7, 0, 0, 7},
    {TN_OP_DIVS, TN_I64, TN_DIV_RISCV, MIN64, ONES, 0, MIN64},
    {TN_OP_REMS, TN_I64, TN_DIV_RISCV, MIN64, ONES, 0, 0},
    {TN_OP_DIVS, TN_I32, TN_DIV_RISCV, (uint64_t)-7, 2, 0, (uint64_t)-3},
    {TN_OP_REMS, TN_I32, TN_DIV_RISCV, (uint64_t)-7, 2, 0, (uint64_t)-1},
    {TN_OP_DIVU, TN_I32, TN_DIV_ZERO, 7, 0, 0, 0},
    {TN_OP_MULHU, TN_I64, 0, ONES, ONES, 0, ONES - 1},
    {TN_OP_MULHS, TN_I64, 0, ONES, ONES, 0, 0},
    {TN_OP_MULHSU, TN_I64, 0, ONES, ONES, 0, ONES},
    {TN_OP_MULHU, TN_I32, 0, 0xffffffff, 0xffffffff, 0, (uint64_t)-2},
    {TN_OP_CLZ, TN_I32, 0, 0, 0, 0, 32},
    {TN_OP_CLZ, TN_I64, 0, 1, 0, 0, 63},
    {TN_OP_CTZ, TN_I16, 0, 0, 0, 0, 16},
    {TN_OP_CTZ, TN_I64, 0, MIN64, 0, 0, 63},
    {TN_OP_POPCNT, TN_I32, 0, ONES, 0, 0, 32},
    {TN_OP_BSWAP, TN_I32, 0, 0x11223344, 0, 0, 0x44332211},
    {TN_OP_BITREV, TN_I8, 0, 0x01, 0, 0, 0xffffffffffffff80},
    {TN_OP_BITREV8, TN_I64, 0, 0x0180, 0, 0, 0x8001},
    {TN_OP_ORCB, TN_I64, 0, 0x0100200000000001, 0, 0, 0xff00ff00000000ff},
    {TN_OP_PARITY, TN_I8, 0, 0x03, 0, 0, 1},
    {TN_OP_PARITY, TN_I8, 0, 0x07, 0, 0, 0},
    {TN_OP_CLMUL, TN_I64, 0, 3, 3, 0, 5},
    {TN_OP_CLMULH, TN_I64, 0, MIN64, 2, 0, 1},
    {TN_OP_FUNNEL, TN_I32, 0, 0x1, 0x80000000, 4, 0x18000000},
    {TN_OP_ADC, TN_I64, 0, ONES, 0, 1, 0},
    {TN_OP_SBB, TN_I32, 0, 0, 0, 1, ONES},
    {TN_OP_ADD_CARRY, TN_I32, 0, 0xffffffff, 0, 1, 1},
    {TN_OP_ADD_CARRY, TN_I64, 0, ONES, 1, 0, 1},
    {TN_OP_ADD_OVER, TN_I32, 0, 0x7fffffff, 0, 1, 1},
    {TN_OP_ADD_OVER, TN_I64, 0, ONES, 1, 0, 0},
    {TN_OP_SUB_BORROW, TN_I64, 0, 0, 0, 1, 1},
    {TN_OP_SUB_BORROW, TN_I64, 0, 5, 5, 0, 0},
    {TN_OP_SUB_OVER, TN_I8, 0, 0x80, 1, 0, 1},
    {TN_OP_SUB_OVER, TN_I64, 0, MIN64, 1, 0, 1},
    {TN_OP_MINS, TN_I32, 0, 0x80000000, 1, 0, 0xffffffff80000000},
    {TN_OP_MINU, TN_I32, 0, 0x80000000, 1, 0, 1},
    {TN_OP_ANDN, TN_I64, 0, 0xff, 0x0f, 0, 0xf0},
    {TN_OP_XNOR, TN_I64, 0, 0, 0, 0, ONES},
    {TN_OP_SETCC, TN_I32, TN_CC_LTS, 0x80000000, 0, 0, 1},
    {TN_OP_SETCC, TN_I32, TN_CC_LTU, 0x80000000, 0, 0, 0},
    {TN_OP_SETCC, TN_I8, TN_CC_EQ, 0x100, 0, 0, 1},
    {TN_OP_SETCC, TN_I64, TN_CC_TSTNE, 6, 2, 0, 1},
    {TN_OP_SELECT, TN_I64, 0, 1, 7, 9, 7},
    {TN_OP_SELECT, TN_I64, 0, 0, 7, 9, 9},
};

static void integers(void **state)
{
    struct ir_fp fp = {0};

    (void)state;
    for (size_t i = 0; i < sizeof integer_cases / sizeof *integer_cases; i++) {
        const struct integer_case *t = &integer_cases[i];
        struct tn_ir_op op = {.op = t->op, .type = t->type, .flags = t->flags};
        struct ir_value r = {0, 0};

        if (!ir_eval(&fp, &op, value(t->a), value(t->b), value(t->c), &r))
            fail_msg("case %zu: %s was refused", i, ir_op_info(t->op)->name);
        if (r.lo != t->expected)
            fail_msg("case %zu: %s.%s is %#llx, not %#llx", i,
                     ir_op_info(t->op)->name, ir_type_name(t->type),
                     (unsigned long long)r.lo,
                     (unsigned long long)t->expected);
    }
}

static void fields_are_cut_and_put(void **state)
{
    struct ir_fp fp = {0};
    struct tn_ir_op op = {.op = TN_OP_EXTRACT, .type = TN_I64,
                          .b = 8 | 4 << 8 | 1 << 16};
    struct ir_value r;

    (void)state;
    assert_true(ir_eval(&fp, &op, value(0xf00), value(0), value(0), &r));
    assert_int_equal(r.lo, ONES);
    op.b = 60 | 8 << 8; /* past the end */
    assert_false(ir_eval(&fp, &op, value(0xf00), value(0), value(0), &r));
    op = (struct tn_ir_op){.op = TN_OP_DEPOSIT, .type = TN_I32,
                           .c = 4 | 8 << 8};
    assert_true(ir_eval(&fp, &op, value(0xffff), value(0x123), value(0), &r));
    assert_int_equal(r.lo, 0xf23f);
}

static void double_width(void **state)
{
    struct ir_fp fp = {0};
    struct tn_ir_op op = {.op = TN_OP_PACK, .type = TN_I128};
    struct ir_value r;

    (void)state;
    assert_true(ir_eval(&fp, &op, value(1), value(2), value(0), &r));
    assert_int_equal(r.lo, 1);
    assert_int_equal(r.hi, 2);
    op = (struct tn_ir_op){.op = TN_OP_HIGH, .type = TN_I64};
    assert_true(ir_eval(&fp, &op, r, value(0), value(0), &r));
    assert_int_equal(r.lo, 2);
}

static void floats(void **state)
{
    static const struct tn_fp_profile profile = {.size = sizeof profile};
    struct tn_target_info info = {.n_profiles = 1, .profiles = &profile};
    struct ir_fp fp;
    struct tn_ir_op op = {.op = TN_OP_FADD, .type = TN_F64};
    struct ir_value r;

    (void)state;
    ir_fp_init(&fp, &info);
    /* 1 + 2^-53 is a tie: even below, up towards infinity; both inexact. */
    assert_true(ir_eval(&fp, &op, value(0x3ff0000000000000),
                        value(0x3ca0000000000000), value(0), &r));
    assert_int_equal(r.lo, 0x3ff0000000000000);
    assert_int_equal(ir_fp_flags(fp.env.flags), TN_FPE_INEXACT);
    op.flags = TN_RM_RUP;
    assert_true(ir_eval(&fp, &op, value(0x3ff0000000000000),
                        value(0x3ca0000000000000), value(0), &r));
    assert_int_equal(r.lo, 0x3ff0000000000001);
    op.flags = TN_RM_DYN;
    fp.rounding = TN_RM_RMM;
    assert_true(ir_eval(&fp, &op, value(0x3ff0000000000000),
                        value(0x3ca0000000000000), value(0), &r));
    assert_int_equal(r.lo, 0x3ff0000000000001);
    /* inf - inf, and a float that is not boxed, give the default NaN. */
    fp.env.flags = 0;
    op = (struct tn_ir_op){.op = TN_OP_FSUB, .type = TN_F32};
    assert_true(
        ir_eval(&fp, &op, value(0x7f800000), value(0x7f800000), value(0), &r));
    assert_int_equal(r.lo, 0x7fc00000);
    assert_int_equal(ir_fp_flags(fp.env.flags), TN_FPE_INVALID);
    op = (struct tn_ir_op){.op = TN_OP_UNBOX, .type = TN_F32};
    assert_true(ir_eval(&fp, &op, value(0x3f800000), value(0), value(0), &r));
    assert_int_equal(r.lo, 0x7fc00000);
    /* NaN to int32 is the maximum on RISC-V; uint32 is sign-extended. */
    op = (struct tn_ir_op){.op = TN_OP_F_TO_I, .type = TN_I32,
                           .flags = TN_RM_RTZ,
                           .b = TN_F64 | TN_CVT_UNSIGNED};
    assert_true(ir_eval(&fp, &op, value(0x7ff8000000000000), value(0),
                        value(0), &r));
    assert_int_equal(r.lo, ONES);
}

/* ---- the verifier ---- */

static const struct tn_reg test_regs[] = {
    {.name = "pc", .bits = 64, .role = TN_ROLE_PC, .offset = 128},
    {.name = "a", .bits = 64, .offset = 136},
};
static const struct tn_target_info test_info = {
    .n_regs = 2, .regs = test_regs};

struct unit_fixture {
    struct tn_ir_op ops[16];
    struct tn_ir_unit unit;
    char message[160];
};

static void begin(struct unit_fixture *f)
{
    memset(f, 0, sizeof *f);
    f->unit.ops = f->ops;
    f->unit.max_ops = 16;
}

static void expect_bad(struct unit_fixture *f, const char *text)
{
    assert_false(ir_verify(&f->unit, &test_info, f->message,
                           sizeof f->message));
    if (!strstr(f->message, text))
        fail_msg("'%s' does not say '%s'", f->message, text);
}

static void a_correct_unit_passes(void **state)
{
    struct unit_fixture f;
    uint32_t label, a;

    (void)state;
    begin(&f);
    label = tn_label(&f.unit);
    a = tn_get(&f.unit, TN_I64, 1);
    tn_brcc(&f.unit, TN_I64, TN_CC_EQ, a, tn_const(&f.unit, TN_I64, 0), label);
    tn_exit(&f.unit, TN_OP_EXIT, 4, TN_HINT_JUMP, 0);
    tn_place(&f.unit, label);
    tn_exit(&f.unit, TN_OP_EXIT, 8, TN_HINT_JUMP, 0);
    assert_true(ir_verify(&f.unit, &test_info, f.message, sizeof f.message));
}

static void broken_units_are_named(void **state)
{
    struct unit_fixture f;
    uint32_t label, a;

    (void)state;
    begin(&f);
    expect_bad(&f, "empty");
    begin(&f);
    tn_set(&f.unit, TN_I64, 1, 7);
    expect_bad(&f, "before its definition");
    begin(&f);
    tn_get(&f.unit, TN_I64, 2);
    expect_bad(&f, "register 2 does not exist");
    begin(&f);
    tn_get(&f.unit, TN_I64, 1);
    expect_bad(&f, "falls off");
    begin(&f);
    label = tn_label(&f.unit);
    a = tn_get(&f.unit, TN_I64, 1);
    tn_place(&f.unit, label);
    tn_set(&f.unit, TN_I64, 1, a);
    expect_bad(&f, "across a label");
    begin(&f);
    tn_label(&f.unit);
    tn_exit(&f.unit, TN_OP_EXIT, 4, TN_HINT_JUMP, 0);
    expect_bad(&f, "never placed");
    begin(&f);
    a = tn_get(&f.unit, TN_I32, 1);
    tn_set(&f.unit, TN_I64, 1, a);
    expect_bad(&f, "is i32 where i64 is wanted");
    begin(&f);
    tn_ir(&f.unit, TN_N_OPS, TN_I64, 0, 0, 0, 0);
    expect_bad(&f, "is no operation");
}

static void a_full_arena_is_reported(void **state)
{
    struct unit_fixture f;

    (void)state;
    begin(&f);
    for (int i = 0; i < 17; i++)
        tn_get(&f.unit, TN_I64, 1);
    assert_int_equal(f.unit.n_ops, 16);
    assert_int_equal(f.unit.overflow, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(fields_are_cut_and_put),
        cmocka_unit_test(double_width),
        cmocka_unit_test(floats),
        cmocka_unit_test(a_correct_unit_passes),
        cmocka_unit_test(broken_units_are_named),
        cmocka_unit_test(a_full_arena_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
