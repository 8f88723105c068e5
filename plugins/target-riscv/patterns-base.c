/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RV32I, RV64I, M, Zifencei, Zihintpause, Zicbop, Zicsr and the privileged
 * instructions. Unprivileged manual, chapter "RV32/64G Instruction Set
 * Listings"; privileged manual, "RISC-V Privileged Instruction Set Listings".
 */
#include "decode.h"

#define I64 0, 64
#define I32 0, 32
#define IXX 0, 0
#define MUL HAS(M), 0
#define MUL64 HAS(M), 64
#define SIGNED TN_MO_SIGN

/* clang-format off */
const struct riscv_pattern riscv_patterns_base[] = {
    /* Hints that are cases of fence and ori */
    {"0000000 10000 00000 000 00000 0001111", "pause",      HAS(ZIHINTPAUSE), 0, FMT_NONE, emit_pause, 0},
    {"....... 00000 ..... 110 00000 0010011", "prefetch.i", HAS(ZICBOP), 0, FMT_NONE, emit_nop, 0},
    {"....... 00001 ..... 110 00000 0010011", "prefetch.r", HAS(ZICBOP), 0, FMT_NONE, emit_nop, 0},
    {"....... 00011 ..... 110 00000 0010011", "prefetch.w", HAS(ZICBOP), 0, FMT_NONE, emit_nop, 0},

    /* RV32I */
    {".................... ..... 0110111",    "lui",    IXX, FMT_U, emit_lui, 0},
    {".................... ..... 0010111",    "auipc",  IXX, FMT_U, emit_auipc, 0},
    {".................... ..... 1101111",    "jal",    IXX, FMT_J, emit_jal, 0},
    {"............ ..... 000 ..... 1100111",  "jalr",   IXX, FMT_I, emit_jalr, 0},
    {"....... ..... ..... 000 ..... 1100011", "beq",    IXX, FMT_B, emit_branch, TN_CC_EQ},
    {"....... ..... ..... 001 ..... 1100011", "bne",    IXX, FMT_B, emit_branch, TN_CC_NE},
    {"....... ..... ..... 100 ..... 1100011", "blt",    IXX, FMT_B, emit_branch, TN_CC_LTS},
    {"....... ..... ..... 101 ..... 1100011", "bge",    IXX, FMT_B, emit_branch, TN_CC_GES},
    {"....... ..... ..... 110 ..... 1100011", "bltu",   IXX, FMT_B, emit_branch, TN_CC_LTU},
    {"....... ..... ..... 111 ..... 1100011", "bgeu",   IXX, FMT_B, emit_branch, TN_CC_GEU},
    {"............ ..... 000 ..... 0000011",  "lb",     IXX, FMT_I, emit_load, TN_MO_8 | SIGNED},
    {"............ ..... 001 ..... 0000011",  "lh",     IXX, FMT_I, emit_load, TN_MO_16 | SIGNED},
    {"............ ..... 010 ..... 0000011",  "lw",     IXX, FMT_I, emit_load, TN_MO_32 | SIGNED},
    {"............ ..... 100 ..... 0000011",  "lbu",    IXX, FMT_I, emit_load, TN_MO_8},
    {"............ ..... 101 ..... 0000011",  "lhu",    IXX, FMT_I, emit_load, TN_MO_16},
    {"....... ..... ..... 000 ..... 0100011", "sb",     IXX, FMT_S, emit_store, TN_MO_8},
    {"....... ..... ..... 001 ..... 0100011", "sh",     IXX, FMT_S, emit_store, TN_MO_16},
    {"....... ..... ..... 010 ..... 0100011", "sw",     IXX, FMT_S, emit_store, TN_MO_32},
    {"............ ..... 000 ..... 0010011",  "addi",   IXX, FMT_I, emit_addi, 0},
    {"............ ..... 010 ..... 0010011",  "slti",   IXX, FMT_I, emit_slti, TN_CC_LTS},
    {"............ ..... 011 ..... 0010011",  "sltiu",  IXX, FMT_I, emit_slti, TN_CC_LTU},
    {"............ ..... 100 ..... 0010011",  "xori",   IXX, FMT_I, emit_ri, TN_OP_XOR},
    {"............ ..... 110 ..... 0010011",  "ori",    IXX, FMT_I, emit_ri, TN_OP_OR},
    {"............ ..... 111 ..... 0010011",  "andi",   IXX, FMT_I, emit_ri, TN_OP_AND},
    {"0000000 ..... ..... 001 ..... 0010011", "slli",   I32, FMT_SHIFT, emit_ri, TN_OP_SHL},
    {"0000000 ..... ..... 101 ..... 0010011", "srli",   I32, FMT_SHIFT, emit_ri, TN_OP_SHR},
    {"0100000 ..... ..... 101 ..... 0010011", "srai",   I32, FMT_SHIFT, emit_ri, TN_OP_SAR},
    {"0000000 ..... ..... 000 ..... 0110011", "add",    IXX, FMT_R, emit_rr, TN_OP_ADD},
    {"0100000 ..... ..... 000 ..... 0110011", "sub",    IXX, FMT_R, emit_rr, TN_OP_SUB},
    {"0000000 ..... ..... 001 ..... 0110011", "sll",    IXX, FMT_R, emit_rr, TN_OP_SHL},
    {"0000000 ..... ..... 010 ..... 0110011", "slt",    IXX, FMT_R, emit_slt, TN_CC_LTS},
    {"0000000 ..... ..... 011 ..... 0110011", "sltu",   IXX, FMT_R, emit_slt, TN_CC_LTU},
    {"0000000 ..... ..... 100 ..... 0110011", "xor",    IXX, FMT_R, emit_rr, TN_OP_XOR},
    {"0000000 ..... ..... 101 ..... 0110011", "srl",    IXX, FMT_R, emit_rr, TN_OP_SHR},
    {"0100000 ..... ..... 101 ..... 0110011", "sra",    IXX, FMT_R, emit_rr, TN_OP_SAR},
    {"0000000 ..... ..... 110 ..... 0110011", "or",     IXX, FMT_R, emit_rr, TN_OP_OR},
    {"0000000 ..... ..... 111 ..... 0110011", "and",    IXX, FMT_R, emit_rr, TN_OP_AND},
    {".... .... .... ..... 000 ..... 0001111", "fence", IXX, FMT_FENCE, emit_fence, 0},

    /* RV64I */
    {"............ ..... 110 ..... 0000011",  "lwu",    I64, FMT_I, emit_load, TN_MO_32},
    {"............ ..... 011 ..... 0000011",  "ld",     I64, FMT_I, emit_load, TN_MO_64},
    {"....... ..... ..... 011 ..... 0100011", "sd",     I64, FMT_S, emit_store, TN_MO_64},
    {"000000 ...... ..... 001 ..... 0010011", "slli",   I64, FMT_SHIFT, emit_ri, TN_OP_SHL},
    {"000000 ...... ..... 101 ..... 0010011", "srli",   I64, FMT_SHIFT, emit_ri, TN_OP_SHR},
    {"010000 ...... ..... 101 ..... 0010011", "srai",   I64, FMT_SHIFT, emit_ri, TN_OP_SAR},
    {"............ ..... 000 ..... 0011011",  "addiw",  I64, FMT_I, emit_ri_low, TN_OP_ADD},
    {"0000000 ..... ..... 001 ..... 0011011", "slliw",  I64, FMT_SHIFT, emit_ri_low, TN_OP_SHL},
    {"0000000 ..... ..... 101 ..... 0011011", "srliw",  I64, FMT_SHIFT, emit_srliw, 0},
    {"0100000 ..... ..... 101 ..... 0011011", "sraiw",  I64, FMT_SHIFT, emit_sraiw, 0},
    {"0000000 ..... ..... 000 ..... 0111011", "addw",   I64, FMT_R, emit_rr_low, TN_OP_ADD},
    {"0100000 ..... ..... 000 ..... 0111011", "subw",   I64, FMT_R, emit_rr_low, TN_OP_SUB},
    {"0000000 ..... ..... 001 ..... 0111011", "sllw",   I64, FMT_R, emit_rr_word, TN_OP_SHL},
    {"0000000 ..... ..... 101 ..... 0111011", "srlw",   I64, FMT_R, emit_rr_word, TN_OP_SHR},
    {"0100000 ..... ..... 101 ..... 0111011", "sraw",   I64, FMT_R, emit_rr_word, TN_OP_SAR},

    /* M */
    {"0000001 ..... ..... 000 ..... 0110011", "mul",    MUL, FMT_R, emit_rr, TN_OP_MUL},
    {"0000001 ..... ..... 001 ..... 0110011", "mulh",   MUL, FMT_R, emit_rr, TN_OP_MULHS},
    {"0000001 ..... ..... 010 ..... 0110011", "mulhsu", MUL, FMT_R, emit_rr, TN_OP_MULHSU},
    {"0000001 ..... ..... 011 ..... 0110011", "mulhu",  MUL, FMT_R, emit_rr, TN_OP_MULHU},
    {"0000001 ..... ..... 100 ..... 0110011", "div",    MUL, FMT_R, emit_rr, TN_OP_DIVS},
    {"0000001 ..... ..... 101 ..... 0110011", "divu",   MUL, FMT_R, emit_rr, TN_OP_DIVU},
    {"0000001 ..... ..... 110 ..... 0110011", "rem",    MUL, FMT_R, emit_rr, TN_OP_REMS},
    {"0000001 ..... ..... 111 ..... 0110011", "remu",   MUL, FMT_R, emit_rr, TN_OP_REMU},
    {"0000001 ..... ..... 000 ..... 0111011", "mulw",   MUL64, FMT_R, emit_rr_low, TN_OP_MUL},
    {"0000001 ..... ..... 100 ..... 0111011", "divw",   MUL64, FMT_R, emit_rr_word, TN_OP_DIVS},
    {"0000001 ..... ..... 101 ..... 0111011", "divuw",  MUL64, FMT_R, emit_rr_word, TN_OP_DIVU},
    {"0000001 ..... ..... 110 ..... 0111011", "remw",   MUL64, FMT_R, emit_rr_word, TN_OP_REMS},
    {"0000001 ..... ..... 111 ..... 0111011", "remuw",  MUL64, FMT_R, emit_rr_word, TN_OP_REMU},
    {0},
};

