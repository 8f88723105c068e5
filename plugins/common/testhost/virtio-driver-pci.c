/* SPDX-License-Identifier: Apache-2.0 */
/* The test driver over PCI: finds capabilities, gives BARs their addresses. */
#include <stdlib.h>
#include <string.h>

#include "testhost/virtio-driver-private.h"

static uint32_t get(struct driver *d, uint32_t offset, uint32_t bytes)
{
    return (uint32_t)testhost_read(d->machine, d->base + offset, bytes);
}

static void put(struct driver *d, uint32_t offset, uint32_t value,
                uint32_t bytes)
{
    testhost_write(d->machine, d->base + offset, value, bytes);
}

static void put64(struct driver *d, uint32_t offset, uint64_t value)
{
    put(d, offset, (uint32_t)value, 4);
    put(d, offset + 4, (uint32_t)(value >> 32), 4);
}

static uint32_t pci_feature(struct driver *d, uint32_t word)
{
    put(d, 0x00, word, 4);
    return get(d, 0x04, 4);
}

static void pci_set_feature(struct driver *d, uint32_t word, uint32_t value)
{
    put(d, 0x08, word, 4);
    put(d, 0x0c, value, 4);
}

static uint32_t pci_status(struct driver *d)
{
    return get(d, 0x14, 1);
}

static void pci_set_status(struct driver *d, uint32_t status)
{
    put(d, 0x14, status, 1);
}

static uint32_t pci_queue_max(struct driver *d, uint32_t index)
{
    put(d, 0x16, index, 2);
    return get(d, 0x18, 2);
}

static void pci_enable(struct driver *d, struct driver_queue *q)
{
    put(d, 0x16, q->index, 2);
    put(d, 0x18, q->size, 2);
    put64(d, 0x20, q->descriptors);
    put64(d, 0x28, q->driver);
    put64(d, 0x30, q->device);
    if (d->vectors)
        put(d, 0x1a, q->index + 1, 2);
    q->notify = d->notify + get(d, 0x1e, 2) * d->notify_multiplier;
    put(d, 0x1c, 1, 2);
}

static void pci_reset_queue(struct driver *d, uint32_t index)
{
    put(d, 0x16, index, 2);
    put(d, 0x3a, 1, 2);
}

static void pci_notify(struct driver *d, uint32_t index)
{
    testhost_write(d->machine,
                   d->notify + (uint64_t)index * d->notify_multiplier, index,
                   2);
}

static uint32_t pci_isr(struct driver *d)
{
    return (uint32_t)testhost_read(d->machine, d->isr, 1);
}

static const struct driver_transport pci_transport = {
    pci_feature, pci_set_feature, pci_status, pci_set_status, pci_queue_max,
    pci_enable,  pci_reset_queue, pci_notify, pci_isr,
};

static uint64_t place_bar(struct testhost *m, uint64_t function, uint32_t bar,
                          uint64_t *next)
{
    uint64_t at = function + 0x10 + 4 * bar;
    uint32_t flags = (uint32_t)testhost_read(m, at, 4) & 0xf;
    uint64_t bytes;

    testhost_write(m, at, UINT32_MAX, 4);
    bytes = testhost_read(m, at, 4) & ~(uint64_t)0xf;
    if (!bytes)
        return 0;
    if (flags & 4) {
        testhost_write(m, at + 4, UINT32_MAX, 4);
        bytes |= testhost_read(m, at + 4, 4) << 32;
        bytes = -bytes;
    } else {
        bytes = (uint32_t)-bytes;
    }
    *next = (*next + bytes - 1) & ~(bytes - 1);
    testhost_write(m, at, (uint32_t)*next, 4);
    if (flags & 4)
        testhost_write(m, at + 4, *next >> 32, 4);
    *next += bytes;
    return *next - bytes;
}

static void take_capability(struct driver *d, uint64_t function, uint32_t at,
                            const uint64_t *bars)
{
    uint32_t type = (uint32_t)testhost_read(d->machine, function + at + 3, 1);
    uint32_t bar = (uint32_t)testhost_read(d->machine, function + at + 4, 1);
    uint64_t where =
        bars[bar % 6] + testhost_read(d->machine, function + at + 8, 4);

    if (type == 1)
        d->base = where;
    if (type == 2) {
        d->notify = where;
        d->notify_multiplier =
            (uint32_t)testhost_read(d->machine, function + at + 16, 4);
    }
    if (type == 3)
        d->isr = where;
    if (type == 4)
        d->config = where;
}

void driver_init_pci(struct driver *d, struct testhost *machine,
                     struct test_instance *bus, uint64_t function,
                     uint64_t bars, uint64_t memory)
{
    uint64_t bar[6] = {0};
    uint32_t at;

    memset(d, 0, sizeof *d);
    d->machine = machine;
    d->bus = bus;
    d->transport = &pci_transport;
    d->memory = memory;
    for (uint32_t i = 0; i < 6; i++) {
        bar[i] = place_bar(machine, function, i, &bars);
        if (bar[i] && testhost_read(machine, function + 0x10 + 4 * i, 4) & 4)
            i++;
    }
    testhost_write(machine, function + 4, 0x6, 2); /* memory, bus master */
    for (at = (uint32_t)testhost_read(machine, function + 0x34, 1); at;
         at = (uint32_t)testhost_read(machine, function + at + 1, 1)) {
        uint32_t id = (uint32_t)testhost_read(machine, function + at, 1);

        if (id == 0x09)
            take_capability(d, function, at, bar);
        if (id == 0x11) {
            d->msix = function + at;
            d->msix_table =
                bar[testhost_read(machine, function + at + 4, 4) & 7];
        }
    }
}

void driver_enable_msix(struct driver *d, uint64_t address, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t entry = d->msix_table + 16u * i;

        testhost_write(d->machine, entry, address + 4u * i, 4);
        testhost_write(d->machine, entry + 4, (address + 4u * i) >> 32, 4);
        testhost_write(d->machine, entry + 8, 0x1000 + i, 4);
        testhost_write(d->machine, entry + 12, 0, 4);
    }
    testhost_write(d->machine, d->msix + 2, 0x8000, 2);
    put(d, 0x10, 0, 2);
    d->vectors = n;
}
