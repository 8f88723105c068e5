/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an instance: the one place that calls struct tn_component_ops.
 */
#include "core/machine/instance.h"

#include <errno.h>
#include <string.h>

#include <tenon/abi.h>

#include "core/machine/irq.h"
#include "core/machine/machine-private.h"
#include "core/machine/region.h"
#include "core/machine/thread.h"

struct instance *instance_new(struct tn_machine *machine,
                              const struct tn_instance_desc *desc)
{
    struct instance *instance = g_new0(struct instance, 1);
    uint32_t flags = desc->component->info.flags;

    instance->base.host.service = host_service;
    instance->base.value = host_value;
    instance->machine = machine;
    instance->desc = desc;
    instance->ops = &desc->component->ops;
    instance->base.log.name = desc->id;
    g_mutex_init(&instance->own_lock.mutex);
    if (desc->parent)
        instance->parent = machine_instance(machine, desc->parent->id);
    if (!(flags & TN_COMPONENT_PARALLEL)) {
        instance->lock = &instance->own_lock;
        if ((flags & TN_COMPONENT_PARENT_LOCK) && instance->parent &&
            instance->parent->lock)
            instance->lock = instance->parent->lock;
    }
    instance->loop = machine_loop(machine, desc->iothread);
    instance->children = g_ptr_array_new();
    instance->regions = g_ptr_array_new();
    instance->outputs = g_ptr_array_new();
    instance->extra_outputs = g_ptr_array_new();
    if (instance->parent)
        g_ptr_array_add(instance->parent->children, instance);
    g_datalist_init(&instance->data);
    return instance;
}

void instance_free(struct instance *instance)
{
    if (!instance)
        return;
    instance_unwind(instance);
    g_datalist_clear(&instance->data);
    if (instance->parent)
        g_ptr_array_remove(instance->parent->children, instance);
    g_ptr_array_unref(instance->children);
    g_ptr_array_unref(instance->regions);
    irq_instance_free(instance);
    g_ptr_array_unref(instance->outputs);
    g_ptr_array_unref(instance->extra_outputs);
    g_mutex_clear(&instance->own_lock.mutex);
    g_free(instance);
}

static int32_t enter(struct instance *instance, gboolean wait)
{
    struct thread_state *thread = thread_current();

    if (thread->n_calls == THREAD_MAX_CALLS || thread_is_inside(instance))
        return -EDEADLK;
    if (instance->lock) {
        if (wait)
            g_mutex_lock(&instance->lock->mutex);
        else if (!g_mutex_trylock(&instance->lock->mutex))
            return -EBUSY;
    }
    thread->calls[thread->n_calls++] = instance;
    return 0;
}

int32_t instance_enter(struct instance *instance)
{
    return enter(instance, TRUE);
}

int32_t instance_try_enter(struct instance *instance)
{
    return enter(instance, FALSE);
}

void instance_leave(struct instance *instance)
{
    struct thread_state *thread = thread_current();
    guint i = thread->n_calls;

    /* The innermost, unless a plugin leaves in another order. */
    while (i && thread->calls[i - 1] != instance)
        i--;
    if (!i) {
        tn_log_printf(TN_LOG_ERROR, "%s: left without being entered",
                      instance->desc->id);
        return;
    }
    memmove(&thread->calls[i - 1], &thread->calls[i],
            (thread->n_calls - i) * sizeof thread->calls[0]);
    thread->n_calls--;
    if (instance->lock)
        g_mutex_unlock(&instance->lock->mutex);
}

/* What a plugin returns is 0 or a negative errno, nothing else. */
static int32_t checked_result(struct instance *instance, int32_t rc,
                              const char *step, struct tn_error *error)
{
    if (rc > 0 || rc < -4095) {
        rc = tn_error_set(error, -EPROTO, "%s returned %d", step, (int)rc);
    } else if (rc && error && !error->text) {
        tn_error_set(error, rc, "%s: %s", step, tn_error_text(error, rc));
    }
    if (rc)
        tn_error_prefix(error, "%s: ", instance->desc->id);
    return rc;
}

