/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x86-64 code generator's own declarations.
 *
 * Registers while generated code runs:
 *   r14       the CPU's state + STATE_BIAS, so that one-byte displacements
 *             reach the hot fields and the start of the target's state
 *   r13       the current space (struct tcg_space)
 *   rsp       the frame: arguments for C, locals, spill slots
 *   pinned    the hottest guest registers, in all units
 *   temps     rax rcx rdx (scratch) and one more
 */
#ifndef TENON_TCG_X86_GEN_H
#define TENON_TCG_X86_GEN_H

#include "../tcg.h"
#include "asm.h"

#define STATE_BIAS 128
#define STATE R14
#define SPACE R13

#define N_PINNED 9
#define TEMP_EXTRA R11

/* The frame, from rsp. Slots are of 16 bytes. */
#define FRAME_ARGS 0   /* four 64-bit arguments; the first: slow_load's result */
#define FRAME_SAVE 32  /* thunks: temps */
#define FRAME_XSAVE 64 /* thunks: xmm temps, 8 bytes each */
#define FRAME_EVAL 128 /* struct ir_value a, b, c, result */
#define FRAME_LOCALS 192
#define FRAME_SLOTS (FRAME_LOCALS + 16 * TN_MAX_LOCALS)
#define MAX_SLOTS 128
#define FRAME_BYTES (FRAME_SLOTS + 16 * MAX_SLOTS)

/* FP registers: xmm0..7 temps, the rest pinned. */
#define N_XTEMPS 8
#define N_XPINNED 8

/* Where a value is. */
enum {
    LOC_NONE,  /* not computed (yet) */
    LOC_CONST, /* number in gen.constant */
    LOC_REG,   /* temp register */
    LOC_XMM,   /* xmm temp */
    LOC_GREG,  /* it is what guest register val.greg holds */
    LOC_SLOT,  /* spill slot */
};

struct val {
    uint8_t loc;
    uint8_t reg;
    uint8_t type;
    uint8_t is_wide; /* 128-bit: slot only */
    uint16_t slot;
    int16_t greg;     /* LOC_GREG */
    int16_t backing;  /* guest register in memory that holds it too, or -1 */
    int16_t want;     /* pinned guest register to compute it into, or -1 */
    uint32_t last_use;
    uint32_t n_uses;
};

/* Code that is put behind the unit. */
struct cold {
    uint8_t kind;
    uint8_t reg;    /* result (or data) register */
    uint8_t va;     /* address register */
    uint8_t flag;
    uint32_t mo;
    uint32_t op;    /* operation index */
    uint32_t insn;  /* index of guest pc */
    uint8_t *from[2]; /* jumps to it */
    uint8_t *back;    /* where it goes on */
    uint64_t imm;
    uint8_t data_kind; /* store: DATA_* */
    int32_t extra;
};

/* How a guest register is kept. */
struct greg {
    uint8_t host;  /* pinned in this register (int or xmm), or NO_REG */
    uint8_t is_xmm;
    uint8_t cacheable;
    uint8_t bytes;
    int32_t disp; /* from r14 */
};

struct tcg_host {
    const uint8_t *enter;   /* uint32_t enter(cpu, code) */
    const uint8_t *leave_c; /* void leave_c(cpu, reason) */
    const uint8_t *leave;   /* back to enter()'s caller with eax */
    /* C functions called with every register kept. */
    const uint8_t *slow_load, *slow_store, *slow_eval, *slow_atomic, *slow_cas,
        *slow_load_ex, *slow_store_ex;
    const uint8_t *call;    /* C function in rax, arguments in the frame */
    const uint8_t *eval;    /* operation at rax */
    const uint8_t *exit_link; /* link in rax; pc from it */
    const uint8_t *exit_jump; /* pc in rdx */
    const uint8_t *exit_dead; /* unit in rax */
    const uint8_t *exit_request; /* unit in rax */
    const uint8_t *exit_sync;    /* pc in rdx */
    const uint8_t *exit_halt;    /* pc in rdx */
    const uint8_t *exit_trap;
    struct greg *gregs;
    uint8_t pinned[16];  /* host register -> guest register index + 1 */
    uint8_t xpinned[16];
    int16_t pinned_greg[16], xpinned_greg[16];
    bool has_bmi1, has_bmi2, has_lzcnt, has_popcnt, has_movbe, has_avx,
        has_fma, has_sse41, has_cx16, has_pclmul;
};

