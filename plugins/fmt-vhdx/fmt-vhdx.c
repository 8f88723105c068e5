/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "vhdx.h"

#include <errno.h>
#include <stdlib.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct vhdx *v = calloc(1, sizeof *v);

    if (!v)
        return -ENOMEM;
    v->host = host;
    *self = v;
    return 0;
}

static void destroy_instance(void *self)
{
    free(self);
}

static const struct tn_format vhdx_format = {
    .size = sizeof vhdx_format,
    .probe = vhdx_probe,
    .open = vhdx_open,
    .close = vhdx_close,
    .map = vhdx_map,
    .allocate = vhdx_allocate,
    .commit = vhdx_commit,
    .cancel = vhdx_cancel,
    .change = vhdx_change,
    .release = vhdx_release,
    .create = vhdx_create,
    .resize = vhdx_resize,
    .check = vhdx_check,
    .written = vhdx_written,
    .before_flush = vhdx_before_flush,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &vhdx_format : NULL;
}

static const struct tn_component_ops vhdx_ops = {
    .size = sizeof vhdx_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-vhdx",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Image format VHDX"},
};

TN_COMPONENT_INFO(vhdx_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, vhdx_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 5), .id = "vhdx",
             .provides = "0:7668647866696c65",
             .summary = "VHDX images: dynamic, fixed, differencing"},
    .properties =
        {
            {.name = "subformat",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "dynamic",
             .choices = "dynamic|fixed",
             .doc = "New image: is space taken when it is written to"},
            {.name = "block-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "0",
             .maximum = "256M",
             .unit = "bytes",
             .doc = "Block size of a new image, a power of two from 1M; 0: "
                    "what suits its size"},
            {.name = "log-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "1M",
             .unit = "bytes",
             .doc = "Size of a new image's log, in MiB"},
            {.name = "block-state-zero",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "yes",
             .doc = "New image: mark its blocks as zeroes, not as absent"},
            {.name = "logical-sector-size",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "512",
             .choices = "512|4096",
             .doc = "New image: unit of the guest's requests"},
        },
};

TN_COMPONENT(vhdx_component, vhdx_info, vhdx_ops);

TN_PLUGIN_ENTRY(plugin_info, &vhdx_component)
