/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O threads, timers, workers, interrupt lines. No test asserts how long
 * something takes, only what must have happened before what.
 */
#include "core/machine/machine-test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/machine/loop.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"

static atomic_uint calls;

static void wait_for(atomic_uint *counter, guint value)
{
    while (atomic_load(counter) < value)
        g_usleep(200);
}

static void count_call(void *opaque)
{
    g_assert(thread_current()->role == THREAD_IO);
    g_assert(!opaque || thread_is_inside(opaque));
    atomic_fetch_add(&calls, 1);
}

/* ---- tasks ---- */

static void tasks_run_once_under_the_lock(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);
    struct tn_task *task =
        host_loop.new_task(fake.host, count_call, instance_of(fake.host));

    (void)state;
    atomic_store(&calls, 0);
    /* While we hold the lock it cannot run, however often it is asked to. */
    instance_enter(instance_of(fake.host));
    for (guint i = 0; i < 100; i++)
        host_loop.schedule(fake.host, task);
    g_usleep(2000);
    assert_int_equal(atomic_load(&calls), 0);
    for (guint i = 0; i < 100; i++)
        host_loop.schedule(fake.host, task);
    instance_leave(instance_of(fake.host));
    wait_for(&calls, 1);
    g_usleep(2000);
    assert_true(atomic_load(&calls) <= 2);
    host_loop.free_task(fake.host, task);
    test_end(machine);
}

static void a_freed_task_does_not_run(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);

    (void)state;
    for (guint i = 0; i < 500; i++) {
        struct tn_task *task = host_loop.new_task(fake.host, count_call, NULL);

        host_loop.schedule(fake.host, task);
        instance_enter(instance_of(fake.host));
        host_loop.free_task(fake.host, task);
        atomic_store(&calls, 0);
        instance_leave(instance_of(fake.host));
        if (i % 50 == 0)
            g_usleep(500);
        assert_int_equal(atomic_load(&calls), 0);
    }
    test_end(machine);
}

/* ---- watched descriptors ---- */

struct watched {
    struct fake fake;
    int fds[2];
    atomic_uint events;
    atomic_uint bytes;
};

static void on_ready(void *opaque, uint32_t events)
{
    struct watched *w = opaque;
    char byte;

    atomic_fetch_or(&w->events, events);
    if (events & TN_WATCH_READ && read(w->fds[0], &byte, 1) == 1)
        atomic_fetch_add(&w->bytes, 1);
}

static void descriptors_are_watched(void **state)
{
    struct watched w = {.fake = {.id = "a"}};
    struct tn_machine *machine = test_machine(&w.fake, 1, 0);
    struct tn_watch *watch;

    (void)state;
    assert_int_equal(pipe(w.fds), 0);
    watch = host_loop.watch(w.fake.host, w.fds[0], TN_WATCH_READ, on_ready, &w);
    assert_non_null(watch);
    assert_int_equal(write(w.fds[1], "abc", 3), 3);
    wait_for(&w.bytes, 3);
    host_loop.set_events(w.fake.host, watch, 0);
    assert_int_equal(write(w.fds[1], "d", 1), 1);
    g_usleep(3000);
    assert_int_equal(atomic_load(&w.bytes), 3);
    host_loop.set_events(w.fake.host, watch, TN_WATCH_READ);
    wait_for(&w.bytes, 4);
    host_loop.unwatch(w.fake.host, watch);
    assert_int_equal(write(w.fds[1], "e", 1), 1);
    g_usleep(3000);
    assert_int_equal(atomic_load(&w.bytes), 4);
    close(w.fds[0]);
    close(w.fds[1]);
    assert_null(
        host_loop.watch(w.fake.host, 100000, TN_WATCH_READ, on_ready, &w));
    test_end(machine);
}

/* ---- timers ---- */

#define TIMERS 64

struct timed {
    struct tn_host *host;
    uint32_t clock;
    uint64_t deadline;
    struct tn_timer *timer;
};

static uint64_t last_deadline;
static atomic_uint wrong_order, early;

