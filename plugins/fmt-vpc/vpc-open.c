/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening. The footer at the end comes first: in a fixed image the beginning
 * is the guest's, who could write a footer there. The BAT stays in memory.
 */
#include "vpc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t vpc_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    return bytes >= 8 && memcmp(header, "conectix", 8) == 0 ? 100 : 0;
}

static int32_t bad(struct vpc *v, struct tn_error *error, const char *what)
{
    return tn_fail(v->host, error, -EINVAL, "not a sound VHD image: %s", what);
}

static int32_t find_footer(struct vpc *v, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    uint8_t last[VPC_FOOTER_BYTES], first[VPC_FOOTER_BYTES];
    int has_last, has_first;
    int32_t rc;

    if (length < VPC_FOOTER_BYTES)
        return bad(v, error, "it is shorter than a footer");
    rc = v->image->pread(v->host, 0, 0, first, sizeof first);
    if (rc == 0)
        rc = v->image->pread(v->host, 0, length - VPC_FOOTER_BYTES, last,
                             sizeof last);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the footer cannot be read");
    has_last = vpc_footer_is_sound(last);
    has_first = vpc_footer_is_sound(first) &&
                get_be32(first + F_TYPE) != VPC_FIXED;
    if (has_last && get_be32(last + F_TYPE) == VPC_FIXED &&
        length % VPC_SECTOR == 0)
        has_first = 0;
    if (!has_last && !has_first)
        return bad(v, error, "neither its footer nor the copy is intact");
    v->copy_damaged = !has_first;
    memcpy(v->footer, has_first ? first : last, VPC_FOOTER_BYTES);
    v->type = get_be32(v->footer + F_TYPE);
    v->end = length - VPC_FOOTER_BYTES;
    /* Where it is not aligned nothing can be put in its place. */
    if (!has_last || v->end % VPC_SECTOR)
        v->end = 0;
    return 0;
}

static int32_t parse_footer(struct vpc *v, struct tn_error *error)
{
    if (v->type < VPC_FIXED || v->type > VPC_DIFFERENCING)
        return tn_fail(v->host, error, -ENOTSUP, "VHD image type %u", v->type);
    if (get_be32(v->footer + F_VERSION) >> 16 != 1)
        return tn_fail(v->host, error, -ENOTSUP, "VHD version %u",
                       get_be32(v->footer + F_VERSION) >> 16);
    v->bytes = vpc_size(v);
    if (v->bytes % VPC_SECTOR || v->bytes > 1ull << 50)
        return bad(v, error, "the disk's size is out of range");
    if (v->type == VPC_FIXED && v->bytes > v->end)
        return bad(v, error, "the file is shorter than the disk");
    return 0;
}

static int32_t parse_header(struct vpc *v, struct tn_error *error)
{
    uint64_t at = get_be64(v->footer + F_DATA_OFFSET);
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc;

    if (at < VPC_FOOTER_BYTES || at % VPC_SECTOR || at > length)
        return bad(v, error, "the header is out of place");
    rc = v->image->pread(v->host, 0, at, v->header, VPC_HEADER_BYTES);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the header cannot be read");
    if (memcmp(v->header, "cxsparse", 8) != 0 ||
        get_be32(v->header + H_CHECKSUM) !=
            vpc_checksum(v->header, VPC_HEADER_BYTES, H_CHECKSUM))
        return bad(v, error, "the header is damaged");
    v->table_at = get_be64(v->header + H_TABLE);
    v->entries = get_be32(v->header + H_ENTRIES);
    v->block = get_be32(v->header + H_BLOCK);
    if (v->block < 4096 || v->block > 256u << 20 || v->block & (v->block - 1))
        return bad(v, error, "the block size is out of range");
    v->bitmap_bytes = v->block / VPC_SECTOR / 8;
    v->bitmap_bytes = (v->bitmap_bytes + VPC_SECTOR - 1) & ~(VPC_SECTOR - 1);
    if (v->table_at < at + VPC_HEADER_BYTES || v->table_at % VPC_SECTOR ||
        v->table_at > length || v->entries > (length - v->table_at) / 4)
        return bad(v, error, "the block allocation table is out of place");
    if (v->bytes > (uint64_t)v->entries * v->block)
        return bad(v, error, "the block allocation table is too short");
    return 0;
}

