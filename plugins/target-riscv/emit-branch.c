/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Branches and jumps. A branch's taken side leaves the unit out of line; the
 * unit goes on behind it. A jump forward inside the page is followed.
 */
#include "decode.h"

#define MAX_BRANCHES 6 /* in a unit */

static uint32_t misaligned(const struct emit *e, uint64_t target)
{
    return !has(e->t, HAS(C)) && (target & 3);
}

void emit_branch(struct emit *e, const struct insn *i)
{
    uint64_t target = xext(e->t, e->pc + (uint64_t)(int64_t)i->imm);
    uint32_t a = gx(e, i->rs1), b = gx(e, i->rs2), label;

    if (i->rs1 == i->rs2) { /* decided; rare but tidy: j spelt as beq x0,x0 */
        uint32_t taken = i->arg == TN_CC_EQ || i->arg == TN_CC_GES ||
                         i->arg == TN_CC_GEU;
        if (taken && misaligned(e, target))
            end_trap(e, CAUSE_FETCH_ALIGN, target);
        else if (taken)
            end_exit(e, target);
        return;
    }
    if (misaligned(e, target))
        label = cold_exit(e, TN_OP_EXIT_TRAP, target, CAUSE_FETCH_ALIGN);
    else
        label = cold_exit(e, TN_OP_EXIT, target, 0);
    tn_brcc(e->u, e->xt, i->arg, a, b, label);
    if (++e->n_branches == MAX_BRANCHES)
        end_exit(e, e->next);
}

static uint32_t is_link(uint32_t reg)
{
    return reg == 1 || reg == 5;
}

void emit_jal(struct emit *e, const struct insn *i)
{
    uint64_t target = xext(e->t, e->pc + (uint64_t)(int64_t)i->imm);
    uint64_t page = ~4095ull;

    if (misaligned(e, target)) {
        end_trap(e, CAUSE_FETCH_ALIGN, target);
        return;
    }
    sx_const(e, i->rd, e->next);
    if (!i->rd && target > e->pc && !((target ^ e->start) & page)) {
        e->jumped = 1;
        e->jump = target;
        return;
    }
    tn_exit(e->u, TN_OP_EXIT, target,
            is_link(i->rd) ? TN_HINT_CALL : TN_HINT_JUMP, i->len);
    e->ended = 1;
}

/* The hint table of the unprivileged manual, section "Unconditional Jumps":
 * rd a link register: push; rs1 one that is not rd: pop (before). A pop and
 * push is passed on as the call it ends with. */
static uint32_t jalr_hint(const struct insn *i)
{
    if (is_link(i->rd))
        return TN_HINT_CALL;
    return is_link(i->rs1) ? TN_HINT_RETURN : TN_HINT_JUMP;
}

static void check_target(struct emit *e, uint32_t target)
{
    uint32_t two, ok;

    if (has(e->t, HAS(C)))
        return;
    /* Without compressed instructions bit 1 must be clear. The value of the
     * exception is not a constant: raise it in line. */
    two = imm(e, 2);
    ok = tn_label(e->u);
    tn_brcc(e->u, e->xt, TN_CC_TSTEQ, target, two, ok);
    tn_ir(e->u, TN_OP_EXIT_TRAP, TN_VOID, 0, CAUSE_FETCH_ALIGN, target, 0);
    tn_place(e->u, ok);
}

void emit_jalr(struct emit *e, const struct insn *i)
{
    uint64_t value;
    uint32_t target;

    if (known(e, i->rs1, &value)) { /* auipc or lui before it */
        value = xext(e->t, value + (uint64_t)(int64_t)i->imm) & ~1ull;
        if (misaligned(e, value)) {
            end_trap(e, CAUSE_FETCH_ALIGN, value);
            return;
        }
        sx_const(e, i->rd, e->next);
        tn_exit(e->u, TN_OP_EXIT, value, jalr_hint(i), i->len);
        e->ended = 1;
        return;
    }
    target = gx(e, i->rs1);
    if (i->imm)
        target = tn_op2(e->u, TN_OP_ADD, e->xt, target, imm(e, i->imm));
    target = tn_op2(e->u, TN_OP_AND, e->xt, target, imm(e, -2));
    if (!has(e->t, HAS(C))) {
        uint32_t kept = tn_local(e->u, e->xt);
        tn_ir(e->u, TN_OP_SETL, e->xt, 0, kept, target, 0);
        check_target(e, target);
        target = tn_ir(e->u, TN_OP_GETL, e->xt, 0, kept, 0, 0);
    }
    sx_const(e, i->rd, e->next);
    tn_ir(e->u, TN_OP_EXIT_REG, e->xt, jalr_hint(i), target, 0, i->len);
    e->ended = 1;
}
