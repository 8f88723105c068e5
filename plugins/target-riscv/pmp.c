/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory protection. Privileged manual, section "Physical Memory
 * Protection". The grain is 4 bytes (G = 0).
 */
#include "riscv.h"
#include "pmp.h"

static void add_region(struct riscv_cpu *c, uint32_t entry, uint64_t start,
                       uint64_t last)
{
    struct pmp_region *r = &c->pmp[c->n_pmp++];

    r->start = start;
    r->last = last;
    r->entry = entry;
    r->cfg = c->pmpcfg[entry];
}

/* NAPOT: the trailing ones of the address say the size. */
static void add_napot(struct riscv_cpu *c, uint32_t entry)
{
    uint64_t a = c->pmpaddr[entry];
    uint32_t ones = ~a ? (uint32_t)__builtin_ctzll(~a) : 64;
    uint64_t start, span;

    if (ones >= 54) {
        add_region(c, entry, 0, UINT64_MAX);
        return;
    }
    span = 8ull << ones;
    start = (a & ~((2ull << ones) - 1)) << 2;
    add_region(c, entry, start, start + span - 1);
}

/* Work the registers out. An address register holds bits 55:2 (RV32: 33:2).
 * An empty TOR range matches nothing. */
void pmp_changed(struct riscv_cpu *c)
{
    c->n_pmp = 0;
    for (uint32_t i = 0; i < c->t->n_pmp; i++) {
        uint64_t low = i ? c->pmpaddr[i - 1] << 2 : 0;
        uint64_t high = c->pmpaddr[i] << 2;

        switch (c->pmpcfg[i] & PMP_A) {
        case PMP_A_TOR:
            if (low < high)
                add_region(c, i, low, high - 1);
            break;
        case PMP_A_NA4:
            add_region(c, i, high, high + 3);
            break;
        case PMP_A_NAPOT:
            add_napot(c, i);
            break;
        }
    }
}

static uint32_t region_prot(const struct pmp_region *r, uint32_t machine)
{
    uint32_t prot = 0;

    if (machine && !(r->cfg & PMP_L))
        return TN_PROT_READ | TN_PROT_WRITE | TN_PROT_EXEC;
    if (r->cfg & PMP_R)
        prot |= TN_PROT_READ;
    if (r->cfg & PMP_W)
        prot |= TN_PROT_WRITE;
    if (r->cfg & PMP_X)
        prot |= TN_PROT_EXEC;
    return prot;
}

uint32_t pmp_divides(const struct riscv_cpu *c, uint64_t pa, uint32_t bytes)
{
    uint64_t last = pa + (bytes ? bytes - 1 : 0);

    for (uint32_t i = 0; i < c->n_pmp; i++) {
        const struct pmp_region *r = &c->pmp[i];

        if (last >= r->start && pa <= r->last)
            return pa < r->start || last > r->last;
    }
    return 0;
}

/*
 * What may be done at PA. *PAGE_BITS, the size of the block around PA that
 * the caller asks about, is made smaller until one rule holds for all of it.
 * The first entry that touches the block decides; one that covers it in part
 * divides it.
 */
uint32_t pmp_check(const struct riscv_cpu *c, uint64_t pa, uint32_t machine,
                   uint32_t *page_bits)
{
    uint32_t i = 0;

    while (i < c->n_pmp) {
        const struct pmp_region *r = &c->pmp[i];
        uint64_t size = *page_bits >= 64 ? 0 : 1ull << *page_bits;
        uint64_t start = pa & ~(size - 1), last = start + (size - 1);

        if (last < r->start || start > r->last) {
            i++;
        } else if (start >= r->start && last <= r->last) {
            return region_prot(r, machine);
        } else {
            /* A smaller block leaves regions that missed it missed. */
            --*page_bits;
        }
    }
    if (machine || c->t->n_pmp == 0)
        return TN_PROT_READ | TN_PROT_WRITE | TN_PROT_EXEC;
    return 0;
}
