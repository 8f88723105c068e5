/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How chunks are compressed. On worker threads; a chunk must expand to exactly
 * what the table says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_BZ2
#include <bzlib.h>
#endif
#ifdef HAVE_LZFSE
#include <lzfse.h>
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#endif

#include "dmg.h"

#define LZMA_MEMORY (128u << 20)

static int32_t expand_zlib(const uint8_t *stored, uint64_t stored_bytes,
                           uint8_t *data, uint64_t bytes)
{
    uLongf made = (uLongf)bytes;

    return uncompress(data, &made, stored, (uLong)stored_bytes) == Z_OK &&
                   made == bytes
               ? 0
               : -EIO;
}

/* Apple Data Compression: bytes as they are, and copies of earlier ones. */
static int32_t expand_adc(const uint8_t *stored, uint64_t stored_bytes,
                          uint8_t *data, uint64_t bytes)
{
    const uint8_t *end = stored + stored_bytes;
    uint64_t at = 0;

    while (at < bytes && stored < end) {
        uint8_t first = *stored;
        uint64_t count, back;

        if (first & 0x80) {
            count = (first & 0x7fu) + 1u;
            if (count > (uint64_t)(end - stored - 1) || count > bytes - at)
                return -EIO;
            memcpy(data + at, stored + 1, count);
            stored += 1 + count;
            at += count;
            continue;
        }
        if (end - stored < (first & 0x40 ? 3 : 2))
            return -EIO;
        if (first & 0x40) {
            count = (first & 0x3fu) + 4u;
            back = (uint64_t)stored[1] << 8 | stored[2];
            stored += 3;
        } else {
            count = ((first & 0x3fu) >> 2) + 3u;
            back = (uint64_t)(first & 3u) << 8 | stored[1];
            stored += 2;
        }
        if (back + 1 > at || count > bytes - at)
            return -EIO;
        for (; count; count--, at++)
            data[at] = data[at - back - 1];
    }
    return at == bytes ? 0 : -EIO;
}

#ifdef HAVE_BZ2
static int32_t expand_bzip2(const uint8_t *stored, uint64_t stored_bytes,
                            uint8_t *data, uint64_t bytes)
{
    unsigned made = (unsigned)bytes;

    return BZ2_bzBuffToBuffDecompress((char *)data, &made,
                                      (char *)(uintptr_t)stored,
                                      (unsigned)stored_bytes, 0,
                                      0) == BZ_OK &&
                   made == bytes
               ? 0
               : -EIO;
}
#endif

#ifdef HAVE_LZMA
static int32_t expand_lzma(const uint8_t *stored, uint64_t stored_bytes,
                           uint8_t *data, uint64_t bytes)
{
    uint64_t memory = LZMA_MEMORY;
    size_t in = 0, out = 0;

    return lzma_stream_buffer_decode(&memory, 0, NULL, stored, &in,
                                     stored_bytes, data, &out,
                                     bytes) == LZMA_OK &&
                   out == bytes
               ? 0
               : -EIO;
}
#endif

#ifdef HAVE_LZFSE
static int32_t expand_lzfse(const uint8_t *stored, uint64_t stored_bytes,
                            uint8_t *data, uint64_t bytes)
{
    /* It does not tell a full buffer from one that was too small. */
    uint8_t *made = malloc(bytes + 1);
    size_t n = made ? lzfse_decode_buffer(made, bytes + 1, stored,
                                          stored_bytes, NULL)
                    : 0;

    if (!made)
        return -ENOMEM;
    if (n == bytes)
        memcpy(data, made, bytes);
    free(made);
    return n == bytes ? 0 : -EIO;
}
#endif

static const struct {
    uint32_t type;
    const char *name;
    int32_t (*expand)(const uint8_t *stored, uint64_t stored_bytes,
                      uint8_t *data, uint64_t bytes);
} codecs[] = {
    {DMG_ZLIB, "zlib", expand_zlib},
    {DMG_ADC, "ADC", expand_adc},
#ifdef HAVE_LZFSE
    {DMG_LZFSE, "LZFSE", expand_lzfse},
#else
    {DMG_LZFSE, "LZFSE", NULL},
#endif
#ifdef HAVE_BZ2
    {DMG_BZIP2, "bzip2", expand_bzip2},
#else
    {DMG_BZIP2, "bzip2", NULL},
#endif
#ifdef HAVE_LZMA
    {DMG_LZMA, "LZMA", expand_lzma},
#else
    {DMG_LZMA, "LZMA", NULL},
#endif
};

#define CODECS (sizeof codecs / sizeof *codecs)

int dmg_codec_is_known(uint32_t type)
{
    for (size_t i = 0; i < CODECS; i++)
        if (codecs[i].type == type)
            return codecs[i].expand != NULL;
    return 0;
}

const char *dmg_codec_name(uint32_t type)
{
    for (size_t i = 0; i < CODECS; i++)
        if (codecs[i].type == type)
            return codecs[i].name;
    return "an unknown kind of compression";
}

int32_t dmg_decode(void *self, const struct tn_extent *extent,
                   const void *stored, uint64_t stored_bytes, void *data)
{
    (void)self;
    for (size_t i = 0; i < CODECS; i++)
        if (codecs[i].type == extent->codec && codecs[i].expand)
            return codecs[i].expand(stored, stored_bytes, data,
                                    extent->unit_bytes);
    return -ENOTSUP;
}
