/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's bytes are. The bits of a differencing image's block say
 * which sectors are its own. In a dynamic image a sector without its bit was
 * never written; it reads as what is there, as everywhere, but its bit must be
 * set before it is written.
 */
#include "vpc.h"

#include <errno.h>

static int is_full(const struct vpc *v, uint32_t block)
{
    return v->full[block / 8] >> block % 8 & 1;
}

/* How many sectors from SECTOR on, at most LIMIT, have the same bit. */
static int32_t bit_run(struct vpc *v, uint32_t block, uint32_t sector,
                       uint32_t limit, int *bit, uint32_t *n)
{
    uint64_t at = vpc_place(v, block) + sector / 8;
    uint32_t room = VPC_UNIT - (uint32_t)(at % VPC_UNIT);
    const void *data;
    const uint8_t *bits;
    int32_t rc = v->image->read(v->host, 0, at, room, &data);

    if (rc < 0)
        return rc;
    bits = data;
    if (limit > room * 8 - sector % 8)
        limit = room * 8 - sector % 8;
    *bit = bits[0] >> (7 - sector % 8) & 1;
    for (*n = 1; *n < limit; ++*n) {
        uint32_t i = sector % 8 + *n;

        if ((bits[i / 8] >> (7 - i % 8) & 1) != *bit)
            break;
    }
    return 0;
}

static int32_t block_extent(struct vpc *v, uint32_t block, uint64_t inside,
                            struct tn_extent *e)
{
    uint32_t sector = (uint32_t)(inside / VPC_SECTOR), n;
    uint32_t all = v->block / VPC_SECTOR;
    int32_t rc = 0;
    int bit = 1;

    e->kind = TN_EXTENT_DATA;
    e->at = vpc_place(v, block) + v->bitmap_bytes + inside;
    e->bytes = v->block - inside;
    if ((v->has_parent || v->writable) && !is_full(v, block)) {
        rc = bit_run(v, block, sector, all - sector, &bit, &n);
        if (rc < 0)
            return rc;
        if (bit && sector == 0 && n == all)
            v->full[block / 8] |= (uint8_t)(1u << block % 8);
        e->bytes = (uint64_t)(sector + n) * VPC_SECTOR - inside;
    }
    if (bit)
        e->flags = TN_EXTENT_WRITABLE;
    else if (v->has_parent)
        e->kind = TN_EXTENT_UNALLOCATED;
    return 0;
}

static int32_t fixed_extent(struct vpc *v, uint64_t offset,
                            struct tn_extent *e)
{
    *e = (struct tn_extent){.kind = TN_EXTENT_DATA,
                            .flags = TN_EXTENT_WRITABLE | TN_EXTENT_FLAT,
                            .offset = offset,
                            .bytes = v->bytes - offset,
                            .at = offset};
    return 1;
}

static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    return a->kind == b->kind && a->flags == b->flags &&
           (a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at);
}

int32_t vpc_map(void *self, uint64_t offset, uint64_t bytes,
                struct tn_extent *extents, uint32_t max)
{
    struct vpc *v = self;
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    if (v->type == VPC_FIXED)
        return offset < v->bytes ? fixed_extent(v, offset, extents) : -EIO;
    while (offset < end) {
        uint64_t block = offset / v->block, inside = offset % v->block;
        struct tn_extent e = {.kind = TN_EXTENT_UNALLOCATED,
                              .offset = offset,
                              .bytes = v->block - inside};
        int32_t rc = 0;

        if (block >= v->entries)
            rc = -EIO;
        else if (v->bat[block] != VPC_UNUSED)
            rc = vpc_is_inside(v, (uint32_t)block)
                     ? block_extent(v, (uint32_t)block, inside, &e)
                     : -EIO;
        if (rc < 0)
            return n ? (int32_t)n : rc;
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
