/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio network device: virtio 1.2 section 5.1. Configuration space,
 * features, life. The network itself is the back-end's.
 */
#include "virtio-net.h"

#include <errno.h>
#include <stdlib.h>

#include <tenon/state.h>
#include <tenon/tree.h>

#define DEVICE_ID 1u
#define PCI_CLASS 0x020000u /* Ethernet controller */
#define CONTROL_QUEUE_SIZE 64u

/* Section 5.1.4. */
#define CONFIG_BYTES 17u
#define CONFIG_MAC 0u
#define CONFIG_STATUS 6u
#define CONFIG_MAX_PAIRS 8u
#define CONFIG_MTU 10u
#define CONFIG_SPEED 12u
#define CONFIG_DUPLEX 16u
#define STATUS_LINK_UP 0x1u
#define STATUS_ANNOUNCE 0x2u
#define DUPLEX_FULL 1u
#define UNKNOWN_SPEED UINT32_MAX
#define LEAST_MTU 68u
#define MOST_MTU 65535u

/* ---- configuration space ---- */

static void put(uint8_t *config, uint32_t at, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        config[at + i] = (uint8_t)(value >> (8 * i));
}

static uint32_t net_config_size(void *self)
{
    (void)self;
    return CONFIG_BYTES;
}

static void net_config_read(void *self, uint32_t offset, void *to,
                            uint32_t bytes)
{
    const struct net *net = self;
    uint8_t config[CONFIG_BYTES] = {0};

    memcpy(config + CONFIG_MAC, net->mac, MAC_BYTES);
    put(config, CONFIG_STATUS,
        (net->info.link ? STATUS_LINK_UP : 0) |
            (net->announce ? STATUS_ANNOUNCE : 0),
        2);
    put(config, CONFIG_MAX_PAIRS, net->max_pairs, 2);
    put(config, CONFIG_MTU, net->mtu, 2);
    put(config, CONFIG_SPEED, net->info.speed ? net->info.speed : UNKNOWN_SPEED,
        4);
    put(config, CONFIG_DUPLEX, DUPLEX_FULL, 1);
    memcpy(to, config + offset, bytes);
}

/* ---- features ---- */

/* Feature bit and the offload that receive() may get with it. */
static const struct {
    uint32_t feature;
    uint32_t offload;
} guest_offloads[] = {
    {F_GUEST_CSUM, TN_NET_CSUM}, {F_GUEST_TSO4, TN_NET_TSO4},
    {F_GUEST_TSO6, TN_NET_TSO6}, {F_GUEST_ECN, TN_NET_ECN},
    {F_GUEST_USO4, TN_NET_USO4}, {F_GUEST_USO6, TN_NET_USO6},
};
#define OFFLOADS (sizeof guest_offloads / sizeof guest_offloads[0])

void net_apply_offloads(struct net *net)
{
    uint32_t offloads = 0;

    for (uint32_t i = 0; i < OFFLOADS; i++)
        if (net->offloads >> guest_offloads[i].feature & 1)
            offloads |= guest_offloads[i].offload;
    /* Segmentation is nothing without checksums (section 5.1.3.1). */
    if (!(offloads & TN_NET_CSUM))
        offloads = 0;
    net->nets->set_offloads(net->host, net->port, offloads);
}

static uint64_t net_features(void *self, uint32_t word)
{
    static const uint8_t always[] = {
        F_CSUM,          F_GUEST_CSUM,     F_CTRL_GUEST_OFFLOADS,
        F_MAC,           F_GUEST_TSO4,     F_GUEST_TSO6,
        F_GUEST_ECN,     F_HOST_TSO4,      F_HOST_TSO6,
        F_HOST_ECN,      F_MRG_RXBUF,      F_STATUS,
        F_CTRL_VQ,       F_CTRL_RX,        F_CTRL_VLAN,
        F_CTRL_RX_EXTRA, F_GUEST_ANNOUNCE, F_CTRL_MAC_ADDR,
        F_GUEST_USO4,    F_GUEST_USO6,     F_HOST_USO,
        F_SPEED_DUPLEX,
    };
    const struct net *net = self;
    uint64_t features = 0;

    if (word)
        return 0;
    for (uint32_t i = 0; i < sizeof always; i++)
        features |= TN_VIRTIO_BIT(always[i]);
    if (net->max_pairs > 1)
        features |= TN_VIRTIO_BIT(F_MQ);
    if (net->mtu)
        features |= TN_VIRTIO_BIT(F_MTU);
    return features;
}

