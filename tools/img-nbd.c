/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD server's clients: they come, have two threads, and go. See
 * img-nbd.h for what runs where.
 */
#include "tools/img-nbd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the loop ---- */

static void wake(struct block_work *work)
{
    g_free(work);
}

static void wake_loop(struct nbd_server *server)
{
    struct block_work *work = g_new0(struct block_work, 1);

    work->run = wake;
    block_context_post(server->node->context, work);
}

/* With the lock. The socket of a client in the list is still open. */
static void stop_locked(struct nbd_server *server)
{
    uint64_t one = 1;

    if (server->stop)
        return;
    server->stop = TRUE;
    while (write(server->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    for (guint i = 0; i < server->clients->len; i++) {
        struct nbd_client *c = g_ptr_array_index(server->clients, i);

        stream_shutdown(c->stream);
    }
    g_cond_broadcast(&server->changed);
    wake_loop(server);
}

void nbd_stop(struct nbd_server *server)
{
    g_mutex_lock(&server->lock);
    stop_locked(server);
    g_mutex_unlock(&server->lock);
}

static gboolean is_over(struct nbd_server *server)
{
    gboolean over;

    g_mutex_lock(&server->lock);
    over = server->stop && !server->clients->len;
    g_mutex_unlock(&server->lock);
    return over;
}

/* Threads that are at their end: no waiting to speak of. */
static void join_ended(struct nbd_server *server)
{
    g_autoptr(GPtrArray) ended = g_ptr_array_new();

    g_mutex_lock(&server->lock);
    g_ptr_array_extend_and_steal(ended, server->ended);
    server->ended = g_ptr_array_new();
    g_mutex_unlock(&server->lock);
    for (guint i = 0; i < ended->len; i++)
        g_thread_join(g_ptr_array_index(ended, i));
}

void nbd_run(struct nbd_server *server)
{
    struct nbd_request *r;

    while (!is_over(server)) {
        block_context_wait(server->node->context);
        join_ended(server);
        while ((r = g_async_queue_try_pop(server->later)))
            nbd_work_later(r);
    }
    for (guint i = 0; i < server->acceptors->len; i++)
        g_thread_join(g_ptr_array_index(server->acceptors, i));
    join_ended(server);
    block_context_run(server->node->context);
}

/* ---- clients ---- */

static void client_free(struct nbd_client *c)
{
    stream_free(c->stream);
    g_array_unref(c->contexts);
    g_async_queue_unref(c->replies);
    g_mutex_clear(&c->lock);
    g_cond_clear(&c->changed);
    g_free(c);
}

static void client_end(struct nbd_client *c)
{
    struct nbd_server *server = c->server;

    stream_bye(c->stream);
    g_mutex_lock(&server->lock);
    g_ptr_array_remove_fast(server->clients, c);
    g_ptr_array_add(server->ended, g_thread_self());
    if (!server->clients->len && server->once && server->served)
        stop_locked(server);
    g_cond_broadcast(&server->changed);
    wake_loop(server);
    g_mutex_unlock(&server->lock);
    /* From here on the server may be gone. */
    client_free(c);
}

static gpointer serve_client(gpointer data)
{
    struct nbd_client *c = data;
    gboolean ok = nbd_negotiate(c);
    gboolean stop;

    g_mutex_lock(&c->server->lock);
    c->deadline = 0;
    /* Who only asked what there is was no client yet. */
    c->server->served |= ok;
    stop = c->server->stop;
    g_mutex_unlock(&c->server->lock);
    if (ok && !stop) {
        GThread *writer =
            g_thread_try_new("nbd-write", nbd_write_replies, c, NULL);

        if (writer) {
            nbd_read_requests(c);
            nbd_reply_end(c);
            g_thread_join(writer);
        }
    }
    client_end(c);
    return NULL;
}

static void take_client(struct nbd_server *server, int fd)
{
    struct nbd_client *c = g_new0(struct nbd_client, 1);
    GThread *thread = NULL;
    int one = 1;

    /* Not for unix sockets; none of it is needed. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    c->server = server;
    c->stream = stream_new(fd);
    c->contexts = g_array_new(FALSE, FALSE, sizeof(guint));
    c->replies = g_async_queue_new();
    g_mutex_init(&c->lock);
    g_cond_init(&c->changed);
    c->deadline = g_get_monotonic_time() +
                  (int64_t)server->handshake_seconds * G_USEC_PER_SEC;
    g_mutex_lock(&server->lock);
    if (!server->stop)
        thread = g_thread_try_new("nbd-read", serve_client, c, NULL);
    if (thread)
        g_ptr_array_add(server->clients, c);
    g_mutex_unlock(&server->lock);
    if (!thread) /* else join_ended() has it */
        client_free(c);
}

/* ---- who comes ---- */

struct acceptor {
    struct nbd_server *server;
    int fd;
};

/* Those whose handshake takes too long go. */
static void drop_late(struct nbd_server *server)
{
    int64_t now = g_get_monotonic_time();

    g_mutex_lock(&server->lock);
    for (guint i = 0; i < server->clients->len; i++) {
        struct nbd_client *c = g_ptr_array_index(server->clients, i);

        if (c->deadline && now > c->deadline)
            stream_shutdown(c->stream);
    }
    g_mutex_unlock(&server->lock);
}

static gboolean has_room(struct nbd_server *server)
{
    gboolean room;

    g_mutex_lock(&server->lock);
    room = !server->max_clients ||
           server->clients->len < server->max_clients;
    if (!room && !server->stop)
        g_cond_wait_until(&server->changed, &server->lock,
                          g_get_monotonic_time() + G_USEC_PER_SEC / 4);
    g_mutex_unlock(&server->lock);
    return room;
}

static gpointer accept_clients(gpointer data)
{
    struct acceptor *a = data;
    struct pollfd fds[] = {{.fd = a->server->stop_fd, .events = POLLIN},
                           {.fd = a->fd, .events = POLLIN}};

    while (!(fds[0].revents & POLLIN)) {
        /* Looking for late ones four times a second is enough. */
        gboolean room = has_room(a->server);
        int ready = poll(fds, room ? 2 : 1, room ? 250 : 0);
        int fd;

        drop_late(a->server);
        if (ready <= 0 || !room || !(fds[1].revents & POLLIN))
            continue;
        fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            take_client(a->server, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            g_usleep(G_USEC_PER_SEC / 10);
    }
    close(a->fd);
    g_free(a);
    return NULL;
}

void nbd_listen(struct nbd_server *server, int fd)
{
    struct acceptor *a = g_new(struct acceptor, 1);

    *a = (struct acceptor){server, fd};
    g_ptr_array_add(server->acceptors,
                    g_thread_new("nbd-accept", accept_clients, a));
}

/* ---- the server ---- */

void nbd_server_init(struct nbd_server *server)
{
    g_mutex_init(&server->lock);
    g_cond_init(&server->changed);
    server->clients = g_ptr_array_new();
    server->acceptors = g_ptr_array_new();
    server->ended = g_ptr_array_new();
    server->later = g_async_queue_new();
    server->bitmaps = g_array_new(FALSE, FALSE, sizeof(struct nbd_bitmap));
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void nbd_server_clear(struct nbd_server *server)
{
    for (guint i = 0; i < server->bitmaps->len; i++) {
        struct nbd_bitmap *b =
            &g_array_index(server->bitmaps, struct nbd_bitmap, i);

        g_free(b->name);
        g_free(b->bits);
    }
    g_array_unref(server->bitmaps);
    g_async_queue_unref(server->later);
    g_ptr_array_unref(server->ended);
    g_ptr_array_unref(server->acceptors);
    g_ptr_array_unref(server->clients);
    close(server->stop_fd);
    g_cond_clear(&server->changed);
    g_mutex_clear(&server->lock);
}
