/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver: random and nearly right register writes, rings and chains.
 * It may get nothing but errors in the log; the process must stay whole.
 */
#ifndef TENON_TESTHOST_VIRTIO_HOSTILE_H
#define TENON_TESTHOST_VIRTIO_HOSTILE_H

#include "testhost/virtio-driver.h"

struct hostile {
    struct driver *driver;
    uint32_t n_queues;
    uint64_t ram, ram_bytes;
    /* Registers to poke at random. */
    uint64_t registers, register_bytes;
    /* PCI: configuration space, poked too; restore() puts BARs back. */
    uint64_t config_space, config_bytes;
    void (*restore)(struct hostile *hostile);
    uint64_t seed;
    /* Optional: fill N bytes of a request's readable part with something the
     * device may take for a request. */
    void (*request)(uint64_t *seed, uint8_t *bytes, uint32_t n);
};

/* OPERATIONS random operations. */
void hostile_run(struct hostile *hostile, uint64_t operations);
/* The same, its choices taken from DATA (a fuzzer's). */
void hostile_replay(struct hostile *hostile, const uint8_t *data,
                    uint64_t bytes);

#endif
