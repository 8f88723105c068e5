/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host small enough to test a CPU target and an accelerator without core:
 * it loads the two plugins by their entry function, gives them properties,
 * RAM, a clock, a log and a finisher, and runs one vCPU. Nothing in it knows
 * an architecture: names of registers and plugins come from its user.
 */
#ifndef CPU_HOST_H
#define CPU_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/accel.h>
#include <tenon/clock.h>
#include <tenon/host.h>
#include <tenon/target.h>

#define FINISHER_BASE 0x100000ull /* a write ends the run, with the value */

struct cpu_setup {
    const char *target_plugin; /* "target-riscv" */
    const char *accel_plugin;  /* "accel-interp", NULL: none */
    const char *const *properties; /* "target.model=max", "accel.verify=on" */
    uint32_t n_properties;
    uint64_t ram_base, ram_bytes;
};

struct cpu_machine;

/* NULL after a message if a plugin is not there or refuses. */
struct cpu_machine *cpu_machine_new(const struct cpu_setup *setup);
void cpu_machine_free(struct cpu_machine *m);

const struct tn_target *cpu_target(struct cpu_machine *m, void **self);
struct tn_cpu *cpu_cpu(struct cpu_machine *m);
uint8_t *cpu_ram(struct cpu_machine *m); /* byte at ram_base */
/* BYTES at PA, or NULL if that is not RAM. */
uint8_t *cpu_memory(struct cpu_machine *m, uint64_t pa, uint64_t bytes);
/* The program in RAM and registers were changed: start afresh. */
void cpu_changed(struct cpu_machine *m);

uint64_t cpu_get(struct cpu_machine *m, const char *reg);
void cpu_set(struct cpu_machine *m, const char *reg, uint64_t value);

/* Load an ELF file (of either width, little-endian) into RAM. Returns its
 * entry, 0 after a message. *TOHOST: the symbol's address or 0. */
uint64_t cpu_load_elf(struct cpu_machine *m, const char *file,
                      uint64_t *tohost);

#define CPU_FINISHED 0
#define CPU_TIMEOUT 1
#define CPU_FAILED 2
/* Run until the finisher is written, *TOHOST becomes non-zero (if TOHOST is
 * not 0), or SECONDS pass. *VALUE is what was written. */
int cpu_run(struct cpu_machine *m, uint64_t tohost, unsigned seconds,
            uint64_t *value);

#endif
