/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "cloop": compressed loop images, version 2, read only. A shell script
 * of 128 bytes, the block size and number of blocks, the offset of each block
 * and of the end, then blocks compressed with zlib. All big-endian.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <tenon/block-plugin.h>

#include "bytes/bytes.h"

#define MAGIC "#!/bin/sh\n#V2.0 Format\n"
#define AT_BLOCK_BYTES 128u
#define AT_BLOCKS 132u
#define AT_OFFSETS 136u
#define MAX_BLOCK (2u << 20)
#define MAX_STORED (4u << 20)

struct cloop {
    struct tn_host *host;
    const struct tn_image *image;
    uint32_t block_bytes;
    uint32_t blocks;
    uint64_t *offsets; /* blocks + 1 */
};

static int32_t cloop_new(struct tn_host *host, void **self)
{
    struct cloop *cloop = calloc(1, sizeof *cloop);

    if (!cloop)
        return -ENOMEM;
    cloop->host = host;
    *self = cloop;
    return 0;
}

static void cloop_close(void *self)
{
    struct cloop *cloop = self;

    if (cloop->image)
        cloop->image->free(cloop->host, cloop->offsets);
    cloop->offsets = NULL;
}

static void cloop_destroy(void *self)
{
    free(self);
}

static uint32_t cloop_probe(const uint8_t *header, uint32_t bytes,
                            uint64_t length)
{
    (void)length;
    return bytes >= AT_OFFSETS && !memcmp(header, MAGIC, strlen(MAGIC)) ? 80
                                                                        : 0;
}

/* Each block lies in the file, after the one before it. */
static int32_t check_offsets(struct cloop *cloop, struct tn_error *error)
{
    uint64_t length =
        cloop->image->length(cloop->host, TN_IMAGE_FILE_SELF);

    for (uint32_t i = 0; i <= cloop->blocks; i++)
        cloop->offsets[i] = get_be64(&cloop->offsets[i]);
    for (uint32_t i = 0; i < cloop->blocks; i++)
        if (cloop->offsets[i + 1] < cloop->offsets[i] ||
            cloop->offsets[i + 1] - cloop->offsets[i] > MAX_STORED ||
            cloop->offsets[i + 1] > length)
            return tn_fail(cloop->host, error, -EINVAL,
                           "the image is damaged: the place of block %u", i);
    return 0;
}

static int32_t read_table(struct cloop *cloop, struct tn_error *error)
{
    uint64_t length =
        cloop->image->length(cloop->host, TN_IMAGE_FILE_SELF);
    uint64_t bytes = ((uint64_t)cloop->blocks + 1) * sizeof(uint64_t);
    int32_t rc;

    if (bytes > length)
        return tn_fail(cloop->host, error, -EINVAL,
                       "the image is damaged: %u blocks are more than there "
                       "is room for", cloop->blocks);
    cloop->offsets = cloop->image->allocate(cloop->host, bytes);
    if (!cloop->offsets)
        return tn_fail(cloop->host, error, -ENOMEM,
                       "its table needs too much memory");
    rc = cloop->image->pread(cloop->host, TN_IMAGE_FILE_SELF, AT_OFFSETS,
                             cloop->offsets, bytes);
    return rc ? tn_fail(cloop->host, error, rc, "it cannot be read: %s",
                        strerror(-rc))
              : check_offsets(cloop, error);
}

static int32_t cloop_open(void *self, uint32_t flags,
                          struct tn_image_info *info, struct tn_error *error)
{
    struct cloop *cloop = self;
    uint8_t header[AT_OFFSETS];
    int32_t rc;

    cloop->image = tn_service(cloop->host, TN_HOST_IMAGE);
    if (flags & TN_IMAGE_WRITABLE)
        return tn_fail(cloop->host, error, -EROFS,
                       "cloop images can only be read");
    rc = cloop->image->pread(cloop->host, TN_IMAGE_FILE_SELF, 0, header,
                             sizeof header);
    if (rc)
        return tn_fail(cloop->host, error, rc, "it cannot be read: %s",
                       strerror(-rc));
    cloop->block_bytes = get_be32(header + AT_BLOCK_BYTES);
    cloop->blocks = get_be32(header + AT_BLOCKS);
    if (!cloop->block_bytes || cloop->block_bytes % 512 ||
        cloop->block_bytes > MAX_BLOCK)
        return tn_fail(cloop->host, error, -EINVAL,
                       "its blocks have %u bytes; there may be a multiple of "
                       "512, up to %u", cloop->block_bytes, MAX_BLOCK);
    rc = read_table(cloop, error);
    if (rc) {
        cloop_close(cloop);
        return rc;
    }
    info->bytes = (uint64_t)cloop->blocks * cloop->block_bytes;
    info->cluster_bytes = cloop->block_bytes;
    info->flags = TN_FORMAT_COMPRESSED;
    strcpy(info->format_version, "cloop v2");
    return 0;
}

static int32_t cloop_map(void *self, uint64_t offset, uint64_t bytes,
                         struct tn_extent *extents, uint32_t max)
{
    struct cloop *cloop = self;
    uint64_t index = offset / cloop->block_bytes;
    uint32_t n = 0;

    for (; n < max && index < cloop->blocks &&
           index * cloop->block_bytes < offset + bytes;
         n++, index++)
        extents[n] = (struct tn_extent){
            .kind = TN_EXTENT_COMPRESSED,
            .offset = index * cloop->block_bytes,
            .bytes = cloop->block_bytes,
            .at = cloop->offsets[index],
            .stored = cloop->offsets[index + 1] - cloop->offsets[index],
            .unit = index * cloop->block_bytes,
            .unit_bytes = cloop->block_bytes,
        };
    return n ? (int32_t)n : -EIO;
}

static int32_t cloop_decode(void *self, const struct tn_extent *extent,
                            const void *stored, uint64_t stored_bytes,
                            void *data)
{
    uLongf made = (uLongf)extent->unit_bytes;

    (void)self;
    return uncompress(data, &made, stored, (uLong)stored_bytes) == Z_OK &&
                   made == extent->unit_bytes
               ? 0
               : -EIO;
}

static const struct tn_format cloop_format = {
    .size = sizeof cloop_format,
    .probe = cloop_probe,
    .open = cloop_open,
    .close = cloop_close,
    .map = cloop_map,
    .decode = cloop_decode,
};

static const void *cloop_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &cloop_format;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-cloop",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Compressed loop images, read only"},
};

TN_COMPONENT_INFO(cloop_component, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, cloop_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 0), .id = "cloop",
             .provides = "0:23212f62696e2f73680a2356322e3020466f726d61740a",
             .summary = "Compressed loop images, version 2"},
};

static const struct tn_component_ops cloop_ops = {
    .size = sizeof cloop_ops,
    .create = cloop_new,
    .destroy = cloop_destroy,
    .get_interface = cloop_interface,
};

TN_COMPONENT(cloop, cloop_component, cloop_ops);
TN_PLUGIN_ENTRY(plugin_info, &cloop)
