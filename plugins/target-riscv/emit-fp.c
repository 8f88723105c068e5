/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floating point: F, D, Zfh, Zfa. A register holds 64 bits; narrower values
 * are boxed. The rounding mode is part of the state key, so every operation
 * carries a static one.
 */
#include "decode.h"

#define TYPE(i) ((i)->arg & 0xff)
#define SUB(i) ((i)->arg >> 8 & 0xff)

/*
 * mstatus.FS decides. Off: illegal. Clean: make it dirty and come again under
 * the new key, once a context switch. Whether the instruction will change the
 * state is not looked at (the manual lets FS be imprecise), but stores are the
 * common ones that do not. False: the unit has ended.
 */
static uint32_t fp_ready(struct emit *e, const struct insn *i,
                         uint32_t changes)
{
    uint32_t fs = (e->key & KEY_FS) >> KEY_FS_SHIFT;

    e->key_used |= KEY_FS;
    if (fs == FS_OFF) {
        illegal(e, i);
        return 0;
    }
    if (changes && fs != FS_DIRTY) {
        tn_call(e->u, TN_VOID, HELPER_FS_DIRTY, TN_NONE, TN_NONE, TN_NONE,
                TN_NONE);
        end_sync(e, e->pc);
        return 0;
    }
    return 1;
}

/* As fp_ready, for what rounds: flags of the operation in *FLAGS. */
static uint32_t fp_rounds(struct emit *e, const struct insn *i,
                          uint32_t *flags)
{
    uint32_t rm = i->bits >> 12 & 7;

    if ((e->key & KEY_FS) && rm == 7) {
        e->key_used |= KEY_FRM;
        rm = (e->key & KEY_FRM) >> KEY_FRM_SHIFT;
    }
    if (rm > TN_RM_RMM) {
        e->key_used |= KEY_FS;
        illegal(e, i);
        return 0;
    }
    *flags = rm | TN_FP_PROFILE(0);
    return fp_ready(e, i, 1);
}

static uint32_t gf(struct emit *e, uint32_t type, uint32_t reg)
{
    uint32_t v = tn_get(e->u, TN_F64, REG_F(reg));

    return type == TN_F64 ? v : tn_op1(e->u, TN_OP_UNBOX, type, v);
}

static void sf(struct emit *e, uint32_t type, uint32_t reg, uint32_t v)
{
    if (type != TN_F64)
        v = tn_ir(e->u, TN_OP_BOX, TN_F64, 0, v, type, 0);
    tn_set(e->u, TN_F64, REG_F(reg), v);
}

/* A register's bits as they are, as an I64. */
static uint32_t raw(struct emit *e, uint32_t reg)
{
    uint32_t v = tn_get(e->u, TN_F64, REG_F(reg));

    return tn_ir(e->u, TN_OP_BITCAST, TN_I64, 0, v, TN_F64, 0);
}

static void set_raw(struct emit *e, uint32_t reg, uint32_t v)
{
    v = tn_ir(e->u, TN_OP_BITCAST, TN_F64, 0, v, TN_I64, 0);
    tn_set(e->u, TN_F64, REG_F(reg), v);
}

static uint32_t int_of(uint32_t type)
{
    return type == TN_F64   ? TN_I64
           : type == TN_F32 ? TN_I32
                            : TN_I16;
}

static uint32_t mo_of(uint32_t type)
{
    return type == TN_F64   ? TN_MO_64
           : type == TN_F32 ? TN_MO_32
                            : TN_MO_16;
}

void emit_fload(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), a, v;

    if (!fp_ready(e, i, 1))
        return;
    a = gx(e, i->rs1);
    v = tn_load(e->u, type, a, mo_of(type) | data_mode(e) | TN_MO_DISP(i->imm));
    sf(e, type, i->rd, v);
}

/* The low bits of the register, boxed or not. */
void emit_fstore(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), mo = mo_of(type), a, v;

    if (!fp_ready(e, i, 0))
        return;
    a = gx(e, i->rs1);
    if (type == TN_F64)
        v = tn_get(e->u, TN_F64, REG_F(i->rs2));
    else
        v = raw(e, i->rs2);
    tn_store(e->u, type == TN_F64 ? TN_F64 : TN_I64, a, v,
             mo | data_mode(e) | TN_MO_DISP(i->imm));
}

