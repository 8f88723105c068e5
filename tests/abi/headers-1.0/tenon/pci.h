/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI: functions and the bridges they sit on.
 *
 * A function plugs into a bus of kind "pci". In realize() it finds its parent
 * (tn_tree.parent, .interface_) and calls tn_pci_bus.attach(). It keeps its own
 * configuration space (plugins/common/pci has a helper; vendors may copy the
 * idea), makes the regions of its BARs itself, and maps them through the bus
 * when the guest enables them. Locks: the bus's before the function's. The bus
 * enters the function around each call of tn_pci_function; the calls of
 * tn_pci_bus take no lock that a function's callback may hold, and may be made
 * with the function's lock held.
 */
#ifndef TENON_PCI_H
#define TENON_PCI_H

#include "host.h"
#include "memory.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_PCI_CONFIG_BYTES 4096u /* conventional functions use the first 256 */

/* A function's place on its bus: device 0..31 and function 0..7. */
#define TN_PCI_DEVFN(device, function) ((uint32_t)(device) << 3 | (function))
#define TN_PCI_ANY_DEVFN UINT32_MAX

/* ---- tenon.pci.function/1: given to attach() ---- */

#define TN_PCI_FUNCTION "tenon.pci.function/1"
struct tn_pci_function {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] Configuration space: OFFSET is a multiple of BYTES (1, 2 or 4),
     * below TN_PCI_CONFIG_BYTES. */
    uint32_t (*config_read)(void *self, uint32_t offset, uint32_t bytes);
    void (*config_write)(void *self, uint32_t offset, uint32_t value,
                         uint32_t bytes);
    /* [vcpu] Optional: the bus was reset (secondary bus reset). A reset of the
     * machine comes by tn_component_ops.reset instead. */
    void (*bus_reset)(void *self);
};

/* ---- tenon.pci.bus/1: what a bridge offers ---- */

#define TN_PCI_MEMORY 0u
#define TN_PCI_IO 1u

struct tn_pci_slot; /* an attached function */

#define TN_PCI_BUS "tenon.pci.bus/1"
struct tn_pci_bus {
    uint32_t size;
    uint32_t reserved;
    /* [control] Appear at DEVFN, or at the first free device if that is
     * TN_PCI_ANY_DEVFN. HOST is the function's own handle. TABLE and SELF live
     * until detach(). NULL (ERROR set): taken, or the bus is full. */
    struct tn_pci_slot *(*attach)(void *bus,
                                  const struct tn_pci_function *table,
                                  void *self, struct tn_host *host,
                                  uint32_t devfn, struct tn_error *error);
    /* [control] Unmap what is mapped, deassert its pins, be gone. */
    void (*detach)(struct tn_pci_slot *slot);
    /* [any] Bus number << 8 | devfn: also the requester id of its DMA. The
     * bus number is what the guest gave, 0 on a host bridge. */
    uint32_t (*address)(struct tn_pci_slot *slot);
    /* [any] Decode: REGION, the function's own, appears at ADDRESS of SPACE
     * (TN_PCI_MEMORY, TN_PCI_IO). What lies in no window of the bridge is not
     * seen. 0 or a negative errno. */
    int32_t (*map)(struct tn_pci_slot *slot, struct tn_region *region,
                   uint32_t space, uint64_t address);
    void (*unmap)(struct tn_pci_slot *slot, struct tn_region *region);
    /* [any] Drive INTA..INTD (PIN 0..3); the bridge swizzles and merges. */
    void (*set_intx)(struct tn_pci_slot *slot, uint32_t pin, uint32_t level);
    /* [any] A message-signalled interrupt: DATA to ADDRESS. 0, or -EFAULT if
     * nothing takes it there. */
    int32_t (*send_msi)(struct tn_pci_slot *slot, uint64_t address,
                        uint32_t data);
};

#ifdef __cplusplus
}
#endif
#endif
