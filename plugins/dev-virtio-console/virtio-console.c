/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio console device: virtio 1.2 section 5.3. Configuration space,
 * features, life. Port 0 is a console (hvc0 in Linux), the others are streams
 * with names (/dev/virtio-ports).
 */
#include "virtio-console.h"

#include <errno.h>
#include <stdlib.h>

#include <tenon/state.h>

#define DEVICE_ID 3u
#define PCI_CLASS 0x078000u /* communication controller, other */
#define DATA_QUEUE_SIZE 128u
#define CONTROL_QUEUE_SIZE 64u

/* Section 5.3.4. */
#define CONFIG_BYTES 12u
#define CONFIG_COLUMNS 0u
#define CONFIG_ROWS 2u
#define CONFIG_MAX_PORTS 4u
#define CONFIG_EMERGENCY 8u

/* ---- the transport's questions ---- */

static void put(uint8_t *config, uint32_t at, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        config[at + i] = (uint8_t)(value >> (8 * i));
}

static uint32_t console_config_size(void *self)
{
    (void)self;
    return CONFIG_BYTES;
}

static void console_config_read(void *self, uint32_t offset, void *to,
                                uint32_t bytes)
{
    const struct console *c = self;
    uint8_t config[CONFIG_BYTES] = {0};

    put(config, CONFIG_COLUMNS, c->columns, 2);
    put(config, CONFIG_ROWS, c->rows, 2);
    put(config, CONFIG_MAX_PORTS, c->n_ports, 4);
    memcpy(to, config + offset, bytes);
}

/* Emergency write: a character before there is a driver (section 5.3.4.1). */
static void console_config_write(void *self, uint32_t offset, const void *from,
                                 uint32_t bytes)
{
    struct console *c = self;

    (void)bytes;
    if (offset == CONFIG_EMERGENCY)
        c->chars->write(c->host, c->port[0].stream, from, 1);
}

static uint64_t console_features(void *self, uint32_t word)
{
    const struct console *c = self;
    uint64_t features = TN_VIRTIO_BIT(F_EMERG_WRITE);

    if (word)
        return 0;
    if (c->n_ports > 1)
        features |= TN_VIRTIO_BIT(F_MULTIPORT);
    if (c->columns && c->rows)
        features |= TN_VIRTIO_BIT(F_SIZE);
    return features;
}

static int32_t console_set_features(void *self, uint64_t features)
{
    struct console *c = self;

    c->features = features;
    return 0;
}

static uint32_t console_queue_count(void *self)
{
    const struct console *c = self;

    return c->n_ports > 1 ? 2 * c->n_ports + 2 : 2;
}

static uint32_t console_queue_size(void *self, uint32_t queue)
{
    (void)self;
    return queue == CONTROL_RECEIVE || queue == CONTROL_TRANSMIT
               ? CONTROL_QUEUE_SIZE
               : DATA_QUEUE_SIZE;
}

static void console_notify(void *self, uint32_t queue)
{
    struct console *c = self;
    uint32_t index = queue < 2 ? 0 : queue / 2 - 1;

    if (queue >= 2 && !console_multiport(c))
        return;
    if (queue == CONTROL_RECEIVE)
        console_send_messages(c);
    else if (queue == CONTROL_TRANSMIT)
        console_control(c);
    else if (queue & 1)
        console_transmit(c, &c->port[index]);
    else
        c->chars->accept(c->host, c->port[index].stream);
}

static void console_device_reset(void *self)
{
    struct console *c = self;

    c->features = 0;
    c->device_ready = 0;
    c->n_messages = 0;
    memset(c->guest_open, 0, sizeof c->guest_open);
    memset(c->sent, 0, sizeof c->sent);
}

static const struct tn_virtio_device device = {
    .size = sizeof(struct tn_virtio_device),
    .device_id = DEVICE_ID,
    .pci_class = PCI_CLASS,
    .queue_count = console_queue_count,
    .queue_size = console_queue_size,
    .features = console_features,
    .set_features = console_set_features,
    .config_size = console_config_size,
    .config_read = console_config_read,
    .config_write = console_config_write,
    .reset = console_device_reset,
    .notify = console_notify,
};

/* ---- life ---- */

static int32_t console_create(struct tn_host *host, void **self)
{
    struct console *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    c->host = host;
    *self = c;
    return 0;
}

