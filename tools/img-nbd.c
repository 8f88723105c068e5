/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving an image by NBD: doc/proto.md, "Transmission". Each client has a
 * thread that reads requests and one that writes replies; what is done with
 * the image is done on the context's thread. What waits there (block status)
 * is put off until the loop's own level, so that it does not nest.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/util/log.h"
#include "tools/img-nbd.h"

#define REQUEST_MAGIC 0x25609513u
#define SIMPLE_MAGIC 0x67446698u
#define STRUCTURED_MAGIC 0x668e33efu

enum { READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, WRITE_ZEROES, STATUS };

#define CMD_FUA 0x1u
#define CMD_NO_HOLE 0x2u
#define CMD_REQ_ONE 0x8u

#define REPLY_DONE 0x1u
#define CHUNK_NONE 0u
#define CHUNK_DATA 1u
#define CHUNK_STATUS 5u
#define CHUNK_ERROR 0x8001u

#define STATE_HOLE 0x1u
#define STATE_ZERO 0x2u
#define STATE_DIRTY 0x1u

#define MAX_REQUEST (32u << 20)
#define MAX_IN_FLIGHT (64u << 20) /* bytes, of one client */
#define MAX_REQUESTS 64u
#define MAX_EXTENTS 1024u

struct request {
    struct block_work work;
    struct block_op op;
    struct iovec iov;
    struct nbd_client *client;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t bytes;
    uint64_t start; /* READ: of the sectors around it */
    uint8_t *data;  /* READ, WRITE: the data; STATUS: the chunks */
    gsize data_bytes;
    int result;
};

static uint32_t nbd_error(int result)
{
    switch (result) {
    case 0: return 0;
    case -EPERM:
    case -EROFS:
    case -EACCES: return 1;
    case -ENOMEM: return 12;
    case -EINVAL: return 22;
    case -ENOSPC:
    case -EFBIG: return 28;
    case -EOPNOTSUPP: return 95;
    default: return 5;
    }
}

/* ---- replies: the writing thread ---- */

static gboolean send_chunk(struct nbd_client *c, const struct request *r,
                           uint16_t flags, uint16_t type, const void *head,
                           gsize head_bytes, const void *data, gsize bytes)
{
    uint8_t out[20 + 16];

    put_be(out, STRUCTURED_MAGIC, 4);
    put_be(out + 4, flags, 2);
    put_be(out + 6, type, 2);
    put_be(out + 8, r->cookie, 8);
    put_be(out + 16, head_bytes + bytes, 4);
    if (head_bytes)
        memcpy(out + 20, head, head_bytes);
    return stream_write(c->stream, out, 20 + head_bytes) &&
           stream_write(c->stream, data, bytes);
}

static gboolean send_structured(struct nbd_client *c, const struct request *r)
{
    uint8_t head[16];

    if (r->result) {
        const char *text = g_strerror(-r->result);

        put_be(head, nbd_error(r->result), 4);
        put_be(head + 4, strlen(text), 2);
        return send_chunk(c, r, REPLY_DONE, CHUNK_ERROR, head, 6, text,
                          strlen(text));
    }
    if (r->type == STATUS) /* made as a whole */
        return stream_write(c->stream, r->data, r->data_bytes);
    if (r->type != READ || r->bytes == 0)
        return send_chunk(c, r, REPLY_DONE, CHUNK_NONE, NULL, 0, "", 0);
    put_be(head, r->offset, 8);
    return send_chunk(c, r, REPLY_DONE, CHUNK_DATA, head, 8,
                      r->data + (r->offset - r->start), r->bytes);
}

static gboolean send_simple(struct nbd_client *c, const struct request *r)
{
    uint8_t head[16];

    put_be(head, SIMPLE_MAGIC, 4);
    put_be(head + 4, nbd_error(r->result), 4);
    put_be(head + 8, r->cookie, 8);
    return stream_write(c->stream, head, sizeof head) &&
           (r->type != READ || r->result ||
            stream_write(c->stream, r->data + (r->offset - r->start),
                         r->bytes));
}

static void request_free(struct request *r)
{
    struct nbd_client *c = r->client;

    g_mutex_lock(&c->lock);
    c->bytes_in_flight -= r->bytes;
    c->in_flight--;
    g_cond_broadcast(&c->changed);
    g_mutex_unlock(&c->lock);
    free(r->data);
    g_free(r);
}

