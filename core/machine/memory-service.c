/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.memory/1: what plugins pass is checked here, and nowhere else.
 */
#include <errno.h>
#include <string.h>

#include <tenon/memory.h>

#include "core/machine/epoch.h"
#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/memory-dma.h"
#include "core/machine/region.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"

/* More than any machine has; keeps sums of sizes in 64 bits. */
#define MAX_RAM ((uint64_t)1 << 46)

static gboolean bad(struct instance *instance, const char *what,
                    const char *name)
{
    tn_logf(&instance->base.host, TN_LOG_ERROR, "region %s: %s", name ? name : "?",
            what);
    return TRUE;
}

static gboolean is_access_size(uint32_t bytes)
{
    return bytes && bytes <= 8 && !(bytes & (bytes - 1));
}

/* Copies what is there of OPS; FALSE if it makes no sense. */
static gboolean take_ops(struct tn_region_ops *limits,
                         const struct tn_region_ops *ops)
{
    if (!ops)
        return FALSE;
    memset(limits, 0, sizeof *limits);
    memcpy(limits, ops, MIN((gsize)ops->size, sizeof *limits));
    return is_access_size(limits->min_access) &&
           is_access_size(limits->max_access) &&
           limits->min_access <= limits->max_access;
}

static gboolean owned(struct instance *instance, struct tn_region *region,
                      const char *call)
{
    if (region && region->owner && region->machine == instance->machine)
        return TRUE;
    bad(instance, "not a region of this machine", call);
    return FALSE;
}

static struct tn_region *new_mmio(struct tn_host *host, const char *name,
                                  uint64_t bytes,
                                  const struct tn_region_ops *ops, void *opaque)
{
    struct instance *instance = instance_of(host);
    struct tn_region_ops limits;
    struct tn_region *region;

    CHECK_CONTROL(instance);
    if (!name || !bytes || !take_ops(&limits, ops)) {
        bad(instance, "no name, size or sound callbacks", name);
        return NULL;
    }
    region = region_new(instance->machine, instance, REGION_MMIO, name, bytes);
    region->ops = ops;
    region->limits = limits;
    region->opaque = opaque;
    return region;
}

static struct tn_region *new_ram(struct tn_host *host, const char *name,
                                 uint64_t bytes, uint32_t flags, void **memory)
{
    struct instance *instance = instance_of(host);
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_region *region;
    struct ram_block *ram;

    CHECK_CONTROL(instance);
    if (!name || !bytes || bytes > MAX_RAM || bytes & (RAM_PAGE - 1)) {
        bad(instance, "RAM is made of whole 4 KiB pages", name);
        return NULL;
    }
    if (ram_new(instance->machine, instance->desc->id, name, bytes, flags,
                &ram, &error)) {
        bad(instance, error.text ? error.text : "no memory", name);
        return NULL;
    }
    region = region_new(instance->machine, instance, REGION_RAM, name, bytes);
    region->ram = ram;
    if (memory)
        *memory = ram->memory;
    return region;
}

static struct tn_region *new_container(struct tn_host *host, const char *name,
                                       uint64_t bytes)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    return region_new(instance->machine, instance, REGION_CONTAINER,
                      name ? name : "?",
                      bytes ? bytes : (unsigned __int128)1 << 64);
}

static struct tn_region *new_alias(struct tn_host *host, const char *name,
                                   struct tn_region *target, uint64_t offset,
                                   uint64_t bytes)
{
    struct instance *instance = instance_of(host);
    struct tn_region *region;

    CHECK_CONTROL(instance);
    if (!name || !bytes || !target || target->machine != instance->machine ||
        (unsigned __int128)offset + bytes > target->bytes) {
        bad(instance, "alias outside its target", name);
        return NULL;
    }
    region = region_new(instance->machine, instance, REGION_ALIAS, name, bytes);
    g_mutex_lock(&instance->machine->memory.map_lock);
    region->target = target;
    region->target_offset = offset;
    g_ptr_array_add(target->aliases, region);
    g_mutex_unlock(&instance->machine->memory.map_lock);
    return region;
}

static void free_region(struct tn_host *host, struct tn_region *region)
{
    struct instance *instance = instance_of(host);

    CHECK_CONTROL(instance);
    if (region && owned(instance, region, "free_region"))
        region_free(region);
}

static int32_t map(struct tn_host *host, struct tn_region *region,
                   struct tn_region *parent, uint64_t offset, int32_t priority)
{
    struct instance *instance = instance_of(host);
    unsigned __int128 space =
        parent ? parent->bytes : (unsigned __int128)1 << 64;

    if (!owned(instance, region, "map") ||
        (parent && !owned(instance, parent, "map")))
        return -EINVAL;
    /* A BAR may reach out of its window: what does is not seen. */
    if (offset >= space)
        return -EINVAL;
    return region_map(region, parent, offset, priority);
}

static void unmap(struct tn_host *host, struct tn_region *region)
{
    if (region && owned(instance_of(host), region, "unmap"))
        region_unmap(region);
}

static int32_t set_rom_ops(struct tn_host *host, struct tn_region *ram,
                           const struct tn_region_ops *ops, void *opaque)
{
    struct instance *instance = instance_of(host);
    struct tn_region_ops limits;

    if (!owned(instance, ram, "set_rom_ops") || ram->kind != REGION_RAM ||
        ram->mapped || !take_ops(&limits, ops))
        return -EINVAL;
    ram->ops = ops;
    ram->limits = limits;
    ram->opaque = opaque;
    return 0;
}

