/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the library against test vectors in the text format of TestFloat's
 * testfloat_gen, which this tree does not contain:
 *
 *     test-softfloat-vectors FILE     ("-" for standard input)
 *
 * or the file's name in TENON_SOFTFLOAT_VECTORS.  A line that starts with "op"
 * says what the lines after it are (testfloat_gen -prefix writes it):
 *
 *     op PROFILE FUNCTION ROUNDING before|after exact|notexact PRECISION
 *
 * Each other line holds operands, result and flags in hexadecimal.  Prints a
 * count for each "op"; exits with 1 if any line differed, with 77 if there is
 * nothing to read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softfloat.h"

/* TestFloat's flags. */
enum {
    TF_INEXACT = 1,
    TF_UNDERFLOW = 2,
    TF_OVERFLOW = 4,
    TF_INFINITE = 8,
    TF_INVALID = 16,
};

#define MAX_REPORTS 5

struct context {
    struct sf_env env;
    struct sf_profile profile;
    enum sf_rounding rounding;
    bool exact;
};

typedef sf_u128 (*operation)(const sf_u128 *v, struct context *c);

struct function {
    const char *name;
    int operands;
    operation call;
};

static uint32_t in_f32(sf_u128 v)
{
    return (uint32_t)v;
}
static uint64_t in_f64(sf_u128 v)
{
    return (uint64_t)v;
}
static uint16_t in_f16(sf_u128 v)
{
    return (uint16_t)v;
}
static struct sf_f80 in_f80(sf_u128 v)
{
    return (struct sf_f80){(uint64_t)v, (uint16_t)(v >> 64)};
}
static struct sf_f128 in_f128(sf_u128 v)
{
    return (struct sf_f128){(uint64_t)v, (uint64_t)(v >> 64)};
}
static sf_u128 out_f80(struct sf_f80 v)
{
    return (sf_u128)v.sign_exponent << 64 | v.significand;
}
static sf_u128 out_f128(struct sf_f128 v)
{
    return (sf_u128)v.hi << 64 | v.lo;
}
#define in_bf16 in_f16
#define out_f16(v) (v)
#define out_bf16(v) (v)
#define out_f32(v) (v)
#define out_f64(v) (v)

#define ENV (&c->env)
#define DEFINE(id, expression)                                                 \
    static sf_u128 id(const sf_u128 *v, struct context *c)                     \
    {                                                                          \
        return (expression);                                                   \
    }

