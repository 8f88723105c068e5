/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the map: new blocks, bits of blocks that are there, and blocks that
 * are given up (dynamic images only: a differencing one would show its
 * parent).
 */
#include "vpc.h"

#include <errno.h>
#include <string.h>

#define ALIGNMENT 4096u /* of a block's data in the file */

/* tn_allocation.plugin[] */
#define P_BLOCK 0
#define P_PLACE 1 /* of a new block in the file; 0: it is there */

static int32_t take_place(struct vpc *v, uint64_t *place)
{
    if (v->n_free) {
        *place = v->free[--v->n_free];
        return 0;
    }
    *place = (v->end + v->bitmap_bytes + ALIGNMENT - 1) / ALIGNMENT *
                 ALIGNMENT -
             v->bitmap_bytes;
    if (*place / VPC_SECTOR >= VPC_UNUSED)
        return -EFBIG;
    v->end = *place + vpc_block_bytes(v);
    return 0;
}

static void give_place(struct vpc *v, uint64_t place)
{
    if (v->n_free == v->free_room) {
        uint32_t room = v->free_room * 2 + 64;
        uint64_t *list = v->image->allocate(v->host, room * sizeof *list);

        if (!list)
            return; /* a leak */
        if (v->n_free)
            memcpy(list, v->free, v->n_free * sizeof *list);
        v->image->free(v->host, v->free);
        v->free = list;
        v->free_room = room;
    }
    v->free[v->n_free++] = place;
}

int32_t vpc_allocate(void *self, uint64_t offset, uint64_t bytes,
                     uint32_t flags, struct tn_allocation *a)
{
    struct vpc *v = self;
    uint64_t block = offset / v->block, start = block * v->block;
    uint64_t length = v->image->length(v->host, 0), place;
    int32_t rc;

    (void)flags;
    if (block >= v->entries)
        return -EIO;
    a->file = TN_IMAGE_FILE_SELF;
    a->flags = 0;
    a->fresh = 0;
    a->offset = offset;
    a->bytes = start + v->block - offset;
    if (a->bytes > bytes)
        a->bytes = bytes;
    a->plugin[P_BLOCK] = block;
    a->plugin[P_PLACE] = 0;
    if (v->bat[block] != VPC_UNUSED) {
        a->at = vpc_place(v, (uint32_t)block) + v->bitmap_bytes +
                (offset - start);
        return 0;
    }
    rc = take_place(v, &place);
    if (rc < 0)
        return rc;
    if (!v->has_parent) {
        a->offset = start;
        a->bytes = v->block;
    }
    a->at = place + v->bitmap_bytes + (a->offset - start);
    a->fresh = place + v->bitmap_bytes >= length;
    a->plugin[P_PLACE] = place;
    return 0;
}

static void set_bits(uint8_t *bits, uint32_t first, uint32_t n)
{
    for (; n; first++, n--)
        bits[first / 8] |= (uint8_t)(0x80u >> first % 8);
}

/* The part of A's sectors whose bits are in unit UNIT of the bitmap. */
static void bits_in_unit(const struct vpc *v, const struct tn_allocation *a,
                         uint32_t unit, uint32_t *first, uint32_t *n)
{
    uint64_t start = a->plugin[P_BLOCK] * v->block;
    uint64_t from = (a->offset - start) / VPC_SECTOR;
    uint64_t to = from + a->bytes / VPC_SECTOR;
    uint64_t low = (uint64_t)unit * VPC_UNIT * 8, high = low + VPC_UNIT * 8;

    from = from < low ? low : from;
    to = to > high ? high : to;
    *first = (uint32_t)(from - low);
    *n = from < to ? (uint32_t)(to - from) : 0;
}

static int32_t commit_in_place(struct vpc *v, const struct tn_allocation *a)
{
    uint64_t place = vpc_place(v, (uint32_t)a->plugin[P_BLOCK]);
    uint32_t units = v->bitmap_bytes / VPC_UNIT, first, n;
    const void *data;
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < units; i++) {
        bits_in_unit(v, a, i, &first, &n);
        if (n)
            rc = v->image->read(v->host, 0, place + i * VPC_UNIT, VPC_UNIT,
                                &data);
    }
    for (uint32_t i = 0; rc == 0 && i < units; i++) {
        uint8_t bits[VPC_UNIT];

        bits_in_unit(v, a, i, &first, &n);
        if (!n)
            continue;
        rc = v->image->read(v->host, 0, place + i * VPC_UNIT, VPC_UNIT, &data);
        if (rc < 0)
            break;
        memcpy(bits, data, VPC_UNIT);
        set_bits(bits, first, n);
        rc = v->image->write(v->host, 0, place + i * VPC_UNIT, VPC_UNIT, bits);
    }
    return rc;
}

