/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uncommon ends of an operation: NaN results (IEEE Std 754-2019, 6.2),
 * overflow and underflow (7.4, 7.5), and the odd encodings of f80.  Out of
 * line, once for all formats.  Threads: [any].
 */
#include <stddef.h>

#include "softfloat-core.h"

SF_COLD sf_u128 sf_default_nan(const struct sf_format *f,
                               const struct sf_env *env)
{
    const struct sf_profile *profile = env->profile;
    const int bits = f->precision - 1;
    sf_u128 fraction = (sf_u128)profile->default_nan_fraction << 120;

    if (profile->default_nan_fraction & 1) {
        fraction |= ((sf_u128)1 << 120) - 1;
    }
    return sf_special(profile->default_nan_sign, f) | fraction >> (128 - bits);
}

SF_COLD sf_u128 sf_invalid(uint32_t reason, const struct sf_format *f,
                           struct sf_env *env)
{
    env->flags |= SF_NV | reason;
    return sf_default_nan(f, env);
}

/* The NaN p made quiet and cut to the format, 6.2.3. */
static sf_u128 quiet_nan(const struct sf_parts *p, const struct sf_format *f,
                         const struct sf_env *env)
{
    const int bits = f->precision - 1;
    sf_u128 sig = p->sig;
    sf_u128 fraction;

    if (p->cls == SF_SNAN) {
        if (!env->profile->signaling_bit_is_one) {
            sig |= SF_QUIET_BIT;
        } else if (env->profile->quiets_by_second_bit) {
            sig = (sig & ~SF_QUIET_BIT) | SF_QUIET_BIT >> 1;
        } else {
            return sf_default_nan(f, env);
        }
    }
    /* A quiet NaN whose leading bits are zero must not become infinity. */
    fraction = sig << 1 >> (128 - bits);
    if (fraction == 0) {
        return sf_default_nan(f, env);
    }
    return sf_special(p->sign, f) | fraction;
}

/* Intel SDM vol. 1, table 4-7; for two NaNs of one kind. */
static const struct sf_parts *larger_nan(const struct sf_parts *a,
                                         const struct sf_parts *b)
{
    /* A signaling NaN is compared before it is made quiet. */
    if (a->sig != b->sig) {
        return a->sig > b->sig ? a : b;
    }
    return a->sign ? b : a;
}

static const struct sf_parts *choose_x87(const struct sf_parts *p, int count,
                                         int seen)
{
    const int kind = seen & SF_QNAN ? SF_QNAN : SF_SNAN;
    const struct sf_parts *best = NULL;

    for (int i = 0; i < count; i++) {
        if (p[i].cls == kind) {
            best = best ? larger_nan(best, &p[i]) : &p[i];
        }
    }
    return best;
}

/* The first operand in the order whose class is one of `wanted`. */
static const struct sf_parts *choose_first(const struct sf_parts *p, int count,
                                           const struct sf_profile *profile,
                                           int wanted)
{
    static const uint8_t only[1] = {0};
    const uint8_t *order = count == 1   ? only
                           : count == 2 ? profile->nan2
                                        : profile->nan3;

    for (int i = 0; i < count; i++) {
        if (p[order[i]].cls & wanted) {
            return &p[order[i]];
        }
    }
    return NULL;
}

/* The result of an operation some of whose operands are NaNs. */
SF_COLD sf_u128 sf_choose_nan(const struct sf_parts *p, int count,
                              const struct sf_format *f, struct sf_env *env)
{
    const struct sf_profile *profile = env->profile;
    const struct sf_parts *chosen;
    int seen = 0;

    for (int i = 0; i < count; i++) {
        seen |= p[i].cls;
    }
    if (seen & SF_BAD) {
        return sf_invalid(SF_VXENC, f, env);
    }
    if (seen & SF_SNAN) {
        env->flags |= SF_NV | SF_VXSNAN;
    }
    if (profile->nan_choice == SF_NAN_DEFAULT || env->default_nan) {
        return sf_default_nan(f, env);
    }
    if (profile->nan_choice == SF_NAN_X87) {
        chosen = choose_x87(p, count, seen);
    } else if (profile->nan_choice == SF_NAN_SIGNALING_FIRST &&
               (seen & SF_SNAN)) {
        chosen = choose_first(p, count, profile, SF_SNAN);
    } else {
        chosen = choose_first(p, count, profile, SF_QNAN | SF_SNAN);
    }
    return quiet_nan(chosen, f, env);
}

/* By how much a trapped overflow or underflow moves the exponent: 754-1985,
 * 7.3 and 7.4. */
