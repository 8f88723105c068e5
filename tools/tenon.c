/* SPDX-License-Identifier: Apache-2.0 */
/* tenon: run a machine and look at what machines are made of. The command line
 * and what the commands share; each command has its own file. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util/log.h"
#include "core/util/nearest.h"
#include "tools/tool.h"

static const struct command *const commands[] = {
    &command_run,      &command_check, &command_dump,
    &command_describe, &command_list,  &command_plugins,
};

int tool_usage(const char *format, ...)
{
    va_list ap;

    fputs("tenon: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

struct tn_registry *tool_registry(const struct tool *tool)
{
    struct tn_registry *registry = tn_registry_new();

    if (tool->in_tree_only)
        tn_registry_refuse_third_party(registry);
    tn_registry_add_default(registry, (const char *const *)tool->plugin_dirs);
    return registry;
}

char *tool_machines_directory(void)
{
    return g_build_filename(g_get_user_config_dir(), "tenon", "machines", NULL);
}

/* FILE, or the user's machine of that name. */
static char *find_machine(const char *file)
{
    g_autofree char *directory = tool_machines_directory();
    g_autofree char *name = g_strconcat(file, MACHINE_SUFFIX, NULL);
    g_autofree char *path = g_build_filename(directory, name, NULL);

    if (!g_file_test(file, G_FILE_TEST_EXISTS) && !strchr(file, '/') &&
        g_file_test(path, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&path);
    return g_strdup(file);
}

struct tn_machine_desc *tool_machine(const struct tool *tool, const char *file,
                                     struct tn_registry *registry)
{
    struct tn_diagnostics *diagnostics = tn_diagnostics_new();
    g_autofree char *path = file ? find_machine(file) : NULL;
    const struct tn_config_source source = {
        .file = path,
        .settings = (const char *const *)tool->settings,
        .board_dirs = (const char *const *)tool->board_dirs,
    };
    struct tn_machine_desc *desc =
        tn_config_load(&source, registry, diagnostics);

    for (guint i = 0; i < diagnostics->list->len; i++) {
        const struct tn_diagnostic *one = diagnostics->list->pdata[i];

        if (!one->warning || !tool->quiet)
            fprintf(stderr, "%s\n", one->text);
    }
    if (!desc && !tn_registry_plugins(registry)->len)
        fputs("tenon: no plugins are installed, and without them there is no "
              "machine: see the packages called tenon-*\n",
              stderr);
    tn_diagnostics_free(diagnostics);
    return desc;
}

static void print_help(void)
{
    puts("Usage: tenon COMMAND [OPTIONS] ...\n\nCommands:");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-9s %-12s %s\n", commands[i]->name, commands[i]->arguments,
               commands[i]->summary);
    puts("\nOptions of every command:\n"
         "  --set SECTION.KEY=VALUE   set or override a property\n"
         "  --plugin-dir DIR          look for plugins there first\n"
         "  --board-dir DIR           look for boards there first\n"
         "  --no-third-party          only plugins that are part of Tenon\n"
         "  --verbose, --quiet        say more or less\n"
         "\n'tenon COMMAND --help' has the rest; tenon(1) is the manual.");
}

static int unknown_command(const char *name)
{
    g_autofree char *hint = NULL;
    struct tn_nearest nearest;

    tn_nearest_init(&nearest, name);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        tn_nearest_offer(&nearest, commands[i]->name);
    hint = tn_nearest_hint(&nearest);
    return tool_usage("no command '%s'%s", name, hint);
}

static void free_options(struct tool *tool)
{
    g_strfreev(tool->settings);
    g_strfreev(tool->plugin_dirs);
    g_strfreev(tool->board_dirs);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct tool tool = {0};
    const GOptionEntry common[] = {
        {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &tool.settings,
         "Set or override a property", "SECTION.KEY=VALUE"},
        {"plugin-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &tool.plugin_dirs,
         "Look for plugins there first", "DIR"},
        {"board-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &tool.board_dirs,
         "Look for boards there first", "DIR"},
        {"no-third-party", 0, 0, G_OPTION_ARG_NONE, &tool.in_tree_only,
         "Only plugins that are part of Tenon", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &tool.verbose, "Say more", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &tool.quiet, "Say less", NULL},
        {0},
    };
    g_autofree char *name = g_strdup_printf("tenon %s", command->name);
    g_autoptr(GOptionContext) context =
        g_option_context_new(command->arguments);
    g_autoptr(GError) error = NULL;
    int status;

    argv[0] = name; /* for the usage line */
    g_set_prgname(name);
    g_option_context_set_summary(context, command->summary);
    g_option_context_add_main_entries(context, common, NULL);
    if (command->options)
        g_option_context_add_main_entries(context, command->options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        free_options(&tool);
        return tool_usage("%s", error->message);
    }
    if (tool.verbose)
        tn_log_set_level(TN_LOG_DEBUG);
    else if (tool.quiet)
        tn_log_set_level(TN_LOG_ERROR);
    status = command->run(&tool, argc, argv);
    free_options(&tool);
    return status;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    if (!strcmp(name, "--version")) {
        printf("tenon %s (plugin ABI %u.%u, fast tier %u.%u)\n",
               PACKAGE_VERSION, TN_ABI_MAJOR, TN_ABI_MINOR, TN_FAST_MAJOR,
               TN_FAST_MINOR);
        return EXIT_SUCCESS;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
        !strcmp(name, "help")) {
        print_help();
        return argc > 1 ? EXIT_SUCCESS : EXIT_USAGE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(name, commands[i]->name))
            return run_command(commands[i], argc - 1, argv + 1);
    return unknown_command(name);
}
