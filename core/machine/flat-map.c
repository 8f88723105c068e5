/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree of regions to a sorted array of ranges.
 *
 * Regions are visited from the highest priority down, and each fills only the
 * gaps that are left: what is seen is put in first and never cut. Addresses
 * are computed in 128 bits, so that windows at the end of the space and
 * aliases that reach before their target's start need no special cases.
 */
#include "core/machine/region.h"

#include <string.h>

typedef __int128 wide;

/* Aliases of containers that show each other cannot go deeper than this. */
#define MAX_DEPTH 16

struct render {
    GArray *ranges; /* of struct flat_range, sorted, disjoint */
};

/* The part of the address space that is visited. */
struct window {
    wide low, high; /* inclusive */
};

static uint32_t range_flags(const struct tn_region *region)
{
    if (region->kind == REGION_MMIO)
        return RANGE_DEVICE | RANGE_READ_ONLY;
    if (region->ops)
        return RANGE_READ_ONLY |
               (atomic_load(&region->rom_readable) ? 0 : RANGE_DEVICE);
    return region->ram->flags & TN_RAM_READ_ONLY ? RANGE_READ_ONLY : 0;
}

/* Fill the gaps of [low, high] with REGION, which would begin at BASE. */
static void fill(struct render *render, struct tn_region *region, wide base,
                 struct window window)
{
    guint i = 0;
    wide at = window.low;

    while (i < render->ranges->len &&
           (wide)g_array_index(render->ranges, struct flat_range, i).last < at)
        i++;
    while (at <= window.high) {
        wide end = window.high, next = window.high + 1;

        if (i < render->ranges->len) {
            const struct flat_range *taken =
                &g_array_index(render->ranges, struct flat_range, i);

            if ((wide)taken->start <= end) {
                end = (wide)taken->start - 1;
                next = (wide)taken->last + 1;
            }
        }
        if (at <= end) {
            struct flat_range range = {
                .start = (uint64_t)at,
                .last = (uint64_t)end,
                .region = region,
                .offset = (uint64_t)(at - base),
                .flags = range_flags(region),
            };

            g_array_insert_val(render->ranges, i, range);
            i++;
        }
        i++;
        at = next;
    }
}

/* REGION begins at BASE (which may be negative under an alias); show what of
 * it lies in WINDOW. */
static void visit(struct render *render, struct tn_region *region, wide base,
                  struct window window, guint depth)
{
    if (base > window.low)
        window.low = base;
    if (base + (wide)region->bytes - 1 < window.high)
        window.high = base + (wide)region->bytes - 1;
    if (window.low > window.high || depth > MAX_DEPTH)
        return;
    switch (region->kind) {
    case REGION_CONTAINER:
        for (guint i = 0; i < region->children->len; i++) {
            struct tn_region *child = g_ptr_array_index(region->children, i);

            visit(render, child, base + (wide)child->offset, window, depth + 1);
        }
        break;
    case REGION_ALIAS:
        if (region->target)
            visit(render, region->target, base - (wide)region->target_offset,
                  window, depth + 1);
        break;
    default:
        fill(render, region, base, window);
    }
}

static gboolean continues(const struct flat_range *a,
                          const struct flat_range *b)
{
    return a->region == b->region && a->last + 1 == b->start &&
           a->offset + (b->start - a->start) == b->offset;
}

struct flat_map *flat_map_render(struct tn_region *root)
{
    static atomic_uint_least64_t serials;
    g_autoptr(GArray) ranges =
        g_array_new(FALSE, FALSE, sizeof(struct flat_range));
    struct render render = {.ranges = ranges};
    struct window all = {.low = 0, .high = G_MAXUINT64};
    struct flat_map *map;

    visit(&render, root, 0, all, 0);
    map = g_malloc(sizeof *map + ranges->len * sizeof map->ranges[0]);
    map->serial = atomic_fetch_add(&serials, 1) + 1;
    map->n_ranges = 0;
    for (guint i = 0; i < ranges->len; i++) {
        const struct flat_range *range =
            &g_array_index(ranges, struct flat_range, i);

        if (map->n_ranges && continues(&map->ranges[map->n_ranges - 1], range))
            map->ranges[map->n_ranges - 1].last = range->last;
        else
            map->ranges[map->n_ranges++] = *range;
    }
    return map;
}

const struct flat_range *flat_map_find(const struct flat_map *map,
                                       uint64_t address)
{
    guint low = 0, high = map->n_ranges;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (map->ranges[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < map->n_ranges && map->ranges[low].start <= address)
        return &map->ranges[low];
    return NULL;
}
