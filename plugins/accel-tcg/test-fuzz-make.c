/* SPDX-License-Identifier: Apache-2.0 */
/* Random units: every operation the generator may meet, with values of every
 * type, branches forward, faults and exits. */
#include "test-fuzz.h"

static uint64_t seed;

void seed_random(uint64_t n)
{
    seed = n * 0x9e3779b97f4a7c15ull | 1;
}

uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dull;
}

uint32_t below(uint32_t n)
{
    return (uint32_t)((rnd() >> 32) * (uint64_t)n >> 32);
}

uint64_t interesting(void)
{
    static const uint64_t v[] = {0, 1, 2, 3, 7, 8, 31, 32, 63, 64, 0x7f, 0x80,
        0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
        0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, ~1ull,
        0x3ff0000000000000, 0x7ff0000000000000, 0xfff8000000000000,
        0xffffffff3f800000, 0xffffffff7fc00000, 0x3f800000, 0x7f800001};

    switch (below(4)) {
    case 0:
        return v[below(sizeof v / sizeof *v)];
    case 1:
        return rnd() >> below(64);
    case 2:
        return (uint64_t)(int64_t)(int32_t)rnd();
    default:
        return rnd();
    }
}

struct maker {
    struct tn_ir_unit *u;
    uint32_t block; /* first op after the last label */
    uint32_t pending[8], n_pending; /* forward labels not placed yet */
};

static bool has_value(const struct tn_ir_unit *u, uint32_t i)
{
    const struct ir_op_info *k = ir_op_info(u->ops[i].op);

    return k->has_result &&
           !(u->ops[i].op == TN_OP_CALL && u->ops[i].type == TN_VOID);
}

/* A value of TYPE: an earlier one if there is, else a new CONST or GET. */
static uint32_t value(struct maker *m, uint32_t type)
{
    struct tn_ir_unit *u = m->u;
    uint32_t n = u->n_ops;

    for (uint32_t tries = 0; tries < 12 && n > m->block; tries++) {
        uint32_t back = below(2) ? below(6) : below(n - m->block);
        uint32_t i = n - 1 - (back < n - m->block ? back : 0);

        if (!has_value(u, i) || ir_op_info(u->ops[i].op)->is_boolean)
            continue;
        if (u->ops[i].type == type ||
            (ir_type_is_int(type) && ir_type_is_int(u->ops[i].type) &&
             ir_type_bits(u->ops[i].type) <= 64 &&
             ir_type_bits(type) <= ir_type_bits(u->ops[i].type)))
            return i;
    }
    if (below(3) == 0 || type == TN_I128 || type == TN_F16) {
        if (type == TN_I128) {
            uint32_t lo = value(m, TN_I64), hi = value(m, TN_I64);

            return tn_op2(u, TN_OP_PACK, type, lo, hi);
        }
        return tn_const(u, type, interesting());
    }
    if (type == TN_F64)
        return tn_get(u, type, REG_FP + below(N_FP));
    if (type == TN_F32) {
        uint32_t v = tn_get(u, TN_F64, REG_FP + below(N_FP));

        return tn_op1(u, TN_OP_UNBOX, TN_F32, v);
    }
    return tn_get(u, type, REG_INT + below(N_INT));
}

static uint32_t boolean(struct maker *m)
{
    uint32_t type = TN_I8 + below(4);
    uint32_t a = value(m, type), b = value(m, type);

    return tn_setcc(m->u, type, below(12), a, b);
}

static const uint16_t binary_ops[] = {
    TN_OP_ADD, TN_OP_ADD, TN_OP_SUB, TN_OP_MUL, TN_OP_AND, TN_OP_OR, TN_OP_XOR,
    TN_OP_SHL, TN_OP_SHR, TN_OP_SAR, TN_OP_DIVU, TN_OP_DIVS, TN_OP_REMU,
    TN_OP_REMS, TN_OP_MULHU, TN_OP_MULHS, TN_OP_MULHSU, TN_OP_ANDN, TN_OP_ORN,
    TN_OP_XNOR, TN_OP_ROTL, TN_OP_ROTR, TN_OP_MINU, TN_OP_MAXU, TN_OP_MINS,
    TN_OP_MAXS, TN_OP_CLMUL, TN_OP_CLMULH};
