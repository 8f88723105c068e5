/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processor families answer where IEEE Std 754-2019 leaves it to them:
 * NaNs, minimum and maximum, conversions, encodings of f80.  Worked out by
 * hand; each case cites the standard or the family's manual.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "softfloat.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* binary32 */
#define ONE 0x3f800000u
#define TWO 0x40000000u
#define INF 0x7f800000u
#define SIGN 0x80000000u
#define QNAN_1 0x7fc00001u /* quiet where a one means quiet */
#define QNAN_2 0xffc00002u
#define SNAN_3 0x7f800003u
#define SNAN_4 0xff800004u
#define QUIET 0x00400000u

static struct sf_env env_of(const struct sf_profile *profile)
{
    return (struct sf_env){.profile = profile};
}

/* The result of infinity - infinity, from each manual's default NaN. */
static void default_nans(void **state)
{
    static const struct {
        const struct sf_profile *profile;
        uint32_t f32;
        uint16_t f16;
    } cases[] = {
        {&sf_riscv, 0x7fc00000, 0x7e00},
        {&sf_arm, 0x7fc00000, 0x7e00},
        {&sf_arm_default_nan, 0x7fc00000, 0x7e00},
        {&sf_x86_sse, 0xffc00000, 0xfe00},
        {&sf_x87, 0xffc00000, 0xfe00},
        {&sf_ppc, 0x7fc00000, 0x7e00},
        {&sf_mips_2008, 0x7fc00000, 0x7e00},
        {&sf_mips_legacy, 0x7fbfffff, 0x7dff},
        {&sf_s390, 0x7fc00000, 0x7e00},
        {&sf_sparc, 0x7fffffff, 0x7fff},
        {&sf_m68k, 0x7fffffff, 0x7fff},
        {&sf_hppa, 0x7fa00000, 0x7d00},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(cases[i].profile);

        assert_ptr_equal(sf_profiles[i], cases[i].profile);
        assert_int_equal(sf_f32_sub(INF, INF, &env), cases[i].f32);
        assert_int_equal(sf_f16_sub(0x7c00, 0x7c00, &env), cases[i].f16);
        assert_int_equal(env.flags, SF_NV | SF_VXISI);
    }
    assert_null(sf_profiles[LENGTH(cases)]);
}

/* 6.2.3, and the families' orders. */
static void nans_of_two_operands(void **state)
{
    static const struct {
        const struct sf_profile *profile;
        uint32_t a, b, result, flags;
    } cases[] = {
        {&sf_riscv, QNAN_1, ONE, 0x7fc00000, 0},
        {&sf_riscv, SNAN_3, ONE, 0x7fc00000, SF_NV},
        {&sf_arm, QNAN_1, SNAN_4, SNAN_4 | QUIET, SF_NV},
        {&sf_arm, QNAN_1, QNAN_2, QNAN_1, 0},
        {&sf_arm_default_nan, QNAN_1, QNAN_2, 0x7fc00000, 0},
        {&sf_x86_sse, QNAN_1, SNAN_4, QNAN_1, SF_NV},
        {&sf_x86_sse, ONE, SNAN_4, SNAN_4 | QUIET, SF_NV},
        {&sf_x87, QNAN_1, SNAN_4, QNAN_1, SF_NV},
        {&sf_x87, SNAN_4, QNAN_1, QNAN_1, SF_NV},
        {&sf_x87, QNAN_1, QNAN_2, QNAN_2, 0},
        {&sf_x87, SNAN_3, SNAN_4, SNAN_4 | QUIET, SF_NV},
        {&sf_x87, SIGN | QNAN_1, QNAN_1, QNAN_1, 0},
        {&sf_ppc, QNAN_1, SNAN_4, QNAN_1, SF_NV},
        {&sf_s390, QNAN_1, SNAN_4, SNAN_4 | QUIET, SF_NV},
        {&sf_sparc, QNAN_1, QNAN_2, QNAN_2, 0},
        {&sf_sparc, SNAN_3, QNAN_2, SNAN_3 | QUIET, SF_NV},
        {&sf_sparc, SNAN_3, SNAN_4, SNAN_4 | QUIET, SF_NV},
        {&sf_m68k, QNAN_1, QNAN_2, QNAN_1, 0},
        /* There the first fraction bit says signaling. */
        {&sf_mips_legacy, SNAN_3, ONE, SNAN_3, 0},
        {&sf_mips_legacy, ONE, QNAN_1, 0x7fbfffff, SF_NV},
        {&sf_mips_2008, ONE, QNAN_2, QNAN_2, 0},
        {&sf_hppa, ONE, QNAN_1, 0x7fa00001, SF_NV},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(cases[i].profile);

        assert_int_equal(sf_f32_add(cases[i].a, cases[i].b, &env),
                         cases[i].result);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, cases[i].flags);
        /* Subtracting a NaN does not negate it. */
        assert_int_equal(sf_f32_sub(cases[i].a, cases[i].b, &env),
                         cases[i].result);
    }
}

