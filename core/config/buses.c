/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bus each device sits on. First those whose `parent` is written, so
 * that nobody else takes their places; then the others, in the order of the
 * files, on the first free bus of their kind; where there is none, on a new
 * adapter if the board says which (attach.KIND).
 */
#include "core/config/resolve.h"

#include <string.h>

/* An adapter may need an adapter. */
#define MAX_ADAPTERS 4u

/* A bus instance with a property of this name says how many slots it has, and
 * core numbers them; the first is the other property's value or 0. */
#define SLOTS "slots"
#define FIRST_SLOT "first-slot"

static gboolean provides(const struct tn_instance_desc *instance,
                         const char *bus)
{
    g_auto(GStrv) list =
        g_strsplit(instance->component->info.provides, ",", -1);

    for (guint i = 0; list[i]; i++)
        if (!strcmp(g_strstrip(list[i]), bus))
            return TRUE;
    return FALSE;
}

static gboolean multi_slot(const struct tn_instance_desc *instance)
{
    return (instance->component->info.flags & TN_COMPONENT_MULTI_SLOT) != 0;
}

/* Who sits on INSTANCE's bus of kind BUS, at SLOT (-1: any). */
static struct tn_instance_desc *sitting(const struct tn_resolver *resolver,
                                        const struct tn_instance_desc *instance,
                                        const char *bus, gint slot)
{
    for (guint i = 0; i < resolver->all->len; i++) {
        struct tn_instance_desc *other = resolver->all->pdata[i];

        if (other->parent == instance && !strcmp(other->bus, bus) &&
            (slot < 0 || other->slot == slot))
            return other;
    }
    return NULL;
}

static uint64_t number_of(const struct tn_instance_desc *instance,
                          const char *property, uint64_t otherwise)
{
    const struct tn_value *value = tn_instance_value(instance, property);

    return value && value->n_items ? value->items[0].number : otherwise;
}

/* The lowest free slot of a bus that says how many it has; -1 if it does not
 * or if none is free. */
static gint free_slot(const struct tn_resolver *resolver,
                      const struct tn_instance_desc *parent, const char *bus)
{
    uint64_t first = number_of(parent, FIRST_SLOT, 0);
    uint64_t slots = MIN(number_of(parent, SLOTS, 0), 65536);

    for (uint64_t i = first; i < slots; i++)
        if (!sitting(resolver, parent, bus, (gint)i))
            return (gint)i;
    return -1;
}

static gboolean is_free(const struct tn_resolver *resolver,
                        const struct tn_instance_desc *parent, const char *bus)
{
    if (!multi_slot(parent))
        return !sitting(resolver, parent, bus, -1);
    return !number_of(parent, SLOTS, 0) ||
           free_slot(resolver, parent, bus) >= 0;
}

static void take_place(struct tn_resolver *resolver,
                       struct tn_instance_desc *instance,
                       struct tn_instance_desc *parent)
{
    if (instance->slot < 0 && multi_slot(parent))
        instance->slot = free_slot(resolver, parent, instance->bus);
    instance->parent = parent;
}

/* The section's key, if the section is about INSTANCE's place: that of a
 * back-end places the device, not the back-end. */
static struct tn_key *placing_key(const struct tn_resolver *resolver,
                                  const struct tn_instance_desc *instance,
                                  const char *name)
{
    const struct tn_section *section =
        g_hash_table_lookup(resolver->section_of, instance);
    struct tn_key *key = section ? tn_section_key(section, name) : NULL;

    if (instance->component->info.kind != TN_KIND_DEVICE)
        return NULL;
    return key && key->value[0] ? key : NULL;
}

static void check_place(struct tn_resolver *resolver,
                        struct tn_instance_desc *instance,
                        struct tn_instance_desc *parent,
                        const struct tn_key *key)
{
    const struct tn_section *section =
        g_hash_table_lookup(resolver->section_of, instance);
    struct tn_instance_desc *other;

    if (!instance->bus) {
        tn_resolve_error(resolver, section, key,
                         "parent: '%s' plugs into no bus",
                         instance->component->info.id);
        return;
    }
    if (!provides(parent, instance->bus)) {
        tn_resolve_error(resolver, section, key,
                         "parent: '%s' has no bus of kind '%s'", parent->id,
                         instance->bus);
        return;
    }
    other = sitting(resolver, parent, instance->bus,
                    multi_slot(parent) ? instance->slot : -1);
    if (other && multi_slot(parent) && instance->slot >= 0)
        tn_resolve_error(resolver, section, key,
                         "slot: %d of '%s' is taken by '%s'", instance->slot,
                         parent->id, other->id);
    else if (other && !multi_slot(parent))
        tn_resolve_error(resolver, section, key,
                         "parent: '%s' is taken by '%s'", parent->id,
                         other->id);
    else
        instance->parent = parent;
}

static void read_slot(struct tn_resolver *resolver,
                      struct tn_instance_desc *instance)
{
    const struct tn_section *section =
        g_hash_table_lookup(resolver->section_of, instance);
    struct tn_key *key = placing_key(resolver, instance, "slot");
    struct tn_value value = {0};

