/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct qcow2 *q = calloc(1, sizeof *q);

    if (!q)
        return -ENOMEM;
    q->host = host;
    *self = q;
    return 0;
}

static void destroy_instance(void *self)
{
    free(self);
}

static const struct tn_format qcow2_format = {
    .size = sizeof qcow2_format,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .map = qcow2_map,
    .allocate = qcow2_allocate,
    .commit = qcow2_commit,
    .cancel = qcow2_cancel,
    .change = qcow2_change,
    .release = qcow2_release,
    .decode = qcow2_decode,
    .create = qcow2_create,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &qcow2_format : NULL;
}

static const struct tn_component_ops qcow2_ops = {
    .size = sizeof qcow2_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "fmt-qcow2",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Image format qcow2, versions 2 and 3"},
};

TN_COMPONENT_INFO(qcow2_info, 6) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, qcow2_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 6),
             .id = "qcow2",
             .summary = "qcow2 images, versions 2 and 3"},
    .properties =
        {
            {.name = "compat",
             .type = TN_PROP_ENUM,
             .default_value = "1.1",
             .choices = "0.10|1.1",
             .doc = "Version of a new image: 2 (0.10) or 3 (1.1)"},
            {.name = "cluster-size",
             .type = TN_PROP_SIZE,
             .default_value = "64K",
             .minimum = "512",
             .maximum = "2M",
             .unit = "bytes",
             .doc = "Cluster size of a new image, a power of two"},
            {.name = "refcount-bits",
             .type = TN_PROP_UINT,
             .default_value = "16",
             .minimum = "1",
             .maximum = "64",
             .doc = "Width of reference counts in a new image"},
            {.name = "extended-l2",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "New image: 32 subclusters in each cluster"},
            {.name = "compression-type",
             .type = TN_PROP_ENUM,
             .default_value = "zlib",
             .choices = "zlib|zstd",
             .doc = "How clusters of a new image are compressed"},
            {.name = "lazy-refcounts",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "New image: allow others to delay reference counts"},
        },
};

TN_COMPONENT(qcow2_component, qcow2_info, qcow2_ops);

TN_PLUGIN_ENTRY(plugin_info, &qcow2_component)
