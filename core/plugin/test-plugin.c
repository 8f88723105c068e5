/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin for tests of the loader. Built several times with another VARIANT,
 * each with one thing wrong. */
#include <stdlib.h>

#include <tenon/abi.h>

#define GOOD 0
#define REFUSES 1        /* entry returns NULL */
#define OTHER_INFO 2     /* descriptor's plugin record is not the note */
#define OTHER_PROPERTY 3 /* a property differs */
#define NO_CALLBACKS 4   /* a component without create */
#define NO_ENTRY 5
#define SHORT_OPS 6 /* made when callbacks ended with unrealize */
#define ONE_TWICE 7 /* one component for both */

TN_PLUGIN_INFO(plugin_note) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_note),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 2, .id = "test-plugin",
             .version = "1.2", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "for tests"},
};

TN_COMPONENT_INFO(widget_note, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, widget_note),
    .info = {TN_COMPONENT_INFO_DEVICE(2), .id = "widget", .bus = "test",
             .summary = "a device"},
    .properties = {{.name = "size",
                    .type = TN_PROP_SIZE,
                    .default_value = "4K",
                    .doc = "how large"},
                   {.name = "mode",
                    .type = TN_PROP_ENUM,
                    .choices = "a|b",
                    .doc = "which"}},
};

TN_COMPONENT_INFO(pipe_note, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, pipe_note),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_CHAR, 0), .id = "pipe",
             .summary = "a character back-end"},
};

#if VARIANT == OTHER_INFO
static const struct tn_plugin_info other_info = {
    TN_PLUGIN_INFO_STABLE, .n_components = 2, .id = "other"};
#endif

#if VARIANT == OTHER_PROPERTY
static const struct {
    struct tn_component_info info;
    struct tn_property properties[2];
} other_widget = {
    .info = {TN_COMPONENT_INFO_DEVICE(2), .id = "widget", .bus = "test",
             .summary = "a device"},
    .properties = {{.name = "size",
                    .type = TN_PROP_SIZE,
                    .default_value = "8K",
                    .doc = "how large"},
                   {.name = "mode",
                    .type = TN_PROP_ENUM,
                    .choices = "a|b",
                    .doc = "which"}},
};
#    define WIDGET_INFO &other_widget.info
#else
#    define WIDGET_INFO &widget_note.info
#endif

static int32_t create(struct tn_host *host, void **self)
{
    (void)host;
    *self = malloc(1);
    return *self ? 0 : -1;
}

static void destroy(void *self)
{
    free(self);
}

static void reset(void *self, uint32_t kind)
{
    (void)self;
    (void)kind;
}

static const struct tn_component_ops ops = {
#if VARIANT == SHORT_OPS
    .size = offsetof(struct tn_component_ops, reset),
#else
    .size = sizeof ops,
#endif
    .create = VARIANT == NO_CALLBACKS ? NULL : create,
    .destroy = destroy,
    .reset = reset,
};

static const struct tn_component widget = {
    .size = sizeof widget, .info = WIDGET_INFO, .ops = &ops};
static const struct tn_component pipe_end = {
    .size = sizeof pipe_end, .info = &pipe_note.info, .ops = &ops};

static const struct tn_component *const components[] = {
    &widget,
#if VARIANT == ONE_TWICE
    &widget,
#else
    &pipe_end,
#endif
};

static const struct tn_plugin plugin = {
    .size = sizeof plugin,
#if VARIANT == OTHER_INFO
    .info = &other_info,
#else
    .info = &plugin_note.info,
#endif
    .components = components,
};

#if VARIANT == NO_ENTRY
/* Something has to use the tables. */
TN_EXPORT const struct tn_plugin *tenon_plugin_entri(void);
const struct tn_plugin *tenon_plugin_entri(void)
{
    (void)pipe_end;
    return &plugin;
}
#else
const struct tn_plugin *tenon_plugin_entry(const struct tn_entry_args *args)
{
    (void)pipe_end;
    if (VARIANT == REFUSES || args->abi_major != TN_ABI_MAJOR)
        return NULL;
    return &plugin;
}
#endif
