/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools for the intermediate representation that several accelerators share:
 * its operation table, a dumper, a verifier, and an evaluator of every
 * operation that only computes. A static helper library; no global state.
 */
#ifndef TENON_COMMON_IR_TOOLS_H
#define TENON_COMMON_IR_TOOLS_H

#include <stdbool.h>
#include <stdio.h>

#include "tenon/ir.h"
#include "tenon/target.h"
#include "softfloat/softfloat.h"

/* ---- the operation table ---- */

struct ir_op_info {
    const char *name;
    char operands[4]; /* see ir.h */
    bool has_result;
    bool is_boolean; /* result is 0/1, valid at every width */
    bool may_fault;
    bool has_effect;
    bool ends_path;
};

/* NULL for a number that is no operation. */
const struct ir_op_info *ir_op_info(uint32_t op);
const char *ir_type_name(uint32_t type);
/* Bits of a value of TYPE; 0 for VOID and unknown types. */
uint32_t ir_type_bits(uint32_t type);
bool ir_type_is_int(uint32_t type);
bool ir_type_is_float(uint32_t type);
bool ir_type_is_vector(uint32_t type);

/* ---- dumping ---- */

/* One operation / a whole unit as text. INFO names registers and helpers and
 * may be NULL. */
void ir_dump_op(FILE *out, const struct tn_ir_unit *unit, uint32_t index,
                const struct tn_target_info *info);
void ir_dump(FILE *out, const struct tn_ir_unit *unit,
             const struct tn_target_info *info);

/* ---- verifying ---- */

/* Does UNIT keep the rules of ir.h? If not, MESSAGE says what is wrong where. */
bool ir_verify(const struct tn_ir_unit *unit, const struct tn_target_info *info,
               char *message, size_t bytes);

/* ---- evaluating ---- */

/* A value of any scalar type, in its low bits. Integers up to 64 bits are kept
 * sign-extended from their type ("canonical") by the evaluator; what it reads
 * may have any upper bits. */
struct ir_value {
    uint64_t lo, hi;
};

/* Floating point surroundings of one CPU. */
struct ir_fp {
    struct sf_env env;                  /* flags are collected here */
    struct sf_profile profile[4];       /* made from the target's */
    uint8_t rounding;                   /* for TN_RM_DYN */
};

/* Prepare from a target's profiles. */
void ir_fp_init(struct ir_fp *fp, const struct tn_target_info *info);
/* The library's flags in the IR's order, and back. */
uint32_t ir_fp_flags(uint32_t sf_flags);

/* Compute OP (any operation without memory, register or control effect) from
 * its operands. A and B and C are the values of value operands; operands that
 * are immediates are read from OP. ARG is the ARG operation before it, or
 * NULL. False: it is not such an operation, or the type is not supported. */
bool ir_eval(struct ir_fp *fp, const struct tn_ir_op *op, struct ir_value a,
             struct ir_value b, struct ir_value c, struct ir_value *result);
/* The part of ir_eval() that is floating point. */
bool ir_eval_fp(struct ir_fp *fp, const struct tn_ir_op *op, struct ir_value a,
                struct ir_value b, struct ir_value c, struct ir_value *result);
/* Does `a CC b` hold for integers of TYPE? */
bool ir_condition(uint32_t type, uint32_t cc, struct ir_value a,
                  struct ir_value b);
/* ATOMIC's function KIND (TN_ATOMIC_*) on integers of BYTES bytes. */
uint64_t ir_atomic(uint32_t kind, uint32_t bytes, uint64_t old,
                   uint64_t operand);

/* Sign- or zero-extension from the low BITS (1..64). */
static inline uint64_t ir_sext(uint64_t v, uint32_t bits)
{
    return (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}

static inline uint64_t ir_zext(uint64_t v, uint32_t bits)
{
    return v << (64 - bits) >> (64 - bits);
}

#endif
