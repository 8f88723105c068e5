/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register table, and registers by name. Names of x and f registers are
 * the ABI's; numbers are accepted too ("x10", "f3"). Debugger numbers are
 * those of gdb's RISC-V description: x 0.., pc 32, f 33.., CSRs 65 + number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csr.h"

static const char x_names[32][5] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
static const char f_names[32][5] = {
    "ft0", "ft1", "ft2",  "ft3",  "ft4", "ft5", "ft6",  "ft7",
    "fs0", "fs1", "fa0",  "fa1",  "fa2", "fa3", "fa4",  "fa5",
    "fa6", "fa7", "fs2",  "fs3",  "fs4", "fs5", "fs6",  "fs7",
    "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};

/* How often compiled code uses each: arguments and temporaries first. */
static const uint8_t x_hotness[32] = {
    0,   200, 240, 30,  100, 60,  60,  50,  210, 205, 255, 250, 245, 235, 230,
    225, 140, 120, 180, 170, 160, 150, 130, 125, 110, 105, 95,  90,  70,  65,
    55,  45};

static void set_reg(struct tn_reg *r, const char *name, size_t offset,
                    uint32_t bits, uint32_t cls, int32_t number)
{
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%.15s", name);
    r->offset = (uint32_t)offset;
    r->bits = (uint16_t)bits;
    r->cls = (uint8_t)cls;
    r->alias_of = -1;
    r->debugger_number = number;
}

static void fixed_regs(struct riscv_target *t)
{
    struct tn_reg *r = t->regs;

    for (uint32_t i = 0; i < 32; i++) {
        set_reg(&r[REG_X(i)], x_names[i], offsetof(struct riscv_cpu, x[i]),
                t->xlen, TN_CLASS_INT, (int32_t)i);
        r[REG_X(i)].hotness = x_hotness[i];
        set_reg(&r[REG_F(i)], f_names[i], offsetof(struct riscv_cpu, f[i]), 64,
                TN_CLASS_FP, 33 + (int32_t)i);
        r[REG_F(i)].hotness = i >= 10 && i < 18 ? 100 : 40;
    }
    r[REG_X(0)].role = TN_ROLE_ZERO;
    r[REG_X(1)].role = TN_ROLE_RA;
    r[REG_X(2)].role = TN_ROLE_SP;
    r[REG_X(4)].role = TN_ROLE_THREAD;
    set_reg(&r[REG_PC], "pc", offsetof(struct riscv_cpu, pc), t->xlen,
            TN_CLASS_SYSTEM, 32);
    r[REG_PC].role = TN_ROLE_PC;
    set_reg(&r[REG_MSTATUS], "mstatus", offsetof(struct riscv_cpu, mstatus),
            t->xlen, TN_CLASS_SYSTEM, 65 + 0x300);
    set_reg(&r[REG_MIE], "mie", offsetof(struct riscv_cpu, mie), t->xlen,
            TN_CLASS_SYSTEM, 65 + 0x304);
    set_reg(&r[REG_MIP_SOFT], "mip_soft", offsetof(struct riscv_cpu, mip_soft),
            t->xlen, TN_CLASS_SYSTEM, -1);
    r[REG_MIP_SOFT].flags = TN_REG_HIDDEN;
    set_reg(&r[REG_MIP_LINES], "mip_lines",
            offsetof(struct riscv_cpu, mip_lines), t->xlen, TN_CLASS_SYSTEM,
            -1);
    r[REG_MIP_LINES].flags = TN_REG_VOLATILE | TN_REG_HIDDEN;
    set_reg(&r[REG_VIRTUAL_SIE], "virtual_sie",
            offsetof(struct riscv_cpu, virtual_sie), t->xlen, TN_CLASS_SYSTEM,
            -1);
    r[REG_VIRTUAL_SIE].flags = TN_REG_HIDDEN;
    set_reg(&r[REG_VIRTUAL_SIP], "virtual_sip",
            offsetof(struct riscv_cpu, mvip), t->xlen, TN_CLASS_SYSTEM, -1);
    r[REG_VIRTUAL_SIP].flags = TN_REG_HIDDEN;
    set_reg(&r[REG_VIRTUAL_IRQS], "virtual_irqs",
            offsetof(struct riscv_cpu, virtual_irqs), t->xlen, TN_CLASS_SYSTEM,
            -1);
    r[REG_VIRTUAL_IRQS].flags = TN_REG_HIDDEN;
}

/* Rows of the CSR table that are storage become registers of their own. */
int32_t riscv_make_regs(struct riscv_target *t)
{
    uint32_t n = N_FIXED_REGS;

    t->regs = calloc(N_FIXED_REGS + n_riscv_csrs, sizeof *t->regs);
    if (!t->regs)
        return -ENOMEM;
    csr_make_index(t);
    fixed_regs(t);
    memset(t->csr_reg, 0, sizeof t->csr_reg);
    for (uint32_t i = 0; i < n_riscv_csrs; i++) {
        const struct riscv_csr *row = &riscv_csrs[i];
        if (row->count != 1 || row->read || !row->offset ||
            !csr_find(t, row->number))
            continue;
        if (row->offset == offsetof(struct riscv_cpu, mstatus)) {
            t->csr_reg[row->number] = REG_MSTATUS;
        } else if (row->offset == offsetof(struct riscv_cpu, mie)) {
            t->csr_reg[row->number] = REG_MIE;
        } else {
            t->csr_reg[row->number] = (uint16_t)n;
            set_reg(&t->regs[n++], row->name, row->offset, t->xlen,
                    TN_CLASS_SYSTEM, 65 + row->number);
        }
    }
    t->info.regs = t->regs;
    t->info.n_regs = n;
    t->info.reg_size = sizeof(struct tn_reg);
    return 0;
}

/* "x7", "f31": the index in the table, or -1. */
static int32_t by_number(const char *name)
{
    char *end;
    unsigned long n;

    if ((name[0] != 'x' && name[0] != 'f') || name[1] < '0' || name[1] > '9')
        return -1;
    n = strtoul(name + 1, &end, 10);
    if (*end || n > 31)
        return -1;
    return (int32_t)(name[0] == 'x' ? REG_X(n) : REG_F(n));
}

static uint64_t *find_storage(struct riscv_cpu *c, const char *name)
{
    const struct riscv_target *t = c->t;
    int32_t n = by_number(name);

    if (!strcmp(name, "priv"))
        return &c->priv;
    for (uint32_t i = 0; n < 0 && i < N_FIXED_REGS; i++)
        if (!strcmp(name, t->regs[i].name))
            n = (int32_t)i;
    if (n < 0 || n == REG_MSTATUS || n == REG_MIE)
        return NULL;
    return (uint64_t *)(void *)((uint8_t *)c + t->regs[n].offset);
}

static uint32_t width(const struct riscv_target *t, const char *name)
{
    return name[0] == 'f' && strncmp(name, "fcsr", 4) ? 8 : t->xlen / 8;
}

int32_t riscv_read_reg(void *self, struct tn_cpu *cpu, const char *name,
                       void *value, uint32_t *bytes)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint64_t *at = find_storage(c, name), v;
    uint32_t n = width(self, name);

    if (at) {
        v = *at;
    } else {
        int32_t number = csr_number(c->t, name);
        if (number < 0)
            return -ENOENT;
        v = csr_read(c, csr_find(c->t, (uint32_t)number), (uint32_t)number);
    }
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)value)[i] = (uint8_t)(v >> (8 * i));
    *bytes = n;
    return 0;
}

