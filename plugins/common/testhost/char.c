/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's character streams: see char.h. */
#include <stdlib.h>
#include <string.h>

#include "testhost/char.h"
#include "testhost/private.h"

static struct test_char *of(struct tn_char_stream *stream)
{
    return (struct test_char *)stream;
}

static struct tn_char_stream *char_open(struct tn_host *host, const char *id,
                                        const struct tn_char_handlers *handlers,
                                        void *opaque, struct tn_error *error)
{
    struct test_chars *chars = testhost_machine_data(host, "chars");
    struct test_char *stream = &chars->stream[chars->n++ % TEST_CHARS];

    (void)id;
    (void)error;
    stream->host = host;
    stream->handlers = handlers;
    stream->opaque = opaque;
    stream->open = 1;
    stream->room = UINT32_MAX;
    return (struct tn_char_stream *)stream;
}

static void char_close(struct tn_host *host, struct tn_char_stream *stream)
{
    (void)host;
    of(stream)->host = NULL;
}

static uint32_t char_write(struct tn_host *host, struct tn_char_stream *stream,
                           const uint8_t *data, uint32_t bytes)
{
    struct test_char *s = of(stream);

    (void)host;
    if (bytes > s->room)
        bytes = s->room;
    s->room -= s->room == UINT32_MAX ? 0 : bytes;
    for (uint32_t i = 0; i < bytes; i++)
        s->written[s->n_written++ % sizeof s->written] = data[i];
    return bytes;
}

static void char_accept(struct tn_host *host, struct tn_char_stream *stream)
{
    (void)host;
    of(stream)->accepted++;
}

static uint32_t char_is_open(struct tn_host *host,
                             struct tn_char_stream *stream)
{
    (void)host;
    return of(stream)->open;
}

static const struct tn_chars char_service = {
    .size = sizeof(struct tn_chars),
    .open = char_open,
    .close = char_close,
    .write = char_write,
    .accept = char_accept,
    .is_open = char_is_open,
};

void testhost_chars(struct testhost *machine, struct test_chars *chars)
{
    testhost_add_service(machine, TN_HOST_CHAR, &char_service);
    testhost_set_machine_data(machine, "chars", chars);
}

uint32_t testhost_char_receive(struct test_char *s, const void *data,
                               uint32_t bytes)
{
    uint32_t can;

    if (test_enter(instance_of(s->host)))
        abort();
    can = s->handlers->can_receive(s->opaque);
    if (bytes > can)
        bytes = can;
    if (bytes)
        s->handlers->receive(s->opaque, data, bytes);
    test_leave(instance_of(s->host));
    return bytes;
}

void testhost_char_event(struct test_char *s, uint32_t event)
{
    s->open = event == TN_CHAR_OPENED;
    s->handlers->event(s->opaque, event);
}

void testhost_char_writable(struct test_char *s, uint32_t room)
{
    s->room = room;
    s->handlers->writable(s->opaque);
}
