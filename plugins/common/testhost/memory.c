/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's memory service: a list of regions searched from the top. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/private.h"

uint8_t *testhost_ram(struct testhost *machine, uint64_t address,
                      uint64_t bytes)
{
    uint8_t *memory = aligned_alloc(4096, bytes);

    if (!memory || machine->n_rams == MAX_RAMS)
        abort();
    memset(memory, 0, bytes);
    machine->ram[machine->n_rams].address = address;
    machine->ram[machine->n_rams].bytes = bytes;
    machine->ram[machine->n_rams++].memory = memory;
    machine->generation++;
    return memory;
}

void testhost_map_changed(struct testhost *machine)
{
    machine->generation++;
}

/* RAM at ADDRESS and how much of it follows. */
static uint8_t *ram_at(struct testhost *machine, uint64_t address,
                       uint64_t *left)
{
    for (uint32_t i = 0; i < machine->n_rams; i++) {
        uint64_t at = address - machine->ram[i].address;

        if (at < machine->ram[i].bytes) {
            *left = machine->ram[i].bytes - at;
            return machine->ram[i].memory + at;
        }
    }
    return NULL;
}

void *testhost_at(struct testhost *machine, uint64_t address, uint64_t bytes)
{
    uint64_t left;
    uint8_t *memory = ram_at(machine, address, &left);

    if (!memory || left < bytes)
        abort();
    return memory;
}

/* The MMIO or RAM region seen at OFFSET of PARENT, and the offset in it. */
static struct tn_region *find(struct testhost *machine,
                              struct tn_region *parent, uint64_t offset,
                              uint64_t *inside, uint32_t depth)
{
    struct tn_region *best = NULL;
    uint64_t best_inside = 0;
    const struct tn_region *best_top = NULL;

    for (struct tn_region *r = machine->regions; r && depth < 16; r = r->next) {
        struct tn_region *seen = r;
        uint64_t at = offset - r->offset;

        if (!r->mapped || r->parent != parent || offset < r->offset ||
            at >= r->bytes)
            continue;
        if (best_top &&
            (best_top->priority > r->priority ||
             (best_top->priority == r->priority && best_top->order > r->order)))
            continue;
        while (seen && seen->kind == REGION_ALIAS) {
            at += seen->target_offset;
            seen = seen->target;
        }
        if (seen && seen->kind == REGION_CONTAINER)
            seen = find(machine, seen, at, &at, depth + 1);
        if (seen) {
            best = seen;
            best_inside = at;
            best_top = r;
        }
    }
    *inside = best_inside;
    return best;
}

/* ---- accesses ---- */

static uint32_t piece_of(const struct tn_region_ops *ops, uint64_t offset,
                         uint64_t left)
{
    uint32_t bytes = ops->max_access;

    while (bytes > 1 && (bytes > left || (offset & (bytes - 1))))
        bytes /= 2;
    return bytes;
}

static int32_t access_region(struct tn_region *region, uint64_t offset,
                             uint8_t *buffer, uint64_t bytes, uint32_t write)
{
    const struct tn_region_ops *ops = region->ops;
    int32_t rc = test_enter(region->owner);

    if (rc)
        return rc;
    for (uint64_t done = 0; done < bytes;) {
        uint32_t used = piece_of(ops, offset + done, bytes - done);
        uint32_t wide = used < ops->min_access ? ops->min_access : used;
        uint64_t at = (offset + done) & ~(uint64_t)(wide - 1);
        uint32_t skip = (uint32_t)(offset + done - at);
        uint64_t value = 0;

        if ((!write || used < wide) && ops->read)
            value = ops->read(region->opaque, at, wide);
        for (uint32_t i = 0; i < used; i++) {
            uint32_t shift = 8 * (skip + i);

            if (write)
                value = (value & ~((uint64_t)0xff << shift)) |
                        (uint64_t)buffer[done + i] << shift;
            else
                buffer[done + i] = (uint8_t)(value >> shift);
        }
        if (write && ops->write)
            ops->write(region->opaque, at, value, wide);
        done += used;
    }
    test_leave(region->owner);
    return 0;
}

