/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons and what depends on them at once. */
#include "gen.h"

static const uint8_t host_cc[] = {
    [TN_CC_EQ] = CC_E,   [TN_CC_NE] = CC_NE,  [TN_CC_LTU] = CC_B,
    [TN_CC_GEU] = CC_AE, [TN_CC_LEU] = CC_BE, [TN_CC_GTU] = CC_A,
    [TN_CC_LTS] = CC_L,  [TN_CC_GES] = CC_GE, [TN_CC_LES] = CC_LE,
    [TN_CC_GTS] = CC_G,  [TN_CC_TSTNE] = CC_NE, [TN_CC_TSTEQ] = CC_E,
};
static const uint8_t swapped_cc[] = {
    [TN_CC_EQ] = TN_CC_EQ,   [TN_CC_NE] = TN_CC_NE,
    [TN_CC_LTU] = TN_CC_GTU, [TN_CC_GEU] = TN_CC_LEU,
    [TN_CC_LEU] = TN_CC_GEU, [TN_CC_GTU] = TN_CC_LTU,
    [TN_CC_LTS] = TN_CC_GTS, [TN_CC_GES] = TN_CC_LES,
    [TN_CC_LES] = TN_CC_GES, [TN_CC_GTS] = TN_CC_LTS,
    [TN_CC_TSTNE] = TN_CC_TSTNE, [TN_CC_TSTEQ] = TN_CC_TSTEQ,
};

/* Operands narrower than 32 bits are compared after a shift to the top. */
static uint32_t top_aligned(struct gen *g, uint32_t v, uint32_t type)
{
    uint32_t x = use_reg(g, v), t = alloc_temp(g);

    as_mov(&g->as, t, x, false);
    as_shift_imm(&g->as, SH_SHL, t, 32 - ir_type_bits(type), false);
    g->locked &= ~(1u << x);
    return t;
}

uint32_t gen_compare(struct gen *g, uint32_t type, uint32_t cc, uint32_t a,
                     uint32_t b)
{
    bool wide = is_wide_op(type);
    bool test = cc == TN_CC_TSTNE || cc == TN_CC_TSTEQ;
    struct opnd y;
    uint32_t x;

    if (ir_type_bits(type) < 32) {
        x = top_aligned(g, a, type);
        y = (struct opnd){.kind = OPND_REG,
                          .reg = (uint8_t)top_aligned(g, b, type)};
        wide = false;
    } else {
        if (is_const(g, canon(g, a)) && !is_const(g, canon(g, b))) {
            uint32_t t = a;

            a = b;
            b = t;
            cc = swapped_cc[cc];
        }
        y = use_opnd(g, b, type);
        x = NO_REG;
        if (y.kind != OPND_MEM && !test) {
            struct opnd m = use_opnd(g, a, type);

            if (m.kind == OPND_MEM) {
                if (y.kind == OPND_IMM)
                    as_alu_mem_imm(&g->as, ALU_CMP, m.mem, y.imm, wide);
                else
                    as_rm(&g->as, (ALU_CMP << 3 | 1) | (wide ? OP_W : 0),
                          y.reg, m.mem);
                return host_cc[cc];
            }
            if (m.kind == OPND_REG)
                x = m.reg;
        }
        if (x == NO_REG)
            x = use_reg(g, a);
    }
    if (test) {
        if (y.kind == OPND_IMM) {
            as_rr(&g->as, 0xf7 | (wide ? OP_W : 0), 0, x);
            put32(&g->as, (uint32_t)y.imm);
        } else if (y.kind == OPND_MEM) {
            as_rm(&g->as, 0x85 | (wide ? OP_W : 0), x, y.mem);
        } else {
            as_test(&g->as, x, y.reg, wide);
        }
    } else if (y.kind == OPND_IMM && y.imm == 0) {
        as_test(&g->as, x, x, wide);
    } else {
        alu_opnd(g, ALU_CMP, x, y, wide);
    }
    return host_cc[cc];
}

bool gen_setcc(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t cc, t;

    if (o->type == TN_I128)
        return false;
    cc = gen_compare(g, o->type, o->flags, o->a, o->b);
    g->locked = 0; /* the operands are no longer needed */
    t = def_reg(g, i);
    as_setcc(&g->as, cc, t);
    as_movzx8(&g->as, t, t);
    return true;
}

/* c, then b over it if the condition holds. */
bool gen_select(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t a, b, c, t;

    if (g->val[i].is_wide)
        return false;
    c = use_reg(g, o->c);
    b = use_reg(g, o->b);
    a = use_reg(g, o->a);
    as_rr(&g->as, 0xf7, 0, a);
    put32(&g->as, 1);
    /* The condition is in the flags: moves below leave them alone. */
    t = def_reg(g, i);
    if (t == b) {
        as_cmov(&g->as, CC_E, t, c, true);
    } else {
        as_mov(&g->as, t, c, true);
        as_cmov(&g->as, CC_NE, t, b, true);
    }
    return true;
}

void gen_minmax(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    static const uint8_t cc[] = {TN_CC_LTU, TN_CC_GTU, TN_CC_LTS, TN_CC_GTS};
    bool wide = is_wide_op(o->type);
    uint32_t x = use_reg(g, o->a), y = use_reg(g, o->b), dst;

    as_alu(&g->as, ALU_CMP, x, y, wide);
    dst = def_reg(g, i);
    if (dst == y) {
        as_cmov(&g->as, host_cc[cc[o->op - TN_OP_MINU]], dst, x, true);
    } else {
        as_mov(&g->as, dst, x, true);
        as_cmov(&g->as, host_cc[cc[o->op - TN_OP_MINU]] ^ 1u, dst, y, true);
    }
}
