/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image. Sparse ones: the footer's copy, the header, the parent's
 * locator, the BAT, the footer.
 */
#include "vpc.h"

#include <errno.h>
#include <string.h>

#define LOCATOR_AT (VPC_FOOTER_BYTES + VPC_HEADER_BYTES)
#define LOCATOR_ROOM 2048u
#define CHUNK (64u << 10)

struct layout {
    uint64_t bytes, entries, table_at, table_bytes;
    uint32_t type, block, exact, mode;
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static int32_t lay_out(struct vpc *v, const struct tn_create *c,
                       struct layout *l, struct tn_error *error)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    uint64_t block = props->get_uint(v->host, "block-size");

    l->type = props->get_uint(v->host, "subformat") ? VPC_FIXED : VPC_DYNAMIC;
    l->exact = (uint32_t)props->get_uint(v->host, "force-size");
    l->mode = (uint32_t)props->get_uint(v->host, "preallocation");
    if (l->mode)
        l->mode++; /* there is no "metadata" */
    if (c->backing && l->type == VPC_FIXED)
        return tn_fail(v->host, error, -EINVAL,
                       "a fixed VHD image cannot be based on another one");
    if (l->mode && l->type != VPC_FIXED)
        return tn_fail(v->host, error, -EINVAL,
                       "preallocation is for subformat=fixed");
    if (c->backing) {
        l->type = VPC_DIFFERENCING;
        l->exact = 1; /* as large as its parent */
    }
    if (block < 4096 || block > 256u << 20 || block & (block - 1))
        return tn_fail(v->host, error, -EINVAL,
                       "block-size must be a power of two, 4K to 256M");
    l->block = (uint32_t)block;
    l->bytes = round_up(c->bytes, VPC_SECTOR);
    if (c->bytes > VPC_MAX_BYTES)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large: VHD ends at 2040 GiB");
    vpc_new_footer(v->footer, l->type, &l->bytes, (int)l->exact);
    l->entries = (l->bytes + block - 1) / block;
    l->table_at = LOCATOR_AT + (c->backing ? LOCATOR_ROOM : 0);
    l->table_bytes = round_up(l->entries * 4, VPC_SECTOR);
    if (l->entries > UINT32_MAX)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large for such blocks");
    return 0;
}

static int32_t create_fixed(struct vpc *v, const struct layout *l,
                            struct tn_error *error)
{
    int32_t rc = 0;

    if (l->mode && l->bytes)
        rc = v->image->preallocate(v->host, 0, 0, l->bytes, l->mode, error);
    v->type = VPC_FIXED;
    v->end = l->bytes;
    return rc < 0 ? rc : vpc_write_footers(v);
}

static int32_t write_table(struct vpc *v, const struct layout *l)
{
    uint8_t *piece = v->image->allocate(v->host, CHUNK);
    int32_t rc = piece ? 0 : -ENOMEM;

    if (piece)
        memset(piece, 0xff, CHUNK);
    for (uint64_t at = 0; rc == 0 && at < l->table_bytes; at += CHUNK) {
        uint64_t n = l->table_bytes - at;

        rc = v->image->pwrite(v->host, 0, l->table_at + at, piece,
                              n < CHUNK ? n : CHUNK);
    }
    v->image->free(v->host, piece);
    return rc;
}

static int32_t create_sparse(struct vpc *v, const struct tn_create *c,
                             const struct layout *l, struct tn_error *error)
{
    uint8_t locator[LOCATOR_ROOM] = {0};
    int32_t rc = 0;

    memset(v->header, 0, sizeof v->header);
    memcpy(v->header, "cxsparse", 8);
    put_be64(v->header + H_DATA_OFFSET, ~0ull);
    put_be64(v->header + H_TABLE, l->table_at);
    put_be32(v->header + H_VERSION, 0x00010000);
    put_be32(v->header + H_ENTRIES, (uint32_t)l->entries);
    put_be32(v->header + H_BLOCK, l->block);
    v->type = l->type;
    v->end = l->table_at + l->table_bytes;
    if (c->backing) {
        rc = vpc_name_parent(v, c, locator, LOCATOR_AT, error);
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, LOCATOR_AT, locator,
                                  sizeof locator);
    }
    if (rc == 0)
        rc = write_table(v, l);
    if (rc == 0)
        rc = vpc_write_header(v);
    return rc < 0 ? rc : vpc_write_footers(v); /* now it is an image */
}

int32_t vpc_create(void *self, const struct tn_create *c,
                   struct tn_error *error)
{
    struct vpc *v = self;
    struct layout l = {0};
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    rc = lay_out(v, c, &l, error);
    if (rc < 0)
        return rc;
    return l.type == VPC_FIXED ? create_fixed(v, &l, error)
                               : create_sparse(v, c, &l, error);
}

int32_t vpc_measure(void *self, const struct tn_create *c,
                    struct tn_measure *m, struct tn_error *error)
{
    struct vpc *v = self;
    struct layout l = {0};
    uint64_t each, fixed;
    int32_t rc = lay_out(v, c, &l, error);

    if (rc < 0)
        return rc;
    fixed = l.table_at + l.table_bytes + VPC_FOOTER_BYTES;
    /* A block, its bitmap, and what aligns them. */
    each = l.block + round_up(round_up(l.block / VPC_SECTOR / 8, VPC_SECTOR),
                              4096);
    m->cluster_bytes = l.block;
    m->required = fixed + m->data_bytes / l.block * each;
    m->fully_allocated = fixed + l.entries * each;
    if (l.type == VPC_FIXED)
        m->required = m->fully_allocated = l.bytes + VPC_FOOTER_BYTES;
    return 0;
}
