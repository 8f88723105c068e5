/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section's instances: a [device] makes one; [net], [char] and [display] a
 * back-end and perhaps a device; [disk] a block node and a device.
 */
#include "core/config/resolve.h"

#include <string.h>

/* Ids that core gives out itself. */
static const char *const taken[] = {"cpu", "boot", "accel", "machine", NULL};

/* The most schemas that one section's keys can belong to. */
#define MAX_SETS 4

struct job {
    struct tn_resolver *resolver;
    struct tn_section *section;
    const struct tn_section_type *type;
    struct tn_value_set sets[MAX_SETS];
    guint n_sets;
    struct tn_instance_desc *device;
};

static struct tn_key *set_key(const struct tn_section *section,
                              const char *name)
{
    struct tn_key *key = tn_section_key(section, name);

    return key && key->value[0] ? key : NULL;
}

/* A schema that is not there because its component is missing. */
static void add_open_set(struct job *job, const char *prefix)
{
    struct tn_value_set set = {prefix, NULL, 0, NULL, TRUE};

    job->sets[job->n_sets++] = set;
}

static struct tn_instance_desc *add_instance(struct job *job, const char *id,
                                             struct tn_component_entry *entry,
                                             const char *prefix)
{
    struct tn_instance_desc *instance, *other;

    other = tn_find_instance(job->resolver, id);
    if (other || g_strv_contains(taken, id) || tn_cpu_number(id) >= 0)
        tn_resolve_error(job->resolver, job->section, NULL,
                         "the id '%s' is taken by %s", id,
                         other ? "another instance" : "core");
    instance = tn_new_instance(job->resolver, id, entry, job->section, TRUE);
    job->sets[job->n_sets++] = tn_instance_values(instance, prefix);
    return instance;
}

/* The component that the guest sees: `device`, in a [device] `component`, else
 * what the board has as default.TYPE. */
static struct tn_key *device_key(const struct job *job)
{
    gboolean plain = !strcmp(job->section->type, "device");
    struct tn_key *key = set_key(job->section, plain ? "component" : "device");
    struct tn_section *board =
        tn_sections_find(job->resolver->sections, "board", "");
    g_autofree char *name = g_strconcat("default.", job->section->type, NULL);

    if (key || plain || !board)
        return key;
    return set_key(board, name);
}

static char *instance_id(const struct tn_section *section)
{
    if (!strcmp(section->type, "device"))
        return g_strdup(section->name);
    return g_strdup_printf("%s.%s", section->type, section->name);
}

/* A [char] is its back-end first: devices name it by "char.NAME". */
static gboolean backend_leads(const struct tn_section *section)
{
    return !strcmp(section->type, "char") ||
           !strcmp(section->type, "management");
}

static void make_device(struct job *job)
{
    struct tn_key *key = device_key(job);
    g_autofree char *id = instance_id(job->section);
    struct tn_component_entry *entry;

    if (!(job->type->flags & TN_SECTION_DEVICE))
        return;
    if (!key) {
        if (backend_leads(job->section))
            return;
        /* Without its board, which has the default, nobody can tell. */
        if (tn_sections_find(job->resolver->sections, "board", ""))
            tn_resolve_error(
                job->resolver, job->section, NULL,
                "'%s' is missing: which device the guest sees",
                strcmp(job->section->type, "device") ? "device" : "component");
        add_open_set(job, "device.");
        return;
    }
    key->used = TRUE;
    entry = tn_resolve_component(job->resolver, job->section, key,
                                 TN_KIND_DEVICE, key->value);
    if (!entry) {
        add_open_set(job, "device.");
        return;
    }
    if (backend_leads(job->section)) {
        g_autofree char *own = g_strconcat(id, ".device", NULL);

        job->device = add_instance(job, own, entry, "device.");
    } else {
        job->device = add_instance(job, id, entry, "device.");
    }
}

static void make_backend(struct job *job)
{
    struct tn_key *key = set_key(job->section, "backend");
    g_autofree char *id = instance_id(job->section);
    g_autofree char *own =
        g_strconcat(id, backend_leads(job->section) ? "" : ".backend", NULL);
    struct tn_component_entry *entry;

    if (!job->type->backend_kind)
        return;
    if (!key) {
        tn_resolve_error(job->resolver, job->section, NULL,
                         "'backend' is missing: which %s",
                         tn_kind_title(job->type->backend_kind));
        add_open_set(job, "backend.");
        return;
    }
    entry = tn_resolve_component(job->resolver, job->section, key,
                                 job->type->backend_kind, key->value);
    if (!entry) {
        add_open_set(job, "backend.");
        return;
    }
    add_instance(job, own, entry, "backend.");
    if (job->device)
        job->device->backend = g_steal_pointer(&own);
}

/* `format` or `protocol` of a [disk], with the keys of its component. */
static void layer(struct job *job, const char *name, uint32_t kind,
                  const char *prefix, struct tn_component_entry **entry,
                  struct tn_value **values)
{
    struct tn_key *key = set_key(job->section, name);
    struct tn_value_set set = {.prefix = prefix};

