/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CSR table and what uses it. Privileged manual, chapter "Control and
 * Status Registers", tables "Currently allocated RISC-V ... CSR addresses".
 */
#include <stdio.h>
#include <string.h>

#include "csr.h"

#define AT(member) offsetof(struct riscv_cpu, member)
#define ALL UINT64_MAX
#define COUNTERS_U csr_read_counter, NULL, csr_counter_allowed
#define COUNTERS_M csr_read_counter, csr_write_counter, NULL
#define IREG csr_read_ireg, csr_write_ireg, csr_ireg_allowed
#define TOPEI csr_read_topei, csr_write_topei, csr_topei_allowed
#define ZERO csr_read_zero, csr_write_nothing, NULL
#define ZERO_U csr_read_zero, NULL, csr_counter_allowed

/* clang-format off */
const struct riscv_csr riscv_csrs[] = {
    /* number n name    needs  xlen effect  storage  writable  read write allowed */
    /* Unprivileged floating point */
    {0x001, 1, "fflags",        HAS(F), 0,  CSR_FP,    0, 0, csr_read_fp, csr_write_fp, csr_fp_allowed},
    {0x002, 1, "frm",           HAS(F), 0,  CSR_FP,    0, 0, csr_read_fp, csr_write_fp, csr_fp_allowed},
    {0x003, 1, "fcsr",          HAS(F), 0,  CSR_FP,    0, 0, csr_read_fp, csr_write_fp, csr_fp_allowed},
    /* Unprivileged counters and timers */
    {0xc00, 1, "cycle",         HAS(ZICNTR), 0,  CSR_NONE, 0, 0, COUNTERS_U},
    {0xc01, 1, "time",          HAS(ZICNTR), 0,  CSR_NONE, 0, 0, COUNTERS_U},
    {0xc02, 1, "instret",       HAS(ZICNTR), 0,  CSR_NONE, 0, 0, COUNTERS_U},
    {0xc03, 29, "hpmcounter%u", HAS(ZIHPM), 0,   CSR_NONE, 0, 0, ZERO_U},
    {0xc80, 1, "cycleh",        HAS(ZICNTR), 32, CSR_NONE, 0, 0, COUNTERS_U},
    {0xc81, 1, "timeh",         HAS(ZICNTR), 32, CSR_NONE, 0, 0, COUNTERS_U},
    {0xc82, 1, "instreth",      HAS(ZICNTR), 32, CSR_NONE, 0, 0, COUNTERS_U},
    {0xc83, 29, "hpmcounter%uh", HAS(ZIHPM), 32, CSR_NONE, 0, 0, ZERO_U},
    /* Supervisor trap setup */
    {0x100, 1, "sstatus",       HAS(S), 0,  CSR_SYNC,  0, 0, csr_read_sstatus, csr_write_sstatus, NULL},
    {0x104, 1, "sie",           HAS(S), 0,  CSR_SYNC,  0, 0, csr_read_sie, csr_write_sie, NULL},
    {0x105, 1, "stvec",         HAS(S), 0,  CSR_NONE,  AT(stvec), 0, NULL, csr_write_tvec, NULL},
    {0x106, 1, "scounteren",    HAS(S), 0,  CSR_NONE,  AT(scounteren), 0, NULL, csr_write_counteren, NULL},
    {0x10a, 1, "senvcfg",       HAS(S), 0,  CSR_SYNC,  AT(senvcfg), 0, NULL, csr_write_senvcfg, NULL},
    /* Supervisor trap handling */
    {0x140, 1, "sscratch",      HAS(S), 0,  CSR_NONE,  AT(sscratch), ALL, NULL, NULL, NULL},
    {0x141, 1, "sepc",          HAS(S), 0,  CSR_NONE,  AT(sepc), 0, NULL, csr_write_epc, NULL},
    {0x142, 1, "scause",        HAS(S), 0,  CSR_NONE,  AT(scause), ALL, NULL, NULL, NULL},
    {0x143, 1, "stval",         HAS(S), 0,  CSR_NONE,  AT(stval), ALL, NULL, NULL, NULL},
    {0x144, 1, "sip",           HAS(S), 0,  CSR_SYNC,  0, 0, csr_read_sip, csr_write_sip, NULL},
    {0x14d, 1, "stimecmp",      HAS(SSTC), 0,  CSR_NONE, 0, 0, csr_read_stimecmp, csr_write_stimecmp, csr_stimecmp_allowed},
    {0x15d, 1, "stimecmph",     HAS(SSTC), 32, CSR_NONE, 0, 0, csr_read_stimecmp, csr_write_stimecmp, csr_stimecmp_allowed},
    /* Supervisor protection and translation */
    {0x180, 1, "satp",          HAS(S), 0,  CSR_FLUSH, AT(satp), 0, NULL, csr_write_satp, csr_satp_allowed},
    /* Supervisor interrupts: AIA */
    {0x150, 1, "siselect",      HAS(SSAIA), 0,  CSR_NONE, AT(siselect), 0xfff, NULL, NULL, NULL},
    {0x151, 1, "sireg",         HAS(SSAIA), 0,  CSR_SYNC, 0, 0, IREG},
    {0x15c, 1, "stopei",        HAS(SSAIA), 0,  CSR_SYNC, 0, 0, TOPEI},
    {0xdb0, 1, "stopi",         HAS(SSAIA), 0,  CSR_NONE, 0, 0, csr_read_topi, NULL, NULL},
    {0x114, 1, "sieh",          HAS(SSAIA), 32, CSR_NONE, 0, 0, ZERO},
    {0x154, 1, "siph",          HAS(SSAIA), 32, CSR_NONE, 0, 0, ZERO},
    /* Machine information */
    {0xf11, 1, "mvendorid",     0, 0,  CSR_NONE, 0, 0, csr_read_zero, NULL, NULL},
    {0xf12, 1, "marchid",       0, 0,  CSR_NONE, 0, 0, csr_read_zero, NULL, NULL},
    {0xf13, 1, "mimpid",        0, 0,  CSR_NONE, 0, 0, csr_read_zero, NULL, NULL},
    {0xf14, 1, "mhartid",       0, 0,  CSR_NONE, 0, 0, csr_read_hartid, NULL, NULL},
    {0xf15, 1, "mconfigptr",    0, 0,  CSR_NONE, 0, 0, csr_read_zero, NULL, NULL},
    /* Machine trap setup */
    {0x300, 1, "mstatus",       0, 0,  CSR_SYNC, AT(mstatus), 0, NULL, csr_write_mstatus, NULL},
    {0x301, 1, "misa",          0, 0,  CSR_NONE, 0, 0, csr_read_misa, csr_write_nothing, NULL},
    {0x302, 1, "medeleg",       HAS(S), 0,  CSR_NONE, AT(medeleg), 0xb3ff, NULL, NULL, NULL},
    {0x303, 1, "mideleg",       HAS(S), 0,  CSR_SYNC, AT(mideleg), 0, NULL, csr_write_mideleg, NULL},
    {0x304, 1, "mie",           0, 0,  CSR_SYNC, AT(mie), 0, NULL, csr_write_mie, NULL},
    {0x305, 1, "mtvec",         0, 0,  CSR_NONE, AT(mtvec), 0, NULL, csr_write_tvec, NULL},
    {0x306, 1, "mcounteren",    HAS(U), 0,  CSR_NONE, AT(mcounteren), 0, NULL, csr_write_counteren, NULL},
    {0x310, 1, "mstatush",      0, 32, CSR_NONE, 0, 0, ZERO},
    /* Machine trap handling */
    {0x340, 1, "mscratch",      0, 0,  CSR_NONE, AT(mscratch), ALL, NULL, NULL, NULL},
    {0x341, 1, "mepc",          0, 0,  CSR_NONE, AT(mepc), 0, NULL, csr_write_epc, NULL},
    {0x342, 1, "mcause",        0, 0,  CSR_NONE, AT(mcause), ALL, NULL, NULL, NULL},
    {0x343, 1, "mtval",         0, 0,  CSR_NONE, AT(mtval), ALL, NULL, NULL, NULL},
    {0x344, 1, "mip",           0, 0,  CSR_SYNC, 0, 0, csr_read_mip, csr_write_mip, NULL},
    /* Machine interrupts: AIA */
    {0x350, 1, "miselect",      HAS(SMAIA), 0,  CSR_NONE, AT(miselect), 0xfff, NULL, NULL, NULL},
    {0x351, 1, "mireg",         HAS(SMAIA), 0,  CSR_SYNC, 0, 0, IREG},
    {0x35c, 1, "mtopei",        HAS(SMAIA), 0,  CSR_SYNC, 0, 0, TOPEI},
    {0xfb0, 1, "mtopi",         HAS(SMAIA), 0,  CSR_NONE, 0, 0, csr_read_topi, NULL, NULL},
    {0x308, 1, "mvien",         HAS(SMAIA) | HAS(S), 0,  CSR_SYNC, AT(mvien), 0, NULL, csr_write_mvien, NULL},
    {0x309, 1, "mvip",          HAS(SMAIA) | HAS(S), 0,  CSR_SYNC, 0, 0, csr_read_mvip, csr_write_mvip, NULL},
    {0x313, 1, "midelegh",      HAS(SMAIA) | HAS(S), 32, CSR_NONE, 0, 0, ZERO},
    {0x314, 1, "mieh",          HAS(SMAIA), 32, CSR_NONE, 0, 0, ZERO},
    {0x318, 1, "mvienh",        HAS(SMAIA) | HAS(S), 32, CSR_NONE, 0, 0, ZERO},
    {0x319, 1, "mviph",         HAS(SMAIA) | HAS(S), 32, CSR_NONE, 0, 0, ZERO},
    {0x354, 1, "miph",          HAS(SMAIA), 32, CSR_NONE, 0, 0, ZERO},
    /* Machine configuration */
    {0x30a, 1, "menvcfg",       HAS(U), 0,  CSR_FLUSH, 0, 0, csr_read_menvcfg, csr_write_menvcfg, NULL},
    {0x31a, 1, "menvcfgh",      HAS(U), 32, CSR_FLUSH, 0, 0, csr_read_menvcfg, csr_write_menvcfg, NULL},
    /* Machine memory protection */
    {0x3a0, 16, "pmpcfg%u",     0, 0,  CSR_FLUSH, 0, 0, csr_read_pmpcfg, csr_write_pmpcfg, NULL},
    {0x3b0, 64, "pmpaddr%u",    0, 0,  CSR_FLUSH, 0, 0, csr_read_pmpaddr, csr_write_pmpaddr, NULL},
    /* Machine counters and timers */
    {0xb00, 1, "mcycle",        0, 0,  CSR_NONE, 0, 0, COUNTERS_M},
    {0xb02, 1, "minstret",      0, 0,  CSR_NONE, 0, 0, COUNTERS_M},
    {0xb03, 29, "mhpmcounter%u", 0, 0, CSR_NONE, 0, 0, ZERO},
    {0xb80, 1, "mcycleh",       0, 32, CSR_NONE, 0, 0, COUNTERS_M},
    {0xb82, 1, "minstreth",     0, 32, CSR_NONE, 0, 0, COUNTERS_M},
    {0xb83, 29, "mhpmcounter%uh", 0, 32, CSR_NONE, 0, 0, ZERO},
    {0x320, 1, "mcountinhibit", 0, 0,  CSR_NONE, AT(mcountinhibit), 0, NULL, csr_write_inhibit, NULL},
    {0x323, 29, "mhpmevent%u",  0, 0,  CSR_NONE, 0, 0, ZERO},
};
/* clang-format on */
const uint32_t n_riscv_csrs = sizeof riscv_csrs / sizeof riscv_csrs[0];

