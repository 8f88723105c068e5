/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floating point of 32 and 64 bits by the host's own instructions, for targets
 * whose NaNs are the default NaN (RISC-V): round to nearest is MXCSR's state,
 * exception flags gather in MXCSR, and a NaN result, which the host would give
 * a payload, is found by an unordered compare with itself and replaced behind
 * the unit. What does not fit this is left to the evaluator.
 */
#include "gen.h"

#include <stddef.h>

enum { FP_NAN, FP_NAN_FMA, FP_EVAL_INT, FP_EVAL_XMM };

static uint32_t pp(uint32_t type)
{
    return type == TN_F64 ? 3 : 2; /* F2, F3: sd, ss */
}

static bool is_fp(uint32_t type)
{
    return type == TN_F32 || type == TN_F64;
}

bool fp_inline(struct gen *g, uint32_t flags)
{
    uint32_t n = flags >> 3 & 3;
    const struct tn_fp_profile *p = &g->t->info->profiles[n];

    return g->h->has_avx && !(flags & TN_FP_QUIET) &&
           n < g->t->info->n_profiles && p->nan_rule == TN_NAN_DEFAULT &&
           !p->tiny_before_rounding && !p->flush_results &&
           !p->flush_inputs && !p->legacy_nan;
}

static bool nearest(uint32_t flags)
{
    return (flags & 7) == TN_RM_RNE;
}

static void vex_opnd(struct gen *g, uint32_t v, uint32_t dst, uint32_t a,
                     struct opnd b)
{
    if (b.kind == OPND_MEM)
        as_vex_rm(&g->as, v, dst, a, b.mem);
    else
        as_vex_rr(&g->as, v, dst, a, b.reg);
}

/* v reg, vvvv, [constant] */
static void vex_constant(struct gen *g, uint32_t v, uint32_t reg,
                         uint32_t vvvv, uint32_t constant)
{
    const uint8_t *at = g->t->code_rw + 16 * constant;

    put_vex(&g->as, v, reg, vvvv, 0, 0);
    put8(&g->as, (reg & 7u) << 3 | 5);
    put32(&g->as, (uint32_t)(at - (g->as.p + 4)));
}

static uint32_t nan_constant(const struct tn_ir_op *o, uint32_t type)
{
    uint32_t profile = o->flags >> 3 & 3;

    return CONSTANT_NAN + 2 * profile + (type == TN_F32);
}

/* ucomis x, x; jp: to a place that puts the default NaN there. */
static struct cold *check_nan(struct gen *g, const struct tn_ir_op *o,
                              uint32_t x, uint32_t what)
{
    struct cold *c = add_cold(g, COLD_FP);

    as_vex_rr(&g->as, VEX(1, o->type == TN_F64, 0, 0x2e), x, 0, x);
    c->from[0] = as_jcc(&g->as, CC_P);
    c->back = g->as.p;
    c->flag = (uint8_t)what;
    c->reg = (uint8_t)x;
    c->mo = nan_constant(o, o->type);
    return c;
}

static void gen_binary(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    static const uint8_t code[] = {
        [TN_OP_FADD - TN_OP_FADD] = 0x58, [TN_OP_FSUB - TN_OP_FADD] = 0x5c,
        [TN_OP_FMUL - TN_OP_FADD] = 0x59, [TN_OP_FDIV - TN_OP_FADD] = 0x5e};
    uint32_t a = use_xmm(g, o->a), dst;
    struct opnd b = use_xmm_opnd(g, o->b, o->type);

    dst = def_xmm(g, i);
    vex_opnd(g, VEX(1, pp(o->type), 0, code[o->op - TN_OP_FADD]), dst, a, b);
    check_nan(g, o, dst, FP_NAN);
}

static void gen_sqrt(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t a = use_xmm(g, o->a), dst = def_xmm(g, i);

    as_vex_rr(&g->as, VEX(1, pp(o->type), 0, 0x51), dst, a, a);
    check_nan(g, o, dst, FP_NAN);
}

