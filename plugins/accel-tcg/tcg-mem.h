/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that reach guest memory in C share. */
#ifndef TENON_TCG_MEM_H
#define TENON_TCG_MEM_H

#include "tcg.h"

__attribute__((noreturn)) void mem_fault(struct tcg_cpu *tc, uint32_t code,
                                         uint32_t access, uint64_t va);
/* Walk and look behind the physical address, or raise. */
void mem_must_translate(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                        uint32_t access, uint32_t mode, struct tcg_place *p);
/* On targets whose stores are seen by the next fetch: if the running unit is
 * about to change, start over with this instruction alone. */
void mem_check_own_unit(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                        const struct tcg_place *p);
/* The bytes at VA were stored and the page has flags. */
void mem_written(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                 const struct tcg_place *p);
uint64_t mem_swap(uint64_t v, uint32_t bytes);
/* Compare and swap of 1..8 bytes; *EXPECTED becomes what was there. */
bool mem_cas_bytes(uint8_t *p, uint64_t *expected, uint64_t desired,
                   uint32_t bytes);

#endif
