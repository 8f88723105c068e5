/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD handshake: doc/proto.md, "Fixed newstyle negotiation". On the
 * client's thread; what it needs of the image does not change.
 */
#include <errno.h>
#include <string.h>

#include "tools/img-nbd.h"

#define NBDMAGIC 0x4e42444d41474943ull
#define IHAVEOPT 0x49484156454f5054ull
#define REPLY_MAGIC 0x3e889045565a9ull
#define FLAG_FIXED_NEWSTYLE 0x1u
#define FLAG_NO_ZEROES 0x2u

#define OPT_EXPORT_NAME 1u
#define OPT_ABORT 2u
#define OPT_LIST 3u
#define OPT_STARTTLS 5u
#define OPT_INFO 6u
#define OPT_GO 7u
#define OPT_STRUCTURED_REPLY 8u
#define OPT_LIST_META_CONTEXT 9u
#define OPT_SET_META_CONTEXT 10u

#define REP_ACK 1u
#define REP_SERVER 2u
#define REP_INFO 3u
#define REP_META_CONTEXT 4u
#define REP_ERROR 0x80000000u
#define REP_ERR_UNSUP (REP_ERROR + 1)
#define REP_ERR_INVALID (REP_ERROR + 3)
#define REP_ERR_TLS_REQD (REP_ERROR + 5)
#define REP_ERR_UNKNOWN (REP_ERROR + 6)
#define REP_ERR_TOO_BIG (REP_ERROR + 9)

#define INFO_EXPORT 0u
#define INFO_NAME 1u
#define INFO_DESCRIPTION 2u
#define INFO_BLOCK_SIZE 3u

#define TRANSMIT_HAS_FLAGS 0x1u
#define TRANSMIT_READ_ONLY 0x2u
#define TRANSMIT_FLUSH 0x4u
#define TRANSMIT_FUA 0x8u
#define TRANSMIT_ROTATIONAL 0x10u
#define TRANSMIT_TRIM 0x20u
#define TRANSMIT_WRITE_ZEROES 0x40u
#define TRANSMIT_DF 0x80u
#define TRANSMIT_MULTI_CONN 0x100u
#define TRANSMIT_CACHE 0x400u
#define TRANSMIT_FAST_ZERO 0x800u

#define MAX_OPTION (64u << 10)
#define MAX_OPTIONS 1000u /* before the client has to be about something */
#define MAX_SKIPPED (32u << 20)

#define BITMAP_PREFIX "qemu:dirty-bitmap:"
#define ALLOCATION "base:allocation"
#define DEPTH "qemu:allocation-depth"

struct option {
    uint32_t code;
    uint32_t length;
    uint8_t data[MAX_OPTION];
};

static gboolean reply(struct nbd_client *c, uint32_t option, uint32_t type,
                      const void *data, gsize bytes)
{
    uint8_t head[20];

    put_be(head, REPLY_MAGIC, 8);
    put_be(head + 8, option, 4);
    put_be(head + 12, type, 4);
    put_be(head + 16, bytes, 4);
    return stream_write(c->stream, head, sizeof head) &&
           stream_write(c->stream, data, bytes);
}

static gboolean refuse(struct nbd_client *c, uint32_t option, uint32_t type,
                       const char *text)
{
    return reply(c, option, type, text, strlen(text));
}

static uint16_t transmission_flags(const struct nbd_client *c)
{
    const struct nbd_server *server = c->server;
    uint32_t flags = TRANSMIT_HAS_FLAGS | TRANSMIT_FLUSH | TRANSMIT_FUA |
                     TRANSMIT_CACHE;

    if (server->writable)
        flags |=
            TRANSMIT_TRIM | TRANSMIT_WRITE_ZEROES | TRANSMIT_FAST_ZERO;
    else
        flags |= TRANSMIT_READ_ONLY;
    /* A flush is the image's: it covers what every client has written. */
    if (server->max_clients != 1)
        flags |= TRANSMIT_MULTI_CONN;
    if (c->structured)
        flags |= TRANSMIT_DF;
    if (node_file(server->node, 0)->info.flags & TN_PROTOCOL_ROTATIONAL)
        flags |= TRANSMIT_ROTATIONAL;
    return (uint16_t)flags;
}

static gboolean is_ours(const struct nbd_server *server, const uint8_t *name,
                        uint32_t length)
{
    return (length == strlen(server->export_name) &&
            !memcmp(name, server->export_name, length)) ||
           length == 0; /* the default one */
}

/* ---- INFO and GO ---- */

static uint32_t preferred_bytes(const struct block_node *node)
{
    uint32_t cluster = node->info.cluster_bytes;

    return cluster & (cluster - 1) ? 4096 : CLAMP(cluster, 4096u, 65536u);
}

