/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio block device: virtio 1.2 section 5.2. Configuration space, features,
 * life. The disk itself is the block engine's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/state.h>
#include <tenon/tree.h>

#include "virtio-blk.h"

#define DEVICE_ID 2u
#define PCI_CLASS 0x018000u /* mass storage, other */
#define MOST_AUTO_QUEUES 8u
#define MOST_SECTORS (UINT32_C(1) << 22) /* of a discarded range: 2 GiB */

/* Section 5.2.4. */
#define CONFIG_BYTES 60u
#define CONFIG_CAPACITY 0u
#define CONFIG_SIZE_MAX 8u
#define CONFIG_SEG_MAX 12u
#define CONFIG_BLK_SIZE 20u
#define CONFIG_PHYSICAL_EXP 24u
#define CONFIG_MIN_IO 26u
#define CONFIG_OPT_IO 28u
#define CONFIG_WRITEBACK 32u
#define CONFIG_NUM_QUEUES 34u
#define CONFIG_MAX_DISCARD_SECTORS 36u
#define CONFIG_MAX_DISCARD_SEG 40u
#define CONFIG_DISCARD_ALIGNMENT 44u
#define CONFIG_MAX_ZEROES_SECTORS 48u
#define CONFIG_MAX_ZEROES_SEG 52u
#define CONFIG_ZEROES_MAY_UNMAP 56u

static uint32_t has(const struct blk *blk, uint32_t feature)
{
    return (uint32_t)(blk->features >> feature & 1);
}

/* ---- configuration space ---- */

static void set_writeback(struct blk *blk, uint8_t writeback)
{
    blk->writeback = writeback;
    if (blk->disk)
        blk->blocks->set_writeback(blk->host, blk->disk, writeback);
}

static void put(uint8_t *config, uint32_t at, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        config[at + i] = (uint8_t)(value >> (8 * i));
}

static uint32_t seg_max(const struct blk *blk)
{
    /* Header and status take a descriptor each. */
    return blk->queue_size > 2 ? blk->queue_size - 2 : 1;
}

/* Of one range to discard or zero. */
static uint64_t most_sectors(const struct blk *blk)
{
    uint64_t most = blk->info.max_discard_bytes >> SECTOR_SHIFT;

    return most && most < MOST_SECTORS ? most : MOST_SECTORS;
}

static void fill_config(const struct blk *blk, uint8_t config[CONFIG_BYTES])
{
    const struct tn_disk_info *info = &blk->info;
    uint32_t logical = info->block_bytes;
    uint32_t physical = info->physical_bytes;
    uint32_t discard = info->discard_bytes;
    uint32_t exp = 0;

    if (discard < logical)
        discard = logical;
    if (physical < logical)
        physical = logical;
    while (logical << exp < physical)
        exp++;
    memset(config, 0, CONFIG_BYTES);
    put(config, CONFIG_CAPACITY, info->bytes >> SECTOR_SHIFT, 8);
    put(config, CONFIG_SIZE_MAX, blk->size_max, 4);
    put(config, CONFIG_SEG_MAX, seg_max(blk), 4);
    put(config, CONFIG_BLK_SIZE, logical, 4);
    put(config, CONFIG_PHYSICAL_EXP, exp, 1);
    put(config, CONFIG_MIN_IO, physical / logical, 2);
    put(config, CONFIG_OPT_IO, info->optimal_bytes / logical, 4);
    put(config, CONFIG_WRITEBACK, blk->writeback, 1);
    put(config, CONFIG_NUM_QUEUES, blk->n_queues, 2);
    put(config, CONFIG_MAX_DISCARD_SECTORS, most_sectors(blk), 4);
    put(config, CONFIG_MAX_DISCARD_SEG, MOST_RANGES, 4);
    put(config, CONFIG_DISCARD_ALIGNMENT, discard / SECTOR_BYTES, 4);
    put(config, CONFIG_MAX_ZEROES_SECTORS, most_sectors(blk), 4);
    put(config, CONFIG_MAX_ZEROES_SEG, MOST_RANGES, 4);
    put(config, CONFIG_ZEROES_MAY_UNMAP, 1, 1);
}

static uint32_t blk_config_size(void *self)
{
    (void)self;
    return CONFIG_BYTES;
}

static void blk_config_read(void *self, uint32_t offset, void *to,
                            uint32_t bytes)
{
    uint8_t config[CONFIG_BYTES];

    fill_config(self, config);
    memcpy(to, config + offset, bytes);
}

static void blk_config_write(void *self, uint32_t offset, const void *from,
                             uint32_t bytes)
{
    struct blk *blk = self;

    if (offset == CONFIG_WRITEBACK && bytes == 1 && has(blk, F_CONFIG_WCE))
        set_writeback(blk, *(const uint8_t *)from & 1);
}

/* ---- features, queues ---- */

