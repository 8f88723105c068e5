/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is one descriptor. */
#include "char/channel.h"

#include <errno.h>
#include <unistd.h>

#define CHUNK 4096u

void channel_init(struct channel *c, struct tn_host *host,
                  void (*ended)(void *opaque), void *opaque)
{
    *c = (struct channel){.host = host,
                          .loop = tn_service(host, TN_HOST_LOOP),
                          .fd = -1,
                          .ended = ended,
                          .opaque = opaque};
}

static void set_events(struct channel *c, uint32_t events)
{
    if (c->watch && events != c->events)
        c->loop->set_events(c->host, c->watch, events);
    c->events = events;
}

static void tell(struct channel *c, uint32_t event)
{
    if (c->sink)
        c->sink->event(c->sink_opaque, event);
}

static void stop_watching(struct channel *c)
{
    if (c->watch)
        c->loop->unwatch(c->host, c->watch);
    c->watch = NULL;
}

void channel_disconnect(struct channel *c)
{
    uint32_t output_waits = c->events & TN_WATCH_WRITE;

    if (c->fd < 0)
        return;
    stop_watching(c);
    close(c->fd);
    c->fd = -1;
    c->events = 0;
    tell(c, TN_CHAR_CLOSED);
    /* What waited for the other end is dropped from now on. */
    if (c->sink && output_waits)
        c->sink->writable(c->sink_opaque);
}

static void end(struct channel *c)
{
    channel_disconnect(c);
    c->ended(c->opaque);
}

static void read_input(struct channel *c, uint32_t events)
{
    uint8_t data[CHUNK];
    uint32_t room = c->sink ? c->sink->room(c->sink_opaque) : 0;
    ssize_t n;

    if (room == 0) {
        set_events(c, c->events & ~TN_WATCH_READ);
        /* What is left is read when there is room; until then the hang-up
         * would be reported again and again. */
        if (events & TN_WATCH_HANGUP)
            stop_watching(c);
        return;
    }
    n = read(c->fd, data, room < sizeof data ? room : sizeof data);
    if (n > 0)
        c->sink->receive(c->sink_opaque, data, (uint32_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        end(c);
    else if (events & TN_WATCH_HANGUP)
        end(c);
}

static void ready(void *opaque, uint32_t events)
{
    struct channel *c = opaque;

    if (events & TN_WATCH_WRITE && c->events & TN_WATCH_WRITE) {
        set_events(c, c->events & ~TN_WATCH_WRITE);
        if (c->sink)
            c->sink->writable(c->sink_opaque);
    }
    if (c->fd >= 0 && events & (TN_WATCH_READ | TN_WATCH_HANGUP))
        read_input(c, events);
}

int32_t channel_connect(struct channel *c, int32_t fd)
{
    c->events = c->sink ? TN_WATCH_READ : 0;
    c->watch = c->loop->watch(c->host, fd, c->events, ready, c);
    if (!c->watch)
        return -ENOMEM;
    c->fd = fd;
    tell(c, TN_CHAR_OPENED);
    return 0;
}

void channel_attach(struct channel *c, const struct tn_char_sink *sink,
                    void *opaque)
{
    c->sink = sink;
    c->sink_opaque = opaque;
    if (c->fd < 0)
        return;
    tell(c, TN_CHAR_OPENED);
    set_events(c, sink ? TN_WATCH_READ : 0);
}

int32_t channel_write(struct channel *c, const uint8_t *data, uint32_t bytes)
{
    ssize_t n;

    if (c->fd < 0)
        return (int32_t)bytes;
    do
        n = write(c->fd, data, bytes);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int32_t)n;
    if (errno != EAGAIN)
        return (int32_t)bytes; /* ready() hears that it is gone */
    set_events(c, c->events | TN_WATCH_WRITE);
    return 0;
}

void channel_wanted(struct channel *c)
{
    if (c->fd < 0)
        return;
    set_events(c, c->events | TN_WATCH_READ);
    if (!c->watch)
        c->watch = c->loop->watch(c->host, c->fd, c->events, ready, c);
}
