/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "qcow.h"

#include <errno.h>
#include <stdlib.h>

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct qcow *q = calloc(1, sizeof *q);

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

static const struct tn_format qcow_format = {
    .size = sizeof qcow_format,
    .probe = qcow_probe,
    .open = qcow_open,
    .close = qcow_close,
    .map = qcow_map,
    .allocate = qcow_allocate,
    .commit = qcow_commit,
    .cancel = qcow_cancel,
    .decode = qcow_decode,
    .encode = qcow_encode,
    .transform = qcow_transform,
    .create = qcow_create,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &qcow_format : NULL;
}

static const struct tn_component_ops qcow_ops = {
    .size = sizeof qcow_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-qcow",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Image format qcow, version 1"},
};

TN_COMPONENT_INFO(qcow_info, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, qcow_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 3), .id = "qcow",
             .provides = "0:514649fb",
             .summary = "qcow images, version 1"},
    .properties =
        {
            {.name = "encryption",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "Encrypt the image with format 'aes' (old; use "
                    "encrypt-format)"},
            {.name = "encrypt-format",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|aes",
             .doc = "Encrypt the image"},
            {.name = "encrypt-key-secret",
             .type = TN_PROP_STRING,
             .doc = "ID of the secret that has the AES key"},
        },
};

TN_COMPONENT(qcow_component, qcow_info, qcow_ops);

TN_PLUGIN_ENTRY(plugin_info, &qcow_component)