static void set_rom_readable(struct tn_host *host, struct tn_region *ram,
                             uint32_t enabled)
{
    struct instance *instance = instance_of(host);

    if (!owned(instance, ram, "set_rom_readable") || !ram->ops || !ram->ram)
        return;
    if (atomic_exchange(&ram->rom_readable, !!enabled) != !!enabled)
        memory_publish(instance->machine);
}

static void ram_changed(struct tn_host *host, struct tn_region *ram,
                        uint64_t offset, uint64_t bytes)
{
    struct instance *instance = instance_of(host);

    if (!owned(instance, ram, "ram_changed") || !ram->ram ||
        offset > ram->ram->bytes || bytes > ram->ram->bytes - offset)
        return;
    ram_written(instance->machine, ram->ram, offset, bytes);
}

static int32_t dma_read(struct tn_host *host, uint64_t address, void *buffer,
                        uint64_t bytes)
{
    return memory_read(instance_of(host)->machine, address, buffer, bytes);
}

static int32_t dma_write(struct tn_host *host, uint64_t address,
                         const void *buffer, uint64_t bytes)
{
    return memory_write(instance_of(host)->machine, address, buffer, bytes,
                        FALSE);
}

static void *dma_map(struct tn_host *host, uint64_t address, uint64_t *bytes,
                     uint32_t direction)
{
    uint64_t wanted = *bytes;
    struct place place;
    void *memory = NULL;

    *bytes = 0;
    if (!wanted)
        return NULL;
    epoch_enter();
    if (memory_lookup(instance_of(host)->machine, address, &place) &&
        !(place.flags & RANGE_DEVICE) &&
        !(direction == TN_DMA_WRITE && place.flags & RANGE_READ_ONLY)) {
        memory = place.region->ram->memory + place.offset;
        *bytes = place.left < wanted - 1 ? place.left + 1 : wanted;
    }
    epoch_exit();
    return memory;
}

/* The map may have changed since dma_map(): the pointer says which RAM it is,
 * and RAM does not move. */
static void dma_unmap(struct tn_host *host, uint64_t address, void *memory,
                      uint64_t bytes, uint32_t direction, uint64_t written)
{
    struct tn_machine *machine = instance_of(host)->machine;
    struct ram_block *ram;
    uint64_t offset;

    (void)address;
    if (direction != TN_DMA_WRITE || !written || !memory)
        return;
    ram = ram_find(&machine->memory.ram, memory);
    if (!ram)
        return;
    offset = (uint64_t)((uint8_t *)memory - ram->memory);
    written = MIN(written, bytes);
    ram_written(machine, ram, offset, MIN(written, ram->bytes - offset));
}

static void dma_dirty(struct tn_host *host, uint64_t address, uint64_t bytes)
{
    struct tn_machine *machine = instance_of(host)->machine;

    while (bytes) {
        struct ram_block *ram = NULL;
        struct place place;
        uint64_t piece;

        epoch_enter();
        if (!memory_lookup(machine, address, &place)) {
            epoch_exit();
            return;
        }
        ram = place.region->ram;
        piece = place.left < bytes - 1 ? place.left + 1 : bytes;
        epoch_exit();
        if (ram)
            ram_written(machine, ram, place.offset, piece);
        if (address + piece < address)
            return;
        address += piece;
        bytes -= piece;
    }
}

static uint64_t generation(struct tn_host *host)
{
    return atomic_load(&instance_of(host)->machine->memory.generation);
}

static int32_t region_address(struct tn_host *host, uint32_t index,
                              uint64_t *address, uint64_t *bytes)
{
    struct instance *instance = instance_of(host);
    struct tn_region *region = region_by_index(instance, index);

    CHECK_CONTROL(instance);
    if (index >= instance->desc->n_addresses)
        return -ENOENT;
    if (address)
        *address = instance->desc->addresses[index];
    if (bytes)
        *bytes = region ? (uint64_t)region->bytes : 0;
    return 0;
}

static int32_t discard(struct tn_host *host, uint64_t address, uint64_t bytes)
{
    struct tn_machine *machine = instance_of(host)->machine;

    if ((address | bytes) & (RAM_PAGE - 1) ||
        (bytes && address + (bytes - 1) < address))
        return -EINVAL;
    while (bytes) {
        struct ram_block *ram = NULL;
        struct place place;
        uint64_t piece = 0;
        int32_t rc;

        epoch_enter();
        if (memory_lookup(machine, address, &place) &&
            !(place.flags & (RANGE_DEVICE | RANGE_READ_ONLY))) {
            ram = place.region->ram;
            piece = place.left < bytes - 1 ? place.left + 1 : bytes;
        }
        epoch_exit();
        if (!ram || (place.offset | piece) & (RAM_PAGE - 1))
            return -EFAULT;
        rc = ram_discard_pages(ram, place.offset, piece);
        if (rc)
            return rc;
        ram_written(machine, ram, place.offset, piece);
        address += piece;
        bytes -= piece;
    }
    return 0;
}

const struct tn_memory host_memory = {
    .size = sizeof(struct tn_memory),
    .new_mmio = new_mmio,
    .new_ram = new_ram,
    .new_container = new_container,
    .new_alias = new_alias,
    .free_region = free_region,
    .map = map,
    .unmap = unmap,
    .set_rom_ops = set_rom_ops,
    .set_rom_readable = set_rom_readable,
    .ram_changed = ram_changed,
    .dma_read = dma_read,
    .dma_write = dma_write,
    .dma_map = dma_map,
    .dma_unmap = dma_unmap,
    .dma_dirty = dma_dirty,
    .generation = generation,
    .region_address = region_address,
    .discard = discard,
};
