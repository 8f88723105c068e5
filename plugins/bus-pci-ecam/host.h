/* SPDX-License-Identifier: Apache-2.0 */
/* The host bridge's instance, shared by its files. */
#ifndef TENON_PCI_ECAM_HOST_H
#define TENON_PCI_ECAM_HOST_H

#include <pthread.h>

#include <tenon/fdt.h>
#include <tenon/irq.h>
#include <tenon/memory.h>
#include <tenon/pci.h>
#include <tenon/tree.h>

#define PINS 4u
#define FUNCTIONS 256u /* of one bus */
#define DEVICES 32u

struct bridge;

struct tn_pci_slot {
    struct bridge *bridge;
    struct tn_pci_function function;
    void *self; /* NULL: nobody is here */
    struct tn_host *host;
    struct tn_peer *peer;
    uint32_t devfn;
    uint32_t pins; /* a bit for each pin that is driven; by intx_lock */
};

/* The board's regions, in this order. */
enum { ECAM, MMIO32, MMIO64, PIO, REGIONS };

struct window {
    uint64_t address; /* 0: the board has none */
    uint64_t bytes;
    struct tn_region *region;
};

struct bridge {
    struct tn_host *host;
    const struct tn_memory *memory;
    const struct tn_irqs *irqs;
    const struct tn_tree *tree;
    struct tn_region *space[2]; /* TN_PCI_MEMORY, TN_PCI_IO */
    struct window window[REGIONS];
    uint32_t buses;
    const char *msi_parent;
    struct tn_irq *irq[PINS];
    /* Functions drive pins from their own threads. Nothing that a callback of
     * anybody takes is taken under this lock but interrupt controllers'. */
    pthread_mutex_t intx_lock;
    uint32_t drivers[PINS]; /* how many drive each output */
    struct tn_pci_slot slot[FUNCTIONS];
};

extern const struct tn_pci_bus ecam_bus;
extern const struct tn_region_ops ecam_ops;
extern const struct tn_fdt_node ecam_node;

#endif
