/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Newstyle negotiation, up to the transmission phase: doc/proto.md, "Fixed
 * newstyle negotiation". What the server sends is bounded in size and number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"

#define MAX_REPLY (64u << 10)
#define MAX_REPLIES 256u
#define CONTEXT "base:allocation"

struct shake {
    struct tn_host *host;
    struct nbd_stream *stream;
    const struct nbd_name *name;
    struct nbd_export *found;
    struct tn_error *error;
    uint32_t handshake_flags;
    /* the last reply */
    uint32_t type;
    uint32_t bytes;
    uint8_t data[MAX_REPLY + 1];
};

static int32_t lost(struct shake *s, int32_t rc)
{
    return tn_fail(s->host, s->error, rc, "NBD server: %s",
                   rc == -EPIPE       ? "it hung up"
                   : rc == -ETIMEDOUT ? "it does not answer"
                                      : strerror(-rc));
}

static int32_t nonsense(struct shake *s, const char *what)
{
    return tn_fail(s->host, s->error, -EPROTO, "NBD server: %s", what);
}

static int32_t get(struct shake *s, void *data, size_t bytes)
{
    int32_t rc = nbd_stream_read(s->stream, data, bytes);

    return rc ? lost(s, rc) : 0;
}

/* ---- options ---- */

static int32_t send_option(struct shake *s, uint32_t option, const void *data,
                           uint32_t bytes)
{
    uint8_t header[16];
    struct iovec iov[2] = {{header, sizeof header},
                           {(void *)(uintptr_t)data, bytes}};
    int32_t rc;

    nbd_put64(header, NBD_OPTION_MAGIC);
    nbd_put32(header + 8, option);
    nbd_put32(header + 12, bytes);
    rc = nbd_stream_writev(s->stream, iov, bytes ? 2 : 1);
    return rc ? lost(s, rc) : 0;
}

static int32_t get_reply(struct shake *s, uint32_t option)
{
    uint8_t header[20];
    int32_t rc = get(s, header, sizeof header);

    if (rc)
        return rc;
    if (nbd_get64(header) != NBD_REPLY_MAGIC ||
        nbd_get32(header + 8) != option)
        return nonsense(s, "it answers another question");
    s->type = nbd_get32(header + 12);
    s->bytes = nbd_get32(header + 16);
    if (s->bytes > MAX_REPLY)
        return nonsense(s, "it answers at too great length");
    s->data[s->bytes] = 0;
    return s->bytes ? get(s, s->data, s->bytes) : 0;
}

static int32_t refusal(struct shake *s)
{
    const char *why = s->type == NBD_REP_ERR_UNKNOWN
                          ? "it has no such export"
                      : s->type == NBD_REP_ERR_TLS_REQD
                          ? "it demands TLS (nbds://)"
                      : s->type == NBD_REP_ERR_POLICY ? "it does not allow that"
                      : s->type == NBD_REP_ERR_SHUTDOWN
                          ? "it is shutting down"
                      : s->type == NBD_REP_ERR_BLOCK_SIZE_REQD
                          ? "it has demands on block sizes"
                          : "it refuses";

    for (uint32_t i = 0; i < s->bytes; i++)
        if (s->data[i] < ' ')
            s->data[i] = ' ';
    return tn_fail(s->host, s->error,
                   s->type == NBD_REP_ERR_UNKNOWN ? -ENOENT : -EACCES,
                   "NBD server, export '%s': %s%s%.200s", s->name->export, why,
                   s->bytes ? ": " : "", (const char *)s->data);
}

/* An option whose answer is yes or no: 1, 0 or a negative errno. */
static int32_t ask(struct shake *s, uint32_t option)
{
    int32_t rc = send_option(s, option, NULL, 0);

    if (!rc)
        rc = get_reply(s, option);
    if (rc)
        return rc;
    if (s->type == NBD_REP_ACK)
        return 1;
    return s->type & NBD_REP_ERROR ? 0 : nonsense(s, "neither yes nor no");
}

