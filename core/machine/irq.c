/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.irq/1.
 *
 * A level change takes the controller's lock, so changes of one input reach
 * the controller in the order they were made. Levels flow from devices to
 * controllers to vCPUs; a controller that drives an input of its own is called
 * without its lock being taken again.
 */
#include "core/machine/irq.h"

#include <errno.h>
#include <string.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"

#define MAX_OUTPUTS 2048u
#define MAX_INPUTS 65536u

static void deliver(struct tn_machine *machine, struct irq_sink *sink,
                    uint32_t level)
{
    struct irq_controller *controller = sink->controller;

    if (controller) {
        if (controller->instance->self)
            controller->set(controller->opaque, sink->line, level);
    } else if (sink->cpu < machine->vcpus.n) {
        struct tn_cpu *cpu = machine->vcpus.cpus[sink->cpu].cpu;

        if (cpu && machine->target.set_line)
            machine->target.set_line(machine->target_instance->self, cpu,
                                     sink->line, level);
    }
}

static void drive(struct tn_irq *irq, struct irq_sink *sink, uint32_t level)
{
    struct irq_controller *controller = sink->controller;
    struct instance *owner = controller ? controller->instance : NULL;
    gboolean has_lock = owner && owner->lock;
    gboolean entered = owner && !instance_enter(owner);

    if (owner && !entered && !thread_is_inside(owner)) {
        tn_logf(&irq->owner->base.host, TN_LOG_ERROR,
                "interrupt lost: calls are nested too deep");
        return;
    }
    if (!has_lock)
        g_mutex_lock(&sink->lock);
    if (atomic_load(&irq->level) != level) {
        guint before = sink->count;

        atomic_store(&irq->level, level);
        sink->count += level ? 1u : -1u;
        if (!before != !sink->count)
            deliver(irq->owner->machine, sink, level);
    }
    if (!has_lock)
        g_mutex_unlock(&sink->lock);
    if (entered)
        instance_leave(owner);
}

static void set(struct tn_host *host, struct tn_irq *irq, uint32_t level)
{
    struct irq_sink *sink;

    if (!irq || irq->owner != instance_of(host))
        return;
    level = !!level;
    if (atomic_load(&irq->level) == level)
        return;
    sink = atomic_load(&irq->sink);
    if (sink)
        drive(irq, sink, level);
    else
        atomic_store(&irq->level, level);
}

/* Wire IRQ to SINK; a level it has already is passed on. */
static void connect(struct tn_irq *irq, struct irq_sink *sink)
{
    uint32_t level = atomic_exchange(&irq->level, 0);

    atomic_store(&irq->sink, sink);
    if (level)
        drive(irq, sink, level);
}

static struct tn_irq *new_irq(struct instance *owner)
{
    struct tn_irq *irq = g_new0(struct tn_irq, 1);

    irq->owner = owner;
    return irq;
}

static struct tn_irq *output(struct tn_host *host, uint32_t index)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    if (index >= MAX_OUTPUTS)
        return NULL;
    if (index >= instance->outputs->len)
        g_ptr_array_set_size(instance->outputs, (gint)index + 1);
    if (!instance->outputs->pdata[index])
        instance->outputs->pdata[index] = new_irq(instance);
    return instance->outputs->pdata[index];
}

static const struct tn_irq_wire *find_wire(const struct instance *instance,
                                           guint index)
{
    for (guint i = 0; i < instance->desc->n_wires; i++)
        if (instance->desc->wires[i].output == index)
            return &instance->desc->wires[i];
    return NULL;
}

static uint32_t is_wired(struct tn_host *host, uint32_t index)
{
    CHECK_CONTROL(instance_of(host));
    return find_wire(instance_of(host), index) != NULL;
}

static int32_t inputs(struct tn_host *host, uint32_t count,
                      void (*set_line)(void *opaque, uint32_t line,
                                       uint32_t level),
                      void *opaque)
{
    struct instance *instance = instance_of(host);
    struct irq_controller *controller;

    CHECK_CONTROL(instance);
    if (!count || count > MAX_INPUTS || !set_line)
        return -EINVAL;
    if (instance->controller)
        return -EBUSY;
    controller = g_new0(struct irq_controller, 1);
    controller->instance = instance;
    controller->set = set_line;
    controller->opaque = opaque;
    controller->n_lines = count;
    controller->lines = g_new0(struct irq_sink, count);
    for (uint32_t i = 0; i < count; i++) {
        g_mutex_init(&controller->lines[i].lock);
        controller->lines[i].controller = controller;
        controller->lines[i].line = i;
    }
    instance->controller = controller;
    return 0;
}

static struct irq_sink *cpu_sink(struct tn_machine *machine, uint32_t cpu,
                                 const char *name)
{
    const struct tn_target_info *info = machine->vcpus.info;

    if (!info || !name || cpu >= machine->desc->cpus)
        return NULL;
    for (uint32_t i = 0; i < info->n_lines; i++)
        if (!strncmp(info->lines[i].name, name, sizeof info->lines[i].name))
            return &machine->vcpus.lines[cpu * info->n_lines + i];
    return NULL;
}