static int32_t copy(struct testhost *machine, uint64_t address, void *buffer,
                    uint64_t bytes, uint32_t write)
{
    uint8_t *b = buffer;

    while (bytes) {
        uint64_t left;
        uint64_t inside;
        struct tn_region *region = find(machine, NULL, address, &inside, 0);
        uint8_t *memory = NULL;
        int32_t rc;

        if (region && region->kind == REGION_MMIO) {
            left = (uint64_t)region->bytes - inside;
            if (left > bytes)
                left = bytes;
            rc = access_region(region, inside, b, left, write);
            if (rc)
                return -EFAULT;
        } else {
            if (region) {
                memory = region->memory + inside;
                left = (uint64_t)region->bytes - inside;
            } else {
                memory = ram_at(machine, address, &left);
            }
            if (!memory)
                return -EFAULT;
            if (left > bytes)
                left = bytes;
            memcpy(write ? memory : b, write ? b : memory, left);
        }
        b += left;
        address += left;
        bytes -= left;
    }
    return 0;
}

uint64_t testhost_read(struct testhost *machine, uint64_t address,
                       uint32_t bytes)
{
    uint8_t raw[8] = {0};
    uint64_t value = 0;

    copy(machine, address, raw, bytes, 0);
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)raw[i] << (8 * i);
    return value;
}

