/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic on encodings: add, multiply, divide, square root, fused
 * multiply-add, remainder, scaleB (IEEE Std 754-2019, 5.3 and 5.4).  Each is
 * written once, with the operands' format f and the result's g constant in
 * every caller.  Threads: [any].
 */
#ifndef TENON_SOFTFLOAT_ARITH_H
#define TENON_SOFTFLOAT_ARITH_H

#include "softfloat-core.h"

sf_u128 sf_divide_significands(sf_u128 a, sf_u128 b, int precision);
sf_u128 sf_root_significand(sf_u128 n, int precision);
bool sf_multiply_add_wide(const struct sf_parts *a, const struct sf_parts *b,
                          const struct sf_parts *c, struct sf_parts *r);
uint64_t sf_remainder_parts(const struct sf_parts *a, const struct sf_parts *b,
                            struct sf_parts *r);

SF_INLINE sf_u128 sf_round_parts(const struct sf_parts *p,
                                 const struct sf_format *g, struct sf_env *env)
{
    return sf_round_to(p->sign, p->exp, p->sig, sf_precision(g, env), g, env);
}

/* Only operations that go on to compute with the operand call this: invalid
 * ones and those with a NaN do not notice that another one is subnormal. */
SF_INLINE void sf_note_subnormal(bool subnormal, struct sf_env *env)
{
    if (sf_unlikely(subnormal)) {
        env->flags |= SF_DE;
    }
}

/* The sign of an exact zero sum of operands of unlike signs, 6.3. */
SF_INLINE bool sf_cancelled_sign(const struct sf_env *env)
{
    return env->rounding == SF_RDN;
}

SF_COLD static sf_u128 sf_nan_of_two(struct sf_parts a, struct sf_parts b,
                                     const struct sf_format *g,
                                     struct sf_env *env)
{
    const struct sf_parts p[2] = {a, b};

    return sf_choose_nan(p, 2, g, env);
}

/* a + b, numbers whose significands have two zero bits at the end.  False
 * when the sum is zero. */
SF_INLINE bool sf_add_parts(struct sf_parts a, struct sf_parts b,
                            struct sf_parts *r)
{
    const bool subtract = a.sign != b.sign;

    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        const struct sf_parts swap = a;

        a = b;
        b = swap;
    }
    *r = a;
    b.sig = sf_shift_right_jam(b.sig, (unsigned)(a.exp - b.exp));
    if (subtract) {
        int shift;

        r->sig -= b.sig;
        if (r->sig == 0) {
            return false;
        }
        shift = sf_clz(r->sig);
        r->sig <<= shift;
        r->exp -= shift;
    } else if (__builtin_add_overflow(a.sig, b.sig, &r->sig)) {
        r->sig = SF_TOP | r->sig >> 1 | (r->sig & 1);
        r->exp++;
    }
    return true;
}