/* 7.2 (c) and the families' manuals. */
static void nans_of_fma(void **state)
{
    static const struct {
        const struct sf_profile *profile;
        uint32_t a, b, c, result, flags;
    } cases[] = {
        {&sf_riscv, INF, 0, QNAN_1, 0x7fc00000, SF_NV},
        {&sf_arm, INF, 0, QNAN_1, 0x7fc00000, SF_NV},
        {&sf_arm, INF, 0, SNAN_3, SNAN_3 | QUIET, SF_NV},
        {&sf_arm, QNAN_1, ONE, QNAN_2, QNAN_2, 0},
        {&sf_x86_sse, INF, 0, QNAN_1, QNAN_1, 0},
        {&sf_x86_sse, INF, 0, SNAN_3, SNAN_3 | QUIET, SF_NV},
        {&sf_x86_sse, ONE, QNAN_1, QNAN_2, QNAN_1, 0},
        {&sf_ppc, INF, 0, QNAN_1, QNAN_1, SF_NV},
        {&sf_ppc, ONE, QNAN_1, QNAN_2, QNAN_2, 0},
        {&sf_ppc, QNAN_1, ONE, QNAN_2, QNAN_1, 0},
        {&sf_mips_2008, INF, 0, QNAN_1, QNAN_1, SF_NV},
        {&sf_mips_2008, QNAN_2, ONE, QNAN_1, QNAN_1, 0},
        {&sf_mips_legacy, INF, 0, SNAN_3, 0x7fbfffff, SF_NV},
        {&sf_s390, INF, 0, QNAN_1, 0x7fc00000, SF_NV},
        {&sf_s390, ONE, QNAN_1, QNAN_2, QNAN_1, 0},
        {&sf_sparc, ONE, QNAN_1, QNAN_2, QNAN_2, 0},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(cases[i].profile);

        assert_int_equal(
            sf_f32_fma(cases[i].a, cases[i].b, cases[i].c,
                       SF_NEGATE_PRODUCT | SF_NEGATE_ADDEND | SF_NEGATE_RESULT,
                       &env),
            cases[i].result);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, cases[i].flags);
    }
}

/* 6.2.3: payloads keep their leading bits. */
static void conversions_keep_payloads(void **state)
{
    struct sf_env arm = env_of(&sf_arm), riscv = env_of(&sf_riscv);
    struct sf_env legacy = env_of(&sf_mips_legacy);

    (void)state;
    assert_int_equal(sf_f32_to_f64(0xffc12345, &arm), 0xfff82468a0000000);
    assert_int_equal(sf_f64_to_f32(0xfff82468a0000001, &arm), 0xffc12345);
    assert_int_equal(arm.flags, 0);
    assert_int_equal(sf_f32_to_f16(0x7f802000, &arm), 0x7e01);
    assert_int_equal(arm.flags, SF_NV | SF_VXSNAN);
    assert_int_equal(sf_f32_to_f64(0xffc12345, &riscv), 0x7ff8000000000000);
    /* A quiet NaN whose leading payload bits are zero must not turn into an
     * infinity. */
    assert_int_equal(sf_f64_to_f32(0x7ff0000000000001, &legacy), 0x7fbfffff);
}

