/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small host for unit tests of plugins: enough of every service that a
 * device can be driven register by register, on one thread, with time that
 * only moves when the test says so. Plugins are loaded from the build tree as
 * the real host would load them.
 *
 * Work that a plugin schedules (tasks, timers, watches, completions) runs in
 * testhost_run(). What cannot be a mistake of the guest aborts the test.
 */
#ifndef TENON_TESTHOST_H
#define TENON_TESTHOST_H

#include <stddef.h>
#include <stdint.h>

#include <tenon/clock.h>
#include <tenon/host.h>
#include <tenon/irq.h>
#include <tenon/loop.h>
#include <tenon/memory.h>
#include <tenon/state.h>
#include <tenon/tree.h>

struct testhost;
struct test_instance; /* a tn_host */

/* A machine without anything. The block, character and network services are
 * added by the functions of block.h, char.h and net.h beside this. */
struct testhost *testhost_new(void);
void testhost_free(struct testhost *machine);
/* RAM at ADDRESS; returns its bytes. At most four pieces. */
uint8_t *testhost_ram(struct testhost *machine, uint64_t address,
                      uint64_t bytes);
/* The host pointer of RAM at ADDRESS; aborts if it is not RAM. */
void *testhost_at(struct testhost *machine, uint64_t address, uint64_t bytes);
/* Bytes given back with tn_memory.discard. */
uint64_t testhost_discarded(struct testhost *machine);
/* As if the map had changed: the generation grows. */
void testhost_map_changed(struct testhost *machine);

/*
 * Create and configure component COMPONENT of plugin PLUGIN ("dev-virtio-rng")
 * as instance ID on the bus of PARENT (or NULL). PROPS: "name=value" strings
 * up to a NULL. testhost_realize() goes on. Both return NULL / a negative
 * errno on failure with the text in testhost_error().
 */
struct test_instance *testhost_add(struct testhost *machine, const char *plugin,
                                   const char *component, const char *id,
                                   struct test_instance *parent,
                                   const char *const *props);
/* The board's `address` list, for testhost_realize() with address 0. */
void testhost_addresses(struct test_instance *instance,
                        const uint64_t *addresses, uint32_t n);
/* Realize, and place its regions one after the other from ADDRESS on, each
 * aligned to its size (0: by testhost_addresses()). */
int32_t testhost_realize(struct test_instance *instance, uint64_t address);
/* The whole machine. */
void testhost_reset(struct testhost *machine);
void testhost_start(struct testhost *machine);
/* Also quiesces, as before saving state. */
void testhost_stop(struct testhost *machine);
/* Unrealize and destroy one instance (its children first). */
void testhost_remove(struct test_instance *instance);

const char *testhost_error(struct testhost *machine);
/* Lines logged at TN_LOG_GUEST since the last call. */
uint32_t testhost_guest_errors(struct testhost *machine);
const char *testhost_last_log(struct testhost *machine);
void testhost_verbose(struct testhost *machine, uint32_t on);

void *testhost_self(struct test_instance *instance);
struct tn_host *testhost_handle(struct test_instance *instance);
const void *testhost_interface(struct test_instance *instance, const char *id);
/* A host service of the test's own; TABLE lives as long as the machine. */
void testhost_add_service(struct testhost *machine, const char *id,
                          const void *table);
/* Per-instance data of such a service. */
void *testhost_data(struct tn_host *host, const char *key);
void testhost_set_data(struct test_instance *instance, const char *key,
                       void *data);
/* And of the machine. */
void *testhost_machine_data(struct tn_host *host, const char *key);
void testhost_set_machine_data(struct testhost *machine, const char *key,
                               void *data);

/* The guest's accesses. What is not mapped reads as zero. */
uint64_t testhost_read(struct testhost *machine, uint64_t address,
                       uint32_t bytes);
void testhost_write(struct testhost *machine, uint64_t address, uint64_t value,
                    uint32_t bytes);
/* Where region NAME of INSTANCE is visible: 0 if it is not. */
uint64_t testhost_region(struct test_instance *instance, const char *name);

/* Interrupt outputs. */
uint32_t testhost_irq_level(struct test_instance *instance, uint32_t output);
/* Times the level went from 0 to 1. */
uint64_t testhost_irq_edges(struct test_instance *instance, uint32_t output);

/* Run what is due until nothing is; returns how many callbacks ran. */
uint32_t testhost_run(struct testhost *machine);
/* Run the tasks that are due once: completions that follow stay. */
void testhost_step(struct testhost *machine);
/* Let NS nanoseconds pass on all clocks, then run. */
void testhost_advance(struct testhost *machine, uint64_t ns);
/* Queue a completion for testhost_run(), under INSTANCE's lock. */
void testhost_later(struct tn_host *host, void (*call)(void *opaque),
                    void *opaque);

/* Take back what testhost_later() queued with these. */
void testhost_forget(struct tn_host *host, void (*call)(void *opaque),
                     void *opaque);

/* The request made last (TN_REQUEST_*), 0 if none. */
uint32_t testhost_request(struct testhost *machine);

/* All fields of INSTANCE's state into a newly allocated buffer, and back.
 * Load returns what loaded() does. */
uint8_t *testhost_save(struct test_instance *instance, size_t *bytes);
int32_t testhost_load(struct test_instance *instance, const uint8_t *saved,
                      size_t bytes);

/* Deterministic random numbers for hostile-driver tests. */
static inline uint64_t testhost_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
