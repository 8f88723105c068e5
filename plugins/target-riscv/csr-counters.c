/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and stimecmp. mcycle is a clock of 1 GHz: nanoseconds of the
 * virtual clock. minstret counts the nanoseconds of processor time that the
 * hart's thread has used, as if an instruction took one: it grows with the
 * work done and stands still while the hart waits. Counting instructions
 * themselves would cost every guest for the few that look. The performance
 * counters are there and read zero.
 */
#include <time.h>

#include "csr.h"

#define MCOUNTEN_TIME 2u

uint64_t csr_read_zero(struct riscv_cpu *c, uint32_t number)
{
    (void)c, (void)number;
    return 0;
}

void csr_write_nothing(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    (void)c, (void)number, (void)value, (void)mask;
}

/* Unprivileged counters: each level lets the one below. */
uint32_t csr_counter_allowed(struct riscv_cpu *c, uint32_t number)
{
    uint32_t bit = number & 31;

    if (c->priv < PRIV_M && !(c->mcounteren >> bit & 1))
        return 0;
    if (c->priv < PRIV_S && has(c->t, HAS(S)) && !(c->scounteren >> bit & 1))
        return 0;
    return 1;
}

static uint64_t clock_now(const struct riscv_cpu *c)
{
    const struct riscv_target *t = c->t;

    return t->clock ? t->clock->now(t->host, TN_CLOCK_VIRTUAL) : 0;
}

/* 0 until the hart has run. */
static uint64_t work_done(const struct riscv_cpu *c)
{
    struct timespec t;

    if (!c->has_work_clock || clock_gettime(c->work_clock, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* WHICH: 0 mcycle, 1 minstret; mcountinhibit has their bits 0 and 2. */
static uint64_t base(const struct riscv_cpu *c, uint32_t which)
{
    if (c->mcountinhibit >> (2 * which) & 1)
        return 0;
    return which ? work_done(c) : clock_now(c);
}

static uint64_t counter(const struct riscv_cpu *c, uint32_t which)
{
    return base(c, which) + c->counter_offset[which];
}

static void set_counter(struct riscv_cpu *c, uint32_t which, uint64_t value)
{
    c->counter_offset[which] = value - base(c, which);
}

void riscv_counters_resume(struct riscv_cpu *c)
{
    uint64_t instret = counter(c, 1);

    c->has_work_clock = !pthread_getcpuclockid(pthread_self(), &c->work_clock);
    set_counter(c, 1, instret);
}

uint64_t csr_read_counter(struct riscv_cpu *c, uint32_t number)
{
    uint32_t index = number & 31;
    uint64_t v = index == 1 ? riscv_time(c->t) : counter(c, index >> 1);

    return number & CSR_H ? v >> 32 : v;
}

void csr_write_counter(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    uint32_t which = (number & 31) >> 1;
    uint64_t old = counter(c, which);

    (void)mask;
    if (number & CSR_H)
        value = (uint32_t)old | value << 32;
    else if (c->t->xlen == 32)
        value |= old & ~0xffffffffull;
    set_counter(c, which, value);
}

void csr_write_counteren(struct riscv_cpu *c, uint32_t number, uint64_t value,
                         uint64_t mask)
{
    uint64_t *p =
        csr_privilege(number) == PRIV_M ? &c->mcounteren : &c->scounteren;

    (void)mask;
    *p = (uint32_t)value;
}

/* Bit 1 (time) cannot be inhibited, those of the zero counters need not. */
void csr_write_inhibit(struct riscv_cpu *c, uint32_t number, uint64_t value,
                       uint64_t mask)
{
    uint64_t cycle = counter(c, 0), instret = counter(c, 1);

    (void)number, (void)mask;
    c->mcountinhibit = value & 5;
    set_counter(c, 0, cycle);
    set_counter(c, 1, instret);
}

uint64_t csr_read_stimecmp(struct riscv_cpu *c, uint32_t number)
{
    return number & 0x10 ? c->stimecmp >> 32 : c->stimecmp;
}

void csr_write_stimecmp(struct riscv_cpu *c, uint32_t number, uint64_t value,
                        uint64_t mask)
{
    (void)mask;
    if (number & 0x10)
        value = (uint32_t)c->stimecmp | value << 32;
    else if (c->t->xlen == 32)
        value |= c->stimecmp & ~0xffffffffull;
    __atomic_store_n(&c->stimecmp, value, __ATOMIC_RELAXED);
    riscv_timer_update(c);
}

/* Below M both STCE and mcounteren.TM must be set. */
uint32_t csr_stimecmp_allowed(struct riscv_cpu *c, uint32_t number)
{
    (void)number;
    return c->priv == PRIV_M ||
           ((c->menvcfg & ENVCFG_STCE) && (c->mcounteren & MCOUNTEN_TIME));
}