/* Rows of several that do not count from 0 do so from their number's low
 * bits: hpmcounter3 is 0xc03. */
static uint32_t first_index(const struct riscv_csr *row)
{
    return row->count == 29 ? 3 : 0;
}

static uint32_t exists(const struct riscv_target *t,
                       const struct riscv_csr *row, uint32_t number)
{
    uint32_t index = number - row->number;

    if (!has(t, row->needs) || (row->xlen && row->xlen != t->xlen))
        return 0;
    if (row->number == CSR_PMPCFG0) /* RV64 has the even ones */
        return t->xlen == 64 ? !(index & 1) && index * 4 < t->n_pmp
                             : index * 4 < t->n_pmp;
    if (row->number == CSR_PMPADDR0)
        return index < t->n_pmp;
    return 1;
}

void csr_make_index(struct riscv_target *t)
{
    memset(t->csr_row, 0, sizeof t->csr_row);
    for (uint32_t i = 0; i < n_riscv_csrs; i++)
        for (uint32_t n = 0; n < riscv_csrs[i].count; n++)
            if (exists(t, &riscv_csrs[i], riscv_csrs[i].number + n))
                t->csr_row[riscv_csrs[i].number + n] = (uint16_t)(i + 1);
}

const struct riscv_csr *csr_find(const struct riscv_target *t, uint32_t number)
{
    uint16_t row = t->csr_row[number & 0xfff];

    return row ? &riscv_csrs[row - 1] : NULL;
}

