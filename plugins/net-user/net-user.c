/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network behind the host's own sockets, without privileges: libslirp gives
 * the guest addresses (DHCP, router advertisements), a gateway, a name server
 * and TFTP, and turns its TCP, UDP and ICMP echo into sockets of this process.
 */
#include "net-user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- libslirp's callbacks, all under the instance's lock ---- */

/* A frame for the guest. When there is no room it is lost, as on a wire. */
static ssize_t send_packet(const void *data, size_t bytes, void *opaque)
{
    struct user *u = opaque;
    const struct tn_iovec iov = {(void *)(uintptr_t)data, bytes};
    const struct tn_net_frame frame = {
        .size = sizeof frame, .n_iov = 1, .iov = &iov};

    if (u->sink)
        u->sink->receive(u->sink_opaque, 0, &frame);
    return (ssize_t)bytes;
}

static void guest_error(const char *message, void *opaque)
{
    struct user *u = opaque;

    tn_logf(u->host, TN_LOG_GUEST, "%s", message);
}

static int64_t clock_get_ns(void *opaque)
{
    struct user *u = opaque;

    return (int64_t)u->clock->now(u->host, TN_CLOCK_VIRTUAL);
}

struct user_timer {
    struct user *user;
    struct tn_timer *timer;
    SlirpTimerId id;
    void *opaque;
};

static void timer_fired(void *opaque)
{
    struct user_timer *t = opaque;

    slirp_handle_timer(t->user->slirp, t->id, t->opaque);
    user_poll_update(t->user);
}

static void *timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
    struct user *u = opaque;
    struct user_timer *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    *t = (struct user_timer){.user = u, .id = id, .opaque = timer_opaque};
    t->timer = u->clock->new_timer(u->host, TN_CLOCK_VIRTUAL, timer_fired, t);
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct user *u = opaque;
    struct user_timer *t = timer;

    if (t)
        u->clock->free_timer(u->host, t->timer);
    free(t);
}

static void timer_mod(void *timer, int64_t milliseconds, void *opaque)
{
    struct user *u = opaque;
    struct user_timer *t = timer;

    if (t && t->timer && milliseconds >= 0 &&
        milliseconds < INT64_MAX / 1000000)
        u->clock->set_timer(u->host, t->timer,
                            (uint64_t)milliseconds * 1000000u);
}

static void notify(void *opaque)
{
    user_poll_update(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = user_poll_register,
    .unregister_poll_fd = user_poll_unregister,
    .notify = notify,
    .timer_new_opaque = timer_new,
};

/* ---- tenon.net/1 ---- */

static void user_attach(void *self, const struct tn_net_sink *sink,
                        void *opaque)
{
    struct user *u = self;

    u->sink = sink;
    u->sink_opaque = opaque;
    if (sink && u->task)
        user_poll_update(u);
}

static void user_info(void *self, struct tn_net_info *info)
{
    struct user *u = self;

    info->link = 1;
    info->mtu = (uint32_t)u->config.if_mtu;
    info->queues = 1;
}

static uint32_t user_offloads(void *self)
{
    (void)self;
    return 0;
}

static int32_t user_send(void *self, uint32_t queue,
                         const struct tn_net_frame *frame)
{
    struct user *u = self;
    uint64_t bytes = 0;

    (void)queue;
    if (!u->slirp)
        return -ENETDOWN;
    if (frame->n_iov == 1 && frame->iov->bytes <= TN_NET_MAX_FRAME) {
        slirp_input(u->slirp, frame->iov->base, (int)frame->iov->bytes);
    } else {
        for (uint32_t i = 0; i < frame->n_iov; i++) {
            if (frame->iov[i].bytes > sizeof u->frame - bytes)
                return -EMSGSIZE;
            memcpy(u->frame + bytes, frame->iov[i].base, frame->iov[i].bytes);
            bytes += frame->iov[i].bytes;
        }
        slirp_input(u->slirp, u->frame, (int)bytes);
    }
    user_poll_update(u);
    return 1;
}

static const struct tn_net user_net = {
    .size = sizeof user_net,
    .attach = user_attach,
    .info = user_info,
    .offloads = user_offloads,
    .send = user_send,
};

/* ---- life cycle ---- */

static int32_t user_create(struct tn_host *host, void **self)
{
    struct user *u = calloc(1, sizeof *u);

    if (!u)
        return -ENOMEM;
    u->host = host;
    *self = u;
    return 0;
}

static void user_destroy(void *self)
{
    free(self);
}

static int32_t user_configure(void *self, struct tn_error *error)
{
    return user_read_settings(self, error);
}

static void user_unrealize(void *self)
{
    struct user *u = self;

    if (u->slirp)
        slirp_cleanup(u->slirp);
    u->slirp = NULL;
    user_poll_free(u);
}

static int32_t user_realize(void *self, struct tn_error *error)
{
    struct user *u = self;
    int32_t code;

    u->loop = tn_service(u->host, TN_HOST_LOOP);
    u->clock = tn_service(u->host, TN_HOST_CLOCK);
    if (!u->loop || !u->clock)
        return tn_fail(u->host, error, -ENOSYS, "the host lacks a service");
    code = user_poll_init(u);
    if (!code) {
        u->slirp = slirp_new(&u->config, &callbacks, u);
        code = u->slirp ? user_add_forwards(u, error)
                        : tn_fail(u->host, error, -EINVAL,
                                  "libslirp %s refuses these settings",
                                  slirp_version_string());
    }
    if (code)
        user_unrealize(u);
    return code;
}

static const void *user_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_NET) == 0 ? &user_net : NULL;
}

