/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NBD server for one image (https://github.com/NetworkBlockDevice/nbd,
 * doc/proto.md): fixed newstyle negotiation, structured replies, block status.
 */
#ifndef TENON_TOOLS_IMG_NBD_H
#define TENON_TOOLS_IMG_NBD_H

#include "core/block/image.h"
#include "tools/img-stream.h"

/* A dirty bitmap, read when the server starts. */
struct nbd_bitmap {
    char *name;
    uint64_t granularity;
    uint8_t *bits;
    uint64_t n_bits;
};

struct nbd_server {
    struct block_node *node;
    const char *export_name; /* "" is the default one */
    const char *description; /* NULL none */
    gboolean writable;
    GArray *bitmaps; /* of struct nbd_bitmap */
    struct stream_tls *tls; /* NULL: plain text */
    guint max_clients;      /* 0: no limit */
    gboolean once;          /* stop when the last client has gone */

    /* Private. */
    GMutex lock;
    guint clients;
    GAsyncQueue *status; /* of struct request *: wait for the loop */
    GPtrArray *listeners; /* of int, as pointers */
    volatile gint stop;
    volatile gint served;
};

/* Serve on the listening descriptor FD, from threads of their own. */
void nbd_listen(struct nbd_server *server, int fd);
/* Requests, on the calling thread, which is the context's; until
 * nbd_stop(). */
void nbd_run(struct nbd_server *server);
/* From a signal handler's thread or any other. */
void nbd_stop(struct nbd_server *server);

/* ---- img-nbd.c and img-nbd-option.c ---- */

struct nbd_client {
    struct nbd_server *server;
    struct stream *stream;
    gboolean structured;
    gboolean base_allocation;
    GArray *contexts; /* of guint: bitmaps that were chosen */
    GAsyncQueue *replies;
    GMutex lock;
    GCond changed;
    uint64_t bytes_in_flight;
    guint in_flight;
    gboolean broken;
};

/* The handshake; TRUE: go on with requests. */
gboolean nbd_negotiate(struct nbd_client *client);

static inline void put_be(uint8_t *to, uint64_t value, guint bytes)
{
    while (bytes--) {
        to[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static inline uint64_t get_be(const uint8_t *from, guint bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | *from++;
    return value;
}

#endif
