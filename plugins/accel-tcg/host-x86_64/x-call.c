/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of the target, and operations that are computed in C. Arguments are
 * put in the frame; a thunk saves the pinned registers and calls.
 */
#include "gen.h"

static void call(struct gen *g, const void *fn)
{
    as_mov_imm(&g->as, RAX, (uint64_t)(uintptr_t)fn);
    as_call_to(&g->as, to_rw(g->t, g->h->call));
    add_site(g);
}

static void gen_helper(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    const struct tn_helper *k = &g->t->info->helpers[o->a];
    uint32_t values[4] = {o->b, o->c, TN_NONE, TN_NONE};

    if (o->flags > 2) {
        values[2] = o[-1].a;
        values[3] = o[-1].b;
    }
    for (uint32_t n = 0; n < o->flags && n < 4; n++)
        use_into_mem(g, values[n], frame_mem(FRAME_ARGS + 8 * (int32_t)n));
    if (k->flags & TN_HELPER_WRITES)
        forget_gregs(g);
    evict_all(g);
    if (k->flags & TN_HELPER_FP)
        call(g, (const void *)tcg_fp_sync);
    call(g, (const void *)k->fn);
    if (o->type != TN_VOID)
        def_in(g, i, RAX);
}

/* Whether the evaluator knows an operation depends on nothing that is known
 * only when running. */
static bool evaluator_knows(struct gen *g, const struct tn_ir_op *o)
{
    struct ir_fp fp = g->tc->fp;
    struct ir_value one = {1, 0}, result;

    return ir_eval(&fp, o, one, one, one, &result);
}

void gen_eval(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    const struct ir_op_info *k = ir_op_info(o->op);
    const uint32_t values[3] = {o->a, o->b, o->c};
    struct tn_ir_op *copy;

    if (!evaluator_knows(g, o)) {
        gen_refuse(g, o);
        return;
    }
    copy = cache_data(g->tc, sizeof *copy);
    if (!copy) {
        gen_fail(g);
        return;
    }
    *copy = *o;
    for (int n = 0; n < 3; n++)
        if (k->operands[n] == 'v' ||
            (k->operands[n] == 'o' && values[n] != TN_NONE))
            use_into_mem(g, values[n], frame_mem(FRAME_EVAL + 16 * n));
    evict_all(g);
    as_mov_imm(&g->as, RAX, (uint64_t)(uintptr_t)copy);
    as_store(&g->as, frame_mem(FRAME_ARGS), RAX, true);
    as_lea(&g->as, RAX, frame_mem(FRAME_EVAL), true);
    as_store(&g->as, frame_mem(FRAME_ARGS + 8), RAX, true);
    call(g, (const void *)tcg_eval);
    if (g->val[i].is_wide) {
        struct mem m = def_slot(g, i);

        as_load(&g->as, RAX, frame_mem(FRAME_EVAL + 48), true);
        as_store(&g->as, m, RAX, true);
        m.disp += 8;
        as_load(&g->as, RAX, frame_mem(FRAME_EVAL + 56), true);
        as_store(&g->as, m, RAX, true);
    } else {
        def_in(g, i, RAX); /* also returned */
    }
}

/* Register files: which register is known only when running. */
static void gen_indexed(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    struct tn_ir_op *copy = cache_data(g->tc, 2 * sizeof *copy);

    if (!copy) {
        gen_fail(g);
        return;
    }
    copy[0] = o[0];
    if (o->op == TN_OP_SETX) {
        copy[1] = o[-1];
        use_into_mem(g, o->c, frame_mem(FRAME_EVAL + 16));
    }
    use_into_mem(g, o->b, frame_mem(FRAME_EVAL));
    if (o->op == TN_OP_SETX)
        forget_gregs(g);
    evict_all(g);
    as_mov_imm(&g->as, RAX, (uint64_t)(uintptr_t)copy);
    as_store(&g->as, frame_mem(FRAME_ARGS), RAX, true);
    as_lea(&g->as, RAX, frame_mem(FRAME_EVAL), true);
    as_store(&g->as, frame_mem(FRAME_ARGS + 8), RAX, true);
    call(g, (const void *)tcg_getx);
    if (o->op == TN_OP_SETX)
        return;
    if (g->val[i].is_wide) {
        struct mem m = def_slot(g, i);

        as_load(&g->as, RAX, frame_mem(FRAME_EVAL + 48), true);
        as_store(&g->as, m, RAX, true);
        m.disp += 8;
        as_load(&g->as, RAX, frame_mem(FRAME_EVAL + 56), true);
        as_store(&g->as, m, RAX, true);
    } else {
        def_in(g, i, RAX);
    }
}

bool gen_call(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_CALL:
        gen_helper(g, i, o);
        return true;
    case TN_OP_GETX:
    case TN_OP_SETX:
        gen_indexed(g, i, o);
        return true;
    case TN_OP_FP_GET_FLAGS:
        evict_all(g);
        call(g, (const void *)tcg_fp_get);
        def_in(g, i, RAX);
        return true;
    case TN_OP_FP_SET_FLAGS:
        use_into_mem(g, o->a, frame_mem(FRAME_ARGS));
        evict_all(g);
        call(g, (const void *)tcg_fp_set);
        return true;
    default:
        return false;
    }
}
