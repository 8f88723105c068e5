/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: doc/proto.md, "Simple reply message" and "Structured reply
 * message". A reply that makes no sense breaks the connection. Receiver
 * thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"

#define MAX_STATUS_BYTES (64u << 20)

static int32_t nonsense(struct nbd_connection *c, const char *what)
{
    tn_logf(c->nbd->host, TN_LOG_WARNING, "the NBD server sends nonsense: %s",
            what);
    return -EPROTO;
}

/* "Error values": those of Linux, as far as there are any. */
static int32_t error_of(uint32_t value)
{
    static const int32_t known[] = {EPERM,  EIO,       ENOMEM,    EINVAL,
                                    ENOSPC, EOVERFLOW, EOPNOTSUPP, ESHUTDOWN};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (value == (uint32_t)known[i])
            return -known[i];
    return -EIO;
}

/* ---- commands ---- */

static struct nbd_command *find(struct nbd_connection *c, uint64_t cookie)
{
    uint32_t i = (uint32_t)cookie;
    struct nbd_command *command = NULL;

    pthread_mutex_lock(&c->lock);
    if (i < NBD_SLOTS && c->slots[i] && c->slots[i]->cookie == cookie)
        command = c->slots[i];
    pthread_mutex_unlock(&c->lock);
    return command;
}

static void end(struct nbd_connection *c, struct nbd_command *command)
{
    pthread_mutex_lock(&c->lock);
    /* The reply may be faster than the sender. */
    while (c->sending == command)
        pthread_cond_wait(&c->wake, &c->lock);
    c->slots[(uint32_t)command->cookie] = NULL;
    c->answers = 1;
    if (c->in_flight-- == NBD_SLOTS)
        pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    nbd_command_end(command, command->error);
}

/* ---- data ---- */

/* BYTES at AT of the command's range: read from the stream, or zeroes. */
static int32_t fill(struct nbd_connection *c,
                    const struct nbd_command *command, uint64_t at,
                    uint64_t bytes, int from_stream)
{
    const struct tn_protocol_request *request = command->job->request;
    uint64_t skip = command->skip + at;
    int32_t rc = 0;

    for (uint32_t i = 0; i < request->n_iov && bytes && !rc; i++) {
        uint64_t n = request->iov[i].bytes;
        uint8_t *to = request->iov[i].base;

        if (skip >= n) {
            skip -= n;
            continue;
        }
        n -= skip;
        n = n < bytes ? n : bytes;
        if (from_stream)
            rc = nbd_stream_read(&c->stream, to + skip, n);
        else
            memset(to + skip, 0, n);
        bytes -= n;
        skip = 0;
    }
    return rc;
}

/* A piece of what is read. Nothing that was not sent may stay in the buffer as
 * it was, even if the server leaves gaps. */
static int32_t take_piece(struct nbd_connection *c,
                          struct nbd_command *command, uint64_t offset,
                          uint64_t bytes, int is_data)
{
    uint64_t at = offset - command->offset;

    if (command->type != NBD_CMD_READ || offset < command->offset ||
        bytes == 0 || at > command->bytes || bytes > command->bytes - at ||
        command->received + bytes > command->bytes)
        return nonsense(c, "data that nobody asked for");
    if (at != command->cursor && !command->zeroed) {
        fill(c, command, command->cursor, command->bytes - command->cursor, 0);
        command->zeroed = 1;
    }
    command->cursor = at + bytes;
    command->received += bytes;
    return fill(c, command, at, bytes, is_data);
}

/* ---- simple replies ---- */

static int32_t simple(struct nbd_connection *c)
{
    uint8_t header[NBD_SIMPLE_BYTES - 4];
    struct nbd_command *command;
    int32_t rc = nbd_stream_read(&c->stream, header, sizeof header);
    uint32_t error;

    if (rc)
        return rc;
    error = nbd_get32(header);
    command = find(c, nbd_get64(header + 4));
    if (!command)
        return nonsense(c, "an answer to nothing");
    if (error) {
        command->error = error_of(error);
    } else if (command->type == NBD_CMD_BLOCK_STATUS ||
               (command->type == NBD_CMD_READ && c->export.structured)) {
        return nonsense(c, "a simple reply where it may not be");
    } else if (command->type == NBD_CMD_READ) {
        rc = take_piece(c, command, command->offset, command->bytes, 1);
        if (rc)
            return rc;
    }
    end(c, command);
    return 0;
}

/* ---- structured ones ---- */

static int32_t drain(struct nbd_connection *c, uint64_t bytes)
{
    uint8_t data[4096];
    int32_t rc = 0;

    while (bytes && !rc) {
        size_t n = bytes < sizeof data ? bytes : sizeof data;

        rc = nbd_stream_read(&c->stream, data, n);
        bytes -= n;
    }
    return rc;
}

