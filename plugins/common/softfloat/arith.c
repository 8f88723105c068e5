/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer arithmetic on significands: product, quotient, square root, the
 * wide sum of fma, and the remainder.  Once for all formats.
 * Threads: [any].
 */
#include "softfloat-arith.h"

struct sf_u256 sf_multiply_wide(sf_u128 a, sf_u128 b)
{
    const uint64_t a1 = sf_hi(a), a0 = (uint64_t)a;
    const uint64_t b1 = sf_hi(b), b0 = (uint64_t)b;
    const sf_u128 low = (sf_u128)a0 * b0;
    const sf_u128 cross = (sf_u128)a1 * b0 + sf_hi(low);
    /* At most (2^64 - 1)^2 + 2^64 - 1: no overflow. */
    const sf_u128 middle = (sf_u128)a0 * b1 + (uint64_t)cross;

    return (struct sf_u256){
        .hi = (sf_u128)a1 * b1 + sf_hi(cross) + sf_hi(middle),
        .lo = middle << 64 | (uint64_t)low,
    };
}

/*
 * One digit, base 2^64, of long division: the 192-bit dividend high:low by
 * divisor, whose first bit is set, where dividend < divisor * 2^64.  The digit
 * is estimated from the first digit of the divisor, which makes it at most two
 * too large (Knuth, TAOCP vol. 2, 4.3.1, theorem B).
 */
static uint64_t divide_step(uint64_t high, sf_u128 low, sf_u128 divisor,
                            sf_u128 *remainder)
{
    const uint64_t d1 = sf_hi(divisor), d0 = (uint64_t)divisor;
    const sf_u128 top = (sf_u128)high << 64 | sf_hi(low);
    uint64_t digit = high >= d1 ? UINT64_MAX : (uint64_t)(top / d1);
    sf_u128 rest = top - (sf_u128)digit * d1;
    sf_u128 product = (sf_u128)digit * d0;

    while (sf_hi(rest) == 0 && (rest << 64 | (uint64_t)low) < product) {
        digit--;
        rest += d1;
        product -= d0;
    }
    /* The remainder is below the divisor, so 128 bits of it are all. */
    *remainder = (rest << 64 | (uint64_t)low) - product;
    return digit;
}

/* a / b * 2^128 for a < b, b's first bit set; the last bit is sticky. */
sf_u128 sf_divide_significands(sf_u128 a, sf_u128 b, int precision)
{
    sf_u128 rest;
    const uint64_t q1 = divide_step(sf_hi(a), a << 64, b, &rest);
    uint64_t q0;

    if (precision <= 62) {
        return (sf_u128)q1 << 64 | (rest != 0);
    }
    q0 = divide_step(sf_hi(rest), rest << 64, b, &rest);
    return (sf_u128)q1 << 64 | q0 | (rest != 0);
}

/*
 * Square roots with remainder by Zimmermann's recursion (INRIA RR-3805,
 * "Karatsuba Square Root"): from root and remainder of the upper half of a
 * number, the lower half of its root is one division.  One of the number's
 * first two bits is set, so the root's first bit is set.
 *
 * `upper` is the root of the upper half and *rest its remainder, `lower` the
 * lower half of the number, 2 * bits long; bits <= 32.
 */
static uint64_t root_step(uint64_t upper, uint64_t lower, unsigned bits,
                          sf_u128 *rest)
{
    const uint64_t a1 = lower >> bits;
    const uint64_t a0 = lower & ((UINT64_C(1) << bits) - 1);
    /* (rest * 2^bits + a1) / 2: rest may have bits + 1 bits. */
    const uint64_t half = (uint64_t)*rest << (bits - 1) | a1 >> 1;
    const uint64_t quotient = half / upper;
    const uint64_t mod = half % upper << 1 | (a1 & 1);
    sf_u128 root = ((sf_u128)upper << bits) + quotient;
    sf_i128 left = (sf_i128)(((sf_u128)mod << bits) + a0) -
                   (sf_i128)((sf_u128)quotient * quotient);

    if (left < 0) {
        left += (sf_i128)(2 * root - 1);
        root--;
    }
    *rest = (sf_u128)left;
    return (uint64_t)root;
}

static uint64_t root_16(uint32_t n, sf_u128 *rest)
{
    uint32_t root = 0;

    for (uint32_t bit = 0x80; bit; bit >>= 1) {
        const uint32_t trial = root | bit;

        root = trial * trial <= n ? trial : root;
    }
    *rest = n - root * root;
    return root;
}

static uint64_t root_128(sf_u128 n, sf_u128 *rest)
{
    const uint64_t high = sf_hi(n);
    uint64_t root = root_16((uint32_t)(high >> 48), rest);

    root = root_step(root, high >> 32 & 0xffff, 8, rest);
    root = root_step(root, high & 0xffffffff, 16, rest);
    return root_step(root, (uint64_t)n, 32, rest);
}

