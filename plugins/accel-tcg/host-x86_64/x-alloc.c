/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values live while a unit is generated. A value is in a temp register,
 * a spill slot, or is what a guest register holds. Registers are given out as
 * operations are generated; a value whose last use is the current operation
 * gives its register back after it.
 */
#include "gen.h"

void place_value(struct gen *g, uint32_t v, uint32_t reg)
{
    g->val[v].loc = LOC_REG;
    g->val[v].reg = (uint8_t)reg;
    g->owner[reg] = (int32_t)v;
}

uint16_t alloc_slot(struct gen *g)
{
    for (uint32_t i = 0; i < MAX_SLOTS / 64; i++) {
        if (~g->slots[i]) {
            uint32_t n = (uint32_t)__builtin_ctzll(~g->slots[i]);

            g->slots[i] |= 1ull << n;
            return (uint16_t)(64 * i + n);
        }
    }
    gen_fail(g);
    return 0;
}

static void free_slot(struct gen *g, uint32_t n)
{
    g->slots[n / 64] &= ~(1ull << n % 64);
}

void free_value(struct gen *g, uint32_t v)
{
    struct val *x = &g->val[v];

    if (x->loc == LOC_REG)
        g->owner[x->reg] = -1;
    else if (x->loc == LOC_XMM)
        g->xowner[x->reg] = -1;
    else if (x->loc == LOC_SLOT)
        free_slot(g, x->slot);
    else
        return;
    if (x->backing >= 0 && g->alias[x->backing] == (int32_t)v)
        g->alias[x->backing] = -1;
    x->backing = -1;
    x->loc = LOC_NONE;
}

/* Move the value in REG to memory. */
static void spill(struct gen *g, uint32_t reg)
{
    uint32_t v = (uint32_t)g->owner[reg];
    struct val *x = &g->val[v];

    g->owner[reg] = -1;
    if (x->backing >= 0) {
        x->loc = LOC_GREG;
        x->greg = x->backing;
        x->backing = -1;
        return;
    }
    x->loc = LOC_SLOT;
    x->slot = alloc_slot(g);
    as_store(&g->as, slot_mem(x->slot), reg, true);
}

static const uint8_t order[] = {TEMP_EXTRA, RDX, RCX, RAX};

uint32_t alloc_temp(struct gen *g)
{
    uint32_t best = NO_REG, last = 0;

    for (uint32_t i = 0; i < sizeof order; i++) {
        uint32_t r = order[i];

        if (g->locked >> r & 1)
            continue;
        if (g->owner[r] < 0) {
            best = r;
            break;
        }
        if (best == NO_REG || g->val[g->owner[r]].last_use > last) {
            best = r;
            last = g->val[g->owner[r]].last_use;
        }
    }
    if (best == NO_REG) { /* cannot happen: no operation locks all temps */
        gen_fail(g);
        return RAX;
    }
    if (g->owner[best] >= 0)
        spill(g, best);
    lock_reg(g, best);
    return best;
}

void claim_temp(struct gen *g, uint32_t reg)
{
    int32_t v = g->owner[reg];

    if (v >= 0) {
        uint32_t to = NO_REG;

        /* Rather to another free temp than to memory. */
        for (uint32_t i = 0; i < sizeof order && to == NO_REG; i++)
            if (order[i] != reg && g->owner[order[i]] < 0 &&
                !(g->locked >> order[i] & 1))
                to = order[i];
        if (to != NO_REG && g->val[v].backing < 0) {
            as_mov(&g->as, to, reg, true);
            g->owner[reg] = -1;
            place_value(g, (uint32_t)v, to);
        } else {
            spill(g, reg);
        }
    }
    lock_reg(g, reg);
}

void evict_all(struct gen *g)
{
    g->locked = g->xlocked = 0;
    for (uint32_t i = 0; i < sizeof order; i++)
        if (g->owner[order[i]] >= 0)
            spill(g, order[i]);
    for (uint32_t x = 0; x < N_XTEMPS; x++)
        if (g->xowner[x] >= 0)
            spill_xmm(g, x);
}

/* Put V's bits in register REG, wherever they are. */
void copy_value(struct gen *g, uint32_t v, uint32_t reg)
{
    const struct val *x = &g->val[v];

    if (is_const(g, v))
        as_mov_imm(&g->as, reg, const_of(g, v));
    else if (x->loc == LOC_REG)
        as_mov(&g->as, reg, x->reg, true);
    else if (x->loc == LOC_XMM)
        as_rr(&g->as, 0x7e | OP_0F | OP_66 | OP_W, x->reg, reg);
    else if (x->loc == LOC_GREG)
        load_greg(g, reg, (uint32_t)x->greg);
    else if (x->loc == LOC_SLOT)
        as_load(&g->as, reg, slot_mem(x->slot), true);
    else
        gen_fail(g);
}

