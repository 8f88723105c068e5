/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer operations. Operands are found before the result's register is
 * chosen, which may be the register of any of them: every sequence here holds
 * then, or works in a scratch register first.
 */
#include "gen.h"

static uint32_t small_imm_mask(uint32_t type)
{
    return type == TN_I64 ? 63 : type == TN_I32 ? 31 : type == TN_I16 ? 15 : 7;
}

void alu_opnd(struct gen *g, uint32_t alu, uint32_t dst, struct opnd b,
                     bool wide)
{
    if (b.kind == OPND_IMM)
        as_alu_imm(&g->as, alu, dst, b.imm, wide);
    else if (b.kind == OPND_MEM)
        as_alu_load(&g->as, alu, dst, b.mem, wide);
    else
        as_alu(&g->as, alu, dst, b.reg, wide);
}

/* Swap operands so that a constant or memory operand comes second. */
static void order_operands(struct gen *g, uint32_t *a, uint32_t *b)
{
    uint32_t va = canon(g, *a), vb = canon(g, *b), t;

    if (!is_const(g, vb) &&
        (is_const(g, va) ||
         (g->val[vb].loc == LOC_REG && g->val[vb].last_use <= g->op &&
          !(g->val[va].loc == LOC_REG && g->val[va].last_use <= g->op)))) {
        t = *a;
        *a = *b;
        *b = t;
    }
}

/* DST = A op B where DST may be either. */
static void three_operand(struct gen *g, uint32_t alu, bool swappable,
                          uint32_t dst, uint32_t a, struct opnd b, bool wide)
{
    if (b.kind == OPND_REG && dst == b.reg && dst != a) {
        if (swappable) {
            as_alu(&g->as, alu, dst, a, wide);
            return;
        }
        if (alu == ALU_SUB) { /* b = a - b */
            as_group3(&g->as, G3_NEG, dst, wide);
            as_alu(&g->as, ALU_ADD, dst, a, wide);
            return;
        }
    }
    as_mov(&g->as, dst, a, wide);
    alu_opnd(g, alu, dst, b, wide);
}

static void gen_add(struct gen *g, uint32_t i, uint32_t a, uint32_t b,
                    bool wide, uint32_t type)
{
    uint32_t x, dst;
    struct opnd y;

    order_operands(g, &a, &b);
    x = use_reg(g, a);
    y = use_opnd(g, b, type);
    dst = def_reg(g, i);
    if (dst == x || (y.kind == OPND_REG && dst == y.reg) ||
        y.kind == OPND_MEM) {
        three_operand(g, ALU_ADD, true, dst, x, y, wide);
    } else if (y.kind == OPND_IMM) {
        if (y.imm == 0)
            as_mov(&g->as, dst, x, wide);
        else
            as_lea(&g->as, dst, mem_at(x, y.imm), wide);
    } else {
        as_lea(&g->as, dst, mem_sum(x, y.reg, 0), wide);
    }
}

static bool gen_alu(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool wide = is_wide_op(o->type);
    uint32_t alu, a = o->a, b = o->b, x, dst;
    struct opnd y;

    switch (o->op) {
    case TN_OP_ADD:
        gen_add(g, i, a, b, wide, o->type);
        return true;
    case TN_OP_SUB:
        if (is_const(g, canon(g, b))) {
            uint64_t c = const_of(g, canon(g, b));
            int32_t neg = (int32_t)-c;

            if (!wide || (int64_t)-c == neg) {
                x = use_reg(g, a);
                dst = def_reg(g, i);
                if (dst == x)
                    as_alu_imm(&g->as, ALU_ADD, dst, neg, wide);
                else
                    as_lea(&g->as, dst, mem_at(x, neg), wide);
                return true;
            }
        }
        alu = ALU_SUB;
        break;
    case TN_OP_AND:
        alu = ALU_AND;
        break;
    case TN_OP_OR:
        alu = ALU_OR;
        break;
    case TN_OP_XOR:
        alu = ALU_XOR;
        break;
    default:
        return false;
    }
    if (alu != ALU_SUB)
        order_operands(g, &a, &b);
    if (alu == ALU_AND && is_const(g, canon(g, b)) && wide &&
        const_of(g, canon(g, b)) == UINT32_MAX) {
        x = use_reg(g, a);
        dst = def_reg(g, i);
        as_rr(&g->as, 0x8b, dst, x);
        return true;
    }
    x = use_reg(g, a);
    y = use_opnd(g, b, o->type);
    dst = def_reg(g, i);
    three_operand(g, alu, alu != ALU_SUB, dst, x, y, wide);
    return true;
}

