/* SPDX-License-Identifier: Apache-2.0 */
/* `[device virtio-mmio-%]` with `count = 8`; see gather.h. */
#include "core/config/gather.h"

#include <string.h>

#include "core/config/section-types.h"
#include "core/plugin/schema.h"

static char *with_index(const char *text, guint index)
{
    g_autofree char *number = g_strdup_printf("%u", index);
    g_auto(GStrv) parts = g_strsplit(text, "%", -1);

    return g_strjoinv(number, parts);
}

/* The value of `count`, or 0 after reporting. */
static guint read_count(const struct tn_section *section,
                        struct tn_diagnostics *diagnostics)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *title = tn_section_title(section);
    struct tn_key *key = tn_section_key(section, "count");
    struct tn_value value = {0};
    guint count;

    if (!key || !key->value[0]) {
        tn_diagnose(diagnostics, FALSE, section->file, section->line, title,
                    "'count' is missing: the name has a '%%'");
        return 0;
    }
    if (tn_value_parse(&value,
                       tn_schema_find(tn_instance_schema,
                                      tn_instance_schema_rows, "count"),
                       key->value, NULL, &error)) {
        tn_diagnose(diagnostics, FALSE, key->file, key->line, title,
                    "count: %s", error.text);
        return 0;
    }
    count = (guint)value.items[0].number;
    tn_value_clear(&value);
    return count;
}

static void copy_with_index(struct tn_section *to,
                            const struct tn_section *from, guint index)
{
    for (guint i = 0; i < from->keys->len; i++) {
        const struct tn_key *key = from->keys->pdata[i];
        g_autofree char *value = with_index(key->value, index);

        if (strcmp(key->name, "count"))
            tn_section_set(to, key->name, value, key->file, key->line);
    }
}

static void make_copies(struct tn_sections *to,
                        const struct tn_sections *explicit_ones,
                        const struct tn_section *section,
                        struct tn_diagnostics *diagnostics)
{
    guint count = read_count(section, diagnostics);

    for (guint i = 0; i < count; i++) {
        g_autofree char *name = with_index(section->name, i);
        struct tn_section *copy = tn_sections_get(to, section->type, name,
                                                  section->file, section->line);
        struct tn_section *over =
            tn_sections_find(explicit_ones, section->type, name);

        copy_with_index(copy, section, i);
        if (over)
            tn_section_merge(copy, over);
    }
}

static void check_no_count(const struct tn_section *section,
                           struct tn_diagnostics *diagnostics)
{
    struct tn_key *key = tn_section_key(section, "count");
    const struct tn_section_type *type = tn_section_type_find(section->type);

    if (key && type && type->schema == tn_instance_schema) {
        g_autofree char *title = tn_section_title(section);

        tn_diagnose(diagnostics, FALSE, key->file, key->line, title,
                    "'count' needs a '%%' in the section's name");
    }
}

void tn_replicate(struct tn_sections *sections,
                  struct tn_diagnostics *diagnostics)
{
    struct tn_sections *result = tn_sections_new();
    GPtrArray *list;

    for (guint i = 0; i < sections->list->len; i++) {
        const struct tn_section *section = sections->list->pdata[i];

        if (strchr(section->name, '%')) {
            make_copies(result, sections, section, diagnostics);
            continue;
        }
        check_no_count(section, diagnostics);
        tn_section_merge(tn_sections_get(result, section->type, section->name,
                                         section->file, section->line),
                         section);
    }
    list = sections->list;
    sections->list = result->list;
    result->list = list;
    tn_sections_free(result);
}
