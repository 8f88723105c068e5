/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another size of the disk: a larger BAT if need be, then the metadata, all
 * through the log. A BAT that moves is complete at its new place before the
 * region tables, one after the other, refer to it.
 */
#include "vhdx.h"

#include <errno.h>

#define PIECE (64u * 1024u)
#define R_ENTRIES 16
#define R_ENTRY 32u
#define MAX_BAT (1024u * MIB)

static int32_t flush_if_full(struct vhdx *v)
{
    return v->n_pages + 2 < v->max_pages ? 0 : v->image->flush(v->host);
}

static int32_t set_entry(struct vhdx *v, uint64_t block, uint64_t entry)
{
    uint8_t bytes[8];
    int32_t rc = flush_if_full(v);

    put64(bytes, entry);
    return rc < 0 ? rc : vhdx_write(v, vhdx_block_place(v, block), 8, bytes);
}

/* ---- the BAT ---- */

static int32_t write_region_tables(struct vhdx *v)
{
    uint8_t *t = v->image->allocate(v->host, REGIONS_BYTES);
    int32_t rc = t ? 0 : -ENOMEM;
    uint8_t *e;

    for (uint32_t i = 0; rc == 0 && i < 2; i++) {
        /* The first one is valid: it was read, or was just written. */
        rc = v->image->pread(v->host, 0, REGIONS_PLACE(i), t, REGIONS_BYTES);
        if (rc == 0 && (get32(t) != SIGNATURE_REGIONS ||
                        vhdx_checksum(t, REGIONS_BYTES, 4) != get32(t + 4)))
            rc = v->image->pread(v->host, 0, REGIONS_PLACE(!i), t,
                                 REGIONS_BYTES);
        e = t + R_ENTRIES + (uint64_t)v->bat_index * R_ENTRY;
        put64(e + 16, v->bat.offset);
        put32(e + 24, v->bat.bytes);
        put32(t + 4, vhdx_checksum(t, REGIONS_BYTES, 4));
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, REGIONS_PLACE(i), t,
                                  REGIONS_BYTES);
        if (rc == 0)
            rc = v->image->flush(v->host);
    }
    v->image->free(v->host, t);
    return rc;
}

/* Make room for N entries. */
static int32_t move_bat(struct vhdx *v, uint64_t n, struct tn_error *error)
{
    struct vhdx_region old = v->bat, fresh = {0, 0};
    uint64_t bytes = round_up(n * 8, MIB);
    uint8_t *piece;
    int32_t rc;

    if (bytes <= old.bytes)
        return 0;
    if (bytes > MAX_BAT)
        return tn_fail(v->host, error, -EFBIG, "the BAT would be too large");
    fresh.offset = vhdx_take(v, bytes, 1);
    fresh.bytes = (uint32_t)bytes;
    if (!fresh.offset)
        return -ENOSPC;
    piece = v->image->allocate(v->host, PIECE);
    if (!piece)
        return -ENOMEM;
    rc = v->image->set_length(v->host, 0, v->end, error);
    for (uint64_t i = 0; rc == 0 && i < old.bytes; i += PIECE) {
        rc = v->image->pread(v->host, 0, old.offset + i, piece, PIECE);
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, fresh.offset + i, piece, PIECE);
    }
    v->image->free(v->host, piece);
    if (rc == 0)
        rc = v->image->flush(v->host);
    /* The log must not bring back what it has of the old place; nothing of it
     * is needed. */
    if (rc == 0)
        rc = vhdx_finish(v);
    if (rc < 0)
        return rc;
    v->bat = fresh;
    rc = write_region_tables(v);
    if (rc == 0)
        vhdx_give(v, old.offset, old.bytes);
    return rc;
}

/* ---- growing ---- */

