/* SPDX-License-Identifier: Apache-2.0 */
/* A device's connection: queues, and the jobs that empty them. */
#include "core/net/port.h"

#include "core/machine/machine.h"
#include "core/net/offload.h"
#include "core/util/log.h"

void port_ref(struct tn_net_port *port)
{
    g_atomic_ref_count_inc(&port->references);
}

static void free_lanes(struct direction *d, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        packet_queue_clear(&d->lanes[i].queue);
    g_free(d->lanes);
}

void port_unref(struct tn_net_port *port)
{
    if (!g_atomic_ref_count_dec(&port->references))
        return;
    free_lanes(&port->out, port->n_lanes);
    free_lanes(&port->in, port->n_lanes);
    g_mutex_clear(&port->lock);
    g_free(port);
}

/* With the lock held. */
void port_queue_job(struct tn_net_port *port, struct tn_host *host,
                    void (*job)(void *port), gboolean *queued)
{
    if (*queued || port->closed || !host)
        return;
    *queued = TRUE;
    port_ref(port);
    tn_host_invoke(host, job, port);
}

static void run_direction(struct tn_net_port *port, struct direction *d)
{
    port_queue_job(port, d->host, d->job, &d->queued);
}

static gboolean is_full(const struct lane *lane)
{
    return lane->queue.packets + lane->given_packets >= PORT_MAX_PACKETS ||
           lane->queue.bytes + lane->given_bytes >= PORT_MAX_BYTES;
}

uint32_t port_put(struct tn_net_port *port, struct direction *d,
                  uint32_t queue, const struct tn_net_frame *frame)
{
    struct packet *packet;
    struct lane *lane;
    uint32_t taken = 1;

    if (queue >= port->n_lanes)
        return 1;
    packet = packet_copy(frame);
    if (!packet)
        return 1;
    lane = &d->lanes[queue];
    g_mutex_lock(&port->lock);
    if (port->closed || (d == &port->in && !port->active)) {
        /* nobody listens */
    } else if (is_full(lane)) {
        lane->sender_waits = TRUE;
        taken = 0;
    } else {
        packet_queue_put(&lane->queue, packet);
        packet = NULL;
        if (!lane->busy)
            run_direction(port, d);
    }
    g_mutex_unlock(&port->lock);
    packet_free(packet);
    return taken;
}

void port_resume(struct tn_net_port *port, struct direction *d,
                 uint32_t queue)
{
    struct lane *lane;

    if (queue >= port->n_lanes)
        return;
    lane = &d->lanes[queue];
    g_mutex_lock(&port->lock);
    lane->calls++;
    lane->busy = FALSE;
    if (lane->queue.first)
        run_direction(port, d);
    g_mutex_unlock(&port->lock);
}

/* The sender of D may have been told 0: its own job tells it otherwise. */
static void tell_sender(struct tn_net_port *port, struct direction *d)
{
    run_direction(port, d == &port->out ? &port->in : &port->out);
}

void port_drop_input(struct tn_net_port *port)
{
    struct packet_queue old;

    packet_queue_init(&old);
    g_mutex_lock(&port->lock);
    for (uint32_t i = 0; i < port->n_lanes; i++) {
        struct lane *lane = &port->in.lanes[i];

        packet_queue_put_back(&old, &lane->queue);
        packet_queue_init(&lane->queue);
        lane->busy = FALSE;
        if (lane->sender_waits)
            tell_sender(port, &port->in);
    }
    g_mutex_unlock(&port->lock);
    packet_queue_clear(&old);
}

/* ---- the jobs ---- */

/* Up to PORT_BATCH frames of LANE. */
static void take_batch(struct lane *lane, struct packet_queue *batch)
{
    while (lane->queue.first && batch->packets < PORT_BATCH)
        packet_queue_put(batch, packet_queue_take(&lane->queue));
}

static void log_refusal(struct tn_net_port *port, int32_t result)
{
    if (!port->error_logged)
        tn_warning("a network back-end drops frames: %s",
                   result < 0 ? g_strerror(-result) : "wrong answer");
    port->error_logged = TRUE;
}

/* Hand BATCH over; what the receiver has no room for stays in it. */
static void give_batch(struct tn_net_port *port, struct direction *d,
                       uint32_t queue, uint32_t offloads,
                       struct packet_queue *batch)
{
    struct packet_queue pieces;
    struct packet *packet;
    int32_t result = 1;

    packet_queue_init(&pieces);
    while (result != 0 && (packet = packet_queue_take(batch))) {
        offload_complete(packet, offloads, &pieces);
        while ((packet = pieces.first)) {
            result = d->give(port, queue, &packet->frame);
            if (result == 0)
                break;
            if (result != 1)
                log_refusal(port, result);
            packet_free(packet_queue_take(&pieces));
        }
    }
    packet_queue_put_back(batch, &pieces);
}

/* One lane: FALSE if it has more for the next run. Called and left with the
 * lock held. */
