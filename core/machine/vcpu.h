/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU threads.
 */
#ifndef TENON_CORE_MACHINE_VCPU_H
#define TENON_CORE_MACHINE_VCPU_H

#include <glib.h>
#include <stdint.h>

#include <tenon/target.h>

#include "core/util/error.h"

struct tn_machine;
struct irq_sink;

struct vcpu {
    struct tn_machine *machine;
    struct tn_cpu *cpu;
    GThread *thread;
    gboolean running; /* in accel->run(), or about to be */
};

struct vcpu_set {
    guint n; /* whose cpu has been made */
    struct vcpu *cpus;
    const struct tn_target_info *info; /* once the target is realized */
    struct irq_sink *lines;            /* cpu * info->n_lines + line */

    GMutex lock;
    GCond changed;
    gboolean may_run;
    gboolean quit;
};

void vcpus_init(struct tn_machine *machine);
/* Make all of them through the accelerator, with a thread each, stopped. */
int32_t vcpus_new(struct tn_machine *machine, struct tn_error *error);
void vcpus_free(struct tn_machine *machine);
void vcpus_fini(struct tn_machine *machine);
/* [control] */
void vcpus_reset(struct tn_machine *machine, uint32_t kind);
/* Their registers were changed. */
void vcpus_changed(struct tn_machine *machine);
void vcpus_start(struct tn_machine *machine);
/* Returns when none is in accel->run(). */
void vcpus_stop(struct tn_machine *machine);

#endif
