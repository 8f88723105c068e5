/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unpacked form all operations work on, and the two ways between it and a
 * format: unpacking, and rounding (IEEE Std 754-2019, clauses 3.4, 4.3, 7.4
 * and 7.5).  Private to this directory.
 *
 * Encodings are held in 128 bits whatever the format, so that one function
 * serves them all; formats are constant tables, and always_inline lets the
 * compiler make a specialised copy for each.  Threads: [any].
 */
#ifndef TENON_SOFTFLOAT_CORE_H
#define TENON_SOFTFLOAT_CORE_H

#include "softfloat.h"

#define SF_INLINE static inline __attribute__((always_inline))
#define SF_COLD __attribute__((cold, noinline))
#define sf_likely(x) __builtin_expect(!!(x), 1)
#define sf_unlikely(x) __builtin_expect(!!(x), 0)

struct sf_format {
    uint8_t id;
    uint8_t precision; /* bits of significand, the integer bit included */
    uint8_t exponent_bits;
    uint8_t fraction_bits; /* stored; the integer bit included if explicit */
    bool explicit_integer;
    bool no_infinity; /* the largest exponent holds numbers */
    int bias;         /* also the largest exponent, where that is not */
};

static const struct sf_format sf_f16_format = {
    SF_F16, 11, 5, 10, false, false, 15,
};
static const struct sf_format sf_bf16_format = {
    SF_BF16, 8, 8, 7, false, false, 127,
};
static const struct sf_format sf_f32_format = {
    SF_F32, 24, 8, 23, false, false, 127,
};
static const struct sf_format sf_f64_format = {
    SF_F64, 53, 11, 52, false, false, 1023,
};
static const struct sf_format sf_f80_format = {
    SF_F80, 64, 15, 64, true, false, 16383,
};
static const struct sf_format sf_f128_format = {
    SF_F128, 113, 15, 112, false, false, 16383,
};
static const struct sf_format sf_ahp_format = {
    SF_AHP, 11, 5, 10, false, true, 15,
};

/* Classes of unpacked operands, as bits, so that those of several operands
 * can be tested together. */
enum {
    SF_ZERO = 1,
    SF_NUMBER = 2, /* finite, not zero */
    SF_INF = 4,
    SF_QNAN = 8,
    SF_SNAN = 16,
    SF_BAD = 32, /* an encoding the profile's f80 does not support */
    SF_ANY_NAN = SF_QNAN | SF_SNAN | SF_BAD,
};

/*
 * The value of a SF_NUMBER is sig * 2^(exp - 127), bit 127 of sig set, whether
 * or not its format held it as a subnormal.  In a NaN, bit 127 is set and the
 * fraction follows it, so that payloads line up at the most significant bit.
 *
 * On the way to rounding the lowest bit of sig is sticky: it stands for all
 * the bits that fell off below.  The widest format leaves 15 bits between.
 */
struct sf_parts {
    sf_u128 sig;
    int32_t exp;
    uint8_t cls;
    bool sign;
    bool subnormal;
};

#define SF_TOP ((sf_u128)1 << 127)
#define SF_QUIET_BIT ((sf_u128)1 << 126)

SF_INLINE uint64_t sf_hi(sf_u128 n)
{
    return (uint64_t)(n >> 64);
}

/* Leading zeros; n != 0. */
SF_INLINE int sf_clz(sf_u128 n)
{
    return sf_hi(n) ? __builtin_clzll(sf_hi(n))
                    : 64 + __builtin_clzll((uint64_t)n);
}

/* Shift right; ones that fall off make the lowest bit one. */
SF_INLINE sf_u128 sf_shift_right_jam(sf_u128 n, unsigned count)
{
    if (count == 0) {
        return n;
    }
    if (count > 127) {
        return n != 0;
    }
    return n >> count | ((n << (128 - count)) != 0);
}

/* arith.c */
struct sf_u256 {
    sf_u128 hi;
    sf_u128 lo;
};
struct sf_u256 sf_multiply_wide(sf_u128 a, sf_u128 b);

/* round.c */
sf_u128 sf_default_nan(const struct sf_format *f, const struct sf_env *env);
sf_u128 sf_choose_nan(const struct sf_parts *p, int count,
                      const struct sf_format *f, struct sf_env *env);
sf_u128 sf_invalid(uint32_t reason, const struct sf_format *f,
                   struct sf_env *env);