/* 754-2019 9.6, 754-2008 5.3.1, SDM vol. 2 MINSS. */
static void minimum_and_maximum(void **state)
{
    enum {
        MIN_2019 = SF_MINMAX_NUMBER,
        MAX_2019 = SF_MINMAX_NUMBER | SF_MINMAX_MAX,
        MIN_2008 = SF_MINMAX_NUM_2008,
        MAX_NAN = SF_MINMAX_NAN | SF_MINMAX_MAX,
        MIN_X86 = SF_MINMAX_X86,
        MAX_X86 = SF_MINMAX_X86 | SF_MINMAX_MAX,
        MAX_MAGNITUDE = SF_MINMAX_MAGNITUDE | SF_MINMAX_MAX,
    };
    static const struct {
        const struct sf_profile *profile;
        int variant;
        uint32_t a, b, result, flags;
    } cases[] = {
        {&sf_riscv, MIN_2019, ONE, TWO, ONE, 0},
        {&sf_riscv, MAX_2019, ONE, TWO, TWO, 0},
        {&sf_riscv, MIN_2019, 0, SIGN, SIGN, 0},
        {&sf_riscv, MAX_2019, SIGN, 0, 0, 0},
        {&sf_riscv, MIN_2019, SIGN | ONE, SIGN | TWO, SIGN | TWO, 0},
        {&sf_riscv, MIN_2019, QNAN_1, TWO, TWO, 0},
        {&sf_riscv, MIN_2019, TWO, SNAN_3, TWO, SF_NV},
        {&sf_riscv, MIN_2019, QNAN_1, SNAN_3, 0x7fc00000, SF_NV},
        {&sf_riscv, MIN_2019, QNAN_1, QNAN_2, 0x7fc00000, 0},
        {&sf_arm, MIN_2008, QNAN_1, TWO, TWO, 0},
        {&sf_arm, MIN_2008, TWO, SNAN_3, SNAN_3 | QUIET, SF_NV},
        {&sf_riscv, MAX_NAN, QNAN_1, TWO, 0x7fc00000, 0},
        {&sf_arm, MAX_NAN, TWO, QNAN_2, QNAN_2, 0},
        {&sf_x86_sse, MIN_X86, QNAN_1, TWO, TWO, SF_NV},
        {&sf_x86_sse, MIN_X86, TWO, SNAN_3, SNAN_3, SF_NV},
        {&sf_x86_sse, MAX_X86, 0, SIGN, SIGN, 0},
        {&sf_x86_sse, MIN_X86, SIGN, 0, 0, 0},
        {&sf_arm, MAX_MAGNITUDE, ONE, SIGN | TWO, SIGN | TWO, 0},
        {&sf_arm, MAX_MAGNITUDE, SIGN | TWO, TWO, TWO, 0},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(cases[i].profile);

        assert_int_equal(
            sf_f32_minmax(cases[i].a, cases[i].b, cases[i].variant, &env),
            cases[i].result);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, cases[i].flags);
    }
}

