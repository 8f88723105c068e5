/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding: tables of patterns, operands, and the state of a unit that is
 * being built.
 *
 * A row of a table is what the manual's page says: 32 (or 16) characters of
 * encoding from the highest bit to the lowest, spaces ignored:
 *   0 1   this bit
 *   .     an operand's bit
 *   n     an operand's bit; those marked n are not all zero
 *   s     register field that is not x2
 */
#ifndef RISCV_DECODE_H
#define RISCV_DECODE_H

#include "csr.h"
#include "riscv.h"

/* Where operands are. Compressed formats give what the full instruction of
 * the same meaning would have. */
enum riscv_format {
    FMT_NONE,
    FMT_R,     /* rd rs1 rs2 */
    FMT_R4,    /* rd rs1 rs2 rs3 */
    FMT_I,     /* rd rs1 imm */
    FMT_SHIFT, /* rd rs1 shamt */
    FMT_S,     /* rs1 rs2 imm */
    FMT_B,
    FMT_U,
    FMT_J,
    FMT_CSR,   /* rd rs1/uimm csr */
    FMT_FENCE, /* pred succ */
    FMT_CR,    /* rd=rs1 rs2 */
    FMT_C_MV,  /* rd rs2, rs1 = x0 */
    FMT_C_JR,  /* rs1, rd = x0 */
    FMT_C_JALR,
    FMT_CI,    /* rd=rs1 imm */
    FMT_C_LI,  /* rd imm, rs1 = x0 */
    FMT_C_LUI,
    FMT_C_SLLI,
    FMT_C_ADDI16SP,
    FMT_C_ADDI4SPN,
    FMT_C_LWSP,
    FMT_C_LDSP,
    FMT_C_SWSP,
    FMT_C_SDSP,
    FMT_C_LW,
    FMT_C_LD,
    FMT_C_SW,
    FMT_C_SD,
    FMT_CA,     /* rd'=rs1' rs2' */
    FMT_C_SHIFT, /* rd'=rs1' shamt */
    FMT_C_ANDI,
    FMT_C_LB, /* Zcb */
    FMT_C_LH,
    FMT_C_SB,
    FMT_C_SH,
    FMT_C_UNARY, /* rd'=rs1' */
    FMT_C_NOT,   /* rd'=rs1', imm = -1 */
    FMT_C_B,
    FMT_C_J,   /* rd = x0 */
    FMT_C_JAL, /* rd = x1 */
    N_FORMATS
};

struct insn {
    uint32_t bits;
    uint32_t len; /* bytes */
    uint8_t rd, rs1, rs2, rs3;
    int32_t imm;   /* also shamt, CSR number, pred << 4 | succ */
    uint32_t arg;  /* of the row */
};

struct emit;
typedef void (*emit_fn)(struct emit *e, const struct insn *i);

struct riscv_pattern {
    const char *bits;
    const char *name;
    uint64_t needs; /* all of these features */
    uint8_t xlen;   /* 0: both */
    uint8_t format;
    emit_fn emit;
    uint32_t arg;
};

/* A row ready for use. */
struct riscv_match {
    uint32_t mask, match;
    uint32_t nonzero;  /* (bits & nonzero) != 0, if nonzero is */
    uint32_t not_mask; /* (bits & not_mask) != not_match, if not_mask is */
    uint32_t not_match;
    const struct riscv_pattern *pattern;
};

/* The tables, each ended by a row without bits. */
extern const struct riscv_pattern riscv_patterns_base[];
extern const struct riscv_pattern riscv_patterns_system[];
extern const struct riscv_pattern riscv_patterns_atomic[];
extern const struct riscv_pattern riscv_patterns_bit[];
extern const struct riscv_pattern riscv_patterns_single[];
extern const struct riscv_pattern riscv_patterns_double[];
extern const struct riscv_pattern riscv_patterns_half[];
extern const struct riscv_pattern riscv_patterns_fp_more[];
extern const struct riscv_pattern riscv_patterns_compressed[];
extern const struct riscv_pattern *const riscv_pattern_tables[];
extern const uint32_t n_riscv_pattern_tables;

/* Parse a row. Returns the number of bits it has, 0 if it is malformed. */
uint32_t riscv_parse_pattern(const struct riscv_pattern *p,
                             struct riscv_match *m);
/* What BITS are on this hart: by the index, and by reading the tables from
 * the top (for tests). NULL: illegal. */
const struct riscv_pattern *riscv_lookup(const struct riscv_target *t,
                                         uint32_t bits);
const struct riscv_pattern *riscv_lookup_slow(const struct riscv_target *t,
                                              uint32_t bits);
/* Take the operands of FORMAT out of bits. */
void riscv_operands(const struct riscv_target *t, uint32_t format,
                    uint32_t bits, struct insn *i);
void riscv_decoder_free(struct riscv_target *t);

static inline uint32_t riscv_matches(const struct riscv_match *m,
                                     uint32_t bits)
{
    return (bits & m->mask) == m->match &&
           (!m->nonzero || (bits & m->nonzero)) &&
           (!m->not_mask || (bits & m->not_mask) != m->not_match);
}

/* ---- a unit being built ---- */

#define MAX_COLD 16

/* An exit out of line: what stands at a label after the unit's last exit. */
struct cold {
    uint32_t label;
    uint32_t op; /* TN_OP_EXIT, TN_OP_EXIT_SYNC, TN_OP_EXIT_TRAP */
    uint64_t to; /* pc, or the trap's value */
    uint64_t pc; /* the instruction's */
    uint32_t len, code;
};