sf_u128 sf_round_overflow(bool sign, int exp, sf_u128 sig, uint32_t flags,
                          int precision, const struct sf_format *f,
                          struct sf_env *env);
sf_u128 sf_round_tiny(bool sign, int exp, sf_u128 sig, int precision,
                      const struct sf_format *f, struct sf_env *env);
void sf_unpack_f80(sf_u128 bits, struct sf_parts *p, struct sf_env *env);

/* The smallest exponent of a normal number. */
SF_INLINE int sf_emin(const struct sf_format *f, const struct sf_env *env)
{
    if (f->id == SF_F80 && env->profile->f80_kind == SF_F80_M68K) {
        return -f->bias;
    }
    return 1 - f->bias;
}

SF_INLINE int sf_emax(const struct sf_format *f)
{
    return f->bias + f->no_infinity;
}

/* To how many bits arithmetic rounds; conversions always to all. */
SF_INLINE int sf_precision(const struct sf_format *f, const struct sf_env *env)
{
    if (f->id == SF_F80 && env->f80_precision) {
        return env->f80_precision;
    }
    return f->precision;
}

SF_INLINE sf_u128 sf_sign_bit(bool sign, const struct sf_format *f)
{
    return (sf_u128)sign << (f->exponent_bits + f->fraction_bits);
}

SF_INLINE sf_u128 sf_zero(bool sign, const struct sf_format *f)
{
    return sf_sign_bit(sign, f);
}

/* The largest exponent and no fraction, but an explicit integer bit. */
SF_INLINE sf_u128 sf_special(bool sign, const struct sf_format *f)
{
    sf_u128 n = (((sf_u128)1 << f->exponent_bits) - 1) << f->fraction_bits;

    if (f->explicit_integer) {
        n |= (sf_u128)1 << (f->fraction_bits - 1);
    }
    return sf_sign_bit(sign, f) | n;
}

/* Where there is no infinity, the largest number. */
SF_INLINE sf_u128 sf_infinity(bool sign, const struct sf_format *f,
                              const struct sf_env *env)
{
    sf_u128 n = sf_special(sign, f);

    if (f->explicit_integer && env->profile->f80_kind == SF_F80_M68K) {
        n ^= (sf_u128)1 << (f->fraction_bits - 1);
    }
    if (f->no_infinity) {
        n |= ((sf_u128)1 << f->fraction_bits) - 1;
    }
    return n;
}

/* Once for all formats; f80's less usual encodings are out of line. */
SF_INLINE struct sf_parts sf_unpack(sf_u128 bits, const struct sf_format *f,
                                    struct sf_env *env)
{
    struct sf_parts p;
    const unsigned largest = (1u << f->exponent_bits) - 1;
    const unsigned field = (unsigned)(bits >> f->fraction_bits) & largest;
    const sf_u128 fraction = bits & (((sf_u128)1 << f->fraction_bits) - 1);
    const int align = 127 - f->fraction_bits;

    p.sign = (bits >> (f->fraction_bits + f->exponent_bits)) & 1;
    p.subnormal = false;
    p.exp = (int)field - f->bias;
    if (f->explicit_integer) {
        p.sig = fraction << 64;
        p.cls = SF_NUMBER;
        if (sf_unlikely(field == 0 || field == largest || !(p.sig & SF_TOP))) {
            sf_unpack_f80(bits, &p, env);
        }
        return p;
    }
    p.sig = fraction << align | SF_TOP;
    if (sf_likely(field - 1 < largest - 1) || (f->no_infinity && field)) {
        p.cls = SF_NUMBER;
    } else if (field == 0) {
        if (fraction == 0) {
            p.cls = SF_ZERO;
        } else if (env->daz & SF_FORMAT_BIT(f->id)) {
            p.cls = SF_ZERO;
            env->flags |= SF_DF;
        } else {
            const int shift = sf_clz(fraction << align);

            p.cls = SF_NUMBER;
            p.subnormal = true;
            p.sig = fraction << align << shift;
            p.exp = 1 - f->bias - shift;
        }
    } else if (fraction == 0) {
        p.cls = SF_INF;
    } else {
        const bool first = (p.sig & SF_QUIET_BIT) != 0;

        p.cls = first != env->profile->signaling_bit_is_one ? SF_QNAN : SF_SNAN;
    }
    return p;
}

