/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions between formats, to and from integers, and rounding to integral
 * values (IEEE Std 754-2019, 5.3.1, 5.4.1, 5.4.2, 5.8).  Threads: [any].
 */
#ifndef TENON_SOFTFLOAT_CONVERT_H
#define TENON_SOFTFLOAT_CONVERT_H

#include "softfloat-arith.h"

/* convert.c */
sf_u128 sf_parts_to_integer(const struct sf_parts *p, bool is_signed, int width,
                            enum sf_rounding mode, bool exact,
                            struct sf_env *env);
sf_u128 sf_parts_to_modular(const struct sf_parts *p, int width,
                            struct sf_env *env);
bool sf_round_integral(struct sf_parts *p, int mode, uint32_t *flags);

SF_INLINE sf_u128 sf_convert_bits(sf_u128 x, const struct sf_format *f,
                                  const struct sf_format *g, struct sf_env *env)
{
    const struct sf_parts a = sf_unpack(x, f, env);

    if (sf_unlikely(a.cls != SF_NUMBER)) {
        if (g->no_infinity && a.cls != SF_ZERO) {
            env->flags |= SF_NV;
            return a.cls == SF_INF ? sf_infinity(a.sign, g, env)
                                   : sf_zero(a.sign, g);
        }
        if (a.cls & SF_ANY_NAN) {
            return sf_choose_nan(&a, 1, g, env);
        }
        return a.cls == SF_INF ? sf_infinity(a.sign, g, env)
                               : sf_zero(a.sign, g);
    }
    sf_note_subnormal(a.subnormal, env);
    return sf_round_to(a.sign, a.exp, a.sig, g->precision, g, env);
}

SF_INLINE sf_u128 sf_from_integer(bool sign, sf_u128 magnitude,
                                  const struct sf_format *f, struct sf_env *env)
{
    int shift;

    if (magnitude == 0) {
        return sf_zero(false, f);
    }
    shift = sf_clz(magnitude);
    return sf_round_to(sign, 127 - shift, magnitude << shift, f->precision, f,
                       env);
}

SF_INLINE sf_u128 sf_from_signed(sf_i128 n, const struct sf_format *f,
                                 struct sf_env *env)
{
    return sf_from_integer(n < 0, n < 0 ? -(sf_u128)n : (sf_u128)n, f, env);
}

SF_INLINE sf_u128 sf_to_integer(sf_u128 x, bool is_signed, int width,
                                enum sf_rounding mode, bool exact,
                                const struct sf_format *f, struct sf_env *env)
{
    const struct sf_parts a = sf_unpack(x, f, env);

    return sf_parts_to_integer(&a, is_signed, width, mode, exact, env);
}

SF_INLINE sf_u128 sf_round_to_int_bits(sf_u128 x, enum sf_rounding mode,
                                       bool exact, const struct sf_format *f,
                                       struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    uint32_t flags = 0;

    if (a.cls & SF_ANY_NAN) {
        return sf_choose_nan(&a, 1, f, env);
    }
    if (a.cls == SF_INF) {
        return sf_infinity(a.sign, f, env);
    }
    if (a.cls == SF_ZERO) {
        return sf_zero(a.sign, f);
    }
    sf_note_subnormal(a.subnormal, env);
    if (!sf_round_integral(&a, mode == SF_CURRENT ? env->rounding : mode,
                           &flags)) {
        a.cls = SF_ZERO;
    }
    if (exact) {
        env->flags |= flags;
    }
    if (a.cls == SF_ZERO) {
        return sf_zero(a.sign, f);
    }
    /* Exact: an integer within the precision, or the operand itself. */
    return sf_round_to(a.sign, a.exp, a.sig, f->precision, f, env);
}

#endif
