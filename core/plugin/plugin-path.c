/* SPDX-License-Identifier: Apache-2.0 */
/* Which directories have plugins, and the index of Tenon's own components. */
#include "core/plugin/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/plugin/registry-private.h"
#include "core/util/install.h"
#include "core/util/log.h"

#define INDEX_FILE "components"

/* A directory that somebody named must be usable; the installed one may be
 * missing: core runs without plugins. */
static void add(struct tn_registry *registry, const char *directory,
                gboolean may_be_missing)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t code = tn_registry_add_directory(registry, directory, &error);

    if (code && !(may_be_missing && code == -ENOENT))
        tn_warning("plugin directory: %s", tn_error_text(&error, code));
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each plugin's directory in the build tree has libtool's .libs. */
static void add_build_tree(struct tn_registry *registry, const char *build)
{
    g_autofree char *plugins = g_build_filename(build, "plugins", NULL);
    g_autoptr(GDir) dir = g_dir_open(plugins, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (!strchr(name, '.')) /* a directory, no file of make's */
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *libs =
            g_build_filename(plugins, names->pdata[i], ".libs", NULL);

        add(registry, libs, TRUE);
    }
}

/* Rows of "kind id plugin"; rows that are not are passed over. */
static void read_index(struct tn_registry *registry, const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
        struct index_row *row;

        if (g_strv_length(words) != 3 || !tn_kind_from_name(words[0]))
            continue;
        row = g_new0(struct index_row, 1);
        row->kind = tn_kind_from_name(words[0]);
        row->id = g_strdup(words[1]);
        row->plugin = g_strdup(words[2]);
        g_ptr_array_add(registry->index, row);
    }
}

static void add_path_variable(struct tn_registry *registry)
{
    const char *path = secure_getenv("TENON_PLUGIN_PATH");
    g_auto(GStrv) list = path ? g_strsplit(path, ":", -1) : NULL;

    for (guint i = 0; list && list[i]; i++)
        if (list[i][0])
            add(registry, list[i], FALSE);
}

void tn_registry_add_default(struct tn_registry *registry,
                             const char *const *extra)
{
    const char *build = tn_build_tree_build();
    g_autofree char *index = NULL;

    for (; extra && *extra; extra++)
        add(registry, *extra, FALSE);
    add_path_variable(registry);
    if (build) {
        add_build_tree(registry, build);
        index = g_build_filename(build, "tools", INDEX_FILE, NULL);
    } else {
        add(registry, tn_installed_plugins(), TRUE);
        index = g_build_filename(tn_installed_data(), INDEX_FILE, NULL);
    }
    read_index(registry, index);
}
