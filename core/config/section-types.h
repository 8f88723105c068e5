/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of section there are, and the keys that core itself understands.
 * Their schemas are tables like those of components, so that checking,
 * `tenon describe` and completion treat both alike.
 */
#ifndef TENON_CORE_CONFIG_SECTION_TYPES_H
#define TENON_CORE_CONFIG_SECTION_TYPES_H

#include <glib.h>
#include <stdint.h>

#include <tenon/abi.h>

#include "core/config/diagnostics.h"

/* What a section of a type makes. */
#define TN_SECTION_DEVICE 0x1u    /* may have a device */
#define TN_SECTION_BLOCK 0x2u     /* a block node */
#define TN_SECTION_NAMED 0x4u     /* needs a name */
#define TN_SECTION_MAY_NAME 0x8u  /* may have one */
#define TN_SECTION_SETTINGS 0x10u /* makes no instance of its own */

struct tn_section_type {
    const char *type;
    uint32_t flags;
    uint32_t backend_kind; /* kind of its back-end; 0: none */
    const char *reference; /* the device's property that names its back-end,
                              set by core; NULL: none */
    const struct tn_property *schema; /* core's own keys */
    guint rows;
    const char *summary;
};

extern const struct tn_section_type tn_section_types[];
extern const guint tn_section_type_count;

const struct tn_section_type *tn_section_type_find(const char *type);
gboolean tn_section_type_known(const char *type);
gboolean tn_section_type_named(const char *type);

/* Is "[TYPE NAME]" a header there may be? Reports if not. */
gboolean tn_section_type_check(const char *type, const char *name,
                               const char *file, guint line,
                               struct tn_diagnostics *diagnostics);

/* Row NAME, or NULL. */
const struct tn_property *tn_schema_find(const struct tn_property *schema,
                                         guint rows, const char *name);

/* Row indices of the [machine], [board] and [secret] schemas. */
enum tn_machine_row {
    TN_MACHINE_NAME,
    TN_MACHINE_BOARD,
    TN_MACHINE_ACCEL,
    TN_MACHINE_CPUS,
    TN_MACHINE_CPU,
    TN_MACHINE_MEMORY,
    TN_MACHINE_REBOOT,
    TN_MACHINE_BOOT,
    TN_MACHINE_KERNEL,
    TN_MACHINE_INITRD,
    TN_MACHINE_CMDLINE,
    TN_MACHINE_FIRMWARE,
    TN_MACHINE_DTB,
    TN_MACHINE_DUMP_DTB,
    TN_MACHINE_ROWS
};
enum tn_board_row {
    TN_BOARD_DESCRIPTION,
    TN_BOARD_BASE,
    TN_BOARD_TARGET,
    TN_BOARD_BOOT,
    TN_BOARD_RAM,
    TN_BOARD_ROWS
};
enum tn_secret_row {
    TN_SECRET_FILE,
    TN_SECRET_ENV,
    TN_SECRET_FORMAT,
    TN_SECRET_ROWS
};
extern const struct tn_property tn_secret_schema[TN_SECRET_ROWS];
extern const struct tn_property tn_machine_schema[TN_MACHINE_ROWS];
extern const struct tn_property tn_board_schema[TN_BOARD_ROWS];

/* Rows of the keys that every instance has: component, device, backend,
 * parent, attach, slot, address, irq, iothread, count, enabled. */
extern const struct tn_property tn_instance_schema[];
extern const guint tn_instance_schema_rows;

#endif
