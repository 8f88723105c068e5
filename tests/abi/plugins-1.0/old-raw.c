/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "raw": the file is the disk. The engine moves the data by itself
 * (TN_FORMAT_PASS); what is left is sizes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/block-plugin.h>

#define SECTOR 512u

struct raw {
    struct tn_host *host;
};

static const struct tn_image *image_of(struct raw *raw)
{
    return tn_service(raw->host, TN_HOST_IMAGE);
}

static int32_t raw_new(struct tn_host *host, void **self)
{
    struct raw *raw = calloc(1, sizeof *raw);

    if (!raw)
        return -ENOMEM;
    raw->host = host;
    *self = raw;
    return 0;
}

static void raw_destroy(void *self)
{
    free(self);
}

static uint32_t raw_probe(const uint8_t *header, uint32_t bytes,
                          uint64_t length)
{
    (void)header;
    (void)bytes;
    (void)length;
    return 1;
}

static int32_t raw_open(void *self, uint32_t flags,
                        struct tn_image_info *info, struct tn_error *error)
{
    struct raw *raw = self;
    uint64_t bytes = image_of(raw)->length(raw->host, TN_IMAGE_FILE_SELF);

    (void)flags;
    (void)error;
    info->flags = TN_FORMAT_PASS | TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
    /* A last, partial sector reads as filled up with zeroes. */
    info->bytes = (bytes + SECTOR - 1) / SECTOR * SECTOR;
    strcpy(info->format_version, "raw");
    return 0;
}

static void raw_close(void *self)
{
    (void)self;
}

static int32_t raw_map(void *self, uint64_t offset, uint64_t bytes,
                       struct tn_extent *extents, uint32_t max)
{
    (void)self;
    (void)max;
    extents[0] = (struct tn_extent){.kind = TN_EXTENT_DATA,
                                    .flags = TN_EXTENT_WRITABLE,
                                    .offset = offset,
                                    .bytes = bytes,
                                    .at = offset};
    return 1;
}

static int32_t raw_create(void *self, const struct tn_create *create,
                          struct tn_error *error)
{
    struct raw *raw = self;

    if (create->backing)
        return tn_fail(raw->host, error, -ENOTSUP,
                       "a raw image cannot be based on another one");
    return image_of(raw)->set_length(raw->host, TN_IMAGE_FILE_SELF,
                                     create->bytes, error);
}

static int32_t raw_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct raw *raw = self;

    return image_of(raw)->set_length(raw->host, TN_IMAGE_FILE_SELF, bytes,
                                     error);
}

static const struct tn_format raw_format = {
    .size = sizeof raw_format,
    .probe = raw_probe,
    .open = raw_open,
    .close = raw_close,
    .map = raw_map,
    .create = raw_create,
    .resize = raw_resize,
};

static const void *raw_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &raw_format;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-old-raw",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Raw disk images"},
};

TN_COMPONENT_INFO(raw_component, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, raw_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 0), .id = "old-raw",
             .summary = "The bytes of the file are the disk"},
};

static const struct tn_component_ops raw_ops = {
    .size = sizeof raw_ops,
    .create = raw_new,
    .destroy = raw_destroy,
    .get_interface = raw_interface,
};

TN_COMPONENT(raw, raw_component, raw_ops);
TN_PLUGIN_ENTRY(plugin_info, &raw)
