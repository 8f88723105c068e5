/* SPDX-License-Identifier: Apache-2.0 */
/* Swallows what the guest sends and never sends anything. */
#include <string.h>

#include "tenon/char.h"

static void null_attach(void *self, const struct tn_char_sink *sink,
                        void *opaque)
{
    (void)self;
    if (sink)
        sink->event(opaque, TN_CHAR_OPENED);
}

static int32_t null_write(void *self, const uint8_t *data, uint32_t bytes)
{
    (void)self, (void)data;
    return (int32_t)bytes;
}

static void null_wanted(void *self)
{
    (void)self;
}

static const struct tn_char null_char = {
    .size = sizeof null_char,
    .attach = null_attach,
    .write = null_write,
    .wanted = null_wanted,
};

/* There is no state: an instance is its host's handle. */
static int32_t null_create(struct tn_host *host, void **self)
{
    *self = host;
    return 0;
}

static void null_destroy(void *self)
{
    (void)self;
}

static const void *null_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_CHAR) == 0 ? &null_char : NULL;
}

static const struct tn_component_ops null_ops = {
    .size = sizeof null_ops,
    .create = null_create,
    .destroy = null_destroy,
    .get_interface = null_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "char-null",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Character back-end: nothing"},
};

TN_COMPONENT_INFO(null_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, null_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 1),
             .id = "null",
             .summary = "Swallows output, has no input"},
    .properties = {TN_CHAR_LOG_PROPERTY},
};

TN_COMPONENT(null_component, null_info, null_ops);

TN_PLUGIN_ENTRY(plugin_info, &null_component)