void testhost_write(struct testhost *machine, uint64_t address, uint64_t value,
                    uint32_t bytes)
{
    uint8_t raw[8];

    for (uint32_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(value >> (8 * i));
    copy(machine, address, raw, bytes, 1);
}

/* ---- tenon.host.memory/1 ---- */

static struct tn_region *new_region(struct tn_host *host, enum region_kind kind,
                                    const char *name, unsigned __int128 bytes)
{
    struct test_instance *owner = instance_of(host);
    struct tn_region *region = calloc(1, sizeof *region);

    if (!region)
        abort();
    region->owner = owner;
    region->kind = kind;
    region->bytes = bytes;
    snprintf(region->name, sizeof region->name, "%s", name);
    region->next = owner->machine->regions;
    owner->machine->regions = region;
    return region;
}

static struct tn_region *new_mmio(struct tn_host *host, const char *name,
                                  uint64_t bytes,
                                  const struct tn_region_ops *ops, void *opaque)
{
    struct tn_region *region = new_region(host, REGION_MMIO, name, bytes);

    region->ops = ops;
    region->opaque = opaque;
    return region;
}

static struct tn_region *new_ram(struct tn_host *host, const char *name,
                                 uint64_t bytes, uint32_t flags, void **memory)
{
    struct tn_region *region = new_region(host, REGION_RAM, name, bytes);

    region->flags = flags;
    region->memory = calloc(1, bytes);
    if (!region->memory)
        abort();
    *memory = region->memory;
    return region;
}

static struct tn_region *new_container(struct tn_host *host, const char *name,
                                       uint64_t bytes)
{
    return new_region(host, REGION_CONTAINER, name,
                      bytes ? bytes : (unsigned __int128)1 << 64);
}

static struct tn_region *new_alias(struct tn_host *host, const char *name,
                                   struct tn_region *target, uint64_t offset,
                                   uint64_t bytes)
{
    struct tn_region *region = new_region(host, REGION_ALIAS, name, bytes);

    region->target = target;
    region->target_offset = offset;
    return region;
}

static void unmap(struct tn_host *host, struct tn_region *region)
{
    region->mapped = 0;
    instance_of(host)->machine->generation++;
}

static void free_region(struct tn_host *host, struct tn_region *region)
{
    struct testhost *machine = instance_of(host)->machine;
    struct tn_region **link = &machine->regions;

    while (*link && *link != region)
        link = &(*link)->next;
    if (!*link)
        abort();
    *link = region->next;
    for (struct tn_region *r = machine->regions; r; r = r->next) {
        if (r->target == region)
            r->target = NULL;
        if (r->parent == region && r->mapped)
            r->mapped = 0;
    }
    machine->generation++;
    free(region->memory);
    free(region);
}

static int32_t map(struct tn_host *host, struct tn_region *region,
                   struct tn_region *parent, uint64_t offset, int32_t priority)
{
    struct testhost *machine = instance_of(host)->machine;

    if (region->mapped)
        return -EBUSY;
    if (parent && offset >= parent->bytes)
        return -EINVAL;
    region->mapped = 1;
    region->parent = parent;
    region->offset = offset;
    region->priority = priority;
    region->order = machine->map_order++;
    machine->generation++;
    return 0;
}

static int32_t dma_read(struct tn_host *host, uint64_t address, void *buffer,
                        uint64_t bytes)
{
    return copy(instance_of(host)->machine, address, buffer, bytes, 0);
}

static int32_t dma_write(struct tn_host *host, uint64_t address,
                         const void *buffer, uint64_t bytes)
{
    return copy(instance_of(host)->machine, address, (void *)buffer, bytes, 1);
}

static void *dma_map(struct tn_host *host, uint64_t address, uint64_t *bytes,
                     uint32_t direction)
{
    uint64_t left = 0;
    uint8_t *memory = ram_at(instance_of(host)->machine, address, &left);

    (void)direction;
    if (!memory)
        left = 0;
    if (*bytes > left)
        *bytes = left;
    return memory;
}

static void dma_unmap(struct tn_host *host, uint64_t address, void *memory,
                      uint64_t bytes, uint32_t direction, uint64_t written)
{
    (void)host, (void)address, (void)memory, (void)bytes, (void)direction,
        (void)written;
}

static void dma_dirty(struct tn_host *host, uint64_t address, uint64_t bytes)
{
    uint64_t left = 0;

    if (!ram_at(instance_of(host)->machine, address, &left) || left < bytes)
        abort();
}

static uint64_t generation(struct tn_host *host)
{
    return instance_of(host)->machine->generation;
}

static int32_t region_address(struct tn_host *host, uint32_t index,
                              uint64_t *address, uint64_t *bytes)
{
    struct test_instance *instance = instance_of(host);
    struct tn_region *region = testhost_board_region(instance, index);

    *bytes = region ? (uint64_t)region->bytes : 0;
    if (index < instance->n_addresses)
        *address = instance->addresses[index];
    else if (region && region->mapped)
        *address = region->offset;
    else
        return -ENOENT;
    return 0;
}

static void ram_changed(struct tn_host *host, struct tn_region *ram,
                        uint64_t offset, uint64_t bytes)
{
    (void)host;
    if (offset + bytes > ram->bytes)
        abort();
}

static int32_t discard(struct tn_host *host, uint64_t address, uint64_t bytes)
{
    struct testhost *machine = instance_of(host)->machine;

    if ((address | bytes) & 4095)
        abort();
    while (bytes) {
        uint64_t left;
        uint8_t *memory = ram_at(machine, address, &left);

        if (!memory)
            return -EFAULT;
        if (left > bytes)
            left = bytes;
        memset(memory, 0, left);
        machine->discarded += left;
        address += left;
        bytes -= left;
    }
    return 0;
}

uint64_t testhost_discarded(struct testhost *machine)
{
    return machine->discarded;
}

const struct tn_memory testhost_memory = {
    .size = sizeof(struct tn_memory),
    .new_mmio = new_mmio,
    .new_ram = new_ram,
    .new_container = new_container,
    .new_alias = new_alias,
    .free_region = free_region,
    .map = map,
    .unmap = unmap,
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

/* ---- for the rest of the test host ---- */

struct tn_region *testhost_board_region(struct test_instance *owner,
                                        uint32_t index)
{
    uint32_t count = 0;

    for (struct tn_region *r = owner->machine->regions; r; r = r->next)
        count += r->owner == owner && r->kind != REGION_CONTAINER &&
                 !(r->mapped && r->parent);
    /* The list has the newest first. */
    for (struct tn_region *r = owner->machine->regions; r; r = r->next)
        if (r->owner == owner && r->kind != REGION_CONTAINER &&
            !(r->mapped && r->parent) && --count == index)
            return r;
    return NULL;
}

void testhost_free_regions(struct test_instance *owner)
{
    struct tn_region *r = owner->machine->regions;

    while (r) {
        struct tn_region *next = r->next;

        if (r->owner == owner) {
            free_region(&owner->host, r);
            next = owner->machine->regions;
        }
        r = next;
    }
}

uint64_t testhost_region(struct test_instance *instance, const char *name)
{
    for (struct tn_region *r = instance->machine->regions; r; r = r->next) {
        uint64_t at = 0;
        const struct tn_region *up = r;

        if (r->owner != instance || strcmp(r->name, name) || !r->mapped)
            continue;
        for (; up; up = up->parent)
            at += up->offset;
        return at;
    }
    return 0;
}