static int nothing; /* ends the queue */

static gpointer write_replies(gpointer data)
{
    struct nbd_client *c = data;
    struct request *r;

    while ((gpointer)(r = g_async_queue_pop(c->replies)) != &nothing) {
        if (!c->broken && !(c->structured ? send_structured(c, r)
                                          : send_simple(c, r))) {
            c->broken = TRUE;
            stream_shutdown(c->stream);
        }
        request_free(r);
    }
    return NULL;
}

static void request_done(struct request *r, int result)
{
    r->result = result;
    g_async_queue_push(r->client->replies, r);
}

/* ---- requests: the context's thread ---- */

static void op_done(struct block_op *op, int result)
{
    request_done(op->opaque, result);
}

static void start(struct block_work *work)
{
    static const uint32_t ops[] = {
        [READ] = TN_DISK_READ,   [WRITE] = TN_DISK_WRITE,
        [FLUSH] = TN_DISK_FLUSH, [TRIM] = TN_DISK_DISCARD,
        [WRITE_ZEROES] = TN_DISK_ZERO,
    };
    struct request *r = (struct request *)work;

    r->op = (struct block_op){.node = r->client->server->node,
                              .op = ops[r->type],
                              .offset = r->start,
                              .bytes = r->type == READ ? r->data_bytes
                                                       : r->bytes,
                              .iov = &r->iov,
                              .n_iov = r->type <= WRITE ? 1 : 0,
                              .done = op_done,
                              .opaque = r};
    r->iov = (struct iovec){r->data, r->op.bytes};
    if (r->type != READ && r->type != FLUSH && (r->flags & CMD_FUA))
        r->op.flags |= TN_DISK_FUA;
    if (r->type == WRITE_ZEROES && !(r->flags & CMD_NO_HOLE))
        r->op.flags |= TN_DISK_UNMAP;
    block_op_start(&r->op);
}

static void put_off(struct block_work *work)
{
    struct request *r = (struct request *)work;

    g_async_queue_push(r->client->server->status, r);
}

/* ---- block status ---- */

static void add_extent(GByteArray *out, uint32_t *last, uint32_t bytes,
                       uint32_t flags)
{
    uint8_t row[8];
    guint n = out->len;

    if (n >= 8 && *last == flags) {
        uint64_t sum = get_be(out->data + n - 8, 4) + bytes;

        if (sum <= UINT32_MAX) {
            put_be(out->data + n - 8, sum, 4);
            return;
        }
    }
    put_be(row, bytes, 4);
    put_be(row + 4, flags, 4);
    g_byte_array_append(out, row, sizeof row);
    *last = flags;
}

static int32_t allocation(struct request *r, GByteArray *out)
{
    struct block_node *node = r->client->server->node;
    uint64_t at = r->offset, end = r->offset + r->bytes;
    uint32_t last = UINT32_MAX;

    while (at < end && out->len < MAX_EXTENTS * 8) {
        struct image_extent e;
        int32_t rc = image_extent(node, NULL, at, end - at,
                                  IMAGE_STATUS_HOLES, &e);

        if (rc)
            return rc;
        if ((r->flags & CMD_REQ_ONE) && out->len)
            break;
        add_extent(out, &last, (uint32_t)e.bytes,
                   (e.data ? 0 : STATE_HOLE) | (e.zero ? STATE_ZERO : 0));
        at += e.bytes;
    }
    return 0;
}

static void dirty(const struct request *r, const struct nbd_bitmap *b,
                  GByteArray *out)
{
    uint64_t at = r->offset, end = r->offset + r->bytes;
    uint32_t last = UINT32_MAX;

    while (at < end && out->len < MAX_EXTENTS * 8) {
        uint64_t bit = at / b->granularity;
        uint64_t n = MIN((bit + 1) * b->granularity, end) - at;
        uint32_t flags = bit < b->n_bits && (b->bits[bit / 8] >> bit % 8 & 1)
                             ? STATE_DIRTY
                             : 0;

        if ((r->flags & CMD_REQ_ONE) && out->len && flags != last)
            break;
        add_extent(out, &last, (uint32_t)n, flags);
        at += n;
    }
}

