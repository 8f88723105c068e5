/* SPDX-License-Identifier: Apache-2.0 */
/* Counting bits, parts of integers, and changes of width. */
#include "gen.h"

bool gen_count(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool wide = o->type == TN_I64;
    uint32_t code, x, dst;

    if (o->type != TN_I64 && o->type != TN_I32)
        return false;
    if (o->op == TN_OP_POPCNT ? !g->h->has_popcnt
        : o->op == TN_OP_CLZ  ? !g->h->has_lzcnt
                              : !g->h->has_bmi1)
        return false;
    code = o->op == TN_OP_POPCNT ? 0xb8 : o->op == TN_OP_CLZ ? 0xbd : 0xbc;
    x = use_reg(g, o->a);
    dst = def_reg(g, i);
    as_rr(&g->as, code | OP_0F | OP_F3 | (wide ? OP_W : 0), dst, x);
    return true;
}

bool gen_bswap(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t x, dst;

    if (o->type != TN_I64 && o->type != TN_I32)
        return false;
    x = use_reg(g, o->a);
    dst = def_reg(g, i);
    as_mov(&g->as, dst, x, true);
    put_opcode(&g->as, (0xc8 | (dst & 7u)) | OP_0F |
                           (o->type == TN_I64 ? OP_W : 0),
               0, 0, dst, false);
    return true;
}

bool gen_extract(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t pos = o->b & 0xff, len = o->b >> 8 & 0xff, x, dst;
    bool sign = o->b >> 16 & 1;

    if (ir_type_bits(o->type) > 64 || len == 0 || pos + len > 64)
        return false;
    x = use_reg(g, o->a);
    dst = def_reg(g, i);
    if (pos == 0 && (len == 8 || len == 16 || len == 32)) {
        gen_extend(g, dst, x, len == 8 ? TN_I8 : len == 16 ? TN_I16 : TN_I32,
               sign);
        return true;
    }
    as_mov(&g->as, dst, x, true);
    if (pos + len < 64)
        as_shift_imm(&g->as, SH_SHL, dst, 64 - pos - len, true);
    if (len < 64)
        as_shift_imm(&g->as, sign ? SH_SAR : SH_SHR, dst, 64 - len, true);
    return true;
}

bool gen_resize(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t x, dst;

    switch (o->op) {
    case TN_OP_TRUNC:
        if (g->val[canon(g, o->a)].is_wide)
            return false;
        x = use_reg(g, o->a);
        dst = def_reg(g, i);
        as_mov(&g->as, dst, x, true);
        return true;
    case TN_OP_ZEXT:
    case TN_OP_SEXT:
        if (o->type == TN_I128 || o->b == TN_I128)
            return false;
        x = use_reg(g, o->a);
        dst = def_reg(g, i);
        gen_extend(g, dst, x, o->b, o->op == TN_OP_SEXT);
        return true;
    case TN_OP_LOW:
    case TN_OP_HIGH: {
        const struct val *v = &g->val[canon(g, o->a)];
        struct mem m;

        if (!v->is_wide || o->type != TN_I64 || v->loc != LOC_SLOT)
            return false;
        m = slot_mem(v->slot);
        m.disp += o->op == TN_OP_HIGH ? 8 : 0;
        dst = def_reg(g, i);
        as_load(&g->as, dst, m, true);
        return true;
    }
    case TN_OP_PACK: {
        struct mem m;

        if (o->type != TN_I128)
            return false;
        m = def_slot(g, i);
        use_into_mem(g, o->a, m);
        m.disp += 8;
        use_into_mem(g, o->b, m);
        return true;
    }
    default:
        return false;
    }
}
