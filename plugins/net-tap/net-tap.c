/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames through a tap interface of the host. Everything runs on the I/O
 * thread under the instance's lock. What comes with an offload goes on with
 * it: the kernel and the guest agree between them, this only passes on.
 */
#include "net-tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Frames read in one go before others on the thread have their turn. */
#define BATCH 64u
#define MAX_PIECES 1024u
/* Linux 6.2; older headers lack it. */
#define GSO_UDP_L4 5u

static void set_events(struct tap_queue *q, uint32_t events)
{
    if (q->watch && q->events != events)
        q->tap->loop->set_events(q->tap->host, q->watch, events);
    q->events = events;
}

/* What the watch should be told now. */
static void update_events(struct tap_queue *q)
{
    uint32_t read = q->tap->sink && !q->kept_bytes && q->attached;

    set_events(q, (read ? TN_WATCH_READ : 0u) |
                      (q->waits_write ? TN_WATCH_WRITE : 0u));
}

static void queue_ready(void *opaque, uint32_t events);

/* A queue the kernel does not use reports an error all the time: it is not
 * watched. */
static int32_t update_watch(struct tap_queue *q)
{
    struct tap *t = q->tap;

    if (!q->attached && q->watch) {
        t->loop->unwatch(t->host, q->watch);
        q->watch = NULL;
        q->events = 0;
    } else if (q->attached && !q->watch) {
        q->watch = t->loop->watch(t->host, q->fd, 0, queue_ready, q);
    }
    update_events(q);
    return q->attached && !q->watch ? -ENOMEM : 0;
}

/* ---- from the host to the guest ---- */

/* The header's meaning, both ways. */
static uint32_t gso_from_header(const struct virtio_net_hdr *h)
{
    uint32_t ecn = h->gso_type & VIRTIO_NET_HDR_GSO_ECN ? TN_NET_GSO_ECN : 0;

    switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return TN_NET_GSO_TCP4 | ecn;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return TN_NET_GSO_TCP6 | ecn;
    default:
        return TN_NET_GSO_NONE;
    }
}

/* The kernel says "UDP" for both IP versions. */
static uint32_t gso_of(const struct tap_queue *q)
{
    const uint8_t *type = q->frame + 12;

    if (q->header.gso_type != GSO_UDP_L4)
        return gso_from_header(&q->header);
    if (q->kept_bytes >= 18 && type[0] == 0x81 && type[1] == 0)
        type += 4;
    return type[0] == 0x86 ? TN_NET_GSO_UDP6 : TN_NET_GSO_UDP4;
}

/* Offer the frame that is kept: 0 if there is no room for it. */
static uint32_t offer(struct tap_queue *q)
{
    const struct tn_iovec iov = {q->frame, q->kept_bytes};
    struct tn_net_frame frame = {.size = sizeof frame, .n_iov = 1, .iov = &iov};

    if (q->tap->vnet) {
        frame.flags =
            (q->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
                 ? TN_NET_NEEDS_CSUM
                 : 0u) |
            (q->header.flags & VIRTIO_NET_HDR_F_DATA_VALID ? TN_NET_DATA_VALID
                                                           : 0u);
        frame.gso = gso_of(q);
        frame.gso_bytes = q->header.gso_size;
        frame.header_bytes = q->header.hdr_len;
        frame.csum_start = q->header.csum_start;
        frame.csum_offset = q->header.csum_offset;
    }
    if (!q->tap->sink->receive(q->tap->sink_opaque, q->index, &frame))
        return 0;
    q->kept_bytes = 0;
    return 1;
}

/* Read one frame into the queue: 0 if there is none. */
static uint32_t read_frame(struct tap_queue *q)
{
    const size_t header = q->tap->vnet ? sizeof q->header : 0;
    struct iovec iov[2] = {{&q->header, header}, {q->frame, TN_NET_MAX_FRAME}};
    ssize_t n = readv(q->fd, iov, 2);

    if (n <= (ssize_t)header)
        return 0;
    q->kept_bytes = (uint32_t)((size_t)n - header);
    return 1;
}

static void read_frames(struct tap_queue *q)
{
    for (uint32_t i = 0; i < BATCH && q->tap->sink; i++) {
        if (!q->kept_bytes && !read_frame(q))
            break;
        if (!offer(q))
            break;
    }
    update_events(q);
}

/* ---- from the guest to the host ---- */

