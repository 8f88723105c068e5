/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of accel-tcg share: a host with the services an accelerator
 * needs, and a target of a few registers whose "decoder" hands out units that
 * the test wrote. Virtual pages are mapped by a table of the test.
 */
#ifndef TENON_TCG_TEST_FRAME_H
#define TENON_TCG_TEST_FRAME_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tcg.h"

#define RAM_BYTES (1u << 20)
#define N_INT 20u
#define N_FP 12u
/* Register numbers. */
#define REG_INT 0u          /* N_INT of 64 bits */
#define REG_I32 N_INT       /* one each of 32, 16, 8, 1 bits */
#define REG_I16 (N_INT + 1)
#define REG_I8 (N_INT + 2)
#define REG_FLAG (N_INT + 3)
#define REG_WIDE (N_INT + 4) /* 128 bits */
#define REG_VOLATILE (N_INT + 5)
#define REG_FP (N_INT + 6)
#define REG_PC (REG_FP + N_FP)
#define N_REGS (REG_PC + 1)

struct test_state {
    struct tn_cpu cpu;
    uint64_t x[N_INT];
    uint64_t f[N_FP];
    uint64_t wide[2];
    uint64_t vol;
    uint64_t pc;
    uint32_t i32;
    uint16_t i16;
    uint8_t i8, flag;
};

/* Virtual page -> physical page and rights; prot 0: faults. */
struct test_page {
    uint64_t va, pa;
    uint32_t prot;
};

struct frame {
    struct tn_host host; /* first */
    void *tcg;
    const struct tn_accel *accel;
    struct tn_cpu *cpu;
    struct test_state *state;
    uint8_t *ram;
    uint8_t *page_flags;
    /* The decoder: copies of units by pc. */
    int32_t (*decode)(struct frame *f, struct tn_decode *d);
    void *opaque;
    struct test_page *pages; /* NULL: identity, everything allowed */
    uint32_t n_pages;
    uint32_t n_walks;
    uint64_t fence; /* from here to the end of its page nothing is executable;
                       0: none */
    /* The exception that ended a run. */
    struct tn_exception exception;
    uint32_t n_exceptions;
    uint64_t io_log[64];
    uint32_t n_io;
    /* properties */
    uint64_t max_insns, flush_every;
    const char *log_file; /* of guest, ir and host code; NULL: no log */
    bool no_chain;
    uint32_t needs_sync;
    uint32_t irq; /* irq_pending's answer */
    uint32_t n_irqs;
};

/* Physical addresses from here on are a device. */
#define TEST_IO 0x10000000ull
#define TEST_HELPER_ADD 0u     /* pure: a + b + c + d */
#define TEST_HELPER_READ 1u    /* reads x[a] from the state */
#define TEST_HELPER_WRITE 2u   /* x[a] = b; returns the old one */
#define TEST_HELPER_RAISE 3u   /* raises code 7 if a is odd */

struct frame *frame_new(void);
void frame_start(struct frame *f); /* after setting properties */
void frame_free(struct frame *f);
/* Run from PC until an exception is taken. */
void frame_run(struct frame *f, uint64_t pc);
extern const struct tn_reg test_regs[N_REGS];

#endif
