/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: what they let through, computed with times of the test's own, and
 * that waiting requests go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/block/throttle.h"

#define SECOND UINT64_C(1000000000)
#define READ FALSE
#define WRITE TRUE

static struct throttle *with(struct block_context *context,
                             enum throttle_limit limit, uint64_t rate,
                             uint64_t burst)
{
    uint64_t rates[THROTTLE_LIMITS] = {0};

    rates[limit] = rate;
    return throttle_new(context, rates, burst);
}

static void no_limit_is_no_throttle(void **state)
{
    const uint64_t rates[THROTTLE_LIMITS] = {0};

    (void)state;
    assert_null(throttle_new(NULL, rates, SECOND));
}

/* Requests let through in the second from NOW on by one that waits as told. */
static guint in_a_second(struct throttle *t, gboolean writes, uint64_t bytes,
                         uint64_t now)
{
    uint64_t end = now + SECOND;
    guint n = 0;

    for (;;) {
        now += throttle_delay(t, writes, now);
        if (now >= end)
            return n;
        throttle_charge(t, writes, bytes, now);
        n++;
    }
}

static void requests_come_at_their_rate(void **state)
{
    struct throttle *t = with(NULL, THROTTLE_REQUESTS, 100, 0);

    (void)state;
    assert_in_range(in_a_second(t, READ, 1 << 20, SECOND), 100, 101);
    assert_in_range(in_a_second(t, WRITE, 0, 2 * SECOND), 99, 101);
    throttle_free(t);
}

static void bytes_come_at_their_rate(void **state)
{
    struct throttle *t = with(NULL, THROTTLE_BYTES, 1 << 20, 0);

    (void)state;
    assert_in_range(in_a_second(t, WRITE, 4096, SECOND), 256, 257);
    /* One that is larger than a second's worth goes too. */
    assert_int_equal(throttle_delay(t, READ, 5 * SECOND), 0);
    throttle_charge(t, READ, 3 << 20, 5 * SECOND);
    assert_int_equal(throttle_delay(t, READ, 5 * SECOND), 3 * SECOND);
    throttle_free(t);
}

static void a_burst_is_what_was_idle(void **state)
{
    struct throttle *t = with(NULL, THROTTLE_REQUESTS, 100, SECOND / 2);

    (void)state;
    /* Half a second's worth at once, then the rate. */
    assert_in_range(in_a_second(t, READ, 0, SECOND), 150, 151);
    assert_in_range(in_a_second(t, READ, 0, 2 * SECOND), 99, 101);
    throttle_free(t);
}

static void a_limit_of_one_direction_leaves_the_other(void **state)
{
    struct throttle *t = with(NULL, THROTTLE_WRITE_BYTES, 1000, 0);

    (void)state;
    throttle_charge(t, WRITE, 1000000, SECOND);
    assert_int_equal(throttle_delay(t, READ, SECOND), 0);
    assert_int_equal(throttle_delay(t, WRITE, SECOND), 1000 * SECOND);
    throttle_charge(t, READ, 1000000, SECOND);
    assert_int_equal(throttle_delay(t, WRITE, SECOND), 1000 * SECOND);
    throttle_free(t);
}

static void no_request_makes_an_endless_debt(void **state)
{
    struct throttle *t = with(NULL, THROTTLE_BYTES, 1, 0);

    (void)state;
    throttle_charge(t, READ, UINT64_MAX, SECOND);
    assert_true(throttle_delay(t, READ, SECOND) <= 3600 * SECOND);
    throttle_free(t);
}

struct request {
    struct throttle_item item;
    struct block_work work;
    guint *order, place;
};

static void went(struct block_work *work)
{
    struct request *r =
        (struct request *)((char *)work - offsetof(struct request, work));

    r->place = ++*r->order;
}

static void fill(struct throttle *t, struct request *r, guint n, guint *order)
{
    for (guint i = 0; i < n; i++) {
        r[i] = (struct request){.work.run = went, .order = order};
        r[i].item.work = &r[i].work;
        throttle_submit(t, &r[i].item, WRITE);
    }
}

static void those_that_wait_go_in_order(void **state)
{
    struct block_context *context = block_context_new(BLOCK_IO_THREADS);
    struct throttle *t = with(context, THROTTLE_REQUESTS, 200, 0);
    struct request r[5];
    guint order = 0;

    (void)state;
    fill(t, r, G_N_ELEMENTS(r), &order);
    assert_int_equal(order, 1);
    while (order < G_N_ELEMENTS(r))
        block_context_wait(context);
    for (guint i = 0; i < G_N_ELEMENTS(r); i++)
        assert_int_equal(r[i].place, i + 1);
    block_context_free(context);
    throttle_free(t);
}

static void who_waits_for_all_need_not_wait_for_the_limit(void **state)
{
    struct block_context *context = block_context_new(BLOCK_IO_THREADS);
    struct throttle *t = with(context, THROTTLE_REQUESTS, 1, 0);
    struct request r[1000]; /* a quarter of an hour */
    guint order = 0;

    (void)state;
    fill(t, r, G_N_ELEMENTS(r), &order);
    assert_int_equal(order, 1);
    throttle_open(t, 1);
    while (order < G_N_ELEMENTS(r))
        block_context_wait(context);
    throttle_open(t, -1);
    block_context_free(context);
    throttle_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_no_throttle),
        cmocka_unit_test(requests_come_at_their_rate),
        cmocka_unit_test(bytes_come_at_their_rate),
        cmocka_unit_test(a_burst_is_what_was_idle),
        cmocka_unit_test(a_limit_of_one_direction_leaves_the_other),
        cmocka_unit_test(no_request_makes_an_endless_debt),
        cmocka_unit_test(those_that_wait_go_in_order),
        cmocka_unit_test(who_waits_for_all_need_not_wait_for_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