static uint8_t gso_to_header(uint32_t gso)
{
    static const uint8_t types[] = {
        [TN_NET_GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
        [TN_NET_GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
        [TN_NET_GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
        [TN_NET_GSO_UDP4] = GSO_UDP_L4,
        [TN_NET_GSO_UDP6] = GSO_UDP_L4,
    };
    uint32_t kind = gso & ~TN_NET_GSO_ECN;

    return (uint8_t)((kind < sizeof types ? types[kind] : 0u) |
                     (gso & TN_NET_GSO_ECN ? VIRTIO_NET_HDR_GSO_ECN : 0u));
}

static int32_t tap_send(void *self, uint32_t queue,
                        const struct tn_net_frame *frame)
{
    struct tap *t = self;
    struct tap_queue *q = &t->queues[queue < t->in_use ? queue : 0];
    struct virtio_net_hdr header = {0};
    struct iovec iov[MAX_PIECES];
    int n = 0;

    if (frame->n_iov >= MAX_PIECES)
        return -EMSGSIZE;
    if (t->vnet) {
        header.flags = frame->flags & TN_NET_NEEDS_CSUM
                           ? VIRTIO_NET_HDR_F_NEEDS_CSUM
                           : 0;
        header.gso_type = gso_to_header(frame->gso);
        header.gso_size = frame->gso_bytes;
        header.hdr_len = frame->header_bytes;
        header.csum_start = frame->csum_start;
        header.csum_offset = frame->csum_offset;
        iov[n++] = (struct iovec){&header, sizeof header};
    }
    for (uint32_t i = 0; i < frame->n_iov; i++)
        iov[n++] = (struct iovec){frame->iov[i].base, frame->iov[i].bytes};
    while (writev(q->fd, iov, n) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == ENOBUFS) {
            q->waits_write = 1;
            update_events(q);
            return 0;
        }
        /* An interface that is down, or a frame it does not like: as if the
         * wire were unplugged. */
        return errno == EIO || errno == EINVAL ? 1 : -errno;
    }
    return 1;
}

static void queue_ready(void *opaque, uint32_t events)
{
    struct tap_queue *q = opaque;

    if (events & TN_WATCH_WRITE && q->waits_write) {
        q->waits_write = 0;
        update_events(q);
        if (q->tap->sink)
            q->tap->sink->writable(q->tap->sink_opaque, q->index);
    }
    if (events & TN_WATCH_HANGUP) { /* the interface was removed */
        q->tap->loop->unwatch(q->tap->host, q->watch);
        q->watch = NULL;
        tn_logf(q->tap->host, TN_LOG_WARNING, "interface '%s' is gone",
                q->tap->name);
        if (q->tap->sink)
            q->tap->sink->set_link(q->tap->sink_opaque, 0);
    } else if (events & TN_WATCH_READ) {
        read_frames(q);
    }
}

/* ---- the rest of tenon.net/1 ---- */

static void tap_wanted(void *self, uint32_t queue)
{
    struct tap *t = self;

    if (queue < t->n_queues && t->sink)
        read_frames(&t->queues[queue]);
}

static void tap_attach(void *self, const struct tn_net_sink *sink,
                       void *opaque)
{
    struct tap *t = self;

    t->sink = sink;
    t->sink_opaque = opaque;
    for (uint32_t i = 0; i < t->n_queues; i++) {
        t->queues[i].kept_bytes = 0;
        update_events(&t->queues[i]);
    }
}

static void tap_info(void *self, struct tn_net_info *info)
{
    struct tap *t = self;

    info->link = 1;
    info->mtu = tap_mtu(t);
    info->queues = t->n_queues;
}

static uint32_t tap_offloads(void *self)
{
    return ((struct tap *)self)->offloads;
}

static void tap_set_offloads(void *self, uint32_t offloads)
{
    struct tap *t = self;
    int32_t code = tap_accept_offloads(t, offloads & t->offloads);

    if (code && code != -ENOTSUP)
        tn_logf(t->host, TN_LOG_WARNING, "TUNSETOFFLOAD: %s", strerror(-code));
}

static int32_t tap_set_queues(void *self, uint32_t count)
{
    struct tap *t = self;
    int32_t code = 0;

    if (count < 1 || count > t->n_queues)
        return -EINVAL;
    for (uint32_t i = 1; i < t->n_queues && !code; i++) {
        code = tap_attach_queue(&t->queues[i], i < count);
        if (!code)
            code = update_watch(&t->queues[i]);
    }
    if (!code)
        t->in_use = count;
    return code;
}

static const struct tn_net tap_net = {
    .size = sizeof tap_net,
    .attach = tap_attach,
    .info = tap_info,
    .offloads = tap_offloads,
    .send = tap_send,
    .wanted = tap_wanted,
    .set_offloads = tap_set_offloads,
    .set_queues = tap_set_queues,
};

/* ---- life cycle ---- */

static int32_t tap_create(struct tn_host *host, void **self)
{
    struct tap *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->host = host;
    *self = t;
    return 0;
}

static void tap_destroy(void *self)
{
    free(self);
}

static void tap_unrealize(void *self)
{
    struct tap *t = self;

    for (uint32_t i = 0; i < t->n_queues; i++) {
        if (t->queues[i].watch)
            t->loop->unwatch(t->host, t->queues[i].watch);
        t->queues[i].watch = NULL;
    }
    tap_close(t);
}

static int32_t tap_realize(void *self, struct tn_error *error)
{
    struct tap *t = self;
    int32_t code;

    t->loop = tn_service(t->host, TN_HOST_LOOP);
    if (!t->loop)
        return tn_fail(t->host, error, -ENOSYS, "the host lacks a service");
    code = tap_open(t, error);
    for (uint32_t i = 0; i < t->n_queues && !code; i++)
        code = update_watch(&t->queues[i]);
    if (code)
        tap_unrealize(t);
    return code;
}

static const void *tap_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_NET) == 0 ? &tap_net : NULL;
}

static const struct tn_component_ops tap_ops = {
    .size = sizeof tap_ops,
    .create = tap_create,
    .destroy = tap_destroy,
    .realize = tap_realize,
    .unrealize = tap_unrealize,
    .get_interface = tap_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "net-tap",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Network back-end: a tap interface of the host"},
};

TN_COMPONENT_INFO(tap_info_, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, tap_info_),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_NET, 3),
             .id = "tap",
             .summary = "A tap interface of the host"},
    .properties =
        {
            {.name = "ifname",
             .type = TN_PROP_STRING,
             .default_value = "tap%d",
             .doc = "Interface; %d is a number that is free (needs the right "
                    "to make interfaces)"},
            {.name = "queues",
             .type = TN_PROP_UINT,
             .default_value = "1",
             .minimum = "1",
             .maximum = "16",
             .doc = "Queue pairs; more than 1 need an interface made with "
                    "multi_queue"},
            {.name = "fd",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_LIST,
             .doc = "Inherited descriptors of the interface, one a queue, "
                    "instead of ifname"},
        },
};

TN_COMPONENT(tap_component, tap_info_, tap_ops);

TN_PLUGIN_ENTRY(plugin_info, &tap_component)
