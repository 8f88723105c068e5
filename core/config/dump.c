/* SPDX-License-Identifier: Apache-2.0 */
/* A machine description as a machine file; see config.h. */
#include "core/config/config.h"

#include <string.h>

#include "core/config/resolve.h"

struct dump {
    const struct tn_machine_desc *desc;
    GString *text;
    gboolean defaults;
};

/* Several instances, and a block node, that one section describes. */
struct group {
    const struct tn_instance_desc *device;
    const struct tn_instance_desc *backend;
    const struct tn_block_desc *block;
    struct tn_value_set sets[4];
    guint n_sets;
};

static void put(struct dump *dump, const char *key, const char *value)
{
    g_autofree char *escaped = tn_value_escape(value);

    g_string_append_printf(dump->text, "%s = %s\n", key, escaped);
}

static void put_size(struct dump *dump, const char *key, uint64_t bytes)
{
    static const char suffixes[] = "TGMK";
    guint shift = 40;

    for (guint i = 0; suffixes[i]; i++, shift -= 10) {
        if (!bytes || bytes & ((UINT64_C(1) << shift) - 1))
            continue;
        g_string_append_printf(dump->text, "%s = %" G_GUINT64_FORMAT "%c\n",
                               key, bytes >> shift, suffixes[i]);
        return;
    }
    g_string_append_printf(dump->text, "%s = %" G_GUINT64_FORMAT "\n", key,
                           bytes);
}

static void put_header(struct dump *dump, const char *type, const char *name)
{
    g_string_append_printf(dump->text, "\n[%s%s%s]\n", type, name[0] ? " " : "",
                           name);
}

/* NAME of SETS[WHICH] as it has to be written to mean that one. */
static char *key_name(const struct tn_value_set *sets, guint which,
                      const char *name)
{
    gboolean clash = tn_schema_find(tn_instance_schema, tn_instance_schema_rows,
                                    name) != NULL;

    for (guint i = 0; i < which; i++)
        clash |= tn_schema_find(sets[i].schema, sets[i].rows, name) != NULL;
    return g_strconcat(clash ? sets[which].prefix : "", name, NULL);
}

/* What was written; values that core filled in have no file. */
static void put_values(struct dump *dump, const struct tn_value_set *sets,
                       guint n_sets)
{
    for (guint i = 0; i < n_sets; i++) {
        for (guint j = 0; j < sets[i].rows; j++) {
            const struct tn_value *value = &sets[i].values[j];
            g_autofree char *key = key_name(sets, i, sets[i].schema[j].name);

            if (value->set && value->file)
                put(dump, key, value->text);
            else if (dump->defaults && !value->set)
                g_string_append_printf(dump->text, "# %s = %s\n", key,
                                       value->text ? value->text : "");
        }
    }
}

static void put_single(struct dump *dump, const char *type, const char *name,
                       struct tn_instance_desc *instance)
{
    struct tn_value_set set;

    if (!instance)
        return;
    set = tn_instance_values(instance, "");
    put_header(dump, type, name);
    put_values(dump, &set, 1);
}