    if (!key)
        return;
    *entry = tn_resolve_component(job->resolver, job->section, key, kind,
                                  key->value);
    if (!*entry) {
        add_open_set(job, prefix);
        return;
    }
    set.schema = (*entry)->properties;
    set.rows = (*entry)->info.n_properties;
    set.values = *values = g_new0(struct tn_value, MAX(set.rows, 1));
    job->sets[job->n_sets++] = set;
}

/* `snapshot = yes` is a format's work, of which nobody writes the name. */
static void need_overlay(struct job *job)
{
    struct tn_key *key = set_key(job->section, "snapshot");
    gboolean yes = FALSE;

    if (key && tn_parse_bool(key->value, &yes) == 0 && yes)
        (void)tn_resolve_component(job->resolver, job->section, key,
                                   TN_KIND_FORMAT, TN_OVERLAY_FORMAT);
}

/* The block engine's keys come before the device's. */
static void make_block(struct job *job, struct tn_block_desc **result)
{
    struct tn_block_desc *block = g_new0(struct tn_block_desc, 1);
    struct tn_value_set set = {"backend.", tn_block_schema,
                               tn_block_schema_rows, NULL, FALSE};

    block->id = instance_id(job->section);
    block->file = g_strdup(job->section->file);
    block->line = job->section->line;
    block->n_values = tn_block_schema_rows;
    block->values = set.values = g_new0(struct tn_value, tn_block_schema_rows);
    job->sets[job->n_sets++] = set;
    layer(job, "format", TN_KIND_FORMAT, "format.", &block->format,
          &block->format_values);
    layer(job, "protocol", TN_KIND_PROTOCOL, "protocol.", &block->protocol,
          &block->protocol_values);
    need_overlay(job);
    g_ptr_array_add(job->resolver->desc->blocks, block);
    *result = block;
}

/* The device's reference to its back-end goes without saying. */
static void refer(struct job *job)
{
    struct tn_instance_desc *device = job->device;

    if (!device || !device->backend || !job->type->reference)
        return;
    for (guint i = 0; i < device->component->info.n_properties; i++) {
        const struct tn_property *row = &device->component->properties[i];

        if (row->type != TN_PROP_REF || strcmp(row->name, job->type->reference))
            continue;
        if (device->values[i].set)
            return;
        (void)tn_value_parse(&device->values[i], row, device->backend, NULL,
                             NULL);
        device->values[i].set = TRUE;
    }
}

/* Keys that place a device, in a section that has none. */
static void check_placeless(struct job *job)
{
    static const char *const placing[] = {"parent", "attach", "slot", "address",
                                          "irq"};

    for (gsize i = 0; i < G_N_ELEMENTS(placing); i++) {
        struct tn_key *key = set_key(job->section, placing[i]);

        if (key && !job->device && backend_leads(job->section) &&
            !set_key(job->section, "device"))
            tn_resolve_error(job->resolver, job->section, key,
                             "'%s' needs a device in this section", placing[i]);
    }
}

static gboolean enabled(struct tn_resolver *resolver,
                        struct tn_section *section)
{
    struct tn_key *key = set_key(section, "enabled");
    gboolean yes = TRUE;

    if (key && tn_parse_bool(key->value, &yes))
        tn_resolve_error(resolver, section, key,
                         "enabled: '%s' is not yes or no", key->value);
    return yes;
}

/* Reserved words of other section types are mistakes here. */
static void check_reserved(struct job *job)
{
    gboolean plain = !strcmp(job->section->type, "device");
    const char *wrong[] = {plain ? "device" : "component",
                           job->type->backend_kind ? NULL : "backend"};

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        struct tn_key *key =
            wrong[i] ? tn_section_key(job->section, wrong[i]) : NULL;

        if (!key)
            continue;
        if (plain && !strcmp(wrong[i], "device"))
            tn_resolve_error(job->resolver, job->section, key,
                             "unknown property 'device'; did you mean "
                             "'component'?");
        else
            tn_resolve_error(job->resolver, job->section, key,
                             "unknown property '%s'", wrong[i]);
    }
}

static void resolve_section(struct tn_resolver *resolver,
                            struct tn_section *section)
{
    struct job job = {.resolver = resolver,
                      .section = section,
                      .type = tn_section_type_find(section->type)};
    struct tn_block_desc *block = NULL;

    if (job.type->schema != tn_instance_schema || !enabled(resolver, section))
        return;
    check_reserved(&job);
    if (job.type->flags & TN_SECTION_BLOCK)
        make_block(&job, &block);
    make_device(&job);
    if (block && job.device)
        job.device->backend = g_strdup(block->id);
    make_backend(&job);
    refer(&job);
    tn_apply_keys(resolver, section, tn_instance_schema,
                  tn_instance_schema_rows, job.sets, job.n_sets);
    check_placeless(&job);
    if (job.device && set_key(section, "iothread"))
        job.device->iothread = g_strdup(set_key(section, "iothread")->value);
}

void tn_resolve_instances(struct tn_resolver *resolver)
{
    GPtrArray *list = resolver->sections->list;

    for (guint i = 0; i < list->len; i++)
        resolve_section(resolver, list->pdata[i]);
}
