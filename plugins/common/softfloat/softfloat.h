/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softfloat.h: exact IEEE Std 754-2019 binary floating point in software.
 *
 * The oracle and the cold path of every accelerator and target.  Each result
 * and each flag is what the named processor family produces, bit for bit; the
 * family is chosen by a constant `struct sf_profile`.
 *
 * Values travel as bit patterns.  A function's name says format and
 * operation: sf_f64_add, sf_f32_to_f16, sf_i64_to_f128.  Formats:
 *
 *     f16   uint16_t         binary16
 *     bf16  uint16_t         bfloat16: binary32's range, 8 bits of precision
 *     f32   uint32_t         binary32
 *     f64   uint64_t         binary64
 *     f80   struct sf_f80    x87 and m68k extended, explicit integer bit
 *     f128  struct sf_f128   binary128
 *     ahp   uint16_t         Arm's alternative half (no infinity, no NaN);
 *                            conversions to and from f32 and f64 only
 *
 * Threads: [any].  There is no global state; all a call reads and writes is
 * its arguments and *env.  An env must not be shared between threads.  No
 * function allocates, fails or traps the host, and none uses the host's
 * floating point.
 */
#ifndef TENON_SOFTFLOAT_H
#define TENON_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef __int128 sf_i128;
__extension__ typedef unsigned __int128 sf_u128;

/* An x87 or m68k extended number: sign and 15-bit exponent, then the
 * significand with its integer bit, bit 63. */
struct sf_f80 {
    uint64_t significand;
    uint16_t sign_exponent;
};

struct sf_f128 {
    uint64_t lo;
    uint64_t hi;
};

/* Formats, for the masks in struct sf_env. */
enum sf_format_id {
    SF_F16,
    SF_BF16,
    SF_F32,
    SF_F64,
    SF_F80,
    SF_F128,
    SF_AHP,
};

#define SF_FORMAT_BIT(id) (1u << (id))
#define SF_ALL_FORMATS 0x7fu

/*
 * Rounding.  The first five are numbered as RISC-V's frm; RNE, RTZ, RDN, RUP
 * are the standard's four attributes (4.3), RMM its roundTiesToAway.  ODD
 * truncates and sets the last bit when that was inexact, so that a second
 * rounding to a narrower format is harmless.
 */
enum sf_rounding {
    SF_RNE = 0,
    SF_RTZ = 1,
    SF_RDN = 2,
    SF_RUP = 3,
    SF_RMM = 4,
    SF_ODD = 5,
    /* Where a function takes a mode: the one in env. */
    SF_CURRENT = 7,
};

/*
 * Flags, OR-ed into env->flags and never cleared by this library.  The first
 * five are the standard's (clause 7) and numbered so that they can be tested
 * together; the others serve particular processors.
 */
#define SF_NV 0x01u /* invalid operation */
#define SF_DZ 0x02u /* division by zero */
#define SF_OF 0x04u /* overflow */
#define SF_UF 0x08u /* underflow: tiny and inexact, or flushed */
#define SF_NX 0x10u /* inexact */
#define SF_IEEE_FLAGS 0x1fu
#define SF_DE 0x20u /* a subnormal operand was used (x86 DE) */
#define SF_DF 0x40u /* a subnormal operand was taken for zero (Arm IDC) */
#define SF_UP 0x80u /* rounding added to the magnitude (x87 C1, PowerPC FR) */
/* Which invalid operation it was; always together with SF_NV.  The names are
 * PowerPC's (Power ISA, FPSCR). */
#define SF_VXSNAN 0x0100u /* signaling NaN operand */
#define SF_VXISI 0x0200u  /* infinity - infinity */
#define SF_VXIDI 0x0400u  /* infinity / infinity */
#define SF_VXZDZ 0x0800u  /* 0 / 0 */
#define SF_VXIMZ 0x1000u  /* infinity * 0 */
#define SF_VXVC 0x2000u   /* ordered comparison with a NaN */
#define SF_VXSQRT 0x4000u /* square root of a negative number */
#define SF_VXCVI 0x8000u  /* conversion to an integer that cannot hold it */
#define SF_VXREM 0x10000u /* remainder of infinity or by zero */
#define SF_VXENC 0x20000u /* x87 unsupported encoding (unnormal, ...) */

