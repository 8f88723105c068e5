/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "log-writes": another one, with a log of what is written to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static const char *const options[] = {"log", "sector-size", NULL};

static int32_t new_instance(struct tn_host *host, void **self)
{
    struct log_writes *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    l->filter.host = host;
    *self = l;
    return 0;
}

static void log_writes_close(void *self)
{
    struct log_writes *l = self;

    log_close(l);
    filter_close(&l->filter);
}

static void log_writes_destroy(void *self)
{
    log_writes_close(self);
    free(self);
}

static int32_t read_options(struct log_writes *l, char **log,
                            struct tn_error *error)
{
    uint64_t bytes;
    int32_t rc = filter_bytes(&l->filter, "sector-size", &bytes, error);

    if (rc)
        return rc;
    if (bytes < 512 || bytes > 65536 || (bytes & (bytes - 1)))
        return tn_fail(l->filter.host, error, -EINVAL,
                       "sector-size must be a power of two, 512 to 65536");
    l->sector_bytes = (uint32_t)bytes;
    *log = filter_text(&l->filter, "log");
    return *log ? 0
                : tn_fail(l->filter.host, error, -EINVAL,
                          "log-writes needs to know where to: log=FILE");
}

static int32_t log_writes_open(void *self, const char *name, uint32_t flags,
                               struct tn_error *error)
{
    struct log_writes *l = self;
    char *log = NULL;
    int32_t rc = filter_open(&l->filter, name, flags, options, error);

    if (rc)
        return rc;
    rc = read_options(l, &log, error);
    if (!rc && (flags & TN_IMAGE_WRITABLE))
        rc = log_open(l, log, error);
    free(log);
    if (rc)
        log_writes_close(l);
    return rc;
}

static void log_writes_info(void *self, struct tn_protocol_info *info)
{
    struct log_writes *l = self;

    filter_info(self, info);
    info->block_bytes = l->sector_bytes;
}

static int32_t log_writes_create(void *self, const char *name, uint64_t bytes,
                                 struct tn_error *error)
{
    return filter_create(self, name, options, bytes, error);
}

static void log_writes_submit(void *self, struct tn_protocol_request *request)
{
    log_submit(self, request);
}

static const struct tn_protocol log_writes_protocol = {
    .size = sizeof log_writes_protocol,
    .schemes = "log-writes",
    .open = log_writes_open,
    .close = log_writes_close,
    .info = log_writes_info,
    .create = log_writes_create,
    .submit = log_writes_submit,
    .resize = filter_resize,
    .status = filter_status,
};

static const void *log_writes_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &log_writes_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1,
             .id = "proto-log-writes", .version = "1.0", .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Images with a log of all writes, for tests"},
};

TN_COMPONENT_INFO(log_writes_component, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, log_writes_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 2), .id = "log-writes",
             .summary = "Another image; what is written to it is logged"},
    .properties =
        {
            {.name = "log", .type = TN_PROP_PATH,
             .doc = "Where the log is written to"},
            {.name = "sector-size", .type = TN_PROP_SIZE,
             .default_value = "512", .minimum = "512", .maximum = "64K",
             .unit = "bytes", .doc = "Unit of writes and of the log"},
        },
};

static const struct tn_component_ops log_writes_ops = {
    .size = sizeof log_writes_ops,
    .create = new_instance,
    .destroy = log_writes_destroy,
    .get_interface = log_writes_interface,
};

TN_COMPONENT(log_writes, log_writes_component, log_writes_ops);
TN_PLUGIN_ENTRY(plugin_info, &log_writes)
