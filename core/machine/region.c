/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of regions. Changes are made under memory.map_lock, which also
 * orders their publication; the accelerator is told after it was released,
 * since a vCPU that it waits for may be about to change the map itself.
 */
#include "core/machine/region.h"

#include <errno.h>
#include <string.h>

#include "core/machine/epoch.h"
#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/thread.h"

#define WHOLE_SPACE ((unsigned __int128)1 << 64)

void region_ref(struct tn_region *region)
{
    atomic_fetch_add(&region->references, 1);
}

void region_unref(struct tn_region *region)
{
    if (atomic_fetch_sub(&region->references, 1) != 1)
        return;
    if (region->children)
        g_ptr_array_unref(region->children);
    g_ptr_array_unref(region->aliases);
    g_free(region->name);
    g_free(region);
}

struct tn_region *region_new(struct tn_machine *machine, struct instance *owner,
                             enum region_kind kind, const char *name,
                             unsigned __int128 bytes)
{
    struct tn_region *region = g_new0(struct tn_region, 1);

    atomic_store(&region->references, 1);
    atomic_store(&region->rom_readable, 1);
    region->kind = kind;
    region->machine = machine;
    region->owner = owner;
    region->name = g_strdup(name);
    region->bytes = bytes;
    region->aliases = g_ptr_array_new();
    if (kind == REGION_CONTAINER)
        region->children = g_ptr_array_new();
    if (owner)
        g_ptr_array_add(owner->regions, region);
    return region;
}

/* Render and publish; map_lock is held. */
static void publish_locked(struct memory *memory)
{
    struct flat_map *old = atomic_load(&memory->map);

    atomic_store(&memory->map, flat_map_render(memory->root));
    atomic_fetch_add(&memory->generation, 1);
    if (old)
        epoch_retire(old, g_free);
}

void memory_publish(struct tn_machine *machine)
{
    g_mutex_lock(&machine->memory.map_lock);
    publish_locked(&machine->memory);
    g_mutex_unlock(&machine->memory.map_lock);
    machine_map_changed(machine);
}

/* Can REGION be seen, through children and aliases, from FROM? */
static gboolean reaches(const struct tn_region *from,
                        const struct tn_region *region, guint depth)
{
    if (from == region || depth > 64)
        return TRUE;
    if (from->kind == REGION_ALIAS)
        return from->target && reaches(from->target, region, depth + 1);
    if (from->kind == REGION_CONTAINER)
        for (guint i = 0; i < from->children->len; i++)
            if (reaches(g_ptr_array_index(from->children, i), region,
                        depth + 1))
                return TRUE;
    return FALSE;
}

int32_t region_map(struct tn_region *region, struct tn_region *parent,
                   uint64_t offset, int32_t priority)
{
    struct tn_machine *machine = region->machine;
    struct memory *memory = &machine->memory;
    guint at = 0;
    int32_t rc = 0;

    if (!parent)
        parent = memory->root;
    g_mutex_lock(&memory->map_lock);
    if (region->mapped)
        rc = -EBUSY;
    else if (parent->kind != REGION_CONTAINER || reaches(region, parent, 0))
        rc = -EINVAL;
    if (rc) {
        g_mutex_unlock(&memory->map_lock);
        return rc;
    }
    region->mapped = TRUE;
    region->parent = parent;
    region->offset = offset;
    region->priority = priority;
    while (at < parent->children->len &&
           ((struct tn_region *)g_ptr_array_index(parent->children, at))
                   ->priority > priority)
        at++;
    g_ptr_array_insert(parent->children, (gint)at, region);
    publish_locked(memory);
    g_mutex_unlock(&memory->map_lock);
    machine_map_changed(machine);
    return 0;
}

static gboolean unmap_locked(struct tn_region *region)
{
    if (!region->mapped)
        return FALSE;
    g_ptr_array_remove(region->parent->children, region);
    region->mapped = FALSE;
    region->parent = NULL;
    return TRUE;
}

void region_unmap(struct tn_region *region)
{
    struct tn_machine *machine = region->machine;
    gboolean changed;

    g_mutex_lock(&machine->memory.map_lock);
    changed = unmap_locked(region);
    if (changed)
        publish_locked(&machine->memory);
    g_mutex_unlock(&machine->memory.map_lock);
    if (changed)
        machine_map_changed(machine);
}

