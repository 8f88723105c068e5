/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device's common part: attaching, status, features, configuration
 * space (virtio 1.2 sections 2.1 to 2.5 and 3.1).
 */
#include "virtio/device.h"

#include <errno.h>
#include <string.h>

#include "virtio/chain.h"
#include "virtio/queue.h"

int32_t virtio_init(struct tn_virtio *virtio, struct tn_host *host,
                    const struct virtio_wires *wires, void *transport,
                    uint64_t ring_features, struct tn_error *error)
{
    const struct tn_memory *memory = tn_service(host, TN_HOST_MEMORY);

    if (!memory)
        return tn_fail(host, error, -ENOTSUP, "the host has no memory service");
    virtio->host = host;
    virtio->wires = wires;
    virtio->transport = transport;
    virtio->ring_features = ring_features;
    virtio_windows_init(&virtio->windows, host, memory);
    return 0;
}

void virtio_fini(struct tn_virtio *virtio)
{
    virtio_windows_drop(&virtio->windows);
    virtio_chains_free(virtio);
}

/* ---- attaching ---- */

static void run_queue(void *opaque)
{
    struct virtqueue *queue = opaque;
    struct tn_virtio *virtio = queue->virtio;

    if (virtio_is_ready(virtio, queue->index))
        virtio->device.notify(virtio->self, queue->index);
}

static void free_tasks(struct tn_virtio *virtio)
{
    for (uint32_t i = 0; i < virtio->n_queues; i++) {
        if (virtio->queue[i].task)
            virtio->loop->free_task(virtio->device_host, virtio->queue[i].task);
        virtio->queue[i].task = NULL;
    }
}

/* Ask the device what it has; what makes no sense is an error. */
static const char *take_queues(struct tn_virtio *virtio)
{
    const struct tn_virtio_device *device = &virtio->device;

    virtio->n_queues = device->queue_count(virtio->self);
    if (virtio->n_queues > TN_VIRTIO_MAX_QUEUES) {
        virtio->n_queues = 0;
        return "too many queues";
    }
    for (uint32_t i = 0; i < virtio->n_queues; i++) {
        struct virtqueue *queue = &virtio->queue[i];
        uint32_t size = device->queue_size(virtio->self, i);

        memset(queue, 0, sizeof *queue);
        queue->virtio = virtio;
        queue->index = i;
        queue->max_size = size;
        queue->ops = &virtio_split_ring;
        virtio_queue_clear(queue);
        if (!size || size > TN_VIRTIO_MAX_QUEUE_SIZE || size & (size - 1))
            return "a queue's size is no power of two up to 1024";
        queue->task =
            virtio->loop->new_task(virtio->device_host, run_queue, queue);
        if (!queue->task)
            return "no memory";
    }
    return NULL;
}

static struct tn_virtio *attach(void *transport,
                                const struct tn_virtio_device *table,
                                void *self, struct tn_host *host,
                                struct tn_error *error)
{
    struct tn_virtio *virtio = transport;
    const char *wrong = NULL;

    if (virtio->self || !self) {
        tn_fail(host, error, -EBUSY, "another device is attached already");
        return NULL;
    }
    memset(&virtio->device, 0, sizeof virtio->device);
    memcpy(&virtio->device, table,
           table->size < sizeof *table ? table->size : sizeof *table);
    if (!table->device_id || !table->queue_count || !table->queue_size ||
        !table->features || !table->reset || !table->notify ||
        (table->config_size && !table->config_read)) {
        tn_fail(host, error, -EPROTO, "incomplete virtio device table");
        return NULL;
    }
    virtio->device_host = host;
    virtio->loop = tn_service(host, TN_HOST_LOOP);
    virtio->self = self;
    wrong = virtio->loop ? take_queues(virtio) : "the host has no loop";
    if (wrong)
        tn_fail(host, error, -EPROTO, "virtio: %s", wrong);
    virtio->config_size = TN_HAS(&virtio->device, config_size)
                              ? virtio->device.config_size(self)
                              : 0;
    virtio->offered = virtio->device.features(self, 0) | virtio->ring_features;
    if (!wrong && virtio->wires->attached &&
        virtio->wires->attached(virtio->transport, 1, error))
        wrong = "transport";
    if (!wrong)
        return virtio;
    if (virtio->loop)
        free_tasks(virtio);
    virtio->n_queues = 0;
    virtio->self = NULL;
    return NULL;
}