static void gen_not_neg(struct gen *g, uint32_t i, const struct tn_ir_op *o,
                        uint32_t n)
{
    uint32_t x = use_reg(g, o->a), dst = def_reg(g, i);

    as_mov(&g->as, dst, x, true);
    as_group3(&g->as, n, dst, is_wide_op(o->type));
}

/* a & ~b, a | ~b, ~(a ^ b) */
static void gen_inverted(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool wide = is_wide_op(o->type);
    uint32_t x = use_reg(g, o->a), y = use_reg(g, o->b), dst, t;

    if (o->op == TN_OP_ANDN && g->h->has_bmi1) {
        dst = def_reg(g, i);
        as_vex_rr(&g->as, VEX(2, 0, wide, 0xf2), dst, y, x);
        return;
    }
    t = alloc_temp(g);
    as_mov(&g->as, t, y, true);
    if (o->op == TN_OP_XNOR) {
        as_alu(&g->as, ALU_XOR, t, x, true);
        as_group3(&g->as, G3_NOT, t, true);
    } else {
        as_group3(&g->as, G3_NOT, t, true);
        as_alu(&g->as, o->op == TN_OP_ORN ? ALU_OR : ALU_AND, t, x, true);
    }
    def_in(g, i, t);
}

static void gen_mul(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool wide = is_wide_op(o->type);
    uint32_t a = o->a, b = o->b, x, dst;
    struct opnd y;

    order_operands(g, &a, &b);
    x = use_reg(g, a);
    y = use_opnd(g, b, o->type);
    dst = def_reg(g, i);
    if (y.kind == OPND_IMM) {
        as_rr(&g->as, 0x69 | (wide ? OP_W : 0), dst, x);
        put32(&g->as, (uint32_t)y.imm);
    } else if (y.kind == OPND_REG && dst == y.reg) {
        as_rr(&g->as, 0xaf | OP_0F | (wide ? OP_W : 0), dst, x);
    } else {
        as_mov(&g->as, dst, x, wide);
        if (y.kind == OPND_MEM)
            as_rm(&g->as, 0xaf | OP_0F | (wide ? OP_W : 0), dst, y.mem);
        else
            as_rr(&g->as, 0xaf | OP_0F | (wide ? OP_W : 0), dst, y.reg);
    }
}

/* Extend REG from TYPE's width in place to all 64 bits. */
void gen_extend(struct gen *g, uint32_t dst, uint32_t src, uint32_t type,
                bool sign)
{
    switch (type) {
    case TN_I8:
        as_rr(&g->as, (sign ? 0xbe | OP_W : 0xb6) | OP_0F | OP_RM_BYTE, dst,
              src);
        break;
    case TN_I16:
        as_rr(&g->as, (sign ? 0xbf | OP_W : 0xb7) | OP_0F, dst, src);
        break;
    case TN_I32:
    case TN_F32:
        if (sign)
            as_rr(&g->as, 0x63 | OP_W, dst, src);
        else
            as_rr(&g->as, 0x8b, dst, src);
        break;
    default:
        as_mov(&g->as, dst, src, true);
        break;
    }
}

static const uint8_t shift_of[] = {[0] = SH_SHL, [1] = SH_SHR, [2] = SH_SAR,
                                   [3] = SH_ROL, [4] = SH_ROR};

