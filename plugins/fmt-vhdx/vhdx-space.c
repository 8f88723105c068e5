/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which megabytes of the file are in use: VHDX keeps no account of it, so the
 * BAT is read when an image is opened for writing. A BAT that is too large for
 * that leaves only the space after the end of the file.
 */
#include "vhdx.h"

#include <errno.h>

#define MAX_BAT_READ (8u << 20)
#define PIECE (64u * 1024u)
#define MAX_USED_BITS (1ull << 26) /* what is beyond is not used twice */

static int overlaps(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

int32_t vhdx_place_is_good(const struct vhdx *v, uint64_t offset,
                           uint64_t bytes)
{
    return offset >= MIB && offset <= 4 * MAX_BYTES &&
           !overlaps(offset, bytes, v->log.offset, v->log.bytes) &&
           !overlaps(offset, bytes, v->bat.offset, v->bat.bytes) &&
           !overlaps(offset, bytes, v->metadata.offset, v->metadata.bytes);
}

static void mark(struct vhdx *v, uint64_t offset, uint64_t bytes, int used)
{
    uint64_t first = offset / MIB, last = first + ceil_div(bytes, MIB);

    for (; v->used && first < last && first < v->used_bits; first++)
        if (used)
            v->used[first / 8] |= (uint8_t)(1u << (first % 8));
        else
            v->used[first / 8] &= (uint8_t) ~(1u << (first % 8));
    if (used && offset + bytes > v->end)
        v->end = round_up(offset + bytes, MIB);
}

static int is_used(const struct vhdx *v, uint64_t megabyte)
{
    return v->used[megabyte / 8] >> (megabyte % 8) & 1;
}

/* What ENTRY, the INDEX-th of the BAT, occupies. */
static void mark_entry(struct vhdx *v, uint64_t index, uint64_t entry)
{
    uint64_t place = entry & OFFSET_MASK, state = entry & STATE_MASK;
    int bitmap = index % (v->chunk_ratio + 1) == v->chunk_ratio;

    if (bitmap ? state == BITMAP_PRESENT
               : state == BLOCK_PRESENT || state == BLOCK_PARTIAL)
        if (place <= 4 * MAX_BYTES)
            mark(v, place, bitmap ? BITMAP_BLOCK : v->block, 1);
}

static int32_t mark_bat(struct vhdx *v)
{
    uint8_t *piece = v->image->allocate(v->host, PIECE);
    uint64_t index = 0;
    int32_t rc = piece ? 0 : -ENOMEM;

    while (rc == 0 && index < v->n_entries) {
        uint64_t n = v->n_entries - index;

        if (n > PIECE / 8)
            n = PIECE / 8;
        rc = vhdx_pread(v, v->bat.offset + index * 8, piece, n * 8);
        for (uint64_t i = 0; rc == 0 && i < n; i++, index++)
            mark_entry(v, index, get64(piece + i * 8));
    }
    v->image->free(v->host, piece);
    return rc;
}

int32_t vhdx_space_init(struct vhdx *v, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc = 0;

    v->used = NULL;
    v->end = MIB;
    v->used_bits = ceil_div(length, MIB) + v->n_blocks * (v->block / MIB) +
                   ceil_div(v->n_blocks, v->chunk_ratio);
    if (v->used_bits > MAX_USED_BITS)
        v->used_bits = MAX_USED_BITS;
    if (v->n_entries * 8 <= MAX_BAT_READ)
        v->used = v->image->allocate(v->host, v->used_bits / 8 + 1);
    mark(v, 0, MIB, 1);
    mark(v, v->log.offset, v->log.bytes, 1);
    mark(v, v->bat.offset, v->bat.bytes, 1);
    mark(v, v->metadata.offset, v->metadata.bytes, 1);
    if (v->used)
        rc = mark_bat(v);
    else
        v->end = round_up(length, MIB);
    /* Regions that we do not know may be anywhere. */
    if (v->n_regions > 2 && v->used) {
        v->image->free(v->host, v->used);
        v->used = NULL;
        if (v->end < round_up(length, MIB))
            v->end = round_up(length, MIB);
    }
    v->hint = 1;
    return rc < 0 ? tn_fail(v->host, error, rc, "the BAT cannot be read") : 0;
}

/* A piece inside the file, from the hint on, then from the start. */
static uint64_t find(struct vhdx *v, uint64_t n)
{
    uint64_t limit = v->end / MIB, run = 0;

    if (limit > v->used_bits)
        limit = v->used_bits;
    for (uint64_t i = v->hint; i < limit; i++) {
        run = is_used(v, i) ? 0 : run + 1;
        if (run == n) {
            v->hint = i + 1;
            return (i + 1 - n) * MIB;
        }
    }
    v->hint = limit; /* nothing until something is given back */
    return 0;
}

uint64_t vhdx_take(struct vhdx *v, uint64_t bytes, uint32_t fresh)
{
    uint64_t place = 0, length = v->image->length(v->host, 0);

    if (v->used && !fresh)
        place = find(v, bytes / MIB);
    if (!place) {
        if (fresh && v->end < length)
            v->end = round_up(length, MIB);
        place = v->end;
        if (place > 4 * MAX_BYTES - bytes)
            return 0;
        v->end = place + bytes;
    }
    mark(v, place, bytes, 1);
    return place;
}

uint64_t vhdx_last_used(const struct vhdx *v)
{
    uint64_t megabyte = v->end / MIB;

    if (!v->used)
        return v->end;
    while (megabyte > 1 && megabyte <= v->used_bits &&
           !is_used(v, megabyte - 1))
        megabyte--;
    return megabyte * MIB;
}

void vhdx_give(struct vhdx *v, uint64_t offset, uint64_t bytes)
{
    mark(v, offset, bytes, 0);
    if (offset / MIB < v->hint)
        v->hint = offset / MIB;
}
