/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest's bytes are: BAT entries and sector bitmaps as extents. */
#include "vhdx.h"

#include <errno.h>

/* 2.5: after each chunk's blocks comes the entry of its sector bitmap. */
uint64_t vhdx_block_place(const struct vhdx *v, uint64_t block)
{
    return v->bat.offset + (block + block / v->chunk_ratio) * 8;
}

uint64_t vhdx_bitmap_place(const struct vhdx *v, uint64_t chunk)
{
    return v->bat.offset + (chunk * (v->chunk_ratio + 1) + v->chunk_ratio) * 8;
}

static int32_t damaged(struct vhdx *v, uint64_t place)
{
    tn_logf(v->host, TN_LOG_ERROR, "the BAT entry at %#llx is damaged",
            (unsigned long long)place);
    return -EIO;
}

static int32_t get_entry(struct vhdx *v, uint64_t place, uint64_t *entry)
{
    const void *p;
    int32_t rc = vhdx_read(v, place, 8, &p);

    if (rc == 0)
        *entry = get64(p);
    return rc;
}

int32_t vhdx_block_entry(struct vhdx *v, uint64_t block, uint64_t *entry)
{
    uint64_t place = vhdx_block_place(v, block);
    int32_t rc = get_entry(v, place, entry);

    if (rc < 0)
        return rc;
    switch (*entry & STATE_MASK) {
    case BLOCK_NOT_PRESENT:
    case BLOCK_UNDEFINED:
    case BLOCK_ZERO:
    case BLOCK_UNMAPPED:
    case BLOCK_UNMAPPED_OLD:
        return 0;
    case BLOCK_PARTIAL:
        if (!v->has_parent)
            return damaged(v, place);
        break;
    case BLOCK_PRESENT:
        break;
    default:
        return damaged(v, place);
    }
    return vhdx_place_is_good(v, *entry & OFFSET_MASK, v->block)
               ? 0
               : damaged(v, place);
}

int32_t vhdx_bitmap_entry(struct vhdx *v, uint64_t chunk, uint64_t *entry)
{
    uint64_t place = vhdx_bitmap_place(v, chunk);
    int32_t rc = get_entry(v, place, entry);

    if (rc < 0 || (*entry & STATE_MASK) == BITMAP_NOT_PRESENT)
        return rc;
    return (*entry & STATE_MASK) == BITMAP_PRESENT &&
                   vhdx_place_is_good(v, *entry & OFFSET_MASK, BITMAP_BLOCK)
               ? 0
               : damaged(v, place);
}

static uint32_t bit(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

/* A stretch of sectors that are all in this image, or all in the parent; it
 * ends with the page of the bitmap at the latest. */
static int32_t partial_extent(struct vhdx *v, uint64_t entry,
                              struct tn_extent *e)
{
    uint64_t chunk = e->offset / v->block / v->chunk_ratio;
    uint64_t chunk_bytes = v->chunk_ratio * v->block, bitmap;
    uint64_t sector = (e->offset - chunk * chunk_bytes) / v->logical;
    uint64_t inside = sector % (PAGE * 8ull), n = 1, most;
    const void *p;
    uint32_t here;
    int32_t rc = vhdx_bitmap_entry(v, chunk, &bitmap);

    if (rc < 0)
        return rc;
    if ((bitmap & STATE_MASK) != BITMAP_PRESENT)
        return damaged(v, vhdx_bitmap_place(v, chunk));
    rc = vhdx_read(v, (bitmap & OFFSET_MASK) + sector / (PAGE * 8ull) * PAGE,
                   PAGE, &p);
    if (rc < 0)
        return rc;
    most = ceil_div(e->bytes, v->logical);
    if (most > PAGE * 8ull - inside)
        most = PAGE * 8ull - inside;
    here = bit(p, inside);
    while (n < most && bit(p, inside + n) == here)
        n++;
    if (e->bytes > n * v->logical - e->offset % v->logical)
        e->bytes = n * v->logical - e->offset % v->logical;
    if (here) {
        e->kind = TN_EXTENT_DATA;
        e->flags = TN_EXTENT_WRITABLE;
        e->at = (entry & OFFSET_MASK) + e->offset % v->block;
    }
    return 0;
}

static int32_t block_extent(struct vhdx *v, uint64_t offset,
                            struct tn_extent *e)
{
    uint64_t inside = offset % v->block, entry;
    int32_t rc = vhdx_block_entry(v, offset / v->block, &entry);

    if (rc < 0)
        return rc;
    *e = (struct tn_extent){.kind = TN_EXTENT_UNALLOCATED,
                            .offset = offset,
                            .bytes = v->block - inside};
    switch (entry & STATE_MASK) {
    case BLOCK_NOT_PRESENT:
        return 0;
    case BLOCK_PARTIAL:
        return partial_extent(v, entry, e);
    case BLOCK_PRESENT:
        e->kind = TN_EXTENT_DATA;
        e->flags = TN_EXTENT_WRITABLE;
        e->at = (entry & OFFSET_MASK) + inside;
        return 0;
    default:
        e->kind = TN_EXTENT_ZERO;
        return 0;
    }
}

static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    return a->kind == b->kind &&
           (a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at);
}

int32_t vhdx_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max)
{
    struct vhdx *v = self;
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    if (end > round_up(v->bytes, v->block))
        return -EIO;
    while (offset < end) {
        struct tn_extent e;
        int32_t rc = block_extent(v, offset, &e);

        if (rc < 0)
            return rc == -EAGAIN && n > 0 ? (int32_t)n : rc;
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
