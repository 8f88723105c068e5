/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "parallels.h"

#include <errno.h>
#include <stdlib.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct parallels *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->host = host;
    *self = p;
    return 0;
}

static void destroy_instance(void *self)
{
    free(self);
}

static const struct tn_format parallels_format = {
    .size = sizeof parallels_format,
    .probe = parallels_probe,
    .open = parallels_open,
    .close = parallels_close,
    .map = parallels_map,
    .allocate = parallels_allocate,
    .commit = parallels_commit,
    .cancel = parallels_cancel,
    .change = parallels_change,
    .release = parallels_release,
    .create = parallels_create,
    .resize = parallels_resize,
    .check = parallels_check,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &parallels_format : NULL;
}

static const struct tn_component_ops parallels_ops = {
    .size = sizeof parallels_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-parallels",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Image format Parallels"},
};

TN_COMPONENT_INFO(parallels_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, parallels_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 1), .id = "parallels",
             .provides = "0:576974686f757446726565,0:576974686f754672655370",
             .summary = "Parallels expandable images"},
    .properties =
        {
            {.name = "cluster-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "1M",
             .minimum = "512",
             .maximum = "256M",
             .unit = "bytes",
             .doc = "Cluster size of a new image, a multiple of 512"},
        },
};

TN_COMPONENT(parallels_component, parallels_info, parallels_ops);

TN_PLUGIN_ENTRY(plugin_info, &parallels_component)
