/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code at the reset address.
 *
 * It enters the firmware as OpenSBI's documentation (docs/firmware/fw.md and
 * fw_dynamic.md) asks: a0 the hart's number, a1 the device tree, a2 a struct
 * fw_dynamic_info. Instruction encodings: RISC-V unprivileged ISA, chapter
 * "RV32/64G Instruction Set Listings".
 */
#include "boot-riscv.h"

#include <string.h>

/* Offsets of the data in the ROM, after the code. */
#define ENTRY_AT 0x20u
#define TREE_AT 0x28u
#define INFO_AT 0x30u

enum register_number { ZERO = 0, T0 = 5, T1 = 6, A0 = 10, A1 = 11, A2 = 12 };

#define CSR_MHARTID 0xf14u

#define AUIPC(rd, imm) ((uint32_t)(imm) << 12 | (rd) << 7 | 0x17u)
#define CSRR(rd, csr) ((csr) << 20 | 2u << 12 | (uint32_t)(rd) << 7 | 0x73u)
#define ADDI(rd, rs, imm)                                                      \
    ((imm) << 20 | (uint32_t)(rs) << 15 | (uint32_t)(rd) << 7 | 0x13u)
#define LOAD(log2, rd, rs, imm)                                                \
    ((imm) << 20 | (uint32_t)(rs) << 15 | (uint32_t)(log2) << 12 |             \
     (uint32_t)(rd) << 7 | 0x03u)
#define JALR(rd, rs) ((uint32_t)(rs) << 15 | (uint32_t)(rd) << 7 | 0x67u)

/* struct fw_dynamic_info: unsigned longs of the hart. */
#define INFO_MAGIC 0x4942534fu /* "OSBI" */
#define INFO_VERSION 2u
#define NEXT_MODE_S 1u

/* BYTES of VALUE at AT, lowest first. */
static void put(uint8_t *at, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void write_reset_rom(struct boot *b, uint64_t entry, uint64_t device_tree,
                     uint64_t next)
{
    const uint32_t width = b->xlen / 8, log2 = b->xlen == 64 ? 3 : 2;
    const uint32_t code[] = {
        AUIPC(T0, 0),
        CSRR(A0, CSR_MHARTID),
        LOAD(log2, A1, T0, TREE_AT),
        ADDI(A2, T0, INFO_AT),
        LOAD(log2, T1, T0, ENTRY_AT),
        JALR(ZERO, T1),
    };
    const uint64_t info[] = {
        INFO_MAGIC, INFO_VERSION, next, NEXT_MODE_S, 0, /* options */
        0, /* the hart that boots */
    };
    uint8_t *rom = b->rom_bytes;

    memset(rom, 0, RESET_ROM_BYTES);
    for (uint32_t i = 0; i < sizeof code / sizeof *code; i++)
        put(rom + 4 * i, code[i], 4);
    put(rom + ENTRY_AT, entry, 8);
    put(rom + TREE_AT, device_tree, 8);
    for (uint32_t i = 0; i < sizeof info / sizeof *info; i++)
        put(rom + INFO_AT + i * width, info[i], width);
    b->memory->ram_changed(b->host, b->rom, 0, RESET_ROM_BYTES);
}
