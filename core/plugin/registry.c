/* SPDX-License-Identifier: Apache-2.0 */
/* The components that are installed; see registry.h. */
#include "core/plugin/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/plugin/loader.h"
#include "core/plugin/registry-private.h"
#include "core/util/log.h"
#include "core/util/nearest.h"

static const struct {
    uint32_t kind;
    const char *name;
    const char *title;
} kinds[] = {
    {TN_KIND_DEVICE, "device", "device"},
    {TN_KIND_ACCEL, "accel", "accelerator"},
    {TN_KIND_TARGET, "target", "CPU target"},
    {TN_KIND_FORMAT, "format", "image format"},
    {TN_KIND_PROTOCOL, "protocol", "image protocol"},
    {TN_KIND_NET, "net", "network back-end"},
    {TN_KIND_CHAR, "char", "character back-end"},
    {TN_KIND_BOOT, "boot", "boot protocol"},
    {TN_KIND_MIGRATION, "migration", "migration transport"},
    {TN_KIND_DISPLAY, "display", "display back-end"},
    {TN_KIND_MANAGEMENT, "management", "management service"},
};

const char *tn_kind_title(uint32_t kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].title;
    return "component of unknown kind";
}

const char *tn_kind_name(uint32_t kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "unknown";
}

uint32_t tn_kind_from_name(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (!strcmp(kinds[i].name, name))
            return kinds[i].kind;
    return 0;
}

static void free_entry(gpointer data)
{
    struct tn_component_entry *entry = data;

    g_free(entry->properties);
    g_free(entry);
}

static void free_plugin(gpointer data)
{
    struct tn_plugin_file *plugin = data;

    if (!plugin)
        return;
    g_ptr_array_free(plugin->components, TRUE);
    g_free(plugin->path);
    g_free(plugin);
}

static void free_reject(gpointer data)
{
    struct tn_plugin_reject *reject = data;

    free_plugin(reject->plugin);
    g_free(reject->path);
    g_free(reject->reason);
    g_free(reject);
}

static void free_index_row(gpointer data)
{
    struct index_row *row = data;

    g_free(row->id);
    g_free(row->plugin);
    g_free(row);
}

struct tn_registry *tn_registry_new(void)
{
    struct tn_registry *registry = g_new0(struct tn_registry, 1);

    registry->plugins = g_ptr_array_new_with_free_func(free_plugin);
    registry->components = g_ptr_array_new();
    registry->rejects = g_ptr_array_new_with_free_func(free_reject);
    registry->index = g_ptr_array_new_with_free_func(free_index_row);
    registry->walk = tn_safe_walk_new();
    return registry;
}

void tn_registry_free(struct tn_registry *registry)
{
    if (!registry)
        return;
    g_ptr_array_free(registry->components, TRUE);
    g_ptr_array_free(registry->plugins, TRUE);
    g_ptr_array_free(registry->rejects, TRUE);
    g_ptr_array_free(registry->index, TRUE);
    tn_safe_walk_free(registry->walk);
    g_free(registry);
}

void tn_registry_close_directories(struct tn_registry *registry)
{
    tn_safe_walk_forget(registry->walk);
}

void tn_registry_refuse_third_party(struct tn_registry *registry)
{
    registry->in_tree_only = TRUE;
}

/* NOTES as the registry keeps them; takes the property tables. */
static struct tn_plugin_file *plugin_from_notes(const char *path,
                                                struct tn_plugin_notes *notes)
{
    struct tn_plugin_file *plugin = g_new0(struct tn_plugin_file, 1);

    plugin->path = g_strdup(path);
    plugin->info = notes->info;
    plugin->third_party = strchr(notes->info.id, '.') != NULL;
    plugin->components = g_ptr_array_new_with_free_func(free_entry);
    for (guint i = 0; i < notes->components->len; i++) {
        struct tn_component_note *note =
            &g_array_index(notes->components, struct tn_component_note, i);
        struct tn_component_entry *entry = g_new0(struct tn_component_entry, 1);

        entry->plugin = plugin;
        entry->info = note->info;
        entry->properties = g_steal_pointer(&note->properties);
        g_ptr_array_add(plugin->components, entry);
    }
    tn_plugin_notes_clear(notes);
    return plugin;
}

static void reject(struct tn_registry *registry, const char *path,
                   struct tn_plugin_file *plugin, const char *reason)
{
    struct tn_plugin_reject *row = g_new0(struct tn_plugin_reject, 1);

