/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formatOf operations of IEEE Std 754-2019, 5.4.1: operands of a wider
 * format, rounded once to a narrower one.  Threads: [any].
 */
#include "softfloat-arith.h"

#define DEFINE_NARROWING(F, T, G, U)                                           \
    U sf_##F##_add_##G(T a, T b, struct sf_env *env)                           \
    {                                                                          \
        return sf_##G##_value(sf_add_bits(sf_##F##_bits(a), sf_##F##_bits(b),  \
                                          false, &sf_##F##_format,             \
                                          &sf_##G##_format, env));             \
    }                                                                          \
    U sf_##F##_sub_##G(T a, T b, struct sf_env *env)                           \
    {                                                                          \
        return sf_##G##_value(sf_add_bits(sf_##F##_bits(a), sf_##F##_bits(b),  \
                                          true, &sf_##F##_format,              \
                                          &sf_##G##_format, env));             \
    }                                                                          \
    U sf_##F##_mul_##G(T a, T b, struct sf_env *env)                           \
    {                                                                          \
        return sf_##G##_value(sf_mul_bits(sf_##F##_bits(a), sf_##F##_bits(b),  \
                                          &sf_##F##_format, &sf_##G##_format,  \
                                          env));                               \
    }                                                                          \
    U sf_##F##_div_##G(T a, T b, struct sf_env *env)                           \
    {                                                                          \
        return sf_##G##_value(sf_div_bits(sf_##F##_bits(a), sf_##F##_bits(b),  \
                                          &sf_##F##_format, &sf_##G##_format,  \
                                          env));                               \
    }                                                                          \
    U sf_##F##_sqrt_##G(T a, struct sf_env *env)                               \
    {                                                                          \
        return sf_##G##_value(sf_sqrt_bits(sf_##F##_bits(a), &sf_##F##_format, \
                                           &sf_##G##_format, env));            \
    }                                                                          \
    U sf_##F##_fma_##G(T a, T b, T c, int options, struct sf_env *env)         \
    {                                                                          \
        return sf_##G##_value(                                                 \
            sf_fma_bits(sf_##F##_bits(a), sf_##F##_bits(b), sf_##F##_bits(c),  \
                        options, &sf_##F##_format, &sf_##G##_format, env));    \
    }
SF_NARROWING(DEFINE_NARROWING)
