/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU targets: what an instruction set's plugin offers to accelerators and
 * core. Fast tier.
 *
 * A target is a component of kind TN_KIND_TARGET with one instance a machine;
 * its properties choose CPU model and features. It offers "tenon.target/1".
 * It knows no accelerator: it is called with a CPU, whose services reach the
 * accelerator that runs it.
 */
#ifndef TENON_TARGET_H
#define TENON_TARGET_H

#include "host.h"
#include "ir.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_cpu;

/* Bits of tn_cpu.request: why generated code must return to its loop. */
#define TN_CPU_IRQ 0x1u  /* interrupt state may have changed */
#define TN_CPU_STOP 0x2u /* core wants the vCPU thread back */
#define TN_CPU_WORK 0x4u /* accelerator's own */

/* What a memory access wants. */
#define TN_ACCESS_LOAD 0u
#define TN_ACCESS_STORE 1u
#define TN_ACCESS_FETCH 2u

#define TN_PROT_READ 1u
#define TN_PROT_WRITE 2u
#define TN_PROT_EXEC 4u

#define TN_SPACE_ALL UINT64_MAX

/* An exception: codes are the target's own. Those it is asked to make for
 * the accelerator: */
#define TN_FAULT_ALIGN 0xffff0001u /* TN_MO_ALIGN violated; value = address */
#define TN_FAULT_BUS 0xffff0002u   /* no memory or device there */
struct tn_exception {
    uint32_t size;
    uint32_t code;
    uint32_t access; /* TN_ACCESS_* where code is a TN_FAULT_* or a walk's */
    uint32_t insn_info; /* INSN's info bits; filled by the accelerator */
    uint64_t value; /* faulting address, instruction bits, ... */
    uint64_t value2;
    uint64_t pc; /* of the instruction; filled by the accelerator */
};

/* A translation request and its result. */
struct tn_walk {
    uint32_t size;
    uint32_t access; /* TN_ACCESS_* */
    uint32_t mode;   /* MMU mode */
    uint32_t flags;
    uint64_t va;
    /* result */
    uint64_t pa;        /* of va */
    uint32_t page_bits; /* log2 of the range around va that this holds for;
                           below 12 the result must not be cached */
    uint32_t prot;      /* TN_PROT_*: what this mode may do here now. WRITE is
                           left out while the page's dirty bit is clear */
    uint32_t global;    /* 1: in every address space */
    uint32_t reserved;
    struct tn_exception exception; /* if walk() failed */
};
#define TN_WALK_DEBUG 0x1u /* change nothing (A/D bits), for debuggers */

/* What the accelerator does for a target's helpers: reached by cpu->services.
 * [vcpu] on the CPU's own thread unless tagged otherwise. */
struct tn_cpu_services {
    uint32_t size;
    uint32_t reserved;
    /* Raise an exception at the current instruction: guest registers are made
     * as of its start, take_exception() is called, and the helper does not
     * return. */
    void (*raise)(struct tn_cpu *cpu, const struct tn_exception *exception)
        __attribute__((noreturn));
    /* [any] Set TN_CPU_IRQ and wake the CPU if it halts. */
    void (*kick)(struct tn_cpu *cpu);
    /* Forget translations of [va, va+bytes), or all if bytes is 0, of address
     * space SPACE (TN_SPACE_ALL: of all, globals included). */
    void (*tlb_flush)(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                      uint64_t space);
    /* The CPU's memory is now seen through address space SPACE: entries of
     * other spaces may be kept but are not used, except global ones. */
    void (*set_space)(struct tn_cpu *cpu, uint64_t space);
    /* Instruction fetches after this see all stores before it (fence.i). */
    void (*code_sync)(struct tn_cpu *cpu);
    /* Guest memory by virtual address; a fault raises. MO as in LOAD/STORE
     * (its displacement is ignored), at most 8 bytes. */
    uint64_t (*load)(struct tn_cpu *cpu, uint64_t va, uint32_t mo);
    void (*store)(struct tn_cpu *cpu, uint64_t va, uint64_t value,
                  uint32_t mo);
    /* Raises if ACCESS to every byte of [va, va+bytes) would fault. */
    void (*probe)(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                  uint32_t access, uint32_t mode);
    /* Physical memory, little-endian values of 1..8 bytes; for page walks. 0,
     * or -EFAULT where there is no RAM. cas stores NEW if *EXPECTED is there
     * (0), else sets *EXPECTED (-EAGAIN). */
    int32_t (*phys_load)(struct tn_cpu *cpu, uint64_t pa, uint32_t bytes,
                         uint64_t *value);
    int32_t (*phys_cas)(struct tn_cpu *cpu, uint64_t pa, uint32_t bytes,
                        uint64_t *expected, uint64_t new_value);
    /* Call FN, on this thread, for each other CPU (in MASK of the first 64,
     * ~0 for all) while none of them is in guest code. */
    void (*broadcast)(struct tn_cpu *cpu, uint64_t mask,
                      void (*fn)(struct tn_cpu *cpu, void *opaque),
                      void *opaque);
};

