/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context's queue and its wake-up descriptor.
 */
#include "core/block/context.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_WORKERS 16

static void run_worker(gpointer data, gpointer unused)
{
    struct block_work *work = data;

    (void)unused;
    work->run(work);
}

struct block_context *block_context_new(enum block_io io)
{
    struct block_context *context = g_new0(struct block_context, 1);
    gint n = (gint)CLAMP(g_get_num_processors() * 2, 4, MAX_WORKERS);

    context->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(context->event_fd >= 0);
    if (io == BLOCK_IO_INLINE)
        context->owner = g_thread_self();
    else
        context->workers = g_thread_pool_new(run_worker, NULL, n, FALSE, NULL);
    if (io == BLOCK_IO_BEST)
        context->uring = uring_new(context->event_fd);
    return context;
}

void block_context_free(struct block_context *context)
{
    if (!context)
        return;
    block_later_free(context->later);
    if (context->workers)
        g_thread_pool_free(context->workers, FALSE, TRUE);
    uring_free(context->uring);
    close(context->event_fd);
    g_free(context);
}

static void kick(struct block_context *context)
{
    uint64_t one = 1;

    if (context->owner && context->owner == g_thread_self())
        return;
    if (!atomic_exchange(&context->kicked, 1))
        while (write(context->event_fd, &one, sizeof one) < 0 &&
               errno == EINTR)
            ;
}

void block_context_post(struct block_context *context, struct block_work *work)
{
    work->next = atomic_load(&context->posted);
    while (!atomic_compare_exchange_weak(&context->posted, &work->next, work))
        ;
    kick(context);
}

void block_context_work(struct block_context *context, struct block_work *work)
{
    if (!context->workers) { /* its turn comes when the caller waits */
        block_context_post(context, work);
        return;
    }
    g_thread_pool_push(context->workers, work, NULL);
}

int block_context_fd(const struct block_context *context)
{
    return context->event_fd;
}

static gboolean run_posted(struct block_context *context)
{
    struct block_work *work = atomic_exchange(&context->posted, NULL);
    struct block_work *ordered = NULL;

    if (!work)
        return FALSE;
    while (work) { /* oldest first */
        struct block_work *next = work->next;

        work->next = ordered;
        ordered = work;
        work = next;
    }
    while (ordered) {
        work = ordered;
        ordered = work->next;
        work->run(work);
    }
    return TRUE;
}

static gboolean run_completed(struct block_context *context)
{
    gboolean any = FALSE;
    struct aio *aio;
    int result;

    while (context->uring && uring_reap(context->uring, &aio, &result)) {
        any = TRUE;
        context->uring_inflight--;
        if (result == -EAGAIN || result == -EINTR ||
            (result >= 0 && aio->op <= AIO_WRITE &&
             aio_advance(aio, result))) {
            aio_submit(context, aio);
            continue;
        }
        aio->done(aio, result < 0 ? result : 0);
    }
    return any;
}

void block_context_run(struct block_context *context)
{
    uint64_t count;
    gboolean more;

    if (!context->owner || atomic_load(&context->kicked)) {
        while (read(context->event_fd, &count, sizeof count) < 0 &&
               errno == EINTR)
            ;
        atomic_store(&context->kicked, 0);
    }
    do {
        more = run_posted(context);
        if (context->uring)
            uring_kick(context->uring);
        more |= run_completed(context);
    } while (more);
}

void block_context_wait(struct block_context *context)
{
    struct pollfd pfd = {.fd = context->event_fd, .events = POLLIN};

    if (context->uring)
        uring_kick(context->uring);
    if (!context->owner || !atomic_load(&context->posted))
        while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
            ;
    block_context_run(context);
}
