/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: the header, and the whole map, which stays in memory.
 */
#include "vdi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t vdi_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    return bytes >= VDI_SECTOR &&
                   get_le32(header + VDI_AT_SIGNATURE) == VDI_SIGNATURE
               ? 100
               : 0;
}

static int32_t bad(struct vdi *v, struct tn_error *error, const char *what)
{
    return tn_fail(v->host, error, -EINVAL, "not a sound VDI image: %s", what);
}

static int32_t check_geometry(struct vdi *v, struct tn_error *error)
{
    uint64_t map_end = v->map_at + (uint64_t)v->blocks * 4, data_end;

    if (v->map_at % VDI_SECTOR || v->map_at < VDI_SECTOR)
        return bad(v, error, "the block map is out of place");
    if (v->data_at % VDI_SECTOR || v->data_at < VDI_SECTOR)
        return bad(v, error, "the blocks are out of place");
    if (v->block < VDI_SECTOR || v->block > 64u << 20 ||
        v->block % VDI_SECTOR || v->extra % VDI_SECTOR ||
        v->extra > 64u << 20)
        return bad(v, error, "the block size is out of range");
    if (v->blocks > VDI_MAX_BLOCKS ||
        v->bytes > (uint64_t)v->blocks * v->block)
        return bad(v, error, "the number of blocks does not fit its size");
    data_end = v->data_at + v->blocks * ((uint64_t)v->block + v->extra);
    if (v->map_at < data_end && v->data_at < map_end)
        return bad(v, error, "the block map and the blocks overlap");
    return 0;
}

static int32_t parse_header(struct vdi *v, struct tn_error *error)
{
    const uint8_t *h = v->header;

    if (get_le32(h + VDI_AT_SIGNATURE) != VDI_SIGNATURE)
        return bad(v, error, "the signature is not there");
    if (get_le32(h + VDI_AT_VERSION) != VDI_VERSION_1_1)
        return tn_fail(v->host, error, -ENOTSUP, "VDI version %u.%u",
                       get_le32(h + VDI_AT_VERSION) >> 16,
                       get_le32(h + VDI_AT_VERSION) & 0xffff);
    v->type = get_le32(h + VDI_AT_TYPE);
    if (v->type < VDI_DYNAMIC || v->type > VDI_DIFFERENCING)
        return tn_fail(v->host, error, -ENOTSUP, "VDI image type %u", v->type);
    if (get_le32(h + VDI_AT_SECTOR_BYTES) != VDI_SECTOR)
        return bad(v, error, "the sector size is not 512");
    v->map_at = get_le32(h + VDI_AT_MAP);
    v->data_at = get_le32(h + VDI_AT_DATA);
    v->bytes = get_le64(h + VDI_AT_BYTES);
    v->block = get_le32(h + VDI_AT_BLOCK_BYTES);
    v->extra = get_le32(h + VDI_AT_BLOCK_EXTRA);
    v->blocks = get_le32(h + VDI_AT_BLOCKS);
    v->count = v->count_found = get_le32(h + VDI_AT_ALLOCATED);
    return check_geometry(v, error);
}

/* A map that refers to what is not there is only for check(). */
static int32_t check_map(struct vdi *v, uint32_t flags, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    uint32_t highest = 0;

    for (uint32_t i = 0; i < v->blocks; i++) {
        uint32_t entry = v->map[i];
        int out = 0, twice = 0;

        if (!vdi_is_block(entry))
            continue;
        out = entry >= v->used_blocks || vdi_place(v, entry) >= length;
        twice = !out && vdi_is_used(v, entry);
        if ((out || twice) && flags & TN_IMAGE_WRITABLE &&
            !(flags & TN_IMAGE_CHECK))
            return tn_fail(v->host, error, -EROFS,
                           "the entry of block %u in the map is damaged: "
                           "check and repair the image before writing",
                           i);
        if (out)
            continue;
        vdi_use(v, entry, 1);
        if (entry >= highest)
            highest = entry + 1;
    }
    v->count = highest;
    return 0;
}

static int32_t read_map(struct vdi *v, uint32_t flags, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    uint64_t bytes = (uint64_t)v->blocks * 4;
    uint64_t there = 0;
    int32_t rc;

    if (length < v->map_at || length - v->map_at < bytes)
        return bad(v, error, "the block map is cut off");
    if (length > v->data_at)
        there = (length - v->data_at) / ((uint64_t)v->block + v->extra) + 1;
    if (there > VDI_MAX_BLOCKS)
        there = VDI_MAX_BLOCKS;
    v->used_blocks = there > v->blocks ? (uint32_t)there : v->blocks;
    v->map = v->image->allocate(v->host, bytes);
    v->used = v->image->allocate(v->host, v->used_blocks / 8 + 1);
    if (!v->map || !v->used)
        return tn_fail(v->host, error, -ENOMEM, "no memory for the block map");
    rc = v->image->pread(v->host, 0, v->map_at, v->map, bytes);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the block map cannot be read");
    for (uint32_t i = 0; i < v->blocks; i++)
        v->map[i] = get_le32(&v->map[i]);
    return check_map(v, flags, error);
}

