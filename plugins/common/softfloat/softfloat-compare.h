/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison, minimum and maximum, and classification (IEEE Std 754-2019,
 * 5.7.2, 5.11, 9.6; 754-2008, 5.3.1).  Threads: [any].
 */
#ifndef TENON_SOFTFLOAT_COMPARE_H
#define TENON_SOFTFLOAT_COMPARE_H

#include "softfloat-arith.h"

/* SF_LESS, SF_EQUAL or SF_GREATER for magnitudes that are not NaNs. */
SF_INLINE int sf_compare_magnitudes(const struct sf_parts *a,
                                    const struct sf_parts *b)
{
    if (a->cls != b->cls) {
        /* Their bits are in the order of size. */
        return a->cls < b->cls ? SF_LESS : SF_GREATER;
    }
    if (a->cls != SF_NUMBER) {
        return SF_EQUAL;
    }
    if (a->exp != b->exp) {
        return a->exp < b->exp ? SF_LESS : SF_GREATER;
    }
    return a->sig == b->sig ? SF_EQUAL : a->sig < b->sig ? SF_LESS : SF_GREATER;
}

SF_INLINE int sf_compare_parts(const struct sf_parts *a,
                               const struct sf_parts *b)
{
    int relation;

    if ((a->cls & b->cls) == SF_ZERO) {
        return SF_EQUAL;
    }
    if (a->sign != b->sign) {
        return a->sign ? SF_LESS : SF_GREATER;
    }
    relation = sf_compare_magnitudes(a, b);
    return a->sign ? -relation : relation;
}

/* Raises what comparing NaNs raises. */
SF_INLINE void sf_compare_nans(int seen, bool signaling, struct sf_env *env)
{
    if (seen & (SF_SNAN | SF_BAD)) {
        env->flags |= SF_NV | (seen & SF_BAD ? SF_VXENC : SF_VXSNAN);
    }
    if (signaling) {
        env->flags |= SF_NV | SF_VXVC;
    }
}

SF_INLINE int sf_compare_bits(sf_u128 x, sf_u128 y, bool signaling,
                              const struct sf_format *f, struct sf_env *env)
{
    const struct sf_parts a = sf_unpack(x, f, env);
    const struct sf_parts b = sf_unpack(y, f, env);

    if (sf_unlikely((a.cls | b.cls) & SF_ANY_NAN)) {
        sf_compare_nans(a.cls | b.cls, signaling, env);
        return SF_UNORDERED;
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    return sf_compare_parts(&a, &b);
}

/* The operand x, or zero if it was unpacked as that. */
SF_INLINE sf_u128 sf_operand(sf_u128 x, const struct sf_parts *p,
                             const struct sf_format *f)
{
    return p->cls == SF_ZERO ? sf_zero(p->sign, f) : x;
}

SF_INLINE sf_u128 sf_minmax_bits(sf_u128 x, sf_u128 y, int variant,
                                 const struct sf_format *f, struct sf_env *env)
{
    const struct sf_parts a = sf_unpack(x, f, env);
    const struct sf_parts b = sf_unpack(y, f, env);
    const int seen = a.cls | b.cls;
    const int kind = variant & SF_MINMAX_KIND;
    int relation = SF_EQUAL;

    if (seen & SF_ANY_NAN) {
        if (kind == SF_MINMAX_X86) {
            sf_compare_nans(seen, true, env);
            return sf_operand(y, &b, f);
        }
        if (kind == SF_MINMAX_NAN || (seen & SF_BAD) ||
            (a.cls & b.cls & SF_ANY_NAN) ||
            (a.cls | b.cls) == (SF_QNAN | SF_SNAN) ||
            (kind == SF_MINMAX_NUM_2008 && (seen & SF_SNAN))) {
            return sf_nan_of_two(a, b, f, env);
        }
        sf_compare_nans(seen, false, env);
        return a.cls & SF_ANY_NAN ? sf_operand(y, &b, f) : sf_operand(x, &a, f);
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    if (variant & SF_MINMAX_MAGNITUDE) {
        relation = sf_compare_magnitudes(&a, &b);
    }
    if (relation == SF_EQUAL) {
        relation = sf_compare_parts(&a, &b);
    }
    if (relation == SF_EQUAL) {
        if (kind == SF_MINMAX_X86) {
            return sf_operand(y, &b, f);
        }
        relation = a.sign == b.sign ? SF_EQUAL : a.sign ? SF_LESS : SF_GREATER;
    }
    if (variant & SF_MINMAX_MAX) {
        relation = -relation;
    }
    return relation == SF_LESS || relation == SF_EQUAL ? sf_operand(x, &a, f)
                                                       : sf_operand(y, &b, f);
}

SF_INLINE enum sf_class sf_classify_bits(sf_u128 x, const struct sf_format *f,
                                         const struct sf_env *env)
{
    struct sf_env quiet = {.profile = env->profile};
    const struct sf_parts a = sf_unpack(x, f, &quiet);

    switch (a.cls) {
    case SF_ZERO:
        return a.sign ? SF_CLASS_NEG_ZERO : SF_CLASS_POS_ZERO;
    case SF_NUMBER:
        if (a.subnormal) {
            return a.sign ? SF_CLASS_NEG_SUBNORMAL : SF_CLASS_POS_SUBNORMAL;
        }
        return a.sign ? SF_CLASS_NEG_NORMAL : SF_CLASS_POS_NORMAL;
    case SF_INF:
        return a.sign ? SF_CLASS_NEG_INF : SF_CLASS_POS_INF;
    case SF_QNAN:
        return SF_CLASS_QNAN;
    case SF_SNAN:
        return SF_CLASS_SNAN;
    default:
        return SF_CLASS_UNSUPPORTED;
    }
}

#endif
