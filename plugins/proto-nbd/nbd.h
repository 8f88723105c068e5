/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD client: what its files share.
 *
 * An instance has one or more connections to a server. Each has two threads,
 * one that sends requests and one that takes the replies and, when the
 * connection breaks, makes it anew. The engine's thread only queues.
 */
#ifndef TENON_PROTO_NBD_H
#define TENON_PROTO_NBD_H

#include <pthread.h>
#include <stdint.h>
#include <sys/uio.h>

#include <tenon/block-plugin.h>

#include "nbd-wire.h"

#define NBD_CONNECTIONS 16u
#define NBD_SLOTS 64u /* requests in flight on a connection */

/* ---- nbd-name.c ---- */

struct nbd_name {
    char *host; /* NULL: a Unix socket */
    char *port;
    char *path;
    char *export;
    uint32_t tls;    /* the name demands it */
    char *tls_certificates;
    char *tls_psk_file;
    char *tls_hostname;
    uint32_t no_verify;
};

int32_t nbd_name_parse(struct tn_host *host, struct nbd_name *name,
                       const char *text, struct tn_error *error);
void nbd_name_clear(struct nbd_name *name);

/* ---- nbd-stream.c, nbd-tls.c: bytes to and from the server, waiting ---- */

struct nbd_tls;

struct nbd_stream {
    int fd; /* -1: none */
    struct nbd_tls *tls;
    uint64_t deadline; /* of all that is read, as nbd_now(); 0: none */
};

/* Seconds of a clock that only goes on; not 0. */
uint64_t nbd_now(void);

int32_t nbd_stream_connect(struct tn_host *host, struct nbd_stream *stream,
                           const struct nbd_name *name, uint32_t seconds,
                           struct tn_error *error);
/* Ends reads and writes of other threads; the stream stays. */
void nbd_stream_shutdown(struct nbd_stream *stream);
void nbd_stream_close(struct nbd_stream *stream);
/* Give up after SECONDS without a byte; 0: never. */
void nbd_stream_timeout(struct nbd_stream *stream, uint32_t seconds);
/* Give up after SECONDS, however the bytes drip; 0: never. */
void nbd_stream_deadline(struct nbd_stream *stream, uint32_t seconds);
/* All of it: 0, or a negative errno; -EPIPE: the server hung up. */
int32_t nbd_stream_read(struct nbd_stream *stream, void *data, size_t bytes);
int32_t nbd_stream_write(struct nbd_stream *stream, const void *data,
                         size_t bytes);
/* IOV is changed. */
int32_t nbd_stream_writev(struct nbd_stream *stream, struct iovec *iov,
                          uint32_t n_iov);

/* -ENOTSUP in a build without gnutls. */
int32_t nbd_tls_start(struct tn_host *host, struct nbd_stream *stream,
                      const struct nbd_name *name, struct tn_error *error);
void nbd_tls_free(struct nbd_tls *tls);
int64_t nbd_tls_recv(struct nbd_tls *tls, void *data, size_t bytes);
int64_t nbd_tls_send(struct nbd_tls *tls, const void *data, size_t bytes);

/* ---- nbd-handshake.c ---- */

struct nbd_export {
    uint64_t bytes;
    uint32_t flags; /* transmission flags */
    uint32_t min_block, preferred_block, max_payload;
    uint32_t structured; /* structured replies were agreed on */
    uint32_t status;     /* and base:allocation ... */
    uint32_t context;    /* ... by this id */
};

int32_t nbd_handshake(struct tn_host *host, struct nbd_stream *stream,
                      const struct nbd_name *name, struct nbd_export *found,
                      struct tn_error *error);

/* ---- nbd-connection.c ---- */

struct nbd_extent {
    uint64_t bytes;
    uint32_t flags; /* NBD_STATE_* */
};

#define NBD_EXTENTS 4096u

/* What a BLOCK_STATUS brings. */
struct nbd_status {
    uint64_t offset;
    uint32_t n;
    struct nbd_extent extents[NBD_EXTENTS];
};

/* What a request is waiting for: one or more commands. */
struct nbd_job {
    uint32_t pending;  /* atomic */
    int32_t result;    /* atomic: the first error */
    struct tn_protocol_request *request;
    struct nbd_status *status;
    void (*done)(struct nbd_job *job);
    void *opaque;
};

#define NBD_NOP UINT32_MAX /* the sender ends it with its error */

struct nbd_command {
    struct nbd_command *next;
    struct nbd_job *job;
    uint32_t type; /* NBD_CMD_* or NBD_NOP */
    uint32_t flags;
    uint64_t offset;
    uint32_t bytes;
    uint64_t skip; /* of the request's bytes, before this one's */
    uint64_t cookie;
    uint64_t lost; /* when its first connection broke; 0: none did */
    /* while replies come */
    uint64_t cursor;   /* where the next data is expected, from offset on */
    uint64_t received; /* bytes */
    uint32_t zeroed;   /* what was not expected next reads as zeroes */
    int32_t error;
};

struct nbd;

struct nbd_connection {
    struct nbd *nbd;
    struct nbd_stream stream;
    struct nbd_export export;
    pthread_t sender, receiver;
    uint32_t threads; /* that were started */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* sender; and receiver while it reconnects */
    /* under the lock */
    struct nbd_command *queue, **queue_end;
    struct nbd_command *slots[NBD_SLOTS];
    uint32_t in_flight;
    uint32_t generation;
    uint32_t broken; /* the stream is of no use */
    struct nbd_command *sending; /* what the sender is at */
    uint32_t stopping;
    uint32_t dead; /* for good: requests fail */
    uint32_t answers; /* some came since it was connected */
};

struct nbd {
    struct tn_host *host;
    struct nbd_name name;
    uint64_t reconnect_seconds;
    uint64_t open_seconds;
    struct nbd_export export;
    uint32_t n;
    uint32_t next;
    struct nbd_connection connections[NBD_CONNECTIONS];
    struct nbd_status *status; /* the last answer; n 0: none */
    uint32_t can_zero, can_trim;
};

void nbd_connection_init(struct nbd *nbd, struct nbd_connection *c);
void nbd_connection_clear(struct nbd_connection *c);
/* The threads of one that is connected. */
int32_t nbd_connection_start(struct nbd_connection *c);
void nbd_connection_stop(struct nbd_connection *c);
void nbd_connection_queue(struct nbd_connection *c,
                          struct nbd_command *command);
/* Connect and shake hands, within SECONDS. C has no threads, or it is its
 * receiver, and no stream. */
int32_t nbd_connect(struct nbd *nbd, struct nbd_connection *c,
                    uint32_t seconds, struct tn_error *error);
void nbd_command_end(struct nbd_command *command, int32_t result);

/* ---- proto-nbd.c ---- */

struct nbd_command *nbd_command_new(struct nbd_job *job, uint32_t type);
/* The connection that is next. */
struct nbd_connection *nbd_choose(struct nbd *nbd);

/* ---- nbd-status.c ---- */

/* struct tn_protocol's status() */
int32_t nbd_status_at(void *self, uint64_t offset, uint64_t *bytes);

/* ---- nbd-reply.c ---- */

/* One reply, or chunk of one, from the stream. 0, or what broke the
 * connection. Receiver thread. */
int32_t nbd_receive(struct nbd_connection *c);

#endif