static void add_chunk(const struct request *r, GByteArray *all, uint32_t id,
                      const GByteArray *extents, gboolean is_last)
{
    uint8_t head[24];

    put_be(head, STRUCTURED_MAGIC, 4);
    put_be(head + 4, is_last ? REPLY_DONE : 0, 2);
    put_be(head + 6, CHUNK_STATUS, 2);
    put_be(head + 8, r->cookie, 8);
    put_be(head + 16, 4 + extents->len, 4);
    put_be(head + 20, id, 4);
    g_byte_array_append(all, head, sizeof head);
    g_byte_array_append(all, extents->data, extents->len);
}

static void answer_status(struct request *r)
{
    struct nbd_client *c = r->client;
    GByteArray *all = g_byte_array_new();
    guint n = (c->base_allocation ? 1 : 0) + c->contexts->len;
    int32_t rc = 0;

    if (c->base_allocation) {
        g_autoptr(GByteArray) extents = g_byte_array_new();

        rc = allocation(r, extents);
        add_chunk(r, all, 0, extents, --n == 0);
    }
    for (guint i = 0; i < c->contexts->len && !rc; i++) {
        guint index = g_array_index(c->contexts, guint, i);
        g_autoptr(GByteArray) extents = g_byte_array_new();

        dirty(r, &g_array_index(c->server->bitmaps, struct nbd_bitmap, index),
              extents);
        add_chunk(r, all, index + 1, extents, --n == 0);
    }
    r->data_bytes = all->len;
    r->data = malloc(all->len + 1);
    if (r->data)
        memcpy(r->data, all->data, all->len);
    else
        rc = -ENOMEM;
    g_byte_array_unref(all);
    request_done(r, rc);
}

/* ---- requests: the reading thread ---- */

static int check(const struct request *r)
{
    const struct nbd_server *server = r->client->server;
    uint64_t size = server->node->info.bytes, end;
    gboolean changes =
        r->type == WRITE || r->type == TRIM || r->type == WRITE_ZEROES;

    if (r->type > STATUS || (r->type == STATUS && !r->client->structured))
        return -EINVAL;
    if (changes && !server->writable)
        return -EPERM;
    if (r->type == FLUSH)
        return 0;
    if (__builtin_add_overflow(r->offset, (uint64_t)r->bytes, &end) ||
        end > size)
        return changes ? -ENOSPC : -EINVAL;
    if (changes && (r->offset % 512 || r->bytes % 512))
        return -EINVAL;
    if (r->type == STATUS && r->bytes == 0)
        return -EINVAL;
    if (r->type == STATUS && !r->client->base_allocation &&
        !r->client->contexts->len)
        return -EINVAL;
    if (r->type <= WRITE && r->bytes > MAX_REQUEST)
        return -EINVAL;
    return 0;
}

static gboolean skip(struct nbd_client *c, uint64_t bytes)
{
    uint8_t buffer[4096];

    while (bytes) {
        uint64_t n = MIN(bytes, sizeof buffer);

        if (!stream_read(c->stream, buffer, n))
            return FALSE;
        bytes -= n;
    }
    return TRUE;
}

/* Memory for a request, within what a client may have in flight. */
static gboolean admit(struct request *r)
{
    struct nbd_client *c = r->client;

    g_mutex_lock(&c->lock);
    while (c->in_flight && (c->bytes_in_flight + r->bytes > MAX_IN_FLIGHT ||
                            c->in_flight >= MAX_REQUESTS))
        g_cond_wait(&c->changed, &c->lock);
    c->bytes_in_flight += r->bytes;
    c->in_flight++;
    g_mutex_unlock(&c->lock);
    if (r->result || r->type > WRITE)
        return TRUE;
    r->data_bytes = r->bytes;
    if (r->type == READ) {
        r->start = r->offset & ~511ull;
        r->data_bytes =
            ((r->offset + r->bytes + 511) & ~511ull) - r->start;
    }
    r->data = block_file_memory(node_file(c->server->node, 0), r->data_bytes);
    if (!r->data)
        r->result = -ENOMEM;
    return TRUE;
}

