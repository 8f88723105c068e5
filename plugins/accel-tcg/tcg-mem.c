/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as C reaches it: what generated code could not do by itself
 * (another page, a device, alignment, code or clean pages), and the accesses
 * of helpers. Everything here may raise.
 */
#include "tcg-mem.h"

#include <string.h>

/* Where generated code called from: index of the site, or -1. */
static const struct tcg_site *site_of(struct tcg_cpu *tc, struct tcg_unit **u)
{
    const uint8_t *at =
        (const uint8_t *)(uintptr_t)tc->cpu->accel_hot[HOT_RETURN];

    *u = cache_unit_at(tc->tcg, at);
    if (!*u)
        return NULL;
    for (uint32_t i = 0; i < (*u)->n_sites; i++)
        if ((*u)->body + (*u)->sites[i].host_offset == at)
            return &(*u)->sites[i];
    return NULL;
}

_Noreturn void tcg_raise(struct tn_cpu *cpu, const struct tn_exception *e)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    const struct tcg_site *s;
    struct tcg_unit *u;

    tc->exception = *e;
    if (!tc->in_code)
        _longjmp(tc->outside, 1);
    s = site_of(tc, &u);
    if (s) {
        set_pc(tc, (u->pc + (uint64_t)(int64_t)s->pc_offset) &
                       tc->tcg->address_mask);
        tc->exception.insn_info = s->info;
    }
    tc->exception.pc = get_pc(tc);
    host_leave(tc, LEAVE_EXCEPTION);
}

_Noreturn void mem_fault(struct tcg_cpu *tc, uint32_t code, uint32_t access,
                         uint64_t va)
{
    struct tn_exception e = {.size = sizeof e, .code = code, .access = access,
                             .value = va};

    tcg_raise(tc->cpu, &e);
}

uint64_t tcg_trap(struct tn_cpu *cpu, uint64_t code, uint64_t value,
                  uint64_t x, uint64_t y)
{
    struct tn_exception e = {.size = sizeof e, .code = (uint32_t)code,
                             .value = value};

    (void)x;
    (void)y;
    tcg_raise(cpu, &e);
}

void mem_must_translate(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                        uint32_t access, uint32_t mode, struct tcg_place *p)
{
    struct tn_exception e;

    if (!tlb_translate(tc, va, bytes, access, mode, p, &e))
        tcg_raise(tc->cpu, &e);
}

/* ---- bytes ---- */

uint64_t mem_swap(uint64_t v, uint32_t bytes)
{
    return __builtin_bswap64(v) >> (64 - 8 * bytes);
}

uint64_t mem_read(const uint8_t *p, uint32_t bytes)
{
    uint64_t v = 0;

    if ((uintptr_t)p % bytes)
        memcpy(&v, p, bytes);
    else if (bytes == 1)
        v = __atomic_load_n(p, __ATOMIC_ACQUIRE);
    else if (bytes == 2)
        v = __atomic_load_n((const uint16_t *)(const void *)p,
                            __ATOMIC_ACQUIRE);
    else if (bytes == 4)
        v = __atomic_load_n((const uint32_t *)(const void *)p,
                            __ATOMIC_ACQUIRE);
    else
        v = __atomic_load_n((const uint64_t *)(const void *)p,
                            __ATOMIC_ACQUIRE);
    return v;
}

static void write_bytes(uint8_t *p, uint64_t v, uint32_t bytes)
{
    if ((uintptr_t)p % bytes)
        memcpy(p, &v, bytes);
    else if (bytes == 1)
        __atomic_store_n(p, (uint8_t)v, __ATOMIC_RELEASE);
    else if (bytes == 2)
        __atomic_store_n((uint16_t *)(void *)p, (uint16_t)v,
                         __ATOMIC_RELEASE);
    else if (bytes == 4)
        __atomic_store_n((uint32_t *)(void *)p, (uint32_t)v,
                         __ATOMIC_RELEASE);
    else
        __atomic_store_n((uint64_t *)(void *)p, v, __ATOMIC_RELEASE);
}

