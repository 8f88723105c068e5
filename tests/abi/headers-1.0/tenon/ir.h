/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intermediate representation between CPU targets and accelerators. Fast
 * tier. docs/ir.md is its manual with worked examples.
 *
 * A *unit* is what a target decoded from one guest address: an array of fixed
 * 16-byte operations, straight-line with forward and backward branches to
 * labels inside the unit, left only through exits.
 *
 * Values. An operation that has a result defines the value whose number is the
 * operation's index in the unit: SSA by construction. A value may be used
 * after its definition up to the next LABEL: at a label every value but a CONST
 * dies, and only guest registers and locals carry on. (A branch not taken ends
 * nothing: an extended basic block shares its values.)
 *
 * Integers. Bits above a value's type are undefined, except that results of
 * comparisons and of the ops marked "0/1" are valid at every width, and a
 * CONST is sign-extended from its 64 bits to any width. ZEXT, SEXT and TRUNC
 * convert. Shift counts are taken modulo the width.
 *
 * Guest registers are named by their index in the target's table (target.h).
 * GET and SET are all the access there is; where a register lives is the
 * accelerator's business. Registers the table marks volatile are read and
 * written in memory, in order.
 *
 * Precise exceptions. INSN marks where each guest instruction begins. An
 * operation that can fault (attribute M or a helper that may raise) finds the
 * guest registers exactly as SETs before it left them, so a target emits an
 * instruction's SETs after its last operation that can fault.
 */
#ifndef TENON_IR_H
#define TENON_IR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tn_ir_op {
    uint16_t op;
    uint8_t type;  /* of the result; of the operands where there is none */
    uint8_t flags; /* per operation */
    uint32_t a, b, c;
};

#define TN_NONE 0xffffffffu /* no value */

/* Types. */
#define TN_VOID 0
#define TN_I8 1
#define TN_I16 2
#define TN_I32 3
#define TN_I64 4
#define TN_I128 5
#define TN_F16 6
#define TN_F32 7
#define TN_F64 8
#define TN_F80 9
#define TN_F128 10
#define TN_BF16 11
#define TN_V64 12
#define TN_V128 13
#define TN_V256 14
#define TN_V512 15
#define TN_MASK 16 /* a bit a lane, at most 64 */
#define TN_N_TYPES 17

/* Conditions: `flags` of SETCC, SELECT, BRCC. */
#define TN_CC_EQ 0
#define TN_CC_NE 1
#define TN_CC_LTU 2
#define TN_CC_GEU 3
#define TN_CC_LEU 4
#define TN_CC_GTU 5
#define TN_CC_LTS 6
#define TN_CC_GES 7
#define TN_CC_LES 8
#define TN_CC_GTS 9
#define TN_CC_TSTNE 10 /* (a & b) != 0 */
#define TN_CC_TSTEQ 11 /* (a & b) == 0 */

/* DIV and REM: what happens at divisor 0 and at MIN / -1 (`flags`). */
#define TN_DIV_RISCV 0 /* x/0 = all ones, x%0 = x; MIN/-1 = MIN, rem 0 */
#define TN_DIV_ZERO 1  /* x/0 = 0, x%0 = x; MIN/-1 = MIN, rem 0 */
#define TN_DIV_GUARDED 2 /* the target has branched around both */

/*
 * Memory operand word (`c` of LOAD, STORE, ATOMIC; ARG of CAS): low 16 bits
 * as below, high 16 bits a signed displacement added to the address.
 */
#define TN_MO_8 0x0000u
#define TN_MO_16 0x0001u
#define TN_MO_32 0x0002u
#define TN_MO_64 0x0003u
#define TN_MO_128 0x0004u
#define TN_MO_256 0x0005u
#define TN_MO_512 0x0006u
#define TN_MO_SIZE 0x0007u   /* log2 bytes */
#define TN_MO_SIGN 0x0008u   /* sign-extend to the result's type */
#define TN_MO_BIG 0x0010u    /* big-endian */
#define TN_MO_ALIGN 0x0020u  /* misaligned raises TN_FAULT_ALIGN */
#define TN_MO_ATOMIC 0x0040u /* single-copy atomic also when misaligned but
                                inside an aligned 16 bytes */