#define DEFINE_FORMAT(F)                                                       \
    DEFINE(F##_add, out_##F(sf_##F##_add(in_##F(v[0]), in_##F(v[1]), ENV)))    \
    DEFINE(F##_sub, out_##F(sf_##F##_sub(in_##F(v[0]), in_##F(v[1]), ENV)))    \
    DEFINE(F##_mul, out_##F(sf_##F##_mul(in_##F(v[0]), in_##F(v[1]), ENV)))    \
    DEFINE(F##_div, out_##F(sf_##F##_div(in_##F(v[0]), in_##F(v[1]), ENV)))    \
    DEFINE(F##_rem, out_##F(sf_##F##_rem(in_##F(v[0]), in_##F(v[1]), ENV)))    \
    DEFINE(F##_sqrt, out_##F(sf_##F##_sqrt(in_##F(v[0]), ENV)))                \
    DEFINE(F##_mulAdd, out_##F(sf_##F##_fma(in_##F(v[0]), in_##F(v[1]),        \
                                            in_##F(v[2]), 0, ENV)))            \
    DEFINE(F##_roundToInt, out_##F(sf_##F##_round_to_int(                      \
                               in_##F(v[0]), c->rounding, c->exact, ENV)))     \
    DEFINE(F##_eq, sf_##F##_compare_quiet(in_##F(v[0]), in_##F(v[1]), ENV) ==  \
                       SF_EQUAL)                                               \
    DEFINE(F##_eq_signaling,                                                   \
           sf_##F##_compare(in_##F(v[0]), in_##F(v[1]), ENV) == SF_EQUAL)      \
    DEFINE(F##_le,                                                             \
           sf_##F##_compare(in_##F(v[0]), in_##F(v[1]), ENV) <= SF_EQUAL)      \
    DEFINE(F##_lt,                                                             \
           sf_##F##_compare(in_##F(v[0]), in_##F(v[1]), ENV) < SF_EQUAL)       \
    DEFINE(F##_le_quiet, sf_##F##_compare_quiet(in_##F(v[0]), in_##F(v[1]),    \
                                                ENV) <= SF_EQUAL)              \
    DEFINE(F##_lt_quiet,                                                       \
           sf_##F##_compare_quiet(in_##F(v[0]), in_##F(v[1]), ENV) < SF_EQUAL) \
    DEFINE(F##_to_i32, (uint32_t)sf_##F##_to_sint(in_##F(v[0]), 32,            \
                                                  c->rounding, c->exact, ENV)) \
    DEFINE(F##_to_i64, (uint64_t)sf_##F##_to_sint(in_##F(v[0]), 64,            \
                                                  c->rounding, c->exact, ENV)) \
    DEFINE(F##_to_ui32,                                                        \
           sf_##F##_to_uint(in_##F(v[0]), 32, c->rounding, c->exact, ENV))     \
    DEFINE(F##_to_ui64,                                                        \
           sf_##F##_to_uint(in_##F(v[0]), 64, c->rounding, c->exact, ENV))     \
    DEFINE(i32_to_##F, out_##F(sf_##F##_from_sint((int32_t)v[0], ENV)))        \
    DEFINE(i64_to_##F, out_##F(sf_##F##_from_sint((int64_t)v[0], ENV)))        \
    DEFINE(ui32_to_##F, out_##F(sf_##F##_from_uint((uint32_t)v[0], ENV)))      \
    DEFINE(ui64_to_##F, out_##F(sf_##F##_from_uint((uint64_t)v[0], ENV)))

DEFINE_FORMAT(f16)
DEFINE_FORMAT(f32)
DEFINE_FORMAT(f64)
DEFINE_FORMAT(f80)
DEFINE_FORMAT(f128)

#define DEFINE_CONVERSION(F, G)                                                \
    DEFINE(F##_to_##G, out_##G(sf_##F##_to_##G(in_##F(v[0]), ENV)))

#define CONVERSIONS(X)                                                         \
    X(f16, f32)                                                                \
    X(f16, f64)                                                                \
    X(f16, f80)                                                                \
    X(f16, f128)                                                               \
    X(f32, f16)                                                                \
    X(f32, f64)                                                                \
    X(f32, f80) X(f32, f128) X(f64, f16) X(f64, f32) X(f64, f80) X(f64, f128)  \
        X(f80, f16) X(f80, f32) X(f80, f64) X(f80, f128) X(f128, f16)          \
            X(f128, f32) X(f128, f64) X(f128, f80) X(bf16, f32) X(f32, bf16)

CONVERSIONS(DEFINE_CONVERSION)

#define FORMAT_ROWS(F, N)                                                      \
    {N "_add", 2, F##_add}, {N "_sub", 2, F##_sub}, {N "_mul", 2, F##_mul},    \
        {N "_div", 2, F##_div}, {N "_rem", 2, F##_rem},                        \
        {N "_sqrt", 1, F##_sqrt}, {N "_mulAdd", 3, F##_mulAdd},                \
        {N "_roundToInt", 1, F##_roundToInt}, {N "_eq", 2, F##_eq},            \
        {N "_eq_signaling", 2, F##_eq_signaling}, {N "_le", 2, F##_le},        \
        {N "_lt", 2, F##_lt}, {N "_le_quiet", 2, F##_le_quiet},                \
        {N "_lt_quiet", 2, F##_lt_quiet}, {N "_to_i32", 1, F##_to_i32},        \
        {N "_to_i64", 1, F##_to_i64}, {N "_to_ui32", 1, F##_to_ui32},          \
        {N "_to_ui64", 1, F##_to_ui64}, {"i32_to_" N, 1, i32_to_##F},          \
        {"i64_to_" N, 1, i64_to_##F}, {"ui32_to_" N, 1, ui32_to_##F},          \
        {"ui64_to_" N, 1, ui64_to_##F},

#define NAME_f16 "f16"
#define NAME_bf16 "bf16"
#define NAME_f32 "f32"
#define NAME_f64 "f64"
#define NAME_f80 "extF80"
#define NAME_f128 "f128"
#define CONVERSION_ROW(F, G) {NAME_##F "_to_" NAME_##G, 1, F##_to_##G},

/* clang-format off */
static const struct function functions[] = {
    FORMAT_ROWS(f16, "f16")
    FORMAT_ROWS(f32, "f32")
    FORMAT_ROWS(f64, "f64")
    FORMAT_ROWS(f80, "extF80")
    FORMAT_ROWS(f128, "f128")
    CONVERSIONS(CONVERSION_ROW)
};

static const struct {
    const char *name;
    enum sf_rounding mode;
} roundings[] = {
    {"near_even", SF_RNE}, {"minMag", SF_RTZ}, {"min", SF_RDN},
    {"max", SF_RUP}, {"near_maxMag", SF_RMM}, {"odd", SF_ODD},
};
/* clang-format on */

static uint32_t testfloat_flags(uint32_t flags)
{
    return (flags & SF_NX ? TF_INEXACT : 0) |
           (flags & SF_UF ? TF_UNDERFLOW : 0) |
           (flags & SF_OF ? TF_OVERFLOW : 0) |
           (flags & SF_DZ ? TF_INFINITE : 0) | (flags & SF_NV ? TF_INVALID : 0);
}

/* Parses an "op" line; NULL when it makes no sense. */
static const struct function *parse_op(const char *line, struct context *c)
{
    char profile[32], function[32], rounding[32], tiny[32], exact[32];
    int precision;
    bool found = false;

    if (sscanf(line, "op %31s %31s %31s %31s %31s %d", profile, function,
               rounding, tiny, exact, &precision) != 6) {
        return NULL;
    }
    memset(c, 0, sizeof *c);
    for (int i = 0; sf_profiles[i]; i++) {
        if (strcmp(sf_profiles[i]->name, profile) == 0) {
            c->profile = *sf_profiles[i];
            found = true;
        }
    }
    if (!found) {
        return NULL;
    }
    c->profile.tiny_before_rounding = strcmp(tiny, "before") == 0;
    c->env.profile = &c->profile;
    c->env.f80_precision = (uint8_t)precision;
    c->exact = strcmp(exact, "exact") == 0;
    found = false;
    for (size_t i = 0; i < sizeof roundings / sizeof *roundings; i++) {
        if (strcmp(roundings[i].name, rounding) == 0) {
            c->rounding = roundings[i].mode;
            c->env.rounding = roundings[i].mode;
            found = true;
        }
    }
    for (size_t i = 0; found && i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, function) == 0) {
            return &functions[i];
        }
    }
    return NULL;
}

/* Where the number ends, or NULL if there is none. */
static const char *parse_hex(const char *p, sf_u128 *value)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    const char *digit, *start;

    while (*p == ' ') {
        p++;
    }
    start = p;
    *value = 0;
    for (; *p && (digit = strchr(digits, *p)); p++) {
        const int n = (int)(digit - digits);

        *value = *value << 4 | (unsigned)(n < 16 ? n : n - 6);
    }
    return p == start ? NULL : p;
}

enum verdict { SAME, DIFFERS, UNREADABLE };

static enum verdict check_line(const char *line,
                               const struct function *function,
                               struct context *c, bool report)
{
    sf_u128 v[3], want, flags, got;
    const char *p = line;

    for (int i = 0; p && i < function->operands; i++) {
        p = parse_hex(p, &v[i]);
    }
    p = p ? parse_hex(p, &want) : NULL;
    if (!p || !parse_hex(p, &flags)) {
        return UNREADABLE;
    }
    c->env.flags = 0;
    got = function->call(v, c);
    if (got == want && testfloat_flags(c->env.flags) == (uint32_t)flags) {
        return SAME;
    }
    if (report) {
        printf("  %s    got %016llx%016llx %02x\n", line,
               (unsigned long long)(got >> 64), (unsigned long long)got,
               testfloat_flags(c->env.flags));
    }
    return DIFFERS;
}

static void report_op(const char *op, unsigned long count, unsigned long bad)
{
    if (op[0]) {
        printf("%s: %lu checked, %lu differ\n", op, count, bad);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : getenv("TENON_SOFTFLOAT_VECTORS");
    const struct function *function = NULL;
    struct context context;
    unsigned long count = 0, bad = 0, all = 0, all_bad = 0;
    char line[256], op[256] = "";
    enum verdict verdict;
    FILE *file;

    if (!name) {
        printf("skipped: no test vectors; name a file of testfloat_gen's "
               "output in TENON_SOFTFLOAT_VECTORS\n");
        return 77;
    }
    file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    if (!file) {
        perror(name);
        return 2;
    }
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "op ", 3) == 0) {
            report_op(op, count, bad);
            line[strcspn(line, "\n")] = 0;
            memcpy(op, line, sizeof op);
            count = bad = 0;
            function = parse_op(line, &context);
        }
        verdict = UNREADABLE;
        if (function) {
            if (line[0] == 'o') {
                continue;
            }
            verdict = check_line(line, function, &context, bad < MAX_REPORTS);
        }
        if (verdict == UNREADABLE) {
            fprintf(stderr, "not understood: %s\n", line);
            return 2;
        }
        count++;
        all++;
        if (verdict == DIFFERS) {
            bad++;
            all_bad++;
        }
    }
    report_op(op, count, bad);
    if (file != stdin) {
        fclose(file);
    }
    printf("all: %lu checked, %lu differ\n", all, all_bad);
    return all_bad || all == 0 ? 1 : 0;
}
