/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory as the interpreter reaches it: a small TLB a mode, filled by
 * the target's page walk and the machine's memory map, and the slow paths:
 * devices, page crossings, alignment faults, writes to pages with code. Atomics
 * are in interp-atomic.c.
 */
#include "interp-mem.h"

#include <errno.h>
#include <string.h>

void mem_raise(struct tn_cpu *cpu, const struct tn_exception *exception)
{
    struct icpu *ic = icpu_of(cpu);

    ic->exception = *exception;
    ic->exception.pc = ic->insn_pc;
    ic->exception.insn_info = ic->insn_info;
    _longjmp(ic->unwind, 1);
}

_Noreturn void mem_fault(struct icpu *ic, uint32_t code, uint32_t access,
                         uint64_t va)
{
    struct tn_exception e = {.size = sizeof e, .code = code, .access = access,
                             .value = va};

    mem_raise(ic->cpu, &e);
}

_Atomic uint8_t *mem_page_flags(const struct tn_backing *b, uint64_t pa)
{
    uint64_t page = (pa >> PAGE_BITS) - (b->start >> PAGE_BITS);

    return (_Atomic uint8_t *)(b->page_flags + page);
}

static void fill_entry(struct icpu *ic, const struct tn_walk *w,
                       const struct tn_backing *b, struct place *p)
{
    struct interp *in = ic->in;
    uint64_t page = w->va & ~PAGE_MASK;
    uint64_t offset = (w->pa & ~PAGE_MASK) - b->start;
    struct tlb_entry *e;

    p->page_flags = mem_page_flags(b, w->pa);
    p->ram_page = (b->ram_offset + (w->pa - b->start)) >> PAGE_BITS;
    /* Only whole pages of memory can be cached. */
    if (w->page_bits < PAGE_BITS || (w->pa & ~PAGE_MASK) < b->start ||
        (w->pa | PAGE_MASK) > b->last || p->ram_page >= in->n_pages)
        return;
    if (!ic->tlb[w->mode]) {
        ic->tlb[w->mode] = calloc(TLB_ENTRIES, sizeof(struct tlb_entry));
        if (!ic->tlb[w->mode])
            return;
    }
    e = &ic->tlb[w->mode][w->va >> PAGE_BITS & (TLB_ENTRIES - 1)];
    e->page[TN_ACCESS_LOAD] = w->prot & TN_PROT_READ ? page | 1 : 0;
    e->page[TN_ACCESS_STORE] =
        w->prot & TN_PROT_WRITE && !p->read_only ? page | 1 : 0;
    e->page[TN_ACCESS_FETCH] = w->prot & TN_PROT_EXEC ? page | 1 : 0;
    e->host = b->memory + offset;
    e->page_flags = p->page_flags;
    e->ram_page = p->ram_page;
    e->first = 0;
    e->last = PAGE_MASK;
}

/* Walk and look behind the physical address. False: *E says why not. */
static bool translate(struct icpu *ic, uint64_t va, uint32_t bytes,
                      uint32_t access, uint32_t mode, struct place *p, struct tn_exception *e)
{
    struct interp *in = ic->in;
    struct tn_walk w = {.size = sizeof w, .access = access, .mode = mode,
                        .va = va, .bytes = bytes};
    struct tn_backing b = {.size = sizeof b};

    w.exception.size = sizeof w.exception;
    if (in->target->walk(in->target_self, ic->cpu, &w) < 0) {
        *e = w.exception;
        return false;
    }
    in->mem->resolve(in->host, w.pa, &b);
    *p = (struct place){.pa = w.pa,
                        .page_bits = w.page_bits,
                        .read_only = b.flags & TN_BACKING_READ_ONLY};
    if (b.memory) {
        p->host = b.memory + (w.pa - b.start);
        fill_entry(ic, &w, &b, p);
    }
    return true;
}