/* How the NaN that an operation returns is found. */
enum sf_nan_choice {
    /* Always the default NaN (RISC-V). */
    SF_NAN_DEFAULT,
    /* The first NaN in the order given by nan2/nan3. */
    SF_NAN_ORDER,
    /* The first signaling NaN in that order, else the first NaN. */
    SF_NAN_SIGNALING_FIRST,
    /* Intel SDM vol. 1, table 4-7: a quiet NaN before a signaling one, else
     * the larger significand, else the positive one. */
    SF_NAN_X87,
};

/* fma(infinity, 0, quiet NaN): 7.2 (c) leaves the flag, and 6.2.3 the result,
 * to the implementation. */
enum sf_infzero {
    SF_INFZERO_DEFAULT, /* NV, default NaN */
    SF_INFZERO_NAN_NV,  /* NV, the NaN chosen as usual */
    SF_INFZERO_NAN,     /* no flag, the NaN chosen as usual */
};

/* What a conversion to an integer type that cannot hold the value gives. */
enum sf_int_result {
    SF_INT_BY_SIGN, /* the type's minimum or maximum: saturation */
    SF_INT_MAX,     /* the maximum, whatever the sign */
    SF_INT_MIN,     /* the minimum, whatever the sign; 0 if unsigned */
    SF_INT_ZERO,
    SF_INT_INDEFINITE, /* x86: 10...0 if signed, all ones if unsigned */
};

/* What unpacking makes of an f80 whose integer bit contradicts its exponent. */
enum sf_f80_kind {
    /* x87: unnormals, pseudo-infinities and pseudo-NaNs are invalid operands;
     * a pseudo-denormal has the exponent 1.  Intel SDM vol. 1, 8.2.2. */
    SF_F80_X87,
    /* m68k: the integer bit of infinities and NaNs is ignored, and clear in
     * infinities that are results; unnormals are numbers, and exponent 0 weighs
     * 2^-16383, as the line of exponents goes on to it.  M68000PRM 1.6. */
    SF_F80_M68K,
};

/* A processor family's choices where the standard leaves them open.  Constant
 * data; targets may define their own. */
struct sf_profile {
    const char *name;
    uint8_t tiny_before_rounding; /* 7.5: (a) after, (b) before rounding */
    uint8_t nan_choice;           /* enum sf_nan_choice */
    uint8_t nan2[2];              /* order of operands 0, 1 */
    uint8_t nan3[3];              /* order of operands of a * b + c, 0..2 */
    uint8_t infzero;              /* enum sf_infzero */
    uint8_t signaling_bit_is_one; /* fraction's first bit 1: signaling */
    /* Then a NaN is made quiet by starting its fraction with 01 (PA-RISC),
     * else by giving the default NaN (MIPS). */
    uint8_t quiets_by_second_bit;
    uint8_t default_nan_sign;
    uint8_t default_nan_fraction;  /* first 8 bits; the last one repeats */
    uint8_t int_overflow;          /* enum sf_int_result */
    uint8_t int_nan;               /* enum sf_int_result */
    uint8_t int_overflow_inexact;  /* overflow raises NX as well, if exact */
    uint8_t f80_kind;              /* enum sf_f80_kind */
    uint8_t flush_before_rounding; /* env->ftz looks before rounding */
    uint8_t flush_flags;           /* raised when a result is flushed */
};

extern const struct sf_profile sf_riscv;
extern const struct sf_profile sf_arm;
extern const struct sf_profile sf_arm_default_nan;
extern const struct sf_profile sf_x86_sse;
extern const struct sf_profile sf_x87;
extern const struct sf_profile sf_ppc;
extern const struct sf_profile sf_mips_2008;
extern const struct sf_profile sf_mips_legacy;
extern const struct sf_profile sf_s390;
extern const struct sf_profile sf_sparc;
extern const struct sf_profile sf_m68k;
extern const struct sf_profile sf_hppa;

