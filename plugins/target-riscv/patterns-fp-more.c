/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zfh, Zfhmin and Zfa. Unprivileged manual, chapters of these names.
 * In OP-FP funct7 is operation and format, funct3 the rounding mode or a
 * variant. A rounding mode that is reserved makes the instruction illegal
 * when it is emitted.
 */
#include "decode.h"

/* clang-format off */
const struct riscv_pattern riscv_patterns_half[] = {
    {"............ ..... 001 ..... 0000111", "flh", HAS(ZFHMIN), 0, FMT_I, emit_fload, TN_F16},
    {"....... ..... ..... 001 ..... 0100111", "fsh", HAS(ZFHMIN), 0, FMT_S, emit_fstore, TN_F16},
    {"..... 10 ..... ..... ... ..... 1000011", "fmadd.h", HAS(ZFH), 0, FMT_R4, emit_fma, TN_F16},
    {"..... 10 ..... ..... ... ..... 1000111", "fmsub.h", HAS(ZFH), 0, FMT_R4, emit_fma, TN_F16 | TN_FP_NEG_ADDEND << 8},
    {"..... 10 ..... ..... ... ..... 1001011", "fnmsub.h", HAS(ZFH), 0, FMT_R4, emit_fma, TN_F16 | TN_FP_NEG_PRODUCT << 8},
    {"..... 10 ..... ..... ... ..... 1001111", "fnmadd.h", HAS(ZFH), 0, FMT_R4, emit_fma, TN_F16 | (TN_FP_NEG_PRODUCT | TN_FP_NEG_ADDEND) << 8},
    {"00000 10 ..... ..... ... ..... 1010011", "fadd.h", HAS(ZFH), 0, FMT_R, emit_fp2, TN_F16 | TN_OP_FADD << 8},
    {"00001 10 ..... ..... ... ..... 1010011", "fsub.h", HAS(ZFH), 0, FMT_R, emit_fp2, TN_F16 | TN_OP_FSUB << 8},
    {"00010 10 ..... ..... ... ..... 1010011", "fmul.h", HAS(ZFH), 0, FMT_R, emit_fp2, TN_F16 | TN_OP_FMUL << 8},
    {"00011 10 ..... ..... ... ..... 1010011", "fdiv.h", HAS(ZFH), 0, FMT_R, emit_fp2, TN_F16 | TN_OP_FDIV << 8},
    {"01011 10 00000 ..... ... ..... 1010011", "fsqrt.h", HAS(ZFH), 0, FMT_R, emit_fsqrt, TN_F16},
    {"00100 10 ..... ..... 000 ..... 1010011", "fsgnj.h", HAS(ZFH), 0, FMT_R, emit_fsgn, TN_F16 | TN_FSIGN_COPY << 8},
    {"00100 10 ..... ..... 001 ..... 1010011", "fsgnjn.h", HAS(ZFH), 0, FMT_R, emit_fsgn, TN_F16 | TN_FSIGN_NOT << 8},
    {"00100 10 ..... ..... 010 ..... 1010011", "fsgnjx.h", HAS(ZFH), 0, FMT_R, emit_fsgn, TN_F16 | TN_FSIGN_XOR << 8},
    {"00101 10 ..... ..... 000 ..... 1010011", "fmin.h", HAS(ZFH), 0, FMT_R, emit_fminmax, TN_F16 | TN_FMIN_2019_NUMBER << 8},
    {"00101 10 ..... ..... 001 ..... 1010011", "fmax.h", HAS(ZFH), 0, FMT_R, emit_fminmax, TN_F16 | (TN_FMIN_2019_NUMBER | TN_FMAX_BIT) << 8},
    {"10100 10 ..... ..... 010 ..... 1010011", "feq.h", HAS(ZFH), 0, FMT_R, emit_fcmp, TN_F16 | TN_FCMP_EQ << 8},
    {"10100 10 ..... ..... 001 ..... 1010011", "flt.h", HAS(ZFH), 0, FMT_R, emit_fcmp, TN_F16 | (TN_FCMP_LT | TN_FCMP_SIGNALING) << 8},
    {"10100 10 ..... ..... 000 ..... 1010011", "fle.h", HAS(ZFH), 0, FMT_R, emit_fcmp, TN_F16 | (TN_FCMP_LE | TN_FCMP_SIGNALING) << 8},
    {"11100 10 00000 ..... 001 ..... 1010011", "fclass.h", HAS(ZFH), 0, FMT_R, emit_fclass, TN_F16},
    {"11000 10 00000 ..... ... ..... 1010011", "fcvt.w.h", HAS(ZFH), 0, FMT_R, emit_fcvt_to_int, TN_F16 | TN_I32 << 8},
    {"11010 10 00000 ..... ... ..... 1010011", "fcvt.h.w", HAS(ZFH), 0, FMT_R, emit_fcvt_from_int, TN_F16 | TN_I32 << 8},
    {"11000 10 00001 ..... ... ..... 1010011", "fcvt.wu.h", HAS(ZFH), 0, FMT_R, emit_fcvt_to_int, TN_F16 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 10 00001 ..... ... ..... 1010011", "fcvt.h.wu", HAS(ZFH), 0, FMT_R, emit_fcvt_from_int, TN_F16 | TN_I32 << 8 | TN_CVT_UNSIGNED << 16},
    {"11000 10 00010 ..... ... ..... 1010011", "fcvt.l.h", HAS(ZFH), 64, FMT_R, emit_fcvt_to_int, TN_F16 | TN_I64 << 8},
    {"11010 10 00010 ..... ... ..... 1010011", "fcvt.h.l", HAS(ZFH), 64, FMT_R, emit_fcvt_from_int, TN_F16 | TN_I64 << 8},
    {"11000 10 00011 ..... ... ..... 1010011", "fcvt.lu.h", HAS(ZFH), 64, FMT_R, emit_fcvt_to_int, TN_F16 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11010 10 00011 ..... ... ..... 1010011", "fcvt.h.lu", HAS(ZFH), 64, FMT_R, emit_fcvt_from_int, TN_F16 | TN_I64 << 8 | TN_CVT_UNSIGNED << 16},
    {"11100 10 00000 ..... 000 ..... 1010011", "fmv.x.h", HAS(ZFHMIN), 0, FMT_R, emit_fmv_to_int, TN_F16},
    {"11110 10 00000 ..... 000 ..... 1010011", "fmv.h.x", HAS(ZFHMIN), 0, FMT_R, emit_fmv_from_int, TN_F16},
    {"01000 00 00010 ..... ... ..... 1010011", "fcvt.s.h", HAS(ZFHMIN), 0, FMT_R, emit_fcvt_float, TN_F32 | TN_F16 << 8},
    {"01000 10 00000 ..... ... ..... 1010011", "fcvt.h.s", HAS(ZFHMIN), 0, FMT_R, emit_fcvt_float, TN_F16 | TN_F32 << 8},
    {"01000 01 00010 ..... ... ..... 1010011", "fcvt.d.h", HAS(ZFHMIN) | HAS(D), 0, FMT_R, emit_fcvt_float, TN_F64 | TN_F16 << 8},
    {"01000 10 00001 ..... ... ..... 1010011", "fcvt.h.d", HAS(ZFHMIN) | HAS(D), 0, FMT_R, emit_fcvt_float, TN_F16 | TN_F64 << 8},
    {0},
};

/* Zfa */
const struct riscv_pattern riscv_patterns_fp_more[] = {
    {"11110 00 00001 ..... 000 ..... 1010011", "fli.s", HAS(ZFA), 0, FMT_R, emit_fli, TN_F32},
    {"00101 00 ..... ..... 010 ..... 1010011", "fminm.s", HAS(ZFA), 0, FMT_R, emit_fminmax, TN_F32 | TN_FMIN_2019 << 8},
    {"00101 00 ..... ..... 011 ..... 1010011", "fmaxm.s", HAS(ZFA), 0, FMT_R, emit_fminmax, TN_F32 | (TN_FMIN_2019 | TN_FMAX_BIT) << 8},
    {"01000 00 00100 ..... ... ..... 1010011", "fround.s", HAS(ZFA), 0, FMT_R, emit_fround, TN_F32},
    {"01000 00 00101 ..... ... ..... 1010011", "froundnx.s", HAS(ZFA), 0, FMT_R, emit_fround, TN_F32 | 1 << 8},
    {"10100 00 ..... ..... 101 ..... 1010011", "fltq.s", HAS(ZFA), 0, FMT_R, emit_fcmp, TN_F32 | TN_FCMP_LT << 8},
    {"10100 00 ..... ..... 100 ..... 1010011", "fleq.s", HAS(ZFA), 0, FMT_R, emit_fcmp, TN_F32 | TN_FCMP_LE << 8},
    {"11110 01 00001 ..... 000 ..... 1010011", "fli.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fli, TN_F64},
    {"00101 01 ..... ..... 010 ..... 1010011", "fminm.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fminmax, TN_F64 | TN_FMIN_2019 << 8},
    {"00101 01 ..... ..... 011 ..... 1010011", "fmaxm.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fminmax, TN_F64 | (TN_FMIN_2019 | TN_FMAX_BIT) << 8},
    {"01000 01 00100 ..... ... ..... 1010011", "fround.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fround, TN_F64},
    {"01000 01 00101 ..... ... ..... 1010011", "froundnx.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fround, TN_F64 | 1 << 8},
    {"10100 01 ..... ..... 101 ..... 1010011", "fltq.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fcmp, TN_F64 | TN_FCMP_LT << 8},
    {"10100 01 ..... ..... 100 ..... 1010011", "fleq.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fcmp, TN_F64 | TN_FCMP_LE << 8},
    {"11110 10 00001 ..... 000 ..... 1010011", "fli.h", HAS(ZFA) | HAS(ZFHMIN), 0, FMT_R, emit_fli, TN_F16},
    {"00101 10 ..... ..... 010 ..... 1010011", "fminm.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fminmax, TN_F16 | TN_FMIN_2019 << 8},
    {"00101 10 ..... ..... 011 ..... 1010011", "fmaxm.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fminmax, TN_F16 | (TN_FMIN_2019 | TN_FMAX_BIT) << 8},
    {"01000 10 00100 ..... ... ..... 1010011", "fround.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fround, TN_F16},
    {"01000 10 00101 ..... ... ..... 1010011", "froundnx.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fround, TN_F16 | 1 << 8},
    {"10100 10 ..... ..... 101 ..... 1010011", "fltq.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fcmp, TN_F16 | TN_FCMP_LT << 8},
    {"10100 10 ..... ..... 100 ..... 1010011", "fleq.h", HAS(ZFA) | HAS(ZFH), 0, FMT_R, emit_fcmp, TN_F16 | TN_FCMP_LE << 8},
    {"11000 01 01000 ..... 001 ..... 1010011", "fcvtmod.w.d", HAS(ZFA) | HAS(D), 0, FMT_R, emit_fcvtmod, 0},
    {"11100 01 00001 ..... 000 ..... 1010011", "fmvh.x.d", HAS(ZFA) | HAS(D), 32, FMT_R, emit_fmvh, 0},
    {"10110 01 ..... ..... 000 ..... 1010011", "fmvp.d.x", HAS(ZFA) | HAS(D), 32, FMT_R, emit_fmvp, 0},
    {0},
};
