/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The I/O thread.
 */
#include "core/machine/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <tenon/loop.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/thread.h"
#include "core/machine/timer.h"
#include "core/util/log.h"

#define BATCH 64

static _Thread_local const struct event_loop *current_loop;

void loop_item_init(struct loop_item *item, struct event_loop *loop,
                    struct instance *instance, void *opaque)
{
    atomic_store(&item->references, 1);
    item->loop = loop;
    item->instance = instance;
    item->opaque = opaque;
}

void loop_item_ref(struct loop_item *item)
{
    atomic_fetch_add(&item->references, 1);
}

void loop_item_unref(struct loop_item *item)
{
    if (atomic_fetch_sub(&item->references, 1) == 1)
        g_free(item);
}

gboolean loop_item_begin(struct loop_item *item)
{
    if (item->instance && instance_enter(item->instance))
        goto cancelled;
    atomic_fetch_add(&item->running, 1);
    if (!atomic_load(&item->dead))
        return TRUE;
    atomic_fetch_sub(&item->running, 1);
    if (item->instance)
        instance_leave(item->instance);
cancelled:
    loop_item_unref(item);
    return FALSE;
}

void loop_item_end(struct loop_item *item)
{
    atomic_fetch_sub(&item->running, 1);
    if (item->instance)
        instance_leave(item->instance);
    loop_item_unref(item);
}

void loop_item_kill(struct loop_item *item)
{
    struct instance *instance = item->instance;

    atomic_store(&item->dead, 1);
    /* With the lock held nothing of it runs but what called us. */
    if (!(instance && instance->lock && thread_is_inside(instance)) &&
        !event_loop_is_current(item->loop))
        while (atomic_load(&item->running))
            g_thread_yield();
    loop_item_unref(item);
}

gboolean event_loop_is_current(const struct event_loop *loop)
{
    return loop == current_loop;
}

void event_loop_wake(struct event_loop *loop)
{
    uint64_t one = 1;

    if (atomic_exchange(&loop->sleeping, 0) &&
        write(loop->wake_fd, &one, sizeof one) < 0)
        g_assert(errno == EAGAIN);
}

/* ---- tasks ---- */

struct tn_task *loop_task_new(struct event_loop *loop,
                              struct instance *instance,
                              void (*run)(void *opaque), void *opaque)
{
    struct tn_task *task = g_new0(struct tn_task, 1);

    loop_item_init(&task->item, loop, instance, opaque);
    task->run = run;
    return task;
}

void loop_task_free(struct tn_task *task)
{
    loop_item_kill(&task->item);
}

void loop_task_schedule(struct tn_task *task)
{
    struct event_loop *loop = task->item.loop;

    if (atomic_exchange(&task->scheduled, 1))
        return;
    loop_item_ref(&task->item);
    task->next = atomic_load(&loop->tasks);
    while (!atomic_compare_exchange_weak(&loop->tasks, &task->next, task))
        ;
    event_loop_wake(loop);
}

void loop_invoke(struct event_loop *loop, struct instance *instance,
                 void (*function)(void *opaque), void *opaque)
{
    struct tn_task *task = loop_task_new(loop, instance, function, opaque);

    task->once = TRUE;
    loop_task_schedule(task);
}

static gboolean run_tasks(struct event_loop *loop)
{
    struct tn_task *task = atomic_exchange(&loop->tasks, NULL);
    struct tn_task *ordered = NULL;

    if (!task)
        return FALSE;
    while (task) { /* oldest first */
        struct tn_task *next = task->next;

        task->next = ordered;
        ordered = task;
        task = next;
    }
    while (ordered) {
        gboolean once = ordered->once;

        task = ordered;
        ordered = task->next;
        /* Before it runs: what is scheduled from now on needs a new run. */
        atomic_store(&task->scheduled, 0);
        if (loop_item_begin(&task->item)) {
            task->run(task->item.opaque);
            loop_item_end(&task->item);
        }
        if (once)
            loop_item_unref(&task->item);
    }
    return TRUE;
}

/* ---- watched descriptors ---- */

static uint32_t to_epoll(uint32_t events)
{
    return (events & TN_WATCH_READ ? (uint32_t)EPOLLIN : 0u) |
           (events & TN_WATCH_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

static uint32_t from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? TN_WATCH_READ : 0u) |
           (events & EPOLLOUT ? TN_WATCH_WRITE : 0u) |
           (events & (EPOLLHUP | EPOLLERR) ? TN_WATCH_HANGUP : 0u);
}

