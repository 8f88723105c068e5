/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "delay": another one, later. For tests of what waits for disks.
 */
#include "filter/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const options[] = {"read", "write", "flush", "zero", NULL};

struct delay {
    struct filter filter;
    uint64_t nanoseconds[5]; /* by TN_DISK_* */
};

static int32_t delay_new(struct tn_host *host, void **self)
{
    struct delay *delay = calloc(1, sizeof *delay);

    if (!delay)
        return -ENOMEM;
    delay->filter.host = host;
    *self = delay;
    return 0;
}

static int32_t delay_open(void *self, const char *name, uint32_t flags,
                          struct tn_error *error)
{
    static const uint32_t ops[] = {TN_DISK_READ, TN_DISK_WRITE, TN_DISK_FLUSH,
                                   TN_DISK_ZERO};
    struct delay *delay = self;
    int32_t rc = filter_open(&delay->filter, name, flags, options, error);

    for (uint32_t i = 0; options[i] && !rc; i++)
        rc = filter_nanoseconds(&delay->filter, options[i],
                                &delay->nanoseconds[ops[i]], error);
    delay->nanoseconds[TN_DISK_DISCARD] = delay->nanoseconds[TN_DISK_ZERO];
    if (rc)
        filter_close(&delay->filter);
    return rc;
}

static void delay_close(void *self)
{
    filter_close(self);
}

static int32_t delay_create(void *self, const char *name, uint64_t bytes,
                            struct tn_error *error)
{
    return filter_create(self, name, options, bytes, error);
}

static void submit_now(void *opaque)
{
    struct tn_protocol_request *request = opaque;
    struct delay *delay = request->plugin[0];

    delay->filter.children->submit(delay->filter.host, delay->filter.child,
                                   request);
}

static void delay_submit(void *self, struct tn_protocol_request *request)
{
    struct delay *delay = self;
    uint64_t wait = request->op <= TN_DISK_ZERO
                        ? delay->nanoseconds[request->op]
                        : 0;

    request->plugin[0] = delay;
    if (wait)
        delay->filter.children->later(delay->filter.host, wait, submit_now,
                                      request);
    else
        submit_now(request);
}

static const struct tn_protocol delay_protocol = {
    .size = sizeof delay_protocol,
    .schemes = "delay",
    .open = delay_open,
    .close = delay_close,
    .info = filter_info,
    .create = delay_create,
    .submit = delay_submit,
    .resize = filter_resize,
    .status = filter_status,
};

static const void *delay_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &delay_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-delay",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Images that answer late, for tests"},
};

TN_COMPONENT_INFO(delay_component, 4) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, delay_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 4), .id = "delay",
             .summary = "Another image, each request delayed"},
    .properties =
        {
            {.name = "read", .type = TN_PROP_TIME, .default_value = "0",
             .doc = "How long a read waits"},
            {.name = "write", .type = TN_PROP_TIME, .default_value = "0",
             .doc = "How long a write waits"},
            {.name = "flush", .type = TN_PROP_TIME, .default_value = "0",
             .doc = "How long a flush waits"},
            {.name = "zero", .type = TN_PROP_TIME, .default_value = "0",
             .doc = "How long zeroing and discarding wait"},
        },
};

static const struct tn_component_ops delay_ops = {
    .size = sizeof delay_ops,
    .create = delay_new,
    .destroy = filter_destroy,
    .get_interface = delay_interface,
};

TN_COMPONENT(delay, delay_component, delay_ops);
TN_PLUGIN_ENTRY(plugin_info, &delay)
