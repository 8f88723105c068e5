/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt lines: outputs of instances wired to inputs of controllers or of
 * vCPUs. An input that several outputs drive is active while any of them is.
 */
#ifndef TENON_CORE_MACHINE_IRQ_H
#define TENON_CORE_MACHINE_IRQ_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

#include <tenon/irq.h>

#include "core/util/error.h"

struct tn_machine;
struct instance;

struct irq_controller;

/* An input. COUNT and the levels of the outputs that drive it change under
 * the controller's lock, or under LOCK if that has none or it is a vCPU's. */
struct irq_sink {
    GMutex lock;
    struct irq_controller *controller; /* NULL: a vCPU */
    uint32_t cpu;
    uint32_t line;
    guint count; /* outputs that drive it */
};

struct irq_controller {
    struct instance *instance;
    void (*set)(void *opaque, uint32_t line, uint32_t level);
    void *opaque;
    uint32_t n_lines;
    struct irq_sink *lines;
};

struct tn_irq {
    struct instance *owner;
    atomic_uint level;
    _Atomic(struct irq_sink *) sink; /* NULL: not wired, or not yet */
};

/* Inputs of vCPUs: once the target is realized. */
void irq_cpu_lines_new(struct tn_machine *machine);
void irq_cpu_lines_free(struct tn_machine *machine);

/* Wire every output as the description says. All controllers are realized. */
int32_t irq_wire_all(struct tn_machine *machine, struct tn_error *error);
void irq_instance_free(struct instance *instance);

/* For device trees: the wire of output INDEX; FALSE if there is none. */
struct irq_sink *irq_output_sink(struct instance *instance, guint index);

#endif
