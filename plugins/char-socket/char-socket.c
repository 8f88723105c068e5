/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket, Unix or TCP: waiting for somebody to connect (one at a
 * time), or connecting and trying again. Everything but realize() runs on the
 * I/O thread.
 */
#include "char-socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- server ---- */

static void accept_ready(void *opaque, uint32_t events)
{
    struct socket_char *s = opaque;
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    if (channel_connect(&s->channel, fd)) {
        close(fd);
        return;
    }
    /* The next one waits until this one has gone. */
    s->channel.loop->set_events(s->host, s->watch, 0);
}

/* ---- client ---- */

static void try_later(struct socket_char *s)
{
    if (s->reconnect)
        s->clock->set_timer(s->host, s->timer,
                            s->clock->now(s->host, TN_CLOCK_HOST) +
                                s->reconnect);
}

static void stop_connecting(struct socket_char *s)
{
    if (s->watch)
        s->channel.loop->unwatch(s->host, s->watch);
    s->watch = NULL;
    if (s->connecting >= 0)
        close(s->connecting);
    s->connecting = -1;
}

/* The connection attempt came to an end: RESULT is 0 or an errno. */
static void connect_done(struct socket_char *s, int result)
{
    int32_t fd = s->connecting;

    if (result == 0)
        s->connecting = -1; /* the channel's from now on */
    stop_connecting(s);
    if (result == 0 && channel_connect(&s->channel, fd) == 0)
        return;
    if (result == 0)
        close(fd);
    try_later(s);
}

static void connect_ready(void *opaque, uint32_t events)
{
    struct socket_char *s = opaque;
    socklen_t length = sizeof(int);
    int result = EIO;

    (void)events;
    getsockopt(s->connecting, SOL_SOCKET, SO_ERROR, &result, &length);
    connect_done(s, result);
}

/* The timer: once more. */
static void connect_again(void *opaque)
{
    struct socket_char *s = opaque;

    s->connecting = socket(s->address.any.sa_family,
                           SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->connecting < 0) {
        try_later(s);
    } else if (connect(s->connecting, &s->address.any, s->address_bytes) == 0) {
        connect_done(s, 0);
    } else if (errno != EINPROGRESS) {
        connect_done(s, errno);
    } else {
        s->watch = s->channel.loop->watch(s->host, s->connecting,
                                          TN_WATCH_WRITE, connect_ready, s);
        if (!s->watch)
            connect_done(s, ENOMEM);
    }
}

static void ended(void *opaque)
{
    struct socket_char *s = opaque;

    if (s->server)
        s->channel.loop->set_events(s->host, s->watch, TN_WATCH_READ);
    else
        try_later(s);
}

/* ---- tenon.char/1 ---- */

static void socket_attach(void *self, const struct tn_char_sink *sink,
                          void *opaque)
{
    channel_attach(&((struct socket_char *)self)->channel, sink, opaque);
}

static int32_t socket_write(void *self, const uint8_t *data, uint32_t bytes)
{
    return channel_write(&((struct socket_char *)self)->channel, data, bytes);
}

static void socket_wanted(void *self)
{
    channel_wanted(&((struct socket_char *)self)->channel);
}

static const struct tn_char socket_tn_char = {
    .size = sizeof socket_tn_char,
    .attach = socket_attach,
    .write = socket_write,
    .wanted = socket_wanted,
};

/* ---- life cycle ---- */

static int32_t socket_create(struct tn_host *host, void **self)
{
    struct socket_char *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->host = host;
    s->listener = s->connecting = s->channel.fd = -1;
    *self = s;
    return 0;
}

static void socket_destroy(void *self)
{
    free(self);
}

static void socket_unrealize(void *self)
{
    struct socket_char *s = self;

    channel_disconnect(&s->channel);
    stop_connecting(s);
    if (s->listener >= 0) {
        if (s->path)
            unlink(s->path);
        close(s->listener);
    }
    s->listener = -1;
    if (s->timer)
        s->clock->free_timer(s->host, s->timer);
    s->timer = NULL;
}

static int32_t start_server(struct socket_char *s, struct tn_error *error)
{
    int32_t code = socket_listen(s, error);

    if (code)
        return code;
    s->watch = s->channel.loop->watch(s->host, s->listener, TN_WATCH_READ,
                                      accept_ready, s);
    if (!s->watch)
        return -ENOMEM;
    return 0;
}

/* The first connection is waited for, and those after it are not. */
static int32_t socket_start(void *self, struct tn_error *error)
{
    struct socket_char *s = self;

    if (!s->server || !s->wait)
        return 0;
    if (s->channel.fd < 0)
        return tn_fail(s->host, error, -EAGAIN,
                       "waiting for a connection to %s", s->text);
    s->wait = 0;
    return 0;
}

static int32_t start_client(struct socket_char *s, struct tn_error *error)
{
    int32_t fd = socket_connect(s, s->reconnect ? NULL : error);
    int32_t code;

    if (fd >= 0) {
        code = channel_connect(&s->channel, fd);
        if (code)
            close(fd);
        return code;
    }
    if (!s->reconnect)
        return fd;
    tn_logf(s->host, TN_LOG_INFO, "nobody is at %s yet", s->text);
    try_later(s);
    return 0;
}

static int32_t socket_realize(void *self, struct tn_error *error)
{
    struct socket_char *s = self;
    int32_t code;

    s->clock = tn_service(s->host, TN_HOST_CLOCK);
    if (!s->clock || !tn_service(s->host, TN_HOST_LOOP))
        return tn_fail(s->host, error, -ENOSYS, "the host lacks a service");
    channel_init(&s->channel, s->host, ended, s);
    s->timer = s->clock->new_timer(s->host, TN_CLOCK_HOST, connect_again, s);
    if (!s->timer)
        return -ENOMEM;
    code = socket_resolve(s, error);
    if (!code)
        code = s->server ? start_server(s, error) : start_client(s, error);
    if (code)
        socket_unrealize(s);
    return code;
}

static const void *socket_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_CHAR) == 0 ? &socket_tn_char : NULL;
}

static const struct tn_component_ops socket_ops = {
    .size = sizeof socket_ops,
    .create = socket_create,
    .destroy = socket_destroy,
    .configure = socket_configure,
    .realize = socket_realize,
    .unrealize = socket_unrealize,
    .start = socket_start,
    .get_interface = socket_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "char-socket",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Character back-end: a Unix or TCP socket"},
};

TN_COMPONENT_INFO(socket_info, 6) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, socket_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 6),
             .id = "socket",
             .summary = "A Unix or TCP stream socket"},
    .properties =
        {
            {.name = "path",
             .type = TN_PROP_PATH,
             .doc = "Unix socket; this or tcp is needed"},
            {.name = "tcp",
             .type = TN_PROP_STRING,
             .doc = "HOST:PORT of a TCP socket; [HOST]:PORT in IPv6"},
            {.name = "server",
             .type = TN_PROP_BOOL,
             .default_value = "yes",
             .doc = "Others connect to us, else we connect"},
            {.name = "wait",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "A server's machine starts when somebody has connected"},
            {.name = "reconnect",
             .type = TN_PROP_TIME,
             .default_value = "0",
             .unit = "ns",
             .doc = "A client connects again after so long; 0 is never"},
            TN_CHAR_LOG_PROPERTY,
        },
};

TN_COMPONENT(socket_component, socket_info, socket_ops);

TN_PLUGIN_ENTRY(plugin_info, &socket_component)
