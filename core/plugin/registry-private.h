/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's inside: shared by registry.c and plugin-path.c. */
#ifndef TENON_CORE_PLUGIN_REGISTRY_PRIVATE_H
#define TENON_CORE_PLUGIN_REGISTRY_PRIVATE_H

#include "core/plugin/registry.h"
#include "core/plugin/safe-open.h"

/* One row of the index of Tenon's own components. */
struct index_row {
    uint32_t kind;
    char *id;
    char *plugin;
};

struct tn_registry {
    GPtrArray *plugins;    /* owns */
    GPtrArray *components; /* of struct tn_component_entry *; plugins own */
    GPtrArray *rejects;    /* owns */
    GPtrArray *index;      /* of struct index_row * */
    struct tn_safe_walk *walk;
    gboolean in_tree_only; /* refuse third-party plugins */
};

#endif
