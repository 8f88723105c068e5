/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a description to realized, wired instances, and back. What fails on the
 * way up leaves everything to the way down, which undoes what was done.
 */
#include <errno.h>

#include "core/machine/fdt-tree.h"
#include "core/machine/loop.h"
#include "core/machine/machine-private.h"
#include "core/machine/state.h"
#include "core/util/log.h"

static int32_t take_target(struct tn_machine *machine, struct instance *target,
                           struct tn_error *error)
{
    struct tn_target *table = &machine->target;

    if (!instance_interface(target, TN_TARGET, table, sizeof *table) ||
        !table->info || !table->cpu_reset)
        return tn_error_set(error, -EPROTO, "%s offers no %s", target->desc->id,
                            TN_TARGET);
    machine->vcpus.info = table->info(target->self);
    if (!machine->vcpus.info)
        return tn_error_set(error, -EPROTO, "%s gives no information",
                            target->desc->id);
    machine->target_instance = target;
    irq_cpu_lines_new(machine);
    return 0;
}

static int32_t try_accel(struct tn_machine *machine, struct instance *accel,
                         struct tn_error *error)
{
    struct tn_accel table;
    int32_t rc = instance_load(accel, error);

    if (!rc)
        rc = instance_create(accel, error);
    if (!rc)
        rc = instance_configure(accel, error);
    if (!rc)
        rc = instance_realize(accel, error);
    if (rc)
        return rc;
    if (!instance_interface(accel, TN_ACCEL, &table, sizeof table) ||
        !table.attach || !table.vcpu_new || !table.vcpu_free ||
        !table.vcpu_changed || !table.run || !table.request)
        return tn_error_set(error, -EPROTO, "offers no %s", TN_ACCEL);
    rc = table.attach(accel->self,
                      machine->target_instance->ops->get_interface(
                          machine->target_instance->self, TN_TARGET),
                      machine->target_instance->self, machine->desc->cpus,
                      error);
    if (rc)
        return rc < 0 ? rc : -EPROTO;
    machine->accel_instance = accel;
    machine->accel = table;
    return 0;
}

/* The first accelerator of the list that can run this target here. */
static int32_t choose_accel(struct tn_machine *machine, struct tn_error *error)
{
    GPtrArray *accels = machine->desc->accels;
    g_autoptr(GString) reasons = g_string_new(NULL);
    int32_t rc = -ENODEV;

    for (guint i = 0; i < accels->len; i++) {
        const struct tn_instance_desc *desc = g_ptr_array_index(accels, i);
        g_auto(tn_error_auto) reason = TN_ERROR_INIT;
        struct instance *accel = instance_new(machine, desc);

        rc = try_accel(machine, accel, &reason);
        if (!rc)
            return 0;
        instance_free(accel);
        g_string_append_printf(reasons, "%s%s: %s", reasons->len ? "; " : "",
                               desc->component->info.id,
                               tn_error_text(&reason, rc));
        tn_info("accelerator %s: %s", desc->component->info.id,
                tn_error_text(&reason, rc));
    }
    return tn_error_set(error, rc, "no accelerator works: %s",
                        reasons->len ? reasons->str : "none is named");
}

static int32_t after_realize(struct tn_machine *machine,
                             struct instance *instance, struct tn_error *error)
{
    int32_t rc = 0;

    if (instance->desc == machine->desc->target) {
        rc = take_target(machine, instance, error);
        if (!rc)
            rc = choose_accel(machine, error);
        if (!rc)
            rc = vcpus_new(machine, error);
    } else if (instance->desc == machine->desc->boot) {
        machine->boot_instance = instance;
        if (!instance_interface(instance, TN_BOOT, &machine->boot,
                                sizeof machine->boot))
            rc = tn_error_set(error, -EPROTO, "%s offers no %s",
                              instance->desc->id, TN_BOOT);
    }
    if (!rc)
        rc = state_check(instance, error);
    return rc;
}

static int32_t make_instances(struct tn_machine *machine,
                              struct tn_error *error)
{
    GPtrArray *descs = machine->desc->instances;
    int32_t rc = 0;

    for (guint i = 0; i < descs->len; i++) {
        const struct tn_instance_desc *desc = g_ptr_array_index(descs, i);
        struct instance *instance = instance_new(machine, desc);

        g_ptr_array_add(machine->instances, instance);
        g_hash_table_insert(machine->by_id, desc->id, instance);
    }
    for (guint i = 0; i < machine->instances->len && !rc; i++)
        rc = instance_load(g_ptr_array_index(machine->instances, i), error);
    for (guint i = 0; i < machine->instances->len && !rc; i++)
        rc = instance_create(g_ptr_array_index(machine->instances, i), error);
    for (guint i = 0; i < machine->instances->len && !rc; i++)
        rc =
            instance_configure(g_ptr_array_index(machine->instances, i), error);
    return rc;
}

int32_t machine_build(struct tn_machine *machine, struct tn_error *error)
{
    int32_t rc;

    machine->workers =
        g_thread_pool_new(loop_run_job, machine,
                          (gint)MAX(2, g_get_num_processors()), FALSE, NULL);
    rc = memory_init(machine, error);
    if (!rc)
        rc = make_instances(machine, error);
    for (guint i = 0; i < machine->instances->len && !rc; i++) {
        struct instance *instance = g_ptr_array_index(machine->instances, i);

        rc = instance_realize(instance, error);
        if (!rc)
            rc = after_realize(machine, instance, error);
    }
    if (!rc)
        rc = irq_wire_all(machine, error);
    if (!rc)
        rc = fdt_tree_build(machine, &machine->device_tree, error);
    return rc;
}

void machine_dismantle(struct tn_machine *machine)
{
    guint n = machine->instances->len;
    GHashTableIter iter;
    gpointer loop;

    /* vCPUs are the target's and the accelerator's; devices may still drive
     * their lines, which go nowhere from now on. */
    while (n && (!machine->target_instance ||
                 g_ptr_array_index(machine->instances, n - 1) !=
                     machine->target_instance))
        instance_unwind(g_ptr_array_index(machine->instances, --n));
    vcpus_free(machine);
    if (machine->accel_instance) {
        struct instance *accel = machine->accel_instance;

        instance_unwind(accel);
        machine->accel = (struct tn_accel){0};
        machine->accel_instance = NULL;
        instance_free(accel);
    }
    while (n)
        instance_unwind(g_ptr_array_index(machine->instances, --n));
    g_thread_pool_free(machine->workers, FALSE, TRUE);
    g_hash_table_iter_init(&iter, machine->loops);
    while (g_hash_table_iter_next(&iter, NULL, &loop))
        event_loop_free(loop);
    for (n = machine->instances->len; n--;)
        instance_free(g_ptr_array_index(machine->instances, n));
    g_ptr_array_set_size(machine->instances, 0);
    memory_fini(machine);
}
