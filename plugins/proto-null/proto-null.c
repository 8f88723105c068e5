/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "null": a disk that forgets what is written and reads as zeroes, at
 * once or after a while. For measuring everything but the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"

#define MAX_BYTES ((uint64_t)INT64_MAX / 512 * 512)

struct null {
    struct filter filter; /* without a child */
    uint64_t bytes;
    uint64_t latency;
    uint32_t zeroes; /* fill what is read */
};

static int32_t null_new(struct tn_host *host, void **self)
{
    struct null *null = calloc(1, sizeof *null);

    if (!null)
        return -ENOMEM;
    null->filter.host = host;
    *self = null;
    return 0;
}

/* "null://", "null://1G". */
static int32_t parse_name(struct null *null, const char *name,
                          struct tn_error *error)
{
    const struct tn_props *props = tn_service(null->filter.host,
                                              TN_HOST_PROPS);
    const char *rest = strstr(name, "://");

    rest = rest ? rest + 3 : "";
    null->bytes = props->get_uint(null->filter.host, "size");
    null->latency = props->get_uint(null->filter.host, "latency-ns");
    null->zeroes =
        (uint32_t)props->get_uint(null->filter.host, "read-zeroes");
    if (rest[0] && filter_parse_bytes(rest, &null->bytes))
        return tn_fail(null->filter.host, error, -EINVAL,
                       "'%s': what follows null:// is a size, as in null://1G",
                       name);
    return null->bytes > MAX_BYTES
               ? tn_fail(null->filter.host, error, -EFBIG,
                         "'%s': that is too large", name)
               : 0;
}

static int32_t null_open(void *self, const char *name, uint32_t flags,
                         struct tn_error *error)
{
    struct null *null = self;

    (void)flags;
    null->filter.children = tn_service(null->filter.host, TN_HOST_CHILD);
    return parse_name(null, name, error);
}

static void null_close(void *self)
{
    (void)self;
}

static void null_info(void *self, struct tn_protocol_info *info)
{
    struct null *null = self;

    info->flags = TN_PROTOCOL_CAN_DISCARD | TN_PROTOCOL_CAN_ZERO |
                  TN_PROTOCOL_CAN_RESIZE | TN_PROTOCOL_ZERO_INIT;
    info->bytes = null->bytes;
    info->block_bytes = 1;
    info->memory_alignment = 1;
    info->fd = -1;
}

static int32_t null_create(void *self, const char *name, uint64_t bytes,
                           struct tn_error *error)
{
    (void)bytes;
    return parse_name(self, name, error);
}

static void finish(void *opaque)
{
    struct tn_protocol_request *request = opaque;

    request->done(request, 0);
}

static void null_submit(void *self, struct tn_protocol_request *request)
{
    struct null *null = self;

    if (request->op == TN_DISK_READ && null->zeroes)
        for (uint32_t i = 0; i < request->n_iov; i++)
            memset(request->iov[i].base, 0, request->iov[i].bytes);
    /* done() is not called from in here. */
    null->filter.children->later(null->filter.host, null->latency, finish,
                                 request);
}

static int32_t null_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct null *null = self;

    (void)error;
    null->bytes = bytes;
    return 0;
}

static int32_t null_status(void *self, uint64_t offset, uint64_t *bytes)
{
    struct null *null = self;

    *bytes = null->bytes > offset ? null->bytes - offset : 1;
    return null->zeroes ? TN_STATUS_HOLE : TN_STATUS_DATA;
}

static const struct tn_protocol null_protocol = {
    .size = sizeof null_protocol,
    .schemes = "null,null-co,null-aio",
    .open = null_open,
    .close = null_close,
    .info = null_info,
    .create = null_create,
    .submit = null_submit,
    .resize = null_resize,
    .status = null_status,
};

static const void *null_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &null_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-null",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "A disk that forgets"},
};

TN_COMPONENT_INFO(null_component, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, null_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 3), .id = "null",
             .provides = "null-co,null-aio",
             .summary = "Forgets what is written and reads as zeroes"},
    .properties =
        {
            {.name = "size", .type = TN_PROP_SIZE, .default_value = "1G",
             .unit = "bytes", .doc = "How large the disk is"},
            {.name = "read-zeroes", .type = TN_PROP_BOOL,
             .default_value = "yes",
             .doc = "Reading gives zeroes; without it, anything"},
            {.name = "latency-ns", .type = TN_PROP_UINT, .default_value = "0",
             .unit = "ns", .doc = "How long each request takes"},
        },
};

static const struct tn_component_ops null_ops = {
    .size = sizeof null_ops,
    .create = null_new,
    .destroy = filter_destroy,
    .get_interface = null_interface,
};

TN_COMPONENT(null, null_component, null_ops);
TN_PLUGIN_ENTRY(plugin_info, &null)
