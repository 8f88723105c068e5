/* SPDX-License-Identifier: Apache-2.0 */
/* What generated code calls. [vcpu] */
#include <sched.h>

#include "csr.h"

/* a0: number | CSR_OP_* << 12 | (0 write, 1 set, 2 clear) << 14; a1: source;
 * a2: the instruction. Returns the old value. */
static uint64_t csr_access(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                           uint64_t a2, uint64_t a3)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint32_t number = a0 & 0xfff, op = a0 >> 12 & 3, how = a0 >> 14 & 3;
    const struct riscv_csr *row = csr_find(c->t, number);
    uint64_t old = 0, mask = how ? a1 : UINT64_MAX, value;

    (void)a3;
    if (!row || (row->allowed && !row->allowed(c, number)))
        riscv_illegal(c, a2);
    riscv_begin_csr(c);
    if (op & CSR_OP_READ)
        old = csr_read(c, row, number);
    if (!(op & CSR_OP_WRITE))
        return old;
    value = how == 0 ? a1 : how == 1 ? old | a1 : old & ~a1;
    csr_write(c, row, number, value, mask);
    return old;
}

static uint64_t fs_dirty(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                         uint64_t a2, uint64_t a3)
{
    struct riscv_cpu *c = riscv_cpu(cpu);

    (void)a0, (void)a1, (void)a2, (void)a3;
    riscv_set_mstatus(c, c->mstatus | MSTATUS_FS);
    return 0;
}

/* a0: the instruction */
static uint64_t wfi_check(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                          uint64_t a2, uint64_t a3)
{
    struct riscv_cpu *c = riscv_cpu(cpu);

    (void)a1, (void)a2, (void)a3;
    if (c->mstatus & MSTATUS_TW)
        riscv_illegal(c, a0);
    return 0;
}

static uint64_t yield(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                      uint64_t a2, uint64_t a3)
{
    (void)cpu, (void)a0, (void)a1, (void)a2, (void)a3;
    sched_yield();
    return 0;
}

static uint64_t fence_i(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                        uint64_t a2, uint64_t a3)
{
    (void)a0, (void)a1, (void)a2, (void)a3;
    cpu->services->code_sync(cpu);
    return 0;
}

/* a0: address, a1: ASID, a2: 1 there is an address, 2 there is an ASID;
 * a3: the instruction. An address alone means every space. */
static uint64_t sfence(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                       uint64_t a2, uint64_t a3)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint64_t space = TN_SPACE_ALL, asid_bits = c->t->xlen == 32 ? 9 : 16;

    if (c->priv == PRIV_S && (c->mstatus & MSTATUS_TVM))
        riscv_illegal(c, a3);
    if (a2 & 2)
        space = (riscv_space(c) & ~((1ull << asid_bits) - 1)) |
                (a1 & ((1ull << asid_bits) - 1));
    if (a2 & 1)
        cpu->services->tlb_flush(cpu, xext(c->t, a0) & ~4095ull, 4096, space);
    else
        cpu->services->tlb_flush(cpu, 0, 0, space);
    return 0;
}

/* a0: address, a1: MMU mode. Allowed where a load or a store is; what it
 * raises is a store's. Zicbom, section "Memory Operations". */
static uint64_t cbo_check(struct tn_cpu *cpu, uint64_t a0, uint64_t a1,
                          uint64_t a2, uint64_t a3)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    struct tn_walk w = {.size = sizeof w,
                        .access = TN_ACCESS_LOAD,
                        .mode = (uint32_t)a1,
                        .va = xext(c->t, a0)};

    (void)a2, (void)a3;
    if (riscv_walk((void *)(uintptr_t)c->t, cpu, &w) == 0)
        return 0;
    w.access = TN_ACCESS_STORE;
    if (riscv_walk((void *)(uintptr_t)c->t, cpu, &w) == 0)
        return 0;
    cpu->services->raise(cpu, &w.exception);
}

#define HELPER_ROW_(id, fn_, flags_)                                           \
    [HELPER_##id] = {.name = #fn_, .fn = fn_, .flags = (flags_)},
const struct tn_helper riscv_helpers[N_HELPERS] = {
    RISCV_HELPERS(HELPER_ROW_)};
