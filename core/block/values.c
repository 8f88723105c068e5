/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See values.h.
 */
#include "core/block/values.h"

#include <errno.h>
#include <string.h>

static gboolean is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}

static gboolean same_name(const char *a, const char *b)
{
    while (*a && (*a == *b || (is_separator(*a) && is_separator(*b))))
        a++, b++;
    return *a == *b;
}

struct tn_value *block_values_new(struct tn_component_entry *entry,
                                  struct tn_error *error)
{
    struct tn_value *values = g_new0(struct tn_value,
                                     entry->info.n_properties + 1);

    for (guint i = 0; i < entry->info.n_properties; i++) {
        const struct tn_property *row = &entry->properties[i];

        values[i].schema = row;
        if (row->default_value[0] &&
            tn_value_parse(&values[i], row, row->default_value, NULL, error)) {
            block_values_free(entry, values);
            return NULL;
        }
    }
    return values;
}

struct tn_value *block_values_copy(struct tn_component_entry *entry,
                                   const struct tn_value *values)
{
    struct tn_value *copy = g_new0(struct tn_value,
                                   entry->info.n_properties + 1);

    for (guint i = 0; i < entry->info.n_properties; i++)
        tn_value_copy(&copy[i], &values[i]);
    return copy;
}

void block_values_free(struct tn_component_entry *entry,
                       struct tn_value *values)
{
    for (guint i = 0; values && i < entry->info.n_properties; i++)
        tn_value_clear(&values[i]);
    g_free(values);
}

const struct tn_property *block_values_row(struct tn_component_entry *entry,
                                           const char *name)
{
    for (guint i = 0; i < entry->info.n_properties; i++)
        if (same_name(entry->properties[i].name, name))
            return &entry->properties[i];
    return NULL;
}

/* Other spellings: "64k"; an enumeration's choices without regard to case and
 * separators, and "v2" and "v3" for versions of qcow2. */
static const char *own_text(const struct tn_property *row, const char *text,
                               char **owned)
{
    g_auto(GStrv) choices = NULL;

    if (row->type == TN_PROP_SIZE) {
        *owned = g_ascii_strup(text, -1);
        return g_str_has_prefix(text, "0x") ? text : *owned;
    }
    if (row->type != TN_PROP_ENUM)
        return text;
    choices = g_strsplit(row->choices, "|", -1);
    for (guint i = 0; choices[i]; i++) {
        if (!g_ascii_strcasecmp(choices[i], text) ||
            same_name(choices[i], text)) {
            *owned = g_strdup(choices[i]);
            return *owned;
        }
    }
    if (!strcmp(text, "v2") && g_strv_contains((const char *const *)choices,
                                               "0.10"))
        return "0.10";
    if (!strcmp(text, "v3") && g_strv_contains((const char *const *)choices,
                                               "1.1"))
        return "1.1";
    return text;
}

int32_t block_values_set(struct tn_component_entry *entry,
                         struct tn_value *values, const char *name,
                         const char *text, struct tn_error *error)
{
    const struct tn_property *row = block_values_row(entry, name);
    g_autofree char *choice = NULL;
    struct tn_value *value;
    int32_t rc;

    if (!row)
        return -ENOENT;
    value = &values[row - entry->properties];
    tn_value_clear(value);
    memset(value, 0, sizeof *value);
    value->schema = row;
    rc = tn_value_parse(value, row, own_text(row, text, &choice), NULL,
                        error);
    if (rc) {
        tn_error_prefix(error, "%s: ", name);
        return rc;
    }
    value->set = TRUE;
    return 0;
}