#define TN_MO_ACQUIRE 0x0080u
#define TN_MO_RELEASE 0x0100u
#define TN_MO_SEQCST 0x0200u /* with both above: sequentially consistent */
#define TN_MO_MODE_SHIFT 12 /* MMU mode 0..15, numbered by the target */
#define TN_MO_MODE(m) ((uint32_t)(m) << TN_MO_MODE_SHIFT)
#define TN_MO_DISP(d) ((uint32_t)(uint16_t)(int16_t)(d) << 16)
#define TN_MO_GET_DISP(c) ((int32_t)(int16_t)((c) >> 16))
#define TN_MO_GET_MODE(c) (((c) >> TN_MO_MODE_SHIFT) & 15u)
#define TN_MO_GET_BYTES(c) (1u << ((c) & TN_MO_SIZE))

/* ATOMIC: what is done (`flags`); the result is the old value. */
#define TN_ATOMIC_ADD 0
#define TN_ATOMIC_AND 1
#define TN_ATOMIC_OR 2
#define TN_ATOMIC_XOR 3
#define TN_ATOMIC_SWAP 4
#define TN_ATOMIC_MINU 5
#define TN_ATOMIC_MAXU 6
#define TN_ATOMIC_MINS 7
#define TN_ATOMIC_MAXS 8
#define TN_ATOMIC_ANDN 9 /* old & ~b */

/* FENCE: `a` = earlier accesses, `b` = later accesses ordered. */
#define TN_FENCE_READ 1u
#define TN_FENCE_WRITE 2u
#define TN_FENCE_IO_READ 4u
#define TN_FENCE_IO_WRITE 8u

/* Floating point: `flags` = rounding | profile << 3 | negations. */
#define TN_RM_RNE 0
#define TN_RM_RTZ 1
#define TN_RM_RDN 2
#define TN_RM_RUP 3
#define TN_RM_RMM 4 /* nearest, ties away */
#define TN_RM_ODD 5
#define TN_RM_DYN 7                  /* tn_cpu.fp_rm */
#define TN_FP_PROFILE(n) ((n) << 3)  /* 0..3: the target's table */
#define TN_FP_NEG_PRODUCT 0x20       /* FMA: -(a*b) + c */
#define TN_FP_NEG_ADDEND 0x40        /* FMA: a*b - c */
#define TN_FP_QUIET 0x80             /* raises no exception flag */

/* Accrued exception flags, generic order (FP_GET_FLAGS, tn_cpu.fp_flags). */
#define TN_FPE_INEXACT 0x01u
#define TN_FPE_UNDERFLOW 0x02u
#define TN_FPE_OVERFLOW 0x04u
#define TN_FPE_DIVZERO 0x08u
#define TN_FPE_INVALID 0x10u
#define TN_FPE_DENORMAL 0x20u /* input denormal (x86, Arm IDC) */

/* FCMP: `flags` = relation | TN_FCMP_SIGNALING | profile << 3. */
#define TN_FCMP_EQ 0
#define TN_FCMP_LT 1
#define TN_FCMP_LE 2
#define TN_FCMP_UNORDERED 3
#define TN_FCMP_SIGNALING 0x80 /* quiet NaNs raise INVALID too */

/* FMINMAX: `c`. */
#define TN_FMIN_2008 0u /* minNum: a signaling NaN gives NaN */
#define TN_FMIN_2019_NUMBER 1u /* minimumNumber: RISC-V fmin */
#define TN_FMIN_2019 2u        /* minimum: NaN propagates (fminm, Arm FMIN) */
#define TN_FMIN_SECOND 3u      /* a < b ? a : b (x86) */
#define TN_FMAX_BIT 0x8u

/* FSIGN: `flags`. */
#define TN_FSIGN_COPY 0 /* |a| with b's sign */
#define TN_FSIGN_NOT 1  /* |a| with the opposite of b's sign */
#define TN_FSIGN_XOR 2

/* Conversions: `b` = source type | TN_CVT_UNSIGNED for the integer side. */
#define TN_CVT_UNSIGNED 0x100u
#define TN_CVT_MODULAR 0x200u /* F_TO_I: wrap, never saturate (fcvtmod) */

/* Exits: `flags` is the hint. */
#define TN_HINT_JUMP 0
#define TN_HINT_CALL 1 /* `c`: bytes from the INSN's pc to the return address */
#define TN_HINT_RETURN 2

/* Vectors: `flags` is the lane type (TN_I8..TN_F64). */

/*
 * The operations. X(name, operands, attributes).
 * Operands, for a b c: v value, o value or TN_NONE, i immediate, r guest
 * register, l label, L local, h helper, - unused.
 * Attributes: R has a result, B result is 0/1, M may fault, S side effect (is
 * never removed), T ends a path (nothing falls through).
 */