static const struct tn_component_ops user_ops = {
    .size = sizeof user_ops,
    .create = user_create,
    .destroy = user_destroy,
    .configure = user_configure,
    .realize = user_realize,
    .unrealize = user_unrealize,
    .get_interface = user_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "net-user",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Network back-end: the host's sockets, unprivileged"},
};

#define STRING(name_, doc_)                                                    \
    {                                                                          \
        .name = (name_), .type = TN_PROP_STRING, .doc = (doc_)                 \
    }
#define TRUTH(name_, default_, doc_)                                           \
    {                                                                          \
        .name = (name_), .type = TN_PROP_BOOL, .default_value = (default_),    \
        .doc = (doc_)                                                          \
    }

TN_COMPONENT_INFO(user_info_, 19) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, user_info_),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_NET, 19),
             .id = "user",
             .summary = "User-mode network through the host's sockets"},
    .properties =
        {
            {.name = "forward",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_LIST,
             .doc = "Host ports led to the guest: "
                    "tcp|udp:[ADDRESS:]PORT:[GUEST-ADDRESS:]PORT"},
            TRUTH("restrict", "no",
                  "The guest reaches nothing but forwarded connections"),
            TRUTH("host-loopback", "yes",
                  "The guest reaches the host's 127.0.0.1 at `host`"),
            TRUTH("ipv4", "yes", "IPv4 on this network"),
            {.name = "network",
             .type = TN_PROP_STRING,
             .default_value = "10.0.2.0/24",
             .doc = "The guest's IPv4 network"},
            STRING("host", "Gateway and host in it; without: number 2"),
            STRING("dns", "Name server in it; without: number 3"),
            STRING("dhcp-start", "First guest in it; without: number 15"),
            TRUTH("ipv6", "yes", "IPv6 on this network"),
            {.name = "ipv6-prefix",
             .type = TN_PROP_STRING,
             .default_value = "fec0::",
             .doc = "The guest's IPv6 network of 64 bits"},
            STRING("ipv6-host", "Gateway and host in it; without: number 2"),
            STRING("ipv6-dns", "Name server in it; without: number 3"),
            STRING("hostname", "Name that DHCP gives the guest"),
            STRING("domain", "Domain that DHCP gives the guest"),
            {.name = "dns-search",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_LIST,
             .doc = "Domains that the guest searches"},
            {.name = "tftp",
             .type = TN_PROP_PATH,
             .doc = "Directory that TFTP serves, read-only"},
            STRING("tftp-server-name", "TFTP server name that DHCP gives"),
            STRING("bootfile", "File that DHCP names for network boot"),
            {.name = "mtu",
             .type = TN_PROP_UINT,
             .default_value = "1500",
             .minimum = "1280",
             .maximum = "65521",
             .unit = "bytes",
             .doc = "Longest packet"},
        },
};

TN_COMPONENT(user_component, user_info_, user_ops);

TN_PLUGIN_ENTRY(plugin_info, &user_component)
