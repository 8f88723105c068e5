/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.state/1.
 *
 * A stream is a header, the virtual time, and sections. A section is a name,
 * a version, and fields until an empty field name; a field is a name, the
 * width of its elements in bytes, and their bytes, unsigned numbers with the
 * lowest byte first. vCPU N is the section "cpuN" with a field a register. All
 * numbers are 32 bits, lowest byte first; names are a length and bytes.
 */
#include "core/machine/state.h"

#include <errno.h>
#include <string.h>

#include <tenon/clock.h>
#include <tenon/state.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"

static const char magic[8] = "TenonST1";

#define MAX_FIELD_BYTES (64u << 20)
#define MAX_REGISTER_BYTES 64u

/* Field INDEX of TABLE as this host knows fields. */
static struct tn_field field_at(const struct tn_state *table, guint index)
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

    if (!instance_interface(instance, TN_STATE, &table, sizeof table))
        return 0;
    if (table.oldest > table.version ||
        (table.n_fields &&
         (!table.fields ||
          table.field_size < offsetof(struct tn_field, width))))
        return tn_error_set(error, -EPROTO, "%s: state table is not sound",
                            instance->desc->id);
    for (guint i = 0; i < table.n_fields; i++) {
        struct tn_field field = field_at(&table, i);
        const char *problem = field_problem(&field, &table);

        if (!problem && !g_hash_table_add(names, g_strdup(field.name)))
            problem = "is there twice";
        if (problem)
            return tn_error_set(error, -EPROTO, "%s: state field '%.31s' %s",
                                instance->desc->id, field.name, problem);
    }
    return 0;
}

/* ---- writing ---- */

static void put_u32(GByteArray *stream, uint32_t value)
{
    uint32_t little = GUINT32_TO_LE(value);

    g_byte_array_append(stream, (const guint8 *)&little, 4);
}

static void put_name(GByteArray *stream, const char *name)
{
    put_u32(stream, (uint32_t)strlen(name));
    g_byte_array_append(stream, (const guint8 *)name, (guint)strlen(name));
}

/* Numbers are stored lowest byte first whatever the host. */
static void copy_element(uint8_t *to, const uint8_t *from,
                         const struct tn_field *field)
{
    for (uint32_t i = 0; i < field->width; i++)
        to[i] = G_BYTE_ORDER == G_BIG_ENDIAN && field->type == TN_FIELD_UINT
                    ? from[field->width - 1 - i]
                    : from[i];
}

static void put_field(GByteArray *stream, const struct tn_field *field,
                      const uint8_t *self)
{
    guint at;

    put_name(stream, field->name);
    put_u32(stream, field->width);
    put_u32(stream, field->width * field->count);
    at = stream->len;
    g_byte_array_set_size(stream, at + field->width * field->count);
    for (uint32_t i = 0; i < field->count; i++)
        copy_element(stream->data + at + (gsize)i * field->width,
                     self + field->offset + (gsize)i * field->stride, field);
}

static int32_t save_instance(GByteArray *stream, struct instance *instance,
                             struct tn_error *error)
{
    struct tn_state table;
    int32_t rc;

    if (!instance_interface(instance, TN_STATE, &table, sizeof table))
        return tn_error_set(
            error, -ENOTSUP, "%s (component %s) cannot be saved",
            instance->desc->id, instance->desc->component->info.id);
    rc = instance_quiesce(instance);
    if (!rc && table.before_save) {
        instance_enter(instance);
        rc = table.before_save(instance->self, error);
        instance_leave(instance);
    }
    if (rc) {
        tn_error_prefix(error, "%s: ", instance->desc->id);
        return rc;
    }
    put_name(stream, instance->desc->id);
    put_u32(stream, table.version);
    for (guint i = 0; i < table.n_fields; i++) {
        struct tn_field field = field_at(&table, i);

        put_field(stream, &field, instance->self);
    }
    put_name(stream, "");
    return 0;
}