/* clang-format off */
#define TN_IR_CORE_OPS(X) \
    X(NOP,       "---", "")   \
    X(INSN,      "iii", "S")  /* pc = a | b << 32; c = bytes | info << 8 */ \
    X(CONST,     "-ii", "R")  /* b | c << 32 */ \
    X(GET,       "r--", "R")  \
    X(SET,       "rv-", "S")  \
    X(GETX,      "rvi", "R")  /* register a + (b mod c): register files */ \
    X(SETX,      "rvv", "S")  /* register a + b = c; the ARG before: modulus */ \
    X(GETL,      "L--", "R")  /* local */ \
    X(SETL,      "Lv-", "S")  \
    X(ARG,       "ooo", "S")  /* further operands of the next operation */ \
    X(LABEL,     "l--", "S")  \
    X(JUMP,      "l--", "ST") \
    X(BRCC,      "vvl", "S")  /* if a cc b goto c */ \
    X(ADD,       "vv-", "R")  \
    X(SUB,       "vv-", "R")  \
    X(MUL,       "vv-", "R")  \
    X(AND,       "vv-", "R")  \
    X(OR,        "vv-", "R")  \
    X(XOR,       "vv-", "R")  \
    X(NOT,       "v--", "R")  \
    X(NEG,       "v--", "R")  \
    X(SHL,       "vv-", "R")  \
    X(SHR,       "vv-", "R")  /* logical */ \
    X(SAR,       "vv-", "R")  /* arithmetic */ \
    X(ZEXT,      "vi-", "R")  /* from type b */ \
    X(SEXT,      "vi-", "R")  \
    X(TRUNC,     "v--", "R")  \
    X(SETCC,     "vv-", "RB") /* type: of a and b; flags: cc */ \
    X(SELECT,    "vvv", "R")  /* a != 0 ? b : c (a is 0/1) */ \
    X(LOAD,      "v-i", "RM") /* c: memory operand */ \
    X(STORE,     "vvi", "SM") \
    X(ATOMIC,    "vvi", "RSM") \
    X(CAS,       "vvv", "RSM") /* old at a; if it is b, becomes c; ARG: mo */ \
    X(LOAD_EX,   "v-i", "RSM") /* load and reserve */ \
    X(STORE_EX,  "vvi", "RBSM") /* 0 stored, 1 reservation lost */ \
    X(FENCE,     "ii-", "S")  \
    X(CALL,      "hoo", "RS") /* flags: arguments; more in ARGs before */ \
    X(EXIT,      "iii", "ST") /* to pc a | b << 32; flags: hint */ \
    X(EXIT_REG,  "v-i", "ST") /* to pc a; flags: hint */ \
    X(EXIT_TRAP, "io-", "ST") /* exception a, value b, at this INSN */ \
    X(EXIT_SYNC, "ii-", "ST") /* to pc; state key or interrupts changed */ \
    X(EXIT_HALT, "ii-", "ST") /* to pc; sleep until an interrupt is there */

