/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed clusters: raw deflate or zstd, each cluster a stream of its own.
 * The stored length is an upper bound, so the stream may be followed by other
 * bytes. On several worker threads at once, each with a set of its own of what
 * the libraries need, kept for the next.
 */
#include "qcow2.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#define ZSTD_LEVEL 2

struct tools {
    struct tools *next;
    struct igzip_state *igzip;
    struct deflate_state *deflate;
#ifdef HAVE_LIBDEFLATE
    struct libdeflate_decompressor *inflate;
#endif
    ZSTD_CCtx *compress;
    ZSTD_DCtx *expand;
};

struct qcow2_codecs {
    pthread_mutex_t lock;
    struct tools *idle;
};

struct qcow2_codecs *qcow2_codecs_new(void)
{
    struct qcow2_codecs *c = calloc(1, sizeof *c);

    if (c)
        pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void tools_free(struct tools *t)
{
    igzip_state_free(t->igzip);
    deflate_state_free(t->deflate);
#ifdef HAVE_LIBDEFLATE
    libdeflate_free_decompressor(t->inflate);
#endif
    ZSTD_freeCCtx(t->compress);
    ZSTD_freeDCtx(t->expand);
    free(t);
}

void qcow2_codecs_free(struct qcow2_codecs *c)
{
    if (!c)
        return;
    while (c->idle) {
        struct tools *t = c->idle;

        c->idle = t->next;
        tools_free(t);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct tools *tools_get(struct qcow2_codecs *c)
{
    struct tools *t;

    pthread_mutex_lock(&c->lock);
    t = c->idle;
    if (t)
        c->idle = t->next;
    pthread_mutex_unlock(&c->lock);
    return t ? t : calloc(1, sizeof *t);
}

static void tools_put(struct qcow2_codecs *c, struct tools *t)
{
    pthread_mutex_lock(&c->lock);
    t->next = c->idle;
    c->idle = t;
    pthread_mutex_unlock(&c->lock);
}

/* ---- expanding ---- */

static int32_t inflate_slowly(const void *stored, uint64_t stored_bytes,
                              void *data, uint64_t bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stored,
                  .avail_in = (uInt)stored_bytes,
                  .next_out = data,
                  .avail_out = (uInt)bytes};
    int status;

    if (inflateInit2(&z, -15) != Z_OK)
        return -ENOMEM;
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (status == Z_STREAM_END || status == Z_BUF_ERROR ||
            status == Z_OK) &&
                   z.avail_out == 0
               ? 0
               : -EIO;
}

static int32_t expand_deflate(struct tools *t, const void *stored,
                              uint64_t stored_bytes, void *data,
                              uint64_t bytes)
{
#ifdef HAVE_LIBDEFLATE
    size_t used;

    if (!t->inflate)
        t->inflate = libdeflate_alloc_decompressor();
    if (t->inflate &&
        libdeflate_deflate_decompress_ex(t->inflate, stored, stored_bytes,
                                         data, bytes, &used,
                                         NULL) == LIBDEFLATE_SUCCESS)
        return 0;
    /* Whoever made it may have gone on beyond the cluster's end. */
#else
    (void)t;
#endif
    return inflate_slowly(stored, stored_bytes, data, bytes);
}

static int32_t expand_zstd(struct tools *t, const void *stored,
                           uint64_t stored_bytes, void *data, uint64_t bytes)
{
    ZSTD_inBuffer in = {stored, stored_bytes, 0};
    ZSTD_outBuffer out = {data, bytes, 0};
    size_t status = 1;

    if (!t->expand)
        t->expand = ZSTD_createDCtx();
    if (!t->expand)
        return -ENOMEM;
    ZSTD_DCtx_reset(t->expand, ZSTD_reset_session_only);
    while (out.pos < out.size && in.pos < in.size) {
        status = ZSTD_decompressStream(t->expand, &out, &in);
        if (ZSTD_isError(status) || status == 0)
            break;
    }
    return out.pos == out.size && !ZSTD_isError(status) ? 0 : -EIO;
}

int32_t qcow2_decode(void *self, const struct tn_extent *extent,
                     const void *stored, uint64_t stored_bytes, void *data)
{
    struct qcow2 *q = self;
    struct tools *t = tools_get(q->codecs);
    int32_t rc;

    if (!t)
        return -ENOMEM;
    rc = extent->codec == COMPRESSION_ZSTD
             ? expand_zstd(t, stored, stored_bytes, data, extent->unit_bytes)
             : expand_deflate(t, stored, stored_bytes, data,
                              extent->unit_bytes);
    tools_put(q->codecs, t);
    return rc;
}

/* ---- compressing ---- */

static int64_t encode_deflate(struct tools *t, const void *data,
                              uint64_t bytes, void *out, uint64_t room)
{
    if (!t->igzip && !t->deflate) {
        t->igzip = igzip_state_new();
        if (!t->igzip)
            t->deflate = deflate_state_new();
    }
    if (t->igzip)
        return (int64_t)igzip_compress(t->igzip, data, bytes, out, room);
    if (!t->deflate)
        return -ENOMEM;
    return (int64_t)deflate_compress(t->deflate, data, bytes, out, room);
}

static int64_t encode_zstd(struct tools *t, const void *data, uint64_t bytes,
                           void *out, uint64_t room)
{
    size_t n;

    if (!t->compress)
        t->compress = ZSTD_createCCtx();
    if (!t->compress)
        return -ENOMEM;
    n = ZSTD_compressCCtx(t->compress, out, room, data, bytes, ZSTD_LEVEL);
    return ZSTD_isError(n) ? 0 : (int64_t)n;
}

int64_t qcow2_encode(void *self, const struct tn_encode *unit)
{
    struct qcow2 *q = self;
    struct tools *t = tools_get(q->codecs);
    uint64_t room = q->cluster - 1; /* or it is better stored as it is */
    const void *data = unit->data;
    uint8_t *whole = NULL;
    int64_t n = -ENOMEM;

    if (!t)
        return -ENOMEM;
    if (room > unit->room)
        room = unit->room;
    if (unit->bytes < q->cluster) { /* the disk ends inside it */
        whole = calloc(1, q->cluster);
        if (whole)
            memcpy(whole, data, unit->bytes);
        data = whole;
    }
    if (data && qcow2_is_noise(data, q->cluster))
        n = 0;
    else if (data)
        n = unit->codec == COMPRESSION_ZSTD
                ? encode_zstd(t, data, q->cluster, unit->stored, room)
                : encode_deflate(t, data, q->cluster, unit->stored, room);
    free(whole);
    tools_put(q->codecs, t);
    return n;
}