/* FALSE: the connection is over. */
static gboolean read_request(struct nbd_client *c)
{
    uint8_t head[28];
    struct request *r;
    uint32_t declared;

    if (!stream_read(c->stream, head, sizeof head) ||
        get_be(head, 4) != REQUEST_MAGIC)
        return FALSE;
    r = g_new0(struct request, 1);
    r->client = c;
    r->flags = (uint16_t)get_be(head + 4, 2);
    r->type = (uint16_t)get_be(head + 6, 2);
    r->cookie = get_be(head + 8, 8);
    r->offset = r->start = get_be(head + 16, 8);
    r->bytes = declared = (uint32_t)get_be(head + 24, 4);
    if (r->type == DISCONNECT) {
        g_free(r);
        return FALSE;
    }
    r->result = check(r);
    if (r->result || r->type > WRITE)
        r->bytes = r->type == READ ? 0 : r->bytes;
    if (r->type == FLUSH)
        r->bytes = 0;
    if (r->type > WRITE) { /* no memory, so nothing to wait for */
        uint32_t bytes = r->bytes;

        r->bytes = 0;
        admit(r);
        g_mutex_lock(&c->lock);
        c->bytes_in_flight += bytes;
        g_mutex_unlock(&c->lock);
        r->bytes = bytes;
    } else {
        admit(r);
    }
    if (r->type == WRITE &&
        !(r->result ? skip(c, declared)
                    : stream_read(c->stream, r->data, declared))) {
        request_free(r);
        return FALSE;
    }
    if (r->result || r->type == CACHE || (!r->bytes && r->type != FLUSH)) {
        request_done(r, r->result);
        return TRUE;
    }
    r->work.run = r->type == STATUS ? put_off : start;
    block_context_post(c->server->node->context, &r->work);
    return TRUE;
}

/* ---- clients ---- */

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

static void client_end(struct nbd_client *c)
{
    struct nbd_server *server = c->server;

    stream_free(c->stream);
    g_array_unref(c->contexts);
    g_async_queue_unref(c->replies);
    g_mutex_clear(&c->lock);
    g_cond_clear(&c->changed);
    g_free(c);
    g_mutex_lock(&server->lock);
    if (--server->clients == 0 && server->once &&
        g_atomic_int_get(&server->served))
        g_atomic_int_set(&server->stop, 1);
    g_mutex_unlock(&server->lock);
    wake_loop(server);
}

static gpointer serve_client(gpointer data)
{
    struct nbd_client *c = data;

    if (nbd_negotiate(c)) {
        GThread *writer = g_thread_new("nbd-write", write_replies, c);

        g_atomic_int_set(&c->server->served, 1);
        while (!c->broken && read_request(c))
            ;
        g_mutex_lock(&c->lock);
        while (c->in_flight)
            g_cond_wait(&c->changed, &c->lock);
        g_mutex_unlock(&c->lock);
        g_async_queue_push(c->replies, &nothing);
        g_thread_join(writer);
    }
    client_end(c);
    return NULL;
}

static void take_client(struct nbd_server *server, int fd)
{
    struct nbd_client *c;
    int one = 1;
    gboolean full;

    g_mutex_lock(&server->lock);
    full = server->max_clients && server->clients >= server->max_clients;
    if (!full)
        server->clients++;
    g_mutex_unlock(&server->lock);
    if (full) {
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c = g_new0(struct nbd_client, 1);
    c->server = server;
    c->stream = stream_new(fd);
    c->contexts = g_array_new(FALSE, FALSE, sizeof(guint));
    c->replies = g_async_queue_new();
    g_mutex_init(&c->lock);
    g_cond_init(&c->changed);
    g_thread_unref(g_thread_new("nbd-read", serve_client, c));
}

struct listener {
    struct nbd_server *server;
    int fd;
};

static gpointer accept_clients(gpointer data)
{
    struct listener *l = data;

    while (!g_atomic_int_get(&l->server->stop)) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            take_client(l->server, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            g_usleep(G_USEC_PER_SEC / 10); /* no descriptors left? */
    }
    g_free(l);
    return NULL;
}

void nbd_listen(struct nbd_server *server, int fd)
{
    struct listener *l = g_new(struct listener, 1);

    *l = (struct listener){server, fd};
    g_thread_unref(g_thread_new("nbd-accept", accept_clients, l));
}

void nbd_stop(struct nbd_server *server)
{
    g_atomic_int_set(&server->stop, 1);
    wake_loop(server);
}

void nbd_run(struct nbd_server *server)
{
    struct request *r;

    while (!g_atomic_int_get(&server->stop)) {
        block_context_wait(server->node->context);
        while ((r = g_async_queue_try_pop(server->status)))
            answer_status(r);
    }
}
