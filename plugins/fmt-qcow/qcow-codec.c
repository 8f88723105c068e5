/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed clusters, raw deflate with a window of 4 KiB, and encrypted
 * sectors. On worker threads. */
#include "qcow.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "crypto/crypto.h"

#define WINDOW (-12)

int32_t qcow_decode(void *self, const struct tn_extent *extent,
                    const void *stored, uint64_t stored_bytes, void *data)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stored,
                  .avail_in = (uInt)stored_bytes,
                  .next_out = data,
                  .avail_out = (uInt)extent->unit_bytes};
    int status;

    (void)self;
    if (inflateInit2(&z, WINDOW) != Z_OK)
        return -ENOMEM;
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (status == Z_STREAM_END || status == Z_BUF_ERROR ||
            status == Z_OK) &&
                   z.avail_out == 0
               ? 0
               : -EIO;
}

/* The last cluster of a disk is filled up with zeroes. */
static int feed(z_stream *z, const struct tn_encode *unit, uint64_t cluster)
{
    uint8_t *zeroes = NULL;
    int status;

    z->next_in = (Bytef *)(uintptr_t)unit->data;
    z->avail_in = (uInt)unit->bytes;
    if (unit->bytes >= cluster)
        return deflate(z, Z_FINISH);
    status = deflate(z, Z_NO_FLUSH);
    zeroes = calloc(1, cluster);
    if (!zeroes || status != Z_OK || z->avail_in) {
        free(zeroes);
        return Z_BUF_ERROR;
    }
    z->next_in = zeroes;
    z->avail_in = (uInt)(cluster - unit->bytes);
    status = deflate(z, Z_FINISH);
    free(zeroes);
    return status;
}

int64_t qcow_encode(void *self, const struct tn_encode *unit)
{
    const struct qcow *q = self;
    z_stream z = {.next_out = unit->stored};
    int status;

    z.avail_out = (uInt)(unit->room < q->cluster ? unit->room : q->cluster - 1);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    status = feed(&z, unit, q->cluster);
    deflateEnd(&z);
    return status == Z_STREAM_END ? (int64_t)z.total_out : 0;
}

int32_t qcow_transform(void *self, uint32_t encrypt, uint64_t guest_offset,
                       uint64_t file_offset, void *data, uint64_t bytes)
{
    struct qcow *q = self;

    (void)file_offset; /* sectors are counted on the disk */
    return q->cipher ? crypto_cipher_transform(q->cipher, encrypt,
                                               guest_offset / 512, data, bytes)
                     : -ENOKEY;
}
