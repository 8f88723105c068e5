/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operands of each format. Unprivileged manual, "Base Instruction Formats",
 * "Immediate Encoding Variants", and "Compressed Instruction Formats".
 */
#include "decode.h"

static uint32_t field(uint32_t bits, uint32_t high, uint32_t low)
{
    return bits >> low & ((2u << (high - low)) - 1);
}

/* Move instruction bits high..low to immediate bits from TO up. */
static uint32_t move(uint32_t bits, uint32_t high, uint32_t low, uint32_t to)
{
    return field(bits, high, low) << to;
}

static int32_t sign(uint32_t value, uint32_t width)
{
    return (int32_t)(value << (32 - width)) >> (32 - width);
}

static void operands32(uint32_t format, uint32_t b, struct insn *i)
{
    i->rd = (uint8_t)field(b, 11, 7);
    i->rs1 = (uint8_t)field(b, 19, 15);
    i->rs2 = (uint8_t)field(b, 24, 20);
    i->rs3 = (uint8_t)field(b, 31, 27);
    switch (format) {
    case FMT_I:
        i->imm = sign(field(b, 31, 20), 12);
        break;
    case FMT_SHIFT:
        i->imm = (int32_t)field(b, 25, 20);
        break;
    case FMT_S:
        i->imm = sign(move(b, 31, 25, 5) | move(b, 11, 7, 0), 12);
        break;
    case FMT_B:
        i->imm = sign(move(b, 31, 31, 12) | move(b, 7, 7, 11) |
                          move(b, 30, 25, 5) | move(b, 11, 8, 1),
                      13);
        break;
    case FMT_U:
        i->imm = (int32_t)(b & 0xfffff000);
        break;
    case FMT_J:
        i->imm = sign(move(b, 31, 31, 20) | move(b, 19, 12, 12) |
                          move(b, 20, 20, 11) | move(b, 30, 21, 1),
                      21);
        break;
    case FMT_CSR:
        i->imm = (int32_t)field(b, 31, 20);
        break;
    case FMT_FENCE:
        i->imm = (int32_t)field(b, 27, 20);
        break;
    default:
        break;
    }
}

/* imm[5] imm[4:0] of CI. */
static uint32_t ci(uint32_t b)
{
    return move(b, 12, 12, 5) | move(b, 6, 2, 0);
}

static int32_t cj(uint32_t b)
{
    return sign(move(b, 12, 12, 11) | move(b, 11, 11, 4) | move(b, 10, 9, 8) |
                    move(b, 8, 8, 10) | move(b, 7, 7, 6) | move(b, 6, 6, 7) |
                    move(b, 5, 3, 1) | move(b, 2, 2, 5),
                12);
}