    row->path = g_strdup(path);
    row->reason = g_strdup(reason);
    row->plugin = plugin;
    g_ptr_array_add(registry->rejects, row);
}

static struct tn_plugin_file *find_plugin(struct tn_registry *registry,
                                          const char *id)
{
    for (guint i = 0; i < registry->plugins->len; i++) {
        struct tn_plugin_file *plugin = registry->plugins->pdata[i];

        if (!strcmp(plugin->info.id, id))
            return plugin;
    }
    return NULL;
}

/* A component that another plugin already provides stays with that one. */
static void add_components(struct tn_registry *registry,
                           struct tn_plugin_file *plugin)
{
    for (guint i = 0; i < plugin->components->len; i++) {
        struct tn_component_entry *entry = plugin->components->pdata[i];
        struct tn_component_entry *other =
            tn_registry_find(registry, entry->info.kind, entry->info.id);
        g_autofree char *reason = NULL;

        if (!other) {
            g_ptr_array_add(registry->components, entry);
            continue;
        }
        reason = g_strdup_printf("%s: its %s '%s' is hidden by the one in %s",
                                 plugin->path, tn_kind_name(entry->info.kind),
                                 entry->info.id, other->plugin->path);
        reject(registry, plugin->path, NULL, reason);
    }
}

/* Put the file on the list of rejects for what OWN says, and tell the caller
 * too, who may not want to know. */
static int32_t refuse(struct tn_registry *registry, const char *path,
                      struct tn_plugin_file *plugin, int32_t code,
                      const struct tn_error *own, struct tn_error *error)
{
    reject(registry, path, plugin, tn_error_text(own, code));
    return tn_error_set(error, code, "%s", tn_error_text(own, code));
}

int32_t tn_registry_add_notes(struct tn_registry *registry, const char *path,
                              struct tn_plugin_notes *notes,
                              struct tn_error *error)
{
    struct tn_plugin_file *plugin = plugin_from_notes(path, notes);
    struct tn_plugin_file *other = find_plugin(registry, plugin->info.id);
    g_auto(tn_error_auto) own = TN_ERROR_INIT;
    int32_t code = tn_plugin_info_supported(&plugin->info, &own);

    plugin->walk = registry->walk;
    if (code)
        tn_error_prefix(&own, "%s: ", path);
    else if (plugin->third_party && registry->in_tree_only)
        code = tn_error_set(&own, -EPERM, "%s: a third-party plugin", path);
    else if (other)
        code =
            tn_error_set(&own, -EEXIST, "%s: hidden by %s", path, other->path);
    if (code)
        return refuse(registry, path, plugin, code, &own, error);
    g_ptr_array_add(registry->plugins, plugin);
    add_components(registry, plugin);
    return 0;
}

int32_t tn_registry_add_file(struct tn_registry *registry, const char *path,
                             struct tn_error *error)
{
    g_auto(tn_error_auto) own = TN_ERROR_INIT;
    struct tn_plugin_notes notes;
    int32_t code = tn_plugin_inspect(path, &notes, &own);

    if (code)
        return refuse(registry, path, NULL, code, &own, error);
    return tn_registry_add_notes(registry, path, &notes, error);
}

