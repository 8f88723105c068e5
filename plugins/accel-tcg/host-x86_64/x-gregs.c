/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest registers: reading and writing them, and remembering which value each
 * holds, so that the next reader finds it in a host register.
 */
#include "gen.h"

/* Load guest register R's memory, zero-extended. */
void load_greg(struct gen *g, uint32_t dst, uint32_t r)
{
    const struct greg *k = &g->h->gregs[r];

    if (k->host != NO_REG && k->is_xmm)
        as_rr(&g->as, 0x7e | OP_0F | OP_66 | OP_W, k->host, dst);
    else if (k->host != NO_REG)
        as_mov(&g->as, dst, k->host, true);
    else if (k->bytes == 1)
        as_rm(&g->as, 0xb6 | OP_0F, dst, greg_mem(g, r));
    else if (k->bytes == 2)
        as_rm(&g->as, 0xb7 | OP_0F, dst, greg_mem(g, r));
    else
        as_load(&g->as, dst, greg_mem(g, r), k->bytes >= 8);
}

/* Guest register R is about to change: keep its content if that is a value
 * used after operation UNTIL. */
void preserve_alias(struct gen *g, uint32_t r, uint32_t until)
{
    int32_t v = g->alias[r];
    struct val *x;

    if (v < 0)
        return;
    g->alias[r] = -1;
    x = &g->val[v];
    if (x->loc == LOC_GREG && (uint32_t)x->greg == r) {
        if (x->last_use > until && g->h->gregs[r].is_xmm) {
            uint32_t reg = alloc_xmm(g);

            vmovaps(g, reg, g->h->gregs[r].host);
            place_xmm(g, (uint32_t)v, reg);
            g->xlocked &= ~(1u << reg);
        } else if (x->last_use > until) {
            uint32_t reg = alloc_temp(g);

            load_greg(g, reg, r);
            place_value(g, (uint32_t)v, reg);
            g->locked &= ~(1u << reg);
        }
    } else if (x->backing == (int32_t)r) {
        x->backing = -1;
    }
}

void note_alias(struct gen *g, uint32_t r, uint32_t v)
{
    g->alias[r] = (int32_t)v;
    g->alias_list[g->n_alias++] = r;
}

/* Store V to guest register R's memory. */
static void store_greg(struct gen *g, uint32_t r, uint32_t v)
{
    const struct greg *k = &g->h->gregs[r];
    struct mem m = greg_mem(g, r);
    uint32_t reg;

    if (k->bytes > 8) {
        use_into_mem(g, v, m);
        return;
    }
    if (is_const(g, v) && k->bytes >= 4 &&
        (k->bytes == 4 || (int64_t)const_of(g, v) ==
                              (int32_t)const_of(g, v))) {
        as_rm(&g->as, 0xc7 | (k->bytes == 8 ? OP_W : 0), 0, m);
        put32(&g->as, (uint32_t)const_of(g, v));
        return;
    }
    if (k->bytes == 8 && !is_const(g, v) &&
        (g->val[v].loc == LOC_XMM ||
         (g->val[v].loc == LOC_GREG && g->h->gregs[g->val[v].greg].is_xmm))) {
        as_vex_rm(&g->as, VMOVSD_STORE, use_xmm(g, v), 0, m);
        return;
    }
    reg = use_reg(g, v);
    if (k->bytes == 1)
        as_rm(&g->as, 0x88 | OP_BYTE, reg, m);
    else if (k->bytes == 2)
        as_rm(&g->as, 0x89 | OP_66, reg, m);
    else
        as_store(&g->as, m, reg, k->bytes == 8);
}

void set_greg(struct gen *g, uint32_t r, uint32_t v)
{
    const struct greg *k = &g->h->gregs[r];
    struct val *x;

    v = canon(g, v);
    x = &g->val[v];
    if (k->cacheable && g->alias[r] == (int32_t)v)
        return; /* it is there */
    preserve_alias(g, r, g->op);
    if (k->host == NO_REG) {
        store_greg(g, r, v);
        if (k->cacheable && (x->loc == LOC_REG || x->loc == LOC_XMM) &&
            x->backing < 0 &&
            x->last_use > g->op && !is_const(g, v) && greg_fits(g, r, v)) {
            x->backing = (int16_t)r;
            note_alias(g, r, v);
        }
        return;
    }
    if (k->is_xmm)
        copy_to_xmm(g, v, k->host);
    else if (is_const(g, v))
        as_mov_imm(&g->as, k->host, const_of(g, v));
    else
        copy_value(g, v, k->host);
    if (x->loc == (k->is_xmm ? LOC_XMM : LOC_REG) && x->last_use > g->op && !is_const(g, v) &&
        greg_fits(g, r, v)) {
        if (x->backing >= 0)
            g->alias[x->backing] = -1;
        x->backing = -1;
        if (k->is_xmm)
            g->xowner[x->reg] = -1;
        else
            g->owner[x->reg] = -1;
        x->loc = LOC_GREG;
        x->greg = (int16_t)r;
        note_alias(g, r, v);
    }
}

/* Guest registers may have been written behind our back, or control joins. */
void forget_gregs(struct gen *g)
{
    for (uint32_t i = 0; i < g->n_alias; i++) {
        uint32_t r = g->alias_list[i];

        preserve_alias(g, r, g->op);
    }
    g->n_alias = 0;
}
