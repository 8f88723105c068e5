/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations against the host's SSE, FMA and F16C units: results and
 * all six flags of MXCSR, in all rounding modes, with and without
 * denormals-are-zeros and flush-to-zero.  Skips on hosts that are not x86-64.
 */
#include <stdio.h>

#ifndef __x86_64__

int main(void)
{
    printf("skipped: the host has no SSE\n");
    return 77;
}

#else

#    include <string.h>
#    include "softfloat.h"
#    include "test-softfloat-random.h"

#    define MXCSR_MASKS 0x1f80u
#    define MXCSR_DAZ 0x0040u
#    define MXCSR_FTZ 0x8000u
#    define MXCSR_FLAGS 0x003fu
#    define MAX_REPORTS 20

/* An operation's operands and result, on either side. */
struct job {
    uint64_t v[3];
    uint64_t result;
    uint32_t flags; /* as in MXCSR */
    uint32_t mxcsr;
};

static const uint8_t roundings[4] = {SF_RNE, SF_RDN, SF_RUP, SF_RTZ};

/* Runs one instruction, %0 the result and %1.. operands, under j->mxcsr. */
#    define RUN(j, code, out, ...)                                             \
        do {                                                                   \
            uint32_t saved_;                                                   \
            uint32_t after_ = (j)->mxcsr;                                      \
            __asm__ volatile("stmxcsr %0" : "=m"(saved_));                     \
            __asm__ volatile("ldmxcsr %0" : : "m"(after_));                    \
            __asm__ volatile(code:out : __VA_ARGS__);                          \
            __asm__ volatile("stmxcsr %0" : "=m"(after_));                     \
            __asm__ volatile("ldmxcsr %0" : : "m"(saved_));                    \
            (j)->flags = after_ & MXCSR_FLAGS;                                 \
        } while (0)

static double as_f64(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}
static float as_f32(uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float f;

    memcpy(&f, &low, sizeof f);
    return f;
}
static uint64_t of_f64(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}
static uint64_t of_f32(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return bits;
}

#    define type_f32 float
#    define type_f64 double

#    define HOST_BINARY(name, F, code)                                         \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            type_##F r = as_##F(j->v[0]), b = as_##F(j->v[1]);                 \
            RUN(j, code " %1, %0", "+x"(r), "x"(b));                           \
            j->result = of_##F(r);                                             \
        }
#    define HOST_UNARY(name, F, G, code)                                       \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            type_##F a = as_##F(j->v[0]);                                      \
            type_##G r;                                                        \
            RUN(j, code " %1, %0", "=x"(r), "x"(a));                           \
            j->result = of_##G(r);                                             \
        }
#    define HOST_TO_INT(name, F, T, U, code)                                   \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            type_##F a = as_##F(j->v[0]);                                      \
            T r;                                                               \
            RUN(j, code " %1, %0", "=r"(r), "x"(a));                           \
            j->result = (U)r;                                                  \
        }
#    define HOST_FROM_INT(name, F, T, code)                                    \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            T a = (T)j->v[0];                                                  \
            type_##F r = 0;                                                    \
            RUN(j, code " %1, %0", "+x"(r), "r"(a));                           \
            j->result = of_##F(r);                                             \
        }
/* ZF, PF, CF: 0 greater, 1 less, 4 equal, 7 unordered. */
#    define HOST_COMPARE(name, F, code)                                        \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            type_##F a = as_##F(j->v[0]), b = as_##F(j->v[1]);                 \
            uint64_t z, p, c;                                                  \
            uint32_t saved, after = j->mxcsr;                                  \
            __asm__ volatile("stmxcsr %3\n\tldmxcsr %4\n\t" code " %6, %5\n\t" \
                             "setz %b0\n\tsetp %b1\n\tsetc %b2\n\t"            \
                             "stmxcsr %4\n\tldmxcsr %3"                        \
                             : "=&q"(z), "=&q"(p), "=&q"(c), "=m"(saved),      \
                               "+m"(after)                                     \
                             : "x"(a), "x"(b)                                  \
                             : "cc");                                          \
            j->flags = after & MXCSR_FLAGS;                                    \
            j->result = (p & 1)   ? (uint64_t)SF_UNORDERED                     \
                        : (z & 1) ? (uint64_t)SF_EQUAL                         \
                        : (c & 1) ? (uint64_t)SF_LESS                          \
                                  : (uint64_t)SF_GREATER;                      \
        }
