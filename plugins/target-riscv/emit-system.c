/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSR access, traps, waits and translation fences.
 */
#include "decode.h"

void emit_ecall(struct emit *e, const struct insn *i)
{
    (void)i;
    end_trap(e, CAUSE_ECALL_U + priv_of(e), 0);
}

void emit_ebreak(struct emit *e, const struct insn *i)
{
    (void)i;
    end_trap(e, CAUSE_BREAKPOINT, e->pc);
}

void emit_mret(struct emit *e, const struct insn *i)
{
    if (priv_of(e) == PRIV_M)
        end_trap(e, TRAP_MRET, i->bits);
    else
        illegal(e, i);
}

void emit_sret(struct emit *e, const struct insn *i)
{
    if (priv_of(e) >= PRIV_S)
        end_trap(e, TRAP_SRET, i->bits);
    else
        illegal(e, i);
}

/* In S-mode mstatus.TW may forbid it. */
void emit_wfi(struct emit *e, const struct insn *i)
{
    uint32_t priv = priv_of(e);

    if (priv == PRIV_U && has(e->t, HAS(S))) {
        illegal(e, i);
        return;
    }
    if (priv != PRIV_M)
        tn_call(e->u, TN_VOID, HELPER_WFI, imm(e, i->bits), TN_NONE, TN_NONE,
                TN_NONE);
    tn_exit(e->u, TN_OP_EXIT_HALT, e->next, TN_HINT_JUMP, 0);
    e->ended = 1;
}

/* May end at any time; ours does when other threads had their turn, and lets
 * interrupts in. */
void emit_wrs(struct emit *e, const struct insn *i)
{
    emit_pause(e, i);
    end_exit(e, e->next);
}

/* sfence.vma and sinval.vma; ARGs: va, asid, which of the two there are. */
void emit_sfence(struct emit *e, const struct insn *i)
{
    uint32_t va, asid, which;

    if (priv_of(e) == PRIV_U) {
        illegal(e, i);
        return;
    }
    va = gx(e, i->rs1);
    asid = gx(e, i->rs2);
    which = imm(e, (i->rs1 ? 1 : 0) | (i->rs2 ? 2 : 0));
    tn_call(e->u, TN_VOID, HELPER_SFENCE, va, asid, which,
            tn_const(e->u, TN_I64, i->bits));
    end_sync(e, e->next);
}

/* sinval.vma is done when it is met: nothing is left to order. */
void emit_sfence_order(struct emit *e, const struct insn *i)
{
    if (priv_of(e) == PRIV_U)
        illegal(e, i);
}

/* ---- CSRs ---- */

/* New value of a CSR from the old one, as the instruction says. */
static uint32_t combine(struct emit *e, uint32_t op, uint32_t old,
                        uint32_t source)
{
    switch (op) {
    case CSR_RS:
        return tn_op2(e->u, TN_OP_OR, e->xt, old, source);
    case CSR_RC:
        return tn_op2(e->u, TN_OP_ANDN, e->xt, old, source);
    default:
        return source;
    }
}

static uint32_t csr_source(struct emit *e, const struct insn *i)
{
    return i->arg & CSR_IMM ? imm(e, i->rs1) : gx(e, i->rs1);
}

/* Plain storage: no call. False if it is not. */
static uint32_t inline_storage(struct emit *e, const struct insn *i,
                               const struct riscv_csr *row, uint32_t writes)
{
    uint32_t reg = e->t->csr_reg[(uint32_t)i->imm];
    uint32_t source = 0, old = 0;

    if (!reg || row->read || row->allowed)
        return 0;
    if (writes && (row->write || row->mask != UINT64_MAX))
        return 0;
    if (writes)
        source = csr_source(e, i);
    if (i->rd || (writes && (i->arg & 3) != CSR_RW))
        old = tn_get(e->u, e->xt, reg);
    if (writes)
        tn_set(e->u, e->xt, reg, combine(e, i->arg & 3, old, source));
    sx(e, i->rd, old);
    return 1;
}

