/* SPDX-License-Identifier: Apache-2.0 */
/* tenon check, tenon dump: look at a machine without starting it. */
#include <stdio.h>

#include "tools/tool.h"

/* The one FILE that is allowed; with --set there may be none. */
static int one_file(const struct tool *tool, int argc, char **argv,
                    const char **file)
{
    *file = argc > 1 ? argv[1] : NULL;
    if (argc > 2)
        return tool_usage("one machine file, not %d", argc - 1);
    if (!*file && !tool->settings)
        return tool_usage("which machine? Give a file or --set");
    return 0;
}

static const struct tn_component_info *
device_that_blocks(const struct tn_instance_desc *instance)
{
    const struct tn_component_info *info = &instance->component->info;

    if (info->kind != TN_KIND_DEVICE || info->flags & TN_COMPONENT_SAVES)
        return NULL;
    return info;
}

/* Snapshots and migration need the state of every device. */
static void report_saving(const struct tn_machine_desc *desc)
{
    guint blocking = 0;

    for (guint i = 0; i < desc->instances->len; i++) {
        const struct tn_instance_desc *instance =
            g_ptr_array_index(desc->instances, i);
        const struct tn_component_info *info = device_that_blocks(instance);

        if (!info)
            continue;
        printf("%s: cannot be saved: %s (component %s) keeps its state to "
               "itself\n",
               desc->name, instance->id, info->id);
        blocking++;
    }
    if (!blocking)
        printf("%s: can be saved\n", desc->name);
}

static int check(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry;
    struct tn_machine_desc *desc;
    const char *file;
    int status = one_file(tool, argc, argv, &file);

    if (status)
        return status;
    registry = tool_registry(tool);
    desc = tool_machine(tool, file, registry);
    if (!desc)
        status = EXIT_USAGE;
    else if (!tool->quiet) {
        printf("%s: %u instances, %u CPU%s, nothing wrong\n", desc->name,
               desc->instances->len, desc->cpus, desc->cpus == 1 ? "" : "s");
        report_saving(desc);
    }
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
    return status;
}

static gboolean with_defaults;

static const GOptionEntry dump_options[] = {
    {"defaults", 0, 0, G_OPTION_ARG_NONE, &with_defaults,
     "Add what nobody set, as comments", NULL},
    {0},
};

static int dump(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry;
    struct tn_machine_desc *desc;
    const char *file;
    int status = one_file(tool, argc, argv, &file);

    if (status)
        return status;
    registry = tool_registry(tool);
    desc = tool_machine(tool, file, registry);
    if (desc) {
        g_autofree char *text = tn_config_dump(desc, with_defaults);

        fputs(text, stdout);
    } else {
        status = EXIT_USAGE;
    }
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
    return status;
}

const struct command command_check = {
    "check", "[FILE]", "report every mistake in a machine file", NULL, check};
const struct command command_dump = {
    "dump", "[FILE]", "print the resolved machine, itself a machine file",
    dump_options, dump};
