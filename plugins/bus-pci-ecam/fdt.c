/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge's device tree node: Linux's binding pci/host-generic-pci.yaml,
 * and IEEE 1275's PCI binding for addresses and interrupts.
 */
#include <stdio.h>

#include "host.h"

/* phys.hi of a PCI address: space code and device number. */
#define SPACE_IO 0x01000000u
#define SPACE_MEMORY_32 0x02000000u
#define SPACE_MEMORY_64 0x03000000u
#define DEVICE_SHIFT 11u
#define PIN_MASK 7u

static uint32_t high(uint64_t value)
{
    return (uint32_t)(value >> 32);
}

/* One row of `ranges`; returns how many cells. */
static uint32_t range(uint32_t *cells, uint32_t space, uint64_t pci,
                      const struct window *window)
{
    if (!window->address)
        return 0;
    cells[0] = space;
    cells[1] = high(pci);
    cells[2] = (uint32_t)pci;
    cells[3] = high(window->address);
    cells[4] = (uint32_t)window->address;
    cells[5] = high(window->bytes);
    cells[6] = (uint32_t)window->bytes;
    return 7;
}

static void ranges(const struct bridge *bridge, const struct tn_fdt *fdt)
{
    const struct window *w = bridge->window;
    uint32_t cells[3 * 7];
    uint32_t n = 0;

    n += range(cells + n, SPACE_IO, 0, &w[PIO]);
    n += range(cells + n, SPACE_MEMORY_32, w[MMIO32].address, &w[MMIO32]);
    n += range(cells + n, SPACE_MEMORY_64, w[MMIO64].address, &w[MMIO64]);
    fdt->u32(fdt->builder, "ranges", cells, n);
}

/* A row for each device modulo 4 and pin: child address and pin, then the
 * controller and its name of the line. Controllers have no address cells. */
static void interrupt_map(const struct tn_fdt *fdt)
{
    const uint32_t mask[4] = {(PINS - 1) << DEVICE_SHIFT, 0, 0, PIN_MASK};
    uint32_t cells[PINS * PINS * (4 + 1 + 4)];
    uint32_t n = 0;

    if (!TN_HAS(fdt, output))
        return;
    for (uint32_t device = 0; device < PINS; device++)
        for (uint32_t pin = 0; pin < PINS; pin++) {
            uint32_t *row = cells + n;
            uint32_t names = fdt->output(fdt->builder, (device + pin) % PINS,
                                         &row[4], &row[5]);

            if (!names || names > 4)
                continue;
            row[0] = device << DEVICE_SHIFT;
            row[1] = row[2] = 0;
            row[3] = pin + 1;
            n += 5 + names;
        }
    if (!n)
        return;
    fdt->u32(fdt->builder, "interrupt-map", cells, n);
    fdt->u32(fdt->builder, "interrupt-map-mask", mask, 4);
}

static int32_t describe(void *self, const struct tn_fdt *fdt)
{
    const struct bridge *bridge = self;
    const uint32_t bus_range[2] = {0, bridge->buses - 1};
    void *b = fdt->builder;
    char name[40];

    if (!bridge->window[ECAM].address)
        return 0;
    snprintf(name, sizeof name, "pci@%llx",
             (unsigned long long)bridge->window[ECAM].address);
    fdt->begin(b, name);
    fdt->string(b, "compatible", "pci-host-ecam-generic");
    fdt->string(b, "device_type", "pci");
    fdt->u32(b, "#address-cells", &(uint32_t){3}, 1);
    fdt->u32(b, "#size-cells", &(uint32_t){2}, 1);
    fdt->u32(b, "#interrupt-cells", &(uint32_t){1}, 1);
    fdt->u32(b, "linux,pci-domain", &(uint32_t){0}, 1);
    fdt->u32(b, "bus-range", bus_range, 2);
    /* `reg` is the ECAM only; the windows are in `ranges`. */
    fdt->u64(b, "reg",
             (const uint64_t[]){bridge->window[ECAM].address,
                                bridge->window[ECAM].bytes},
             2);
    fdt->empty(b, "dma-coherent");
    ranges(bridge, fdt);
    interrupt_map(fdt);
    if (bridge->msi_parent) {
        uint32_t phandle = fdt->phandle(b, bridge->msi_parent);

        fdt->u32(b, "msi-parent", &phandle, 1);
    }
    fdt->end(b);
    return 0;
}

const struct tn_fdt_node ecam_node = {
    .size = sizeof(struct tn_fdt_node),
    .describe = describe,
};
