/* SPDX-License-Identifier: Apache-2.0 */
/* One unit from IR to code: sets up, runs the passes, finishes. */
#include "gen.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes that one operation at most needs, its cold part included. */
#define OP_BYTES 320u
#define UNIT_BYTES 512u

struct gen *host_gen_new(struct tcg *t)
{
    struct gen *g = calloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->t = t;
    g->h = t->codegen;
    g->max_fix = g->max_cold = g->max_site = MAX_OPS;
    g->val = calloc(MAX_OPS, sizeof *g->val);
    g->canon = calloc(MAX_OPS, sizeof *g->canon);
    g->skip = calloc(MAX_OPS, 1);
    g->alias = calloc(t->info->n_regs, sizeof *g->alias);
    g->alias_list = calloc(4 * MAX_OPS, sizeof *g->alias_list);
    g->insn_pc = calloc(MAX_OPS, sizeof *g->insn_pc);
    g->insn_info = calloc(MAX_OPS, sizeof *g->insn_info);
    g->fix = calloc(g->max_fix, sizeof *g->fix);
    g->cold = calloc(g->max_cold, sizeof *g->cold);
    g->site = calloc(g->max_site, sizeof *g->site);
    if (!g->val || !g->canon || !g->skip || !g->alias || !g->alias_list ||
        !g->insn_pc || !g->insn_info || !g->fix || !g->cold || !g->site) {
        host_gen_free(g);
        return NULL;
    }
    memset(g->alias, 0xff, t->info->n_regs * sizeof *g->alias);
    return g;
}

void host_gen_free(struct gen *g)
{
    if (!g)
        return;
    free(g->val);
    free(g->canon);
    free(g->skip);
    free(g->alias);
    free(g->alias_list);
    free(g->insn_pc);
    free(g->insn_info);
    free(g->fix);
    free(g->cold);
    free(g->site);
    free(g);
}

void gen_fail(struct gen *g)
{
    g->failed = true;
}

void gen_refuse(struct gen *g, const struct tn_ir_op *o)
{
    g->refused = o;
    g->failed = true;
}

/* Shorter units are tried; of one instruction it is said what is missing. */
static int refusal(struct gen *g)
{
    if (!g->refused)
        return 1;
    if (g->ir->n_insns > 1)
        return 1;
    tn_logf(g->t->host, TN_LOG_ERROR,
            "this accelerator cannot do %s.%s (guest code at 0x%llx)",
            ir_op_info(g->refused->op)->name, ir_type_name(g->refused->type),
            (unsigned long long)g->ir->pc);
    return -ENOTSUP;
}

/* A GET that was not resolved: the value is in its register, unless others
 * may write that. */
static void gen_get(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    const struct greg *k = &g->h->gregs[o->a];
    struct val *x = &g->val[i];

    x->loc = LOC_GREG;
    x->greg = (int16_t)o->a;
    if (k->cacheable) {
        preserve_alias(g, o->a, i); /* one of another type */
        g->alias[o->a] = (int32_t)i;
        g->alias_list[g->n_alias++] = o->a;
    } else if (k->bytes <= 8) {
        uint32_t last = x->last_use;

        x->last_use = UINT32_MAX; /* keep it in the register */
        use_reg(g, i);
        x->last_use = last;
        x->backing = -1;
    } else {
        struct mem to;

        x->loc = LOC_NONE;
        to = def_slot(g, i);
        for (int n = 0; n < 2; n++) {
            uint32_t t = alloc_temp(g);
            struct mem from = greg_mem(g, o->a);

            from.disp += 8 * n;
            as_load(&g->as, t, from, true);
            as_store(&g->as, to, t, true);
            to.disp += 8;
            g->locked &= ~(1u << t);
        }
    }
}

