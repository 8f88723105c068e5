/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64 instruction encoder. Intel SDM volume 2. Only the forms the
 * generator uses. The buffer has slack at its end, so that room is checked
 * once an IR operation and not once a byte.
 */
#ifndef TENON_TCG_X86_ASM_H
#define TENON_TCG_X86_ASM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
    R8, R9, R10, R11, R12, R13, R14, R15,
    NO_REG = 255,
};

/* Condition codes of jcc, setcc, cmovcc. */
enum {
    CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A,
    CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G,
};

/* The /n of group 1 and of shifts. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAL, SH_SAR };

/* [base + index * 1 + disp]; index NO_REG: none. */
struct mem {
    uint8_t base, index;
    int32_t disp;
};

struct as {
    uint8_t *p;
};

static inline struct mem mem_at(uint32_t base, int32_t disp)
{
    return (struct mem){(uint8_t)base, NO_REG, disp};
}

static inline struct mem mem_sum(uint32_t base, uint32_t index, int32_t disp)
{
    return (struct mem){(uint8_t)base, (uint8_t)index, disp};
}

static inline void put8(struct as *a, uint32_t v)
{
    *a->p++ = (uint8_t)v;
}

static inline void put32(struct as *a, uint32_t v)
{
    memcpy(a->p, &v, 4);
    a->p += 4;
}

static inline void put64(struct as *a, uint64_t v)
{
    memcpy(a->p, &v, 8);
    a->p += 8;
}

/* Opcode: low 8 bits the byte; these say what goes before it. */
#define OP_0F 0x100u
#define OP_0F38 0x200u
#define OP_0F3A 0x400u
#define OP_66 0x1000u
#define OP_F3 0x2000u
#define OP_F2 0x4000u
#define OP_W 0x8000u     /* REX.W */
#define OP_BYTE 0x10000u /* the reg operand is a byte register */
#define OP_RM_BYTE 0x20000u /* the rm operand is */
#define OP_LOCK 0x40000u

static inline void put_opcode(struct as *a, uint32_t op, uint32_t reg,
                              uint32_t index, uint32_t base, bool force)
{
    uint32_t rex = (op & OP_W ? 8u : 0) | (reg & 8u) >> 1 |
                   (index & 8u) >> 2 | (base & 8u) >> 3;

    if (op & OP_LOCK)
        put8(a, 0xf0);
    if (op & OP_66)
        put8(a, 0x66);
    if (op & OP_F3)
        put8(a, 0xf3);
    if (op & OP_F2)
        put8(a, 0xf2);
    if (rex || force)
        put8(a, 0x40 | rex);
    if (op & (OP_0F | OP_0F38 | OP_0F3A))
        put8(a, 0x0f);
    if (op & OP_0F38)
        put8(a, 0x38);
    if (op & OP_0F3A)
        put8(a, 0x3a);
    put8(a, op & 0xff);
}

static inline void put_mem(struct as *a, uint32_t reg, struct mem m)
{
    uint32_t base = m.base & 7u, r = (reg & 7u) << 3;
    bool sib = m.index != NO_REG || base == 4;
    uint32_t mod = m.disp == 0 && base != 5             ? 0
                   : m.disp >= -128 && m.disp <= 127 ? 1
                                                     : 2;

    put8(a, mod << 6 | r | (sib ? 4 : base));
    if (sib)
        put8(a, (m.index == NO_REG ? 4u : (m.index & 7u)) << 3 | base);
    if (mod == 1)
        put8(a, (uint32_t)m.disp);
    else if (mod == 2)
        put32(a, (uint32_t)m.disp);
}

/* op reg, rm-register */
static inline void as_rr(struct as *a, uint32_t op, uint32_t reg, uint32_t rm)
{
    bool force = (op & OP_BYTE && reg >= 4) || (op & OP_RM_BYTE && rm >= 4);

    put_opcode(a, op, reg, 0, rm, force);
    put8(a, 0xc0 | (reg & 7u) << 3 | (rm & 7u));
}

