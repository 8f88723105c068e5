/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space in the temporary file: what was given back is used again before the
 * file grows.
 */
#include "overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLUSTERS (UINT32_MAX - ENTRY_FIRST)

static uint32_t is_free(const struct overlay_space *space, uint64_t place)
{
    return place < space->end && (space->free[place / 64] >> place % 64 & 1);
}

static void set_free(struct overlay_space *space, uint64_t place,
                     uint32_t value)
{
    uint64_t bit = 1ull << place % 64;

    if (value)
        space->free[place / 64] |= bit;
    else
        space->free[place / 64] &= ~bit;
}

/* Bits for the clusters below END. */
static int32_t make_room(struct overlay_space *space, uint64_t end)
{
    uint64_t words = (end + 63) / 64;
    uint64_t *bigger;

    if (words <= space->words)
        return 0;
    words += words / 2 + 64;
    bigger = realloc(space->free, words * 8);
    if (!bigger)
        return -ENOMEM;
    memset(bigger + space->words, 0, (words - space->words) * 8);
    space->free = bigger;
    space->words = words;
    return 0;
}

/* The first that is free, from the cursor on and around. There is one. */
static uint64_t find(struct overlay_space *space)
{
    uint64_t used = (space->end + 63) / 64;
    uint64_t word = space->cursor < used ? space->cursor : 0;

    while (!space->free[word])
        word = word + 1 < used ? word + 1 : 0;
    space->cursor = word;
    return word * 64 + (uint64_t)__builtin_ctzll(space->free[word]);
}

int64_t overlay_take(struct overlay_space *space, uint64_t wanted,
                     uint64_t *place, uint32_t *fresh)
{
    uint64_t n = 0;
    int32_t rc;

    *fresh = space->n_free == 0;
    if (space->n_free) {
        *place = find(space);
        while (n < wanted && is_free(space, *place + n))
            set_free(space, *place + n++, 0);
        space->n_free -= n;
        return (int64_t)n;
    }
    if (space->end >= MAX_CLUSTERS)
        return -ENOSPC;
    if (wanted > MAX_CLUSTERS - space->end)
        wanted = MAX_CLUSTERS - space->end;
    rc = make_room(space, space->end + wanted);
    if (rc < 0)
        return rc;
    *place = space->end;
    space->end += wanted;
    return (int64_t)wanted;
}

void overlay_give(struct overlay_space *space, uint64_t place, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        set_free(space, place + i, 1);
    space->n_free += n;
}
