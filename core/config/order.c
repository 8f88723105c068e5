/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of creation: the target, back-ends, devices, the boot protocol;
 * and within that each instance after its parent, its interrupt controllers
 * and what it refers to, otherwise as the files have it. A depth-first walk.
 */
#include "core/config/resolve.h"

#include <string.h>

enum mark { UNSEEN, ENTERED, DONE };

struct walk {
    struct tn_resolver *resolver;
    GHashTable *marks; /* instance -> enum mark */
};

static void visit(struct walk *walk, struct tn_instance_desc *instance,
                  const struct tn_instance_desc *from, const char *as);

static void visit_id(struct walk *walk, const char *id,
                     const struct tn_instance_desc *from, const char *as)
{
    struct tn_instance_desc *instance = tn_find_instance(walk->resolver, id);

    if (instance && instance != from)
        visit(walk, instance, from, as);
}

static void visit_references(struct walk *walk,
                             struct tn_instance_desc *instance)
{
    for (guint i = 0; i < instance->component->info.n_properties; i++) {
        const struct tn_value *value = &instance->values[i];

        for (guint j = 0;
             value->schema->type == TN_PROP_REF && j < value->n_items; j++)
            visit_id(walk, value->items[j].text, instance, value->schema->name);
    }
}

/* AS names the relation for the message; NULL where a circle does no harm:
 * wires can be made in any order. */
static void visit(struct walk *walk, struct tn_instance_desc *instance,
                  const struct tn_instance_desc *from, const char *as)
{
    enum mark mark =
        GPOINTER_TO_UINT(g_hash_table_lookup(walk->marks, instance));

    if (mark == ENTERED && as)
        tn_resolve_error(walk->resolver,
                         g_hash_table_lookup(walk->resolver->section_of, from),
                         NULL, "%s: '%s' and '%s' need each other", as,
                         from->id, instance->id);
    if (mark != UNSEEN)
        return;
    g_hash_table_insert(walk->marks, instance, GUINT_TO_POINTER(ENTERED));
    if (instance->parent)
        visit(walk, instance->parent, instance, "parent");
    if (instance->backend)
        visit_id(walk, instance->backend, instance, "backend");
    visit_references(walk, instance);
    for (guint i = 0; i < instance->n_wires; i++)
        if (instance->wires[i].controller)
            visit_id(walk, instance->wires[i].controller, instance, NULL);
    g_hash_table_insert(walk->marks, instance, GUINT_TO_POINTER(DONE));
    g_ptr_array_add(walk->resolver->desc->instances, instance);
}

/* The target first, the boot protocol last. */
static guint rank(const struct tn_instance_desc *instance)
{
    switch (instance->component->info.kind) {
    case TN_KIND_TARGET:
        return 0;
    case TN_KIND_DEVICE:
        return 2;
    case TN_KIND_BOOT:
        return 3;
    default:
        return 1;
    }
}

void tn_resolve_order(struct tn_resolver *resolver)
{
    struct walk walk = {resolver, g_hash_table_new(NULL, NULL)};

    for (guint r = 0; r <= 3; r++)
        for (guint i = 0; i < resolver->all->len; i++)
            if (rank(resolver->all->pdata[i]) == r)
                visit(&walk, resolver->all->pdata[i], NULL, NULL);
    g_hash_table_destroy(walk.marks);
    g_ptr_array_set_size(resolver->all, 0);
}