/* What one feature needs of others, section 5.1.3.1. */
static int32_t net_set_features(void *self, uint64_t features)
{
    static const uint8_t needs[][2] = {
        {F_GUEST_TSO4, F_GUEST_CSUM},
        {F_GUEST_TSO6, F_GUEST_CSUM},
        {F_GUEST_USO4, F_GUEST_CSUM},
        {F_GUEST_USO6, F_GUEST_CSUM},
        {F_HOST_TSO4, F_CSUM},
        {F_HOST_TSO6, F_CSUM},
        {F_HOST_USO, F_CSUM},
        {F_CTRL_RX, F_CTRL_VQ},
        {F_CTRL_VLAN, F_CTRL_VQ},
        {F_GUEST_ANNOUNCE, F_CTRL_VQ},
        {F_MQ, F_CTRL_VQ},
        {F_CTRL_MAC_ADDR, F_CTRL_VQ},
        {F_CTRL_RX_EXTRA, F_CTRL_VQ},
    };
    struct net *net = self;

    for (uint32_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (features >> needs[i][0] & 1 && !(features >> needs[i][1] & 1))
            return -EINVAL;
    net->features = features;
    net->offloads = 0;
    for (uint32_t i = 0; i < OFFLOADS; i++)
        net->offloads |= features & TN_VIRTIO_BIT(guest_offloads[i].feature);
    net_apply_offloads(net);
    return 0;
}

/* ---- queues ---- */

static uint32_t net_queue_count(void *self)
{
    const struct net *net = self;

    return 2 * net->max_pairs + 1;
}

static uint32_t net_queue_size(void *self, uint32_t queue)
{
    const struct net *net = self;

    return queue == 2 * net->max_pairs ? CONTROL_QUEUE_SIZE : net->queue_size;
}

static void net_notify(void *self, uint32_t queue)
{
    struct net *net = self;

    if (net_has(net, F_CTRL_VQ) && queue == net_control_queue(net)) {
        net_control(net, queue);
    } else if (queue >= 2 * net->max_pairs) {
        return;
    } else if (queue & 1) {
        net_transmit(net, queue);
    } else if (net->starved[queue / 2]) {
        net->starved[queue / 2] = 0;
        net->nets->accept(net->host, net->port, queue / 2);
    }
}

static void net_status(void *self, uint32_t status)
{
    struct net *net = self;

    net->nets->set_active(net->host, net->port,
                          (status & TN_VIRTIO_STATUS_DRIVER_OK) != 0);
}

static void net_device_reset(void *self)
{
    struct net *net = self;

    net->features = net->offloads = 0;
    net->announce = 0;
    net->many_unicast = net->many_multicast = 0;
    net->n_macs = 0;
    /* Until it says otherwise a driver gets everything (section 5.1.6.5.1). */
    net->mode = MODE_PROMISCUOUS;
    net->pairs = 1;
    memset(net->vlans, 0, sizeof net->vlans);
    memset(net->starved, 0, sizeof net->starved);
    memcpy(net->mac, net->permanent_mac, MAC_BYTES);
    net->nets->set_active(net->host, net->port, 0);
    net->nets->set_offloads(net->host, net->port, 0);
    net->nets->set_queues(net->host, net->port, 1);
}

static const struct tn_virtio_device device = {
    .size = sizeof(struct tn_virtio_device),
    .device_id = DEVICE_ID,
    .pci_class = PCI_CLASS,
    .queue_count = net_queue_count,
    .queue_size = net_queue_size,
    .features = net_features,
    .set_features = net_set_features,
    .config_size = net_config_size,
    .config_read = net_config_read,
    .reset = net_device_reset,
    .status = net_status,
    .notify = net_notify,
};

/* ---- the port ---- */

static void port_writable(void *opaque, uint32_t queue)
{
    struct net *net = opaque;

    if (queue < net->max_pairs)
        net->transport->kick(net->virtio, 2 * queue + 1);
}

static void port_link_changed(void *opaque)
{
    struct net *net = opaque;
    struct tn_net_info info = {.size = sizeof info};

    net->nets->info(net->host, net->port, &info);
    net->info.speed = info.speed;
    if (info.link == net->info.link)
        return;
    net->info.link = info.link;
    net->transport->config_changed(net->virtio);
}

static const struct tn_net_handlers handlers = {
    .size = sizeof(struct tn_net_handlers),
    .receive = net_receive,
    .writable = port_writable,
    .link_changed = port_link_changed,
};

/* ---- life ---- */

static int32_t net_create(struct tn_host *host, void **self)
{
    struct net *net = calloc(1, sizeof *net);

    if (!net)
        return -ENOMEM;
    net->host = host;
    *self = net;
    return 0;
}

/* An address of its own for each instance id, locally administered. */
static void make_mac(const char *id, uint8_t mac[MAC_BYTES])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *id; id++)
        hash = (hash ^ (uint8_t)*id) * UINT64_C(0x100000001b3);
    mac[0] = 0x02;
    for (uint32_t i = 1; i < MAC_BYTES; i++)
        mac[i] = (uint8_t)(hash >> (8 * i));
}

