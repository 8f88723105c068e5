/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile driver: see virtio-hostile.h. */
#include "testhost/virtio-hostile.h"

#include <string.h>

#define MOST_BUFFERS 12u
#define MOST_BYTES 4096u

static uint64_t any(struct hostile *h)
{
    return testhost_random(&h->seed);
}

static uint64_t below(struct hostile *h, uint64_t n)
{
    return n ? any(h) % n : 0;
}

/* A guest address: mostly RAM, now and then at an edge or anywhere. */
static uint64_t address(struct hostile *h)
{
    switch (below(h, 300)) {
    case 0:
        return any(h);
    case 1:
        return h->ram + h->ram_bytes - below(h, 64);
    case 2:
        return h->registers + below(h, h->register_bytes);
    case 3:
        return UINT64_MAX - below(h, 4096);
    case 4:
        return 0;
    default:
        return h->ram + h->ram_bytes / 2 + below(h, h->ram_bytes / 2);
    }
}

static uint32_t length(struct hostile *h)
{
    switch (below(h, 300)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX - (uint32_t)below(h, 16);
    case 2:
        return (uint32_t)any(h);
    case 3:
        return (uint32_t)below(h, 1 << 20);
    default:
        if (below(h, 3))
            return 512 * (1 + (uint32_t)below(h, 8));
        return 1 + (uint32_t)below(h, MOST_BYTES);
    }
}

static void renew(struct hostile *h)
{
    struct driver *d = h->driver;
    uint64_t wanted = any(h) | (uint64_t)1 << 32;

    if (below(h, 2))
        wanted &= ~((uint64_t)1 << 34);
    if (h->restore)
        h->restore(h);
    d->memory = h->ram;
    if (below(h, 20) == 0)
        wanted &= ~((uint64_t)1 << 32);
    if (!driver_negotiate(d, wanted))
        return;
    for (uint32_t i = 0; i < h->n_queues && i < DRIVER_QUEUES; i++) {
        uint32_t size = below(h, 4) ? 0 : 1u << below(h, 11);

        if (d->memory + (1 << 19) > h->ram + h->ram_bytes / 2)
            break;
        if (size > 64 && below(h, 2))
            size = 16;
        driver_queue_setup(d, i, size ? size : 64);
    }
    if (below(h, 30))
        driver_ok(d);
}

static void fill(struct hostile *h, uint64_t at, uint32_t bytes)
{
    uint8_t *to;

    if (at < h->ram || at > h->ram + h->ram_bytes ||
        bytes > h->ram + h->ram_bytes - at)
        return;
    if (bytes > 512)
        bytes = 512;
    to = testhost_at(h->driver->machine, at, bytes);
    if (h->request && below(h, 8))
        h->request(&h->seed, to, bytes);
    else
        for (uint32_t i = 0; i < bytes; i++)
            to[i] = (uint8_t)any(h);
}

/* A chain that the ring's rules allow, of odd buffers. */
static void add(struct hostile *h)
{
    struct driver_buffer b[MOST_BUFFERS];
    uint32_t odd = below(h, 12) == 0;
    uint32_t n =
        odd ? 1 + (uint32_t)below(h, MOST_BUFFERS) : 2 + (uint32_t)below(h, 3);
    uint32_t n_out =
        odd ? (uint32_t)below(h, n + 1) : 1 + (uint32_t)below(h, n - 1);
    uint32_t may = h->driver->features >> 28 & 1 || below(h, 200) == 0;
    struct driver_queue *q = &h->driver->queue[below(h, h->n_queues)];

    if (!q->size)
        return;
    for (uint32_t i = 0; i < n; i++) {
        b[i].address = address(h);
        b[i].bytes = length(h);
        if (i + 1 == n && below(h, 3))
            b[i].bytes = 1;
        b[i].write = below(h, 300) ? i >= n_out : (uint32_t)below(h, 2);
        if (!b[i].write) {
            /* Headers are short. */
            if (i == 0 && below(h, 10))
                b[i].bytes = below(h, 30) ? 16 : 1 + (uint32_t)below(h, 64);
            fill(h, b[i].address, b[i].bytes);
        }
    }
    driver_add(h->driver, q, b, n, may && below(h, 2));
}

