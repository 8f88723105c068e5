/* SPDX-License-Identifier: Apache-2.0 */
/* Finding board files. They are data: no care about owners is needed. */
#include "core/config/gather.h"

#include <string.h>

#include "core/util/install.h"
#include "core/util/nearest.h"

#define SUFFIX ".board"

char **tn_board_directories(const char *const *extra)
{
    GPtrArray *list = g_ptr_array_new();
    const char *source = tn_build_tree_source();

    for (; extra && *extra; extra++)
        g_ptr_array_add(list, g_strdup(*extra));
    g_ptr_array_add(list, g_strdup("."));
    g_ptr_array_add(list, g_build_filename(g_get_user_config_dir(), "tenon",
                                           "boards", NULL));
    g_ptr_array_add(list,
                    g_build_filename(source ? source : tn_installed_data(),
                                     "boards", NULL));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

static void offer_boards(struct tn_nearest *nearest, GPtrArray *names,
                         const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        char *name;

        if (!g_str_has_suffix(file, SUFFIX))
            continue;
        name = g_strndup(file, strlen(file) - strlen(SUFFIX));
        g_ptr_array_add(names, name);
        tn_nearest_offer(nearest, name);
    }
}

static void report_missing(const char *name, char **directories,
                           const struct tn_key *key,
                           struct tn_diagnostics *diagnostics)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *hint = NULL;
    struct tn_nearest nearest;

    tn_nearest_init(&nearest, name);
    for (guint i = 0; directories[i]; i++)
        offer_boards(&nearest, names, directories[i]);
    hint = tn_nearest_hint(&nearest);
    tn_diagnose(diagnostics, FALSE, key->file, key->line, NULL,
                "no board '%s'%s", name, hint);
}

/* As people write it: no "./" before it. */
static char *join(const char *directory, const char *name)
{
    if (!strcmp(directory, "."))
        return g_strdup(name);
    return g_build_filename(directory, name, NULL);
}

char *tn_board_find(const char *name, const char *beside,
                    const char *const *extra, const struct tn_key *key,
                    struct tn_diagnostics *diagnostics)
{
    g_auto(GStrv) directories = tn_board_directories(extra);
    g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
    char *path;

    if (strchr(name, '/') || g_str_has_suffix(name, SUFFIX)) {
        path = g_path_is_absolute(name) ? g_strdup(name) : join(beside, name);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return path;
        tn_diagnose(diagnostics, FALSE, key->file, key->line, NULL,
                    "no board file '%s'", path);
        g_free(path);
        return NULL;
    }
    path = join(beside, file);
    for (guint i = 0; directories[i]; i++) {
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return path;
        g_free(path);
        path = join(directories[i], file);
    }
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return path;
    g_free(path);
    report_missing(name, directories, key, diagnostics);
    return NULL;
}
