/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passes before generation: forward, a GET of a register whose content is
 * known becomes that value; backward, last uses, dead operations, and results
 * that can be computed right into a pinned register.
 */
#include "gen.h"

static void known_clear(struct gen *g)
{
    for (uint32_t i = 0; i < g->n_alias; i++)
        g->alias[g->alias_list[i]] = -1;
    g->n_alias = 0;
}

static void known_set(struct gen *g, uint32_t r, uint32_t v)
{
    g->alias[r] = (int32_t)v;
    g->alias_list[g->n_alias++] = r;
}

static bool writes_registers(struct gen *g, const struct tn_ir_op *o)
{
    if (o->op == TN_OP_SETX)
        return true;
    return o->op == TN_OP_CALL &&
           g->t->info->helpers[o->a].flags & TN_HELPER_WRITES;
}

/* The register that reads as zero is a constant. */
static const struct tn_ir_op *drop_zero(struct gen *g, uint32_t i)
{
    struct tn_ir_op *o = &g->ir->ops[i];

    if ((o->op == TN_OP_GET || o->op == TN_OP_SET) &&
        g->t->info->regs[o->a].role == TN_ROLE_ZERO) {
        o->op = o->op == TN_OP_GET ? TN_OP_CONST : TN_OP_NOP;
        o->a = o->b = o->c = 0;
    }
    return o;
}

/* Can a value of type HAVE be read as one of type WANT? */
static bool same_or_narrower(uint32_t want, uint32_t have)
{
    return want == have ||
           (ir_type_is_int(want) && ir_type_is_int(have) &&
            ir_type_bits(want) <= ir_type_bits(have) &&
            ir_type_bits(have) <= 64);
}

static void forward(struct gen *g)
{
    for (uint32_t i = 0; i < g->ir->n_ops; i++) {
        const struct tn_ir_op *o = drop_zero(g, i);

        g->canon[i] = i;
        if (o->op == TN_OP_GET && g->h->gregs[o->a].cacheable) {
            int32_t v = g->alias[o->a];

            if (v >= 0 && same_or_narrower(o->type,
                                           ir_at(g, (uint32_t)v)->type))
                g->canon[i] = (uint32_t)v;
            else
                known_set(g, o->a, i);
        } else if (o->op == TN_OP_TRUNC &&
                   !g->val[g->canon[o->a]].is_wide) {
            /* Bits above a value's type are free. */
            g->canon[i] = g->canon[o->a];
        } else if (o->op == TN_OP_BITCAST && ir_type_bits(o->type) <= 64 &&
                   ir_type_bits(o->type) == ir_type_bits(o->b)) {
            g->canon[i] = g->canon[o->a];
        } else if (o->op == TN_OP_UNBOX &&
                   ir_at(g, g->canon[o->a])->op == TN_OP_BOX &&
                   ir_at(g, g->canon[o->a])->b == o->type) {
            g->canon[i] = g->canon[ir_at(g, g->canon[o->a])->a];
        } else if (o->op == TN_OP_SET && g->h->gregs[o->a].cacheable) {
            known_set(g, o->a, g->canon[o->b]);
        } else if (o->op == TN_OP_LABEL || writes_registers(g, o)) {
            known_clear(g);
        }
    }
    known_clear(g);
}

static void use(struct gen *g, uint32_t v, uint32_t at)
{
    struct val *x = &g->val[g->canon[v]];

    if (x->last_use < at)
        x->last_use = at;
    x->n_uses++;
}

/* Can the value of operation I be computed right where the SET at J puts it?
 * Nothing between may see the old content or leave. */
static bool may_want(struct gen *g, uint32_t i, uint32_t j, uint32_t r)
{
    for (uint32_t k = i + 1; k < j; k++) {
        const struct tn_ir_op *o = ir_at(g, k);
        const struct ir_op_info *row = ir_op_info(o->op);

        if (o->op == TN_OP_GET && o->a != r)
            continue;
        if (o->op == TN_OP_SET && o->a != r)
            continue;
        if (o->op == TN_OP_GET || o->op == TN_OP_SET || o->op == TN_OP_GETX ||
            row->may_fault || (row->has_effect && o->op != TN_OP_NOP) ||
            row->ends_path)
            return false;
    }
    return true;
}

