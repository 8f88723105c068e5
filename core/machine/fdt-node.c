/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device tree nodes in memory, and the flattened form (Devicetree
 * Specification v0.4, chapter 5) that libfdt makes of them.
 */
#include "core/machine/fdt-tree.h"

#include <errno.h>
#include <libfdt.h>
#include <string.h>

struct property {
    char *name;
    void *data;
    guint bytes;
};

struct fdt_node {
    char *name;
    struct fdt_node *parent;
    GPtrArray *properties; /* of struct property * */
    GPtrArray *children;   /* of struct fdt_node * */
};

struct fdt_node *fdt_node_new(const char *name)
{
    struct fdt_node *node = g_new0(struct fdt_node, 1);

    node->name = g_strdup(name);
    node->properties = g_ptr_array_new();
    node->children = g_ptr_array_new();
    return node;
}

void fdt_node_free(struct fdt_node *node)
{
    for (guint i = 0; i < node->properties->len; i++) {
        struct property *property = g_ptr_array_index(node->properties, i);

        g_free(property->name);
        g_free(property->data);
        g_free(property);
    }
    for (guint i = 0; i < node->children->len; i++)
        fdt_node_free(g_ptr_array_index(node->children, i));
    g_ptr_array_unref(node->properties);
    g_ptr_array_unref(node->children);
    g_free(node->name);
    g_free(node);
}

struct fdt_node *fdt_node_child(struct fdt_node *node, const char *name)
{
    struct fdt_node *child;

    for (guint i = 0; i < node->children->len; i++) {
        child = g_ptr_array_index(node->children, i);
        if (!strcmp(child->name, name))
            return child;
    }
    child = fdt_node_new(name);
    child->parent = node;
    g_ptr_array_add(node->children, child);
    return child;
}

struct fdt_node *fdt_node_parent(struct fdt_node *node)
{
    return node->parent;
}

void fdt_node_set(struct fdt_node *node, const char *name, const void *data,
                  guint bytes, gboolean keep)
{
    struct property *property = NULL;

    for (guint i = 0; i < node->properties->len && !property; i++) {
        struct property *other = g_ptr_array_index(node->properties, i);

        if (!strcmp(other->name, name))
            property = other;
    }
    if (property && keep)
        return;
    if (!property) {
        property = g_new0(struct property, 1);
        property->name = g_strdup(name);
        g_ptr_array_add(node->properties, property);
    }
    g_free(property->data);
    property->data = g_memdup2(data, bytes);
    property->bytes = bytes;
}

void fdt_node_set_u32(struct fdt_node *node, const char *name,
                      const uint32_t *values, guint n, gboolean keep)
{
    g_autofree uint32_t *cells = g_new(uint32_t, n + 1);

    for (guint i = 0; i < n; i++)
        cells[i] = GUINT32_TO_BE(values[i]);
    fdt_node_set(node, name, cells, n * 4, keep);
}

char *fdt_node_path(const struct fdt_node *node)
{
    g_autofree char *above = NULL;

    if (!node->parent)
        return g_strdup("");
    above = fdt_node_path(node->parent);
    return g_strdup_printf("%s/%s", above, node->name);
}

static int flatten(void *blob, const struct fdt_node *node)
{
    int rc = fdt_begin_node(blob, node->name);

    for (guint i = 0; i < node->properties->len && !rc; i++) {
        const struct property *property =
            g_ptr_array_index(node->properties, i);

        rc = fdt_property(blob, property->name,
                          property->data ? property->data : "",
                          (int)property->bytes);
    }
    for (guint i = 0; i < node->children->len && !rc; i++)
        rc = flatten(blob, g_ptr_array_index(node->children, i));
    return rc ? rc : fdt_end_node(blob);
}

GBytes *fdt_node_flatten(const struct fdt_node *root, struct tn_error *error)
{
    int rc = -FDT_ERR_NOSPACE;

    for (gsize room = 16 << 10; room <= 16 << 20; room *= 2) {
        g_autofree void *blob = g_malloc0(room);

        rc = fdt_create(blob, (int)room);
        if (!rc)
            rc = fdt_finish_reservemap(blob);
        if (!rc)
            rc = flatten(blob, root);
        if (!rc)
            rc = fdt_finish(blob);
        if (!rc)
            return g_bytes_new(blob, fdt_totalsize(blob));
        if (rc != -FDT_ERR_NOSPACE)
            break;
    }
    tn_error_set(error, -EINVAL, "device tree: %s", fdt_strerror(rc));
    return NULL;
}

static int choose(void *blob, const struct tn_boot_chosen *chosen)
{
    int node = fdt_path_offset(blob, "/chosen");
    int rc = 0;

    if (node == -FDT_ERR_NOTFOUND)
        node = fdt_add_subnode(blob, 0, "chosen");
    if (node < 0)
        return node;
    if (chosen->bootargs)
        rc = fdt_setprop_string(blob, node, "bootargs", chosen->bootargs);
    if (!rc && chosen->initrd_end > chosen->initrd_start) {
        rc = fdt_setprop_u64(blob, node, "linux,initrd-start",
                             chosen->initrd_start);
        if (!rc)
            rc = fdt_setprop_u64(blob, node, "linux,initrd-end",
                                 chosen->initrd_end);
    }
    if (!rc && chosen->rng_seed && chosen->rng_seed_bytes)
        rc = fdt_setprop(blob, node, "rng-seed", chosen->rng_seed,
                         (int)chosen->rng_seed_bytes);
    return rc;
}

int32_t fdt_tree_choose(const void *tree, gsize tree_bytes,
                        const struct tn_boot_chosen *chosen, void **blob,
                        uint64_t *bytes, struct tn_error *error)
{
    struct tn_boot_chosen known = {0};
    gsize room;
    void *copy;
    int rc = fdt_check_full(tree, tree_bytes);

    if (rc)
        return tn_error_set(error, -EINVAL, "not a sound device tree: %s",
                            fdt_strerror(rc));
    if (chosen)
        memcpy(&known, chosen, MIN((gsize)chosen->size, sizeof known));
    room = fdt_totalsize(tree) + 4096 + known.rng_seed_bytes +
           (known.bootargs ? strlen(known.bootargs) : 0);
    copy = g_malloc0(room);
    rc = fdt_open_into(tree, copy, (int)room);
    if (!rc)
        rc = choose(copy, &known);
    if (!rc)
        rc = fdt_pack(copy);
    if (rc) {
        g_free(copy);
        return tn_error_set(error, -EINVAL, "device tree: %s",
                            fdt_strerror(rc));
    }
    *blob = copy;
    *bytes = fdt_totalsize(copy);
    return 0;
}