/* All of them, ended by NULL, in the order above. */
extern const struct sf_profile *const sf_profiles[];

/*
 * The floating-point environment.  Zero it, then set the profile: that is
 * round to nearest even, nothing flushed, full precision.
 */
struct sf_env {
    const struct sf_profile *profile;
    uint32_t flags;      /* SF_NV ...; OR-ed in */
    uint8_t rounding;    /* enum sf_rounding, not SF_CURRENT */
    uint8_t daz;         /* formats whose subnormal operands are zeros */
    uint8_t ftz;         /* formats whose tiny results become zeros */
    uint8_t default_nan; /* nonzero: results are the default NaN (Arm DN) */
    /* f80 arithmetic rounds to so many bits (24 or 53; 0 or 64: all), its
     * exponent range staying (x87 precision control). */
    uint8_t f80_precision;
    /* SF_OF, SF_UF: the trap is enabled, so the result is delivered with its
     * exponent moved by 3 * 2^(exponent bits - 2) (754-1985, 7.3 and 7.4),
     * and underflow needs tininess only. */
    uint8_t traps;
};

/* Relations (5.11). */
#define SF_LESS (-1)
#define SF_EQUAL 0
#define SF_GREATER 1
#define SF_UNORDERED 2

/* Classes (5.7.2), as the bit numbers of RISC-V's fclass. */
enum sf_class {
    SF_CLASS_NEG_INF,
    SF_CLASS_NEG_NORMAL,
    SF_CLASS_NEG_SUBNORMAL,
    SF_CLASS_NEG_ZERO,
    SF_CLASS_POS_ZERO,
    SF_CLASS_POS_SUBNORMAL,
    SF_CLASS_POS_NORMAL,
    SF_CLASS_POS_INF,
    SF_CLASS_SNAN,
    SF_CLASS_QNAN,
    SF_CLASS_UNSUPPORTED, /* f80 of the x87 kind only */
};

/*
 * Minimum and maximum, one function with a variant.  All but X86 hold -0 to
 * be less than +0.  A signaling NaN raises NV in all of them.
 */
enum sf_minmax {
    SF_MINMAX_MAX = 1,       /* else the minimum */
    SF_MINMAX_MAGNITUDE = 2, /* compare absolute values first */
    /* 754-2019 minimumNumber: a number beats any NaN. */
    SF_MINMAX_NUMBER = 0 << 4,
    /* 754-2008 minNum: a number beats a quiet NaN, a signaling one wins. */
    SF_MINMAX_NUM_2008 = 1 << 4,
    /* 754-2019 minimum: any NaN wins. */
    SF_MINMAX_NAN = 2 << 4,
    /* MINSS: a < b ? a : b, unchanged, any NaN raising NV. */
    SF_MINMAX_X86 = 3 << 4,
    SF_MINMAX_KIND = 3 << 4,
};

/* Options of fma, applied to what they name before (NEGATE_RESULT: after) the
 * rounding; NaNs are never changed by them. */
#define SF_NEGATE_PRODUCT 1
#define SF_NEGATE_ADDEND 2
#define SF_NEGATE_RESULT 4 /* PowerPC fnmadd, fnmsub */
#define SF_HALVE_RESULT 8  /* Arm FRSQRTS */

