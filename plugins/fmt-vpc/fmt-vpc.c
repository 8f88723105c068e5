/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "vpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct vpc *v = calloc(1, sizeof *v);

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

static const struct tn_format vpc_format = {
    .size = sizeof vpc_format,
    .probe = vpc_probe,
    .open = vpc_open,
    .close = vpc_close,
    .map = vpc_map,
    .allocate = vpc_allocate,
    .commit = vpc_commit,
    .cancel = vpc_cancel,
    .change = vpc_change,
    .release = vpc_release,
    .create = vpc_create,
    .resize = vpc_resize,
    .check = vpc_check,
    .measure = vpc_measure,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &vpc_format : NULL;
}

static const struct tn_component_ops vpc_ops = {
    .size = sizeof vpc_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "fmt-vpc",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Image format VHD (vpc)"},
};

TN_COMPONENT_INFO(vpc_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, vpc_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 5),
             .id = "vpc",
             .provides = "0:636f6e6563746978",
             .summary = "Virtual PC's and Hyper-V's older disk images"},
    .properties =
        {
            {.name = "subformat",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "dynamic",
             .choices = "dynamic|fixed",
             .doc = "New image: grows with what is written, or not"},
            {.name = "force-size",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "New image: exactly the size asked for, not the next "
                    "that a disk geometry gives"},
            {.name = "preallocation",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|falloc|full",
             .doc = "New fixed image: reserve its space, or write it"},
            {.name = "block-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "2M",
             .minimum = "4K",
             .maximum = "256M",
             .unit = "bytes",
             .doc = "Block size of a new image, a power of two"},
            {.name = "force-size-calc",
             .type = TN_PROP_ENUM,
             .default_value = "auto",
             .choices = "auto|chs|current_size",
             .doc = "What the disk's size follows from: the program that "
                    "made it decides, the geometry, or the size field"},
        },
};

TN_COMPONENT(vpc_component, vpc_info, vpc_ops);

TN_PLUGIN_ENTRY(plugin_info, &vpc_component)
