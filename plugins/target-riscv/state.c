/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from a hart's registers: the state key, reset values.
 * Privileged manual, sections "mstatus" and "Reset".
 */
#include <string.h>

#include "riscv.h"

/* The MMU mode of accesses as PRIV: MXR and SUM matter only to data. */
static uint32_t mmu_mode(const struct riscv_cpu *c, uint32_t priv,
                         uint32_t data)
{
    uint32_t translated =
        c->t->xlen == 32 ? c->satp >> 31 & 1 : (c->satp >> 60) != 0;
    uint32_t mxr = data && (c->mstatus & MSTATUS_MXR);
    uint32_t sum = data && (c->mstatus & MSTATUS_SUM);

    if (priv == PRIV_M)
        return MMU_M;
    if (!translated)
        return MMU_BARE;
    if (priv == PRIV_U)
        return mxr ? MMU_U_MXR : MMU_U;
    if (sum)
        return mxr ? MMU_S_SUM_MXR : MMU_S_SUM;
    return mxr ? MMU_S_MXR : MMU_S;
}

/* Cache-block operations that this mode may do: menvcfg binds S and U,
 * senvcfg also U. */
static uint64_t cbo_key(const struct riscv_cpu *c)
{
    uint64_t allowed = ENVCFG_CBZE | ENVCFG_CBCFE;
    uint64_t inval = 3, key = 0;

    if (c->priv < PRIV_M) {
        allowed &= c->menvcfg;
        inval = (c->menvcfg & ENVCFG_CBIE) >> 4;
    }
    if (c->priv < PRIV_S && has(c->t, HAS(S))) {
        uint64_t s = (c->senvcfg & ENVCFG_CBIE) >> 4;
        allowed &= c->senvcfg;
        inval = inval == 0 || s == 0 ? 0 : inval == 1 || s == 1 ? 1 : 3;
    }
    if (allowed & ENVCFG_CBZE)
        key |= KEY_CBZ;
    if (allowed & ENVCFG_CBCFE)
        key |= KEY_CBCF;
    return key | inval << KEY_CBI_SHIFT;
}

void riscv_update_key(struct riscv_cpu *c)
{
    uint32_t priv = (uint32_t)c->priv;
    uint32_t data_priv = priv;
    uint32_t fs = (c->mstatus & MSTATUS_FS) >> MSTATUS_FS_SHIFT;

    if (priv == PRIV_M && (c->mstatus & MSTATUS_MPRV))
        data_priv = (c->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;
    if (fs != FS_OFF && fs != FS_DIRTY)
        fs = 1;
    c->head.key = priv | (uint64_t)mmu_mode(c, priv, 0) << KEY_FETCH_SHIFT |
                  (uint64_t)mmu_mode(c, data_priv, 1) << KEY_DATA_SHIFT |
                  (uint64_t)fs << KEY_FS_SHIFT |
                  (uint64_t)(c->head.fp_rm & 7) << KEY_FRM_SHIFT | cbo_key(c);
}

/* Store mstatus, SD made to agree with FS. */
void riscv_set_mstatus(struct riscv_cpu *c, uint64_t value)
{
    uint64_t sd = 1ull << (c->t->xlen - 1);

    value &= ~sd;
    if ((value & MSTATUS_FS) == MSTATUS_FS)
        value |= sd;
    c->mstatus = value;
    riscv_update_key(c);
}

uint32_t riscv_reset(void *self, struct tn_cpu *cpu, uint32_t kind)
{
    struct riscv_target *t = self;
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint64_t mstatus = 0;

    (void)kind;
    memset(c->x, 0, sizeof c->x);
    memset(c->f, 0, sizeof c->f);
    memset(c->pmpcfg, 0, sizeof c->pmpcfg);
    memset(c->pmpaddr, 0, sizeof c->pmpaddr);
    c->pc = 0;
    c->mie = c->mip_soft = c->mideleg = c->medeleg = 0;
    c->mtvec = c->mscratch = c->mepc = c->mcause = c->mtval = 0;
    c->stvec = c->sscratch = c->sepc = c->scause = c->stval = c->satp = 0;
    c->mcounteren = c->scounteren = c->mcountinhibit = 0;
    c->counter_offset[0] = c->counter_offset[1] = 0;
    c->menvcfg = has(t, HAS(SVADU)) && !has(t, HAS(SVADE)) ? ENVCFG_ADUE : 0;
    c->senvcfg = 0;
    c->mvien = c->mvip = c->virtual_sie = c->virtual_irqs = 0;
    c->miselect = c->siselect = 0;
    c->stimecmp = UINT64_MAX;
    c->head.fp_flags = 0;
    c->head.fp_rm = 0;
    c->priv = PRIV_M;
    if (t->xlen == 64 && has(t, HAS(U)))
        mstatus |= MSTATUS_UXL_64;
    if (t->xlen == 64 && has(t, HAS(S)))
        mstatus |= MSTATUS_SXL_64;
    if (!has(t, HAS(U)))
        mstatus |= MSTATUS_MPP;
    riscv_set_mstatus(c, mstatus);
    pmp_changed(c);
    riscv_timer_update(c);
    return 1;
}
