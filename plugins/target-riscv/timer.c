/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time CSR and the supervisor timer. Privileged manual, chapter "Sstc".
 * mip.STIP is time >= stimecmp while menvcfg.STCE is set. The vCPU writes
 * stimecmp, the timer's callback runs on an I/O thread: a lock orders them.
 */
#include <errno.h>

#include "riscv.h"

#define SECOND 1000000000ull

uint64_t riscv_time(const struct riscv_target *t)
{
    if (!t->clock)
        return 0;
    return tn_muldiv64(t->clock->now(t->host, TN_CLOCK_VIRTUAL), t->timebase,
                       SECOND);
}

/* The first nanosecond at which time reaches TICKS. */
static uint64_t deadline(const struct riscv_target *t, uint64_t ticks)
{
    unsigned __int128 ns =
        ((unsigned __int128)ticks * SECOND + t->timebase - 1) / t->timebase;

    return ns >= UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

static void update_locked(struct riscv_cpu *c)
{
    const struct riscv_target *t = c->t;
    uint64_t compare = __atomic_load_n(&c->stimecmp, __ATOMIC_RELAXED);
    uint32_t on = (c->menvcfg & ENVCFG_STCE) != 0;

    if (on && riscv_time(t) >= compare) {
        __atomic_or_fetch(&c->mip_lines, MIP_STIP, __ATOMIC_SEQ_CST);
        if (c->head.services)
            c->head.services->kick(&c->head);
        return;
    }
    __atomic_and_fetch(&c->mip_lines, ~MIP_STIP, __ATOMIC_SEQ_CST);
    if (c->timer)
        t->clock->set_timer(t->host, c->timer,
                            on ? deadline(t, compare) : UINT64_MAX);
}

/* stimecmp, menvcfg.STCE or the clock changed. */
void riscv_timer_update(struct riscv_cpu *c)
{
    pthread_mutex_lock(&c->timer_lock);
    update_locked(c);
    pthread_mutex_unlock(&c->timer_lock);
}

static void fire(void *opaque)
{
    riscv_timer_update(opaque);
}

int32_t riscv_timer_new(struct riscv_cpu *c)
{
    const struct riscv_target *t = c->t;

    if (pthread_mutex_init(&c->timer_lock, NULL))
        return -ENOMEM;
    c->timer = NULL;
    if (t->clock && has(t, HAS(SSTC))) {
        c->timer = t->clock->new_timer(t->host, TN_CLOCK_VIRTUAL, fire, c);
        if (!c->timer) {
            pthread_mutex_destroy(&c->timer_lock);
            return -ENOMEM;
        }
    }
    return 0;
}

void riscv_timer_free(struct riscv_cpu *c)
{
    if (c->timer)
        c->t->clock->free_timer(c->t->host, c->timer);
    c->timer = NULL;
    pthread_mutex_destroy(&c->timer_lock);
}
