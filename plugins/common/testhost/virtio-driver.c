/* SPDX-License-Identifier: Apache-2.0 */
/* A guest driver for tests: transports and negotiation; see the header. */
#include "testhost/virtio-driver.h"

#include <stdlib.h>
#include <string.h>

#include "testhost/virtio-driver-private.h"

/* ---- virtio-mmio ---- */

static uint32_t get(struct driver *d, uint32_t offset)
{
    return (uint32_t)testhost_read(d->machine, d->base + offset, 4);
}

static void put(struct driver *d, uint32_t offset, uint32_t value)
{
    testhost_write(d->machine, d->base + offset, value, 4);
}

static void put64(struct driver *d, uint32_t offset, uint64_t value)
{
    put(d, offset, (uint32_t)value);
    put(d, offset + 4, (uint32_t)(value >> 32));
}

static uint32_t mmio_feature(struct driver *d, uint32_t word)
{
    put(d, 0x014, word);
    return get(d, 0x010);
}

static void mmio_set_feature(struct driver *d, uint32_t word, uint32_t value)
{
    put(d, 0x024, word);
    put(d, 0x020, value);
}

static uint32_t mmio_status(struct driver *d)
{
    return get(d, 0x070);
}

static void mmio_set_status(struct driver *d, uint32_t status)
{
    put(d, 0x070, status);
}

static uint32_t mmio_queue_max(struct driver *d, uint32_t index)
{
    put(d, 0x030, index);
    return get(d, 0x034);
}

static void mmio_enable(struct driver *d, struct driver_queue *q)
{
    put(d, 0x030, q->index);
    put(d, 0x038, q->size);
    put64(d, 0x080, q->descriptors);
    put64(d, 0x090, q->driver);
    put64(d, 0x0a0, q->device);
    put(d, 0x044, 1);
}

static void mmio_reset_queue(struct driver *d, uint32_t index)
{
    put(d, 0x030, index);
    put(d, 0x0c0, 1);
}

static void mmio_notify(struct driver *d, uint32_t index)
{
    put(d, 0x050, index);
}

static uint32_t mmio_isr(struct driver *d)
{
    uint32_t isr = get(d, 0x060);

    put(d, 0x064, isr);
    return isr;
}

static const struct driver_transport mmio_transport = {
    mmio_feature,     mmio_set_feature, mmio_status,
    mmio_set_status,  mmio_queue_max,   mmio_enable,
    mmio_reset_queue, mmio_notify,      mmio_isr,
};

void driver_init_mmio(struct driver *d, struct testhost *machine,
                      struct test_instance *bus, uint64_t base, uint64_t memory)
{
    memset(d, 0, sizeof *d);
    d->machine = machine;
    d->bus = bus;
    d->transport = &mmio_transport;
    d->base = base;
    d->config = base + 0x100;
    d->memory = memory;
}

/* ---- common ---- */

uint64_t driver_offered(struct driver *d)
{
    return d->transport->feature(d, 0) | (uint64_t)d->transport->feature(d, 1)
                                             << 32;
}

uint32_t driver_negotiate(struct driver *d, uint64_t wanted)
{
    driver_set_status(d, 0);
    driver_set_status(d, 1);
    driver_set_status(d, 3);
    d->features = wanted & driver_offered(d);
    d->transport->set_feature(d, 0, (uint32_t)d->features);
    d->transport->set_feature(d, 1, (uint32_t)(d->features >> 32));
    driver_set_status(d, 3 | 8);
    return driver_status(d) >> 3 & 1;
}

static uint64_t take(struct driver *d, uint64_t bytes)
{
    uint64_t at = d->memory;

    d->memory += (bytes + 63) & ~(uint64_t)63;
    memset(testhost_at(d->machine, at, bytes), 0, bytes);
    return at;
}

struct driver_queue *driver_queue_setup(struct driver *d, uint32_t index,
                                        uint32_t size)
{
    struct driver_queue *q = &d->queue[index];
    uint32_t most = d->transport->queue_max(d, index);

    memset(q, 0, sizeof *q);
    q->index = index;
    q->size = size ? size : most;
    if (!q->size)
        return NULL;
    q->descriptors = take(d, 16u * q->size);
    q->driver = take(d, 6u + 2u * q->size);
    q->device = take(d, 6u + 8u * q->size);
    q->tables = take(d, (uint64_t)q->size * DRIVER_TABLE * 16u);
    q->avail_wrap = q->used_wrap = 1;
    for (uint32_t i = 0; i < q->size; i++)
        q->free_ids[q->n_free++] = (uint16_t)(q->size - 1 - i);
    q->n_ids = q->n_free;
    d->transport->enable(d, q);
    return q;
}

void driver_ok(struct driver *d)
{
    driver_set_status(d, driver_status(d) | 4);
}

uint32_t driver_start(struct driver *d, uint64_t wanted, uint32_t n_queues)
{
    if (!driver_negotiate(d, wanted))
        return 0;
    for (uint32_t i = 0; i < n_queues; i++)
        driver_queue_setup(d, i, 0);
    driver_ok(d);
    return 1;
}

void driver_set_status(struct driver *d, uint32_t status)
{
    d->transport->set_status(d, status);
}

uint32_t driver_status(struct driver *d)
{
    return d->transport->status(d);
}

uint32_t driver_isr(struct driver *d)
{
    return d->transport->isr(d);
}

void driver_notify(struct driver *d, uint32_t index)
{
    d->transport->notify(d, index);
}

void driver_queue_reset(struct driver *d, uint32_t index)
{
    d->transport->reset_queue(d, index);
}

uint64_t driver_config(struct driver *d, uint32_t offset, uint32_t bytes)
{
    return testhost_read(d->machine, d->config + offset, bytes);
}

void driver_set_config(struct driver *d, uint32_t offset, uint64_t value,
                       uint32_t bytes)
{
    testhost_write(d->machine, d->config + offset, value, bytes);
}

int64_t driver_do(struct driver *d, struct driver_queue *q,
                  const struct driver_buffer *buffers, uint32_t n)
{
    uint32_t id;
    uint32_t bytes;
    int32_t mine = driver_add(d, q, buffers, n, 0);

    if (mine < 0)
        return -1;
    driver_kick(d, q);
    testhost_run(d->machine);
    if (!driver_used(d, q, &id, &bytes) || id != (uint32_t)mine)
        return -1;
    return bytes;
}
