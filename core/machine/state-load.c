/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a machine's state. Nothing of a stream is trusted. [control]
 */
#include <errno.h>
#include <string.h>

#include <tenon/tree.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/state-stream.h"

static gboolean find_field(const struct tn_state *table, const char *name,
                           struct tn_field *field)
{
    for (guint i = 0; i < table->n_fields; i++) {
        *field = state_field(table, i);
        if (!strcmp(field->name, name))
            return TRUE;
    }
    return FALSE;
}

/* One field of the section into SELF; 0, or -EINVAL. */
static int32_t take_value(const struct instance *instance,
                          const struct tn_state *table, const char *name,
                          uint32_t width, uint32_t bytes, const uint8_t *data,
                          struct tn_error *error)
{
    struct tn_field field;

    if (!find_field(table, name, &field))
        return tn_error_set(error, -EINVAL, "%s: unknown field '%s'",
                            instance->desc->id, name);
    if (width != field.width || bytes != field.width * field.count)
        return tn_error_set(error, -EINVAL, "%s: field '%s' has another size",
                            instance->desc->id, name);
    for (uint32_t i = 0; i < field.count; i++)
        state_copy_element((uint8_t *)instance->self + field.offset +
                               (gsize)i * field.stride,
                           data + (gsize)i * field.width, &field);
    return 0;
}

static int32_t take_values(struct state_reader *reader,
                           const struct instance *instance,
                           const struct tn_state *table, struct tn_error *error)
{
    uint32_t width = 0, bytes = 0;
    const uint8_t *data = NULL;
    int32_t rc = 0;

    while (!rc) {
        g_autofree char *name = NULL;

        if (!state_take_field(reader, &name, &width, &bytes, &data))
            break;
        rc = take_value(instance, table, name, width, bytes, data, error);
    }
    return rc;
}

static int32_t load_instance(struct state_reader *reader,
                             struct instance *instance, struct tn_error *error)
{
    const char *id = instance->desc->id;
    uint32_t version = state_take_u32(reader);
    struct tn_state table;
    int32_t rc;

    if (!instance_interface(instance, TN_STATE, &table, sizeof table) ||
        version > table.version || version < table.oldest)
        return tn_error_set(error, -EINVAL,
                            "%s: state version %u cannot be loaded", id,
                            version);
    instance_enter(instance);
    rc = take_values(reader, instance, &table, error);
    if (!rc && !reader->bad && table.loaded) {
        rc = table.loaded(instance->self, version, error);
        if (rc)
            tn_error_prefix(error, "%s: ", id);
    }
    instance_leave(instance);
    return rc;
}

static int32_t load_cpu(struct state_reader *reader, struct tn_machine *machine,
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
    state_take_u32(reader);
    for (;;) {
        g_autofree char *name = NULL;

        if (!state_take_field(reader, &name, &width, &bytes, &data))
            return 0;
        if (bytes > STATE_MAX_REGISTER_BYTES ||
            machine->target.write_reg(machine->target_instance->self,
                                      machine->vcpus.cpus[index].cpu, name,
                                      data, bytes))
            return tn_error_set(error, -EINVAL,
                                "%s: register '%s' cannot be "
                                "set",
                                section, name);
    }
}

/* The guest's requests are those of the moment that is loaded; that the
 * machine is to end is not the guest's. */
static void set_requests(struct tn_machine *machine, uint32_t requests,
                         uint32_t detail)
{
    const uint32_t guests = 1u << TN_REQUEST_RESET | 1u << TN_REQUEST_POWEROFF |
                            1u << TN_REQUEST_FAIL;

    g_mutex_lock(&machine->request_lock);
    machine->requests = (machine->requests & ~guests) | (requests & guests);
    machine->fail_detail = detail;
    g_mutex_unlock(&machine->request_lock);
    if (requests & guests)
        g_main_context_wakeup(machine->context);
}

static int32_t load_requests(struct state_reader *reader,
                             struct tn_machine *machine, struct tn_error *error)
{
    uint32_t width = 0, bytes = 0, requests = 0, detail = 0;
    const uint8_t *data = NULL;

    state_take_u32(reader);
    for (;;) {
        g_autofree char *name = NULL;
        uint32_t value = 0;

        if (!state_take_field(reader, &name, &width, &bytes, &data))
            break;
        for (guint i = 0; i < MIN(bytes, STATE_REQUESTS_BYTES); i++)
            value |= (uint32_t)data[i] << 8 * i;
        if (!strcmp(name, "requests"))
            requests = value;
        else if (!strcmp(name, "fail-detail"))
            detail = value;
        else
            return tn_error_set(error, -EINVAL, "machine: unknown field '%s'",
                                name);
    }
    set_requests(machine, requests, detail);
    return 0;
}

static int32_t load_sections(struct state_reader *reader, struct tn_machine *machine,
                             struct tn_error *error)
{
    int32_t rc = 0;

    while (!rc) {
        g_autofree char *name = state_take_name(reader);
        struct instance *instance = machine_instance(machine, name);

        if (!*name)
            break;
        if (instance)
            rc = load_instance(reader, instance, error);
        else if (!strcmp(name, STATE_MACHINE))
            rc = load_requests(reader, machine, error);
        else if (g_str_has_prefix(name, STATE_RAM_PREFIX))
            rc = state_take_ram(reader, machine, name, error);
        else if (g_str_has_prefix(name, "cpu"))
            rc = load_cpu(reader, machine, name, error);
        else
            rc = tn_error_set(error, -EINVAL, "no instance '%s'", name);
    }
    if (!rc && reader->bad)
        rc = tn_error_set(error, -EINVAL, "saved state is cut off");
    return rc;
}

/* Power-on state first: what a stream does not name is as it was then. */
static int32_t load_all(struct state_reader *reader, struct tn_machine *machine,
                        struct tn_error *error)
{
    uint64_t now = state_take_u32(reader);
    int32_t rc = state_quiesce_all(machine, error);

    now |= (uint64_t)state_take_u32(reader) << 32;
    if (rc)
        return rc;
    clock_set(machine, now);
    set_requests(machine, 0, 0);
    for (guint i = 0; i < machine->instances->len; i++)
        instance_reset(g_ptr_array_index(machine->instances, i), TN_RESET_COLD);
    vcpus_reset(machine, TN_RESET_COLD);
    rc = load_sections(reader, machine, error);
    vcpus_changed(machine);
    return rc;
}

int32_t tn_machine_load_state(struct tn_machine *machine, GBytes *state,
                              struct tn_error *error)
{
    struct state_reader reader = {0};
    gboolean ran = tn_machine_is_running(machine);
    const uint8_t *start;
    int32_t rc;

    reader.at = g_bytes_get_data(state, &reader.left);
    start = state_take(&reader, STATE_MAGIC_BYTES);
    if (!start || memcmp(start, STATE_MAGIC, STATE_MAGIC_BYTES))
        return tn_error_set(error, -EINVAL, "not a saved state");
    tn_machine_pause(machine);
    rc = load_all(&reader, machine, error);
    return !rc && ran ? tn_machine_resume(machine, error) : rc;
}