/* The file NAME in PLACE, which is DIRECTORY. */
static void add_file_at(struct tn_registry *registry, int place,
                        const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_auto(tn_error_auto) own = TN_ERROR_INIT;
    struct tn_plugin_notes notes;
    int32_t code = tn_plugin_inspect_at(place, name, path, &notes, &own);

    if (code)
        (void)refuse(registry, path, NULL, code, &own, NULL);
    else
        (void)tn_registry_add_notes(registry, path, &notes, NULL);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of PLACE's plugins, sorted: the same whatever the file system's
 * order. NULL if it cannot be read. */
static GPtrArray *plugin_names(int place)
{
    int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    GPtrArray *names;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    names = g_ptr_array_new_with_free_func(g_free);
    while ((entry = readdir(dir)))
        if (g_str_has_suffix(entry->d_name, ".so"))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    closedir(dir);
    g_ptr_array_sort(names, compare_names);
    return names;
}

int32_t tn_registry_add_directory(struct tn_registry *registry,
                                  const char *directory, struct tn_error *error)
{
    g_autoptr(GPtrArray) names = NULL;
    int32_t place = tn_safe_directory(registry->walk, directory, error);

    if (place < 0)
        return place;
    names = plugin_names(place);
    for (guint i = 0; names && i < names->len; i++)
        add_file_at(registry, place, directory, names->pdata[i]);
    close(place);
    if (names)
        return 0;
    return tn_error_set(error, -EACCES, "'%s' cannot be read", directory);
}

struct tn_component_entry *tn_registry_find(struct tn_registry *registry,
                                            uint32_t kind, const char *id)
{
    for (guint i = 0; i < registry->components->len; i++) {
        struct tn_component_entry *entry = registry->components->pdata[i];

        if ((!kind || entry->info.kind == kind) && !strcmp(entry->info.id, id))
            return entry;
    }
    return NULL;
}

GPtrArray *tn_registry_plugins(struct tn_registry *registry)
{
    return registry->plugins;
}

GPtrArray *tn_registry_components(struct tn_registry *registry)
{
    return registry->components;
}

GPtrArray *tn_registry_rejects(struct tn_registry *registry)
{
    return registry->rejects;
}

char *tn_registry_package_of(struct tn_registry *registry, uint32_t kind,
                             const char *id)
{
    for (guint i = 0; i < registry->index->len; i++) {
        const struct index_row *row = registry->index->pdata[i];

        if ((!kind || row->kind == kind) && !strcmp(row->id, id))
            return g_strdup_printf("tenon-%s", row->plugin);
    }
    return NULL;
}

/* Why a plugin that is there and has the component is not used, or NULL. */
static const char *refused_because(struct tn_registry *registry, uint32_t kind,
                                   const char *id)
{
    for (guint i = 0; i < registry->rejects->len; i++) {
        const struct tn_plugin_reject *row = registry->rejects->pdata[i];

        for (guint j = 0; row->plugin && j < row->plugin->components->len;
             j++) {
            const struct tn_component_entry *entry =
                row->plugin->components->pdata[j];

            if ((!kind || entry->info.kind == kind) &&
                !strcmp(entry->info.id, id))
                return row->reason;
        }
    }
    return NULL;
}

char *tn_registry_hint(struct tn_registry *registry, uint32_t kind,
                       const char *id)
{
    g_autofree char *package = NULL;
    const char *reason = refused_because(registry, kind, id);
    const struct tn_component_entry *other = tn_registry_find(registry, 0, id);
    struct tn_nearest nearest;

    if (reason)
        return g_strdup_printf(" (%s)", reason);
    package = tn_registry_package_of(registry, kind, id);
    if (package)
        return g_strdup_printf(" (the package %s provides it)", package);
    if (other)
        return g_strdup_printf("; '%s' is a %s", id,
                               tn_kind_title(other->info.kind));
    tn_nearest_init(&nearest, id);
    for (guint i = 0; i < registry->components->len; i++) {
        const struct tn_component_entry *entry = registry->components->pdata[i];

        if (!kind || entry->info.kind == kind)
            tn_nearest_offer(&nearest, entry->info.id);
    }
    for (guint i = 0; i < registry->index->len; i++) {
        const struct index_row *row = registry->index->pdata[i];

        if (!kind || row->kind == kind)
            tn_nearest_offer(&nearest, row->id);
    }
    return tn_nearest_hint(&nearest);
}

/* The loaded plugin's component that ENTRY's note describes. */
static const struct tn_component *
component_of(const struct tn_plugin *plugin,
             const struct tn_component_entry *entry)
{
    for (guint i = 0; i < plugin->info->n_components; i++) {
        const struct tn_component *component = plugin->components[i];

        if (component->info->kind == entry->info.kind &&
            component->info->n_properties == entry->info.n_properties &&
            !strcmp(component->info->id, entry->info.id))
            return component;
    }
    return NULL;
}

int32_t tn_component_load(struct tn_component_entry *entry,
                          struct tn_error *error)
{
    struct tn_plugin_file *file = entry->plugin;
    const struct tn_component *component;

    if (entry->loaded)
        return 0;
    if (!file->loaded) {
        int32_t code = tn_plugin_load(file->walk, file->path, &file->loaded,
                                      error);

        if (code) {
            file->loaded = NULL;
            return code;
        }
    }
    component = component_of(file->loaded, entry);
    if (!component)
        /* The file was replaced since its notes were read. */
        return tn_error_set(error, -ENOEXEC, "%s: has no %s '%s' any more",
                            file->path, tn_kind_name(entry->info.kind),
                            entry->info.id);
    tn_copy_sized(&entry->ops, sizeof entry->ops, component->ops,
                  component->ops->size);
    entry->loaded = TRUE;
    return 0;
}