void mem_must_translate(struct icpu *ic, uint64_t va, uint32_t bytes,
                        uint32_t access, uint32_t mode, struct place *p)
{
    struct tn_exception e;

    if (!translate(ic, va, bytes, access, mode, p, &e))
        mem_raise(ic->cpu, &e);
}

struct tlb_entry *mem_lookup(struct icpu *ic, uint64_t va, uint32_t access,
                             uint32_t mode)
{
    struct tlb_entry *e;

    if (!ic->tlb[mode])
        return NULL;
    e = &ic->tlb[mode][va >> PAGE_BITS & (TLB_ENTRIES - 1)];
    return e->page[access] == ((va & ~PAGE_MASK) | 1) ? e : NULL;
}

bool mem_fetch_page(struct icpu *ic, uint64_t va, uint32_t mode,
                    struct tlb_entry *entry, struct tn_exception *exception)
{
    struct tlb_entry *e = mem_lookup(ic, va, TN_ACCESS_FETCH, mode);
    struct place p;

    if (e) {
        *entry = *e;
        return true;
    }
    if (!translate(ic, va, 0, TN_ACCESS_FETCH, mode, &p, exception))
        return false;
    if (!p.host || p.ram_page >= ic->in->n_pages) {
        *exception =
            (struct tn_exception){.size = sizeof *exception,
                                  .code = TN_FAULT_BUS,
                                  .access = TN_ACCESS_FETCH, .value = va};
        return false;
    }
    *entry = (struct tlb_entry){.host = p.host - (va & PAGE_MASK),
                                .page_flags = p.page_flags,
                                .ram_page = p.ram_page,
                                .last = PAGE_MASK};
    if (p.page_bits < PAGE_BITS) {
        uint32_t inside = (1u << p.page_bits) - 1;

        entry->first = (uint32_t)(va & PAGE_MASK) & ~inside;
        entry->last = entry->first | inside;
    }
    return true;
}

/* ---- the state of written pages ---- */

void mem_code_written(struct interp *in, uint64_t ram_page)
{
    if (ram_page < in->n_pages)
        atomic_fetch_add(&in->page_version[ram_page], 1);
}

/* After the bytes were stored: the order matters, see unit_decode(). */
void mem_page_written(struct icpu *ic, _Atomic uint8_t *flags,
                         uint64_t ram_page)
{
    uint8_t f;

    atomic_thread_fence(memory_order_seq_cst);
    f = atomic_load_explicit(flags, memory_order_relaxed);
    if (f & TN_PAGE_CODE) {
        mem_code_written(ic->in, ram_page);
        ic->code_hit = true;
    }
    if (f & TN_PAGE_CLEAN)
        atomic_fetch_and(flags, (uint8_t)~TN_PAGE_CLEAN);
}

/* ---- plain accesses ---- */

uint64_t mem_read_bytes(const uint8_t *p, uint32_t bytes)
{
    uint64_t v = 0;

    if ((uintptr_t)p % bytes == 0) {
        switch (bytes) {
        case 1:
            return __atomic_load_n(p, __ATOMIC_ACQUIRE);
        case 2:
            return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
        case 4:
            return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
        default:
            return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
        }
    }
    memcpy(&v, p, bytes);
    return v;
}

static void write_bytes(uint8_t *p, uint64_t v, uint32_t bytes)
{
    if ((uintptr_t)p % bytes == 0) {
        switch (bytes) {
        case 1:
            __atomic_store_n(p, (uint8_t)v, __ATOMIC_RELEASE);
            return;
        case 2:
            __atomic_store_n((uint16_t *)p, (uint16_t)v, __ATOMIC_RELEASE);
            return;
        case 4:
            __atomic_store_n((uint32_t *)p, (uint32_t)v, __ATOMIC_RELEASE);
            return;
        default:
            __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELEASE);
            return;
        }
    }
    memcpy(p, &v, bytes);
}

