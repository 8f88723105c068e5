/* SPDX-License-Identifier: Apache-2.0 */
/* Raw deflate, RFC 1951. */
#include "qcow2.h"

#include <stdlib.h>
#include <zlib.h>

struct deflate_state {
    z_stream z;
};

struct deflate_state *deflate_state_new(void)
{
    struct deflate_state *d = calloc(1, sizeof *d);

    if (d && deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9,
                          Z_DEFAULT_STRATEGY) != Z_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void deflate_state_free(struct deflate_state *d)
{
    if (d)
        deflateEnd(&d->z);
    free(d);
}

uint64_t deflate_compress(struct deflate_state *d, const uint8_t *data,
                          uint64_t bytes, uint8_t *out, uint64_t room)
{
    d->z.next_in = (Bytef *)(uintptr_t)data;
    d->z.avail_in = (uInt)bytes;
    d->z.next_out = out;
    d->z.avail_out = (uInt)room;
    deflateReset(&d->z);
    return deflate(&d->z, Z_FINISH) == Z_STREAM_END ? d->z.total_out : 0;
}
