/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The components that are installed, and loading of their plugins.
 *
 * A registry is filled from the ELF notes of plugin directories; nothing of a
 * plugin is run until tn_component_load(). Several registries may exist in a
 * process; what they load is shared, checked once more for each. All functions
 * run on the control thread.
 */
#ifndef TENON_CORE_PLUGIN_REGISTRY_H
#define TENON_CORE_PLUGIN_REGISTRY_H

#include <glib.h>
#include <stdint.h>

#include <tenon/abi.h>

#include "core/util/error.h"

struct tn_plugin_notes;
struct tn_registry;

struct tn_safe_walk;

/* One plugin file, as its notes have it. */
struct tn_plugin_file {
    char *path;
    struct tn_plugin_info info;     /* texts terminated, size the host's */
    GPtrArray *components;          /* of struct tn_component_entry * */
    gboolean third_party;           /* id is reverse-domain */
    const struct tn_plugin *loaded; /* NULL until a component is loaded */
    struct tn_safe_walk *walk;      /* the registry's */
};

/* One component: a row that a machine file can name. */
struct tn_component_entry {
    struct tn_plugin_file *plugin;
    struct tn_component_info info;  /* texts terminated, size the host's */
    struct tn_property *properties; /* info.n_properties, host layout */
    /* Set by tn_component_load(): the plugin's table copied into a zeroed
     * one of the host's size, so a missing callback is NULL. */
    struct tn_component_ops ops;
    gboolean loaded;
};

/* A file in a plugin directory that could not be used, and why. */
struct tn_plugin_reject {
    char *path;
    char *reason;                  /* names the file */
    struct tn_plugin_file *plugin; /* its facts if the notes are readable (too
                                      old, too new, hidden by an earlier one),
                                      else NULL */
};

struct tn_registry *tn_registry_new(void);
void tn_registry_free(struct tn_registry *registry);

/* From now on refuse plugins of others (ids in reverse-domain form). */
void tn_registry_refuse_third_party(struct tn_registry *registry);

/* Read the notes of every *.so in DIRECTORY. A file that cannot be used is
 * put on the list of rejects and does not fail the call. Of two components
 * with the same kind and id the one found first stays. Returns 0, or a
 * negative errno if the directory cannot be read or is unsafe. */
int32_t tn_registry_add_directory(struct tn_registry *registry,
                                  const char *directory,
                                  struct tn_error *error);
/* The same for one file; its problem is the result. */
int32_t tn_registry_add_file(struct tn_registry *registry, const char *path,
                             struct tn_error *error);
/* Close the directories that are held open to find plugins quickly. It works
 * on as before, only slower: for when a machine has been built. */
void tn_registry_close_directories(struct tn_registry *registry);
/* Directories in the documented order: EXTRA (--plugin-dir, NULL-terminated,
 * may be NULL), $TENON_PLUGIN_PATH unless the process is privileged, then
 * either the build tree the program stands in or the installed directory.
 * Problems with a directory are warnings in the log. */
void tn_registry_add_default(struct tn_registry *registry,
                             const char *const *extra);

/* The component, or NULL. KIND 0 finds one of any kind. */
struct tn_component_entry *tn_registry_find(struct tn_registry *registry,
                                            uint32_t kind, const char *id);
/* Everything found; owned by the registry. */
GPtrArray *tn_registry_plugins(struct tn_registry *registry);
GPtrArray *tn_registry_components(struct tn_registry *registry);
GPtrArray *tn_registry_rejects(struct tn_registry *registry);

/* The package that would provide component ID, "tenon-dev-virtio-rng", from
 * the index of all components of Tenon's source; NULL if it is not there.
 * Free with g_free(). */
char *tn_registry_package_of(struct tn_registry *registry, uint32_t kind,
                             const char *id);
/* What follows "no device 'x'": the plugin that has it and was refused, or the
 * package that provides it, or "; did you mean 'y'?", or "". Free with
 * g_free(). */
char *tn_registry_hint(struct tn_registry *registry, uint32_t kind,
                       const char *id);

/* Load ENTRY's plugin if it is not, check that its descriptor says what its
 * notes say, and fill ENTRY->ops. Code is never unmapped. 0 or:
 *   -EACCES   unsafe owner or mode of the file or of a directory above it
 *   -ENOEXEC  not a plugin, damaged, or its descriptor differs
 *   -EPROTO   too old, too new, or the entry function returned NULL
 *   -ELIBACC  a library that it needs is missing
 */
int32_t tn_component_load(struct tn_component_entry *entry,
                          struct tn_error *error);

/* Take NOTES, which a file called PATH has, into the registry as if it had been
 * found; NOTES is emptied. For tests and fuzzing. */
int32_t tn_registry_add_notes(struct tn_registry *registry, const char *path,
                              struct tn_plugin_notes *notes,
                              struct tn_error *error);

/* "device", "accel", ...; "unknown" for a kind this host has no name for. And
 * back: 0 if there is none. */
const char *tn_kind_name(uint32_t kind);
uint32_t tn_kind_from_name(const char *name);
/* The same in words for messages: "network back-end". */
const char *tn_kind_title(uint32_t kind);

#endif