struct gen {
    struct tcg *t;
    struct tcg_host *h;
    struct tcg_cpu *tc;
    struct tn_ir_unit *ir;
    struct tcg_unit *u;
    struct as as;
    uint8_t *body;      /* writable address */
    uint32_t op;        /* being generated */
    uint32_t insn;      /* of it */
    bool failed;        /* out of slots: too complex */
    const struct tn_ir_op *refused; /* an operation nobody here can do */
    struct val *val;
    uint32_t *canon;    /* value -> the one that stands for it */
    uint8_t *skip;      /* operation needs no code */
    int32_t *alias;     /* guest register -> value that is its content, or -1 */
    uint32_t *alias_list; /* guest registers that may have one */
    uint32_t n_alias;
    int32_t owner[16];  /* temp register -> value or -1 */
    int32_t xowner[16];
    uint32_t locked, xlocked; /* not to be evicted now */
    uint64_t slots[MAX_SLOTS / 64];
    uint64_t *insn_pc;
    uint32_t *insn_info;
    uint32_t n_insns;
    uint8_t *label_at[TN_MAX_LABELS];
    uint32_t label_op[TN_MAX_LABELS], label_refs[TN_MAX_LABELS];
    uint32_t label_insn[TN_MAX_LABELS]; /* of the last branch to it */
    bool unreachable;
    struct {
        uint8_t *field;
        uint32_t label;
    } *fix;
    uint32_t n_fix, max_fix;
    struct cold *cold;
    uint32_t n_cold, max_cold;
    struct tcg_site *site;
    uint32_t n_site, max_site;
    struct tcg_link *link;
    uint32_t n_link, max_link;
};

#define TEMPS (1u << RAX | 1u << RCX | 1u << RDX | 1u << TEMP_EXTRA)

static inline struct mem hot_field(uint32_t index)
{
    return mem_at(STATE,
                  (int32_t)(offsetof(struct tn_cpu, accel_hot) + 8 * index) -
                      STATE_BIAS);
}
#define CPU_FIELD(m) mem_at(STATE, (int32_t)offsetof(struct tn_cpu, m) - 128)

static inline struct mem greg_mem(struct gen *g, uint32_t r)
{
    return mem_at(STATE, g->h->gregs[r].disp);
}

static inline struct mem slot_mem(uint32_t slot)
{
    return mem_at(RSP, (int32_t)(FRAME_SLOTS + 16 * slot));
}

static inline struct mem frame_mem(int32_t offset)
{
    return mem_at(RSP, offset);
}

static inline const struct tn_ir_op *ir_at(struct gen *g, uint32_t i)
{
    return &g->ir->ops[i];
}

static inline uint32_t canon(struct gen *g, uint32_t v)
{
    return g->canon[v];
}

static inline uint64_t const_of(struct gen *g, uint32_t v)
{
    return tn_const_value(ir_at(g, v));
}

static inline bool is_const(struct gen *g, uint32_t v)
{
    return ir_at(g, v)->op == TN_OP_CONST;
}

/* Integer types: does it take 64-bit operations? */
static inline bool is_wide_op(uint32_t type)
{
    return type == TN_I64 || type == TN_F64;
}

/* Can guest register R hold all bits of value V? */
static inline bool greg_fits(struct gen *g, uint32_t r, uint32_t v)
{
    return ir_type_bits(g->val[v].type) <= g->h->gregs[r].bytes * 8u ||
           ir_op_info(ir_at(g, v)->op)->is_boolean;
}

/* An operand of an instruction. */
enum { OPND_REG, OPND_IMM, OPND_MEM };
struct opnd {
    uint8_t kind;
    uint8_t reg;
    int32_t imm;
    struct mem mem;
};

#define VMOVSD_LOAD VEX(1, 3, 0, 0x10)
#define VMOVSD_STORE VEX(1, 3, 0, 0x11)
#define VMOVSS_LOAD VEX(1, 2, 0, 0x10)
#define VMOVSS_STORE VEX(1, 2, 0, 0x11)
#define VMOVQ_TO_XMM VEX(1, 1, 1, 0x6e)
#define VMOVQ_FROM_XMM VEX(1, 1, 1, 0x7e)
#define VANDPS VEX(1, 0, 0, 0x54)
#define VANDNPS VEX(1, 0, 0, 0x55)
#define VORPS VEX(1, 0, 0, 0x56)
#define VXORPS VEX(1, 0, 0, 0x57)

/* Constants of 16 bytes at the start of the code memory. */
enum {
    CONSTANT_BOX,
    CONSTANT_SIGN, /* of f64, then of f32 */
    CONSTANT_ABS = CONSTANT_SIGN + 2,
    CONSTANT_NAN = CONSTANT_ABS + 2, /* by profile: f64, f32 */
    N_CONSTANTS = CONSTANT_NAN + 8,
};

static inline void vmovaps(struct gen *g, uint32_t dst, uint32_t src)
{
    if (dst != src)
        as_vex_rr(&g->as, VEX(1, 0, 0, 0x28), dst, 0, src);
}

/* Does the host compute in xmm registers what this operation gives? */
bool fp_inline(struct gen *g, uint32_t flags);

/* x-gen.c: the unit is too complex. */
void gen_fail(struct gen *g);
/* ... or has an operation that cannot be done. */
void gen_refuse(struct gen *g, const struct tn_ir_op *o);

