/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libslirp is made for a loop that asks what to wait for, waits, and reports.
 * Here waiting is the I/O thread's: a task asks libslirp what it wants, sets
 * watches and the timer accordingly, and reports what the watches said since
 * it last asked. It runs once after any number of events.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net-user.h"

/* The entry of FD, or NULL. */
static struct polled *find(struct user *u, int fd)
{
    return fd >= 0 && (uint32_t)fd < u->n_polled ? u->polled[fd] : NULL;
}

static void forget(struct user *u, struct polled *p)
{
    if (p->watch)
        u->loop->unwatch(u->host, p->watch);
    p->watch = NULL;
    p->wanted = p->set = p->ready = 0;
}

/* Descriptors are small numbers: the table is indexed by them. */
static struct polled *new_entry(struct user *u, int fd)
{
    uint32_t n = (uint32_t)fd + 1;
    struct polled **grown;

    if (n > u->n_polled) {
        n = n < 64 ? 64 : n * 2;
        grown = realloc(u->polled, n * sizeof(struct polled *));
        if (!grown)
            return NULL;
        memset(grown + u->n_polled, 0,
               (n - u->n_polled) * sizeof(struct polled *));
        u->polled = grown;
        u->n_polled = n;
    }
    u->polled[fd] = calloc(1, sizeof(struct polled));
    if (u->polled[fd])
        *u->polled[fd] = (struct polled){.fd = fd, .user = u};
    return u->polled[fd];
}

static void fd_ready(void *opaque, uint32_t events)
{
    struct polled *p = opaque;

    p->ready |= events;
    p->user->loop->schedule(p->user->host, p->user->task);
}

/* SlirpAddPollCb. What it returns is what poll_ready() gets. */
static int add_poll(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    struct polled *p = find(u, fd);

    if (!p && fd >= 0)
        p = new_entry(u, fd);
    if (!p)
        return -1;
    p->wanted = (events & SLIRP_POLL_IN ? TN_WATCH_READ : 0u) |
                (events & SLIRP_POLL_OUT ? TN_WATCH_WRITE : 0u) |
                TN_WATCH_HANGUP;
    return fd;
}

/* SlirpGetREventsCb. */
static int poll_ready(int fd, void *opaque)
{
    struct user *u = opaque;
    struct polled *p = find(u, fd);
    uint32_t ready = p ? p->ready : 0;

    return (ready & TN_WATCH_READ ? SLIRP_POLL_IN : 0) |
           (ready & TN_WATCH_WRITE ? SLIRP_POLL_OUT : 0) |
           (ready & TN_WATCH_HANGUP ? SLIRP_POLL_HUP : 0);
}

/* One watch as libslirp wants it. A descriptor it does not ask for has none:
 * a hang-up would be reported again and again. */
static void set_watch(struct user *u, struct polled *p)
{
    if (!p->wanted) {
        forget(u, p);
        return;
    }
    if (!p->watch)
        p->watch = u->loop->watch(u->host, p->fd, p->wanted, fd_ready, p);
    else if (p->set != p->wanted)
        u->loop->set_events(u->host, p->watch, p->wanted);
    p->set = p->wanted;
}

static void fill(struct user *u)
{
    uint32_t timeout = UINT32_MAX;
    uint64_t now = u->clock->now(u->host, TN_CLOCK_VIRTUAL);

    for (uint32_t i = 0; i < u->n_polled; i++)
        if (u->polled[i])
            u->polled[i]->wanted = u->polled[i]->ready = 0;
    slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
    for (uint32_t i = 0; i < u->n_polled; i++)
        if (u->polled[i])
            set_watch(u, u->polled[i]);
    u->clock->set_timer(u->host, u->timer,
                        timeout == UINT32_MAX
                            ? UINT64_MAX
                            : now + (uint64_t)timeout * 1000000u);
}

/* The task, and the timer. */
static void run(void *opaque)
{
    struct user *u = opaque;

    if (!u->slirp)
        return;
    slirp_pollfds_poll(u->slirp, 0, poll_ready, u);
    fill(u);
}

void user_poll_update(struct user *u)
{
    u->loop->schedule(u->host, u->task);
}

/* A new descriptor may have the number of one that was closed silently. */
void user_poll_register(int fd, void *opaque)
{
    struct user *u = opaque;

    user_poll_unregister(fd, opaque);
    if (u->task)
        user_poll_update(u);
}

/* FD is about to be closed. */
void user_poll_unregister(int fd, void *opaque)
{
    struct user *u = opaque;
    struct polled *p = find(u, fd);

    if (p)
        forget(u, p);
}

int32_t user_poll_init(struct user *u)
{
    u->task = u->loop->new_task(u->host, run, u);
    u->timer = u->clock->new_timer(u->host, TN_CLOCK_VIRTUAL, run, u);
    return u->task && u->timer ? 0 : -ENOMEM;
}

void user_poll_free(struct user *u)
{
    for (uint32_t i = 0; i < u->n_polled; i++) {
        if (u->polled[i])
            forget(u, u->polled[i]);
        free(u->polled[i]);
    }
    free(u->polled);
    u->polled = NULL;
    u->n_polled = 0;
    if (u->timer)
        u->clock->free_timer(u->host, u->timer);
    if (u->task)
        u->loop->free_task(u->host, u->task);
    u->timer = NULL;
    u->task = NULL;
}
