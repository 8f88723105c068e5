/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over PCI (virtio 1.2 section 4.1): the instance, shared by its files.
 *
 * BAR 0 has the four structures, BAR 2 the MSI-X table and pending bits.
 */
#ifndef TENON_VIRTIO_PCI_H
#define TENON_VIRTIO_PCI_H

#include "pci/config.h"
#include "virtio/device.h"

#define REGISTERS_BAR 0u
#define MSIX_BAR 2u

/* Layout of BAR 0. */
#define COMMON_AT 0x0000u
#define COMMON_BYTES 0x1000u
#define ISR_AT 0x1000u
#define ISR_BYTES 0x1000u
#define DEVICE_AT 0x2000u
#define DEVICE_BYTES 0x1000u
#define NOTIFY_AT 0x3000u
#define NOTIFY_BYTES 0x1000u
#define NOTIFY_MULTIPLIER 4u
#define REGISTERS_BYTES 0x4000u

/* Layout of BAR 2. */
#define MSIX_TABLE_AT 0x0000u
#define MSIX_PENDING_AT 0x1000u
#define MSIX_BYTES 0x2000u

#define NO_VECTOR 0xffffu
#define ISR_QUEUE 0x1u
#define ISR_CONFIG 0x2u

struct virtio_pci {
    struct tn_virtio virtio; /* first */
    struct pci_config pci;
    struct tn_host *host;
    const struct tn_memory *memory;
    struct tn_region *bar0;
    struct tn_region *common;
    struct tn_region *isr_region;
    struct tn_region *device;
    struct tn_region *notify;
    struct tn_region *bar2;
    struct tn_region *msix_table;
    struct tn_region *msix_pending;
    uint32_t vectors; /* property: most MSI-X vectors; 0: none */
    uint32_t window;  /* the capability for access through configuration */
    /* Saved. */
    uint32_t isr;
    uint32_t config_vector;
    uint32_t device_feature_select;
    uint32_t driver_feature_select;
    uint32_t queue_select;
};

/* registers.c */
extern const struct tn_region_ops common_ops;
extern const struct tn_region_ops isr_ops;
extern const struct tn_region_ops device_ops;
extern const struct tn_region_ops notify_ops;
extern const struct tn_region_ops msix_table_ops;
extern const struct tn_region_ops msix_pending_ops;
void virtio_pci_clear(struct virtio_pci *vp); /* as for a device reset */
void virtio_pci_update_intx(struct virtio_pci *vp);
void virtio_pci_queue_interrupt(void *transport, uint32_t queue);
void virtio_pci_config_interrupt(void *transport);
/* An access to BAR 0 from inside (the PCI_CFG capability). */
uint32_t registers_read(struct virtio_pci *vp, uint32_t offset, uint32_t bytes);
void registers_write(struct virtio_pci *vp, uint32_t offset, uint32_t value,
                     uint32_t bytes);

/* function.c */
void virtio_pci_build(struct virtio_pci *vp);
extern const struct tn_pci_function virtio_pci_function;

#endif
