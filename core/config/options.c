/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A board's options: `option.aia = none | aplic` in [board], `aia = aplic` in
 * [machine], and `[device plic if aia=none]`; see gather.h.
 */
#include "core/config/gather.h"

#include <string.h>

#include "core/config/section-types.h"
#include "core/util/nearest.h"

#define OPTION "option."
#define IF "if "

/* "none | aplic", split and without blanks. */
static char **choices_of(const char *text)
{
    char **list = g_strsplit(text, "|", -1);

    for (guint i = 0; list[i]; i++)
        g_strstrip(list[i]);
    return list;
}

/* The value that [machine] gives NAME in FILE or, before it, SETTINGS. */
static const struct tn_key *chosen(const char *name,
                                   const struct tn_sections *file,
                                   const struct tn_sections *settings)
{
    const struct tn_sections *both[] = {settings, file};

    for (guint i = 0; i < G_N_ELEMENTS(both); i++) {
        struct tn_section *machine = tn_sections_find(both[i], "machine", "");
        struct tn_key *key = machine ? tn_section_key(machine, name) : NULL;

        if (key && key->value[0])
            return key;
    }
    return NULL;
}

static void report_choice(const struct tn_key *key, char **choices,
                          struct tn_diagnostics *diagnostics)
{
    g_autofree char *all = g_strjoinv(", ", choices);
    g_autofree char *hint = NULL;
    struct tn_nearest nearest;

    tn_nearest_init(&nearest, key->value);
    for (guint i = 0; choices[i]; i++)
        tn_nearest_offer(&nearest, choices[i]);
    hint = tn_nearest_hint(&nearest);
    tn_diagnose(diagnostics, FALSE, key->file, key->line, "machine",
                "%s: '%s' is none of the board's: %s%s", key->name, key->value,
                all, hint);
}

static void read_option(GHashTable *options, const struct tn_key *option,
                        const struct tn_sections *file,
                        const struct tn_sections *settings,
                        struct tn_diagnostics *diagnostics)
{
    const char *name = option->name + strlen(OPTION);
    g_auto(GStrv) choices = choices_of(option->value);
    const struct tn_key *key = chosen(name, file, settings);

    if (!*name || !choices[0] ||
        tn_schema_find(tn_machine_schema, TN_MACHINE_ROWS, name)) {
        tn_diagnose(diagnostics, FALSE, option->file, option->line, "board",
                    "%s: not a name and choices of an option", option->name);
        return;
    }
    if (key && !g_strv_contains((const char *const *)choices, key->value)) {
        report_choice(key, choices, diagnostics);
        key = NULL;
    }
    g_hash_table_insert(options, g_strdup(name),
                        g_strdup(key ? key->value : choices[0]));
}

/* The options are no keys of [machine] or [board] that others know. */
static void remove_keys(struct tn_sections *sections, const char *type,
                        GHashTable *options, const char *prefix)
{
    struct tn_section *section = tn_sections_find(sections, type, "");

    for (guint i = section ? section->keys->len : 0; i > 0; i--) {
        struct tn_key *key = section->keys->pdata[i - 1];

        if (g_str_has_prefix(key->name, prefix) &&
            (*prefix || g_hash_table_contains(options, key->name)))
            g_ptr_array_remove_index(section->keys, i - 1);
    }
}

GHashTable *tn_options_read(struct tn_sections *board, struct tn_sections *file,
                            struct tn_sections *settings,
                            struct tn_diagnostics *diagnostics)
{
    GHashTable *options =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct tn_sections *both[] = {board, file};

    for (guint n = 0; n < G_N_ELEMENTS(both); n++) {
        struct tn_section *section = tn_sections_find(both[n], "board", "");

        for (guint i = 0; section && i < section->keys->len; i++) {
            const struct tn_key *key = section->keys->pdata[i];

            if (g_str_has_prefix(key->name, OPTION))
                read_option(options, key, file, settings, diagnostics);
        }
        remove_keys(both[n], "board", options, OPTION);
    }
    remove_keys(file, "machine", options, "");
    remove_keys(settings, "machine", options, "");
    return options;
}

/* "aia=aplic|aplic-imsic" */
static gboolean holds(const char *condition, GHashTable *options,
                      const struct tn_section *section,
                      struct tn_diagnostics *diagnostics)
{
    g_auto(GStrv) sides = g_strsplit(condition, "=", 2);
    g_auto(GStrv) values = choices_of(sides[1] ? sides[1] : "");
    const char *value = g_hash_table_lookup(options, g_strstrip(sides[0]));

    if (value)
        return g_strv_contains((const char *const *)values, value);
    tn_diagnose(diagnostics, FALSE, section->file, section->line, NULL,
                "[%s %s]: the board has no option '%s'", section->type,
                section->name, sides[0]);
    return FALSE;
}

const char *tn_section_condition(const char *name)
{
    const char *at = g_str_has_prefix(name, IF) ? name : strstr(name, " " IF);

    return at ? at + strlen(IF) + (at != name) : NULL;
}

void tn_options_apply(struct tn_sections *sections, GHashTable *options,
                      struct tn_diagnostics *diagnostics)
{
    struct tn_sections *result = tn_sections_new();
    GPtrArray *list;

    for (guint i = 0; i < sections->list->len; i++) {
        const struct tn_section *section = sections->list->pdata[i];
        const char *condition = tn_section_condition(section->name);
        g_autofree char *name = g_strdup(section->name);

        if (condition) {
            if (!holds(condition, options, section, diagnostics))
                continue;
            name[(size_t)(condition - section->name) - strlen(IF)] = 0;
            g_strchomp(name);
        }
        tn_section_merge(tn_sections_get(result, section->type, name,
                                         section->file, section->line),
                         section);
    }
    list = sections->list;
    sections->list = result->list;
    result->list = list;
    tn_sections_free(result);
}
