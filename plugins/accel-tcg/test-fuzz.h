/* SPDX-License-Identifier: Apache-2.0 */
/* Random units, and what computes them one operation after the other: the
 * parts of test-tcg-fuzz. */
#ifndef TENON_TCG_TEST_FUZZ_H
#define TENON_TCG_TEST_FUZZ_H

#include "test-frame.h"

#define DATA 0x8000ull /* guest data: four pages, the third is not mapped */
#define DATA_BYTES 0x4000u
#define CODE 0x1000ull

struct oracle {
    struct test_state s;
    uint8_t data[DATA_BYTES];
    struct ir_fp fp;
    struct ir_value *v;
    struct ir_value local[TN_MAX_LOCALS];
    uint32_t code;
    uint64_t value, pc;
    uint64_t res_addr, res_value;
};

/* test-fuzz-make.c: the generator's state is one number. */
void seed_random(uint64_t n);
uint64_t rnd(void);
uint32_t below(uint32_t n);
uint64_t interesting(void);
void make_unit(struct tn_ir_unit *u);

/* test-fuzz-oracle.c: run U on O's registers and memory until its end. */
void oracle_run(struct oracle *o, const struct tn_ir_unit *u);

#endif
