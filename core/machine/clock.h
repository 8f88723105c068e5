/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clocks.
 */
#ifndef TENON_CORE_MACHINE_CLOCK_H
#define TENON_CORE_MACHINE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct tn_machine;

/* The virtual clock: host time minus OFFSET, or STOPPED_AT while it stands
 * still. Read without a lock: SEQUENCE is odd during a change. */
struct machine_clock {
    atomic_uint sequence;
    atomic_uint_least64_t offset;
    atomic_uint_least64_t stopped_at; /* UINT64_MAX: runs */
};

void clock_init(struct machine_clock *clock);
/* TN_CLOCK_* */
uint64_t clock_now(const struct machine_clock *clock, uint32_t which);
/* Host time at which the clock WHICH reaches DEADLINE, UINT64_MAX if never. */
uint64_t clock_to_host(const struct machine_clock *clock, uint32_t which,
                       uint64_t deadline);
/* [control] The virtual clock goes on / stands still / is moved to NOW (while
 * it stands). Timers are adjusted. */
void clock_start(struct tn_machine *machine);
void clock_stop(struct tn_machine *machine);
void clock_set(struct tn_machine *machine, uint64_t now);

#endif
