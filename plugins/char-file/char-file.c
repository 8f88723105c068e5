/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters into a file (or a pipe, or a device), and, if asked, out of
 * another one. Everything runs on the I/O thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tenon/char.h"
#include "tenon/loop.h"

#define CHUNK 4096u

struct file {
    struct tn_host *host;
    const struct tn_loop *loop;
    const struct tn_char_sink *sink; /* NULL: no device */
    void *sink_opaque;
    int32_t in, out; /* -1: not open */
    struct tn_watch *input, *output;
    struct tn_task *task; /* reads what cannot be watched */
};

/* ---- input ---- */

static void end_input(struct file *f)
{
    if (f->input)
        f->loop->unwatch(f->host, f->input);
    f->input = NULL;
    if (f->in >= 0)
        close(f->in);
    f->in = -1;
}

/* A piece of input: 1 if there may be more at once. */
static uint32_t read_piece(struct file *f)
{
    uint8_t data[CHUNK];
    uint32_t room = f->sink && f->in >= 0 ? f->sink->room(f->sink_opaque) : 0;
    ssize_t n;

    if (room == 0) {
        if (f->input)
            f->loop->set_events(f->host, f->input, 0);
        return 0;
    }
    n = read(f->in, data, room < sizeof data ? room : sizeof data);
    if (n > 0)
        f->sink->receive(f->sink_opaque, data, (uint32_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        end_input(f); /* the guest goes on without */
    return n > 0;
}

static void input_ready(void *opaque, uint32_t events)
{
    (void)events;
    read_piece(opaque);
}

static void input_task(void *opaque)
{
    struct file *f = opaque;

    if (read_piece(f))
        f->loop->schedule(f->host, f->task);
}

static void file_wanted(void *self)
{
    struct file *f = self;

    if (f->input)
        f->loop->set_events(f->host, f->input, TN_WATCH_READ);
    else if (f->in >= 0)
        f->loop->schedule(f->host, f->task);
}

/* ---- output ---- */

static void output_ready(void *opaque, uint32_t events)
{
    struct file *f = opaque;

    (void)events;
    f->loop->unwatch(f->host, f->output);
    f->output = NULL;
    if (f->sink)
        f->sink->writable(f->sink_opaque);
}

static int32_t file_write(void *self, const uint8_t *data, uint32_t bytes)
{
    struct file *f = self;
    ssize_t n;

    do
        n = write(f->out, data, bytes);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int32_t)n;
    if (errno != EAGAIN)
        return -errno;
    if (!f->output)
        f->output = f->loop->watch(f->host, f->out, TN_WATCH_WRITE,
                                   output_ready, f);
    return f->output ? 0 : -EIO;
}

static void file_attach(void *self, const struct tn_char_sink *sink,
                        void *opaque)
{
    struct file *f = self;

    f->sink = sink;
    f->sink_opaque = opaque;
    if (!sink)
        return;
    sink->event(opaque, TN_CHAR_OPENED);
    file_wanted(f);
}

static const struct tn_char file_char = {
    .size = sizeof file_char,
    .attach = file_attach,
    .write = file_write,
    .wanted = file_wanted,
};

/* ---- life cycle ---- */

static int32_t file_create(struct tn_host *host, void **self)
{
    struct file *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    f->host = host;
    f->in = f->out = -1;
    *self = f;
    return 0;
}

static void file_destroy(void *self)
{
    free(self);
}

static void file_unrealize(void *self)
{
    struct file *f = self;

    end_input(f);
    if (f->output)
        f->loop->unwatch(f->host, f->output);
    f->output = NULL;
    if (f->task)
        f->loop->free_task(f->host, f->task);
    f->task = NULL;
    if (f->out >= 0)
        close(f->out);
    f->out = -1;
}

static int32_t open_files(struct file *f, struct tn_error *error)
{
    const struct tn_props *props = tn_service(f->host, TN_HOST_PROPS);
    const char *path = props->get_string(f->host, "path");
    const char *input = props->get_string(f->host, "input");
    int flags = props->get_uint(f->host, "append") ? O_APPEND : O_TRUNC;

    f->out = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | flags,
                  0666);
    if (f->out < 0)
        return tn_fail(f->host, error, -errno, "cannot write '%s': %s", path,
                       errno == ENXIO ? "nobody reads this pipe"
                                      : strerror(errno));
    if (!input || !*input)
        return 0;
    f->in = open(input, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (f->in < 0)
        return tn_fail(f->host, error, -errno, "cannot read '%s': %s", input,
                       strerror(errno));
    return 0;
}

static int32_t file_realize(void *self, struct tn_error *error)
{
    struct file *f = self;
    int32_t code;

    f->loop = tn_service(f->host, TN_HOST_LOOP);
    if (!f->loop)
        return tn_fail(f->host, error, -ENOSYS, "the host lacks a service");
    f->task = f->loop->new_task(f->host, input_task, f);
    code = f->task ? open_files(f, error) : -ENOMEM;
    if (code)
        file_unrealize(f);
    else if (f->in >= 0) /* NULL for a plain file: the task reads it */
        f->input = f->loop->watch(f->host, f->in, 0, input_ready, f);
    return code;
}

static const void *file_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_CHAR) == 0 ? &file_char : NULL;
}

static const struct tn_component_ops file_ops = {
    .size = sizeof file_ops,
    .create = file_create,
    .destroy = file_destroy,
    .realize = file_realize,
    .unrealize = file_unrealize,
    .get_interface = file_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "char-file",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Character back-end: files"},
};

TN_COMPONENT_INFO(file_info, 4) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, file_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 4),
             .id = "file",
             .summary = "Output to a file, input from another"},
    .properties =
        {
            {.name = "path",
             .type = TN_PROP_PATH,
             .flags = TN_PROP_REQUIRED,
             .doc = "File, pipe or device that output goes to"},
            {.name = "append",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "Keep what the file has and write after it"},
            {.name = "input",
             .type = TN_PROP_PATH,
             .doc = "File, pipe or device that input comes from"},
            TN_CHAR_LOG_PROPERTY,
        },
};

TN_COMPONENT(file_component, file_info, file_ops);

TN_PLUGIN_ENTRY(plugin_info, &file_component)