#define TN_IR_INT_OPS(X) \
    X(DIVU,      "vv-", "R")  /* flags: TN_DIV_* */ \
    X(DIVS,      "vv-", "R")  \
    X(REMU,      "vv-", "R")  \
    X(REMS,      "vv-", "R")  \
    X(MULHU,     "vv-", "R")  /* high half of the double-width product */ \
    X(MULHS,     "vv-", "R")  \
    X(MULHSU,    "vv-", "R")  /* a signed, b unsigned */ \
    X(ANDN,      "vv-", "R")  /* a & ~b */ \
    X(ORN,       "vv-", "R")  \
    X(XNOR,      "vv-", "R")  \
    X(ROTL,      "vv-", "R")  \
    X(ROTR,      "vv-", "R")  \
    X(FUNNEL,    "vvv", "R")  /* low half of (a:b) >> c */ \
    X(CLZ,       "v--", "R")  /* of 0: the width */ \
    X(CTZ,       "v--", "R")  \
    X(POPCNT,    "v--", "R")  \
    X(BSWAP,     "v--", "R")  \
    X(BITREV,    "v--", "R")  \
    X(BITREV8,   "v--", "R")  /* within each byte */ \
    X(ORCB,      "v--", "R")  /* each byte: 0 stays 0, else 0xff */ \
    X(PARITY,    "v--", "RB") /* of the low 8 bits: 1 if even (x86 PF) */ \
    X(MINU,      "vv-", "R")  \
    X(MAXU,      "vv-", "R")  \
    X(MINS,      "vv-", "R")  \
    X(MAXS,      "vv-", "R")  \
    X(CLMUL,     "vv-", "R")  /* carry-less product, low half */ \
    X(CLMULH,    "vv-", "R")  /* high half */ \
    X(EXTRACT,   "vi-", "R")  /* b: position | length << 8 | sign << 16 */ \
    X(DEPOSIT,   "vvi", "R")  /* low bits of b into a; c: pos | len << 8 */ \
    X(ADC,       "vvv", "R")  /* a + b + c, c is 0/1 */ \
    X(SBB,       "vvv", "R")  /* a - b - c */ \
    X(ADD_CARRY, "vvo", "RB") /* carry out of a + b + c */ \
    X(ADD_OVER,  "vvo", "RB") /* signed overflow of a + b + c */ \
    X(SUB_BORROW,"vvo", "RB") /* borrow out of a - b - c */ \
    X(SUB_OVER,  "vvo", "RB") \
    X(PACK,      "vv-", "R")  /* double-width type from low a, high b */ \
    X(LOW,       "v--", "R")  /* halves of a double-width value */ \
    X(HIGH,      "v--", "R")  \
    X(CRC32,     "vvi", "R")  /* a crc, b data; c: polynomial | bits << 8 */

#define TN_IR_FP_OPS(X) \
    X(BITCAST,   "vi-", "R")  /* from type b, same size */ \
    X(BOX,       "vi-", "R")  /* f16/f32 (b) in an F64: upper bits ones */ \
    X(UNBOX,     "v--", "R")  /* F64 to type; not boxed: default NaN */ \
    X(FADD,      "vv-", "R")  \
    X(FSUB,      "vv-", "R")  \
    X(FMUL,      "vv-", "R")  \
    X(FDIV,      "vv-", "R")  \
    X(FREM,      "vv-", "R")  /* IEEE remainder */ \
    X(FSQRT,     "v--", "R")  \
    X(FMA,       "vvv", "R")  \
    X(FNEG,      "v--", "R")  \
    X(FABS,      "v--", "R")  \
    X(FSIGN,     "vv-", "R")  \
    X(FMINMAX,   "vvi", "R")  \
    X(FCMP,      "vv-", "RB") /* type: of a and b */ \
    X(FCLASS,    "vi-", "R")  /* b: type; bits as RISC-V fclass */ \
    X(FRINT,     "vi-", "R")  /* b: 1 raises INEXACT */ \
    X(F_TO_F,    "vi-", "R")  /* b: source type */ \
    X(F_TO_I,    "vi-", "R")  \
    X(I_TO_F,    "vi-", "R")  \
    X(FP_GET_FLAGS, "---", "RS") \
    X(FP_SET_FLAGS, "v--", "S")