/* No callback of REGION runs, or will start, after this. */
static void stop_callbacks(struct tn_region *region)
{
    struct instance *owner = region->owner;
    gboolean entered = owner && !instance_enter(owner);

    /* Under the lock (which the caller may hold already) none runs that takes
     * it; those that wait for it look at `dead`. */
    atomic_store(&region->dead, 1);
    if (entered)
        instance_leave(owner);
    /* Parallel ones, unless it is one of them that frees the region. */
    if (!thread_current()->parallel_callbacks)
        while (atomic_load(&region->callbacks))
            g_thread_yield();
}

static void region_retire(void *region)
{
    region_unref(region);
}

void region_free(struct tn_region *region)
{
    struct memory *memory = &region->machine->memory;

    g_mutex_lock(&memory->map_lock);
    unmap_locked(region);
    if (region->kind == REGION_ALIAS && region->target)
        g_ptr_array_remove(region->target->aliases, region);
    for (guint i = 0; i < region->aliases->len; i++)
        ((struct tn_region *)g_ptr_array_index(region->aliases, i))->target =
            NULL;
    g_ptr_array_set_size(region->aliases, 0);
    if (region->children)
        while (region->children->len)
            unmap_locked(g_ptr_array_index(region->children, 0));
    publish_locked(memory);
    g_mutex_unlock(&memory->map_lock);
    machine_map_changed(region->machine);

    if (region->owner)
        g_ptr_array_remove(region->owner->regions, region);
    if (region->kind == REGION_MMIO || region->ops)
        stop_callbacks(region);
    if (region->ram)
        ram_discard(region->ram);
    epoch_retire(region, region_retire);
}

void region_free_all(struct instance *owner)
{
    while (owner->regions->len)
        region_free(g_ptr_array_index(owner->regions, owner->regions->len - 1));
}

struct tn_region *region_by_index(struct instance *owner, guint index)
{
    for (guint i = 0; i < owner->regions->len; i++) {
        struct tn_region *region = g_ptr_array_index(owner->regions, i);

        /* Containers are reached through aliases; what the instance mapped
         * itself is not the board's to place. */
        if (region->kind == REGION_CONTAINER ||
            (region->mapped && region->parent != region->machine->memory.root))
            continue;
        if (!index--)
            return region;
    }
    return NULL;
}

int32_t region_map_board(struct instance *owner, struct tn_error *error)
{
    const struct tn_instance_desc *desc = owner->desc;

    for (guint i = 0; i < desc->n_addresses; i++) {
        struct tn_region *region = region_by_index(owner, i);
        unsigned __int128 end;

        if (!region)
            return tn_error_set(error, -EINVAL, "%u addresses for %u regions",
                                desc->n_addresses, i);
        end = (unsigned __int128)desc->addresses[i] + region->bytes;
        if (end > WHOLE_SPACE)
            return tn_error_set(error, -EINVAL, "region %s ends beyond 2^64",
                                region->name);
        if (!region->mapped)
            region_map(region, NULL, desc->addresses[i], 0);
    }
    return 0;
}

int32_t memory_init(struct tn_machine *machine, struct tn_error *error)
{
    struct memory *memory = &machine->memory;
    const struct tn_machine_desc *desc = machine->desc;
    int32_t rc;

    g_mutex_init(&memory->map_lock);
    ram_init(&memory->ram, desc->memory);
    memory->root =
        region_new(machine, NULL, REGION_CONTAINER, "memory", WHOLE_SPACE);
    atomic_store(&memory->map, flat_map_render(memory->root));
    if (!desc->memory)
        return 0;
    machine->main_ram =
        region_new(machine, NULL, REGION_RAM, "ram", desc->memory);
    rc = ram_new(machine, NULL, "ram", desc->memory, 0, &machine->main_ram->ram,
                 error);
    if (!rc)
        rc = region_map(machine->main_ram, NULL, desc->ram_base, -1000);
    return rc;
}

void memory_fini(struct tn_machine *machine)
{
    struct memory *memory = &machine->memory;

    if (machine->main_ram && machine->main_ram->ram)
        region_free(machine->main_ram);
    else if (machine->main_ram)
        region_unref(machine->main_ram);
    if (memory->root)
        region_unref(memory->root);
    epoch_synchronize();
    g_free(atomic_exchange(&memory->map, NULL));
    ram_free_all(&memory->ram);
    g_mutex_clear(&memory->map_lock);
}
