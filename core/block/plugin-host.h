/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance of a format or protocol plugin, and the host it sees: log,
 * properties and, for formats, tenon.host.image/1. There may be no machine.
 */
#ifndef TENON_CORE_BLOCK_PLUGIN_HOST_H
#define TENON_CORE_BLOCK_PLUGIN_HOST_H

#include <glib.h>

#include <tenon/block-plugin.h>

#include "core/plugin/host-base.h"
#include "core/plugin/registry.h"
#include "core/plugin/schema.h"
#include "core/util/error.h"

struct block_context;
struct block_file;
struct block_node;

struct plugin_host {
    struct host_base base; /* first: plugins hold its address */
    struct tn_component_entry *entry;
    struct tn_value *values; /* its own, a row each of the schema */
    void *self;
    struct block_context *context;
    struct block_node *node; /* of a format, or NULL */
    struct block_file *file; /* of a protocol, or NULL: nothing is open */
};

/* Load, create and configure. VALUES is copied: a plugin may ask for its
 * properties as long as it lives; NULL: all properties have their defaults. ID
 * names it in messages and must outlive it. The caller sets node or file before
 * it calls more of the plugin. */
int32_t plugin_host_init(struct plugin_host *host,
                         struct tn_component_entry *entry,
                         const struct tn_value *values, const char *id,
                         struct block_context *context,
                         struct tn_error *error);
void plugin_host_clear(struct plugin_host *host);
/* The interface copied into a zeroed table of BYTES; FALSE: not offered. */
gboolean plugin_host_interface(struct plugin_host *host, const char *id,
                               void *table, gsize bytes);
/* What a plugin returned: 0 or a negative errno, nothing else. */
int32_t plugin_result(const struct plugin_host *host, int64_t result);

extern const struct tn_image block_image_service;
extern const struct tn_children block_child_service;

#endif
