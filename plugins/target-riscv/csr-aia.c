/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRs of the Advanced Interrupt Architecture 1.0 (Smaia, Ssaia): chapters
 * "Control and Status Registers (CSRs) Added to Harts" and "Interrupts for
 * Machine and Supervisor Levels". Priorities of major interrupts cannot be
 * configured: the iprio arrays are read-only zeros. Of mvien the bits 1 and 9
 * can be set. Interrupt files are an IMSIC's, see tenon/riscv.h.
 */
#include <errno.h>
#include <string.h>

#include "csr.h"

/* Values of *iselect. */
#define IPRIO_FIRST 0x30u
#define IPRIO_LAST 0x3fu
#define IMSIC_FIRST 0x70u
#define IMSIC_LAST 0xffu
#define EIP0 0x80u
#define ISELECT_MASK 0xfffu

#define CLAIM_NONE UINT32_MAX
#define SIMPLE_PRIORITY 1u /* *topi.IPRIO where iprio is all zeros */

/* ---- virtual interrupts for supervisor level ---- */

/* Interrupts that S has of mvip, not of mip. */
static uint64_t virtual_bits(const struct riscv_cpu *c)
{
    return c->mvien & ~c->mideleg;
}

/* mvip, where it is no alias of mip. The bit SEIP that software writes is the
 * same in both; mvien takes it out of mip. */
static uint64_t virtual_pending(const struct riscv_cpu *c)
{
    return virtual_bits(c) &
           ((c->mvip & MIP_SSIP) | (c->mip_soft & MIP_SEIP));
}

void riscv_update_virtual(struct riscv_cpu *c)
{
    c->virtual_irqs = virtual_pending(c) & c->virtual_sie;
}

uint64_t csr_virtual_sip(const struct riscv_cpu *c)
{
    return virtual_pending(c);
}

uint64_t csr_virtual_sie(const struct riscv_cpu *c)
{
    return virtual_bits(c) & c->virtual_sie;
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return (old & ~mask) | (value & mask);
}

/* Of a write to sip or sie. */
void csr_write_virtual_sip(struct riscv_cpu *c, uint64_t value, uint64_t mask)
{
    mask &= virtual_bits(c);
    c->mvip = merge(c->mvip, value, mask & MIP_SSIP);
    c->mip_soft = merge(c->mip_soft, value, mask & MIP_SEIP);
    riscv_update_virtual(c);
}

void csr_write_virtual_sie(struct riscv_cpu *c, uint64_t value)
{
    c->virtual_sie = merge(c->virtual_sie, value, virtual_bits(c));
    riscv_update_virtual(c);
}

void csr_write_mvien(struct riscv_cpu *c, uint32_t number, uint64_t value,
                     uint64_t mask)
{
    (void)number, (void)mask;
    c->mvien = value & (MIP_SSIP | MIP_SEIP);
    riscv_update_virtual(c);
}

/* Bits of mvip that are those of mip. */
static uint64_t alias_bits(const struct riscv_cpu *c)
{
    uint64_t bits = MIP_SEIP;

    if (!(c->mvien & MIP_SSIP))
        bits |= MIP_SSIP;
    if (!(c->menvcfg & ENVCFG_STCE))
        bits |= MIP_STIP;
    return bits;
}

uint64_t csr_read_mvip(struct riscv_cpu *c, uint32_t number)
{
    uint64_t alias = alias_bits(c);

    (void)number;
    /* An input may hold SSIP; SEIP is software's own. */
    return (c->mip_soft & alias) | (mip(c) & alias & MIP_SSIP) |
           (c->mvip & ~alias & MIP_SSIP);
}

void csr_write_mvip(struct riscv_cpu *c, uint32_t number, uint64_t value,
                    uint64_t mask)
{
    uint64_t alias = alias_bits(c);

    (void)number;
    c->mip_soft = merge(c->mip_soft, value, mask & alias);
    c->mvip = merge(c->mvip, value, mask & ~alias & MIP_SSIP);
    riscv_update_virtual(c);
}

/* ---- the top interrupt ---- */

/* MTOPI or STOPI. Not affected by mstatus.xIE. */
uint64_t csr_read_topi(struct riscv_cpu *c, uint32_t number)
{
    uint64_t pending = mip(c) & c->mie;
    uint32_t irq;

    if (csr_privilege(number) == PRIV_M)
        pending &= ~c->mideleg;
    else
        pending = (pending & c->mideleg) | c->virtual_irqs;
    irq = riscv_first_irq(pending);
    return irq ? (uint64_t)irq << 16 | SIMPLE_PRIORITY : 0;
}

