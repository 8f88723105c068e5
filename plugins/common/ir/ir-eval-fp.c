/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of every floating-point operation: the software library with
 * the profile the operation names. Formats are told apart by one table a
 * function, so each operation is written once.
 */
#include "ir/ir-tools.h"

#include <string.h>

/* The library numbers the five standard flags from INVALID up, the IR from
 * INEXACT up. */
uint32_t ir_fp_flags(uint32_t sf_flags)
{
    uint32_t flags = 0;

    flags |= sf_flags & SF_NX ? TN_FPE_INEXACT : 0;
    flags |= sf_flags & SF_UF ? TN_FPE_UNDERFLOW : 0;
    flags |= sf_flags & SF_OF ? TN_FPE_OVERFLOW : 0;
    flags |= sf_flags & SF_DZ ? TN_FPE_DIVZERO : 0;
    flags |= sf_flags & SF_NV ? TN_FPE_INVALID : 0;
    flags |= sf_flags & (SF_DE | SF_DF) ? TN_FPE_DENORMAL : 0;
    return flags;
}

static const uint8_t nan_choice[] = {
    [TN_NAN_DEFAULT] = SF_NAN_DEFAULT,
    [TN_NAN_SNAN_FIRST] = SF_NAN_SIGNALING_FIRST,
    [TN_NAN_FIRST] = SF_NAN_ORDER,
    [TN_NAN_X87] = SF_NAN_X87,
    [TN_NAN_PPC] = SF_NAN_ORDER,
};

static const struct {
    uint8_t overflow, nan;
} int_results[] = {
    [TN_TO_INT_SATURATE_NAN_MAX] = {SF_INT_BY_SIGN, SF_INT_MAX},
    [TN_TO_INT_SATURATE_NAN_ZERO] = {SF_INT_BY_SIGN, SF_INT_ZERO},
    [TN_TO_INT_INDEFINITE] = {SF_INT_INDEFINITE, SF_INT_INDEFINITE},
};

static void make_profile(struct sf_profile *out, const struct tn_fp_profile *in)
{
    static const uint8_t order_abc[3] = {0, 1, 2}, order_acb[3] = {0, 2, 1};

    memset(out, 0, sizeof *out);
    out->name = "target";
    out->tiny_before_rounding = in->tiny_before_rounding != 0;
    out->nan_choice = nan_choice[in->nan_rule <= TN_NAN_PPC ? in->nan_rule : 0];
    out->nan2[1] = 1;
    memcpy(out->nan3, in->nan_rule == TN_NAN_PPC ? order_acb : order_abc, 3);
    out->infzero =
        in->nan_rule == TN_NAN_FIRST ? SF_INFZERO_NAN : SF_INFZERO_DEFAULT;
    out->signaling_bit_is_one = in->legacy_nan != 0;
    out->default_nan_sign = in->default_nan_negative != 0;
    out->default_nan_fraction = in->legacy_nan ? 0x7f : 0x80;
    out->int_overflow =
        int_results[in->to_int <= TN_TO_INT_INDEFINITE ? in->to_int : 0]
            .overflow;
    out->int_nan =
        int_results[in->to_int <= TN_TO_INT_INDEFINITE ? in->to_int : 0].nan;
    out->flush_flags = SF_UF;
}

void ir_fp_init(struct ir_fp *fp, const struct tn_target_info *info)
{
    memset(fp, 0, sizeof *fp);
    for (uint32_t i = 0; i < 4; i++)
        if (i < info->n_profiles)
            make_profile(&fp->profile[i], &info->profiles[i]);
        else
            fp->profile[i] = sf_riscv;
    fp->env.profile = &fp->profile[0];
}

/* Point the environment at what OP asks for. */
static void enter(struct ir_fp *fp, const struct tn_ir_op *op)
{
    uint32_t rounding = op->flags & 7;

    fp->env.profile = &fp->profile[op->flags >> 3 & 3];
    fp->env.rounding = rounding == TN_RM_DYN ? fp->rounding : (uint8_t)rounding;
}

static struct sf_f80 to_f80(struct ir_value v)
{
    return (struct sf_f80){v.lo, (uint16_t)v.hi};
}

static struct sf_f128 to_f128(struct ir_value v)
{
    return (struct sf_f128){v.lo, v.hi};
}

static struct ir_value from_f80(struct sf_f80 v)
{
    return (struct ir_value){v.significand, v.sign_exponent};
}

static struct ir_value from_f128(struct sf_f128 v)
{
    return (struct ir_value){v.lo, v.hi};
}

#define SMALL(v) ((struct ir_value){(v), 0})