static void gen_fma(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    static const uint8_t code[] = {0xa9, 0xad, 0xab, 0xaf};
    uint32_t n = (o->flags & TN_FP_NEG_PRODUCT ? 1 : 0) |
                 (o->flags & TN_FP_NEG_ADDEND ? 2 : 0);
    uint32_t a = use_xmm(g, o->a), b = use_xmm(g, o->b), t;
    struct opnd c = use_xmm_opnd(g, o->c, o->type);
    struct cold *k;

    t = alloc_xmm(g);
    vmovaps(g, t, a);
    vex_opnd(g, VEX(2, 1, o->type == TN_F64, code[n]), t, b, c);
    k = check_nan(g, o, t, FP_NAN_FMA);
    k->va = (uint8_t)a;
    k->data_kind = (uint8_t)b;
    def_in_xmm(g, i, t);
}

static void gen_sign(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t f32 = o->type == TN_F32, a = use_xmm(g, o->a), b, t, dst;

    if (o->op != TN_OP_FSIGN) {
        dst = def_xmm(g, i);
        vex_constant(g, o->op == TN_OP_FNEG ? VXORPS : VANDPS, dst, a,
                     (o->op == TN_OP_FNEG ? CONSTANT_SIGN : CONSTANT_ABS) +
                         f32);
        return;
    }
    b = use_xmm(g, o->b);
    t = alloc_xmm(g);
    vex_constant(g, o->flags == TN_FSIGN_NOT ? VANDNPS : VANDPS, t, b,
                 CONSTANT_SIGN + f32);
    dst = def_xmm(g, i);
    if (o->flags == TN_FSIGN_XOR) {
        as_vex_rr(&g->as, VXORPS, dst, a, t);
        return;
    }
    vex_constant(g, VANDPS, dst, a, CONSTANT_ABS + f32);
    as_vex_rr(&g->as, VORPS, dst, dst, t);
}

/* f32 in an f64 register: the upper half is ones. */
static void gen_box(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t a = use_xmm(g, o->a), dst = def_xmm(g, i);

    vex_constant(g, VORPS, dst, a, CONSTANT_BOX);
}

static void gen_unbox(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    const struct val *k = &g->val[canon(g, o->a)];
    struct cold *c;
    uint32_t a, t, dst;

    if (k->loc == LOC_GREG && g->h->gregs[k->greg].host == NO_REG &&
        k->last_use <= i) {
        struct mem m = greg_mem(g, (uint32_t)k->greg);

        dst = def_xmm(g, i);
        as_vex_rm(&g->as, VEX(1, 2, 0, 0x10), dst, 0, m);
        m.disp += 4;
        as_alu_mem_imm(&g->as, ALU_CMP, m, -1, false);
    } else {
        a = use_xmm(g, o->a);
        t = alloc_temp(g);
        as_vex_rr(&g->as, VEX(3, 1, 0, 0x16), a, 0, t); /* vpextrd t, a, 1 */
        put8(&g->as, 1);
        dst = def_xmm(g, i);
        vmovaps(g, dst, a);
        as_alu_imm(&g->as, ALU_CMP, t, -1, false);
    }
    c = add_cold(g, COLD_FP);
    c->from[0] = as_jcc(&g->as, CC_NE);
    c->back = g->as.p;
    c->flag = FP_NAN;
    c->reg = (uint8_t)dst;
    c->mo = nan_constant(o, TN_F32);
}

static void gen_fcmp(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t relation = o->flags & 7, t, u;
    bool swap = relation == TN_FCMP_LT || relation == TN_FCMP_LE;
    uint32_t a = use_xmm(g, swap ? o->b : o->a);
    uint32_t b = use_xmm(g, swap ? o->a : o->b);

    t = alloc_temp(g);
    u = alloc_temp(g);
    if (relation == TN_FCMP_EQ)
        as_mov_imm(&g->as, u, 0);
    as_vex_rr(&g->as,
              VEX(1, o->type == TN_F64, 0,
                  o->flags & TN_FCMP_SIGNALING ? 0x2f : 0x2e),
              a, 0, b);
    as_setcc(&g->as,
             relation == TN_FCMP_EQ   ? CC_NP
             : relation == TN_FCMP_LT ? CC_A
             : relation == TN_FCMP_LE ? CC_AE
                                      : CC_P,
             t);
    as_movzx8(&g->as, t, t);
    if (relation == TN_FCMP_EQ)
        as_cmov(&g->as, CC_NE, t, u, false);
    def_in(g, i, t);
}

