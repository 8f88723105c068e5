/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "qed.h"

#include <errno.h>
#include <stdlib.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct qed *q = calloc(1, sizeof *q);

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

static const struct tn_format qed_format = {
    .size = sizeof qed_format,
    .probe = qed_probe,
    .open = qed_open,
    .close = qed_close,
    .map = qed_map,
    .allocate = qed_allocate,
    .commit = qed_commit,
    .cancel = qed_cancel,
    .change = qed_change,
    .create = qed_create,
    .resize = qed_resize,
    .check = qed_check,
    .set_backing = qed_set_backing,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &qed_format : NULL;
}

static const struct tn_component_ops qed_ops = {
    .size = sizeof qed_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-qed",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Image format QED"},
};

TN_COMPONENT_INFO(qed_info, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, qed_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 2), .id = "qed",
             .provides = "0:51454400",
             .summary = "QED images"},
    .properties =
        {
            {.name = "cluster-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "64K",
             .minimum = "4K",
             .maximum = "64M",
             .unit = "bytes",
             .doc = "Cluster size of a new image, a power of two"},
            {.name = "table-size",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_CREATE,
             .default_value = "4",
             .minimum = "1",
             .maximum = "16",
             .unit = "clusters",
             .doc = "Size of a new image's tables, a power of two"},
        },
};

TN_COMPONENT(qed_component, qed_info, qed_ops);

TN_PLUGIN_ENTRY(plugin_info, &qed_component)