static uint32_t shift_kind(uint32_t op)
{
    return op == TN_OP_SHL    ? 0
           : op == TN_OP_SHR  ? 1
           : op == TN_OP_SAR  ? 2
           : op == TN_OP_ROTL ? 3
                              : 4;
}

/* By a constant. */
static void gen_shift_imm(struct gen *g, uint32_t i, const struct tn_ir_op *o,
                          uint32_t n)
{
    uint32_t kind = shift_kind(o->op), x = use_reg(g, o->a), dst;
    bool wide = is_wide_op(o->type);

    if (kind == 4 && g->h->has_bmi2) {
        dst = def_reg(g, i);
        as_vex_rr(&g->as, VEX(3, 3, wide, 0xf0), dst, 0, x);
        put8(&g->as, n);
        return;
    }
    dst = def_reg(g, i);
    if (n == 1 && kind == 0 && dst != x) {
        as_lea(&g->as, dst, mem_sum(x, x, 0), wide);
        return;
    }
    as_mov(&g->as, dst, x, wide);
    if (n)
        as_shift_imm(&g->as, shift_of[kind], dst, n, wide);
}

static bool gen_shift(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    static const uint32_t bmi[] = {VEX(2, 1, 0, 0xf7), VEX(2, 3, 0, 0xf7),
                                   VEX(2, 2, 0, 0xf7)};
    uint32_t kind = shift_kind(o->op), nv = canon(g, o->b), x, n, t;
    bool wide = is_wide_op(o->type), narrow = ir_type_bits(o->type) < 32;

    if (is_const(g, nv) && !narrow) {
        gen_shift_imm(g, i, o,
                      (uint32_t)const_of(g, nv) & small_imm_mask(o->type));
        return true;
    }
    if (narrow && kind >= 3)
        return false;
    if (!narrow && kind <= 2 && g->h->has_bmi2) {
        uint32_t dst;

        x = use_reg(g, o->a);
        n = use_reg(g, o->b);
        dst = def_reg(g, i);
        as_vex_rr(&g->as, bmi[kind] | (wide ? 1u << 8 : 0), dst, n, x);
        return true;
    }
    use_into(g, o->b, RCX);
    t = alloc_temp(g);
    x = use_reg(g, o->a);
    if (narrow && kind)
        gen_extend(g, t, x, o->type, kind == 2);
    else
        as_mov(&g->as, t, x, true);
    if (narrow)
        as_alu_imm(&g->as, ALU_AND, RCX, (int32_t)small_imm_mask(o->type),
                   false);
    as_shift_cl(&g->as, shift_of[kind], t, wide);
    def_in(g, i, t);
    return true;
}

/* MULH*: rdx:rax. */
static bool gen_mulh(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t y, t;

    if (o->type != TN_I64)
        return false;
    use_into(g, o->a, RAX);
    claim_temp(g, RDX);
    y = use_reg(g, o->b);
    if (o->op == TN_OP_MULHSU) {
        /* unsigned product, then minus b if a is negative */
        t = alloc_temp(g);
        as_mov(&g->as, t, RAX, true);
        as_shift_imm(&g->as, SH_SAR, t, 63, true);
        as_alu(&g->as, ALU_AND, t, y, true);
        as_group3(&g->as, G3_MUL, y, true);
        as_alu(&g->as, ALU_SUB, RDX, t, true);
    } else {
        as_group3(&g->as, o->op == TN_OP_MULHU ? G3_MUL : G3_IMUL, y, true);
    }
    def_in(g, i, RDX);
    return true;
}

