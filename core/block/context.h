/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the block engine runs: one context an open disk.
 *
 * Everything of a disk happens on the one thread that calls
 * block_context_run(): an I/O thread of a machine, which watches the
 * descriptor, or the thread of a tool or test, which waits. Other threads only
 * post work. Between opening a disk and handing it to an I/O thread, and after
 * taking it back, the control thread is that one thread.
 */
#ifndef TENON_CORE_BLOCK_CONTEXT_H
#define TENON_CORE_BLOCK_CONTEXT_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* A piece of work; embedded in what it is about. */
struct block_work {
    struct block_work *next;
    void (*run)(struct block_work *work);
};

#define AIO_READ 0u
#define AIO_WRITE 1u
#define AIO_FSYNC 2u
#define AIO_PUNCH 3u  /* deallocate, reads as zeroes */
#define AIO_ZERO 4u   /* zeroes, allocated */

/* One transfer to or from a descriptor; the iovecs are changed by it. */
struct aio {
    struct block_work work; /* private while it is in flight */
    struct block_context *context;
    int fd;
    uint32_t op;
    uint64_t offset;
    uint64_t bytes;
    struct iovec *iov;
    uint32_t n_iov;
    uint64_t transferred;
    int result;
    gboolean buffered; /* by the page cache: the transfer is a copy */
    /* 0 or a negative errno. Reading beyond the end gives zeroes. */
    void (*done)(struct aio *aio, int result);
};

/* A transfer by the page cache of as much or more is a copy that takes longer
 * than a wake-up: it is made beside the thread that asks for it. Bytes. */
#define AIO_LARGE (128u << 10)

/* Transfers made one after another by one thread: large writes into the page
 * cache of one file, for which file systems hold the file's lock. Several
 * threads would only wait, and spin, for it. */
struct aio_lane {
    GMutex lock;
    struct aio *first, *last; /* by work.next */
    atomic_bool busy;         /* a worker has it */
    struct block_work work;
};

/* Work to be done at a time; embedded in what it is about. */
struct block_timer {
    struct block_work work;
    int64_t due; /* monotonic, microseconds */
};

struct uring;
struct block_later;
struct block_policy;
struct block_secrets;
struct tn_registry;

struct block_context {
    int event_fd;
    atomic_int kicked;
    _Atomic(struct block_work *) posted; /* last one first */
    GThreadPool *workers; /* (de)compression, and I/O without io_uring; NULL:
                             BLOCK_IO_INLINE */
    struct uring *uring;  /* NULL: not available */
    const GThread *owner; /* BLOCK_IO_INLINE: who alone runs it */
    uint64_t uring_inflight;
    struct block_later *later;
    /* The owner's, both may be NULL: what images opened here may use. */
    struct tn_registry *registry;
    struct block_secrets *secrets;
    const struct block_policy *policy; /* NULL: everything is allowed */
};

enum block_io {
    BLOCK_IO_BEST,    /* io_uring if there is one */
    BLOCK_IO_THREADS, /* worker threads */
    /* The caller's thread, in block_context_wait(), and no other one: what
     * happens has the same order each time, and nothing is woken up. Only for
     * who waits; the descriptor tells of what other threads post, no more. */
    BLOCK_IO_INLINE,
};

struct block_context *block_context_new(enum block_io io);
void block_context_free(struct block_context *context);
/* [any] Run WORK on the context's thread soon. */
void block_context_post(struct block_context *context,
                        struct block_work *work);
/* [any] Run WORK on a worker thread; its run() posts what follows. */
void block_context_work(struct block_context *context,
                        struct block_work *work);
/* Run TIMER's work on the context's thread after NANOSECONDS. From that
 * thread. */
void block_context_later(struct block_context *context,
                         struct block_timer *timer, uint64_t nanoseconds);
/* later.c: for block_context_free(). NULL is allowed. */
void block_later_free(struct block_later *later);
/* Readable when there is something to do. */
int block_context_fd(const struct block_context *context);
/* Do what there is to do, without waiting. */
void block_context_run(struct block_context *context);
/* Wait until there is something, then do it. */
void block_context_wait(struct block_context *context);

/* Start AIO, whose fields up to n_iov are set. done() is called from
 * block_context_run(), never from in here. */
void aio_submit(struct block_context *context, struct aio *aio);

/* The same, in LANE, which is all zeroes at first; AIO reads or writes. The
 * lane may be freed when the last of its transfers is done. */
void aio_submit_in_lane(struct block_context *context, struct aio_lane *lane,
                        struct aio *aio);

/* aio-uring.c; NULL where the kernel does not allow it. */
struct uring *uring_new(int event_fd);
void uring_free(struct uring *uring);
/* FALSE: the queue is full, use a thread. */
gboolean uring_queue(struct uring *uring, struct aio *aio);
void uring_kick(struct uring *uring);
/* Finished ones; returns FALSE when there are none. */
gboolean uring_reap(struct uring *uring, struct aio **aio, int *result);

/* Account for N bytes done: TRUE if the transfer goes on, with the iovecs
 * advanced; else it is complete. */
gboolean aio_advance(struct aio *aio, int64_t n);

#endif