/* csrr of sstatus and sie */
static uint32_t inline_read(struct emit *e, const struct insn *i)
{
    uint32_t v;

    if (i->imm != CSR_SSTATUS)
        return 0;
    v = tn_get(e->u, e->xt, REG_MSTATUS);
    v = tn_op2(e->u, TN_OP_AND, e->xt, v,
               tn_const(e->u, e->xt, sstatus_mask(e->t)));
    sx(e, i->rd, v);
    return 1;
}

/* csrsi/csrci of a status register's xIE bits alone, as kernels do around
 * critical sections: no mode changes, and interrupts are looked at only if
 * they were let in and one waits. */
static uint32_t inline_enable(struct emit *e, const struct insn *i)
{
    uint64_t bits = i->rs1, old_mask = sstatus_mask(e->t);
    uint64_t may = MSTATUS_SIE | (i->imm == CSR_MSTATUS ? MSTATUS_MIE : 0);
    uint32_t old, v, pending;

    if ((i->imm != CSR_SSTATUS && i->imm != CSR_MSTATUS) ||
        (i->arg != (CSR_RS | CSR_IMM) && i->arg != (CSR_RC | CSR_IMM)) ||
        (bits & ~may) || !has(e->t, HAS(S)))
        return 0;
    old = tn_get(e->u, e->xt, REG_MSTATUS);
    v = i->arg == (CSR_RS | CSR_IMM)
            ? tn_op2(e->u, TN_OP_OR, e->xt, old, imm(e, (int64_t)bits))
            : tn_op2(e->u, TN_OP_AND, e->xt, old, imm(e, ~(int64_t)bits));
    tn_set(e->u, e->xt, REG_MSTATUS, v);
    if (i->rd)
        sx(e, i->rd,
           i->imm == CSR_MSTATUS
               ? old
               : tn_op2(e->u, TN_OP_AND, e->xt, old,
                        tn_const(e->u, e->xt, old_mask)));
    if (i->arg == (CSR_RS | CSR_IMM)) {
        pending = tn_op2(e->u, TN_OP_OR, e->xt,
                         tn_get(e->u, e->xt, REG_MIP_SOFT),
                         tn_get(e->u, e->xt, REG_MIP_LINES));
        tn_brcc(e->u, e->xt, TN_CC_TSTNE, pending,
                tn_get(e->u, e->xt, REG_MIE),
                cold_exit(e, TN_OP_EXIT_SYNC, e->next, 0));
        if (has(e->t, HAS(SMAIA)))
            tn_brcc(e->u, e->xt, TN_CC_NE,
                    tn_get(e->u, e->xt, REG_VIRTUAL_IRQS), imm(e, 0),
                    cold_exit(e, TN_OP_EXIT_SYNC, e->next, 0));
    }
    return 1;
}

/* The general way. ARGs: number | operation << 12, source, instruction. */
static void call_access(struct emit *e, const struct insn *i,
                        const struct riscv_csr *row, uint32_t writes)
{
    uint32_t reads = i->rd || (i->arg & 3) != CSR_RW;
    uint32_t op = (reads ? CSR_OP_READ : 0) | (writes ? CSR_OP_WRITE : 0);
    uint32_t helper = row->effect == CSR_FLUSH ? HELPER_CSR_FLUSH
                      : row->effect == CSR_FP  ? HELPER_CSR_FP
                                               : HELPER_CSR;
    uint32_t source = csr_source(e, i), v;

    op |= (i->arg & 3) << 2;
    v = tn_call(e->u, e->xt, helper, imm(e, i->imm | (int32_t)(op << 12)),
                source, tn_const(e->u, TN_I64, i->bits), TN_NONE);
    sx(e, i->rd, v);
    if (writes && row->effect != CSR_NONE)
        end_sync(e, e->next);
}

void emit_csr(struct emit *e, const struct insn *i)
{
    uint32_t number = (uint32_t)i->imm;
    const struct riscv_csr *row = csr_find(e->t, number);
    uint32_t writes = (i->arg & 3) == CSR_RW || i->rs1;

    if (!row || priv_of(e) < csr_privilege(number) ||
        (writes && csr_read_only(number))) {
        illegal(e, i);
        return;
    }
    if (inline_storage(e, i, row, writes) || (!writes && inline_read(e, i)) ||
        (writes && inline_enable(e, i)))
        return;
    call_access(e, i, row, writes);
}
