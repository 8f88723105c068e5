/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X: PCI Local Bus 3.0 section 6.8.2. */
#include "pci/config.h"

#define CONTROL 2u /* in the capability */
#define CONTROL_MASKED 0x4000u
#define CONTROL_ENABLED 0x8000u
#define TABLE 4u
#define PBA 8u
#define CAPABILITY_BYTES 12u

/* Words of a table entry. */
#define ENTRY_ADDRESS_LOW 0u
#define ENTRY_ADDRESS_HIGH 1u
#define ENTRY_DATA 2u
#define ENTRY_CONTROL 3u
#define ENTRY_MASKED 0x1u

void pci_config_msix(struct pci_config *config, uint32_t n, uint32_t bar,
                     uint32_t table, uint32_t pba)
{
    uint32_t at =
        pci_config_capability(config, PCI_CAPABILITY_MSIX, CAPABILITY_BYTES);

    config->msix.capability = at;
    config->msix.n = n;
    pci_put(config->data, at + CONTROL, n - 1, 2);
    pci_put(config->writable, at + CONTROL, CONTROL_ENABLED | CONTROL_MASKED,
            2);
    pci_put(config->data, at + TABLE, table | bar, 4);
    pci_put(config->data, at + PBA, pba | bar, 4);
}

static uint16_t control(const struct pci_config *config)
{
    return config->msix.capability
               ? pci_get16(config, config->msix.capability + CONTROL)
               : 0;
}

uint32_t pci_msix_enabled(const struct pci_config *config)
{
    return (control(config) & CONTROL_ENABLED) != 0;
}

static void send(struct pci_config *config, uint32_t vector)
{
    const uint32_t *entry = &config->msix.table[4 * vector];
    uint64_t address = (uint64_t)entry[ENTRY_ADDRESS_HIGH] << 32 |
                       (entry[ENTRY_ADDRESS_LOW] & ~3u);

    /* An MSI is a write like any other: only a bus master makes it. */
    if (pci_is_master(config))
        config->bus->send_msi(config->slot, address, entry[ENTRY_DATA]);
}

static uint32_t is_masked(const struct pci_config *config, uint32_t vector)
{
    return control(config) & CONTROL_MASKED ||
           config->msix.table[4 * vector + ENTRY_CONTROL] & ENTRY_MASKED;
}

void pci_msix_raise(struct pci_config *config, uint32_t vector)
{
    if (vector >= config->msix.n || !pci_msix_enabled(config) || !config->slot)
        return;
    if (is_masked(config, vector))
        config->msix.pending[vector / 64] |= (uint64_t)1 << vector % 64;
    else
        send(config, vector);
}

void pci_msix_unmasked(struct pci_config *config)
{
    if (!pci_msix_enabled(config) || control(config) & CONTROL_MASKED)
        return;
    for (uint32_t i = 0; i < config->msix.n; i++) {
        uint64_t bit = (uint64_t)1 << i % 64;

        if (!(config->msix.pending[i / 64] & bit) || is_masked(config, i))
            continue;
        config->msix.pending[i / 64] &= ~bit;
        send(config, i);
    }
}

uint64_t pci_msix_table_read(struct pci_config *config, uint64_t offset,
                             uint32_t bytes)
{
    (void)bytes; /* 4: the region's ops say so */
    return offset / PCI_MSIX_ENTRY_BYTES < config->msix.n
               ? config->msix.table[offset / 4]
               : 0;
}

void pci_msix_table_write(struct pci_config *config, uint64_t offset,
                          uint64_t value, uint32_t bytes)
{
    (void)bytes;
    if (offset / PCI_MSIX_ENTRY_BYTES >= config->msix.n)
        return;
    config->msix.table[offset / 4] = (uint32_t)value;
    if (offset / 4 % 4 == ENTRY_CONTROL)
        pci_msix_unmasked(config);
}

uint64_t pci_msix_pending_read(struct pci_config *config, uint64_t offset,
                               uint32_t bytes)
{
    (void)bytes;
    if (offset / 8 >= PCI_MSIX_VECTORS / 64)
        return 0;
    return (uint32_t)(config->msix.pending[offset / 8] >> (offset & 4) * 8);
}
