/* SPDX-License-Identifier: Apache-2.0 */
/* What the interpreter does for a target's helpers (tn_cpu_services). */
#include "interp-mem.h"

#include <errno.h>

static void service_kick(struct tn_cpu *cpu)
{
    sync_request(cpu, TN_CPU_IRQ);
}

static void service_tlb_flush(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                              uint64_t space)
{
    (void)space; /* other spaces' entries are never kept */
    mem_flush(icpu_of(cpu), va, bytes);
}

static void service_set_space(struct tn_cpu *cpu, uint64_t space)
{
    struct icpu *ic = icpu_of(cpu);

    if (ic->space != space)
        mem_flush(ic, 0, 0);
    ic->space = space;
}

static void service_code_sync(struct tn_cpu *cpu)
{
    /* Every lookup compares page versions: nothing is ever stale. */
    icpu_of(cpu)->code_hit = true;
}

static uint64_t service_load(struct tn_cpu *cpu, uint64_t va, uint32_t mo)
{
    return mem_load(icpu_of(cpu), va, mo);
}

static void service_store(struct tn_cpu *cpu, uint64_t va, uint64_t value,
                          uint32_t mo)
{
    mem_store(icpu_of(cpu), va, value, mo);
}

static void service_probe(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                          uint32_t access, uint32_t mode)
{
    struct icpu *ic = icpu_of(cpu);
    uint64_t end = va + (bytes ? bytes - 1 : 0);
    struct place p;

    for (uint64_t page = va & ~PAGE_MASK; page <= end; page += PAGE_SIZE) {
        mem_must_translate(ic, page < va ? va : page, 0, access, mode, &p);
        if (page > UINT64_MAX - PAGE_SIZE)
            break;
    }
}

static uint8_t *ram_at(struct icpu *ic, uint64_t pa, uint32_t bytes,
                       struct tn_backing *b)
{
    b->size = sizeof *b;
    ic->in->mem->resolve(ic->in->host, pa, b);
    if (!b->memory || pa + bytes - 1 > b->last || pa & (bytes - 1))
        return NULL;
    return b->memory + (pa - b->start);
}

static int32_t service_phys_load(struct tn_cpu *cpu, uint64_t pa,
                                 uint32_t bytes, uint64_t *value)
{
    struct tn_backing b = {0};
    uint8_t *p = ram_at(icpu_of(cpu), pa, bytes, &b);

    if (!p)
        return -EFAULT;
    *value = mem_read_bytes(p, bytes);
    return 0;
}

static int32_t service_phys_cas(struct tn_cpu *cpu, uint64_t pa,
                                uint32_t bytes, uint64_t *expected,
                                uint64_t new_value)
{
    struct icpu *ic = icpu_of(cpu);
    struct tn_backing b = {0};
    uint8_t *p = ram_at(ic, pa, bytes, &b);

    if (!p || b.flags & TN_BACKING_READ_ONLY)
        return -EFAULT;
    if (!mem_cas_bytes(p, expected, new_value, bytes))
        return -EAGAIN;
    mem_page_written(ic, mem_page_flags(&b, pa),
                     (b.ram_offset + (pa - b.start)) >> PAGE_BITS);
    return 0;
}

struct broadcast {
    struct tn_cpu *caller;
    uint64_t mask;
    void (*fn)(struct tn_cpu *cpu, void *opaque);
    void *opaque;
};

static void broadcast_one(struct icpu *ic, void *opaque)
{
    struct broadcast *b = opaque;
    uint32_t index = ic->cpu->index;

    if (ic->cpu != b->caller && (index >= 64 || b->mask >> index & 1))
        b->fn(ic->cpu, b->opaque);
}

static void service_broadcast(struct tn_cpu *cpu, uint64_t mask,
                              void (*fn)(struct tn_cpu *cpu, void *opaque),
                              void *opaque)
{
    struct broadcast b = {cpu, mask, fn, opaque};

    sync_exclusive(icpu_of(cpu)->in, icpu_of(cpu), broadcast_one, &b);
}

const struct tn_cpu_services interp_services = {
    .size = sizeof(struct tn_cpu_services),
    .raise = mem_raise,
    .kick = service_kick,
    .tlb_flush = service_tlb_flush,
    .set_space = service_set_space,
    .code_sync = service_code_sync,
    .load = service_load,
    .store = service_store,
    .probe = service_probe,
    .phys_load = service_phys_load,
    .phys_cas = service_phys_cas,
    .broadcast = service_broadcast,
};