#define TN_IR_VECTOR_OPS(X) \
    X(VSPLAT,    "v--", "R")  /* scalar to all lanes */ \
    X(VLANE,     "vi-", "R")  /* lane b as a scalar */ \
    X(VSETLANE,  "vvi", "R")  \
    X(VADD,      "vv-", "R")  /* integer or float by lane type */ \
    X(VSUB,      "vv-", "R")  \
    X(VMUL,      "vv-", "R")  \
    X(VFMA,      "vvv", "R")  /* the ARG before: FP flags */ \
    X(VDIV,      "vv-", "R")  \
    X(VSQRT,     "v--", "R")  \
    X(VMIN,      "vvi", "R")  /* c: 1 signed; floats: FMINMAX variant */ \
    X(VMAX,      "vvi", "R")  \
    X(VADDSAT,   "vvi", "R")  /* c: 1 signed */ \
    X(VSUBSAT,   "vvi", "R")  \
    X(VAVG,      "vvi", "R")  \
    X(VMULH,     "vvi", "R")  \
    X(VAND,      "vv-", "R")  \
    X(VOR,       "vv-", "R")  \
    X(VXOR,      "vv-", "R")  \
    X(VANDN,     "vv-", "R")  \
    X(VNOT,      "v--", "R")  \
    X(VSHL,      "vv-", "R")  /* by lane; scalar b: all lanes alike */ \
    X(VSHR,      "vv-", "R")  \
    X(VSAR,      "vv-", "R")  \
    X(VCMP,      "vvi", "R")  /* to MASK; c: TN_CC_* or TN_FCMP_* */ \
    X(VBLEND,    "vvv", "R")  /* mask a ? b : c */ \
    X(VMASKVEC,  "v--", "R")  /* MASK to lanes of all ones / zero */ \
    X(VVECMASK,  "v--", "R")  /* sign bits of lanes to MASK */ \
    X(VSHUFFLE,  "vvv", "R")  /* lanes of a:b chosen by vector c */ \
    X(VZIP,      "vvi", "R")  /* c: 0 low halves, 1 high halves */ \
    X(VUNZIP,    "vvi", "R")  /* c: 0 even lanes, 1 odd lanes */ \
    X(VEXT,      "vvi", "R")  /* bytes c.. of a:b */ \
    X(VWIDEN,    "vii", "R")  /* b: source lane | sign << 8; c: 1 high */ \
    X(VNARROW,   "vvi", "R")  /* c: saturation | sign */ \
    X(VCVT,      "vi-", "R")  /* lanes: b source lane type | unsigned */ \
    X(VABS,      "v--", "R")  \
    X(VNEG,      "v--", "R")  \
    X(VPOPCNT,   "v--", "R")  \
    X(VCLZ,      "v--", "R")  \
    X(VREDUCE,   "vi-", "R")  /* b: TN_ATOMIC_* like operation */ \
    X(VLOAD,     "vov", "RM") /* masked load: address, mask, pass-through;
                                 the ARG before: memory operand */ \
    X(VSTORE,    "vov", "SM") /* masked store: address, mask, data */ \
    X(VGATHER,   "vvo", "RM") /* base, index vector, mask; ARG: mo, scale */ \
    X(VSCATTER,  "vvv", "SM")

#define TN_IR_CRYPTO_OPS(X) \
    X(AES_ENC,   "vvi", "R")  /* V128 state a, round key b; c: 1 last */ \
    X(AES_DEC,   "vvi", "R")  \
    X(AES_IMC,   "v--", "R")  \
    X(AES_SUB,   "vi-", "R")  /* S-box on bytes of a; b: 1 inverse */ \
    X(SHA256_SUM,"vi-", "R")  /* b: 0 sigma0 1 sigma1 2 sum0 3 sum1 */ \
    X(SHA512_SUM,"vi-", "R")
/* clang-format on */

#define TN_IR_ALL_OPS(X)                                                       \
    TN_IR_CORE_OPS(X)                                                          \
    TN_IR_INT_OPS(X)                                                           \
    TN_IR_FP_OPS(X)                                                            \
    TN_IR_VECTOR_OPS(X)                                                        \
    TN_IR_CRYPTO_OPS(X)

#define TN_IR_ENUM_(name, operands, attributes) TN_OP_##name,
/* Never stored as an enum: tn_ir_op.op is a uint16_t. New ones go at the end
 * of a group only together with a new TN_FAST_MAJOR. */
enum { TN_IR_ALL_OPS(TN_IR_ENUM_) TN_N_OPS };
#undef TN_IR_ENUM_

/*
 * A unit being built or consumed. The accelerator owns all memory; the target
 * appends. When the arena is full appends are dropped and `overflow` is set:
 * the accelerator decodes again with fewer instructions or a larger arena.
 */
#define TN_MAX_LOCALS 32
#define TN_MAX_LABELS 255

struct tn_ir_unit {
    uint32_t size;
    uint32_t n_ops;
    uint32_t max_ops;
    uint32_t n_labels;
    uint32_t n_locals;
    uint32_t overflow;
    uint32_t n_insns;   /* guest instructions */
    uint32_t n_bytes;   /* guest bytes [pc, pc + n_bytes) it was made from */
    uint64_t pc;
    uint64_t key_used;  /* bits of the state key it depends on */
    struct tn_ir_op *ops;
    uint8_t local_type[TN_MAX_LOCALS];
};

/* ---- builders: header only, no call leaves the target's plugin ---- */

/* Append; returns the number of the value it defines. */
static inline uint32_t tn_ir(struct tn_ir_unit *u, uint32_t op, uint32_t type,
                             uint32_t flags, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t n = u->n_ops;
    struct tn_ir_op *o;

    if (n >= u->max_ops) {
        u->overflow = 1;
        return 0;
    }
    o = &u->ops[n];
    o->op = (uint16_t)op;
    o->type = (uint8_t)type;
    o->flags = (uint8_t)flags;
    o->a = a;
    o->b = b;
    o->c = c;
    u->n_ops = n + 1;
    return n;
}

