/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal Tenon runs in. In raw mode every key goes to the guest, Ctrl-C
 * too; the escape key (Ctrl-A) commands Tenon itself. The terminal is given
 * back as it was on every way out, a fatal signal's included.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tenon/char.h"
#include "tenon/loop.h"
#include "tenon/tree.h"
#include "terminal.h"

struct stdio {
    struct tn_host *host;
    const struct tn_loop *loop;
    const struct tn_tree *tree;
    const struct tn_char_sink *sink;
    void *sink_opaque;
    struct tn_watch *input, *output;
    struct tn_task *task;
    uint8_t escape; /* 0: no escape key */
    uint32_t raw;
    uint32_t signals;
    uint32_t escaped; /* the escape key was the last one */
};

/* ---- input ---- */

static void say(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, text, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        left -= (size_t)n;
    }
}

static void help(struct stdio *s)
{
    char text[256];

    snprintf(text, sizeof text,
             "\r\nCtrl-%c h  this help\r\nCtrl-%c x  end the machine\r\n"
             "Ctrl-%c r  reset the machine\r\nCtrl-%c b  send a break\r\n"
             "Ctrl-%c Ctrl-%c  send Ctrl-%c\r\n",
             s->escape + 0x40, s->escape + 0x40, s->escape + 0x40,
             s->escape + 0x40, s->escape + 0x40, s->escape + 0x40,
             s->escape + 0x40);
    say(text);
}

/* A key after the escape key; 1 if it goes to the guest. */
static int command(struct stdio *s, uint8_t key)
{
    s->escaped = 0;
    switch (key) {
    case 'x':
    case 'X':
        s->tree->request(s->host, TN_REQUEST_QUIT, 0);
        return 0;
    case 'r':
    case 'R':
        s->tree->request(s->host, TN_REQUEST_RESET, 0);
        return 0;
    case 'b':
    case 'B':
        s->sink->event(s->sink_opaque, TN_CHAR_BREAK);
        return 0;
    case 'h':
    case 'H':
    case '?':
        help(s);
        return 0;
    default:
        return key == s->escape;
    }
}

/* Take the commands out of what was typed; returns what is left. */
static uint32_t filter(struct stdio *s, uint8_t *data, uint32_t bytes)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        if (s->escaped) {
            if (command(s, data[i]))
                data[kept++] = data[i];
        } else if (s->escape && data[i] == s->escape) {
            s->escaped = 1;
        } else {
            data[kept++] = data[i];
        }
    }
    return kept;
}

static void input_ready(void *opaque, uint32_t events)
{
    struct stdio *s = opaque;
    uint8_t data[512];
    uint32_t room = s->sink ? s->sink->room(s->sink_opaque) : 0;
    ssize_t n;

    (void)events;
    if (room == 0) {
        s->loop->set_events(s->host, s->input, 0);
        return;
    }
    n = read(STDIN_FILENO, data, room < sizeof data ? room : sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* end of file: the guest goes on without input */
        s->loop->unwatch(s->host, s->input);
        s->input = NULL;
        s->sink->event(s->sink_opaque, TN_CHAR_CLOSED);
        return;
    }
    room = terminal_is_raw() ? filter(s, data, (uint32_t)n)
                                          : (uint32_t)n;
    if (room > 0)
        s->sink->receive(s->sink_opaque, data, room);
}

static void stdio_wanted(void *self)
{
    struct stdio *s = self;

    if (s->input)
        s->loop->set_events(s->host, s->input, TN_WATCH_READ);
}

/* Input that comes from a plain file cannot be waited for: it is read in
 * pieces, as the guest takes it. */
static void read_file(void *opaque)
{
    struct stdio *s = opaque;
    uint8_t data[512];
    uint32_t room = s->sink ? s->sink->room(s->sink_opaque) : 0;
    ssize_t n;

    if (room == 0)
        return;
    n = read(STDIN_FILENO, data, room < sizeof data ? room : sizeof data);
    if (n <= 0)
        return;
    s->sink->receive(s->sink_opaque, data, (uint32_t)n);
    s->loop->schedule(s->host, s->task);
}

static void file_wanted(struct stdio *s)
{
    if (!s->input && s->task)
        s->loop->schedule(s->host, s->task);
}

/* ---- output ---- */

static void output_ready(void *opaque, uint32_t events)
{
    struct stdio *s = opaque;

    (void)events;
    s->loop->set_events(s->host, s->output, 0);
    if (s->sink)
        s->sink->writable(s->sink_opaque);
}