/* Blocks that are damaged must not be written to. */
static int32_t check_table(struct vpc *v, struct tn_error *error)
{
    uint32_t n;
    uint64_t *places = vpc_sorted_places(v, &n);
    int damaged = 0;

    if (!places)
        return -ENOMEM;
    for (uint32_t i = 1; i < n; i++)
        damaged |= places[i] - places[i - 1] < vpc_block_bytes(v);
    v->image->free(v->host, places);
    for (uint32_t i = 0; i < v->entries; i++)
        damaged |= v->bat[i] != VPC_UNUSED && !vpc_is_inside(v, i);
    if (!damaged)
        return 0;
    return tn_fail(v->host, error, -EROFS,
                   "the block allocation table is damaged: check and repair "
                   "the image before writing");
}

static void find_end(struct vpc *v)
{
    uint64_t end = vpc_table_end(v);

    for (uint32_t i = 0; i < v->entries; i++)
        if (v->bat[i] != VPC_UNUSED &&
            vpc_place(v, i) + vpc_block_bytes(v) > end)
            end = vpc_place(v, i) + vpc_block_bytes(v);
    if (v->end < end)
        v->end = end;
}

static int32_t read_table(struct vpc *v, struct tn_error *error)
{
    uint64_t bytes = (uint64_t)v->entries * 4;
    int32_t rc;

    v->bat = v->image->allocate(v->host, bytes);
    v->full = v->image->allocate(v->host, v->entries / 8 + 1);
    if (!v->bat || !v->full)
        return tn_fail(v->host, error, -ENOMEM,
                       "no memory for the block allocation table");
    rc = v->image->pread(v->host, 0, v->table_at, v->bat, bytes);
    if (rc < 0)
        return tn_fail(v->host, error, rc,
                       "the block allocation table cannot be read");
    for (uint32_t i = 0; i < v->entries; i++)
        v->bat[i] = get_be32(&v->bat[i]);
    return 0;
}

int32_t vpc_place_footer(struct vpc *v, struct tn_error *error)
{
    uint64_t had = v->end;
    int32_t rc;

    find_end(v);
    if (had == v->end && !v->copy_damaged)
        return 0;
    rc = v->image->set_length(v->host, 0, v->end + VPC_FOOTER_BYTES, error);
    if (rc == 0)
        rc = vpc_write_footers(v);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the footer cannot be written");
    v->copy_damaged = 0;
    return 0;
}

static int32_t prepare_writing(struct vpc *v, struct tn_error *error)
{
    int32_t rc = 0;

    if (v->type == VPC_FIXED)
        return 0;
    rc = check_table(v, error);
    return rc < 0 ? rc : vpc_place_footer(v, error);
}

static void fill_info(const struct vpc *v, struct tn_image_info *info)
{
    info->bytes = v->bytes;
    for (uint32_t i = 0; i < 16; i++)
        snprintf(info->content_id + 2 * i, 3, "%02x", v->footer[F_UUID + i]);
    strcpy(info->format_version, v->type == VPC_FIXED     ? "VHD fixed"
                                 : v->type == VPC_DYNAMIC ? "VHD dynamic"
                                                          : "VHD differencing");
    if (v->type == VPC_FIXED) {
        info->flags |= TN_FORMAT_IN_PLACE;
        return;
    }
    info->flags |= TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
    if (v->type == VPC_DIFFERENCING)
        info->flags |= TN_FORMAT_BACKING;
    info->cluster_bytes = info->change_bytes = v->block;
}

static int32_t open_sparse(struct vpc *v, struct tn_image_info *info,
                           struct tn_error *error)
{
    int32_t rc = parse_header(v, error);

    if (rc == 0 && v->type == VPC_DIFFERENCING)
        rc = vpc_read_parent(v, info, error);
    return rc < 0 ? rc : read_table(v, error);
}

int32_t vpc_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error)
{
    struct vpc *v = self;
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    v->has_parent = v->n_free = 0;
    v->writable = flags & TN_IMAGE_WRITABLE;
    rc = find_footer(v, error);
    if (rc == 0)
        rc = parse_footer(v, error);
    if (rc == 0)
        rc = v->image->set_block(v->host, VPC_UNIT);
    if (rc == 0 && v->type != VPC_FIXED)
        rc = open_sparse(v, info, error);
    if (rc == 0 && v->writable && !(flags & TN_IMAGE_CHECK))
        rc = prepare_writing(v, error);
    if (rc < 0) {
        vpc_close(v);
        return rc;
    }
    fill_info(v, info);
    return 0;
}

void vpc_close(void *self)
{
    struct vpc *v = self;

    v->image->free(v->host, v->bat);
    v->image->free(v->host, v->full);
    v->image->free(v->host, v->free);
    v->bat = NULL;
    v->full = NULL;
    v->free = NULL;
    v->n_free = v->free_room = 0;
}
