/* SPDX-License-Identifier: Apache-2.0 */
/* tenon plugins: what is installed, from notes alone; runs no plugin code. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/util/json-library.h"
#include "tools/tool.h"

static gboolean as_json;
static gboolean as_index;

static const GOptionEntry plugins_options[] = {
    {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", NULL},
    {"index", 0, 0, G_OPTION_ARG_NONE, &as_index,
     "Print the index of components that packages install", NULL},
    {0},
};

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {TN_COMPONENT_PARALLEL, "parallel"},
    {TN_COMPONENT_PARENT_LOCK, "parent-lock"},
    {TN_COMPONENT_MULTI_SLOT, "multi-slot"},
};

/* ---- text ---- */

static void print_details(const struct tn_plugin_file *plugin)
{
    const struct tn_plugin_info *info = &plugin->info;

    printf("%s %s\n  %s\n  file     %s\n  vendor   %s%s\n  licence  %s\n"
           "  ABI      %u.%u, needs %u.%u\n",
           info->id, info->version, info->summary, plugin->path, info->vendor,
           plugin->third_party ? " (third party)" : "", info->licence,
           info->abi_major, info->abi_minor, info->abi_major,
           info->needs_minor);
    if (info->fast_major)
        printf("  fast     %u.%u\n", info->fast_major, info->fast_minor);
    for (guint i = 0; i < plugin->components->len; i++) {
        const struct tn_component_entry *entry = plugin->components->pdata[i];

        printf("  %-8s %s: %s", tn_kind_name(entry->info.kind), entry->info.id,
               entry->info.summary);
        for (gsize j = 0; j < G_N_ELEMENTS(flag_names); j++)
            if (entry->info.flags & flag_names[j].flag)
                printf(" [%s]", flag_names[j].name);
        putchar('\n');
    }
}

static int print_named(struct tn_registry *registry, const char *id)
{
    GPtrArray *plugins = tn_registry_plugins(registry);

    for (guint i = 0; i < plugins->len; i++) {
        const struct tn_plugin_file *plugin = plugins->pdata[i];

        if (strcmp(plugin->info.id, id))
            continue;
        print_details(plugin);
        return EXIT_POWEROFF;
    }
    return tool_usage("no plugin '%s'", id);
}

static void print_list(const struct tool *tool, struct tn_registry *registry)
{
    GPtrArray *plugins = tn_registry_plugins(registry);
    GPtrArray *rejects = tn_registry_rejects(registry);

    for (guint i = 0; i < plugins->len; i++) {
        const struct tn_plugin_file *plugin = plugins->pdata[i];

        printf("%-24s %-8s %s\n", plugin->info.id, plugin->info.version,
               plugin->info.summary);
    }
    for (guint i = 0; i < rejects->len && !tool->quiet; i++) {
        const struct tn_plugin_reject *reject = rejects->pdata[i];

        fprintf(stderr, "tenon: not used: %s\n", reject->reason);
    }
    if (!plugins->len)
        fputs("tenon: no plugins are installed\n", stderr);
}

/* Rows that registry.c reads when a component is missing. */
static void print_index(struct tn_registry *registry)
{
    GPtrArray *list = tn_registry_components(registry);

    for (guint i = 0; i < list->len; i++) {
        const struct tn_component_entry *entry = list->pdata[i];

        printf("%s %s %s\n", tn_kind_name(entry->info.kind), entry->info.id,
               entry->plugin->info.id);
    }
}

/* ---- JSON ---- */

#ifdef HAVE_JSON_GLIB

static const struct tn_json_library *glib;

static void add_string(JsonBuilder *json, const char *name, const char *text)
{
    glib->json_builder_set_member_name(json, name);
    glib->json_builder_add_string_value(json, text);
}

static void add_number(JsonBuilder *json, const char *name, uint32_t number)
{
    glib->json_builder_set_member_name(json, name);
    glib->json_builder_add_int_value(json, number);
}

static void add_flag(JsonBuilder *json, const char *name, gboolean flag)
{
    glib->json_builder_set_member_name(json, name);
    glib->json_builder_add_boolean_value(json, flag);
}

static void add_property(JsonBuilder *json, const struct tn_property *row)
{
    glib->json_builder_begin_object(json);
    add_string(json, "name", row->name);
    add_string(json, "type", tn_property_type_name(row->type));
    add_flag(json, "required", (row->flags & TN_PROP_REQUIRED) != 0);
    add_flag(json, "list", (row->flags & TN_PROP_LIST) != 0);
    add_string(json, "default", row->default_value);
    add_string(json, "minimum", row->minimum);
    add_string(json, "maximum", row->maximum);
    add_string(json, "choices", row->choices);
    add_string(json, "unit", row->unit);
    add_string(json, "doc", row->doc);
    glib->json_builder_end_object(json);
}

