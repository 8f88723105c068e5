/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O threads: an epoll loop each, with tasks, watched descriptors and timers.
 *
 * What is called back is an item: it belongs to a loop and, mostly, to an
 * instance, whose lock is held around the callback. A thread that waits for
 * that lock holds a reference to the item and looks, once it has the lock,
 * whether the item was cancelled meanwhile. A loop with nothing to do sleeps
 * without a timeout.
 */
#ifndef TENON_CORE_MACHINE_LOOP_H
#define TENON_CORE_MACHINE_LOOP_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

struct tn_machine;
struct instance;
struct timer_queue;

struct loop_item {
    atomic_uint references;
    atomic_uint running; /* callbacks, to wait for if there is no lock */
    atomic_int dead;
    struct event_loop *loop;
    struct instance *instance; /* NULL: core's own; no lock is taken */
    void *opaque;
};

struct tn_task {
    struct loop_item item;
    void (*run)(void *opaque);
    atomic_int scheduled;
    gboolean once; /* freed after it ran */
    struct tn_task *next;
};

struct tn_watch {
    struct loop_item item;
    void (*ready)(void *opaque, uint32_t events);
    int fd;
    struct tn_watch *next_grave;
};

struct event_loop {
    struct tn_machine *machine;
    char *name;
    GThread *thread;
    int epoll_fd;
    int wake_fd;
    int timer_fd;
    atomic_int quit;
    atomic_int sleeping;
    _Atomic(struct tn_task *) tasks; /* scheduled, last one first */
    GMutex lock;                     /* graves */
    struct tn_watch *graves;         /* unwatched; may be in a batch */
    struct timer_queue *timers;
    uint64_t armed; /* what timer_fd is set to; the thread's own */
    atomic_uint_least64_t wakeups; /* returns from epoll_wait, for tests */
};

struct event_loop *event_loop_new(struct tn_machine *machine, const char *name);
/* Runs what is scheduled, then ends the thread. No watch is left. */
void event_loop_free(struct event_loop *loop);
void event_loop_wake(struct event_loop *loop);
gboolean event_loop_is_current(const struct event_loop *loop);

/* Begin and end a callback: FALSE if the item was cancelled. Consumes the
 * caller's reference in the end, also on FALSE. */
gboolean loop_item_begin(struct loop_item *item);
void loop_item_end(struct loop_item *item);
void loop_item_init(struct loop_item *item, struct event_loop *loop,
                    struct instance *instance, void *opaque);
void loop_item_ref(struct loop_item *item);
void loop_item_unref(struct loop_item *item);
/* Mark dead, wait for a running callback where no lock does that, and drop
 * the owner's reference. */
void loop_item_kill(struct loop_item *item);

struct tn_task *loop_task_new(struct event_loop *loop,
                              struct instance *instance,
                              void (*run)(void *opaque), void *opaque);
void loop_task_free(struct tn_task *task);
void loop_task_schedule(struct tn_task *task);
/* Run FUNCTION once. */
void loop_invoke(struct event_loop *loop, struct instance *instance,
                 void (*function)(void *opaque), void *opaque);

/* The worker pool's function: DATA is what tn_loop.work() queued. */
void loop_run_job(gpointer data, gpointer machine);

struct tn_watch *loop_watch_new(struct event_loop *loop,
                                struct instance *instance, int fd,
                                uint32_t events,
                                void (*ready)(void *opaque, uint32_t events),
                                void *opaque);
void loop_watch_set(struct tn_watch *watch, uint32_t events);
void loop_watch_free(struct tn_watch *watch);

#endif
