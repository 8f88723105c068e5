/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "bochs": growing disks of the Bochs emulator, versions 1 and 2, read
 * only. Bochs Development Guide, "Harddisk Images", redolog: a header, a
 * catalog of extents, and each extent a bitmap of the sectors that it has and
 * room for all of them. All little-endian.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/block-plugin.h>

#include "bytes/bytes.h"

#define HEADER_BYTES 512u
#define MAGIC "Bochs Virtual HD Image"
#define AT_TYPE 32u
#define AT_SUBTYPE 48u
#define AT_VERSION 64u
#define AT_HEADER 68u
#define AT_CATALOG 72u
#define AT_BITMAP 76u
#define AT_EXTENT 80u
#define AT_DISK_V1 84u
#define AT_DISK_V2 88u
#define VERSION_1 0x00010000u
#define VERSION_2 0x00020000u
#define NOT_THERE 0xffffffffu

#define SECTOR 512u
#define MAX_CATALOG (1u << 22)
#define MAX_EXTENT (1u << 28)

struct bochs {
    struct tn_host *host;
    const struct tn_image *image;
    uint32_t *catalog;
    uint32_t entries;
    uint32_t extent_bytes;
    uint32_t bitmap_bytes;  /* in whole sectors */
    uint64_t data;          /* where the first extent is */
    uint64_t length;        /* of the file */
    uint64_t bytes;
};

static int32_t bochs_new(struct tn_host *host, void **self)
{
    struct bochs *bochs = calloc(1, sizeof *bochs);

    if (!bochs)
        return -ENOMEM;
    bochs->host = host;
    *self = bochs;
    return 0;
}

static void bochs_close(void *self)
{
    struct bochs *bochs = self;

    if (bochs->image)
        bochs->image->free(bochs->host, bochs->catalog);
    bochs->catalog = NULL;
}

static void bochs_destroy(void *self)
{
    free(self);
}

static uint32_t bochs_probe(const uint8_t *header, uint32_t bytes,
                            uint64_t length)
{
    (void)length;
    return bytes >= HEADER_BYTES &&
                   !memcmp(header, MAGIC, sizeof MAGIC) &&
                   !memcmp(header + AT_TYPE, "Redolog", 8) &&
                   !memcmp(header + AT_SUBTYPE, "Growing", 8) &&
                   (get_le32(header + AT_VERSION) == VERSION_1 ||
                    get_le32(header + AT_VERSION) == VERSION_2)
               ? 100
               : 0;
}

/* ---- open ---- */

static int32_t parse(struct bochs *bochs, const uint8_t *header,
                     struct tn_error *error)
{
    uint32_t bitmap = get_le32(header + AT_BITMAP);

    if (!bochs_probe(header, HEADER_BYTES, 0))
        return tn_fail(bochs->host, error, -EINVAL,
                       "it is no growing image of version 1 or 2");
    bochs->bytes = get_le32(header + AT_VERSION) == VERSION_1
                       ? get_le64(header + AT_DISK_V1)
                       : get_le64(header + AT_DISK_V2);
    bochs->entries = get_le32(header + AT_CATALOG);
    bochs->extent_bytes = get_le32(header + AT_EXTENT);
    if (bochs->bytes > (uint64_t)INT64_MAX || bochs->bytes % SECTOR ||
        bochs->entries > MAX_CATALOG || bochs->extent_bytes < SECTOR ||
        bochs->extent_bytes % SECTOR || bochs->extent_bytes > MAX_EXTENT ||
        bitmap > MAX_EXTENT ||
        (uint64_t)bitmap * 8 < bochs->extent_bytes / SECTOR ||
        (uint64_t)bochs->entries * bochs->extent_bytes < bochs->bytes)
        return tn_fail(bochs->host, error, -EINVAL,
                       "the image is damaged: its header makes no sense");
    bochs->bitmap_bytes = (bitmap + SECTOR - 1) / SECTOR * SECTOR;
    bochs->data = (uint64_t)get_le32(header + AT_HEADER) +
                  (uint64_t)bochs->entries * 4;
    return 0;
}

static int32_t read_catalog(struct bochs *bochs, uint32_t at,
                            struct tn_error *error)
{
    uint64_t bytes = (uint64_t)bochs->entries * 4;
    int32_t rc;

    if (at > bochs->length || bytes > bochs->length - at)
        return tn_fail(bochs->host, error, -EINVAL,
                       "the image is damaged: its catalog is cut off");
    bochs->catalog = bochs->image->allocate(bochs->host, bytes + 1);
    if (!bochs->catalog)
        return tn_fail(bochs->host, error, -ENOMEM,
                       "its catalog needs too much memory");
    rc = bochs->image->pread(bochs->host, TN_IMAGE_FILE_SELF, at,
                             bochs->catalog, bytes);
    return rc ? tn_fail(bochs->host, error, rc, "it cannot be read: %s",
                        strerror(-rc))
              : 0;
}

