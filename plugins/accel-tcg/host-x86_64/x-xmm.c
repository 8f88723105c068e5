/* SPDX-License-Identifier: Apache-2.0 */
/* Where floating-point values live: as x-alloc.c, for the xmm registers. */
#include "gen.h"

static void place(struct gen *g, uint32_t v, uint32_t x)
{
    g->val[v].loc = LOC_XMM;
    g->val[v].reg = (uint8_t)x;
    g->xowner[x] = (int32_t)v;
}

void spill_xmm(struct gen *g, uint32_t x)
{
    struct val *v = &g->val[g->xowner[x]];

    g->xowner[x] = -1;
    if (v->backing >= 0) {
        v->loc = LOC_GREG;
        v->greg = v->backing;
        v->backing = -1;
        return;
    }
    v->loc = LOC_SLOT;
    v->slot = alloc_slot(g);
    as_vex_rm(&g->as, VMOVSD_STORE, x, 0, slot_mem(v->slot));
}

uint32_t alloc_xmm(struct gen *g)
{
    uint32_t best = NO_REG, last = 0;

    for (uint32_t x = 0; x < N_XTEMPS; x++) {
        if (g->xlocked >> x & 1)
            continue;
        if (g->xowner[x] < 0) {
            best = x;
            break;
        }
        if (best == NO_REG || g->val[g->xowner[x]].last_use > last) {
            best = x;
            last = g->val[g->xowner[x]].last_use;
        }
    }
    if (best == NO_REG) {
        gen_fail(g);
        return 0;
    }
    if (g->xowner[best] >= 0)
        spill_xmm(g, best);
    g->xlocked |= 1u << best;
    return best;
}

/* V's bits to xmm register X, wherever they are. */
void copy_to_xmm(struct gen *g, uint32_t v, uint32_t x)
{
    const struct val *k = &g->val[v];
    const struct greg *r = k->loc == LOC_GREG ? &g->h->gregs[k->greg] : NULL;
    uint32_t locked = g->locked;

    if (is_const(g, v) && const_of(g, v) == 0)
        as_vex_rr(&g->as, VXORPS, x, x, x);
    else if (k->loc == LOC_XMM && !is_const(g, v))
        vmovaps(g, x, k->reg);
    else if (r && r->host != NO_REG && r->is_xmm)
        vmovaps(g, x, r->host);
    else if (r && r->host == NO_REG && r->bytes == 8)
        as_vex_rm(&g->as, VMOVSD_LOAD, x, 0, greg_mem(g, (uint32_t)k->greg));
    else if (k->loc == LOC_SLOT && !is_const(g, v))
        as_vex_rm(&g->as, VMOVSD_LOAD, x, 0, slot_mem(k->slot));
    else
        as_vex_rr(&g->as, VMOVQ_TO_XMM, x, 0, use_reg(g, v));
    g->locked = locked;
}

uint32_t use_xmm(struct gen *g, uint32_t v)
{
    struct val *k;
    uint32_t x;

    v = canon(g, v);
    k = &g->val[v];
    if (k->loc == LOC_XMM && !is_const(g, v)) {
        g->xlocked |= 1u << k->reg;
        return k->reg;
    }
    if (k->loc == LOC_GREG && g->h->gregs[k->greg].is_xmm &&
        g->h->gregs[k->greg].host != NO_REG)
        return g->h->gregs[k->greg].host;
    x = alloc_xmm(g);
    copy_to_xmm(g, v, x);
    if (is_const(g, v) || k->last_use <= g->op)
        return x;
    if (k->loc == LOC_GREG && g->h->gregs[k->greg].host == NO_REG &&
        g->h->gregs[k->greg].bytes == 8) {
        k->backing = k->greg;
        place(g, v, x);
    } else if (k->loc == LOC_SLOT) {
        g->slots[k->slot / 64] &= ~(1ull << k->slot % 64);
        place(g, v, x);
    }
    return x;
}

/* As the second source of an instruction of TYPE. */
struct opnd use_xmm_opnd(struct gen *g, uint32_t v, uint32_t type)
{
    struct opnd o = {.kind = OPND_REG};
    const struct val *k;

    v = canon(g, v);
    k = &g->val[v];
    if (!is_const(g, v) && k->last_use <= g->op && type == TN_F64) {
        o.kind = OPND_MEM;
        if (k->loc == LOC_SLOT) {
            o.mem = slot_mem(k->slot);
            return o;
        }
        if (k->loc == LOC_GREG && g->h->gregs[k->greg].host == NO_REG &&
            g->h->gregs[k->greg].bytes == 8) {
            o.mem = greg_mem(g, (uint32_t)k->greg);
            return o;
        }
        o.kind = OPND_REG;
    }
    o.reg = (uint8_t)use_xmm(g, v);
    return o;
}

/* The register for operation I's result. Unlike def_reg() it never is one of
 * an operand's temps, but may be a pinned one that an operand is in. */
uint32_t def_xmm(struct gen *g, uint32_t i)
{
    struct val *k = &g->val[i];
    uint32_t x;

    if (k->want >= 0) {
        uint32_t r = (uint32_t)k->want;

        preserve_alias(g, r, i);
        k->loc = LOC_GREG;
        k->greg = k->want;
        note_alias(g, r, i);
        return g->h->gregs[r].host;
    }
    x = alloc_xmm(g);
    place(g, i, x);
    return x;
}

/* The result is in xmm register X, a temp without owner. */
void def_in_xmm(struct gen *g, uint32_t i, uint32_t x)
{
    if (g->val[i].want >= 0) {
        g->xlocked |= 1u << x;
        vmovaps(g, def_xmm(g, i), x);
    } else {
        place(g, i, x);
    }
}

void place_xmm(struct gen *g, uint32_t v, uint32_t x)
{
    place(g, v, x);
}
