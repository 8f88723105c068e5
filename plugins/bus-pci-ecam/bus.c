/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus side of the bridge: configuration accesses by ECAM (PCI Express Base
 * 7.2.2: bus in bits 27:20 of the offset, device 19:15, function 14:12), and
 * what it does for functions.
 */
#include <errno.h>
#include <string.h>

#include "host.h"

#define OFFSET_BITS 12u
#define FUNCTION_BITS 8u

/* The function that an offset of the ECAM names, or NULL. */
static struct tn_pci_slot *addressed(struct bridge *bridge, uint64_t offset)
{
    uint64_t bus = offset >> (OFFSET_BITS + FUNCTION_BITS);
    struct tn_pci_slot *slot =
        &bridge->slot[offset >> OFFSET_BITS & (FUNCTIONS - 1)];

    return bus == 0 && slot->self ? slot : NULL;
}

static uint64_t ecam_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct bridge *bridge = opaque;
    struct tn_pci_slot *slot = addressed(bridge, offset);
    uint64_t value = UINT64_MAX; /* what a missing function reads as */
    uint32_t at = offset & (TN_PCI_CONFIG_BYTES - 1);

    /* Entering fails if this is the function's own access. */
    if (!slot || bridge->tree->enter(bridge->host, slot->peer))
        return value;
    value = slot->function.config_read(slot->self, at, size);
    bridge->tree->leave(bridge->host, slot->peer);
    return value;
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct bridge *bridge = opaque;
    struct tn_pci_slot *slot = addressed(bridge, offset);
    uint32_t at = offset & (TN_PCI_CONFIG_BYTES - 1);

    if (!slot || bridge->tree->enter(bridge->host, slot->peer))
        return;
    slot->function.config_write(slot->self, at, (uint32_t)value, size);
    bridge->tree->leave(bridge->host, slot->peer);
}

const struct tn_region_ops ecam_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 1,
    .max_access = 4,
    .read = ecam_read,
    .write = ecam_write,
};

/* ---- tenon.pci.bus/1 ---- */

static uint32_t device_is_free(const struct bridge *bridge, uint32_t device)
{
    for (uint32_t function = 0; function < 8; function++)
        if (bridge->slot[TN_PCI_DEVFN(device, function)].self)
            return 0;
    return 1;
}

/* Device 0 is left to the bridge, as on most hardware. */
static uint32_t first_free(const struct bridge *bridge)
{
    for (uint32_t device = 1; device < DEVICES; device++)
        if (device_is_free(bridge, device))
            return TN_PCI_DEVFN(device, 0);
    return TN_PCI_ANY_DEVFN;
}

static struct tn_pci_slot *attach(void *bus,
                                  const struct tn_pci_function *table,
                                  void *self, struct tn_host *host,
                                  uint32_t devfn, struct tn_error *error)
{
    struct bridge *bridge = bus;
    const struct tn_props *props = tn_service(host, TN_HOST_PROPS);
    struct tn_pci_slot *slot;

    if (!TN_HAS(table, config_read) || !TN_HAS(table, config_write) || !self) {
        tn_fail(host, error, -EPROTO, "incomplete PCI function table");
        return NULL;
    }
    if (devfn == TN_PCI_ANY_DEVFN)
        devfn = first_free(bridge);
    if (devfn >= FUNCTIONS) {
        tn_fail(host, error, -ENOSPC, "no free slot on the PCI bus");
        return NULL;
    }
    slot = &bridge->slot[devfn];
    if (slot->self) {
        tn_fail(host, error, -EBUSY, "PCI slot %u.%u is taken", devfn >> 3,
                devfn & 7);
        return NULL;
    }
    slot->peer = bridge->tree->find(bridge->host, props->instance_id(host));
    if (!slot->peer) {
        tn_fail(host, error, -ENOENT, "the bus does not know this instance");
        return NULL;
    }
    slot->bridge = bridge;
    memset(&slot->function, 0, sizeof slot->function);
    memcpy(&slot->function, table,
           table->size < sizeof *table ? table->size : sizeof *table);
    slot->host = host;
    slot->devfn = devfn;
    slot->pins = 0;
    slot->self = self;
    return slot;
}

static void set_intx(struct tn_pci_slot *slot, uint32_t pin, uint32_t level)
{
    struct bridge *bridge = slot->bridge;
    uint32_t bit = 1u << pin;
    /* The usual swizzle: INTA of neighbouring devices on different lines. */
    uint32_t line = ((slot->devfn >> 3) + pin) % PINS;

    if (pin >= PINS)
        return;
    pthread_mutex_lock(&bridge->intx_lock);
    if (!!(slot->pins & bit) != !!level) {
        slot->pins ^= bit;
        if (level)
            bridge->drivers[line]++;
        else
            bridge->drivers[line]--;
        bridge->irqs->set(bridge->host, bridge->irq[line],
                          bridge->drivers[line] > 0);
    }
    pthread_mutex_unlock(&bridge->intx_lock);
}

static void detach(struct tn_pci_slot *slot)
{
    for (uint32_t pin = 0; pin < PINS; pin++)
        set_intx(slot, pin, 0);
    slot->self = NULL;
}

static uint32_t address(struct tn_pci_slot *slot)
{
    return slot->devfn;
}

static int32_t map(struct tn_pci_slot *slot, struct tn_region *region,
                   uint32_t space, uint64_t at)
{
    struct bridge *bridge = slot->bridge;

    if (space > TN_PCI_IO)
        return -EINVAL;
    return bridge->memory->map(slot->host, region, bridge->space[space], at, 0);
}

static void unmap(struct tn_pci_slot *slot, struct tn_region *region)
{
    slot->bridge->memory->unmap(slot->host, region);
}

static int32_t send_msi(struct tn_pci_slot *slot, uint64_t at, uint32_t data)
{
    uint8_t bytes[4] = {(uint8_t)data, (uint8_t)(data >> 8),
                        (uint8_t)(data >> 16), (uint8_t)(data >> 24)};

    return slot->bridge->memory->dma_write(slot->host, at, bytes, sizeof bytes);
}

const struct tn_pci_bus ecam_bus = {
    .size = sizeof(struct tn_pci_bus),
    .attach = attach,
    .detach = detach,
    .address = address,
    .map = map,
    .unmap = unmap,
    .set_intx = set_intx,
    .send_msi = send_msi,
};