/*
 * Whether rounding takes the next larger magnitude, by 4.3.  `rest` is what is
 * cut off, `half` the weight of its first bit; rest is not 0.
 */
SF_INLINE bool sf_rounds_up(int mode, bool sign, bool odd, sf_u128 rest,
                            sf_u128 half)
{
    switch (mode) {
    case SF_RNE:
        return rest > half || (rest == half && odd);
    case SF_RMM:
        return rest >= half;
    case SF_RDN:
        return sign;
    case SF_RUP:
        return !sign;
    default:
        return false;
    }
}

/* Cuts sig to its first `precision` bits; returns the integer they make, which
 * may have become 2^precision. */
SF_INLINE sf_u128 sf_round_bits(int mode, bool sign, sf_u128 sig, int precision,
                                uint32_t *flags)
{
    const int shift = 128 - precision;
    const sf_u128 rest = sig & (((sf_u128)1 << shift) - 1);
    const sf_u128 half = (sf_u128)1 << (shift - 1);
    sf_u128 n = sig >> shift;

    if (rest) {
        *flags |= SF_NX;
        if (mode == SF_ODD) {
            n |= 1;
        } else if (sf_rounds_up(mode, sign, n & 1, rest, half)) {
            *flags |= SF_UP;
            n++;
        }
    }
    return n;
}

/* The encoding of a normal number from its precision-bit integer. */
SF_INLINE sf_u128 sf_pack(bool sign, int exp, sf_u128 n, int precision,
                          const struct sf_format *f)
{
    const unsigned largest = (1u << f->exponent_bits) - 1;
    const sf_u128 field = (unsigned)(exp + f->bias) & largest;

    if (f->explicit_integer) {
        n <<= f->fraction_bits - precision;
    } else {
        n &= ((sf_u128)1 << f->fraction_bits) - 1;
    }
    return sf_sign_bit(sign, f) | field << f->fraction_bits | n;
}

/* sig * 2^(exp - 127), bit 127 of sig set, rounded to the format. */
SF_INLINE sf_u128 sf_round_to(bool sign, int exp, sf_u128 sig, int precision,
                              const struct sf_format *f, struct sf_env *env)
{
    uint32_t flags = 0;
    sf_u128 n;

    if (sf_unlikely(exp < sf_emin(f, env))) {
        return sf_round_tiny(sign, exp, sig, precision, f, env);
    }
    n = sf_round_bits(env->rounding, sign, sig, precision, &flags);
    if (sf_unlikely(n >> precision)) {
        n >>= 1;
        exp++;
    }
    if (sf_unlikely(exp > sf_emax(f))) {
        return sf_round_overflow(sign, exp, n, flags, precision, f, env);
    }
    env->flags |= flags;
    return sf_pack(sign, exp, n, precision, f);
}

/* Encodings to and from the values of the public functions. */
SF_INLINE sf_u128 sf_f16_bits(uint16_t v)
{
    return v;
}
SF_INLINE uint16_t sf_f16_value(sf_u128 bits)
{
    return (uint16_t)bits;
}
#define sf_bf16_bits sf_f16_bits
#define sf_bf16_value sf_f16_value
#define sf_ahp_bits sf_f16_bits
#define sf_ahp_value sf_f16_value

SF_INLINE sf_u128 sf_f32_bits(uint32_t v)
{
    return v;
}
SF_INLINE uint32_t sf_f32_value(sf_u128 bits)
{
    return (uint32_t)bits;
}
SF_INLINE sf_u128 sf_f64_bits(uint64_t v)
{
    return v;
}
SF_INLINE uint64_t sf_f64_value(sf_u128 bits)
{
    return (uint64_t)bits;
}
SF_INLINE sf_u128 sf_f80_bits(struct sf_f80 v)
{
    return (sf_u128)v.sign_exponent << 64 | v.significand;
}
SF_INLINE struct sf_f80 sf_f80_value(sf_u128 bits)
{
    return (struct sf_f80){
        .significand = (uint64_t)bits,
        .sign_exponent = (uint16_t)(bits >> 64),
    };
}
SF_INLINE sf_u128 sf_f128_bits(struct sf_f128 v)
{
    return (sf_u128)v.hi << 64 | v.lo;
}
SF_INLINE struct sf_f128 sf_f128_value(sf_u128 bits)
{
    return (struct sf_f128){.lo = (uint64_t)bits, .hi = sf_hi(bits)};
}

#endif
