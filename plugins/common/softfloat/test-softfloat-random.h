/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operands for the differential tests: deterministic, and biased
 * towards what breaks floating point: the ends of the exponent range, sparse
 * and dense fractions, operands close to each other.
 *
 * TENON_SOFTFLOAT_COUNT says how many operations a test tries (default one
 * million), TENON_SOFTFLOAT_SEED where it begins.
 */
#ifndef TENON_TEST_SOFTFLOAT_RANDOM_H
#define TENON_TEST_SOFTFLOAT_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

#include "softfloat.h"

struct random_state {
    uint64_t s;
};

/* SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
 * Generators", 2014. */
static inline uint64_t random_u64(struct random_state *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline unsigned random_below(struct random_state *r, unsigned n)
{
    return (unsigned)((random_u64(r) >> 32) * n >> 32);
}

static inline sf_u128 random_u128(struct random_state *r)
{
    const sf_u128 high = random_u64(r);

    return high << 64 | random_u64(r);
}

/* `bits` bits: zeros, ones, one bit, a run of ones, or random at either end. */
static inline sf_u128 random_fraction(struct random_state *r, unsigned bits)
{
    const sf_u128 mask = ((sf_u128)1 << bits) - 1;
    const unsigned at = random_below(r, bits), to = random_below(r, bits);

    switch (random_below(r, 8)) {
    case 0:
        return 0;
    case 1:
        return mask;
    case 2:
        return (sf_u128)1 << at;
    case 3:
        return mask ^ (sf_u128)1 << at;
    case 4:
        return mask >> at & mask << to;
    case 5:
        return random_u128(r) << at & mask;
    case 6:
        return (random_u128(r) & mask) >> at;
    default:
        return random_u128(r) & mask;
    }
}

static inline unsigned random_exponent(struct random_state *r, unsigned bits,
                                       unsigned precision)
{
    const unsigned largest = (1u << bits) - 1, bias = largest / 2;
    const unsigned near = random_below(r, 2 * precision + 3);

    switch (random_below(r, 10)) {
    case 0:
        return 0;
    case 1:
        return random_below(r, 3);
    case 2:
        return largest - random_below(r, 3);
    case 3:
        return near < largest ? near : 1;
    case 4:
        return near < largest ? largest - near : largest;
    case 5:
    case 6:
    case 7:
        return (bias - precision + near) & largest;
    default:
        return random_below(r, largest + 1);
    }
}

/* An encoding with `bits` of exponent and a fraction of precision - 1 bits. */
static inline sf_u128 random_float(struct random_state *r, unsigned bits,
                                   unsigned precision)
{
    const sf_u128 sign = random_u64(r) >> 63;
    const sf_u128 exponent = random_exponent(r, bits, precision);

    return (sign << bits | exponent) << (precision - 1) |
           random_fraction(r, precision - 1);
}

/* Another operand for one that is already there: now and then close to it, or
 * with an exponent that makes results near the ends of the range. */
static inline sf_u128 random_partner(struct random_state *r, sf_u128 other,
                                     unsigned bits, unsigned precision)
{
    const sf_u128 fraction = ((sf_u128)1 << (precision - 1)) - 1;
    const unsigned largest = (1u << bits) - 1;
    const unsigned exponent = (unsigned)(other >> (precision - 1)) & largest;
    const unsigned delta = random_below(r, precision + 4);
    const sf_u128 sign = random_u64(r) >> 63 << bits;
    sf_u128 chosen;

    switch (random_below(r, 8)) {
    case 0:
        return other ^ random_below(r, 4) ^
               (sf_u128)random_below(r, 2) << (bits + precision - 1);
    case 1:
    case 2:
        /* For sums: an exponent within the precision. */
        chosen = (exponent + delta - delta / 2 * 3) & largest;
        break;
    case 3:
        /* For products: an exponent that brings the result to the least. */
        chosen = (largest / 2 + delta - exponent - precision / 2) & largest;
        break;
    case 4:
        /* For quotients: the same. */
        chosen = (exponent + largest / 2 - delta) & largest;
        break;
    default:
        return random_float(r, bits, precision);
    }
    return (sign | chosen) << (precision - 1) |
           (random_fraction(r, precision - 1) & fraction);
}

static inline uint64_t random_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static inline uint64_t random_count(void)
{
    return random_setting("TENON_SOFTFLOAT_COUNT", 1000000);
}

static inline struct random_state random_start(void)
{
    return (struct random_state){random_setting("TENON_SOFTFLOAT_SEED", 1)};
}

#endif