/* Runs CALL for the format TYPE with F its name and A, B, C its values. */
#define FOR_FORMAT(type, CALL)                                                 \
    (void)a, (void)b, (void)c;                                                 \
    switch (type) {                                                            \
    case TN_F16:                                                               \
        CALL(f16, (uint16_t)a.lo, (uint16_t)b.lo, (uint16_t)c.lo, SMALL);      \
        break;                                                                 \
    case TN_BF16:                                                              \
        CALL(bf16, (uint16_t)a.lo, (uint16_t)b.lo, (uint16_t)c.lo, SMALL);     \
        break;                                                                 \
    case TN_F32:                                                               \
        CALL(f32, (uint32_t)a.lo, (uint32_t)b.lo, (uint32_t)c.lo, SMALL);      \
        break;                                                                 \
    case TN_F64:                                                               \
        CALL(f64, a.lo, b.lo, c.lo, SMALL);                                    \
        break;                                                                 \
    case TN_F80:                                                               \
        CALL(f80, to_f80(a), to_f80(b), to_f80(c), from_f80);                  \
        break;                                                                 \
    case TN_F128:                                                              \
        CALL(f128, to_f128(a), to_f128(b), to_f128(c), from_f128);             \
        break;                                                                 \
    default:                                                                   \
        return false;                                                          \
    }

/* Operations whose operands and result are all of the operation's type. */
static bool eval_uniform(struct ir_fp *fp, const struct tn_ir_op *op,
                         struct ir_value a, struct ir_value b,
                         struct ir_value c, struct ir_value *r)
{
    struct sf_env *env = &fp->env;
    int options = (op->flags & TN_FP_NEG_PRODUCT ? SF_NEGATE_PRODUCT : 0) |
                  (op->flags & TN_FP_NEG_ADDEND ? SF_NEGATE_ADDEND : 0);
    static const int variants[4] = {SF_MINMAX_NUM_2008, SF_MINMAX_NUMBER,
                                    SF_MINMAX_NAN, SF_MINMAX_X86};
    int variant =
        variants[op->c & 3] | (op->c & TN_FMAX_BIT ? SF_MINMAX_MAX : 0);

#define DO_ADD(F, x, y, z, back) *r = back(sf_##F##_add(x, y, env))
#define DO_SUB(F, x, y, z, back) *r = back(sf_##F##_sub(x, y, env))
#define DO_MUL(F, x, y, z, back) *r = back(sf_##F##_mul(x, y, env))
#define DO_DIV(F, x, y, z, back) *r = back(sf_##F##_div(x, y, env))
#define DO_REM(F, x, y, z, back) *r = back(sf_##F##_rem(x, y, env))
#define DO_SQRT(F, x, y, z, back) *r = back(sf_##F##_sqrt(x, env))
#define DO_FMA(F, x, y, z, back) *r = back(sf_##F##_fma(x, y, z, options, env))
#define DO_MINMAX(F, x, y, z, back)                                            \
    *r = back(sf_##F##_minmax(x, y, variant, env))
#define DO_RINT(F, x, y, z, back)                                              \
    *r = back(sf_##F##_round_to_int(x, SF_CURRENT, op->b & 1, env))
    switch (op->op) {
    case TN_OP_FADD:
        FOR_FORMAT(op->type, DO_ADD);
        return true;
    case TN_OP_FSUB:
        FOR_FORMAT(op->type, DO_SUB);
        return true;
    case TN_OP_FMUL:
        FOR_FORMAT(op->type, DO_MUL);
        return true;
    case TN_OP_FDIV:
        FOR_FORMAT(op->type, DO_DIV);
        return true;
    case TN_OP_FREM:
        FOR_FORMAT(op->type, DO_REM);
        return true;
    case TN_OP_FSQRT:
        FOR_FORMAT(op->type, DO_SQRT);
        return true;
    case TN_OP_FMA:
        FOR_FORMAT(op->type, DO_FMA);
        return true;
    case TN_OP_FMINMAX:
        FOR_FORMAT(op->type, DO_MINMAX);
        return true;
    case TN_OP_FRINT:
        FOR_FORMAT(op->type, DO_RINT);
        return true;
    default:
        return false;
    }
}

/* Sign operations change one bit and raise nothing. */
static bool eval_sign(const struct tn_ir_op *op, struct ir_value a,
                      struct ir_value b, struct ir_value *r)
{
    uint32_t bits = ir_type_bits(op->type);
    uint64_t *word = bits > 64 ? &a.hi : &a.lo;
    uint64_t other = bits > 64 ? b.hi : b.lo;
    uint64_t sign = 1ull << ((bits - 1) & 63);

    switch (op->op) {
    case TN_OP_FNEG:
        *word ^= sign;
        break;
    case TN_OP_FABS:
        *word &= ~sign;
        break;
    case TN_OP_FSIGN:
        if (op->flags == TN_FSIGN_XOR)
            *word ^= other & sign;
        else
            *word = (*word & ~sign) |
                    ((op->flags == TN_FSIGN_NOT ? ~other : other) & sign);
        break;
    default:
        return false;
    }
    if (bits < 64)
        a.lo = ir_zext(a.lo, bits);
    *r = a;
    return true;
}

static bool eval_compare(struct ir_fp *fp, const struct tn_ir_op *op,
                         struct ir_value a, struct ir_value b,
                         struct ir_value *r)
{
    struct sf_env *env = &fp->env;
    struct ir_value c = {0, 0};
    bool signaling = op->flags & TN_FCMP_SIGNALING;
    int relation;

    env->profile = &fp->profile[op->flags >> 3 & 3];
#define DO_COMPARE(F, x, y, z, back)                                           \
    do {                                                                       \
        relation = signaling ? sf_##F##_compare(x, y, env)                     \
                             : sf_##F##_compare_quiet(x, y, env);              \
    } while (0)
    FOR_FORMAT(op->type, DO_COMPARE);
    switch (op->flags & 3) {
    case TN_FCMP_EQ:
        r->lo = relation == SF_EQUAL;
        break;
    case TN_FCMP_LT:
        r->lo = relation == SF_LESS;
        break;
    case TN_FCMP_LE:
        r->lo = relation == SF_LESS || relation == SF_EQUAL;
        break;
    default:
        r->lo = relation == SF_UNORDERED;
        break;
    }
    return true;
}

static bool eval_to_int(struct ir_fp *fp, const struct tn_ir_op *op,
                        struct ir_value a, struct ir_value *r)
{
    struct sf_env *env = &fp->env;
    struct ir_value b = {0, 0}, c = {0, 0};
    int width = (int)ir_type_bits(op->type);

    if (width > 64)
        return false;
#define DO_TO_INT(F, x, y, z, back)                                            \
    do {                                                                       \
        if (op->b & TN_CVT_MODULAR)                                            \
            r->lo = (uint64_t)sf_##F##_to_sint_modular(x, width, env);         \
        else if (op->b & TN_CVT_UNSIGNED)                                      \
            r->lo = sf_##F##_to_uint(x, width, SF_CURRENT, true, env);         \
        else                                                                   \
            r->lo = (uint64_t)sf_##F##_to_sint(x, width, SF_CURRENT, true,     \
                                               env);                           \
    } while (0)
    FOR_FORMAT(op->b & 0xff, DO_TO_INT);
    r->lo = ir_sext(r->lo, (uint32_t)width);
    return true;
}

static bool eval_from_int(struct ir_fp *fp, const struct tn_ir_op *op,
                          struct ir_value a, struct ir_value *r)
{
    struct sf_env *env = &fp->env;
    struct ir_value b = {0, 0}, c = {0, 0};
    uint32_t width = ir_type_bits(op->b & 0xff);

