/* SPDX-License-Identifier: Apache-2.0 */
/* Expanding compressed clusters. The stored length is an upper bound, so the
 * stream may be followed by other bytes. */
#include "qcow2.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

static int32_t expand_deflate(const void *stored, uint64_t stored_bytes,
                              void *data, uint64_t bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stored,
                  .avail_in = (uInt)stored_bytes,
                  .next_out = data,
                  .avail_out = (uInt)bytes};
    int status;

    /* Raw deflate with a 4 KiB window (spec, "Compressed clusters"). */
    if (inflateInit2(&z, -12) != Z_OK)
        return -ENOMEM;
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (status == Z_STREAM_END || status == Z_BUF_ERROR ||
            status == Z_OK) &&
                   z.avail_out == 0
               ? 0
               : -EIO;
}

static int32_t expand_zstd(const void *stored, uint64_t stored_bytes,
                           void *data, uint64_t bytes)
{
    ZSTD_inBuffer in = {stored, stored_bytes, 0};
    ZSTD_outBuffer out = {data, bytes, 0};
    ZSTD_DCtx *context = ZSTD_createDCtx();
    size_t status = 1;

    if (!context)
        return -ENOMEM;
    while (out.pos < out.size && in.pos < in.size) {
        status = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(status) || status == 0)
            break;
    }
    ZSTD_freeDCtx(context);
    return out.pos == out.size && !ZSTD_isError(status) ? 0 : -EIO;
}

int32_t qcow2_decode(void *self, const struct tn_extent *extent,
                     const void *stored, uint64_t stored_bytes, void *data)
{
    (void)self;
    return extent->codec == COMPRESSION_ZSTD
               ? expand_zstd(stored, stored_bytes, data, extent->unit_bytes)
               : expand_deflate(stored, stored_bytes, data,
                                extent->unit_bytes);
}
