/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of pattern tables. A hint encoding stands in a table before the
 * instruction it is a case of: the first row that matches is taken. Vector
 * and scalar cryptography tables join here.
 */
#include "decode.h"

const struct riscv_pattern *const riscv_pattern_tables[] = {
    riscv_patterns_base,   riscv_patterns_system,  riscv_patterns_atomic,
    riscv_patterns_bit,    riscv_patterns_single,  riscv_patterns_double,
    riscv_patterns_half,   riscv_patterns_fp_more, riscv_patterns_compressed,
};
const uint32_t n_riscv_pattern_tables =
    sizeof riscv_pattern_tables / sizeof riscv_pattern_tables[0];
