/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio memory balloon: virtio 1.2 section 5.5, with statistics, free page
 * reporting, page poison and deflating when the guest runs out of memory. The
 * pages that the guest gives away go back to the host at once. Runs on the
 * instance's I/O thread.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/state.h>
#include <tenon/tree.h>

#include "virtio-balloon.h"

#define DEVICE_ID 5u
#define PCI_CLASS 0x00ff00u
#define QUEUES 5u
#define QUEUE_SIZE 128u

/* Section 5.5.4. */
#define CONFIG_BYTES 16u
#define CONFIG_NUM_PAGES 0u
#define CONFIG_ACTUAL 4u
#define CONFIG_POISON 12u

#define STAT_BYTES 10u /* le16 tag, le64 value */

/* ---- statistics ---- */

static void take_stats(struct balloon *b, const struct tn_virtio_chain *chain)
{
    uint8_t raw[STAT_BYTES];
    uint64_t at = 0;

    while (tn_virtio_copy_out(chain, at, raw, STAT_BYTES) == STAT_BYTES) {
        uint32_t tag = (uint32_t)(raw[0] | raw[1] << 8);
        uint64_t value;

        memcpy(&value, raw + 2, sizeof value);
        if (tag < TN_BALLOON_STATS) {
            b->stats.value[tag] = le64toh(value);
            b->stats.known |= 1u << tag;
        }
        at += STAT_BYTES;
    }
    b->stats.time = b->clock->now(b->host, TN_CLOCK_REALTIME);
}

static void set_timer(struct balloon *b)
{
    if (b->timer)
        b->clock->set_timer(b->host, b->timer,
                            b->clock->now(b->host, TN_CLOCK_VIRTUAL) +
                                b->stats_interval);
}

/* Giving the buffer back asks for new statistics (section 5.5.6.3). */
static void poll_stats(void *opaque)
{
    struct balloon *b = opaque;
    struct tn_virtio_chain *chain = b->stats_chain;
    uint32_t queue;

    if (!chain)
        return;
    b->stats_chain = NULL;
    queue = chain->queue;
    b->transport->push(b->virtio, chain, 0);
    b->transport->flush(b->virtio, queue);
}

static void stats_notify(struct balloon *b, uint32_t queue)
{
    struct tn_virtio_chain *chain;

    while ((chain = b->transport->pop(b->virtio, queue))) {
        /* One is all the driver has; a second replaces the first. */
        poll_stats(b);
        take_stats(b, chain);
        b->stats_chain = chain;
        set_timer(b);
    }
}

static void drop_stats_chain(struct balloon *b)
{
    if (b->timer)
        b->clock->cancel_timer(b->host, b->timer);
    if (b->stats_chain)
        b->transport->unpop(b->virtio, b->stats_chain);
    b->stats_chain = NULL;
}

/* ---- queues ---- */

enum role { INFLATE, DEFLATE, STATS, REPORTING, NONE };

/* Queues of features that were not negotiated are left out, and the others
 * move up; drivers that leave the gap are served as well. */
static enum role role_of(const struct balloon *b, uint32_t queue)
{
    if (queue <= DEFLATE)
        return queue == INFLATE ? INFLATE : DEFLATE;
    if (queue == 2 && balloon_has(b, F_STATS_VQ))
        return STATS;
    return balloon_has(b, F_PAGE_REPORTING) ? REPORTING : NONE;
}

static void balloon_notify(void *self, uint32_t queue)
{
    struct balloon *b = self;
    enum role role = role_of(b, queue);
    struct tn_virtio_chain *chain;

    if (role == STATS) {
        stats_notify(b, queue);
        return;
    }
    while ((chain = b->transport->pop(b->virtio, queue))) {
        if (role == INFLATE)
            balloon_inflate(b, chain);
        if (role == REPORTING)
            balloon_report(b, chain);
        /* Deflating: the pages come back when they are touched. */
        b->transport->push(b->virtio, chain, 0);
    }
    b->transport->flush(b->virtio, queue);
}

static uint32_t balloon_queue_count(void *self)
{
    (void)self;
    return QUEUES;
}

static uint32_t balloon_queue_size(void *self, uint32_t queue)
{
    (void)self;
    (void)queue;
    return QUEUE_SIZE;
}

