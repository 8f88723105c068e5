/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of sections and keys; see sections.h. */
#include "core/config/sections.h"

#include <string.h>

static void free_key(gpointer data)
{
    struct tn_key *key = data;

    g_free(key->name);
    g_free(key->value);
    g_free(key->file);
    g_free(key);
}

static void free_section(gpointer data)
{
    struct tn_section *section = data;

    g_free(section->type);
    g_free(section->name);
    g_free(section->file);
    g_ptr_array_free(section->keys, TRUE);
    g_free(section);
}

struct tn_sections *tn_sections_new(void)
{
    struct tn_sections *sections = g_new0(struct tn_sections, 1);

    sections->list = g_ptr_array_new_with_free_func(free_section);
    return sections;
}

void tn_sections_free(struct tn_sections *sections)
{
    if (!sections)
        return;
    g_ptr_array_free(sections->list, TRUE);
    g_free(sections);
}

struct tn_section *tn_sections_find(const struct tn_sections *sections,
                                    const char *type, const char *name)
{
    for (guint i = 0; i < sections->list->len; i++) {
        struct tn_section *section = sections->list->pdata[i];

        if (!strcmp(section->type, type) && !strcmp(section->name, name))
            return section;
    }
    return NULL;
}

struct tn_section *tn_sections_get(struct tn_sections *sections,
                                   const char *type, const char *name,
                                   const char *file, guint line)
{
    struct tn_section *section = tn_sections_find(sections, type, name);

    if (section)
        return section;
    section = g_new0(struct tn_section, 1);
    section->type = g_strdup(type);
    section->name = g_strdup(name);
    section->file = g_strdup(file);
    section->line = line;
    section->keys = g_ptr_array_new_with_free_func(free_key);
    g_ptr_array_add(sections->list, section);
    return section;
}

struct tn_key *tn_section_key(const struct tn_section *section,
                              const char *name)
{
    for (guint i = 0; i < section->keys->len; i++) {
        struct tn_key *key = section->keys->pdata[i];

        if (!strcmp(key->name, name))
            return key;
    }
    return NULL;
}

void tn_section_set(struct tn_section *section, const char *name,
                    const char *value, const char *file, guint line)
{
    struct tn_key *key = tn_section_key(section, name);

    if (!key) {
        key = g_new0(struct tn_key, 1);
        key->name = g_strdup(name);
        g_ptr_array_add(section->keys, key);
    }
    g_free(key->value);
    g_free(key->file);
    key->value = g_strdup(value);
    key->file = g_strdup(file);
    key->line = line;
}

void tn_section_merge(struct tn_section *to, const struct tn_section *from)
{
    for (guint i = 0; i < from->keys->len; i++) {
        const struct tn_key *key = from->keys->pdata[i];

        tn_section_set(to, key->name, key->value, key->file, key->line);
    }
}

void tn_sections_merge(struct tn_sections *to, const struct tn_sections *from)
{
    for (guint i = 0; i < from->list->len; i++) {
        const struct tn_section *section = from->list->pdata[i];

        tn_section_merge(tn_sections_get(to, section->type, section->name,
                                         section->file, section->line),
                         section);
    }
}

char *tn_section_title(const struct tn_section *section)
{
    if (!section->name[0])
        return g_strdup(section->type);
    return g_strdup_printf("%s %s", section->type, section->name);
}

gboolean tn_section_name_valid(const char *name)
{
    if (!*name)
        return FALSE;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && !strchr("-_%", *name))
            return FALSE;
    return TRUE;
}