static gboolean send_info(struct nbd_client *c, uint32_t option)
{
    const struct nbd_server *server = c->server;
    uint8_t info[14];

    put_be(info, INFO_EXPORT, 2);
    put_be(info + 2, server->bytes, 8);
    put_be(info + 10, transmission_flags(c), 2);
    if (!reply(c, option, REP_INFO, info, 12))
        return FALSE;
    put_be(info, INFO_BLOCK_SIZE, 2);
    put_be(info + 2, 1, 4);
    put_be(info + 6, preferred_bytes(server->node), 4);
    put_be(info + 10, NBD_MAX_REQUEST, 4);
    if (!reply(c, option, REP_INFO, info, 14))
        return FALSE;
    if (server->description) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        uint8_t type[2];

        put_be(type, INFO_DESCRIPTION, 2);
        g_byte_array_append(bytes, type, 2);
        g_byte_array_append(bytes, (const uint8_t *)server->description,
                            (guint)strlen(server->description));
        return reply(c, option, REP_INFO, bytes->data, bytes->len);
    }
    return TRUE;
}

/* TRUE in *GO: the handshake is over. */
static gboolean info_or_go(struct nbd_client *c, const struct option *o,
                           gboolean *go)
{
    uint32_t length = o->length >= 6 ? (uint32_t)get_be(o->data, 4) : 0;
    uint32_t n;

    if (o->length < 6 || length > o->length - 6)
        return refuse(c, o->code, REP_ERR_INVALID, "bad length");
    n = (uint32_t)get_be(o->data + 4 + length, 2);
    if (o->length != 6 + length + 2 * n)
        return refuse(c, o->code, REP_ERR_INVALID, "bad length");
    if (!is_ours(c->server, o->data + 4, length))
        return refuse(c, o->code, REP_ERR_UNKNOWN, "no such export");
    if (!send_info(c, o->code))
        return FALSE;
    *go = o->code == OPT_GO;
    return reply(c, o->code, REP_ACK, "", 0);
}

static gboolean export_name(struct nbd_client *c, const struct option *o,
                            gboolean no_zeroes)
{
    uint8_t answer[10 + 124] = {0};

    if (!is_ours(c->server, o->data, o->length))
        return FALSE;
    put_be(answer, c->server->bytes, 8);
    put_be(answer + 8, transmission_flags(c), 2);
    return stream_write(c->stream, answer, no_zeroes ? 10 : sizeof answer);
}

/* ---- meta contexts ---- */

static gboolean send_context(struct nbd_client *c, uint32_t option,
                             uint32_t id, const char *name)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t number[4];

    put_be(number, id, 4);
    g_byte_array_append(bytes, number, 4);
    g_byte_array_append(bytes, (const uint8_t *)name, (guint)strlen(name));
    return reply(c, option, REP_META_CONTEXT, bytes->data, bytes->len);
}

/* "base:", "qemu:" and "qemu:dirty-bitmap:" ask for all of a kind, but only
 * in a list. */
static gboolean matches(const char *query, const char *name, gboolean list)
{
    return !strcmp(query, name) ||
           (list && query[0] && query[strlen(query) - 1] == ':' &&
            g_str_has_prefix(name, query));
}

/* NAME is context ID; choose and name it if QUERY asks for it. */
static gboolean offer(struct nbd_client *c, const struct option *o,
                      const char *query, guint id, const char *name)
{
    gboolean list = o->code == OPT_LIST_META_CONTEXT;

    if (!matches(query, name, list))
        return TRUE;
    if (list)
        return send_context(c, o->code, id, name);
    for (guint i = 0; i < c->contexts->len; i++)
        if (g_array_index(c->contexts, guint, i) == id)
            return TRUE;
    if (c->contexts->len == NBD_MAX_CONTEXTS)
        return TRUE;
    g_array_append_val(c->contexts, id);
    return send_context(c, o->code, id, name);
}

static gboolean answer_query(struct nbd_client *c, const struct option *o,
                             const char *query)
{
    const struct nbd_server *server = c->server;

    if (!offer(c, o, query, NBD_ALLOCATION, ALLOCATION) ||
        (server->depth && !offer(c, o, query, NBD_DEPTH, DEPTH)))
        return FALSE;
    for (guint i = 0; i < server->bitmaps->len; i++) {
        g_autofree char *name = g_strconcat(
            BITMAP_PREFIX,
            g_array_index(server->bitmaps, struct nbd_bitmap, i).name, NULL);

        if (!offer(c, o, query, NBD_FIRST_BITMAP + i, name))
            return FALSE;
    }
    return TRUE;
}

static gboolean meta_contexts(struct nbd_client *c, const struct option *o)
{
    uint32_t length = o->length >= 8 ? (uint32_t)get_be(o->data, 4) : 0;
    uint32_t at, n;

    if (o->length < 8 || length > o->length - 8)
        return refuse(c, o->code, REP_ERR_INVALID, "bad length");
    if (!c->structured)
        return refuse(c, o->code, REP_ERR_INVALID,
                      "structured replies come first");
    if (!is_ours(c->server, o->data + 4, length))
        return refuse(c, o->code, REP_ERR_UNKNOWN, "no such export");
    n = (uint32_t)get_be(o->data + 4 + length, 4);
    at = 8 + length;
    if (o->code == OPT_SET_META_CONTEXT) {
        g_array_set_size(c->contexts, 0);
    } else if (n == 0) {
        static const char *const all[] = {"base:", "qemu:"};

        for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
            if (!answer_query(c, o, all[i]))
                return FALSE;
    }
    for (; n; n--) {
        uint32_t size;
        g_autofree char *query = NULL;

        if (o->length - at < 4)
            return refuse(c, o->code, REP_ERR_INVALID, "bad length");
        size = (uint32_t)get_be(o->data + at, 4);
        at += 4;
        if (size > o->length - at)
            return refuse(c, o->code, REP_ERR_INVALID, "bad length");
        query = g_strndup((const char *)o->data + at, size);
        at += size;
        if (!answer_query(c, o, query))
            return FALSE;
    }
    return reply(c, o->code, REP_ACK, "", 0);
}