/* x-alloc.c */
uint32_t alloc_temp(struct gen *g);
void claim_temp(struct gen *g, uint32_t reg); /* empty it */
void free_value(struct gen *g, uint32_t v);
void evict_all(struct gen *g);
void evict_caller_saved(struct gen *g);
uint16_t alloc_slot(struct gen *g);
/* V in some register that is not written to. */
uint32_t use_reg(struct gen *g, uint32_t v);
/* As an operand; imm only if it fits 32 bits sign-extended. */
struct opnd use_opnd(struct gen *g, uint32_t v, uint32_t type);
/* V into register REG, which is claimed. */
void use_into(struct gen *g, uint32_t v, uint32_t reg);
/* Into memory of the frame, 8 or 16 bytes. */
void use_into_mem(struct gen *g, uint32_t v, struct mem m);
/* The register operation I's result goes to; call done() after. */
uint32_t def_reg(struct gen *g, uint32_t i);
/* The result is in REG (a temp without owner). */
void def_in(struct gen *g, uint32_t i, uint32_t reg);
/* 128-bit result in a slot. */
struct mem def_slot(struct gen *g, uint32_t i);
/* Free what dies at this operation. */
void end_uses(struct gen *g);
void begin_block(struct gen *g);
void place_value(struct gen *g, uint32_t v, uint32_t reg);
/* Put V's bits in REG, wherever they are. */
void copy_value(struct gen *g, uint32_t v, uint32_t reg);
static inline void lock_reg(struct gen *g, uint32_t r)
{
    g->locked |= 1u << r;
}

/* x-gregs.c */
void load_greg(struct gen *g, uint32_t dst, uint32_t r); /* zero-extended */
void set_greg(struct gen *g, uint32_t r, uint32_t v);
void forget_gregs(struct gen *g);
/* R is about to change: keep its content if that is a value used after
 * operation UNTIL. */
void preserve_alias(struct gen *g, uint32_t r, uint32_t until);
/* Remember that V is what guest register R holds. */
void note_alias(struct gen *g, uint32_t r, uint32_t v);

/* x-xmm.c: the same for floating-point values */
uint32_t use_xmm(struct gen *g, uint32_t v);
struct opnd use_xmm_opnd(struct gen *g, uint32_t v, uint32_t type);
void copy_to_xmm(struct gen *g, uint32_t v, uint32_t x);
uint32_t alloc_xmm(struct gen *g);
uint32_t def_xmm(struct gen *g, uint32_t i);
void def_in_xmm(struct gen *g, uint32_t i, uint32_t x);
void place_xmm(struct gen *g, uint32_t v, uint32_t x);
void spill_xmm(struct gen *g, uint32_t x);

/* x-analyse.c */
bool analyse(struct gen *g);

/* x-int.c, x-mem.c, x-atomic.c, x-control.c, x-call.c, x-fp.c: false if they do not do
 * this operation. */
bool gen_int(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_mem(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_atomic(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_control(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_call(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_fp(struct gen *g, uint32_t i, const struct tn_ir_op *o);
void gen_eval(struct gen *g, uint32_t i, const struct tn_ir_op *o);
/* x-mem.c */
/* The address with displacement D in a register. */
uint32_t gen_address(struct gen *g, const struct tn_ir_op *o, int32_t d);
/* Look VA up in the TLB; leaves the addend in S1. C gets the jumps. */
void gen_probe(struct gen *g, struct cold *c, uint32_t va, uint32_t mo,
               uint32_t tag_offset, uint32_t s1, uint32_t s2);
/* x-int.c: SRC's low bits of TYPE, extended to all of DST. */
void gen_extend(struct gen *g, uint32_t dst, uint32_t src, uint32_t type,
                bool sign);
/* x-bits.c */
bool gen_count(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_bswap(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_extract(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_resize(struct gen *g, uint32_t i, const struct tn_ir_op *o);
/* x-compare.c */
bool gen_setcc(struct gen *g, uint32_t i, const struct tn_ir_op *o);
bool gen_select(struct gen *g, uint32_t i, const struct tn_ir_op *o);
void gen_minmax(struct gen *g, uint32_t i, const struct tn_ir_op *o);
/* DST = DST op B */
void alu_opnd(struct gen *g, uint32_t alu, uint32_t dst, struct opnd b,
              bool wide);
/* Compare for CC; returns the host's condition. */
uint32_t gen_compare(struct gen *g, uint32_t type, uint32_t cc, uint32_t a,
                     uint32_t b);
struct cold *add_cold(struct gen *g, uint32_t kind);
void gen_cold(struct gen *g);
void gen_cold_mem(struct gen *g, struct cold *c);
void gen_cold_atomic(struct gen *g, struct cold *c);
void gen_cold_fp(struct gen *g, struct cold *c);
void add_site(struct gen *g);
void gen_entry(struct gen *g);

enum { COLD_LOAD, COLD_STORE, COLD_ATOMIC, COLD_LINK, COLD_REQUEST, COLD_DEAD, COLD_REG,
       COLD_FP };
enum { DATA_REG, DATA_IMM, DATA_XMM };

/* x-thunk.c */
void make_thunks(struct tcg *t, struct tcg_host *h);
void thunk_save_all(struct as *a, struct tcg_host *h);

#endif
