/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zba, Zbb, Zbc, Zbs, Zicond: what is not one operation of two registers.
 */
#include "decode.h"

void emit_r1(struct emit *e, const struct insn *i)
{
    if (i->rd)
        sx(e, i->rd, tn_op1(e->u, i->arg, e->xt, gx(e, i->rs1)));
}

/* Counts fit in seven bits: no sign to extend. */
void emit_r1_word(struct emit *e, const struct insn *i)
{
    uint32_t v;

    if (!i->rd)
        return;
    v = tn_op1(e->u, i->arg, TN_I32, gx(e, i->rs1));
    sx(e, i->rd, tn_ir(e->u, TN_OP_ZEXT, TN_I64, 0, v, TN_I32, 0));
}

void emit_extend(struct emit *e, const struct insn *i)
{
    if (i->rd)
        sx(e, i->rd,
           tn_ir(e->u, i->arg & 0xffff, e->xt, 0, gx(e, i->rs1), i->arg >> 16,
                 0));
}

static void add_shifted(struct emit *e, const struct insn *i, uint32_t a)
{
    uint32_t b;

    if (i->arg)
        a = tn_op2(e->u, TN_OP_SHL, e->xt, a, imm(e, i->arg));
    b = gx(e, i->rs2);
    sx(e, i->rd, i->rs2 ? tn_op2(e->u, TN_OP_ADD, e->xt, a, b) : a);
}

void emit_sh_add(struct emit *e, const struct insn *i)
{
    if (i->rd)
        add_shifted(e, i, gx(e, i->rs1));
}

void emit_sh_add_uw(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = tn_ir(e->u, TN_OP_ZEXT, TN_I64, 0, gx(e, i->rs1), TN_I32, 0);
    add_shifted(e, i, a);
}

void emit_slli_uw(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = tn_ir(e->u, TN_OP_ZEXT, TN_I64, 0, gx(e, i->rs1), TN_I32, 0);
    sx(e, i->rd, tn_op2(e->u, TN_OP_SHL, TN_I64, a, imm(e, i->imm)));
}

void emit_roriw(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    sx_word(e, i->rd, tn_op2(e->u, TN_OP_ROTR, TN_I32, a, imm(e, i->imm)));
}

/* Bits 2*XLEN-2 .. XLEN-1 of the carry-less product. */
void emit_clmulr(struct emit *e, const struct insn *i)
{
    uint32_t a, b, low, high;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    low = tn_op2(e->u, TN_OP_CLMUL, e->xt, a, b);
    high = tn_op2(e->u, TN_OP_CLMULH, e->xt, a, b);
    low = tn_op2(e->u, TN_OP_SHR, e->xt, low, imm(e, e->xlen - 1));
    high = tn_op2(e->u, TN_OP_SHL, e->xt, high, imm(e, 1));
    sx(e, i->rd, tn_op2(e->u, TN_OP_OR, e->xt, high, low));
}

static void bit_op(struct emit *e, const struct insn *i, uint32_t a,
                   uint32_t count)
{
    uint32_t bit;

    if (i->arg == BIT_EXTRACT) {
        a = tn_op2(e->u, TN_OP_SHR, e->xt, a, count);
        sx(e, i->rd, tn_op2(e->u, TN_OP_AND, e->xt, a, imm(e, 1)));
        return;
    }
    bit = tn_op2(e->u, TN_OP_SHL, e->xt, imm(e, 1), count);
    sx(e, i->rd,
       tn_op2(e->u,
              i->arg == BIT_CLEAR ? TN_OP_ANDN
              : i->arg == BIT_SET ? TN_OP_OR
                                  : TN_OP_XOR,
              e->xt, a, bit));
}

void emit_bit(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    bit_op(e, i, a, gx(e, i->rs2));
}

void emit_biti(struct emit *e, const struct insn *i)
{
    uint32_t a, bit;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    if (i->arg == BIT_EXTRACT) {
        bit_op(e, i, a, imm(e, i->imm));
        return;
    }
    bit = tn_const(e->u, e->xt, 1ull << i->imm);
    if (i->arg == BIT_CLEAR)
        bit = tn_const(e->u, e->xt, ~(1ull << i->imm));
    sx(e, i->rd,
       tn_op2(e->u,
              i->arg == BIT_CLEAR ? TN_OP_AND
              : i->arg == BIT_SET ? TN_OP_OR
                                  : TN_OP_XOR,
              e->xt, a, bit));
}

void emit_czero(struct emit *e, const struct insn *i)
{
    uint32_t a, zero, gone;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    zero = imm(e, 0);
    gone = tn_setcc(e->u, e->xt, i->arg, gx(e, i->rs2), zero);
    sx(e, i->rd, tn_ir(e->u, TN_OP_SELECT, e->xt, 0, gone, zero, a));
}
