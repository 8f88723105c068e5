/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.clock/1: time and timers.
 *
 * The virtual clock counts nanoseconds from the machine's start and stands
 * still while the machine does. Timers fire on the instance's I/O thread
 * under its lock, never early.
 */
#ifndef TENON_CLOCK_H
#define TENON_CLOCK_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_CLOCK_VIRTUAL 0u  /* ns of machine running time */
#define TN_CLOCK_HOST 1u     /* ns, monotonic, never stops */
#define TN_CLOCK_REALTIME 2u /* ns since 1970-01-01 UTC, as the host has it */

struct tn_timer;

#define TN_HOST_CLOCK "tenon.host.clock/1"
struct tn_clock {
    uint32_t size;
    uint32_t reserved;
    /* [any] */
    uint64_t (*now)(struct tn_host *host, uint32_t clock);
    /* [control] A timer on TN_CLOCK_VIRTUAL or TN_CLOCK_HOST, not set. */
    struct tn_timer *(*new_timer)(struct tn_host *host, uint32_t clock,
                                  void (*fire)(void *opaque), void *opaque);
    /* [control] Returns after a running callback has. NULL is allowed. */
    void (*free_timer)(struct tn_host *host, struct tn_timer *timer);
    /* [any] Fire once when the clock reaches DEADLINE; replaces an earlier
     * setting. A deadline in the past fires as soon as possible.
     * UINT64_MAX: never. */
    void (*set_timer)(struct tn_host *host, struct tn_timer *timer,
                      uint64_t deadline);
    /* [any] After this returns, and with the instance's lock held, it will
     * not fire. */
    void (*cancel_timer)(struct tn_host *host, struct tn_timer *timer);
};

/* A*B/C without overflow of the product; C not 0. For clock rates. */
static inline uint64_t tn_muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#ifdef __cplusplus
}
#endif
#endif
