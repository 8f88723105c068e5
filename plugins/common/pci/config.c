/* SPDX-License-Identifier: Apache-2.0 */
/* A type 0 configuration space: see config.h. */
#include "pci/config.h"

#include <string.h>

void pci_config_init(struct pci_config *config,
                     const struct pci_identity *identity)
{
    uint8_t *data = config->data;

    memset(config, 0, sizeof *config);
    pci_put(data, PCI_VENDOR_ID, identity->vendor, 2);
    pci_put(data, PCI_DEVICE_ID, identity->device, 2);
    pci_put(data, PCI_REVISION_ID, identity->revision, 1);
    pci_put(data, PCI_CLASS, identity->class_code, 3);
    pci_put(data, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor, 2);
    pci_put(data, PCI_SUBSYSTEM_ID, identity->subsystem, 2);
    data[PCI_INTERRUPT_PIN] = identity->interrupt_pin;
    pci_put(config->writable, PCI_COMMAND,
            PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
                PCI_COMMAND_INTX_DISABLE,
            2);
    pci_put(config->clear, PCI_STATUS, PCI_STATUS_ERRORS, 2);
    config->writable[PCI_CACHE_LINE] = 0xff;
    config->writable[PCI_INTERRUPT_LINE] = 0xff;
    config->next_capability = PCI_FIRST_CAPABILITY;
}

void pci_config_bar(struct pci_config *config, uint32_t index,
                    struct tn_region *region, uint64_t bytes, uint32_t flags)
{
    uint32_t at = PCI_BAR0 + 4 * index;

    config->bar[index].region = region;
    config->bar[index].bytes = bytes;
    config->bar[index].flags = flags;
    pci_put(config->data, at, flags, 4);
    /* The address bits below the size are not there: that is how the guest
     * learns the size (section 6.2.5.1). */
    pci_put(config->writable, at, ~(bytes - 1), flags & PCI_BAR_64 ? 8 : 4);
}

uint32_t pci_config_capability(struct pci_config *config, uint8_t id,
                               uint32_t bytes)
{
    uint32_t at = config->next_capability;
    uint32_t link = config->last_capability ? config->last_capability + 1
                                            : PCI_CAPABILITIES;

    config->next_capability = (at + bytes + 3) & ~3u;
    config->last_capability = at;
    config->data[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    config->data[link] = (uint8_t)at;
    config->data[at] = id;
    return at;
}

void pci_config_attached(struct pci_config *config,
                         const struct tn_pci_bus *bus, struct tn_pci_slot *slot)
{
    config->bus = bus;
    config->slot = slot;
    memcpy(config->initial, config->data, sizeof config->initial);
}

/* ---- BARs ---- */

static void bar_unmap(struct pci_config *config, struct pci_bar *bar)
{
    if (bar->mapped)
        config->bus->unmap(config->slot, bar->region);
    bar->mapped = 0;
}

static void bar_update(struct pci_config *config, uint32_t index)
{
    struct pci_bar *bar = &config->bar[index];
    uint32_t at = PCI_BAR0 + 4 * index;
    uint16_t command = pci_get16(config, PCI_COMMAND);
    uint32_t io = bar->flags & PCI_BAR_IO;
    uint64_t address = pci_get32(config, at) & ~(uint64_t)(io ? 0x3 : 0xf);
    uint32_t enabled = command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);

    if (bar->flags & PCI_BAR_64)
        address |= (uint64_t)pci_get32(config, at + 4) << 32;
    /* An end past the address space is a BAR being sized, or nonsense. */
    if (address + (bar->bytes - 1) < address)
        enabled = 0;
    if (bar->mapped && (!enabled || bar->address != address))
        bar_unmap(config, bar);
    if (!enabled || bar->mapped)
        return;
    if (config->bus->map(config->slot, bar->region,
                         io ? TN_PCI_IO : TN_PCI_MEMORY, address))
        return;
    bar->mapped = 1;
    bar->address = address;
}

static void update(struct pci_config *config)
{
    uint32_t level;

    if (!config->slot)
        return;
    for (uint32_t i = 0; i < PCI_BARS; i++)
        if (config->bar[i].region)
            bar_update(config, i);
    level = config->intx &&
            !(pci_get16(config, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) &&
            !pci_msix_enabled(config);
    if (level != config->intx_driven && config->data[PCI_INTERRUPT_PIN]) {
        config->intx_driven = level;
        config->bus->set_intx(config->slot,
                              config->data[PCI_INTERRUPT_PIN] - 1u, level);
    }
}

void pci_config_detach(struct pci_config *config)
{
    if (!config->slot)
        return;
    config->intx = 0;
    update(config);
    for (uint32_t i = 0; i < PCI_BARS; i++)
        bar_unmap(config, &config->bar[i]);
    config->bus->detach(config->slot);
    config->slot = NULL;
}

void pci_config_reset(struct pci_config *config)
{
    memcpy(config->data, config->initial, sizeof config->data);
    memset(config->msix.table, 0, sizeof config->msix.table);
    memset(config->msix.pending, 0, sizeof config->msix.pending);
    /* Every vector is masked after a reset. */
    for (uint32_t i = 0; i < PCI_MSIX_VECTORS; i++)
        config->msix.table[4 * i + 3] = 1;
    config->intx = 0;
    update(config);
}

void pci_config_loaded(struct pci_config *config)
{
    /* What the guest cannot write is this machine's, not the stream's. */
    for (uint32_t i = 0; i < PCI_SPACE_BYTES; i++)
        config->data[i] = (uint8_t)((config->initial[i] & ~config->writable[i] &
                                     ~config->clear[i]) |
                                    (config->data[i] &
                                     (config->writable[i] | config->clear[i])));
    update(config);
    pci_msix_unmasked(config);
}

void pci_set_intx(struct pci_config *config, uint32_t level)
{
    config->intx = level;
    if (level)
        config->data[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else
        config->data[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    update(config);
}

/* ---- the guest's accesses ---- */

uint32_t pci_config_read(struct pci_config *config, uint32_t offset,
                         uint32_t bytes)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < bytes && offset + i < PCI_SPACE_BYTES; i++)
        value |= (uint32_t)config->data[offset + i] << (8 * i);
    return value;
}

void pci_config_write(struct pci_config *config, uint32_t offset,
                      uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes && offset + i < PCI_SPACE_BYTES; i++) {
        uint8_t *to = &config->data[offset + i];
        uint8_t mask = config->writable[offset + i];
        uint8_t byte = (uint8_t)(value >> (8 * i));

        *to = (uint8_t)((*to & ~mask) | (byte & mask));
        *to &= (uint8_t) ~(byte & config->clear[offset + i]);
    }
    update(config);
    pci_msix_unmasked(config);
}
