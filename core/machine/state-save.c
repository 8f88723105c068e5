/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a machine's state: state-stream.h has the form. [control]
 */
#include <errno.h>
#include <string.h>

#include <tenon/clock.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/state-stream.h"

static void put_field(GByteArray *stream, const struct tn_field *field,
                      const uint8_t *self)
{
    guint at;

    state_put_name(stream, field->name);
    state_put_u32(stream, field->width);
    state_put_u32(stream, field->width * field->count);
    at = stream->len;
    g_byte_array_set_size(stream, at + field->width * field->count);
    for (uint32_t i = 0; i < field->count; i++)
        state_copy_element(stream->data + at + (gsize)i * field->width,
                     self + field->offset + (gsize)i * field->stride, field);
}

/* All before any is saved: what one has under way may end in another, as a
 * disk's request ends in its transport and in the interrupt controller. */
int32_t state_quiesce_all(struct tn_machine *machine, struct tn_error *error)
{
    for (guint i = machine->instances->len; i--;) {
        struct instance *instance = g_ptr_array_index(machine->instances, i);
        int32_t rc = instance_quiesce(instance);

        if (rc)
            return tn_error_set(error, rc, "%s: it does not come to rest: %s",
                                instance->desc->id, g_strerror(-rc));
    }
    return 0;
}

static void put_fields(GByteArray *stream, const struct instance *instance,
                       const struct tn_state *table)
{
    state_put_name(stream, instance->desc->id);
    state_put_u32(stream, table->version);
    for (guint i = 0; i < table->n_fields; i++) {
        struct tn_field field = state_field(table, i);

        put_field(stream, &field, instance->self);
    }
    state_put_name(stream, "");
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
    /* Back-ends may still bring it something. */
    instance_enter(instance);
    rc = table.before_save ? table.before_save(instance->self, error) : 0;
    if (!rc)
        put_fields(stream, instance, &table);
    instance_leave(instance);
    if (rc)
        tn_error_prefix(error, "%s: ", instance->desc->id);
    return rc;
}

static void save_register(GByteArray *stream, struct tn_machine *machine,
                          guint index, const char *name)
{
    uint8_t value[STATE_MAX_REGISTER_BYTES];
    uint32_t bytes = sizeof value;

    if (machine->target.read_reg(machine->target_instance->self,
                                 machine->vcpus.cpus[index].cpu, name, value,
                                 &bytes) ||
        bytes > sizeof value)
        return;
    state_put_bytes(stream, name, value, bytes);
}

static int32_t save_cpu(GByteArray *stream, struct tn_machine *machine,
                        guint index)
{
    const struct tn_target_info *info = machine->vcpus.info;
    g_autofree char *name = g_strdup_printf("cpu%u", index);

    state_put_name(stream, name);
    state_put_u32(stream, 1);
    for (guint i = 0; i < info->n_regs; i++) {
        const struct tn_reg *reg =
            (const void *)((const uint8_t *)info->regs +
                           (gsize)i * info->reg_size);

        save_register(stream, machine, index, reg->name);
    }
    for (guint i = 0; TN_HAS(info, state_names) && i < info->n_state_names;
         i++)
        save_register(stream, machine, index, info->state_names[i]);
    state_put_name(stream, "");
    return 0;
}

/* What the guest asked for and nobody has acted on yet, as power off. */
static void save_requests(GByteArray *stream, struct tn_machine *machine)
{
    uint8_t requests[STATE_REQUESTS_BYTES], detail[STATE_REQUESTS_BYTES];

    g_mutex_lock(&machine->request_lock);
    for (guint i = 0; i < sizeof requests; i++) {
        requests[i] = (uint8_t)(machine->requests >> 8 * i);
        detail[i] = (uint8_t)(machine->fail_detail >> 8 * i);
    }
    g_mutex_unlock(&machine->request_lock);
    state_put_name(stream, STATE_MACHINE);
    state_put_u32(stream, 1);
    state_put_bytes(stream, "requests", requests, sizeof requests);
    state_put_bytes(stream, "fail-detail", detail, sizeof detail);
    state_put_name(stream, "");
}

static void put_header(GByteArray *stream, uint64_t now)
{
    g_byte_array_append(stream, (const guint8 *)STATE_MAGIC, STATE_MAGIC_BYTES);
    state_put_u32(stream, (uint32_t)now);
    state_put_u32(stream, (uint32_t)(now >> 32));
}

static int32_t save_all(GByteArray *stream, struct tn_machine *machine,
                        struct tn_error *error)
{
    int32_t rc = state_quiesce_all(machine, error);

    put_header(stream, clock_now(&machine->clock, TN_CLOCK_VIRTUAL));
    save_requests(stream, machine);
    for (guint i = 0; i < machine->instances->len && !rc; i++) {
        struct instance *instance = g_ptr_array_index(machine->instances, i);

        if (instance->desc->component->info.kind == TN_KIND_DEVICE)
            rc = save_instance(stream, instance, error);
    }
    for (guint i = 0; i < machine->vcpus.n && !rc; i++)
        rc = save_cpu(stream, machine, i);
    if (!rc)
        rc = state_put_ram(stream, machine, error);
    state_put_name(stream, "");
    return rc;
}

GBytes *tn_machine_save_state(struct tn_machine *machine,
                              struct tn_error *error)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();
    gboolean ran = tn_machine_is_running(machine);
    int32_t rc;

    tn_machine_pause(machine);
    rc = save_all(stream, machine, error);
    if (ran) {
        int32_t resumed = tn_machine_resume(machine, rc ? NULL : error);

        rc = rc ? rc : resumed;
    }
    return rc ? NULL : g_byte_array_free_to_bytes(g_steal_pointer(&stream));
}
