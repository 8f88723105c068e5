/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream has a buffer each way. Whoever writes puts bytes in and leaves; a
 * job on the reader's I/O thread takes them out under the reader's lock. So
 * the two sides' locks are never held together, and the order of bytes is
 * that of the buffer.
 */
#include "core/chr/chr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <tenon/char.h>

#include "core/machine/machine.h"
#include "core/util/log.h"

#define OUT_BYTES 65536u
#define IN_BYTES 4096u
#define CHUNK 4096u

struct ring {
    uint8_t *data;
    uint32_t size, head, count;
};

struct tn_char_stream {
    gatomicrefcount references; /* the device, and each job under way */
    GMutex lock;                /* all below */
    struct tn_host *device;
    struct tn_host *backend; /* NULL: nothing is connected */
    const struct tn_char *ops;
    void *self;
    const struct tn_char_handlers *handlers;
    void *opaque;
    struct ring out, in;
    gboolean closed;
    gboolean open;          /* somebody is at the other end */
    gboolean out_queued;    /* a job to write is under way */
    gboolean in_queued;     /* a job to deliver is under way */
    gboolean device_waits;  /* write() took less than asked */
    gboolean backend_waits; /* room() said 0 */
    gboolean error_logged;
    uint32_t events; /* not yet delivered, a bit each */
    int log_fd;
};

static uint32_t ring_put(struct ring *r, const uint8_t *data, uint32_t bytes)
{
    uint32_t n = MIN(bytes, r->size - r->count);

    for (uint32_t i = 0; i < n; i++)
        r->data[(r->head + r->count + i) % r->size] = data[i];
    r->count += n;
    return n;
}

/* A copy of up to BYTES at the front. */
static uint32_t ring_peek(const struct ring *r, uint8_t *data, uint32_t bytes)
{
    uint32_t n = MIN(bytes, r->count);

    for (uint32_t i = 0; i < n; i++)
        data[i] = r->data[(r->head + i) % r->size];
    return n;
}

static void ring_drop(struct ring *r, uint32_t bytes)
{
    r->head = (r->head + bytes) % r->size;
    r->count -= bytes;
}

static void stream_unref(struct tn_char_stream *s)
{
    if (!g_atomic_ref_count_dec(&s->references))
        return;
    if (s->log_fd >= 0)
        close(s->log_fd);
    g_mutex_clear(&s->lock);
    g_free(s->out.data);
    g_free(s->in.data);
    g_free(s);
}

static void queue(struct tn_char_stream *s, struct tn_host *host,
                  void (*job)(void *opaque), gboolean *queued)
{
    if (*queued || s->closed || !host)
        return;
    *queued = TRUE;
    g_atomic_ref_count_inc(&s->references);
    tn_host_invoke(host, job, s);
}

static void deliver_job(void *opaque);

/* ---- to the back-end, on its thread ---- */

static void log_output(struct tn_char_stream *s, const uint8_t *data,
                       uint32_t bytes)
{
    while (s->log_fd >= 0 && bytes > 0) {
        ssize_t n = write(s->log_fd, data, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            tn_warning("the character log cannot be written: %s",
                   g_strerror(errno));
            close(s->log_fd);
            s->log_fd = -1;
            return;
        }
        data += n;
        bytes -= (uint32_t)n;
    }
}

/* What write() of the back-end said, checked. */
static uint32_t taken_of(struct tn_char_stream *s, int32_t result,
                         uint32_t bytes)
{
    if (result >= 0 && (uint32_t)result <= bytes)
        return (uint32_t)result;
    if (!s->error_logged)
        tn_warning("a character back-end lost output: %s",
               result < 0 ? g_strerror(-result) : "it took more than it got");
    s->error_logged = TRUE;
    return bytes;
}

static void write_job(void *opaque)
{
    struct tn_char_stream *s = opaque;
    uint8_t chunk[CHUNK];
    uint32_t n, taken;

    g_mutex_lock(&s->lock);
    s->out_queued = FALSE;
    while (!s->closed && s->out.count > 0) {
        n = ring_peek(&s->out, chunk, sizeof chunk);
        g_mutex_unlock(&s->lock);
        taken = taken_of(s, s->ops->write(s->self, chunk, n), n);
        log_output(s, chunk, taken);
        g_mutex_lock(&s->lock);
        ring_drop(&s->out, taken);
        if (taken == 0)
            break; /* the back-end calls writable() */
    }
    if (s->device_waits && s->out.count < s->out.size)
        queue(s, s->device, deliver_job, &s->in_queued);
    g_mutex_unlock(&s->lock);
    stream_unref(s);
}

static void wanted_job(void *opaque)
{
    struct tn_char_stream *s = opaque;

    g_mutex_lock(&s->lock);
    if (s->closed) {
        g_mutex_unlock(&s->lock);
    } else {
        g_mutex_unlock(&s->lock);
        s->ops->wanted(s->self);
    }
    stream_unref(s);
}

static void break_job(void *opaque)
{
    struct tn_char_stream *s = opaque;

    if (TN_HAS(s->ops, send_break))
        s->ops->send_break(s->self);
    stream_unref(s);
}

