/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory, what interp-mem.c, interp-atomic.c and interp-services.c share. */
#ifndef TENON_ACCEL_INTERP_MEM_H
#define TENON_ACCEL_INTERP_MEM_H

#include "interp.h"

/* What a virtual address is, for one access. */
struct place {
    uint8_t *host; /* of the byte there, or NULL: a device */
    _Atomic uint8_t *page_flags;
    uint64_t ram_page;
    uint64_t pa;
    uint32_t page_bits; /* of what one rule holds for */
    bool read_only; /* memory that ignores stores */
};

/* Walk and look behind the physical address; raises if VA cannot be reached. */
void mem_must_translate(struct icpu *ic, uint64_t va, uint32_t bytes,
                        uint32_t access, uint32_t mode, struct place *p);
/* Flags of the page of PA, which is in B. */
_Atomic uint8_t *mem_page_flags(const struct tn_backing *b, uint64_t pa);
/* Bytes of RAM_PAGE were stored: code and dirty tracking. */
void mem_page_written(struct icpu *ic, _Atomic uint8_t *flags,
                      uint64_t ram_page);
/* Little-endian, 1..8 bytes, single-copy atomic if aligned. */
uint64_t mem_read_bytes(const uint8_t *p, uint32_t bytes);
/* Compare and swap; *EXPECTED becomes what was there. */
bool mem_cas_bytes(uint8_t *p, uint64_t *expected, uint64_t desired,
                   uint32_t bytes);

__attribute__((noreturn)) void mem_fault(struct icpu *ic, uint32_t code,
                                         uint32_t access, uint64_t va);
/* The TLB's entry for VA, or NULL. */
struct tlb_entry *mem_lookup(struct icpu *ic, uint64_t va, uint32_t access,
                             uint32_t mode);

/* Dirty logging and code tracking cost a load where no flag is set. */
static inline void mem_after_store(struct icpu *ic, const struct tlb_entry *e)
{
    if (atomic_load_explicit(e->page_flags, memory_order_relaxed))
        mem_page_written(ic, e->page_flags, e->ram_page);
}

static inline uint64_t mem_swap(uint64_t v, uint32_t bytes)
{
    return __builtin_bswap64(v) >> (64 - 8 * bytes);
}

static inline uint64_t mem_address_mask(struct icpu *ic)
{
    return ic->in->info->address_bits == 32 ? 0xffffffffu : ~0ull;
}

#endif
