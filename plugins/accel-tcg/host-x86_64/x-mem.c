/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory. A load or store looks its page up in the space's TLB:
 *
 *     rorx  s1, va, 7              ; index of the entry * 32
 *     and   s1, (entries - 1) * 32
 *     mov   s2, [space + s1 + tag]
 *     xor   s2, va                 ; hit: the offset in the page
 *     mov   s1, [space + s1 + addend]
 *     cmp   s2, 4096 - size        ; one compare: other page, page crossing
 *     ja    slow
 *     mov   dst, [s1 + va]
 *
 * The slow path is behind the unit. What is wider than a register, and atomics,
 * are in x-atomic.c.
 */
#include "gen.h"

static bool address32(struct gen *g)
{
    return g->t->info->address_bits == 32;
}

/* The address with its displacement in a register. */
uint32_t gen_address(struct gen *g, const struct tn_ir_op *o, int32_t d)
{
    uint32_t v = canon(g, o->a), x, t;
    const struct ir_op_info *k = ir_op_info(o->op);
    bool wide = !address32(g);

    if (is_const(g, v)) {
        t = alloc_temp(g);
        as_mov_imm(&g->as, t,
                   (const_of(g, v) + (uint64_t)(int64_t)d) &
                       g->t->address_mask);
        return t;
    }
    x = use_reg(g, v);
    if (d == 0 && wide)
        return x;
    if (g->val[v].loc == LOC_REG && g->val[v].last_use <= g->op &&
        !(k->operands[1] == 'v' && canon(g, o->b) == v)) {
        t = x;
        free_value(g, v);
    } else {
        t = alloc_temp(g);
    }
    if (d)
        as_lea(&g->as, t, mem_at(x, d), wide);
    else
        as_rr(&g->as, 0x8b, t, x); /* zero-extends */
    if (x != t)
        g->locked &= ~(1u << x);
    return t;
}

/* The lookup; leaves the addend in *S1. C gets the jumps. */
void gen_probe(struct gen *g, struct cold *c, uint32_t va, uint32_t mo,
               uint32_t tag_offset, uint32_t s1, uint32_t s2)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    int32_t at = (int32_t)(offsetof(struct tcg_space, tlb) +
                           TN_MO_GET_MODE(mo) * TLB_ENTRIES *
                               sizeof(struct tlb_entry));

    if (g->h->has_bmi2) {
        as_vex_rr(&g->as, VEX(3, 3, 1, 0xf0), s1, 0, va);
        put8(&g->as, PAGE_BITS - 5);
    } else {
        as_mov(&g->as, s1, va, true);
        as_shift_imm(&g->as, SH_SHR, s1, PAGE_BITS - 5, true);
    }
    as_alu_imm(&g->as, ALU_AND, s1, (TLB_ENTRIES - 1) << 5, false);
    as_load(&g->as, s2, mem_sum(SPACE, s1, at + (int32_t)tag_offset), true);
    as_alu(&g->as, ALU_XOR, s2, va, true);
    as_load(&g->as, s1,
            mem_sum(SPACE, s1,
                    at + (int32_t)offsetof(struct tlb_entry, addend)),
            true);
    as_alu_imm(&g->as, ALU_CMP, s2, (int32_t)(PAGE_SIZE - bytes), true);
    c->from[0] = as_jcc(&g->as, CC_A);
    c->from[1] = NULL;
    if (mo & TN_MO_ALIGN && bytes > 1) {
        as_rr(&g->as, 0xf6 | OP_RM_BYTE, 0, s2);
        put8(&g->as, bytes - 1);
        c->from[1] = as_jcc(&g->as, CC_NE);
    }
}

static void swap_bytes(struct gen *g, uint32_t reg, uint32_t size)
{
    if (size == TN_MO_16) {
        as_rr(&g->as, 0xc1 | OP_66, SH_ROL, reg);
        put8(&g->as, 8);
    } else {
        put_opcode(&g->as, (0xc8 | (reg & 7u)) | OP_0F |
                               (size == TN_MO_64 ? OP_W : 0),
                   0, 0, reg, false);
    }
}

