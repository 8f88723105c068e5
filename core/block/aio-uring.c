/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring by way of liburing. Requests of one run of the context are
 * submitted with one system call.
 */
#include "config.h"

#include "core/block/context.h"

#include <errno.h>

#ifdef HAVE_LIBURING
#include <liburing.h>

#define ENTRIES 256

struct uring {
    struct io_uring ring;
    unsigned queued;
};

struct uring *uring_new(int event_fd)
{
    struct uring *uring = g_new0(struct uring, 1);

    if (io_uring_queue_init(ENTRIES, &uring->ring, 0) < 0)
        goto fail;
    if (io_uring_register_eventfd(&uring->ring, event_fd) < 0) {
        io_uring_queue_exit(&uring->ring);
        goto fail;
    }
    return uring;
fail:
    g_free(uring);
    return NULL;
}

void uring_free(struct uring *uring)
{
    if (!uring)
        return;
    io_uring_queue_exit(&uring->ring);
    g_free(uring);
}

gboolean uring_queue(struct uring *uring, struct aio *aio)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    uint64_t at = aio->offset + aio->transferred;

    if (!sqe) {
        uring_kick(uring);
        sqe = io_uring_get_sqe(&uring->ring);
        if (!sqe)
            return FALSE;
    }
    if (aio->op == AIO_READ)
        io_uring_prep_readv(sqe, aio->fd, aio->iov, aio->n_iov, at);
    else if (aio->op == AIO_WRITE)
        io_uring_prep_writev(sqe, aio->fd, aio->iov, aio->n_iov, at);
    else
        io_uring_prep_fsync(sqe, aio->fd, IORING_FSYNC_DATASYNC);
    /* Else the kernel copies while they are submitted, one after another. */
    if (aio->buffered && aio->op <= AIO_WRITE && aio->bytes >= AIO_LARGE)
        io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    io_uring_sqe_set_data(sqe, aio);
    uring->queued++;
    return TRUE;
}

void uring_kick(struct uring *uring)
{
    if (uring->queued == 0)
        return;
    /* A failure (no memory now) leaves them queued for the next time. */
    if (io_uring_submit(&uring->ring) >= 0)
        uring->queued = io_uring_sq_ready(&uring->ring);
}

gboolean uring_reap(struct uring *uring, struct aio **aio, int *result)
{
    struct io_uring_cqe *cqe;

    if (io_uring_peek_cqe(&uring->ring, &cqe) != 0 || !cqe)
        return FALSE;
    *aio = io_uring_cqe_get_data(cqe);
    *result = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
    return TRUE;
}
#else
struct uring *uring_new(int event_fd)
{
    (void)event_fd;
    return NULL;
}

void uring_free(struct uring *uring)
{
    (void)uring;
}

gboolean uring_queue(struct uring *uring, struct aio *aio)
{
    (void)uring;
    (void)aio;
    return FALSE;
}

void uring_kick(struct uring *uring)
{
    (void)uring;
}

gboolean uring_reap(struct uring *uring, struct aio **aio, int *result)
{
    (void)uring;
    (void)aio;
    (void)result;
    return FALSE;
}
#endif
