/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NBD server for one image (https://github.com/NetworkBlockDevice/nbd,
 * doc/proto.md): fixed newstyle negotiation, structured replies, block status.
 *
 * Each client has two threads, one that reads requests (img-nbd-request.c,
 * after the handshake of img-nbd-option.c) and one that writes replies
 * (img-nbd-reply.c). What is done with the image is done on the context's
 * thread (img-nbd-work.c), which is in nbd_run().
 */
#ifndef TENON_TOOLS_IMG_NBD_H
#define TENON_TOOLS_IMG_NBD_H

#include "core/block/image.h"
#include "tools/img-stream.h"

#define NBD_MAX_REQUEST (32u << 20) /* bytes of one READ or WRITE */
#define NBD_SECTOR 512u

/* Commands. */
enum {
    NBD_READ,
    NBD_WRITE,
    NBD_DISCONNECT,
    NBD_FLUSH,
    NBD_TRIM,
    NBD_CACHE,
    NBD_WRITE_ZEROES,
    NBD_STATUS,
};

#define NBD_CMD_FUA 0x1u
#define NBD_CMD_NO_HOLE 0x2u
#define NBD_CMD_DF 0x4u
#define NBD_CMD_REQ_ONE 0x8u
#define NBD_CMD_FAST_ZERO 0x10u

/* Structured replies. */
#define NBD_STRUCTURED_MAGIC 0x668e33efu
#define NBD_REPLY_DONE 0x1u
#define NBD_CHUNK_NONE 0u
#define NBD_CHUNK_DATA 1u
#define NBD_CHUNK_HOLE 2u
#define NBD_CHUNK_STATUS 5u
#define NBD_CHUNK_ERROR 0x8001u

/* Ids of contexts; the bitmaps follow. */
enum { NBD_ALLOCATION, NBD_DEPTH, NBD_FIRST_BITMAP };
#define NBD_MAX_CONTEXTS 64u

/* A dirty bitmap, read when the server starts. */
struct nbd_bitmap {
    char *name;
    uint64_t granularity;
    uint8_t *bits;
    uint64_t n_bits;
};

struct nbd_server {
    struct block_node *node;
    uint64_t offset, bytes; /* the part of the image that is served */
    const char *export_name; /* "" is the default one */
    const char *description; /* NULL none */
    gboolean writable;
    gboolean depth;         /* offer qemu:allocation-depth */
    GArray *bitmaps;        /* of struct nbd_bitmap */
    struct stream_tls *tls; /* NULL: plain text */
    guint max_clients;      /* others wait; 0: no limit */
    guint handshake_seconds;
    gboolean once; /* stop when the last client has gone */

    /* Private. */
    GMutex lock;
    GCond changed;
    GPtrArray *clients;
    GPtrArray *acceptors; /* of GThread * */
    GPtrArray *ended;     /* of GThread *, of clients that have gone */
    int stop_fd;          /* readable: the end */
    gboolean stop, served;
    GAsyncQueue *later; /* of struct nbd_request *: they wait, so not nested */
    guint changing;     /* writes in flight; the context's thread */
    gboolean alone;     /* nothing but one may change the image */
};

struct nbd_client {
    struct nbd_server *server;
    struct stream *stream;
    int64_t deadline; /* of the handshake, 0: it is over */
    gboolean structured;
    GArray *contexts; /* of guint: ids */
    GAsyncQueue *replies;
    GMutex lock;
    GCond changed;
    uint64_t bytes_in_flight;
    guint in_flight;
    gint broken;
};

struct nbd_request {
    struct block_work work;
    struct block_op op;
    struct iovec iov;
    struct nbd_client *client;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t bytes;
    uint64_t charged; /* of the client's bytes in flight */
    uint64_t start;   /* in the image, of the sectors around it */
    uint64_t span;    /* bytes of those */
    uint8_t *data;    /* of SPAN bytes; STATUS: the chunks */
    gsize data_bytes; /* STATUS */
    int result;
};

/* ---- img-nbd.c ---- */

void nbd_server_init(struct nbd_server *server);
void nbd_server_clear(struct nbd_server *server);
/* Serve on the listening descriptor FD, from threads of their own. */
void nbd_listen(struct nbd_server *server, int fd);
/* Requests, on the calling thread, which is the context's; until nbd_stop(),
 * and then until all clients are gone. */
void nbd_run(struct nbd_server *server);
/* [any] not from a signal's handler */
void nbd_stop(struct nbd_server *server);

/* ---- the other files, on the client's threads ---- */

/* The handshake; TRUE: go on with requests. */
gboolean nbd_negotiate(struct nbd_client *client);
/* Requests until the connection is over and all are answered. */
void nbd_read_requests(struct nbd_client *client);
/* [any] The request is done: its reply is queued. */
void nbd_request_done(struct nbd_request *request, int result);
/* A thread's function: replies until nbd_reply_end(). */
gpointer nbd_write_replies(gpointer client);
void nbd_reply_end(struct nbd_client *client);

/* ---- img-nbd-work.c and img-nbd-status.c, on the context's ---- */

/* struct block_work's run() of a request. */
void nbd_work(struct block_work *work);
/* What was put off; it waits. */
void nbd_work_later(struct nbd_request *request);
void nbd_answer_status(struct nbd_request *request);

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