/* The root of n * 2^128, 128 bits; the last bit is sticky. */
sf_u128 sf_root_significand(sf_u128 n, int precision)
{
    sf_u128 rest, half, root;
    struct sf_u256 square;
    const uint64_t upper = root_128(n, &rest);

    if (precision <= 62) {
        return (sf_u128)upper << 64 | (rest != 0);
    }
    /* Significands end in zeros, so this stays below 2^128: the quotient
     * reaches 2^64 only for all ones. */
    half = rest << 63;
    root = ((sf_u128)upper << 64) + half / upper;
    for (;;) {
        square = sf_multiply_wide(root, root);
        if (square.hi < n || (square.hi == n && square.lo == 0)) {
            return root | !(square.hi == n && square.lo == 0);
        }
        root--;
    }
}

static struct sf_u256 shift_right_jam_wide(struct sf_u256 n, unsigned count)
{
    if (count == 0) {
        return n;
    }
    if (count >= 128) {
        n.lo = sf_shift_right_jam(n.hi, count - 128) | (n.lo != 0);
        n.hi = 0;
        return n;
    }
    return (struct sf_u256){
        .hi = n.hi >> count,
        .lo = n.hi << (128 - count) | sf_shift_right_jam(n.lo, count),
    };
}

/*
 * a * b + c, all numbers, for significands too wide for the product to fit in
 * 128 bits with bits to spare.  False when the sum is zero.
 */
bool sf_multiply_add_wide(const struct sf_parts *a, const struct sf_parts *b,
                          const struct sf_parts *c, struct sf_parts *r)
{
    struct sf_u256 p = sf_multiply_wide(a->sig, b->sig);
    struct sf_u256 q = {.hi = c->sig};
    struct sf_u256 sum;
    int exp = a->exp + b->exp + 1;
    bool sign = a->sign != b->sign;
    const bool subtract = sign != c->sign;
    int shift = exp - c->exp;

    if (!(p.hi & SF_TOP)) {
        p.hi = p.hi << 1 | p.lo >> 127;
        p.lo <<= 1;
        exp--;
        shift--;
    }
    if (shift < 0 || (shift == 0 && (q.hi > p.hi))) {
        const struct sf_u256 swap = p;

        p = q;
        q = swap;
        exp = c->exp;
        sign = c->sign;
        shift = -shift;
    }
    q = shift_right_jam_wide(q, (unsigned)shift);
    if (subtract) {
        sum.lo = p.lo - q.lo;
        sum.hi = p.hi - q.hi - (p.lo < q.lo);
        if ((sum.hi | sum.lo) == 0) {
            return false;
        }
    } else {
        bool carry = __builtin_add_overflow(p.lo, q.lo, &sum.lo);
        bool out = __builtin_add_overflow(p.hi, q.hi, &sum.hi);

        out |= __builtin_add_overflow(sum.hi, (sf_u128)carry, &sum.hi);
        if (out) {
            sum = shift_right_jam_wide(sum, 1);
            sum.hi |= SF_TOP;
            exp++;
        }
    }
    if (sum.hi == 0) {
        sum.hi = sum.lo;
        sum.lo = 0;
        exp -= 128;
    }
    shift = sf_clz(sum.hi);
    if (shift) {
        sum.hi = sum.hi << shift | sum.lo >> (128 - shift);
        sum.lo <<= shift;
        exp -= shift;
    }
    *r = (struct sf_parts){
        .sig = sum.hi | (sum.lo != 0),
        .exp = exp,
        .cls = SF_NUMBER,
        .sign = sign,
    };
    return true;
}

/*
 * |a| = |b| * n + r, n truncated: r < |b|.  Returns n modulo 2^64 and leaves r
 * in *r, whose class is SF_ZERO if there is nothing left.
 */
uint64_t sf_remainder_parts(const struct sf_parts *a, const struct sf_parts *b,
                            struct sf_parts *r)
{
    sf_u128 rest = a->sig;
    uint64_t quotient = 0;
    int count = a->exp - b->exp;

    *r = *a;
    r->subnormal = false;
    if (count < 0) {
        return 0;
    }
    if (rest >= b->sig) {
        rest -= b->sig;
        quotient = 1;
    }
    while (count > 0 && rest) {
        const int step = count < 64 ? count : 64;
        const uint64_t high = (uint64_t)(rest >> (128 - step));
        const uint64_t digit = divide_step(high, rest << step, b->sig, &rest);

        quotient = step < 64 ? quotient << step | digit : digit;
        count -= step;
    }
    if (rest == 0) {
        r->cls = SF_ZERO;
        return count < 64 ? quotient << count : 0;
    }
    r->exp = b->exp - sf_clz(rest);
    r->sig = rest << sf_clz(rest);
    return quotient;
}