/* 5.8, and each family's answer to what does not fit. */
static void integers_out_of_range(void **state)
{
    static const struct {
        const struct sf_profile *profile;
        uint32_t nan, too_large, too_small; /* signed */
        uint32_t unsigned_nan, too_large_u, negative;
    } cases[] = {
        /* RISC-V, table of float-to-integer domains */
        {&sf_riscv, 0x7fffffff, 0x7fffffff, SIGN, ~0u, ~0u, 0},
        {&sf_arm, 0, 0x7fffffff, SIGN, 0, ~0u, 0},
        {&sf_x86_sse, SIGN, SIGN, SIGN, ~0u, ~0u, ~0u},
        {&sf_ppc, SIGN, 0x7fffffff, SIGN, 0, ~0u, 0},
        {&sf_mips_2008, 0, 0x7fffffff, SIGN, 0, ~0u, 0},
        {&sf_mips_legacy, 0x7fffffff, 0x7fffffff, 0x7fffffff, ~0u, ~0u, ~0u},
        {&sf_s390, SIGN, 0x7fffffff, SIGN, 0, ~0u, 0},
        {&sf_sparc, 0x7fffffff, 0x7fffffff, SIGN, ~0u, ~0u, 0},
    };
    const uint32_t two_31 = 0x4f000000, two_32 = 0x4f800000;

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(cases[i].profile);

#define SIGNED(v) (uint32_t) sf_f32_to_sint(v, 32, SF_RTZ, true, &env)
#define UNSIGNED(v) (uint32_t) sf_f32_to_uint(v, 32, SF_RTZ, true, &env)
        assert_int_equal(SIGNED(QNAN_1), cases[i].nan);
        assert_int_equal(SIGNED(two_31), cases[i].too_large);
        assert_int_equal(SIGNED(SIGN | two_32), cases[i].too_small);
        assert_int_equal(UNSIGNED(QNAN_1), cases[i].unsigned_nan);
        assert_int_equal(UNSIGNED(two_32), cases[i].too_large_u);
        assert_int_equal(UNSIGNED(SIGN | ONE), cases[i].negative);
        assert_int_equal(env.flags & SF_IEEE_FLAGS,
                         SF_NV | (cases[i].profile == &sf_s390 ? SF_NX : 0));
        env.flags = 0;
        assert_int_equal(SIGNED(SIGN | two_31), SIGN);
        assert_int_equal(UNSIGNED(two_31), SIGN);
        /* -1/2 truncates to zero, and that fits. */
        assert_int_equal(env.flags, 0);
        assert_int_equal(UNSIGNED(SIGN | 0x3f000000), 0);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NX);
    }
}

static void integers_of_other_widths(void **state)
{
    struct sf_env env = env_of(&sf_x87);
    const uint64_t two_15 = 0x40e0000000000000;
    const uint64_t two_127 = 0x47e0000000000000;
    const sf_u128 top = (sf_u128)1 << 127;

    (void)state;
    assert_int_equal(sf_f64_to_sint(two_15, 16, SF_RNE, true, &env), -0x8000);
    assert_int_equal(env.flags, SF_NV | SF_VXCVI);
    env.flags = 0;
    assert_true(sf_f64_to_u128(two_127, SF_RNE, true, &env) == top);
    assert_true(sf_f64_to_i128(two_127 | 1ull << 63, SF_RNE, true, &env) ==
                (sf_i128)top);
    assert_int_equal(sf_f64_from_u128(top, &env), two_127);
    assert_int_equal(sf_f64_from_i128((sf_i128)top, &env),
                     two_127 | 1ull << 63);
    assert_int_equal(env.flags, 0);
    /* 2^128 - 1 rounds up to 2^128. */
    assert_int_equal(sf_f32_from_u128(~(sf_u128)0, &env), INF);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_OF | SF_NX);
}

