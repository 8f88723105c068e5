/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C and Zcb: 16-bit forms, in the order of the unprivileged manual's tables
 * "Instruction listing for RVC", quadrants 0, 1 and 2. They are emitted by
 * what emits the instruction they stand for. A zero halfword is no
 * instruction because c.addi4spn needs an immediate.
 */
#include "decode.h"

#define C HAS(C), 0
#define C32 HAS(C), 32
#define C64 HAS(C), 64
#define CF HAS(C) | HAS(F), 32
#define CD HAS(C) | HAS(D), 0
#define ZCB HAS(ZCB), 0
#define ZCB_ZBB HAS(ZCB) | HAS(ZBB), 0
#define ZCB_ZBA HAS(ZCB) | HAS(ZBA), 64
#define ZCB_M HAS(ZCB) | HAS(M), 0
#define EXT(op, type) TN_OP_##op | (uint32_t)TN_##type << 16

/* clang-format off */
const struct riscv_pattern riscv_patterns_compressed[] = {
    /* Quadrant 0 */
    {"000 nnnnnnnn ... 00",      "c.addi4spn", C,   FMT_C_ADDI4SPN, emit_addi, 0},
    {"001 ... ... .. ... 00",    "c.fld",      CD,  FMT_C_LD, emit_fload, TN_F64},
    {"010 ... ... .. ... 00",    "c.lw",       C,   FMT_C_LW, emit_load, TN_MO_32 | TN_MO_SIGN},
    {"011 ... ... .. ... 00",    "c.flw",      CF,  FMT_C_LW, emit_fload, TN_F32},
    {"011 ... ... .. ... 00",    "c.ld",       C64, FMT_C_LD, emit_load, TN_MO_64},
    {"101 ... ... .. ... 00",    "c.fsd",      CD,  FMT_C_SD, emit_fstore, TN_F64},
    {"110 ... ... .. ... 00",    "c.sw",       C,   FMT_C_SW, emit_store, TN_MO_32},
    {"111 ... ... .. ... 00",    "c.fsw",      CF,  FMT_C_SW, emit_fstore, TN_F32},
    {"111 ... ... .. ... 00",    "c.sd",       C64, FMT_C_SD, emit_store, TN_MO_64},

    /* Quadrant 1; c.nop is c.addi with x0 */
    {"000 . ..... ..... 01",     "c.addi",     C,   FMT_CI, emit_addi, 0},
    {"001 ... ........ 01",      "c.jal",      C32, FMT_C_JAL, emit_jal, 0},
    {"001 . nnnnn ..... 01",     "c.addiw",    C64, FMT_CI, emit_ri_low, TN_OP_ADD},
    {"010 . ..... ..... 01",     "c.li",       C,   FMT_C_LI, emit_addi, 0},
    {"011 n 00010 nnnnn 01",     "c.addi16sp", C,   FMT_C_ADDI16SP, emit_addi, 0},
    {"011 n sssss nnnnn 01",     "c.lui",      C,   FMT_C_LUI, emit_lui, 0},
    {"100 0 00 ... ..... 01",    "c.srli",     C32, FMT_C_SHIFT, emit_ri, TN_OP_SHR},
    {"100 . 00 ... ..... 01",    "c.srli",     C64, FMT_C_SHIFT, emit_ri, TN_OP_SHR},
    {"100 0 01 ... ..... 01",    "c.srai",     C32, FMT_C_SHIFT, emit_ri, TN_OP_SAR},
    {"100 . 01 ... ..... 01",    "c.srai",     C64, FMT_C_SHIFT, emit_ri, TN_OP_SAR},
    {"100 . 10 ... ..... 01",    "c.andi",     C,   FMT_C_ANDI, emit_ri, TN_OP_AND},
    {"100 0 11 ... 00 ... 01",   "c.sub",      C,   FMT_CA, emit_rr, TN_OP_SUB},
    {"100 0 11 ... 01 ... 01",   "c.xor",      C,   FMT_CA, emit_rr, TN_OP_XOR},
    {"100 0 11 ... 10 ... 01",   "c.or",       C,   FMT_CA, emit_rr, TN_OP_OR},
    {"100 0 11 ... 11 ... 01",   "c.and",      C,   FMT_CA, emit_rr, TN_OP_AND},
    {"100 1 11 ... 00 ... 01",   "c.subw",     C64, FMT_CA, emit_rr_low, TN_OP_SUB},
    {"100 1 11 ... 01 ... 01",   "c.addw",     C64, FMT_CA, emit_rr_low, TN_OP_ADD},
    {"101 ... ........ 01",      "c.j",        C,   FMT_C_J, emit_jal, 0},
    {"110 ... ... ..... 01",     "c.beqz",     C,   FMT_C_B, emit_branch, TN_CC_EQ},
    {"111 ... ... ..... 01",     "c.bnez",     C,   FMT_C_B, emit_branch, TN_CC_NE},

    /* Zcb, chapter "Zc*", quadrants 0 and 1 */
    {"100 000 ... .. ... 00",    "c.lbu",      ZCB, FMT_C_LB, emit_load, TN_MO_8},
    {"100 001 ... 0 . ... 00",   "c.lhu",      ZCB, FMT_C_LH, emit_load, TN_MO_16},
    {"100 001 ... 1 . ... 00",   "c.lh",       ZCB, FMT_C_LH, emit_load, TN_MO_16 | TN_MO_SIGN},
    {"100 010 ... .. ... 00",    "c.sb",       ZCB, FMT_C_SB, emit_store, TN_MO_8},
    {"100 011 ... 0 . ... 00",   "c.sh",       ZCB, FMT_C_SH, emit_store, TN_MO_16},
    {"100 1 11 ... 11 000 01",   "c.zext.b",   ZCB, FMT_C_UNARY, emit_extend, EXT(ZEXT, I8)},
    {"100 1 11 ... 11 001 01",   "c.sext.b",   ZCB_ZBB, FMT_C_UNARY, emit_extend, EXT(SEXT, I8)},
    {"100 1 11 ... 11 010 01",   "c.zext.h",   ZCB_ZBB, FMT_C_UNARY, emit_extend, EXT(ZEXT, I16)},
    {"100 1 11 ... 11 011 01",   "c.sext.h",   ZCB_ZBB, FMT_C_UNARY, emit_extend, EXT(SEXT, I16)},
    {"100 1 11 ... 11 100 01",   "c.zext.w",   ZCB_ZBA, FMT_C_UNARY, emit_extend, EXT(ZEXT, I32)},
    {"100 1 11 ... 11 101 01",   "c.not",      ZCB, FMT_C_NOT, emit_ri, TN_OP_XOR},
    {"100 1 11 ... 10 ... 01",   "c.mul",      ZCB_M, FMT_CA, emit_rr, TN_OP_MUL},

    /* Quadrant 2 */
    {"000 0 ..... ..... 10",     "c.slli",     C32, FMT_C_SLLI, emit_ri, TN_OP_SHL},
    {"000 . ..... ..... 10",     "c.slli",     C64, FMT_C_SLLI, emit_ri, TN_OP_SHL},
    {"001 . ..... ..... 10",     "c.fldsp",    CD,  FMT_C_LDSP, emit_fload, TN_F64},
    {"010 . nnnnn ..... 10",     "c.lwsp",     C,   FMT_C_LWSP, emit_load, TN_MO_32 | TN_MO_SIGN},
    {"011 . ..... ..... 10",     "c.flwsp",    CF,  FMT_C_LWSP, emit_fload, TN_F32},
    {"011 . nnnnn ..... 10",     "c.ldsp",     C64, FMT_C_LDSP, emit_load, TN_MO_64},
    {"100 0 nnnnn 00000 10",     "c.jr",       C,   FMT_C_JR, emit_jalr, 0},
    {"100 0 ..... nnnnn 10",     "c.mv",       C,   FMT_C_MV, emit_rr, TN_OP_ADD},
    {"100 1 00000 00000 10",     "c.ebreak",   C,   FMT_NONE, emit_ebreak, 0},
    {"100 1 nnnnn 00000 10",     "c.jalr",     C,   FMT_C_JALR, emit_jalr, 0},
    {"100 1 ..... nnnnn 10",     "c.add",      C,   FMT_CR, emit_rr, TN_OP_ADD},
    {"101 ... ... ..... 10",     "c.fsdsp",    CD,  FMT_C_SDSP, emit_fstore, TN_F64},
    {"110 ... ... ..... 10",     "c.swsp",     C,   FMT_C_SWSP, emit_store, TN_MO_32},
    {"111 ... ... ..... 10",     "c.fswsp",    CF,  FMT_C_SWSP, emit_fstore, TN_F32},
    {"111 ... ... ..... 10",     "c.sdsp",     C64, FMT_C_SDSP, emit_store, TN_MO_64},
    {0},
};