static void load_bytes(struct gen *g, uint32_t dst, struct mem m, uint32_t mo)
{
    static const uint32_t zero[] = {0xb6 | OP_0F, 0xb7 | OP_0F, 0x8b,
                                    0x8b | OP_W};
    static const uint32_t sign[] = {0xbe | OP_0F | OP_W, 0xbf | OP_0F | OP_W,
                                    0x63 | OP_W, 0x8b | OP_W};
    uint32_t size = mo & TN_MO_SIZE;

    if (!(mo & TN_MO_BIG) || size == TN_MO_8) {
        as_rm(&g->as, mo & TN_MO_SIGN ? sign[size] : zero[size], dst, m);
        return;
    }
    as_rm(&g->as, zero[size], dst, m);
    swap_bytes(g, dst, size);
    if (mo & TN_MO_SIGN && size < TN_MO_64)
        as_rr(&g->as, sign[size], dst, dst);
}

static void gen_load(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t va = gen_address(g, o, TN_MO_GET_DISP(o->c)), s1, s2, dst;
    bool wanted_int = g->val[i].want >= 0 &&
                      !g->h->gregs[g->val[i].want].is_xmm;
    struct cold *c;
    bool xmm = g->h->has_avx && (o->type == TN_F32 || o->type == TN_F64) &&
               !(o->c & TN_MO_BIG) &&
               (o->c & TN_MO_SIZE) == (o->type == TN_F64 ? TN_MO_64
                                                         : TN_MO_32);

    s1 = alloc_temp(g);
    s2 = alloc_temp(g);
    /* What the wanted register held is saved before the ways part. */
    dst = xmm ? def_xmm(g, i) : wanted_int ? def_reg(g, i) : s1;
    c = add_cold(g, COLD_LOAD);
    gen_probe(g, c, va, o->c, offsetof(struct tlb_entry, read), s1, s2);
    if (xmm)
        as_vex_rm(&g->as, o->type == TN_F64 ? VMOVSD_LOAD : VMOVSS_LOAD, dst,
                  0, mem_sum(s1, va, 0));
    else
        load_bytes(g, dst, mem_sum(s1, va, 0), o->c);
    c->back = g->as.p;
    c->data_kind = xmm ? DATA_XMM : DATA_REG;
    c->va = (uint8_t)va;
    c->reg = (uint8_t)dst;
    c->mo = o->c & 0xffff;
    if (!xmm && !wanted_int)
        def_in(g, i, s1);
}

static void store_bytes(struct gen *g, struct mem m, struct opnd d,
                        uint32_t size)
{
    static const uint32_t op_reg[] = {0x88 | OP_BYTE, 0x89 | OP_66, 0x89,
                                      0x89 | OP_W};
    static const uint32_t op_imm[] = {0xc6, 0xc7 | OP_66, 0xc7, 0xc7 | OP_W};

    if (d.kind == OPND_REG) {
        as_rm(&g->as, op_reg[size], d.reg, m);
        return;
    }
    as_rm(&g->as, op_imm[size], 0, m);
    if (size == TN_MO_8) {
        put8(&g->as, (uint32_t)d.imm);
    } else if (size == TN_MO_16) {
        put8(&g->as, (uint32_t)d.imm);
        put8(&g->as, (uint32_t)d.imm >> 8);
    } else {
        put32(&g->as, (uint32_t)d.imm);
    }
}

static void store_fence(struct gen *g)
{
    as_rm(&g->as, 0x83 | OP_LOCK, ALU_OR, frame_mem(0)); /* lock or [rsp],0 */
    put8(&g->as, 0);
}

/* Is the data in an xmm register, and stored from there? */
static bool stores_xmm(struct gen *g, const struct tn_ir_op *o)
{
    uint32_t v = canon(g, o->b), size = o->c & TN_MO_SIZE;
    const struct val *x = &g->val[v];

    return !is_const(g, v) && !(o->c & TN_MO_BIG) && size >= TN_MO_32 &&
           (x->loc == LOC_XMM ||
            (x->loc == LOC_GREG && g->h->gregs[x->greg].host != NO_REG &&
             g->h->gregs[x->greg].is_xmm));
}