struct emit {
    const struct riscv_target *t;
    struct tn_ir_unit *u;
    uint64_t pc, next;  /* this instruction, the one after it */
    uint64_t start;     /* the unit's */
    uint64_t key, key_used;
    uint32_t bits;      /* this instruction */
    uint32_t xt;        /* type of an x register */
    uint32_t xlen;
    uint32_t ended;     /* the unit is complete */
    uint64_t jump;      /* goes on here instead of next if jumped */
    uint32_t jumped;
    uint32_t n_branches;
    uint32_t known;     /* registers whose value is known: */
    uint64_t value[32];
    uint32_t n_cold;
    struct cold cold[MAX_COLD];
};

/* emit.c */
uint32_t gx(struct emit *e, uint32_t reg);             /* read x */
void sx(struct emit *e, uint32_t reg, uint32_t value); /* write x */
void sx_const(struct emit *e, uint32_t reg, uint64_t value);
uint32_t imm(struct emit *e, int64_t value); /* CONST of an x's type */
void sx_word(struct emit *e, uint32_t reg, uint32_t value); /* sign-extends */
uint32_t known(const struct emit *e, uint32_t reg, uint64_t *value);
uint32_t cold_exit(struct emit *e, uint32_t op, uint64_t to, uint32_t code);
void end_exit(struct emit *e, uint64_t to);
void end_sync(struct emit *e, uint64_t to);
void end_trap(struct emit *e, uint32_t code, uint64_t value);
void illegal(struct emit *e, const struct insn *i);
uint32_t priv_of(struct emit *e);
uint32_t data_mode(struct emit *e); /* TN_MO_MODE() bits */

/* emit-int.c: arg is a TN_OP_* unless said otherwise */
#define EMIT(fn) void fn(struct emit *e, const struct insn *i)
EMIT(emit_rr);      /* rd = rs1 op rs2 */
EMIT(emit_ri);      /* rd = rs1 op imm */
EMIT(emit_addi);
EMIT(emit_rr_word); /* rd = sext(rs1[31:0] op rs2[31:0]) */
EMIT(emit_rr_low);  /* the same where high bits of operands do not matter */
EMIT(emit_ri_low);
EMIT(emit_srliw);
EMIT(emit_sraiw);
EMIT(emit_lui);
EMIT(emit_auipc);
EMIT(emit_slt);  /* arg: TN_CC_* */
EMIT(emit_slti);
/* emit-branch.c */
EMIT(emit_branch); /* arg: TN_CC_* */
EMIT(emit_jal);
EMIT(emit_jalr);
/* emit-mem.c: arg is TN_MO_* */
EMIT(emit_load);
EMIT(emit_store);
EMIT(emit_lr);
EMIT(emit_sc);
EMIT(emit_amo); /* TN_MO_* size | TN_ATOMIC_* << 8 */
EMIT(emit_amocas);
EMIT(emit_amocas_pair);
EMIT(emit_fence);
EMIT(emit_fence_i);
EMIT(emit_nop);
EMIT(emit_pause);
EMIT(emit_cbo_zero);
EMIT(emit_cbo_clean);
EMIT(emit_cbo_inval);
/* emit-bit.c */
EMIT(emit_r1);       /* rd = op rs1 */
EMIT(emit_r1_word);
EMIT(emit_extend);   /* arg: TN_OP_SEXT/ZEXT | type << 16 */
EMIT(emit_sh_add);   /* arg: shift */
EMIT(emit_sh_add_uw);
EMIT(emit_slli_uw);
EMIT(emit_roriw);
EMIT(emit_clmulr);
EMIT(emit_bit);      /* arg: BIT_* */
EMIT(emit_biti);
EMIT(emit_czero);    /* arg: TN_CC_* of rs2 with 0 that gives 0 */
#define BIT_CLEAR 0
#define BIT_SET 1
#define BIT_INVERT 2
#define BIT_EXTRACT 3
/* emit-system.c */
EMIT(emit_ecall);
EMIT(emit_ebreak);
EMIT(emit_mret);
EMIT(emit_sret);
EMIT(emit_wfi);
EMIT(emit_wrs);
EMIT(emit_sfence);
EMIT(emit_sfence_order);
EMIT(emit_csr); /* arg: CSR_RW/RS/RC | CSR_IMM */
#define CSR_RW 0
#define CSR_RS 1
#define CSR_RC 2
#define CSR_IMM 4
/* emit-fp.c: arg is the type, with an operation << 8 */
EMIT(emit_fload);
EMIT(emit_fstore);
EMIT(emit_fp2);     /* TN_OP_* << 8 */
EMIT(emit_fsqrt);
EMIT(emit_fma);     /* TN_FP_NEG_* << 8 */
EMIT(emit_fsgn);    /* TN_FSIGN_* << 8 */
EMIT(emit_fminmax); /* FMINMAX variant << 8 */
EMIT(emit_fcmp);    /* FCMP flags << 8 */
EMIT(emit_fclass);
EMIT(emit_fcvt_from_int); /* source << 8, TN_CVT_UNSIGNED << 16 */
EMIT(emit_fcvt_to_int);
EMIT(emit_fcvt_float);    /* source type << 8 */
EMIT(emit_fmv_to_int);
EMIT(emit_fmv_from_int);
EMIT(emit_fround);        /* 1 << 8: raises inexact */
EMIT(emit_fli);
EMIT(emit_fcvtmod);
EMIT(emit_fmvh);
EMIT(emit_fmvp);

#endif
