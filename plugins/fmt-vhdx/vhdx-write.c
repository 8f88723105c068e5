/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the map. All of it goes through vhdx_write() and so through the
 * log: a BAT entry and the bits of its block change together or not at all.
 */
#include "vhdx.h"

#include <errno.h>

#define MOST_AT_ONCE 4096u /* blocks of a change() */

/* tn_allocation.plugin[] */
#define P_PLACE 0 /* of the block in the file */
#define P_STATE 1 /* of the block before */
#define P_OURS 2  /* it was taken for this */

static uint64_t state_of(uint64_t entry)
{
    return entry & STATE_MASK;
}

static uint32_t has_place(uint64_t entry)
{
    return state_of(entry) == BLOCK_PRESENT || state_of(entry) == BLOCK_PARTIAL;
}

int32_t vhdx_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *a)
{
    struct vhdx *v = self;
    uint64_t start = offset - offset % v->block, entry, place;
    int32_t rc = vhdx_block_entry(v, offset / v->block, &entry);

    (void)flags;
    if (rc < 0)
        return rc;
    if (bytes > start + v->block - offset)
        bytes = start + v->block - offset;
    place = entry & OFFSET_MASK;
    if (!has_place(entry)) {
        uint64_t length = v->image->length(v->host, 0);

        place = vhdx_take(v, v->block, 0);
        if (!place)
            return -ENOSPC;
        a->fresh = place >= length;
        a->flags = TN_ALLOCATION_EXTENDS; /* others insist on it */
        a->plugin[P_OURS] = 1;
    }
    a->plugin[P_PLACE] = place;
    a->plugin[P_STATE] = state_of(entry);
    if (v->has_parent &&
        (state_of(entry) == BLOCK_PARTIAL ||
         (state_of(entry) == BLOCK_NOT_PRESENT && bytes < v->block))) {
        a->offset = offset - offset % v->logical;
        a->bytes = round_up(offset + bytes, v->logical) - a->offset;
    } else {
        a->offset = start;
        a->bytes = v->block;
    }
    a->at = place + (a->offset - start);
    return 0;
}

/* ---- sector bitmaps ---- */

/* The bitmap block of CHUNK, made if there is none. In the file it is beyond
 * everything that was ever written, so its bits are zeroes. */
static int32_t make_bitmap(struct vhdx *v, uint64_t chunk, uint64_t *place)
{
    uint64_t entry;
    uint8_t bytes[8];
    int32_t rc = vhdx_bitmap_entry(v, chunk, &entry);

    if (rc < 0)
        return rc;
    *place = entry & OFFSET_MASK;
    if (state_of(entry) == BITMAP_PRESENT)
        return 0;
    *place = vhdx_take(v, BITMAP_BLOCK, 1);
    if (!*place)
        return -ENOSPC;
    put64(bytes, *place | BITMAP_PRESENT);
    return vhdx_write(v, vhdx_bitmap_place(v, chunk), 8, bytes);
}

/* Read, then change, COUNT bits from FIRST on in the pages of the bitmap at
 * PLACE. */
static int32_t set_bits(struct vhdx *v, uint64_t place, uint64_t first,
                        uint64_t count, uint32_t value)
{
    while (count) {
        uint64_t page = place + first / (PAGE * 8ull) * PAGE;
        uint64_t inside = first % (PAGE * 8ull), n = PAGE * 8ull - inside;
        uint8_t copy[PAGE];
        const void *p;
        int32_t rc = vhdx_read(v, page, PAGE, &p);

        if (rc < 0)
            return rc;
        if (n > count)
            n = count;
        memcpy(copy, p, PAGE);
        for (uint64_t i = inside; i < inside + n; i++)
            if (value)
                copy[i / 8] |= (uint8_t)(1u << (i % 8));
            else
                copy[i / 8] &= (uint8_t) ~(1u << (i % 8));
        rc = vhdx_write(v, page, PAGE, copy);
        if (rc < 0)
            return rc;
        first += n;
        count -= n;
    }
    return 0;
}

