/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's loop, clock, interrupts and tree. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/private.h"

/* ---- tenon.host.loop/1 ---- */

static struct tn_task *new_task(struct tn_host *host, void (*run)(void *opaque),
                                void *opaque)
{
    struct tn_task *task = calloc(1, sizeof *task);
    struct testhost *machine = instance_of(host)->machine;
    struct tn_task **end = &machine->tasks;

    if (!task)
        abort();
    task->instance = instance_of(host);
    task->run = run;
    task->opaque = opaque;
    while (*end)
        end = &(*end)->next;
    *end = task;
    return task;
}

static void free_task(struct tn_host *host, struct tn_task *task)
{
    struct tn_task **link = &instance_of(host)->machine->tasks;

    while (*link && *link != task)
        link = &(*link)->next;
    if (!*link)
        abort();
    *link = task->next;
    free(task);
}

static void schedule(struct tn_host *host, struct tn_task *task)
{
    (void)host;
    task->pending = 1;
}

void testhost_later(struct tn_host *host, void (*call)(void *opaque),
                    void *opaque)
{
    struct tn_task *task = new_task(host, call, opaque);

    task->once = 1;
    task->pending = 1;
}

void testhost_forget(struct tn_host *host, void (*call)(void *opaque),
                     void *opaque)
{
    struct tn_task *task = instance_of(host)->machine->tasks;

    while (task) {
        struct tn_task *next = task->next;

        if (task->once && task->run == call && task->opaque == opaque)
            free_task(host, task);
        task = next;
    }
}

struct job {
    struct tn_host *host;
    void (*work)(void *opaque);
    void (*done)(void *opaque);
    void *opaque;
};

static void run_job(void *opaque)
{
    struct job *job = opaque;

    job->work(job->opaque);
    job->done(job->opaque);
    free(job);
}

static int32_t work(struct tn_host *host, void (*work)(void *opaque),
                    void (*done)(void *opaque), void *opaque)
{
    struct job *job = calloc(1, sizeof *job);

    if (!job)
        abort();
    *job = (struct job){host, work, done, opaque};
    testhost_later(host, run_job, job);
    return 0;
}

static struct tn_watch *watch(struct tn_host *host, int32_t fd, uint32_t events,
                              void (*ready)(void *opaque, uint32_t events),
                              void *opaque)
{
    struct testhost *machine = instance_of(host)->machine;
    struct tn_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        abort();
    *watch = (struct tn_watch){instance_of(host), fd, events, 0, ready, opaque,
                               machine->watches};
    machine->watches = watch;
    return watch;
}

static void set_events(struct tn_host *host, struct tn_watch *watch,
                       uint32_t events)
{
    (void)host;
    watch->events = events;
}

static void unwatch(struct tn_host *host, struct tn_watch *watch)
{
    (void)host;
    watch->dead = 1;
}

const struct tn_loop testhost_loop = {
    .size = sizeof(struct tn_loop),
    .watch = watch,
    .set_events = set_events,
    .unwatch = unwatch,
    .new_task = new_task,
    .free_task = free_task,
    .schedule = schedule,
    .work = work,
};

static void run_task(struct tn_task *task)
{
    struct test_instance *instance = task->instance;
    void (*run)(void *opaque) = task->run;
    void *opaque = task->opaque;

    /* It may free itself. */
    if (task->once)
        free_task(&instance->host, task);
    if (test_enter(instance))
        abort();
    run(opaque);
    test_leave(instance);
}

static uint32_t run_tasks(struct testhost *machine)
{
    uint32_t ran = 0;
    struct tn_task *task = machine->tasks;

    while (task) {
        if (!task->pending) {
            task = task->next;
            continue;
        }
        task->pending = 0;
        run_task(task);
        ran++;
        /* What ran may have changed the list. */
        task = machine->tasks;
    }
    return ran;
}