/* The last block may be there only in part: others want it whole. */
static int32_t fill_up(struct vdi *v, struct tn_error *error)
{
    uint64_t end = v->count ? vdi_place(v, v->count - 1) + v->block : 0;

    if (v->image->length(v->host, 0) >= end)
        return 0;
    return v->image->set_length(v->host, 0, end, error);
}

static int32_t prepare_writing(struct vdi *v, struct tn_error *error)
{
    if (v->count != v->count_found) {
        int32_t rc = vdi_write_header(v);

        if (rc < 0)
            return tn_fail(v->host, error, rc,
                           "the header cannot be written");
    }
    return fill_up(v, error);
}

static void uuid_text(const uint8_t *uuid, char text[64])
{
    static const uint8_t none[16];

    text[0] = 0;
    if (!memcmp(uuid, none, 16))
        return;
    for (uint32_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

static int32_t find_parent(struct vdi *v, struct tn_image_info *info,
                           struct tn_error *error)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    const char *parent = props->get_string(v->host, "parent");

    if (v->type != VDI_DIFFERENCING && v->type != VDI_UNDO)
        return 0;
    if (props->get_uint(v->host, "without-parent"))
        return 0;
    if (!parent)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a differencing VDI image does not name its parent: "
                       "say parent = FILE");
    if (strlen(parent) >= sizeof info->backing)
        return tn_fail(v->host, error, -EINVAL,
                       "the parent's name is too long");
    strcpy(info->backing, parent);
    uuid_text(v->header + VDI_AT_UUID_PARENT_MODIFIED, info->backing_id);
    v->has_parent = 1;
    return 0;
}

static void fill_info(const struct vdi *v, struct tn_image_info *info)
{
    info->flags |= TN_FORMAT_CAN_ZERO | TN_FORMAT_TRACKS_WRITES;
    if (v->has_parent)
        info->flags |= TN_FORMAT_BACKING;
    info->bytes = (v->bytes + VDI_SECTOR - 1) & ~(uint64_t)(VDI_SECTOR - 1);
    info->cluster_bytes = v->block;
    info->change_bytes = v->block;
    uuid_text(v->header + VDI_AT_UUID_MODIFIED, info->content_id);
    strcpy(info->format_version, "VDI 1.1");
}

int32_t vdi_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error)
{
    struct vdi *v = self;
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    v->has_parent = v->modified = v->marked = v->free_hint = 0;
    v->writable = flags & TN_IMAGE_WRITABLE;
    if (v->image->length(v->host, 0) < VDI_SECTOR)
        return bad(v, error, "it is shorter than a header");
    rc = v->image->pread(v->host, 0, 0, v->header, VDI_SECTOR);
    if (rc == 0)
        rc = parse_header(v, error);
    if (rc == 0)
        rc = find_parent(v, info, error);
    if (rc == 0)
        rc = v->image->set_block(v->host, VDI_UNIT);
    if (rc == 0)
        rc = read_map(v, flags, error);
    if (rc == 0 && v->writable && !(flags & TN_IMAGE_CHECK))
        rc = prepare_writing(v, error);
    if (rc < 0) {
        v->writable = 0;
        vdi_close(v);
        return rc;
    }
    fill_info(v, info);
    return 0;
}

/* ---- the mark that the content is another one ---- */

void vdi_written(void *self, uint64_t offset, uint64_t bytes)
{
    struct vdi *v = self;

    (void)offset;
    (void)bytes;
    v->modified = 1;
}

int32_t vdi_before_flush(void *self)
{
    struct vdi *v = self;
    int32_t rc;

    if (!v->modified || v->marked)
        return 0;
    vdi_new_uuid(v->header + VDI_AT_UUID_MODIFIED);
    rc = v->image->write(v->host, 0, 0, VDI_SECTOR, v->header);
    if (rc == 0)
        v->marked = 1;
    return rc;
}

void vdi_close(void *self)
{
    struct vdi *v = self;

    if (v->writable) {
        (void)vdi_before_flush(v);
        (void)fill_up(v, NULL);
    }
    v->image->free(v->host, v->map);
    v->image->free(v->host, v->used);
    v->map = NULL;
    v->used = NULL;
}
