/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's bytes are, and changing it. Nothing here waits, and nothing
 * of it has to be stable: the map is gone when the image is closed.
 */
#include "overlay.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_RUN 1024u /* clusters an allocation covers at most */
#define MAX_STEPS 65536u /* entries and tables one change() deals with */
#define SPAN ((uint64_t)TABLE_ENTRIES * CLUSTER)

struct overlay_table overlay_zero = {
    .entries = {[0 ... TABLE_ENTRIES - 1] = ENTRY_ZERO},
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint32_t entry_of(const struct overlay *o, uint64_t offset)
{
    const struct overlay_table *table = o->tables[offset / SPAN];

    return table ? table->entries[offset / CLUSTER % TABLE_ENTRIES]
                 : ENTRY_BASE;
}

/* The table for OFFSET, to be changed. NULL: no memory. */
static struct overlay_table *own_table(struct overlay *o, uint64_t offset)
{
    struct overlay_table **slot = &o->tables[offset / SPAN];
    struct overlay_table *table = *slot;

    if (table && table != &overlay_zero)
        return table;
    table = malloc(sizeof *table);
    if (!table)
        return NULL;
    *table = *slot ? overlay_zero : (struct overlay_table){{ENTRY_BASE}};
    *slot = table;
    return table;
}

/* ---- map ---- */

static void make_extent(const struct overlay *o, uint64_t offset,
                        struct tn_extent *e)
{
    const struct overlay_table *table = o->tables[offset / SPAN];
    uint32_t entry = entry_of(o, offset);
    uint64_t unit = !table || table == &overlay_zero ? SPAN : CLUSTER;

    *e = (struct tn_extent){.kind = TN_EXTENT_UNALLOCATED,
                            .offset = offset,
                            .bytes = unit - offset % unit};
    if (entry == ENTRY_ZERO) {
        e->kind = TN_EXTENT_ZERO;
    } else if (entry != ENTRY_BASE) {
        e->kind = TN_EXTENT_DATA;
        e->flags = TN_EXTENT_WRITABLE;
        e->at = (uint64_t)(entry - ENTRY_FIRST) * CLUSTER + offset % CLUSTER;
    }
}

static uint32_t continues(const struct tn_extent *a, const struct tn_extent *b)
{
    return a->kind == b->kind &&
           (a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at);
}

int32_t overlay_map(void *self, uint64_t offset, uint64_t bytes,
                    struct tn_extent *extents, uint32_t max)
{
    struct overlay *o = self;
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    while (offset < end) {
        struct tn_extent e;

        make_extent(o, offset, &e);
        if (n > 0 && continues(&extents[n - 1], &e))
            extents[n - 1].bytes += e.bytes;
        else if (n == max)
            break;
        else
            extents[n++] = e;
        offset += e.bytes;
    }
    return (int32_t)n;
}

/* ---- writes ---- */

int32_t overlay_allocate(void *self, uint64_t offset, uint64_t bytes,
                         uint32_t flags, struct tn_allocation *a)
{
    struct overlay *o = self;
    uint64_t start = offset / CLUSTER * CLUSTER;
    uint64_t end = round_up(offset + bytes, CLUSTER), place;
    int64_t n = 1;

    (void)flags;
    while (n < MAX_RUN && start + (uint64_t)n * CLUSTER < end &&
           entry_of(o, start + (uint64_t)n * CLUSTER) < ENTRY_FIRST)
        n++;
    n = overlay_take(&o->space, (uint64_t)n, &place, &a->fresh);
    if (n < 0)
        return (int32_t)n;
    a->offset = start;
    a->bytes = (uint64_t)n * CLUSTER;
    a->at = place * CLUSTER;
    return 0;
}

int32_t overlay_commit(void *self, const struct tn_allocation *a)
{
    struct overlay *o = self;
    uint32_t entry = (uint32_t)(a->at / CLUSTER) + ENTRY_FIRST;

    /* All the memory first: a commit that failed has changed nothing. */
    for (uint64_t at = a->offset; at < a->offset + a->bytes; at += CLUSTER)
        if (!own_table(o, at))
            return -ENOMEM;
    for (uint64_t at = a->offset; at < a->offset + a->bytes; at += CLUSTER)
        own_table(o, at)->entries[at / CLUSTER % TABLE_ENTRIES] = entry++;
    return 0;
}

void overlay_cancel(void *self, const struct tn_allocation *a)
{
    struct overlay *o = self;

    overlay_give(&o->space, a->at / CLUSTER, a->bytes / CLUSTER);
}

/* ---- zeroes and discards ---- */

/* A run of clusters of the file that nothing refers to any more. */
struct run {
    uint64_t place, n;
};

static void drop_run(struct overlay *o, struct run *run)
{
    if (run->n)
        o->image->drop(o->host, TN_IMAGE_FILE_SELF, run->place * CLUSTER,
                       run->n * CLUSTER);
    run->n = 0;
}

static void drop_entry(struct overlay *o, struct run *run, uint32_t entry)
{
    uint64_t place = entry - ENTRY_FIRST;

    if (entry < ENTRY_FIRST)
        return;
    if (run->n && place == run->place + run->n) {
        run->n++;
        return;
    }
    drop_run(o, run);
    *run = (struct run){place, 1};
}

/* The table at OFFSET, which begins there, becomes all VALUE. */
static void set_table(struct overlay *o, struct run *run, uint64_t offset,
                      uint32_t value)
{
    struct overlay_table **slot = &o->tables[offset / SPAN];

    if (*slot && *slot != &overlay_zero) {
        for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
            drop_entry(o, run, (*slot)->entries[i]);
        free(*slot);
    }
    *slot = value == ENTRY_ZERO ? &overlay_zero : NULL;
}

static int32_t set_entry(struct overlay *o, struct run *run, uint64_t offset,
                         uint32_t value)
{
    uint32_t *entry;
    struct overlay_table *table;

    if (entry_of(o, offset) == value)
        return 0;
    table = own_table(o, offset);
    if (!table)
        return -ENOMEM;
    entry = &table->entries[offset / CLUSTER % TABLE_ENTRIES];
    drop_entry(o, run, *entry);
    *entry = value;
    return 0;
}

int32_t overlay_change(void *self, uint64_t offset, uint64_t bytes,
                       uint32_t kind, uint64_t *done)
{
    struct overlay *o = self;
    uint32_t value = kind == TN_CHANGE_FORGET ? ENTRY_BASE : ENTRY_ZERO;
    struct run run = {0, 0};
    uint64_t at = offset, end = offset + bytes;
    int32_t rc = 0;

    for (uint32_t i = 0; at < end && i < MAX_STEPS; i++) {
        uint32_t whole = at % SPAN == 0 && (end - at >= SPAN || end == o->bytes);

        if (whole)
            set_table(o, &run, at, value);
        else
            rc = set_entry(o, &run, at, value);
        if (rc < 0)
            break;
        at += whole ? SPAN : CLUSTER;
    }
    drop_run(o, &run);
    *done = (at < end ? at : end) - offset;
    return *done ? 0 : rc;
}

int32_t overlay_release(void *self, uint32_t file, uint64_t offset,
                        uint64_t bytes)
{
    struct overlay *o = self;

    (void)file;
    overlay_give(&o->space, offset / CLUSTER, bytes / CLUSTER);
    return 0;
}