static void on_timer(void *opaque)
{
    struct timed *t = opaque;

    if (host_clock.now(t->host, t->clock) < t->deadline)
        atomic_fetch_add(&early, 1);
    if (t->deadline < last_deadline)
        atomic_fetch_add(&wrong_order, 1);
    last_deadline = t->deadline;
    atomic_fetch_add(&calls, 1);
}

static void timers_fire_in_order_never_early(void **state)
{
    struct fake fake = {.id = "a"};
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    struct timed timers[TIMERS];
    struct tn_machine *machine = test_machine(&fake, 1, 0);
    uint64_t now = host_clock.now(fake.host, TN_CLOCK_HOST);

    (void)state;
    atomic_store(&calls, 0);
    last_deadline = 0;
    for (guint i = 0; i < TIMERS; i++) {
        timers[i].host = fake.host;
        timers[i].clock = TN_CLOCK_HOST;
        timers[i].timer = host_clock.new_timer(fake.host, TN_CLOCK_HOST,
                                               on_timer, &timers[i]);
        timers[i].deadline =
            now + 5000000u + (uint64_t)g_rand_int_range(random, 0, 20000000);
        host_clock.set_timer(fake.host, timers[i].timer, 1ull << 62);
        host_clock.set_timer(fake.host, timers[i].timer, timers[i].deadline);
    }
    for (guint i = 0; i < TIMERS; i += 4)
        host_clock.cancel_timer(fake.host, timers[i].timer);
    wait_for(&calls, TIMERS - TIMERS / 4);
    g_usleep(2000);
    assert_int_equal(atomic_load(&calls), TIMERS - TIMERS / 4);
    assert_int_equal(atomic_load(&early), 0);
    assert_int_equal(atomic_load(&wrong_order), 0);
    for (guint i = 0; i < TIMERS; i++)
        host_clock.free_timer(fake.host, timers[i].timer);
    test_end(machine);
}

static void virtual_timers_stand_still_with_the_machine(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);
    struct timed t = {.host = fake.host, .clock = TN_CLOCK_VIRTUAL};

    (void)state;
    atomic_store(&calls, 0);
    t.timer = host_clock.new_timer(fake.host, TN_CLOCK_VIRTUAL, on_timer, &t);
    assert_null(
        host_clock.new_timer(fake.host, TN_CLOCK_REALTIME, on_timer, &t));
    t.deadline = 1000000;
    host_clock.set_timer(fake.host, t.timer, t.deadline);
    g_usleep(5000);
    assert_int_equal(atomic_load(&calls), 0);
    clock_start(machine);
    wait_for(&calls, 1);
    clock_stop(machine);
    assert_int_equal(atomic_load(&early), 0);
    host_clock.free_timer(fake.host, t.timer);
    test_end(machine);
}

/* With the lock held, a cancelled timer has not fired and will not. */
static void cancelling_is_exact(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);
    struct instance *instance = instance_of(fake.host);
    struct tn_timer *timer =
        host_clock.new_timer(fake.host, TN_CLOCK_HOST, count_call, instance);

    (void)state;
    for (guint i = 0; i < 1000; i++) {
        guint before;

        instance_enter(instance);
        host_clock.set_timer(fake.host, timer,
                             host_clock.now(fake.host, TN_CLOCK_HOST) +
                                 i % 3 * 20000);
        if (i % 2) {
            instance_leave(instance);
            g_usleep(i % 5 * 20);
            instance_enter(instance);
        }
        host_clock.cancel_timer(fake.host, timer);
        before = atomic_load(&calls);
        instance_leave(instance);
        if (i % 50 == 0)
            g_usleep(200);
        assert_int_equal(atomic_load(&calls), before);
    }
    host_clock.free_timer(fake.host, timer);
    test_end(machine);
}

