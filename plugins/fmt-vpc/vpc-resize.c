/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the disk's size. The footer decides; before it is written what the
 * new size needs is there, and afterwards what the old one needed goes.
 */
#include "vpc.h"

#include <errno.h>
#include <string.h>

static int32_t resize_fixed(struct vpc *v, uint64_t bytes,
                            const uint8_t footer[VPC_FOOTER_BYTES],
                            struct tn_error *error)
{
    static const uint8_t zeroes[VPC_FOOTER_BYTES];
    uint64_t old = v->end;
    int32_t rc;

    memcpy(v->footer, footer, VPC_FOOTER_BYTES);
    v->end = bytes;
    rc = vpc_write_footers(v);
    if (rc < 0)
        return rc;
    if (bytes < old)
        return v->image->set_length(v->host, 0, bytes + VPC_FOOTER_BYTES,
                                    error);
    return v->image->pwrite(v->host, 0, old, zeroes, sizeof zeroes);
}

/* ---- images with a block allocation table ---- */

static int32_t grow_memory(struct vpc *v, uint32_t entries)
{
    uint32_t *bat = v->image->allocate(v->host, (uint64_t)entries * 4);
    uint8_t *full = v->image->allocate(v->host, entries / 8 + 1);

    if (!bat || !full) {
        v->image->free(v->host, bat);
        v->image->free(v->host, full);
        return -ENOMEM;
    }
    memset(bat, 0xff, (uint64_t)entries * 4);
    memcpy(bat, v->bat, (uint64_t)v->entries * 4);
    memcpy(full, v->full, v->entries / 8 + 1);
    v->image->free(v->host, v->bat);
    v->image->free(v->host, v->full);
    v->bat = bat;
    v->full = full;
    return 0;
}

/* Entries from FIRST on, and unused ones up to the sector's end. */
static int32_t write_table(struct vpc *v, uint64_t at, uint64_t first,
                           uint64_t entries)
{
    uint64_t end = (entries + 127) / 128 * 128;
    uint8_t raw[VPC_SECTOR];
    int32_t rc = 0;

    for (first = first / 128 * 128; rc == 0 && first < end; first += 128) {
        for (uint32_t i = 0; i < 128; i++)
            put_be32(raw + i * 4, first + i < entries ? v->bat[first + i]
                                                      : VPC_UNUSED);
        rc = v->image->pwrite(v->host, 0, at + first * 4, raw, sizeof raw);
    }
    return rc < 0 ? rc : v->image->flush(v->host);
}

/* A longer table goes behind the last block, with the footer behind it. What
 * follows it where it is may be a block that was given up. */
static int32_t grow_table(struct vpc *v, uint64_t entries)
{
    uint64_t at = v->table_at, first = v->entries;
    int32_t rc = grow_memory(v, (uint32_t)entries);

    if (rc < 0)
        return rc;
    if (v->table_at + entries * 4 > vpc_table_end(v)) {
        at = v->end;
        first = 0;
        v->end = (at + entries * 4 + VPC_SECTOR - 1) &
                 ~(uint64_t)(VPC_SECTOR - 1);
        rc = v->image->pwrite(v->host, 0, v->end, v->footer,
                              VPC_FOOTER_BYTES);
    }
    if (rc == 0)
        rc = write_table(v, at, first, entries);
    if (rc < 0)
        return rc;
    put_be64(v->header + H_TABLE, at);
    put_be32(v->header + H_ENTRIES, (uint32_t)entries);
    v->table_at = at;
    v->entries = (uint32_t)entries;
    return vpc_write_header(v);
}

/* The part of the last block beyond the old end may hold anything. */
static int32_t zero_tail(struct vpc *v)
{
    uint64_t inside = v->bytes % v->block, block = v->bytes / v->block;
    uint8_t *zero;
    int32_t rc;

    if (inside == 0 || block >= v->entries || v->bat[block] == VPC_UNUSED)
        return 0;
    zero = v->image->allocate(v->host, v->block);
    if (!zero)
        return -ENOMEM;
    rc = v->image->pwrite(v->host, 0,
                          vpc_place(v, (uint32_t)block) + v->bitmap_bytes +
                              inside,
                          zero, v->block - inside);
    v->image->free(v->host, zero);
    return rc;
}

static int32_t cut_blocks(struct vpc *v, uint64_t first)
{
    for (uint64_t i = first; i < v->entries; i++) {
        v->bat[i] = VPC_UNUSED;
        v->full[i / 8] &= (uint8_t) ~(1u << i % 8);
    }
    return write_table(v, v->table_at, first, v->entries);
}

static int32_t resize_sparse(struct vpc *v, uint64_t bytes,
                             const uint8_t footer[VPC_FOOTER_BYTES])
{
    uint64_t entries = (bytes + v->block - 1) / v->block;
    int32_t rc = 0;

    if (bytes > v->bytes)
        rc = zero_tail(v);
    if (rc == 0 && entries > v->entries)
        rc = grow_table(v, entries);
    if (rc < 0)
        return rc;
    memcpy(v->footer, footer, VPC_FOOTER_BYTES);
    rc = vpc_write_footers(v);
    if (rc == 0 && bytes < v->bytes)
        rc = cut_blocks(v, entries);
    return rc;
}

int32_t vpc_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct vpc *v = self;
    uint8_t footer[VPC_FOOTER_BYTES];
    int32_t rc;

    if (v->type == VPC_DIFFERENCING)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a differencing VHD image has its parent's size");
    if (bytes > VPC_MAX_BYTES)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large: VHD ends at 2040 GiB");
    memcpy(footer, v->footer, sizeof footer);
    vpc_set_size(footer, &bytes, 1);
    rc = v->type == VPC_FIXED ? resize_fixed(v, bytes, footer, error)
                              : resize_sparse(v, bytes, footer);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the size cannot be changed");
    v->bytes = bytes;
    return 0;
}