/* The operand that is overwritten differs; the sum is a * b + c in all. */
#    define HOST_FMA(name, F, code, first, second, third)                      \
        static void host_##F##_##name(struct job *j)                           \
        {                                                                      \
            type_##F r = as_##F(j->v[first]), s = as_##F(j->v[second]);        \
            type_##F t = as_##F(j->v[third]);                                  \
            RUN(j, code " %2, %1, %0", "+x"(r), "x"(s), "x"(t));               \
            j->result = of_##F(r);                                             \
        }

#    define HOST_FORMAT(F, s)                                                  \
        HOST_BINARY(add, F, "adds" s)                                          \
        HOST_BINARY(sub, F, "subs" s)                                          \
        HOST_BINARY(mul, F, "muls" s)                                          \
        HOST_BINARY(div, F, "divs" s)                                          \
        HOST_BINARY(min, F, "mins" s)                                          \
        HOST_BINARY(max, F, "maxs" s)                                          \
        HOST_UNARY(sqrt, F, F, "sqrts" s)                                      \
        HOST_UNARY(rint, F, F, "rounds" s " $4,")                              \
        HOST_UNARY(floor, F, F, "rounds" s " $9,")                             \
        HOST_COMPARE(compare, F, "comis" s)                                    \
        HOST_COMPARE(compare_quiet, F, "ucomis" s)                             \
        HOST_TO_INT(to_i32, F, int32_t, uint32_t, "cvts" s "2si")              \
        HOST_TO_INT(to_i64, F, int64_t, uint64_t, "cvts" s "2si")              \
        HOST_TO_INT(trunc_i32, F, int32_t, uint32_t, "cvtts" s "2si")          \
        HOST_TO_INT(trunc_i64, F, int64_t, uint64_t, "cvtts" s "2si")          \
        HOST_FROM_INT(from_i32, F, int32_t, "cvtsi2s" s "l")                   \
        HOST_FROM_INT(from_i64, F, int64_t, "cvtsi2s" s "q")                   \
        HOST_FMA(fma_132, F, "vfmadd132s" s, 0, 2, 1)                          \
        HOST_FMA(fma_213, F, "vfmadd213s" s, 1, 0, 2)                          \
        HOST_FMA(fma_231, F, "vfmadd231s" s, 2, 0, 1)                          \
        HOST_FMA(fmsub, F, "vfmsub231s" s, 2, 0, 1)                            \
        HOST_FMA(fnmadd, F, "vfnmadd231s" s, 2, 0, 1)                          \
        HOST_FMA(fnmsub, F, "vfnmsub231s" s, 2, 0, 1)

HOST_FORMAT(f32, "s")
HOST_FORMAT(f64, "d")
HOST_UNARY(to_f64, f32, f64, "cvtss2sd")
HOST_UNARY(to_f32, f64, f32, "cvtsd2ss")

static void host_f32_to_f16(struct job *j)
{
    float a = as_f32(j->v[0]), r;

    RUN(j, "vcvtps2ph $4, %1, %0", "=x"(r), "x"(a));
    j->result = of_f32(r) & 0xffff;
}
static void host_f16_to_f32(struct job *j)
{
    float a = as_f32(j->v[0] & 0xffff), r;

    RUN(j, "vcvtph2ps %1, %0", "=x"(r), "x"(a));
    j->result = of_f32(r);
}

#    define SOFT(name, expression)                                             \
        static uint64_t soft_##name(const uint64_t *v, struct sf_env *env)     \
        {                                                                      \
            return (expression);                                               \
        }