/*
 * Operations of every format F of type T.
 *
 * add, sub, mul, div, sqrt  (5.4.1) round as env says.
 * fma        a * b + c with one rounding; options above.
 * rem        (5.3.1) a - b * n, n being a / b rounded to nearest even; exact.
 * rem_quotient  the same with n rounded as `mode` says (SF_RTZ gives C's
 *            fmod and x87's FPREM, SF_RNE rem); n's low 64 bits, of |n|, are
 *            left in *quotient (0 when the result is a NaN).
 * round_to_int  (5.3.1, 5.9) to an integral value; `exact` raises NX when the
 *            value changes.
 * compare    a's relation to b; NV when either is a NaN (5.11, table 5.2).
 * compare_quiet  NV for signaling NaNs only.
 * minmax     see enum sf_minmax.
 * scaleb     (5.3.3) a * 2^n.
 * classify   raises nothing and flushes nothing.
 * to_sint, to_uint  (5.8) to `width` bits, 1..64, sign- or zero-extended.
 *            Out of range, NV is raised and not NX (but see the profile,
 *            which says the result); else NX only when `exact`.
 * to_i128, to_u128  the same, 128 bits wide.
 * to_sint_modular  (RISC-V fcvtmod.w.d, Arm FJCVTZS) truncates and returns
 *            the low `width` bits, 1..64; infinities and NaNs give 0.  NV when
 *            the value does not fit, else NX when inexact.
 * from_sint, from_uint, from_i128, from_u128  round as env says.
 */
#define SF_DECLARE(F, T)                                                       \
    T sf_##F##_add(T a, T b, struct sf_env *env);                              \
    T sf_##F##_sub(T a, T b, struct sf_env *env);                              \
    T sf_##F##_mul(T a, T b, struct sf_env *env);                              \
    T sf_##F##_div(T a, T b, struct sf_env *env);                              \
    T sf_##F##_sqrt(T a, struct sf_env *env);                                  \
    T sf_##F##_fma(T a, T b, T c, int options, struct sf_env *env);            \
    T sf_##F##_rem(T a, T b, struct sf_env *env);                              \
    T sf_##F##_rem_quotient(T a, T b, enum sf_rounding mode,                   \
                            uint64_t *quotient, struct sf_env *env);           \
    T sf_##F##_round_to_int(T a, enum sf_rounding mode, bool exact,            \
                            struct sf_env *env);                               \
    int sf_##F##_compare(T a, T b, struct sf_env *env);                        \
    int sf_##F##_compare_quiet(T a, T b, struct sf_env *env);                  \
    T sf_##F##_minmax(T a, T b, int variant, struct sf_env *env);              \
    T sf_##F##_scaleb(T a, int32_t n, struct sf_env *env);                     \
    enum sf_class sf_##F##_classify(T a, const struct sf_env *env);            \
    int64_t sf_##F##_to_sint(T a, int width, enum sf_rounding mode,            \
                             bool exact, struct sf_env *env);                  \
    uint64_t sf_##F##_to_uint(T a, int width, enum sf_rounding mode,           \
                              bool exact, struct sf_env *env);                 \
    sf_i128 sf_##F##_to_i128(T a, enum sf_rounding mode, bool exact,           \
                             struct sf_env *env);                              \
    sf_u128 sf_##F##_to_u128(T a, enum sf_rounding mode, bool exact,           \
                             struct sf_env *env);                              \
    int64_t sf_##F##_to_sint_modular(T a, int width, struct sf_env *env);      \
    T sf_##F##_from_sint(int64_t n, struct sf_env *env);                       \
    T sf_##F##_from_uint(uint64_t n, struct sf_env *env);                      \
    T sf_##F##_from_i128(sf_i128 n, struct sf_env *env);                       \
    T sf_##F##_from_u128(sf_u128 n, struct sf_env *env);

SF_DECLARE(f16, uint16_t)
SF_DECLARE(bf16, uint16_t)
SF_DECLARE(f32, uint32_t)
SF_DECLARE(f64, uint64_t)
SF_DECLARE(f80, struct sf_f80)
SF_DECLARE(f128, struct sf_f128)

/*
 * Conversions between formats (5.4.2).  A NaN keeps its sign and the leading
 * bits of its payload unless the profile says default NaN; a signaling one
 * raises NV and is made quiet.  To ahp: a NaN or infinity raises NV and gives
 * zero and the largest number; so does overflow, without OF (Arm ARM, FPRound
 * and FPConvert).
 */
