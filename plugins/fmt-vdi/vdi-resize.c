/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the disk's size. What decides is the header's sector, written once:
 * before it the image has the old size, after it the new one.
 *
 * A map that has no room to grow is written again over the place of the first
 * blocks, which are copied to the end before that.
 */
#include "vdi.h"

#include <errno.h>
#include <string.h>

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* Memory for BLOCKS, the new ones free. */
static int32_t grow_memory(struct vdi *v, uint32_t blocks)
{
    uint32_t used_blocks = v->used_blocks > blocks ? v->used_blocks : blocks;
    uint32_t *map = v->image->allocate(v->host, (uint64_t)blocks * 4);
    uint8_t *used = v->image->allocate(v->host, used_blocks / 8 + 1);

    if (!map || !used) {
        v->image->free(v->host, map);
        v->image->free(v->host, used);
        return -ENOMEM;
    }
    memcpy(map, v->map, (uint64_t)v->blocks * 4);
    memset(map + v->blocks, 0xff, (uint64_t)(blocks - v->blocks) * 4);
    memcpy(used, v->used, v->used_blocks / 8 + 1);
    v->image->free(v->host, v->map);
    v->image->free(v->host, v->used);
    v->map = map;
    v->used = used;
    v->used_blocks = used_blocks;
    return 0;
}

/* Entries FIRST to BLOCKS, SHIFT places further down, to the file at AT. */
static int32_t write_entries(struct vdi *v, uint64_t at, uint32_t first,
                             uint32_t blocks, uint32_t shift)
{
    int32_t rc = 0;

    while (rc == 0 && first < blocks) {
        uint8_t raw[4096];
        uint32_t n = blocks - first;

        if (n > sizeof raw / 4)
            n = sizeof raw / 4;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t entry = v->map[first + i];

            put_le32(raw + i * 4,
                     vdi_is_block(entry) ? entry - shift : entry);
        }
        rc = v->image->pwrite(v->host, 0, at + (uint64_t)first * 4, raw,
                              (uint64_t)n * 4);
        first += n;
    }
    return rc < 0 ? rc : v->image->flush(v->host);
}

static int32_t find_owner(const struct vdi *v, uint32_t index, uint32_t *owner)
{
    for (uint32_t i = 0; i < v->blocks; i++)
        if (v->map[i] == index) {
            *owner = i;
            return 0;
        }
    return -EIO;
}

/* Nothing is in the first N blocks of the file any more. */
static int32_t clear_first(struct vdi *v, uint32_t n)
{
    uint8_t *data = v->image->allocate(v->host, v->block);
    int32_t rc = data ? 0 : -ENOMEM;
    uint32_t owner, to = v->count < n ? n : v->count;

    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (!vdi_is_used(v, i))
            continue;
        rc = find_owner(v, i, &owner);
        if (rc == 0)
            rc = v->image->pread(v->host, 0, vdi_place(v, i), data, v->block);
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, vdi_place(v, to), data,
                                  v->block);
        v->count = to + 1;
        if (rc == 0)
            rc = vdi_write_header(v);
        if (rc == 0)
            rc = vdi_set_entry(v, owner, to);
        if (rc == 0) {
            vdi_use(v, i, 0);
            vdi_use(v, to++, 1);
        }
    }
    v->image->free(v->host, data);
    return rc;
}

static int32_t make_room(struct vdi *v, uint32_t blocks)
{
    uint64_t step = (uint64_t)v->block + v->extra;
    uint32_t shift = (uint32_t)ceil_div((uint64_t)blocks * 4, step);
    uint64_t map_at = v->data_at;
    int32_t rc;

    if (map_at + shift * step > UINT32_MAX)
        return -EFBIG;
    /* Places for what moves: the map in memory is long enough. */
    rc = grow_memory(v, v->blocks + shift > blocks ? v->blocks + shift
                                                   : blocks);
    if (rc == 0)
        rc = clear_first(v, shift);
    if (rc == 0)
        rc = write_entries(v, map_at, 0, blocks, shift);
    if (rc < 0)
        return rc;
    put_le32(v->header + VDI_AT_MAP, (uint32_t)map_at);
    put_le32(v->header + VDI_AT_DATA, (uint32_t)(map_at + shift * step));
    v->map_at = map_at;
    v->data_at = map_at + shift * step;
    for (uint32_t i = 0; i < blocks; i++)
        if (vdi_is_block(v->map[i]))
            v->map[i] -= shift;
    for (uint32_t i = 0; i + shift < v->used_blocks; i++)
        vdi_use(v, i, vdi_is_used(v, i + shift));
    for (uint32_t i = v->used_blocks - shift; i < v->used_blocks; i++)
        vdi_use(v, i, 0);
    v->count = v->count > shift ? v->count - shift : 0;
    return 0;
}