struct tn_watch *loop_watch_new(struct event_loop *loop,
                                struct instance *instance, int fd,
                                uint32_t events,
                                void (*ready)(void *opaque, uint32_t events),
                                void *opaque)
{
    struct tn_watch *watch = g_new0(struct tn_watch, 1);
    struct epoll_event event = {.events = to_epoll(events)};

    loop_item_init(&watch->item, loop, instance, opaque);
    watch->ready = ready;
    watch->fd = fd;
    event.data.ptr = watch;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        g_free(watch);
        return NULL;
    }
    return watch;
}

void loop_watch_set(struct tn_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = to_epoll(events)};

    event.data.ptr = watch;
    (void)epoll_ctl(watch->item.loop->epoll_fd, EPOLL_CTL_MOD, watch->fd,
                    &event);
}

void loop_watch_free(struct tn_watch *watch)
{
    struct event_loop *loop = watch->item.loop;

    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    /* The batch that the thread is at may still name it. */
    loop_item_ref(&watch->item);
    loop_item_kill(&watch->item);
    g_mutex_lock(&loop->lock);
    watch->next_grave = loop->graves;
    loop->graves = watch;
    g_mutex_unlock(&loop->lock);
}

/* Between batches: no event that names them can come any more. */
static void free_graves(struct event_loop *loop)
{
    struct tn_watch *watch;

    g_mutex_lock(&loop->lock);
    watch = loop->graves;
    loop->graves = NULL;
    g_mutex_unlock(&loop->lock);
    while (watch) {
        struct tn_watch *next = watch->next_grave;

        loop_item_unref(&watch->item);
        watch = next;
    }
}

static void dispatch(struct event_loop *loop, const struct epoll_event *event)
{
    struct tn_watch *watch = event->data.ptr;
    uint64_t count;

    if (event->data.ptr == &loop->wake_fd ||
        event->data.ptr == &loop->timer_fd) {
        int fd = *(int *)event->data.ptr;

        if (fd == loop->timer_fd)
            loop->armed = UINT64_MAX;
        if (read(fd, &count, sizeof count) < 0)
            g_assert(errno == EAGAIN);
        return;
    }
    if (atomic_load(&watch->item.dead))
        return;
    loop_item_ref(&watch->item);
    if (loop_item_begin(&watch->item)) {
        watch->ready(watch->item.opaque, from_epoll(event->events));
        loop_item_end(&watch->item);
    }
}

/* ---- the thread ---- */

static void arm(struct event_loop *loop, uint64_t deadline)
{
    struct itimerspec spec = {{0, 0}, {0, 0}};

    if (deadline == loop->armed)
        return;
    if (deadline != UINT64_MAX) {
        deadline = MAX(deadline, 1); /* 0 would disarm */
        spec.it_value.tv_sec = (time_t)(deadline / 1000000000u);
        spec.it_value.tv_nsec = (long)(deadline % 1000000000u);
    }
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    loop->armed = deadline;
}

static gpointer loop_thread(gpointer data)
{
    struct event_loop *loop = data;
    struct epoll_event events[BATCH];

    thread_set_role(THREAD_IO, loop->machine);
    current_loop = loop;
    for (;;) {
        int n;

        free_graves(loop);
        run_tasks(loop);
        timer_queue_run(loop->timers);
        atomic_store(&loop->sleeping, 1);
        if (atomic_load(&loop->tasks)) {
            atomic_store(&loop->sleeping, 0);
            continue;
        }
        if (atomic_load(&loop->quit))
            break;
        arm(loop, timer_queue_next(loop->timers));
        n = epoll_wait(loop->epoll_fd, events, BATCH, -1);
        atomic_store(&loop->sleeping, 0);
        atomic_fetch_add(&loop->wakeups, 1);
        for (int i = 0; i < n; i++)
            dispatch(loop, &events[i]);
    }
    free_graves(loop);
    return NULL;
}

static void add_own(struct event_loop *loop, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    event.data.ptr = fd;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

struct event_loop *event_loop_new(struct tn_machine *machine, const char *name)
{
    struct event_loop *loop = g_new0(struct event_loop, 1);

    loop->machine = machine;
    loop->name = g_strdup(name);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 || loop->timer_fd < 0)
        g_error("no descriptors left for an I/O thread");
    loop->armed = UINT64_MAX;
    add_own(loop, &loop->wake_fd);
    add_own(loop, &loop->timer_fd);
    g_mutex_init(&loop->lock);
    loop->timers = timer_queue_new(loop);
    loop->thread = g_thread_new(name, loop_thread, loop);
    return loop;
}

void event_loop_free(struct event_loop *loop)
{
    atomic_store(&loop->quit, 1);
    event_loop_wake(loop);
    g_thread_join(loop->thread);
    timer_queue_free(loop->timers);
    close(loop->epoll_fd);
    close(loop->wake_fd);
    close(loop->timer_fd);
    g_mutex_clear(&loop->lock);
    g_free(loop->name);
    g_free(loop);
}