static inline uint32_t tn_const(struct tn_ir_unit *u, uint32_t type, uint64_t v)
{
    return tn_ir(u, TN_OP_CONST, type, 0, 0, (uint32_t)v,
                 (uint32_t)(v >> 32));
}

static inline uint64_t tn_const_value(const struct tn_ir_op *o)
{
    return o->b | (uint64_t)o->c << 32;
}

static inline uint32_t tn_get(struct tn_ir_unit *u, uint32_t type, uint32_t reg)
{
    return tn_ir(u, TN_OP_GET, type, 0, reg, 0, 0);
}

static inline void tn_set(struct tn_ir_unit *u, uint32_t type, uint32_t reg,
                          uint32_t value)
{
    tn_ir(u, TN_OP_SET, type, 0, reg, value, 0);
}

static inline uint32_t tn_op1(struct tn_ir_unit *u, uint32_t op, uint32_t type,
                              uint32_t a)
{
    return tn_ir(u, op, type, 0, a, 0, 0);
}

static inline uint32_t tn_op2(struct tn_ir_unit *u, uint32_t op, uint32_t type,
                              uint32_t a, uint32_t b)
{
    return tn_ir(u, op, type, 0, a, b, 0);
}

static inline uint32_t tn_setcc(struct tn_ir_unit *u, uint32_t type,
                                uint32_t cc, uint32_t a, uint32_t b)
{
    return tn_ir(u, TN_OP_SETCC, type, cc, a, b, 0);
}

static inline uint32_t tn_label(struct tn_ir_unit *u)
{
    if (u->n_labels >= TN_MAX_LABELS) {
        u->overflow = 1;
        return 0;
    }
    return u->n_labels++;
}

static inline void tn_place(struct tn_ir_unit *u, uint32_t label)
{
    tn_ir(u, TN_OP_LABEL, TN_VOID, 0, label, 0, 0);
}

static inline void tn_brcc(struct tn_ir_unit *u, uint32_t type, uint32_t cc,
                           uint32_t a, uint32_t b, uint32_t label)
{
    tn_ir(u, TN_OP_BRCC, type, cc, a, b, label);
}

static inline uint32_t tn_local(struct tn_ir_unit *u, uint32_t type)
{
    if (u->n_locals >= TN_MAX_LOCALS) {
        u->overflow = 1;
        return 0;
    }
    u->local_type[u->n_locals] = (uint8_t)type;
    return u->n_locals++;
}

static inline uint32_t tn_load(struct tn_ir_unit *u, uint32_t type,
                               uint32_t address, uint32_t mo)
{
    return tn_ir(u, TN_OP_LOAD, type, 0, address, 0, mo);
}

static inline void tn_store(struct tn_ir_unit *u, uint32_t type,
                            uint32_t address, uint32_t value, uint32_t mo)
{
    tn_ir(u, TN_OP_STORE, type, 0, address, value, mo);
}

static inline void tn_insn(struct tn_ir_unit *u, uint64_t pc, uint32_t bytes)
{
    u->n_insns++;
    tn_ir(u, TN_OP_INSN, TN_VOID, 0, (uint32_t)pc, (uint32_t)(pc >> 32), bytes);
}

static inline void tn_exit(struct tn_ir_unit *u, uint32_t op, uint64_t pc,
                           uint32_t hint, uint32_t c)
{
    tn_ir(u, op, TN_VOID, hint, (uint32_t)pc, (uint32_t)(pc >> 32), c);
}

/* CALL with up to four arguments (TN_NONE ends the list). Arguments and result
 * travel as 64-bit integers; a float is passed as its bits. */
static inline uint32_t tn_call(struct tn_ir_unit *u, uint32_t type,
                               uint32_t helper, uint32_t a0, uint32_t a1,
                               uint32_t a2, uint32_t a3)
{
    uint32_t n = a0 == TN_NONE   ? 0
                 : a1 == TN_NONE ? 1
                 : a2 == TN_NONE ? 2
                 : a3 == TN_NONE ? 3
                                 : 4;

    if (n > 2)
        tn_ir(u, TN_OP_ARG, TN_VOID, 0, a2, a3, TN_NONE);
    return tn_ir(u, TN_OP_CALL, type, n, helper, a0, a1);
}

#ifdef __cplusplus
}
#endif
#endif
