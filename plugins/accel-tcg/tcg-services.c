/* SPDX-License-Identifier: Apache-2.0 */
/* What the target's helpers ask of the accelerator (tn_cpu_services). */
#include "tcg.h"

#include <errno.h>

static void service_kick(struct tn_cpu *cpu)
{
    sync_request(cpu, TN_CPU_IRQ);
}

static void service_tlb_flush(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                              uint64_t space)
{
    tlb_flush(tcg_cpu_of(cpu), va, bytes, space);
}

static void service_set_space(struct tn_cpu *cpu, uint64_t space)
{
    tlb_set_space(tcg_cpu_of(cpu), space);
}

static void service_code_sync(struct tn_cpu *cpu)
{
    (void)cpu; /* written code is never used again, sync or not */
}

static uint64_t service_load(struct tn_cpu *cpu, uint64_t va, uint32_t mo)
{
    return tcg_load(cpu, va, mo & 0xffff, 0, 0);
}

static void service_store(struct tn_cpu *cpu, uint64_t va, uint64_t value,
                          uint32_t mo)
{
    tcg_store(cpu, va, mo & 0xffff, value, 0);
}

static void service_probe(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                          uint32_t access, uint32_t mode)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    uint64_t end = va + (bytes ? bytes - 1 : 0);

    for (uint64_t page = va & ~PAGE_MASK; page <= end; page += PAGE_SIZE) {
        mem_probe(tc, page < va ? va : page, access, mode);
        if (page > UINT64_MAX - PAGE_SIZE)
            break;
    }
}

static bool ram_at(struct tcg_cpu *tc, uint64_t pa, uint32_t bytes,
                   struct tcg_place *p)
{
    const struct tn_backing *b = tlb_backing(tc, pa);

    if (!b->memory || pa + bytes - 1 > b->last || pa & (bytes - 1))
        return false;
    p->pa = pa;
    p->host = b->memory + (pa - b->start);
    p->read_only = b->flags & TN_BACKING_READ_ONLY;
    p->page_flags =
        (_Atomic uint8_t *)(b->page_flags +
                            ((pa - b->start + (b->start & PAGE_MASK)) >>
                             PAGE_BITS));
    p->ram_page = (b->ram_offset + (pa - b->start)) >> PAGE_BITS;
    return true;
}

static int32_t service_phys_load(struct tn_cpu *cpu, uint64_t pa,
                                 uint32_t bytes, uint64_t *value)
{
    struct tcg_place p;

    if (!ram_at(tcg_cpu_of(cpu), pa, bytes, &p))
        return -EFAULT;
    *value = mem_read(p.host, bytes);
    return 0;
}

static int32_t service_phys_cas(struct tn_cpu *cpu, uint64_t pa,
                                uint32_t bytes, uint64_t *expected,
                                uint64_t new_value)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);
    struct tcg_place p;

    if (!ram_at(tc, pa, bytes, &p) || p.read_only)
        return -EFAULT;
    return mem_cas(tc, &p, expected, new_value, bytes) ? 0 : -EAGAIN;
}

struct broadcast {
    struct tn_cpu *caller;
    uint64_t mask;
    void (*fn)(struct tn_cpu *cpu, void *opaque);
    void *opaque;
};

static void broadcast_all(struct tcg *t, void *opaque)
{
    struct broadcast *b = opaque;

    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (t->cpus[i] && t->cpus[i]->cpu != b->caller &&
            (i >= 64 || b->mask >> i & 1))
            b->fn(t->cpus[i]->cpu, b->opaque);
}

static void service_broadcast(struct tn_cpu *cpu, uint64_t mask,
                              void (*fn)(struct tn_cpu *cpu, void *opaque),
                              void *opaque)
{
    struct broadcast b = {cpu, mask, fn, opaque};

    sync_exclusive(tcg_cpu_of(cpu)->tcg, tcg_cpu_of(cpu), broadcast_all, &b);
}

const struct tn_cpu_services tcg_services = {
    .size = sizeof(struct tn_cpu_services),
    .raise = tcg_raise,
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