static void gen_op(struct gen *g, uint32_t i)
{
    const struct tn_ir_op *o = ir_at(g, i);

    g->op = i;
    switch (o->op) {
    case TN_OP_NOP:
    case TN_OP_CONST:
    case TN_OP_ARG:
        return;
    case TN_OP_INSN:
        g->insn = ++g->n_insns;
        g->insn_pc[g->insn] = o->a | (uint64_t)o->b << 32;
        g->insn_info[g->insn] = o->c >> 8;
        return;
    case TN_OP_GET:
        gen_get(g, i, o);
        break;
    case TN_OP_SET:
        set_greg(g, o->a, o->b);
        break;
    default:
        if (!gen_control(g, i, o) && !gen_mem(g, i, o) && !gen_int(g, i, o) &&
            !gen_atomic(g, i, o) && !gen_call(g, i, o) && !gen_fp(g, i, o))
            gen_eval(g, i, o);
        break;
    }
    end_uses(g);
}

static uint32_t count_links(struct gen *g)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < g->ir->n_ops; i++) {
        const struct tn_ir_op *o = ir_at(g, i);

        n += o->op == TN_OP_EXIT || o->op == TN_OP_BRCC;
        if (o->op == TN_OP_LABEL)
            g->label_op[o->a] = i;
        else if (o->op == TN_OP_BRCC)
            g->label_refs[o->c]++;
        else if (o->op == TN_OP_JUMP)
            g->label_refs[o->a]++;
    }
    return n;
}

static void begin(struct gen *g, struct tcg_cpu *tc, struct tcg_unit *u)
{
    g->tc = tc;
    g->ir = &tc->ir;
    g->u = u;
    g->failed = false;
    g->refused = NULL;
    g->unreachable = false;
    begin_block(g); /* forgets what the last unit left */
    g->n_fix = g->n_cold = g->n_site = g->n_link = 0;
    g->op = g->insn = g->n_insns = 0;
    g->insn_pc[0] = u->pc;
    g->insn_info[0] = 0;
    memset(g->label_at, 0, sizeof g->label_at);
    memset(g->label_refs, 0, sizeof g->label_refs);
}

static int finish(struct gen *g, struct tcg_cpu *tc, struct tcg_unit *u)
{
    for (uint32_t i = 0; i < g->n_fix; i++) {
        if (!g->label_at[g->fix[i].label])
            return 1;
        as_fix(g->fix[i].field, g->label_at[g->fix[i].label]);
    }
    gen_cold(g);
    if (g->failed)
        return 1;
    u->n_links = g->n_link;
    u->n_sites = g->n_site;
    u->sites = cache_data(tc, g->n_site * sizeof *g->site + 1);
    if (!u->sites)
        return 2;
    memcpy(u->sites, g->site, g->n_site * sizeof *g->site);
    u->body = to_rx(g->t, g->body);
    u->code_bytes = (uint32_t)(g->as.p - g->body);
    tc->n_code_bytes += (uint64_t)(g->as.p - tc->arena.code);
    tc->arena.code = g->as.p;
    return 0;
}

int host_generate(struct tcg_cpu *tc, struct tcg_unit *u)
{
    struct gen *g = tc->gen;

    begin(g, tc, u);
    u->n_links = count_links(g);
    if (!cache_room(tc, g->ir->n_ops * OP_BYTES + UNIT_BYTES, 0))
        return 2;
    u->links = cache_data(tc, u->n_links * sizeof *u->links + 1);
    if (!u->links)
        return 2;
    if (!analyse(g))
        return refusal(g);
    g->as.p = tc->arena.code;
    begin_block(g);
    gen_entry(g);
    for (uint32_t i = 0; i < g->ir->n_ops; i++) {
        const struct tn_ir_op *o = ir_at(g, i);

        if (g->skip[i] || (g->unreachable && o->op != TN_OP_LABEL))
            continue;
        gen_op(g, i);
        g->unreachable |= ir_op_info(o->op)->ends_path;
        if (g->failed)
            return refusal(g);
    }
    return finish(g, tc, u);
}