static const uint16_t unary_ops[] = {
    TN_OP_NOT, TN_OP_NEG, TN_OP_CLZ, TN_OP_CTZ, TN_OP_POPCNT, TN_OP_BSWAP,
    TN_OP_BITREV, TN_OP_BITREV8, TN_OP_ORCB};
static const uint16_t flag_ops[] = {TN_OP_ADD_CARRY, TN_OP_ADD_OVER,
                                    TN_OP_SUB_BORROW, TN_OP_SUB_OVER};

static uint32_t int_op(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t type = below(3) ? below(3) ? TN_I64 : TN_I32 : TN_I8 + below(4);
    uint32_t a = value(m, type), b, c, from;

    switch (below(14)) {
    case 0:
        return tn_op1(u, unary_ops[below(sizeof unary_ops / 2)], type, a);
    case 1:
        return tn_op1(u, TN_OP_TRUNC, TN_I8 + below(type - TN_I8 + 1), a);
    case 2:
        from = TN_I8 + below(type - TN_I8 + 1);
        return tn_ir(u, below(2) ? TN_OP_ZEXT : TN_OP_SEXT,
                     type + below(TN_I64 - type + 1), 0, a, from, 0);
    case 3:
        b = value(m, type);
        return tn_setcc(u, type, below(12), a, b);
    case 4:
        c = boolean(m);
        b = value(m, type);
        return tn_ir(u, TN_OP_SELECT, type, 0, c, a, b);
    case 5: {
        uint32_t pos = below(ir_type_bits(type));
        uint32_t len = 1 + below(ir_type_bits(type) - pos);

        return tn_ir(u, TN_OP_EXTRACT, type, 0, a,
                     pos | len << 8 | below(2) << 16, 0);
    }
    case 6: {
        uint32_t pos = below(ir_type_bits(type));
        uint32_t len = 1 + below(ir_type_bits(type) - pos);

        b = value(m, type);
        return tn_ir(u, TN_OP_DEPOSIT, type, 0, a, b, pos | len << 8);
    }
    case 7:
        c = boolean(m);
        b = value(m, type);
        if (below(2))
            return tn_ir(u, below(2) ? TN_OP_ADC : TN_OP_SBB, type, 0, a, b,
                         c);
        return tn_ir(u, flag_ops[below(4)], type, 0, a, b,
                     below(2) ? c : TN_NONE);
    case 8:
        b = value(m, TN_I128);
        return tn_op1(u, below(2) ? TN_OP_LOW : TN_OP_HIGH, TN_I64, b);
    case 9:
        b = value(m, type);
        c = value(m, type);
        return tn_ir(u, TN_OP_FUNNEL, type, 0, a, b, c);
    default:
        b = below(3) ? value(m, type) : tn_const(u, type, interesting());
        return tn_ir(u, binary_ops[below(sizeof binary_ops / 2)], type,
                     below(2), a, b, 0);
    }
}

static const uint16_t fp_binary[] = {TN_OP_FADD, TN_OP_FSUB, TN_OP_FMUL,
                                     TN_OP_FDIV, TN_OP_FSIGN};

static uint32_t rounding(void)
{
    return below(3) ? TN_RM_RNE : below(4) ? TN_RM_DYN : below(5);
}

