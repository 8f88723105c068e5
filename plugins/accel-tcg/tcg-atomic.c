/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-modify-write, compare and swap, and reservations, as C does them: for
 * generated code that missed the TLB, and for what it leaves to C.
 */
#include "tcg-mem.h"

/* The bytes at VA for a read-modify-write; devices have none. P is filled if
 * the write is to be told to mem_written(). */
static uint8_t *writable(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                         uint64_t mo, struct tcg_place *p)
{
    uint32_t mode = TN_MO_GET_MODE(mo);
    const struct tlb_entry *e;

    if (va & (bytes - 1))
        mem_fault(tc, TN_FAULT_ALIGN, TN_ACCESS_STORE, va);
    p->page_flags = NULL;
    e = tlb_lookup(tc, va, true, mode);
    if (e)
        return (uint8_t *)(uintptr_t)(va + e->addend);
    mem_must_translate(tc, va, bytes, TN_ACCESS_STORE, mode, p);
    if (!p->host || p->read_only)
        mem_fault(tc, TN_FAULT_BUS, TN_ACCESS_STORE, va);
    mem_check_own_unit(tc, va, bytes, p);
    return p->host;
}

/* Compare and mem_swap of 1..8 bytes; *EXPECTED becomes what was there. */
bool mem_cas_bytes(uint8_t *p, uint64_t *expected, uint64_t desired,
                      uint32_t bytes)
{
#define CAS(type)                                                              \
    {                                                                          \
        type old = (type)*expected;                                            \
        bool done = __atomic_compare_exchange_n(                               \
            (type *)(void *)p, &old, (type)desired, false, __ATOMIC_SEQ_CST,   \
            __ATOMIC_SEQ_CST);                                                 \
        *expected = old;                                                       \
        return done;                                                           \
    }
    switch (bytes) {
    case 1:
        CAS(uint8_t)
    case 2:
        CAS(uint16_t)
    case 4:
        CAS(uint32_t)
    default:
        CAS(uint64_t)
    }
#undef CAS
}

static uint64_t extended(uint64_t v, uint64_t mo)
{
    uint32_t bits = 8 * TN_MO_GET_BYTES(mo);

    return mo & TN_MO_SIGN ? ir_sext(v, bits) : ir_zext(v, bits);
}

uint64_t tcg_atomic(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                    uint64_t operand, uint64_t x)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo), kind = (uint32_t)(mo >> 32);
    uint64_t seen, old, wanted;
    struct tcg_place place;
    uint8_t *p;

    (void)x;
    va &= tc->tcg->address_mask;
    p = writable(tc, va, bytes, mo, &place);
    seen = mem_read(p, bytes);
    do {
        old = mo & TN_MO_BIG ? mem_swap(seen, bytes) : seen;
        wanted = ir_atomic(kind, bytes, old, operand);
        if (mo & TN_MO_BIG)
            wanted = mem_swap(wanted, bytes);
    } while (!mem_cas_bytes(p, &seen, wanted, bytes));
    if (place.page_flags)
        mem_written(tc, va, bytes, &place);
    return extended(old, mo);
}

uint64_t tcg_cas(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                 uint64_t expected, uint64_t desired)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    struct tcg_place place;
    uint8_t *p;

    va &= tc->tcg->address_mask;
    p = writable(tc, va, bytes, mo, &place);
    if (mo & TN_MO_BIG) {
        expected = mem_swap(expected, bytes);
        desired = mem_swap(desired, bytes);
    }
    expected = ir_zext(expected, 8 * bytes);
    mem_cas_bytes(p, &expected, desired, bytes);
    if (place.page_flags)
        mem_written(tc, va, bytes, &place);
    if (mo & TN_MO_BIG)
        expected = mem_swap(expected, bytes);
    return extended(expected, mo);
}

__extension__ typedef unsigned __int128 u128;

uint64_t tcg_cas_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                      uint64_t frame, uint64_t x)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint64_t *v = (uint64_t *)(uintptr_t)frame; /* expected, desired */
    int big = mo & TN_MO_BIG ? 1 : 0;
    struct tcg_place place;
    u128 old, expected, wanted, *p;

    (void)x;
    va &= tc->tcg->address_mask;
    p = (u128 *)(void *)writable(tc, va, 16, mo, &place);
    if (big)
        for (int i = 0; i < 4; i++)
            v[i] = __builtin_bswap64(v[i]);
    expected = (u128)v[!big] << 64 | v[big];
    wanted = (u128)v[2 + !big] << 64 | v[2 + big];
    old = __sync_val_compare_and_swap_16(p, expected, wanted);
    v[big] = (uint64_t)old;
    v[!big] = (uint64_t)(old >> 64);
    if (big)
        for (int i = 0; i < 2; i++)
            v[i] = __builtin_bswap64(v[i]);
    if (place.page_flags)
        mem_written(tc, va, 16, &place);
    return 0;
}

/* The reservation is the address and what was there: a store in between that
 * leaves the same value is not noticed. */
uint64_t tcg_load_ex(struct tn_cpu *cpu, uint64_t va, uint64_t mo, uint64_t x,
                     uint64_t y)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    uint64_t v;

    (void)x;
    (void)y;
    va &= tc->tcg->address_mask;
    if (va & (bytes - 1))
        mem_fault(tc, TN_FAULT_ALIGN, TN_ACCESS_LOAD, va);
    v = tcg_load(cpu, va, mo & ~(uint64_t)TN_MO_SIGN, 0, 0);
    cpu->accel_hot[HOT_RES_ADDR] = va | (uint64_t)(bytes == 8);
    cpu->accel_hot[HOT_RES_VALUE] = v;
    return extended(v, mo);
}

uint64_t tcg_store_ex(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                      uint64_t value, uint64_t x)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    uint64_t reserved = cpu->accel_hot[HOT_RES_ADDR];
    uint64_t expected = cpu->accel_hot[HOT_RES_VALUE];
    struct tcg_place place;
    uint8_t *p;
    bool done;

    (void)x;
    va &= tc->tcg->address_mask;
    /* Address faults come first, also without a reservation. */
    p = writable(tc, va, bytes, mo, &place);
    cpu->accel_hot[HOT_RES_ADDR] = UINT64_MAX;
    if (reserved != (va | (uint64_t)(bytes == 8)))
        return 1;
    if (mo & TN_MO_BIG) {
        expected = mem_swap(expected, bytes);
        value = mem_swap(value, bytes);
    }
    done = mem_cas_bytes(p, &expected, value, bytes);
    if (done && place.page_flags)
        mem_written(tc, va, bytes, &place);
    return !done;
}
