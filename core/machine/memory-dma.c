/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies between buffers and guest memory, whatever is there: RAM, ROM or
 * another device. What a device asks for comes from the guest: nothing here
 * may trust an address or a length.
 */
#include "core/machine/region.h"

#include <errno.h>
#include <string.h>

#include "core/machine/epoch.h"
#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/memory-dma.h"
#include "core/machine/thread.h"

gboolean memory_lookup(struct tn_machine *machine, uint64_t address,
                       struct place *place)
{
    struct thread_state *thread = thread_current();
    const struct flat_map *map = memory_map(&machine->memory);
    const struct flat_range *range = NULL;

    if (thread->last_map == map->serial && thread->last_range < map->n_ranges) {
        range = &map->ranges[thread->last_range];
        if (address < range->start || address > range->last)
            range = NULL;
    }
    if (!range)
        range = flat_map_find(map, address);
    if (!range)
        return FALSE;
    thread->last_map = map->serial;
    thread->last_range = (guint)(range - map->ranges);
    place->region = range->region;
    place->offset = range->offset + (address - range->start);
    place->left = range->last - address;
    place->flags = range->flags;
    return TRUE;
}

/* Bytes of an access at ADDRESS to a device: aligned, at most 8 and LEFT. */
static uint32_t device_piece(uint64_t address, uint64_t left)
{
    uint32_t bytes = 8;

    while (bytes > left || (address & (bytes - 1)))
        bytes /= 2;
    return bytes;
}

static int32_t device_copy(struct place *place, uint64_t address,
                           uint8_t *buffer, uint64_t bytes, gboolean write)
{
    uint64_t done = 0;
    int32_t rc = 0;

    while (done < bytes && !rc) {
        uint32_t piece = device_piece(address + done, bytes - done);
        uint64_t value = 0;

        /* What little-endian CPUs see is what bytes in order are. */
        if (write) {
            for (uint32_t i = 0; i < piece; i++)
                value |= (uint64_t)buffer[done + i] << (8 * i);
            rc =
                region_write(place->region, place->offset + done, piece, value);
        } else {
            rc =
                region_read(place->region, place->offset + done, piece, &value);
            for (uint32_t i = 0; i < piece; i++)
                buffer[done + i] = (uint8_t)(value >> (8 * i));
        }
        done += piece;
    }
    return rc ? -EFAULT : 0;
}

/* Both end the epoch that their caller began. */
static int32_t copy_out(struct place *place, uint64_t address, uint8_t *buffer,
                        uint64_t bytes)
{
    int32_t rc;

    if (!(place->flags & RANGE_DEVICE)) {
        memcpy(buffer, place->region->ram->memory + place->offset, bytes);
        epoch_exit();
        return 0;
    }
    region_ref(place->region);
    epoch_exit();
    rc = device_copy(place, address, buffer, bytes, FALSE);
    region_unref(place->region);
    return rc;
}

static int32_t copy_in(struct tn_machine *machine, struct place *place,
                       uint64_t address, const uint8_t *buffer, uint64_t bytes,
                       gboolean force)
{
    struct tn_region *region = place->region;
    int32_t rc;

    if (region->ram && (force || !(place->flags & RANGE_READ_ONLY))) {
        struct ram_block *ram = region->ram;

        memcpy(ram->memory + place->offset, buffer, bytes);
        epoch_exit();
        ram_written(machine, ram, place->offset, bytes);
        return 0;
    }
    if (!region->ops) { /* ROM: the write is lost, as on a bus */
        epoch_exit();
        return 0;
    }
    region_ref(region);
    epoch_exit();
    rc = device_copy(place, address, (uint8_t *)buffer, bytes, TRUE);
    region_unref(region);
    return rc;
}

int32_t memory_read(struct tn_machine *machine, uint64_t address, void *buffer,
                    uint64_t bytes)
{
    uint8_t *to = buffer;

    if (bytes && address + (bytes - 1) < address)
        return -EFAULT;
    while (bytes) {
        struct place place;
        uint64_t piece;

        epoch_enter();
        if (!memory_lookup(machine, address, &place)) {
            epoch_exit();
            return -EFAULT;
        }
        piece = place.left < bytes - 1 ? place.left + 1 : bytes;
        if (copy_out(&place, address, to, piece))
            return -EFAULT;
        to += piece;
        address += piece;
        bytes -= piece;
    }
    return 0;
}

int32_t memory_write(struct tn_machine *machine, uint64_t address,
                     const void *buffer, uint64_t bytes, gboolean force)
{
    const uint8_t *from = buffer;

    if (bytes && address + (bytes - 1) < address)
        return -EFAULT;
    while (bytes) {
        struct place place;
        uint64_t piece;

        epoch_enter();
        if (!memory_lookup(machine, address, &place)) {
            epoch_exit();
            return -EFAULT;
        }
        piece = place.left < bytes - 1 ? place.left + 1 : bytes;
        if (copy_in(machine, &place, address, from, piece, force))
            return -EFAULT;
        from += piece;
        address += piece;
        bytes -= piece;
    }
    return 0;
}
