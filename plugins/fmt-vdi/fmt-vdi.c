/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "vdi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct vdi *v = calloc(1, sizeof *v);

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

static const struct tn_format vdi_format = {
    .size = sizeof vdi_format,
    .probe = vdi_probe,
    .open = vdi_open,
    .close = vdi_close,
    .map = vdi_map,
    .allocate = vdi_allocate,
    .commit = vdi_commit,
    .cancel = vdi_cancel,
    .change = vdi_change,
    .create = vdi_create,
    .resize = vdi_resize,
    .check = vdi_check,
    .written = vdi_written,
    .before_flush = vdi_before_flush,
    .measure = vdi_measure,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &vdi_format : NULL;
}

static const struct tn_component_ops vdi_ops = {
    .size = sizeof vdi_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "fmt-vdi",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Image format VDI"},
};

TN_COMPONENT_INFO(vdi_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, vdi_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 5),
             .id = "vdi",
             .provides = "64:7f10dabe",
             .summary = "VirtualBox's disk images"},
    .properties =
        {
            {.name = "static",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "New image: all blocks have their space from the start"},
            {.name = "preallocation",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|metadata|falloc|full",
             .doc = "New image: all but off make it static"},
            {.name = "block-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "1M",
             .minimum = "4K",
             .maximum = "64M",
             .unit = "bytes",
             .doc = "Block size of a new image, a power of two"},
            {.name = "parent",
             .type = TN_PROP_PATH,
             .doc = "The image that a differencing image is based on"},
            {.name = "without-parent",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "Read only a differencing image's own blocks"},
        },
};

TN_COMPONENT(vdi_component, vdi_info, vdi_ops);

TN_PLUGIN_ENTRY(plugin_info, &vdi_component)
