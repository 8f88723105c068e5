/* SPDX-License-Identifier: Apache-2.0 */
/* See throttle.h. */
#include "core/block/throttle.h"

#include <stddef.h>

#define SECOND UINT64_C(1000000000)
#define MOST_DEBT (3600 * SECOND)

struct limit {
    uint64_t rate; /* a second; 0: none */
    uint64_t paid; /* when what was let through is paid for */
};

/* One direction. */
struct waiting {
    struct throttle *throttle;
    struct throttle_item *first;
    struct throttle_item **end;
    struct block_timer timer;
    gboolean armed;
};

struct throttle {
    struct block_context *context;
    struct limit limits[THROTTLE_LIMITS];
    uint64_t burst;
    struct waiting waiting[2]; /* reads, writes */
    struct block_work opened;
    atomic_int posted; /* `opened` is under way */
    atomic_int open;
};

static const struct {
    gboolean of[2]; /* reads, writes */
    gboolean bytes;
} kinds[THROTTLE_LIMITS] = {
    [THROTTLE_REQUESTS] = {{TRUE, TRUE}, FALSE},
    [THROTTLE_READ_REQUESTS] = {{TRUE, FALSE}, FALSE},
    [THROTTLE_WRITE_REQUESTS] = {{FALSE, TRUE}, FALSE},
    [THROTTLE_BYTES] = {{TRUE, TRUE}, TRUE},
    [THROTTLE_READ_BYTES] = {{TRUE, FALSE}, TRUE},
    [THROTTLE_WRITE_BYTES] = {{FALSE, TRUE}, TRUE},
};

static uint64_t now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

uint64_t throttle_delay(struct throttle *t, gboolean writes, uint64_t now)
{
    uint64_t delay = 0;

    for (guint i = 0; i < THROTTLE_LIMITS; i++) {
        const struct limit *limit = &t->limits[i];

        if (limit->rate && kinds[i].of[writes] && limit->paid > now + t->burst)
            delay = MAX(delay, limit->paid - now - t->burst);
    }
    return delay;
}

void throttle_charge(struct throttle *t, gboolean writes, uint64_t bytes,
                     uint64_t now)
{
    for (guint i = 0; i < THROTTLE_LIMITS; i++) {
        struct limit *limit = &t->limits[i];
        unsigned __int128 cost;

        if (!limit->rate || !kinds[i].of[writes])
            continue;
        cost = (unsigned __int128)(kinds[i].bytes ? bytes : 1) * SECOND /
               limit->rate;
        limit->paid = MAX(limit->paid, now) +
                      (uint64_t)MIN(cost, (unsigned __int128)MOST_DEBT);
    }
}

/* Start what may go of one direction. */
static void run(struct throttle *t, gboolean writes)
{
    struct waiting *waiting = &t->waiting[writes];
    struct throttle_item *item;

    while ((item = waiting->first)) {
        uint64_t now = now_ns();
        uint64_t delay =
            atomic_load(&t->open) ? 0 : throttle_delay(t, writes, now);

        if (delay) {
            if (!waiting->armed)
                block_context_later(t->context, &waiting->timer, delay);
            waiting->armed = TRUE;
            return;
        }
        throttle_charge(t, writes, item->bytes, now);
        waiting->first = item->next;
        if (!waiting->first)
            waiting->end = &waiting->first;
        item->work->run(item->work);
    }
}

static void timer_due(struct block_work *work)
{
    struct waiting *waiting =
        (struct waiting *)((char *)work - offsetof(struct waiting, timer.work));

    waiting->armed = FALSE;
    run(waiting->throttle, waiting == &waiting->throttle->waiting[TRUE]);
}

static void was_opened(struct block_work *work)
{
    struct throttle *t =
        (struct throttle *)((char *)work - offsetof(struct throttle, opened));

    atomic_store(&t->posted, 0);
    run(t, FALSE);
    run(t, TRUE);
}

void throttle_submit(struct throttle *t, struct throttle_item *item,
                     gboolean writes)
{
    struct waiting *waiting = &t->waiting[writes];

    item->next = NULL;
    *waiting->end = item;
    waiting->end = &item->next;
    /* Behind others it waits as they do. */
    if (waiting->first == item)
        run(t, writes);
}

void throttle_open(struct throttle *t, int more)
{
    if (!t)
        return;
    atomic_fetch_add(&t->open, more);
    if (more > 0 && !atomic_exchange(&t->posted, 1))
        block_context_post(t->context, &t->opened);
}

struct throttle *throttle_new(struct block_context *context,
                              const uint64_t rates[THROTTLE_LIMITS],
                              uint64_t burst)
{
    struct throttle *t = g_new0(struct throttle, 1);
    gboolean any = FALSE;

    for (guint i = 0; i < THROTTLE_LIMITS; i++) {
        t->limits[i].rate = rates[i];
        any |= rates[i] != 0;
    }
    if (!any) {
        g_free(t);
        return NULL;
    }
    t->context = context;
    t->burst = MIN(burst, MOST_DEBT);
    for (guint i = 0; i < 2; i++) {
        t->waiting[i].throttle = t;
        t->waiting[i].end = &t->waiting[i].first;
        t->waiting[i].timer.work.run = timer_due;
    }
    t->opened.run = was_opened;
    return t;
}

void throttle_free(struct throttle *t)
{
    g_free(t);
}