/* All that mark_sectors() will look at. */
static int32_t fetch_bits(struct vhdx *v, uint64_t block)
{
    uint64_t chunk = block / v->chunk_ratio, entry, at, end;
    uint64_t sectors = v->block / v->logical;
    const void *p;
    int32_t rc = vhdx_bitmap_entry(v, chunk, &entry);

    if (rc < 0)
        return rc;
    rc = vhdx_read(v, vhdx_bitmap_place(v, chunk), 8, &p);
    if (rc < 0 || state_of(entry) != BITMAP_PRESENT)
        return rc;
    at = block % v->chunk_ratio * sectors / 8;
    end = at + ceil_div(sectors, 8);
    for (at -= at % PAGE; rc == 0 && at < end; at += PAGE)
        rc = vhdx_read(v, (entry & OFFSET_MASK) + at, PAGE, &p);
    return rc;
}

static int32_t mark_sectors(struct vhdx *v, const struct tn_allocation *a)
{
    uint64_t block = a->offset / v->block;
    uint64_t sectors = v->block / v->logical, bitmap;
    uint64_t first = block % v->chunk_ratio * sectors;
    int32_t rc = make_bitmap(v, block / v->chunk_ratio, &bitmap);

    /* What the bits of a block that was not there say means nothing. */
    if (rc == 0 && a->plugin[P_OURS])
        rc = set_bits(v, bitmap, first, sectors, 0);
    if (rc == 0)
        rc = set_bits(v, bitmap, first + a->offset % v->block / v->logical,
                      a->bytes / v->logical, 1);
    return rc;
}

/* ---- */

int32_t vhdx_commit(void *self, const struct tn_allocation *a)
{
    struct vhdx *v = self;
    uint64_t block = a->offset / v->block, entry;
    uint32_t partial = v->has_parent && (a->plugin[P_STATE] == BLOCK_PARTIAL ||
                                         a->bytes < v->block);
    uint8_t bytes[8];
    int32_t rc = vhdx_room(v, PAGES_A_COMMIT);

    /* Read everything first: nothing below may have to be tried again. */
    if (rc == 0)
        rc = vhdx_block_entry(v, block, &entry);
    if (rc == 0 && partial)
        rc = fetch_bits(v, block);
    if (rc < 0)
        return rc;
    if (partial)
        rc = mark_sectors(v, a);
    if (rc == 0 && a->plugin[P_OURS]) {
        put64(bytes,
              a->plugin[P_PLACE] | (partial ? BLOCK_PARTIAL : BLOCK_PRESENT));
        rc = vhdx_write(v, vhdx_block_place(v, block), 8, bytes);
    }
    return rc;
}

void vhdx_cancel(void *self, const struct tn_allocation *a)
{
    struct vhdx *v = self;

    if (a->plugin[P_OURS])
        v->image->drop(v->host, 0, a->plugin[P_PLACE], v->block);
}

/* The block's space is given back. STATE: only that says what it reads as. */
static int32_t set_state(struct vhdx *v, uint64_t block, uint32_t state)
{
    uint64_t entry;
    uint8_t bytes[8];
    int32_t rc = vhdx_block_entry(v, block, &entry);

    if (rc < 0)
        return rc;
    if (!has_place(entry) && (!v->has_parent || state_of(entry) == state))
        return 0;
    rc = vhdx_room(v, 1);
    put64(bytes, state);
    if (rc == 0)
        rc = vhdx_write(v, vhdx_block_place(v, block), 8, bytes);
    if (rc == 0 && has_place(entry))
        v->image->drop(v->host, 0, entry & OFFSET_MASK, v->block);
    return rc;
}

int32_t vhdx_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                    uint64_t *done)
{
    struct vhdx *v = self;
    uint32_t state = kind == TN_CHANGE_FORGET ? BLOCK_NOT_PRESENT : BLOCK_ZERO;
    int32_t rc = 0;

    if (kind < TN_CHANGE_ZERO || kind > TN_CHANGE_FORGET)
        return -ENOTSUP;
    if (v->leave_allocated) {
        *done = bytes;
        return kind == TN_CHANGE_DISCARD ? 0 : -ENOTSUP;
    }
    for (*done = 0; *done < bytes && *done / v->block < MOST_AT_ONCE;
         *done += v->block) {
        rc = set_state(v, (offset + *done) / v->block, state);
        if (rc < 0)
            break;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}

int32_t vhdx_release(void *self, uint32_t file, uint64_t offset, uint64_t bytes)
{
    if (file != TN_IMAGE_FILE_SELF)
        return -EINVAL;
    vhdx_give(self, offset, bytes);
    return 0;
}

void vhdx_written(void *self, uint64_t offset, uint64_t bytes)
{
    struct vhdx *v = self;

    (void)offset;
    (void)bytes;
    v->data_written = 1;
}
