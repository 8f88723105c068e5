/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, interrupt wires and references between instances. */
#include "core/config/resolve.h"

#include <string.h>

#include "core/config/expression.h"

struct taken_place {
    uint64_t number;
    const char *controller; /* of a line; NULL: an address */
    const char *owner;
};

/* An instance's list property `address` or `irq`, split; NULL if unset. */
static char **list_key(struct tn_resolver *resolver,
                       const struct tn_instance_desc *instance,
                       const char *name, const struct tn_section **section,
                       struct tn_key **key)
{
    char **list;

    *section = g_hash_table_lookup(resolver->section_of, instance);
    *key = *section ? tn_section_key(*section, name) : NULL;
    if (instance->component->info.kind != TN_KIND_DEVICE || !*key ||
        !(*key)->value[0])
        return NULL;
    list = g_strsplit((*key)->value, ",", -1);
    for (guint i = 0; list[i]; i++)
        g_strstrip(list[i]);
    return list;
}

/* Say that NUMBER is in use already. Wires may be shared on purpose, and
 * regions may overlap: a warning. */
static void note_taken(struct tn_resolver *resolver, GArray *places,
                       const struct tn_instance_desc *instance,
                       const struct tn_section *section,
                       const struct tn_key *key, const char *controller,
                       uint64_t number)
{
    struct taken_place place = {number, controller, instance->id};

    for (guint i = 0; i < places->len; i++) {
        const struct taken_place *other =
            &g_array_index(places, struct taken_place, i);

        if (other->number != number || g_strcmp0(other->controller, controller))
            continue;
        if (controller)
            tn_resolve_warning(resolver, section, key,
                               "irq: line %" G_GUINT64_FORMAT
                               " of '%s' is wired to '%s' too",
                               number, controller, other->owner);
        else
            tn_resolve_warning(resolver, section, key,
                               "address: 0x%" G_GINT64_MODIFIER
                               "x is the address of '%s' too",
                               number, other->owner);
        break;
    }
    g_array_append_val(places, place);
}

static void resolve_addresses(struct tn_resolver *resolver,
                              struct tn_instance_desc *instance, GArray *places)
{
    const struct tn_section *section;
    struct tn_key *key;
    g_auto(GStrv) list =
        list_key(resolver, instance, "address", &section, &key);

    if (!list)
        return;
    instance->addresses = g_new0(uint64_t, g_strv_length(list) + 1);
    for (guint i = 0; list[i]; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        uint64_t address;

        if (tn_expression(list[i], &address, &error)) {
            tn_resolve_error(resolver, section, key, "address: %s", error.text);
            continue;
        }
        note_taken(resolver, places, instance, section, key, NULL, address);
        instance->addresses[instance->n_addresses++] = address;
    }
}

/* "plic" or "cpu0" before the colon. */
static gboolean wire_controller(struct tn_resolver *resolver,
                                struct tn_irq_wire *wire, const char *name,
                                const struct tn_section *section,
                                const struct tn_key *key)
{
    g_autofree char *hint = NULL;
    gint cpu = tn_cpu_number(name);

    if (cpu >= 0) {
        wire->cpu = (guint)cpu;
        if (wire->cpu < resolver->desc->cpus)
            return TRUE;
        tn_resolve_error(
            resolver, section, key, "irq: no '%s': the machine has %u CPU%s",
            name, resolver->desc->cpus, resolver->desc->cpus == 1 ? "" : "s");
        return FALSE;
    }
    if (tn_find_instance(resolver, name)) {
        wire->controller = g_strdup(name);
        return TRUE;
    }
    hint = tn_instance_hint(resolver, name);
    if (!resolver->missing_component)
        tn_resolve_error(resolver, section, key, "irq: no instance '%s'%s",
                         name, hint);
    return FALSE;
}