static int32_t net_configure(void *self, struct tn_error *error)
{
    struct net *net = self;
    const struct tn_props *props = tn_service(net->host, TN_HOST_PROPS);

    net->max_pairs = (uint32_t)props->get_uint(net->host, "queues");
    net->queue_size = (uint32_t)props->get_uint(net->host, "queue-size");
    net->mtu = (uint32_t)props->get_uint(net->host, "mtu");
    if (net->queue_size & (net->queue_size - 1))
        return tn_fail(net->host, error, -EINVAL,
                       "queue-size is no power of two");
    if (net->mtu && net->mtu < LEAST_MTU)
        return tn_fail(net->host, error, -EINVAL, "mtu is below 68");
    if (props->get_mac(net->host, "mac", net->permanent_mac))
        make_mac(props->instance_id(net->host), net->permanent_mac);
    else if (net->permanent_mac[0] & 1)
        return tn_fail(net->host, error, -EINVAL, "mac is a group's");
    return 0;
}

static int32_t open_port(struct net *net, struct tn_error *error)
{
    const struct tn_props *props = tn_service(net->host, TN_HOST_PROPS);
    const struct tn_tree *tree = tn_service(net->host, TN_HOST_TREE);
    uint32_t most;

    net->nets = tn_service(net->host, TN_HOST_NET);
    if (!net->nets)
        return tn_fail(net->host, error, -ENOTSUP,
                       "the host has no network service");
    net->port = net->nets->open(net->host, NULL, &handlers, net, error);
    if (!net->port)
        return -ENODEV;
    net->info.size = sizeof net->info;
    net->nets->info(net->host, net->port, &net->info);
    if (!net->mtu && net->info.mtu <= MOST_MTU)
        net->mtu = net->info.mtu;
    if (net->info.has_mac && !props->is_set(net->host, "mac"))
        memcpy(net->permanent_mac, net->info.mac, MAC_BYTES);
    most = net->info.queues ? net->info.queues : 1;
    if (!net->max_pairs)
        net->max_pairs = tree ? tree->cpu_count(net->host) : 1;
    if (net->max_pairs > most)
        net->max_pairs = most;
    if (net->max_pairs > MOST_PAIRS)
        net->max_pairs = MOST_PAIRS;
    net_device_reset(net);
    return 0;
}

