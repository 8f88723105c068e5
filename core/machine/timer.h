/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of one I/O thread: a binary heap a clock.
 */
#ifndef TENON_CORE_MACHINE_TIMER_H
#define TENON_CORE_MACHINE_TIMER_H

#include <stdint.h>

#include "core/machine/loop.h"

struct tn_timer;
struct timer_queue;

struct timer_queue *timer_queue_new(struct event_loop *loop);
void timer_queue_free(struct timer_queue *queue);
/* On the loop's thread: fire what is due; host time of the next one. */
void timer_queue_run(struct timer_queue *queue);
uint64_t timer_queue_next(struct timer_queue *queue);

/* CLOCK is TN_CLOCK_VIRTUAL or TN_CLOCK_HOST. */
struct tn_timer *timer_new(struct event_loop *loop, struct instance *instance,
                           uint32_t clock, void (*fire)(void *opaque),
                           void *opaque);
void timer_free(struct tn_timer *timer);
void timer_set(struct tn_timer *timer, uint64_t deadline);

#endif
