/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounding, overflow, underflow and the exact cases of arithmetic, from cases
 * worked out by hand after IEEE Std 754-2019; sections are cited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "softfloat.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* binary32 */
#define ONE 0x3f800000u
#define ONE_ULP 0x34000000u  /* 2^-23, the last bit of 1 */
#define HALF_ULP 0x33800000u /* 2^-24 */
#define MAX 0x7f7fffffu
#define INF 0x7f800000u
#define LEAST 0x00000001u  /* 2^-149 */
#define NORMAL 0x00800000u /* 2^-126, the least normal number */
#define SIGN 0x80000000u

static struct sf_env env_of(const struct sf_profile *profile,
                            enum sf_rounding rounding)
{
    return (struct sf_env){.profile = profile, .rounding = rounding};
}

/* 4.3: 1 + 2^-24 lies halfway between 1 and its successor. */
static void ties_go_where_the_attribute_says(void **state)
{
    static const struct {
        enum sf_rounding mode;
        uint32_t a, b, sum;
    } cases[] = {
        {SF_RNE, ONE, HALF_ULP, ONE},
        {SF_RNE, ONE + 1, HALF_ULP, ONE + 2},
        {SF_RMM, ONE, HALF_ULP, ONE + 1},
        {SF_RTZ, ONE, HALF_ULP, ONE},
        {SF_RUP, ONE, HALF_ULP, ONE + 1},
        {SF_RDN, ONE, HALF_ULP, ONE},
        {SF_ODD, ONE, HALF_ULP, ONE + 1},
        {SF_ODD, ONE + 1, HALF_ULP, ONE + 1},
        {SF_RNE, SIGN | ONE, SIGN | HALF_ULP, SIGN | ONE},
        {SF_RMM, SIGN | ONE, SIGN | HALF_ULP, SIGN | (ONE + 1)},
        {SF_RUP, SIGN | ONE, SIGN | HALF_ULP, SIGN | ONE},
        {SF_RDN, SIGN | ONE, SIGN | HALF_ULP, SIGN | (ONE + 1)},
        /* A little more than a tie, by the least number there is. */
        {SF_RNE, ONE, HALF_ULP + 1, ONE + 1},
        {SF_RUP, ONE, LEAST, ONE + 1},
        {SF_RDN, ONE, SIGN | LEAST, ONE - 1},
        {SF_RNE, ONE, SIGN | LEAST, ONE},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(&sf_riscv, cases[i].mode);

        assert_int_equal(sf_f32_add(cases[i].a, cases[i].b, &env),
                         cases[i].sum);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NX);
    }
}

/* 7.4: what overflow delivers in each direction. */
static void overflow_is_infinite_or_largest(void **state)
{
    static const struct {
        enum sf_rounding mode;
        uint32_t positive, negative;
    } cases[] = {
        {SF_RNE, INF, SIGN | INF}, {SF_RMM, INF, SIGN | INF},
        {SF_RTZ, MAX, SIGN | MAX}, {SF_RUP, INF, SIGN | MAX},
        {SF_RDN, MAX, SIGN | INF}, {SF_ODD, MAX, SIGN | MAX},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(&sf_riscv, cases[i].mode);

        assert_int_equal(sf_f32_add(MAX, MAX, &env), cases[i].positive);
        assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_OF | SF_NX);
        assert_int_equal(sf_f32_mul(SIGN | MAX, MAX, &env), cases[i].negative);
    }
}

/* 7.4: 2^128 - 2^103 is the tie between the largest number and overflow. */
static void overflow_begins_at_half_an_ulp(void **state)
{
    struct sf_env env = env_of(&sf_riscv, SF_RNE);
    const uint32_t half_ulp_of_max = 0x73000000; /* 2^103 */

    (void)state;
    assert_int_equal(sf_f32_add(MAX, half_ulp_of_max - 1, &env), MAX);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NX);
    assert_int_equal(sf_f32_add(MAX, half_ulp_of_max, &env), INF);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_NX | SF_OF);
}