    if (width == 0 || width > 64)
        return false;
#define DO_FROM_INT(F, x, y, z, back)                                          \
    do {                                                                       \
        *r = op->b & TN_CVT_UNSIGNED                                           \
                 ? back(sf_##F##_from_uint(ir_zext(a.lo, width), env))         \
                 : back(sf_##F##_from_sint((int64_t)ir_sext(a.lo, width),      \
                                           env));                              \
    } while (0)
    FOR_FORMAT(op->type, DO_FROM_INT);
    return true;
}

static bool eval_class(struct ir_fp *fp, const struct tn_ir_op *op,
                       struct ir_value a, struct ir_value *r)
{
    struct ir_value b = {0, 0}, c = {0, 0};

#define DO_CLASS(F, x, y, z, back)                                             \
    r->lo = 1u << sf_##F##_classify(x, &fp->env)
    FOR_FORMAT(op->b & 0xff, DO_CLASS);
    return true;
}

#define PAIR(from, to) ((from) << 8 | (to))

static bool eval_convert(struct ir_fp *fp, const struct tn_ir_op *op,
                         struct ir_value a, struct ir_value *r)
{
    struct sf_env *env = &fp->env;

#define SOURCE_f16 (uint16_t)a.lo
#define SOURCE_bf16 (uint16_t)a.lo
#define SOURCE_f32 (uint32_t)a.lo
#define SOURCE_f64 a.lo
#define SOURCE_f80 to_f80(a)
#define SOURCE_f128 to_f128(a)
#define BACK_f16 SMALL
#define BACK_bf16 SMALL
#define BACK_f32 SMALL
#define BACK_f64 SMALL
#define BACK_f80 from_f80
#define BACK_f128 from_f128
#define CONVERT(F, FT, G, GT)                                                  \
    case PAIR(FT, GT):                                                         \
        *r = BACK_##G(sf_##F##_to_##G(SOURCE_##F, env));                       \
        return true;
    switch (PAIR(op->b & 0xff, op->type)) {
        CONVERT(f16, TN_F16, bf16, TN_BF16)
        CONVERT(f16, TN_F16, f32, TN_F32)
        CONVERT(f16, TN_F16, f64, TN_F64)
        CONVERT(f16, TN_F16, f80, TN_F80)
        CONVERT(f16, TN_F16, f128, TN_F128)
        CONVERT(bf16, TN_BF16, f32, TN_F32)
        CONVERT(bf16, TN_BF16, f64, TN_F64)
        CONVERT(f32, TN_F32, f16, TN_F16)
        CONVERT(f32, TN_F32, bf16, TN_BF16)
        CONVERT(f32, TN_F32, f64, TN_F64)
        CONVERT(f32, TN_F32, f80, TN_F80)
        CONVERT(f32, TN_F32, f128, TN_F128)
        CONVERT(f64, TN_F64, f16, TN_F16)
        CONVERT(f64, TN_F64, bf16, TN_BF16)
        CONVERT(f64, TN_F64, f32, TN_F32)
        CONVERT(f64, TN_F64, f80, TN_F80)
        CONVERT(f64, TN_F64, f128, TN_F128)
        CONVERT(f80, TN_F80, f16, TN_F16)
        CONVERT(f80, TN_F80, f32, TN_F32)
        CONVERT(f80, TN_F80, f64, TN_F64)
        CONVERT(f80, TN_F80, f128, TN_F128)
        CONVERT(f128, TN_F128, f16, TN_F16)
        CONVERT(f128, TN_F128, f32, TN_F32)
        CONVERT(f128, TN_F128, f64, TN_F64)
        CONVERT(f128, TN_F128, f80, TN_F80)
    default:
        return false;
    }
}

/* Narrow floats boxed in a 64-bit register (RISC-V, unprivileged 13.2). */
static bool eval_box(const struct tn_ir_op *op, struct ir_value a,
                     struct ir_value *r)
{
    uint32_t bits = ir_type_bits(op->op == TN_OP_BOX ? op->b : op->type);
    uint64_t boxes;

