/* SPDX-License-Identifier: Apache-2.0 */
/* tenon describe: documentation of components and sections, from the same
 * schemas that machine files are checked with. */
#include <stdio.h>
#include <string.h>

#include "core/config/section-types.h"
#include "tools/tool.h"

static void print_choices(const struct tn_property *row)
{
    g_auto(GStrv) list = g_strsplit(row->choices, "|", -1);
    g_autofree char *text = g_strjoinv(", ", list);

    printf("        One of: %s.\n", text);
}

static void print_property(const struct tn_property *row)
{
    printf("    %s = %s%s%s%s\n", row->name, tn_property_type_name(row->type),
           row->flags & TN_PROP_LIST ? ", ..." : "", row->unit[0] ? " in " : "",
           row->unit);
    printf("        %s%s", row->doc, row->doc[0] ? "." : "");
    if (row->flags & TN_PROP_REQUIRED)
        printf(" Required.");
    if (row->default_value[0])
        printf(" Default: %s.", row->default_value);
    if (row->minimum[0])
        printf(" At least %s.", row->minimum);
    if (row->maximum[0])
        printf(" At most %s.", row->maximum);
    putchar('\n');
    if (row->type == TN_PROP_ENUM)
        print_choices(row);
}

static void print_rows(const struct tn_property *rows, guint n)
{
    if (!n) {
        puts("No properties.");
        return;
    }
    puts("Properties:");
    for (guint i = 0; i < n; i++)
        print_property(&rows[i]);
}

static void print_component(const struct tn_component_entry *entry)
{
    const struct tn_component_info *info = &entry->info;
    const struct tn_plugin_info *plugin = &entry->plugin->info;

    printf("%s: %s\n%s.\n", info->id, tn_kind_name(info->kind), info->summary);
    printf("From plugin %s %s, %s, %s\n", plugin->id, plugin->version,
           plugin->licence, entry->plugin->path);
    if (info->bus[0])
        printf("Plugs into a bus of kind %s.\n", info->bus);
    if (info->kind == TN_KIND_PROTOCOL && info->provides[0])
        printf("Serves names of the schemes %s.\n", info->provides);
    if (info->kind == TN_KIND_DEVICE && info->provides[0])
        printf("Provides buses of kind %s%s.\n", info->provides,
               info->flags & TN_COMPONENT_MULTI_SLOT
                   ? ", each for several devices"
                   : "");
    print_rows(entry->properties, info->n_properties);
}

/* The components of that id, and all of the plugin of that id. */
static gboolean describe_components(struct tn_registry *registry,
                                    const char *name)
{
    GPtrArray *list = tn_registry_components(registry);
    gboolean found = FALSE;

    for (guint i = 0; i < list->len; i++) {
        const struct tn_component_entry *entry = list->pdata[i];

        if (strcmp(entry->info.id, name) &&
            strcmp(entry->plugin->info.id, name))
            continue;
        if (found)
            putchar('\n');
        print_component(entry);
        found = TRUE;
    }
    return found;
}

static gboolean describe_section(const char *name)
{
    const struct tn_section_type *type = tn_section_type_find(name);

    if (!type)
        return FALSE;
    printf("[%s%s]: %s.\n", type->type,
           type->flags & TN_SECTION_NAMED ? " NAME" : "", type->summary);
    if (type->flags & TN_SECTION_BLOCK) {
        print_rows(tn_block_schema, tn_block_schema_rows);
        puts("Of every section with a device:");
    }
    if (type->schema)
        print_rows(type->schema, type->rows);
    else
        puts("Its properties are those of the component: tenon describe "
             "COMPONENT.");
    return TRUE;
}

static int describe(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry;
    int status = EXIT_POWEROFF;

    if (argc < 2)
        return tool_usage("describe what? A component ('tenon list'), a "
                          "plugin or a section type");
    registry = tool_registry(tool);
    for (int i = 1; i < argc; i++) {
        gboolean section = describe_section(argv[i]);

        if (!describe_components(registry, argv[i]) && !section) {
            g_autofree char *hint = tn_registry_hint(registry, 0, argv[i]);

            status =
                tool_usage("no component '%s' is installed%s", argv[i], hint);
        }
    }
    tn_registry_free(registry);
    return status;
}

const struct command command_describe = {
    "describe", "NAME...", "documentation of a component, plugin or section", NULL,
    describe};
