/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F and D. Unprivileged manual, chapter "F" and "D" and their instruction listings.
 * In OP-FP funct7 is operation and format, funct3 the rounding mode or a
 * variant. A rounding mode that is reserved makes the instruction illegal
 * when it is emitted.
 */
#include "decode.h"

/* clang-format off */
const struct riscv_pattern riscv_patterns_single[] = {
    {"............ ..... 010 ..... 0000111", "flw", HAS(F), 0, FMT_I, emit_fload, TN_F32},
    {"....... ..... ..... 010 ..... 0100111", "fsw", HAS(F), 0, FMT_S, emit_fstore, TN_F32},
    {"..... 00 ..... ..... ... ..... 1000011", "fmadd.s", HAS(F), 0, FMT_R4, emit_fma, TN_F32},
    {"..... 00 ..... ..... ... ..... 1000111", "fmsub.s", HAS(F), 0, FMT_R4, emit_fma, TN_F32 | TN_FP_NEG_ADDEND << 8},
    {"..... 00 ..... ..... ... ..... 1001011", "fnmsub.s", HAS(F), 0, FMT_R4, emit_fma, TN_F32 | TN_FP_NEG_PRODUCT << 8},
    {"..... 00 ..... ..... ... ..... 1001111", "fnmadd.s", HAS(F), 0, FMT_R4, emit_fma, TN_F32 | (TN_FP_NEG_PRODUCT | TN_FP_NEG_ADDEND) << 8},
    {"00000 00 ..... ..... ... ..... 1010011", "fadd.s", HAS(F), 0, FMT_R, emit_fp2, TN_F32 | TN_OP_FADD << 8},
    {"00001 00 ..... ..... ... ..... 1010011", "fsub.s", HAS(F), 0, FMT_R, emit_fp2, TN_F32 | TN_OP_FSUB << 8},
    {"00010 00 ..... ..... ... ..... 1010011", "fmul.s", HAS(F), 0, FMT_R, emit_fp2, TN_F32 | TN_OP_FMUL << 8},
    {"00011 00 ..... ..... ... ..... 1010011", "fdiv.s", HAS(F), 0, FMT_R, emit_fp2, TN_F32 | TN_OP_FDIV << 8},
    {"01011 00 00000 ..... ... ..... 1010011", "fsqrt.s", HAS(F), 0, FMT_R, emit_fsqrt, TN_F32},
    {"00100 00 ..... ..... 000 ..... 1010011", "fsgnj.s", HAS(F), 0, FMT_R, emit_fsgn, TN_F32 | TN_FSIGN_COPY << 8},
    {"00100 00 ..... ..... 001 ..... 1010011", "fsgnjn.s", HAS(F), 0, FMT_R, emit_fsgn, TN_F32 | TN_FSIGN_NOT << 8},
    {"00100 00 ..... ..... 010 ..... 1010011", "fsgnjx.s", HAS(F), 0, FMT_R, emit_fsgn, TN_F32 | TN_FSIGN_XOR << 8},
    {"00101 00 ..... ..... 000 ..... 1010011", "fmin.s", HAS(F), 0, FMT_R, emit_fminmax, TN_F32 | TN_FMIN_2019_NUMBER << 8},
    {"00101 00 ..... ..... 001 ..... 1010011", "fmax.s", HAS(F), 0, FMT_R, emit_fminmax, TN_F32 | (TN_FMIN_2019_NUMBER | TN_FMAX_BIT) << 8},
    {"10100 00 ..... ..... 010 ..... 1010011", "feq.s", HAS(F), 0, FMT_R, emit_fcmp, TN_F32 | TN_FCMP_EQ << 8},
    {"10100 00 ..... ..... 001 ..... 1010011", "flt.s", HAS(F), 0, FMT_R, emit_fcmp, TN_F32 | (TN_FCMP_LT | TN_FCMP_SIGNALING) << 8},
    {"10100 00 ..... ..... 000 ..... 1010011", "fle.s", HAS(F), 0, FMT_R, emit_fcmp, TN_F32 | (TN_FCMP_LE | TN_FCMP_SIGNALING) << 8},
    {"11100 00 00000 ..... 001 ..... 1010011", "fclass.s", HAS(F), 0, FMT_R, emit_fclass, TN_F32},
    {"11000 00 00000 ..... ... ..... 1010011", "fcvt.w.s", HAS(F), 0, FMT_R, emit_fcvt_to_int, TN_F32 | TN_I32 << 8},
    {"11010 00 00000 ..... ... ..... 1010011", "fcvt.s.w", HAS(F), 0, FMT_R, emit_fcvt_from_int, TN_F32 | TN_I32 << 8},
    {"11000 00 00001 ..... ... ..... 1010011", "fcvt.wu.s", HAS(F), 0, FMT_R, emit_fcvt_to_int, TN_F32 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 00 00001 ..... ... ..... 1010011", "fcvt.s.wu", HAS(F), 0, FMT_R, emit_fcvt_from_int, TN_F32 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11000 00 00010 ..... ... ..... 1010011", "fcvt.l.s", HAS(F), 64, FMT_R, emit_fcvt_to_int, TN_F32 | TN_I64 << 8},
    {"11010 00 00010 ..... ... ..... 1010011", "fcvt.s.l", HAS(F), 64, FMT_R, emit_fcvt_from_int, TN_F32 | TN_I64 << 8},
    {"11000 00 00011 ..... ... ..... 1010011", "fcvt.lu.s", HAS(F), 64, FMT_R, emit_fcvt_to_int, TN_F32 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 00 00011 ..... ... ..... 1010011", "fcvt.s.lu", HAS(F), 64, FMT_R, emit_fcvt_from_int, TN_F32 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11100 00 00000 ..... 000 ..... 1010011", "fmv.x.w", HAS(F), 0, FMT_R, emit_fmv_to_int, TN_F32},
    {"11110 00 00000 ..... 000 ..... 1010011", "fmv.w.x", HAS(F), 0, FMT_R, emit_fmv_from_int, TN_F32},
    {0},
};

