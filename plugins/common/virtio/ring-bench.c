/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chain costs: pop, push and flush of the rings, without a device, on
 * the test host's memory service. Prints nanoseconds of CPU time a chain;
 * nothing depends on them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tenon/virtio.h>

#include "testhost/virtio-driver.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define DATA (RAM + (8u << 20))
#define SIZE 256u
#define ROUNDS 20000u
#define VERSION_1 ((uint64_t)1 << 32)
#define INDIRECT ((uint64_t)1 << 28)
#define EVENT_IDX ((uint64_t)1 << 29)
#define PACKED ((uint64_t)1 << 34)

static uint32_t one(void *self)
{
    (void)self;
    return 1;
}

static uint32_t size(void *self, uint32_t queue)
{
    (void)self, (void)queue;
    return SIZE;
}

static uint64_t none(void *self, uint32_t word)
{
    (void)self, (void)word;
    return 0;
}

static void reset(void *self)
{
    (void)self;
}

static void notify(void *self, uint32_t queue)
{
    (void)self, (void)queue;
}

static const struct tn_virtio_device device = {
    .size = sizeof device,
    .device_id = 4,
    .queue_count = one,
    .queue_size = size,
    .features = none,
    .reset = reset,
    .notify = notify,
};

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void measure(const char *name, uint64_t features, uint32_t pieces,
                    uint32_t indirect)
{
    struct testhost *machine = testhost_new();
    struct test_instance *bus;
    const struct tn_virtio_transport *transport;
    static struct tn_virtio_chain *chains[SIZE];
    static struct driver driver;
    struct driver_buffer b[4];
    struct tn_virtio *virtio;
    uint32_t batch = indirect ? SIZE : SIZE / pieces;
    uint64_t total = 0;

    testhost_ram(machine, RAM, RAM_BYTES);
    bus = testhost_add(machine, "bus-virtio-mmio", "virtio-mmio", "virtio0",
                       NULL, NULL);
    if (!bus || testhost_realize(bus, MMIO))
        exit(77);
    transport = testhost_interface(bus, TN_VIRTIO_TRANSPORT);
    virtio = transport->attach(testhost_self(bus), &device, machine,
                               testhost_handle(bus), NULL);
    testhost_reset(machine);
    testhost_start(machine);
    driver_init_mmio(&driver, machine, bus, MMIO, RAM);
    driver_start(&driver, features | VERSION_1, 1);
    for (uint32_t i = 0; i < pieces; i++)
        b[i] = (struct driver_buffer){DATA + 4096 * i, 512, i > 0};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t id, bytes;
        uint64_t start;

        for (uint32_t i = 0; i < batch; i++)
            driver_add(&driver, &driver.queue[0], b, pieces, indirect);
        start = now();
        for (uint32_t i = 0; i < batch; i++)
            chains[i] = transport->pop(virtio, 0);
        for (uint32_t i = 0; i < batch; i++)
            transport->push(virtio, chains[i], 513);
        transport->flush(virtio, 0);
        total += now() - start;
        while (driver_used(&driver, &driver.queue[0], &id, &bytes))
            ;
    }
    printf("%-36s %6.1f ns a chain\n", name, (double)total / ROUNDS / batch);
    transport->detach(virtio);
    testhost_free(machine);
}

int main(void)
{
    measure("split, 1 descriptor", EVENT_IDX, 1, 0);
    measure("split, 3 descriptors", EVENT_IDX, 3, 0);
    measure("split, indirect table of 3", EVENT_IDX | INDIRECT, 3, 1);
    measure("packed, 1 descriptor", EVENT_IDX | PACKED, 1, 0);
    measure("packed, 3 descriptors", EVENT_IDX | PACKED, 3, 0);
    measure("packed, indirect table of 3", EVENT_IDX | PACKED | INDIRECT, 3, 1);
    return 0;
}
