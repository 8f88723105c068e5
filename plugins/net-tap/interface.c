/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side of a tap interface: Documentation/networking/tuntap.rst.
 * With IFF_VNET_HDR each frame is preceded by a struct virtio_net_hdr in host
 * byte order (virtio 1.2, section 5.1.6), which carries the offloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "net-tap.h"

/* Linux 6.2; older headers lack them. */
#define OFFLOAD_USO4 0x20u
#define OFFLOAD_USO6 0x40u

static const struct {
    uint32_t ours, kernel;
} offload_bits[] = {
    {TN_NET_CSUM, TUN_F_CSUM},      {TN_NET_TSO4, TUN_F_TSO4},
    {TN_NET_TSO6, TUN_F_TSO6},      {TN_NET_ECN, TUN_F_TSO_ECN},
    {TN_NET_USO4, OFFLOAD_USO4},    {TN_NET_USO6, OFFLOAD_USO6},
};

int32_t tap_accept_offloads(struct tap *t, uint32_t offloads)
{
    unsigned long bits = 0;

    if (!t->vnet)
        return offloads ? -ENOTSUP : 0;
    /* The kernel accepts the others only together with checksums, and both
     * kinds of UDP segmentation or none. */
    if (!(offloads & TN_NET_CSUM))
        offloads = 0;
    if (!(offloads & TN_NET_USO4) || !(offloads & TN_NET_USO6))
        offloads &= ~(TN_NET_USO4 | TN_NET_USO6);
    for (size_t i = 0; i < sizeof offload_bits / sizeof *offload_bits; i++)
        if (offloads & offload_bits[i].ours)
            bits |= offload_bits[i].kernel;
    return ioctl(t->queues[0].fd, TUNSETOFFLOAD, bits) < 0 ? -errno : 0;
}

int32_t tap_attach_queue(struct tap_queue *q, uint32_t attached)
{
    struct ifreq request;

    if (q->attached == attached)
        return 0;
    memset(&request, 0, sizeof request);
    request.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
    if (ioctl(q->fd, TUNSETQUEUE, &request) < 0)
        return -errno;
    q->attached = attached;
    return 0;
}

uint32_t tap_mtu(struct tap *t)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed;

    if (fd < 0)
        return 0;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, t->name, sizeof t->name);
    failed = ioctl(fd, SIOCGIFMTU, &request);
    close(fd);
    return failed || request.ifr_mtu < 0 ? 0 : (uint32_t)request.ifr_mtu;
}

/* After the descriptors are there: what the kernel can do. */
static int32_t set_up(struct tap *t, struct tn_error *error)
{
    int size = sizeof(struct virtio_net_hdr);
    uint32_t all = TN_NET_CSUM | TN_NET_TSO4 | TN_NET_TSO6 | TN_NET_ECN;
    uint32_t uso = TN_NET_USO4 | TN_NET_USO6;

    if (!t->vnet)
        return 0;
    for (uint32_t i = 0; i < t->n_queues; i++)
        if (ioctl(t->queues[i].fd, TUNSETVNETHDRSZ, &size) < 0)
            return tn_fail(t->host, error, -errno,
                           "interface '%s': TUNSETVNETHDRSZ: %s", t->name,
                           strerror(errno));
    if (tap_accept_offloads(t, all | uso) == 0)
        t->offloads = all | uso;
    else
        t->offloads = all; /* taking them needs no agreement */
    return tap_accept_offloads(t, 0);
}

static int32_t open_failed(struct tap *t, int number, struct tn_error *error)
{
    const char *hint = "";

    if (number == EPERM)
        hint = " (it is not there or not yours: ip tuntap add dev NAME mode "
               "tap user YOU)";
    else if (number == EBUSY)
        hint = " (somebody uses it)";
    else if (number == EINVAL)
        hint = " (it is no tap interface, or was made without, or with, "
               "multi_queue: see `queues`)";
    return tn_fail(t->host, error, -number, "interface '%s': %s%s", t->name,
                   strerror(number), hint);
}

static int32_t open_queue(struct tap *t, struct tap_queue *q, uint32_t multi,
                          struct tn_error *error)
{
    struct ifreq request;

    q->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (q->fd < 0)
        return tn_fail(t->host, error, -errno, "/dev/net/tun: %s",
                       strerror(errno));
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, t->name, sizeof t->name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (multi)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    if (ioctl(q->fd, TUNSETIFF, &request) < 0)
        return open_failed(t, errno, error);
    memcpy(t->name, request.ifr_name, sizeof t->name); /* "tap%d" */
    t->name[sizeof t->name - 1] = 0;
    q->attached = 1;
    return 0;
}

