/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer arithmetic of I and M. Word operations of RV64 work on 64 bits
 * where the operands' high halves cannot reach the low half of the result; an
 * I32 operation reads just the low half of its operands.
 */
#include "decode.h"

void emit_rr(struct emit *e, const struct insn *i)
{
    uint32_t a, b;

    if (!i->rd)
        return;
    /* mv, and its compressed form with rs1 = x0 */
    if (i->arg == TN_OP_ADD && (!i->rs1 || !i->rs2)) {
        uint32_t from = i->rs1 ? i->rs1 : i->rs2;
        uint64_t value;
        if (known(e, from, &value))
            sx_const(e, i->rd, value);
        else
            sx(e, i->rd, gx(e, from));
        return;
    }
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    sx(e, i->rd, tn_op2(e->u, i->arg, e->xt, a, b));
}

void emit_ri(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    sx(e, i->rd, tn_op2(e->u, i->arg, e->xt, a, imm(e, i->imm)));
}

void emit_addi(struct emit *e, const struct insn *i)
{
    uint64_t value;

    if (!i->rd)
        return;
    if (known(e, i->rs1, &value)) {
        sx_const(e, i->rd, value + (uint64_t)(int64_t)i->imm);
        return;
    }
    if (i->imm)
        emit_ri(e, &(struct insn){.rd = i->rd,
                                  .rs1 = i->rs1,
                                  .imm = i->imm,
                                  .arg = TN_OP_ADD});
    else
        sx(e, i->rd, gx(e, i->rs1));
}

void emit_lui(struct emit *e, const struct insn *i)
{
    sx_const(e, i->rd, (uint64_t)(int64_t)i->imm);
}

void emit_auipc(struct emit *e, const struct insn *i)
{
    sx_const(e, i->rd, e->pc + (uint64_t)(int64_t)i->imm);
}

void emit_slt(struct emit *e, const struct insn *i)
{
    uint32_t a, b;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    sx(e, i->rd, tn_setcc(e->u, e->xt, i->arg, a, b));
}

void emit_slti(struct emit *e, const struct insn *i)
{
    uint32_t a;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    sx(e, i->rd, tn_setcc(e->u, e->xt, i->arg, a, imm(e, i->imm)));
}

void emit_rr_low(struct emit *e, const struct insn *i)
{
    uint32_t a, b;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    sx_word(e, i->rd, tn_op2(e->u, i->arg, e->xt, a, b));
}

void emit_ri_low(struct emit *e, const struct insn *i)
{
    uint32_t a;
    uint64_t value;

    if (!i->rd)
        return;
    if (i->arg == TN_OP_ADD && known(e, i->rs1, &value)) {
        value += (uint64_t)(int64_t)i->imm;
        sx_const(e, i->rd, (uint64_t)(int64_t)(int32_t)value);
        return;
    }
    a = gx(e, i->rs1);
    if (i->imm)
        a = tn_op2(e->u, i->arg, e->xt, a, imm(e, i->imm));
    sx_word(e, i->rd, a); /* sext.w is addiw with 0 */
}

void emit_rr_word(struct emit *e, const struct insn *i)
{
    uint32_t a, b;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    sx_word(e, i->rd, tn_op2(e->u, i->arg, TN_I32, a, b));
}

/* Bits 31..shamt to 31-shamt..0; sign-extended when SIGNED. */
static void shift_right_word(struct emit *e, const struct insn *i,
                             uint32_t is_signed)
{
    uint32_t shamt = (uint32_t)i->imm, a;

    if (!i->rd)
        return;
    a = gx(e, i->rs1);
    sx(e, i->rd,
       tn_ir(e->u, TN_OP_EXTRACT, e->xt, 0, a,
             shamt | (32 - shamt) << 8 | is_signed << 16, 0));
}

void emit_srliw(struct emit *e, const struct insn *i)
{
    shift_right_word(e, i, i->imm == 0);
}

void emit_sraiw(struct emit *e, const struct insn *i)
{
    shift_right_word(e, i, 1);
}
