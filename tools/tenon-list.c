/* SPDX-License-Identifier: Apache-2.0 */
/* tenon list: machines, boards and components. */
#include <stdio.h>
#include <string.h>

#include "core/config/sections.h"
#include "tools/tool.h"

#define OPTION_PREFIX "option." /* of keys of [board] */

static gboolean names_only;

static const GOptionEntry list_options[] = {
    {"names", 0, 0, G_OPTION_ARG_NONE, &names_only,
     "Only names, one a line (for completion)", NULL},
    {0},
};

static void print_row(const char *name, const char *summary)
{
    if (names_only)
        puts(name);
    else
        printf("  %-24s %s\n", name, summary);
}

static void print_title(const char *title)
{
    if (!names_only)
        printf("%s:\n", title);
}

/* `description` of [board] in the file and what can be chosen in [machine]:
 * "Two harts; aia = none | aplic". */
static char *board_summary(const char *path)
{
    struct tn_sections *sections = tn_sections_new();
    struct tn_diagnostics *ignored = tn_diagnostics_new();
    struct tn_section *board;
    GString *text = g_string_new(NULL);
    struct tn_key *key;

    tn_sections_read_file(sections, path, ignored);
    board = tn_sections_find(sections, "board", "");
    key = board ? tn_section_key(board, "description") : NULL;
    if (key)
        g_string_append(text, key->value);
    for (guint i = 0; board && i < board->keys->len; i++) {
        key = board->keys->pdata[i];
        if (g_str_has_prefix(key->name, OPTION_PREFIX))
            g_string_append_printf(text, "; %s = %s",
                                   key->name + strlen(OPTION_PREFIX),
                                   key->value);
    }
    tn_sections_free(sections);
    tn_diagnostics_free(ignored);
    return g_string_free(text, FALSE);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_directory(const char *directory, const char *suffix,
                           gboolean boards, GHashTable *seen)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *file;

    while (dir && (file = g_dir_read_name(dir)))
        if (g_str_has_suffix(file, suffix))
            g_ptr_array_add(names, g_strdup(file));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path =
            g_build_filename(directory, names->pdata[i], NULL);
        char *name = g_strndup(names->pdata[i],
                               strlen(names->pdata[i]) - strlen(suffix));
        g_autofree char *summary =
            boards ? board_summary(path) : g_strdup(path);

        /* The first directory's board of a name is the one that counts. */
        if (g_hash_table_add(seen, name))
            print_row(name, summary);
    }
}

static void list_boards(const struct tool *tool)
{
    g_auto(GStrv) directories =
        tn_board_directories((const char *const *)tool->board_dirs);
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    print_title("boards");
    for (guint i = 0; directories[i]; i++)
        list_directory(directories[i], BOARD_SUFFIX, TRUE, seen);
}

static void list_machines(void)
{
    g_autofree char *directory = tool_machines_directory();
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    print_title("machines");
    list_directory(directory, MACHINE_SUFFIX, FALSE, seen);
}

/* Components of KIND; nothing if there are none. */
static void list_kind(struct tn_registry *registry, uint32_t kind)
{
    GPtrArray *list = tn_registry_components(registry);
    gboolean titled = FALSE;

    for (guint i = 0; i < list->len; i++) {
        const struct tn_component_entry *entry = list->pdata[i];

        if (entry->info.kind != kind)
            continue;
        if (!titled)
            print_title(tn_kind_name(kind));
        titled = TRUE;
        print_row(entry->info.id, entry->info.summary);
    }
}

static void list_components(struct tn_registry *registry)
{
    for (uint32_t kind = 1; kind <= TN_KIND_MANAGEMENT; kind++)
        list_kind(registry, kind);
}

static int list_one(const struct tool *tool, struct tn_registry *registry,
                    const char *what)
{
    if (!strcmp(what, "boards"))
        list_boards(tool);
    else if (!strcmp(what, "machines"))
        list_machines();
    else if (!strcmp(what, "components"))
        list_components(registry);
    else if (tn_kind_from_name(what))
        list_kind(registry, tn_kind_from_name(what));
    else
        return tool_usage("'%s' is none of: machines, boards, components, or "
                          "a kind (device, accel, target, ...)",
                          what);
    return EXIT_POWEROFF;
}

static int list(const struct tool *tool, int argc, char **argv)
{
    struct tn_registry *registry = tool_registry(tool);
    int status = EXIT_POWEROFF;

    if (argc < 2) {
        list_machines();
        list_boards(tool);
        list_components(registry);
    }
    for (int i = 1; i < argc && !status; i++)
        status = list_one(tool, registry, argv[i]);
    tn_registry_free(registry);
    return status;
}

const struct command command_list = {
    "list", "[WHAT...]", "machines, boards, components, or those of a kind",
    list_options, list};