static uint32_t sink_room(void *opaque)
{
    struct tn_char_stream *s = opaque;
    uint32_t room;

    g_mutex_lock(&s->lock);
    room = s->closed ? 0 : s->in.size - s->in.count;
    s->backend_waits = room == 0;
    g_mutex_unlock(&s->lock);
    return room;
}

static void sink_receive(void *opaque, const uint8_t *data, uint32_t bytes)
{
    struct tn_char_stream *s = opaque;

    g_mutex_lock(&s->lock);
    if (ring_put(&s->in, data, bytes) < bytes)
        tn_warning("a character back-end sent more than it may");
    queue(s, s->device, deliver_job, &s->in_queued);
    g_mutex_unlock(&s->lock);
}

static void sink_event(void *opaque, uint32_t event)
{
    struct tn_char_stream *s = opaque;

    if (event < TN_CHAR_OPENED || event > TN_CHAR_BREAK)
        return;
    g_mutex_lock(&s->lock);
    if (event == TN_CHAR_OPENED || event == TN_CHAR_CLOSED) {
        s->open = event == TN_CHAR_OPENED;
        s->events &= ~(1u << TN_CHAR_OPENED | 1u << TN_CHAR_CLOSED);
    }
    s->events |= 1u << event;
    queue(s, s->device, deliver_job, &s->in_queued);
    g_mutex_unlock(&s->lock);
}

static void sink_writable(void *opaque)
{
    struct tn_char_stream *s = opaque;

    g_mutex_lock(&s->lock);
    queue(s, s->backend, write_job, &s->out_queued);
    g_mutex_unlock(&s->lock);
}

static const struct tn_char_sink sink = {
    .size = sizeof sink,
    .room = sink_room,
    .receive = sink_receive,
    .event = sink_event,
    .writable = sink_writable,
};

/* ---- to the device, on its thread and under its lock ---- */

static void deliver_events(struct tn_char_stream *s, uint32_t events)
{
    if (!TN_HAS(s->handlers, event))
        return;
    for (uint32_t event = TN_CHAR_OPENED; event <= TN_CHAR_BREAK; event++)
        if (events >> event & 1)
            s->handlers->event(s->opaque, event);
}

static void deliver_data(struct tn_char_stream *s)
{
    uint8_t chunk[CHUNK];
    uint32_t n;

    for (;;) {
        uint32_t room = s->handlers->can_receive(s->opaque);

        g_mutex_lock(&s->lock);
        n = s->closed ? 0 : ring_peek(&s->in, chunk, MIN(room, CHUNK));
        ring_drop(&s->in, n);
        if (n > 0 && s->backend_waits) {
            gboolean queued = FALSE;

            s->backend_waits = FALSE;
            queue(s, s->backend, wanted_job, &queued);
        }
        g_mutex_unlock(&s->lock);
        if (n == 0)
            return;
        s->handlers->receive(s->opaque, chunk, n);
    }
}

static void deliver_job(void *opaque)
{
    struct tn_char_stream *s = opaque;
    gboolean closed, writable;
    uint32_t events;

    g_mutex_lock(&s->lock);
    s->in_queued = FALSE;
    closed = s->closed;
    events = s->events;
    s->events = 0;
    writable = s->device_waits && s->out.count < s->out.size;
    if (writable)
        s->device_waits = FALSE;
    g_mutex_unlock(&s->lock);
    if (!closed) {
        deliver_events(s, events);
        deliver_data(s);
        if (writable && TN_HAS(s->handlers, writable))
            s->handlers->writable(s->opaque);
    }
    stream_unref(s);
}

/* ---- tenon.host.char/1 ---- */

static void open_log(struct tn_char_stream *s, const char *path)
{
    if (!path)
        return;
    s->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->log_fd < 0)
        tn_warning("cannot log characters to '%s': %s", path,
               g_strerror(errno));
}

static gboolean connect_backend(struct tn_char_stream *s, const char *id,
                                struct tn_error *error)
{
    struct tn_machine *machine = tn_host_machine(s->device);
    const struct tn_value *log;

    s->ops = tn_machine_interface(machine, id, TN_CHAR, &s->self);
    s->backend = tn_machine_host(machine, id);
    if (!s->ops || !s->backend) {
        tn_error_set(error, ENOENT, "'%s' is no character back-end", id);
        return FALSE;
    }
    if (!TN_HAS(s->ops, attach) || !TN_HAS(s->ops, write) ||
        !TN_HAS(s->ops, wanted)) {
        tn_error_set(error, EINVAL,
                     "the character back-end '%s' lacks a function", id);
        return FALSE;
    }
    if (tn_host_data(s->backend, "chr-stream")) {
        tn_error_set(error, EBUSY, "'%s' is in use by another device", id);
        return FALSE;
    }
    tn_host_set_data(s->backend, "chr-stream", s, NULL);
    log = tn_instance_value(tn_host_description(s->backend), "log");
    open_log(s, log ? log->text : NULL);
    return TRUE;
}

