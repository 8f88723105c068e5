/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that the code generator leaves to the evaluator in common/ir,
 * and the floating-point status. */
#include "tcg.h"

#include <string.h>

static void collect_flags(struct tcg_cpu *tc)
{
    if (tc->fp.env.flags) {
        /* DENORMAL is left out: generated code does not gather it. */
        tc->cpu->fp_flags |=
            ir_fp_flags(tc->fp.env.flags) & ~TN_FPE_DENORMAL;
        tc->fp.env.flags = 0;
    }
}

uint64_t tcg_eval(struct tn_cpu *cpu, uint64_t op, uint64_t frame, uint64_t x,
                  uint64_t y)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    const struct tn_ir_op *o = (const struct tn_ir_op *)(uintptr_t)op;
    struct ir_value *v = (struct ir_value *)(uintptr_t)frame;
    struct ir_value r = {0, 0};

    (void)x;
    (void)y;
    tc->fp.rounding = (uint8_t)cpu->fp_rm;
    /* It knows the operation: the generator asked it. */
    if (!ir_eval(&tc->fp, o, v[0], v[1], v[2], &r))
        __builtin_unreachable();
    collect_flags(tc);
    v[3] = r;
    return r.lo;
}

static struct tn_reg const *indexed(struct tcg_cpu *tc, uint32_t base,
                                    uint64_t index, uint32_t modulus)
{
    return &tc->tcg->info->regs[base + (uint32_t)index % modulus];
}

/* GETX, SETX: FRAME has the index, then the value. */
uint64_t tcg_getx(struct tn_cpu *cpu, uint64_t op, uint64_t frame, uint64_t x,
                  uint64_t y)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    const struct tn_ir_op *o = (const struct tn_ir_op *)(uintptr_t)op;
    struct ir_value *v = (struct ir_value *)(uintptr_t)frame;
    const struct tn_reg *r =
        indexed(tc, o->a, v[0].lo, o->op == TN_OP_GETX ? o->c : o[1].c);
    uint8_t *p = (uint8_t *)cpu + r->offset;
    uint32_t bytes = (r->bits + 7u) / 8 < 16 ? (r->bits + 7u) / 8 : 16;

    (void)x;
    (void)y;
    v[3] = (struct ir_value){0, 0};
    if (r->role == TN_ROLE_ZERO)
        return 0;
    if (o->op == TN_OP_SETX) {
        if (r->bits == 1)
            v[1].lo &= 1;
        memcpy(p, &v[1], bytes);
    } else {
        memcpy(&v[3], p, bytes);
    }
    return v[3].lo;
}

uint64_t tcg_fp_sync(struct tn_cpu *cpu, uint64_t a, uint64_t b, uint64_t c,
                     uint64_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    cpu->fp_flags |= host_fp_flags(tcg_cpu_of(cpu), true);
    return 0;
}

uint64_t tcg_fp_get(struct tn_cpu *cpu, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d)
{
    tcg_fp_sync(cpu, a, b, c, d);
    return cpu->fp_flags;
}

uint64_t tcg_fp_set(struct tn_cpu *cpu, uint64_t flags, uint64_t b, uint64_t c,
                    uint64_t d)
{
    tcg_fp_sync(cpu, 0, b, c, d);
    cpu->fp_flags = (uint32_t)flags;
    return 0;
}