static void fp_op(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t type = below(2) ? TN_F64 : TN_F32, other = TN_F32 + TN_F64 - type;
    uint32_t a = value(m, type), b = value(m, type), c, r, op;
    uint32_t itype = below(2) ? TN_I64 : TN_I32;

    switch (below(12)) {
    case 0:
        r = tn_ir(u, TN_OP_FSQRT, type, rounding(), a, 0, 0);
        break;
    case 1:
        c = value(m, type);
        r = tn_ir(u, TN_OP_FMA, type, rounding() | (below(4) << 5), a, b, c);
        break;
    case 2:
        r = tn_op1(u, below(2) ? TN_OP_FNEG : TN_OP_FABS, type, a);
        break;
    case 3:
        r = tn_ir(u, TN_OP_FMINMAX, type, 0, a, b,
                  (uint32_t[]){0, 1, 2, 8, 9, 10}[below(6)]);
        break;
    case 4:
        r = tn_ir(u, TN_OP_FCMP, type, below(4) | below(2) << 7, a, b, 0);
        tn_set(u, TN_I64, REG_INT + below(N_INT), r);
        return;
    case 5:
        r = tn_ir(u, TN_OP_FCLASS, TN_I64, 0, a, type, 0);
        tn_set(u, TN_I64, REG_INT + below(N_INT), r);
        return;
    case 6:
        r = tn_ir(u, TN_OP_F_TO_F, type, rounding(), value(m, other), other,
                  0);
        break;
    case 7:
        r = tn_ir(u, TN_OP_F_TO_I, itype, rounding(), a,
                  type | (below(2) ? TN_CVT_UNSIGNED : 0), 0);
        r = itype == TN_I32 ? tn_ir(u, TN_OP_SEXT, TN_I64, 0, r, TN_I32, 0)
                            : r;
        tn_set(u, TN_I64, REG_INT + below(N_INT), r);
        return;
    case 8:
        r = tn_ir(u, TN_OP_I_TO_F, type, rounding(), value(m, itype),
                  itype | (below(2) ? TN_CVT_UNSIGNED : 0), 0);
        break;
    case 9:
        r = tn_ir(u, TN_OP_FRINT, type, rounding(), a, below(2), 0);
        break;
    default:
        op = fp_binary[below(5)];
        r = tn_ir(u, op, type, op == TN_OP_FSIGN ? below(3) : rounding(), a,
                  b, 0);
        break;
    }
    if (below(3) == 0)
        return;
    if (type == TN_F32)
        r = tn_ir(u, TN_OP_BOX, TN_F64, 0, r, TN_F32, 0);
    tn_set(u, TN_F64, REG_FP + below(N_FP), r);
}

static uint32_t address(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t a = value(m, TN_I64), k;

    if (below(4) == 0)
        return tn_const(u, TN_I64, DATA + below(DATA_BYTES + 64));
    k = tn_const(u, TN_I64, below(8) ? 0x1ff8 : 0x3fff);
    a = tn_op2(u, TN_OP_AND, TN_I64, a, k);
    k = tn_const(u, TN_I64, DATA);
    return tn_op2(u, TN_OP_ADD, TN_I64, a, k);
}

static uint32_t memory_word(uint32_t type)
{
    uint32_t size = type == TN_F64 ? 3 : type == TN_F32 ? 2 : type - TN_I8;
    uint32_t mo = size - (type <= TN_I64 && size ? below(size + 1) : 0);

    if (type <= TN_I64 && below(2))
        mo |= TN_MO_SIGN;
    if (below(6) == 0)
        mo |= TN_MO_BIG;
    if (below(6) == 0)
        mo |= TN_MO_ALIGN;
    if (below(2))
        mo |= TN_MO_DISP((int32_t)below(256) - 64);
    return mo | TN_MO_MODE(below(2));
}