static void add_component(JsonBuilder *json,
                          const struct tn_component_entry *entry)
{
    glib->json_builder_begin_object(json);
    add_string(json, "kind", tn_kind_name(entry->info.kind));
    add_string(json, "id", entry->info.id);
    add_string(json, "summary", entry->info.summary);
    add_string(json, "bus", entry->info.bus);
    add_string(json, "provides", entry->info.provides);
    for (gsize i = 0; i < G_N_ELEMENTS(flag_names); i++)
        add_flag(json, flag_names[i].name,
                 (entry->info.flags & flag_names[i].flag) != 0);
    glib->json_builder_set_member_name(json, "properties");
    glib->json_builder_begin_array(json);
    for (guint i = 0; i < entry->info.n_properties; i++)
        add_property(json, &entry->properties[i]);
    glib->json_builder_end_array(json);
    glib->json_builder_end_object(json);
}

static void add_plugin(JsonBuilder *json, const struct tn_plugin_file *plugin)
{
    const struct tn_plugin_info *info = &plugin->info;

    glib->json_builder_begin_object(json);
    add_string(json, "id", info->id);
    add_string(json, "version", info->version);
    add_string(json, "vendor", info->vendor);
    add_string(json, "licence", info->licence);
    add_string(json, "summary", info->summary);
    add_string(json, "file", plugin->path);
    add_flag(json, "third-party", plugin->third_party);
    add_number(json, "abi-major", info->abi_major);
    add_number(json, "abi-minor", info->abi_minor);
    add_number(json, "needs-minor", info->needs_minor);
    add_number(json, "fast-major", info->fast_major);
    add_number(json, "fast-minor", info->fast_minor);
    glib->json_builder_set_member_name(json, "components");
    glib->json_builder_begin_array(json);
    for (guint i = 0; i < plugin->components->len; i++)
        add_component(json, plugin->components->pdata[i]);
    glib->json_builder_end_array(json);
    glib->json_builder_end_object(json);
}

static void add_reject(JsonBuilder *json, const struct tn_plugin_reject *reject)
{
    glib->json_builder_begin_object(json);
    add_string(json, "file", reject->path);
    add_string(json, "reason", reject->reason);
    glib->json_builder_end_object(json);
}

/* Every plugin, or the one called ID. */
static int print_json(struct tn_registry *registry, const char *id)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *text = NULL;
    GPtrArray *plugins = tn_registry_plugins(registry);
    GPtrArray *rejects = tn_registry_rejects(registry);
    JsonGenerator *generator;
    JsonBuilder *json;
    JsonNode *root;

    glib = tn_json_library(&error);
    if (!glib)
        return tool_usage("no JSON: %s", tn_error_text(&error, 0));
    json = glib->json_builder_new();
    generator = glib->json_generator_new();

    glib->json_builder_begin_object(json);
    glib->json_builder_set_member_name(json, "plugins");
    glib->json_builder_begin_array(json);
    for (guint i = 0; i < plugins->len; i++) {
        const struct tn_plugin_file *plugin = plugins->pdata[i];

        if (!id || !strcmp(plugin->info.id, id))
            add_plugin(json, plugin);
    }
    glib->json_builder_end_array(json);
    glib->json_builder_set_member_name(json, "refused");
    glib->json_builder_begin_array(json);
    for (guint i = 0; i < rejects->len; i++)
        add_reject(json, rejects->pdata[i]);
    glib->json_builder_end_array(json);
    glib->json_builder_end_object(json);
    root = glib->json_builder_get_root(json);
    glib->json_generator_set_root(generator, root);
    glib->json_generator_set_pretty(generator, TRUE);
    text = glib->json_generator_to_data(generator, NULL);
    puts(text);
    glib->json_node_free(root);
    glib->g_object_unref(generator);
    glib->g_object_unref(json);
    return EXIT_POWEROFF;
}

#else

static int print_json(struct tn_registry *registry, const char *id)
{
    (void)registry;
    (void)id;
    return tool_usage("built without json-glib");
}

#endif

static int plugins(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry;
    const char *id = argc > 1 && strcmp(argv[1], "list") ? argv[1] : NULL;
    int status = EXIT_POWEROFF;

    if (argc > 2)
        return tool_usage("one plugin, not %d", argc - 1);
    registry = tool_registry(tool);
    if (as_json)
        status = print_json(registry, id);
    else if (as_index)
        print_index(registry);
    else if (id)
        status = print_named(registry, id);
    else
        print_list(tool, registry);
    tn_registry_free(registry);
    return status;
}

const struct command command_plugins = {"plugins", "[PLUGIN]",
                                        "plugins that are installed",
                                        plugins_options, plugins};
