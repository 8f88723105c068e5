/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations of f16, bf16, f32, f64, f80 and f128 against MPFR:
 * results, inexact, overflow and underflow with tininess before and after
 * rounding, in the four modes both know.  Operands are finite: what NaNs and
 * infinities give is not MPFR's to say.
 */
#include <stdio.h>

#ifdef HAVE_CONFIG_H
#    include "config.h"
#endif

#ifndef HAVE_MPFR

int main(void)
{
    printf("skipped: built without MPFR (Debian: libmpfr-dev)\n");
    return 77;
}

#else

#    include <gmp.h>
#    include <mpfr.h>
#    include "softfloat.h"
#    include "test-softfloat-random.h"

#    define MAX_REPORTS 20
#    define WIDE_EXPONENT 200000

struct format {
    const char *name;
    unsigned exponent_bits;
    unsigned precision;
    bool explicit_integer;
};

static const struct format f16 = {"f16", 5, 11, false};
static const struct format bf16 = {"bf16", 8, 8, false};
static const struct format f32 = {"f32", 8, 24, false};
static const struct format f64 = {"f64", 11, 53, false};
static const struct format f80 = {"f80", 15, 64, true};
static const struct format f128 = {"f128", 15, 113, false};

static int bias_of(const struct format *f)
{
    return (1 << (f->exponent_bits - 1)) - 1;
}

/* Encodings here have no explicit integer bit; f80 gets and loses it. */
#    define in_f16(v) ((uint16_t)(v))
#    define in_bf16(v) ((uint16_t)(v))
#    define in_f32(v) ((uint32_t)(v))
#    define in_f64(v) ((uint64_t)(v))
#    define out_f16(v) (v)
#    define out_bf16(v) (v)
#    define out_f32(v) (v)
#    define out_f64(v) (v)

static struct sf_f80 in_f80(sf_u128 v)
{
    const uint16_t sign_exponent = (uint16_t)(v >> 63);
    const bool integer = (sign_exponent & 0x7fff) != 0;

    return (struct sf_f80){
        .significand = ((uint64_t)v & ~(UINT64_C(1) << 63)) | (uint64_t)integer
                                                                  << 63,
        .sign_exponent = sign_exponent,
    };
}
static sf_u128 out_f80(struct sf_f80 v)
{
    return (sf_u128)v.sign_exponent << 63 |
           (v.significand & ~(UINT64_C(1) << 63));
}
static struct sf_f128 in_f128(sf_u128 v)
{
    return (struct sf_f128){.lo = (uint64_t)v, .hi = (uint64_t)(v >> 64)};
}
static sf_u128 out_f128(struct sf_f128 v)
{
    return (sf_u128)v.hi << 64 | v.lo;
}

typedef sf_u128 (*soft_function)(const sf_u128 *v, struct sf_env *env);
typedef int (*mpfr_function)(mpfr_ptr r, mpfr_t *v, mpfr_rnd_t mode);

#    define SOFT(name, expression)                                             \
        static sf_u128 soft_##name(const sf_u128 *v, struct sf_env *env)       \
        {                                                                      \
            return (expression);                                               \
        }