/* The evaluator, called from behind the unit with every register kept. */
static struct cold *add_eval(struct gen *g, const struct tn_ir_op *o,
                             uint32_t what)
{
    struct tn_ir_op *copy = cache_data(g->tc, sizeof *copy);
    struct cold *c = add_cold(g, COLD_FP);

    if (!copy) {
        gen_fail(g);
        return c;
    }
    *copy = *o;
    c->imm = (uint64_t)(uintptr_t)copy;
    c->flag = (uint8_t)what;
    return c;
}

/* Out of range gives the host's indefinite, MIN, and only that overflows when
 * 1 is taken from it. */
static bool gen_to_int(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t from = o->b & 0xff, a, t;
    bool wide = o->type == TN_I64;
    struct cold *c;

    if (!is_fp(from) || (o->type != TN_I64 && o->type != TN_I32) ||
        o->b & (TN_CVT_UNSIGNED | TN_CVT_MODULAR) ||
        !((o->flags & 7) == TN_RM_RTZ || nearest(o->flags)))
        return false;
    a = use_xmm(g, o->a);
    t = alloc_temp(g);
    as_vex_rr(&g->as, VEX(1, pp(from), wide, nearest(o->flags) ? 0x2d : 0x2c),
              t, 0, a);
    as_alu_imm(&g->as, ALU_CMP, t, 1, wide);
    c = add_eval(g, o, FP_EVAL_INT);
    c->from[0] = as_jcc(&g->as, CC_O);
    c->back = g->as.p;
    c->reg = (uint8_t)t;
    c->va = (uint8_t)a;
    def_in(g, i, t);
    return true;
}

static bool gen_from_int(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t from = o->b & 0xff, a, dst;
    bool is_unsigned = o->b & TN_CVT_UNSIGNED;
    bool wide = from == TN_I64 || is_unsigned;

    if ((from != TN_I64 && from != TN_I32) ||
        (from == TN_I64 && is_unsigned) ||
        !(nearest(o->flags) || (from == TN_I32 && o->type == TN_F64)))
        return false;
    a = use_reg(g, o->a);
    if (from == TN_I32 && is_unsigned) {
        uint32_t t = alloc_temp(g);

        as_rr(&g->as, 0x8b, t, a);
        a = t;
    }
    dst = def_xmm(g, i);
    as_vex_rr(&g->as, VXORPS, dst, dst, dst); /* no false dependency */
    as_vex_rr(&g->as, VEX(1, pp(o->type), wide, 0x2a), dst, dst, a);
    return true;
}

static bool gen_fp_resize(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t a, dst;

    if (!is_fp(o->b) || o->b == o->type ||
        (o->type == TN_F32 && !nearest(o->flags)))
        return false;
    a = use_xmm(g, o->a);
    dst = def_xmm(g, i);
    as_vex_rr(&g->as, VEX(1, pp(o->b), 0, 0x5a), dst, a, a);
    check_nan(g, o, dst, FP_NAN);
    return true;
}

/* Different numbers: the host's instruction. Equal or unordered (zeros of
 * both signs, NaNs): the evaluator. */
static bool gen_fminmax(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t a, b, t;
    struct cold *c;

    a = use_xmm(g, o->a);
    b = use_xmm(g, o->b);
    t = alloc_xmm(g);
    /* Quiet compare: a signaling NaN's flag is the evaluator's to raise, and
     * raising it twice is the same. */
    as_vex_rr(&g->as, VEX(1, o->type == TN_F64, 0, 0x2e), a, 0, b);
    c = add_eval(g, o, FP_EVAL_XMM);
    c->from[0] = as_jcc(&g->as, CC_E); /* unordered sets ZF too */
    as_vex_rr(&g->as,
              VEX(1, pp(o->type), 0, o->c & TN_FMAX_BIT ? 0x5f : 0x5d), t, a,
              b);
    c->back = g->as.p;
    c->reg = (uint8_t)t;
    c->va = (uint8_t)a;
    c->data_kind = (uint8_t)b;
    def_in_xmm(g, i, t);
    return true;
}

