/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a section as values of schemas, and what the steps of resolving
 * share; see resolve.h. */
#include "core/config/resolve.h"

#include <stdarg.h>
#include <string.h>

#include "core/util/nearest.h"

static void report(struct tn_resolver *resolver, gboolean warning,
                   const struct tn_section *section, const struct tn_key *key,
                   const char *format, va_list ap)
{
    g_autofree char *title = section ? tn_section_title(section) : NULL;
    g_autofree char *text = g_strdup_vprintf(format, ap);
    const char *file = key ? key->file : section ? section->file : NULL;
    guint line = key ? key->line : section ? section->line : 0;

    tn_diagnose(resolver->diagnostics, warning, file, line, title, "%s", text);
}

void tn_resolve_error(struct tn_resolver *resolver,
                      const struct tn_section *section,
                      const struct tn_key *key, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report(resolver, FALSE, section, key, format, ap);
    va_end(ap);
}

void tn_resolve_warning(struct tn_resolver *resolver,
                        const struct tn_section *section,
                        const struct tn_key *key, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report(resolver, TRUE, section, key, format, ap);
    va_end(ap);
}

gboolean tn_apply_key(struct tn_resolver *resolver,
                      const struct tn_section *section, struct tn_key *key,
                      const struct tn_property *schema, struct tn_value *value)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *beside =
        strcmp(key->file, "--set") ? g_path_get_dirname(key->file) : NULL;
    g_autofree char *directory =
        beside ? g_canonicalize_filename(beside, NULL) : NULL;

    key->used = TRUE;
    if (!key->value[0])
        return TRUE;
    tn_value_clear(value); /* core may have set it before */
    if (tn_value_parse(value, schema, key->value, directory, &error)) {
        tn_resolve_error(resolver, section, key, "%s: %s", key->name,
                         error.text);
        /* Set all the same, so that it is not called missing as well. */
        value->set = TRUE;
        return FALSE;
    }
    value->set = TRUE;
    value->file = g_strdup(key->file);
    value->line = key->line;
    return TRUE;
}

/* The row called NAME in the sets that PREFIX (with its dot; NULL: none) lets
 * in. */
