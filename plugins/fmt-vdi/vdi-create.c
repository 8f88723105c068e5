/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image: header, map, and room up to the first block, which is aligned
 * so that the map can grow.
 */
#include "vdi.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define MOST_ALIGNMENT (1u << 20)
#define HEADER_BYTES 400u
#define CHUNK (1u << 20) /* the map is written in pieces */

struct layout {
    uint64_t bytes, blocks, data_at;
    uint32_t block, fixed, mode;
};

void vdi_new_uuid(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) != 16)
        memset(uuid, 0x5a, 16);
    uuid[7] = (uint8_t)((uuid[7] & 0x0f) | 0x40); /* RFC 4122, version 4, */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* time fields swapped */
}

static int32_t lay_out(struct vdi *v, const struct tn_create *c,
                       struct layout *l, struct tn_error *error)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    uint64_t block = props->get_uint(v->host, "block-size"), align;

    if (block < 4096 || block > 64u << 20 || block & (block - 1))
        return tn_fail(v->host, error, -EINVAL,
                       "block-size must be a power of two, 4K to 64M");
    if (c->backing)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a VDI image cannot name a backing image");
    l->bytes = c->bytes;
    l->block = (uint32_t)block;
    l->blocks = c->bytes / block + (c->bytes % block != 0);
    if (l->blocks > VDI_MAX_BLOCKS)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large for blocks of %llu bytes",
                       (unsigned long long)block);
    align = block < MOST_ALIGNMENT ? block : MOST_ALIGNMENT;
    l->data_at = (VDI_SECTOR + l->blocks * 4 + align - 1) / align * align;
    if (l->data_at > UINT32_MAX)
        return tn_fail(v->host, error, -EFBIG, "the disk is too large");
    l->mode = (uint32_t)props->get_uint(v->host, "preallocation");
    l->fixed = props->get_uint(v->host, "static") || l->mode;
    return 0;
}

static void fill_header(uint8_t *h, const struct layout *l)
{
    memcpy(h, "<<< Oracle VM VirtualBox Disk Image >>>\n", 40);
    put_le32(h + VDI_AT_SIGNATURE, VDI_SIGNATURE);
    put_le32(h + VDI_AT_VERSION, VDI_VERSION_1_1);
    put_le32(h + VDI_AT_HEADER_BYTES, HEADER_BYTES);
    put_le32(h + VDI_AT_TYPE, l->fixed ? VDI_STATIC : VDI_DYNAMIC);
    put_le32(h + VDI_AT_MAP, VDI_SECTOR);
    put_le32(h + VDI_AT_DATA, (uint32_t)l->data_at);
    put_le32(h + VDI_AT_SECTOR_BYTES, VDI_SECTOR);
    put_le64(h + VDI_AT_BYTES, l->bytes);
    put_le32(h + VDI_AT_BLOCK_BYTES, l->block);
    put_le32(h + VDI_AT_BLOCKS, (uint32_t)l->blocks);
    put_le32(h + VDI_AT_ALLOCATED, l->fixed ? (uint32_t)l->blocks : 0);
    vdi_new_uuid(h + VDI_AT_UUID);
    vdi_new_uuid(h + VDI_AT_UUID_MODIFIED);
}

static int32_t write_map(struct vdi *v, const struct layout *l)
{
    uint8_t *piece = v->image->allocate(v->host, CHUNK);
    int32_t rc = piece ? 0 : -ENOMEM;

    for (uint64_t first = 0; rc == 0 && first < l->blocks;
         first += CHUNK / 4) {
        uint64_t n = l->blocks - first;

        if (n > CHUNK / 4)
            n = CHUNK / 4;
        for (uint64_t i = 0; i < n; i++)
            put_le32(piece + i * 4,
                     l->fixed ? (uint32_t)(first + i) : VDI_FREE);
        rc = v->image->pwrite(v->host, 0, VDI_SECTOR + first * 4, piece,
                              n * 4);
    }
    v->image->free(v->host, piece);
    return rc;
}

int32_t vdi_create(void *self, const struct tn_create *c,
                   struct tn_error *error)
{
    struct vdi *v = self;
    struct layout l = {0};
    uint8_t header[VDI_SECTOR] = {0};
    uint64_t data_bytes;
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    rc = lay_out(v, c, &l, error);
    if (rc < 0)
        return rc;
    data_bytes = l.fixed ? l.blocks * l.block : 0;
    rc = v->image->set_length(v->host, 0, l.data_at, error);
    if (rc == 0 && data_bytes && l.mode >= TN_PREALLOCATE_FALLOC)
        rc = v->image->preallocate(v->host, 0, l.data_at, data_bytes, l.mode,
                                   error);
    else if (rc == 0 && data_bytes)
        rc = v->image->set_length(v->host, 0, l.data_at + data_bytes, error);
    if (rc == 0)
        rc = write_map(v, &l);
    if (rc < 0)
        return rc;
    fill_header(header, &l); /* last: until then it is no image */
    return v->image->pwrite(v->host, 0, 0, header, sizeof header);
}

int32_t vdi_measure(void *self, const struct tn_create *c,
                    struct tn_measure *m, struct tn_error *error)
{
    struct layout l = {0};
    int32_t rc = lay_out(self, c, &l, error);

    if (rc < 0)
        return rc;
    m->cluster_bytes = l.block;
    m->fully_allocated = l.data_at + l.blocks * l.block;
    m->required = l.fixed ? m->fully_allocated : l.data_at + m->data_bytes;
    return 0;
}