static void net_unrealize(void *self)
{
    struct net *net = self;

    if (net->port)
        net->nets->close(net->host, net->port);
    if (net->virtio)
        net->transport->detach(net->virtio);
    net->port = NULL;
    net->virtio = NULL;
}

static int32_t net_realize(void *self, struct tn_error *error)
{
    struct net *net = self;
    int32_t rc = open_port(net, error);

    if (!rc) {
        net->virtio =
            tn_virtio_attach(net->host, &device, net, &net->transport, error);
        rc = net->virtio ? 0 : -ENODEV;
    }
    if (rc)
        net_unrealize(net);
    return rc;
}

static int32_t net_start(void *self, struct tn_error *error)
{
    struct net *net = self;

    (void)error;
    /* After a move the network must learn where the guest is now. */
    if (net->restored) {
        /* The transport's features may have been set after ours. */
        net->offloads = net->restored_offloads & net->features;
        net_apply_offloads(net);
    }
    if (net->restored && net_has(net, F_GUEST_ANNOUNCE)) {
        net->announce = 1;
        net->transport->config_changed(net->virtio);
    }
    net->restored = 0;
    return 0;
}

/* ---- saved state ---- */

static const struct tn_field fields[] = {
    TN_FIELD(TN_FIELD_BYTES, struct net, mac, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, announce, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, many_unicast, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, many_multicast, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, mode, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, pairs, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, offloads, 1),
    TN_FIELD(TN_FIELD_UINT, struct net, n_macs, 1),
    TN_FIELD(TN_FIELD_BYTES, struct net, macs, 1),
    TN_FIELD_ARRAY(struct net, vlans, 1),
};

static int32_t net_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct net *net = self;

    (void)version;
    if (net->n_macs > MOST_MACS || !net->pairs || net->pairs > net->max_pairs)
        return tn_fail(net->host, error, -EINVAL,
                       "saved with %u addresses and %u queue pairs",
                       net->n_macs, net->pairs);
    if (net->nets->set_queues(net->host, net->port, net->pairs))
        return tn_fail(net->host, error, -EINVAL,
                       "the back-end has not %u queue pairs", net->pairs);
    net->restored_offloads = net->offloads;
    net->restored = 1;
    return 0;
}

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
    .loaded = net_loaded,
};

static const void *net_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &state;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "dev-virtio-net",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "virtio network device"},
};

TN_COMPONENT_INFO(net_info, 4) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, net_info),
    .info = {TN_COMPONENT_INFO_DEVICE(4),
             .flags = TN_COMPONENT_PARENT_LOCK | TN_COMPONENT_SAVES,
             .id = "virtio-net", .bus = "virtio",
             .summary = "network interface"},
    .properties =
        {{.name = "mac",
          .type = TN_PROP_MAC,
          .doc = "Address the guest starts with; made from the instance's id "
                 "if not given"},
         {.name = "queues",
          .type = TN_PROP_UINT,
          .default_value = "0",
          .minimum = "0",
          .maximum = "32",
          .doc = "Queue pairs; 0 is one a CPU if the back-end has them"},
         {.name = "queue-size",
          .type = TN_PROP_UINT,
          .default_value = "256",
          .minimum = "16",
          .maximum = "1024",
          .unit = "buffers",
          .doc = "Descriptors of a queue, a power of two"},
         {.name = "mtu",
          .type = TN_PROP_UINT,
          .default_value = "0",
          .minimum = "0",
          .maximum = "65535",
          .unit = "bytes",
          .doc = "Longest payload told to the guest; 0 is what the back-end "
                 "says"}},
};

static const struct tn_component_ops ops = {
    .size = sizeof(struct tn_component_ops),
    .create = net_create,
    .destroy = free,
    .configure = net_configure,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .start = net_start,
    .get_interface = net_interface,
};

TN_COMPONENT(virtio_net, net_info, ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_net)
