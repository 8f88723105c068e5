/* SPDX-License-Identifier: Apache-2.0 */
/* A hart without plugin, host or accelerator, for the unit tests. */
#ifndef TEST_RISCV_H
#define TEST_RISCV_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode.h"

#define MEM_BASE 0x80000000ull
#define MEM_PAGES 16u

struct hart {
    struct riscv_target t;
    struct riscv_cpu *c;
    uint64_t memory[MEM_PAGES * 512];
    uint32_t flushes;
    uint64_t space;
    struct tn_exception raised;
    jmp_buf unwind;
};

static struct hart *hart_of(struct tn_cpu *cpu)
{
    return cpu->accel;
}

static uint64_t *hart_word(struct hart *h, uint64_t pa)
{
    if (pa < MEM_BASE || pa - MEM_BASE >= sizeof h->memory)
        return NULL;
    return &h->memory[(pa - MEM_BASE) / 8];
}

static int32_t hart_phys_load(struct tn_cpu *cpu, uint64_t pa, uint32_t bytes,
                              uint64_t *value)
{
    uint64_t *p = hart_word(hart_of(cpu), pa);

    if (!p)
        return -EFAULT;
    *value = bytes == 8 ? *p : (uint32_t)(*p >> (pa & 4) * 8);
    return 0;
}

static int32_t hart_phys_cas(struct tn_cpu *cpu, uint64_t pa, uint32_t bytes,
                             uint64_t *expected, uint64_t new_value)
{
    uint64_t *p = hart_word(hart_of(cpu), pa), old;

    if (!p || hart_phys_load(cpu, pa, bytes, &old))
        return -EFAULT;
    if (old != *expected) {
        *expected = old;
        return -EAGAIN;
    }
    memcpy((uint8_t *)p + (bytes == 8 ? 0 : pa & 4), &new_value, bytes);
    return 0;
}

static void hart_kick(struct tn_cpu *cpu)
{
    (void)cpu;
}

static void hart_tlb_flush(struct tn_cpu *cpu, uint64_t va, uint64_t bytes,
                           uint64_t space)
{
    (void)va, (void)bytes, (void)space;
    hart_of(cpu)->flushes++;
}

static void hart_set_space(struct tn_cpu *cpu, uint64_t space)
{
    hart_of(cpu)->space = space;
}

__attribute__((noreturn)) static void
hart_raise(struct tn_cpu *cpu, const struct tn_exception *e)
{
    hart_of(cpu)->raised = *e;
    longjmp(hart_of(cpu)->unwind, 1);
}

static const struct tn_cpu_services hart_services = {
    .size = sizeof hart_services,
    .raise = hart_raise,
    .kick = hart_kick,
    .tlb_flush = hart_tlb_flush,
    .set_space = hart_set_space,
    .phys_load = hart_phys_load,
    .phys_cas = hart_phys_cas,
};

/* A hart of MODEL (a row of riscv_models). */
static struct hart *hart_new(const char *model)
{
    struct hart *h = calloc(1, sizeof *h);
    uint32_t i = 0;

    while (strcmp(riscv_models[i].name, model))
        i++;
    h->t.xlen = riscv_models[i].xlen;
    h->t.mmu = riscv_models[i].mmu;
    h->t.features = riscv_models[i].features;
    h->t.n_pmp = 16;
    h->t.timebase = 10000000;
    assert_int_equal(riscv_make_regs(&h->t), 0);
    assert_int_equal(riscv_decoder_new(&h->t), 0);
    h->c = aligned_alloc(64, (sizeof *h->c + 63) & ~63u);
    memset(h->c, 0, sizeof *h->c);
    h->c->t = &h->t;
    h->c->head.accel = h;
    h->c->head.services = &hart_services;
    assert_int_equal(riscv_timer_new(h->c), 0);
    riscv_reset(&h->t, &h->c->head, TN_RESET_COLD);
    return h;
}

static void hart_free(struct hart *h)
{
    riscv_timer_free(h->c);
    riscv_decoder_free(&h->t);
    free(h->t.regs);
    free(h->c);
    free(h);
}

/* A generator of its own, so that a failure can be repeated. */
__attribute__((unused)) static uint64_t test_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15ull;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

#endif