static uint32_t run_timers(struct testhost *machine)
{
    uint32_t ran = 0;
    struct tn_timer *timer = machine->timers;

    while (timer) {
        struct test_instance *instance = timer->instance;

        if (timer->deadline > machine->now) {
            timer = timer->next;
            continue;
        }
        timer->deadline = UINT64_MAX;
        if (test_enter(instance))
            abort();
        timer->fire(timer->opaque);
        test_leave(instance);
        ran++;
        timer = machine->timers;
    }
    return ran;
}

static uint32_t run_watches(struct testhost *machine)
{
    uint32_t ran = 0;

    for (struct tn_watch *w = machine->watches; w; w = w->next) {
        struct pollfd p = {.fd = w->fd};
        uint32_t events = 0;

        if (w->dead)
            continue;
        p.events = (short)((w->events & TN_WATCH_READ ? POLLIN : 0) |
                           (w->events & TN_WATCH_WRITE ? POLLOUT : 0));
        if (poll(&p, 1, 0) <= 0)
            continue;
        events |= p.revents & POLLIN ? TN_WATCH_READ : 0;
        events |= p.revents & POLLOUT ? TN_WATCH_WRITE : 0;
        events |= p.revents & (POLLHUP | POLLERR) ? TN_WATCH_HANGUP : 0;
        if (test_enter(w->instance))
            abort();
        w->ready(w->opaque, events);
        test_leave(w->instance);
        ran++;
    }
    for (struct tn_watch **link = &machine->watches; *link;) {
        struct tn_watch *w = *link;

        if (w->dead) {
            *link = w->next;
            free(w);
        } else {
            link = &w->next;
        }
    }
    return ran;
}

uint32_t testhost_run(struct testhost *machine)
{
    uint32_t total = 0;

    /* A device that keeps itself busy for ever is a bug: give up. */
    for (uint32_t round = 0; round < 10000; round++) {
        uint32_t ran =
            run_tasks(machine) + run_timers(machine) + run_watches(machine);

        if (!ran)
            return total;
        total += ran;
    }
    abort();
}

void testhost_step(struct testhost *machine)
{
    struct tn_task *task = machine->tasks;

    while (task && !task->pending)
        task = task->next;
    if (!task)
        return;
    task->pending = 0;
    run_task(task);
}

/* ---- tenon.host.clock/1 ---- */

static uint64_t now(struct tn_host *host, uint32_t clock)
{
    (void)clock;
    return instance_of(host)->machine->now;
}

static struct tn_timer *new_timer(struct tn_host *host, uint32_t clock,
                                  void (*fire)(void *opaque), void *opaque)
{
    struct testhost *machine = instance_of(host)->machine;
    struct tn_timer *timer = calloc(1, sizeof *timer);

    (void)clock;
    if (!timer)
        abort();
    *timer = (struct tn_timer){instance_of(host), fire, opaque, UINT64_MAX,
                               machine->timers};
    machine->timers = timer;
    return timer;
}

static void free_timer(struct tn_host *host, struct tn_timer *timer)
{
    struct tn_timer **link = &instance_of(host)->machine->timers;

    if (!timer)
        return;
    while (*link && *link != timer)
        link = &(*link)->next;
    if (!*link)
        abort();
    *link = timer->next;
    free(timer);
}

static void set_timer(struct tn_host *host, struct tn_timer *timer,
                      uint64_t deadline)
{
    (void)host;
    timer->deadline = deadline;
}

static void cancel_timer(struct tn_host *host, struct tn_timer *timer)
{
    (void)host;
    timer->deadline = UINT64_MAX;
}

const struct tn_clock testhost_clock = {
    .size = sizeof(struct tn_clock),
    .now = now,
    .new_timer = new_timer,
    .free_timer = free_timer,
    .set_timer = set_timer,
    .cancel_timer = cancel_timer,
};

void testhost_advance(struct testhost *machine, uint64_t ns)
{
    machine->now += ns;
    testhost_run(machine);
}

