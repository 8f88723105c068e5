/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations against the host's x87 unit: results, the six exception
 * flags and C1, in all rounding modes and precisions, unsupported encodings
 * included.  Skips on hosts that are not x86-64.
 */
#include <stdio.h>

#ifndef __x86_64__

int main(void)
{
    printf("skipped: the host has no x87 unit\n");
    return 77;
}

#else

#    include <string.h>
#    include "softfloat.h"
#    include "test-softfloat-random.h"

#    define CONTROL_MASKS 0x3fu
#    define STATUS_C1 0x0200u
#    define STATUS_INEXACT 0x20u
#    define MAX_REPORTS 20

struct job {
    struct sf_f80 a, b;
    uint64_t bits; /* integer, f32 or f64, operand or result */
    struct sf_f80 result;
    uint16_t control;
    uint16_t status;
    int32_t n;
    uint64_t quotient; /* low three bits */
};

static const uint8_t roundings[4] = {SF_RNE, SF_RDN, SF_RUP, SF_RTZ};
/* The control word's precision field; 1 is reserved. */
static const uint8_t precisions[4] = {24, 0, 53, 64};

/* a in st(0), b in st(1); code leaves one value more than it found. */
#    define HOST(name, code)                                                   \
        static void host_##name(struct job *j)                                 \
        {                                                                      \
            uint16_t saved;                                                    \
            __asm__ volatile(                                                  \
                "fnstcw %[saved]\n\tfldcw %[control]\n\tfnclex\n\t"            \
                "fldt %[b]\n\tfldt %[a]\n\t" code "\n\t"                       \
                "fnstsw %[status]\n\tfstpt %[result]\n\t"                      \
                "fstp %%st\n\tfnclex\n\tfldcw %[saved]"                        \
                : [saved] "=&m"(saved), [status] "=&m"(j->status),             \
                  [result] "=&m"(j->result)                                    \
                : [control] "m"(j->control), [a] "m"(j->a), [b] "m"(j->b)      \
                : "cc", "rax");                                                \
        }
/* Repeats until C2 says that the reduction is complete. */
#    define HOST_REM(name, code)                                               \
        HOST(name, "0: " code "\n\tfnstsw %%ax\n\t"                            \
                   "testl $0x400, %%eax\n\tjnz 0b")
#    define HOST_STORE(name, code)                                             \
        static void host_##name(struct job *j)                                 \
        {                                                                      \
            uint16_t saved;                                                    \
            j->bits = 0;                                                       \
            __asm__ volatile(                                                  \
                "fnstcw %[saved]\n\tfldcw %[control]\n\tfnclex\n\t"            \
                "fldt %[a]\n\t" code " %[bits]\n\t"                            \
                "fnstsw %[status]\n\tfnclex\n\tfldcw %[saved]"                 \
                : [saved] "=&m"(saved), [status] "=&m"(j->status),             \
                  [bits] "+m"(j->bits)                                         \
                : [control] "m"(j->control), [a] "m"(j->a));                   \
        }
#    define HOST_LOAD(name, code)                                              \
        static void host_##name(struct job *j)                                 \
        {                                                                      \
            uint16_t saved;                                                    \
            __asm__ volatile(                                                  \
                "fnstcw %[saved]\n\tfldcw %[control]\n\tfnclex\n\t" code       \
                " %[bits]\n\t"                                                 \
                "fnstsw %[status]\n\tfstpt %[result]\n\t"                      \
                "fnclex\n\tfldcw %[saved]"                                     \
                : [saved] "=&m"(saved), [status] "=&m"(j->status),             \
                  [result] "=&m"(j->result)                                    \
                : [control] "m"(j->control), [bits] "m"(j->bits));             \
        }

HOST(add, "fadd %%st(1), %%st")
HOST(sub, "fsub %%st(1), %%st")
HOST(mul, "fmul %%st(1), %%st")
HOST(div, "fdiv %%st(1), %%st")
HOST(sqrt, "fsqrt")
HOST(rint, "frndint")
HOST_REM(fprem, "fprem")
HOST_REM(fprem1, "fprem1")
HOST(compare, "fcom %%st(1)")
HOST(compare_quiet, "fucom %%st(1)")
HOST_STORE(to_f32, "fstps")
HOST_STORE(to_f64, "fstpl")
HOST_STORE(to_i16, "fistps")
HOST_STORE(to_i32, "fistpl")
HOST_STORE(to_i64, "fistpll")
HOST_STORE(trunc_i16, "fisttps")
HOST_STORE(trunc_i32, "fisttpl")
HOST_STORE(trunc_i64, "fisttpll")
HOST_LOAD(from_f32, "flds")
HOST_LOAD(from_f64, "fldl")
HOST_LOAD(from_i64, "fildll")

/* st(1) holds the integer. */
static void host_scale(struct job *j)
{
    const int32_t n = j->n;
    uint16_t saved;

    __asm__ volatile("fnstcw %[saved]\n\tfldcw %[control]\n\t"
                     "fildl %[n]\n\tfldt %[a]\n\tfnclex\n\tfscale\n\t"
                     "fnstsw %[status]\n\tfstpt %[result]\n\t"
                     "fstp %%st\n\tfnclex\n\tfldcw %[saved]"
                     : [saved] "=&m"(saved), [status] "=&m"(j->status),
                       [result] "=&m"(j->result)
                     : [control] "m"(j->control), [a] "m"(j->a), [n] "m"(n));
}

