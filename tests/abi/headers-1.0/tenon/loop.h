/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.loop/1: the instance's I/O thread.
 *
 * Callbacks run on the I/O thread the machine file gave the instance
 * (`iothread =`, else the machine's own) with the instance's lock held.
 */
#ifndef TENON_LOOP_H
#define TENON_LOOP_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_WATCH_READ 0x1u
#define TN_WATCH_WRITE 0x2u
#define TN_WATCH_HANGUP 0x4u /* reported whether asked for or not */

struct tn_watch; /* a file descriptor being watched */
struct tn_task;  /* a function that can be scheduled */

#define TN_HOST_LOOP "tenon.host.loop/1"
struct tn_loop {
    uint32_t size;
    uint32_t reserved;
    /* [any] Call READY with the events that hold, level triggered. FD stays
     * the caller's. EVENTS may be 0 (only hang-up). NULL: no memory or not a
     * descriptor that can be waited for (a plain file). */
    struct tn_watch *(*watch)(struct tn_host *host, int32_t fd,
                              uint32_t events,
                              void (*ready)(void *opaque, uint32_t events),
                              void *opaque);
    /* [any] */
    void (*set_events)(struct tn_host *host, struct tn_watch *watch,
                       uint32_t events);
    /* [any] After this returns, and with the instance's lock held, READY is
     * not called. */
    void (*unwatch)(struct tn_host *host, struct tn_watch *watch);
    /* [control] A task, not scheduled. */
    struct tn_task *(*new_task)(struct tn_host *host, void (*run)(void *opaque),
                                void *opaque);
    /* [control] */
    void (*free_task)(struct tn_host *host, struct tn_task *task);
    /* [any] Run it soon, once, however often it is scheduled before it runs.
     * Lock free; cheap when it is already scheduled. */
    void (*schedule)(struct tn_host *host, struct tn_task *task);
    /* [any] Run WORK on a worker thread (it may block), without the lock,
     * then DONE on the I/O thread. */
    int32_t (*work)(struct tn_host *host, void (*work)(void *opaque),
                    void (*done)(void *opaque), void *opaque);
};

#ifdef __cplusplus
}
#endif
#endif
