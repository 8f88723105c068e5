/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOR flash with the Common Flash Interface, as firmware keeps itself and its
 * variables in. Reads are plain memory as long as no command is under way, so
 * code runs from it; writes are commands.
 */
#include "flash-cfi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing back ---- */

static void write_work(void *opaque)
{
    image_write(opaque);
}

static void write_done(void *opaque)
{
    struct flash *f = opaque;

    f->writing = 0;
    for (uint64_t page = 0; page < f->size / PAGE; page++)
        if (__atomic_load_n(&f->dirty[page], __ATOMIC_SEQ_CST)) {
            f->loop->schedule(f->host, f->write_back);
            break;
        }
}

static void write_back(void *opaque)
{
    struct flash *f = opaque;

    if (f->writing)
        return; /* write_done() looks again */
    f->writing = 1;
    if (f->loop->work(f->host, write_work, write_done, f))
        f->writing = 0;
}

/* ---- device tree: mtd-physmap ---- */

static int32_t flash_describe(void *self, const struct tn_fdt *fdt)
{
    struct flash *f = self;
    const uint32_t width = BUS_BYTES;
    uint64_t address = 0, bytes = 0;
    char name[32];

    f->memory->region_address(f->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "flash@%llx", (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", "cfi-flash");
    fdt->reg(fdt->builder);
    fdt->u32(fdt->builder, "bank-width", &width, 1);
    fdt->end(fdt->builder);
    return 0;
}

static const struct tn_fdt_node flash_fdt = {
    .size = sizeof flash_fdt,
    .describe = flash_describe,
};

/* ---- saved state: the content is RAM, saved with the rest of it ---- */

static const struct tn_field flash_fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct flash, blank, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, mode, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, expect, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, status, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, buffer_count, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, buffer_done, 1),
    TN_FIELD(TN_FIELD_UINT, struct flash, buffer_start, 1),
    TN_FIELD_ARRAY(struct flash, buffer, 1),
    TN_FIELD_ARRAY(struct flash, buffer_set, 1),
};

static int32_t flash_loaded(void *self, uint32_t version,
                            struct tn_error *error)
{
    struct flash *f = self;

    (void)version;
    if (!flash_commands_sound(f)) {
        flash_reset_commands(f);
        return tn_fail(f->host, error, -EINVAL, "command state is not sound");
    }
    flash_apply_mode(f);
    return 0;
}

static const struct tn_state flash_state = {
    .size = sizeof flash_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof flash_fields / sizeof *flash_fields,
    .field_size = sizeof(struct tn_field),
    .fields = flash_fields,
    .loaded = flash_loaded,
};

/* ---- life cycle ---- */

static int32_t flash_create(struct tn_host *host, void **self)
{
    struct flash *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    f->host = host;
    f->fd = -1;
    *self = f;
    return 0;
}

static void flash_destroy(void *self)
{
    free(self);
}

static int32_t flash_configure(void *self, struct tn_error *error)
{
    struct flash *f = self;
    const struct tn_props *props = tn_service(f->host, TN_HOST_PROPS);
    uint64_t sector = props->get_uint(f->host, "sector");

    f->size = props->get_uint(f->host, "size");
    f->read_only = props->get_uint(f->host, "readonly") ? 1 : 0;
    if (sector < PAGE || sector > f->size || (sector & (sector - 1)) ||
        (f->size & (f->size - 1)))
        return tn_fail(f->host, error, -EINVAL,
                       "size and sector must be powers of two, and a sector "
                       "no larger than the whole");
    f->sector = (uint32_t)sector;
    return 0;
}

static void release(struct flash *f)
{
    if (f->write_back)
        f->loop->free_task(f->host, f->write_back);
    f->write_back = NULL;
    image_close(f);
    if (f->region)
        f->memory->free_region(f->host, f->region);
    f->region = NULL;
}

static int32_t flash_realize(void *self, struct tn_error *error)
{
    struct flash *f = self;
    const struct tn_props *props = tn_service(f->host, TN_HOST_PROPS);
    const char *image = props->get_string(f->host, "image");
    void *bytes = NULL;
    int32_t rc = 0;

    f->memory = tn_service(f->host, TN_HOST_MEMORY);
    f->loop = tn_service(f->host, TN_HOST_LOOP);
    if (!f->memory || !f->loop)
        return tn_fail(f->host, error, -ENOSYS, "the host lacks a service");
    f->region = f->memory->new_ram(f->host, "flash", f->size, 0, &bytes);
    if (!f->region)
        return -ENOMEM;
    f->bytes = bytes;
    f->blank = 1;
    f->write_back = f->loop->new_task(f->host, write_back, f);
    if (!f->write_back)
        rc = -ENOMEM;
    if (!rc && image && *image)
        rc = image_open(f, image, error);
    if (!rc)
        rc = f->memory->set_rom_ops(f->host, f->region, &flash_region, f);
    if (rc)
        release(f);
    else
        flash_reset_commands(f);
    return rc;
}

static void flash_unrealize(void *self)
{
    release(self);
}

static void flash_reset(void *self, uint32_t kind)
{
    (void)kind;
    flash_reset_commands(self);
}

static void flash_stop(void *self)
{
    image_write(self);
}

static const void *flash_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &flash_fdt;
    return strcmp(id, TN_STATE) == 0 ? &flash_state : NULL;
}

static const struct tn_component_ops flash_ops = {
    .size = sizeof flash_ops,
    .create = flash_create,
    .destroy = flash_destroy,
    .configure = flash_configure,
    .realize = flash_realize,
    .unrealize = flash_unrealize,
    .reset = flash_reset,
    .stop = flash_stop,
    .get_interface = flash_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "flash-cfi",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "NOR flash with the Common Flash Interface"},
};

#define PROPERTIES 4
TN_COMPONENT_INFO(flash_info, PROPERTIES) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, flash_info),
    .info = {TN_COMPONENT_INFO_DEVICE(PROPERTIES),
             .flags = TN_COMPONENT_SAVES, .id = "flash-cfi",
             .summary = "NOR flash, two 16-bit chips, Intel command set"},
    .properties =
        {
            {.name = "image",
             .type = TN_PROP_PATH,
             .doc = "File with the content, written back; default is blank "
                    "flash that is forgotten"},
            {.name = "readonly",
             .type = TN_PROP_BOOL,
             .default_value = "no",
             .doc = "Refuse programming and erasing"},
            {.name = "size",
             .type = TN_PROP_SIZE,
             .default_value = "32M",
             .minimum = "64K",
             .maximum = "256M",
             .unit = "bytes",
             .doc = "Size of the bank, a power of two"},
            {.name = "sector",
             .type = TN_PROP_SIZE,
             .default_value = "256K",
             .unit = "bytes",
             .doc = "What is erased at once, a power of two"},
        },
};

TN_COMPONENT(flash_component, flash_info, flash_ops);

TN_PLUGIN_ENTRY(plugin_info, &flash_component)
