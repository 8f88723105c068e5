/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are; see install.h. */
#include "core/util/install.h"

#include <glib.h>

#define BUILD_TREE_FILE "tenon-build-tree"

struct tree {
    char *source;
    char *build;
};

/* libtool may put the program itself into .libs below its place. */
static struct tree *find_tree(void)
{
    static const char *const places[] = {"", ".."};
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    struct tree *tree = g_new0(struct tree, 1);

    for (gsize i = 0; program && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *directory = g_path_get_dirname(program);
        g_autofree char *path =
            g_build_filename(directory, places[i], BUILD_TREE_FILE, NULL);
        g_autoptr(GKeyFile) file = g_key_file_new();

        if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
            continue;
        tree->source = g_key_file_get_string(file, "build", "srcdir", NULL);
        tree->build = g_key_file_get_string(file, "build", "builddir", NULL);
        if (tree->source && tree->build)
            break;
        g_clear_pointer(&tree->source, g_free);
        g_clear_pointer(&tree->build, g_free);
    }
    return tree;
}

static const struct tree *tree_once(void)
{
    static gsize once;
    static struct tree *tree;

    if (g_once_init_enter(&once)) {
        tree = find_tree();
        g_once_init_leave(&once, 1);
    }
    return tree;
}

const char *tn_build_tree_source(void)
{
    return tree_once()->source;
}

const char *tn_build_tree_build(void)
{
    return tree_once()->build;
}

const char *tn_installed_plugins(void)
{
    return TN_PLUGIN_DIR;
}

const char *tn_installed_data(void)
{
    return TN_DATA_DIR;
}