/* Division by TN_DIV_* rules; 32 and 64 bits. */
static bool gen_div(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool wide = o->type == TN_I64, rem = o->op == TN_OP_REMU ||
                                         o->op == TN_OP_REMS;
    bool is_signed = o->op == TN_OP_DIVS || o->op == TN_OP_REMS;
    uint8_t *zero = NULL, *minus = NULL, *end1 = NULL, *end2 = NULL;
    uint32_t y;

    if (o->type != TN_I64 && o->type != TN_I32)
        return false;
    use_into(g, o->a, RAX);
    claim_temp(g, RDX);
    y = use_reg(g, o->b);
    if (o->flags != TN_DIV_GUARDED) {
        as_test(&g->as, y, y, wide);
        zero = as_jcc(&g->as, CC_E);
        if (is_signed) {
            as_alu_imm(&g->as, ALU_CMP, y, -1, wide);
            minus = as_jcc(&g->as, CC_E);
        }
    }
    if (is_signed) {
        put_opcode(&g->as, 0x99 | (wide ? OP_W : 0), 0, 0, 0, false); /* cqo */
        as_group3(&g->as, G3_IDIV, y, wide);
    } else {
        as_mov_imm(&g->as, RDX, 0);
        as_group3(&g->as, G3_DIV, y, wide);
    }
    if (zero) {
        end1 = as_jmp(&g->as);
        as_fix(zero, g->as.p);
        as_mov(&g->as, RDX, RAX, true); /* x % 0 */
        if (o->flags == TN_DIV_RISCV)
            as_mov_imm_keep(&g->as, RAX, ~0ull);
        else
            as_mov_imm_keep(&g->as, RAX, 0);
        if (minus) {
            end2 = as_jmp(&g->as);
            as_fix(minus, g->as.p);
            as_group3(&g->as, G3_NEG, RAX, wide); /* x / -1 */
            as_mov_imm(&g->as, RDX, 0);
            as_fix(end2, g->as.p);
        }
        as_fix(end1, g->as.p);
    }
    def_in(g, i, rem ? RDX : RAX);
    return true;
}

bool gen_int(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    bool narrow = ir_type_bits(o->type) < 32;

    if (o->op == TN_OP_PACK || o->op == TN_OP_LOW || o->op == TN_OP_HIGH ||
        o->op == TN_OP_ZEXT || o->op == TN_OP_SEXT || o->op == TN_OP_TRUNC)
        return gen_resize(g, i, o);
    if (o->op == TN_OP_SELECT)
        return gen_select(g, i, o);
    if (!ir_type_is_int(o->type) || o->type == TN_I128)
        return false;
    switch (o->op) {
    case TN_OP_ADD:
    case TN_OP_SUB:
    case TN_OP_AND:
    case TN_OP_OR:
    case TN_OP_XOR:
        return gen_alu(g, i, o);
    case TN_OP_NOT:
        gen_not_neg(g, i, o, G3_NOT);
        return true;
    case TN_OP_NEG:
        gen_not_neg(g, i, o, G3_NEG);
        return true;
    case TN_OP_ANDN:
    case TN_OP_ORN:
    case TN_OP_XNOR:
        gen_inverted(g, i, o);
        return true;
    case TN_OP_MUL:
        gen_mul(g, i, o);
        return true;
    case TN_OP_SHL:
    case TN_OP_SHR:
    case TN_OP_SAR:
    case TN_OP_ROTL:
    case TN_OP_ROTR:
        return gen_shift(g, i, o);
    case TN_OP_MULHU:
    case TN_OP_MULHS:
    case TN_OP_MULHSU:
        return gen_mulh(g, i, o);
    case TN_OP_DIVU:
    case TN_OP_DIVS:
    case TN_OP_REMU:
    case TN_OP_REMS:
        return gen_div(g, i, o);
    case TN_OP_SETCC:
        return gen_setcc(g, i, o);
    case TN_OP_MINU:
    case TN_OP_MAXU:
    case TN_OP_MINS:
    case TN_OP_MAXS:
        if (narrow)
            return false;
        gen_minmax(g, i, o);
        return true;
    case TN_OP_CLZ:
    case TN_OP_CTZ:
    case TN_OP_POPCNT:
        return gen_count(g, i, o);
    case TN_OP_BSWAP:
        return gen_bswap(g, i, o);
    case TN_OP_EXTRACT:
        return gen_extract(g, i, o);
    default:
        return false;
    }
}