static uint64_t blk_features(void *self, uint32_t word)
{
    const struct blk *blk = self;
    uint32_t flags = blk->info.flags;
    uint64_t features = TN_VIRTIO_BIT(F_SEG_MAX) | TN_VIRTIO_BIT(F_BLK_SIZE) |
                        TN_VIRTIO_BIT(F_TOPOLOGY) | TN_VIRTIO_BIT(F_FLUSH);

    if (word)
        return 0;
    if (blk->size_max)
        features |= TN_VIRTIO_BIT(F_SIZE_MAX);
    if (blk->n_queues > 1)
        features |= TN_VIRTIO_BIT(F_MQ);
    if (flags & TN_DISK_READ_ONLY)
        return features | TN_VIRTIO_BIT(F_RO);
    features |= TN_VIRTIO_BIT(F_CONFIG_WCE);
    if (blk->discard && flags & TN_DISK_CAN_DISCARD)
        features |= TN_VIRTIO_BIT(F_DISCARD);
    return features | TN_VIRTIO_BIT(F_WRITE_ZEROES);
}

static int32_t blk_set_features(void *self, uint64_t features)
{
    struct blk *blk = self;

    blk->features = features;
    /* A driver that cannot flush expects no cache (section 5.2.5.2). */
    if (!has(blk, F_FLUSH) && !has(blk, F_CONFIG_WCE))
        set_writeback(blk, 0);
    return 0;
}

static uint32_t blk_queue_count(void *self)
{
    const struct blk *blk = self;

    return blk->n_queues;
}

static uint32_t blk_queue_size(void *self, uint32_t queue)
{
    const struct blk *blk = self;

    (void)queue;
    return blk->queue_size;
}

static void flush_queues(void *opaque)
{
    struct blk *blk = opaque;

    for (uint32_t i = 0; i < blk->n_queues; i++) {
        uint64_t bit = (uint64_t)1 << i % 64;

        if (!(blk->unflushed[i / 64] & bit))
            continue;
        blk->unflushed[i / 64] &= ~bit;
        blk->transport->flush(blk->virtio, i);
    }
}

static void blk_notify(void *self, uint32_t queue)
{
    struct blk *blk = self;
    struct tn_virtio_chain *chain;

    while ((chain = blk->transport->pop(blk->virtio, queue)))
        blk_request_start(blk, chain);
    /* What was answered at once. */
    flush_queues(blk);
}

/* A driver that thinks the device reset uses its buffers for other things,
 * and the one of virtio-mmio is not told to wait (section 4.2.2): what is
 * under way must end first. The transport drops it. */
static void blk_device_reset(void *self)
{
    struct blk *blk = self;

    blk->features = 0;
    set_writeback(blk, blk->default_writeback);
    memset(blk->unflushed, 0, sizeof blk->unflushed);
    if (blk->in_flight)
        blk->blocks->drain(blk->host, blk->disk);
}

static const struct tn_virtio_device device = {
    .size = sizeof(struct tn_virtio_device),
    .device_id = DEVICE_ID,
    .pci_class = PCI_CLASS,
    .chain_room = sizeof(struct blk_request),
    .queue_count = blk_queue_count,
    .queue_size = blk_queue_size,
    .features = blk_features,
    .set_features = blk_set_features,
    .config_size = blk_config_size,
    .config_read = blk_config_read,
    .config_write = blk_config_write,
    .reset = blk_device_reset,
    .notify = blk_notify,
};

/* ---- the disk ---- */

static int32_t take_info(struct blk *blk)
{
    struct tn_disk_info info = {.size = sizeof info};

    blk->blocks->info(blk->host, blk->disk, &info);
    if (!info.block_bytes)
        info.block_bytes = SECTOR_BYTES;
    if (info.block_bytes < SECTOR_BYTES ||
        info.block_bytes & (info.block_bytes - 1))
        return -EINVAL;
    blk->info = info;
    return 0;
}

static void disk_changed(void *opaque)
{
    struct blk *blk = opaque;

    if (!take_info(blk) && blk->virtio)
        blk->transport->config_changed(blk->virtio);
}

static const struct tn_disk_handlers handlers = {
    .size = sizeof(struct tn_disk_handlers),
    .changed = disk_changed,
};

/* ---- life ---- */

static int32_t blk_create(struct tn_host *host, void **self)
{
    struct blk *blk = calloc(1, sizeof *blk);

    if (!blk)
        return -ENOMEM;
    blk->host = host;
    *self = blk;
    return 0;
}

/* Padded with NUL; no terminator if it fills the field. */
static void set_id(struct blk *blk, const char *serial)
{
    memset(blk->id, 0, sizeof blk->id);
    memcpy(blk->id, serial, strnlen(serial, ID_BYTES));
}

static int32_t blk_configure(void *self, struct tn_error *error)
{
    struct blk *blk = self;
    const struct tn_props *props = tn_service(blk->host, TN_HOST_PROPS);
    const char *serial = props->get_string(blk->host, "serial");

    blk->n_queues = (uint32_t)props->get_uint(blk->host, "queues");
    blk->queue_size = (uint32_t)props->get_uint(blk->host, "queue-size");
    blk->size_max = (uint32_t)props->get_uint(blk->host, "size-max");
    blk->discard = (uint32_t)props->get_uint(blk->host, "discard");
    if (blk->queue_size & (blk->queue_size - 1))
        return tn_fail(blk->host, error, -EINVAL,
                       "queue-size is no power of two");
    set_id(blk, serial ? serial : props->instance_id(blk->host));
    return 0;
}

