/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traps: exceptions, interrupts, delegation, and the returns from them.
 * Privileged manual, sections "Machine Trap Delegation", "Machine Interrupt
 * Registers", "Trap-Return Instructions".
 */
#include "riscv.h"

/* Interrupts by falling priority: MEI MSI MTI SEI SSI STI. */
static const uint8_t irq_order[] = {11, 3, 7, 9, 1, 5};

uint32_t riscv_first_irq(uint64_t pending)
{
    for (uint32_t i = 0; i < sizeof irq_order; i++)
        if (pending >> irq_order[i] & 1)
            return irq_order[i];
    return 0;
}

/* What can be taken now for M, and for S. */
static uint64_t takeable_machine(const struct riscv_cpu *c)
{
    return c->priv < PRIV_M || (c->mstatus & MSTATUS_MIE)
               ? mip(c) & c->mie & ~c->mideleg
               : 0;
}

static uint64_t takeable_supervisor(const struct riscv_cpu *c)
{
    return c->priv < PRIV_S ||
                   (c->priv == PRIV_S && (c->mstatus & MSTATUS_SIE))
               ? (mip(c) & c->mie & c->mideleg) | c->virtual_irqs
               : 0;
}

static uint64_t takeable(const struct riscv_cpu *c)
{
    return takeable_machine(c) | takeable_supervisor(c);
}

uint32_t riscv_irq_pending(void *self, struct tn_cpu *cpu)
{
    struct riscv_cpu *c = riscv_cpu(cpu);

    (void)self;
    if (!(mip(c) & c->mie) && !c->virtual_irqs)
        return 0;
    return TN_IRQ_WAKE | (takeable(c) ? TN_IRQ_TAKE : 0);
}

static uint64_t vector(uint64_t tvec, uint32_t is_irq, uint32_t code)
{
    uint64_t base = tvec & ~3ull;

    return is_irq && (tvec & 1) ? base + 4ull * code : base;
}

static void enter_supervisor(struct riscv_cpu *c, uint32_t is_irq,
                             uint32_t code, uint64_t value)
{
    uint64_t s = c->mstatus & ~(MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SIE);

    if (c->mstatus & MSTATUS_SIE)
        s |= MSTATUS_SPIE;
    if (c->priv == PRIV_S)
        s |= MSTATUS_SPP;
    c->scause = code | (uint64_t)is_irq << (c->t->xlen - 1);
    c->stval = xext(c->t, value);
    c->sepc = c->pc;
    c->pc = vector(c->stvec, is_irq, code);
    c->priv = PRIV_S;
    riscv_set_mstatus(c, s);
}

static void enter_machine(struct riscv_cpu *c, uint32_t is_irq, uint32_t code,
                          uint64_t value)
{
    uint64_t s = c->mstatus & ~(MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MIE);

    if (c->mstatus & MSTATUS_MIE)
        s |= MSTATUS_MPIE;
    s |= c->priv << MSTATUS_MPP_SHIFT;
    c->mcause = code | (uint64_t)is_irq << (c->t->xlen - 1);
    c->mtval = xext(c->t, value);
    c->mepc = c->pc;
    c->pc = vector(c->mtvec, is_irq, code);
    c->priv = PRIV_M;
    riscv_set_mstatus(c, s);
}

static void enter(struct riscv_cpu *c, uint32_t code, uint64_t value)
{
    if (c->priv <= PRIV_S && code < 64 && (c->medeleg >> code & 1))
        enter_supervisor(c, 0, code, value);
    else
        enter_machine(c, 0, code, value);
}

void riscv_take_irq(void *self, struct tn_cpu *cpu)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint64_t machine = takeable_machine(c);
    uint64_t supervisor = takeable_supervisor(c);

    (void)self;
    /* Those for M come before those for S whatever their number. */
    if (machine)
        enter_machine(c, 1, riscv_first_irq(machine), 0);
    else if (supervisor)
        enter_supervisor(c, 1, riscv_first_irq(supervisor), 0);
}

/* After a return an interrupt may be takeable that was not before. */
static void recheck_irq(struct riscv_cpu *c)
{
    if (takeable(c))
        c->head.services->kick(&c->head);
}

static void return_machine(struct riscv_cpu *c)
{
    uint64_t s = c->mstatus;
    uint32_t mpp = (s & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;

    s &= ~(MSTATUS_MIE | MSTATUS_MPP);
    if (s & MSTATUS_MPIE)
        s |= MSTATUS_MIE;
    s |= MSTATUS_MPIE;
    if (!has(c->t, HAS(U)))
        s |= MSTATUS_MPP;
    if (mpp != PRIV_M)
        s &= ~MSTATUS_MPRV;
    c->pc = c->mepc;
    c->priv = mpp;
    riscv_set_mstatus(c, s);
    recheck_irq(c);
}

static void return_supervisor(struct riscv_cpu *c, uint64_t insn)
{
    uint64_t s = c->mstatus;

    if (c->priv == PRIV_S && (s & MSTATUS_TSR)) {
        enter(c, CAUSE_ILLEGAL, insn);
        return;
    }
    c->priv = s & MSTATUS_SPP ? PRIV_S : PRIV_U;
    s &= ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
    if (s & MSTATUS_SPIE)
        s |= MSTATUS_SIE;
    s |= MSTATUS_SPIE;
    c->pc = c->sepc;
    riscv_set_mstatus(c, s);
    recheck_irq(c);
}

/* The cause of a fault the accelerator found, by kind of access. */
static uint32_t fault_cause(uint32_t code, uint32_t access)
{
    static const uint8_t align[] = {CAUSE_LOAD_ALIGN, CAUSE_STORE_ALIGN,
                                    CAUSE_FETCH_ALIGN};
    static const uint8_t bus[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS,
                                  CAUSE_FETCH_ACCESS};

    if (access > TN_ACCESS_FETCH)
        access = TN_ACCESS_LOAD;
    return code == TN_FAULT_ALIGN ? align[access] : bus[access];
}

void riscv_take_exception(void *self, struct tn_cpu *cpu,
                          const struct tn_exception *exception)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint32_t code = exception->code;

    (void)self;
    if (code == TRAP_MRET) {
        return_machine(c);
    } else if (code == TRAP_SRET) {
        return_supervisor(c, exception->value);
    } else {
        if (code == TN_FAULT_ALIGN || code == TN_FAULT_BUS)
            code = fault_cause(code, exception->access);
        enter(c, code, exception->value);
    }
}

void riscv_illegal(struct riscv_cpu *c, uint64_t insn)
{
    struct tn_exception e = {
        .size = sizeof e, .code = CAUSE_ILLEGAL, .value = insn};

    c->head.services->raise(&c->head, &e);
}

/* Inputs, in the order of riscv_lines (plugin.c). */
void riscv_set_line(void *self, struct tn_cpu *cpu, uint32_t line,
                    uint32_t level)
{
    static const uint8_t bit[] = {3, 7, 11, 9, 1};
    struct riscv_cpu *c = riscv_cpu(cpu);

    (void)self;
    if (line >= sizeof bit)
        return;
    if (level) {
        __atomic_or_fetch(&c->mip_lines, 1ull << bit[line], __ATOMIC_SEQ_CST);
        if (cpu->services)
            cpu->services->kick(cpu);
    } else {
        __atomic_and_fetch(&c->mip_lines, ~(1ull << bit[line]),
                           __ATOMIC_SEQ_CST);
    }
}