/* A device runs with the host's own FP state, and outside, as it may wait. */
static uint64_t io_access(struct tcg_cpu *tc, uint64_t pa, uint64_t va,
                          uint64_t value, uint32_t bytes, uint32_t access)
{
    struct tcg *t = tc->tcg;
    int32_t r;

    host_fp_end(tc);
    sync_leave(tc);
    r = access == TN_ACCESS_STORE
            ? t->mem->io_write(t->host, pa, bytes, value)
            : t->mem->io_read(t->host, pa, bytes, &value);
    sync_enter(tc);
    host_fp_begin(tc);
    if (r < 0)
        mem_fault(tc, TN_FAULT_BUS, access, va);
    return value;
}

/* ---- writes that someone watches ---- */

/* The bytes at VA were stored and the page has flags. */
void mem_written(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                         const struct tcg_place *p)
{
    uint8_t f;

    atomic_thread_fence(memory_order_seq_cst);
    f = atomic_load_explicit(p->page_flags, memory_order_relaxed);
    if (f & TN_PAGE_CODE)
        cache_written(tc->tcg, p->ram_page, va & PAGE_MASK,
                      (uint32_t)(va & PAGE_MASK) + bytes - 1, p->page_flags);
    if (f & TN_PAGE_CLEAN)
        atomic_fetch_and(p->page_flags, (uint8_t)~TN_PAGE_CLEAN);
}

/* On targets whose stores are seen by the next fetch: is the running unit
 * about to change? Then its rest must not run: start over, this instruction
 * alone. */
void mem_check_own_unit(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                           const struct tcg_place *p)
{
    struct tcg_unit *u;
    const struct tcg_site *s;

    if (tc->tcg->info->code_needs_sync || !tc->in_code ||
        !(atomic_load(p->page_flags) & TN_PAGE_CODE))
        return;
    s = site_of(tc, &u);
    if (!s || u->n_insns == 1 ||
        !cache_overlaps(u, p->ram_page, va & PAGE_MASK,
                        (uint32_t)(va & PAGE_MASK) + bytes - 1))
        return;
    set_pc(tc, u->pc + (uint64_t)(int64_t)s->pc_offset);
    tc->one_insn = true;
    host_leave(tc, LEAVE_AGAIN);
}

/* ---- one page ---- */

static uint64_t load_page(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                          uint32_t mode)
{
    const struct tlb_entry *e = tlb_lookup(tc, va, false, mode);
    struct tcg_place p;
    uint64_t v = 0;

    if (e)
        return mem_read((const uint8_t *)(uintptr_t)(va + e->addend), bytes);
    mem_must_translate(tc, va, bytes, TN_ACCESS_LOAD, mode, &p);
    if (p.host)
        return mem_read(p.host, bytes);
    if (!(va & (bytes - 1)))
        return io_access(tc, p.pa, va, 0, bytes, TN_ACCESS_LOAD);
    for (uint32_t i = 0; i < bytes; i++) /* devices see aligned ones only */
        v |= io_access(tc, p.pa + i, va + i, 0, 1, TN_ACCESS_LOAD) << 8 * i;
    return v;
}

static void store_page(struct tcg_cpu *tc, uint64_t va, uint64_t value,
                       uint32_t bytes, uint32_t mode)
{
    const struct tlb_entry *e = tlb_lookup(tc, va, true, mode);
    struct tcg_place p;

    if (e) {
        write_bytes((uint8_t *)(uintptr_t)(va + e->addend), value, bytes);
        return;
    }
    mem_must_translate(tc, va, bytes, TN_ACCESS_STORE, mode, &p);
    if (p.host && !p.read_only) {
        mem_check_own_unit(tc, va, bytes, &p);
        write_bytes(p.host, value, bytes);
        mem_written(tc, va, bytes, &p);
    } else if (p.host || !(va & (bytes - 1))) {
        io_access(tc, p.pa, va, value, bytes, TN_ACCESS_STORE);
    } else {
        for (uint32_t i = 0; i < bytes; i++)
            io_access(tc, p.pa + i, va + i, value >> 8 * i & 0xff, 1,
                      TN_ACCESS_STORE);
    }
}

static void check_alignment(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                            uint32_t access, uint64_t mo)
{
    if (mo & TN_MO_ALIGN && va & (bytes - 1))
        mem_fault(tc, TN_FAULT_ALIGN, access, va);
}