/* What lies behind the old end in its block shall be zero. */
static int32_t clear_tail(struct vhdx *v, uint64_t from, uint64_t to)
{
    uint64_t entry, at, n, block_end = round_up(from, v->block);
    uint8_t *zeroes;
    int32_t rc;

    if (to > block_end)
        to = block_end;
    if (from >= to)
        return 0;
    rc = vhdx_block_entry(v, from / v->block, &entry);
    if (rc < 0 || (entry & STATE_MASK) != BLOCK_PRESENT)
        return rc;
    zeroes = v->image->allocate(v->host, MIB);
    if (!zeroes)
        return -ENOMEM;
    at = (entry & OFFSET_MASK) + from % v->block;
    for (; rc == 0 && from < to; from += n, at += n) {
        n = to - from < MIB ? to - from : MIB;
        rc = v->image->pwrite(v->host, 0, at, zeroes, n);
    }
    v->image->free(v->host, zeroes);
    return rc < 0 ? rc : v->image->flush(v->host);
}

/* What entries have that were not in use before: nothing, or in a fixed image
 * a place. */
static int32_t fill_entries(struct vhdx *v, uint64_t first,
                            struct tn_error *error)
{
    uint64_t place = 0, n = v->n_blocks - first;
    int32_t rc = 0;

    if (v->leave_allocated && n) {
        place = vhdx_take(v, n * v->block, 1);
        if (!place)
            return -ENOSPC;
        rc = v->image->set_length(v->host, 0, v->end, error);
        if (rc == 0)
            rc = v->image->flush(v->host);
    }
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = set_entry(v, first + i,
                       place ? (place + i * v->block) | BLOCK_PRESENT
                             : BLOCK_ZERO);
    return rc < 0 ? rc : v->image->flush(v->host);
}

/* ---- shrinking ---- */

static int32_t drop_entries(struct vhdx *v, uint64_t first, uint64_t end)
{
    uint64_t entry;
    int32_t rc = 0;

    for (uint64_t i = first; rc == 0 && i < end; i++) {
        rc = vhdx_block_entry(v, i, &entry);
        if (rc == 0)
            rc = set_entry(v, i, BLOCK_NOT_PRESENT);
        if (rc == 0 && ((entry & STATE_MASK) == BLOCK_PRESENT ||
                        (entry & STATE_MASK) == BLOCK_PARTIAL))
            v->image->drop(v->host, 0, entry & OFFSET_MASK, v->block);
    }
    return rc < 0 ? rc : v->image->flush(v->host);
}

static int32_t set_size(struct vhdx *v, uint64_t bytes)
{
    uint8_t raw[8];
    int32_t rc = flush_if_full(v);

    put64(raw, bytes);
    v->data_written = 1;
    if (rc == 0)
        rc = vhdx_write(v, v->size_place, 8, raw);
    return rc < 0 ? rc : v->image->flush(v->host);
}

int32_t vhdx_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct vhdx *v = self;
    uint64_t old = v->bytes, old_blocks = v->n_blocks;
    int32_t rc;

    if (bytes > MAX_BYTES || bytes % v->logical)
        return tn_fail(v->host, error, -EINVAL,
                       "a VHDX image has at most 64T, a multiple of %u bytes",
                       v->logical);
    rc = v->image->flush(v->host);
    if (rc < 0)
        return rc;
    if (bytes < old) {
        rc = set_size(v, bytes);
        if (rc == 0)
            rc = drop_entries(v, ceil_div(bytes, v->block), old_blocks);
        if (rc == 0) {
            v->bytes = bytes;
            vhdx_geometry(v);
        }
        return rc;
    }
    v->bytes = bytes;
    vhdx_geometry(v);
    rc = move_bat(v, v->n_entries, error);
    if (rc == 0)
        rc = clear_tail(v, old, bytes);
    if (rc == 0)
        rc = fill_entries(v, old_blocks, error);
    if (rc == 0)
        rc = set_size(v, bytes);
    if (rc < 0) {
        v->bytes = old;
        vhdx_geometry(v);
    }
    return rc;
}
