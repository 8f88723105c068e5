/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's two threads. The sender takes commands from the queue, gives
 * each a slot and sends it; the receiver takes replies. When the connection
 * breaks the receiver makes it anew, and what was in flight is sent again:
 * every command may be done twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nbd.h"

#define HANDSHAKE_SECONDS 30u
#define BYE_SECONDS 2u

void nbd_command_end(struct nbd_command *command, int32_t result)
{
    struct nbd_job *job = command->job;
    int32_t none = 0;

    free(command);
    if (result)
        __atomic_compare_exchange_n(&job->result, &none, result, 0,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (__atomic_sub_fetch(&job->pending, 1, __ATOMIC_ACQ_REL) == 0)
        job->done(job);
}

static void end_all(struct nbd_command *list, int32_t result)
{
    while (list) {
        struct nbd_command *next = list->next;

        nbd_command_end(list, result);
        list = next;
    }
}

void nbd_connection_queue(struct nbd_connection *c,
                          struct nbd_command *command)
{
    uint32_t dead;

    command->next = NULL;
    pthread_mutex_lock(&c->lock);
    dead = c->dead && command->type != NBD_NOP;
    if (!dead) {
        *c->queue_end = command;
        c->queue_end = &command->next;
        pthread_cond_broadcast(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    if (dead) {
        /* Ended by the sender: not from inside submit(). */
        command->type = NBD_NOP;
        command->error = -EIO;
        nbd_connection_queue(c, command);
    }
}

/* ---- sender ---- */

static struct nbd_command *take(struct nbd_connection *c)
{
    struct nbd_command *command = c->queue;

    c->queue = command->next;
    if (!c->queue)
        c->queue_end = &c->queue;
    return command;
}

static void take_slot(struct nbd_connection *c, struct nbd_command *command)
{
    uint32_t i = 0;

    while (c->slots[i])
        i++;
    command->cookie = (uint64_t)++c->generation << 32 | i;
    command->cursor = 0;
    command->received = 0;
    command->zeroed = 0;
    command->error = 0;
    c->slots[i] = command;
    c->in_flight++;
}

static uint32_t cut_iov(const struct nbd_command *command, struct iovec *out)
{
    const struct tn_protocol_request *request = command->job->request;
    uint64_t skip = command->skip, left = command->bytes;
    uint32_t n = 0;

    for (uint32_t i = 0; i < request->n_iov && left; i++) {
        uint64_t bytes = request->iov[i].bytes;

        if (skip >= bytes) {
            skip -= bytes;
            continue;
        }
        bytes -= skip;
        bytes = bytes < left ? bytes : left;
        out[n++] = (struct iovec){(uint8_t *)request->iov[i].base + skip,
                                  bytes};
        left -= bytes;
        skip = 0;
    }
    return n;
}

static int32_t send_command(struct nbd_connection *c,
                            struct nbd_command *command)
{
    uint32_t pieces =
        command->type == NBD_CMD_WRITE ? command->job->request->n_iov : 0;
    struct iovec few[16];
    struct iovec *iov = few;
    uint8_t header[NBD_REQUEST_BYTES];
    int32_t rc;

    if (pieces + 1 > sizeof few / sizeof *few)
        iov = malloc((pieces + 1) * sizeof *iov);
    if (!iov)
        return -ENOMEM;
    nbd_put32(header, NBD_REQUEST_MAGIC);
    nbd_put16(header + 4, command->flags);
    nbd_put16(header + 6, command->type);
    nbd_put64(header + 8, command->cookie);
    nbd_put64(header + 16, command->offset);
    nbd_put32(header + 24, command->bytes);
    iov[0] = (struct iovec){header, sizeof header};
    pieces = pieces ? cut_iov(command, iov + 1) : 0;
    rc = nbd_stream_writev(&c->stream, iov, pieces + 1);
    if (iov != few)
        free(iov);
    return rc;
}

/* The lock is held, and again when it returns. */
static void send_next(struct nbd_connection *c)
{
    struct nbd_command *command = take(c);
    int32_t rc;

    if (command->type == NBD_NOP) {
        pthread_mutex_unlock(&c->lock);
        nbd_command_end(command, command->error);
        pthread_mutex_lock(&c->lock);
        return;
    }
    take_slot(c, command);
    c->sending = command;
    pthread_mutex_unlock(&c->lock);
    rc = send_command(c, command);
    pthread_mutex_lock(&c->lock);
    c->sending = NULL;
    if (rc) {
        c->broken = 1;
        nbd_stream_shutdown(&c->stream);
    }
    pthread_cond_broadcast(&c->wake);
}

static int can_send(const struct nbd_connection *c)
{
    if (!c->queue)
        return 0;
    return c->queue->type == NBD_NOP ||
           (!c->broken && c->in_flight < NBD_SLOTS);
}

static void *sender(void *opaque)
{
    struct nbd_connection *c = opaque;

    pthread_mutex_lock(&c->lock);
    while (!c->stopping || can_send(c)) {
        if (can_send(c))
            send_next(c);
        else
            pthread_cond_wait(&c->wake, &c->lock);
    }
    if (!c->broken) {
        uint8_t bye[NBD_REQUEST_BYTES] = {0};

        nbd_put32(bye, NBD_REQUEST_MAGIC);
        nbd_put16(bye + 6, NBD_CMD_DISC);
        nbd_stream_timeout(&c->stream, BYE_SECONDS);
        nbd_stream_write(&c->stream, bye, sizeof bye);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- receiver ---- */

/* The stream is C's from the first byte on: nbd_connection_stop() ends it. */
static int32_t take_stream(struct nbd_connection *c,
                           struct nbd_stream *stream)
{
    int32_t rc = 0;

    pthread_mutex_lock(&c->lock);
    if (c->stopping)
        rc = -ESHUTDOWN;
    else
        c->stream = *stream;
    pthread_mutex_unlock(&c->lock);
    if (rc)
        nbd_stream_close(stream);
    return rc;
}

static void drop_stream(struct nbd_connection *c)
{
    pthread_mutex_lock(&c->lock);
    nbd_stream_close(&c->stream);
    pthread_mutex_unlock(&c->lock);
}

int32_t nbd_connect(struct nbd *nbd, struct nbd_connection *c,
                    uint32_t seconds, struct tn_error *error)
{
    struct nbd_stream stream;
    int32_t rc = nbd_stream_connect(nbd->host, &stream, &nbd->name, seconds,
                                    error);

    if (rc)
        return rc;
    nbd_stream_deadline(&stream, seconds);
    rc = take_stream(c, &stream);
    if (rc)
        return rc;
    rc = nbd_handshake(nbd->host, &c->stream, &nbd->name, &c->export, error);
    if (rc)
        drop_stream(c);
    else
        nbd_stream_deadline(&c->stream, 0);
    return rc;
}

/* Is it the export that it was? */
static int32_t connect_again(struct nbd_connection *c)
{
    const struct nbd_export *was = &c->nbd->export;
    int32_t rc = nbd_connect(c->nbd, c, HANDSHAKE_SECONDS, NULL);

    if (rc)
        return rc;
    if (c->export.bytes != was->bytes || (was->flags & ~c->export.flags) ||
        c->export.min_block > was->min_block ||
        c->export.max_payload < was->max_payload ||
        (was->status && !c->export.status)) {
        tn_logf(c->nbd->host, TN_LOG_WARNING,
                "the NBD server is there again, but its export is another one");
        drop_stream(c);
        return -ESTALE;
    }
    return 0;
}

/* What was in flight, in the order in which it was sent. */
static struct nbd_command *take_slots(struct nbd_connection *c)
{
    struct nbd_command *list = NULL;

    for (uint32_t n = c->in_flight; n; n--) {
        uint32_t last = NBD_SLOTS;

        for (uint32_t i = 0; i < NBD_SLOTS; i++)
            if (c->slots[i] && (last == NBD_SLOTS ||
                                c->slots[i]->cookie > c->slots[last]->cookie))
                last = i;
        c->slots[last]->next = list;
        list = c->slots[last];
        c->slots[last] = NULL;
    }
    c->in_flight = 0;
    return list;
}

/* What has been sent in vain for too long fails; the rest goes into the queue
 * again. It may be what the server cannot bear. */
static void put_back(struct nbd_connection *c, struct nbd_command *list)
{
    struct nbd_command **end = &list, *old = NULL, **old_end = &old;
    uint64_t now = nbd_now();

    while (*end) {
        struct nbd_command *command = *end;

        if (!command->lost)
            command->lost = now;
        if (now - command->lost < c->nbd->reconnect_seconds ||
            !c->nbd->reconnect_seconds) {
            end = &command->next;
            continue;
        }
        *end = command->next;
        command->next = NULL;
        *old_end = command;
        old_end = &command->next;
    }
    *end = c->queue;
    if (!c->queue)
        c->queue_end = list ? end : &c->queue;
    c->queue = list;
    pthread_mutex_unlock(&c->lock);
    end_all(old, -EIO);
    pthread_mutex_lock(&c->lock);
}

/* Gives up on all that waits, but those that the sender ends. */
static void give_up(struct nbd_connection *c)
{
    struct nbd_command *list = c->queue;

    c->queue = NULL;
    c->queue_end = &c->queue;
    c->dead = 1;
    pthread_mutex_unlock(&c->lock);
    end_all(list, -EIO);
    pthread_mutex_lock(&c->lock);
}

static void pause_a_second(struct nbd_connection *c)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (!c->stopping)
        pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

/* The lock is held. 0: connected again; else it is over. */
static int mend(struct nbd_connection *c)
{
    uint64_t since = nbd_now();

    c->broken = 1;
    nbd_stream_shutdown(&c->stream);
    while (c->sending)
        pthread_cond_wait(&c->wake, &c->lock);
    put_back(c, take_slots(c));
    if (!c->stopping)
        tn_logf(c->nbd->host, TN_LOG_WARNING,
                "the connection to the NBD server is lost");
    nbd_stream_close(&c->stream);
    /* One that brought nothing is not made again at once. */
    if (!c->answers && c->nbd->reconnect_seconds)
        pause_a_second(c);
    while (!c->stopping) {
        int32_t rc;

        if (nbd_now() - since >= c->nbd->reconnect_seconds)
            give_up(c);
        if (!c->nbd->reconnect_seconds)
            return -1;
        pthread_mutex_unlock(&c->lock);
        rc = connect_again(c);
        pthread_mutex_lock(&c->lock);
        if (!rc) {
            c->broken = 0;
            c->dead = 0;
            c->answers = 0;
            pthread_cond_broadcast(&c->wake);
            return 0;
        }
        pause_a_second(c);
    }
    give_up(c);
    return -1;
}

static void *receiver(void *opaque)
{
    struct nbd_connection *c = opaque;
    int over = 0;

    while (!over) {
        if (!nbd_receive(c))
            continue;
        pthread_mutex_lock(&c->lock);
        over = mend(c);
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

/* ---- life ---- */

void nbd_connection_init(struct nbd *nbd, struct nbd_connection *c)
{
    memset(c, 0, sizeof *c);
    c->nbd = nbd;
    c->stream.fd = -1;
    c->queue_end = &c->queue;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
}

void nbd_connection_clear(struct nbd_connection *c)
{
    nbd_stream_close(&c->stream);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
}

int32_t nbd_connection_start(struct nbd_connection *c)
{
    int rc = pthread_create(&c->sender, NULL, sender, c);

    if (!rc) {
        c->threads = 1;
        rc = pthread_create(&c->receiver, NULL, receiver, c);
    }
    if (!rc)
        c->threads = 2;
    else
        nbd_connection_stop(c);
    return -rc;
}

void nbd_connection_stop(struct nbd_connection *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = 1;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->threads > 0)
        pthread_join(c->sender, NULL);
    pthread_mutex_lock(&c->lock);
    nbd_stream_shutdown(&c->stream);
    pthread_mutex_unlock(&c->lock);
    if (c->threads > 1)
        pthread_join(c->receiver, NULL);
    c->threads = 0;
}
