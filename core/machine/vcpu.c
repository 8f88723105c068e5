/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU threads: one a vCPU, for as long as the machine exists.
 *
 * `may_run` says what is wanted, `running` what is so; both change under one
 * lock. A thread sets `running` when it sees `may_run` and clears it when
 * run() has returned. To stop, the control thread clears `may_run`, sets
 * TN_CPU_STOP in every vCPU and waits until no thread is `running`:
 *
 *   - a thread that had not seen `may_run` will not start;
 *   - one between setting `running` and run() finds TN_CPU_STOP set there;
 *   - one inside run() returns, also from a halt: request() wakes it.
 *
 * TN_CPU_STOP is cleared only under the lock with no thread running, just
 * before `may_run` is set, so a stop that follows a start cannot be lost.
 */
#include "core/machine/vcpu.h"

#include <errno.h>

#include <tenon/accel.h>
#include <tenon/tree.h>

#include "core/machine/machine-private.h"
#include "core/machine/thread.h"

static gpointer vcpu_thread(gpointer data)
{
    struct vcpu *vcpu = data;
    struct tn_machine *machine = vcpu->machine;
    struct vcpu_set *set = &machine->vcpus;
    void *accel = machine->accel_instance->self;

    thread_set_role(THREAD_VCPU, machine);
    g_mutex_lock(&set->lock);
    while (!set->quit) {
        int32_t rc;

        if (!set->may_run) {
            g_cond_wait(&set->changed, &set->lock);
            continue;
        }
        vcpu->running = TRUE;
        g_mutex_unlock(&set->lock);
        if (machine->target.resume)
            machine->target.resume(machine->target_instance->self, vcpu->cpu);
        rc = machine->accel.run(accel, vcpu->cpu);
        g_mutex_lock(&set->lock);
        vcpu->running = FALSE;
        g_cond_broadcast(&set->changed);
        if (rc != TN_RUN_STOPPED) {
            tn_machine_request(machine, TN_MACHINE_BROKEN, 0);
            while (set->may_run && !set->quit)
                g_cond_wait(&set->changed, &set->lock);
        }
    }
    g_mutex_unlock(&set->lock);
    return NULL;
}

void vcpus_init(struct tn_machine *machine)
{
    g_mutex_init(&machine->vcpus.lock);
    g_cond_init(&machine->vcpus.changed);
}

int32_t vcpus_new(struct tn_machine *machine, struct tn_error *error)
{
    struct vcpu_set *set = &machine->vcpus;
    guint n = machine->desc->cpus;

    set->cpus = g_new0(struct vcpu, n);
    for (guint i = 0; i < n; i++) {
        struct vcpu *vcpu = &set->cpus[i];
        int32_t rc = machine->accel.vcpu_new(machine->accel_instance->self, i,
                                             &vcpu->cpu, error);

        if (!rc && !vcpu->cpu)
            rc = tn_error_set(error, -EPROTO, "accelerator made no vCPU");
        if (rc) {
            tn_error_prefix(error, "cpu%u: ", i);
            return rc < 0 ? rc : -EPROTO;
        }
        vcpu->machine = machine;
        set->n = i + 1;
    }
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("cpu%u", i);

        set->cpus[i].thread = g_thread_new(name, vcpu_thread, &set->cpus[i]);
    }
    return 0;
}

void vcpus_free(struct tn_machine *machine)
{
    struct vcpu_set *set = &machine->vcpus;

    g_mutex_lock(&set->lock);
    set->quit = TRUE;
    g_cond_broadcast(&set->changed);
    g_mutex_unlock(&set->lock);
    for (guint i = 0; i < set->n; i++)
        if (set->cpus[i].thread)
            g_thread_join(set->cpus[i].thread);
    while (set->n) {
        set->n--;
        machine->accel.vcpu_free(machine->accel_instance->self,
                                 set->cpus[set->n].cpu);
    }
    g_clear_pointer(&set->cpus, g_free);
    irq_cpu_lines_free(machine);
}

void vcpus_fini(struct tn_machine *machine)
{
    g_mutex_clear(&machine->vcpus.lock);
    g_cond_clear(&machine->vcpus.changed);
}

void vcpus_reset(struct tn_machine *machine, uint32_t kind)
{
    struct vcpu_set *set = &machine->vcpus;

    for (guint i = 0; i < set->n; i++)
        machine->target.cpu_reset(machine->target_instance->self,
                                  set->cpus[i].cpu, kind);
}

void vcpus_changed(struct tn_machine *machine)
{
    struct vcpu_set *set = &machine->vcpus;

    for (guint i = 0; i < set->n; i++)
        machine->accel.vcpu_changed(machine->accel_instance->self,
                                    set->cpus[i].cpu);
}

void vcpus_start(struct tn_machine *machine)
{
    struct vcpu_set *set = &machine->vcpus;

    g_mutex_lock(&set->lock);
    for (guint i = 0; i < set->n; i++)
        __atomic_and_fetch(&set->cpus[i].cpu->request, ~TN_CPU_STOP,
                           __ATOMIC_SEQ_CST);
    set->may_run = TRUE;
    atomic_store(&machine->vcpus_running, 1);
    g_cond_broadcast(&set->changed);
    g_mutex_unlock(&set->lock);
}

void vcpus_stop(struct tn_machine *machine)
{
    struct vcpu_set *set = &machine->vcpus;

    g_mutex_lock(&set->lock);
    set->may_run = FALSE;
    g_cond_broadcast(&set->changed);
    for (guint i = 0; i < set->n; i++)
        machine->accel.request(machine->accel_instance->self, set->cpus[i].cpu,
                               TN_CPU_STOP);
    for (guint i = 0; i < set->n; i++)
        while (set->cpus[i].running)
            g_cond_wait(&set->changed, &set->lock);
    atomic_store(&machine->vcpus_running, 0);
    g_mutex_unlock(&set->lock);
}