/*
 * A CPU's state: 128 bytes of hot fields that generated code addresses with
 * one byte, then the target's own state, whose size it declares. The
 * accelerator allocates it, 64-byte aligned, zeroed.
 */
struct tn_cpu {
    uint32_t request; /* TN_CPU_*, atomic; polled at loop heads and entries */
    uint32_t index;   /* 0.. */
    uint64_t key;     /* the state key; the target keeps it current */
    uint32_t fp_flags; /* accrued TN_FPE_*; see TN_HELPER_FP */
    uint32_t fp_rm;    /* TN_RM_* for TN_RM_DYN; the target keeps it */
    const struct tn_cpu_services *services;
    void *target;            /* the target's instance */
    void *accel;             /* the accelerator's own for this CPU */
    uint64_t accel_hot[10];  /* the accelerator's */
};
#define TN_CPU_STATE_OFFSET 128

/* Guest registers. */
#define TN_CLASS_INT 0
#define TN_CLASS_FP 1
#define TN_CLASS_VECTOR 2
#define TN_CLASS_FLAG 3   /* one bit, 0/1, in a byte of its own */
#define TN_CLASS_SYSTEM 4 /* control registers: rarely in code */

#define TN_ROLE_NONE 0
#define TN_ROLE_PC 1
#define TN_ROLE_SP 2
#define TN_ROLE_RA 3
#define TN_ROLE_ZERO 4 /* reads 0; SETs are not emitted */
#define TN_ROLE_FP_STATUS 5
#define TN_ROLE_THREAD 6

#define TN_REG_VOLATILE 0x1u /* other threads write it: always in memory */
#define TN_REG_HIDDEN 0x2u   /* not shown to debuggers */

struct tn_reg {
    char name[16];
    uint32_t offset; /* from the start of struct tn_cpu */
    uint16_t bits;
    uint8_t cls;  /* TN_CLASS_* */
    uint8_t role; /* TN_ROLE_* */
    uint16_t flags;
    uint8_t hotness;   /* 0: never in code ... 255: wants a host register */
    uint8_t big_endian;
    int32_t alias_of;  /* register it is a part of, or -1 */
    uint32_t alias_bit; /* lowest bit of that part */
    int32_t debugger_number; /* in the architecture's gdb description, or -1 */
};

/* Helpers: C functions generated code calls. uint64_t fn(cpu, a0..a3). */
#define TN_HELPER_PURE 0x1u      /* no effect, depends on arguments only */
#define TN_HELPER_RAISES 0x2u    /* may call services->raise or load/store */
#define TN_HELPER_READS 0x4u     /* reads guest registers */
#define TN_HELPER_WRITES 0x8u    /* writes guest registers */
#define TN_HELPER_MEMORY 0x10u   /* touches guest memory */
#define TN_HELPER_FLUSHES 0x20u  /* may flush TLB or change the address space */
#define TN_HELPER_FP 0x40u /* reads or changes fp_flags/fp_rm: they are made
                              exact before the call and taken over after */
struct tn_helper {
    char name[32];
    uint64_t (*fn)(struct tn_cpu *cpu, uint64_t a0, uint64_t a1, uint64_t a2,
                   uint64_t a3);
    uint32_t flags;
    uint32_t reserved;
};

/* How floating point behaves. */
#define TN_NAN_DEFAULT 0u      /* always the default NaN */
#define TN_NAN_SNAN_FIRST 1u   /* first signaling, else first quiet (Arm) */
#define TN_NAN_FIRST 2u        /* first operand that is a NaN (SSE) */
#define TN_NAN_X87 3u          /* larger significand */
#define TN_NAN_PPC 4u          /* a, then b, then c; fma: a, c, b */
#define TN_TO_INT_SATURATE_NAN_MAX 0u /* RISC-V */
#define TN_TO_INT_SATURATE_NAN_ZERO 1u /* Arm */
#define TN_TO_INT_INDEFINITE 2u        /* x86: MIN for everything */
struct tn_fp_profile {
    uint32_t size;
    uint32_t nan_rule; /* TN_NAN_* */
    uint32_t default_nan_negative;
    uint32_t tiny_before_rounding;
    uint32_t to_int; /* TN_TO_INT_* */
    uint32_t flush_results; /* flush-to-zero */
    uint32_t flush_inputs;  /* denormals-are-zero */
    uint32_t legacy_nan; /* quiet bit inverted (old MIPS, HPPA) */
};

/* Interrupt inputs of one CPU. */
struct tn_cpu_line {
    char name[16]; /* "mei" */
};

