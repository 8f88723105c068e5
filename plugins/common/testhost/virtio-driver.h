/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest driver for tests: negotiates, builds split and packed rings in the
 * test host's RAM, adds chains, collects what was used. Written from the
 * driver's sections of virtio 1.2; shares nothing with the device side.
 */
#ifndef TENON_TESTHOST_VIRTIO_DRIVER_H
#define TENON_TESTHOST_VIRTIO_DRIVER_H

#include "testhost/testhost.h"

#define DRIVER_QUEUES 16u

struct driver_buffer {
    uint64_t address;
    uint32_t bytes;
    uint32_t write; /* the device writes it */
};

struct driver_queue {
    uint32_t index;
    uint32_t size;
    uint64_t descriptors, driver, device; /* guest addresses */
    uint64_t tables;                      /* indirect tables, one a slot */
    uint64_t notify;                      /* PCI: address of the doorbell */
    uint32_t damaged; /* the test overwrote it: used() cannot be trusted */
    uint16_t avail, used;
    uint16_t avail_wrap, used_wrap;
    uint32_t n_free;            /* slots */
    uint32_t n_ids;             /* packed: free ids; split: ids are the slots */
    uint16_t free_ids[1024];    /* stack */
    uint16_t chain_slots[1024]; /* by id; 0: not in flight */
    uint16_t next[1024];        /* split: the chain as it was made */
};

/* How registers are reached; struct driver is passed. */
struct driver_transport;

struct driver {
    struct testhost *machine;
    struct test_instance *bus;
    const struct driver_transport *transport;
    uint64_t base;   /* mmio: registers; PCI: common configuration */
    uint64_t isr;    /* PCI */
    uint64_t config; /* device-specific configuration */
    uint64_t notify;
    uint32_t notify_multiplier;
    uint64_t msix;       /* PCI: the capability's address */
    uint64_t msix_table; /* and the table's */
    uint32_t vectors;    /* in use; queue N has N + 1 */
    uint64_t features;
    uint64_t memory; /* where the next ring goes */
    struct driver_queue queue[DRIVER_QUEUES];
};

/* Take over the device at mmio registers BASE / a PCI function whose parts
 * were found (driver_find_pci). Rings are put at MEMORY and above. */
void driver_init_mmio(struct driver *driver, struct testhost *machine,
                      struct test_instance *bus, uint64_t base,
                      uint64_t memory);
/* FUNCTION is the address of its configuration space in the ECAM; its BARs
 * get addresses from BARS on. */
void driver_init_pci(struct driver *driver, struct testhost *machine,
                     struct test_instance *bus, uint64_t function,
                     uint64_t bars, uint64_t memory);
/* Use MSI-X: vector N writes 0x1000 + N to ADDRESS + 4 N. */
void driver_enable_msix(struct driver *driver, uint64_t address, uint32_t n);
/* Reset and negotiate: WANTED of what is offered. Returns 1 if FEATURES_OK
 * stayed. */
uint32_t driver_negotiate(struct driver *driver, uint64_t wanted);
uint64_t driver_offered(struct driver *driver);
/* Set up a queue of SIZE (0: the greatest). */
struct driver_queue *driver_queue_setup(struct driver *driver, uint32_t index,
                                        uint32_t size);
void driver_ok(struct driver *driver);
/* negotiate, queues 0..N-1, ok. */
uint32_t driver_start(struct driver *driver, uint64_t wanted,
                      uint32_t n_queues);
void driver_set_status(struct driver *driver, uint32_t status);
uint32_t driver_status(struct driver *driver);
/* Read and acknowledge the interrupt status. */
uint32_t driver_isr(struct driver *driver);
uint64_t driver_config(struct driver *driver, uint32_t offset, uint32_t bytes);
void driver_set_config(struct driver *driver, uint32_t offset, uint64_t value,
                       uint32_t bytes);
void driver_queue_reset(struct driver *driver, uint32_t index);

/* Make a chain available; returns its id or -1 if the ring is full. */
int32_t driver_add(struct driver *driver, struct driver_queue *queue,
                   const struct driver_buffer *buffers, uint32_t n,
                   uint32_t indirect);
/* Notify the device unless it asked not to be. Returns 1 if it was. */
uint32_t driver_kick(struct driver *driver, struct driver_queue *queue);
void driver_notify(struct driver *driver, uint32_t index);
/* Take one used chain: 1, or 0 if there is none. */
uint32_t driver_used(struct driver *driver, struct driver_queue *queue,
                     uint32_t *id, uint32_t *bytes);
/* Ask for an interrupt after MORE further used chains (event index). */
void driver_want_interrupt(struct driver *driver, struct driver_queue *queue,
                           uint16_t more);
void driver_no_interrupts(struct driver *driver, struct driver_queue *queue);
/* add, kick, run, used: for one request at a time. Returns the used length,
 * or -1 if it did not come back. */
int64_t driver_do(struct driver *driver, struct driver_queue *queue,
                  const struct driver_buffer *buffers, uint32_t n);

#endif
