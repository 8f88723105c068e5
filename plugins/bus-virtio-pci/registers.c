/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structures in BAR 0 (virtio 1.2 sections 4.1.4.3 to 4.1.4.6), MSI-X and
 * interrupts. Fields are reached with their own width; 64-bit ones as two
 * halves.
 */
#include "virtio-pci.h"

/* Common configuration structure, section 4.1.4.3. */
#define DEVICE_FEATURE_SELECT 0x00u
#define DEVICE_FEATURE 0x04u
#define DRIVER_FEATURE_SELECT 0x08u
#define DRIVER_FEATURE 0x0cu
#define CONFIG_MSIX_VECTOR 0x10u
#define NUM_QUEUES 0x12u
#define DEVICE_STATUS 0x14u
#define CONFIG_GENERATION 0x15u
#define QUEUE_SELECT 0x16u
#define QUEUE_SIZE 0x18u
#define QUEUE_MSIX_VECTOR 0x1au
#define QUEUE_ENABLE 0x1cu
#define QUEUE_NOTIFY_OFF 0x1eu
#define QUEUE_DESC 0x20u
#define QUEUE_DRIVER 0x28u
#define QUEUE_DEVICE 0x30u
#define QUEUE_NOTIFY_DATA 0x38u
#define QUEUE_RESET 0x3au

/* ---- interrupts ---- */

void virtio_pci_update_intx(struct virtio_pci *vp)
{
    pci_set_intx(&vp->pci, vp->isr != 0);
}

static void interrupt(struct virtio_pci *vp, uint32_t vector, uint32_t isr)
{
    if (pci_msix_enabled(&vp->pci)) {
        pci_msix_raise(&vp->pci, vector);
        return;
    }
    vp->isr |= isr;
    virtio_pci_update_intx(vp);
}

void virtio_pci_queue_interrupt(void *transport, uint32_t queue)
{
    struct virtio_pci *vp = transport;

    interrupt(vp, vp->virtio.queue[queue].vector, ISR_QUEUE);
}

void virtio_pci_config_interrupt(void *transport)
{
    struct virtio_pci *vp = transport;

    interrupt(vp, vp->config_vector, ISR_CONFIG);
}

/* ---- common configuration ---- */

static uint32_t read_queue(struct virtio_pci *vp, uint64_t offset)
{
    const struct virtqueue *queue = virtio_queue(&vp->virtio, vp->queue_select);

    if (!queue)
        return offset == QUEUE_MSIX_VECTOR ? NO_VECTOR : 0;
    switch (offset) {
    case QUEUE_SIZE:
        return queue->size;
    case QUEUE_MSIX_VECTOR:
        return queue->vector & NO_VECTOR;
    case QUEUE_ENABLE:
        return queue->ready;
    case QUEUE_NOTIFY_OFF:
    case QUEUE_NOTIFY_DATA:
        return queue->index;
    case QUEUE_DESC:
        return (uint32_t)queue->descriptors;
    case QUEUE_DESC + 4:
        return (uint32_t)(queue->descriptors >> 32);
    case QUEUE_DRIVER:
        return (uint32_t)queue->driver;
    case QUEUE_DRIVER + 4:
        return (uint32_t)(queue->driver >> 32);
    case QUEUE_DEVICE:
        return (uint32_t)queue->device;
    case QUEUE_DEVICE + 4:
        return (uint32_t)(queue->device >> 32);
    case QUEUE_RESET:
        return virtio_queue_resetting(queue);
    default:
        return 0;
    }
}

static uint64_t common_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct virtio_pci *vp = opaque;
    struct tn_virtio *virtio = &vp->virtio;

    (void)size;
    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        return vp->device_feature_select;
    case DEVICE_FEATURE:
        return virtio_device_features(virtio, vp->device_feature_select);
    case DRIVER_FEATURE_SELECT:
        return vp->driver_feature_select;
    case DRIVER_FEATURE:
        return virtio_driver_features(virtio, vp->driver_feature_select);
    case CONFIG_MSIX_VECTOR:
        return vp->config_vector & NO_VECTOR;
    case NUM_QUEUES:
        return virtio->n_queues;
    case DEVICE_STATUS:
        return virtio_read_status(virtio);
    case CONFIG_GENERATION:
        return virtio->config_generation & 0xff;
    case QUEUE_SELECT:
        return vp->queue_select;
    default:
        return read_queue(vp, offset);
    }
}

/* A vector that the device does not have reads back as none. */
static uint32_t vector_of(const struct virtio_pci *vp, uint64_t value)
{
    return value < vp->pci.msix.n ? (uint32_t)value : NO_VECTOR;
}

static void write_address(uint64_t *address, uint64_t offset, uint64_t value)
{
    if (offset & 4)
        virtio_set_high(address, (uint32_t)value);
    else
        virtio_set_low(address, (uint32_t)value);
}