static int32_t start_tls(struct shake *s)
{
    int32_t rc = ask(s, NBD_OPT_STARTTLS);

    if (rc == 0)
        return tn_fail(s->host, s->error, -EACCES,
                       "NBD server: it has no TLS, which was asked for");
    return rc < 0 ? rc
                  : nbd_tls_start(s->host, s->stream, s->name, s->error);
}

/* "NBD_OPT_SET_META_CONTEXT": base:allocation. */
static int32_t ask_context(struct shake *s)
{
    uint32_t name = (uint32_t)strlen(s->name->export);
    uint32_t context = (uint32_t)strlen(CONTEXT);
    uint32_t bytes = 4 + name + 4 + 4 + context;
    uint8_t *data = malloc(bytes);
    int32_t rc;

    if (!data)
        return -ENOMEM;
    nbd_put32(data, name);
    memcpy(data + 4, s->name->export, name);
    nbd_put32(data + 4 + name, 1);
    nbd_put32(data + 8 + name, context);
    memcpy(data + 12 + name, CONTEXT, context);
    rc = send_option(s, NBD_OPT_SET_META_CONTEXT, data, bytes);
    free(data);
    for (uint32_t n = 0; !rc && n < MAX_REPLIES; n++) {
        rc = get_reply(s, NBD_OPT_SET_META_CONTEXT);
        if (rc || s->type == NBD_REP_ACK || (s->type & NBD_REP_ERROR))
            return rc;
        if (s->type == NBD_REP_META_CONTEXT && s->bytes == 4 + context &&
            !memcmp(s->data + 4, CONTEXT, context)) {
            s->found->context = nbd_get32(s->data);
            s->found->status = 1;
        }
    }
    return rc ? rc : nonsense(s, "it does not stop answering");
}

/* ---- the export ---- */

static int32_t take_info(struct shake *s, uint32_t *have_export)
{
    struct nbd_export *found = s->found;
    uint32_t kind = s->bytes >= 2 ? nbd_get16(s->data) : UINT32_MAX;

    if (kind == NBD_INFO_EXPORT && s->bytes == 12) {
        found->bytes = nbd_get64(s->data + 2);
        found->flags = nbd_get16(s->data + 10);
        *have_export = 1;
    } else if (kind == NBD_INFO_BLOCK_SIZE && s->bytes == 14) {
        uint32_t least = nbd_get32(s->data + 2);
        uint32_t preferred = nbd_get32(s->data + 6);
        uint32_t most = nbd_get32(s->data + 10);

        if (!least || (least & (least - 1)) || least > 65536 || most < least)
            return nonsense(s, "its block sizes make no sense");
        found->min_block = least;
        found->preferred_block = preferred;
        found->max_payload = most < NBD_MAX_PAYLOAD ? most : NBD_MAX_PAYLOAD;
        found->max_payload -= found->max_payload % least;
    } else if (kind == NBD_INFO_EXPORT || kind == NBD_INFO_BLOCK_SIZE ||
               kind == UINT32_MAX) {
        return nonsense(s, "its answer is too short");
    }
    return 0;
}

/* 1: done; 0: the server does not know the option. */
static int32_t go(struct shake *s)
{
    uint32_t name = (uint32_t)strlen(s->name->export);
    uint32_t bytes = 4 + name + 2 + 2, have_export = 0;
    uint8_t *data = malloc(bytes);
    int32_t rc;

    if (!data)
        return -ENOMEM;
    nbd_put32(data, name);
    memcpy(data + 4, s->name->export, name);
    nbd_put16(data + 4 + name, 1);
    nbd_put16(data + 6 + name, NBD_INFO_BLOCK_SIZE);
    rc = send_option(s, NBD_OPT_GO, data, bytes);
    free(data);
    for (uint32_t n = 0; !rc && n < MAX_REPLIES; n++) {
        rc = get_reply(s, NBD_OPT_GO);
        if (rc)
            return rc;
        if (s->type == NBD_REP_ACK)
            return have_export ? 1 : nonsense(s, "it does not say how large "
                                                 "the export is");
        if (s->type == NBD_REP_ERR_UNSUP)
            return 0;
        if (s->type & NBD_REP_ERROR)
            return refusal(s);
        if (s->type == NBD_REP_INFO)
            rc = take_info(s, &have_export);
    }
    return rc ? rc : nonsense(s, "it does not stop answering");
}

