/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.loop/1 and tenon.host.clock/1: checks, then loop.c and timer.c.
 */
#include <errno.h>

#include <tenon/clock.h>
#include <tenon/loop.h>

#include "core/machine/instance.h"
#include "core/machine/loop.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"
#include "core/machine/timer.h"

/* ---- tenon.host.loop/1 ---- */

static struct tn_watch *watch(struct tn_host *host, int32_t fd, uint32_t events,
                              void (*ready)(void *opaque, uint32_t events),
                              void *opaque)
{
    struct instance *instance = instance_of(host);

    if (fd < 0 || !ready)
        return NULL;
    return loop_watch_new(instance->loop, instance, fd, events, ready, opaque);
}

static void set_events(struct tn_host *host, struct tn_watch *w,
                       uint32_t events)
{
    if (w && w->item.instance == instance_of(host))
        loop_watch_set(w, events);
}

static void unwatch(struct tn_host *host, struct tn_watch *w)
{
    if (w && w->item.instance == instance_of(host))
        loop_watch_free(w);
}

static struct tn_task *new_task(struct tn_host *host, void (*run)(void *opaque),
                                void *opaque)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    return run ? loop_task_new(instance->loop, instance, run, opaque) : NULL;
}

static void free_task(struct tn_host *host, struct tn_task *task)
{
    CHECK_CONTROL(instance_of(host));
    if (task && task->item.instance == instance_of(host))
        loop_task_free(task);
}

static void schedule(struct tn_host *host, struct tn_task *task)
{
    if (task && task->item.instance == instance_of(host))
        loop_task_schedule(task);
}

/* One piece of work, on its way through a worker and back. */
struct job {
    struct instance *instance;
    void (*work)(void *opaque);
    void (*done)(void *opaque);
    void *opaque;
};

static void job_done(void *opaque)
{
    struct job *job = opaque;

    if (job->done)
        job->done(job->opaque);
    atomic_fetch_sub(&job->instance->jobs, 1);
    g_free(job);
}

void loop_run_job(gpointer data, gpointer machine)
{
    struct job *job = data;

    thread_set_role(THREAD_WORKER, machine);
    job->work(job->opaque);
    loop_invoke(job->instance->loop, job->instance, job_done, job);
}

static int32_t work(struct tn_host *host, void (*function)(void *opaque),
                    void (*done)(void *opaque), void *opaque)
{
    struct instance *instance = instance_of(host);
    struct job *job;

    if (!function)
        return -EINVAL;
    job = g_new0(struct job, 1);
    job->instance = instance;
    job->work = function;
    job->done = done;
    job->opaque = opaque;
    atomic_fetch_add(&instance->jobs, 1);
    g_thread_pool_push(instance->machine->workers, job, NULL);
    return 0;
}

const struct tn_loop host_loop = {
    .size = sizeof(struct tn_loop),
    .watch = watch,
    .set_events = set_events,
    .unwatch = unwatch,
    .new_task = new_task,
    .free_task = free_task,
    .schedule = schedule,
    .work = work,
};

/* ---- tenon.host.clock/1 ---- */

static uint64_t now(struct tn_host *host, uint32_t clock)
{
    return clock_now(&instance_of(host)->machine->clock, clock);
}

static struct tn_timer *new_timer(struct tn_host *host, uint32_t clock,
                                  void (*fire)(void *opaque), void *opaque)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    if (!fire || clock > TN_CLOCK_HOST)
        return NULL;
    return timer_new(instance->loop, instance, clock, fire, opaque);
}

static void free_timer(struct tn_host *host, struct tn_timer *timer)
{
    CHECK_CONTROL(instance_of(host));
    if (timer)
        timer_free(timer);
}

static void set_timer(struct tn_host *host, struct tn_timer *timer,
                      uint64_t deadline)
{
    (void)host;
    if (timer)
        timer_set(timer, deadline);
}

static void cancel_timer(struct tn_host *host, struct tn_timer *timer)
{
    set_timer(host, timer, UINT64_MAX);
}

const struct tn_clock host_clock = {
    .size = sizeof(struct tn_clock),
    .now = now,
    .new_timer = new_timer,
    .free_timer = free_timer,
    .set_timer = set_timer,
    .cancel_timer = cancel_timer,
};
