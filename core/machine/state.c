/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.state/1: a component's table of fields, as this host knows fields.
 */
#include "core/machine/state.h"

#include <errno.h>
#include <string.h>

#include "core/machine/instance.h"
#include "core/machine/state-stream.h"

#define MAX_FIELD_BYTES (64u << 20)

struct tn_field state_field(const struct tn_state *table, guint index)
{
    const uint8_t *rows = (const uint8_t *)table->fields;
    struct tn_field field = {0};

    memcpy(&field, rows + (gsize)index * table->field_size,
           MIN((gsize)table->field_size, sizeof field));
    if (!field.count)
        field.count = 1;
    if (!field.stride)
        field.stride = field.width;
    return field;
}

static const char *field_problem(const struct tn_field *field,
                                 const struct tn_state *table)
{
    if (!field->name[0] || !memchr(field->name, 0, sizeof field->name))
        return "has no name";
    if (field->type != TN_FIELD_UINT && field->type != TN_FIELD_BYTES)
        return "has an unknown type";
    if (!field->width ||
        (uint64_t)field->width * field->count > MAX_FIELD_BYTES)
        return "has no sound size";
    if (field->type == TN_FIELD_UINT &&
        (field->width > 8 || field->width & (field->width - 1)))
        return "is a number of no sound width";
    if (field->stride < field->width)
        return "overlaps itself";
    if (field->since > table->version)
        return "is newer than the table's version";
    return NULL;
}

int32_t state_check(struct instance *instance, struct tn_error *error)
{
    g_autoptr(GHashTable) names =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct tn_state table;

    if (!instance_interface(instance, TN_STATE, &table, sizeof table)) {
        if (instance->desc->component->info.flags & TN_COMPONENT_SAVES)
            return tn_error_set(error, -EPROTO,
                                "%s: it says that it can be saved, and has no "
                                "state table",
                                instance->desc->id);
        return 0;
    }
    if (table.oldest > table.version ||
        (table.n_fields &&
         (!table.fields ||
          table.field_size < offsetof(struct tn_field, width))))
        return tn_error_set(error, -EPROTO, "%s: state table is not sound",
                            instance->desc->id);
    for (guint i = 0; i < table.n_fields; i++) {
        struct tn_field field = state_field(&table, i);
        const char *problem = field_problem(&field, &table);

        if (!problem && !g_hash_table_add(names, g_strdup(field.name)))
            problem = "is there twice";
        if (problem)
            return tn_error_set(error, -EPROTO, "%s: state field '%.31s' %s",
                                instance->desc->id, field.name, problem);
    }
    return 0;
}

/* Numbers are stored lowest byte first whatever the host. */
void state_copy_element(uint8_t *to, const uint8_t *from,
                        const struct tn_field *field)
{
    for (uint32_t i = 0; i < field->width; i++)
        to[i] = G_BYTE_ORDER == G_BIG_ENDIAN && field->type == TN_FIELD_UINT
                    ? from[field->width - 1 - i]
                    : from[i];
}
