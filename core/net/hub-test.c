/* SPDX-License-Identifier: Apache-2.0 */
/* A device and a back-end on threads of their own, the hub between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/net/fake-machine.h"
#include "core/net/net.h"
#include "core/net/port.h"
#include "core/util/error.h"

#define FRAME 60u

/* One side, as it sees the frames that come to it. */
struct side {
    struct tn_host *host, *other;
    gint frames;        /* taken */
    gint wrong;         /* out of order, or called from the wrong place */
    gint room;          /* -1: always, else how many more are taken */
    gint told;          /* "there is room" to this side as a sender */
    gint links;
    uint32_t offloads;
    gint last_flags;
};

struct fixture {
    struct side device, backend;
    const struct tn_nets *nets;
    struct tn_net_port *port;
    const struct tn_net_sink *sink;
    void *sink_opaque;
};

static struct tn_net_frame make_frame(struct tn_iovec *iov, uint8_t *data,
                                      uint32_t number)
{
    memset(data, 0, FRAME);
    memcpy(data + 20, &number, sizeof number);
    *iov = (struct tn_iovec){data, FRAME};
    return (struct tn_net_frame){
        .size = sizeof(struct tn_net_frame), .n_iov = 1, .iov = iov};
}

static uint32_t take(struct side *s, const struct tn_net_frame *frame)
{
    uint32_t number;

    if (!fake_host_is_inside(s->host) || fake_host_is_inside(s->other))
        g_atomic_int_inc(&s->wrong);
    if (g_atomic_int_get(&s->room) == 0)
        return 0;
    if (g_atomic_int_get(&s->room) > 0)
        g_atomic_int_add(&s->room, -1);
    memcpy(&number, (uint8_t *)frame->iov->base + 20, sizeof number);
    if (number != (uint32_t)g_atomic_int_get(&s->frames))
        g_atomic_int_inc(&s->wrong);
    g_atomic_int_set(&s->last_flags, (gint)frame->flags);
    g_atomic_int_inc(&s->frames);
    return 1;
}

static uint32_t device_receive(void *opaque, uint32_t queue,
                               const struct tn_net_frame *frame)
{
    (void)queue;
    return take(&((struct fixture *)opaque)->device, frame);
}

static void device_writable(void *opaque, uint32_t queue)
{
    (void)queue;
    g_atomic_int_inc(&((struct fixture *)opaque)->device.told);
}

static void device_link(void *opaque)
{
    g_atomic_int_inc(&((struct fixture *)opaque)->device.links);
}

static const struct tn_net_handlers handlers = {
    .size = sizeof handlers,
    .receive = device_receive,
    .writable = device_writable,
    .link_changed = device_link,
};

static void backend_attach(void *self, const struct tn_net_sink *sink,
                           void *opaque)
{
    struct fixture *f = self;

    f->sink = sink;
    f->sink_opaque = opaque;
}

static void backend_info(void *self, struct tn_net_info *info)
{
    (void)self;
    info->link = 1;
    info->queues = 2;
    info->mtu = 9000;
}

static uint32_t backend_offloads(void *self)
{
    return ((struct fixture *)self)->backend.offloads;
}

static int32_t backend_send(void *self, uint32_t queue,
                            const struct tn_net_frame *frame)
{
    (void)queue;
    return (int32_t)take(&((struct fixture *)self)->backend, frame);
}

static void backend_wanted(void *self, uint32_t queue)
{
    (void)queue;
    g_atomic_int_inc(&((struct fixture *)self)->backend.told);
}

static const struct tn_net backend_net = {
    .size = sizeof backend_net,
    .attach = backend_attach,
    .info = backend_info,
    .offloads = backend_offloads,
    .send = backend_send,
    .wanted = backend_wanted,
};