static void blk_unrealize(void *self)
{
    struct blk *blk = self;

    /* Requests hold chains of the transport. */
    if (blk->disk)
        blk->blocks->drain(blk->host, blk->disk);
    if (blk->virtio)
        blk->transport->detach(blk->virtio);
    if (blk->disk)
        blk->blocks->close(blk->host, blk->disk);
    if (blk->flush_task)
        blk->loop->free_task(blk->host, blk->flush_task);
    blk->virtio = NULL;
    blk->disk = NULL;
    blk->flush_task = NULL;
}

static int32_t open_disk(struct blk *blk, struct tn_error *error)
{
    const struct tn_tree *tree = tn_service(blk->host, TN_HOST_TREE);
    uint32_t cpus = tree ? tree->cpu_count(blk->host) : 1;

    blk->blocks = tn_service(blk->host, TN_HOST_BLOCK);
    blk->loop = tn_service(blk->host, TN_HOST_LOOP);
    if (!blk->blocks || !blk->loop)
        return tn_fail(blk->host, error, -ENOTSUP,
                       "the host has no block service");
    if (!blk->n_queues)
        blk->n_queues = cpus < MOST_AUTO_QUEUES ? cpus : MOST_AUTO_QUEUES;
    blk->flush_task = blk->loop->new_task(blk->host, flush_queues, blk);
    if (!blk->flush_task)
        return tn_fail(blk->host, error, -ENOMEM, "no memory");
    blk->disk = blk->blocks->open(blk->host, NULL, &handlers, blk, error);
    if (!blk->disk)
        return -ENODEV;
    if (take_info(blk))
        return tn_fail(blk->host, error, -EINVAL,
                       "the disk's block size cannot be shown to a guest");
    blk->default_writeback = (blk->info.flags & TN_DISK_WRITEBACK) != 0;
    blk->writeback = blk->default_writeback;
    return 0;
}

static int32_t blk_realize(void *self, struct tn_error *error)
{
    struct blk *blk = self;
    int32_t rc = open_disk(blk, error);

    if (!rc) {
        blk->virtio =
            tn_virtio_attach(blk->host, &device, blk, &blk->transport, error);
        rc = blk->virtio ? 0 : -ENODEV;
    }
    if (rc)
        blk_unrealize(blk);
    return rc;
}

static int32_t blk_quiesce(void *self)
{
    struct blk *blk = self;

    blk->blocks->drain(blk->host, blk->disk);
    flush_queues(blk);
    return blk->in_flight ? -EBUSY : 0;
}

/* ---- saved state ---- */

static const struct tn_field fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct blk, writeback, 1),
};

static int32_t blk_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct blk *blk = self;

    (void)version;
    (void)error;
    set_writeback(blk, blk->writeback & 1);
    return 0;
}

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
    .loaded = blk_loaded,
};

static const void *blk_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &state;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "dev-virtio-blk",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "virtio block device"},
};

TN_COMPONENT_INFO(blk_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, blk_info),
    .info = {TN_COMPONENT_INFO_DEVICE(5),
             .flags = TN_COMPONENT_PARENT_LOCK | TN_COMPONENT_SAVES,
             .id = "virtio-blk", .bus = "virtio", .summary = "disk"},
    .properties = {{.name = "serial",
                    .type = TN_PROP_STRING,
                    .doc =
                        "Serial number the guest sees, at most 20 bytes; the "
                        "instance's id if not given"},
                   {.name = "queues",
                    .type = TN_PROP_UINT,
                    .default_value = "0",
                    .minimum = "0",
                    .maximum = "64",
                    .doc = "Request queues; 0 is one a CPU, at most 8"},
                   {.name = "queue-size",
                    .type = TN_PROP_UINT,
                    .default_value = "256",
                    .minimum = "4",
                    .maximum = "1024",
                    .unit = "requests",
                    .doc = "Descriptors of a queue, a power of two"},
                   {.name = "size-max",
                    .type = TN_PROP_SIZE,
                    .default_value = "0",
                    .maximum = "4294967295",
                    .unit = "bytes",
                    .doc = "Most bytes of a segment; 0 is no limit"},
                   {.name = "discard",
                    .type = TN_PROP_BOOL,
                    .default_value = "true",
                    .doc = "Let the guest discard where the image can"}},
};

static const struct tn_component_ops ops = {
    .size = sizeof(struct tn_component_ops),
    .create = blk_create,
    .destroy = free,
    .configure = blk_configure,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .quiesce = blk_quiesce,
    .get_interface = blk_interface,
};

TN_COMPONENT(virtio_blk, blk_info, ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_blk)