const struct riscv_pattern riscv_patterns_system[] = {
    {"000000000000 00000 000 00000 1110011",  "ecall",      IXX, FMT_NONE, emit_ecall, 0},
    {"000000000001 00000 000 00000 1110011",  "ebreak",     IXX, FMT_NONE, emit_ebreak, 0},
    {"............ ..... 001 ..... 0001111",  "fence.i",    HAS(ZIFENCEI), 0, FMT_NONE, emit_fence_i, 0},

    /* Zicsr */
    {"............ ..... 001 ..... 1110011",  "csrrw",      HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RW},
    {"............ ..... 010 ..... 1110011",  "csrrs",      HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RS},
    {"............ ..... 011 ..... 1110011",  "csrrc",      HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RC},
    {"............ ..... 101 ..... 1110011",  "csrrwi",     HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RW | CSR_IMM},
    {"............ ..... 110 ..... 1110011",  "csrrsi",     HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RS | CSR_IMM},
    {"............ ..... 111 ..... 1110011",  "csrrci",     HAS(ZICSR), 0, FMT_CSR, emit_csr, CSR_RC | CSR_IMM},

    /* Trap return, interrupt management, memory management */
    {"0001000 00010 00000 000 00000 1110011", "sret",       HAS(S), 0, FMT_NONE, emit_sret, 0},
    {"0011000 00010 00000 000 00000 1110011", "mret",       IXX, FMT_NONE, emit_mret, 0},
    {"0001000 00101 00000 000 00000 1110011", "wfi",        IXX, FMT_NONE, emit_wfi, 0},
    {"0001001 ..... ..... 000 00000 1110011", "sfence.vma", HAS(S), 0, FMT_R, emit_sfence, 0},
    {"0001011 ..... ..... 000 00000 1110011", "sinval.vma", HAS(SVINVAL), 0, FMT_R, emit_sfence, 0},
    {"0001100 00000 00000 000 00000 1110011", "sfence.w.inval",  HAS(SVINVAL), 0, FMT_NONE, emit_sfence_order, 0},
    {"0001100 00001 00000 000 00000 1110011", "sfence.inval.ir", HAS(SVINVAL), 0, FMT_NONE, emit_sfence_order, 0},

    /* Zicbom, Zicboz */
    {"000000000000 ..... 010 00000 0001111",  "cbo.inval",  HAS(ZICBOM), 0, FMT_R, emit_cbo_inval, 0},
    {"000000000001 ..... 010 00000 0001111",  "cbo.clean",  HAS(ZICBOM), 0, FMT_R, emit_cbo_clean, 0},
    {"000000000010 ..... 010 00000 0001111",  "cbo.flush",  HAS(ZICBOM), 0, FMT_R, emit_cbo_clean, 0},
    {"000000000100 ..... 010 00000 0001111",  "cbo.zero",   HAS(ZICBOZ), 0, FMT_R, emit_cbo_zero, 0},

    /* Zawrs */
    {"000000001101 00000 000 00000 1110011",  "wrs.nto",    HAS(ZAWRS), 0, FMT_NONE, emit_wrs, 0},
    {"000000011101 00000 000 00000 1110011",  "wrs.sto",    HAS(ZAWRS), 0, FMT_NONE, emit_wrs, 0},
    {0},
};