static int32_t export_name(struct shake *s)
{
    uint8_t reply[134];
    size_t bytes = s->handshake_flags & NBD_FLAG_NO_ZEROES ? 10 : 134;
    int32_t rc = send_option(s, NBD_OPT_EXPORT_NAME, s->name->export,
                             (uint32_t)strlen(s->name->export));

    if (rc)
        return rc;
    rc = nbd_stream_read(s->stream, reply, bytes);
    if (rc == -EPIPE) /* all that it can say */
        return tn_fail(s->host, s->error, -ENOENT,
                       "NBD server: it has no export '%s', or does not give "
                       "it to us", s->name->export);
    if (rc)
        return lost(s, rc);
    s->found->bytes = nbd_get64(reply);
    s->found->flags = nbd_get16(reply + 8);
    return 0;
}

static int32_t greet(struct shake *s)
{
    uint8_t data[18];
    uint8_t flags[4];
    int32_t rc = get(s, data, 16);

    if (rc)
        return rc;
    if (nbd_get64(data) != NBD_MAGIC)
        return nonsense(s, "what answers there is no NBD server");
    if (nbd_get64(data + 8) == NBD_OLD_MAGIC)
        return nonsense(s, "it speaks only the oldest form of the protocol");
    if (nbd_get64(data + 8) != NBD_OPTION_MAGIC)
        return nonsense(s, "what answers there is no NBD server");
    rc = get(s, data + 16, 2);
    if (rc)
        return rc;
    s->handshake_flags = nbd_get16(data + 16) &
                         (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    nbd_put32(flags, s->handshake_flags);
    rc = nbd_stream_write(s->stream, flags, sizeof flags);
    return rc ? lost(s, rc) : 0;
}

static int32_t negotiate(struct shake *s)
{
    int32_t rc = greet(s);

    if (rc)
        return rc;
    if (!(s->handshake_flags & NBD_FLAG_FIXED_NEWSTYLE))
        return s->name->tls ? nonsense(s, "it has no TLS, which was asked for")
                            : export_name(s);
    if (s->name->tls) {
        rc = start_tls(s);
        if (rc)
            return rc;
    }
    rc = ask(s, NBD_OPT_STRUCTURED_REPLY);
    if (rc < 0)
        return rc;
    s->found->structured = rc == 1;
    if (s->found->structured)
        rc = ask_context(s);
    if (rc < 0)
        return rc;
    rc = go(s);
    if (rc == 0) {
        s->found->status = 0;
        return export_name(s);
    }
    return rc < 0 ? rc : 0;
}

int32_t nbd_handshake(struct tn_host *host, struct nbd_stream *stream,
                      const struct nbd_name *name, struct nbd_export *found,
                      struct tn_error *error)
{
    struct shake *s = calloc(1, sizeof *s);
    int32_t rc;

    if (!s)
        return -ENOMEM;
    *found = (struct nbd_export){.max_payload = NBD_MAX_PAYLOAD};
    s->host = host;
    s->stream = stream;
    s->name = name;
    s->found = found;
    s->error = error;
    rc = negotiate(s);
    if (!rc && found->bytes > (uint64_t)INT64_MAX)
        rc = nonsense(s, "its export is larger than can be");
    if (!rc && !found->min_block) /* nothing was said: what all can do */
        found->min_block = found->bytes % 512 ? 1 : 512;
    free(s);
    return rc;
}
