/* SPDX-License-Identifier: Apache-2.0 */
/* The control queues: section 5.3.6.2. On the I/O thread. */
#include <endian.h>

#include "virtio-console.h"

struct control {
    uint32_t port;
    uint16_t event;
    uint16_t value;
};

static uint64_t pack(uint32_t port, uint16_t event, uint16_t value)
{
    return (uint64_t)port << 32 | (uint32_t)event << 16 | value;
}

void console_message(struct console *c, uint32_t port, uint16_t event,
                     uint16_t value)
{
    if (c->n_messages == MOST_MESSAGES) {
        tn_logf(c->host, TN_LOG_GUEST,
                "the driver asks and gives no buffers for answers");
        return;
    }
    c->messages[c->n_messages++] = pack(port, event, value);
}

/* One message into CHAIN; returns its bytes. */
static uint64_t write_message(struct console *c, struct tn_virtio_chain *chain,
                              uint64_t packed)
{
    struct control control = {
        .port = htole32((uint32_t)(packed >> 32)),
        .event = htole16((uint16_t)(packed >> 16)),
        .value = htole16((uint16_t)packed),
    };
    uint64_t bytes = tn_virtio_copy_in(chain, 0, &control, sizeof control);
    const char *name;

    if ((uint16_t)(packed >> 16) != EVENT_PORT_NAME)
        return bytes;
    /* The name follows, without a terminator. */
    name = c->port[(packed >> 32) % MOST_PORTS].name;
    if (name)
        bytes += tn_virtio_copy_in(chain, bytes, name, strlen(name));
    return bytes;
}

void console_send_messages(struct console *c)
{
    struct tn_virtio_chain *chain;
    uint32_t sent = 0;

    while (sent < c->n_messages &&
           (chain = c->transport->pop(c->virtio, CONTROL_RECEIVE)))
        c->transport->push(c->virtio, chain,
                           write_message(c, chain, c->messages[sent++]));
    c->n_messages -= sent;
    memmove(c->messages, c->messages + sent,
            c->n_messages * sizeof c->messages[0]);
    c->transport->flush(c->virtio, CONTROL_RECEIVE);
}

static void port_ready(struct console *c, struct port *port)
{
    if (port->index == 0)
        console_message(c, 0, EVENT_CONSOLE_PORT, 1);
    if (port->name)
        console_message(c, port->index, EVENT_PORT_NAME, 1);
    if (port->index == 0 || c->chars->is_open(c->host, port->stream))
        console_message(c, port->index, EVENT_PORT_OPEN, 1);
}

static void handle(struct console *c, const struct control *raw)
{
    uint32_t index = le32toh(raw->port);
    uint16_t event = le16toh(raw->event);
    uint16_t value = le16toh(raw->value);

    if (event == EVENT_DEVICE_READY) {
        c->device_ready = value == 1;
        for (uint32_t i = 0; c->device_ready && i < c->n_ports; i++)
            console_message(c, i, EVENT_DEVICE_ADD, 1);
        return;
    }
    if (index >= c->n_ports) {
        tn_logf(c->host, TN_LOG_GUEST,
                "control message for port %u: there "
                "are %u",
                index, c->n_ports);
        return;
    }
    if (event == EVENT_PORT_READY && value == 1)
        port_ready(c, &c->port[index]);
    if (event == EVENT_PORT_OPEN) {
        c->guest_open[index] = value == 1;
        if (value == 1)
            c->chars->accept(c->host, c->port[index].stream);
    }
}

void console_control(struct console *c)
{
    struct tn_virtio_chain *chain;

    while ((chain = c->transport->pop(c->virtio, CONTROL_TRANSMIT))) {
        struct control control;

        if (tn_virtio_copy_out(chain, 0, &control, sizeof control) ==
            sizeof control)
            handle(c, &control);
        c->transport->push(c->virtio, chain, 0);
    }
    c->transport->flush(c->virtio, CONTROL_TRANSMIT);
    console_send_messages(c);
}
