/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device, as EDK2, U-Boot and Linux know it from
 * QEMU's specification (docs/specs/fw_cfg): items of bytes, chosen by key,
 * read through a data register or by DMA. Its registers are big-endian.
 */
#include "fw-cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REG_DATA 0u     /* 1..8 bytes, in the order of the item */
#define REG_SELECTOR 8u /* 16 bits */
#define REG_DMA 16u     /* 64 bits; writing the lower half starts it */
#define WINDOW 0x18u
#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

/* struct FWCfgDmaAccess: control, length, address, all big-endian. */
#define DMA_BYTES 16u
#define DMA_ERROR 0x01u
#define DMA_READ 0x02u
#define DMA_SKIP 0x04u
#define DMA_SELECT 0x08u /* the key is the upper half */
#define DMA_WRITE 0x10u

#define PIECE 65536u

static uint64_t big(const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static void select_item(struct fw_cfg *f, uint32_t key)
{
    f->key = key & 0xffff;
    f->offset = 0;
}

/* The item that is selected; keys without one read as zeroes. */
static const struct item *current(const struct fw_cfg *f)
{
    static const struct item none;
    uint32_t key = f->key & 0x3fff; /* write and architecture bits */

    return key < MAX_KEYS ? &f->items[key] : &none;
}

/* The next BYTES; zeroes after the end. */
static void take(struct fw_cfg *f, uint8_t *to, uint64_t bytes)
{
    const struct item *item = current(f);
    uint64_t left = f->offset < item->bytes ? item->bytes - f->offset : 0;
    uint64_t there = bytes < left ? bytes : left;

    if (to) {
        if (there)
            memcpy(to, item->data + f->offset, there);
        memset(to + there, 0, bytes - there);
    }
    f->offset = f->offset + bytes < f->offset ? UINT64_MAX : f->offset + bytes;
}

/* ---- DMA ---- */

static int32_t transfer(struct fw_cfg *f, uint64_t address, uint64_t length)
{
    uint8_t *piece = malloc(PIECE);
    int32_t rc = piece ? 0 : -ENOMEM;

    while (length && !rc) {
        uint64_t bytes = length < PIECE ? length : PIECE;

        take(f, piece, bytes);
        rc = f->memory->dma_write(f->host, address, piece, bytes);
        address += bytes;
        length -= bytes;
    }
    free(piece);
    return rc;
}

static void dma(struct fw_cfg *f, uint64_t at)
{
    uint8_t access[DMA_BYTES], result[4] = {0};
    uint32_t control;
    int32_t rc = 0;

    if (f->memory->dma_read(f->host, at, access, sizeof access)) {
        tn_logf(f->host, TN_LOG_GUEST, "no memory at %#llx for DMA",
                (unsigned long long)at);
        return;
    }
    control = (uint32_t)big(access, 4);
    if (control & DMA_SELECT)
        select_item(f, control >> 16);
    if (control & DMA_READ)
        rc = transfer(f, big(access + 8, 8), big(access + 4, 4));
    else if (control & DMA_WRITE)
        rc = -EROFS; /* no item can be written */
    else if (control & DMA_SKIP)
        take(f, NULL, big(access + 4, 4));
    if (rc)
        result[3] = DMA_ERROR;
    f->memory->dma_write(f->host, at, result, sizeof result);
}

/* ---- registers ---- */

static uint64_t fw_cfg_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct fw_cfg *f = opaque;
    uint8_t bytes[8];

    if (offset >= REG_DMA)
        return DMA_SIGNATURE >> (8 * (WINDOW - offset - size));
    if (offset >= REG_SELECTOR)
        return 0;
    take(f, bytes, size);
    return big(bytes, size);
}

static void fw_cfg_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct fw_cfg *f = opaque;
    uint64_t address;

    if (offset == REG_SELECTOR && size == 2) {
        select_item(f, (uint32_t)value);
    } else if (offset == REG_DMA && size == 8) {
        dma(f, value);
    } else if (offset == REG_DMA && size == 4) {
        f->dma_high = value;
    } else if (offset == REG_DMA + 4 && size == 4) {
        address = f->dma_high << 32 | value;
        f->dma_high = 0;
        dma(f, address);
    } else {
        tn_logf(f->host, TN_LOG_GUEST, "%u bytes written to +%#llx", size,
                (unsigned long long)offset);
    }
}

