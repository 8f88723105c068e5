/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accel-interp: executes the IR one operation after the other. It is the
 * fallback where there is no code generator, and the oracle that compiled code
 * is compared with, so it is written to be evidently right before fast.
 *
 * Each vCPU has its own cache of decoded units and its own TLB; they share
 * nothing but the page versions that tell when code was written.
 */
#ifndef TENON_ACCEL_INTERP_H
#define TENON_ACCEL_INTERP_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tenon/accel.h"
#include "ir/ir-tools.h"

#define PAGE_BITS 12
#define PAGE_SIZE (1ull << PAGE_BITS)
#define PAGE_MASK (PAGE_SIZE - 1)

#define TLB_ENTRIES 1024u
#define N_MODES 16u
#define UNIT_HASH 8192u
#define MAX_OPS 4096u
/* Decoded operations kept a vCPU before its cache is emptied. */
#define MAX_CACHED_OPS (4u << 20)

/* One page as one MMU mode sees it. `page[access]` is the virtual page's
 * address with bit 0 set, or 0 where that access must take the slow path. */
struct tlb_entry {
    uint64_t page[3];
    uint8_t *host; /* first byte of the page */
    _Atomic uint8_t *page_flags;
    uint64_t ram_page; /* number of the page among all RAM pages */
    /* The bytes of the page that this is about: all, or, where protection is
     * finer and the entry is not kept, those around the address asked for. */
    uint32_t first, last;
};

/* A decoded unit. */
struct unit {
    struct unit *next; /* in its hash chain */
    uint64_t pc;
    uint64_t key, key_used;
    uint64_t ram_page[2]; /* second: UINT64_MAX if it lies in one page */
    uint32_t version[2];
    uint32_t n_bytes;
    uint32_t n_ops;
    uint32_t n_labels;
    uint32_t *label; /* operation index of each */
    struct tn_ir_op ops[];
};

struct interp {
    struct tn_host *host;
    const struct tn_guestmem *mem;
    const struct tn_target *target;
    void *target_self;
    const struct tn_target_info *info;
    uint32_t pc_offset;
    uint32_t pc_bytes;
    uint32_t max_insns;
    uint32_t verify;
    uint32_t n_cpus;
    struct icpu **cpus;
    /* Version of each page of RAM: changes when code in it is written. */
    _Atomic uint32_t *page_version;
    uint64_t n_pages;
    /* See interp-sync.c. */
    pthread_mutex_t exclusive_lock; /* one exclusive section at a time */
    pthread_mutex_t state_lock;
    pthread_cond_t state_changed;
    _Atomic uint32_t exclusive;
};

struct icpu {
    struct interp *in;
    struct tn_cpu *cpu;
    struct tlb_entry *tlb[N_MODES]; /* made when a mode is first used */
    struct unit *hash[UNIT_HASH];
    uint64_t cached_ops;
    uint64_t space;
    /* Executing: */
    jmp_buf unwind;
    struct tn_exception exception;
    uint64_t insn_pc;   /* of the instruction being executed */
    uint32_t insn_info;
    bool code_hit;      /* a store hit a page with code */
    bool check_irq;     /* the last exit asked to look at interrupts */
    bool failed;        /* an operation could not be executed */
    struct ir_fp fp;
    /* LOAD_EX / STORE_EX. */
    uint8_t *reserved;
    uint64_t reserved_value;
    uint32_t reserved_bytes;
    /* Inside (1) or outside (0) of code that uses the TLB: interp-sync.c. */
    _Atomic uint32_t inside;
    _Atomic uint64_t n_units, n_insns;
    struct tn_ir_unit scratch; /* decoding buffer */
    struct ir_value *values;
};

static inline struct icpu *icpu_of(struct tn_cpu *cpu)
{
    return (struct icpu *)cpu->accel;
}

static inline uint64_t get_pc(struct icpu *ic)
{
    const uint8_t *p = (const uint8_t *)ic->cpu + ic->in->pc_offset;

    return ic->in->pc_bytes == 4 ? *(const uint32_t *)p
                                 : *(const uint64_t *)p;
}

static inline void set_pc(struct icpu *ic, uint64_t pc)
{
    uint8_t *p = (uint8_t *)ic->cpu + ic->in->pc_offset;

    if (ic->in->pc_bytes == 4)
        *(uint32_t *)p = (uint32_t)pc;
    else
        *(uint64_t *)p = pc;
}

/* interp-mem.c: guest memory. All may raise. */
uint64_t mem_load(struct icpu *ic, uint64_t va, uint32_t mo);
void mem_store(struct icpu *ic, uint64_t va, uint64_t value, uint32_t mo);
uint64_t mem_atomic(struct icpu *ic, uint64_t va, uint64_t operand,
                    uint32_t kind, uint32_t mo);
struct ir_value mem_cas(struct icpu *ic, uint64_t va, struct ir_value expected,
                        struct ir_value desired, uint32_t mo);
uint64_t mem_load_ex(struct icpu *ic, uint64_t va, uint32_t mo);
uint32_t mem_store_ex(struct icpu *ic, uint64_t va, uint64_t value,
                      uint32_t mo);
struct ir_value mem_load_wide(struct icpu *ic, uint64_t va, uint32_t mo);
void mem_store_wide(struct icpu *ic, uint64_t va, struct ir_value value,
                    uint32_t mo);
/* Entry for fetching at VA; false: *EXCEPTION says why not. */
bool mem_fetch_page(struct icpu *ic, uint64_t va, uint32_t mode,
                    struct tlb_entry *entry, struct tn_exception *exception);
void mem_flush(struct icpu *ic, uint64_t va, uint64_t bytes);
void mem_code_written(struct interp *in, uint64_t ram_page);
void mem_raise(struct tn_cpu *cpu, const struct tn_exception *exception)
    __attribute__((noreturn));
extern const struct tn_cpu_services interp_services;

/* interp-unit.c: decoding. NULL: exception in ic->exception. */
const struct unit *unit_lookup(struct icpu *ic, uint64_t pc);
void unit_flush(struct icpu *ic);

/* interp-exec.c: run UNIT; the PC register is current afterwards. Returns
 * true if the CPU wants to sleep. */
bool exec_unit(struct icpu *ic, const struct unit *unit);

/* interp-sync.c: who is where. */
void sync_enter(struct icpu *ic);
void sync_leave(struct icpu *ic);
/* Run FN for each CPU while none is inside. SELF is the calling vCPU, or NULL
 * from other threads. */
void sync_exclusive(struct interp *in, struct icpu *self,
                    void (*fn)(struct icpu *ic, void *opaque), void *opaque);
void sync_request(struct tn_cpu *cpu, uint32_t bits);
void sync_wait_request(struct tn_cpu *cpu);

#endif
