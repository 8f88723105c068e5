/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed clusters: a raw deflate stream with a window of 4 KiB, or a zstd
 * frame. What is stored ends somewhere in its last sector. Runs on workers.
 */
#include "qcow2.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define WINDOW_BITS 12

static int32_t inflate_cluster(const void *stored, uint64_t stored_bytes,
                               void *data, uint64_t bytes)
{
    z_stream z;
    int rc;

    memset(&z, 0, sizeof z);
    z.next_in = (Bytef *)(uintptr_t)stored;
    z.avail_in = (uInt)stored_bytes;
    z.next_out = data;
    z.avail_out = (uInt)bytes;
    if (inflateInit2(&z, -WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* The output may be full before the stream's end was seen. */
    return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0
               ? 0
               : -EIO;
}

static int32_t unzstd_cluster(const void *stored, uint64_t stored_bytes,
                              void *data, uint64_t bytes)
{
    ZSTD_inBuffer in = {stored, stored_bytes, 0};
    ZSTD_outBuffer out = {data, bytes, 0};
    ZSTD_DStream *stream = ZSTD_createDStream();
    size_t rc = 1, before;

    if (!stream)
        return -ENOMEM;
    do { /* ends: every turn moves on or fails */
        before = in.pos + out.pos;
        rc = ZSTD_decompressStream(stream, &out, &in);
    } while (!ZSTD_isError(rc) && out.pos < out.size &&
             in.pos + out.pos > before);
    ZSTD_freeDStream(stream);
    return !ZSTD_isError(rc) && out.pos == out.size ? 0 : -EIO;
}

int32_t qcow2_decode(void *self, const struct tn_extent *extent,
                     const void *stored, uint64_t stored_bytes, void *data)
{
    (void)self;
    return extent->codec == COMPRESSION_ZSTD
               ? unzstd_cluster(stored, stored_bytes, data, extent->unit_bytes)
               : inflate_cluster(stored, stored_bytes, data,
                                 extent->unit_bytes);
}
