/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio console device (virtio 1.2 section 5.3): the instance, shared by its
 * files. Port 0 has queues 0 and 1, the control queues are 2 and 3, port N has
 * 2N+2 and 2N+3.
 */
#ifndef TENON_VIRTIO_CONSOLE_H
#define TENON_VIRTIO_CONSOLE_H

#include <string.h>

#include <tenon/char.h>
#include <tenon/virtio.h>

#define F_SIZE 0u
#define F_MULTIPORT 1u
#define F_EMERG_WRITE 2u

#define MOST_PORTS 31u
#define CONTROL_RECEIVE 2u
#define CONTROL_TRANSMIT 3u

/* Events, section 5.3.6.2. */
#define EVENT_DEVICE_READY 0u
#define EVENT_DEVICE_ADD 1u
#define EVENT_PORT_READY 3u
#define EVENT_CONSOLE_PORT 4u
#define EVENT_PORT_OPEN 6u
#define EVENT_PORT_NAME 7u

/* Messages for the driver wait here for its buffers. Each event of the driver
 * makes at most as many as there are ports. */
#define MOST_MESSAGES 256u

struct console;

struct port {
    struct console *console;
    struct tn_char_stream *stream;
    const char *backend; /* instance id, or NULL */
    const char *name;    /* what the guest calls it, or NULL */
    uint32_t index;
};

/* struct virtio_console_control in host order. */
struct message {
    uint32_t port;
    uint16_t event;
    uint16_t value;
};

struct console {
    struct tn_host *host;
    const struct tn_virtio_transport *transport;
    struct tn_virtio *virtio;
    const struct tn_chars *chars;
    uint32_t n_ports;
    uint32_t columns, rows; /* properties; 0: not offered */
    uint64_t features;      /* negotiated */
    struct port port[MOST_PORTS];
    /* Saved. */
    uint8_t device_ready;
    uint8_t guest_open[MOST_PORTS];
    uint32_t sent[MOST_PORTS]; /* bytes of the next chain already written */
    uint32_t n_messages;
    uint64_t messages[MOST_MESSAGES]; /* port, event, value packed */
};

static inline uint32_t console_multiport(const struct console *c)
{
    return (uint32_t)(c->features >> F_MULTIPORT & 1);
}
static inline uint32_t console_receive_queue(uint32_t port)
{
    return port ? 2 * port + 2 : 0;
}
static inline uint32_t console_transmit_queue(uint32_t port)
{
    return console_receive_queue(port) + 1;
}

/* port.c */
extern const struct tn_char_handlers console_port_handlers;
void console_transmit(struct console *c, struct port *port);
/* control.c */
void console_control(struct console *c);
void console_send_messages(struct console *c);
void console_message(struct console *c, uint32_t port, uint16_t event,
                     uint16_t value);

#endif