uint32_t use_reg(struct gen *g, uint32_t v)
{
    struct val *x;
    uint32_t reg;

    v = canon(g, v);
    x = &g->val[v];
    if (x->loc == LOC_REG) {
        lock_reg(g, x->reg);
        return x->reg;
    }
    if (x->loc == LOC_GREG && g->h->gregs[x->greg].host != NO_REG &&
        !g->h->gregs[x->greg].is_xmm)
        return g->h->gregs[x->greg].host;
    reg = alloc_temp(g);
    copy_value(g, v, reg);
    if (is_const(g, v) || x->last_use <= g->op)
        return reg; /* only for this operation */
    if (x->loc == LOC_GREG) {
        if (g->h->gregs[x->greg].host != NO_REG)
            return reg;
        x->backing = x->greg;
    } else if (x->loc == LOC_SLOT) {
        free_slot(g, x->slot);
    } else if (x->loc == LOC_XMM) {
        return reg;
    }
    place_value(g, v, reg);
    return reg;
}

static bool fits_imm(uint32_t type, uint64_t c, int32_t *imm)
{
    switch (type) {
    case TN_I8:
        *imm = (int8_t)c;
        return true;
    case TN_I16:
        *imm = (int16_t)c;
        return true;
    case TN_I32:
    case TN_F32:
        *imm = (int32_t)c;
        return true;
    default:
        *imm = (int32_t)c;
        return (int64_t)c == (int32_t)c;
    }
}

struct opnd use_opnd(struct gen *g, uint32_t v, uint32_t type)
{
    struct opnd o = {.kind = OPND_REG};
    struct val *x;

    v = canon(g, v);
    x = &g->val[v];
    if (is_const(g, v) && fits_imm(type, const_of(g, v), &o.imm)) {
        o.kind = OPND_IMM;
        return o;
    }
    if (x->last_use <= g->op && ir_type_bits(type) >= 32) {
        if (x->loc == LOC_SLOT) {
            o.kind = OPND_MEM;
            o.mem = slot_mem(x->slot);
            return o;
        }
        if (x->loc == LOC_GREG && g->h->gregs[x->greg].host == NO_REG &&
            g->h->gregs[x->greg].bytes * 8u >= ir_type_bits(type)) {
            o.kind = OPND_MEM;
            o.mem = greg_mem(g, (uint32_t)x->greg);
            return o;
        }
    }
    o.reg = (uint8_t)use_reg(g, v);
    return o;
}

/* Does the current operation read V more than once? */
static bool operand_twice(struct gen *g, uint32_t v)
{
    const struct tn_ir_op *o = ir_at(g, g->op);
    const struct ir_op_info *k = ir_op_info(o->op);
    const uint32_t values[3] = {o->a, o->b, o->c};
    uint32_t n = 0;

    for (int i = 0; i < 3; i++)
        if ((k->operands[i] == 'v' || k->operands[i] == 'o') &&
            values[i] < g->op && canon(g, values[i]) == v)
            n++;
    return n > 1;
}

void use_into(struct gen *g, uint32_t v, uint32_t reg)
{
    struct val *x;

    v = canon(g, v);
    x = &g->val[v];
    if (x->loc == LOC_REG && x->reg == reg) {
        lock_reg(g, reg);
        if (x->last_use > g->op || operand_twice(g, v)) {
            /* The caller will overwrite it. */
            uint32_t to = alloc_temp(g);

            as_mov(&g->as, to, reg, true);
            g->owner[reg] = -1;
            place_value(g, v, to);
            g->locked &= ~(1u << to);
        } else {
            /* Dies here: the register is the caller's. */
            g->owner[reg] = -1;
            if (x->backing >= 0 && g->alias[x->backing] == (int32_t)v)
                g->alias[x->backing] = -1;
            x->backing = -1;
            x->loc = LOC_NONE;
        }
        return;
    }
    claim_temp(g, reg);
    copy_value(g, v, reg);
}