/* The chain with the statistics must not be kept over a reset. */
static void balloon_queue_ready(void *self, uint32_t queue, uint32_t ready)
{
    struct balloon *b = self;

    if (!ready && b->stats_chain && b->stats_chain->queue == queue)
        drop_stats_chain(b);
}

/* ---- configuration space, features ---- */

static uint32_t balloon_config_size(void *self)
{
    (void)self;
    return CONFIG_BYTES;
}

static void balloon_config_read(void *self, uint32_t offset, void *to,
                                uint32_t bytes)
{
    const struct balloon *b = self;
    const uint32_t config[CONFIG_BYTES / 4] = {
        [CONFIG_NUM_PAGES / 4] = htole32(b->num_pages),
        [CONFIG_ACTUAL / 4] = htole32(b->actual),
        [CONFIG_POISON / 4] = htole32(b->poison),
    };

    memcpy(to, (const uint8_t *)config + offset, bytes);
}

static void balloon_config_write(void *self, uint32_t offset, const void *from,
                                 uint32_t bytes)
{
    struct balloon *b = self;
    uint32_t value;

    if (bytes != sizeof value)
        return;
    memcpy(&value, from, sizeof value);
    if (offset == CONFIG_ACTUAL)
        b->actual = le32toh(value);
    if (offset == CONFIG_POISON && balloon_has(b, F_PAGE_POISON))
        b->poison = le32toh(value);
}

static uint64_t balloon_features(void *self, uint32_t word)
{
    const struct balloon *b = self;

    if (word)
        return 0;
    return TN_VIRTIO_BIT(F_STATS_VQ) | TN_VIRTIO_BIT(F_PAGE_POISON) |
           (b->deflate_on_oom ? TN_VIRTIO_BIT(F_DEFLATE_ON_OOM) : 0) |
           (b->reporting ? TN_VIRTIO_BIT(F_PAGE_REPORTING) : 0);
}

static int32_t balloon_set_features(void *self, uint64_t features)
{
    struct balloon *b = self;

    b->features = features;
    return 0;
}

static void balloon_device_reset(void *self)
{
    struct balloon *b = self;

    drop_stats_chain(b);
    b->features = 0;
    b->actual = 0;
    b->poison = 0;
    memset(&b->stats, 0, sizeof b->stats);
}

static const struct tn_virtio_device device = {
    .size = sizeof(struct tn_virtio_device),
    .device_id = DEVICE_ID,
    .pci_class = PCI_CLASS,
    .queue_count = balloon_queue_count,
    .queue_size = balloon_queue_size,
    .features = balloon_features,
    .set_features = balloon_set_features,
    .config_size = balloon_config_size,
    .config_read = balloon_config_read,
    .config_write = balloon_config_write,
    .reset = balloon_device_reset,
    .queue_ready = balloon_queue_ready,
    .notify = balloon_notify,
};

/* ---- tenon.balloon/1 ---- */

static uint32_t pages_for(const struct balloon *b, uint64_t target)
{
    return target && target < b->ram
               ? (uint32_t)((b->ram - target) >> PAGE_BITS)
               : 0;
}

static void set_target(void *self, uint64_t bytes)
{
    struct balloon *b = self;

    b->num_pages = pages_for(b, bytes);
    b->transport->config_changed(b->virtio);
}

static uint64_t actual(void *self)
{
    const struct balloon *b = self;
    uint64_t held = (uint64_t)b->actual << PAGE_BITS;

    return held < b->ram ? b->ram - held : 0;
}

static void stats(void *self, struct tn_balloon_stats *to)
{
    struct balloon *b = self;
    uint32_t size = to->size < sizeof *to ? to->size : sizeof *to;

    memcpy(to, &b->stats, size);
    to->size = size;
}

static const struct tn_balloon management = {
    .size = sizeof(struct tn_balloon),
    .set_target = set_target,
    .actual = actual,
    .stats = stats,
};

/* ---- life ---- */

static int32_t balloon_create(struct tn_host *host, void **self)
{
    struct balloon *b = calloc(1, sizeof *b);

    if (!b)
        return -ENOMEM;
    b->host = host;
    *self = b;
    return 0;
}