static int32_t console_configure(void *self, struct tn_error *error)
{
    struct console *c = self;
    const struct tn_props *props = tn_service(c->host, TN_HOST_PROPS);
    uint32_t ports = props->count(c->host, "ports");
    uint32_t names = props->count(c->host, "names");

    if (ports >= MOST_PORTS)
        return tn_fail(c->host, error, -EINVAL, "more than %u ports",
                       MOST_PORTS);
    if (names > ports)
        return tn_fail(c->host, error, -EINVAL, "more names than ports");
    c->columns = (uint32_t)props->get_uint(c->host, "columns");
    c->rows = (uint32_t)props->get_uint(c->host, "rows");
    c->n_ports = 1 + ports;
    c->port[0].backend = props->get_string(c->host, "chardev");
    for (uint32_t i = 0; i < ports; i++) {
        c->port[i + 1].backend = props->get_item(c->host, "ports", i);
        if (i < names)
            c->port[i + 1].name = props->get_item(c->host, "names", i);
    }
    return 0;
}

static void console_unrealize(void *self)
{
    struct console *c = self;

    for (uint32_t i = 0; i < c->n_ports; i++) {
        if (c->port[i].stream)
            c->chars->close(c->host, c->port[i].stream);
        c->port[i].stream = NULL;
    }
    if (c->virtio)
        c->transport->detach(c->virtio);
    c->virtio = NULL;
}

static int32_t open_ports(struct console *c, struct tn_error *error)
{
    c->chars = tn_service(c->host, TN_HOST_CHAR);
    if (!c->chars)
        return tn_fail(c->host, error, -ENOTSUP,
                       "the host has no character service");
    for (uint32_t i = 0; i < c->n_ports; i++) {
        struct port *port = &c->port[i];

        port->console = c;
        port->index = i;
        port->stream = c->chars->open(c->host, i ? port->backend : NULL,
                                      &console_port_handlers, port, error);
        if (!port->stream)
            return -ENODEV;
    }
    return 0;
}

/* The transport first: a stream may have something to say at once. */
static int32_t console_realize(void *self, struct tn_error *error)
{
    struct console *c = self;
    int32_t rc;

    c->virtio = tn_virtio_attach(c->host, &device, c, &c->transport, error);
    if (!c->virtio)
        return -ENODEV;
    rc = open_ports(c, error);
    if (rc)
        console_unrealize(c);
    return rc;
}

/* ---- saved state ---- */

static const struct tn_field fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct console, device_ready, 1),
    TN_FIELD_ARRAY(struct console, guest_open, 1),
    TN_FIELD_ARRAY(struct console, sent, 1),
    TN_FIELD(TN_FIELD_UINT, struct console, n_messages, 1),
    TN_FIELD_ARRAY(struct console, messages, 1),
};

static int32_t console_loaded(void *self, uint32_t version,
                              struct tn_error *error)
{
    struct console *c = self;

    (void)version;
    if (c->n_messages > MOST_MESSAGES)
        return tn_fail(c->host, error, -EINVAL, "saved with %u messages",
                       c->n_messages);
    return 0;
}

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
    .loaded = console_loaded,
};

static const void *console_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &state;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1,
             .id = "dev-virtio-console", .version = "1.0", .vendor = "Tenon",
             .licence = "Apache-2.0", .summary = "virtio console device"},
};

TN_COMPONENT_INFO(console_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, console_info),
    .info = {TN_COMPONENT_INFO_DEVICE(5),
             .flags = TN_COMPONENT_PARENT_LOCK | TN_COMPONENT_SAVES,
             .id = "virtio-console", .bus = "virtio",
             .summary = "console and serial ports"},
    .properties = {{.name = "chardev",
                    .type = TN_PROP_REF,
                    .doc = "Character back-end of port 0, the console"},
                   {.name = "ports",
                    .type = TN_PROP_REF,
                    .flags = TN_PROP_LIST,
                    .doc = "Character back-ends of further ports, at most 30"},
                   {.name = "names",
                    .type = TN_PROP_STRING,
                    .flags = TN_PROP_LIST,
                    .doc =
                        "What the guest calls those ports, in the same order"},
                   {.name = "columns",
                    .type = TN_PROP_UINT,
                    .default_value = "0",
                    .maximum = "65535",
                    .doc = "Width told to the guest; 0 is none"},
                   {.name = "rows",
                    .type = TN_PROP_UINT,
                    .default_value = "0",
                    .maximum = "65535",
                    .doc = "Height told to the guest; 0 is none"}},
};

static const struct tn_component_ops ops = {
    .size = sizeof(struct tn_component_ops),
    .create = console_create,
    .destroy = free,
    .configure = console_configure,
    .realize = console_realize,
    .unrealize = console_unrealize,
    .get_interface = console_interface,
};

TN_COMPONENT(virtio_console, console_info, ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_console)
