/* SPDX-License-Identifier: Apache-2.0 */
/* The qcow2 plugin: instances, properties, tables. */
#include "qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t qcow2_new(struct tn_host *host, void **self)
{
    struct qcow2 *q = calloc(1, sizeof *q);

    if (!q)
        return -ENOMEM;
    q->host = host;
    *self = q;
    return 0;
}

static void qcow2_destroy(void *self)
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

static const void *qcow2_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &qcow2_format;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-qcow2",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "qcow2 disk images"},
};

TN_COMPONENT_INFO(qcow2_component, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, qcow2_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 5), .id = "qcow2",
             .summary = "qcow2 images: grow on demand, may be based on others"},
    .properties =
        {{.name = "compat", .type = TN_PROP_ENUM, .default_value = "1.1",
          .choices = "0.10|1.1", .doc = "version of a new image"},
         {.name = "cluster-size", .type = TN_PROP_SIZE, .default_value = "64K",
          .minimum = "512", .maximum = "2M", .unit = "bytes",
          .doc = "cluster size of a new image, a power of two"},
         {.name = "refcount-bits", .type = TN_PROP_UINT, .default_value = "16",
          .minimum = "1", .maximum = "64", .unit = "bits",
          .doc = "width of a new image's reference counts, a power of two"},
         {.name = "extended-l2", .type = TN_PROP_BOOL, .default_value = "no",
          .doc = "a new image has subclusters"},
         {.name = "compression-type", .type = TN_PROP_ENUM,
          .default_value = "zlib", .choices = "zlib|zstd",
          .doc = "how clusters of a new image are compressed"}},
};

static const struct tn_component_ops qcow2_ops = {
    .size = sizeof qcow2_ops,
    .create = qcow2_new,
    .destroy = qcow2_destroy,
    .get_interface = qcow2_interface,
};

TN_COMPONENT(qcow2_entry, qcow2_component, qcow2_ops);
TN_PLUGIN_ENTRY(plugin_info, &qcow2_entry)