static void memory_op(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t type = below(5) ? TN_I8 + below(4)
                             : below(2) ? TN_F64 : TN_F32;
    uint32_t a = address(m), v, r, mo = memory_word(type), size;

    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        r = tn_load(u, type, a, mo);
        if (type == TN_I64 && below(2))
            tn_set(u, type, REG_INT + below(N_INT), r);
        return;
    case 3:
    case 4:
    case 5:
        v = below(4) ? value(m, type) : tn_const(u, type, interesting());
        tn_store(u, type, a, v, mo);
        return;
    default:
        break;
    }
    type = TN_I32 + below(2);
    size = type - TN_I8;
    mo = size | (below(2) ? TN_MO_SIGN : 0);
    v = tn_const(u, TN_I64, ~7ull);
    a = tn_op2(u, TN_OP_AND, TN_I64, a, v);
    v = value(m, type);
    switch (below(5)) {
    case 0:
        r = tn_load(u, type, a, mo);
        tn_ir(u, TN_OP_ARG, TN_VOID, 0, mo, TN_NONE, TN_NONE);
        tn_ir(u, TN_OP_CAS, type, 0, a, below(2) ? r : v, v);
        return;
    case 1:
        tn_ir(u, TN_OP_LOAD_EX, type, 0, a, 0, mo);
        return;
    case 2:
        tn_ir(u, TN_OP_STORE_EX, type, 0, a, v, mo);
        return;
    default:
        tn_ir(u, TN_OP_ATOMIC, type, below(10), a, v, mo);
        return;
    }
}

static void helper_op(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t a[4], h = below(16), r;

    for (uint32_t i = 0; i < 4; i++)
        a[i] = value(m, TN_I64);
    if (h < 8) {
        r = tn_call(u, TN_I64, TEST_HELPER_ADD, a[0], a[1], a[2], a[3]);
    } else if (h < 11) {
        r = tn_call(u, TN_I64, TEST_HELPER_READ, value(m, TN_I64), TN_NONE,
                    TN_NONE, TN_NONE);
    } else if (h < 14) {
        a[0] = value(m, TN_I64);
        a[1] = value(m, TN_I64);
        r = tn_call(u, TN_I64, TEST_HELPER_WRITE, a[0], a[1], TN_NONE,
                    TN_NONE);
    } else {
        r = tn_call(u, TN_I64, TEST_HELPER_RAISE, value(m, TN_I64), TN_NONE,
                    TN_NONE, TN_NONE);
    }
    if (below(2))
        tn_set(u, TN_I64, REG_INT + below(N_INT), r);
}

static void other_register(struct maker *m)
{
    struct tn_ir_unit *u = m->u;
    uint32_t v;

    switch (below(9)) {
    case 0:
        v = value(m, TN_I32);
        tn_set(u, TN_I32, REG_I32, v);
        return;
    case 1:
        v = value(m, TN_I16);
        tn_set(u, TN_I16, REG_I16, v);
        return;
    case 2:
        v = value(m, TN_I8);
        tn_set(u, TN_I8, REG_I8, v);
        return;
    case 3:
        v = boolean(m);
        tn_set(u, TN_I8, REG_FLAG, v);
        return;
    case 4:
        v = value(m, TN_I128);
        tn_set(u, TN_I128, REG_WIDE, v);
        return;
    case 5:
        v = tn_get(u, TN_I128, REG_WIDE);
        tn_op1(u, TN_OP_HIGH, TN_I64, v);
        return;
    case 6:
        tn_get(u, TN_I32, REG_I32);
        tn_get(u, TN_I16, REG_I16);
        tn_get(u, TN_I8, REG_I8);
        return;
    case 7:
        v = tn_get(u, TN_I64, REG_VOLATILE);
        tn_set(u, TN_I64, REG_VOLATILE, value(m, TN_I64));
        return;
    default: {
        uint32_t k = value(m, TN_I64);

        v = value(m, TN_I64);
        if (below(2)) {
            tn_ir(u, TN_OP_GETX, TN_I64, 0, REG_INT, k, N_INT);
        } else {
            tn_ir(u, TN_OP_ARG, TN_VOID, 0, TN_NONE, TN_NONE, N_INT);
            tn_ir(u, TN_OP_SETX, TN_I64, 0, REG_INT, k, v);
        }
        return;
    }
    }
}