static void save_register(GByteArray *stream, struct tn_machine *machine,
                          guint index, const char *name)
{
    uint8_t value[MAX_REGISTER_BYTES];
    uint32_t bytes = sizeof value;

    if (machine->target.read_reg(machine->target_instance->self,
                                 machine->vcpus.cpus[index].cpu, name, value,
                                 &bytes) ||
        bytes > sizeof value)
        return;
    put_name(stream, name);
    put_u32(stream, 1);
    put_u32(stream, bytes);
    g_byte_array_append(stream, value, bytes);
}

static int32_t save_cpu(GByteArray *stream, struct tn_machine *machine,
                        guint index)
{
    const struct tn_target_info *info = machine->vcpus.info;
    g_autofree char *name = g_strdup_printf("cpu%u", index);

    put_name(stream, name);
    put_u32(stream, 1);
    for (guint i = 0; i < info->n_regs; i++) {
        const struct tn_reg *reg =
            (const void *)((const uint8_t *)info->regs +
                           (gsize)i * info->reg_size);

        save_register(stream, machine, index, reg->name);
    }
    for (guint i = 0; TN_HAS(info, state_names) && i < info->n_state_names;
         i++)
        save_register(stream, machine, index, info->state_names[i]);
    put_name(stream, "");
    return 0;
}

GBytes *tn_machine_save_state(struct tn_machine *machine,
                              struct tn_error *error)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();
    gboolean ran = tn_machine_is_running(machine);
    uint64_t now;
    int32_t rc = 0;

    tn_machine_pause(machine);
    now = clock_now(&machine->clock, TN_CLOCK_VIRTUAL);
    g_byte_array_append(stream, (const guint8 *)magic, sizeof magic);
    put_u32(stream, (uint32_t)now);
    put_u32(stream, (uint32_t)(now >> 32));
    for (guint i = 0; i < machine->instances->len && !rc; i++) {
        struct instance *instance = g_ptr_array_index(machine->instances, i);
        uint32_t kind = instance->desc->component->info.kind;

        if (kind == TN_KIND_DEVICE)
            rc = save_instance(stream, instance, error);
    }
    for (guint i = 0; i < machine->vcpus.n && !rc; i++)
        rc = save_cpu(stream, machine, i);
    put_name(stream, "");
    if (!rc && ran)
        rc = tn_machine_resume(machine, error);
    else if (ran)
        tn_machine_resume(machine, NULL);
    return rc ? NULL : g_byte_array_free_to_bytes(g_steal_pointer(&stream));
}

/* ---- reading: nothing of a stream is trusted ---- */

struct reader {
    const uint8_t *at;
    gsize left;
    gboolean bad;
};

static const uint8_t *take(struct reader *reader, gsize bytes)
{
    const uint8_t *at = reader->at;

    if (bytes > reader->left) {
        reader->bad = TRUE;
        return NULL;
    }
    reader->at += bytes;
    reader->left -= bytes;
    return at;
}

