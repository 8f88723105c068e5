/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zba, Zbb, Zbc, Zbs and Zicond. Unprivileged manual, chapters "B" and
 * "Integer Conditional (Zicond) Operations".
 */
#include "decode.h"

#define ZBA HAS(ZBA)
#define ZBB HAS(ZBB)
#define ZBC HAS(ZBC)
#define ZBS HAS(ZBS)
#define EXT(op, from) TN_OP_##op | TN_##from << 16

/* clang-format off */
const struct riscv_pattern riscv_patterns_bit[] = {
    {"0000100 ..... ..... 000 ..... 0111011", "add.uw",    ZBA, 64, FMT_R, emit_sh_add_uw, 0},
    {"0010000 ..... ..... 010 ..... 0110011", "sh1add",    ZBA, 0,  FMT_R, emit_sh_add, 1},
    {"0010000 ..... ..... 010 ..... 0111011", "sh1add.uw", ZBA, 64, FMT_R, emit_sh_add_uw, 1},
    {"0010000 ..... ..... 100 ..... 0110011", "sh2add",    ZBA, 0,  FMT_R, emit_sh_add, 2},
    {"0010000 ..... ..... 100 ..... 0111011", "sh2add.uw", ZBA, 64, FMT_R, emit_sh_add_uw, 2},
    {"0010000 ..... ..... 110 ..... 0110011", "sh3add",    ZBA, 0,  FMT_R, emit_sh_add, 3},
    {"0010000 ..... ..... 110 ..... 0111011", "sh3add.uw", ZBA, 64, FMT_R, emit_sh_add_uw, 3},
    {"000010 ...... ..... 001 ..... 0011011", "slli.uw",   ZBA, 64, FMT_SHIFT, emit_slli_uw, 0},

    {"0100000 ..... ..... 111 ..... 0110011", "andn",      ZBB, 0,  FMT_R, emit_rr, TN_OP_ANDN},
    {"0100000 ..... ..... 110 ..... 0110011", "orn",       ZBB, 0,  FMT_R, emit_rr, TN_OP_ORN},
    {"0100000 ..... ..... 100 ..... 0110011", "xnor",      ZBB, 0,  FMT_R, emit_rr, TN_OP_XNOR},
    {"0110000 00000 ..... 001 ..... 0010011", "clz",       ZBB, 0,  FMT_R, emit_r1, TN_OP_CLZ},
    {"0110000 00000 ..... 001 ..... 0011011", "clzw",      ZBB, 64, FMT_R, emit_r1_word, TN_OP_CLZ},
    {"0110000 00001 ..... 001 ..... 0010011", "ctz",       ZBB, 0,  FMT_R, emit_r1, TN_OP_CTZ},
    {"0110000 00001 ..... 001 ..... 0011011", "ctzw",      ZBB, 64, FMT_R, emit_r1_word, TN_OP_CTZ},
    {"0110000 00010 ..... 001 ..... 0010011", "cpop",      ZBB, 0,  FMT_R, emit_r1, TN_OP_POPCNT},
    {"0110000 00010 ..... 001 ..... 0011011", "cpopw",     ZBB, 64, FMT_R, emit_r1_word, TN_OP_POPCNT},
    {"0000101 ..... ..... 110 ..... 0110011", "max",       ZBB, 0,  FMT_R, emit_rr, TN_OP_MAXS},
    {"0000101 ..... ..... 111 ..... 0110011", "maxu",      ZBB, 0,  FMT_R, emit_rr, TN_OP_MAXU},
    {"0000101 ..... ..... 100 ..... 0110011", "min",       ZBB, 0,  FMT_R, emit_rr, TN_OP_MINS},
    {"0000101 ..... ..... 101 ..... 0110011", "minu",      ZBB, 0,  FMT_R, emit_rr, TN_OP_MINU},
    {"0110000 00100 ..... 001 ..... 0010011", "sext.b",    ZBB, 0,  FMT_R, emit_extend, EXT(SEXT, I8)},
    {"0110000 00101 ..... 001 ..... 0010011", "sext.h",    ZBB, 0,  FMT_R, emit_extend, EXT(SEXT, I16)},
    {"0000100 00000 ..... 100 ..... 0110011", "zext.h",    ZBB, 32, FMT_R, emit_extend, EXT(ZEXT, I16)},
    {"0000100 00000 ..... 100 ..... 0111011", "zext.h",    ZBB, 64, FMT_R, emit_extend, EXT(ZEXT, I16)},
    {"0110000 ..... ..... 001 ..... 0110011", "rol",       ZBB, 0,  FMT_R, emit_rr, TN_OP_ROTL},
    {"0110000 ..... ..... 001 ..... 0111011", "rolw",      ZBB, 64, FMT_R, emit_rr_word, TN_OP_ROTL},
    {"0110000 ..... ..... 101 ..... 0110011", "ror",       ZBB, 0,  FMT_R, emit_rr, TN_OP_ROTR},
    {"0110000 ..... ..... 101 ..... 0010011", "rori",      ZBB, 32, FMT_SHIFT, emit_ri, TN_OP_ROTR},
    {"011000 ...... ..... 101 ..... 0010011", "rori",      ZBB, 64, FMT_SHIFT, emit_ri, TN_OP_ROTR},
    {"0110000 ..... ..... 101 ..... 0011011", "roriw",     ZBB, 64, FMT_SHIFT, emit_roriw, 0},
    {"0110000 ..... ..... 101 ..... 0111011", "rorw",      ZBB, 64, FMT_R, emit_rr_word, TN_OP_ROTR},
    {"0010100 00111 ..... 101 ..... 0010011", "orc.b",     ZBB, 0,  FMT_R, emit_r1, TN_OP_ORCB},
    {"0110100 11000 ..... 101 ..... 0010011", "rev8",      ZBB, 32, FMT_R, emit_r1, TN_OP_BSWAP},
    {"0110101 11000 ..... 101 ..... 0010011", "rev8",      ZBB, 64, FMT_R, emit_r1, TN_OP_BSWAP},

    {"0000101 ..... ..... 001 ..... 0110011", "clmul",     ZBC, 0,  FMT_R, emit_rr, TN_OP_CLMUL},
    {"0000101 ..... ..... 011 ..... 0110011", "clmulh",    ZBC, 0,  FMT_R, emit_rr, TN_OP_CLMULH},
    {"0000101 ..... ..... 010 ..... 0110011", "clmulr",    ZBC, 0,  FMT_R, emit_clmulr, 0},

    {"0100100 ..... ..... 001 ..... 0110011", "bclr",      ZBS, 0,  FMT_R, emit_bit, BIT_CLEAR},
    {"0100100 ..... ..... 001 ..... 0010011", "bclri",     ZBS, 32, FMT_SHIFT, emit_biti, BIT_CLEAR},
    {"010010 ...... ..... 001 ..... 0010011", "bclri",     ZBS, 64, FMT_SHIFT, emit_biti, BIT_CLEAR},
    {"0100100 ..... ..... 101 ..... 0110011", "bext",      ZBS, 0,  FMT_R, emit_bit, BIT_EXTRACT},
    {"0100100 ..... ..... 101 ..... 0010011", "bexti",     ZBS, 32, FMT_SHIFT, emit_biti, BIT_EXTRACT},
    {"010010 ...... ..... 101 ..... 0010011", "bexti",     ZBS, 64, FMT_SHIFT, emit_biti, BIT_EXTRACT},
    {"0110100 ..... ..... 001 ..... 0110011", "binv",      ZBS, 0,  FMT_R, emit_bit, BIT_INVERT},
    {"0110100 ..... ..... 001 ..... 0010011", "binvi",     ZBS, 32, FMT_SHIFT, emit_biti, BIT_INVERT},
    {"011010 ...... ..... 001 ..... 0010011", "binvi",     ZBS, 64, FMT_SHIFT, emit_biti, BIT_INVERT},
    {"0010100 ..... ..... 001 ..... 0110011", "bset",      ZBS, 0,  FMT_R, emit_bit, BIT_SET},
    {"0010100 ..... ..... 001 ..... 0010011", "bseti",     ZBS, 32, FMT_SHIFT, emit_biti, BIT_SET},
    {"001010 ...... ..... 001 ..... 0010011", "bseti",     ZBS, 64, FMT_SHIFT, emit_biti, BIT_SET},

    {"0000111 ..... ..... 101 ..... 0110011", "czero.eqz", HAS(ZICOND), 0, FMT_R, emit_czero, TN_CC_EQ},
    {"0000111 ..... ..... 111 ..... 0110011", "czero.nez", HAS(ZICOND), 0, FMT_R, emit_czero, TN_CC_NE},
    {0},
};
