/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory regions and the flat map made from them.
 *
 * Regions form a tree under the machine's address space. Every change renders
 * the tree into a sorted array of ranges, which is published whole and never
 * changed again; epoch.h frees the one before. Whoever reads the map does it
 * inside an epoch and takes a reference to a region that it wants to call.
 */
#ifndef TENON_CORE_MACHINE_REGION_H
#define TENON_CORE_MACHINE_REGION_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

#include <tenon/memory.h>

#include "core/machine/ram.h"
#include "core/util/error.h"

struct tn_machine;
struct instance;

enum region_kind {
    REGION_MMIO,
    REGION_RAM,
    REGION_CONTAINER,
    REGION_ALIAS,
};

struct tn_region {
    atomic_uint references; /* the owner's, and users' of the flat map */
    atomic_uint callbacks;  /* running, if the region is parallel */
    atomic_int dead;        /* freed: callbacks must not start */
    enum region_kind kind;
    struct tn_machine *machine;
    struct instance *owner; /* NULL: the machine */
    char *name;
    unsigned __int128 bytes;

    /* In the tree; under memory.map_lock. */
    gboolean mapped;
    struct tn_region *parent; /* NULL while not mapped */
    uint64_t offset;          /* in parent */
    int32_t priority;
    GPtrArray *children;      /* REGION_CONTAINER: highest priority first */
    GPtrArray *aliases;       /* that show a part of this one */
    struct tn_region *target; /* REGION_ALIAS */
    uint64_t target_offset;

    /* Content. For RAM, OPS are those of ROM mode. */
    const struct tn_region_ops *ops;
    struct tn_region_ops limits; /* access sizes, checked, and flags */
    void *opaque;
    struct ram_block *ram;
    atomic_int rom_readable;
};

#define RANGE_READ_ONLY 0x1u /* stores do not reach memory */
#define RANGE_DEVICE 0x2u    /* loads do not either */

struct flat_range {
    uint64_t start, last;
    struct tn_region *region;
    uint64_t offset; /* of START in the region */
    uint32_t flags;
};

struct flat_map {
    uint64_t serial; /* unique in the process */
    guint n_ranges;
    struct flat_range ranges[];
};

struct memory {
    GMutex map_lock; /* the tree; a leaf but for epoch and accelerator calls */
    struct tn_region *root;
    _Atomic(struct flat_map *) map;
    atomic_uint_least64_t generation;
    struct ram_set ram;
};

int32_t memory_init(struct tn_machine *machine, struct tn_error *error);
void memory_fini(struct tn_machine *machine);

/* Regions. All sizes and addresses have been checked by the service. */
struct tn_region *region_new(struct tn_machine *machine, struct instance *owner,
                             enum region_kind kind, const char *name,
                             unsigned __int128 bytes);
void region_free(struct tn_region *region);
void region_free_all(struct instance *owner);
int32_t region_map(struct tn_region *region, struct tn_region *parent,
                   uint64_t offset, int32_t priority);
void region_unmap(struct tn_region *region);
void region_ref(struct tn_region *region);
void region_unref(struct tn_region *region);
/* Make the accelerator forget what it knows of the map, and publish it. */
void memory_publish(struct tn_machine *machine);
/* Map OWNER's regions where the board says, in order of creation. */
int32_t region_map_board(struct instance *owner, struct tn_error *error);
/* The region that the board's address INDEX places, or NULL. */
struct tn_region *region_by_index(struct instance *owner, guint index);

/* flat-map.c: the tree under ROOT as ranges. */
struct flat_map *flat_map_render(struct tn_region *root);
/* In an epoch: the range of ADDRESS, or NULL. */
const struct flat_range *flat_map_find(const struct flat_map *map,
                                       uint64_t address);

static inline const struct flat_map *memory_map(struct memory *memory)
{
    return atomic_load(&memory->map);
}

/* memory-access.c: an access of 1..8 bytes to one region's callbacks, which
 * it takes the lock for. VALUE is what a little-endian CPU sees. 0, -EFAULT
 * if the region cannot take it, or -EDEADLK if it would re-enter. */
int32_t region_read(struct tn_region *region, uint64_t offset, uint32_t bytes,
                    uint64_t *value);
int32_t region_write(struct tn_region *region, uint64_t offset, uint32_t bytes,
                     uint64_t value);

/* memory-dma.c: copy, through whatever is there. FORCE writes to read-only
 * memory too. */
int32_t memory_read(struct tn_machine *machine, uint64_t address, void *buffer,
                    uint64_t bytes);
int32_t memory_write(struct tn_machine *machine, uint64_t address,
                     const void *buffer, uint64_t bytes, gboolean force);

#endif