#    define SOFT_FORMAT(F)                                                     \
        SOFT(F##_add, sf_##F##_add(v[0], v[1], env))                           \
        SOFT(F##_sub, sf_##F##_sub(v[0], v[1], env))                           \
        SOFT(F##_mul, sf_##F##_mul(v[0], v[1], env))                           \
        SOFT(F##_div, sf_##F##_div(v[0], v[1], env))                           \
        SOFT(F##_min, sf_##F##_minmax(v[0], v[1], SF_MINMAX_X86, env))         \
        SOFT(F##_max,                                                          \
             sf_##F##_minmax(v[0], v[1], SF_MINMAX_X86 | SF_MINMAX_MAX, env))  \
        SOFT(F##_sqrt, sf_##F##_sqrt(v[0], env))                               \
        SOFT(F##_rint, sf_##F##_round_to_int(v[0], SF_CURRENT, true, env))     \
        SOFT(F##_floor, sf_##F##_round_to_int(v[0], SF_RDN, false, env))       \
        SOFT(F##_compare, (uint64_t)sf_##F##_compare(v[0], v[1], env))         \
        SOFT(F##_compare_quiet,                                                \
             (uint64_t)sf_##F##_compare_quiet(v[0], v[1], env))                \
        SOFT(F##_to_i32,                                                       \
             (uint32_t)sf_##F##_to_sint(v[0], 32, SF_CURRENT, true, env))      \
        SOFT(F##_to_i64,                                                       \
             (uint64_t)sf_##F##_to_sint(v[0], 64, SF_CURRENT, true, env))      \
        SOFT(F##_trunc_i32,                                                    \
             (uint32_t)sf_##F##_to_sint(v[0], 32, SF_RTZ, true, env))          \
        SOFT(F##_trunc_i64,                                                    \
             (uint64_t)sf_##F##_to_sint(v[0], 64, SF_RTZ, true, env))          \
        SOFT(F##_from_i32, sf_##F##_from_sint((int32_t)v[0], env))             \
        SOFT(F##_from_i64, sf_##F##_from_sint((int64_t)v[0], env))             \
        SOFT(F##_fma_132, sf_##F##_fma(v[0], v[1], v[2], 0, env))              \
        SOFT(F##_fma_213, sf_##F##_fma(v[0], v[1], v[2], 0, env))              \
        SOFT(F##_fma_231, sf_##F##_fma(v[0], v[1], v[2], 0, env))              \
        SOFT(F##_fmsub, sf_##F##_fma(v[0], v[1], v[2], SF_NEGATE_ADDEND, env)) \
        SOFT(F##_fnmadd,                                                       \
             sf_##F##_fma(v[0], v[1], v[2], SF_NEGATE_PRODUCT, env))           \
        SOFT(F##_fnmsub,                                                       \
             sf_##F##_fma(v[0], v[1], v[2],                                    \
                          SF_NEGATE_PRODUCT | SF_NEGATE_ADDEND, env))

SOFT_FORMAT(f32)
SOFT_FORMAT(f64)
SOFT(f32_to_f64, sf_f32_to_f64(v[0], env))
SOFT(f64_to_f32, sf_f64_to_f32(v[0], env))
SOFT(f32_to_f16, sf_f32_to_f16(v[0], env))
SOFT(f16_to_f32, sf_f16_to_f32(v[0], env))

/* Which instructions the operation needs beyond SSE2. */
enum need { SSE2, SSE4_1, FMA, F16C };

struct operation {
    const char *name;
    enum need need;
    unsigned exponent_bits;
    unsigned precision; /* of the operands; 0: integers */
    /* Flags of MXCSR this instruction never raises. */
    uint32_t never;
    void (*host)(struct job *j);
    uint64_t (*soft)(const uint64_t *v, struct sf_env *env);
};

#    define DENORMAL 2u
#    define ROW(F, name, need, e, p, never)                                    \
        {#F "_" #name, need, e, p, never, host_##F##_##name, soft_##F##_##name},
/* SDM vol. 2: ROUNDSD, CVTSD2SI and VCVTPH2PS do not know DE. */
#    define ROWS(F, e, p)                                                      \
        ROW(F, add, SSE2, e, p, 0)                                             \
        ROW(F, sub, SSE2, e, p, 0)                                             \
        ROW(F, mul, SSE2, e, p, 0)                                             \
        ROW(F, div, SSE2, e, p, 0)                                             \
        ROW(F, min, SSE2, e, p, 0)                                             \
        ROW(F, max, SSE2, e, p, 0)                                             \
        ROW(F, sqrt, SSE2, e, p, 0)                                            \
        ROW(F, rint, SSE4_1, e, p, DENORMAL)                                   \
        ROW(F, floor, SSE4_1, e, p, DENORMAL)                                  \
        ROW(F, compare, SSE2, e, p, 0)                                         \
        ROW(F, compare_quiet, SSE2, e, p, 0)                                   \
        ROW(F, to_i32, SSE2, e, p, DENORMAL)                                   \
        ROW(F, to_i64, SSE2, e, p, DENORMAL)                                   \
        ROW(F, trunc_i32, SSE2, e, p, DENORMAL)                                \
        ROW(F, trunc_i64, SSE2, e, p, DENORMAL)                                \
        ROW(F, from_i32, SSE2, 0, 0, 0)                                        \
        ROW(F, from_i64, SSE2, 0, 0, 0)                                        \
        ROW(F, fma_132, FMA, e, p, 0)                                          \
        ROW(F, fma_213, FMA, e, p, 0)                                          \
        ROW(F, fma_231, FMA, e, p, 0)                                          \
        ROW(F, fmsub, FMA, e, p, 0)                                            \
        ROW(F, fnmadd, FMA, e, p, 0)                                           \
        ROW(F, fnmsub, FMA, e, p, 0)

/* clang-format off */
static const struct operation operations[] = {
    ROWS(f32, 8, 24)
    ROWS(f64, 11, 53)
    ROW(f32, to_f64, SSE2, 8, 24, 0)
    ROW(f64, to_f32, SSE2, 11, 53, 0)
    ROW(f32, to_f16, F16C, 8, 24, 0)
    ROW(f16, to_f32, F16C, 5, 11, DENORMAL)
};
/* clang-format on */
#    define COUNT (sizeof operations / sizeof *operations)

static bool have(enum need need)
{
    switch (need) {
    case SSE4_1:
        return __builtin_cpu_supports("sse4.1");
    case FMA:
        return __builtin_cpu_supports("fma");
    case F16C: {
        uint32_t a = 1, b, c, d;

        __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
        return (c >> 29 & 1) && __builtin_cpu_supports("avx");
    }
    default:
        return true;
    }
}

static uint32_t mxcsr_flags(uint32_t flags)
{
    return (flags & SF_NV ? 1 : 0) | (flags & SF_DE ? DENORMAL : 0) |
           (flags & SF_DZ ? 4 : 0) | (flags & SF_OF ? 8 : 0) |
           (flags & SF_UF ? 16 : 0) | (flags & SF_NX ? 32 : 0);
}

static void choose_operands(const struct operation *op, struct job *j,
                            struct random_state *r)
{
    const unsigned e = op->exponent_bits, p = op->precision;

    if (p == 0) {
        j->v[0] = (uint64_t)random_fraction(r, 64);
        return;
    }
    j->v[0] = (uint64_t)random_float(r, e, p);
    j->v[1] = (uint64_t)random_partner(r, j->v[0], e, p);
    j->v[2] = (uint64_t)random_partner(r, j->v[random_below(r, 2)], e, p);
}

int main(void)
{
    /* F16C ignores DAZ for binary16 operands and FTZ for such results. */
    const uint8_t flushed = SF_FORMAT_BIT(SF_F32) | SF_FORMAT_BIT(SF_F64);
    const uint64_t count = random_count();
    struct random_state r = random_start();
    unsigned long bad[COUNT] = {0}, tried[COUNT] = {0}, all_bad = 0;

    for (uint64_t i = 0; i < count; i++) {
        const unsigned which = random_below(&r, COUNT);
        const struct operation *op = &operations[which];
        const unsigned mode = random_below(&r, 4);
        const bool flush = random_below(&r, 4) == 0;
        struct sf_env env = {
            .profile = &sf_x86_sse,
            .rounding = roundings[mode],
        };
        struct job j = {.mxcsr = MXCSR_MASKS | mode << 13};
        uint64_t result;
        uint32_t flags;

        if (!have(op->need)) {
            continue;
        }
        if (flush && random_below(&r, 2)) {
            j.mxcsr |= MXCSR_DAZ;
            env.daz = flushed;
        }
        if (flush && random_below(&r, 2)) {
            j.mxcsr |= MXCSR_FTZ;
            env.ftz = flushed;
        }
        choose_operands(op, &j, &r);
        op->host(&j);
        result = op->soft(j.v, &env);
        flags = mxcsr_flags(env.flags) & ~op->never;
        tried[which]++;
        if (result != j.result || flags != j.flags) {
            bad[which]++;
            if (all_bad++ < MAX_REPORTS) {
                printf("%s(%llx, %llx, %llx) mxcsr %x: host %llx %02x, "
                       "ours %llx %02x\n",
                       op->name, (unsigned long long)j.v[0],
                       (unsigned long long)j.v[1], (unsigned long long)j.v[2],
                       j.mxcsr, (unsigned long long)j.result, j.flags,
                       (unsigned long long)result, flags);
            }
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (tried[i] == 0) {
            printf("%s: skipped, this CPU lacks the instruction\n",
                   operations[i].name);
        } else {
            printf("%s: %lu tried, %lu differ\n", operations[i].name, tried[i],
                   bad[i]);
        }
    }
    return all_bad != 0;
}

#endif