    if (!key)
        return;
    if (tn_apply_key(
            resolver, section, key,
            tn_schema_find(tn_instance_schema, tn_instance_schema_rows, "slot"),
            &value))
        instance->slot = (gint)value.items[0].number;
    tn_value_clear(&value);
}

static void resolve_written(struct tn_resolver *resolver,
                            struct tn_instance_desc *instance)
{
    const struct tn_section *section =
        g_hash_table_lookup(resolver->section_of, instance);
    struct tn_key *key = placing_key(resolver, instance, "parent");
    struct tn_instance_desc *parent;
    g_autofree char *hint = NULL;

    read_slot(resolver, instance);
    if (!key)
        return;
    parent = tn_find_instance(resolver, key->value);
    if (parent && parent != instance) {
        check_place(resolver, instance, parent, key);
        return;
    }
    hint = tn_instance_hint(resolver, key->value);
    if (!resolver->missing_component)
        tn_resolve_error(resolver, section, key, "parent: no instance '%s'%s",
                         key->value, hint);
}

static struct tn_instance_desc *first_free(struct tn_resolver *resolver,
                                           struct tn_instance_desc *instance)
{
    for (guint i = 0; i < resolver->all->len; i++) {
        struct tn_instance_desc *parent = resolver->all->pdata[i];

        if (parent != instance && provides(parent, instance->bus) &&
            is_free(resolver, parent, instance->bus))
            return parent;
    }
    return NULL;
}

/* The component that carries INSTANCE where no bus is free, and the place that
 * says so: its own `attach`, else the board's attach.KIND. */
static const char *adapter_for(struct tn_resolver *resolver,
                               const struct tn_instance_desc *instance,
                               const struct tn_section **section,
                               const struct tn_key **key)
{
    g_autofree char *name = g_strconcat("attach.", instance->bus, NULL);
    struct tn_section *board =
        tn_sections_find(resolver->sections, "board", "");

    *key = placing_key(resolver, instance, "attach");
    if (*key)
        return (*key)->value;
    *section = board;
    *key = board ? tn_section_key(board, name) : NULL;
    return g_hash_table_lookup(resolver->desc->attach, instance->bus);
}

/* SECTION and KEY are where COMPONENT is written; OWNER who needs it. */
static struct tn_instance_desc *
make_adapter(struct tn_resolver *resolver, struct tn_instance_desc *instance,
             const struct tn_section *owner, const struct tn_section *section,
             const struct tn_key *key, const char *component)
{
    struct tn_component_entry *entry =
        tn_resolve_component(resolver, section, key, TN_KIND_DEVICE, component);
    g_autofree char *id = g_strdelimit(
        g_strdup_printf("%s-%s", instance->id, component), ".", '-');
    struct tn_instance_desc *adapter;
    struct tn_value_set set;

    if (!entry)
        return NULL;
    if (tn_find_instance(resolver, id)) {
        tn_resolve_error(resolver, owner, NULL,
                         "the id '%s' of its adapter is taken", id);
        return NULL;
    }
    adapter = tn_new_instance(resolver, id, entry, NULL, TRUE);
    set = tn_instance_values(adapter, "\n");
    tn_apply_defaults(resolver, owner, &set, 1);
    if (provides(adapter, instance->bus))
        return adapter;
    tn_resolve_error(resolver, section, key,
                     "attach: '%s' provides no bus of kind '%s'", component,
                     instance->bus);
    return NULL;
}

/* OWNER is where to report: an adapter has no section of its own. */
static void resolve_free(struct tn_resolver *resolver,
                         struct tn_instance_desc *instance,
                         const struct tn_section *owner, guint depth)
{
    const struct tn_section *section = owner;
    struct tn_instance_desc *parent = NULL;
    const struct tn_key *key;
    const char *component;

    if (!instance->bus || instance->parent ||
        placing_key(resolver, instance, "parent"))
        return;
    component = adapter_for(resolver, instance, &section, &key);
    if (!placing_key(resolver, instance, "attach"))
        parent = first_free(resolver, instance);
    if (!parent && component && depth < MAX_ADAPTERS) {
        parent =
            make_adapter(resolver, instance, owner, section, key, component);
        if (!parent)
            return;
        resolve_free(resolver, parent, owner, depth + 1);
    }
    if (parent)
        take_place(resolver, instance, parent);
    else if (!resolver->missing_component)
        tn_resolve_error(resolver, owner, NULL,
                         "no free bus of kind '%s' for '%s', and the board "
                         "has no attach.%s",
                         instance->bus, instance->id, instance->bus);
}

void tn_resolve_buses(struct tn_resolver *resolver)
{
    guint n = resolver->all->len;

    for (guint i = 0; i < n; i++)
        resolve_written(resolver, resolver->all->pdata[i]);
    /* Adapters are added at the end and placed when they are made. */
    for (guint i = 0; i < n; i++)
        resolve_free(
            resolver, resolver->all->pdata[i],
            g_hash_table_lookup(resolver->section_of, resolver->all->pdata[i]),
            0);
}