/* Interrupt inputs are as what drives them says; only SSIP, which software
 * clears where an edge set it, is the hart's own. */
static void write_lines(struct riscv_cpu *c, uint64_t value)
{
    if (value & MIP_SSIP)
        __atomic_or_fetch(&c->mip_lines, MIP_SSIP, __ATOMIC_SEQ_CST);
    else
        __atomic_and_fetch(&c->mip_lines, ~MIP_SSIP, __ATOMIC_SEQ_CST);
}

static int32_t write_csr(struct riscv_cpu *c, const char *name, uint64_t value)
{
    int32_t number = csr_number(c->t, name);
    uint64_t mstatus = c->mstatus;
    const struct riscv_csr *row;

    if (number < 0)
        return -ENOENT;
    row = csr_find(c->t, (uint32_t)number);
    if (csr_read_only((uint32_t)number))
        return -EINVAL;
    riscv_begin_csr(c);
    csr_write(c, row, (uint32_t)number, value, UINT64_MAX);
    /* From outside, a write is not the guest's: FS stays. */
    if (row->effect == CSR_FP)
        riscv_set_mstatus(c, mstatus);
    return 0;
}

int32_t riscv_write_reg(void *self, struct tn_cpu *cpu, const char *name,
                        const void *value, uint32_t bytes)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    uint64_t *at = find_storage(c, name), v = 0;
    int32_t rc = 0;

    (void)self;
    if (bytes > 8)
        return -EINVAL;
    for (uint32_t i = 0; i < bytes; i++)
        v |= (uint64_t)((const uint8_t *)value)[i] << (8 * i);
    if (at == &c->priv) {
        if (v > PRIV_M || v == 2)
            return -EINVAL;
        *at = v;
    } else if (at == &c->x[0]) {
        return v ? -EINVAL : 0;
    } else if (at == &c->mip_lines) {
        write_lines(c, v);
    } else if (at) {
        *at = v;
    } else {
        rc = write_csr(c, name, v);
    }
    riscv_update_key(c);
    return rc;
}