static int32_t stdio_write(void *self, const uint8_t *data, uint32_t bytes)
{
    struct stdio *s = self;
    ssize_t n;

    do
        n = write(STDOUT_FILENO, data, bytes);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int32_t)n;
    if (errno != EAGAIN)
        return -errno;
    if (!s->output)
        s->output = s->loop->watch(s->host, STDOUT_FILENO, TN_WATCH_WRITE,
                                   output_ready, s);
    else
        s->loop->set_events(s->host, s->output, TN_WATCH_WRITE);
    return s->output ? 0 : -EIO;
}

static void stdio_attach(void *self, const struct tn_char_sink *sink,
                         void *opaque)
{
    struct stdio *s = self;

    s->sink = sink;
    s->sink_opaque = opaque;
    if (!sink)
        return;
    sink->event(opaque, TN_CHAR_OPENED);
    stdio_wanted(s);
    file_wanted(s);
}

static void stdio_wanted_all(void *self)
{
    stdio_wanted(self);
    file_wanted(self);
}

static const struct tn_char stdio_char = {
    .size = sizeof stdio_char,
    .attach = stdio_attach,
    .write = stdio_write,
    .wanted = stdio_wanted_all,
};

/* ---- life cycle ---- */

static int32_t stdio_create(struct tn_host *host, void **self)
{
    struct stdio *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->host = host;
    *self = s;
    return 0;
}

static void stdio_destroy(void *self)
{
    free(self);
}

static int32_t stdio_configure(void *self, struct tn_error *error)
{
    struct stdio *s = self;
    const struct tn_props *props = tn_service(s->host, TN_HOST_PROPS);
    const char *key = props->get_string(s->host, "escape");

    s->raw = (uint32_t)props->get_uint(s->host, "raw");
    s->signals = (uint32_t)props->get_uint(s->host, "signals");
    if (!key || strcmp(key, "none") == 0)
        return 0;
    if (strlen(key) != 1 || !((*key | 0x20) >= 'a' && (*key | 0x20) <= 'z'))
        return tn_fail(s->host, error, -EINVAL,
                       "escape is '%s'; it must be a letter or 'none'", key);
    s->escape = (uint8_t)(*key & 0x1f);
    return 0;
}

static int32_t stdio_realize(void *self, struct tn_error *error)
{
    struct stdio *s = self;

    s->loop = tn_service(s->host, TN_HOST_LOOP);
    s->tree = tn_service(s->host, TN_HOST_TREE);
    if (!s->loop || !s->tree)
        return tn_fail(s->host, error, -ENOSYS, "the host lacks a service");
    if (terminal_take(s))
        return tn_fail(s->host, error, -EBUSY,
                       "the terminal is in use by another machine or device");
    s->task = s->loop->new_task(s->host, read_file, s);
    s->input = s->loop->watch(s->host, STDIN_FILENO, 0, input_ready, s);
    if (s->raw)
        terminal_make_raw(s->signals);
    return 0;
}

static void stdio_unrealize(void *self)
{
    struct stdio *s = self;

    if (s->input)
        s->loop->unwatch(s->host, s->input);
    if (s->output)
        s->loop->unwatch(s->host, s->output);
    s->loop->free_task(s->host, s->task);
    s->input = s->output = NULL;
    s->task = NULL;
    terminal_give_back(s);
}

static const void *stdio_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_CHAR) == 0 ? &stdio_char : NULL;
}

static const struct tn_component_ops stdio_ops = {
    .size = sizeof stdio_ops,
    .create = stdio_create,
    .destroy = stdio_destroy,
    .configure = stdio_configure,
    .realize = stdio_realize,
    .unrealize = stdio_unrealize,
    .get_interface = stdio_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "char-stdio",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Character back-end: standard input and output"},
};

TN_COMPONENT_INFO(stdio_info, 4) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, stdio_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 4),
             .id = "stdio",
             .summary = "The terminal: standard input and output"},
    .properties =
        {
            {.name = "escape",
             .type = TN_PROP_STRING,
             .default_value = "a",
             .doc = "Letter that with Ctrl commands Tenon itself, or none"},
            {.name = "raw",
             .type = TN_PROP_BOOL,
             .default_value = "yes",
             .doc = "Put a terminal into raw mode while the machine runs"},
            {.name = "signals",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "Ctrl-C and Ctrl-Z act on Tenon instead of the guest"},
            TN_CHAR_LOG_PROPERTY,
        },
};

TN_COMPONENT(stdio_component, stdio_info, stdio_ops);

TN_PLUGIN_ENTRY(plugin_info, &stdio_component)