static void branch(struct maker *m)
{
    uint32_t type = below(2) ? TN_I64 : TN_I8 + below(4), a, b, label;

    if (m->n_pending < 6 && below(2)) {
        a = value(m, type);
        b = below(2) ? value(m, type) : tn_const(m->u, type, interesting());
        label = tn_label(m->u);
        m->pending[m->n_pending++] = label;
        tn_brcc(m->u, type, below(12), a, b, label);
    } else if (m->n_pending) {
        uint32_t k = below(m->n_pending);

        tn_place(m->u, m->pending[k]);
        m->pending[k] = m->pending[--m->n_pending];
        m->block = m->u->n_ops;
        tn_insn(m->u, CODE + 2 * m->u->n_insns, 2);
    }
}

static void local_op(struct maker *m)
{
    struct tn_ir_unit *u = m->u;

    if (u->n_locals < 4) {
        uint32_t v = value(m, TN_I64), l = tn_local(u, TN_I64);

        tn_ir(u, TN_OP_SETL, TN_I64, 0, l, v, 0);
    } else {
        uint32_t l = below(4);

        if (below(2))
            tn_ir(u, TN_OP_GETL, TN_I64, 0, l, 0, 0);
        else
            tn_ir(u, TN_OP_SETL, TN_I64, 0, l, value(m, TN_I64), 0);
    }
}

void make_unit(struct tn_ir_unit *u)
{
    struct maker m = {.u = u};
    uint32_t n = 4 + below(below(4) ? 40 : 200), v, fp = below(3);
    bool locals = false;

    for (uint32_t i = 0; i < n && u->n_ops + 64 < u->max_ops; i++) {
        if (below(3) == 0)
            tn_insn(u, CODE + 2 * u->n_insns, 2);
        switch (below(20)) {
        case 0:
        case 1:
        case 2:
            memory_op(&m);
            break;
        case 3:
            if (below(3) == 0)
                helper_op(&m);
            break;
        case 4:
            other_register(&m);
            break;
        case 5:
            branch(&m);
            break;
        case 6:
            /* Locals are set before the first branch only: no path may read
             * one that was not set. */
            if (u->n_labels == 0 || locals)
                local_op(&m);
            locals |= u->n_locals == 4 && u->n_labels == 0;
            break;
        case 7:
        case 8:
            if (fp) {
                fp_op(&m);
                break;
            } /* fall through */
        case 9:
            v = value(&m, TN_I64);
            tn_set(u, TN_I64, REG_INT + below(N_INT), v);
            break;
        case 10:
            v = value(&m, TN_F64);
            tn_set(u, TN_F64, REG_FP + below(N_FP), v);
            break;
        case 11:
            if (fp && below(4) == 0) {
                v = tn_const(u, TN_I64, below(32));
                if (below(2)) {
                    uint32_t k = tn_ir(u, TN_OP_FP_GET_FLAGS, TN_I8, 0, 0, 0,
                                       0);

                    v = tn_const(u, TN_I64, 0x1f);
                    k = tn_ir(u, TN_OP_ZEXT, TN_I64, 0, k, TN_I8, 0);
                    v = tn_op2(u, TN_OP_AND, TN_I64, k, v);
                }
                tn_ir(u, TN_OP_FP_SET_FLAGS, TN_I64, 0, v, 0, 0);
            }
            break;
        default:
            v = int_op(&m);
            if (u->ops[v].type == TN_I64 && below(2))
                tn_set(u, TN_I64, REG_INT + below(N_INT), v);
            break;
        }
    }
    while (m.n_pending) {
        tn_place(u, m.pending[--m.n_pending]);
        m.block = u->n_ops;
        tn_insn(u, CODE + 2 * u->n_insns, 2);
        v = int_op(&m);
        if (u->ops[v].type == TN_I64)
            tn_set(u, TN_I64, REG_INT + below(N_INT), v);
    }
    tn_insn(u, CODE + 2 * u->n_insns, 2);
    v = value(&m, TN_I64);
    tn_ir(u, TN_OP_EXIT_TRAP, TN_I64, 0, 42, v, 0);
    u->n_bytes = 2 * u->n_insns;
}
