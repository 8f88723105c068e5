/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RISC-V target: state of a hart, the target's instance, and what its
 * files share. Numbers are those of the privileged manual, version 1.13, and
 * have its names.
 */
#ifndef RISCV_H
#define RISCV_H

#include <pthread.h>
#include <time.h>

#include <tenon/clock.h>
#include <tenon/fdt.h>
#include <tenon/host.h>
#include <tenon/riscv.h>
#include <tenon/target.h>

#include "riscv-features.h"

#define PRIV_U 0u
#define PRIV_S 1u
#define PRIV_M 3u

/* mstatus; SD is bit XLEN-1. */
#define MSTATUS_SIE (1ull << 1)
#define MSTATUS_MIE (1ull << 3)
#define MSTATUS_SPIE (1ull << 5)
#define MSTATUS_MPIE (1ull << 7)
#define MSTATUS_SPP (1ull << 8)
#define MSTATUS_MPP (3ull << 11)
#define MSTATUS_FS (3ull << 13)
#define MSTATUS_MPRV (1ull << 17)
#define MSTATUS_SUM (1ull << 18)
#define MSTATUS_MXR (1ull << 19)
#define MSTATUS_TVM (1ull << 20)
#define MSTATUS_TW (1ull << 21)
#define MSTATUS_TSR (1ull << 22)
#define MSTATUS_UXL_64 (2ull << 32)
#define MSTATUS_SXL_64 (2ull << 34)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_FS_SHIFT 13
#define FS_OFF 0u
#define FS_DIRTY 3u

/* mip, mie */
#define MIP_SSIP (1ull << 1)
#define MIP_MSIP (1ull << 3)
#define MIP_STIP (1ull << 5)
#define MIP_MTIP (1ull << 7)
#define MIP_SEIP (1ull << 9)
#define MIP_MEIP (1ull << 11)
#define MIP_S (MIP_SSIP | MIP_STIP | MIP_SEIP)
#define MIP_M (MIP_MSIP | MIP_MTIP | MIP_MEIP)

/* menvcfg, senvcfg */
#define ENVCFG_FIOM (1ull << 0)
#define ENVCFG_CBIE (3ull << 4)
#define ENVCFG_CBCFE (1ull << 6)
#define ENVCFG_CBZE (1ull << 7)
#define ENVCFG_ADUE (1ull << 61)
#define ENVCFG_PBMTE (1ull << 62)
#define ENVCFG_STCE (1ull << 63)

/* mcause */
#define CAUSE_FETCH_ALIGN 0u
#define CAUSE_FETCH_ACCESS 1u
#define CAUSE_ILLEGAL 2u
#define CAUSE_BREAKPOINT 3u
#define CAUSE_LOAD_ALIGN 4u
#define CAUSE_LOAD_ACCESS 5u
#define CAUSE_STORE_ALIGN 6u
#define CAUSE_STORE_ACCESS 7u
#define CAUSE_ECALL_U 8u /* + privilege */
#define CAUSE_FETCH_PAGE 12u
#define CAUSE_LOAD_PAGE 13u
#define CAUSE_STORE_PAGE 15u
/* Codes of EXIT_TRAP that are no exceptions: returns from traps change the
 * mode, so they take the same way. */
#define TRAP_MRET 0x100u
#define TRAP_SRET 0x101u

/* satp.MODE (RV32: 0 or 1), also the values of the `mmu` property. */
#define RISCV_BARE 0u
#define RISCV_SV32 1u
#define RISCV_SV39 8u
#define RISCV_SV48 9u
#define RISCV_SV57 10u

/*
 * MMU modes. The data mode of a state key is any of them, the fetch mode is
 * one of the first four.
 */
#define MMU_M 0u       /* untranslated, machine's PMP rules */
#define MMU_BARE 1u    /* untranslated, S or U */
#define MMU_U 2u       /* through the page table as U */
#define MMU_S 3u       /* ... as S */
#define MMU_S_SUM 4u   /* ... as S with SUM */
#define MMU_U_MXR 5u   /* the same with MXR */
#define MMU_S_MXR 6u
#define MMU_S_SUM_MXR 7u

/* The state key. */
#define KEY_PRIV 0x3ull
#define KEY_FETCH_SHIFT 2
#define KEY_FETCH (0x3ull << KEY_FETCH_SHIFT)
#define KEY_DATA_SHIFT 4
#define KEY_DATA (0xfull << KEY_DATA_SHIFT)
#define KEY_FS_SHIFT 8 /* off, clean (1), dirty (3) */
#define KEY_FS (0x3ull << KEY_FS_SHIFT)
#define KEY_FRM_SHIFT 10
#define KEY_FRM (0x7ull << KEY_FRM_SHIFT)
#define KEY_CBZ (1ull << 13)        /* cbo.zero is allowed */
#define KEY_CBCF (1ull << 14)       /* cbo.clean, cbo.flush are */
#define KEY_CBI_SHIFT 15            /* cbo.inval: envcfg.CBIE */
#define KEY_CBI (0x3ull << KEY_CBI_SHIFT)