/* Watches and tasks of an instance that goes. */
void testhost_free_events(struct test_instance *owner)
{
    struct testhost *machine = owner->machine;

    for (struct tn_watch *w = machine->watches; w; w = w->next)
        if (w->instance == owner)
            w->dead = 1;
    run_watches(machine);
    for (struct tn_task *t = machine->tasks; t; t = t->next)
        if (t->instance == owner)
            abort(); /* a task that was not freed */
    for (struct tn_timer *t = machine->timers; t; t = t->next)
        if (t->instance == owner)
            abort();
}

/* ---- tenon.host.irq/1 ---- */

static struct tn_irq *output(struct tn_host *host, uint32_t index)
{
    if (index >= MAX_OUTPUTS)
        abort();
    return &instance_of(host)->outputs[index];
}

static void set(struct tn_host *host, struct tn_irq *irq, uint32_t level)
{
    (void)host;
    if (level > 1)
        abort();
    irq->edges += level && !irq->level;
    irq->level = level;
}

static uint32_t is_wired(struct tn_host *host, uint32_t index)
{
    (void)host;
    return index < MAX_OUTPUTS;
}

const struct tn_irqs testhost_irqs = {
    .size = sizeof(struct tn_irqs),
    .output = output,
    .set = set,
    .is_wired = is_wired,
};

uint32_t testhost_irq_level(struct test_instance *instance, uint32_t output)
{
    return instance->outputs[output].level;
}

uint64_t testhost_irq_edges(struct test_instance *instance, uint32_t output)
{
    return instance->outputs[output].edges;
}

/* ---- tenon.host.tree/1 ---- */

static struct tn_peer *parent(struct tn_host *host)
{
    return (struct tn_peer *)instance_of(host)->parent;
}

static struct tn_peer *find_peer(struct tn_host *host, const char *id)
{
    struct testhost *machine = instance_of(host)->machine;

    for (uint32_t i = 0; i < machine->n_instances; i++)
        if (!strcmp(machine->instances[i]->id, id))
            return (struct tn_peer *)machine->instances[i];
    return NULL;
}

static struct tn_peer *child(struct tn_host *host, uint32_t index)
{
    struct testhost *machine = instance_of(host)->machine;

    for (uint32_t i = 0; i < machine->n_instances; i++)
        if (machine->instances[i]->parent == instance_of(host) && !index--)
            return (struct tn_peer *)machine->instances[i];
    return NULL;
}

static const void *peer_interface(struct tn_host *host, struct tn_peer *peer,
                                  const char *id, void **self)
{
    struct test_instance *instance = (struct test_instance *)peer;

    (void)host;
    *self = instance->self;
    return testhost_interface(instance, id);
}

static int32_t enter(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    return test_enter((struct test_instance *)peer);
}

static void leave(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    test_leave((struct test_instance *)peer);
}

static const char *peer_id(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    return ((struct test_instance *)peer)->id;
}

static uint32_t cpu_count(struct tn_host *host)
{
    (void)host;
    return 2;
}

static uint64_t ram_size(struct tn_host *host)
{
    return instance_of(host)->machine->ram[0].bytes;
}

static void request(struct tn_host *host, uint32_t what, uint32_t code)
{
    (void)code;
    instance_of(host)->machine->request = what;
}

static int32_t slot(struct tn_host *host)
{
    (void)host;
    return -1;
}

const struct tn_tree testhost_tree = {
    .size = sizeof(struct tn_tree),
    .parent = parent,
    .find = find_peer,
    .child = child,
    .interface_ = peer_interface,
    .enter = enter,
    .leave = leave,
    .peer_id = peer_id,
    .cpu_count = cpu_count,
    .ram_size = ram_size,
    .request = request,
    .slot = slot,
};

uint32_t testhost_request(struct testhost *machine)
{
    return machine->request;
}
