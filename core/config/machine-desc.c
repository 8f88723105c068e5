/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in a machine description, and freeing it. */
#include "core/config/machine-desc.h"

#include <string.h>

static const struct tn_value *find_value(const struct tn_property *schema,
                                         guint rows,
                                         const struct tn_value *values,
                                         const char *name)
{
    for (guint i = 0; i < rows; i++)
        if (!strcmp(schema[i].name, name))
            return &values[i];
    return NULL;
}

const struct tn_value *tn_instance_value(const struct tn_instance_desc *desc,
                                         const char *name)
{
    return find_value(desc->component->properties,
                      desc->component->info.n_properties, desc->values, name);
}

const struct tn_value *tn_block_value(const struct tn_block_desc *desc,
                                      const char *name)
{
    return find_value(tn_block_schema, desc->n_values, desc->values, name);
}

struct tn_instance_desc *
tn_machine_desc_instance(const struct tn_machine_desc *desc, const char *id)
{
    for (guint i = 0; i < desc->instances->len; i++) {
        struct tn_instance_desc *instance = desc->instances->pdata[i];

        if (!strcmp(instance->id, id))
            return instance;
    }
    return NULL;
}

struct tn_block_desc *tn_machine_desc_block(const struct tn_machine_desc *desc,
                                            const char *id)
{
    for (guint i = 0; i < desc->blocks->len; i++) {
        struct tn_block_desc *block = desc->blocks->pdata[i];

        if (!strcmp(block->id, id))
            return block;
    }
    return NULL;
}

static void free_values(struct tn_value *values, guint n)
{
    for (guint i = 0; i < n; i++)
        tn_value_clear(&values[i]);
    g_free(values);
}

static void free_instance(struct tn_instance_desc *instance)
{
    free_values(instance->values, instance->component->info.n_properties);
    for (guint i = 0; i < instance->n_wires; i++) {
        g_free(instance->wires[i].controller);
        g_free(instance->wires[i].line_name);
    }
    g_free(instance->wires);
    g_free(instance->addresses);
    g_free(instance->id);
    g_free(instance->bus);
    g_free(instance->iothread);
    g_free(instance->backend);
    g_free(instance->section_type);
    g_free(instance->section_name);
    g_free(instance->file);
    g_free(instance);
}

static void free_block(struct tn_block_desc *block)
{
    free_values(block->values, block->n_values);
    if (block->format)
        free_values(block->format_values, block->format->info.n_properties);
    if (block->protocol)
        free_values(block->protocol_values, block->protocol->info.n_properties);
    g_free(block->id);
    g_free(block->file);
    g_free(block);
}

void tn_machine_desc_free(struct tn_machine_desc *desc)
{
    if (!desc)
        return;
    for (guint i = 0; i < desc->instances->len; i++)
        free_instance(desc->instances->pdata[i]);
    for (guint i = 0; i < desc->accels->len; i++)
        free_instance(desc->accels->pdata[i]);
    for (guint i = 0; i < desc->blocks->len; i++)
        free_block(desc->blocks->pdata[i]);
    g_ptr_array_free(desc->instances, TRUE);
    g_ptr_array_free(desc->accels, TRUE);
    g_ptr_array_free(desc->blocks, TRUE);
    g_hash_table_destroy(desc->attach);
    tn_secrets_desc_free(desc->secrets);
    g_free(desc->name);
    g_free(desc->board);
    g_free(desc->description);
    g_free(desc->dump_dtb);
    g_free(desc);
}