static void begin(struct fixture *f)
{
    tn_error_auto error = TN_ERROR_INIT;

    memset(f, 0, sizeof *f);
    f->device.host = fake_host_new("net.lan", "net.lan.backend");
    f->backend.host = fake_host_new("net.lan.backend", NULL);
    f->device.other = f->backend.host;
    f->backend.other = f->device.host;
    f->device.room = f->backend.room = -1;
    fake_host_offer(f->backend.host, &backend_net, f);
    tn_net_register();
    f->nets = fake_service();
    f->port = f->nets->open(f->device.host, NULL, &handlers, f, &error);
    assert_non_null(f->port);
    assert_non_null(f->sink);
}

static void settle(struct fixture *f)
{
    for (int i = 0; i < 20; i++) {
        fake_host_settle(f->device.host);
        fake_host_settle(f->backend.host);
    }
}

static void end(struct fixture *f)
{
    settle(f);
    f->nets->close(f->device.host, f->port);
    assert_null(f->sink);
    assert_int_equal(f->device.wrong, 0);
    assert_int_equal(f->backend.wrong, 0);
    fake_host_free(f->device.host);
    fake_host_free(f->backend.host);
}

/* As the device, as the back-end: frame NUMBER. */
static uint32_t from_device(struct fixture *f, uint32_t number)
{
    uint8_t data[FRAME];
    struct tn_iovec iov;
    struct tn_net_frame frame = make_frame(&iov, data, number);

    return f->nets->send(f->device.host, f->port, 0, &frame);
}

static uint32_t from_backend(struct fixture *f, uint32_t number)
{
    uint8_t data[FRAME];
    struct tn_iovec iov;
    struct tn_net_frame frame = make_frame(&iov, data, number);

    return f->sink->receive(f->sink_opaque, 0, &frame);
}

static void reports_the_backend(void **state)
{
    struct tn_net_info info = {.size = sizeof info};
    struct fixture f;

    (void)state;
    begin(&f);
    f.nets->info(f.device.host, f.port, &info);
    assert_int_equal(info.queues, 2);
    assert_int_equal(info.mtu, 9000);
    assert_int_equal(info.link, 1);
    assert_int_equal(f.nets->set_queues(f.device.host, f.port, 2), 0);
    assert_true(f.nets->set_queues(f.device.host, f.port, 3) < 0);
    f.sink->set_link(f.sink_opaque, 0);
    settle(&f);
    assert_int_equal(f.device.links, 1);
    f.nets->info(f.device.host, f.port, &info);
    assert_int_equal(info.link, 0);
    end(&f);
}

static void second_user_is_refused(void **state)
{
    tn_error_auto error = TN_ERROR_INIT;
    struct fixture f;

    (void)state;
    begin(&f);
    assert_null(
        f.nets->open(f.device.host, "net.lan.backend", &handlers, &f, &error));
    assert_non_null(strstr(error.text, "in use"));
    assert_null(f.nets->open(f.device.host, "net.x", &handlers, &f, &error));
    assert_non_null(strstr(error.text, "net.x"));
    tn_error_clear(&error);
    end(&f);
}

static void drops_while_inactive(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_int_equal(from_backend(&f, 0), 1);
    settle(&f);
    assert_int_equal(f.device.frames, 0);
    f.nets->set_active(f.device.host, f.port, 1);
    assert_int_equal(from_backend(&f, 0), 1);
    settle(&f);
    assert_int_equal(f.device.frames, 1);
    end(&f);
}

/* A back-end that is busy: the queue fills, the device is told no, and yes
 * again when there is room; nothing is lost. */
static void busy_backend_holds_the_device(void **state)
{
    struct fixture f;
    uint32_t sent = 0;

    (void)state;
    begin(&f);
    f.backend.room = 0;
    while (from_device(&f, sent))
        sent++;
    assert_int_equal(sent, PORT_MAX_PACKETS);
    settle(&f);
    assert_int_equal(f.backend.frames, 0);
    assert_int_equal(f.device.told, 0);
    g_atomic_int_set(&f.backend.room, 10);
    f.sink->writable(f.sink_opaque, 0);
    settle(&f);
    assert_int_equal(f.backend.frames, 10);
    assert_int_equal(f.device.told, 1);
    g_atomic_int_set(&f.backend.room, -1);
    f.sink->writable(f.sink_opaque, 0);
    settle(&f);
    assert_int_equal(f.backend.frames, sent);
    end(&f);
}

