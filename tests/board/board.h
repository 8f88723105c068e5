/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine of the riscv-virt board with the plugins of the build tree, for
 * tests that drive its devices register by register, or run a few lines of
 * guest code.
 */
#ifndef TESTS_BOARD_BOARD_H
#define TESTS_BOARD_BOARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/machine/machine-private.h"
#include "core/machine/services.h"

struct board {
    struct tn_registry *registry;
    struct tn_machine_desc *desc;
    struct tn_machine *machine;
    struct tn_host *host;
    char *directory, *vars, *file;
    const char *accel; /* NULL: interp */
};

extern struct board b;

/* Around a group of tests. */
int board_setup(void **state);
int board_teardown(void **state);
/* The machine, with MORE text in its machine file; reset, clock stopped. */
void build_machine(const char *more);
void free_machine(void);

/* The guest's accesses, which must succeed. */
uint64_t in(uint64_t address, uint32_t bytes);
void out(uint64_t address, uint32_t bytes, uint64_t value);
/* A hart's pending interrupts. */
uint64_t mip(guint cpu);

#endif
