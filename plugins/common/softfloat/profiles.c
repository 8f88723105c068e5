/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processor families chose where IEEE Std 754 leaves the choice to them.
 * Each entry names the manual it follows.  x86-sse and x87 are tested against
 * processors, riscv and most of arm against TestFloat; the others were compared
 * with qemu-user 7.2, and where that disagrees, the entry says so.
 */
#include <stddef.h>

#include "softfloat.h"

/* First 8 bits of a default NaN's fraction; the last one repeats. */
#define FRACTION_QUIET 0x80  /* the quiet bit only */
#define FRACTION_ONES 0xff   /* all ones */
#define FRACTION_LEGACY 0x7f /* all ones but the signaling bit */
#define FRACTION_HPPA 0x40   /* the bit after the signaling bit */

/* RISC-V unprivileged ISA, chapters F and D: canonical NaN always, tininess
 * after rounding, table "Domains of float-to-integer conversions". */
const struct sf_profile sf_riscv = {
    .name = "riscv",
    .nan_choice = SF_NAN_DEFAULT,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_DEFAULT,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_MAX,
    .flush_flags = SF_UF | SF_NX,
};

/* Arm ARM (DDI 0487), FPProcessNaNs, FPProcessNaNs3, FPMulAdd, FPRound,
 * FPToFixed.  FPCR.FZ is env's daz and ftz, FPCR.DN its default_nan. */
const struct sf_profile sf_arm = {
    .name = "arm",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {0, 1},
    .nan3 = {2, 0, 1},
    .infzero = SF_INFZERO_DEFAULT,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_ZERO,
    .flush_before_rounding = 1,
    .flush_flags = SF_UF,
};

const struct sf_profile sf_arm_default_nan = {
    .name = "arm-default-nan",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_DEFAULT,
    .nan2 = {0, 1},
    .nan3 = {2, 0, 1},
    .infzero = SF_INFZERO_DEFAULT,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_ZERO,
    .flush_before_rounding = 1,
    .flush_flags = SF_UF,
};

/* Intel SDM vol. 1, 4.8.3, 11.5.2, 14.5.2: the first source operand that is a
 * NaN, the real indefinite negative.  The order of an FMA's operands is that
 * of the manual's expression, not of the encoding: VFMADD213 is op2 * op1 +
 * op3, so op2 comes first. */
const struct sf_profile sf_x86_sse = {
    .name = "x86-sse",
    .nan_choice = SF_NAN_ORDER,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_NAN,
    .default_nan_sign = 1,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_INDEFINITE,
    .int_nan = SF_INT_INDEFINITE,
    .flush_flags = SF_UF | SF_NX,
};

/* Intel SDM vol. 1, table 4-7 and chapter 8. */
const struct sf_profile sf_x87 = {
    .name = "x87",
    .nan_choice = SF_NAN_X87,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_NAN_NV,
    .default_nan_sign = 1,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_INDEFINITE,
    .int_nan = SF_INT_INDEFINITE,
    .f80_kind = SF_F80_X87,
    .flush_flags = SF_UF | SF_NX,
};

/* Power ISA book I, 4.4.2: frA, then frB, then frC, and fmadd is
 * frA * frC + frB; 4.6.7 for integers.  VSCR.NJ flushes without a flag. */
const struct sf_profile sf_ppc = {
    .name = "ppc",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_ORDER,
    .nan2 = {0, 1},
    .nan3 = {0, 2, 1},
    .infzero = SF_INFZERO_NAN_NV,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_MIN,
    .flush_before_rounding = 1,
};

/* MIPS Architecture vol. I-A, FCSR.NAN2008 = ABS2008 = 1. */
const struct sf_profile sf_mips_2008 = {
    .name = "mips-2008",
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {0, 1},
    .nan3 = {2, 0, 1},
    .infzero = SF_INFZERO_NAN_NV,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_ZERO,
    .flush_flags = SF_UF | SF_NX,
};

/* The same, FCSR.NAN2008 = 0: a set first fraction bit means signaling, and
 * conversions to integers that fail give 2^n - 1.  qemu-user gives the default
 * NaN where a quiet one comes in; Linux's own emulation keeps it. */
const struct sf_profile sf_mips_legacy = {
    .name = "mips-legacy",
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_DEFAULT,
    .signaling_bit_is_one = 1,
    .default_nan_fraction = FRACTION_LEGACY,
    .int_overflow = SF_INT_MAX,
    .int_nan = SF_INT_MAX,
    .flush_flags = SF_UF | SF_NX,
};

/* z/Architecture Principles of Operation, chapters 9 and 19.  For NaNs of
 * MULTIPLY AND ADD, qemu-user 7.2 has another order. */
const struct sf_profile sf_s390 = {
    .name = "s390",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_DEFAULT,
    .default_nan_fraction = FRACTION_QUIET,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_MIN,
    .int_overflow_inexact = 1,
};

/* SPARC V9, appendix B: rs2 before rs1, signaling before quiet; a NaN becomes
 * an integer by its sign.  qemu-user 7.2 has neither. */
const struct sf_profile sf_sparc = {
    .name = "sparc",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {1, 0},
    .nan3 = {2, 1, 0},
    .infzero = SF_INFZERO_NAN_NV,
    .default_nan_fraction = FRACTION_ONES,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_BY_SIGN,
    .flush_flags = SF_UF | SF_NX,
};

/* M68000 Family Programmer's Reference Manual, 1.6 and 3.6.  The destination
 * is operand 0, and its NaN comes first.  Missing: a NaN stored as an integer
 * leaves the first bits of its significand there (6.1.3). */
const struct sf_profile sf_m68k = {
    .name = "m68k",
    .tiny_before_rounding = 1,
    .nan_choice = SF_NAN_ORDER,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_NAN_NV,
    .default_nan_fraction = FRACTION_ONES,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_BY_SIGN,
    .f80_kind = SF_F80_M68K,
};

/* PA-RISC 1.1 Architecture, chapter 8: NaNs as in legacy MIPS, but a signaling
 * one keeps its payload. */
const struct sf_profile sf_hppa = {
    .name = "hppa",
    .nan_choice = SF_NAN_SIGNALING_FIRST,
    .nan2 = {0, 1},
    .nan3 = {0, 1, 2},
    .infzero = SF_INFZERO_DEFAULT,
    .signaling_bit_is_one = 1,
    .quiets_by_second_bit = 1,
    .default_nan_fraction = FRACTION_HPPA,
    .int_overflow = SF_INT_BY_SIGN,
    .int_nan = SF_INT_BY_SIGN,
};

const struct sf_profile *const sf_profiles[] = {
    &sf_riscv,     &sf_arm,         &sf_arm_default_nan,
    &sf_x86_sse,   &sf_x87,         &sf_ppc,
    &sf_mips_2008, &sf_mips_legacy, &sf_s390,
    &sf_sparc,     &sf_m68k,        &sf_hppa,
    NULL,
};