#    define SOFT_FORMAT(F)                                                     \
        SOFT(F##_add, out_##F(sf_##F##_add(in_##F(v[0]), in_##F(v[1]), env)))  \
        SOFT(F##_sub, out_##F(sf_##F##_sub(in_##F(v[0]), in_##F(v[1]), env)))  \
        SOFT(F##_mul, out_##F(sf_##F##_mul(in_##F(v[0]), in_##F(v[1]), env)))  \
        SOFT(F##_div, out_##F(sf_##F##_div(in_##F(v[0]), in_##F(v[1]), env)))  \
        SOFT(F##_sqrt, out_##F(sf_##F##_sqrt(in_##F(v[0]), env)))              \
        SOFT(F##_fma, out_##F(sf_##F##_fma(in_##F(v[0]), in_##F(v[1]),         \
                                           in_##F(v[2]), 0, env)))             \
        SOFT(F##_rem, out_##F(sf_##F##_rem(in_##F(v[0]), in_##F(v[1]), env)))  \
        SOFT(F##_fmod,                                                         \
             out_##F(sf_##F##_rem_quotient(in_##F(v[0]), in_##F(v[1]), SF_RTZ, \
                                           &(uint64_t){0}, env)))              \
        SOFT(F##_rint, out_##F(sf_##F##_round_to_int(in_##F(v[0]), SF_CURRENT, \
                                                     true, env)))
#    define SOFT_NARROW(F, G)                                                  \
        SOFT(F##_add_##G,                                                      \
             out_##G(sf_##F##_add_##G(in_##F(v[0]), in_##F(v[1]), env)))       \
        SOFT(F##_sub_##G,                                                      \
             out_##G(sf_##F##_sub_##G(in_##F(v[0]), in_##F(v[1]), env)))       \
        SOFT(F##_mul_##G,                                                      \
             out_##G(sf_##F##_mul_##G(in_##F(v[0]), in_##F(v[1]), env)))       \
        SOFT(F##_div_##G,                                                      \
             out_##G(sf_##F##_div_##G(in_##F(v[0]), in_##F(v[1]), env)))       \
        SOFT(F##_sqrt_##G, out_##G(sf_##F##_sqrt_##G(in_##F(v[0]), env)))      \
        SOFT(F##_fma_##G, out_##G(sf_##F##_fma_##G(in_##F(v[0]), in_##F(v[1]), \
                                                   in_##F(v[2]), 0, env)))
#    define SOFT_CONVERT(F, T, G, U)                                           \
        SOFT(F##_to_##G, out_##G(sf_##F##_to_##G(in_##F(v[0]), env)))

#    define CONVERSIONS(X)                                                     \
        X(f16, , bf16, )                                                       \
        X(bf16, , f16, )                                                       \
        X(bf16, , f32, )                                                       \
        X(f32, , bf16, )                                                       \
        X(f32, , f16, )                                                        \
        X(f64, , bf16, ) X(f64, , f32, ) X(f64, , f16, ) X(f80, , f64, )       \
            X(f80, , bf16, ) X(f80, , f128, ) X(f128, , f16, )                 \
                X(f128, , bf16, ) X(f128, , f32, ) X(f128, , f64, )            \
                    X(f128, , f80, )

SOFT_FORMAT(f16)
SOFT_FORMAT(bf16)
SOFT_FORMAT(f32)
SOFT_FORMAT(f64)
SOFT_FORMAT(f80)
SOFT_FORMAT(f128)
SOFT_NARROW(f64, f32)
SOFT_NARROW(f80, f32)
SOFT_NARROW(f80, f64)
CONVERSIONS(SOFT_CONVERT)

#    define REFERENCE(name, ...)                                               \
        static int ref_##name(mpfr_ptr r, mpfr_t *v, mpfr_rnd_t mode)          \
        {                                                                      \
            return mpfr_##name(r, __VA_ARGS__, mode);                          \
        }
REFERENCE(add, v[0], v[1])
REFERENCE(sub, v[0], v[1])
REFERENCE(mul, v[0], v[1])
REFERENCE(div, v[0], v[1])
REFERENCE(sqrt, v[0])
REFERENCE(fma, v[0], v[1], v[2])
REFERENCE(remainder, v[0], v[1])
REFERENCE(fmod, v[0], v[1])
REFERENCE(rint, v[0])
REFERENCE(set, v[0])

struct operation {
    const char *name;
    const struct format *from, *to;
    soft_function soft;
    mpfr_function reference;
};

#    define ROW(F, name, ref)                                                  \
        {#F "_" #name, &F, &F, soft_##F##_##name, ref_##ref},
#    define ROWS(F)                                                            \
        ROW(F, add, add)                                                       \
        ROW(F, sub, sub)                                                       \
        ROW(F, mul, mul)                                                       \
        ROW(F, div, div)                                                       \
        ROW(F, sqrt, sqrt)                                                     \
        ROW(F, fma, fma) ROW(F, rem, remainder) ROW(F, fmod, fmod)             \
            ROW(F, rint, rint)
#    define NARROW_ROW(F, G, name)                                             \
        {#F "_" #name "_" #G, &F, &G, soft_##F##_##name##_##G, ref_##name},
#    define NARROW_ROWS(F, G)                                                  \
        NARROW_ROW(F, G, add)                                                  \
        NARROW_ROW(F, G, sub)                                                  \
        NARROW_ROW(F, G, mul)                                                  \
        NARROW_ROW(F, G, div) NARROW_ROW(F, G, sqrt) NARROW_ROW(F, G, fma)
#    define CONVERT_ROW(F, T, G, U)                                            \
        {#F "_to_" #G, &F, &G, soft_##F##_to_##G, ref_set},

/* clang-format off */
static const struct operation operations[] = {
    ROWS(f16) ROWS(bf16) ROWS(f32) ROWS(f64) ROWS(f80) ROWS(f128)
    NARROW_ROWS(f64, f32) NARROW_ROWS(f80, f32) NARROW_ROWS(f80, f64)
    CONVERSIONS(CONVERT_ROW)
};
static const struct { uint8_t soft; mpfr_rnd_t mpfr; } modes[4] = {
    {SF_RNE, MPFR_RNDN}, {SF_RTZ, MPFR_RNDZ},
    {SF_RDN, MPFR_RNDD}, {SF_RUP, MPFR_RNDU},
};
/* clang-format on */
#    define COUNT (sizeof operations / sizeof *operations)

/* A finite encoding's value; x has room for all formats' significands. */
static void value_of(mpfr_ptr x, sf_u128 bits, const struct format *f)
{
    const unsigned largest = (1u << f->exponent_bits) - 1;
    const unsigned field = (unsigned)(bits >> (f->precision - 1)) & largest;
    const bool sign = bits >> (f->precision - 1 + f->exponent_bits) & 1;
    sf_u128 n = bits & (((sf_u128)1 << (f->precision - 1)) - 1);
    uint64_t words[2];
    mpz_t z;

    if (field) {
        n |= (sf_u128)1 << (f->precision - 1);
    }
    words[0] = (uint64_t)n;
    words[1] = (uint64_t)(n >> 64);
    mpz_init(z);
    mpz_import(z, 2, -1, sizeof *words, 0, 0, words);
    mpfr_set_z_2exp(
        x, z, (int)(field ? field : 1) - bias_of(f) - (int)f->precision + 1,
        MPFR_RNDN);
    if (sign) {
        mpfr_neg(x, x, MPFR_RNDN);
    }
    mpz_clear(z);
}

/* The encoding of a value that the format has. */
static sf_u128 encoding_of(mpfr_ptr x, const struct format *f)
{
    const int bias = bias_of(f), p = (int)f->precision;
    const unsigned largest = (1u << f->exponent_bits) - 1;
    sf_u128 sign = (sf_u128)(mpfr_signbit(x) != 0)
                   << (f->exponent_bits + f->precision - 1);
    uint64_t words[2] = {0, 0};
    sf_u128 n;
    int exp;
    mpz_t z;

    if (mpfr_inf_p(x)) {
        return sign | (sf_u128)largest << (p - 1);
    }
    if (mpfr_zero_p(x)) {
        return sign;
    }
    exp = (int)mpfr_get_exp(x) - 1;
    if (exp < 1 - bias) {
        exp = 1 - bias;
    }
    mpz_init(z);
    mpfr_mul_2si(x, x, p - 1 - exp, MPFR_RNDN);
    mpfr_get_z(z, x, MPFR_RNDN);
    mpz_export(words, NULL, -1, sizeof *words, 0, 0, z);
    mpz_clear(z);
    n = (sf_u128)words[1] << 64 | words[0];
    /* n's integer bit adds one to the exponent field. */
    return sign | (((sf_u128)(exp + bias - 1) << (p - 1)) + n);
}

static void wide_range(void)
{
    mpfr_set_emin(-WIDE_EXPONENT);
    mpfr_set_emax(WIDE_EXPONENT);
}

static bool below(mpfr_ptr x, int exp)
{
    return mpfr_regular_p(x) && mpfr_get_exp(x) - 1 < exp;
}

/* Result and flags by MPFR; false when the operation is invalid or divides
 * by zero. */
static bool reference(const struct operation *op, mpfr_t *v, mpfr_rnd_t mode,
                      bool tiny_before, sf_u128 *bits, uint32_t *flags)
{
    const struct format *f = op->to;
    const int bias = bias_of(f);
    bool tiny, defined;
    mpfr_t r;
    int ternary;

    mpfr_init2(r, f->precision);
    op->reference(r, v, tiny_before ? MPFR_RNDZ : mode);
    tiny = below(r, 1 - bias);
    ternary = op->reference(r, v, mode);
    defined = !mpfr_nan_p(r) && !mpfr_inf_p(r);
    if (defined) {
        mpfr_clear_flags();
        mpfr_set_emin(3 - bias - (int)f->precision);
        mpfr_set_emax(bias + 1);
        ternary = mpfr_check_range(r, ternary, mode);
        ternary = mpfr_subnormalize(r, ternary, mode);
        *flags = (ternary ? SF_NX : 0) | (ternary && tiny ? SF_UF : 0) |
                 (mpfr_overflow_p() ? SF_OF : 0);
        wide_range();
        *bits = encoding_of(r, f);
    }
    mpfr_clear(r);
    return defined;
}

static bool is_finite(sf_u128 bits, const struct format *f)
{
    const unsigned largest = (1u << f->exponent_bits) - 1;

    return ((unsigned)(bits >> (f->precision - 1)) & largest) != largest;
}

int main(void)
{
    const uint64_t count = random_count();
    struct random_state r = random_start();
    unsigned long bad[COUNT] = {0}, tried[COUNT] = {0}, all_bad = 0;
    mpfr_t values[3];

    wide_range();
    for (int i = 0; i < 3; i++) {
        mpfr_init2(values[i], 113);
    }
    for (uint64_t i = 0; i < count; i++) {
        const unsigned which = random_below(&r, COUNT);
        const struct operation *op = &operations[which];
        const struct format *f = op->from;
        const unsigned mode = random_below(&r, 4);
        const bool before = random_below(&r, 2);
        struct sf_env env = {
            .profile = before ? &sf_arm : &sf_riscv,
            .rounding = modes[mode].soft,
        };
        sf_u128 v[3], want = 0, got;
        uint32_t want_flags = 0;

        v[0] = random_float(&r, f->exponent_bits, f->precision);
        v[1] = random_partner(&r, v[0], f->exponent_bits, f->precision);
        v[2] = random_partner(&r, v[random_below(&r, 2)], f->exponent_bits,
                              f->precision);
        if (!is_finite(v[0], f) || !is_finite(v[1], f) || !is_finite(v[2], f)) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            value_of(values[k], v[k], f);
        }
        if (!reference(op, values, modes[mode].mpfr, before, &want,
                       &want_flags)) {
            continue;
        }
        got = op->soft(v, &env);
        tried[which]++;
        if (got != want || (env.flags & SF_IEEE_FLAGS) != want_flags) {
            bad[which]++;
            if (all_bad++ < MAX_REPORTS) {
                printf("%s mode %d %s", op->name, env.rounding,
                       env.profile->name);
                for (int k = 0; k < 3; k++) {
                    printf(" %016llx%016llx", (unsigned long long)(v[k] >> 64),
                           (unsigned long long)v[k]);
                }
                printf(":\n    MPFR %016llx%016llx %02x, "
                       "ours %016llx%016llx %02x\n",
                       (unsigned long long)(want >> 64),
                       (unsigned long long)want, want_flags,
                       (unsigned long long)(got >> 64), (unsigned long long)got,
                       env.flags & SF_IEEE_FLAGS);
            }
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        printf("%s: %lu tried, %lu differ\n", operations[i].name, tried[i],
               bad[i]);
    }
    for (int i = 0; i < 3; i++) {
        mpfr_clear(values[i]);
    }
    mpfr_free_cache();
    return all_bad != 0;
}

#endif
