/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map in memory as extents, and its changes.
 */
#include "vdi.h"

#include <errno.h>

#define MAX_RUN 16u /* blocks that an allocation covers at most */

/* tn_allocation.plugin[] */
#define P_BLOCK 0 /* first block of the guest's */
#define P_INDEX 1 /* and where it is in the file */
#define P_COUNT 2

static void block_extent(const struct vdi *v, uint32_t block, uint64_t offset,
                         struct tn_extent *e)
{
    uint64_t inside = offset - (uint64_t)block * v->block;
    uint32_t entry = v->map[block];

    *e = (struct tn_extent){.kind = TN_EXTENT_DATA,
                            .flags = TN_EXTENT_WRITABLE,
                            .offset = offset,
                            .bytes = v->block - inside};
    if (vdi_is_block(entry)) {
        e->at = vdi_place(v, entry) + inside;
        e->flags |= v->type == VDI_STATIC ? TN_EXTENT_FLAT : 0;
    } else {
        e->flags = 0;
        e->kind = entry == VDI_FREE ? TN_EXTENT_UNALLOCATED : TN_EXTENT_ZERO;
    }
}

/* An entry that refers to what is not in the file. */
static int is_lost(const struct vdi *v, uint32_t block)
{
    uint32_t entry = v->map[block];

    if (!vdi_is_block(entry) || vdi_is_used(v, entry))
        return 0;
    tn_logf(v->host, TN_LOG_ERROR,
            "block %u is at place %u, which is beyond the file's end", block,
            entry);
    return 1;
}

int32_t vdi_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max)
{
    struct vdi *v = self;
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    while (offset < end) {
        uint64_t block = offset / v->block;
        struct tn_extent e, *last = n ? &extents[n - 1] : NULL;

        if (block >= v->blocks || is_lost(v, (uint32_t)block))
            return n ? (int32_t)n : -EIO;
        block_extent(v, (uint32_t)block, offset, &e);
        if (last && last->kind == e.kind &&
            (e.kind != TN_EXTENT_DATA || last->at + last->bytes == e.at))
            last->bytes += e.bytes;
        else if (n == max)
            break;
        else
            extents[n++] = e;
        offset += e.bytes;
    }
    return (int32_t)n;
}

/* ---- writing ---- */

/* The first block not in use, and how many there are in a row. */
static uint32_t find_free(struct vdi *v, uint32_t limit, uint32_t *index)
{
    uint32_t i = v->free_hint, n = 0;

    while (i < v->blocks && vdi_is_used(v, i))
        i++;
    v->free_hint = i;
    while (n < limit && i + n < v->blocks && !vdi_is_used(v, i + n))
        n++;
    *index = i;
    return n;
}

int32_t vdi_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *a)
{
    struct vdi *v = self;
    uint64_t block = offset / v->block, last;
    uint32_t n = 0, index;

    (void)flags;
    if (block >= v->blocks || vdi_is_block(v->map[block]))
        return -EIO;
    last = (offset + bytes - 1) / v->block;
    while (n < MAX_RUN && block + n <= last && block + n < v->blocks &&
           !vdi_is_block(v->map[block + n]))
        n++;
    if (v->extra)
        n = 1;
    n = find_free(v, n, &index);
    if (n == 0)
        return -ENOSPC;
    for (uint32_t i = 0; i < n; i++)
        vdi_use(v, index + i, 1);
    a->file = TN_IMAGE_FILE_SELF;
    a->flags = TN_ALLOCATION_EXTENDS;
    a->offset = block * v->block;
    a->bytes = (uint64_t)n * v->block;
    a->at = vdi_place(v, index);
    a->fresh = a->at >= v->image->length(v->host, 0);
    a->plugin[P_BLOCK] = block;
    a->plugin[P_INDEX] = index;
    a->plugin[P_COUNT] = n;
    return 0;
}

static uint64_t entry_place(const struct vdi *v, uint64_t block)
{
    return v->map_at + block * 4;
}

/* Have the part of the map in memory, to be written after the header. */
static int32_t prepare_entries(struct vdi *v, uint64_t block, uint64_t n)
{
    const void *data;
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = v->image->read(v->host, 0, entry_place(v, block + i), 4, &data);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = v->image->order(v->host, 0, 0, 0, entry_place(v, block + i));
    return rc;
}

static int32_t count_to(struct vdi *v, uint32_t count)
{
    int32_t rc;

    if (count <= v->count)
        return 0;
    put_le32(v->header + VDI_AT_ALLOCATED, count);
    rc = v->image->write(v->host, 0, 0, VDI_SECTOR, v->header);
    if (rc == 0)
        v->count = v->count_found = count;
    return rc;
}

static int32_t put_entry(struct vdi *v, uint64_t block, uint32_t entry)
{
    uint8_t raw[4];
    int32_t rc;

    put_le32(raw, entry);
    rc = v->image->write(v->host, 0, entry_place(v, block), 4, raw);
    if (rc == 0)
        v->map[block] = entry;
    return rc;
}

int32_t vdi_commit(void *self, const struct tn_allocation *a)
{
    struct vdi *v = self;
    uint64_t block = a->plugin[P_BLOCK], n = a->plugin[P_COUNT];
    uint32_t index = (uint32_t)a->plugin[P_INDEX];
    int32_t rc = count_to(v, index + (uint32_t)n);

    if (rc == 0)
        rc = prepare_entries(v, block, n);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = put_entry(v, block + i, index + (uint32_t)i);
    return rc;
}

void vdi_cancel(void *self, const struct tn_allocation *a)
{
    struct vdi *v = self;

    for (uint64_t i = 0; i < a->plugin[P_COUNT]; i++)
        vdi_use(v, (uint32_t)(a->plugin[P_INDEX] + i), 0);
    if (a->plugin[P_INDEX] < v->free_hint)
        v->free_hint = (uint32_t)a->plugin[P_INDEX];
}

/*
 * A block stays where it is: if it were given up, others would append a block
 * at the count, where one may be. So only blocks without space become zeroes;
 * the rest is zeroed in place by the engine.
 */
int32_t vdi_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done)
{
    struct vdi *v = self;
    int32_t rc = 0;

    for (*done = 0; rc == 0 && *done < bytes; *done += v->block) {
        uint64_t block = (offset + *done) / v->block;
        uint32_t entry = v->map[block];

        if (kind == TN_CHANGE_DISCARD)
            continue;
        if (vdi_is_block(entry) || kind > TN_CHANGE_FORGET)
            rc = -ENOTSUP;
        else if (kind == TN_CHANGE_FORGET && entry == VDI_ZERO)
            rc = put_entry(v, block, VDI_FREE);
        else if (kind != TN_CHANGE_FORGET && entry == VDI_FREE &&
                 v->has_parent)
            rc = put_entry(v, block, VDI_ZERO);
        if (rc < 0)
            break;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}
