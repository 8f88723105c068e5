/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine, as the files of this directory see it.
 */
#ifndef TENON_CORE_MACHINE_MACHINE_PRIVATE_H
#define TENON_CORE_MACHINE_MACHINE_PRIVATE_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

#include <tenon/accel.h>
#include <tenon/boot.h>
#include <tenon/target.h>

#include "core/machine/clock.h"
#include "core/machine/instance.h"
#include "core/machine/irq.h"
#include "core/machine/machine.h"
#include "core/machine/region.h"
#include "core/machine/vcpu.h"

struct tn_machine {
    const struct tn_machine_desc *desc;
    GThread *control; /* the thread that makes [control] calls */
    GMainContext *context;

    GPtrArray *instances; /* of struct instance *, in desc's order */
    GHashTable *by_id;    /* of the same */
    struct instance *accel_instance;
    struct tn_accel accel; /* all NULL until one is attached */
    struct instance *target_instance;
    struct tn_target target;
    struct tn_boot boot;
    struct instance *boot_instance;

    struct memory memory;
    struct tn_region *main_ram;
    struct machine_clock clock;
    GHashTable *loops; /* name -> struct event_loop */
    GThreadPool *workers;
    struct vcpu_set vcpus;
    atomic_int running; /* instances started, clock on */
    atomic_int vcpus_running;
    GBytes *device_tree;

    /* What was asked for and not yet acted on. */
    GMutex request_lock;
    guint requests; /* 1 << TN_REQUEST_* */
    uint32_t fail_detail;
    uint32_t end_reason; /* 0: goes on */
    uint32_t end_detail;
    GSource *starting; /* tries again until every instance has started */
    GData *data; /* of other parts of core */
};

struct instance *machine_instance(struct tn_machine *machine, const char *id);
struct event_loop *machine_loop(struct tn_machine *machine, const char *name);

/* The accelerator, if one is attached already. */
void machine_code_written(struct tn_machine *machine, uint64_t ram_offset,
                          uint64_t bytes);
void machine_map_changed(struct tn_machine *machine);

/* machine-build.c: instances to the state REALIZED, and back. */
int32_t machine_build(struct tn_machine *machine, struct tn_error *error);
void machine_dismantle(struct tn_machine *machine);

#endif
