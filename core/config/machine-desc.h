/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine, resolved: what core/config makes of a machine file, its board and
 * --set, and all that core/machine needs to build it. Every name has been
 * looked up, every value checked against its schema, every bus and slot
 * chosen. Constant once made; it may be shared by several machines and must
 * outlive them, as must the registry it was made from.
 */
#ifndef TENON_CORE_CONFIG_MACHINE_DESC_H
#define TENON_CORE_CONFIG_MACHINE_DESC_H

#include <glib.h>
#include <stdint.h>

#include "core/config/section-types.h"
#include "core/plugin/registry.h"
#include "core/plugin/schema.h"

/* One wire: `irq = plic:10` is output 0 to line 10 of "plic"; `irq = cpu1:mei`
 * output 0 to the line called "mei" of vCPU 1. An output that a file leaves
 * out has no wire. */
struct tn_irq_wire {
    guint output;
    char *controller; /* instance id; NULL: a vCPU */
    guint cpu;        /* if controller is NULL */
    char *line_name;  /* NULL: by number */
    uint32_t line;    /* if line_name is NULL */
};

/* One instance to create. */
struct tn_instance_desc {
    char *id; /* "uart0", "disk.root", "net.lan.backend", "cpu", "boot" */
    struct tn_component_entry *component;
    /* One value for every property of the component's schema, in its order;
     * those not set have their default. info.n_properties of them. */
    struct tn_value *values;
    struct tn_instance_desc *parent; /* on whose bus it sits, or NULL */
    char *bus;                       /* kind of that bus; NULL: none */
    gint slot;                       /* -1: not given; the bus decides */
    uint64_t *addresses;             /* of its regions, in order of creation */
    guint n_addresses;
    struct tn_irq_wire *wires;
    guint n_wires;
    char *iothread;    /* name of the I/O thread that serves it; NULL: the
                          machine's own */
    char *backend;     /* id of its back-end instance or block node, or NULL:
                          disk.root's is the block node "disk.root", net.lan's
                          the instance "net.lan.backend" */
    guint board_order; /* place in the board and machine file: order of device
                          tree nodes */
    /* For `dump` and messages: the section that describes it. */
    char *section_type; /* "disk" */
    char *section_name; /* "root", or "" */
    char *file;
    guint line;
};

/* An image: what the block engine opens for a [disk]. */
struct tn_block_desc {
    char *id; /* "disk.root" */
    /* The block engine's own properties (tn_block_schema), one value a row. */
    struct tn_value *values;
    guint n_values;
    /* The format's and the protocol's components if the file names them, with
     * one value a row of their schema, else NULL: found by probing. */
    struct tn_component_entry *format;
    struct tn_value *format_values;
    struct tn_component_entry *protocol;
    struct tn_value *protocol_values;
    char *file;
    guint line;
};

/* A [secret]: its keys, see tn_secret_schema. */
struct tn_secret_desc {
    char *id;
    struct tn_value values[TN_SECRET_ROWS];
};

/* All of them, and what was read; see core/block/secret-read.h, which locks. */
struct block_secrets;
struct tn_secrets_desc {
    GPtrArray *list; /* of struct tn_secret_desc * */
    struct block_secrets *store; /* NULL: not yet */
};
struct tn_secrets_desc *tn_secrets_desc_new(void);
void tn_secrets_desc_free(struct tn_secrets_desc *secrets);

struct tn_machine_desc {
    char *name; /* file name without suffix, or machine.name */
    guint cpus;
    uint64_t memory;         /* bytes of main memory */
    uint64_t ram_base;       /* where it is */
    gboolean exit_on_reboot; /* machine.reboot = exit */
    char *board;             /* absolute path of the board file, or NULL */
    char *description;       /* of the board, or NULL */
    char *dump_dtb; /* where to write the device tree before the machine
                       starts, or NULL */
    /* `attach.KIND`, kind -> component id: which adapter carries a device of
     * that bus. For devices plugged in later. */
    GHashTable *attach;

    /* Accelerators in the order to try; the first whose create() to realize()
     * succeed is the machine's. At least one. Not part of `instances`. All
     * have the id "accel". */
    GPtrArray *accels; /* of struct tn_instance_desc * */

    /* Everything else in the order of creation: target ("cpu"), back-ends,
     * then devices: parents, interrupt controllers and instances referred to
     * before those that use them; boot ("boot") last. Owned. */
    GPtrArray *instances;            /* of struct tn_instance_desc * */
    struct tn_instance_desc *target; /* in `instances` */
    struct tn_instance_desc *boot;   /* in `instances`; NULL: CPUs start at
                                        their reset address */
    GPtrArray *blocks;               /* of struct tn_block_desc * */
    struct tn_secrets_desc *secrets; /* NULL: none */
    struct tn_registry *registry;    /* that it was made from: the block
                                        engine finds formats there */
};

/* The kernel, initrd, cmdline, firmware and dtb of [machine] are properties of
 * the boot instance: look them up there by those names. Likewise machine.cpu
 * is the target's property "model". */

/* The value of property NAME, or NULL if the schema has none of that name. */
const struct tn_value *tn_instance_value(const struct tn_instance_desc *desc,
                                         const char *name);
const struct tn_value *tn_block_value(const struct tn_block_desc *desc,
                                      const char *name);
/* Instance (accelerators excepted) or block node by id, or NULL. */
struct tn_instance_desc *
tn_machine_desc_instance(const struct tn_machine_desc *desc, const char *id);
struct tn_block_desc *tn_machine_desc_block(const struct tn_machine_desc *desc,
                                            const char *id);

void tn_machine_desc_free(struct tn_machine_desc *desc);

/* The format that [disk] snapshot = yes needs. */
#define TN_OVERLAY_FORMAT "overlay"

/* The block engine's properties of a [disk]: image, format, ... */
extern const struct tn_property tn_block_schema[];
extern const guint tn_block_schema_rows;

#endif
