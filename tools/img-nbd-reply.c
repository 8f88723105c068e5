/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NBD replies: doc/proto.md, "Structured reply chunk message", and simple ones
 * for clients that did not ask for those. On a client's writing thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/img-nbd.h"

#define SIMPLE_MAGIC 0x67446698u
/* So much is looked at for being a hole. */
#define GRAIN (64u << 10)

static uint32_t error_code(int result)
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

static gboolean send_chunk(const struct nbd_request *r, uint16_t flags,
                           uint16_t type, const void *head, gsize head_bytes,
                           const void *data, gsize bytes)
{
    struct stream *stream = r->client->stream;
    uint8_t out[20 + 16];

    put_be(out, NBD_STRUCTURED_MAGIC, 4);
    put_be(out + 4, flags, 2);
    put_be(out + 6, type, 2);
    put_be(out + 8, r->cookie, 8);
    put_be(out + 16, head_bytes + bytes, 4);
    if (head_bytes)
        memcpy(out + 20, head, head_bytes);
    return stream_write(stream, out, 20 + head_bytes) &&
           (!bytes || stream_write(stream, data, bytes));
}

/* AT and BYTES of the request's data, which are all zeroes or not. */
static gboolean send_stretch(const struct nbd_request *r, const uint8_t *data,
                             uint32_t at, uint32_t bytes, gboolean zero)
{
    uint16_t flags = at + bytes == r->bytes ? NBD_REPLY_DONE : 0;
    uint8_t head[12];

    put_be(head, r->offset + at, 8);
    put_be(head + 8, bytes, 4);
    return zero ? send_chunk(r, flags, NBD_CHUNK_HOLE, head, 12, NULL, 0)
                : send_chunk(r, flags, NBD_CHUNK_DATA, head, 8, data + at,
                             bytes);
}

static uint32_t grain(const struct nbd_request *r, uint32_t at)
{
    uint32_t to_grain = GRAIN - (uint32_t)((r->offset + at) % GRAIN);

    return MIN(to_grain, r->bytes - at);
}

/* Holes are chunks of their own, unless they must be one. */
static gboolean send_data(const struct nbd_request *r, const uint8_t *data)
{
    uint32_t at = 0;

    if (r->flags & NBD_CMD_DF)
        return send_stretch(r, data, 0, r->bytes,
                            image_is_zero(data, r->bytes));
    while (at < r->bytes) {
        uint32_t n = grain(r, at);
        gboolean zero = image_is_zero(data + at, n);

        while (at + n < r->bytes) {
            uint32_t more = grain(r, at + n);

            if (image_is_zero(data + at + n, more) != zero)
                break;
            n += more;
        }
        if (!send_stretch(r, data, at, n, zero))
            return FALSE;
        at += n;
    }
    return TRUE;
}

static const uint8_t *content(const struct nbd_request *r)
{
    return r->data + (r->client->server->offset + r->offset - r->start);
}

static gboolean send_structured(const struct nbd_request *r)
{
    uint8_t head[6];

    if (r->result) {
        const char *text = g_strerror(-r->result);

        put_be(head, error_code(r->result), 4);
        put_be(head + 4, strlen(text), 2);
        return send_chunk(r, NBD_REPLY_DONE, NBD_CHUNK_ERROR, head, 6, text,
                          strlen(text));
    }
    if (r->type == NBD_STATUS) /* made as a whole */
        return stream_write(r->client->stream, r->data, r->data_bytes);
    if (r->type == NBD_READ && r->bytes)
        return send_data(r, content(r));
    return send_chunk(r, NBD_REPLY_DONE, NBD_CHUNK_NONE, NULL, 0, NULL, 0);
}

static gboolean send_simple(const struct nbd_request *r)
{
    uint8_t head[16];

    put_be(head, SIMPLE_MAGIC, 4);
    put_be(head + 4, error_code(r->result), 4);
    put_be(head + 8, r->cookie, 8);
    return stream_write(r->client->stream, head, sizeof head) &&
           (r->type != NBD_READ || r->result || !r->bytes ||
            stream_write(r->client->stream, content(r), r->bytes));
}

static void request_free(struct nbd_request *r)
{
    struct nbd_client *c = r->client;

    g_mutex_lock(&c->lock);
    c->bytes_in_flight -= r->charged;
    c->in_flight--;
    g_cond_broadcast(&c->changed);
    g_mutex_unlock(&c->lock);
    free(r->data);
    g_free(r);
}

static struct nbd_request last; /* ends the queue */

gpointer nbd_write_replies(gpointer data)
{
    struct nbd_client *c = data;
    struct nbd_request *r;

    while ((r = g_async_queue_pop(c->replies)) != &last) {
        if (!g_atomic_int_get(&c->broken) &&
            !(c->structured ? send_structured(r) : send_simple(r))) {
            g_atomic_int_set(&c->broken, 1);
            stream_shutdown(c->stream);
        }
        request_free(r);
    }
    return NULL;
}

void nbd_reply_end(struct nbd_client *client)
{
    g_async_queue_push(client->replies, &last);
}

void nbd_request_done(struct nbd_request *request, int result)
{
    request->result = result;
    g_async_queue_push(request->client->replies, request);
}