static void full_device_holds_the_backend(void **state)
{
    struct fixture f;
    uint32_t sent = 0;

    (void)state;
    begin(&f);
    f.nets->set_active(f.device.host, f.port, 1);
    f.device.room = 0;
    while (from_backend(&f, sent))
        sent++;
    assert_int_equal(sent, PORT_MAX_PACKETS);
    settle(&f);
    g_atomic_int_set(&f.device.room, -1);
    f.nets->accept(f.device.host, f.port, 0);
    settle(&f);
    assert_int_equal(f.device.frames, sent);
    assert_int_equal(f.backend.told, 1);
    end(&f);
}

/* Going inactive frees the queue, and the back-end that waited for it. */
static void inactive_device_frees_the_backend(void **state)
{
    struct fixture f;
    uint32_t sent = 0;

    (void)state;
    begin(&f);
    f.nets->set_active(f.device.host, f.port, 1);
    f.device.room = 0;
    while (from_backend(&f, sent))
        sent++;
    f.nets->set_active(f.device.host, f.port, 0);
    settle(&f);
    assert_int_equal(f.backend.told, 1);
    end(&f);
}

static void completes_what_the_backend_cannot(void **state)
{
    uint8_t data[FRAME];
    struct tn_iovec iov;
    struct fixture f;
    struct tn_net_frame frame = make_frame(&iov, data, 0);

    (void)state;
    frame.flags = TN_NET_NEEDS_CSUM;
    frame.csum_start = 34;
    frame.csum_offset = 6;
    begin(&f);
    assert_int_equal(f.nets->send(f.device.host, f.port, 0, &frame), 1);
    settle(&f);
    assert_int_equal(f.backend.frames, 1);
    assert_int_equal(f.backend.last_flags, 0);
    frame.csum_start = 200; /* behind the end: dropped */
    assert_int_equal(f.nets->send(f.device.host, f.port, 0, &frame), 1);
    settle(&f);
    assert_int_equal(f.backend.frames, 1);
    end(&f);
}

#define MANY 20000u

static gpointer send_many(gpointer data)
{
    struct fixture *f = data;

    for (uint32_t i = 0; i < MANY;)
        if (from_device(f, i))
            i++;
        else
            g_thread_yield();
    return NULL;
}

/* Both ways at once, each side on its own thread. */
static void two_threads_keep_the_order(void **state)
{
    struct fixture f;
    GThread *thread;

    (void)state;
    begin(&f);
    f.nets->set_active(f.device.host, f.port, 1);
    thread = g_thread_new("device", send_many, &f);
    for (uint32_t i = 0; i < MANY;)
        if (from_backend(&f, i))
            i++;
        else
            g_thread_yield();
    g_thread_join(thread);
    for (int i = 0; i < 2000 && (g_atomic_int_get(&f.device.frames) < (int)MANY ||
                                 g_atomic_int_get(&f.backend.frames) < (int)MANY);
         i++)
        settle(&f);
    assert_int_equal(g_atomic_int_get(&f.device.frames), MANY);
    assert_int_equal(g_atomic_int_get(&f.backend.frames), MANY);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_the_backend),
        cmocka_unit_test(second_user_is_refused),
        cmocka_unit_test(drops_while_inactive),
        cmocka_unit_test(busy_backend_holds_the_device),
        cmocka_unit_test(full_device_holds_the_backend),
        cmocka_unit_test(inactive_device_frees_the_backend),
        cmocka_unit_test(completes_what_the_backend_cannot),
        cmocka_unit_test(two_threads_keep_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