static const struct tn_region_ops fw_cfg_region = {
    .size = sizeof fw_cfg_region,
    .flags = TN_REGION_BIG_ENDIAN,
    .min_access = 1,
    .max_access = 8,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
};

/* ---- device tree: qemu,fw-cfg-mmio ---- */

static int32_t fw_cfg_describe(void *self, const struct tn_fdt *fdt)
{
    struct fw_cfg *f = self;
    uint64_t address = 0, bytes = 0;
    char name[32];

    f->memory->region_address(f->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "fw-cfg@%llx", (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", "qemu,fw-cfg-mmio");
    fdt->reg(fdt->builder);
    fdt->empty(fdt->builder, "dma-coherent");
    fdt->end(fdt->builder);
    return 0;
}

static const struct tn_fdt_node fw_cfg_fdt = {
    .size = sizeof fw_cfg_fdt,
    .describe = fw_cfg_describe,
};

/* ---- saved state ---- */

static const struct tn_field fw_cfg_fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct fw_cfg, key, 1),
    TN_FIELD(TN_FIELD_UINT, struct fw_cfg, offset, 1),
    TN_FIELD(TN_FIELD_UINT, struct fw_cfg, dma_high, 1),
};

static const struct tn_state fw_cfg_state = {
    .size = sizeof fw_cfg_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fw_cfg_fields / sizeof *fw_cfg_fields,
    .field_size = sizeof(struct tn_field),
    .fields = fw_cfg_fields,
};

/* ---- life cycle ---- */

static int32_t fw_cfg_create(struct tn_host *host, void **self)
{
    struct fw_cfg *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    f->host = host;
    *self = f;
    return 0;
}

static void fw_cfg_destroy(void *self)
{
    free(self);
}

static int32_t fw_cfg_realize(void *self, struct tn_error *error)
{
    struct fw_cfg *f = self;
    int32_t rc;

    f->memory = tn_service(f->host, TN_HOST_MEMORY);
    f->props = tn_service(f->host, TN_HOST_PROPS);
    f->tree = tn_service(f->host, TN_HOST_TREE);
    if (!f->memory || !f->tree)
        return tn_fail(f->host, error, -ENOSYS, "the host lacks a service");
    rc = items_make(f, error);
    if (!rc) {
        f->region =
            f->memory->new_mmio(f->host, "fw-cfg", WINDOW, &fw_cfg_region, f);
        rc = f->region ? 0 : -ENOMEM;
    }
    if (rc)
        items_free(f);
    return rc;
}

static void fw_cfg_unrealize(void *self)
{
    struct fw_cfg *f = self;

    f->memory->free_region(f->host, f->region);
    f->region = NULL;
    items_free(f);
}

static void fw_cfg_reset(void *self, uint32_t kind)
{
    struct fw_cfg *f = self;

    (void)kind;
    select_item(f, KEY_SIGNATURE);
    f->dma_high = 0;
}

static const void *fw_cfg_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &fw_cfg_fdt;
    return strcmp(id, TN_STATE) == 0 ? &fw_cfg_state : NULL;
}

static const struct tn_component_ops fw_cfg_ops = {
    .size = sizeof fw_cfg_ops,
    .create = fw_cfg_create,
    .destroy = fw_cfg_destroy,
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
    .get_interface = fw_cfg_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fw-cfg",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Firmware configuration device"},
};

#define PROPERTIES 4
TN_COMPONENT_INFO(fw_cfg_info, PROPERTIES) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, fw_cfg_info),
    .info = {TN_COMPONENT_INFO_DEVICE(PROPERTIES),
             .flags = TN_COMPONENT_SAVES, .id = "fw-cfg",
             .summary = "Firmware configuration device, memory mapped, DMA"},
    .properties =
        {
            {.name = "files",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_LIST,
             .doc = "Files for firmware and guest: NAME=PATH, for example "
                    "opt/org.example/key=/tmp/key"},
            {.name = "kernel",
             .type = TN_PROP_PATH,
             .doc = "Kernel that UEFI firmware starts"},
            {.name = "initrd",
             .type = TN_PROP_PATH,
             .doc = "Initial RAM disk of that kernel"},
            {.name = "cmdline",
             .type = TN_PROP_STRING,
             .doc = "Command line of that kernel"},
        },
};

TN_COMPONENT(fw_cfg_component, fw_cfg_info, fw_cfg_ops);

TN_PLUGIN_ENTRY(plugin_info, &fw_cfg_component)
