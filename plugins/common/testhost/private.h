/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's insides. */
#ifndef TENON_TESTHOST_PRIVATE_H
#define TENON_TESTHOST_PRIVATE_H

#include "testhost/testhost.h"

#define MAX_RAMS 4u
#define MAX_INSTANCES 32u
#define MAX_OUTPUTS 16u
#define MAX_PROPS 48u
#define MAX_SERVICES 16u
#define MAX_DATA 8u

enum region_kind { REGION_MMIO, REGION_RAM, REGION_CONTAINER, REGION_ALIAS };

struct tn_region {
    struct test_instance *owner;
    enum region_kind kind;
    char name[48];
    unsigned __int128 bytes;
    const struct tn_region_ops *ops;
    void *opaque;
    uint8_t *memory;
    uint32_t flags;
    struct tn_region *target;
    uint64_t target_offset;
    /* Where it is mapped. */
    uint32_t mapped;
    struct tn_region *parent; /* NULL: physical address space */
    uint64_t offset;
    int32_t priority;
    uint64_t order;
    struct tn_region *next; /* all of the machine */
};

struct tn_irq {
    uint32_t level;
    uint64_t edges;
};

struct tn_task {
    struct test_instance *instance;
    void (*run)(void *opaque);
    void *opaque;
    uint32_t pending;
    uint32_t once; /* freed when it has run */
    struct tn_task *next;
};

struct tn_timer {
    struct test_instance *instance;
    void (*fire)(void *opaque);
    void *opaque;
    uint64_t deadline;
    struct tn_timer *next;
};

struct tn_watch {
    struct test_instance *instance;
    int32_t fd;
    uint32_t events;
    uint32_t dead;
    void (*ready)(void *opaque, uint32_t events);
    void *opaque;
    struct tn_watch *next;
};

struct test_prop {
    const struct tn_property *schema;
    char value[256];
    uint32_t given;
};

struct test_instance {
    struct tn_host host; /* first */
    struct testhost *machine;
    struct test_instance *parent;
    const struct tn_component *component;
    void *self;
    char id[48];
    uint32_t realized;
    uint32_t inside; /* callbacks running */
    struct test_prop props[MAX_PROPS];
    uint32_t n_props;
    struct tn_irq outputs[MAX_OUTPUTS];
    struct {
        char key[48];
        void *data;
    } data[MAX_DATA];
    uint32_t n_data;
    uint64_t addresses[8];
    uint32_t n_addresses;
};

struct testhost {
    struct {
        uint64_t address;
        uint64_t bytes;
        uint8_t *memory;
    } ram[MAX_RAMS];
    uint32_t n_rams;
    struct test_instance *instances[MAX_INSTANCES];
    uint32_t n_instances;
    struct {
        char id[48];
        const void *table;
    } services[MAX_SERVICES];
    uint32_t n_services;
    struct {
        char key[48];
        void *data;
    } data[MAX_DATA];
    uint32_t n_data;
    struct tn_region *regions;
    uint64_t map_order;
    uint64_t generation;
    uint64_t discarded; /* bytes */
    struct tn_task *tasks;
    struct tn_timer *timers;
    struct tn_watch *watches;
    uint64_t now;
    uint32_t running;
    uint32_t request;
    uint32_t guest_errors;
    uint32_t verbose;
    char error[512];
    char last_log[512];
};

static inline struct test_instance *instance_of(struct tn_host *host)
{
    return (struct test_instance *)host;
}

/* Around a callback: 0 or -EDEADLK. */
int32_t test_enter(struct test_instance *instance);
void test_leave(struct test_instance *instance);

extern const struct tn_log testhost_log;
extern const struct tn_props testhost_props;
extern const struct tn_memory testhost_memory;
extern const struct tn_irqs testhost_irqs;
extern const struct tn_clock testhost_clock;
extern const struct tn_loop testhost_loop;
extern const struct tn_tree testhost_tree;

void testhost_free_regions(struct test_instance *owner);
void testhost_free_events(struct test_instance *owner);
/* Region INDEX that the board would place. */
struct tn_region *testhost_board_region(struct test_instance *owner,
                                        uint32_t index);

#endif
