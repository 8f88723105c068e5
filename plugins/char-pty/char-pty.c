/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pseudo-terminal: any terminal program can be started on it and left again
 * while the machine runs. The kernel reports a terminal that nobody has open
 * as hung up, without end; so it is watched only while somebody has, and
 * inotify(7) tells when that begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include "char/channel.h"

struct pty {
    struct tn_host *host;
    struct channel channel; /* has a duplicate of `master` */
    int32_t master, notify; /* -1: not open */
    struct tn_watch *opened;
    char name[64];    /* of the terminal */
    const char *link; /* NULL: none; removed at the end */
};

/* Has somebody the terminal open? Then the channel is connected. */
static void look(struct pty *p)
{
    struct pollfd poll_fd = {.fd = p->master};
    int fd;

    if (p->channel.fd >= 0 || poll(&poll_fd, 1, 0) < 0 ||
        poll_fd.revents & POLLHUP)
        return;
    fd = fcntl(p->master, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && channel_connect(&p->channel, fd))
        close(fd);
}

static void ended(void *opaque)
{
    look(opaque); /* it may have been opened again meanwhile */
}

static void notified(void *opaque, uint32_t events)
{
    struct pty *p = opaque;
    char buffer[4096];

    (void)events;
    while (read(p->notify, buffer, sizeof buffer) > 0)
        ;
    look(p);
}

/* ---- tenon.char/1 ---- */

static void pty_attach(void *self, const struct tn_char_sink *sink,
                       void *opaque)
{
    channel_attach(&((struct pty *)self)->channel, sink, opaque);
}

static int32_t pty_write(void *self, const uint8_t *data, uint32_t bytes)
{
    return channel_write(&((struct pty *)self)->channel, data, bytes);
}

static void pty_wanted(void *self)
{
    channel_wanted(&((struct pty *)self)->channel);
}

static const struct tn_char pty_char = {
    .size = sizeof pty_char,
    .attach = pty_attach,
    .write = pty_write,
    .wanted = pty_wanted,
};

/* ---- life cycle ---- */

static int32_t pty_create(struct tn_host *host, void **self)
{
    struct pty *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->host = host;
    p->master = p->notify = -1;
    p->channel.fd = -1;
    *self = p;
    return 0;
}

static void pty_destroy(void *self)
{
    free(self);
}

/* Does the link lead to a terminal that we, now or in an earlier run, made? */
static int is_ours(const char *link)
{
    char target[64];
    ssize_t n = readlink(link, target, sizeof target - 1);

    if (n < 0)
        return 0;
    target[n] = 0;
    return strncmp(target, "/dev/pts/", 9) == 0;
}

static void pty_unrealize(void *self)
{
    struct pty *p = self;

    channel_disconnect(&p->channel);
    if (p->opened)
        p->channel.loop->unwatch(p->host, p->opened);
    p->opened = NULL;
    if (p->link && is_ours(p->link))
        unlink(p->link);
    p->link = NULL;
    if (p->notify >= 0)
        close(p->notify);
    if (p->master >= 0)
        close(p->master);
    p->notify = p->master = -1;
}

/* Bytes go through as they are, and are not echoed. */
static int make_raw(const char *name)
{
    struct termios raw;
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    int failed = fd < 0 || tcgetattr(fd, &raw) < 0;

    if (!failed) {
        cfmakeraw(&raw);
        failed = tcsetattr(fd, TCSANOW, &raw) < 0;
    }
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

static int32_t open_terminal(struct pty *p, struct tn_error *error)
{
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0 ||
        ptsname_r(p->master, p->name, sizeof p->name) || make_raw(p->name))
        return tn_fail(p->host, error, -errno,
                       "cannot make a pseudo-terminal: %s", strerror(errno));
    p->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (p->notify < 0 || inotify_add_watch(p->notify, p->name, IN_OPEN) < 0)
        return tn_fail(p->host, error, -errno, "cannot watch '%s': %s",
                       p->name, strerror(errno));
    p->opened = p->channel.loop->watch(p->host, p->notify, TN_WATCH_READ,
                                       notified, p);
    return p->opened ? 0 : -ENOMEM;
}

static int32_t make_link(struct pty *p, const char *link,
                         struct tn_error *error)
{
    if (!link || !*link)
        return 0;
    if (is_ours(link))
        unlink(link);
    if (symlink(p->name, link) < 0)
        return tn_fail(p->host, error, -errno, "link '%s': %s", link,
                       strerror(errno));
    p->link = link;
    return 0;
}

static int32_t pty_realize(void *self, struct tn_error *error)
{
    struct pty *p = self;
    const struct tn_props *props = tn_service(p->host, TN_HOST_PROPS);
    int32_t code;

    if (!tn_service(p->host, TN_HOST_LOOP))
        return tn_fail(p->host, error, -ENOSYS, "the host lacks a service");
    channel_init(&p->channel, p->host, ended, p);
    code = open_terminal(p, error);
    if (!code)
        code = make_link(p, props->get_string(p->host, "link"), error);
    if (code)
        pty_unrealize(p);
    else
        tn_logf(p->host, TN_LOG_INFO, "terminal %s", p->name);
    return code;
}

static const void *pty_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_CHAR) == 0 ? &pty_char : NULL;
}

static const struct tn_component_ops pty_ops = {
    .size = sizeof pty_ops,
    .create = pty_create,
    .destroy = pty_destroy,
    .realize = pty_realize,
    .unrealize = pty_unrealize,
    .get_interface = pty_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "char-pty",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Character back-end: a pseudo-terminal"},
};

TN_COMPONENT_INFO(pty_info, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, pty_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 2),
             .id = "pty",
             .summary = "A pseudo-terminal; its name is logged"},
    .properties =
        {
            {.name = "link",
             .type = TN_PROP_PATH,
             .doc = "Symbolic link to make to the terminal"},
            TN_CHAR_LOG_PROPERTY,
        },
};

TN_COMPONENT(pty_component, pty_info, pty_ops);

TN_PLUGIN_ENTRY(plugin_info, &pty_component)