/* D */
const struct riscv_pattern riscv_patterns_double[] = {
    {"............ ..... 011 ..... 0000111", "fld", HAS(D), 0, FMT_I, emit_fload, TN_F64},
    {"....... ..... ..... 011 ..... 0100111", "fsd", HAS(D), 0, FMT_S, emit_fstore, TN_F64},
    {"..... 01 ..... ..... ... ..... 1000011", "fmadd.d", HAS(D), 0, FMT_R4, emit_fma, TN_F64},
    {"..... 01 ..... ..... ... ..... 1000111", "fmsub.d", HAS(D), 0, FMT_R4, emit_fma, TN_F64 | TN_FP_NEG_ADDEND << 8},
    {"..... 01 ..... ..... ... ..... 1001011", "fnmsub.d", HAS(D), 0, FMT_R4, emit_fma, TN_F64 | TN_FP_NEG_PRODUCT << 8},
    {"..... 01 ..... ..... ... ..... 1001111", "fnmadd.d", HAS(D), 0, FMT_R4, emit_fma, TN_F64 | (TN_FP_NEG_PRODUCT | TN_FP_NEG_ADDEND) << 8},
    {"00000 01 ..... ..... ... ..... 1010011", "fadd.d", HAS(D), 0, FMT_R, emit_fp2, TN_F64 | TN_OP_FADD << 8},
    {"00001 01 ..... ..... ... ..... 1010011", "fsub.d", HAS(D), 0, FMT_R, emit_fp2, TN_F64 | TN_OP_FSUB << 8},
    {"00010 01 ..... ..... ... ..... 1010011", "fmul.d", HAS(D), 0, FMT_R, emit_fp2, TN_F64 | TN_OP_FMUL << 8},
    {"00011 01 ..... ..... ... ..... 1010011", "fdiv.d", HAS(D), 0, FMT_R, emit_fp2, TN_F64 | TN_OP_FDIV << 8},
    {"01011 01 00000 ..... ... ..... 1010011", "fsqrt.d", HAS(D), 0, FMT_R, emit_fsqrt, TN_F64},
    {"00100 01 ..... ..... 000 ..... 1010011", "fsgnj.d", HAS(D), 0, FMT_R, emit_fsgn, TN_F64 | TN_FSIGN_COPY << 8},
    {"00100 01 ..... ..... 001 ..... 1010011", "fsgnjn.d", HAS(D), 0, FMT_R, emit_fsgn, TN_F64 | TN_FSIGN_NOT << 8},
    {"00100 01 ..... ..... 010 ..... 1010011", "fsgnjx.d", HAS(D), 0, FMT_R, emit_fsgn, TN_F64 | TN_FSIGN_XOR << 8},
    {"00101 01 ..... ..... 000 ..... 1010011", "fmin.d", HAS(D), 0, FMT_R, emit_fminmax, TN_F64 | TN_FMIN_2019_NUMBER << 8},
    {"00101 01 ..... ..... 001 ..... 1010011", "fmax.d", HAS(D), 0, FMT_R, emit_fminmax, TN_F64 | (TN_FMIN_2019_NUMBER | TN_FMAX_BIT) << 8},
    {"10100 01 ..... ..... 010 ..... 1010011", "feq.d", HAS(D), 0, FMT_R, emit_fcmp, TN_F64 | TN_FCMP_EQ << 8},
    {"10100 01 ..... ..... 001 ..... 1010011", "flt.d", HAS(D), 0, FMT_R, emit_fcmp, TN_F64 | (TN_FCMP_LT | TN_FCMP_SIGNALING) << 8},
    {"10100 01 ..... ..... 000 ..... 1010011", "fle.d", HAS(D), 0, FMT_R, emit_fcmp, TN_F64 | (TN_FCMP_LE | TN_FCMP_SIGNALING) << 8},
    {"11100 01 00000 ..... 001 ..... 1010011", "fclass.d", HAS(D), 0, FMT_R, emit_fclass, TN_F64},
    {"11000 01 00000 ..... ... ..... 1010011", "fcvt.w.d", HAS(D), 0, FMT_R, emit_fcvt_to_int, TN_F64 | TN_I32 << 8},
    {"11010 01 00000 ..... ... ..... 1010011", "fcvt.d.w", HAS(D), 0, FMT_R, emit_fcvt_from_int, TN_F64 | TN_I32 << 8},
    {"11000 01 00001 ..... ... ..... 1010011", "fcvt.wu.d", HAS(D), 0, FMT_R, emit_fcvt_to_int, TN_F64 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 01 00001 ..... ... ..... 1010011", "fcvt.d.wu", HAS(D), 0, FMT_R, emit_fcvt_from_int, TN_F64 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11000 01 00010 ..... ... ..... 1010011", "fcvt.l.d", HAS(D), 64, FMT_R, emit_fcvt_to_int, TN_F64 | TN_I64 << 8},
    {"11010 01 00010 ..... ... ..... 1010011", "fcvt.d.l", HAS(D), 64, FMT_R, emit_fcvt_from_int, TN_F64 | TN_I64 << 8},
    {"11000 01 00011 ..... ... ..... 1010011", "fcvt.lu.d", HAS(D), 64, FMT_R, emit_fcvt_to_int, TN_F64 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 01 00011 ..... ... ..... 1010011", "fcvt.d.lu", HAS(D), 64, FMT_R, emit_fcvt_from_int, TN_F64 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11100 01 00000 ..... 000 ..... 1010011", "fmv.x.d", HAS(D), 64, FMT_R, emit_fmv_to_int, TN_F64},
    {"11110 01 00000 ..... 000 ..... 1010011", "fmv.d.x", HAS(D), 64, FMT_R, emit_fmv_from_int, TN_F64},
    {"01000 00 00001 ..... ... ..... 1010011", "fcvt.s.d", HAS(D), 0, FMT_R, emit_fcvt_float, TN_F32 | TN_F64 << 8},
    {"01000 01 00000 ..... ... ..... 1010011", "fcvt.d.s", HAS(D), 0, FMT_R, emit_fcvt_float, TN_F64 | TN_F32 << 8},
    {0},
};
