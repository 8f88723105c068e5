/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio entropy device: virtio 1.2 section 5.4. One queue; each chain is
 * filled with the host's random bytes. With `rate` the guest gets no more than
 * that many bytes a second. Runs on the instance's I/O thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <tenon/clock.h>
#include <tenon/state.h>
#include <tenon/virtio.h>

#define DEVICE_ID 4u
#define PCI_CLASS 0xff0000u /* no class of its own */
#define QUEUE_SIZE 64u
#define NS_PER_S UINT64_C(1000000000)
#define PERIOD_NS (NS_PER_S / 10)

struct rng {
    struct tn_host *host;
    const struct tn_virtio_transport *transport;
    struct tn_virtio *virtio;
    const struct tn_clock *clock;
    struct tn_timer *timer;
    uint64_t rate;       /* bytes a second; 0: no limit */
    uint64_t budget;     /* bytes left in this period */
    uint64_t period_end; /* host clock */
};

static void start_period(struct rng *rng, uint64_t now)
{
    rng->budget = rng->rate / (NS_PER_S / PERIOD_NS);
    rng->budget += !rng->budget;
    rng->period_end = now + PERIOD_NS;
}

/* Bytes that may be given now. 0: the timer calls when there are some. */
static uint64_t allowance(struct rng *rng)
{
    uint64_t now;

    if (!rng->rate)
        return UINT64_MAX;
    now = rng->clock->now(rng->host, TN_CLOCK_HOST);
    if (now >= rng->period_end)
        start_period(rng, now);
    if (!rng->budget)
        rng->clock->set_timer(rng->host, rng->timer, rng->period_end);
    return rng->budget;
}

/* At most MOST random bytes into CHAIN; returns how many. */
static uint64_t fill(const struct tn_virtio_chain *chain, uint64_t most)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < chain->n_in && done < most; i++) {
        uint64_t bytes = chain->in[i].bytes;
        ssize_t got;

        if (bytes > most - done)
            bytes = most - done;
        got = getrandom(chain->in[i].base, bytes, 0);
        if (got <= 0)
            break;
        done += (uint64_t)got;
        if ((uint64_t)got < bytes)
            break;
    }
    return done;
}

static void rng_notify(void *self, uint32_t queue)
{
    struct rng *rng = self;
    struct tn_virtio_chain *chain;
    uint64_t most;

    while ((most = allowance(rng)) &&
           (chain = rng->transport->pop(rng->virtio, queue))) {
        uint64_t done = fill(chain, most);

        if (rng->rate)
            rng->budget -= done;
        rng->transport->push(rng->virtio, chain, done);
    }
    rng->transport->flush(rng->virtio, queue);
}

static void timer_fired(void *opaque)
{
    struct rng *rng = opaque;

    rng->transport->kick(rng->virtio, 0);
}

static uint32_t rng_queue_count(void *self)
{
    (void)self;
    return 1;
}

static uint32_t rng_queue_size(void *self, uint32_t queue)
{
    (void)self;
    (void)queue;
    return QUEUE_SIZE;
}

static uint64_t rng_features(void *self, uint32_t word)
{
    (void)self;
    (void)word;
    return 0;
}

static void rng_device_reset(void *self)
{
    struct rng *rng = self;

    if (rng->timer)
        rng->clock->cancel_timer(rng->host, rng->timer);
}

static const struct tn_virtio_device device = {
    .size = sizeof(struct tn_virtio_device),
    .device_id = DEVICE_ID,
    .pci_class = PCI_CLASS,
    .queue_count = rng_queue_count,
    .queue_size = rng_queue_size,
    .features = rng_features,
    .reset = rng_device_reset,
    .notify = rng_notify,
};

static int32_t rng_create(struct tn_host *host, void **self)
{
    struct rng *rng = calloc(1, sizeof *rng);

    if (!rng)
        return -ENOMEM;
    rng->host = host;
    *self = rng;
    return 0;
}

static int32_t rng_configure(void *self, struct tn_error *error)
{
    struct rng *rng = self;
    const struct tn_props *props = tn_service(rng->host, TN_HOST_PROPS);

    (void)error;
    rng->rate = props->get_uint(rng->host, "rate");
    return 0;
}

static void rng_unrealize(void *self)
{
    struct rng *rng = self;

    if (rng->virtio)
        rng->transport->detach(rng->virtio);
    if (rng->timer)
        rng->clock->free_timer(rng->host, rng->timer);
    rng->virtio = NULL;
    rng->timer = NULL;
}

static int32_t rng_realize(void *self, struct tn_error *error)
{
    struct rng *rng = self;

    rng->clock = tn_service(rng->host, TN_HOST_CLOCK);
    if (rng->rate) {
        if (rng->clock)
            rng->timer = rng->clock->new_timer(rng->host, TN_CLOCK_HOST,
                                               timer_fired, rng);
        if (!rng->timer)
            return tn_fail(rng->host, error, -ENOMEM, "no timer for `rate`");
    }
    rng->virtio =
        tn_virtio_attach(rng->host, &device, rng, &rng->transport, error);
    if (!rng->virtio) {
        rng_unrealize(rng);
        return -ENODEV;
    }
    return 0;
}

/* What it has is the budget of a tenth of a second: nothing to save. */
static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .field_size = sizeof(struct tn_field),
};

static const void *rng_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &state;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "old-rng",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "virtio entropy device"},
};

TN_COMPONENT_INFO(rng_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, rng_info),
    .info = {TN_COMPONENT_INFO_DEVICE(1), .flags = TN_COMPONENT_PARENT_LOCK,
             .id = "old-rng", .bus = "virtio",
             .summary = "gives the guest random bytes of the host"},
    .properties = {{.name = "rate", .type = TN_PROP_SIZE,
                    .default_value = "0", .unit = "bytes/s",
                    .doc = "most bytes the guest gets a second; 0 is no "
                           "limit"}},
};

static const struct tn_component_ops ops = {
    .size = sizeof(struct tn_component_ops),
    .create = rng_create,
    .destroy = free,
    .configure = rng_configure,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .get_interface = rng_interface,
};

TN_COMPONENT(virtio_rng, rng_info, ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_rng)