/* op reg, [mem] */
static inline void as_rm(struct as *a, uint32_t op, uint32_t reg, struct mem m)
{
    put_opcode(a, op, reg, m.index == NO_REG ? 0 : m.index, m.base,
               op & OP_BYTE && reg >= 4);
    put_mem(a, reg, m);
}

/* VEX: three operands; MAP 1 0F, 2 0F38, 3 0F3A; PP 0 none 1 66 2 F3 3 F2. */
#define VEX(map, pp, w, opcode)                                                \
    ((uint32_t)(map) << 16 | (uint32_t)(pp) << 12 | (uint32_t)(w) << 8 |       \
     (opcode))

static inline void put_vex(struct as *a, uint32_t v, uint32_t reg,
                           uint32_t vvvv, uint32_t index, uint32_t base)
{
    put8(a, 0xc4);
    put8(a, (~reg & 8u) << 4 | (~index & 8u) << 3 | (~base & 8u) << 2 |
                (v >> 16 & 0x1f));
    put8(a, (v >> 8 & 1u) << 7 | (~vvvv & 15u) << 3 | (v >> 12 & 3u));
    put8(a, v & 0xff);
}

static inline void as_vex_rr(struct as *a, uint32_t v, uint32_t reg,
                             uint32_t vvvv, uint32_t rm)
{
    put_vex(a, v, reg, vvvv, 0, rm);
    put8(a, 0xc0 | (reg & 7u) << 3 | (rm & 7u));
}

static inline void as_vex_rm(struct as *a, uint32_t v, uint32_t reg,
                             uint32_t vvvv, struct mem m)
{
    put_vex(a, v, reg, vvvv, m.index == NO_REG ? 0 : m.index, m.base);
    put_mem(a, reg, m);
}

/* ---- moves ---- */

static inline void as_mov(struct as *a, uint32_t dst, uint32_t src, bool wide)
{
    if (dst != src)
        as_rr(a, 0x8b | (wide ? OP_W : 0), dst, src);
}

static inline void as_load(struct as *a, uint32_t dst, struct mem m, bool wide)
{
    as_rm(a, 0x8b | (wide ? OP_W : 0), dst, m);
}

static inline void as_store(struct as *a, struct mem m, uint32_t src,
                            bool wide)
{
    as_rm(a, 0x89 | (wide ? OP_W : 0), src, m);
}

