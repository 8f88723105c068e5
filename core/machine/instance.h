/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: one component at work in one machine.
 *
 * Every callback of a plugin is made between instance_enter() and
 * instance_leave(), which take the instance's lock unless its component locks
 * itself, and record the call on the thread.
 */
#ifndef TENON_CORE_MACHINE_INSTANCE_H
#define TENON_CORE_MACHINE_INSTANCE_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

#include <tenon/fdt.h>
#include <tenon/host.h>
#include <tenon/state.h>

#include "core/config/machine-desc.h"
#include "core/plugin/host-base.h"
#include "core/util/error.h"

struct tn_machine;
struct event_loop;
struct irq_controller;

enum instance_stage {
    INSTANCE_NEW,
    INSTANCE_CREATED,
    INSTANCE_CONFIGURED,
    INSTANCE_REALIZED,
    INSTANCE_STARTED,
};

struct instance_lock {
    GMutex mutex;
};

struct instance {
    struct host_base base; /* first: plugins hold its address */
    struct tn_machine *machine;
    const struct tn_instance_desc *desc;
    const struct tn_component_ops *ops;
    void *self;
    enum instance_stage stage;

    struct instance_lock *lock; /* NULL: the component is parallel */
    struct instance_lock own_lock;
    struct instance *parent;
    GPtrArray *children; /* of struct instance * */
    struct event_loop *loop;

    GPtrArray *regions;                /* made by it and not freed, in order */
    GPtrArray *outputs;                /* struct tn_irq * by index, some NULL */
    GPtrArray *extra_outputs;          /* made with cpu_line() and wire() */
    struct irq_controller *controller; /* NULL: no inputs */
    atomic_uint jobs;                  /* given to workers and not done */
    GData *data; /* of other parts of core */
};

static inline struct instance *instance_of(struct tn_host *host)
{
    return (struct instance *)host;
}

struct instance *instance_new(struct tn_machine *machine,
                              const struct tn_instance_desc *desc);
void instance_free(struct instance *instance);

/* Around every callback. Returns 0, or -EDEADLK if a callback of it runs on
 * this thread already. */
int32_t instance_enter(struct instance *instance);
void instance_leave(struct instance *instance);
/* Like instance_enter() but never waits: -EBUSY. */
int32_t instance_try_enter(struct instance *instance);

/* The steps of abi.h. Forward ones stop at the first failure, with ERROR
 * naming the instance. */
int32_t instance_load(struct instance *instance, struct tn_error *error);
int32_t instance_create(struct instance *instance, struct tn_error *error);
int32_t instance_configure(struct instance *instance, struct tn_error *error);
int32_t instance_realize(struct instance *instance, struct tn_error *error);
int32_t instance_start(struct instance *instance, struct tn_error *error);
void instance_stop(struct instance *instance);
int32_t instance_quiesce(struct instance *instance);
void instance_reset(struct instance *instance, uint32_t kind);
/* Back to INSTANCE_NEW through the mirrored steps of those that were made. */
void instance_unwind(struct instance *instance);

/* An interface table copied into a zeroed one of BYTES: a table of an older
 * plugin is shorter. FALSE: the instance does not offer it. */
gboolean instance_interface(struct instance *instance, const char *id,
                            void *table, gsize bytes);

/* The service called ID as INSTANCE sees it, or NULL. */
const void *host_service(struct tn_host *host, const char *id);
/* Of struct host_base; says so if the schema has no such property. */
const struct tn_value *host_value(struct host_base *base, const char *name);

#endif