#    define SOFT(name, expression)                                             \
        static void soft_##name(struct job *j, struct sf_env *env)             \
        {                                                                      \
            expression;                                                        \
        }
SOFT(add, j->result = sf_f80_add(j->a, j->b, env))
SOFT(sub, j->result = sf_f80_sub(j->a, j->b, env))
SOFT(mul, j->result = sf_f80_mul(j->a, j->b, env))
SOFT(div, j->result = sf_f80_div(j->a, j->b, env))
SOFT(sqrt, j->result = sf_f80_sqrt(j->a, env))
SOFT(rint, j->result = sf_f80_round_to_int(j->a, SF_CURRENT, true, env))
SOFT(fprem,
     j->result = sf_f80_rem_quotient(j->a, j->b, SF_RTZ, &j->quotient, env))
SOFT(fprem1,
     j->result = sf_f80_rem_quotient(j->a, j->b, SF_RNE, &j->quotient, env))
SOFT(compare, j->n = sf_f80_compare(j->a, j->b, env))
SOFT(compare_quiet, j->n = sf_f80_compare_quiet(j->a, j->b, env))
SOFT(to_f32, j->bits = sf_f80_to_f32(j->a, env))
SOFT(to_f64, j->bits = sf_f80_to_f64(j->a, env))
SOFT(to_i16,
     j->bits = (uint16_t)sf_f80_to_sint(j->a, 16, SF_CURRENT, true, env))
SOFT(to_i32,
     j->bits = (uint32_t)sf_f80_to_sint(j->a, 32, SF_CURRENT, true, env))
SOFT(to_i64,
     j->bits = (uint64_t)sf_f80_to_sint(j->a, 64, SF_CURRENT, true, env))
SOFT(trunc_i16, j->bits = (uint16_t)sf_f80_to_sint(j->a, 16, SF_RTZ, true, env))
SOFT(trunc_i32, j->bits = (uint32_t)sf_f80_to_sint(j->a, 32, SF_RTZ, true, env))
SOFT(trunc_i64, j->bits = (uint64_t)sf_f80_to_sint(j->a, 64, SF_RTZ, true, env))
SOFT(from_f32, j->result = sf_f32_to_f80((uint32_t)j->bits, env))
SOFT(from_f64, j->result = sf_f64_to_f80(j->bits, env))
SOFT(from_i64, j->result = sf_f80_from_sint((int64_t)j->bits, env))
SOFT(scale, j->result = sf_f80_scaleb(j->a, j->n, env))

enum kind { VALUE, REMAINDER, RELATION, STORE, LOAD };

struct operation {
    const char *name;
    enum kind kind;
    unsigned exponent_bits, precision; /* of a loaded operand */
    uint32_t never;                    /* flags the instruction has not */
    void (*host)(struct job *j);
    void (*soft)(struct job *j, struct sf_env *env);
};