#define CBO_BLOCK 64u
#define MAX_PMP 64u
#define N_HPM 32u

/* One PMP entry, worked out from pmpcfg and pmpaddr. */
struct pmp_region {
    uint64_t start, last;
    uint32_t entry;
    uint32_t cfg;
};

struct riscv_cpu {
    struct tn_cpu head; /* 128 bytes */
    uint64_t x[32];     /* RV32 uses the low halves */
    uint64_t pc;
    uint64_t f[32]; /* narrower values are NaN-boxed */

    uint64_t mstatus; /* SD is always what FS says */
    uint64_t mie;
    uint64_t mip_soft;  /* bits software wrote */
    uint64_t mip_lines; /* bits inputs and timer hold; atomic */
    uint64_t mideleg, medeleg;
    uint64_t mtvec, mscratch, mepc, mcause, mtval;
    uint64_t stvec, sscratch, sepc, scause, stval, satp;
    uint64_t menvcfg, senvcfg;
    uint64_t mcounteren, scounteren, mcountinhibit;
    uint64_t stimecmp; /* written by the vCPU, read by the timer: atomic */
    uint64_t counter_offset[2]; /* mcycle, minstret: value less their clock,
                                   or the value while inhibited */
    uint64_t pmpaddr[MAX_PMP];
    uint8_t pmpcfg[MAX_PMP];
    uint64_t priv;
    /* Advanced Interrupt Architecture: bits 1 and 9 of the first three. */
    uint64_t mvien, mvip;
    uint64_t virtual_sie; /* sie, where it is no alias of mie */
    uint64_t miselect, siselect;

    /* Derived. */
    uint64_t virtual_irqs; /* of mvip: pending and enabled for S */
    uint32_t claim; /* what this instruction read of *topei */
    uint32_t n_pmp; /* entries that are not OFF */
    struct pmp_region pmp[MAX_PMP];
    struct tn_timer *timer; /* stimecmp */
    pthread_mutex_t timer_lock;
    uint32_t has_work_clock;
    clockid_t work_clock; /* processor time of the hart's thread */
    const struct riscv_target *t;
};

struct riscv_decoder; /* decode.h */
struct riscv_csr;     /* csr.h */

/* The instance. Constant once realized. */
struct riscv_target {
    struct tn_host *host;
    const struct tn_clock *clock; /* NULL: time stands still */
    uint64_t features;
    uint32_t xlen;
    uint32_t mmu;      /* largest satp.MODE */
    uint32_t n_pmp;    /* PMP entries */
    uint32_t timebase; /* Hz */
    struct tn_target_info info;
    struct tn_reg *regs;
    struct riscv_decoder *decoder;
    uint16_t csr_row[4096]; /* 1 + row in the CSR table, 0: none */
    uint16_t csr_reg[4096]; /* guest register that is the whole of it */
    char isa[256];
    const struct tn_riscv_imsic *imsic; /* of all harts, or NULL */
    void *imsic_self;
};

static inline struct riscv_cpu *riscv_cpu(struct tn_cpu *cpu)
{
    return (struct riscv_cpu *)(void *)cpu;
}

static inline uint32_t has(const struct riscv_target *t, uint64_t needs)
{
    return (t->features & needs) == needs;
}

static inline uint64_t xmask(const struct riscv_target *t)
{
    return t->xlen == 32 ? 0xffffffffull : UINT64_MAX;
}

/* An address as a register holds it. */
static inline uint64_t xext(const struct riscv_target *t, uint64_t v)
{
    return t->xlen == 32 ? (uint32_t)v : v;
}

static inline uint64_t mip(const struct riscv_cpu *c)
{
    /* mvien.SEIP takes software's bit out. */
    return (c->mip_soft & ~(c->mvien & MIP_SEIP)) |
           __atomic_load_n(&c->mip_lines, __ATOMIC_ACQUIRE);
}

/* Guest registers, by their index in the table (regs.c). */
#define REG_X(n) (n)
#define REG_PC 32u
#define REG_F(n) (33u + (n))
#define REG_MSTATUS 65u
#define REG_MIE 66u
#define REG_MIP_SOFT 67u
#define REG_MIP_LINES 68u
#define REG_VIRTUAL_SIE 69u
#define REG_VIRTUAL_SIP 70u
#define REG_VIRTUAL_IRQS 71u
#define N_FIXED_REGS 72u /* CSRs that are plain storage follow */