/* ---- the rest ---- */

static gboolean list_exports(struct nbd_client *c, const struct option *o)
{
    gsize n = strlen(c->server->export_name);
    g_autofree uint8_t *data = g_malloc(n + 4);

    if (o->length)
        return refuse(c, o->code, REP_ERR_INVALID, "no data expected");
    put_be(data, n, 4);
    memcpy(data + 4, c->server->export_name, n);
    return reply(c, o->code, REP_SERVER, data, n + 4) &&
           reply(c, o->code, REP_ACK, "", 0);
}

static gboolean start_tls(struct nbd_client *c, const struct option *o,
                          gboolean *secure)
{
    if (!c->server->tls)
        return refuse(c, o->code, REP_ERR_UNSUP, "TLS is not configured");
    if (*secure || o->length)
        return refuse(c, o->code, REP_ERR_INVALID, "not now");
    if (!reply(c, o->code, REP_ACK, "", 0) ||
        !stream_start_tls(c->stream, c->server->tls))
        return FALSE;
    /* Nothing that was said in plain text counts any more. */
    c->structured = FALSE;
    g_array_set_size(c->contexts, 0);
    *secure = TRUE;
    return TRUE;
}

/* FALSE: the connection is over. *GO: so is the handshake. */
static gboolean answer(struct nbd_client *c, const struct option *o,
                       gboolean *secure, gboolean *go)
{
    if (c->server->tls && !*secure && o->code != OPT_STARTTLS &&
        o->code != OPT_ABORT) {
        if (o->code == OPT_EXPORT_NAME)
            return FALSE;
        return refuse(c, o->code, REP_ERR_TLS_REQD, "TLS is required");
    }
    switch (o->code) {
    case OPT_ABORT:
        (void)reply(c, o->code, REP_ACK, "", 0);
        return FALSE;
    case OPT_LIST:
        return list_exports(c, o);
    case OPT_STARTTLS:
        return start_tls(c, o, secure);
    case OPT_INFO:
    case OPT_GO:
        return info_or_go(c, o, go);
    case OPT_STRUCTURED_REPLY:
        if (o->length)
            return refuse(c, o->code, REP_ERR_INVALID, "no data expected");
        c->structured = TRUE;
        return reply(c, o->code, REP_ACK, "", 0);
    case OPT_LIST_META_CONTEXT:
    case OPT_SET_META_CONTEXT:
        return meta_contexts(c, o);
    default:
        return refuse(c, o->code, REP_ERR_UNSUP, "unknown option");
    }
}

/* An option that is too long is read over. FALSE: the connection is over. */
static gboolean read_option(struct nbd_client *c, struct option *o,
                            gboolean *too_long)
{
    uint8_t head[16];

    if (!stream_read(c->stream, head, sizeof head) ||
        get_be(head, 8) != IHAVEOPT)
        return FALSE;
    o->code = (uint32_t)get_be(head + 8, 4);
    o->length = (uint32_t)get_be(head + 12, 4);
    *too_long = o->length > MAX_OPTION;
    if (o->length > MAX_SKIPPED)
        return FALSE;
    while (o->length > MAX_OPTION) {
        if (!stream_read(c->stream, o->data, MAX_OPTION))
            return FALSE;
        o->length -= MAX_OPTION;
    }
    return stream_read(c->stream, o->data, o->length);
}

gboolean nbd_negotiate(struct nbd_client *c)
{
    g_autofree struct option *o = g_malloc(sizeof *o);
    gboolean secure = FALSE, go = FALSE, too_long;
    uint8_t hello[18];
    uint32_t flags;

    put_be(hello, NBDMAGIC, 8);
    put_be(hello + 8, IHAVEOPT, 8);
    put_be(hello + 16, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES, 2);
    if (!stream_write(c->stream, hello, sizeof hello) ||
        !stream_read(c->stream, hello, 4))
        return FALSE;
    flags = (uint32_t)get_be(hello, 4);
    if (flags & ~(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES))
        return FALSE;
    for (guint i = 0; i < MAX_OPTIONS && !go; i++) {
        gboolean ok = read_option(c, o, &too_long);

        if (ok && too_long)
            ok = refuse(c, o->code, REP_ERR_TOO_BIG, "too long");
        else if (ok && o->code == OPT_EXPORT_NAME &&
                 (!c->server->tls || secure))
            return export_name(c, o, (flags & FLAG_NO_ZEROES) != 0);
        else if (ok)
            ok = answer(c, o, &secure, &go);
        if (!ok)
            return FALSE;
    }
    return go;
}