/* "10", "1 + 3" or a name after it. */
static gboolean wire_line(struct tn_resolver *resolver,
                          struct tn_irq_wire *wire, const char *text,
                          const struct tn_section *section,
                          const struct tn_key *key)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    uint64_t line = 0;

    if (g_ascii_isalpha(text[0])) {
        wire->line_name = g_strdup(text);
        return TRUE;
    }
    if (tn_expression(text, &line, &error))
        tn_resolve_error(resolver, section, key, "irq: %s", error.text);
    else if (line > UINT32_MAX)
        tn_resolve_error(resolver, section, key, "irq: line '%s' is too large",
                         text);
    else
        wire->line = (uint32_t)line;
    return !error.text && line <= UINT32_MAX;
}

static void clear_wire(struct tn_irq_wire *wire)
{
    g_free(wire->controller);
    g_free(wire->line_name);
}

static void resolve_irqs(struct tn_resolver *resolver,
                         struct tn_instance_desc *instance, GArray *places)
{
    const struct tn_section *section;
    struct tn_key *key;
    g_auto(GStrv) list = list_key(resolver, instance, "irq", &section, &key);

    if (!list)
        return;
    instance->wires = g_new0(struct tn_irq_wire, g_strv_length(list) + 1);
    for (guint i = 0; list[i]; i++) {
        struct tn_irq_wire wire = {.output = i};
        char *colon = strchr(list[i], ':');

        if (!list[i][0])
            continue; /* an output without a wire */
        if (!colon) {
            tn_resolve_error(resolver, section, key,
                             "irq: '%s' is not CONTROLLER:LINE", list[i]);
            continue;
        }
        *colon++ = 0;
        g_strchomp(list[i]);
        g_strchug(colon);
        if (!wire_controller(resolver, &wire, list[i], section, key) ||
            !wire_line(resolver, &wire, colon, section, key)) {
            clear_wire(&wire);
            continue;
        }
        if (wire.controller && !wire.line_name)
            note_taken(resolver, places, instance, section, key,
                       wire.controller, wire.line);
        instance->wires[instance->n_wires++] = wire;
    }
}

static gboolean is_block(const struct tn_resolver *resolver, const char *id)
{
    return tn_machine_desc_block(resolver->desc, id) != NULL;
}

/* References name an instance, a block node or a vCPU. */
static void check_references(struct tn_resolver *resolver,
                             struct tn_instance_desc *instance)
{
    const struct tn_section *section =
        g_hash_table_lookup(resolver->section_of, instance);

    for (guint i = 0; i < instance->component->info.n_properties; i++) {
        const struct tn_value *value = &instance->values[i];
        struct tn_key place = {.file = value->file, .line = value->line};

        if (value->schema->type != TN_PROP_REF)
            continue;
        for (guint j = 0; j < value->n_items; j++) {
            const char *id = value->items[j].text;
            g_autofree char *hint = tn_instance_hint(resolver, id);
            gint cpu = tn_cpu_number(id);

            if (!id[0] || tn_find_instance(resolver, id) ||
                is_block(resolver, id) ||
                (cpu >= 0 && (guint)cpu < resolver->desc->cpus) ||
                resolver->missing_component)
                continue;
            tn_resolve_error(resolver, section, value->file ? &place : NULL,
                             "%s: no instance '%s'%s", value->schema->name, id,
                             hint);
        }
    }
}

void tn_resolve_wiring(struct tn_resolver *resolver)
{
    g_autoptr(GArray) addresses =
        g_array_new(FALSE, FALSE, sizeof(struct taken_place));
    g_autoptr(GArray) lines =
        g_array_new(FALSE, FALSE, sizeof(struct taken_place));

    for (guint i = 0; i < resolver->all->len; i++) {
        struct tn_instance_desc *instance = resolver->all->pdata[i];

        resolve_addresses(resolver, instance, addresses);
        resolve_irqs(resolver, instance, lines);
        check_references(resolver, instance);
    }
}