/* Floating-point operations leave flags even if their result is not used. */
static bool raises_flags(const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_FADD:
    case TN_OP_FSUB:
    case TN_OP_FMUL:
    case TN_OP_FDIV:
    case TN_OP_FREM:
    case TN_OP_FSQRT:
    case TN_OP_FMA:
    case TN_OP_FMINMAX:
    case TN_OP_FCMP:
    case TN_OP_FRINT:
    case TN_OP_F_TO_F:
    case TN_OP_F_TO_I:
    case TN_OP_I_TO_F:
        return true;
    default:
        return false;
    }
}

static void backward(struct gen *g)
{
    uint32_t consumer = 0;

    for (uint32_t n = g->ir->n_ops; n-- > 0;) {
        const struct tn_ir_op *o = ir_at(g, n);
        const struct ir_op_info *row = ir_op_info(o->op);
        const uint32_t values[3] = {o->a, o->b, o->c};
        uint32_t at = n;

        g->skip[n] = 0;
        if (o->op == TN_OP_ARG) {
            if (ir_at(g, consumer)->op != TN_OP_CALL)
                continue; /* immediates */
            at = consumer;
        } else {
            consumer = n;
        }
        if (row->has_result && !row->has_effect && !row->may_fault &&
            !raises_flags(o) && (g->canon[n] != n || g->val[n].n_uses == 0)) {
            g->skip[n] = 1;
            continue;
        }
        for (int k = 0; k < 3; k++)
            if (row->operands[k] == 'v' ||
                (row->operands[k] == 'o' && values[k] != TN_NONE &&
                 !(o->op == TN_OP_CALL && k > o->flags)))
                use(g, values[k], at);
    }
}

/* Does the generator compute this in an xmm register? */
static bool gives_xmm(struct gen *g, const struct tn_ir_op *o)
{
    if (!g->h->has_avx || (o->type != TN_F32 && o->type != TN_F64))
        return false;
    switch (o->op) {
    case TN_OP_LOAD:
    case TN_OP_BOX:
    case TN_OP_UNBOX:
    case TN_OP_FADD:
    case TN_OP_FSUB:
    case TN_OP_FMUL:
    case TN_OP_FDIV:
    case TN_OP_FSQRT:
    case TN_OP_FMA:
    case TN_OP_FNEG:
    case TN_OP_FABS:
    case TN_OP_FSIGN:
    case TN_OP_FMINMAX:
    case TN_OP_F_TO_F:
    case TN_OP_I_TO_F:
        return true;
    default:
        return false;
    }
}

static void find_wants(struct gen *g)
{
    for (uint32_t j = 0; j < g->ir->n_ops; j++) {
        const struct tn_ir_op *o = ir_at(g, j);
        const struct tn_ir_op *d;
        const struct greg *k;
        uint32_t v;

        if (o->op != TN_OP_SET)
            continue;
        k = &g->h->gregs[o->a];
        v = g->canon[o->b];
        d = ir_at(g, v);
        if (k->host == NO_REG || k->is_xmm != gives_xmm(g, d) || d->op == TN_OP_GET ||
            d->op == TN_OP_CONST || g->val[v].want >= 0 ||
            g->val[v].is_wide || j - v > 8 || g->skip[v] ||
            !greg_fits(g, o->a, v))
            continue;
        if (may_want(g, v, j, o->a)) {
            g->val[v].want = (int16_t)o->a;
            g->skip[j] = 1;
        }
    }
}

static bool is_wide_type(uint32_t type)
{
    return type == TN_I128 || type == TN_F80 || type == TN_F128 ||
           type == TN_V128;
}

bool analyse(struct gen *g)
{
    for (uint32_t i = 0; i < g->ir->n_ops; i++) {
        const struct tn_ir_op *o = ir_at(g, i);

        /* SETCC and FCMP have their operands' type, and a 64-bit result. */
        g->val[i] = (struct val){
            .loc = LOC_NONE, .type = o->type, .backing = -1, .want = -1,
            .is_wide = is_wide_type(o->type) && !ir_op_info(o->op)->is_boolean};
        if (o->type >= TN_V64) {
            gen_refuse(g, o);
            return false;
        }
    }
    forward(g);
    backward(g);
    find_wants(g);
    return true;
}