static void write_queue(struct virtio_pci *vp, uint64_t offset, uint64_t value,
                        uint32_t size)
{
    struct virtqueue *queue = virtio_queue(&vp->virtio, vp->queue_select);

    if (!queue)
        return;
    switch (offset) {
    case QUEUE_MSIX_VECTOR:
        queue->vector = vector_of(vp, value);
        return;
    case QUEUE_ENABLE:
        /* Writing 0 is not allowed; queue_reset does that. */
        if (value & 1)
            virtio_queue_enable(queue, 1);
        return;
    case QUEUE_RESET:
        if (value & 1)
            virtio_queue_reset(queue);
        return;
    }
    if (queue->ready)
        return;
    if (offset == QUEUE_SIZE)
        virtio_queue_set_size(queue, (uint32_t)value);
    else if (size == 4 && offset >= QUEUE_DESC && offset < QUEUE_DRIVER)
        write_address(&queue->descriptors, offset, value);
    else if (size == 4 && offset >= QUEUE_DRIVER && offset < QUEUE_DEVICE)
        write_address(&queue->driver, offset, value);
    else if (size == 4 && offset >= QUEUE_DEVICE && offset < QUEUE_NOTIFY_DATA)
        write_address(&queue->device, offset, value);
}

void virtio_pci_clear(struct virtio_pci *vp)
{
    vp->isr = 0;
    vp->config_vector = NO_VECTOR;
    vp->device_feature_select = vp->driver_feature_select = 0;
    vp->queue_select = 0;
    virtio_pci_update_intx(vp);
}

static void common_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct virtio_pci *vp = opaque;

    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        vp->device_feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE_SELECT:
        vp->driver_feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE:
        virtio_write_driver_features(&vp->virtio, vp->driver_feature_select,
                                     (uint32_t)value);
        break;
    case CONFIG_MSIX_VECTOR:
        vp->config_vector = vector_of(vp, value);
        break;
    case DEVICE_STATUS:
        virtio_write_status(&vp->virtio, (uint32_t)value & 0xff);
        if (!(value & 0xff))
            virtio_pci_clear(vp);
        break;
    case QUEUE_SELECT:
        vp->queue_select = (uint32_t)value & 0xffff;
        break;
    default:
        write_queue(vp, offset, value, size);
        break;
    }
}

const struct tn_region_ops common_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 1,
    .max_access = 4,
    .read = common_read,
    .write = common_write,
};

/* ---- ISR status: reading clears it, section 4.1.4.5 ---- */

static uint64_t isr_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct virtio_pci *vp = opaque;
    uint32_t isr = vp->isr;

    (void)size;
    if (offset)
        return 0;
    vp->isr = 0;
    virtio_pci_update_intx(vp);
    return isr;
}

static void ignore_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    (void)opaque, (void)offset, (void)value, (void)size;
}

const struct tn_region_ops isr_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 1,
    .max_access = 4,
    .read = isr_read,
    .write = ignore_write,
};

/* ---- the device's configuration ---- */

static uint64_t device_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct virtio_pci *vp = opaque;

    return virtio_config_read(&vp->virtio, offset, size);
}

static void device_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct virtio_pci *vp = opaque;

    virtio_config_write(&vp->virtio, offset, value, size);
}

const struct tn_region_ops device_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 1,
    .max_access = 8,
    .read = device_read,
    .write = device_write,
};

/* ---- doorbells: no lock, they only schedule the queue's task ---- */

static uint64_t notify_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void notify_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct virtio_pci *vp = opaque;

    (void)value, (void)size;
    virtio_notify(&vp->virtio, (uint32_t)offset / NOTIFY_MULTIPLIER);
}

const struct tn_region_ops notify_ops = {
    .size = sizeof(struct tn_region_ops),
    .flags = TN_REGION_PARALLEL,
    .min_access = 1,
    .max_access = 4,
    .read = notify_read,
    .write = notify_write,
};

/* ---- MSI-X ---- */

static uint64_t table_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct virtio_pci *vp = opaque;

    return pci_msix_table_read(&vp->pci, offset, size);
}

static void table_write(void *opaque, uint64_t offset, uint64_t value,
                        uint32_t size)
{
    struct virtio_pci *vp = opaque;

    pci_msix_table_write(&vp->pci, offset, value, size);
}

const struct tn_region_ops msix_table_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 4,
    .max_access = 4,
    .read = table_read,
    .write = table_write,
};

static uint64_t pending_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct virtio_pci *vp = opaque;

    return pci_msix_pending_read(&vp->pci, offset, size);
}

const struct tn_region_ops msix_pending_ops = {
    .size = sizeof(struct tn_region_ops),
    .min_access = 4,
    .max_access = 4,
    .read = pending_read,
    .write = ignore_write,
};

/* ---- BAR 0 from inside ---- */

static const struct tn_region_ops *part(uint32_t offset)
{
    static const struct tn_region_ops *const parts[] = {
        &common_ops, &isr_ops, &device_ops, &notify_ops};

    return parts[offset / COMMON_BYTES];
}

uint32_t registers_read(struct virtio_pci *vp, uint32_t offset, uint32_t bytes)
{
    return (uint32_t)part(offset)->read(vp, offset % COMMON_BYTES, bytes);
}

void registers_write(struct virtio_pci *vp, uint32_t offset, uint32_t value,
                     uint32_t bytes)
{
    part(offset)->write(vp, offset % COMMON_BYTES, value, bytes);
}