static int32_t write_bitmap(struct vpc *v, const struct tn_allocation *a,
                            uint64_t entry_at)
{
    uint64_t place = a->plugin[P_PLACE];
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < v->bitmap_bytes / VPC_UNIT; i++) {
        uint8_t bits[VPC_UNIT] = {0};
        uint32_t first, n;

        bits_in_unit(v, a, i, &first, &n);
        set_bits(bits, first, n);
        if (!v->has_parent)
            memset(bits, 0xff, sizeof bits);
        rc = v->image->write(v->host, 0, place + i * VPC_UNIT, VPC_UNIT, bits);
        if (rc == 0)
            rc = v->image->order(v->host, 0, place + i * VPC_UNIT, 0,
                                 entry_at);
    }
    return rc;
}

/* Everything here can be done twice. */
static int32_t commit_new(struct vpc *v, const struct tn_allocation *a)
{
    uint64_t block = a->plugin[P_BLOCK], place = a->plugin[P_PLACE];
    uint64_t entry_at = v->table_at + block * 4;
    uint8_t raw[4];
    const void *data;
    int32_t rc = v->image->read(v->host, 0, entry_at, 4, &data);

    if (rc == 0)
        rc = v->image->write(v->host, 0, v->end, VPC_FOOTER_BYTES, v->footer);
    if (rc == 0)
        rc = v->image->order(v->host, 0, v->end, 0, entry_at);
    if (rc == 0)
        rc = write_bitmap(v, a, entry_at);
    if (rc < 0)
        return rc;
    put_be32(raw, (uint32_t)(place / VPC_SECTOR));
    rc = v->image->write(v->host, 0, entry_at, 4, raw);
    if (rc == 0) {
        v->bat[block] = (uint32_t)(place / VPC_SECTOR);
        if (!v->has_parent)
            v->full[block / 8] |= (uint8_t)(1u << block % 8);
    }
    return rc;
}

int32_t vpc_commit(void *self, const struct tn_allocation *a)
{
    struct vpc *v = self;

    return a->plugin[P_PLACE] ? commit_new(v, a) : commit_in_place(v, a);
}

void vpc_cancel(void *self, const struct tn_allocation *a)
{
    if (a->plugin[P_PLACE])
        give_place(self, a->plugin[P_PLACE]);
}

/* ---- zeroes and holes ---- */

static int32_t give_up(struct vpc *v, uint64_t block)
{
    uint64_t entry_at = v->table_at + block * 4, place;
    uint8_t raw[4];
    const void *data;
    int32_t rc = v->image->read(v->host, 0, entry_at, 4, &data);

    put_be32(raw, VPC_UNUSED);
    if (rc == 0)
        rc = v->image->write(v->host, 0, entry_at, 4, raw);
    if (rc < 0)
        return rc;
    place = vpc_place(v, (uint32_t)block);
    v->bat[block] = VPC_UNUSED;
    v->full[block / 8] &= (uint8_t) ~(1u << block % 8);
    v->image->drop(v->host, 0, place, vpc_block_bytes(v));
    return 0;
}

int32_t vpc_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                   uint64_t *done)
{
    struct vpc *v = self;
    int32_t rc = 0;

    for (*done = 0; *done < bytes; *done += v->block) {
        uint64_t block = (offset + *done) / v->block;
        int used = block < v->entries && v->bat[block] != VPC_UNUSED;

        if (v->has_parent && kind == TN_CHANGE_DISCARD)
            continue;
        if ((v->has_parent && kind != TN_CHANGE_FORGET) ||
            kind > TN_CHANGE_FORGET)
            rc = -ENOTSUP;
        else if (used && !vpc_is_inside(v, (uint32_t)block))
            rc = -EIO;
        else if (used)
            rc = kind == TN_CHANGE_ZERO ? -ENOTSUP : give_up(v, block);
        if (rc < 0)
            break;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}

int32_t vpc_release(void *self, uint32_t file, uint64_t offset, uint64_t bytes)
{
    struct vpc *v = self;

    if (file != TN_IMAGE_FILE_SELF || bytes != vpc_block_bytes(v))
        return -EINVAL;
    give_place(v, offset);
    return 0;
}
