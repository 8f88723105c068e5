/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio: the memory-mapped transport, virtio 1.2 section 4.2, version 2
 * of its register layout. The doorbell (QueueNotify) is a region of its own
 * that takes no lock: it only schedules the queue's task.
 */
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <tenon/fdt.h>
#include <tenon/irq.h>

#include "virtio/device.h"

#define MAGIC 0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR 0x6e6f6e74u /* "tnon" */
#define REGION_BYTES 0x200u

/* Section 4.2.2. */
#define REG_MAGIC 0x000u
#define REG_VERSION 0x004u
#define REG_DEVICE_ID 0x008u
#define REG_VENDOR_ID 0x00cu
#define REG_DEVICE_FEATURES 0x010u
#define REG_DEVICE_FEATURES_SEL 0x014u
#define REG_DRIVER_FEATURES 0x020u
#define REG_DRIVER_FEATURES_SEL 0x024u
#define REG_QUEUE_SEL 0x030u
#define REG_QUEUE_SIZE_MAX 0x034u
#define REG_QUEUE_SIZE 0x038u
#define REG_QUEUE_READY 0x044u
#define REG_QUEUE_NOTIFY 0x050u
#define REG_INTERRUPT_STATUS 0x060u
#define REG_INTERRUPT_ACK 0x064u
#define REG_STATUS 0x070u
#define REG_QUEUE_DESC_LOW 0x080u
#define REG_QUEUE_DESC_HIGH 0x084u
#define REG_QUEUE_DRIVER_LOW 0x090u
#define REG_QUEUE_DRIVER_HIGH 0x094u
#define REG_QUEUE_DEVICE_LOW 0x0a0u
#define REG_QUEUE_DEVICE_HIGH 0x0a4u
#define REG_SHM_LEN_LOW 0x0b0u
#define REG_SHM_LEN_HIGH 0x0b4u
#define REG_SHM_BASE_LOW 0x0b8u
#define REG_SHM_BASE_HIGH 0x0bcu
#define REG_QUEUE_RESET 0x0c0u
#define REG_CONFIG_GENERATION 0x0fcu
#define REG_CONFIG 0x100u

#define INTERRUPT_USED_BUFFER 0x1u
#define INTERRUPT_CONFIG 0x2u

struct mmio {
    struct tn_virtio virtio; /* first */
    struct tn_host *host;
    const struct tn_memory *memory;
    const struct tn_irqs *irqs;
    struct tn_irq *irq;
    struct tn_region *whole;
    struct tn_region *registers;
    struct tn_region *doorbell;
    struct tn_region *window; /* what the board maps */
    uint32_t interrupt_status;
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint32_t queue_sel;
};

static void update_irq(struct mmio *mmio)
{
    mmio->irqs->set(mmio->host, mmio->irq, mmio->interrupt_status != 0);
}

static void queue_interrupt(void *transport, uint32_t queue)
{
    struct mmio *mmio = transport;

    (void)queue;
    mmio->interrupt_status |= INTERRUPT_USED_BUFFER;
    update_irq(mmio);
}

static void config_interrupt(void *transport)
{
    struct mmio *mmio = transport;

    mmio->interrupt_status |= INTERRUPT_CONFIG;
    update_irq(mmio);
}

static const struct virtio_wires wires = {
    .queue_interrupt = queue_interrupt,
    .config_interrupt = config_interrupt,
};

/* ---- registers ---- */

static uint32_t read_queue(struct mmio *mmio, uint64_t offset)
{
    const struct virtqueue *queue =
        virtio_queue(&mmio->virtio, mmio->queue_sel);

    if (!queue)
        return 0;
    switch (offset) {
    case REG_QUEUE_SIZE_MAX:
        return queue->max_size;
    case REG_QUEUE_READY:
        return queue->ready;
    default: /* REG_QUEUE_RESET */
        return virtio_queue_resetting(queue);
    }
}

static uint32_t read_register(struct mmio *mmio, uint64_t offset)
{
    struct tn_virtio *virtio = &mmio->virtio;

    switch (offset) {
    case REG_MAGIC:
        return MAGIC;
    case REG_VERSION:
        return VERSION;
    case REG_DEVICE_ID: /* 0: nothing here */
        return virtio->self ? virtio->device.device_id : 0;
    case REG_VENDOR_ID:
        return VENDOR;
    case REG_DEVICE_FEATURES:
        return virtio_device_features(virtio, mmio->device_features_sel);
    case REG_QUEUE_SIZE_MAX:
    case REG_QUEUE_READY:
    case REG_QUEUE_RESET:
        return read_queue(mmio, offset);
    case REG_INTERRUPT_STATUS:
        return mmio->interrupt_status;
    case REG_STATUS:
        return virtio_read_status(virtio);
    case REG_SHM_LEN_LOW: /* no shared memory region of any id */
    case REG_SHM_LEN_HIGH:
    case REG_SHM_BASE_LOW:
    case REG_SHM_BASE_HIGH:
        return UINT32_MAX;
    case REG_CONFIG_GENERATION:
        return virtio->config_generation;
    default:
        return 0;
    }
}

