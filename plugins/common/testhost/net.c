/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's network: see net.h. */
#include <stdlib.h>
#include <string.h>

#include "testhost/net.h"
#include "testhost/private.h"

struct tn_net_port {
    struct tn_host *host;
    struct test_net *net;
    const struct tn_net_handlers *handlers;
    void *opaque;
};

static struct tn_net_port *net_open(struct tn_host *host, const char *id,
                                    const struct tn_net_handlers *handlers,
                                    void *opaque, struct tn_error *error)
{
    struct tn_net_port *port = calloc(1, sizeof *port);

    (void)id;
    (void)error;
    if (!port)
        abort();
    port->host = host;
    port->net = testhost_machine_data(host, "net");
    port->handlers = handlers;
    port->opaque = opaque;
    port->net->port = port;
    return port;
}

static void net_close(struct tn_host *host, struct tn_net_port *port)
{
    (void)host;
    free(port);
}

static void net_info(struct tn_host *host, struct tn_net_port *port,
                     struct tn_net_info *info)
{
    uint32_t size = info->size;

    (void)host;
    memcpy(info, &port->net->info, size < sizeof *info ? size : sizeof *info);
    info->size = size;
}

static uint32_t net_send(struct tn_host *host, struct tn_net_port *port,
                         uint32_t queue, const struct tn_net_frame *frame)
{
    struct test_net *net = port->net;

    (void)host;
    if (net->busy)
        return 0;
    net->last = *frame;
    net->last.iov = NULL;
    net->n_bytes = 0;
    net->last_queue = queue;
    net->sent++;
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        if (net->n_bytes + frame->iov[i].bytes > sizeof net->bytes)
            abort();
        memcpy(net->bytes + net->n_bytes, frame->iov[i].base,
               frame->iov[i].bytes);
        net->n_bytes += (uint32_t)frame->iov[i].bytes;
    }
    return 1;
}

static void set_offloads(struct tn_host *host, struct tn_net_port *port,
                         uint32_t offloads)
{
    (void)host;
    port->net->offloads = offloads;
}

static int32_t set_queues(struct tn_host *host, struct tn_net_port *port,
                          uint32_t count)
{
    (void)host;
    if (!count || count > port->net->info.queues)
        return -22;
    port->net->queues = count;
    return 0;
}

static void accept(struct tn_host *host, struct tn_net_port *port,
                   uint32_t queue)
{
    (void)host;
    port->net->accepted |= 1u << queue;
}

static void set_active(struct tn_host *host, struct tn_net_port *port,
                       uint32_t active)
{
    (void)host;
    port->net->active = active;
}

static const struct tn_nets nets = {
    .size = sizeof(struct tn_nets),
    .open = net_open,
    .close = net_close,
    .info = net_info,
    .send = net_send,
    .set_offloads = set_offloads,
    .set_queues = set_queues,
    .accept = accept,
    .set_active = set_active,
};

void testhost_net(struct testhost *machine, struct test_net *net)
{
    testhost_add_service(machine, TN_HOST_NET, &nets);
    testhost_set_machine_data(machine, "net", net);
}

uint32_t testhost_net_receive(struct test_net *net, uint32_t queue,
                              const struct tn_net_frame *frame)
{
    struct test_instance *instance = instance_of(net->port->host);
    uint32_t taken;

    if (test_enter(instance))
        abort();
    taken = net->port->handlers->receive(net->port->opaque, queue, frame);
    test_leave(instance);
    return taken;
}

void testhost_net_writable(struct test_net *net, uint32_t queue)
{
    net->port->handlers->writable(net->port->opaque, queue);
}

void testhost_net_link(struct test_net *net, uint32_t up)
{
    net->info.link = up;
    net->port->handlers->link_changed(net->port->opaque);
}