/* ---- interrupt files ---- */

static uint64_t selected(const struct riscv_cpu *c, uint32_t number)
{
    return csr_privilege(number) == PRIV_M ? c->miselect : c->siselect;
}

/* TN_RISCV_M or _S, which are the privileges' numbers. With mvien.SEIP the
 * supervisor's file is the machine's alone. */
static uint32_t file_allowed(const struct riscv_cpu *c, uint32_t number)
{
    const struct riscv_target *t = c->t;
    uint32_t level = csr_privilege(number);

    if (level == PRIV_S && c->priv == PRIV_S && (c->mvien & MIP_SEIP))
        return 0;
    return t->imsic && t->imsic->has_level(t->imsic_self, level);
}

uint32_t csr_topei_allowed(struct riscv_cpu *c, uint32_t number)
{
    return file_allowed(c, number);
}

/* A read and a write of one instruction are about the same interrupt. */
uint64_t csr_read_topei(struct riscv_cpu *c, uint32_t number)
{
    const struct riscv_target *t = c->t;

    c->claim = t->imsic ? t->imsic->top(t->imsic_self, c->head.index,
                                        csr_privilege(number))
                        : 0;
    return c->claim;
}

void csr_write_topei(struct riscv_cpu *c, uint32_t number, uint64_t value,
                     uint64_t mask)
{
    const struct riscv_target *t = c->t;

    (void)value, (void)mask;
    if (c->claim == CLAIM_NONE)
        csr_read_topei(c, number);
    if (c->claim && t->imsic)
        t->imsic->claim(t->imsic_self, c->head.index, csr_privilege(number),
                        c->claim >> 16);
}

/* Before the read of an instruction, if it reads. */
void riscv_begin_csr(struct riscv_cpu *c)
{
    c->claim = CLAIM_NONE;
}

uint32_t csr_ireg_allowed(struct riscv_cpu *c, uint32_t number)
{
    uint64_t select = selected(c, number);
    uint32_t odd = c->t->xlen == 64 && (select & 1);

    if (select >= IPRIO_FIRST && select <= IPRIO_LAST)
        return !odd;
    if (select < IMSIC_FIRST || select > IMSIC_LAST ||
        (select >= EIP0 && odd))
        return 0;
    return file_allowed(c, number);
}

uint64_t csr_read_ireg(struct riscv_cpu *c, uint32_t number)
{
    const struct riscv_target *t = c->t;
    uint64_t select = selected(c, number);

    if (!t->imsic || select < IMSIC_FIRST || select > IMSIC_LAST)
        return 0;
    return t->imsic->read(t->imsic_self, c->head.index, csr_privilege(number),
                          (uint32_t)select, t->xlen);
}

void csr_write_ireg(struct riscv_cpu *c, uint32_t number, uint64_t value,
                    uint64_t mask)
{
    const struct riscv_target *t = c->t;
    uint64_t select = selected(c, number);

    if (t->imsic && select >= IMSIC_FIRST && select <= IMSIC_LAST)
        t->imsic->write(t->imsic_self, c->head.index, csr_privilege(number),
                        (uint32_t)select, t->xlen, value, mask);
}

/* ---- tenon.riscv.harts/1 ---- */

static int32_t attach_imsic(void *self, const struct tn_riscv_imsic *imsic,
                            void *imsic_self)
{
    struct riscv_target *t = self;

    if (!has(t, HAS(SMAIA)) || !TN_HAS(imsic, has_level) ||
        !TN_HAS(imsic, read) || !TN_HAS(imsic, write) ||
        !TN_HAS(imsic, top) || !TN_HAS(imsic, claim))
        return -ENOTSUP;
    if (t->imsic)
        return -EBUSY;
    t->imsic = imsic;
    t->imsic_self = imsic_self;
    return 0;
}

static void detach_imsic(void *self)
{
    struct riscv_target *t = self;

    t->imsic = NULL;
    t->imsic_self = NULL;
}

const struct tn_riscv_harts riscv_harts = {
    .size = sizeof riscv_harts,
    .attach_imsic = attach_imsic,
    .detach_imsic = detach_imsic,
};