static uint64_t mmio_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct mmio *mmio = opaque;

    if (offset >= REG_CONFIG)
        return virtio_config_read(&mmio->virtio, offset - REG_CONFIG, size);
    if (size == 4)
        return read_register(mmio, offset);
    tn_logf(mmio->host, TN_LOG_GUEST,
            "read of %u bytes at +0x%x: registers are 32 bits wide", size,
            (unsigned)offset);
    return 0;
}

static void write_queue(struct mmio *mmio, uint64_t offset, uint32_t value)
{
    struct virtqueue *queue = virtio_queue(&mmio->virtio, mmio->queue_sel);

    if (!queue)
        return;
    if (offset == REG_QUEUE_READY) {
        virtio_queue_enable(queue, value & 1);
        return;
    }
    if (offset == REG_QUEUE_RESET) {
        if (value & 1)
            virtio_queue_reset(queue);
        return;
    }
    if (queue->ready)
        return;
    switch (offset) {
    case REG_QUEUE_SIZE:
        virtio_queue_set_size(queue, value);
        break;
    case REG_QUEUE_DESC_LOW:
        virtio_set_low(&queue->descriptors, value);
        break;
    case REG_QUEUE_DESC_HIGH:
        virtio_set_high(&queue->descriptors, value);
        break;
    case REG_QUEUE_DRIVER_LOW:
        virtio_set_low(&queue->driver, value);
        break;
    case REG_QUEUE_DRIVER_HIGH:
        virtio_set_high(&queue->driver, value);
        break;
    case REG_QUEUE_DEVICE_LOW:
        virtio_set_low(&queue->device, value);
        break;
    case REG_QUEUE_DEVICE_HIGH:
        virtio_set_high(&queue->device, value);
        break;
    }
}

static void write_status(struct mmio *mmio, uint32_t value)
{
    virtio_write_status(&mmio->virtio, value);
    if (value)
        return;
    mmio->interrupt_status = 0;
    mmio->device_features_sel = mmio->driver_features_sel = 0;
    mmio->queue_sel = 0;
    update_irq(mmio);
}

static void write_register(struct mmio *mmio, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case REG_DEVICE_FEATURES_SEL:
        mmio->device_features_sel = value;
        break;
    case REG_DRIVER_FEATURES:
        virtio_write_driver_features(&mmio->virtio, mmio->driver_features_sel,
                                     value);
        break;
    case REG_DRIVER_FEATURES_SEL:
        mmio->driver_features_sel = value;
        break;
    case REG_QUEUE_SEL:
        mmio->queue_sel = value;
        break;
    case REG_INTERRUPT_ACK:
        mmio->interrupt_status &= ~value;
        update_irq(mmio);
        break;
    case REG_STATUS:
        write_status(mmio, value);
        break;
    default:
        write_queue(mmio, offset, value);
        break;
    }
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct mmio *mmio = opaque;

    if (offset >= REG_CONFIG)
        virtio_config_write(&mmio->virtio, offset - REG_CONFIG, value, size);
    else if (size == 4)
        write_register(mmio, offset, (uint32_t)value);
    else
        tn_logf(mmio->host, TN_LOG_GUEST,
                "write of %u bytes at +0x%x: registers are 32 bits wide", size,
                (unsigned)offset);
}

static const struct tn_region_ops register_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 1,
    .max_access = 4,
    .read = mmio_read,
    .write = mmio_write,
};

static uint64_t doorbell_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque;
    (void)offset;
    (void)size;
    return 0;
}

static void doorbell_write(void *opaque, uint64_t offset, uint64_t value,
                           uint32_t size)
{
    struct mmio *mmio = opaque;

    (void)offset;
    (void)size;
    /* The upper half is the queue's position if NOTIFICATION_DATA is on. */
    virtio_notify(&mmio->virtio, (uint32_t)value & 0xffff);
}

static const struct tn_region_ops doorbell_ops = {
    .size = sizeof(struct tn_region_ops),
    .flags = TN_REGION_PARALLEL,
    .min_access = 4,
    .max_access = 4,
    .read = doorbell_read,
    .write = doorbell_write,
};

/* ---- life ---- */

static int32_t mmio_create(struct tn_host *host, void **self)
{
    struct mmio *mmio = calloc(1, sizeof *mmio);

    if (!mmio)
        return -ENOMEM;
    mmio->host = host;
    *self = mmio;
    return 0;
}

static void mmio_destroy(void *self)
{
    free(self);
}

static void free_regions(struct mmio *mmio)
{
    struct tn_region **all[] = {&mmio->window, &mmio->doorbell,
                                &mmio->registers, &mmio->whole};

    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (*all[i])
            mmio->memory->free_region(mmio->host, *all[i]);
        *all[i] = NULL;
    }
}