static gboolean find_row(struct tn_value_set *sets, guint n_sets,
                         const char *prefix, const char *name,
                         struct tn_value_set **set, guint *row)
{
    for (guint i = 0; i < n_sets; i++) {
        if (prefix && strcmp(prefix, sets[i].prefix))
            continue;
        for (guint j = 0; j < sets[i].rows; j++) {
            if (strcmp(sets[i].schema[j].name, name))
                continue;
            *set = &sets[i];
            *row = j;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean any_open(const struct tn_value_set *sets, guint n_sets)
{
    for (guint i = 0; i < n_sets; i++)
        if (sets[i].open)
            return TRUE;
    return FALSE;
}

/* The prefix that NAME begins with, or NULL. */
static const char *prefix_of(const struct tn_value_set *sets, guint n_sets,
                             const char *name)
{
    for (guint i = 0; i < n_sets; i++)
        if (g_str_has_prefix(name, sets[i].prefix))
            return sets[i].prefix;
    return NULL;
}

static void report_unknown(struct tn_resolver *resolver,
                           const struct tn_section *section,
                           const struct tn_key *key,
                           const struct tn_property *reserved, guint n_reserved,
                           struct tn_value_set *sets, guint n_sets)
{
    g_autofree char *hint = NULL;
    struct tn_nearest nearest;
    struct tn_value_set *meant;
    guint row;

    if (any_open(sets, n_sets))
        return;
    tn_nearest_init(&nearest, key->name);
    for (guint i = 0; i < n_sets; i++)
        for (guint j = 0; j < sets[i].rows; j++)
            tn_nearest_offer(&nearest, sets[i].schema[j].name);
    for (guint i = 0; i < n_reserved; i++)
        tn_nearest_offer(&nearest, reserved[i].name);
    hint = tn_nearest_hint(&nearest);
    tn_resolve_error(resolver, section, key, "unknown property '%s'%s",
                     key->name, hint);
    /* What was meant is not missing as well. */
    if (nearest.best &&
        find_row(sets, n_sets, NULL, nearest.best, &meant, &row))
        meant->values[row].set = TRUE;
}

static void apply_one(struct tn_resolver *resolver,
                      const struct tn_section *section, struct tn_key *key,
                      const struct tn_property *reserved, guint n_reserved,
                      struct tn_value_set *sets, guint n_sets)
{
    const char *prefix = prefix_of(sets, n_sets, key->name);
    const char *name = prefix ? key->name + strlen(prefix) : key->name;
    struct tn_value_set *set;
    guint row;

    if (find_row(sets, n_sets, prefix, name, &set, &row))
        tn_apply_key(resolver, section, key, &set->schema[row],
                     &set->values[row]);
    else
        report_unknown(resolver, section, key, reserved, n_reserved, sets,
                       n_sets);
}

static void apply_default(struct tn_resolver *resolver,
                          const struct tn_section *section,
                          const struct tn_property *schema,
                          struct tn_value *value)
{
    value->schema = schema;
    if (value->set)
        return;
    if (schema->default_value[0])
        /* Checked when the schema was read. */
        (void)tn_value_parse(value, schema, schema->default_value, "/", NULL);
    else if (schema->flags & TN_PROP_REQUIRED)
        tn_resolve_error(resolver, section, NULL, "'%s' is missing (%s)",
                         schema->name, schema->doc);
}

void tn_apply_defaults(struct tn_resolver *resolver,
                       const struct tn_section *section,
                       struct tn_value_set *sets, guint n_sets)
{
    for (guint i = 0; i < n_sets; i++)
        for (guint j = 0; j < sets[i].rows; j++)
            apply_default(resolver, section, &sets[i].schema[j],
                          &sets[i].values[j]);
}

void tn_apply_keys(struct tn_resolver *resolver,
                   const struct tn_section *section,
                   const struct tn_property *reserved, guint n_reserved,
                   struct tn_value_set *sets, guint n_sets)
{
    for (guint i = 0; section && i < section->keys->len; i++) {
        struct tn_key *key = section->keys->pdata[i];

        if (!key->used && !tn_schema_find(reserved, n_reserved, key->name))
            apply_one(resolver, section, key, reserved, n_reserved, sets,
                      n_sets);
    }
    tn_apply_defaults(resolver, section, sets, n_sets);
}

struct tn_component_entry *
tn_resolve_component(struct tn_resolver *resolver,
                     const struct tn_section *section, const struct tn_key *key,
                     uint32_t kind, const char *id)
{
    struct tn_component_entry *entry =
        tn_registry_find(resolver->registry, kind, id);
    g_autofree char *hint = NULL;

    if (entry)
        return entry;
    hint = tn_registry_hint(resolver->registry, kind, id);
    tn_resolve_error(resolver, section, key, "no %s '%s' is installed%s",
                     tn_kind_title(kind), id, hint);
    resolver->missing_component = TRUE;
    return NULL;
}

struct tn_instance_desc *tn_new_instance(struct tn_resolver *resolver,
                                         const char *id,
                                         struct tn_component_entry *component,
                                         struct tn_section *section,
                                         gboolean listed)
{
    struct tn_instance_desc *instance = g_new0(struct tn_instance_desc, 1);

    instance->id = g_strdup(id);
    instance->component = component;
    instance->values =
        g_new0(struct tn_value, MAX(component->info.n_properties, 1));
    instance->slot = -1;
    instance->board_order = resolver->all->len;
    instance->section_type = g_strdup(section ? section->type : "device");
    instance->section_name = g_strdup(section ? section->name : id);
    instance->file = g_strdup(section ? section->file : NULL);
    instance->line = section ? section->line : 0;
    if (component->info.bus[0])
        instance->bus = g_strdup(component->info.bus);
    if (section)
        g_hash_table_insert(resolver->section_of, instance, section);
    if (listed)
        g_ptr_array_add(resolver->all, instance);
    return instance;
}

struct tn_value_set tn_instance_values(struct tn_instance_desc *instance,
                                       const char *prefix)
{
    struct tn_value_set set = {
        .prefix = prefix,
        .schema = instance->component->properties,
        .rows = instance->component->info.n_properties,
        .values = instance->values,
    };

    return set;
}

struct tn_instance_desc *tn_find_instance(const struct tn_resolver *resolver,
                                          const char *id)
{
    for (guint i = 0; i < resolver->all->len; i++) {
        struct tn_instance_desc *instance = resolver->all->pdata[i];

        if (!strcmp(instance->id, id))
            return instance;
    }
    return NULL;
}

char *tn_instance_hint(const struct tn_resolver *resolver, const char *id)
{
    struct tn_nearest nearest;

    tn_nearest_init(&nearest, id);
    for (guint i = 0; i < resolver->all->len; i++)
        tn_nearest_offer(
            &nearest, ((struct tn_instance_desc *)resolver->all->pdata[i])->id);
    return tn_nearest_hint(&nearest);
}

gint tn_cpu_number(const char *id)
{
    uint64_t number;

    if (!g_str_has_prefix(id, "cpu") || !id[3])
        return -1;
    if (id[3] == '0' && id[4])
        return -1; /* one spelling each */
    for (const char *digit = id + 3; *digit; digit++)
        if (!g_ascii_isdigit(*digit))
            return -1;
    number = g_ascii_strtoull(id + 3, NULL, 10);
    return number > G_MAXINT ? -1 : (gint)number;
}