/* Static images have all their blocks. */
static int32_t fill_static(struct vdi *v, uint32_t blocks,
                           struct tn_error *error)
{
    int32_t rc;

    for (uint32_t i = v->blocks; i < blocks; i++) {
        v->map[i] = v->count++;
        vdi_use(v, v->map[i], 1);
    }
    rc = v->image->set_length(v->host, 0, vdi_place(v, v->count), error);
    return rc;
}

static int32_t grow(struct vdi *v, uint64_t bytes, uint32_t blocks,
                    struct tn_error *error)
{
    uint64_t room = v->data_at > v->map_at ? (v->data_at - v->map_at) / 4 : 0;
    int32_t rc;

    if (v->type == VDI_STATIC && v->count != v->blocks)
        return tn_fail(v->host, error, -EINVAL,
                       "blocks of the static image are missing");
    if (blocks > room)
        rc = make_room(v, blocks);
    else
        rc = grow_memory(v, blocks);
    if (rc == 0 && v->type == VDI_STATIC)
        rc = fill_static(v, blocks, error);
    if (rc == 0)
        rc = write_entries(v, v->map_at, v->blocks, blocks, 0);
    if (rc < 0)
        return rc;
    v->blocks = blocks;
    v->bytes = bytes;
    return 0;
}

/* Blocks beyond the end leave the map with it; then the holes are filled. */
static int32_t shrink(struct vdi *v, uint64_t bytes, uint32_t blocks,
                      struct tn_error *error)
{
    int32_t rc;

    for (uint32_t i = blocks; i < v->blocks; i++)
        if (vdi_is_block(v->map[i]))
            vdi_use(v, v->map[i], 0);
    v->blocks = blocks;
    v->bytes = bytes;
    put_le32(v->header + VDI_AT_BLOCKS, blocks);
    put_le64(v->header + VDI_AT_BYTES, bytes);
    rc = vdi_write_header(v);
    if (rc == 0)
        rc = vdi_compact(v);
    if (rc == 0)
        rc = v->image->set_length(
            v->host, 0,
            v->count ? vdi_place(v, v->count - 1) + v->block : v->data_at,
            error);
    return rc;
}

/* The part of the last block beyond the old end may hold anything. */
static int32_t zero_tail(struct vdi *v)
{
    uint64_t inside = v->bytes % v->block, block = v->bytes / v->block;
    uint8_t *zero;
    int32_t rc;

    if (inside == 0 || block >= v->blocks || !vdi_is_block(v->map[block]))
        return 0;
    zero = v->image->allocate(v->host, v->block);
    if (!zero)
        return -ENOMEM;
    rc = v->image->pwrite(v->host, 0, vdi_place(v, v->map[block]) + inside,
                          zero, v->block - inside);
    v->image->free(v->host, zero);
    return rc;
}

int32_t vdi_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct vdi *v = self;
    uint64_t blocks = ceil_div(bytes, v->block);
    int32_t rc;

    if (v->type == VDI_DIFFERENCING || v->type == VDI_UNDO)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a differencing VDI image has its parent's size");
    if (blocks > VDI_MAX_BLOCKS)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large for blocks of %u bytes",
                       v->block);
    if (bytes < v->bytes) {
        rc = shrink(v, bytes, (uint32_t)blocks, error);
    } else {
        if (blocks < v->blocks)
            blocks = v->blocks;
        rc = zero_tail(v);
        if (rc == 0)
            rc = grow(v, bytes, (uint32_t)blocks, error);
        put_le32(v->header + VDI_AT_BLOCKS, v->blocks);
        put_le64(v->header + VDI_AT_BYTES, v->bytes);
        if (rc == 0)
            rc = vdi_write_header(v);
    }
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the size cannot be changed");
    return 0;
}