static int32_t make_regions(struct mmio *mmio)
{
    const struct tn_memory *m = mmio->memory;
    struct tn_host *host = mmio->host;

    mmio->whole = m->new_container(host, "virtio-mmio", REGION_BYTES);
    mmio->registers =
        m->new_mmio(host, "registers", REGION_BYTES, &register_ops, mmio);
    mmio->doorbell = m->new_mmio(host, "doorbell", 4, &doorbell_ops, mmio);
    if (!mmio->whole || !mmio->registers || !mmio->doorbell)
        return -ENOMEM;
    if (m->map(host, mmio->registers, mmio->whole, 0, 0) ||
        m->map(host, mmio->doorbell, mmio->whole, REG_QUEUE_NOTIFY, 1))
        return -EINVAL;
    mmio->window =
        m->new_alias(host, "virtio-mmio", mmio->whole, 0, REGION_BYTES);
    return mmio->window ? 0 : -ENOMEM;
}

static int32_t mmio_realize(void *self, struct tn_error *error)
{
    struct mmio *mmio = self;
    int32_t rc;

    mmio->memory = tn_service(mmio->host, TN_HOST_MEMORY);
    mmio->irqs = tn_service(mmio->host, TN_HOST_IRQ);
    if (!mmio->memory || !mmio->irqs)
        return tn_fail(mmio->host, error, -ENOTSUP,
                       "the host has no memory or interrupt service");
    mmio->irq = mmio->irqs->output(mmio->host, 0);
    rc = virtio_init(&mmio->virtio, mmio->host, &wires, mmio,
                     VIRTIO_RING_FEATURES, error);
    if (rc)
        return rc;
    rc = make_regions(mmio);
    if (rc) {
        free_regions(mmio);
        virtio_fini(&mmio->virtio);
        return tn_fail(mmio->host, error, rc, "cannot make its regions");
    }
    return 0;
}

static void mmio_unrealize(void *self)
{
    struct mmio *mmio = self;

    free_regions(mmio);
    virtio_fini(&mmio->virtio);
}

static void mmio_reset(void *self, uint32_t kind)
{
    (void)kind;
    write_status(self, 0);
}

static int32_t mmio_start(void *self, struct tn_error *error)
{
    struct mmio *mmio = self;

    (void)error;
    virtio_start(&mmio->virtio);
    return 0;
}

static void mmio_stop(void *self)
{
    struct mmio *mmio = self;

    virtio_stop(&mmio->virtio);
}

/* ---- saved state, device tree ---- */

static const struct tn_field fields[] = {
    VIRTIO_STATE(struct mmio, virtio),
    TN_FIELD(TN_FIELD_UINT, struct mmio, interrupt_status, 1),
    TN_FIELD(TN_FIELD_UINT, struct mmio, device_features_sel, 1),
    TN_FIELD(TN_FIELD_UINT, struct mmio, driver_features_sel, 1),
    TN_FIELD(TN_FIELD_UINT, struct mmio, queue_sel, 1),
};

static int32_t mmio_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct mmio *mmio = self;
    int32_t rc = virtio_loaded(&mmio->virtio, error);

    (void)version;
    if (!rc)
        update_irq(mmio);
    return rc;
}

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
    .loaded = mmio_loaded,
};

/* Binding: virtio/mmio.yaml. */
static int32_t mmio_describe(void *self, const struct tn_fdt *fdt)
{
    struct mmio *mmio = self;
    uint64_t address;
    uint64_t bytes;
    char name[40];

    if (mmio->memory->region_address(mmio->host, 0, &address, &bytes))
        return 0;
    snprintf(name, sizeof name, "virtio_mmio@%llx",
             (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", "virtio,mmio");
    fdt->reg(fdt->builder);
    fdt->interrupts(fdt->builder);
    fdt->end(fdt->builder);
    return 0;
}

static const struct tn_fdt_node node = {
    .size = sizeof(struct tn_fdt_node),
    .describe = mmio_describe,
};

static const void *mmio_interface(void *self, const char *id)
{
    (void)self;
    if (!strcmp(id, TN_VIRTIO_TRANSPORT))
        return &virtio_transport_table;
    if (!strcmp(id, TN_STATE))
        return &state;
    if (!strcmp(id, TN_FDT_NODE))
        return &node;
    return NULL;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "bus-virtio-mmio",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "memory-mapped transport of virtio devices"},
};

TN_COMPONENT_INFO(mmio_info, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, mmio_info),
    .info = {TN_COMPONENT_INFO_DEVICE(0),
             .flags = TN_COMPONENT_SAVES, .id = "virtio-mmio",
             .provides = "virtio",
             .summary = "memory-mapped slot for one virtio device"},
};

static const struct tn_component_ops mmio_ops = {
    .size = sizeof(struct tn_component_ops),
    .create = mmio_create,
    .destroy = mmio_destroy,
    .realize = mmio_realize,
    .unrealize = mmio_unrealize,
    .reset = mmio_reset,
    .start = mmio_start,
    .stop = mmio_stop,
    .get_interface = mmio_interface,
};

TN_COMPONENT(virtio_mmio, mmio_info, mmio_ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_mmio)