static void call_eval(struct gen *g, struct cold *c)
{
    uint32_t free = c->flag == FP_EVAL_INT ? c->reg : RAX;

    as_store(&g->as, frame_mem(FRAME_ARGS + 16), free, true);
    as_vex_rm(&g->as, VMOVSD_STORE, c->va, 0, frame_mem(FRAME_EVAL));
    if (c->flag == FP_EVAL_XMM)
        as_vex_rm(&g->as, VMOVSD_STORE, c->data_kind, 0,
                  frame_mem(FRAME_EVAL + 16));
    as_mov_imm(&g->as, free, c->imm);
    as_store(&g->as, frame_mem(FRAME_ARGS), free, true);
    as_lea(&g->as, free, frame_mem(FRAME_EVAL), true);
    as_store(&g->as, frame_mem(FRAME_ARGS + 8), free, true);
    as_call_to(&g->as, to_rw(g->t, g->h->slow_eval));
    if (c->flag == FP_EVAL_INT) {
        as_load(&g->as, c->reg, frame_mem(FRAME_ARGS), true);
    } else {
        as_load(&g->as, free, frame_mem(FRAME_ARGS + 16), true);
        as_vex_rm(&g->as, VMOVSD_LOAD, c->reg, 0, frame_mem(FRAME_ARGS));
    }
}

/* Infinity times zero is invalid even if the addend is a quiet NaN, which the
 * host does not flag: see what the product alone raises. */
static void product_flags(struct gen *g, struct cold *c, bool f64)
{
    struct mem before = hot_field(HOT_MXCSR), after = before;

    after.disp += 4;
    as_rm(&g->as, 0xae | OP_0F, 3, before); /* stmxcsr */
    as_vex_rr(&g->as, VEX(1, f64 ? 3 : 2, 0, 0x59), c->reg, c->va,
              c->data_kind);
    as_rm(&g->as, 0xae | OP_0F, 3, after);
    as_alu_mem_imm(&g->as, ALU_AND, after, 1, false);
    as_store(&g->as, frame_mem(FRAME_ARGS), RAX, true);
    as_load(&g->as, RAX, after, false);
    as_rm(&g->as, ALU_OR << 3 | 1, RAX, before);
    as_load(&g->as, RAX, frame_mem(FRAME_ARGS), true);
    as_rm(&g->as, 0xae | OP_0F, 2, before); /* ldmxcsr */
}

void gen_cold_fp(struct gen *g, struct cold *c)
{
    bool f64 = ir_at(g, c->op)->type == TN_F64;

    as_fix(c->from[0], g->as.p);
    if (c->flag == FP_EVAL_INT || c->flag == FP_EVAL_XMM) {
        call_eval(g, c);
    } else {
        if (c->flag == FP_NAN_FMA)
            product_flags(g, c, f64);
        vex_constant(g, VMOVSD_LOAD, c->reg, 0, c->mo);
    }
    as_jmp_to(&g->as, c->back);
}

bool gen_fp(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    if (!fp_inline(g, o->op == TN_OP_FCMP ? o->flags & 0x18 : o->flags & ~0x60u))
        return false;
    if (o->op == TN_OP_F_TO_I)
        return gen_to_int(g, i, o);
    if (o->op == TN_OP_BOX && o->b == TN_F32) {
        gen_box(g, i, o);
        return true;
    }
    if (!is_fp(o->type))
        return false;
    switch (o->op) {
    case TN_OP_FADD:
    case TN_OP_FSUB:
    case TN_OP_FMUL:
    case TN_OP_FDIV:
        if (!nearest(o->flags))
            return false;
        gen_binary(g, i, o);
        return true;
    case TN_OP_FSQRT:
        if (!nearest(o->flags))
            return false;
        gen_sqrt(g, i, o);
        return true;
    case TN_OP_FMA:
        if (!nearest(o->flags) || !g->h->has_fma)
            return false;
        gen_fma(g, i, o);
        return true;
    case TN_OP_FNEG:
    case TN_OP_FABS:
    case TN_OP_FSIGN:
        gen_sign(g, i, o);
        return true;
    case TN_OP_FMINMAX:
        return gen_fminmax(g, i, o);
    case TN_OP_UNBOX:
        if (o->type != TN_F32)
            return false;
        gen_unbox(g, i, o);
        return true;
    case TN_OP_FCMP:
        gen_fcmp(g, i, o);
        return true;
    case TN_OP_I_TO_F:
        return gen_from_int(g, i, o);
    case TN_OP_F_TO_F:
        return gen_fp_resize(g, i, o);
    default:
        return false;
    }
}