static bool crosses_page(uint64_t va, uint32_t bytes)
{
    return (va & PAGE_MASK) + bytes > PAGE_SIZE;
}

uint64_t tcg_load(struct tn_cpu *cpu, uint64_t va, uint64_t mo, uint64_t x,
                  uint64_t y)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo), mode = TN_MO_GET_MODE(mo);
    uint64_t v = 0, mask = tc->tcg->address_mask;

    (void)x;
    (void)y;
    tc->n_slow_loads++;
    va &= mask;
    check_alignment(tc, va, bytes, TN_ACCESS_LOAD, mo);
    if (crosses_page(va, bytes))
        for (uint32_t i = 0; i < bytes; i++)
            v |= load_page(tc, (va + i) & mask, 1, mode) << 8 * i;
    else
        v = load_page(tc, va, bytes, mode);
    if (mo & TN_MO_BIG)
        v = mem_swap(v, bytes);
    return mo & TN_MO_SIGN ? ir_sext(v, bytes * 8) : v;
}

uint64_t tcg_store(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                   uint64_t value, uint64_t x)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint32_t bytes = TN_MO_GET_BYTES(mo), mode = TN_MO_GET_MODE(mo);
    uint64_t mask = tc->tcg->address_mask;
    struct tcg_place p;

    (void)x;
    tc->n_slow_stores++;
    va &= mask;
    check_alignment(tc, va, bytes, TN_ACCESS_STORE, mo);
    if (mo & TN_MO_BIG)
        value = mem_swap(value, bytes);
    if (!crosses_page(va, bytes)) {
        store_page(tc, va, value, bytes, mode);
        return 0;
    }
    /* Nothing is stored unless both pages can be written. */
    mem_must_translate(tc, va, 0, TN_ACCESS_STORE, mode, &p);
    mem_must_translate(tc, (va + bytes - 1) & ~PAGE_MASK & mask, 0, TN_ACCESS_STORE,
                   mode, &p);
    for (uint32_t i = 0; i < bytes; i++)
        store_page(tc, (va + i) & mask, value >> 8 * i & 0xff, 1, mode);
    return 0;
}

/* Wider than 8 bytes: eight at a time, all checked before any is stored. */
uint64_t tcg_load_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                       uint64_t frame, uint64_t x)
{
    uint64_t half = (mo & ~(uint64_t)(TN_MO_SIZE | TN_MO_ALIGN)) | TN_MO_64;
    uint64_t *out = (uint64_t *)(uintptr_t)frame;
    int big = mo & TN_MO_BIG ? 1 : 0;

    (void)x;
    check_alignment(tcg_cpu_of(cpu), va, 16, TN_ACCESS_LOAD, mo);
    out[big] = tcg_load(cpu, va, half, 0, 0);
    out[!big] = tcg_load(cpu, va + 8, half, 0, 0);
    return 0;
}

uint64_t tcg_store_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                        uint64_t frame, uint64_t x)
{
    uint64_t half = (mo & ~(uint64_t)(TN_MO_SIZE | TN_MO_ALIGN)) | TN_MO_64;
    const uint64_t *in = (const uint64_t *)(uintptr_t)frame;
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    int big = mo & TN_MO_BIG ? 1 : 0;
    struct tcg_place p;

    (void)x;
    check_alignment(tc, va, 16, TN_ACCESS_STORE, mo);
    mem_must_translate(tc, (va + 15) & tc->tcg->address_mask, 0, TN_ACCESS_STORE,
                   TN_MO_GET_MODE(mo), &p);
    tcg_store(cpu, va, half, in[big], 0);
    tcg_store(cpu, va + 8, half, in[!big], 0);
    return 0;
}

/* ---- used by services ---- */

bool mem_cas(struct tcg_cpu *tc, const struct tcg_place *p, uint64_t *expected,
             uint64_t wanted, uint32_t bytes)
{
    if (!mem_cas_bytes(p->host, expected, wanted, bytes))
        return false;
    mem_written(tc, p->pa, bytes, p);
    return true;
}

void mem_probe(struct tcg_cpu *tc, uint64_t va, uint32_t access, uint32_t mode)
{
    struct tcg_place p;

    mem_must_translate(tc, va, 0, access, mode, &p);
}