static int32_t data_chunk(struct nbd_connection *c,
                          struct nbd_command *command, uint32_t length)
{
    uint8_t offset[8];
    int32_t rc;

    if (length <= sizeof offset)
        return nonsense(c, "a piece of data without data");
    rc = nbd_stream_read(&c->stream, offset, sizeof offset);
    return rc ? rc
              : take_piece(c, command, nbd_get64(offset),
                           length - sizeof offset, 1);
}

static int32_t hole_chunk(struct nbd_connection *c,
                          struct nbd_command *command, uint32_t length)
{
    uint8_t hole[12];
    int32_t rc;

    if (length != sizeof hole)
        return nonsense(c, "a hole of the wrong length");
    rc = nbd_stream_read(&c->stream, hole, sizeof hole);
    return rc ? rc
              : take_piece(c, command, nbd_get64(hole), nbd_get32(hole + 8),
                           0);
}

static int32_t status_chunk(struct nbd_connection *c,
                            struct nbd_command *command, uint32_t length)
{
    struct nbd_status *status = command->job->status;
    uint8_t data[8];
    uint32_t left;
    int32_t rc;

    if (command->type != NBD_CMD_BLOCK_STATUS || length < 12 ||
        (length - 4) % 8 || length > MAX_STATUS_BYTES)
        return nonsense(c, "a block status of the wrong length");
    rc = nbd_stream_read(&c->stream, data, 4);
    if (rc)
        return rc;
    if (nbd_get32(data) != c->export.context || status->n)
        return nonsense(c, "a block status that nobody asked for");
    for (left = (length - 4) / 8; left && status->n < NBD_EXTENTS; left--) {
        rc = nbd_stream_read(&c->stream, data, 8);
        if (rc)
            return rc;
        if (!nbd_get32(data))
            return nonsense(c, "an extent of no length");
        status->extents[status->n++] =
            (struct nbd_extent){nbd_get32(data), nbd_get32(data + 4)};
    }
    return drain(c, (uint64_t)left * 8);
}

static int32_t error_chunk(struct nbd_connection *c,
                           struct nbd_command *command, uint32_t length)
{
    uint8_t data[6];
    uint32_t text;
    int32_t rc;

    if (length < sizeof data || length > NBD_MAX_NAME + 64)
        return nonsense(c, "an error of the wrong length");
    rc = nbd_stream_read(&c->stream, data, sizeof data);
    if (rc)
        return rc;
    text = nbd_get16(data + 4);
    if (text > length - sizeof data || !nbd_get32(data))
        return nonsense(c, "an error that makes no sense");
    if (!command->error)
        command->error = error_of(nbd_get32(data));
    return drain(c, length - sizeof data);
}

static int32_t chunk(struct nbd_connection *c, struct nbd_command *command,
                     uint32_t type, uint32_t length)
{
    switch (type) {
    case NBD_CHUNK_NONE:
        return length ? nonsense(c, "nothing, with a length") : 0;
    case NBD_CHUNK_DATA:
        return data_chunk(c, command, length);
    case NBD_CHUNK_HOLE:
        return hole_chunk(c, command, length);
    case NBD_CHUNK_BLOCK_STATUS:
        return status_chunk(c, command, length);
    default:
        return type & NBD_CHUNK_ERROR_BIT
                   ? error_chunk(c, command, length)
                   : nonsense(c, "a chunk of an unknown type");
    }
}

static int32_t structured(struct nbd_connection *c)
{
    uint8_t header[NBD_STRUCTURED_BYTES - 4];
    struct nbd_command *command;
    int32_t rc = nbd_stream_read(&c->stream, header, sizeof header);

    if (rc)
        return rc;
    command = find(c, nbd_get64(header + 4));
    if (!command || !c->export.structured)
        return nonsense(c, "an answer to nothing");
    rc = chunk(c, command, nbd_get16(header + 2), nbd_get32(header + 12));
    if (rc)
        return rc;
    if (!(nbd_get16(header) & NBD_CHUNK_DONE))
        return nbd_get16(header + 2) == NBD_CHUNK_NONE
                   ? nonsense(c, "nothing, and more to come")
                   : 0;
    if (!command->error &&
        ((command->type == NBD_CMD_READ &&
          command->received != command->bytes) ||
         (command->type == NBD_CMD_BLOCK_STATUS &&
          !command->job->status->n)))
        return nonsense(c, "less than was asked for");
    end(c, command);
    return 0;
}

int32_t nbd_receive(struct nbd_connection *c)
{
    uint8_t magic[4];
    int32_t rc = nbd_stream_read(&c->stream, magic, sizeof magic);

    if (rc)
        return rc;
    switch (nbd_get32(magic)) {
    case NBD_SIMPLE_MAGIC:
        return simple(c);
    case NBD_STRUCTURED_MAGIC:
        return structured(c);
    default:
        return nonsense(c, "no reply");
    }
}