static uint32_t take_u32(struct reader *reader)
{
    const uint8_t *b = take(reader, 4);

    return b ? (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                   (uint32_t)b[3] << 24
             : 0;
}

/* A new string, empty at the end of a list or of a damaged stream. */
static char *take_name(struct reader *reader)
{
    uint32_t length = take_u32(reader);
    const uint8_t *bytes = length < 256 ? take(reader, length) : NULL;

    reader->bad |= !bytes;
    return bytes ? g_strndup((const char *)bytes, length) : g_strdup("");
}

static gboolean take_field(struct reader *reader, char **name, uint32_t *width,
                           uint32_t *bytes, const uint8_t **data)
{
    *name = take_name(reader);
    if (!**name)
        return FALSE;
    *width = take_u32(reader);
    *bytes = take_u32(reader);
    *data = take(reader, *bytes);
    return *data != NULL;
}

static gboolean find_field(const struct tn_state *table, const char *name,
                           struct tn_field *field)
{
    for (guint i = 0; i < table->n_fields; i++) {
        *field = field_at(table, i);
        if (!strcmp(field->name, name))
            return TRUE;
    }
    return FALSE;
}

static int32_t load_instance(struct reader *reader, struct instance *instance,
                             struct tn_error *error)
{
    const char *id = instance->desc->id;
    uint32_t version = take_u32(reader), width = 0, bytes = 0;
    const uint8_t *data = NULL;
    struct tn_state table;
    int32_t rc = 0;

    if (!instance_interface(instance, TN_STATE, &table, sizeof table) ||
        version > table.version || version < table.oldest)
        return tn_error_set(error, -EINVAL,
                            "%s: state version %u cannot be "
                            "loaded",
                            id, version);
    for (;;) {
        g_autofree char *name = NULL;
        struct tn_field field;

        if (!take_field(reader, &name, &width, &bytes, &data))
            break;
        if (!find_field(&table, name, &field))
            return tn_error_set(error, -EINVAL, "%s: unknown field '%s'", id,
                                name);
        if (width != field.width || bytes != field.width * field.count)
            return tn_error_set(error, -EINVAL,
                                "%s: field '%s' has another size", id, name);
        for (uint32_t i = 0; i < field.count; i++)
            copy_element((uint8_t *)instance->self + field.offset +
                             (gsize)i * field.stride,
                         data + (gsize)i * field.width, &field);
    }
    if (!reader->bad && table.loaded) {
        instance_enter(instance);
        rc = table.loaded(instance->self, version, error);
        instance_leave(instance);
        if (rc)
            tn_error_prefix(error, "%s: ", id);
    }
    return rc;
}

static int32_t load_cpu(struct reader *reader, struct tn_machine *machine,
                        const char *section, struct tn_error *error)
{
    guint64 index;
    uint32_t width, bytes;
    const uint8_t *data;

    if (!g_ascii_string_to_unsigned(section + 3, 10, 0,
                                    machine->vcpus.n ? machine->vcpus.n - 1 : 0,
                                    &index, NULL) ||
        !machine->vcpus.n)
        return tn_error_set(error, -EINVAL, "no instance '%s'", section);
    take_u32(reader);
    for (;;) {
        g_autofree char *name = NULL;

        if (!take_field(reader, &name, &width, &bytes, &data))
            return 0;
        if (bytes > MAX_REGISTER_BYTES ||
            machine->target.write_reg(machine->target_instance->self,
                                      machine->vcpus.cpus[index].cpu, name,
                                      data, bytes))
            return tn_error_set(error, -EINVAL,
                                "%s: register '%s' cannot be "
                                "set",
                                section, name);
    }
}

static int32_t load_sections(struct reader *reader, struct tn_machine *machine,
                             struct tn_error *error)
{
    int32_t rc = 0;

    while (!rc) {
        g_autofree char *name = take_name(reader);
        struct instance *instance = machine_instance(machine, name);

        if (!*name)
            break;
        if (instance)
            rc = load_instance(reader, instance, error);
        else if (g_str_has_prefix(name, "cpu"))
            rc = load_cpu(reader, machine, name, error);
        else
            rc = tn_error_set(error, -EINVAL, "no instance '%s'", name);
    }
    if (!rc && reader->bad)
        rc = tn_error_set(error, -EINVAL, "saved state is cut off");
    return rc;
}

int32_t tn_machine_load_state(struct tn_machine *machine, GBytes *state,
                              struct tn_error *error)
{
    struct reader reader = {0};
    gboolean ran = tn_machine_is_running(machine);
    const uint8_t *start;
    uint64_t now;
    int32_t rc;

    reader.at = g_bytes_get_data(state, &reader.left);
    start = take(&reader, sizeof magic);
    if (!start || memcmp(start, magic, sizeof magic))
        return tn_error_set(error, -EINVAL, "not a saved state");
    tn_machine_pause(machine);
    now = take_u32(&reader);
    now |= (uint64_t)take_u32(&reader) << 32;
    clock_set(machine, now);
    for (guint i = 0; i < machine->instances->len; i++)
        instance_reset(g_ptr_array_index(machine->instances, i), TN_RESET_COLD);
    vcpus_reset(machine, TN_RESET_COLD);
    rc = load_sections(&reader, machine, error);
    vcpus_changed(machine);
    return !rc && ran ? tn_machine_resume(machine, error) : rc;
}
