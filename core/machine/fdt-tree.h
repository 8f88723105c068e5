/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's device tree, made of what each component says of itself.
 */
#ifndef TENON_CORE_MACHINE_FDT_TREE_H
#define TENON_CORE_MACHINE_FDT_TREE_H

#include <glib.h>
#include <stdint.h>

#include <tenon/boot.h>

#include "core/util/error.h"

struct tn_machine;

/* A node under construction; fdt-node.c. */
struct fdt_node;
struct fdt_node *fdt_node_new(const char *name);
void fdt_node_free(struct fdt_node *node);
/* The child called NAME, made if it is not there. */
struct fdt_node *fdt_node_child(struct fdt_node *node, const char *name);
struct fdt_node *fdt_node_parent(struct fdt_node *node);
/* Set or replace a property; KEEP leaves one that is there as it is. */
void fdt_node_set(struct fdt_node *node, const char *name, const void *data,
                  guint bytes, gboolean keep);
void fdt_node_set_u32(struct fdt_node *node, const char *name,
                      const uint32_t *values, guint n, gboolean keep);
/* "/soc/serial@10000000"; free with g_free(). */
char *fdt_node_path(const struct fdt_node *node);
GBytes *fdt_node_flatten(const struct fdt_node *root, struct tn_error *error);

/* All instances' nodes, /cpus, /memory, /chosen. [control] */
int32_t fdt_tree_build(struct tn_machine *machine, GBytes **tree,
                       struct tn_error *error);
/* A copy of TREE with CHOSEN added; free with g_free(). */
int32_t fdt_tree_choose(const void *tree, gsize tree_bytes,
                        const struct tn_boot_chosen *chosen, void **blob,
                        uint64_t *bytes, struct tn_error *error);

#endif