static int32_t balloon_configure(void *self, struct tn_error *error)
{
    struct balloon *b = self;
    const struct tn_props *props = tn_service(b->host, TN_HOST_PROPS);

    (void)error;
    b->size = props->get_uint(b->host, "size");
    b->stats_interval = props->get_uint(b->host, "stats-interval");
    b->deflate_on_oom = (uint32_t)props->get_uint(b->host, "deflate-on-oom");
    b->reporting = (uint32_t)props->get_uint(b->host, "free-page-reporting");
    return 0;
}

static void balloon_unrealize(void *self)
{
    struct balloon *b = self;

    if (b->virtio) {
        drop_stats_chain(b);
        b->transport->detach(b->virtio);
    }
    if (b->timer)
        b->clock->free_timer(b->host, b->timer);
    b->virtio = NULL;
    b->timer = NULL;
}

static int32_t balloon_realize(void *self, struct tn_error *error)
{
    struct balloon *b = self;
    const struct tn_tree *tree = tn_service(b->host, TN_HOST_TREE);

    b->memory = tn_service(b->host, TN_HOST_MEMORY);
    b->clock = tn_service(b->host, TN_HOST_CLOCK);
    if (!tree || !b->memory || !b->clock)
        return tn_fail(b->host, error, -ENOTSUP, "the host lacks a service");
    b->ram = tree->ram_size(b->host);
    b->num_pages = pages_for(b, b->size);
    if (b->stats_interval) {
        b->timer =
            b->clock->new_timer(b->host, TN_CLOCK_VIRTUAL, poll_stats, b);
        if (!b->timer)
            return tn_fail(b->host, error, -ENOMEM, "no timer");
    }
    b->virtio = tn_virtio_attach(b->host, &device, b, &b->transport, error);
    if (!b->virtio) {
        balloon_unrealize(b);
        return -ENODEV;
    }
    return 0;
}

/* The chain goes back as if it had not been popped; it is popped again, and
 * read again, after start(). */
static int32_t balloon_quiesce(void *self)
{
    drop_stats_chain(self);
    return 0;
}

/* ---- saved state ---- */

static const struct tn_field fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct balloon, num_pages, 1),
    TN_FIELD(TN_FIELD_UINT, struct balloon, actual, 1),
    TN_FIELD(TN_FIELD_UINT, struct balloon, poison, 1),
};

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
};

static const void *balloon_interface(void *self, const char *id)
{
    (void)self;
    if (!strcmp(id, TN_STATE))
        return &state;
    return strcmp(id, TN_BALLOON) ? NULL : &management;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1,
             .id = "dev-virtio-balloon", .version = "1.0", .vendor = "Tenon",
             .licence = "Apache-2.0", .summary = "virtio memory balloon"},
};

TN_COMPONENT_INFO(balloon_info, 4) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, balloon_info),
    .info = {TN_COMPONENT_INFO_DEVICE(4),
             .flags = TN_COMPONENT_PARENT_LOCK | TN_COMPONENT_SAVES,
             .id = "virtio-balloon", .bus = "virtio",
             .summary = "takes memory from the guest and gives it back"},
    .properties =
        {{.name = "size",
          .type = TN_PROP_SIZE,
          .default_value = "0",
          .unit = "bytes",
          .doc = "Memory the guest shall get along with; 0 is all of it"},
         {.name = "stats-interval",
          .type = TN_PROP_TIME,
          .default_value = "0",
          .doc = "How often the guest is asked for its "
                 "memory statistics; 0 is never"},
         {.name = "deflate-on-oom",
          .type = TN_PROP_BOOL,
          .default_value = "true",
          .doc = "Let the guest take pages back when it runs out of memory"},
         {.name = "free-page-reporting",
          .type = TN_PROP_BOOL,
          .default_value = "true",
          .doc = "Give back to the host what the guest reports free"}},
};

static const struct tn_component_ops ops = {
    .size = sizeof(struct tn_component_ops),
    .create = balloon_create,
    .destroy = free,
    .configure = balloon_configure,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .quiesce = balloon_quiesce,
    .get_interface = balloon_interface,
};

TN_COMPONENT(virtio_balloon, balloon_info, ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_balloon)