/* What a target is, fixed once realized. */
struct tn_target_info {
    uint32_t size;
    uint32_t reserved;
    char name[32];          /* "riscv64" */
    uint32_t address_bits;  /* of virtual addresses in code: 32 or 64 */
    uint32_t phys_bits;
    uint32_t big_endian;    /* instruction fetch and default data order */
    uint32_t page_bits;     /* smallest page */
    uint32_t insn_align;    /* bytes */
    uint32_t max_insn_bytes;
    uint32_t state_bytes;   /* whole struct tn_cpu with the target's state */
    uint32_t n_regs;
    uint32_t reg_size; /* sizeof(struct tn_reg) */
    uint32_t n_helpers;
    uint32_t helper_size;
    uint32_t n_profiles;
    uint32_t n_lines;
    uint32_t code_needs_sync; /* 1: stores become visible to fetches only
                                 after code_sync (RISC-V, Arm) */
    uint32_t memory_model;    /* TN_MODEL_* */
    uint32_t reserved2;
    const struct tn_reg *regs;
    const struct tn_helper *helpers;
    const struct tn_fp_profile *profiles;
    const struct tn_cpu_line *lines;
};
#define TN_MODEL_WEAK 0u
#define TN_MODEL_TSO 1u
#define TN_MODEL_SC 2u

/* A request to decode. */
struct tn_decode {
    uint32_t size;
    uint32_t max_insns;
    uint64_t pc;
    uint64_t key;
    struct tn_ir_unit *unit;
    /* Copies BYTES of code at VA; 0, or -EFAULT if they cannot be fetched. */
    int32_t (*fetch)(void *opaque, uint64_t va, uint32_t bytes, void *buffer);
    void *opaque;
    uint64_t fault_va; /* set when decode returns -EFAULT */
};

/* irq_pending() result. */
#define TN_IRQ_TAKE 1u /* an interrupt can be taken now */
#define TN_IRQ_WAKE 2u /* a halted CPU continues */

#define TN_TARGET "tenon.target/1"
struct tn_target {
    uint32_t size;
    uint32_t reserved;
    /* [any] Valid from realize() on; constant. */
    const struct tn_target_info *(*info)(void *self);
    /* [control] A CPU's memory was allocated / is about to be freed. */
    int32_t (*cpu_init)(void *self, struct tn_cpu *cpu, struct tn_error *error);
    void (*cpu_fini)(void *self, struct tn_cpu *cpu);
    /* [control] Architectural reset; TN_RESET_*. Returns 1 if the CPU starts
     * running, 0 if it waits to be started by another. */
    uint32_t (*cpu_reset)(void *self, struct tn_cpu *cpu, uint32_t kind);
    /* [any, unlocked] Decode from d->pc: appends at least one instruction, at
     * most max_insns, and ends with exits on all paths. No side effects;
     * depends on nothing but the code bytes, the key and the info. A code
     * fault at the first instruction returns -EFAULT with fault_va; later
     * ones end the unit before. */
    int32_t (*decode)(void *self, struct tn_decode *d);
    /* [any] MMU mode of instruction fetch for a state key. */
    uint32_t (*fetch_mode)(void *self, uint64_t key);
    /* [vcpu] Translate. 0, or -EFAULT with w->exception. */
    int32_t (*walk)(void *self, struct tn_cpu *cpu, struct tn_walk *w);
    /* [vcpu] TN_IRQ_* bits. */
    uint32_t (*irq_pending)(void *self, struct tn_cpu *cpu);
    /* [vcpu] Take the pending interrupt; the PC register is current. */
    void (*take_irq)(void *self, struct tn_cpu *cpu);
    /* [vcpu] Enter the handler of EXCEPTION; guest registers and PC are those
     * of the faulting instruction. */
    void (*take_exception)(void *self, struct tn_cpu *cpu,
                           const struct tn_exception *exception);
    /* [any, unlocked] Interrupt input. */
    void (*set_line)(void *self, struct tn_cpu *cpu, uint32_t line,
                     uint32_t level);
    /* [control or vcpu] Named registers (for boot, debuggers, saved state):
     * those of the table, and others the target knows ("mstatus"). VALUE is
     * little-endian, at most 64 bytes. 0, -ENOENT, or -EINVAL. */
    int32_t (*read_reg)(void *self, struct tn_cpu *cpu, const char *name,
                        void *value, uint32_t *bytes);
    int32_t (*write_reg)(void *self, struct tn_cpu *cpu, const char *name,
                         const void *value, uint32_t bytes);
    /* [control] Write the node(s) of vCPU INDEX inside /cpus (tn_fdt). */
    int32_t (*describe_cpu)(void *self, struct tn_cpu *cpu, const void *fdt);
    /* [any] One line of disassembly-free description of instruction bytes for
     * logs is the lister's job: the architecture name it should use. */
    const char *(*lister)(void *self); /* "riscv64", "riscv32" */
    /* [vcpu] Optional: called before a run begins or after the clock was
     * moved, to re-arm timers. */
    void (*resume)(void *self, struct tn_cpu *cpu);
};

#ifdef __cplusplus
}
#endif
#endif