/* Helpers, X(ID, function, flags). */
#define RISCV_HELPERS(X)                                                       \
    X(CSR, csr_access, TN_HELPER_RAISES | TN_HELPER_READS | TN_HELPER_WRITES)  \
    X(CSR_FP, csr_access,                                                      \
      TN_HELPER_RAISES | TN_HELPER_READS | TN_HELPER_WRITES | TN_HELPER_FP)    \
    X(CSR_FLUSH, csr_access,                                                   \
      TN_HELPER_RAISES | TN_HELPER_READS | TN_HELPER_WRITES |                  \
          TN_HELPER_FLUSHES)                                                   \
    X(FS_DIRTY, fs_dirty, TN_HELPER_READS | TN_HELPER_WRITES)                  \
    X(WFI, wfi_check, TN_HELPER_RAISES | TN_HELPER_READS)                      \
    X(YIELD, yield, 0)                                                         \
    X(FENCE_I, fence_i, TN_HELPER_FLUSHES)                                     \
    X(SFENCE, sfence,                                                          \
      TN_HELPER_RAISES | TN_HELPER_READS | TN_HELPER_FLUSHES)                  \
    X(CBO_CHECK, cbo_check,                                                    \
      TN_HELPER_RAISES | TN_HELPER_READS | TN_HELPER_MEMORY)
#define RISCV_HELPER_ENUM_(id, fn, flags) HELPER_##id,
enum { RISCV_HELPERS(RISCV_HELPER_ENUM_) N_HELPERS };
#undef RISCV_HELPER_ENUM_
extern const struct tn_helper riscv_helpers[N_HELPERS];

/* models.c */
int32_t riscv_configure(struct riscv_target *t, struct tn_error *error);
void riscv_isa_string(struct riscv_target *t);
/* regs.c */
int32_t riscv_make_regs(struct riscv_target *t);
int32_t riscv_read_reg(void *self, struct tn_cpu *cpu, const char *name,
                       void *value, uint32_t *bytes);
int32_t riscv_write_reg(void *self, struct tn_cpu *cpu, const char *name,
                        const void *value, uint32_t bytes);
/* decode.c */
int32_t riscv_decoder_new(struct riscv_target *t);
int32_t riscv_decode(void *self, struct tn_decode *d);
/* state.c */
void riscv_update_key(struct riscv_cpu *c);
void riscv_set_mstatus(struct riscv_cpu *c, uint64_t value);
uint32_t riscv_reset(void *self, struct tn_cpu *cpu, uint32_t kind);
/* trap.c */
/* Of the bits of PENDING the interrupt that comes first, or 0. */
uint32_t riscv_first_irq(uint64_t pending);
uint32_t riscv_irq_pending(void *self, struct tn_cpu *cpu);
void riscv_take_irq(void *self, struct tn_cpu *cpu);
void riscv_take_exception(void *self, struct tn_cpu *cpu,
                          const struct tn_exception *exception);
void riscv_set_line(void *self, struct tn_cpu *cpu, uint32_t line,
                    uint32_t level);
void riscv_illegal(struct riscv_cpu *c, uint64_t insn)
    __attribute__((noreturn));
/* mmu.c */
int32_t riscv_walk(void *self, struct tn_cpu *cpu, struct tn_walk *w);
uint64_t riscv_space(const struct riscv_cpu *c);
/* pmp.c */
void pmp_changed(struct riscv_cpu *c);
/* Is [PA, PA + BYTES) in part in the first region that touches it? Then no
 * access of that size is allowed. */
uint32_t pmp_divides(const struct riscv_cpu *c, uint64_t pa, uint32_t bytes);
uint32_t pmp_check(const struct riscv_cpu *c, uint64_t pa, uint32_t machine,
                   uint32_t *page_bits);
/* timer.c */
uint64_t riscv_time(const struct riscv_target *t);
void riscv_timer_update(struct riscv_cpu *c);
int32_t riscv_timer_new(struct riscv_cpu *c);
void riscv_timer_free(struct riscv_cpu *c);
/* csr-counters.c: on the hart's thread, before it runs. */
void riscv_counters_resume(struct riscv_cpu *c);
/* csr-aia.c */
extern const struct tn_riscv_harts riscv_harts;
/* What virtual_irqs follows from changed. */
void riscv_update_virtual(struct riscv_cpu *c);
void riscv_begin_csr(struct riscv_cpu *c);
/* fdt.c */
int32_t riscv_describe_cpu(void *self, struct tn_cpu *cpu, const void *fdt);

#endif