static struct irq_sink *controller_sink(struct tn_machine *machine,
                                        const char *id, uint32_t line)
{
    struct instance *instance = id ? machine_instance(machine, id) : NULL;

    if (!instance || !instance->controller ||
        line >= instance->controller->n_lines)
        return NULL;
    return &instance->controller->lines[line];
}

static struct tn_irq *extra_output(struct instance *instance,
                                   struct irq_sink *sink)
{
    struct tn_irq *irq;

    if (!sink)
        return NULL;
    irq = new_irq(instance);
    g_ptr_array_add(instance->extra_outputs, irq);
    connect(irq, sink);
    return irq;
}

static struct tn_irq *cpu_line(struct tn_host *host, uint32_t cpu,
                               const char *name)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    return extra_output(instance, cpu_sink(instance->machine, cpu, name));
}

static struct tn_irq *wire(struct tn_host *host, const char *id, uint32_t line)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    return extra_output(instance, controller_sink(instance->machine, id, line));
}

static int32_t wire_instance(struct instance *instance, struct tn_error *error)
{
    struct tn_machine *machine = instance->machine;

    for (guint i = 0; i < instance->desc->n_wires; i++) {
        const struct tn_irq_wire *wire = &instance->desc->wires[i];
        struct tn_irq *irq = output(&instance->base.host, wire->output);
        struct irq_sink *sink;

        if (!irq)
            return tn_error_set(error, -EINVAL, "%s: no output %u",
                                instance->desc->id, wire->output);
        if (wire->controller) {
            sink = controller_sink(machine, wire->controller, wire->line);
        } else if (wire->line_name) {
            sink = cpu_sink(machine, wire->cpu, wire->line_name);
        } else {
            const struct tn_target_info *info = machine->vcpus.info;

            sink = info && wire->line < info->n_lines &&
                           wire->cpu < machine->desc->cpus
                       ? &machine->vcpus
                              .lines[wire->cpu * info->n_lines + wire->line]
                       : NULL;
        }
        if (!sink)
            return tn_error_set(error, -EINVAL,
                                "%s: output %u is wired to %s, which has no "
                                "line %s%u",
                                instance->desc->id, wire->output,
                                wire->controller ? wire->controller : "a vCPU",
                                wire->line_name ? wire->line_name : "",
                                wire->line);
        if (!atomic_load(&irq->sink))
            connect(irq, sink);
    }
    return 0;
}

int32_t irq_wire_all(struct tn_machine *machine, struct tn_error *error)
{
    for (guint i = 0; i < machine->instances->len; i++) {
        int32_t rc =
            wire_instance(g_ptr_array_index(machine->instances, i), error);

        if (rc)
            return rc;
    }
    return 0;
}

struct irq_sink *irq_output_sink(struct instance *instance, guint index)
{
    struct tn_irq *irq;

    if (index >= instance->outputs->len)
        return NULL;
    irq = instance->outputs->pdata[index];
    return irq ? atomic_load(&irq->sink) : NULL;
}

void irq_cpu_lines_new(struct tn_machine *machine)
{
    guint n_lines = machine->vcpus.info->n_lines;

    machine->vcpus.lines =
        g_new0(struct irq_sink, machine->desc->cpus * n_lines);
    for (guint i = 0; i < machine->desc->cpus * n_lines; i++) {
        g_mutex_init(&machine->vcpus.lines[i].lock);
        machine->vcpus.lines[i].cpu = i / n_lines;
        machine->vcpus.lines[i].line = i % n_lines;
    }
}

void irq_cpu_lines_free(struct tn_machine *machine)
{
    if (machine->vcpus.lines)
        for (guint i = 0;
             i < machine->desc->cpus * machine->vcpus.info->n_lines; i++)
            g_mutex_clear(&machine->vcpus.lines[i].lock);
    g_clear_pointer(&machine->vcpus.lines, g_free);
}

/* After every instance has been unwound: nothing drives a line any more. */
void irq_instance_free(struct instance *instance)
{
    struct irq_controller *controller = instance->controller;

    g_ptr_array_foreach(instance->outputs, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_foreach(instance->extra_outputs, (GFunc)(void (*)(void))g_free,
                        NULL);
    if (!controller)
        return;
    for (uint32_t i = 0; i < controller->n_lines; i++)
        g_mutex_clear(&controller->lines[i].lock);
    g_free(controller->lines);
    g_free(controller);
    instance->controller = NULL;
}

const struct tn_irqs host_irqs = {
    .size = sizeof(struct tn_irqs),
    .output = output,
    .set = set,
    .is_wired = is_wired,
    .inputs = inputs,
    .cpu_line = cpu_line,
    .wire = wire,
};
