/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops that wait for another vCPU, such as those of a lock. What they wait
 * for may be the work of a vCPU whose thread has no host CPU, so they give
 * theirs away now and then. Guests say so themselves in most places (a pause
 * instruction); firmware's locks often do not.
 */
#include "tcg.h"

#include <sched.h>

#define MOST_INSNS 8u
#define MOST_SET 8u
#define ROUNDS 64u /* between two offers; a power of two */

/* Registers that a unit sets. */
struct sets {
    uint32_t reg[MOST_SET];
    bool always[MOST_SET]; /* before the first branch */
    uint32_t n;
};

static bool overlap(const struct tn_target_info *info, uint32_t x, uint32_t y)
{
    const struct tn_reg *a = &info->regs[x], *b = &info->regs[y];

    return x == y || (a->offset < b->offset + (b->bits + 7u) / 8 &&
                      b->offset < a->offset + (a->bits + 7u) / 8);
}

/* Can the operation be done again without a change but by what is loaded? */
static bool repeats(const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_INSN:
    case TN_OP_SET:
    case TN_OP_ARG:
    case TN_OP_LABEL:
    case TN_OP_BRCC:
    case TN_OP_FENCE:
    case TN_OP_EXIT:
        return true;
    case TN_OP_GETX:
    case TN_OP_GETL:
        return false;
    default:
        return !ir_op_info(o->op)->has_effect;
    }
}

static bool find_sets(const struct tn_ir_unit *ir, struct sets *sets)
{
    bool branched = false;

    for (uint32_t i = 0; i < ir->n_ops; i++) {
        const struct tn_ir_op *o = &ir->ops[i];

        branched |= o->op == TN_OP_BRCC || o->op == TN_OP_LABEL;
        if (o->op != TN_OP_SET)
            continue;
        if (sets->n == MOST_SET)
            return false;
        sets->reg[sets->n] = o->a;
        sets->always[sets->n++] = !branched;
    }
    return true;
}

/* Does a GET, with the unit's first N_PASSED sets before it, read what the
 * round before left? */
static bool carried(const struct tn_target_info *info, const struct sets *sets,
                    uint32_t reg, uint32_t n_passed)
{
    bool set_here = false, set_somewhere = false;

    for (uint32_t i = 0; i < sets->n; i++) {
        if (!overlap(info, sets->reg[i], reg))
            continue;
        set_somewhere = true;
        set_here |= i < n_passed && sets->always[i] && sets->reg[i] == reg;
    }
    return set_somewhere && !set_here;
}

/* A loop of loads that do not move, and nothing that lasts: only a change of
 * memory, or an interrupt, ends it. */
bool unit_waits(const struct tn_ir_unit *ir, const struct tn_target_info *info)
{
    struct sets sets = {.n = 0};
    uint32_t n_passed = 0, n_loads = 0, n_rounds = 0;

    if (ir->n_insns > MOST_INSNS || !find_sets(ir, &sets))
        return false;
    for (uint32_t i = 0; i < ir->n_ops; i++) {
        const struct tn_ir_op *o = &ir->ops[i];

        if (!repeats(o))
            return false;
        n_loads += o->op == TN_OP_LOAD;
        n_passed += o->op == TN_OP_SET;
        n_rounds += o->op == TN_OP_EXIT &&
                    (o->a | (uint64_t)o->b << 32) == ir->pc;
        if (o->op == TN_OP_GET && carried(info, &sets, o->a, n_passed))
            return false;
    }
    return n_loads && n_rounds;
}

uint64_t tcg_wait_round(struct tn_cpu *cpu, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);

    uint64_t n = tc->n_wait_rounds + 1;

    (void)a, (void)b, (void)c, (void)d;
    __atomic_store_n(&tc->n_wait_rounds, n, __ATOMIC_RELAXED);
    if (!(n & (ROUNDS - 1)))
        sched_yield();
    return 0;
}
