/* SPDX-License-Identifier: Apache-2.0 */
/* The data of a port: section 5.3.6. On the I/O thread. */
#include "virtio-console.h"

/* ---- to the guest ---- */

/* A port that the guest has not opened takes nothing: its driver would throw
 * it away. The console port of a simple device is always open. */
static uint32_t is_open(const struct console *c, const struct port *port)
{
    return !console_multiport(c) ? port->index == 0
                                 : c->guest_open[port->index];
}

static uint32_t can_receive(void *opaque)
{
    struct port *port = opaque;
    struct console *c = port->console;
    struct tn_virtio_chain *chain;
    uint64_t room;

    if (!is_open(c, port))
        return 0;
    chain = c->transport->pop(c->virtio, console_receive_queue(port->index));
    if (!chain)
        return 0;
    room = chain->in_bytes;
    c->transport->unpop(c->virtio, chain);
    return (uint32_t)room;
}

static void receive(void *opaque, const uint8_t *data, uint32_t bytes)
{
    struct port *port = opaque;
    struct console *c = port->console;
    uint32_t queue = console_receive_queue(port->index);
    struct tn_virtio_chain *chain;

    while (bytes && (chain = c->transport->pop(c->virtio, queue))) {
        uint32_t done = (uint32_t)tn_virtio_copy_in(chain, 0, data, bytes);

        c->transport->push(c->virtio, chain, done);
        data += done;
        bytes -= done;
    }
    c->transport->flush(c->virtio, queue);
}

static void event(void *opaque, uint32_t what)
{
    struct port *port = opaque;
    struct console *c = port->console;

    if (what != TN_CHAR_OPENED && what != TN_CHAR_CLOSED)
        return;
    if (!console_multiport(c) || !c->device_ready)
        return;
    console_message(c, port->index, EVENT_PORT_OPEN, what == TN_CHAR_OPENED);
    console_send_messages(c);
}

static void writable(void *opaque)
{
    struct port *port = opaque;
    struct console *c = port->console;

    c->transport->kick(c->virtio, console_transmit_queue(port->index));
}

const struct tn_char_handlers console_port_handlers = {
    .size = sizeof(struct tn_char_handlers),
    .can_receive = can_receive,
    .receive = receive,
    .event = event,
    .writable = writable,
};

/* ---- from the guest ---- */

/* 1: all of CHAIN is written; 0: the back-end is slow, and sent[] says how
 * far it came. */
static uint32_t write_chain(struct console *c, struct port *port,
                            const struct tn_virtio_chain *chain)
{
    uint32_t *sent = &c->sent[port->index];
    uint64_t skip = *sent;

    for (uint32_t i = 0; i < chain->n_out; i++) {
        uint64_t bytes = chain->out[i].bytes;
        uint32_t taken;

        if (skip >= bytes) {
            skip -= bytes;
            continue;
        }
        taken = c->chars->write(c->host, port->stream,
                                (const uint8_t *)chain->out[i].base + skip,
                                (uint32_t)(bytes - skip));
        *sent += taken;
        if (taken < bytes - skip)
            return 0;
        skip = 0;
    }
    *sent = 0;
    return 1;
}

void console_transmit(struct console *c, struct port *port)
{
    uint32_t queue = console_transmit_queue(port->index);
    struct tn_virtio_chain *chain;

    while ((chain = c->transport->pop(c->virtio, queue))) {
        if (!write_chain(c, port, chain)) {
            c->transport->unpop(c->virtio, chain);
            break;
        }
        c->transport->push(c->virtio, chain, 0);
    }
    c->transport->flush(c->virtio, queue);
}
