/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "vmdk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct vmdk *v = calloc(1, sizeof *v);

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

static const struct tn_format vmdk_format = {
    .size = sizeof vmdk_format,
    .probe = vmdk_probe,
    .open = vmdk_open,
    .close = vmdk_close,
    .map = vmdk_map,
    .allocate = vmdk_allocate,
    .commit = vmdk_commit,
    .cancel = vmdk_cancel,
    .change = vmdk_change,
    .release = vmdk_release,
    .decode = vmdk_decode,
    .encode = vmdk_encode,
    .create = vmdk_create,
    .resize = vmdk_resize,
    .check = vmdk_check,
    .describe = vmdk_describe,
    .written = vmdk_written,
    .before_flush = vmdk_before_flush,
    .measure = vmdk_measure,
    .set_base = vmdk_set_base,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &vmdk_format : NULL;
}

static const struct tn_component_ops vmdk_ops = {
    .size = sizeof vmdk_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "fmt-vmdk",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Image format VMDK"},
};

TN_COMPONENT_INFO(vmdk_info, 9) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, vmdk_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 9),
             .id = "vmdk",
             .summary = "VMware's disk images"},
    .properties =
        {
            {.name = "subformat",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "monolithicSparse",
             .choices = "monolithicSparse|monolithicFlat|"
                        "twoGbMaxExtentSparse|twoGbMaxExtentFlat|streamOptimized",
             .doc = "How a new image is stored"},
            {.name = "adapter-type",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "ide",
             .choices = "ide|buslogic|lsilogic|legacyESX",
             .doc = "New image: the disk adapter to say"},
            {.name = "hwversion",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_CREATE,
             .default_value = "4",
             .doc = "New image: the virtual hardware's version"},
            {.name = "toolsversion",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_CREATE,
             .default_value = "2147483647",
             .doc = "New image: the guest tools' version"},
            {.name = "compat6",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "New image: hardware version 6"},
            {.name = "zeroed-grain",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "New sparse image: zeroes are marked, not written"},
            {.name = "preallocation",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|falloc|full",
             .doc = "New flat image: reserve its space, or write it"},
            {.name = "cluster-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "64K",
             .doc = "New sparse image: bytes of a grain, 1K to 1M"},
            {.name = "extents-anywhere",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "Follow a descriptor to files outside the image's directory"},
        },
};

TN_COMPONENT(vmdk_component, vmdk_info, vmdk_ops);

TN_PLUGIN_ENTRY(plugin_info, &vmdk_component)
