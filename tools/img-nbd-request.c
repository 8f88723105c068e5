/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NBD requests: doc/proto.md, "Request message" and "Request types". Read and
 * checked on a client's reading thread, and handed to the context's.
 */
#include <errno.h>
#include <string.h>

#include "tools/img-nbd.h"

#define REQUEST_MAGIC 0x25609513u
#define MAX_IN_FLIGHT (64u << 20) /* bytes, of one client */
#define MAX_REQUESTS 64u

static const struct {
    gboolean known, changes, structured_only;
    uint16_t flags; /* besides FUA, which any may have */
} types[] = {
    [NBD_READ] = {TRUE, FALSE, FALSE, NBD_CMD_DF},
    [NBD_WRITE] = {TRUE, TRUE, FALSE, 0},
    [NBD_FLUSH] = {TRUE, FALSE, FALSE, 0},
    [NBD_TRIM] = {TRUE, TRUE, FALSE, 0},
    [NBD_CACHE] = {TRUE, FALSE, FALSE, 0},
    [NBD_WRITE_ZEROES] = {TRUE, TRUE, FALSE,
                          NBD_CMD_NO_HOLE | NBD_CMD_FAST_ZERO},
    [NBD_STATUS] = {TRUE, FALSE, TRUE, NBD_CMD_REQ_ONE},
};

/* What becomes of the request: 0, or the error to answer. */
static int check(const struct nbd_request *r)
{
    const struct nbd_client *c = r->client;
    uint64_t end;

    if (r->type >= G_N_ELEMENTS(types) || !types[r->type].known)
        return -EINVAL;
    if (r->flags & ~(NBD_CMD_FUA | types[r->type].flags))
        return -EINVAL;
    if (types[r->type].structured_only && !c->structured)
        return -EINVAL;
    if ((r->flags & NBD_CMD_DF) && !c->structured)
        return -EINVAL;
    if (types[r->type].changes && !c->server->writable)
        return -EPERM;
    if (r->type == NBD_FLUSH)
        return 0;
    if (__builtin_add_overflow(r->offset, (uint64_t)r->bytes, &end) ||
        end > c->server->bytes)
        return types[r->type].changes ? -ENOSPC : -EINVAL;
    if (r->type == NBD_STATUS && (!r->bytes || !c->contexts->len))
        return -EINVAL;
    if (r->type <= NBD_WRITE && r->bytes > NBD_MAX_REQUEST)
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

/* Wait until the client may have this in flight too. */
static void admit(struct nbd_request *r)
{
    struct nbd_client *c = r->client;

    g_mutex_lock(&c->lock);
    while (c->in_flight && (c->bytes_in_flight + r->charged > MAX_IN_FLIGHT ||
                            c->in_flight >= MAX_REQUESTS))
        g_cond_wait(&c->changed, &c->lock);
    c->bytes_in_flight += r->charged;
    c->in_flight++;
    g_mutex_unlock(&c->lock);
}

static void prepare(struct nbd_request *r)
{
    uint64_t at = r->client->server->offset + r->offset;
    uint64_t bytes = r->bytes;

    if (r->type == NBD_CACHE)
        bytes = MIN(bytes, NBD_MAX_REQUEST);
    r->start = at - at % NBD_SECTOR;
    r->span = (at + bytes + NBD_SECTOR - 1) / NBD_SECTOR * NBD_SECTOR -
              r->start;
    if (r->result || !bytes ||
        (r->type > NBD_WRITE && r->type != NBD_CACHE)) {
        admit(r);
        return;
    }
    r->charged = r->span;
    admit(r);
    r->data = block_file_memory(node_file(r->client->server->node, 0),
                                r->span);
    if (!r->data)
        r->result = -ENOMEM;
}

static struct nbd_request *parse(struct nbd_client *c, const uint8_t *head)
{
    struct nbd_request *r = g_new0(struct nbd_request, 1);

    r->client = c;
    r->flags = (uint16_t)get_be(head + 4, 2);
    r->type = (uint16_t)get_be(head + 6, 2);
    r->cookie = get_be(head + 8, 8);
    r->offset = get_be(head + 16, 8);
    r->bytes = (uint32_t)get_be(head + 24, 4);
    return r;
}

/* FALSE: the connection is over. */
static gboolean read_request(struct nbd_client *c)
{
    uint8_t head[28];
    struct nbd_request *r;
    gboolean there = TRUE;

    if (!stream_read(c->stream, head, sizeof head) ||
        get_be(head, 4) != REQUEST_MAGIC ||
        get_be(head + 6, 2) == NBD_DISCONNECT)
        return FALSE;
    r = parse(c, head);
    r->result = check(r);
    prepare(r);
    if (r->type == NBD_WRITE && r->bytes)
        there = r->result
                    ? skip(c, r->bytes)
                    : stream_read(c->stream,
                                  r->data + (c->server->offset + r->offset -
                                             r->start),
                                  r->bytes);
    if (!there)
        r->result = -EIO; /* half a write is none */
    if (r->result || (!r->bytes && r->type != NBD_FLUSH)) {
        nbd_request_done(r, r->result);
        return there;
    }
    r->work.run = nbd_work;
    block_context_post(c->server->node->context, &r->work);
    return TRUE;
}

void nbd_read_requests(struct nbd_client *client)
{
    while (!g_atomic_int_get(&client->broken) && read_request(client))
        ;
    g_mutex_lock(&client->lock);
    while (client->in_flight)
        g_cond_wait(&client->changed, &client->lock);
    g_mutex_unlock(&client->lock);
}