void emit_fp2(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), flags, a, b;

    if (!fp_rounds(e, i, &flags))
        return;
    a = gf(e, type, i->rs1);
    b = gf(e, type, i->rs2);
    sf(e, type, i->rd, tn_ir(e->u, SUB(i), type, flags, a, b, 0));
}

void emit_fsqrt(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), flags;

    if (fp_rounds(e, i, &flags))
        sf(e, type, i->rd,
           tn_ir(e->u, TN_OP_FSQRT, type, flags, gf(e, type, i->rs1), 0, 0));
}

void emit_fma(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), flags, a, b, c;

    if (!fp_rounds(e, i, &flags))
        return;
    a = gf(e, type, i->rs1);
    b = gf(e, type, i->rs2);
    c = gf(e, type, i->rs3);
    sf(e, type, i->rd,
       tn_ir(e->u, TN_OP_FMA, type, flags | SUB(i), a, b, c));
}

void emit_fsgn(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), a, b;

    if (!fp_ready(e, i, 1))
        return;
    a = gf(e, type, i->rs1);
    if (i->rs1 == i->rs2 && SUB(i) == TN_FSIGN_COPY) { /* fmv */
        sf(e, type, i->rd, a);
        return;
    }
    if (i->rs1 == i->rs2) { /* fneg, fabs */
        uint32_t op = SUB(i) == TN_FSIGN_NOT ? TN_OP_FNEG : TN_OP_FABS;
        sf(e, type, i->rd, tn_op1(e->u, op, type, a));
        return;
    }
    b = gf(e, type, i->rs2);
    sf(e, type, i->rd, tn_ir(e->u, TN_OP_FSIGN, type, SUB(i), a, b, 0));
}

void emit_fminmax(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), a, b;

    if (!fp_ready(e, i, 1))
        return;
    a = gf(e, type, i->rs1);
    b = gf(e, type, i->rs2);
    sf(e, type, i->rd, tn_ir(e->u, TN_OP_FMINMAX, type, 0, a, b, SUB(i)));
}

void emit_fcmp(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), a, b;

    if (!fp_ready(e, i, 1))
        return;
    a = gf(e, type, i->rs1);
    b = gf(e, type, i->rs2);
    sx(e, i->rd, tn_ir(e->u, TN_OP_FCMP, type, SUB(i), a, b, 0));
}

void emit_fclass(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i);

    if (fp_ready(e, i, 1))
        sx(e, i->rd,
           tn_ir(e->u, TN_OP_FCLASS, e->xt, 0, gf(e, type, i->rs1), type, 0));
}

void emit_fcvt_from_int(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), from = SUB(i), sign = i->arg >> 16, flags, a;

    if (!fp_rounds(e, i, &flags))
        return;
    a = gx(e, i->rs1);
    sf(e, type, i->rd,
       tn_ir(e->u, TN_OP_I_TO_F, type, flags, a, from | sign, 0));
}

void emit_fcvt_to_int(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), to = SUB(i), sign = i->arg >> 16, flags, v;

    if (!fp_rounds(e, i, &flags))
        return;
    v = tn_ir(e->u, TN_OP_F_TO_I, to, flags, gf(e, type, i->rs1), type | sign,
              0);
    if (to == TN_I32)
        sx_word(e, i->rd, v);
    else
        sx(e, i->rd, v);
}

void emit_fcvt_float(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), from = SUB(i), flags;

    if (fp_rounds(e, i, &flags))
        sf(e, type, i->rd,
           tn_ir(e->u, TN_OP_F_TO_F, type, flags, gf(e, from, i->rs1), from,
                 0));
}

/* The register's low bits, sign-extended. */
void emit_fmv_to_int(struct emit *e, const struct insn *i)
{
    uint32_t v;

    if (!fp_ready(e, i, 0))
        return;
    v = raw(e, i->rs1);
    if (TYPE(i) != TN_F64)
        v = tn_ir(e->u, TN_OP_SEXT, e->xt, 0, v, int_of(TYPE(i)), 0);
    sx(e, i->rd, v);
}

void emit_fmv_from_int(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), v;

    if (!fp_ready(e, i, 1))
        return;
    v = gx(e, i->rs1);
    if (int_of(type) != e->xt)
        v = tn_op1(e->u, TN_OP_TRUNC, int_of(type), v);
    v = tn_ir(e->u, TN_OP_BITCAST, type, 0, v, int_of(type), 0);
    sf(e, type, i->rd, v);
}

