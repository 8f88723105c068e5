/* SPDX-License-Identifier: Apache-2.0 */
/* tenon.host.net/1, and the sink that back-ends get. */
#include "core/net/net.h"

#include <errno.h>
#include <string.h>

#include "core/machine/machine.h"
#include "core/net/port.h"
#include "core/util/log.h"

/* ---- tn_net_sink ---- */

static uint32_t sink_receive(void *opaque, uint32_t queue,
                             const struct tn_net_frame *frame)
{
    struct tn_net_port *port = opaque;

    return port_put(port, &port->in, queue, frame);
}

static void sink_writable(void *opaque, uint32_t queue)
{
    struct tn_net_port *port = opaque;

    port_resume(port, &port->out, queue);
}

static void sink_set_link(void *opaque, uint32_t up)
{
    struct tn_net_port *port = opaque;

    g_mutex_lock(&port->lock);
    if (port->info.link != (up ? 1u : 0u)) {
        port->info.link = up ? 1 : 0;
        port->link_changed = TRUE;
        port_queue_job(port, port->in.host, port->in.job, &port->in.queued);
    }
    g_mutex_unlock(&port->lock);
}

static const struct tn_net_sink sink = {
    .size = sizeof sink,
    .receive = sink_receive,
    .writable = sink_writable,
    .set_link = sink_set_link,
};

/* ---- opening ---- */

static gboolean find_backend(struct tn_net_port *port, const char *id,
                             struct tn_error *error)
{
    struct tn_machine *machine = tn_host_machine(port->device);
    struct tn_host *backend = tn_machine_host(machine, id);

    port->ops = tn_machine_interface(machine, id, TN_NET, &port->self);
    if (!port->ops || !backend) {
        tn_error_set(error, ENOENT, "'%s' is no network back-end", id);
        return FALSE;
    }
    if (!TN_HAS(port->ops, attach) || !TN_HAS(port->ops, info) ||
        !TN_HAS(port->ops, offloads) || !TN_HAS(port->ops, send)) {
        tn_error_set(error, EINVAL,
                     "the network back-end '%s' lacks a function", id);
        return FALSE;
    }
    if (tn_host_data(backend, "net-port")) {
        tn_error_set(error, EBUSY, "'%s' is in use by another device", id);
        return FALSE;
    }
    port->backend = port->out.host = backend;
    return TRUE;
}

static gboolean connect_backend(struct tn_net_port *port, const char *id,
                                struct tn_error *error)
{
    if (!find_backend(port, id, error))
        return FALSE;
    if (tn_host_enter(port->backend)) {
        tn_error_set(error, EDEADLK, "'%s' is being called", id);
        port->backend = NULL;
        return FALSE;
    }
    port->ops->info(port->self, &port->info);
    port->info.link = port->info.link ? 1 : 0;
    port->info.queues = CLAMP(port->info.queues, 1, TN_NET_MAX_QUEUES);
    port->out.offloads = port->ops->offloads(port->self);
    port_make_lanes(port, port->info.queues);
    tn_host_set_data(port->backend, "net-port", port, NULL);
    port->ops->attach(port->self, &sink, port);
    tn_host_leave(port->backend);
    return TRUE;
}

static void net_close(struct tn_host *host, struct tn_net_port *port)
{
    (void)host;
    if (!port)
        return;
    g_mutex_lock(&port->lock);
    port->closed = TRUE;
    g_mutex_unlock(&port->lock);
    if (port->backend) {
        tn_host_set_data(port->backend, "net-port", NULL, NULL);
        if (tn_host_enter(port->backend) == 0) {
            port->ops->attach(port->self, NULL, NULL);
            tn_host_leave(port->backend);
        }
    }
    port_unref(port);
}

static struct tn_net_port *net_open(struct tn_host *host, const char *id,
                                    const struct tn_net_handlers *handlers,
                                    void *opaque, struct tn_error *error)
{
    struct tn_net_port *port;

    if (!TN_HAS(handlers, receive)) {
        tn_error_set(error, EINVAL, "a network device that cannot receive");
        return NULL;
    }
    if (!id)
        id = tn_host_description(host)->backend;
    port = port_new(host, handlers, opaque);
    if (id && !connect_backend(port, id, error)) {
        net_close(host, port);
        return NULL;
    }
    return port;
}

/* ---- the device's other calls ---- */

static void net_info(struct tn_host *host, struct tn_net_port *port,
                     struct tn_net_info *info)
{
    struct tn_net_info copy;
    uint32_t size = info->size;

    (void)host;
    g_mutex_lock(&port->lock);
    copy = port->info;
    g_mutex_unlock(&port->lock);
    memset(info, 0, size);
    memcpy(info, &copy, MIN(size, sizeof copy));
    info->size = size;
}

static uint32_t net_send(struct tn_host *host, struct tn_net_port *port,
                         uint32_t queue, const struct tn_net_frame *frame)
{
    (void)host;
    return port->backend ? port_put(port, &port->out, queue, frame) : 1;
}

static void net_accept(struct tn_host *host, struct tn_net_port *port,
                       uint32_t queue)
{
    (void)host;
    port_resume(port, &port->in, queue);
}

static void offloads_job(void *opaque)
{
    struct tn_net_port *port = opaque;
    uint32_t offloads;
    gboolean closed;

    g_mutex_lock(&port->lock);
    offloads = port->in.offloads;
    closed = port->closed;
    g_mutex_unlock(&port->lock);
    if (!closed)
        port->ops->set_offloads(port->self, offloads);
    port_unref(port);
}

static void net_set_offloads(struct tn_host *host, struct tn_net_port *port,
                             uint32_t offloads)
{
    gboolean queued = FALSE;

    (void)host;
    g_mutex_lock(&port->lock);
    port->in.offloads = offloads;
    if (port->backend && TN_HAS(port->ops, set_offloads))
        port_queue_job(port, port->backend, offloads_job, &queued);
    g_mutex_unlock(&port->lock);
}

static int32_t net_set_queues(struct tn_host *host, struct tn_net_port *port,
                              uint32_t count)
{
    int32_t code = 0;

    (void)host;
    if (count < 1 || count > port->info.queues)
        return -EINVAL;
    if (count == port->n_queues)
        return 0;
    if (port->backend && TN_HAS(port->ops, set_queues)) {
        code = tn_host_enter(port->backend);
        if (code)
            return code;
        code = port->ops->set_queues(port->self, count);
        tn_host_leave(port->backend);
    }
    if (code == 0)
        port->n_queues = count;
    return code;
}

static void net_set_active(struct tn_host *host, struct tn_net_port *port,
                           uint32_t active)
{
    (void)host;
    g_mutex_lock(&port->lock);
    port->active = active != 0;
    g_mutex_unlock(&port->lock);
    if (!active)
        port_drop_input(port);
}

static const struct tn_nets net_service = {
    .size = sizeof net_service,
    .open = net_open,
    .close = net_close,
    .info = net_info,
    .send = net_send,
    .set_offloads = net_set_offloads,
    .set_queues = net_set_queues,
    .accept = net_accept,
    .set_active = net_set_active,
};

void tn_net_register(void)
{
    tn_machine_add_service(TN_HOST_NET, &net_service);
}
