/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type 0 configuration space: bytes with masks of what the guest may write,
 * BARs that follow the command register, capabilities, INTx and MSI-X.
 * PCI Local Bus 3.0 chapter 6; MSI-X section 6.8.2.
 *
 * Everything under the function's lock.
 */
#ifndef TENON_COMMON_PCI_CONFIG_H
#define TENON_COMMON_PCI_CONFIG_H

#include <tenon/pci.h>
#include <tenon/state.h>

#define PCI_SPACE_BYTES 256u
#define PCI_BARS 6u

/* Type 0 header, section 6.1. */
#define PCI_VENDOR_ID 0x00u
#define PCI_DEVICE_ID 0x02u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO 0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u
#define PCI_COMMAND_PARITY 0x0040u
#define PCI_COMMAND_SERR 0x0100u
#define PCI_COMMAND_INTX_DISABLE 0x0400u
#define PCI_STATUS 0x06u
#define PCI_STATUS_INTERRUPT 0x0008u
#define PCI_STATUS_CAPABILITIES 0x0010u
#define PCI_STATUS_ERRORS 0xf900u /* write 1 to clear */
#define PCI_REVISION_ID 0x08u
#define PCI_CLASS 0x09u
#define PCI_CACHE_LINE 0x0cu
#define PCI_BAR0 0x10u
#define PCI_SUBSYSTEM_VENDOR_ID 0x2cu
#define PCI_SUBSYSTEM_ID 0x2eu
#define PCI_CAPABILITIES 0x34u
#define PCI_INTERRUPT_LINE 0x3cu
#define PCI_INTERRUPT_PIN 0x3du
#define PCI_FIRST_CAPABILITY 0x40u

#define PCI_CAPABILITY_VENDOR 0x09u
#define PCI_CAPABILITY_MSIX 0x11u

/* What a BAR is. */
#define PCI_BAR_IO 0x1u
#define PCI_BAR_64 0x4u
#define PCI_BAR_PREFETCHABLE 0x8u

struct pci_bar {
    struct tn_region *region; /* NULL: no such BAR, or the half of one */
    uint64_t bytes;
    uint32_t flags;
    uint32_t mapped;
    uint64_t address; /* while mapped */
};

#define PCI_MSIX_VECTORS 256u
#define PCI_MSIX_ENTRY_BYTES 16u

struct pci_msix {
    uint32_t capability; /* its place; 0: none */
    uint32_t n;
    /* Saved. */
    uint32_t table[PCI_MSIX_VECTORS * PCI_MSIX_ENTRY_BYTES / 4];
    uint64_t pending[PCI_MSIX_VECTORS / 64];
};

struct pci_config {
    uint8_t data[PCI_SPACE_BYTES]; /* saved */
    uint8_t writable[PCI_SPACE_BYTES];
    uint8_t clear[PCI_SPACE_BYTES]; /* write 1 to clear */
    uint8_t initial[PCI_SPACE_BYTES];
    uint32_t next_capability;
    uint32_t last_capability;
    uint32_t intx; /* the level the function wants */
    uint32_t intx_driven;
    struct pci_bar bar[PCI_BARS];
    struct pci_msix msix;
    const struct tn_pci_bus *bus;
    struct tn_pci_slot *slot; /* NULL: not attached */
};

struct pci_identity {
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint32_t class_code; /* 24 bits */
    uint8_t revision;
    uint8_t interrupt_pin; /* 0 none, 1 INTA */
};

/* [control] Building it. */
void pci_config_init(struct pci_config *config,
                     const struct pci_identity *identity);
/* BYTES is a power of two, at least 16. A 64-bit BAR takes two numbers. */
void pci_config_bar(struct pci_config *config, uint32_t index,
                    struct tn_region *region, uint64_t bytes, uint32_t flags);
/* Room for a capability of BYTES (its two header bytes included); returns its
 * offset. */
uint32_t pci_config_capability(struct pci_config *config, uint8_t id,
                               uint32_t bytes);
/* N vectors; table at TABLE and pending bits at PBA of BAR. */
void pci_config_msix(struct pci_config *config, uint32_t n, uint32_t bar,
                     uint32_t table, uint32_t pba);
/* The layout is complete: what reset goes back to. */
void pci_config_attached(struct pci_config *config,
                         const struct tn_pci_bus *bus,
                         struct tn_pci_slot *slot);
void pci_config_detach(struct pci_config *config);
void pci_config_reset(struct pci_config *config);
/* The saved fields were set: check them, map BARs, drive pins. */
void pci_config_loaded(struct pci_config *config);

/* The guest's accesses. */
uint32_t pci_config_read(struct pci_config *config, uint32_t offset,
                         uint32_t bytes);
void pci_config_write(struct pci_config *config, uint32_t offset,
                      uint32_t value, uint32_t bytes);

static inline uint16_t pci_get16(const struct pci_config *config,
                                 uint32_t offset)
{
    return (uint16_t)(config->data[offset] | config->data[offset + 1] << 8);
}
static inline uint32_t pci_get32(const struct pci_config *config,
                                 uint32_t offset)
{
    return pci_get16(config, offset) | (uint32_t)pci_get16(config, offset + 2)
                                           << 16;
}
static inline void pci_put(uint8_t *bytes, uint32_t offset, uint64_t value,
                           uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        bytes[offset + i] = (uint8_t)(value >> (8 * i));
}
static inline uint32_t pci_is_master(const struct pci_config *config)
{
    return pci_get16(config, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* The function's INTx level. */
void pci_set_intx(struct pci_config *config, uint32_t level);

/* MSI-X. */
uint32_t pci_msix_enabled(const struct pci_config *config);
void pci_msix_raise(struct pci_config *config, uint32_t vector);
uint64_t pci_msix_table_read(struct pci_config *config, uint64_t offset,
                             uint32_t bytes);
void pci_msix_table_write(struct pci_config *config, uint64_t offset,
                          uint64_t value, uint32_t bytes);
uint64_t pci_msix_pending_read(struct pci_config *config, uint64_t offset,
                               uint32_t bytes);
/* The control word or a mask changed: send what waited. */
void pci_msix_unmasked(struct pci_config *config);

/* Rows of a state table; MEMBER of OWNER is the pci_config. */
#define PCI_STATE(owner_, member_)                                             \
    {.size = sizeof(struct tn_field),                                          \
     .type = TN_FIELD_BYTES,                                                   \
     .name = "pci.config",                                                     \
     .offset = offsetof(owner_, member_.data),                                 \
     .width = PCI_SPACE_BYTES,                                                 \
     .since = 1},                                                              \
        {.size = sizeof(struct tn_field),                                      \
         .type = TN_FIELD_UINT,                                                \
         .name = "pci.msix.table",                                             \
         .offset = offsetof(owner_, member_.msix.table),                       \
         .width = 4,                                                           \
         .count = PCI_MSIX_VECTORS * PCI_MSIX_ENTRY_BYTES / 4,                 \
         .since = 1},                                                          \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = TN_FIELD_UINT,                \
        .name = "pci.msix.pending",                                            \
        .offset = offsetof(owner_, member_.msix.pending), .width = 8,          \
        .count = PCI_MSIX_VECTORS / 64, .since = 1                             \
    }

#endif