#define SF_CONVERSIONS(X)                                                      \
    X(f16, uint16_t, bf16, uint16_t)                                           \
    X(f16, uint16_t, f32, uint32_t)                                            \
    X(f16, uint16_t, f64, uint64_t)                                            \
    X(f16, uint16_t, f80, struct sf_f80)                                       \
    X(f16, uint16_t, f128, struct sf_f128)                                     \
    X(bf16, uint16_t, f16, uint16_t)                                           \
    X(bf16, uint16_t, f32, uint32_t)                                           \
    X(bf16, uint16_t, f64, uint64_t)                                           \
    X(bf16, uint16_t, f80, struct sf_f80)                                      \
    X(bf16, uint16_t, f128, struct sf_f128)                                    \
    X(f32, uint32_t, f16, uint16_t)                                            \
    X(f32, uint32_t, bf16, uint16_t)                                           \
    X(f32, uint32_t, f64, uint64_t)                                            \
    X(f32, uint32_t, f80, struct sf_f80)                                       \
    X(f32, uint32_t, f128, struct sf_f128)                                     \
    X(f64, uint64_t, f16, uint16_t)                                            \
    X(f64, uint64_t, bf16, uint16_t)                                           \
    X(f64, uint64_t, f32, uint32_t)                                            \
    X(f64, uint64_t, f80, struct sf_f80)                                       \
    X(f64, uint64_t, f128, struct sf_f128)                                     \
    X(f80, struct sf_f80, f16, uint16_t)                                       \
    X(f80, struct sf_f80, bf16, uint16_t)                                      \
    X(f80, struct sf_f80, f32, uint32_t)                                       \
    X(f80, struct sf_f80, f64, uint64_t)                                       \
    X(f80, struct sf_f80, f128, struct sf_f128)                                \
    X(f128, struct sf_f128, f16, uint16_t)                                     \
    X(f128, struct sf_f128, bf16, uint16_t)                                    \
    X(f128, struct sf_f128, f32, uint32_t)                                     \
    X(f128, struct sf_f128, f64, uint64_t)                                     \
    X(f128, struct sf_f128, f80, struct sf_f80)                                \
    X(ahp, uint16_t, f32, uint32_t)                                            \
    X(ahp, uint16_t, f64, uint64_t)                                            \
    X(f32, uint32_t, ahp, uint16_t)                                            \
    X(f64, uint64_t, ahp, uint16_t)

#define SF_DECLARE_CONVERSION(F, T, G, U)                                      \
    U sf_##F##_to_##G(T a, struct sf_env *env);
SF_CONVERSIONS(SF_DECLARE_CONVERSION)
#undef SF_DECLARE_CONVERSION

/*
 * The standard's formatOf operations: operands of one format, one rounding,
 * to a narrower one.  PowerPC's single arithmetic on double registers, m68k's
 * FSADD and FDADD.
 */
#define SF_NARROWING(X)                                                        \
    X(f64, uint64_t, f32, uint32_t)                                            \
    X(f80, struct sf_f80, f32, uint32_t)                                       \
    X(f80, struct sf_f80, f64, uint64_t)

#define SF_DECLARE_NARROWING(F, T, G, U)                                       \
    U sf_##F##_add_##G(T a, T b, struct sf_env *env);                          \
    U sf_##F##_sub_##G(T a, T b, struct sf_env *env);                          \
    U sf_##F##_mul_##G(T a, T b, struct sf_env *env);                          \
    U sf_##F##_div_##G(T a, T b, struct sf_env *env);                          \
    U sf_##F##_sqrt_##G(T a, struct sf_env *env);                              \
    U sf_##F##_fma_##G(T a, T b, T c, int options, struct sf_env *env);
SF_NARROWING(SF_DECLARE_NARROWING)
#undef SF_DECLARE_NARROWING

#undef SF_DECLARE

#endif