int32_t instance_load(struct instance *instance, struct tn_error *error)
{
    int32_t rc = tn_component_load(instance->desc->component, error);

    if (!rc && (!instance->ops->create || !instance->ops->destroy))
        rc = tn_error_set(error, -EPROTO, "component %s has no create()",
                          instance->desc->component->info.id);
    return rc ? checked_result(instance, rc, "load", error) : 0;
}

int32_t instance_create(struct instance *instance, struct tn_error *error)
{
    int32_t rc;

    instance_enter(instance);
    rc = instance->ops->create(&instance->base.host, &instance->self);
    instance_leave(instance);
    rc = checked_result(instance, rc, "create", error);
    if (!rc)
        instance->stage = INSTANCE_CREATED;
    return rc;
}

static int32_t forward(struct instance *instance,
                       int32_t (*step)(void *self, struct tn_error *error),
                       enum instance_stage stage, const char *name,
                       struct tn_error *error)
{
    int32_t rc = 0;

    if (step) {
        instance_enter(instance);
        rc = step(instance->self, error);
        instance_leave(instance);
        rc = checked_result(instance, rc, name, error);
    }
    if (!rc)
        instance->stage = stage;
    return rc;
}

int32_t instance_configure(struct instance *instance, struct tn_error *error)
{
    return forward(instance, instance->ops->configure, INSTANCE_CONFIGURED,
                   "configure", error);
}

int32_t instance_realize(struct instance *instance, struct tn_error *error)
{
    int32_t rc = forward(instance, instance->ops->realize, INSTANCE_REALIZED,
                         "realize", error);

    if (rc) {
        region_free_all(instance); /* what a failed realize() left */
        return rc;
    }
    rc = region_map_board(instance, error);
    if (rc)
        tn_error_prefix(error, "%s: ", instance->desc->id);
    return rc;
}

int32_t instance_start(struct instance *instance, struct tn_error *error)
{
    return forward(instance, instance->ops->start, INSTANCE_STARTED, "start",
                   error);
}

static void backward(struct instance *instance, void (*step)(void *self),
                     enum instance_stage stage)
{
    if (step) {
        instance_enter(instance);
        step(instance->self);
        instance_leave(instance);
    }
    instance->stage = stage;
}

void instance_stop(struct instance *instance)
{
    if (instance->stage == INSTANCE_STARTED)
        backward(instance, instance->ops->stop, INSTANCE_REALIZED);
}

int32_t instance_quiesce(struct instance *instance)
{
    int32_t rc = 0;

    if (instance->ops->quiesce) {
        instance_enter(instance);
        rc = instance->ops->quiesce(instance->self);
        instance_leave(instance);
    }
    /* What workers have ends on the I/O thread, under the lock. */
    while (atomic_load(&instance->jobs))
        g_usleep(100);
    return rc > 0 ? -EPROTO : rc;
}

void instance_reset(struct instance *instance, uint32_t kind)
{
    if (!instance->ops->reset)
        return;
    instance_enter(instance);
    instance->ops->reset(instance->self, kind);
    instance_leave(instance);
}

void instance_unwind(struct instance *instance)
{
    instance_stop(instance);
    if (instance->stage == INSTANCE_REALIZED) {
        instance_quiesce(instance);
        backward(instance, instance->ops->unrealize, INSTANCE_CONFIGURED);
        region_free_all(instance);
    }
    /* configure() has no opposite: what it kept is destroy()'s. */
    if (instance->stage >= INSTANCE_CREATED) {
        backward(instance, instance->ops->destroy, INSTANCE_NEW);
        instance->self = NULL;
    }
}

gboolean instance_interface(struct instance *instance, const char *id,
                            void *table, gsize bytes)
{
    const void *theirs = NULL;
    uint32_t size;

    memset(table, 0, bytes);
    if (instance->stage >= INSTANCE_CREATED && instance->ops->get_interface)
        theirs = instance->ops->get_interface(instance->self, id);
    if (!theirs)
        return FALSE;
    memcpy(&size, theirs, sizeof size);
    memcpy(table, theirs, MIN((gsize)size, bytes));
    return TRUE;
}
