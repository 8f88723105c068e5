/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "dmg": Apple's Universal Disk Image Format, read only. There is no
 * published specification; this follows what the community has written down
 * about the trailer, the "mish" tables and the kinds of chunks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dmg.h"

static int32_t dmg_new(struct tn_host *host, void **self)
{
    struct dmg *dmg = calloc(1, sizeof *dmg);

    if (!dmg)
        return -ENOMEM;
    dmg->host = host;
    *self = dmg;
    return 0;
}

static void dmg_close(void *self)
{
    struct dmg *dmg = self;

    if (dmg->image)
        dmg->image->free(dmg->host, dmg->chunks);
    dmg->chunks = NULL;
    dmg->n = dmg->room = 0;
}

static void dmg_destroy(void *self)
{
    free(self);
}

/* What marks it stands at the end of the file as a rule. */
static uint32_t dmg_probe(const uint8_t *header, uint32_t bytes,
                          uint64_t length)
{
    (void)length;
    return bytes >= 8 && !memcmp(header, "koly\0\0\0\4", 8) ? 90 : 0;
}

static int32_t dmg_open(void *self, uint32_t flags,
                        struct tn_image_info *info, struct tn_error *error)
{
    struct dmg *dmg = self;
    const struct dmg_chunk *last;
    uint64_t end;
    int32_t rc;

    dmg->image = tn_service(dmg->host, TN_HOST_IMAGE);
    if (flags & TN_IMAGE_WRITABLE)
        return tn_fail(dmg->host, error, -EROFS,
                       "dmg images can only be read");
    dmg->length = dmg->image->length(dmg->host, TN_IMAGE_FILE_SELF);
    rc = dmg_read_tables(dmg, error);
    if (rc) {
        dmg_close(dmg);
        return rc;
    }
    last = &dmg->chunks[dmg->n - 1];
    end = last->offset + last->bytes;
    info->bytes = dmg->sectors <= (uint64_t)INT64_MAX / DMG_SECTOR &&
                          dmg->sectors * DMG_SECTOR > end
                      ? dmg->sectors * DMG_SECTOR
                      : end;
    info->flags = TN_FORMAT_COMPRESSED;
    strcpy(info->format_version, "dmg");
    return 0;
}

/* The first chunk that ends after OFFSET. */
static uint32_t find_chunk(const struct dmg *dmg, uint64_t offset)
{
    uint32_t low = 0, high = dmg->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct dmg_chunk *c = &dmg->chunks[middle];

        if (c->offset + c->bytes <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct tn_extent extent_of(const struct dmg_chunk *c)
{
    struct tn_extent e = {.offset = c->offset, .bytes = c->bytes};

    if (c->type == DMG_ZERO || c->type == DMG_IGNORE) {
        e.kind = TN_EXTENT_ZERO;
        return e;
    }
    e.at = c->at;
    e.kind = c->type == DMG_RAW ? TN_EXTENT_DATA : TN_EXTENT_COMPRESSED;
    if (e.kind == TN_EXTENT_COMPRESSED) {
        e.codec = c->type;
        e.stored = c->stored;
        e.unit = c->offset;
        e.unit_bytes = c->bytes;
    }
    return e;
}

static int32_t dmg_map(void *self, uint64_t offset, uint64_t bytes,
                       struct tn_extent *extents, uint32_t max)
{
    struct dmg *dmg = self;
    uint64_t end = offset + bytes;
    uint32_t i = find_chunk(dmg, offset), n = 0;

    while (offset < end && n < max) {
        if (i < dmg->n && dmg->chunks[i].offset <= offset) {
            extents[n] = extent_of(&dmg->chunks[i]);
            offset = extents[n].offset + extents[n].bytes;
            i++;
        } else {
            uint64_t next = i < dmg->n ? dmg->chunks[i].offset : end;

            extents[n] = (struct tn_extent){.kind = TN_EXTENT_ZERO,
                                            .offset = offset,
                                            .bytes = next - offset};
            offset = next;
        }
        n++;
    }
    return (int32_t)n;
}

static const struct tn_format dmg_format = {
    .size = sizeof dmg_format,
    .probe = dmg_probe,
    .open = dmg_open,
    .close = dmg_close,
    .map = dmg_map,
    .decode = dmg_decode,
};

static const void *dmg_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &dmg_format;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-dmg",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Apple's disk images, read only"},
};

TN_COMPONENT_INFO(dmg_component, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, dmg_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 0), .id = "dmg",
             .provides = "0:6b6f6c7900000004,name:.dmg",
             .summary = "Apple's compressed disk images (UDIF)"},
};

static const struct tn_component_ops dmg_ops = {
    .size = sizeof dmg_ops,
    .create = dmg_new,
    .destroy = dmg_destroy,
    .get_interface = dmg_interface,
};

TN_COMPONENT(dmg, dmg_component, dmg_ops);
TN_PLUGIN_ENTRY(plugin_info, &dmg)
