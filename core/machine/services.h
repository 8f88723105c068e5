/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services' tables, one a file; host.c finds them by id.
 */
#ifndef TENON_CORE_MACHINE_SERVICES_H
#define TENON_CORE_MACHINE_SERVICES_H

#include <tenon/accel.h>
#include <tenon/boot.h>
#include <tenon/clock.h>
#include <tenon/host.h>
#include <tenon/irq.h>
#include <tenon/loop.h>
#include <tenon/memory.h>
#include <tenon/tree.h>

extern const struct tn_memory host_memory;
extern const struct tn_irqs host_irqs;
extern const struct tn_clock host_clock;
extern const struct tn_loop host_loop;
extern const struct tn_tree host_tree;
extern const struct tn_guestmem host_guestmem;
extern const struct tn_boot_services host_boot;

#endif