/* ---- Zfa ---- */

void emit_fround(struct emit *e, const struct insn *i)
{
    uint32_t type = TYPE(i), flags;

    if (fp_rounds(e, i, &flags))
        sf(e, type, i->rd,
           tn_ir(e->u, TN_OP_FRINT, type, flags, gf(e, type, i->rs1), SUB(i),
                 0));
}

/*
 * fli's constants, the manual's table "Immediate values loaded by FLI".
 * All but three are 0 or sign, exponent and two bits of fraction; as binary64
 * bits >> 48 they are exact.
 */
static const uint16_t fli[32] = {
    0xbff0, /* -1 */
    0,      /* the format's smallest normal number */
    0x3ef0, 0x3f00, 0x3f70, 0x3f80, /* 2^-16 2^-15 2^-8 2^-7 */
    0x3fb0, 0x3fc0, 0x3fd0, 0x3fd4, /* 0.0625 0.125 0.25 0.3125 */
    0x3fd8, 0x3fdc, 0x3fe0, 0x3fe4, /* 0.375 0.4375 0.5 0.625 */
    0x3fe8, 0x3fec, 0x3ff0, 0x3ff4, /* 0.75 0.875 1 1.25 */
    0x3ff8, 0x3ffc, 0x4000, 0x4004, /* 1.5 1.75 2 2.5 */
    0x4008, 0x4010, 0x4020, 0x4030, /* 3 4 8 16 */
    0x4060, 0x4070, 0x40e0, 0x40f0, /* 128 256 2^15 2^16 */
    0x7ff0, 0x7ff8,                 /* infinity, canonical NaN */
};

/* A constant of the table in TYPE, boxed. */
static uint64_t fli_bits(uint32_t type, uint32_t n)
{
    uint64_t wide = (uint64_t)fli[n] << 48;
    uint32_t sign = (uint32_t)(wide >> 63);
    int32_t exponent = (int32_t)(wide >> 52 & 0x7ff) - 1023;
    uint32_t top = wide >> 50 & 3; /* two bits of fraction */

    if (n == 1)
        return type == TN_F64   ? 1ull << 52
               : type == TN_F32 ? 0xffffffff00000000ull | 1ull << 23
                                : 0xffffffffffff0000ull | 1ull << 10;
    if (type == TN_F64)
        return wide;
    if (type == TN_F32) {
        uint32_t ex = exponent == 1024 ? 255 : (uint32_t)(exponent + 127);
        return 0xffffffff00000000ull | sign << 31 | ex << 23 | top << 21;
    }
    if (exponent == 16) /* 2^16 is past the largest: infinity */
        return 0xffffffffffff7c00ull;
    if (exponent < -14) { /* 2^-16, 2^-15: subnormal */
        return 0xffffffffffff0000ull | 1ull << (exponent + 24);
    }
    uint32_t ex = exponent == 1024 ? 31 : (uint32_t)(exponent + 15);
    return 0xffffffffffff0000ull | sign << 15 | ex << 10 | top << 8;
}

void emit_fli(struct emit *e, const struct insn *i)
{
    if (fp_ready(e, i, 1))
        set_raw(e, i->rd,
                tn_const(e->u, TN_I64, fli_bits(TYPE(i), i->rs1)));
}

void emit_fcvtmod(struct emit *e, const struct insn *i)
{
    uint32_t v;

    if (!fp_ready(e, i, 1))
        return;
    v = tn_ir(e->u, TN_OP_F_TO_I, TN_I32, TN_RM_RTZ | TN_FP_PROFILE(0),
              gf(e, TN_F64, i->rs1), TN_F64 | TN_CVT_MODULAR, 0);
    sx_word(e, i->rd, v);
}

/* RV32: the high word of a double, and a double of two words. */
void emit_fmvh(struct emit *e, const struct insn *i)
{
    if (fp_ready(e, i, 0))
        sx(e, i->rd, tn_op1(e->u, TN_OP_HIGH, TN_I32, raw(e, i->rs1)));
}

void emit_fmvp(struct emit *e, const struct insn *i)
{
    uint32_t a, b;

    if (!fp_ready(e, i, 1))
        return;
    a = gx(e, i->rs1);
    b = gx(e, i->rs2);
    set_raw(e, i->rd, tn_op2(e->u, TN_OP_PACK, TN_I64, a, b));
}