static void detach(struct tn_virtio *virtio)
{
    if (virtio->wires->attached)
        virtio->wires->attached(virtio->transport, 0, NULL);
    free_tasks(virtio);
    virtio->n_queues = 0;
    virtio->status = 0;
    virtio->self = NULL;
}

/* ---- machine ---- */

void virtio_start(struct tn_virtio *virtio)
{
    virtio->running = 1;
    for (uint32_t i = 0; i < virtio->n_queues; i++)
        if (virtio->queue[i].ready)
            virtio_notify(virtio, i);
}

void virtio_stop(struct tn_virtio *virtio)
{
    virtio->running = 0;
}

void virtio_reset(struct tn_virtio *virtio)
{
    uint32_t old = virtio->status ? virtio->status : virtio->resetting;

    virtio->status = 0;
    /* Ends with the last chain; reset() may wait for that, unlocked. */
    virtio->resetting = virtio->outstanding ? old : 0;
    virtio->driver_features = 0;
    virtio->config_generation = 0;
    for (uint32_t i = 0; i < virtio->n_queues; i++) {
        virtio_queue_clear(&virtio->queue[i]);
        virtio->queue[i].vector = UINT32_MAX;
    }
    if (virtio->self)
        virtio->device.reset(virtio->self);
}

static const char *check_queue(struct tn_virtio *virtio,
                               struct virtqueue *queue)
{
    uint32_t packed = virtio_has(virtio, TN_VIRTIO_F_RING_PACKED) != 0;

    queue->avail_seen = queue->avail_index;
    queue->silenced = 1;
    if (queue->avail_wrap > 1 || queue->used_wrap > 1)
        return "a wrap counter that is not 0 or 1";
    if (!queue->ready)
        return NULL;
    if (!queue->size || queue->size > queue->max_size)
        return "a queue of a size that the device does not have";
    if (packed &&
        (queue->avail_index >= queue->size || queue->used_index >= queue->size))
        return "an index past its ring";
    queue->ops = packed ? &virtio_packed_ring : &virtio_split_ring;
    return NULL;
}

int32_t virtio_loaded(struct tn_virtio *virtio, struct tn_error *error)
{
    const struct tn_virtio_device *device = &virtio->device;

    if (!virtio->self)
        return 0;
    if (virtio->driver_features & ~virtio->offered)
        return tn_fail(
            virtio->host, error, -EINVAL,
            "saved with features that this device has not: 0x%llx",
            (unsigned long long)(virtio->driver_features & ~virtio->offered));
    for (uint32_t i = 0; i < virtio->n_queues; i++) {
        const char *wrong = check_queue(virtio, &virtio->queue[i]);

        if (wrong)
            return tn_fail(virtio->host, error, -EINVAL, "saved with %s",
                           wrong);
    }
    if (virtio->status & TN_VIRTIO_STATUS_FEATURES_OK && device->set_features)
        if (device->set_features(virtio->self, virtio->driver_features))
            return tn_fail(virtio->host, error, -EINVAL,
                           "saved with features that do not go together");
    for (uint32_t i = 0; i < virtio->n_queues && device->queue_ready; i++)
        if (virtio->queue[i].ready)
            device->queue_ready(virtio->self, i, 1);
    if (virtio->status && device->status)
        device->status(virtio->self, virtio->status);
    return 0;
}

/* ---- registers ---- */

uint32_t virtio_device_features(struct tn_virtio *virtio, uint32_t select)
{
    return select < 2 ? (uint32_t)(virtio->offered >> (32 * select)) : 0;
}

uint32_t virtio_driver_features(struct tn_virtio *virtio, uint32_t select)
{
    return select < 2 ? (uint32_t)(virtio->driver_features >> (32 * select))
                      : 0;
}

void virtio_write_driver_features(struct tn_virtio *virtio, uint32_t select,
                                  uint32_t value)
{
    if (select > 1 || virtio->status & TN_VIRTIO_STATUS_FEATURES_OK)
        return;
    if (select)
        virtio_set_high(&virtio->driver_features, value);
    else
        virtio_set_low(&virtio->driver_features, value);
}

uint32_t virtio_read_status(struct tn_virtio *virtio)
{
    return virtio->status ? virtio->status : virtio->resetting;
}

static uint32_t features_acceptable(struct tn_virtio *virtio)
{
    const struct tn_virtio_device *device = &virtio->device;

    if (virtio->driver_features & ~virtio->offered)
        return 0;
    if (!virtio_has(virtio, TN_VIRTIO_F_VERSION_1))
        return 0;
    return !device->set_features ||
           !device->set_features(virtio->self, virtio->driver_features);
}