#define FLUSH_STEP 1000               /* microseconds */
#define FLUSH_PATIENCE (5 * G_USEC_PER_SEC) /* without a byte taken */

/* Under the back-end's lock. A peer that reads nothing does not hold up the
 * end of a machine. */
static void flush_output(struct tn_char_stream *s)
{
    gint64 until = g_get_monotonic_time() + FLUSH_PATIENCE;
    uint8_t chunk[CHUNK];
    uint32_t n, taken;

    g_mutex_lock(&s->lock);
    while (s->open && s->out.count > 0 && g_get_monotonic_time() < until) {
        n = ring_peek(&s->out, chunk, sizeof chunk);
        g_mutex_unlock(&s->lock);
        taken = taken_of(s, s->ops->write(s->self, chunk, n), n);
        log_output(s, chunk, taken);
        if (taken)
            until = g_get_monotonic_time() + FLUSH_PATIENCE;
        else
            g_usleep(FLUSH_STEP);
        g_mutex_lock(&s->lock);
        ring_drop(&s->out, taken);
    }
    if (s->out.count > 0 && s->open)
        tn_warning("%u bytes of output are lost: nobody reads them",
                   s->out.count);
    g_mutex_unlock(&s->lock);
}

static void chr_flush(struct tn_host *host, struct tn_char_stream *s)
{
    (void)host;
    if (!s->backend || tn_host_enter(s->backend))
        return;
    flush_output(s);
    tn_host_leave(s->backend);
}

static void chr_close(struct tn_host *host, struct tn_char_stream *s)
{
    if (!s)
        return;
    if (s->backend && tn_host_data(s->backend, "chr-stream") == s)
        chr_flush(host, s);
    g_mutex_lock(&s->lock);
    s->closed = TRUE;
    g_mutex_unlock(&s->lock);
    if (s->backend && tn_host_data(s->backend, "chr-stream") == s) {
        tn_host_set_data(s->backend, "chr-stream", NULL, NULL);
        if (tn_host_enter(s->backend) == 0) {
            s->ops->attach(s->self, NULL, NULL);
            tn_host_leave(s->backend);
        }
    }
    stream_unref(s);
}

static struct tn_char_stream *chr_open(struct tn_host *host, const char *id,
                                       const struct tn_char_handlers *handlers,
                                       void *opaque, struct tn_error *error)
{
    const struct tn_value *chardev;
    struct tn_char_stream *s;

    if (!id) {
        chardev = tn_instance_value(tn_host_description(host), "chardev");
        id = chardev ? chardev->text : NULL;
    }
    s = g_new0(struct tn_char_stream, 1);
    g_atomic_ref_count_init(&s->references);
    g_mutex_init(&s->lock);
    s->device = host;
    s->handlers = handlers;
    s->opaque = opaque;
    s->log_fd = -1;
    s->out = (struct ring){.data = g_malloc(OUT_BYTES), .size = OUT_BYTES};
    s->in = (struct ring){.data = g_malloc(IN_BYTES), .size = IN_BYTES};
    if (!id)
        return s;
    if (!connect_backend(s, id, error)) {
        s->backend = NULL;
        chr_close(host, s);
        return NULL;
    }
    if (tn_host_enter(s->backend) == 0) {
        s->ops->attach(s->self, &sink, s);
        tn_host_leave(s->backend);
    }
    return s;
}

static uint32_t chr_write(struct tn_host *host, struct tn_char_stream *s,
                          const uint8_t *data, uint32_t bytes)
{
    uint32_t taken;

    (void)host;
    if (!s->backend)
        return bytes;
    g_mutex_lock(&s->lock);
    taken = ring_put(&s->out, data, bytes);
    s->device_waits |= taken < bytes;
    queue(s, s->backend, write_job, &s->out_queued);
    g_mutex_unlock(&s->lock);
    return taken;
}

static void chr_accept(struct tn_host *host, struct tn_char_stream *s)
{
    (void)host;
    g_mutex_lock(&s->lock);
    if (s->in.count > 0 || s->events)
        queue(s, s->device, deliver_job, &s->in_queued);
    g_mutex_unlock(&s->lock);
}

static uint32_t chr_is_open(struct tn_host *host, struct tn_char_stream *s)
{
    uint32_t open;

    (void)host;
    g_mutex_lock(&s->lock);
    open = s->open ? 1 : 0;
    g_mutex_unlock(&s->lock);
    return open;
}

static void chr_send_break(struct tn_host *host, struct tn_char_stream *s)
{
    gboolean queued = FALSE;

    (void)host;
    g_mutex_lock(&s->lock);
    queue(s, s->backend, break_job, &queued);
    g_mutex_unlock(&s->lock);
}

static const struct tn_chars chr_service = {
    .size = sizeof chr_service,
    .open = chr_open,
    .close = chr_close,
    .flush = chr_flush,
    .write = chr_write,
    .accept = chr_accept,
    .is_open = chr_is_open,
    .send_break = chr_send_break,
};

void tn_chr_register(void)
{
    tn_machine_add_service(TN_HOST_CHAR, &chr_service);
}
