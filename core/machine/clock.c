/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clocks.
 */
#include "core/machine/clock.h"

#include <time.h>

#include <tenon/clock.h>

#include "core/machine/loop.h"
#include "core/machine/machine-private.h"

static uint64_t read_host(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void clock_init(struct machine_clock *clock)
{
    atomic_store(&clock->stopped_at, 0);
}

/* A consistent pair of what a change changes. */
static void snapshot(const struct machine_clock *clock, uint64_t *offset,
                     uint64_t *stopped_at)
{
    unsigned before;

    do {
        before = atomic_load(&clock->sequence);
        *offset = atomic_load(&clock->offset);
        *stopped_at = atomic_load(&clock->stopped_at);
    } while (before & 1 || before != atomic_load(&clock->sequence));
}

uint64_t clock_now(const struct machine_clock *clock, uint32_t which)
{
    uint64_t offset, stopped_at;

    if (which == TN_CLOCK_REALTIME)
        return read_host(CLOCK_REALTIME);
    if (which != TN_CLOCK_VIRTUAL)
        return read_host(CLOCK_MONOTONIC);
    snapshot(clock, &offset, &stopped_at);
    if (stopped_at != UINT64_MAX)
        return stopped_at;
    return read_host(CLOCK_MONOTONIC) - offset;
}

uint64_t clock_to_host(const struct machine_clock *clock, uint32_t which,
                       uint64_t deadline)
{
    uint64_t offset, stopped_at, host;

    if (which != TN_CLOCK_VIRTUAL)
        return deadline;
    snapshot(clock, &offset, &stopped_at);
    if (stopped_at != UINT64_MAX)
        return UINT64_MAX;
    if (__builtin_add_overflow(deadline, offset, &host))
        return UINT64_MAX;
    return host;
}

static void change(struct tn_machine *machine, uint64_t offset,
                   uint64_t stopped_at)
{
    struct machine_clock *clock = &machine->clock;
    GHashTableIter iter;
    gpointer loop;

    atomic_fetch_add(&clock->sequence, 1);
    atomic_store(&clock->offset, offset);
    atomic_store(&clock->stopped_at, stopped_at);
    atomic_fetch_add(&clock->sequence, 1);
    g_hash_table_iter_init(&iter, machine->loops);
    while (g_hash_table_iter_next(&iter, NULL, &loop))
        event_loop_wake(loop);
}

void clock_start(struct tn_machine *machine)
{
    uint64_t at = atomic_load(&machine->clock.stopped_at);

    if (at != UINT64_MAX)
        change(machine, read_host(CLOCK_MONOTONIC) - at, UINT64_MAX);
}

void clock_stop(struct tn_machine *machine)
{
    if (atomic_load(&machine->clock.stopped_at) == UINT64_MAX)
        change(machine, 0, clock_now(&machine->clock, TN_CLOCK_VIRTUAL));
}

void clock_set(struct tn_machine *machine, uint64_t now)
{
    if (atomic_load(&machine->clock.stopped_at) != UINT64_MAX)
        change(machine, 0, now);
}