void virtio_write_status(struct tn_virtio *virtio, uint32_t value)
{
    uint32_t old = virtio->status;

    value &= 0xff;
    if (!value) {
        virtio_reset(virtio);
        return;
    }
    if (!virtio->self)
        return;
    /* The driver cannot clear bits (section 2.1.1), nor set this one. */
    value &= ~TN_VIRTIO_STATUS_NEEDS_RESET;
    value |= old;
    if (value & ~old & TN_VIRTIO_STATUS_FEATURES_OK &&
        !features_acceptable(virtio))
        value &= ~TN_VIRTIO_STATUS_FEATURES_OK;
    if (!(value & TN_VIRTIO_STATUS_FEATURES_OK))
        value &= ~TN_VIRTIO_STATUS_DRIVER_OK;
    virtio->resetting = 0;
    virtio->status = value;
    if (value != old && virtio->device.status)
        virtio->device.status(virtio->self, value);
    /* Notifications before this one were dropped. */
    if (value & ~old & TN_VIRTIO_STATUS_DRIVER_OK)
        for (uint32_t i = 0; i < virtio->n_queues; i++)
            if (virtio->queue[i].ready)
                virtio_notify(virtio, i);
}

uint64_t virtio_config_read(struct tn_virtio *virtio, uint64_t offset,
                            uint32_t bytes)
{
    uint8_t raw[8] = {0};
    uint64_t value = 0;

    if (!virtio->self || offset >= virtio->config_size)
        return 0;
    if (bytes <= virtio->config_size - offset)
        virtio->device.config_read(virtio->self, (uint32_t)offset, raw, bytes);
    else
        for (uint32_t i = 0; i < virtio->config_size - offset; i++)
            virtio->device.config_read(virtio->self, (uint32_t)offset + i,
                                       raw + i, 1);
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)raw[i] << (8 * i);
    return value;
}

void virtio_config_write(struct tn_virtio *virtio, uint64_t offset,
                         uint64_t value, uint32_t bytes)
{
    uint8_t raw[8];

    if (!virtio->self || offset >= virtio->config_size ||
        bytes > virtio->config_size - offset || !virtio->device.config_write)
        return;
    for (uint32_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(value >> (8 * i));
    virtio->device.config_write(virtio->self, (uint32_t)offset, raw, bytes);
}

void virtio_notify(struct tn_virtio *virtio, uint32_t queue)
{
    if (queue < virtio->n_queues && virtio->queue[queue].task)
        virtio->loop->schedule(virtio->device_host, virtio->queue[queue].task);
}

/* ---- the rest of tenon.virtio.transport/1 ---- */

static uint64_t get_features(struct tn_virtio *virtio, uint32_t word)
{
    return word || !(virtio->status & TN_VIRTIO_STATUS_FEATURES_OK)
               ? 0
               : virtio->driver_features;
}

static uint32_t get_status(struct tn_virtio *virtio)
{
    return virtio->status;
}

static void config_changed(struct tn_virtio *virtio)
{
    virtio->config_generation++;
    if (virtio->status & TN_VIRTIO_STATUS_DRIVER_OK)
        virtio->wires->config_interrupt(virtio->transport);
}

void virtio_needs_reset(struct tn_virtio *virtio, const char *text)
{
    tn_logf(virtio->device_host, TN_LOG_GUEST, "virtio: %s", text);
    if (!virtio->status || virtio->status & TN_VIRTIO_STATUS_NEEDS_RESET)
        return;
    virtio->status |= TN_VIRTIO_STATUS_NEEDS_RESET;
    if (virtio->status & TN_VIRTIO_STATUS_DRIVER_OK)
        virtio->wires->config_interrupt(virtio->transport);
}

const struct tn_virtio_transport virtio_transport_table = {
    .size = sizeof(struct tn_virtio_transport),
    .attach = attach,
    .detach = detach,
    .features = get_features,
    .get_status = get_status,
    .is_ready = virtio_is_ready,
    .pop = virtio_pop,
    .unpop = virtio_unpop,
    .available = virtio_available,
    .push = virtio_push,
    .flush = virtio_flush,
    .config_changed = config_changed,
    .needs_reset = virtio_needs_reset,
    .kick = virtio_notify,
    .in_address = virtio_in_address,
};