int32_t csr_number(const struct riscv_target *t, const char *name)
{
    for (uint32_t number = 0; number < 4096; number++) {
        const struct riscv_csr *row = csr_find(t, number);
        char text[32];

        if (!row)
            continue;
        if (row->count == 1) {
            if (!strcmp(name, row->name))
                return (int32_t)number;
            continue;
        }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, row->name,
                 number - row->number + first_index(row));
#pragma GCC diagnostic pop
        if (!strcmp(name, text))
            return (int32_t)number;
    }
    return -1;
}

static uint64_t *storage(struct riscv_cpu *c, const struct riscv_csr *row)
{
    return (uint64_t *)(void *)((uint8_t *)c + row->offset);
}

uint64_t csr_read(struct riscv_cpu *c, const struct riscv_csr *row,
                  uint32_t number)
{
    uint64_t v = row->read ? row->read(c, number) : *storage(c, row);

    return v & xmask(c->t);
}

void csr_write(struct riscv_cpu *c, const struct riscv_csr *row,
               uint32_t number, uint64_t value, uint64_t mask)
{
    if (row->write) {
        row->write(c, number, value & xmask(c->t), mask & xmask(c->t));
        return;
    }
    uint64_t *p = storage(c, row);
    *p = (*p & ~row->mask) | (value & row->mask & xmask(c->t));
}
