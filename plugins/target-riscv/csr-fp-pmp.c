/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRs of floating-point status and of physical memory protection.
 */
#include "csr.h"
#include "pmp.h"

#define FFLAGS 0x1fu /* TN_FPE_* has the same bits */
#define PMPADDR_64 ((1ull << 54) - 1)

uint64_t csr_read_fp(struct riscv_cpu *c, uint32_t number)
{
    uint64_t flags = c->head.fp_flags & FFLAGS;
    uint64_t rm = c->head.fp_rm & 7;

    switch (number) {
    case CSR_FFLAGS:
        return flags;
    case CSR_FRM:
        return rm;
    default:
        return flags | rm << 5;
    }
}

void csr_write_fp(struct riscv_cpu *c, uint32_t number, uint64_t value,
                  uint64_t mask)
{
    (void)mask;
    if (number != CSR_FRM)
        c->head.fp_flags = value & FFLAGS;
    if (number == CSR_FRM)
        c->head.fp_rm = value & 7;
    if (number == CSR_FCSR)
        c->head.fp_rm = value >> 5 & 7;
    riscv_set_mstatus(c, c->mstatus | MSTATUS_FS);
}

uint32_t csr_fp_allowed(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return (c->mstatus & MSTATUS_FS) != 0;
}

/* ---- physical memory protection ---- */

static uint32_t locked(const struct riscv_cpu *c, uint32_t entry)
{
    return c->pmpcfg[entry] & PMP_L;
}

static void changed(struct riscv_cpu *c)
{
    pmp_changed(c);
    if (c->head.services)
        c->head.services->tlb_flush(&c->head, 0, 0, TN_SPACE_ALL);
}

/* One register holds four entries (RV32) or eight (RV64, even numbers). */
uint64_t csr_read_pmpcfg(struct riscv_cpu *c, uint32_t number)
{
    uint32_t first = (number - CSR_PMPCFG0) * 4;
    uint64_t value = 0;

    for (uint32_t i = 0; i < c->t->xlen / 8 && first + i < c->t->n_pmp; i++)
        value |= (uint64_t)c->pmpcfg[first + i] << (8 * i);
    return value;
}

void csr_write_pmpcfg(struct riscv_cpu *c, uint32_t number, uint64_t value,
                      uint64_t mask)
{
    uint32_t first = (number - CSR_PMPCFG0) * 4;

    (void)mask;
    for (uint32_t i = 0; i < c->t->xlen / 8 && first + i < c->t->n_pmp; i++) {
        uint32_t cfg = value >> (8 * i) &
                       (PMP_R | PMP_W | PMP_X | PMP_A | PMP_L);

        if (locked(c, first + i))
            continue;
        if ((cfg & (PMP_R | PMP_W)) == PMP_W) /* reserved: WARL */
            cfg &= ~(PMP_R | PMP_W);
        c->pmpcfg[first + i] = (uint8_t)cfg;
    }
    changed(c);
}

uint64_t csr_read_pmpaddr(struct riscv_cpu *c, uint32_t number)
{
    return c->pmpaddr[number - CSR_PMPADDR0];
}

/* Locked by its own entry, or by a locked TOR above that starts here. */
void csr_write_pmpaddr(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    uint32_t i = number - CSR_PMPADDR0;

    (void)mask;
    if (locked(c, i) ||
        (i + 1 < c->t->n_pmp && locked(c, i + 1) &&
         (c->pmpcfg[i + 1] & PMP_A) == PMP_A_TOR))
        return;
    c->pmpaddr[i] = c->t->xlen == 64 ? value & PMPADDR_64 : value;
    changed(c);
}