static void collect(struct hostile *h)
{
    for (uint32_t i = 0; i < h->n_queues && i < DRIVER_QUEUES; i++) {
        struct driver_queue *q = &h->driver->queue[i];
        uint32_t id, bytes;

        /* Its own rings may be rubble: a damaged driver only resets. */
        if (q->size && !q->damaged)
            while (driver_used(h->driver, q, &id, &bytes))
                ;
    }
    driver_isr(h->driver);
}

/* Overwrite a part of a ring. */
static void damage(struct hostile *h)
{
    struct driver_queue *q = &h->driver->queue[below(h, h->n_queues)];
    uint64_t areas[4];
    uint64_t at;

    if (!q->size)
        return;
    areas[0] = q->descriptors + below(h, 16u * q->size);
    areas[1] = q->driver + below(h, 6u + 2u * q->size);
    areas[2] = q->device + below(h, 6u + 8u * q->size);
    areas[3] = q->tables + below(h, 1024);
    at = areas[below(h, 4)] & ~(uint64_t)1;
    q->damaged = 1;
    switch (below(h, 3)) {
    case 0:
        testhost_write(h->driver->machine, at, any(h), 2);
        break;
    case 1:
        testhost_write(h->driver->machine, at, below(h, 8), 2);
        break;
    default:
        testhost_write(h->driver->machine, at, address(h), 8);
        break;
    }
}

static void poke(struct hostile *h)
{
    uint32_t bytes = 1u << below(h, 4);
    uint64_t at = h->registers + (below(h, h->register_bytes) & ~7ull) +
                  (below(h, 2) ? 4 : 0);
    uint64_t value = below(h, 2) ? below(h, 300) : any(h);

    if (h->config_bytes && below(h, 3) == 0) {
        bytes = 1u << below(h, 3);
        at = h->config_space + (below(h, h->config_bytes) & ~(bytes - 1));
    }

    if (below(h, 6) == 0)
        at += below(h, 4);
    if (below(h, 2))
        testhost_write(h->driver->machine, at, value, bytes);
    else
        testhost_read(h->driver->machine, at, bytes);
}

static void step(struct hostile *h, uint32_t what)
{
    struct driver *d = h->driver;

    switch (what % 64) {
    case 0:
        renew(h);
        break;
    case 1:
        damage(h);
        break;
    case 2:
    case 3:
    case 4:
        poke(h);
        break;
    case 5:
        driver_set_config(d, (uint32_t)below(h, 256), any(h),
                          1u << below(h, 4));
        driver_config(d, (uint32_t)below(h, 256), 1u << below(h, 4));
        break;
    case 6:
        driver_queue_reset(d, (uint32_t)below(h, h->n_queues + 1));
        break;
    case 7:
        testhost_advance(d->machine, below(h, 2000000000));
        break;
    case 8:
        testhost_map_changed(d->machine);
        break;
    case 9:
        collect(h);
        break;
    case 10:
    case 11:
    case 12:
        testhost_run(d->machine);
        break;
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
        driver_notify(d, (uint32_t)below(h, h->n_queues + (what == 13)));
        break;
    default:
        add(h);
        break;
    }
    /* A broken device is reset now and then, as drivers do. */
    if (driver_status(d) & 0x40 && below(h, 4) == 0)
        renew(h);
}

void hostile_run(struct hostile *h, uint64_t operations)
{
    renew(h);
    for (uint64_t i = 0; i < operations; i++)
        step(h, (uint32_t)below(h, 64));
    testhost_run(h->driver->machine);
}

void hostile_replay(struct hostile *h, const uint8_t *data, uint64_t bytes)
{
    renew(h);
    for (uint64_t i = 0; i < bytes; i++) {
        h->seed = h->seed * 31 + data[i];
        step(h, data[i]);
    }
    testhost_run(h->driver->machine);
}
