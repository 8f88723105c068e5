/* SPDX-License-Identifier: Apache-2.0 */
/* [machine] and [board], and the instances they name: accelerators, target,
 * boot protocol. */
#include "core/config/resolve.h"

#include <string.h>

#define ATTACH "attach."
#define DEFAULT "default."

/* Keys of [machine] that are properties of another instance. */
static const struct {
    enum tn_machine_row row;
    const char *section;
    const char *property;
} forwarded[] = {
    {TN_MACHINE_CPU, "cpu", "model"},
    {TN_MACHINE_KERNEL, "boot", "kernel"},
    {TN_MACHINE_INITRD, "boot", "initrd"},
    {TN_MACHINE_CMDLINE, "boot", "cmdline"},
    {TN_MACHINE_FIRMWARE, "boot", "firmware"},
    {TN_MACHINE_DTB, "boot", "dtb"},
};

/* An empty section stands for one that nobody wrote. */
static struct tn_section *settings_section(struct tn_resolver *resolver,
                                           const char *type)
{
    return tn_sections_get(resolver->sections, type, "", NULL, 0);
}

/* What a one-of-a-kind section says, in an instance of ENTRY called ID. */
static struct tn_instance_desc *
single_instance(struct tn_resolver *resolver, const char *id,
                struct tn_component_entry *entry)
{
    struct tn_section *section = settings_section(resolver, id);
    struct tn_instance_desc *instance =
        tn_new_instance(resolver, id, entry, section, TRUE);
    struct tn_value_set set = tn_instance_values(instance, "\n");

    tn_apply_keys(resolver, section, NULL, 0, &set, 1);
    return instance;
}

static const struct tn_property *find_property(struct tn_component_entry *entry,
                                               const char *name)
{
    return tn_schema_find(entry->properties, entry->info.n_properties, name);
}

/* Move `kernel` and its like from [machine] into [SECTION], if ENTRY knows
 * it. They win over what the board's [SECTION] says. */
static void forward(struct tn_resolver *resolver, const char *section,
                    struct tn_component_entry *entry)
{
    struct tn_section *machine = settings_section(resolver, "machine");

    for (gsize i = 0; i < G_N_ELEMENTS(forwarded); i++) {
        struct tn_key *key =
            tn_section_key(machine, tn_machine_schema[forwarded[i].row].name);

        if (!key || !key->value[0] || strcmp(forwarded[i].section, section))
            continue;
        if (!entry)
            continue;
        if (find_property(entry, forwarded[i].property))
            tn_section_set(settings_section(resolver, section),
                           forwarded[i].property, key->value, key->file,
                           key->line);
        else
            tn_resolve_error(resolver, machine, key,
                             "the %s '%s' has no property '%s'",
                             tn_kind_title(entry->info.kind), entry->info.id,
                             forwarded[i].property);
    }
}

/* ---- accelerators ---- */

/* What [accel] and [accel NAME] say for ACCEL. Keys of the former are for
 * every candidate that knows them; the latter wins. */
static void apply_accel(struct tn_resolver *resolver, struct tn_section *shared,
                        struct tn_section *own, struct tn_instance_desc *accel)
{
    struct tn_sections *scratch = tn_sections_new();
    struct tn_section *both = tn_sections_get(
        scratch, "accel", accel->component->info.id,
        own ? own->file : shared->file, own ? own->line : shared->line);
    struct tn_value_set set = tn_instance_values(accel, "\n");

    for (guint i = 0; i < shared->keys->len; i++) {
        struct tn_key *key = shared->keys->pdata[i];

        if (!find_property(accel->component, key->name))
            continue;
        key->used = TRUE;
        tn_section_set(both, key->name, key->value, key->file, key->line);
    }
    if (own)
        tn_section_merge(both, own);
    tn_apply_keys(resolver, both, NULL, 0, &set, 1);
    tn_sections_free(scratch);
}

static void add_accel(struct tn_resolver *resolver,
                      struct tn_component_entry *entry)
{
    struct tn_section *shared = settings_section(resolver, "accel");
    struct tn_section *own =
        tn_sections_find(resolver->sections, "accel", entry->info.id);
    struct tn_instance_desc *accel =
        tn_new_instance(resolver, "accel", entry, own ? own : shared, FALSE);

    g_free(accel->section_name);
    accel->section_name = g_strdup(entry->info.id);
    apply_accel(resolver, shared, own, accel);
    g_ptr_array_add(resolver->desc->accels, accel);
}

static void check_shared_used(struct tn_resolver *resolver)
{
    struct tn_section *shared = settings_section(resolver, "accel");

    for (guint i = 0; i < shared->keys->len; i++) {
        const struct tn_key *key = shared->keys->pdata[i];

        if (!key->used && resolver->desc->accels->len)
            tn_resolve_error(resolver, shared, key,
                             "none of the accelerators has a property '%s'",
                             key->name);
    }
}

static void resolve_accels(struct tn_resolver *resolver,
                           const struct tn_value *names)
{
    struct tn_section *machine = settings_section(resolver, "machine");
    const struct tn_key *key = tn_section_key(machine, "accel");
    g_autoptr(GString) missing = g_string_new(NULL);

    for (guint i = 0; i < names->n_items; i++) {
        const char *id = names->items[i].text;
        struct tn_component_entry *entry =
            tn_registry_find(resolver->registry, TN_KIND_ACCEL, id);
        g_autofree char *hint = NULL;

        if (entry) {
            add_accel(resolver, entry);
            continue;
        }
        hint = tn_registry_hint(resolver->registry, TN_KIND_ACCEL, id);
        g_string_append_printf(missing, "%s'%s'%s", missing->len ? ", " : "",
                               id, hint);
    }
    if (!resolver->desc->accels->len)
        tn_resolve_error(resolver, machine, key,
                         "no accelerator is installed: %s", missing->str);
    else if (missing->len && key)
        tn_resolve_warning(resolver, machine, key,
                           "accelerator not installed, the next is taken: %s",
                           missing->str);
    check_shared_used(resolver);
}