static void gen_store(struct gen *g, const struct tn_ir_op *o)
{
    uint32_t size = o->c & TN_MO_SIZE, va, s1, s2;
    struct opnd d = {.kind = OPND_REG};
    struct cold *c;
    bool xmm = false;

    va = gen_address(g, o, TN_MO_GET_DISP(o->c));
    if (stores_xmm(g, o))
        xmm = true, d.reg = (uint8_t)use_xmm(g, o->b);
    else if (is_const(g, canon(g, o->b)) && !(o->c & TN_MO_BIG))
        d = use_opnd(g, o->b,
                     size == TN_MO_64 ? TN_I64 : TN_I32);
    else
        d.reg = (uint8_t)use_reg(g, o->b);
    s1 = alloc_temp(g);
    s2 = alloc_temp(g);
    c = add_cold(g, COLD_STORE);
    gen_probe(g, c, va, o->c, offsetof(struct tlb_entry, write), s1, s2);
    c->va = (uint8_t)va;
    c->reg = d.reg;
    c->imm = (uint64_t)(int64_t)d.imm;
    c->data_kind = xmm                  ? DATA_XMM
                   : d.kind == OPND_IMM ? DATA_IMM
                                        : DATA_REG;
    c->mo = o->c & 0xffff;
    if (o->c & TN_MO_BIG && size != TN_MO_8) {
        as_mov(&g->as, s2, d.reg, true);
        swap_bytes(g, s2, size);
        d.reg = (uint8_t)s2;
    }
    if (xmm)
        as_vex_rm(&g->as, size == TN_MO_64 ? VMOVSD_STORE : VMOVSS_STORE,
                  d.reg, 0, mem_sum(s1, va, 0));
    else
        store_bytes(g, mem_sum(s1, va, 0), d, size);
    c->back = g->as.p;
    if ((o->c & TN_MO_SEQCST) != 0)
        store_fence(g);
}

void gen_cold_mem(struct gen *g, struct cold *c)
{
    struct mem m;

    as_fix(c->from[0], g->as.p);
    if (c->from[1])
        as_fix(c->from[1], g->as.p);
    as_store(&g->as, frame_mem(FRAME_ARGS), c->va, true);
    as_rm(&g->as, 0xc7 | OP_W, 0, frame_mem(FRAME_ARGS + 8));
    put32(&g->as, c->mo);
    m = frame_mem(FRAME_ARGS + 16);
    if (c->kind == COLD_STORE && c->data_kind == DATA_REG) {
        as_store(&g->as, m, c->reg, true);
    } else if (c->kind == COLD_STORE && c->data_kind == DATA_XMM) {
        as_rm(&g->as, 0xd6 | OP_0F | OP_66, c->reg, m);
    } else if (c->kind == COLD_STORE) {
        as_rm(&g->as, 0xc7 | OP_W, 0, m);
        put32(&g->as, (uint32_t)c->imm);
    }
    as_call_to(&g->as, to_rw(g->t, c->kind == COLD_LOAD ? g->h->slow_load
                                                        : g->h->slow_store));
    g->insn = c->insn;
    add_site(g);
    if (c->kind == COLD_LOAD && c->data_kind == DATA_XMM)
        as_rm(&g->as, 0x7e | OP_0F | OP_F3, c->reg, frame_mem(FRAME_ARGS));
    else if (c->kind == COLD_LOAD)
        as_load(&g->as, c->reg, frame_mem(FRAME_ARGS), true);
    as_jmp_to(&g->as, c->back);
}

static void gen_fence(struct gen *g, const struct tn_ir_op *o)
{
    /* x86-64 orders everything but a store before a later load. */
    if (o->a & (TN_FENCE_WRITE | TN_FENCE_IO_WRITE) &&
        o->b & (TN_FENCE_READ | TN_FENCE_IO_READ))
        store_fence(g);
}

bool gen_mem(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_LOAD:
        if ((o->c & TN_MO_SIZE) > TN_MO_64)
            return false;
        gen_load(g, i, o);
        return true;
    case TN_OP_STORE:
        if ((o->c & TN_MO_SIZE) > TN_MO_64)
            return false;
        gen_store(g, o);
        return true;
    case TN_OP_FENCE:
        gen_fence(g, o);
        return true;
    default:
        return false;
    }
}