static gboolean run_lane(struct tn_net_port *port, struct direction *d,
                         uint32_t queue)
{
    struct lane *lane = &d->lanes[queue];
    uint32_t calls = lane->calls, offloads = d->offloads;
    struct packet_queue batch;

    if (lane->busy || !lane->queue.first)
        return TRUE;
    packet_queue_init(&batch);
    take_batch(lane, &batch);
    lane->given_packets = batch.packets;
    lane->given_bytes = batch.bytes;
    g_mutex_unlock(&port->lock);
    give_batch(port, d, queue, offloads, &batch);
    g_mutex_lock(&port->lock);
    lane->given_packets = 0;
    lane->given_bytes = 0;
    if (batch.first) {
        packet_queue_put_back(&lane->queue, &batch);
        /* unless it found room between saying 0 and now */
        lane->busy = lane->calls == calls;
    }
    if (lane->sender_waits && !is_full(lane))
        tell_sender(port, d);
    return lane->busy || !lane->queue.first;
}

static void run_lanes(struct tn_net_port *port, struct direction *d)
{
    gboolean done = TRUE;

    for (uint32_t i = 0; i < port->n_lanes && !port->closed; i++)
        done &= run_lane(port, d, i);
    if (!done)
        run_direction(port, d);
}

/* Which lanes of D have room again for a sender that waits. With the lock
 * held; the answer for lane QUEUE. */
static gboolean take_waiting(struct tn_net_port *port, struct direction *d,
                             uint32_t queue)
{
    struct lane *lane = &d->lanes[queue];

    if (port->closed || !lane->sender_waits || is_full(lane))
        return FALSE;
    lane->sender_waits = FALSE;
    return TRUE;
}

/* Call ROOM for each lane of D whose sender, on this thread, waits. */
static void tell_room(struct tn_net_port *port, struct direction *d,
                      void (*room)(struct tn_net_port *port, uint32_t queue))
{
    for (uint32_t i = 0; i < port->n_lanes; i++)
        if (take_waiting(port, d, i)) {
            g_mutex_unlock(&port->lock);
            room(port, i);
            g_mutex_lock(&port->lock);
        }
}

static int32_t give_backend(struct tn_net_port *port, uint32_t queue,
                            const struct tn_net_frame *frame)
{
    return port->ops->send(port->self, queue, frame);
}

static void backend_room(struct tn_net_port *port, uint32_t queue)
{
    if (TN_HAS(port->ops, wanted))
        port->ops->wanted(port->self, queue);
}

/* On the back-end's thread, under its lock. */
static void backend_job(void *opaque)
{
    struct tn_net_port *port = opaque;

    g_mutex_lock(&port->lock);
    port->out.queued = FALSE;
    if (!port->closed) {
        tell_room(port, &port->in, backend_room);
        run_lanes(port, &port->out);
    }
    g_mutex_unlock(&port->lock);
    port_unref(port);
}

static int32_t give_device(struct tn_net_port *port, uint32_t queue,
                           const struct tn_net_frame *frame)
{
    return port->handlers->receive(port->opaque, queue, frame) ? 1 : 0;
}

static void device_room(struct tn_net_port *port, uint32_t queue)
{
    if (TN_HAS(port->handlers, writable))
        port->handlers->writable(port->opaque, queue);
}

static void tell_link(struct tn_net_port *port)
{
    if (!port->link_changed)
        return;
    port->link_changed = FALSE;
    if (!TN_HAS(port->handlers, link_changed))
        return;
    g_mutex_unlock(&port->lock);
    port->handlers->link_changed(port->opaque);
    g_mutex_lock(&port->lock);
}

/* On the device's thread, under its lock. */
static void device_job(void *opaque)
{
    struct tn_net_port *port = opaque;

    g_mutex_lock(&port->lock);
    port->in.queued = FALSE;
    if (!port->closed) {
        tell_link(port);
        tell_room(port, &port->out, device_room);
        run_lanes(port, &port->in);
    }
    g_mutex_unlock(&port->lock);
    port_unref(port);
}

struct tn_net_port *port_new(struct tn_host *device,
                             const struct tn_net_handlers *handlers,
                             void *opaque)
{
    struct tn_net_port *port = g_new0(struct tn_net_port, 1);

    g_atomic_ref_count_init(&port->references);
    g_mutex_init(&port->lock);
    port->device = device;
    port->handlers = handlers;
    port->opaque = opaque;
    port->n_queues = 1;
    port->info.size = sizeof port->info;
    port->info.queues = 1;
    port->out.give = give_backend;
    port->out.job = backend_job;
    port->in.host = device;
    port->in.give = give_device;
    port->in.job = device_job;
    return port;
}

void port_make_lanes(struct tn_net_port *port, uint32_t count)
{
    port->n_lanes = count;
    port->out.lanes = g_new0(struct lane, count);
    port->in.lanes = g_new0(struct lane, count);
    for (uint32_t i = 0; i < count; i++) {
        packet_queue_init(&port->out.lanes[i].queue);
        packet_queue_init(&port->in.lanes[i].queue);
    }
}
