/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers to and from descriptors: by io_uring if there is one, else, and
 * for what it does not do, by worker threads.
 */
#include "core/block/context.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

gboolean aio_advance(struct aio *aio, int64_t n)
{
    uint64_t done = (uint64_t)n;

    aio->transferred += done;
    if (n == 0 && aio->op == AIO_READ) { /* beyond the end */
        for (uint32_t i = 0; i < aio->n_iov; i++)
            memset(aio->iov[i].iov_base, 0, aio->iov[i].iov_len);
        return FALSE;
    }
    while (aio->n_iov > 0 && done >= aio->iov->iov_len) {
        done -= aio->iov->iov_len;
        aio->iov++;
        aio->n_iov--;
    }
    if (aio->n_iov == 0)
        return FALSE;
    aio->iov->iov_base = (char *)aio->iov->iov_base + done;
    aio->iov->iov_len -= done;
    return TRUE;
}

static int transfer(struct aio *aio)
{
    ssize_t n;

    do {
        off_t at = (off_t)(aio->offset + aio->transferred);

        if (aio->op == AIO_READ)
            n = preadv(aio->fd, aio->iov, (int)aio->n_iov, at);
        else
            n = pwritev(aio->fd, aio->iov, (int)aio->n_iov, at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0 && aio->op == AIO_WRITE)
            return -ENOSPC;
    } while (n < 0 || aio_advance(aio, n));
    return 0;
}

static int allocate(struct aio *aio, int mode)
{
    while (fallocate(aio->fd, mode, (off_t)aio->offset, (off_t)aio->bytes))
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int perform(struct aio *aio)
{
    switch (aio->op) {
    case AIO_FSYNC:
        return fdatasync(aio->fd) ? -errno : 0;
    case AIO_PUNCH:
        return allocate(aio, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    case AIO_ZERO:
        return allocate(aio, FALLOC_FL_ZERO_RANGE);
    default:
        return transfer(aio);
    }
}

static void finished(struct block_work *work)
{
    struct aio *aio = (struct aio *)work;

    aio->done(aio, aio->result);
}

static void perform_work(struct block_work *work)
{
    struct aio *aio = (struct aio *)work;

    aio->result = perform(aio);
    aio->work.run = finished;
    block_context_post(aio->context, &aio->work);
}

void aio_submit(struct block_context *context, struct aio *aio)
{
    aio->context = context;
    if (context->uring && aio->op <= AIO_FSYNC &&
        uring_queue(context->uring, aio)) {
        context->uring_inflight++;
        return;
    }
    aio->work.run = perform_work;
    block_context_work(context, &aio->work);
}

/* ---- one after another ---- */

static struct aio *lane_pop(struct aio_lane *lane)
{
    struct aio *aio;

    g_mutex_lock(&lane->lock);
    aio = lane->first;
    if (aio)
        lane->first = (struct aio *)aio->work.next;
    else
        lane->busy = FALSE;
    g_mutex_unlock(&lane->lock);
    return aio;
}

/* What is posted last may be what keeps the lane: it is not touched after. */
static void lane_run(struct block_work *work)
{
    struct aio_lane *lane =
        (struct aio_lane *)((char *)work - offsetof(struct aio_lane, work));
    struct aio *aio = lane_pop(lane);

    while (aio) {
        struct aio *next;

        aio->result = perform(aio);
        aio->work.run = finished;
        next = lane_pop(lane);
        block_context_post(aio->context, &aio->work);
        aio = next;
    }
}

void aio_submit_in_lane(struct block_context *context, struct aio_lane *lane,
                        struct aio *aio)
{
    gboolean start;

    aio->context = context;
    aio->work.next = NULL;
    g_mutex_lock(&lane->lock);
    if (lane->first)
        lane->last->work.next = &aio->work;
    else
        lane->first = aio;
    lane->last = aio;
    start = !lane->busy;
    lane->busy = TRUE;
    g_mutex_unlock(&lane->lock);
    if (start) {
        lane->work.run = lane_run;
        block_context_work(context, &lane->work);
    }
}