static void an_idle_machine_does_not_wake(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine_desc *desc = test_desc(&fake, 1, 1 << 20);
    struct tn_machine *machine;
    struct event_loop *loop;
    guint64 before;

    (void)state;
    test_add_cpus(desc, 2);
    machine = tn_machine_new(desc, NULL, NULL);
    assert_int_equal(tn_machine_start(machine, NULL), 0);
    loop = machine_loop(machine, NULL);
    g_usleep(50000);
    before = atomic_load(&loop->wakeups);
    g_usleep(200000);
    assert_int_equal(atomic_load(&loop->wakeups), before);
    test_end(machine);
}

/* ---- workers ---- */

static atomic_uint worked;

static void do_work(void *opaque)
{
    (void)opaque;
    g_assert(thread_current()->role == THREAD_WORKER);
    g_usleep(100);
    atomic_fetch_add(&worked, 1);
}

static void workers_report_on_the_io_thread(void **state)
{
    struct fake fake = {.id = "a"};
    struct tn_machine *machine = test_machine(&fake, 1, 0);

    (void)state;
    atomic_store(&calls, 0);
    atomic_store(&worked, 0);
    for (guint i = 0; i < 200; i++)
        assert_int_equal(host_loop.work(fake.host, do_work, count_call,
                                        instance_of(fake.host)),
                         0);
    /* Unwinding waits for what is under way. */
    test_end(machine);
    assert_int_equal(atomic_load(&worked), 200);
    assert_int_equal(atomic_load(&calls), 200);
}

/* ---- interrupt lines ---- */

struct controller {
    uint32_t level[8];
    guint changes;
};

static void controller_set(void *opaque, uint32_t line, uint32_t level)
{
    struct controller *c = opaque;

    g_assert(line < 8 && c->level[line] != level);
    c->level[line] = level;
    c->changes++;
}

static void shared_lines_are_ored(void **state)
{
    struct controller pic = {.changes = 0};
    struct fake fakes[3] = {{.id = "pic"}, {.id = "a"}, {.id = "b"}};
    struct tn_machine *machine;
    struct tn_irq *a, *b;

    (void)state;
    machine = test_machine(fakes, 3, 0);
    assert_int_equal(host_irqs.inputs(fakes[0].host, 8, controller_set, &pic),
                     0);
    assert_int_equal(host_irqs.inputs(fakes[0].host, 8, controller_set, &pic),
                     -EBUSY);
    assert_null(host_irqs.wire(fakes[1].host, "pic", 8));
    assert_null(host_irqs.wire(fakes[1].host, "nobody", 0));
    a = host_irqs.wire(fakes[1].host, "pic", 3);
    b = host_irqs.wire(fakes[2].host, "pic", 3);
    host_irqs.set(fakes[1].host, a, 1);
    assert_int_equal(pic.level[3], 1);
    host_irqs.set(fakes[2].host, b, 1);
    host_irqs.set(fakes[1].host, a, 0);
    assert_int_equal(pic.level[3], 1);
    host_irqs.set(fakes[2].host, b, 0);
    assert_int_equal(pic.level[3], 0);
    assert_int_equal(pic.changes, 2);
    /* Another instance's output is not ours to drive. */
    host_irqs.set(fakes[2].host, a, 1);
    assert_int_equal(pic.level[3], 0);
    assert_non_null(host_irqs.output(fakes[1].host, 5));
    assert_int_equal(host_irqs.is_wired(fakes[1].host, 5), 0);
    host_irqs.set(fakes[1].host, host_irqs.output(fakes[1].host, 5), 1);
    assert_null(host_irqs.output(fakes[1].host, 2048));
    test_end(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_once_under_the_lock),
        cmocka_unit_test(a_freed_task_does_not_run),
        cmocka_unit_test(descriptors_are_watched),
        cmocka_unit_test(timers_fire_in_order_never_early),
        cmocka_unit_test(virtual_timers_stand_still_with_the_machine),
        cmocka_unit_test(cancelling_is_exact),
        cmocka_unit_test(an_idle_machine_does_not_wake),
        cmocka_unit_test(workers_report_on_the_io_thread),
        cmocka_unit_test(shared_lines_are_ored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