/* ---- [board] ---- */

/* attach.KIND and default.TYPE are open-ended, so they are no schema rows. */
static void board_tables(struct tn_resolver *resolver, struct tn_section *board)
{
    for (guint i = 0; i < board->keys->len; i++) {
        struct tn_key *key = board->keys->pdata[i];

        if (g_str_has_prefix(key->name, ATTACH)) {
            key->used = TRUE;
            g_hash_table_replace(resolver->desc->attach,
                                 g_strdup(key->name + strlen(ATTACH)),
                                 g_strdup(key->value));
        } else if (g_str_has_prefix(key->name, DEFAULT)) {
            /* Looked up by tn_resolve_instances(). */
            key->used = TRUE;
        }
    }
}

static void resolve_target(struct tn_resolver *resolver,
                           struct tn_section *board,
                           const struct tn_value *name)
{
    struct tn_component_entry *entry;

    if (!name->text)
        return; /* reported as missing */
    entry =
        tn_resolve_component(resolver, board, tn_section_key(board, "target"),
                             TN_KIND_TARGET, name->text);
    forward(resolver, "cpu", entry);
    if (entry)
        resolver->desc->target = single_instance(resolver, "cpu", entry);
}

static void resolve_boot(struct tn_resolver *resolver,
                         struct tn_section *section,
                         const struct tn_value *name)
{
    struct tn_component_entry *entry;

    entry =
        tn_resolve_component(resolver, section, tn_section_key(section, "boot"),
                             TN_KIND_BOOT, name->text);
    forward(resolver, "boot", entry);
    if (entry)
        resolver->desc->boot = single_instance(resolver, "boot", entry);
}

/* Somebody forgot the board: say so once, not that its keys are missing. */
static gboolean has_board(struct tn_resolver *resolver)
{
    struct tn_section *machine = settings_section(resolver, "machine");

    if (tn_sections_find(resolver->sections, "board", ""))
        return TRUE;
    resolver->missing_component = TRUE;
    if (!tn_section_key(machine, "board"))
        tn_resolve_error(resolver, machine, NULL,
                         "no board: 'board = NAME' is missing (tenon list "
                         "boards)");
    return FALSE;
}

static void resolve_board(struct tn_resolver *resolver,
                          const struct tn_value *machine)
{
    struct tn_section *board = settings_section(resolver, "board");
    struct tn_value values[TN_BOARD_ROWS] = {0};
    struct tn_value_set set = {"\n", tn_board_schema, TN_BOARD_ROWS, values,
                               FALSE};

    board_tables(resolver, board);
    tn_apply_keys(resolver, board, NULL, 0, &set, 1);
    resolver->desc->description = g_strdup(values[TN_BOARD_DESCRIPTION].text);
    if (values[TN_BOARD_RAM].n_items)
        resolver->desc->ram_base = values[TN_BOARD_RAM].items[0].number;
    resolve_target(resolver, board, &values[TN_BOARD_TARGET]);
    if (machine[TN_MACHINE_BOOT].text)
        resolve_boot(resolver, settings_section(resolver, "machine"),
                     &machine[TN_MACHINE_BOOT]);
    else if (values[TN_BOARD_BOOT].text)
        resolve_boot(resolver, board, &values[TN_BOARD_BOOT]);
    for (guint i = 0; i < TN_BOARD_ROWS; i++)
        tn_value_clear(&values[i]);
}

static void machine_values(struct tn_machine_desc *desc,
                           const struct tn_value *values)
{
    desc->dump_dtb = g_strdup(values[TN_MACHINE_DUMP_DTB].text);
    if (values[TN_MACHINE_NAME].text) {
        g_free(desc->name);
        desc->name = g_strdup(values[TN_MACHINE_NAME].text);
    }
    if (values[TN_MACHINE_CPUS].n_items)
        desc->cpus = (guint)values[TN_MACHINE_CPUS].items[0].number;
    if (values[TN_MACHINE_MEMORY].n_items)
        desc->memory = values[TN_MACHINE_MEMORY].items[0].number;
    if (values[TN_MACHINE_REBOOT].n_items)
        desc->exit_on_reboot = values[TN_MACHINE_REBOOT].items[0].number == 1;
}

void tn_resolve_settings(struct tn_resolver *resolver)
{
    struct tn_section *machine;
    struct tn_value values[TN_MACHINE_ROWS] = {0};
    struct tn_value_set set = {"\n", tn_machine_schema, TN_MACHINE_ROWS, values,
                               FALSE};
    gboolean board = has_board(resolver);

    machine = settings_section(resolver, "machine");
    tn_apply_keys(resolver, machine, NULL, 0, &set, 1);
    machine_values(resolver->desc, values);
    resolve_accels(resolver, &values[TN_MACHINE_ACCEL]);
    if (board)
        resolve_board(resolver, values);
    for (guint i = 0; i < TN_MACHINE_ROWS; i++)
        tn_value_clear(&values[i]);
}