#    define DENORMAL 2u
#    define ROW(name, kind, e, p, never)                                       \
        {#name, kind, e, p, never, host_##name, soft_##name},
/* clang-format off */
static const struct operation operations[] = {
    ROW(add, VALUE, 0, 0, 0)
    ROW(sub, VALUE, 0, 0, 0)
    ROW(mul, VALUE, 0, 0, 0)
    ROW(div, VALUE, 0, 0, 0)
    ROW(sqrt, VALUE, 0, 0, 0)
    ROW(rint, VALUE, 0, 0, 0)
    ROW(scale, VALUE, 0, 0, 0)
    ROW(fprem, REMAINDER, 0, 0, 0)
    ROW(fprem1, REMAINDER, 0, 0, 0)
    ROW(compare, RELATION, 0, 0, 0)
    ROW(compare_quiet, RELATION, 0, 0, 0)
    /* SDM vol. 2, FST and FIST: no #D. */
    ROW(to_f32, STORE, 0, 0, DENORMAL)
    ROW(to_f64, STORE, 0, 0, DENORMAL)
    ROW(to_i16, STORE, 0, 0, DENORMAL)
    ROW(to_i32, STORE, 0, 0, DENORMAL)
    ROW(to_i64, STORE, 0, 0, DENORMAL)
    ROW(trunc_i16, STORE, 0, 0, DENORMAL)
    ROW(trunc_i32, STORE, 0, 0, DENORMAL)
    ROW(trunc_i64, STORE, 0, 0, DENORMAL)
    ROW(from_f32, LOAD, 8, 24, 0)
    ROW(from_f64, LOAD, 11, 53, 0)
    ROW(from_i64, LOAD, 0, 0, 0)
};
/* clang-format on */
#    define COUNT (sizeof operations / sizeof *operations)

static uint32_t status_flags(uint32_t flags)
{
    return (flags & SF_NV ? 1 : 0) | (flags & SF_DE ? DENORMAL : 0) |
           (flags & SF_DZ ? 4 : 0) | (flags & SF_OF ? 8 : 0) |
           (flags & SF_UF ? 16 : 0) | (flags & SF_NX ? STATUS_INEXACT : 0);
}

static struct sf_f80 f80_from(sf_u128 encoding, struct random_state *r)
{
    const bool wrong = random_below(r, 32) == 0;
    const uint16_t sign_exponent = (uint16_t)(encoding >> 63);
    const bool integer = ((sign_exponent & 0x7fff) != 0) != wrong;

    return (struct sf_f80){
        .significand = ((uint64_t)encoding & ~(UINT64_C(1) << 63)) |
                       (uint64_t)integer << 63,
        .sign_exponent = sign_exponent,
    };
}

static bool same_result(const struct operation *op, const struct job *host,
                        const struct job *soft)
{
    /* C3, C2, C0 as in table 8-6 of SDM vol. 1. */
    const unsigned c = (host->status >> 8 & 5) | (host->status >> 14 & 1) << 1;
    static const int8_t relations[8] = {
        SF_GREATER, SF_LESS, SF_EQUAL, 9, 9, 9, 9, SF_UNORDERED,
    };
    /* The quotient's bits 2, 1, 0 are C0, C3, C1. */
    const unsigned q = (host->status >> 8 & 1) << 2 |
                       (host->status >> 14 & 1) << 1 | (host->status >> 9 & 1);

    if (op->kind == RELATION) {
        return relations[c] == soft->n;
    }
    if (op->kind == STORE) {
        return host->bits == soft->bits;
    }
    /* A NaN has no quotient, and the processor leaves anything. */
    if (op->kind == REMAINDER &&
        (host->result.sign_exponent & 0x7fff) != 0x7fff &&
        q != (soft->quotient & 7)) {
        return false;
    }
    return host->result.significand == soft->result.significand &&
           host->result.sign_exponent == soft->result.sign_exponent;
}

static void report(const struct operation *op, const struct job *host,
                   const struct job *soft, uint32_t flags)
{
    printf("%s(%04x %016llx, %04x %016llx, %llx, %d) control %04x:\n"
           "    host %04x %016llx %llx status %04x, "
           "ours %04x %016llx %llx flags %x\n",
           op->name, host->a.sign_exponent,
           (unsigned long long)host->a.significand, host->b.sign_exponent,
           (unsigned long long)host->b.significand,
           (unsigned long long)host->bits, host->n, host->control,
           host->result.sign_exponent,
           (unsigned long long)host->result.significand,
           (unsigned long long)host->bits, host->status,
           soft->result.sign_exponent,
           (unsigned long long)soft->result.significand,
           (unsigned long long)soft->bits, flags);
}

int main(void)
{
    const uint64_t count = random_count();
    struct random_state r = random_start();
    unsigned long bad[COUNT] = {0}, tried[COUNT] = {0}, all_bad = 0;

    for (uint64_t i = 0; i < count; i++) {
        const unsigned which = random_below(&r, COUNT);
        const struct operation *op = &operations[which];
        const unsigned mode = random_below(&r, 4);
        const unsigned precision =
            random_below(&r, 2) ? 3 : (0x320 >> 4 * random_below(&r, 3)) & 3;
        const sf_u128 a = random_float(&r, 15, 64);
        struct sf_env env = {
            .profile = &sf_x87,
            .rounding = roundings[mode],
            .f80_precision = precisions[precision],
        };
        struct job host = {
            .control = (uint16_t)(CONTROL_MASKS | precision << 8 | mode << 10),
            .a = f80_from(a, &r),
            .b = f80_from(random_partner(&r, a, 15, 64), &r),
            .n = (int32_t)random_below(&r, 70000) - 35000,
        };
        struct job soft;
        uint32_t flags;
        bool up;

        if (op->kind == LOAD) {
            host.bits =
                (uint64_t)(op->precision ? random_float(&r, op->exponent_bits,
                                                        op->precision)
                                         : random_fraction(&r, 64));
        }
        soft = host;
        op->host(&host);
        op->soft(&soft, &env);
        flags = status_flags(env.flags) & ~op->never;
        if (op->kind == REMAINDER &&
            (host.a.sign_exponent & 0x7fff) - (host.b.sign_exponent & 0x7fff) >
                62) {
            /* The host took several steps, from remainders that may have
             * been subnormal. */
            flags |= host.status & DENORMAL;
        }
        tried[which]++;
        /* C1 tells the direction of a rounding. */
        up = (host.status & STATUS_C1) != 0;
        if (!same_result(op, &host, &soft) || flags != (host.status & 0x3fu) ||
            ((flags & STATUS_INEXACT) && op->kind != REMAINDER &&
             up != ((env.flags & SF_UP) != 0))) {
            bad[which]++;
            if (all_bad++ < MAX_REPORTS) {
                report(op, &host, &soft, env.flags);
            }
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        printf("f80_%s: %lu tried, %lu differ\n", operations[i].name, tried[i],
               bad[i]);
    }
    return all_bad != 0;
}

#endif