    if (bits != 16 && bits != 32)
        return false;
    boxes = ~0ull << bits;
    if (op->op == TN_OP_BOX)
        r->lo = a.lo | boxes;
    else if ((a.lo & boxes) == boxes)
        r->lo = a.lo & ~boxes;
    else
        r->lo = op->type == TN_F32    ? 0x7fc00000u
                : op->type == TN_BF16 ? 0x7fc0u
                                      : 0x7e00u;
    return true;
}

bool ir_eval_fp(struct ir_fp *fp, const struct tn_ir_op *op, struct ir_value a,
                struct ir_value b, struct ir_value c, struct ir_value *result)
{
    uint32_t saved = fp->env.flags;
    bool done;

    result->hi = 0;
    enter(fp, op);
    switch (op->op) {
    case TN_OP_BITCAST:
        *result = a;
        if (ir_type_bits(op->type) < 64)
            result->lo = ir_type_is_int(op->type)
                             ? ir_sext(a.lo, ir_type_bits(op->type))
                             : ir_zext(a.lo, ir_type_bits(op->type));
        return true;
    case TN_OP_BOX:
    case TN_OP_UNBOX:
        return eval_box(op, a, result);
    case TN_OP_FNEG:
    case TN_OP_FABS:
    case TN_OP_FSIGN:
        return eval_sign(op, a, b, result);
    case TN_OP_FCMP:
        done = eval_compare(fp, op, a, b, result);
        return done;
    case TN_OP_FCLASS:
        return eval_class(fp, op, a, result);
    case TN_OP_F_TO_F:
        done = eval_convert(fp, op, a, result);
        break;
    case TN_OP_F_TO_I:
        done = eval_to_int(fp, op, a, result);
        break;
    case TN_OP_I_TO_F:
        done = eval_from_int(fp, op, a, result);
        break;
    default:
        done = eval_uniform(fp, op, a, b, c, result);
        break;
    }
    if (op->flags & TN_FP_QUIET)
        fp->env.flags = saved;
    return done;
}