/*
 * 7.5: 2^-126 - 2^-151 is below the least normal number, but with 24 bits and
 * no limit to the exponent it is a tie between that one and its predecessor,
 * and goes to the even one.
 */
static void tininess_is_detected_before_or_after(void **state)
{
    /* 2^-151 is no number of the format, but the product of these. */
    const uint32_t a = 0x1a000000; /* 2^-75 */
    const uint32_t b = 0x19800000; /* 2^-76 */
    struct sf_env after = env_of(&sf_riscv, SF_RNE);
    struct sf_env before = env_of(&sf_arm, SF_RNE);

    (void)state;
    assert_int_equal(sf_f32_fma(a, b, NORMAL, SF_NEGATE_PRODUCT, &after),
                     NORMAL);
    assert_int_equal(after.flags & SF_IEEE_FLAGS, SF_NX);
    assert_int_equal(sf_f32_fma(a, b, NORMAL, SF_NEGATE_PRODUCT, &before),
                     NORMAL);
    assert_int_equal(before.flags & SF_IEEE_FLAGS, SF_NX | SF_UF);
}

/* 7.5: an exact subnormal result raises nothing. */
static void exact_subnormals_do_not_underflow(void **state)
{
    struct sf_env env = env_of(&sf_arm, SF_RNE);

    (void)state;
    assert_int_equal(sf_f32_sub(NORMAL, LEAST, &env), NORMAL - 1);
    assert_int_equal(sf_f32_mul(NORMAL, 0x3f000000, &env), NORMAL / 2);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, 0);
    /* Half the least number is a tie between it and zero. */
    assert_int_equal(sf_f32_mul(LEAST, 0x3f000000, &env), 0);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_UF | SF_NX);
}

/* 6.3: the sign of an exact zero sum. */
static void zero_sums_have_the_attributes_sign(void **state)
{
    struct sf_env down = env_of(&sf_riscv, SF_RDN);
    struct sf_env near = env_of(&sf_riscv, SF_RNE);

    (void)state;
    assert_int_equal(sf_f32_sub(ONE, ONE, &near), 0);
    assert_int_equal(sf_f32_sub(ONE, ONE, &down), SIGN);
    assert_int_equal(sf_f32_add(SIGN, SIGN, &near), SIGN);
    assert_int_equal(sf_f32_add(0, SIGN, &near), 0);
    assert_int_equal(sf_f32_add(0, SIGN, &down), SIGN);
    assert_int_equal(sf_f32_sqrt(SIGN, &near), SIGN);
    assert_int_equal(sf_f32_fma(ONE, ONE, SIGN | ONE, 0, &down), SIGN);
    assert_int_equal(near.flags | down.flags, 0);
}

/* 7.2, 7.3: which operations are invalid, and which divide by zero. */
static void invalid_operations_say_why(void **state)
{
    struct sf_env env;

    (void)state;
#define INVALID(call, reason)                                                  \
    env = env_of(&sf_x86_sse, SF_RNE);                                         \
    assert_int_equal(call, 0xffc00000u);                                       \
    assert_int_equal(env.flags, SF_NV | (reason));
    INVALID(sf_f32_sub(INF, INF, &env), SF_VXISI)
    INVALID(sf_f32_mul(INF, 0, &env), SF_VXIMZ)
    INVALID(sf_f32_div(INF, INF, &env), SF_VXIDI)
    INVALID(sf_f32_div(0, SIGN, &env), SF_VXZDZ)
    INVALID(sf_f32_sqrt(SIGN | LEAST, &env), SF_VXSQRT)
    INVALID(sf_f32_rem(INF, ONE, &env), SF_VXREM)
    INVALID(sf_f32_rem(ONE, 0, &env), SF_VXREM)
    INVALID(sf_f32_fma(INF, ONE, SIGN | INF, 0, &env), SF_VXISI)
#undef INVALID
    env = env_of(&sf_x86_sse, SF_RNE);
    assert_int_equal(sf_f32_div(SIGN | ONE, 0, &env), SIGN | INF);
    assert_int_equal(env.flags, SF_DZ);
    env.flags = 0;
    assert_int_equal(sf_f32_div(INF, 0, &env), INF);
    assert_int_equal(env.flags, 0);
}