static int32_t open_by_name(struct tap *t, const char *name, uint32_t n,
                            struct tn_error *error)
{
    int32_t code = 0;

    if (!*name || strlen(name) >= sizeof t->name)
        return tn_fail(t->host, error, -EINVAL,
                       "ifname is '%s'; a name has 1 to %zu characters", name,
                       sizeof t->name - 1);
    strcpy(t->name, name);
    t->vnet = 1;
    for (uint32_t i = 0; i < n && !code; i++) {
        t->n_queues = i + 1;
        code = open_queue(t, &t->queues[i], n > 1, error);
    }
    return code;
}

/* A descriptor that whoever started us has opened. */
static int32_t take_fd(struct tap *t, struct tap_queue *q, uint64_t number,
                       struct tn_error *error)
{
    struct ifreq request;
    int flags;

    memset(&request, 0, sizeof request);
    if (number > INT32_MAX || (flags = fcntl((int)number, F_GETFL)) < 0)
        return tn_fail(t->host, error, -EBADF,
                       "fd %llu is not an open descriptor",
                       (unsigned long long)number);
    if (ioctl((int)number, TUNGETIFF, &request) < 0 ||
        !(request.ifr_flags & IFF_TAP) || !(request.ifr_flags & IFF_NO_PI))
        return tn_fail(t->host, error, -EINVAL,
                       "fd %llu is not a tap interface opened with IFF_NO_PI",
                       (unsigned long long)number);
    q->fd = (int32_t)number;
    q->attached = 1;
    fcntl(q->fd, F_SETFL, flags | O_NONBLOCK);
    fcntl(q->fd, F_SETFD, FD_CLOEXEC);
    memcpy(t->name, request.ifr_name, sizeof t->name - 1);
    t->vnet = request.ifr_flags & IFF_VNET_HDR ? 1 : 0;
    return 0;
}

static int32_t take_fds(struct tap *t, const struct tn_props *props, uint32_t n,
                        struct tn_error *error)
{
    int32_t code = 0;

    if (n > MAX_QUEUES)
        return tn_fail(t->host, error, -E2BIG,
                       "%u descriptors in fd; at most %u are used", n,
                       MAX_QUEUES);
    for (uint32_t i = 0; i < n && !code; i++) {
        t->n_queues = i + 1;
        code = take_fd(t, &t->queues[i], props->get_item_uint(t->host, "fd", i),
                       error);
    }
    return code;
}

static int32_t new_buffers(struct tap *t)
{
    for (uint32_t i = 0; i < t->n_queues; i++) {
        t->queues[i].frame = malloc(TN_NET_MAX_FRAME);
        if (!t->queues[i].frame)
            return -ENOMEM;
    }
    return 0;
}

/* The device uses one queue at first; the kernel must not use the others. */
static int32_t detach_others(struct tap *t)
{
    int32_t code = 0;

    t->in_use = 1;
    for (uint32_t i = 1; i < t->n_queues && !code; i++)
        code = tap_attach_queue(&t->queues[i], 0);
    return code;
}

int32_t tap_open(struct tap *t, struct tn_error *error)
{
    const struct tn_props *props = tn_service(t->host, TN_HOST_PROPS);
    uint32_t fds = props->count(t->host, "fd");
    int32_t code;

    for (uint32_t i = 0; i < MAX_QUEUES; i++)
        t->queues[i] = (struct tap_queue){.tap = t, .fd = -1, .index = i};
    if (fds && props->is_set(t->host, "ifname"))
        return tn_fail(t->host, error, -EINVAL,
                       "both ifname and fd are given; which?");
    if (fds)
        code = take_fds(t, props, fds, error);
    else
        code = open_by_name(t, props->get_string(t->host, "ifname"),
                            (uint32_t)props->get_uint(t->host, "queues"),
                            error);
    if (!code)
        code = set_up(t, error);
    if (!code)
        code = new_buffers(t);
    if (!code)
        code = detach_others(t);
    return code;
}

void tap_close(struct tap *t)
{
    for (uint32_t i = 0; i < t->n_queues; i++) {
        if (t->queues[i].fd >= 0)
            close(t->queues[i].fd);
        free(t->queues[i].frame);
        t->queues[i].frame = NULL;
        t->queues[i].fd = -1;
    }
    t->n_queues = 0;
}