static void put_machine(struct dump *dump)
{
    const struct tn_machine_desc *desc = dump->desc;
    g_autoptr(GString) accels = g_string_new(NULL);

    for (guint i = 0; i < desc->accels->len; i++) {
        const struct tn_instance_desc *accel = desc->accels->pdata[i];

        g_string_append_printf(accels, "%s%s", i ? ", " : "",
                               accel->component->info.id);
    }
    g_string_append(dump->text, "[machine]\n");
    put(dump, "name", desc->name);
    put(dump, "accel", accels->str);
    g_string_append_printf(dump->text, "cpus = %u\n", desc->cpus);
    put_size(dump, "memory", desc->memory);
    put(dump, "reboot", desc->exit_on_reboot ? "exit" : "reset");
    if (desc->dump_dtb)
        put(dump, "dump-dtb", desc->dump_dtb);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

static void put_board(struct dump *dump)
{
    const struct tn_machine_desc *desc = dump->desc;
    g_autoptr(GList) kinds =
        g_list_sort(g_hash_table_get_keys(desc->attach), by_name);

    put_header(dump, "board", "");
    if (desc->description)
        put(dump, "description", desc->description);
    put(dump, "target", desc->target->component->info.id);
    if (desc->boot)
        put(dump, "boot", desc->boot->component->info.id);
    g_string_append_printf(dump->text, "ram = 0x%" G_GINT64_MODIFIER "x\n",
                           desc->ram_base);
    for (GList *kind = kinds; kind; kind = kind->next)
        g_string_append_printf(
            dump->text, "attach.%s = %s\n", (const char *)kind->data,
            (const char *)g_hash_table_lookup(desc->attach, kind->data));
}

static void put_wires(struct dump *dump, const struct tn_instance_desc *device)
{
    guint output = 0;

    g_string_append(dump->text, "irq = ");
    for (guint i = 0; i < device->n_wires; i++) {
        const struct tn_irq_wire *wire = &device->wires[i];

        if (i)
            g_string_append(dump->text, ", ");
        /* What is left out between two commas is not wired. */
        for (output = i ? output + 1 : 0; output < wire->output; output++)
            g_string_append(dump->text, ", ");
        if (wire->controller)
            g_string_append_printf(dump->text, "%s:", wire->controller);
        else
            g_string_append_printf(dump->text, "cpu%u:", wire->cpu);
        if (wire->line_name)
            g_string_append(dump->text, wire->line_name);
        else
            g_string_append_printf(dump->text, "%u", wire->line);
    }
    g_string_append_c(dump->text, '\n');
}

static void put_place(struct dump *dump, const struct tn_instance_desc *device)
{
    if (device->parent)
        put(dump, "parent", device->parent->id);
    if (device->slot >= 0)
        g_string_append_printf(dump->text, "slot = %d\n", device->slot);
    for (guint i = 0; i < device->n_addresses; i++)
        g_string_append_printf(dump->text, "%s0x%" G_GINT64_MODIFIER "x%s",
                               i ? ", " : "address = ", device->addresses[i],
                               i + 1 == device->n_addresses ? "\n" : "");
    if (device->n_wires)
        put_wires(dump, device);
    if (device->iothread)
        put(dump, "iothread", device->iothread);
}

static void add_layer(struct group *group, const char *prefix,
                      const struct tn_component_entry *entry,
                      struct tn_value *values)
{
    if (!entry)
        return;
    group->sets[group->n_sets].prefix = prefix;
    group->sets[group->n_sets].schema = entry->properties;
    group->sets[group->n_sets].rows = entry->info.n_properties;
    group->sets[group->n_sets++].values = values;
}

/* The same sets in the same order as tn_resolve_instances() makes. */
static void collect(struct dump *dump, const struct tn_instance_desc *one,
                    struct group *group)
{
    for (guint i = 0; i < dump->desc->instances->len; i++) {
        const struct tn_instance_desc *other = dump->desc->instances->pdata[i];

        if (strcmp(other->section_type, one->section_type) ||
            strcmp(other->section_name, one->section_name))
            continue;
        if (other->component->info.kind == TN_KIND_DEVICE)
            group->device = other;
        else
            group->backend = other;
    }
    if (!strcmp(one->section_type, "disk"))
        group->block = tn_machine_desc_block(dump->desc, one->id);
    if (group->block) {
        group->sets[group->n_sets].prefix = "backend.";
        group->sets[group->n_sets].schema = tn_block_schema;
        group->sets[group->n_sets].rows = group->block->n_values;
        group->sets[group->n_sets++].values = group->block->values;
        add_layer(group, "format.", group->block->format,
                  group->block->format_values);
        add_layer(group, "protocol.", group->block->protocol,
                  group->block->protocol_values);
    }
    if (group->device)
        add_layer(group, "device.", group->device->component,
                  group->device->values);
    if (group->backend)
        add_layer(group, "backend.", group->backend->component,
                  group->backend->values);
}

static void put_section(struct dump *dump, const struct tn_instance_desc *one)
{
    struct group group = {0};
    gboolean plain = !strcmp(one->section_type, "device");

    collect(dump, one, &group);
    /* The section is written once, with the first of its instances. */
    if ((group.device && group.device->board_order < one->board_order) ||
        (group.backend && group.backend->board_order < one->board_order))
        return;
    put_header(dump, one->section_type, one->section_name);
    if (group.device)
        put(dump, plain ? "component" : "device",
            group.device->component->info.id);
    if (group.backend)
        put(dump, "backend", group.backend->component->info.id);
    if (group.device)
        put_place(dump, group.device);
    put_values(dump, group.sets, group.n_sets);
}

static void put_secret(struct dump *dump, struct tn_secret_desc *secret)
{
    struct tn_value_set set = {"", tn_secret_schema, TN_SECRET_ROWS,
                               secret->values, FALSE};

    put_header(dump, "secret", secret->id);
    put_values(dump, &set, 1);
}

static gint by_order(gconstpointer a, gconstpointer b)
{
    const struct tn_instance_desc *const *x = a, *const *y = b;

    return (*x)->board_order < (*y)->board_order ? -1 : 1;
}

char *tn_config_dump(const struct tn_machine_desc *desc, gboolean defaults)
{
    struct dump dump = {desc, g_string_new(NULL), defaults};
    g_autoptr(GPtrArray) order = g_ptr_array_new();

    put_machine(&dump);
    put_board(&dump);
    for (guint i = 0; i < desc->accels->len; i++) {
        struct tn_instance_desc *accel = desc->accels->pdata[i];

        put_single(&dump, "accel", accel->component->info.id, accel);
    }
    put_single(&dump, "cpu", "", desc->target);
    put_single(&dump, "boot", "", desc->boot);
    for (guint i = 0; i < desc->instances->len; i++)
        if (desc->instances->pdata[i] != desc->target &&
            desc->instances->pdata[i] != desc->boot)
            g_ptr_array_add(order, desc->instances->pdata[i]);
    g_ptr_array_sort(order, by_order);
    for (guint i = 0; i < desc->secrets->list->len; i++)
        put_secret(&dump, desc->secrets->list->pdata[i]);
    for (guint i = 0; i < order->len; i++)
        put_section(&dump, order->pdata[i]);
    return g_string_free(dump.text, FALSE);
}