SF_INLINE sf_u128 sf_add_bits(sf_u128 x, sf_u128 y, bool negate_y,
                              const struct sf_format *f,
                              const struct sf_format *g, struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    struct sf_parts b = sf_unpack(y, f, env);
    struct sf_parts r;

    if (sf_unlikely((a.cls | b.cls) & SF_ANY_NAN)) {
        return sf_nan_of_two(a, b, g, env);
    }
    b.sign ^= negate_y;
    if (sf_unlikely((a.cls | b.cls) != SF_NUMBER)) {
        if (a.cls == SF_INF && b.cls == SF_INF && a.sign != b.sign) {
            return sf_invalid(SF_VXISI, g, env);
        }
        sf_note_subnormal(a.subnormal | b.subnormal, env);
        if ((a.cls | b.cls) & SF_INF) {
            return sf_infinity(a.cls == SF_INF ? a.sign : b.sign, g, env);
        }
        if (a.cls == b.cls) {
            return sf_zero(a.sign == b.sign ? a.sign : sf_cancelled_sign(env),
                           g);
        }
        return sf_round_parts(a.cls == SF_NUMBER ? &a : &b, g, env);
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    if (!sf_add_parts(a, b, &r)) {
        return sf_zero(sf_cancelled_sign(env), g);
    }
    return sf_round_parts(&r, g, env);
}

/* The product of two numbers; the last bit is sticky if the significands
 * have more than 64 bits. */
SF_INLINE struct sf_parts sf_multiply_parts(const struct sf_parts *a,
                                            const struct sf_parts *b,
                                            int precision)
{
    struct sf_parts r = {
        .exp = a->exp + b->exp + 1,
        .cls = SF_NUMBER,
        .sign = a->sign != b->sign,
    };

    if (precision <= 64) {
        r.sig = (sf_u128)sf_hi(a->sig) * sf_hi(b->sig);
    } else {
        const struct sf_u256 p = sf_multiply_wide(a->sig, b->sig);

        /* 226 bits at most: those below are no more than sticky even if the
         * whole moves up by one. */
        r.sig = p.hi | (p.lo != 0);
    }
    if (!(r.sig & SF_TOP)) {
        r.sig <<= 1;
        r.exp--;
    }
    return r;
}

SF_INLINE sf_u128 sf_mul_bits(sf_u128 x, sf_u128 y, const struct sf_format *f,
                              const struct sf_format *g, struct sf_env *env)
{
    const struct sf_parts a = sf_unpack(x, f, env);
    const struct sf_parts b = sf_unpack(y, f, env);
    const bool sign = a.sign != b.sign;
    struct sf_parts r;

    if (sf_unlikely((a.cls | b.cls) != SF_NUMBER)) {
        if ((a.cls | b.cls) & SF_ANY_NAN) {
            return sf_nan_of_two(a, b, g, env);
        }
        if ((a.cls | b.cls) == (SF_INF | SF_ZERO)) {
            return sf_invalid(SF_VXIMZ, g, env);
        }
        sf_note_subnormal(a.subnormal | b.subnormal, env);
        return (a.cls | b.cls) & SF_INF ? sf_infinity(sign, g, env)
                                        : sf_zero(sign, g);
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    r = sf_multiply_parts(&a, &b, f->precision);
    return sf_round_parts(&r, g, env);
}

SF_INLINE sf_u128 sf_div_bits(sf_u128 x, sf_u128 y, const struct sf_format *f,
                              const struct sf_format *g, struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    const struct sf_parts b = sf_unpack(y, f, env);
    const bool sign = a.sign != b.sign;

    if (sf_unlikely((a.cls | b.cls) != SF_NUMBER)) {
        if ((a.cls | b.cls) & SF_ANY_NAN) {
            return sf_nan_of_two(a, b, g, env);
        }
        if (a.cls == b.cls) {
            return sf_invalid(a.cls == SF_INF ? SF_VXIDI : SF_VXZDZ, g, env);
        }
        if (a.cls == SF_NUMBER && b.cls == SF_ZERO) {
            env->flags |= SF_DZ;
            return sf_infinity(sign, g, env);
        }
        sf_note_subnormal(a.subnormal | b.subnormal, env);
        return a.cls == SF_INF || b.cls == SF_ZERO ? sf_infinity(sign, g, env)
                                                   : sf_zero(sign, g);
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    a.exp -= b.exp;
    if (a.sig >= b.sig) {
        a.sig >>= 1;
    } else {
        a.exp--;
    }
    a.sign = sign;
    a.sig = sf_divide_significands(a.sig, b.sig, f->precision);
    return sf_round_parts(&a, g, env);
}

SF_INLINE sf_u128 sf_sqrt_bits(sf_u128 x, const struct sf_format *f,
                               const struct sf_format *g, struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);

    if (sf_unlikely(a.cls & SF_ANY_NAN)) {
        return sf_choose_nan(&a, 1, g, env);
    }
    if (a.cls == SF_ZERO) {
        return sf_zero(a.sign, g);
    }
    if (a.sign) {
        return sf_invalid(SF_VXSQRT, g, env);
    }
    if (a.cls == SF_INF) {
        return sf_infinity(false, g, env);
    }
    sf_note_subnormal(a.subnormal, env);
    if (!(a.exp & 1)) {
        a.sig >>= 1;
    }
    /* The exponent halved, towards minus infinity. */
    a.exp = (a.exp - (a.exp & 1)) / 2;
    a.sig = sf_root_significand(a.sig, f->precision);
    return sf_round_parts(&a, g, env);
}

SF_COLD static sf_u128 sf_fma_nan(struct sf_parts a, struct sf_parts b,
                                  struct sf_parts c, const struct sf_format *g,
                                  struct sf_env *env)
{
    const struct sf_parts p[3] = {a, b, c};
    const int infzero = env->profile->infzero;

    if ((a.cls | b.cls) == (SF_INF | SF_ZERO) && infzero != SF_INFZERO_NAN) {
        if (c.cls == SF_QNAN || infzero == SF_INFZERO_NAN_NV) {
            env->flags |= SF_NV | SF_VXIMZ;
        }
        /* A signaling addend comes before the product's fault. */
        if (c.cls == SF_QNAN && infzero == SF_INFZERO_DEFAULT) {
            return sf_default_nan(g, env);
        }
    }
    return sf_choose_nan(p, 3, g, env);
}

SF_INLINE sf_u128 sf_fma_bits(sf_u128 x, sf_u128 y, sf_u128 z, int options,
                              const struct sf_format *f,
                              const struct sf_format *g, struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    const struct sf_parts b = sf_unpack(y, f, env);
    struct sf_parts c = sf_unpack(z, f, env);
    const sf_u128 flip = sf_sign_bit((options & SF_NEGATE_RESULT) != 0, g);
    struct sf_parts r;
    bool sign, nonzero;

    if (sf_unlikely((a.cls | b.cls | c.cls) & SF_ANY_NAN)) {
        return sf_fma_nan(a, b, c, g, env);
    }
    a.sign ^= (options & SF_NEGATE_PRODUCT) != 0;
    c.sign ^= (options & SF_NEGATE_ADDEND) != 0;
    sign = a.sign != b.sign;
    if (sf_unlikely((a.cls | b.cls) == (SF_INF | SF_ZERO))) {
        return sf_invalid(SF_VXIMZ, g, env);
    }
    if (sf_unlikely((a.cls | b.cls) & SF_INF)) {
        if (c.cls == SF_INF && c.sign != sign) {
            return sf_invalid(SF_VXISI, g, env);
        }
        sf_note_subnormal(a.subnormal | b.subnormal | c.subnormal, env);
        return sf_infinity(sign, g, env) ^ flip;
    }
    sf_note_subnormal(a.subnormal | b.subnormal | c.subnormal, env);
    if (sf_unlikely(c.cls == SF_INF)) {
        return sf_infinity(c.sign, g, env) ^ flip;
    }
    if (sf_unlikely((a.cls | b.cls) != SF_NUMBER)) {
        if (c.cls == SF_ZERO) {
            return sf_zero(c.sign == sign ? sign : sf_cancelled_sign(env), g) ^
                   flip;
        }
        r = c;
    } else if (sf_unlikely(c.cls == SF_ZERO)) {
        r = sf_multiply_parts(&a, &b, f->precision);
    } else {
        if (f->precision <= 62) {
            r = sf_multiply_parts(&a, &b, f->precision);
            nonzero = sf_add_parts(r, c, &r);
        } else {
            nonzero = sf_multiply_add_wide(&a, &b, &c, &r);
        }
        if (!nonzero) {
            return sf_zero(sf_cancelled_sign(env), g) ^ flip;
        }
    }
    if (options & SF_HALVE_RESULT) {
        r.exp--;
    }
    return sf_round_parts(&r, g, env) ^ flip;
}

SF_INLINE sf_u128 sf_rem_bits(sf_u128 x, sf_u128 y, enum sf_rounding mode,
                              uint64_t *quotient, const struct sf_format *f,
                              struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    struct sf_parts b = sf_unpack(y, f, env);
    struct sf_parts r;
    struct sf_parts twice;
    uint64_t n;
    bool up;

    *quotient = 0;
    if (mode == SF_CURRENT) {
        mode = env->rounding;
    }
    if ((a.cls | b.cls) & SF_ANY_NAN) {
        return sf_nan_of_two(a, b, f, env);
    }
    if (a.cls == SF_INF || b.cls == SF_ZERO) {
        return sf_invalid(SF_VXREM, f, env);
    }
    sf_note_subnormal(a.subnormal | b.subnormal, env);
    if (a.cls == SF_ZERO) {
        return sf_zero(a.sign, f);
    }
    if (b.cls == SF_INF) {
        r = a;
        n = 0;
    } else {
        n = sf_remainder_parts(&a, &b, &r);
        if (r.cls == SF_ZERO) {
            *quotient = n;
            return sf_zero(a.sign, f);
        }
        /* Twice the rest against the divisor is the quotient's fraction
         * against one half. */
        twice = r;
        twice.exp++;
        up = twice.exp > b.exp || (twice.exp == b.exp && twice.sig > b.sig);
        up = sf_rounds_up(
            mode, a.sign != b.sign, n & 1,
            up ? 3 : 1 + (twice.exp == b.exp && twice.sig == b.sig), 2);
        if (up || (mode == SF_ODD && !(n & 1))) {
            n++;
            b.sign = !a.sign;
            /* r < |b|, so this cannot be zero. */
            sf_add_parts(r, b, &r);
        }
    }
    *quotient = n;
    return sf_round_to(r.sign, r.exp, r.sig, f->precision, f, env);
}

SF_INLINE sf_u128 sf_scaleb_bits(sf_u128 x, int32_t n,
                                 const struct sf_format *f, struct sf_env *env)
{
    struct sf_parts a = sf_unpack(x, f, env);
    /* Past every overflow and underflow, and far from that of int. */
    const int32_t limit = 100000;

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
    a.exp += n < -limit ? -limit : n > limit ? limit : n;
    return sf_round_to(a.sign, a.exp, a.sig, f->precision, f, env);
}

#endif