static uint64_t io_read(struct icpu *ic, uint64_t pa, uint64_t va,
                        uint32_t bytes)
{
    uint64_t value = 0;
    int32_t r;

    sync_leave(ic);
    r = ic->in->mem->io_read(ic->in->host, pa, bytes, &value);
    sync_enter(ic);
    if (r < 0)
        mem_fault(ic, TN_FAULT_BUS, TN_ACCESS_LOAD, va);
    return value;
}

static void io_write(struct icpu *ic, uint64_t pa, uint64_t va, uint64_t value,
                     uint32_t bytes)
{
    int32_t r;

    sync_leave(ic);
    r = ic->in->mem->io_write(ic->in->host, pa, bytes, value);
    sync_enter(ic);
    if (r < 0)
        mem_fault(ic, TN_FAULT_BUS, TN_ACCESS_STORE, va);
}

/* An access that no TLB entry serves, inside one page, little-endian. */
static uint64_t load_slow(struct icpu *ic, uint64_t va, uint32_t bytes,
                          uint32_t mode)
{
    struct place p;

    mem_must_translate(ic, va, bytes, TN_ACCESS_LOAD, mode, &p);
    if (p.host)
        return mem_read_bytes(p.host, bytes);
    if (va & (bytes - 1)) { /* devices see aligned accesses only */
        uint64_t v = 0;

        for (uint32_t i = 0; i < bytes; i++)
            v |= io_read(ic, p.pa + i, va + i, 1) << 8 * i;
        return v;
    }
    return io_read(ic, p.pa, va, bytes);
}

static void store_slow(struct icpu *ic, uint64_t va, uint64_t value,
                       uint32_t bytes, uint32_t mode)
{
    struct place p;

    mem_must_translate(ic, va, bytes, TN_ACCESS_STORE, mode, &p);
    if (p.host && p.read_only) {
        io_write(ic, p.pa, va, value, bytes); /* a flash chip listens */
    } else if (p.host) {
        write_bytes(p.host, value, bytes);
        mem_page_written(ic, p.page_flags, p.ram_page);
    } else if (va & (bytes - 1)) {
        for (uint32_t i = 0; i < bytes; i++)
            io_write(ic, p.pa + i, va + i, value >> 8 * i & 0xff, 1);
    } else {
        io_write(ic, p.pa, va, value, bytes);
    }
}

static void check_alignment(struct icpu *ic, uint64_t va, uint32_t bytes,
                            uint32_t access, uint32_t mo)
{
    if (mo & TN_MO_ALIGN && va & (bytes - 1))
        mem_fault(ic, TN_FAULT_ALIGN, access, va);
}

static bool crosses_page(uint64_t va, uint32_t bytes)
{
    return (va & PAGE_MASK) + bytes > PAGE_SIZE;
}

static uint64_t load_crossing(struct icpu *ic, uint64_t va, uint32_t bytes,
                              uint32_t mode)
{
    uint64_t mask = mem_address_mask(ic), v = 0;

    for (uint32_t i = 0; i < bytes; i++)
        v |= load_slow(ic, (va + i) & mask, 1, mode) << 8 * i;
    return v;
}

/* Nothing is stored unless both pages can be written. */
static void store_crossing(struct icpu *ic, uint64_t va, uint64_t value,
                           uint32_t bytes, uint32_t mode)
{
    uint64_t mask = mem_address_mask(ic);
    struct place p;

    mem_must_translate(ic, va, 0, TN_ACCESS_STORE, mode, &p);
    mem_must_translate(ic, (va + bytes - 1) & ~PAGE_MASK & mask, 0, TN_ACCESS_STORE,
                   mode, &p);
    for (uint32_t i = 0; i < bytes; i++)
        store_slow(ic, (va + i) & mask, value >> 8 * i & 0xff, 1, mode);
}

