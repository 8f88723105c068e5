/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions of one format.  A file defines SF_F, the format's name,
 * and SF_T, its value type, and includes this: no include guard.
 */
#include "softfloat-compare.h"
#include "softfloat-convert.h"

#define SF_PASTE_(a, b, c) a##b##c
#define SF_PASTE(a, b, c) SF_PASTE_(a, b, c)
#define SF_NAME(op) SF_PASTE(sf_, SF_F, _##op)
#define SF_FORMAT (&SF_NAME(format))
#define BITS SF_NAME(bits)
#define VALUE SF_NAME(value)

SF_T SF_NAME(add)(SF_T a, SF_T b, struct sf_env *env)
{
    return VALUE(
        sf_add_bits(BITS(a), BITS(b), false, SF_FORMAT, SF_FORMAT, env));
}

SF_T SF_NAME(sub)(SF_T a, SF_T b, struct sf_env *env)
{
    return VALUE(
        sf_add_bits(BITS(a), BITS(b), true, SF_FORMAT, SF_FORMAT, env));
}

SF_T SF_NAME(mul)(SF_T a, SF_T b, struct sf_env *env)
{
    return VALUE(sf_mul_bits(BITS(a), BITS(b), SF_FORMAT, SF_FORMAT, env));
}

SF_T SF_NAME(div)(SF_T a, SF_T b, struct sf_env *env)
{
    return VALUE(sf_div_bits(BITS(a), BITS(b), SF_FORMAT, SF_FORMAT, env));
}

SF_T SF_NAME(sqrt)(SF_T a, struct sf_env *env)
{
    return VALUE(sf_sqrt_bits(BITS(a), SF_FORMAT, SF_FORMAT, env));
}

SF_T SF_NAME(fma)(SF_T a, SF_T b, SF_T c, int options, struct sf_env *env)
{
    return VALUE(sf_fma_bits(BITS(a), BITS(b), BITS(c), options, SF_FORMAT,
                             SF_FORMAT, env));
}

SF_T SF_NAME(rem)(SF_T a, SF_T b, struct sf_env *env)
{
    uint64_t quotient;

    return VALUE(
        sf_rem_bits(BITS(a), BITS(b), SF_RNE, &quotient, SF_FORMAT, env));
}

SF_T SF_NAME(rem_quotient)(SF_T a, SF_T b, enum sf_rounding mode,
                           uint64_t *quotient, struct sf_env *env)
{
    return VALUE(sf_rem_bits(BITS(a), BITS(b), mode, quotient, SF_FORMAT, env));
}

SF_T SF_NAME(round_to_int)(SF_T a, enum sf_rounding mode, bool exact,
                           struct sf_env *env)
{
    return VALUE(sf_round_to_int_bits(BITS(a), mode, exact, SF_FORMAT, env));
}

int SF_NAME(compare)(SF_T a, SF_T b, struct sf_env *env)
{
    return sf_compare_bits(BITS(a), BITS(b), true, SF_FORMAT, env);
}

int SF_NAME(compare_quiet)(SF_T a, SF_T b, struct sf_env *env)
{
    return sf_compare_bits(BITS(a), BITS(b), false, SF_FORMAT, env);
}

SF_T SF_NAME(minmax)(SF_T a, SF_T b, int variant, struct sf_env *env)
{
    return VALUE(sf_minmax_bits(BITS(a), BITS(b), variant, SF_FORMAT, env));
}

SF_T SF_NAME(scaleb)(SF_T a, int32_t n, struct sf_env *env)
{
    return VALUE(sf_scaleb_bits(BITS(a), n, SF_FORMAT, env));
}

enum sf_class SF_NAME(classify)(SF_T a, const struct sf_env *env)
{
    return sf_classify_bits(BITS(a), SF_FORMAT, env);
}

int64_t SF_NAME(to_sint)(SF_T a, int width, enum sf_rounding mode, bool exact,
                         struct sf_env *env)
{
    const sf_u128 n =
        sf_to_integer(BITS(a), true, width, mode, exact, SF_FORMAT, env);
    const int shift = 64 - width;

    return (int64_t)((uint64_t)n << shift) >> shift;
}

uint64_t SF_NAME(to_uint)(SF_T a, int width, enum sf_rounding mode, bool exact,
                          struct sf_env *env)
{
    return (uint64_t)sf_to_integer(BITS(a), false, width, mode, exact,
                                   SF_FORMAT, env);
}

sf_i128 SF_NAME(to_i128)(SF_T a, enum sf_rounding mode, bool exact,
                         struct sf_env *env)
{
    return (sf_i128)sf_to_integer(BITS(a), true, 128, mode, exact, SF_FORMAT,
                                  env);
}

sf_u128 SF_NAME(to_u128)(SF_T a, enum sf_rounding mode, bool exact,
                         struct sf_env *env)
{
    return sf_to_integer(BITS(a), false, 128, mode, exact, SF_FORMAT, env);
}

int64_t SF_NAME(to_sint_modular)(SF_T a, int width, struct sf_env *env)
{
    const struct sf_parts p = sf_unpack(BITS(a), SF_FORMAT, env);
    const int shift = 64 - width;

    return (int64_t)((uint64_t)sf_parts_to_modular(&p, width, env) << shift) >>
           shift;
}

SF_T SF_NAME(from_sint)(int64_t n, struct sf_env *env)
{
    return VALUE(sf_from_signed(n, SF_FORMAT, env));
}

SF_T SF_NAME(from_uint)(uint64_t n, struct sf_env *env)
{
    return VALUE(sf_from_integer(false, n, SF_FORMAT, env));
}

SF_T SF_NAME(from_i128)(sf_i128 n, struct sf_env *env)
{
    return VALUE(sf_from_signed(n, SF_FORMAT, env));
}

SF_T SF_NAME(from_u128)(sf_u128 n, struct sf_env *env)
{
    return VALUE(sf_from_integer(false, n, SF_FORMAT, env));
}
