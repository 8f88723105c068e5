/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRs of status, traps, interrupts and translation. Privileged manual,
 * chapters "Machine-Level ISA" and "Supervisor-Level ISA".
 */
#include "csr.h"

/* WARL: a mode the hart lacks keeps the old one. */
static uint64_t legal_mpp(const struct riscv_cpu *c, uint64_t value)
{
    uint32_t mpp = (value & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;
    uint32_t ok = mpp == PRIV_M || (mpp == PRIV_S && has(c->t, HAS(S))) ||
                  (mpp == PRIV_U && has(c->t, HAS(U)));

    return ok ? value : (value & ~MSTATUS_MPP) | (c->mstatus & MSTATUS_MPP);
}

void csr_write_mstatus(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    const struct riscv_target *t = c->t;
    uint64_t writable = MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP;

    (void)number, (void)mask;
    if (has(t, HAS(U)))
        writable |= MSTATUS_MPRV | MSTATUS_TW;
    if (has(t, HAS(S)))
        writable |= MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM |
                    MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR;
    if (has(t, HAS(F)))
        writable |= MSTATUS_FS;
    value = legal_mpp(c, value);
    riscv_set_mstatus(c, (c->mstatus & ~writable) | (value & writable));
}

uint64_t csr_read_sstatus(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return c->mstatus & sstatus_mask(c->t);
}

void csr_write_sstatus(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    uint64_t writable = SSTATUS_WRITABLE;

    (void)number, (void)mask;
    if (!has(c->t, HAS(F)))
        writable &= ~MSTATUS_FS;
    riscv_set_mstatus(c, (c->mstatus & ~writable) | (value & writable));
}

uint64_t csr_read_misa(struct riscv_cpu *c, uint32_t number)
{
    uint64_t v = c->t->xlen == 32 ? 1ull << 30 : 2ull << 62;

    (void)number;
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        const char *name = riscv_features[i].name;
        if (!name[1] && has(c->t, 1ull << i))
            v |= 1ull << (name[0] - 'a');
    }
    return v;
}

uint64_t csr_read_hartid(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return c->head.index;
}

/* ---- interrupts ---- */

/* Bits of mie and mip there are. */
static uint64_t irq_bits(const struct riscv_cpu *c)
{
    return MIP_M | (has(c->t, HAS(S)) ? MIP_S : 0);
}

uint64_t csr_read_mip(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return mip(c);
}

/* Only software's own bits change: read-modify-write of SEIP does not take
 * over the level of the input. STIP belongs to the timer if STCE is set. */
void csr_write_mip(struct riscv_cpu *c, uint32_t number, uint64_t value,
                   uint64_t mask)
{
    uint64_t writable = has(c->t, HAS(S)) ? MIP_S : 0;

    (void)number;
    if (c->menvcfg & ENVCFG_STCE)
        writable &= ~MIP_STIP;
    /* With mvien.SEIP it is mvip's alone. */
    writable &= mask & ~(c->mvien & MIP_SEIP);
    c->mip_soft = (c->mip_soft & ~writable) | (value & writable);
}

uint64_t csr_read_sip(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return (mip(c) & c->mideleg) | csr_virtual_sip(c);
}

void csr_write_sip(struct riscv_cpu *c, uint32_t number, uint64_t value,
                   uint64_t mask)
{
    csr_write_mip(c, number, value, mask & c->mideleg & MIP_SSIP);
    csr_write_virtual_sip(c, value, mask);
    /* A line may hold SSIP (an ACLINT's SSWI): software clears it here. */
    if (mask & ~value & c->mideleg & MIP_SSIP)
        __atomic_and_fetch(&c->mip_lines, ~MIP_SSIP, __ATOMIC_SEQ_CST);
}

void csr_write_mie(struct riscv_cpu *c, uint32_t number, uint64_t value,
                   uint64_t mask)
{
    (void)number, (void)mask;
    c->mie = value & irq_bits(c);
}

uint64_t csr_read_sie(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return (c->mie & c->mideleg) | csr_virtual_sie(c);
}

