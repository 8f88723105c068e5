/* SPDX-License-Identifier: Apache-2.0 */
/* The steps from files to a description, in their order; see config.h. */
#include "core/config/config.h"

#include <string.h>

#include "core/config/gather.h"
#include "core/config/resolve.h"

static char *default_name(const char *file)
{
    g_autofree char *name = NULL;
    char *dot;

    if (!file)
        return g_strdup("machine");
    name = g_path_get_basename(file);
    dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
    return g_steal_pointer(&name);
}

static struct tn_machine_desc *new_desc(const struct tn_config_source *source)
{
    struct tn_machine_desc *desc = g_new0(struct tn_machine_desc, 1);

    desc->name = default_name(source->file);
    desc->cpus = 1;
    desc->attach =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    desc->accels = g_ptr_array_new();
    desc->instances = g_ptr_array_new();
    desc->blocks = g_ptr_array_new();
    desc->secrets = tn_secrets_desc_new();
    return desc;
}

static void resolve(struct tn_resolver *resolver)
{
    tn_resolve_settings(resolver);
    tn_resolve_secrets(resolver);
    tn_resolve_instances(resolver);
    tn_check_secrets(resolver);
    tn_resolve_buses(resolver);
    tn_resolve_wiring(resolver);
    tn_resolve_order(resolver);
}

struct tn_machine_desc *tn_config_load(const struct tn_config_source *source,
                                       struct tn_registry *registry,
                                       struct tn_diagnostics *diagnostics)
{
    g_autofree char *board = NULL;
    guint before = diagnostics->errors;
    struct tn_resolver resolver = {
        .registry = registry,
        .diagnostics = diagnostics,
        .sections = tn_gather(source, &board, diagnostics),
    };

    if (!resolver.sections)
        return NULL;
    resolver.desc = new_desc(source);
    resolver.desc->registry = registry;
    resolver.all = g_ptr_array_new();
    resolver.section_of = g_hash_table_new(NULL, NULL);
    if (board)
        resolver.desc->board = g_canonicalize_filename(board, NULL);
    resolve(&resolver);
    g_ptr_array_free(resolver.all, TRUE);
    g_hash_table_destroy(resolver.section_of);
    tn_sections_free(resolver.sections);
    if (diagnostics->errors > before)
        g_clear_pointer(&resolver.desc, tn_machine_desc_free);
    return resolver.desc;
}
