/* SPDX-License-Identifier: Apache-2.0 */
/* Read-modify-write, compare and swap, and reservations on guest memory. */
#include "interp-mem.h"

#include <string.h>

/* The bytes at VA for a read-modify-write; devices have none. *E is a copy
 * that mem_after_store() may be called with. */
static uint8_t *writable(struct icpu *ic, uint64_t va, uint32_t bytes,
                         uint32_t mo, struct tlb_entry *e)
{
    uint32_t mode = TN_MO_GET_MODE(mo);
    struct tlb_entry *hit;
    struct place p;

    if (va & (bytes - 1))
        mem_fault(ic, TN_FAULT_ALIGN, TN_ACCESS_STORE, va);
    hit = mem_lookup(ic, va, TN_ACCESS_STORE, mode);
    if (hit) {
        *e = *hit;
        return hit->host + (va & PAGE_MASK);
    }
    mem_must_translate(ic, va, bytes, TN_ACCESS_STORE, mode, &p);
    if (!p.host || p.read_only)
        mem_fault(ic, TN_FAULT_BUS, TN_ACCESS_STORE, va);
    *e = (struct tlb_entry){.page_flags = p.page_flags,
                            .ram_page = p.ram_page};
    return p.host;
}

/* Compare and swap of 1..8 bytes; *EXPECTED becomes what was there. */
bool mem_cas_bytes(uint8_t *p, uint64_t *expected, uint64_t desired,
                   uint32_t bytes)
{
#define CAS(type)                                                              \
    {                                                                          \
        type old = (type)*expected;                                            \
        bool done = __atomic_compare_exchange_n(                               \
            (type *)p, &old, (type)desired, false, __ATOMIC_SEQ_CST,           \
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

uint64_t mem_atomic(struct icpu *ic, uint64_t va, uint64_t operand,
                    uint32_t kind, uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    bool big = mo & TN_MO_BIG;
    struct tlb_entry e;
    uint64_t seen, old, new_value;
    uint8_t *p;

    va &= mem_address_mask(ic);
    p = writable(ic, va, bytes, mo, &e);
    seen = mem_read_bytes(p, bytes);
    do {
        old = big ? mem_swap(seen, bytes) : seen;
        new_value = ir_atomic(kind, bytes, old, operand);
        if (big)
            new_value = mem_swap(new_value, bytes);
    } while (!mem_cas_bytes(p, &seen, new_value, bytes));
    mem_after_store(ic, &e);
    return mo & TN_MO_SIGN ? ir_sext(old, bytes * 8) : old;
}

#ifdef __x86_64__
__extension__ typedef unsigned __int128 u128;

__attribute__((target("cx16"))) static bool
cas_wide(uint8_t *p, struct ir_value *expected, struct ir_value desired)
{
    u128 old = (u128)expected->hi << 64 | expected->lo;
    u128 seen = __sync_val_compare_and_swap(
        (u128 *)p, old, (u128)desired.hi << 64 | desired.lo);

    *expected = (struct ir_value){(uint64_t)seen, (uint64_t)(seen >> 64)};
    return seen == old;
}
#else
/* Without a 16-byte host instruction: one at a time, against each other. */
static bool cas_wide(uint8_t *p, struct ir_value *expected,
                     struct ir_value desired)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct ir_value seen;
    bool done;

    pthread_mutex_lock(&lock);
    memcpy(&seen, p, 16);
    done = seen.lo == expected->lo && seen.hi == expected->hi;
    if (done)
        memcpy(p, &desired, 16);
    pthread_mutex_unlock(&lock);
    *expected = seen;
    return done;
}
#endif

struct ir_value mem_cas(struct icpu *ic, uint64_t va, struct ir_value expected,
                        struct ir_value desired, uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    bool big = mo & TN_MO_BIG;
    struct tlb_entry e;
    uint8_t *p;

    va &= mem_address_mask(ic);
    p = writable(ic, va, bytes, mo, &e);
    if (bytes == 16) {
        struct ir_value old = expected;

        if (big) {
            old = (struct ir_value){mem_swap(expected.hi, 8), mem_swap(expected.lo, 8)};
            desired =
                (struct ir_value){mem_swap(desired.hi, 8), mem_swap(desired.lo, 8)};
        }
        cas_wide(p, &old, desired);
        mem_after_store(ic, &e);
        if (big)
            old = (struct ir_value){mem_swap(old.hi, 8), mem_swap(old.lo, 8)};
        return old;
    }
    if (big) {
        expected.lo = mem_swap(expected.lo, bytes);
        desired.lo = mem_swap(desired.lo, bytes);
    }
    expected.lo = ir_zext(expected.lo, bytes * 8);
    mem_cas_bytes(p, &expected.lo, desired.lo, bytes);
    mem_after_store(ic, &e);
    if (big)
        expected.lo = mem_swap(expected.lo, bytes);
    if (mo & TN_MO_SIGN)
        expected.lo = ir_sext(expected.lo, bytes * 8);
    return (struct ir_value){expected.lo, 0};
}

/*
 * A reservation is the address and the value that was there: a store that
 * brings the value back goes unnoticed, which no correct LL/SC sequence can
 * tell from a store before it.
 */
uint64_t mem_load_ex(struct icpu *ic, uint64_t va, uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    struct tlb_entry *e;
    struct place p;
    uint64_t v;

    va &= mem_address_mask(ic);
    if (va & (bytes - 1))
        mem_fault(ic, TN_FAULT_ALIGN, TN_ACCESS_LOAD, va);
    e = mem_lookup(ic, va, TN_ACCESS_LOAD, TN_MO_GET_MODE(mo));
    if (e) {
        p.host = e->host + (va & PAGE_MASK);
    } else {
        mem_must_translate(ic, va, bytes, TN_ACCESS_LOAD,
                           TN_MO_GET_MODE(mo), &p);
        if (!p.host)
            mem_fault(ic, TN_FAULT_BUS, TN_ACCESS_LOAD, va);
    }
    v = mem_read_bytes(p.host, bytes);
    ic->reserved = p.host;
    ic->reserved_value = v;
    ic->reserved_bytes = bytes;
    if (mo & TN_MO_BIG)
        v = mem_swap(v, bytes);
    return mo & TN_MO_SIGN ? ir_sext(v, bytes * 8) : v;
}

uint32_t mem_store_ex(struct icpu *ic, uint64_t va, uint64_t value,
                      uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);
    uint8_t *reserved = ic->reserved;
    struct tlb_entry e;
    uint64_t expected = ic->reserved_value;
    uint8_t *p;

    va &= mem_address_mask(ic);
    p = writable(ic, va, bytes, mo, &e);
    ic->reserved = NULL;
    if (p != reserved || bytes != ic->reserved_bytes)
        return 1;
    if (!mem_cas_bytes(p, &expected, mo & TN_MO_BIG ? mem_swap(value, bytes) : value,
                   bytes))
        return 1;
    mem_after_store(ic, &e);
    return 0;
}