uint64_t mem_load(struct icpu *ic, uint64_t va, uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo), mode = TN_MO_GET_MODE(mo);
    struct tlb_entry *e;
    uint64_t v;

    va &= mem_address_mask(ic);
    check_alignment(ic, va, bytes, TN_ACCESS_LOAD, mo);
    e = mem_lookup(ic, va, TN_ACCESS_LOAD, mode);
    if (crosses_page(va, bytes))
        v = load_crossing(ic, va, bytes, mode);
    else if (e)
        v = mem_read_bytes(e->host + (va & PAGE_MASK), bytes);
    else
        v = load_slow(ic, va, bytes, mode);
    if (mo & TN_MO_BIG)
        v = mem_swap(v, bytes);
    return mo & TN_MO_SIGN ? ir_sext(v, bytes * 8) : v;
}

void mem_store(struct icpu *ic, uint64_t va, uint64_t value, uint32_t mo)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo), mode = TN_MO_GET_MODE(mo);
    struct tlb_entry *e;

    va &= mem_address_mask(ic);
    check_alignment(ic, va, bytes, TN_ACCESS_STORE, mo);
    if (mo & TN_MO_BIG)
        value = mem_swap(value, bytes);
    if (mo & TN_MO_SEQCST)
        atomic_thread_fence(memory_order_seq_cst);
    e = mem_lookup(ic, va, TN_ACCESS_STORE, mode);
    if (crosses_page(va, bytes)) {
        store_crossing(ic, va, value, bytes, mode);
    } else if (e) {
        write_bytes(e->host + (va & PAGE_MASK), value, bytes);
        mem_after_store(ic, e);
    } else {
        store_slow(ic, va, value, bytes, mode);
    }
    if (mo & TN_MO_SEQCST)
        atomic_thread_fence(memory_order_seq_cst);
}

/* Wider than 8 bytes: eight at a time, all checked before any is stored. */
struct ir_value mem_load_wide(struct icpu *ic, uint64_t va, uint32_t mo)
{
    uint32_t half = (mo & ~TN_MO_SIZE & ~TN_MO_ALIGN) | TN_MO_64;
    struct ir_value v;
    uint64_t t;

    check_alignment(ic, va, 16, TN_ACCESS_LOAD, mo);
    v.lo = mem_load(ic, va, half);
    v.hi = mem_load(ic, va + 8, half);
    if (mo & TN_MO_BIG) {
        t = v.lo;
        v.lo = v.hi;
        v.hi = t;
    }
    return v;
}

void mem_store_wide(struct icpu *ic, uint64_t va, struct ir_value value,
                    uint32_t mo)
{
    uint32_t half = (mo & ~TN_MO_SIZE & ~TN_MO_ALIGN) | TN_MO_64;
    struct place p;

    check_alignment(ic, va, 16, TN_ACCESS_STORE, mo);
    mem_must_translate(ic, (va + 15) & mem_address_mask(ic), 0, TN_ACCESS_STORE,
                   TN_MO_GET_MODE(mo), &p);
    mem_store(ic, va, mo & TN_MO_BIG ? value.hi : value.lo, half);
    mem_store(ic, va + 8, mo & TN_MO_BIG ? value.lo : value.hi, half);
}

void mem_flush(struct icpu *ic, uint64_t va, uint64_t bytes)
{
    uint64_t pages = (bytes + PAGE_MASK) >> PAGE_BITS;

    for (uint32_t mode = 0; mode < N_MODES; mode++) {
        struct tlb_entry *tlb = ic->tlb[mode];

        if (!tlb)
            continue;
        if (bytes == 0 || pages > TLB_ENTRIES / 4) {
            memset(tlb, 0, TLB_ENTRIES * sizeof *tlb);
            continue;
        }
        for (uint64_t i = 0; i < pages; i++) {
            uint64_t page = (va >> PAGE_BITS) + i;

            memset(tlb[page & (TLB_ENTRIES - 1)].page, 0,
                   sizeof tlb->page);
        }
    }
}