/* 5.4.1: one rounding. (1 + 2^-23)^2 - 1 - 2^-22 = 2^-46 exactly. */
static void fma_rounds_once(void **state)
{
    struct sf_env env = env_of(&sf_riscv, SF_RNE);
    const uint32_t c = SIGN | (ONE + 2);

    (void)state;
    assert_int_equal(sf_f32_fma(ONE + 1, ONE + 1, c, 0, &env), 0x28800000);
    assert_int_equal(sf_f32_fma(ONE + 1, ONE + 1, c, SF_NEGATE_RESULT, &env),
                     SIGN | 0x28800000);
    assert_int_equal(sf_f32_fma(ONE + 1, ONE + 1, c, SF_HALVE_RESULT, &env),
                     0x28000000);
    assert_int_equal(env.flags, 0);
}

/* 5.3.1: the quotient is rounded to nearest even, and x87's truncated. */
static void remainders_follow_their_quotient(void **state)
{
    static const struct {
        uint32_t a, b;
        enum sf_rounding mode;
        uint32_t rest;
        uint64_t quotient;
    } cases[] = {
        /* 5 rem 3 = -1 (n 2); 5 fmod 3 = 2 (n 1) */
        {0x40a00000, 0x40400000, SF_RNE, SIGN | ONE, 2},
        {0x40a00000, 0x40400000, SF_RTZ, 0x40000000, 1},
        /* 5 rem 2 = 1 (2.5 ties to 2); 3 rem 2 = -1 (1.5 ties to 2) */
        {0x40a00000, 0x40000000, SF_RNE, ONE, 2},
        {0x40400000, 0x40000000, SF_RNE, SIGN | ONE, 2},
        /* A zero has the dividend's sign. */
        {SIGN | 0x40c00000, 0x40400000, SF_RNE, SIGN, 2},
        /* -5 by 3 towards minus infinity: n -2, 1 left. */
        {SIGN | 0x40a00000, 0x40400000, SF_RDN, ONE, 2},
        {ONE, INF, SF_RTZ, ONE, 0},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct sf_env env = env_of(&sf_riscv, SF_RNE);
        uint64_t quotient;

        assert_int_equal(sf_f32_rem_quotient(cases[i].a, cases[i].b,
                                             cases[i].mode, &quotient, &env),
                         cases[i].rest);
        assert_int_equal(quotient, cases[i].quotient);
        assert_int_equal(env.flags, 0);
    }
}

/* 5.3.3 */
static void scaleb_rounds_only_at_the_ends(void **state)
{
    struct sf_env env = env_of(&sf_riscv, SF_RNE);

    (void)state;
    assert_int_equal(sf_f32_scaleb(LEAST, 149, &env), ONE);
    assert_int_equal(sf_f32_scaleb(ONE, -149, &env), LEAST);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, 0);
    assert_int_equal(sf_f32_scaleb(ONE, INT32_MAX, &env), INF);
    assert_int_equal(sf_f32_scaleb(SIGN | ONE, INT32_MIN, &env), SIGN);
    assert_int_equal(env.flags & SF_IEEE_FLAGS, SF_OF | SF_UF | SF_NX);
}

/* Arm's FZ looks before rounding and raises UF alone, x86's FTZ after and
 * raises UF and NX; both tell of flushed operands. */