/* RISC-V Zfa, fcvtmod.w.d: the low 32 bits; flags as fcvt.w.d's. */
static void modular_conversion(void **state)
{
    static const struct {
        uint64_t value;
        int32_t result;
        uint32_t flags;
    } cases[] = {
        {0x3ff8000000000000, 1, SF_NX},         /* 1.5 */
        {0xbff8000000000000, -1, SF_NX},        /* -1.5 */
        {0x41efffffffe00000, -1, SF_NV},        /* 2^32 - 1 */
        {0x41f0000000100000, 1, SF_NV},         /* 2^32 + 1 */
        {0xc1f0000000100000, -1, SF_NV},        /* -(2^32 + 1) */
        {0xc1e0000000000000, INT32_MIN, 0},     /* -2^31 */
        {0xc1e00000001fffff, INT32_MIN, SF_NX}, /* a little below */
        {0xc1e0000000200000, INT32_MAX, SF_NV}, /* -2^31 - 1 */
        {0x4330000000000001, 1, SF_NV},         /* 2^52 + 1 */
        {0x4530000000000001, 0, SF_NV},         /* 2^84 + 2^32 */
        {0x7fefffffffffffff, 0, SF_NV},         {0x7ff0000000000000, 0, SF_NV},
        {0x7ff8000000000000, 0, SF_NV},         {0x8000000000000000, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(&sf_riscv);

        assert_int_equal(sf_f64_to_sint_modular(cases[i].value, 32, &env),
                         cases[i].result);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, cases[i].flags);
    }
}

/* 5.9: every mode by name, and NX only when asked for. */
static void round_to_integral(void **state)
{
    static const uint64_t two_and_a_half[6] = {
        [SF_RNE] = 0x4000000000000000, [SF_RTZ] = 0x4000000000000000,
        [SF_RDN] = 0x4000000000000000, [SF_RUP] = 0x4008000000000000,
        [SF_RMM] = 0x4008000000000000, [SF_ODD] = 0x4008000000000000,
    };
    struct sf_env env = env_of(&sf_riscv);

    (void)state;
    for (int mode = SF_RNE; mode <= SF_ODD; mode++) {
        env.flags = 0;
        assert_int_equal(
            sf_f64_round_to_int(0x4004000000000000, mode, false, &env),
            two_and_a_half[mode]);
        assert_int_equal(env.flags, 0);
        sf_f64_round_to_int(0x4004000000000000, mode, true, &env);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NX);
    }
    /* A zero keeps the operand's sign, 6.3. */
    assert_int_equal(sf_f64_round_to_int(1ull << 63 | 1, SF_RNE, false, &env),
                     1ull << 63);
}

/* 5.11, table 5.2 and 5.3. */
static void comparisons(void **state)
{
    struct sf_env env = env_of(&sf_riscv);

    (void)state;
    assert_int_equal(sf_f32_compare(0, SIGN, &env), SF_EQUAL);
    assert_int_equal(sf_f32_compare(SIGN | ONE, 1, &env), SF_LESS);
    assert_int_equal(sf_f32_compare(SIGN | ONE, SIGN | TWO, &env), SF_GREATER);
    assert_int_equal(sf_f32_compare(ONE, INF, &env), SF_LESS);
    assert_int_equal(sf_f32_compare_quiet(QNAN_1, QNAN_1, &env), SF_UNORDERED);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, 0);
    assert_int_equal(sf_f32_compare(QNAN_1, ONE, &env), SF_UNORDERED);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NV);
    env.flags = 0;
    assert_int_equal(sf_f32_compare_quiet(SNAN_3, ONE, &env), SF_UNORDERED);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NV);
}

