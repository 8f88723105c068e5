/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the RISC-V boot protocol.
 */
#ifndef BOOT_RISCV_H
#define BOOT_RISCV_H

#include <stdint.h>

#include <tenon/boot.h>
#include <tenon/memory.h>

struct boot {
    struct tn_host *host;
    const struct tn_boot_services *services;
    const struct tn_memory *memory;
    const struct tn_props *props;
    struct tn_region *rom;
    void *rom_bytes;
    uint64_t rom_address;
    uint64_t flash; /* 0: none */
    uint64_t ram, ram_bytes;
    uint32_t xlen; /* 32 or 64 */
};

/* Something put into memory. */
struct loaded {
    uint64_t start; /* 0 if there is none */
    uint64_t end;   /* the first byte after it, as it will be once it runs */
    uint64_t entry;
};

#define MIB ((uint64_t)1 << 20)
/* Where harts map memory in one go; kernels want to begin on one. */
#define HUGE_PAGE (2 * MIB)

static inline uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* image.c: the file of property NAME into memory. Firmware goes to START; a
 * kernel to the first place it allows from LOWEST on. */
int32_t load_firmware(struct boot *b, const char *path, uint64_t start,
                      struct loaded *firmware, struct tn_error *error);
int32_t load_kernel(struct boot *b, const char *path, uint64_t lowest,
                    struct loaded *kernel, struct tn_error *error);
/* Page aligned, between LOWEST and HIGHEST. */
int32_t load_initrd(struct boot *b, const char *path, uint64_t lowest,
                    uint64_t highest, struct loaded *initrd,
                    struct tn_error *error);

/* reset-rom.c: what every hart runs first. NEXT is where fw_dynamic firmware
 * shall go in supervisor mode. */
#define RESET_ROM_BYTES 4096u
void write_reset_rom(struct boot *b, uint64_t entry, uint64_t device_tree,
                     uint64_t next);

#endif
