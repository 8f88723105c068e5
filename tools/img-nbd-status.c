/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NBD block status: doc/proto.md, "Metadata querying" and NBD_CMD_BLOCK_STATUS;
 * the contexts base:allocation, qemu:allocation-depth, qemu:dirty-bitmap:NAME.
 * On the context's thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/img-nbd.h"

#define STATE_HOLE 0x1u
#define STATE_ZERO 0x2u
#define STATE_DIRTY 0x1u
#define MAX_EXTENTS 1024u
#define ROW 8u

/* FALSE: this one is too many. */
static gboolean add_extent(const struct nbd_request *r, GByteArray *out,
                           uint64_t bytes, uint32_t flags)
{
    uint8_t row[ROW];
    guint n = out->len;

    if (n && get_be(out->data + n - 4, 4) == flags) {
        put_be(out->data + n - ROW, get_be(out->data + n - ROW, 4) + bytes, 4);
        return TRUE; /* at most the request's length, which has 32 bits */
    }
    if ((n && (r->flags & NBD_CMD_REQ_ONE)) || n >= MAX_EXTENTS * ROW)
        return FALSE;
    put_be(row, bytes, 4);
    put_be(row + 4, flags, 4);
    g_byte_array_append(out, row, ROW);
    return TRUE;
}

static uint32_t state(const struct image_extent *e, guint id)
{
    if (id == NBD_DEPTH)
        return e->present ? e->depth + 1 : 0;
    return (e->data ? 0 : STATE_HOLE) | (e->zero ? STATE_ZERO : 0);
}

static int32_t add_allocation(const struct nbd_request *r, guint id,
                              GByteArray *out)
{
    const struct nbd_server *server = r->client->server;
    uint64_t at = server->offset + r->offset, end = at + r->bytes;

    while (at < end) {
        struct image_extent e;
        int32_t rc = image_extent(server->node, NULL, at, end - at,
                                  IMAGE_STATUS_HOLES, &e);

        if (rc)
            return rc;
        if (!e.bytes)
            return -EIO;
        if (!add_extent(r, out, MIN(e.bytes, end - at), state(&e, id)))
            break;
        at += e.bytes;
    }
    return 0;
}

static void add_dirty(const struct nbd_request *r, const struct nbd_bitmap *b,
                      GByteArray *out)
{
    uint64_t at = r->client->server->offset + r->offset, end = at + r->bytes;

    while (at < end) {
        uint64_t bit = at / b->granularity;
        uint64_t n = MIN((bit + 1) * b->granularity, end) - at;
        gboolean set = bit < b->n_bits && (b->bits[bit / 8] >> bit % 8 & 1);

        if (!add_extent(r, out, n, set ? STATE_DIRTY : 0))
            break;
        at += n;
    }
}

static void add_chunk(const struct nbd_request *r, GByteArray *all,
                      uint32_t id, const GByteArray *extents, gboolean is_last)
{
    uint8_t head[24];

    put_be(head, NBD_STRUCTURED_MAGIC, 4);
    put_be(head + 4, is_last ? NBD_REPLY_DONE : 0, 2);
    put_be(head + 6, NBD_CHUNK_STATUS, 2);
    put_be(head + 8, r->cookie, 8);
    put_be(head + 16, 4 + extents->len, 4);
    put_be(head + 20, id, 4);
    g_byte_array_append(all, head, sizeof head);
    g_byte_array_append(all, extents->data, extents->len);
}

void nbd_answer_status(struct nbd_request *r)
{
    const struct nbd_client *c = r->client;
    g_autoptr(GByteArray) all = g_byte_array_new();
    int32_t rc = 0;

    for (guint i = 0; i < c->contexts->len && !rc; i++) {
        guint id = g_array_index(c->contexts, guint, i);
        g_autoptr(GByteArray) extents = g_byte_array_new();

        if (id < NBD_FIRST_BITMAP)
            rc = add_allocation(r, id, extents);
        else
            add_dirty(r,
                      &g_array_index(c->server->bitmaps, struct nbd_bitmap,
                                     id - NBD_FIRST_BITMAP),
                      extents);
        add_chunk(r, all, id, extents, i + 1 == c->contexts->len);
    }
    r->data_bytes = all->len;
    r->data = malloc(all->len + 1);
    if (r->data)
        memcpy(r->data, all->data, all->len);
    else
        rc = -ENOMEM;
    nbd_request_done(r, rc);
}