static void flushing_is_as_the_profile_says(void **state)
{
    struct sf_env arm = env_of(&sf_arm, SF_RNE);
    struct sf_env sse = env_of(&sf_x86_sse, SF_RNE);
    const uint32_t half = 0x3f000000;

    (void)state;
    arm.ftz = arm.daz = SF_FORMAT_BIT(SF_F32);
    sse.ftz = sse.daz = SF_FORMAT_BIT(SF_F32);
    assert_int_equal(sf_f32_mul(SIGN | NORMAL, half, &arm), SIGN);
    assert_int_equal(arm.flags, SF_UF);
    assert_int_equal(sf_f32_mul(SIGN | NORMAL, half, &sse), SIGN);
    assert_int_equal(sse.flags, SF_UF | SF_NX);
    arm.flags = 0;
    assert_int_equal(sf_f32_add(LEAST, ONE, &arm), ONE);
    assert_int_equal(arm.flags, SF_DF);
    /* Another format is not touched. */
    assert_int_equal(sf_f64_add(1, 1, &arm), 2);
    sse.daz = 0;
    sse.flags = 0;
    assert_int_equal(sf_f32_mul(LEAST, ONE, &sse), 0);
    assert_int_equal(sse.flags, SF_DE | SF_UF | SF_NX);
}

/* 754-1985, 7.3, 7.4: bias adjust 192 for single. */
static void enabled_traps_wrap_the_exponent(void **state)
{
    struct sf_env env = env_of(&sf_ppc, SF_RNE);
    const uint32_t bias = 192u << 23;

    (void)state;
    env.traps = SF_OF | SF_UF;
    /* 2^127 * 2^127 = 2^254 -> 2^62 */
    assert_int_equal(sf_f32_mul(0x7f000000, 0x7f000000, &env), 0x5e800000);
    assert_int_equal(env.flags, SF_OF);
    env.flags = 0;
    /* 2^-126 / 2 = 2^-127, exact, -> 2^65 */
    assert_int_equal(sf_f32_mul(NORMAL, 0x3f000000, &env), bias);
    assert_int_equal(env.flags, SF_UF);
}

/* x87 precision control: 1 + 2^-24 is a number of the format, and a tie when
 * rounding to 24 bits. */
static void f80_rounds_to_the_precision_asked_for(void **state)
{
    const struct sf_f80 one = {UINT64_C(1) << 63, 0x3fff};
    const struct sf_f80 small = {UINT64_C(1) << 63, 0x3fff - 24};
    struct sf_env env = env_of(&sf_x87, SF_RUP);
    struct sf_f80 sum;

    (void)state;
    sum = sf_f80_add(one, small, &env);
    assert_int_equal(sum.significand,
                     (UINT64_C(1) << 63) + (UINT64_C(1) << 39));
    assert_int_equal(env.flags, 0);
    env.f80_precision = 24;
    sum = sf_f80_add(one, small, &env);
    assert_int_equal(sum.significand,
                     (UINT64_C(1) << 63) + (UINT64_C(1) << 40));
    assert_int_equal(env.flags, SF_NX | SF_UP);
}

/* 5.4.1, formatOf: 1 + 2^-24 + 2^-53 to binary32 is above the tie; through
 * binary64 it would be the tie itself. */
static void narrowing_rounds_once(void **state)
{
    struct sf_env env = env_of(&sf_ppc, SF_RNE);
    const uint64_t a = 0x3ff0000010000000; /* 1 + 2^-24 */
    const uint64_t b = 0x3c90000000000000; /* 2^-54 */

    (void)state;
    assert_int_equal(sf_f64_add_f32(a, b, &env), ONE + 1);
    assert_int_equal(sf_f64_to_f32(sf_f64_add(a, b, &env), &env), ONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties_go_where_the_attribute_says),
        cmocka_unit_test(overflow_is_infinite_or_largest),
        cmocka_unit_test(overflow_begins_at_half_an_ulp),
        cmocka_unit_test(tininess_is_detected_before_or_after),
        cmocka_unit_test(exact_subnormals_do_not_underflow),
        cmocka_unit_test(zero_sums_have_the_attributes_sign),
        cmocka_unit_test(invalid_operations_say_why),
        cmocka_unit_test(fma_rounds_once),
        cmocka_unit_test(remainders_follow_their_quotient),
        cmocka_unit_test(scaleb_rounds_only_at_the_ends),
        cmocka_unit_test(flushing_is_as_the_profile_says),
        cmocka_unit_test(enabled_traps_wrap_the_exponent),
        cmocka_unit_test(f80_rounds_to_the_precision_asked_for),
        cmocka_unit_test(narrowing_rounds_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
