/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounding to integers (IEEE Std 754-2019, 5.8) with each processor family's
 * answer where none fits, and the public conversions between formats.
 * Threads: [any].
 */
#include "softfloat-convert.h"

/*
 * |p| as an integer, truncated, and what was cut off as a fraction of 2^128
 * whose last bit is sticky.  p->exp < 128.
 */
static sf_u128 split_integer(const struct sf_parts *p, sf_u128 *rest)
{
    const int shift = 127 - p->exp;

    if (shift == 0) {
        *rest = 0;
        return p->sig;
    }
    if (shift < 128) {
        *rest = p->sig << (128 - shift);
        return p->sig >> shift;
    }
    *rest = sf_shift_right_jam(p->sig, (unsigned)shift - 128);
    return 0;
}

/* Whether the integer n, followed by the fraction rest, goes up by one; in
 * round-to-odd, whether its last bit is to be set. */
static bool integer_goes_up(int mode, bool sign, sf_u128 n, sf_u128 rest,
                            uint32_t *flags)
{
    bool up;

    if (rest == 0) {
        return false;
    }
    up = mode == SF_ODD ? !(n & 1)
                        : sf_rounds_up(mode, sign, n & 1, rest, SF_TOP);
    *flags |= SF_NX | (up ? SF_UP : 0);
    return up;
}

/* Makes p integral.  False when it has become zero. */
bool sf_round_integral(struct sf_parts *p, int mode, uint32_t *flags)
{
    sf_u128 n, rest;

    if (p->exp >= 127) {
        return true;
    }
    n = split_integer(p, &rest);
    n += integer_goes_up(mode, p->sign, n, rest, flags);
    if (n == 0) {
        return false;
    }
    p->exp = 127 - sf_clz(n);
    p->sig = n << sf_clz(n);
    return true;
}

static sf_u128 out_of_range(enum sf_int_result how, bool sign, bool is_signed,
                            int width)
{
    const sf_u128 ones = ~(sf_u128)0 >> (128 - width);
    const sf_u128 least = is_signed ? (sf_u128)1 << (width - 1) : 0;
    const sf_u128 most = ones - least;

    switch (how) {
    case SF_INT_BY_SIGN:
        return sign ? least : most;
    case SF_INT_MAX:
        return most;
    case SF_INT_MIN:
        return least;
    case SF_INT_INDEFINITE:
        return is_signed ? least : ones;
    default:
        return 0;
    }
}

/* The low `width` bits of the integer, two's complement. */
sf_u128 sf_parts_to_integer(const struct sf_parts *p, bool is_signed, int width,
                            enum sf_rounding mode, bool exact,
                            struct sf_env *env)
{
    const struct sf_profile *profile = env->profile;
    const sf_u128 ones = ~(sf_u128)0 >> (128 - width);
    sf_u128 most = is_signed ? ones >> 1 : ones;
    sf_u128 n, rest;
    uint32_t flags = 0;

    if (p->cls == SF_ZERO) {
        return 0;
    }
    if (p->cls & SF_ANY_NAN) {
        env->flags |= SF_NV | SF_VXCVI | (p->cls == SF_SNAN ? SF_VXSNAN : 0);
        return out_of_range(profile->int_nan, p->sign, is_signed, width);
    }
    if (p->cls == SF_NUMBER && p->exp < 128) {
        n = split_integer(p, &rest);
        if (integer_goes_up(mode == SF_CURRENT ? env->rounding : mode, p->sign,
                            n, rest, &flags)) {
            n++;
            if (n == 0) {
                goto invalid;
            }
        }
        if (p->sign) {
            most = is_signed ? most + 1 : 0;
        }
        if (n <= most) {
            if (exact) {
                env->flags |= flags;
            }
            return (p->sign ? -n : n) & ones;
        }
    }
invalid:
    env->flags |= SF_NV | SF_VXCVI;
    if (exact && profile->int_overflow_inexact) {
        env->flags |= SF_NX;
    }
    return out_of_range(profile->int_overflow, p->sign, is_signed, width);
}

sf_u128 sf_parts_to_modular(const struct sf_parts *p, int width,
                            struct sf_env *env)
{
    const sf_u128 ones = ~(sf_u128)0 >> (128 - width);
    sf_u128 n = 0, rest = 0;

    if (p->cls == SF_ZERO) {
        return 0;
    }
    if (p->cls != SF_NUMBER) {
        env->flags |= SF_NV | SF_VXCVI;
        return 0;
    }
    if (p->exp < 128) {
        n = split_integer(p, &rest);
    } else if (p->exp < 256) {
        /* The integer's low 128 bits. */
        n = p->exp == 255 ? 0 : p->sig << (p->exp - 127);
    }
    if (p->exp >= width || n > (ones >> 1) + p->sign) {
        env->flags |= SF_NV | SF_VXCVI;
    } else if (rest) {
        env->flags |= SF_NX;
    }
    return (p->sign ? -n : n) & ones;
}

#define DEFINE_CONVERSION(F, T, G, U)                                          \
    U sf_##F##_to_##G(T a, struct sf_env *env)                                 \
    {                                                                          \
        return sf_##G##_value(sf_convert_bits(                                 \
            sf_##F##_bits(a), &sf_##F##_format, &sf_##G##_format, env));       \
    }
SF_CONVERSIONS(DEFINE_CONVERSION)
