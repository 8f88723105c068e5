/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control and status registers: a table of what each is, with read and write
 * functions where it is more than storage.
 */
#ifndef RISCV_CSR_H
#define RISCV_CSR_H

#include "riscv.h"

/* What must happen after a write. */
#define CSR_NONE 0u
#define CSR_SYNC 1u  /* state key or interrupts may have changed */
#define CSR_FLUSH 2u /* translations too: implies CSR_SYNC */
#define CSR_FP 3u    /* floating-point status; implies CSR_SYNC */

#define CSR_OP_READ 1u
#define CSR_OP_WRITE 2u

#define CSR_FFLAGS 0x001u
#define CSR_FRM 0x002u
#define CSR_FCSR 0x003u
#define CSR_SSTATUS 0x100u
#define CSR_SATP 0x180u
#define CSR_MSTATUS 0x300u
#define CSR_CYCLE 0xc00u
#define CSR_TIME 0xc01u
#define CSR_INSTRET 0xc02u
#define CSR_H 0x080u /* number of the high half less that of the low */
#define CSR_MCYCLE 0xb00u
#define CSR_PMPCFG0 0x3a0u
#define CSR_PMPADDR0 0x3b0u

struct riscv_csr {
    uint16_t number; /* of the first */
    uint16_t count;  /* alike ones that follow it; the name has %u */
    char name[16];
    uint64_t needs;  /* features */
    uint8_t xlen;    /* 0: both */
    uint8_t effect;
    /* Storage, if any: where, and the bits that can be written. */
    uint16_t offset;
    uint64_t mask;
    /* NULL: the storage. Values have XLEN bits. */
    uint64_t (*read)(struct riscv_cpu *c, uint32_t number);
    /* VALUE is the whole new value, of which MASK are the bits asked for. */
    void (*write)(struct riscv_cpu *c, uint32_t number, uint64_t value,
                  uint64_t mask);
    /* May the access be made now? NULL: yes. */
    uint32_t (*allowed)(struct riscv_cpu *c, uint32_t number);
};
extern const struct riscv_csr riscv_csrs[];
extern const uint32_t n_riscv_csrs;

/* The row of NUMBER on this hart, or NULL. */
const struct riscv_csr *csr_find(const struct riscv_target *t,
                                 uint32_t number);
/* By name ("pmpaddr3"): the number, or -1. */
int32_t csr_number(const struct riscv_target *t, const char *name);
void csr_make_index(struct riscv_target *t);
uint64_t csr_read(struct riscv_cpu *c, const struct riscv_csr *row,
                  uint32_t number);
void csr_write(struct riscv_cpu *c, const struct riscv_csr *row,
               uint32_t number, uint64_t value, uint64_t mask);

/* Numbers say who may use a register, and how. */
static inline uint32_t csr_privilege(uint32_t number)
{
    return number >> 8 & 3;
}

static inline uint32_t csr_read_only(uint32_t number)
{
    return number >> 10 == 3;
}

/* sstatus's view of mstatus. */
#define SSTATUS_WRITABLE                                                       \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM |     \
     MSTATUS_MXR)
static inline uint64_t sstatus_mask(const struct riscv_target *t)
{
    return SSTATUS_WRITABLE | 1ull << (t->xlen - 1) |
           (t->xlen == 64 ? 3ull << 32 : 0);
}

/* csr-status.c */
uint64_t csr_read_sstatus(struct riscv_cpu *, uint32_t);
void csr_write_sstatus(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_mstatus(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_misa(struct riscv_cpu *, uint32_t);
uint64_t csr_read_hartid(struct riscv_cpu *, uint32_t);
uint64_t csr_read_mip(struct riscv_cpu *, uint32_t);
void csr_write_mip(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_sip(struct riscv_cpu *, uint32_t);
void csr_write_sip(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_sie(struct riscv_cpu *, uint32_t);
void csr_write_sie(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_mie(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_mideleg(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_tvec(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_epc(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_satp(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint32_t csr_satp_allowed(struct riscv_cpu *, uint32_t);
uint64_t csr_read_menvcfg(struct riscv_cpu *, uint32_t);
void csr_write_menvcfg(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_senvcfg(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
/* csr-counters.c */
uint64_t csr_read_zero(struct riscv_cpu *, uint32_t);
void csr_write_nothing(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_counter(struct riscv_cpu *, uint32_t);
void csr_write_counter(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint32_t csr_counter_allowed(struct riscv_cpu *, uint32_t);
void csr_write_counteren(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
void csr_write_inhibit(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_stimecmp(struct riscv_cpu *, uint32_t);
void csr_write_stimecmp(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint32_t csr_stimecmp_allowed(struct riscv_cpu *, uint32_t);
/* csr-aia.c */
uint64_t csr_virtual_sip(const struct riscv_cpu *);
uint64_t csr_virtual_sie(const struct riscv_cpu *);
void csr_write_virtual_sip(struct riscv_cpu *, uint64_t value, uint64_t mask);
void csr_write_virtual_sie(struct riscv_cpu *, uint64_t value);
void csr_write_mvien(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_mvip(struct riscv_cpu *, uint32_t);
void csr_write_mvip(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_topi(struct riscv_cpu *, uint32_t);
uint32_t csr_topei_allowed(struct riscv_cpu *, uint32_t);
uint64_t csr_read_topei(struct riscv_cpu *, uint32_t);
void csr_write_topei(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint32_t csr_ireg_allowed(struct riscv_cpu *, uint32_t);
uint64_t csr_read_ireg(struct riscv_cpu *, uint32_t);
void csr_write_ireg(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
/* csr-fp-pmp.c */
uint64_t csr_read_fp(struct riscv_cpu *, uint32_t);
void csr_write_fp(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint32_t csr_fp_allowed(struct riscv_cpu *, uint32_t);
uint64_t csr_read_pmpcfg(struct riscv_cpu *, uint32_t);
void csr_write_pmpcfg(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);
uint64_t csr_read_pmpaddr(struct riscv_cpu *, uint32_t);
void csr_write_pmpaddr(struct riscv_cpu *, uint32_t, uint64_t, uint64_t);

#endif
