/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loaded plugin's descriptor against the notes of its file. They are the
 * same tables if the plugin was made with the header's macros; a difference
 * means that what was listed, described and checked is not what would run.
 */
#include "core/plugin/loader.h"

#include <errno.h>
#include <string.h>

#define REACHES(table, member)                                                 \
    ((table)->size >=                                                          \
     offsetof(__typeof__(*(table)), member) + sizeof((table)->member))

static int32_t differs(struct tn_error *error, const char *what)
{
    return tn_error_set(error, -ENOEXEC,
                        "its descriptor differs from its notes: %s", what);
}

static int32_t unusable(struct tn_error *error, const char *id,
                        const char *what)
{
    return tn_error_set(error, -ENOEXEC, "component '%s' is unusable: %s", id,
                        what);
}

/* A copy in the host's layout of a record that carries its size. */
static void copy_component_info(struct tn_component_info *to,
                                const struct tn_component_info *from)
{
    tn_copy_sized(to, sizeof *to, from, from->size);
    to->property_size = sizeof(struct tn_property);
}

static gboolean same_properties(const struct tn_component_info *info,
                                const struct tn_component_note *note)
{
    const uint8_t *rows = (const uint8_t *)info + info->size;

    for (uint32_t i = 0; i < note->info.n_properties; i++) {
        struct tn_property row = {0};

        memcpy(&row, rows + (gsize)i * info->property_size,
               MIN(sizeof row, info->property_size));
        if (memcmp(&row, &note->properties[i], sizeof row))
            return FALSE;
    }
    return TRUE;
}

static int32_t check_ops(const struct tn_component *component, const char *id,
                         struct tn_error *error)
{
    const struct tn_component_ops *ops = component->ops;

    if (!ops)
        return unusable(error, id, "no table of callbacks");
    if (!REACHES(ops, destroy) || !ops->create || !ops->destroy)
        return unusable(error, id, "no create or destroy callback");
    return 0;
}

/* The note of COMPONENT, by kind and id: compilers may emit the notes in
 * another order than the descriptor lists them. */
static int32_t find_note(const struct tn_component *component,
                         const struct tn_plugin_notes *notes, guint *index,
                         struct tn_error *error)
{
    struct tn_component_info info;

    if (!component || !REACHES(component, ops) || !component->info)
        return differs(error, "a component without information");
    if (!REACHES(component->info, summary))
        return differs(error, "a component record too short");
    copy_component_info(&info, component->info);
    for (guint i = 0; i < notes->components->len; i++) {
        const struct tn_component_note *note =
            &g_array_index(notes->components, struct tn_component_note, i);

        if (memcmp(&info, &note->info, sizeof info))
            continue;
        if (!same_properties(component->info, note))
            return differs(error, "a component's properties");
        *index = i;
        return check_ops(component, note->info.id, error);
    }
    return differs(error, "a component that has no note");
}

static int32_t check_info(const struct tn_plugin *plugin,
                          const struct tn_plugin_notes *notes,
                          struct tn_error *error)
{
    struct tn_plugin_info info;

    if (!REACHES(plugin, components))
        return differs(error, "descriptor too short");
    if (!plugin->info || !plugin->components)
        return differs(error, "no information or no components");
    if (!REACHES(plugin->info, summary))
        return differs(error, "plugin record too short");
    tn_copy_sized(&info, sizeof info, plugin->info, plugin->info->size);
    if (memcmp(&info, &notes->info, sizeof info))
        return differs(error, "the plugin's record");
    return 0;
}

int32_t tn_plugin_check_descriptor(const struct tn_plugin *plugin,
                                   const struct tn_plugin_notes *notes,
                                   struct tn_error *error)
{
    g_autofree gboolean *seen = g_new0(gboolean, notes->components->len + 1);
    int32_t code = check_info(plugin, notes, error);

    for (guint i = 0; !code && i < notes->components->len; i++) {
        guint index = 0;

        code = find_note(plugin->components[i], notes, &index, error);
        if (!code && seen[index])
            code = differs(error, "a component twice");
        seen[index] = TRUE;
    }
    return code;
}