void use_into_mem(struct gen *g, uint32_t v, struct mem m)
{
    struct val *x;
    uint32_t reg;

    v = canon(g, v);
    x = &g->val[v];
    if (x->is_wide && !is_const(g, v)) {
        struct mem from = x->loc == LOC_SLOT ? slot_mem(x->slot)
                                             : greg_mem(g, (uint32_t)x->greg);

        if (x->loc != LOC_SLOT && x->loc != LOC_GREG) {
            gen_fail(g);
            return;
        }
        reg = alloc_temp(g);
        as_load(&g->as, reg, from, true);
        as_store(&g->as, m, reg, true);
        from.disp += 8;
        m.disp += 8;
        as_load(&g->as, reg, from, true);
        as_store(&g->as, m, reg, true);
        g->locked &= ~(1u << reg);
        return;
    }
    if (is_const(g, v)) {
        uint64_t c = const_of(g, v);

        if ((int64_t)c == (int32_t)c) {
            as_rm(&g->as, 0xc7 | OP_W, 0, m);
            put32(&g->as, (uint32_t)c);
        } else {
            reg = alloc_temp(g);
            as_mov_imm(&g->as, reg, c);
            as_store(&g->as, m, reg, true);
            g->locked &= ~(1u << reg);
        }
        if (ir_at(g, v)->type == TN_I128) {
            m.disp += 8;
            as_rm(&g->as, 0xc7 | OP_W, 0, m);
            put32(&g->as, (uint32_t)((int64_t)c >> 63));
        }
        return;
    }
    if (x->loc == LOC_XMM) {
        as_rm(&g->as, 0xd6 | OP_0F | OP_66, x->reg, m);
        return;
    }
    as_store(&g->as, m, use_reg(g, v), true);
}

uint32_t def_reg(struct gen *g, uint32_t i)
{
    struct val *x = &g->val[i];
    const struct tn_ir_op *o = ir_at(g, i);
    uint32_t reg, a;

    if (x->want >= 0) {
        uint32_t r = (uint32_t)x->want;

        preserve_alias(g, r, i);
        x->loc = LOC_GREG;
        x->greg = x->want;
        note_alias(g, r, i);
        return g->h->gregs[r].host;
    }
    /* The first operand's register, if that dies here. */
    if (ir_op_info(o->op)->operands[0] == 'v') {
        a = canon(g, o->a);
        if (g->val[a].loc == LOC_REG && g->val[a].last_use <= i) {
            reg = g->val[a].reg;
            free_value(g, a);
            place_value(g, i, reg);
            lock_reg(g, reg);
            return reg;
        }
    }
    reg = alloc_temp(g);
    place_value(g, i, reg);
    return reg;
}

void def_in(struct gen *g, uint32_t i, uint32_t reg)
{
    struct val *x = &g->val[i];

    g->locked = 1u << reg; /* operands were read */
    if (x->want >= 0) {
        uint32_t r = (uint32_t)x->want;

        preserve_alias(g, r, i);
        x->loc = LOC_GREG;
        x->greg = x->want;
        note_alias(g, r, i);
        if (g->h->gregs[r].is_xmm)
            as_vex_rr(&g->as, VMOVQ_TO_XMM, g->h->gregs[r].host, 0, reg);
        else
            as_mov(&g->as, g->h->gregs[r].host, reg, true);
        return;
    }
    if (g->owner[reg] >= 0)
        free_value(g, (uint32_t)g->owner[reg]);
    place_value(g, i, reg);
}

struct mem def_slot(struct gen *g, uint32_t i)
{
    struct val *x = &g->val[i];

    x->loc = LOC_SLOT;
    x->slot = alloc_slot(g);
    return slot_mem(x->slot);
}

static void end_use(struct gen *g, uint32_t v)
{
    v = canon(g, v);
    if (g->val[v].last_use <= g->op)
        free_value(g, v);
}

void end_uses(struct gen *g)
{
    const struct tn_ir_op *o = ir_at(g, g->op);
    const struct ir_op_info *k = ir_op_info(o->op);
    const uint32_t values[3] = {o->a, o->b, o->c};

    for (int i = 0; i < 3; i++)
        if ((k->operands[i] == 'v' || k->operands[i] == 'o') &&
            values[i] != TN_NONE && values[i] < g->op)
            end_use(g, values[i]);
    if (o->op == TN_OP_CALL && o->flags > 2) {
        end_use(g, o[-1].a);
        if (o->flags > 3)
            end_use(g, o[-1].b);
    }
    if (k->has_result && g->val[g->op].last_use <= g->op)
        free_value(g, g->op);
    for (uint32_t i = 0; i < sizeof order; i++) {
        int32_t v = g->owner[order[i]];

        if (v >= 0 && g->val[v].last_use <= g->op)
            free_value(g, (uint32_t)v);
    }
    for (uint32_t x = 0; x < N_XTEMPS; x++)
        if (g->xowner[x] >= 0 && g->val[g->xowner[x]].last_use <= g->op)
            free_value(g, (uint32_t)g->xowner[x]);
    g->locked = 0;
    g->xlocked = 0;
}

void begin_block(struct gen *g)
{
    for (uint32_t i = 0; i < g->n_alias; i++)
        g->alias[g->alias_list[i]] = -1;
    g->n_alias = 0;
    for (uint32_t r = 0; r < 16; r++)
        g->owner[r] = g->xowner[r] = -1;
    memset(g->slots, 0, sizeof g->slots);
    g->locked = g->xlocked = 0;
}
