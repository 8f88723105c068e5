/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the board, the machine file and --set into one; see gather.h. */
#include "core/config/gather.h"

#include <string.h>

/* Boards that add to boards. */
#define MAX_BASES 8u

static const struct tn_key *find_key(const struct tn_sections *sections,
                                     const char *type, const char *name)
{
    struct tn_section *section = tn_sections_find(sections, type, "");
    struct tn_key *key = section ? tn_section_key(section, name) : NULL;

    return key && key->value[0] ? key : NULL;
}

/* The directory that relative names in FILE are seen from. */
static char *directory_of(const char *file)
{
    if (!strcmp(file, "--set"))
        return g_strdup(".");
    return g_path_get_dirname(file);
}

/* The board KEY names, with the boards it adds to beneath it. */
static struct tn_sections *read_board(const struct tn_key *key, guint depth,
                                      const struct tn_config_source *source,
                                      char **path,
                                      struct tn_diagnostics *diagnostics)
{
    g_autofree char *beside = directory_of(key->file);
    struct tn_sections *board = tn_sections_new(), *base;
    const struct tn_key *base_key;
    g_autofree char *base_path = NULL;

    *path =
        tn_board_find(key->value, beside, source->board_dirs, key, diagnostics);
    if (!*path || !tn_sections_read_file(board, *path, diagnostics))
        return board;
    base_key = find_key(board, "board", "base");
    if (!base_key)
        return board;
    if (depth >= MAX_BASES) {
        tn_diagnose(diagnostics, FALSE, base_key->file, base_key->line, "board",
                    "too many boards one on the other");
        return board;
    }
    base = read_board(base_key, depth + 1, source, &base_path, diagnostics);
    tn_sections_merge(base, board);
    tn_sections_free(board);
    return base;
}

struct tn_sections *tn_gather(const struct tn_config_source *source,
                              char **board, struct tn_diagnostics *diagnostics)
{
    struct tn_sections *file = tn_sections_new();
    struct tn_sections *settings = tn_sections_new();
    struct tn_sections *all;
    const struct tn_key *key;
    GHashTable *options;

    *board = NULL;
    if (source->file &&
        !tn_sections_read_file(file, source->file, diagnostics)) {
        tn_sections_free(file);
        tn_sections_free(settings);
        return NULL;
    }
    for (guint i = 0; source->settings && source->settings[i]; i++)
        tn_sections_read_setting(settings, source->settings[i], diagnostics);
    key = find_key(settings, "machine", "board");
    if (!key)
        key = find_key(file, "machine", "board");
    all = key ? read_board(key, 0, source, board, diagnostics)
              : tn_sections_new();
    options = tn_options_read(all, file, settings, diagnostics);
    tn_options_apply(all, options, diagnostics);
    tn_options_apply(file, options, diagnostics);
    g_hash_table_destroy(options);
    tn_sections_merge(all, file);
    tn_sections_merge(all, settings);
    tn_sections_free(file);
    tn_sections_free(settings);
    tn_replicate(all, diagnostics);
    return all;
}
