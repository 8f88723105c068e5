/* SPDX-License-Identifier: Apache-2.0 */
/* A device's end of a character back-end, for tests. */
#ifndef TENON_COMMON_CHAR_TEST_SINK_H
#define TENON_COMMON_CHAR_TEST_SINK_H

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <tenon/char.h>

#include "testhost/testhost.h"

struct test_sink {
    struct testhost *machine;
    struct test_instance *instance;
    const struct tn_char *ops;
    void *self;
    uint32_t room;
    uint32_t bytes;
    char data[65536];
    uint32_t opened, closed, writable; /* how often */
};

static uint32_t test_room(void *opaque)
{
    return ((struct test_sink *)opaque)->room;
}

static void test_receive(void *opaque, const uint8_t *data, uint32_t bytes)
{
    struct test_sink *s = opaque;

    memcpy(s->data + s->bytes, data, bytes);
    s->bytes += bytes;
    s->room -= bytes;
}

static void test_event(void *opaque, uint32_t event)
{
    struct test_sink *s = opaque;

    s->opened += event == TN_CHAR_OPENED;
    s->closed += event == TN_CHAR_CLOSED;
}

static void test_writable(void *opaque)
{
    ((struct test_sink *)opaque)->writable++;
}

static const struct tn_char_sink test_char_sink = {
    .size = sizeof test_char_sink,
    .room = test_room,
    .receive = test_receive,
    .event = test_event,
    .writable = test_writable,
};

/* Make COMPONENT of PLUGIN with PROPS; what realize() says. */
static inline int32_t test_sink_try(struct test_sink *s, const char *plugin,
                                    const char *component,
                                    const char *const *props)
{
    memset(s, 0, sizeof *s);
    s->machine = testhost_new();
    testhost_ram(s->machine, 0x80000000u, 4096);
    s->instance = testhost_add(s->machine, plugin, component, "char.console",
                               NULL, props);
    return s->instance ? testhost_realize(s->instance, 0) : -1;
}

/* Then connect the device, with ROOM bytes to take. */
static inline void test_sink_attach(struct test_sink *s, uint32_t room)
{
    s->room = room;
    s->self = testhost_self(s->instance);
    s->ops = testhost_interface(s->instance, TN_CHAR);
    s->ops->attach(s->self, &test_char_sink, s);
    testhost_start(s->machine);
    testhost_run(s->machine);
}

static inline void test_sink_end(struct test_sink *s)
{
    if (s->ops)
        s->ops->attach(s->self, NULL, NULL);
    testhost_run(s->machine); /* frees watches of a failed realize() */
    testhost_free(s->machine);
}

static inline int32_t test_sink_write(struct test_sink *s, const char *text)
{
    return s->ops->write(s->self, (const uint8_t *)text,
                         (uint32_t)strlen(text));
}

/* Run until *VALUE is COUNT, or for two seconds. */
static inline uint32_t test_sink_wait(struct test_sink *s,
                                      const uint32_t *value, uint32_t count)
{
    for (uint32_t i = 0; i < 2000 && *value != count; i++) {
        testhost_advance(s->machine, 1000000);
        usleep(1000);
    }
    return *value == count;
}

#endif
