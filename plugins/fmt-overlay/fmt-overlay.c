/* SPDX-License-Identifier: Apache-2.0 */
/* The component and its table; open and close. */
#include "overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct overlay *o = calloc(1, sizeof *o);

    if (!o)
        return -ENOMEM;
    o->host = host;
    *self = o;
    return 0;
}

static void destroy_instance(void *self)
{
    free(self);
}

static int32_t overlay_open(void *self, uint32_t flags,
                            struct tn_image_info *info, struct tn_error *error)
{
    struct overlay *o = self;
    const struct tn_props *props = tn_service(o->host, TN_HOST_PROPS);
    uint64_t span = (uint64_t)TABLE_ENTRIES * CLUSTER;

    (void)flags;
    o->image = tn_service(o->host, TN_HOST_IMAGE);
    o->bytes = props->get_uint(o->host, "bytes");
    if (!props->is_set(o->host, "bytes") || o->bytes % 512 ||
        o->bytes > INT64_MAX)
        return tn_fail(o->host, error, -EINVAL,
                       "an overlay is made with snapshot = yes, which gives it "
                       "its size");
    if (o->image->length(o->host, TN_IMAGE_FILE_SELF))
        return tn_fail(o->host, error, -EINVAL, "the file is not empty");
    o->n_tables = (o->bytes + span - 1) / span;
    /* Only what is touched is more than addresses. */
    o->tables = calloc(o->n_tables + 1, sizeof *o->tables);
    if (!o->tables)
        return tn_fail(o->host, error, -ENOMEM, "no memory for the map");
    info->flags = TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD | TN_FORMAT_BACKING;
    info->bytes = o->bytes;
    info->cluster_bytes = info->change_bytes = CLUSTER;
    strcpy(info->format_version, "overlay");
    return 0;
}

static void overlay_close(void *self)
{
    struct overlay *o = self;

    for (uint64_t i = 0; i < o->n_tables; i++)
        if (o->tables[i] != &overlay_zero)
            free(o->tables[i]);
    free(o->tables);
    o->tables = NULL;
    o->n_tables = 0;
    free(o->space.free);
    o->space = (struct overlay_space){0};
}

static const struct tn_format overlay_format = {
    .size = sizeof overlay_format,
    .open = overlay_open,
    .close = overlay_close,
    .map = overlay_map,
    .allocate = overlay_allocate,
    .commit = overlay_commit,
    .cancel = overlay_cancel,
    .change = overlay_change,
    .release = overlay_release,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &overlay_format : NULL;
}

static const struct tn_component_ops overlay_ops = {
    .size = sizeof overlay_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-overlay",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "What is written over a disk and forgotten"},
};

TN_COMPONENT_INFO(overlay_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, overlay_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 1), .id = "overlay",
             .provides = "none",
             .summary = "Writes of a disk with snapshot = yes, forgotten at "
                        "the end"},
    .properties =
        {
            {.name = "bytes",
             .type = TN_PROP_SIZE,
             .default_value = "0",
             .unit = "bytes",
             .doc = "Size of the disk; given by the engine"},
        },
};

TN_COMPONENT(overlay_component, overlay_info, overlay_ops);

TN_PLUGIN_ENTRY(plugin_info, &overlay_component)