static int32_t bochs_open(void *self, uint32_t flags,
                          struct tn_image_info *info, struct tn_error *error)
{
    struct bochs *bochs = self;
    uint8_t header[HEADER_BYTES];
    int32_t rc;

    bochs->image = tn_service(bochs->host, TN_HOST_IMAGE);
    if (flags & TN_IMAGE_WRITABLE)
        return tn_fail(bochs->host, error, -EROFS,
                       "bochs images can only be read");
    bochs->length = bochs->image->length(bochs->host, TN_IMAGE_FILE_SELF);
    rc = bochs->image->pread(bochs->host, TN_IMAGE_FILE_SELF, 0, header,
                             sizeof header);
    rc = rc ? tn_fail(bochs->host, error, rc, "it cannot be read: %s",
                      strerror(-rc))
            : parse(bochs, header, error);
    if (!rc)
        rc = read_catalog(bochs, get_le32(header + AT_HEADER), error);
    if (rc) {
        bochs_close(bochs);
        return rc;
    }
    info->bytes = bochs->bytes;
    info->cluster_bytes = bochs->extent_bytes;
    strcpy(info->format_version,
           get_le32(header + AT_VERSION) == VERSION_1 ? "bochs v1"
                                                      : "bochs v2");
    return 0;
}

/* ---- map ---- */

/* Where the bitmap of the extent with OFFSET is; 0: there is no extent. */
static uint64_t find_bitmap(const struct bochs *bochs, uint64_t offset)
{
    uint32_t entry =
        get_le32(&bochs->catalog[offset / bochs->extent_bytes]);
    uint64_t unit = (uint64_t)bochs->bitmap_bytes + bochs->extent_bytes;

    return entry == NOT_THERE ? 0 : bochs->data + entry * unit;
}

/* For how many sectors, up to COUNT, the bits from FIRST on are as its own;
 * *IS_SET says how. */
static int64_t count_bits(struct bochs *bochs, uint64_t bitmap, uint32_t first,
                          uint32_t count, uint32_t *is_set)
{
    uint32_t n = 0;

    while (n < count) {
        const void *data;
        uint8_t byte;
        int32_t rc = bochs->image->read(bochs->host, TN_IMAGE_FILE_SELF,
                                        bitmap + (first + n) / 8, 1, &data);

        if (rc)
            return rc;
        byte = *(const uint8_t *)data;
        if (!n)
            *is_set = byte >> (first % 8) & 1;
        do {
            if ((byte >> ((first + n) % 8) & 1u) != *is_set)
                return n;
            n++;
        } while (n < count && (first + n) % 8);
    }
    return n;
}

static int32_t map_one(struct bochs *bochs, uint64_t offset, uint64_t end,
                       struct tn_extent *e)
{
    uint64_t inside = offset % bochs->extent_bytes;
    uint64_t room = bochs->extent_bytes - inside;
    uint64_t bitmap = find_bitmap(bochs, offset);
    uint32_t is_set = 0;
    int64_t n;

    room = room < end - offset ? room : end - offset;
    *e = (struct tn_extent){
        .kind = TN_EXTENT_ZERO, .offset = offset, .bytes = room};
    if (!bitmap)
        return 0;
    if (bitmap >= bochs->length)
        return -EIO;
    n = count_bits(bochs, bitmap, (uint32_t)(inside / SECTOR),
                   (uint32_t)(room / SECTOR), &is_set);
    if (n < 0)
        return (int32_t)n;
    e->bytes = (uint64_t)n * SECTOR;
    if (is_set) {
        e->kind = TN_EXTENT_DATA;
        e->at = bitmap + bochs->bitmap_bytes + inside;
    }
    return 0;
}

static int32_t bochs_map(void *self, uint64_t offset, uint64_t bytes,
                         struct tn_extent *extents, uint32_t max)
{
    struct bochs *bochs = self;
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    end = end < bochs->bytes ? end : bochs->bytes;
    offset -= offset % SECTOR;
    end += (SECTOR - end % SECTOR) % SECTOR;
    for (; n < max && offset < end; n++) {
        int32_t rc = map_one(bochs, offset, end, &extents[n]);

        if (rc)
            return rc;
        offset += extents[n].bytes;
    }
    return n ? (int32_t)n : -EIO;
}

static const struct tn_format bochs_format = {
    .size = sizeof bochs_format,
    .probe = bochs_probe,
    .open = bochs_open,
    .close = bochs_close,
    .map = bochs_map,
};

static const void *bochs_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &bochs_format;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-bochs",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Growing disks of Bochs, read only"},
};

TN_COMPONENT_INFO(bochs_component, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, bochs_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 0), .id = "bochs",
             .provides = "0:426f636873205669727475616c20484420496d616765",
             .summary = "Growing disks of the Bochs emulator"},
};

static const struct tn_component_ops bochs_ops = {
    .size = sizeof bochs_ops,
    .create = bochs_new,
    .destroy = bochs_destroy,
    .get_interface = bochs_interface,
};

TN_COMPONENT(bochs, bochs_component, bochs_ops);
TN_PLUGIN_ENTRY(plugin_info, &bochs)