/* Intel SDM vol. 1, table 8-3: the encodings x87 does not support. */
static void f80_encodings_of_x87(void **state)
{
    static const struct {
        struct sf_f80 value;
        enum sf_class kind;
    } cases[] = {
        {{0, 0}, SF_CLASS_POS_ZERO},
        {{1, 0x8000}, SF_CLASS_NEG_SUBNORMAL},
        {{1ull << 63, 0}, SF_CLASS_POS_SUBNORMAL}, /* pseudo-denormal */
        {{1ull << 63, 1}, SF_CLASS_POS_NORMAL},
        {{1, 1}, SF_CLASS_UNSUPPORTED},      /* unnormal */
        {{0, 0x7fff}, SF_CLASS_UNSUPPORTED}, /* pseudo-infinity */
        {{1, 0x7fff}, SF_CLASS_UNSUPPORTED}, /* pseudo-NaN */
        {{1ull << 63, 0xffff}, SF_CLASS_NEG_INF},
        {{3ull << 62, 0x7fff}, SF_CLASS_QNAN},
        {{1ull << 63 | 1, 0x7fff}, SF_CLASS_SNAN},
    };
    struct sf_env env = env_of(&sf_x87);
    struct sf_f80 sum;

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(sf_f80_classify(cases[i].value, &env), cases[i].kind);
    }
    sum = sf_f80_add(cases[4].value, cases[3].value, &env);
    assert_int_equal(sum.sign_exponent, 0xffff);
    assert_int_equal(sum.significand, 3ull << 62);
    assert_int_equal(env.flags, SF_NV | SF_VXENC);
    env.flags = 0;
    /* The pseudo-denormal is 2^-16382, and twice that has exponent 2. */
    sum = sf_f80_add(cases[2].value, cases[2].value, &env);
    assert_int_equal(sum.sign_exponent, 2);
    assert_int_equal(sum.significand, 1ull << 63);
    assert_int_equal(env.flags, SF_DE);
}

/* M68000PRM 1.6: unnormals are numbers, exponent 0 is 2^-16383. */
static void f80_encodings_of_m68k(void **state)
{
    const struct sf_f80 unnormal = {1, 0x3fff + 63};
    const struct sf_f80 least_normal = {1ull << 63, 0};
    const struct sf_f80 infinity = {0, 0x7fff};
    struct sf_env env = env_of(&sf_m68k);
    struct sf_f80 r;

    (void)state;
    assert_int_equal(sf_f80_to_f32(unnormal, &env), ONE);
    r = sf_f80_add(least_normal, least_normal, &env);
    assert_int_equal(r.sign_exponent, 1);
    assert_int_equal(r.significand, 1ull << 63);
    r = sf_f80_scaleb(least_normal, -1, &env);
    assert_int_equal(r.sign_exponent, 0);
    assert_int_equal(r.significand, 1ull << 62);
    assert_int_equal(sf_f80_to_f32(infinity, &env), INF);
    r = sf_f32_to_f80(INF, &env);
    assert_int_equal(r.sign_exponent, 0x7fff);
    assert_int_equal(r.significand, 0);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, 0);
}

/* Arm ARM, FPUnpackBase and FPRoundBase with FPCR.AHP set. */
static void alternative_half(void **state)
{
    struct sf_env env = env_of(&sf_arm);

    (void)state;
    assert_int_equal(sf_ahp_to_f32(0x7c00, &env), 0x47800000); /* 2^16 */
    assert_int_equal(sf_ahp_to_f32(0x7fff, &env), 0x47ffe000); /* 131008 */
    assert_int_equal(sf_f32_to_ahp(0x47ffe000, &env), 0x7fff);
    assert_int_equal(env.flags, 0);
    assert_int_equal(sf_f32_to_ahp(0xc8000000, &env), 0xffff); /* -2^17 */
    assert_int_equal(env.flags, SF_NV);
    assert_int_equal(sf_f32_to_ahp(INF, &env), 0x7fff);
    assert_int_equal(sf_f32_to_ahp(QNAN_2, &env), 0x8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_nans),
        cmocka_unit_test(nans_of_two_operands),
        cmocka_unit_test(nans_of_fma),
        cmocka_unit_test(conversions_keep_payloads),
        cmocka_unit_test(minimum_and_maximum),
        cmocka_unit_test(integers_out_of_range),
        cmocka_unit_test(integers_of_other_widths),
        cmocka_unit_test(modular_conversion),
        cmocka_unit_test(round_to_integral),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(f80_encodings_of_x87),
        cmocka_unit_test(f80_encodings_of_m68k),
        cmocka_unit_test(alternative_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
