/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.guestmem/1: physical memory as an accelerator sees it.
 */
#include <errno.h>
#include <string.h>

#include <tenon/accel.h>

#include "core/machine/epoch.h"
#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/memory-dma.h"
#include "core/machine/services.h"

/* Where nothing is: from the end of the range below to the one above. */
static void resolve_hole(const struct flat_map *map, uint64_t pa,
                         struct tn_backing *backing)
{
    backing->flags = TN_BACKING_NONE;
    backing->start = 0;
    backing->last = UINT64_MAX;
    for (guint i = 0; i < map->n_ranges; i++) {
        if (map->ranges[i].last < pa) {
            backing->start = map->ranges[i].last + 1;
        } else {
            backing->last = map->ranges[i].start - 1;
            break;
        }
    }
}

static void resolve(struct tn_host *host, uint64_t pa,
                    struct tn_backing *backing)
{
    struct memory *memory = &instance_of(host)->machine->memory;
    struct tn_backing result = {.size = sizeof result};
    uint32_t size = MIN(backing->size, (uint32_t)sizeof result);
    const struct flat_range *range;

    epoch_enter();
    range = flat_map_find(memory_map(memory), pa);
    if (!range) {
        resolve_hole(memory_map(memory), pa, &result);
    } else {
        struct ram_block *ram = range->region->ram;

        result.start = range->start;
        result.last = range->last;
        if (range->flags & RANGE_READ_ONLY)
            result.flags |= TN_BACKING_READ_ONLY;
        if (range->flags & RANGE_DEVICE)
            result.flags |= TN_BACKING_DEVICE;
        if (ram && !(range->flags & RANGE_DEVICE)) {
            result.memory = ram->memory + range->offset;
            result.page_flags =
                (uint8_t *)&ram->page_flags[range->offset >> RAM_PAGE_BITS];
            result.ram_offset = ram->ram_offset + range->offset;
        }
    }
    epoch_exit();
    result.size = size;
    memcpy(backing, &result, size);
}

static int32_t io_read(struct tn_host *host, uint64_t pa, uint32_t bytes,
                       uint64_t *value)
{
    struct tn_machine *machine = instance_of(host)->machine;
    uint8_t buffer[8] = {0};
    struct place place;
    int32_t rc;

    *value = 0;
    if (!bytes || bytes > 8)
        return -EFAULT;
    epoch_enter();
    if (memory_lookup(machine, pa, &place) && place.left >= bytes - 1 &&
        place.flags & RANGE_DEVICE) {
        region_ref(place.region);
        epoch_exit();
        rc = region_read(place.region, place.offset, bytes, value);
        region_unref(place.region);
        return rc ? -EFAULT : 0;
    }
    epoch_exit();
    /* RAM, or across the border of two ranges. */
    rc = memory_read(machine, pa, buffer, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        *value |= (uint64_t)buffer[i] << (8 * i);
    return rc;
}

static int32_t io_write(struct tn_host *host, uint64_t pa, uint32_t bytes,
                        uint64_t value)
{
    struct tn_machine *machine = instance_of(host)->machine;
    uint8_t buffer[8];
    struct place place;
    int32_t rc;

    if (!bytes || bytes > 8)
        return -EFAULT;
    epoch_enter();
    if (memory_lookup(machine, pa, &place) && place.left >= bytes - 1 &&
        place.flags & RANGE_READ_ONLY && place.region->ops) {
        region_ref(place.region);
        epoch_exit();
        rc = region_write(place.region, place.offset, bytes, value);
        region_unref(place.region);
        return rc ? -EFAULT : 0;
    }
    epoch_exit();
    for (uint32_t i = 0; i < bytes; i++)
        buffer[i] = (uint8_t)(value >> (8 * i));
    return memory_write(machine, pa, buffer, bytes, FALSE);
}

static uint64_t ram_bytes(struct tn_host *host)
{
    return instance_of(host)->machine->memory.ram.limit;
}

const struct tn_guestmem host_guestmem = {
    .size = sizeof(struct tn_guestmem),
    .resolve = resolve,
    .io_read = io_read,
    .io_write = io_write,
    .ram_bytes = ram_bytes,
};
