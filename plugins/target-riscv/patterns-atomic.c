/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A (Zaamo, Zalrsc) and Zacas: funct5 aq rl rs2 rs1 width rd. Unprivileged
 * manual, chapters "A" and "Zacas".
 */
#include "decode.h"

#define W HAS(A), 0, FMT_R
#define D HAS(A), 64, FMT_R
#define AMO_W(op) TN_MO_32 | TN_ATOMIC_##op << 8
#define AMO_D(op) TN_MO_64 | TN_ATOMIC_##op << 8

/* clang-format off */
const struct riscv_pattern riscv_patterns_atomic[] = {
    {"00010 . . 00000 ..... 010 ..... 0101111", "lr.w",      W, emit_lr, TN_MO_32},
    {"00011 . . ..... ..... 010 ..... 0101111", "sc.w",      W, emit_sc, TN_MO_32},
    {"00001 . . ..... ..... 010 ..... 0101111", "amoswap.w", W, emit_amo, AMO_W(SWAP)},
    {"00000 . . ..... ..... 010 ..... 0101111", "amoadd.w",  W, emit_amo, AMO_W(ADD)},
    {"00100 . . ..... ..... 010 ..... 0101111", "amoxor.w",  W, emit_amo, AMO_W(XOR)},
    {"01100 . . ..... ..... 010 ..... 0101111", "amoand.w",  W, emit_amo, AMO_W(AND)},
    {"01000 . . ..... ..... 010 ..... 0101111", "amoor.w",   W, emit_amo, AMO_W(OR)},
    {"10000 . . ..... ..... 010 ..... 0101111", "amomin.w",  W, emit_amo, AMO_W(MINS)},
    {"10100 . . ..... ..... 010 ..... 0101111", "amomax.w",  W, emit_amo, AMO_W(MAXS)},
    {"11000 . . ..... ..... 010 ..... 0101111", "amominu.w", W, emit_amo, AMO_W(MINU)},
    {"11100 . . ..... ..... 010 ..... 0101111", "amomaxu.w", W, emit_amo, AMO_W(MAXU)},
    {"00010 . . 00000 ..... 011 ..... 0101111", "lr.d",      D, emit_lr, TN_MO_64},
    {"00011 . . ..... ..... 011 ..... 0101111", "sc.d",      D, emit_sc, TN_MO_64},
    {"00001 . . ..... ..... 011 ..... 0101111", "amoswap.d", D, emit_amo, AMO_D(SWAP)},
    {"00000 . . ..... ..... 011 ..... 0101111", "amoadd.d",  D, emit_amo, AMO_D(ADD)},
    {"00100 . . ..... ..... 011 ..... 0101111", "amoxor.d",  D, emit_amo, AMO_D(XOR)},
    {"01100 . . ..... ..... 011 ..... 0101111", "amoand.d",  D, emit_amo, AMO_D(AND)},
    {"01000 . . ..... ..... 011 ..... 0101111", "amoor.d",   D, emit_amo, AMO_D(OR)},
    {"10000 . . ..... ..... 011 ..... 0101111", "amomin.d",  D, emit_amo, AMO_D(MINS)},
    {"10100 . . ..... ..... 011 ..... 0101111", "amomax.d",  D, emit_amo, AMO_D(MAXS)},
    {"11000 . . ..... ..... 011 ..... 0101111", "amominu.d", D, emit_amo, AMO_D(MINU)},
    {"11100 . . ..... ..... 011 ..... 0101111", "amomaxu.d", D, emit_amo, AMO_D(MAXU)},

    /* Zacas */
    {"00101 . . ..... ..... 010 ..... 0101111", "amocas.w",  HAS(ZACAS), 0,  FMT_R, emit_amocas, TN_MO_32},
    {"00101 . . ..... ..... 011 ..... 0101111", "amocas.d",  HAS(ZACAS), 64, FMT_R, emit_amocas, TN_MO_64},
    {"00101 . . ....0 ..... 011 ....0 0101111", "amocas.d",  HAS(ZACAS), 32, FMT_R, emit_amocas_pair, TN_MO_64},
    {"00101 . . ....0 ..... 100 ....0 0101111", "amocas.q",  HAS(ZACAS), 64, FMT_R, emit_amocas_pair, TN_MO_128},
    {0},
};