/* Leaves the flags alone. */
static inline void as_mov_imm_keep(struct as *a, uint32_t dst, uint64_t v)
{
    if (v <= UINT32_MAX) {
        put_opcode(a, 0xb8 | (dst & 7u), 0, 0, dst, false);
        put32(a, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        as_rr(a, 0xc7 | OP_W, 0, dst);
        put32(a, (uint32_t)v);
    } else {
        put_opcode(a, 0xb8 | (dst & 7u) | OP_W, 0, 0, dst, false);
        put64(a, v);
    }
}

static inline void as_mov_imm(struct as *a, uint32_t dst, uint64_t v)
{
    if (v == 0)
        as_rr(a, 0x31, dst, dst);
    else
        as_mov_imm_keep(a, dst, v);
}

static inline void as_lea(struct as *a, uint32_t dst, struct mem m, bool wide)
{
    as_rm(a, 0x8d | (wide ? OP_W : 0), dst, m);
}

/* ---- arithmetic ---- */

static inline void as_alu(struct as *a, uint32_t alu, uint32_t dst,
                          uint32_t src, bool wide)
{
    as_rr(a, (alu << 3 | 3) | (wide ? OP_W : 0), dst, src);
}

static inline void as_alu_load(struct as *a, uint32_t alu, uint32_t dst,
                               struct mem m, bool wide)
{
    as_rm(a, (alu << 3 | 3) | (wide ? OP_W : 0), dst, m);
}

static inline void as_alu_imm(struct as *a, uint32_t alu, uint32_t dst,
                              int32_t imm, bool wide)
{
    if (imm >= -128 && imm <= 127) {
        as_rr(a, 0x83 | (wide ? OP_W : 0), alu, dst);
        put8(a, (uint32_t)imm);
    } else {
        as_rr(a, 0x81 | (wide ? OP_W : 0), alu, dst);
        put32(a, (uint32_t)imm);
    }
}

static inline void as_alu_mem_imm(struct as *a, uint32_t alu, struct mem m,
                                  int32_t imm, bool wide)
{
    if (imm >= -128 && imm <= 127) {
        as_rm(a, 0x83 | (wide ? OP_W : 0), alu, m);
        put8(a, (uint32_t)imm);
    } else {
        as_rm(a, 0x81 | (wide ? OP_W : 0), alu, m);
        put32(a, (uint32_t)imm);
    }
}

static inline void as_test(struct as *a, uint32_t x, uint32_t y, bool wide)
{
    as_rr(a, 0x85 | (wide ? OP_W : 0), x, y);
}

static inline void as_shift_imm(struct as *a, uint32_t sh, uint32_t dst,
                                uint32_t n, bool wide)
{
    as_rr(a, 0xc1 | (wide ? OP_W : 0), sh, dst);
    put8(a, n);
}

static inline void as_shift_cl(struct as *a, uint32_t sh, uint32_t dst,
                               bool wide)
{
    as_rr(a, 0xd3 | (wide ? OP_W : 0), sh, dst);
}

/* mul, imul, div, idiv, not, neg: group 3 */
enum { G3_NOT = 2, G3_NEG, G3_MUL, G3_IMUL, G3_DIV, G3_IDIV };
static inline void as_group3(struct as *a, uint32_t n, uint32_t rm, bool wide)
{
    as_rr(a, 0xf7 | (wide ? OP_W : 0), n, rm);
}

static inline void as_setcc(struct as *a, uint32_t cc, uint32_t dst)
{
    as_rr(a, (0x90 | cc) | OP_0F | OP_RM_BYTE, 0, dst);
}

static inline void as_movzx8(struct as *a, uint32_t dst, uint32_t src)
{
    as_rr(a, 0xb6 | OP_0F | OP_RM_BYTE, dst, src);
}

static inline void as_cmov(struct as *a, uint32_t cc, uint32_t dst,
                           uint32_t src, bool wide)
{
    as_rr(a, (0x40 | cc) | OP_0F | (wide ? OP_W : 0), dst, src);
}

/* ---- control; all return the place of the rel32 ---- */

static inline uint8_t *as_jmp(struct as *a)
{
    put8(a, 0xe9);
    put32(a, 0);
    return a->p - 4;
}

static inline uint8_t *as_jcc(struct as *a, uint32_t cc)
{
    put8(a, 0x0f);
    put8(a, 0x80 | cc);
    put32(a, 0);
    return a->p - 4;
}

static inline uint8_t *as_call(struct as *a)
{
    put8(a, 0xe8);
    put32(a, 0);
    return a->p - 4;
}

static inline void as_fix(uint8_t *field, const uint8_t *target)
{
    int32_t d = (int32_t)(target - (field + 4));

    memcpy(field, &d, 4);
}

static inline void as_jmp_to(struct as *a, const uint8_t *target)
{
    as_fix(as_jmp(a), target);
}

static inline void as_call_to(struct as *a, const uint8_t *target)
{
    as_fix(as_call(a), target);
}

/* N bytes that do nothing (SDM, NOP: recommended sequences). */
static inline void as_nop(struct as *a, uint32_t n)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };

    while (n) {
        uint32_t k = n > 9 ? 9 : n;

        memcpy(a->p, nops[k - 1], k);
        a->p += k;
        n -= k;
    }
}

#endif