static int32_t compressed_imm(uint32_t format, uint32_t b)
{
    switch (format) {
    case FMT_CI:
    case FMT_C_LI:
    case FMT_C_ANDI:
        return sign(ci(b), 6);
    case FMT_C_LUI:
        return sign(ci(b), 6) * 4096;
    case FMT_C_SLLI:
    case FMT_C_SHIFT:
        return (int32_t)ci(b);
    case FMT_C_ADDI16SP:
        return sign(move(b, 12, 12, 9) | move(b, 6, 6, 4) | move(b, 5, 5, 6) |
                        move(b, 4, 3, 7) | move(b, 2, 2, 5),
                    10);
    case FMT_C_ADDI4SPN:
        return (int32_t)(move(b, 12, 11, 4) | move(b, 10, 7, 6) |
                         move(b, 6, 6, 2) | move(b, 5, 5, 3));
    case FMT_C_LWSP:
        return (int32_t)(move(b, 12, 12, 5) | move(b, 6, 4, 2) |
                         move(b, 3, 2, 6));
    case FMT_C_LDSP:
        return (int32_t)(move(b, 12, 12, 5) | move(b, 6, 5, 3) |
                         move(b, 4, 2, 6));
    case FMT_C_SWSP:
        return (int32_t)(move(b, 12, 9, 2) | move(b, 8, 7, 6));
    case FMT_C_SDSP:
        return (int32_t)(move(b, 12, 10, 3) | move(b, 9, 7, 6));
    case FMT_C_LW:
    case FMT_C_SW:
        return (int32_t)(move(b, 12, 10, 3) | move(b, 6, 6, 2) |
                         move(b, 5, 5, 6));
    case FMT_C_LD:
    case FMT_C_SD:
        return (int32_t)(move(b, 12, 10, 3) | move(b, 6, 5, 6));
    case FMT_C_LB:
    case FMT_C_SB:
        return (int32_t)(move(b, 6, 6, 0) | move(b, 5, 5, 1));
    case FMT_C_LH:
    case FMT_C_SH:
        return (int32_t)move(b, 5, 5, 1);
    case FMT_C_NOT:
        return -1;
    case FMT_C_B:
        return sign(move(b, 12, 12, 8) | move(b, 11, 10, 3) |
                        move(b, 6, 5, 6) | move(b, 4, 3, 1) | move(b, 2, 2, 5),
                    9);
    case FMT_C_J:
    case FMT_C_JAL:
        return cj(b);
    default:
        return 0;
    }
}

#define SP 2
#define RA 1

static void compressed_regs(uint32_t format, uint32_t b, struct insn *i)
{
    uint8_t full = (uint8_t)field(b, 11, 7), low = (uint8_t)field(b, 6, 2);
    uint8_t high3 = (uint8_t)(8 + field(b, 9, 7));
    uint8_t low3 = (uint8_t)(8 + field(b, 4, 2));

    switch (format) {
    case FMT_C_ADDI4SPN:
        i->rd = low3, i->rs1 = SP;
        break;
    case FMT_C_ADDI16SP:
        i->rd = SP, i->rs1 = SP;
        break;
    case FMT_C_LWSP:
    case FMT_C_LDSP:
        i->rd = full, i->rs1 = SP;
        break;
    case FMT_C_SWSP:
    case FMT_C_SDSP:
        i->rs1 = SP, i->rs2 = low;
        break;
    case FMT_C_LW:
    case FMT_C_LD:
    case FMT_C_LB:
    case FMT_C_LH:
        i->rd = low3, i->rs1 = high3;
        break;
    case FMT_C_SW:
    case FMT_C_SD:
    case FMT_C_SB:
    case FMT_C_SH:
        i->rs1 = high3, i->rs2 = low3;
        break;
    case FMT_CA:
        i->rd = i->rs1 = high3, i->rs2 = low3;
        break;
    case FMT_C_SHIFT:
    case FMT_C_ANDI:
    case FMT_C_UNARY:
    case FMT_C_NOT:
        i->rd = i->rs1 = high3;
        break;
    case FMT_C_B:
        i->rs1 = high3;
        break;
    case FMT_CR:
    case FMT_CI:
    case FMT_C_SLLI:
        i->rd = i->rs1 = full, i->rs2 = low;
        break;
    case FMT_C_MV:
        i->rd = full, i->rs2 = low;
        break;
    case FMT_C_LI:
    case FMT_C_LUI:
        i->rd = full;
        break;
    case FMT_C_JR:
        i->rs1 = full;
        break;
    case FMT_C_JALR:
        i->rs1 = full, i->rd = RA;
        break;
    case FMT_C_JAL:
        i->rd = RA;
        break;
    }
}

void riscv_operands(const struct riscv_target *t, uint32_t format,
                    uint32_t bits, struct insn *i)
{
    (void)t;
    if ((bits & 3) == 3) {
        operands32(format, bits, i);
        return;
    }
    i->rd = i->rs1 = i->rs2 = i->rs3 = 0;
    compressed_regs(format, bits, i);
    i->imm = compressed_imm(format, bits);
}