static int trap_bias(const struct sf_format *f)
{
    return 3 << (f->exponent_bits - 2);
}

/* A result whose exponent, rounded, is too large.  sig is an integer of
 * `precision` bits. */
SF_COLD sf_u128 sf_round_overflow(bool sign, int exp, sf_u128 sig,
                                  uint32_t flags, int precision,
                                  const struct sf_format *f, struct sf_env *env)
{
    const sf_u128 ones = ((sf_u128)1 << precision) - 1;

    if (f->no_infinity) {
        env->flags |= SF_NV;
        return sf_infinity(sign, f, env);
    }
    if (env->traps & SF_OF) {
        env->flags |= flags | SF_OF;
        return sf_pack(sign, exp - trap_bias(f), sig, precision, f);
    }
    env->flags |= flags | SF_OF | SF_NX;
    if (env->rounding == SF_RNE || env->rounding == SF_RMM ||
        env->rounding == (sign ? SF_RDN : SF_RUP)) {
        env->flags |= SF_UP;
        return sf_infinity(sign, f, env);
    }
    return sf_pack(sign, sf_emax(f), ones, precision, f);
}

/*
 * A result that is tiny before rounding: below 2^emin.  With tininess after
 * rounding it is not tiny if rounding to full precision, the exponent range
 * unbounded, makes it 2^emin (7.5).
 */
SF_COLD sf_u128 sf_round_tiny(bool sign, int exp, sf_u128 sig, int precision,
                              const struct sf_format *f, struct sf_env *env)
{
    const struct sf_profile *profile = env->profile;
    const int emin = sf_emin(f, env);
    const int mode = env->rounding;
    uint32_t unbounded_flags = 0, flags = 0;
    sf_u128 n = sf_round_bits(mode, sign, sig, precision, &unbounded_flags);
    bool tiny =
        profile->tiny_before_rounding || exp < emin - 1 || !(n >> precision);

    if ((env->ftz & SF_FORMAT_BIT(f->id)) &&
        (tiny || profile->flush_before_rounding)) {
        env->flags |= profile->flush_flags;
        return sf_zero(sign, f);
    }
    if (tiny && (env->traps & SF_UF)) {
        if (n >> precision) {
            n >>= 1;
            exp++;
        }
        env->flags |= unbounded_flags | SF_UF;
        return sf_pack(sign, exp + trap_bias(f), n, precision, f);
    }

    n = sf_round_bits(mode, sign, sf_shift_right_jam(sig, emin - exp),
                      precision, &flags);
    if (tiny && (flags & SF_NX)) {
        flags |= SF_UF;
    }
    env->flags |= flags;
    /* Having rounded up to 2^emin, n carries into the exponent; with an
     * explicit integer bit, that is the same bit. */
    if (f->explicit_integer) {
        n <<= f->fraction_bits - precision;
        if (emin + f->bias == 1) {
            n += n >> (f->fraction_bits - 1) << f->fraction_bits;
        }
    }
    return sf_sign_bit(sign, f) | n;
}

/* An f80 whose exponent is the smallest or largest, or whose integer bit is
 * clear.  p holds sign, exponent and significand as for a normal number. */
SF_COLD void sf_unpack_f80(sf_u128 bits, struct sf_parts *p, struct sf_env *env)
{
    const bool m68k = env->profile->f80_kind == SF_F80_M68K;
    const unsigned field = (unsigned)(bits >> 64) & 0x7fff;
    const bool integer = (p->sig & SF_TOP) != 0;

    if (field == 0x7fff) {
        if (!integer && !m68k) {
            p->cls = SF_BAD;
            return;
        }
        p->sig |= SF_TOP;
        if (p->sig == SF_TOP) {
            p->cls = SF_INF;
        } else {
            const bool first = (p->sig & SF_QUIET_BIT) != 0;

            p->cls =
                first != env->profile->signaling_bit_is_one ? SF_QNAN : SF_SNAN;
        }
        return;
    }
    if (field != 0 && !m68k) {
        p->cls = SF_BAD;
        return;
    }
    if (p->sig == 0) {
        p->cls = SF_ZERO;
        return;
    }
    p->subnormal = field == 0 && !(m68k && integer);
    if (p->subnormal && (env->daz & SF_FORMAT_BIT(SF_F80))) {
        p->cls = SF_ZERO;
        env->flags |= SF_DF;
        return;
    }
    p->cls = SF_NUMBER;
    if (field == 0) {
        p->exp = sf_emin(&sf_f80_format, env);
    }
    p->exp -= sf_clz(p->sig);
    p->sig <<= sf_clz(p->sig);
}
