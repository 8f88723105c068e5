/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers.
 *
 * A timer is idle, in its heap, or due: taken out of the heap by the thread,
 * which has yet to get the instance's lock. Setting or cancelling a timer that
 * is due undoes that, so that who holds the lock can rely on it.
 */
#include "core/machine/timer.h"

#include <tenon/clock.h>

#include "core/machine/clock.h"
#include "core/machine/machine-private.h"

#define CLOCKS 2
#define IDLE G_MAXUINT

struct tn_timer {
    struct loop_item item;
    void (*fire)(void *opaque);
    uint32_t clock;
    /* Under the queue's lock. */
    uint64_t deadline;
    guint place; /* in the heap, or IDLE */
    gboolean due;
};

struct timer_queue {
    struct event_loop *loop;
    GMutex lock;
    GPtrArray *heaps[CLOCKS];
};

static struct tn_timer *heap_at(GPtrArray *heap, guint place)
{
    return g_ptr_array_index(heap, place);
}

static void heap_put(GPtrArray *heap, guint place, struct tn_timer *timer)
{
    heap->pdata[place] = timer;
    timer->place = place;
}

static void heap_up(GPtrArray *heap, guint place)
{
    struct tn_timer *timer = heap_at(heap, place);

    while (place) {
        guint parent = (place - 1) / 2;

        if (heap_at(heap, parent)->deadline <= timer->deadline)
            break;
        heap_put(heap, place, heap_at(heap, parent));
        place = parent;
    }
    heap_put(heap, place, timer);
}

static void heap_down(GPtrArray *heap, guint place)
{
    struct tn_timer *timer = heap_at(heap, place);

    for (;;) {
        guint child = 2 * place + 1;

        if (child >= heap->len)
            break;
        if (child + 1 < heap->len &&
            heap_at(heap, child + 1)->deadline < heap_at(heap, child)->deadline)
            child++;
        if (timer->deadline <= heap_at(heap, child)->deadline)
            break;
        heap_put(heap, place, heap_at(heap, child));
        place = child;
    }
    heap_put(heap, place, timer);
}

static void heap_add(GPtrArray *heap, struct tn_timer *timer)
{
    g_ptr_array_add(heap, timer);
    heap_up(heap, heap->len - 1);
}

static void heap_remove(GPtrArray *heap, struct tn_timer *timer)
{
    guint place = timer->place;
    struct tn_timer *last;

    if (place == IDLE)
        return;
    last = heap_at(heap, heap->len - 1);
    g_ptr_array_set_size(heap, (gint)heap->len - 1);
    timer->place = IDLE;
    if (last == timer)
        return;
    heap_put(heap, place, last);
    heap_up(heap, place);
    heap_down(heap, last->place);
}

struct timer_queue *timer_queue_new(struct event_loop *loop)
{
    struct timer_queue *queue = g_new0(struct timer_queue, 1);

    queue->loop = loop;
    g_mutex_init(&queue->lock);
    for (guint i = 0; i < CLOCKS; i++)
        queue->heaps[i] = g_ptr_array_new();
    return queue;
}

void timer_queue_free(struct timer_queue *queue)
{
    for (guint i = 0; i < CLOCKS; i++)
        g_ptr_array_unref(queue->heaps[i]);
    g_mutex_clear(&queue->lock);
    g_free(queue);
}

/* Take the next timer of CLOCK that is due at NOW, with a reference. */
static struct tn_timer *take_due(struct timer_queue *queue, uint32_t clock,
                                 uint64_t now)
{
    GPtrArray *heap = queue->heaps[clock];
    struct tn_timer *timer = NULL;

    g_mutex_lock(&queue->lock);
    if (heap->len && heap_at(heap, 0)->deadline <= now) {
        timer = heap_at(heap, 0);
        heap_remove(heap, timer);
        timer->due = TRUE;
        loop_item_ref(&timer->item);
    }
    g_mutex_unlock(&queue->lock);
    return timer;
}

static void fire(struct timer_queue *queue, struct tn_timer *timer)
{
    gboolean due;

    if (!loop_item_begin(&timer->item))
        return;
    g_mutex_lock(&queue->lock);
    due = timer->due;
    timer->due = FALSE;
    g_mutex_unlock(&queue->lock);
    if (due)
        timer->fire(timer->item.opaque);
    loop_item_end(&timer->item);
}

void timer_queue_run(struct timer_queue *queue)
{
    const struct machine_clock *clock = &queue->loop->machine->clock;

    for (uint32_t i = 0; i < CLOCKS; i++) {
        struct tn_timer *timer;
        uint64_t now;
        guint most;

        g_mutex_lock(&queue->lock);
        most = queue->heaps[i]->len;
        g_mutex_unlock(&queue->lock);
        if (!most)
            continue;
        now = clock_now(clock, i);
        /* One that sets itself into the past must not keep the thread. */
        while (most-- && (timer = take_due(queue, i, now)))
            fire(queue, timer);
    }
}

uint64_t timer_queue_next(struct timer_queue *queue)
{
    const struct machine_clock *clock = &queue->loop->machine->clock;
    uint64_t next = UINT64_MAX;

    g_mutex_lock(&queue->lock);
    for (uint32_t i = 0; i < CLOCKS; i++)
        if (queue->heaps[i]->len) {
            uint64_t host =
                clock_to_host(clock, i, heap_at(queue->heaps[i], 0)->deadline);

            next = MIN(next, host);
        }
    g_mutex_unlock(&queue->lock);
    return next;
}

struct tn_timer *timer_new(struct event_loop *loop, struct instance *instance,
                           uint32_t clock, void (*fire_function)(void *opaque),
                           void *opaque)
{
    struct tn_timer *timer = g_new0(struct tn_timer, 1);

    loop_item_init(&timer->item, loop, instance, opaque);
    timer->clock = clock;
    timer->fire = fire_function;
    timer->place = IDLE;
    return timer;
}

void timer_free(struct tn_timer *timer)
{
    timer_set(timer, UINT64_MAX);
    loop_item_kill(&timer->item);
}

void timer_set(struct tn_timer *timer, uint64_t deadline)
{
    struct timer_queue *queue = timer->item.loop->timers;
    GPtrArray *heap = queue->heaps[timer->clock];
    gboolean first = FALSE;

    g_mutex_lock(&queue->lock);
    heap_remove(heap, timer);
    timer->due = FALSE;
    timer->deadline = deadline;
    if (deadline != UINT64_MAX) {
        heap_add(heap, timer);
        first = !timer->place;
    }
    g_mutex_unlock(&queue->lock);
    if (first)
        event_loop_wake(timer->item.loop);
}