void csr_write_sie(struct riscv_cpu *c, uint32_t number, uint64_t value,
                   uint64_t mask)
{
    (void)number, (void)mask;
    c->mie = (c->mie & ~c->mideleg) | (value & c->mideleg & irq_bits(c));
    csr_write_virtual_sie(c, value);
}

void csr_write_mideleg(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    (void)number, (void)mask;
    c->mideleg = value & MIP_S;
    riscv_update_virtual(c);
}

/* ---- traps ---- */

/* MODE 0 and 1; a reserved one keeps the old. */
void csr_write_tvec(struct riscv_cpu *c, uint32_t number, uint64_t value,
                    uint64_t mask)
{
    uint64_t *tvec = csr_privilege(number) == PRIV_M ? &c->mtvec : &c->stvec;

    (void)mask;
    if (!(value & 2))
        *tvec = value;
}

/* Bit 0 is zero, bit 1 too without compressed instructions. */
void csr_write_epc(struct riscv_cpu *c, uint32_t number, uint64_t value,
                   uint64_t mask)
{
    uint64_t *epc = csr_privilege(number) == PRIV_M ? &c->mepc : &c->sepc;

    (void)mask;
    *epc = value & ~(has(c->t, HAS(C)) ? 1ull : 3ull);
}

/* ---- translation ---- */

/* A mode that is not there leaves all of satp as it was. */
void csr_write_satp(struct riscv_cpu *c, uint32_t number, uint64_t value,
                    uint64_t mask)
{
    uint32_t mode = (uint32_t)(value >> 60);

    (void)number, (void)mask;
    if (c->t->xlen == 32) {
        if ((value >> 31 & 1) > c->t->mmu)
            return;
    } else if (mode && (mode < RISCV_SV39 || mode > c->t->mmu)) {
        return;
    }
    c->satp = value;
    riscv_update_key(c);
    if (c->head.services && c->head.services->set_space)
        c->head.services->set_space(&c->head, riscv_space(c));
}

uint32_t csr_satp_allowed(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return c->priv == PRIV_M || !(c->mstatus & MSTATUS_TVM);
}

/* ---- environment configuration ---- */

static uint64_t cbo_bits(const struct riscv_target *t)
{
    return (has(t, HAS(ZICBOM)) ? ENVCFG_CBIE | ENVCFG_CBCFE : 0) |
           (has(t, HAS(ZICBOZ)) ? ENVCFG_CBZE : 0);
}

/* CBIE 2 is reserved: it reads as 0. */
static uint64_t legal_cbie(uint64_t value)
{
    return (value & ENVCFG_CBIE) == 2ull << 4 ? value & ~ENVCFG_CBIE : value;
}

uint64_t csr_read_menvcfg(struct riscv_cpu *c, uint32_t number)
{
    return number & 0x10 ? c->menvcfg >> 32 : c->menvcfg;
}

void csr_write_menvcfg(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    const struct riscv_target *t = c->t;
    uint64_t writable = ENVCFG_FIOM | cbo_bits(t);
    uint64_t old = c->menvcfg;

    (void)mask;
    if (has(t, HAS(SVADU)))
        writable |= ENVCFG_ADUE;
    if (has(t, HAS(SVPBMT)))
        writable |= ENVCFG_PBMTE;
    if (has(t, HAS(SSTC)))
        writable |= ENVCFG_STCE;
    if (t->xlen == 32) {
        if (number & 0x10)
            value <<= 32, writable &= ~0xffffffffull;
        else
            writable &= 0xffffffff;
    }
    c->menvcfg = (old & ~writable) | (legal_cbie(value) & writable);
    if ((old ^ c->menvcfg) & (ENVCFG_ADUE | ENVCFG_PBMTE) && c->head.services)
        c->head.services->tlb_flush(&c->head, 0, 0, TN_SPACE_ALL);
    if ((old ^ c->menvcfg) & ENVCFG_STCE) {
        /* STIP changes its owner and starts anew. */
        c->mip_soft &= ~MIP_STIP;
        riscv_timer_update(c);
    }
    riscv_update_key(c);
}

void csr_write_senvcfg(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    (void)number, (void)mask;
    c->senvcfg = legal_cbie(value) & (ENVCFG_FIOM | cbo_bits(c->t));
    riscv_update_key(c);
}
