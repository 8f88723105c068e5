/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that is to be done later: one thread a context, made when it is first
 * asked for, that posts what is due.
 */
#include "core/block/context.h"

struct block_later {
    GMutex lock;
    GCond changed;
    GThread *thread;
    GSequence *queue; /* of struct block_timer *, the next one first */
    gboolean stop;
    struct block_context *context;
};

static gint by_time(gconstpointer a, gconstpointer b, gpointer unused)
{
    const struct block_timer *x = a, *y = b;

    (void)unused;
    return x->due < y->due ? -1 : x->due > y->due;
}

static gpointer run(gpointer data)
{
    struct block_later *later = data;

    g_mutex_lock(&later->lock);
    while (!later->stop) {
        GSequenceIter *first = g_sequence_get_begin_iter(later->queue);
        struct block_timer *timer;

        if (g_sequence_iter_is_end(first)) {
            g_cond_wait(&later->changed, &later->lock);
            continue;
        }
        timer = g_sequence_get(first);
        if (timer->due > g_get_monotonic_time()) {
            g_cond_wait_until(&later->changed, &later->lock, timer->due);
            continue;
        }
        g_sequence_remove(first);
        block_context_post(later->context, &timer->work);
    }
    g_mutex_unlock(&later->lock);
    return NULL;
}

static struct block_later *later_new(struct block_context *context)
{
    struct block_later *later = g_new0(struct block_later, 1);

    g_mutex_init(&later->lock);
    g_cond_init(&later->changed);
    later->queue = g_sequence_new(NULL);
    later->context = context;
    later->thread = g_thread_new("tenon-later", run, later);
    return later;
}

void block_context_later(struct block_context *context,
                         struct block_timer *timer, uint64_t nanoseconds)
{
    struct block_later *later = context->later;

    if (!later)
        later = context->later = later_new(context);
    timer->due = g_get_monotonic_time() +
                 (gint64)MIN(nanoseconds / 1000, (uint64_t)G_MAXINT32 * 1000);
    g_mutex_lock(&later->lock);
    g_sequence_insert_sorted(later->queue, timer, by_time, NULL);
    g_cond_signal(&later->changed);
    g_mutex_unlock(&later->lock);
}

void block_later_free(struct block_later *later)
{
    if (!later)
        return;
    g_mutex_lock(&later->lock);
    later->stop = TRUE;
    g_cond_signal(&later->changed);
    g_mutex_unlock(&later->lock);
    g_thread_join(later->thread);
    g_sequence_free(later->queue);
    g_mutex_clear(&later->lock);
    g_cond_clear(&later->changed);
    g_free(later);
}
