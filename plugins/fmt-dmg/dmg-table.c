/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of chunks ("mish" blocks). They stand in a property list, as
 * base64, or in an old resource fork. The property list is searched, not
 * parsed: no entity, include or nesting of XML means anything here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes/bytes.h"
#include "dmg.h"

/* The trailer, all big-endian. */
#define TRAILER_BYTES 512u
#define TRAILER_MAGIC 0x6b6f6c79u /* koly */
#define AT_DATA_FORK 24u
#define AT_RESOURCES 40u
#define AT_RESOURCE_BYTES 48u
#define AT_XML 216u
#define AT_XML_BYTES 224u
#define AT_SECTORS 492u
/* A table. */
#define TABLE_MAGIC 0x6d697368u /* mish */
#define TABLE_BYTES 204u
#define AT_FIRST_SECTOR 8u
#define AT_DATA_OFFSET 24u
#define AT_COUNT 200u
#define CHUNK_BYTES 40u

#define MAX_XML (64u << 20)
#define MAX_SECTORS ((uint64_t)INT64_MAX / DMG_SECTOR)

static int32_t damaged(struct dmg *dmg, struct tn_error *error,
                       const char *what)
{
    return tn_fail(dmg->host, error, -EINVAL, "the image is damaged: %s",
                   what);
}

/* ---- chunks ---- */

static int32_t add(struct dmg *dmg, const struct dmg_chunk *chunk,
                   struct tn_error *error)
{
    struct dmg_chunk *more;
    uint32_t room = dmg->room ? dmg->room * 2 : 1024;

    if (dmg->n == dmg->room) {
        if (room > (1u << 28))
            return damaged(dmg, error, "too many chunks");
        more = dmg->image->allocate(dmg->host, (uint64_t)room * sizeof *more);
        if (!more)
            return tn_fail(dmg->host, error, -ENOMEM,
                           "its tables need too much memory");
        if (dmg->n)
            memcpy(more, dmg->chunks, dmg->n * sizeof *more);
        dmg->image->free(dmg->host, dmg->chunks);
        dmg->chunks = more;
        dmg->room = room;
    }
    dmg->chunks[dmg->n++] = *chunk;
    return 0;
}

static int32_t check_chunk(struct dmg *dmg, const struct dmg_chunk *chunk,
                           struct tn_error *error)
{
    int is_zero = chunk->type == DMG_ZERO || chunk->type == DMG_IGNORE;

    if (is_zero)
        return 0;
    if (chunk->at > dmg->length || chunk->stored > dmg->length - chunk->at)
        return damaged(dmg, error, "a chunk lies beyond the end of the file");
    if (chunk->type == DMG_RAW)
        return chunk->stored >= chunk->bytes
                   ? 0
                   : damaged(dmg, error, "a raw chunk is too short");
    if (!dmg_codec_is_known(chunk->type))
        return tn_fail(dmg->host, error, -ENOTSUP,
                       "it is compressed with %s, which this build does not "
                       "have", dmg_codec_name(chunk->type));
    if (chunk->bytes > DMG_MAX_CHUNK || chunk->stored > DMG_MAX_STORED)
        return tn_fail(dmg->host, error, -ENOTSUP,
                       "it has compressed chunks of %llu bytes, more than "
                       "%u are not supported",
                       (unsigned long long)chunk->bytes, DMG_MAX_CHUNK);
    return 0;
}

static int32_t read_chunk(struct dmg *dmg, const uint8_t *at,
                          uint64_t first_sector, uint64_t base,
                          struct tn_error *error)
{
    struct dmg_chunk chunk = {.type = get_be32(at)};
    uint64_t sector = get_be64(at + 8);
    uint64_t sectors = get_be64(at + 16);
    int32_t rc;

    if (chunk.type == DMG_COMMENT || chunk.type == DMG_END || !sectors)
        return 0;
    if (__builtin_add_overflow(sector, first_sector, &sector) ||
        sector > MAX_SECTORS || sectors > MAX_SECTORS - sector ||
        __builtin_add_overflow(get_be64(at + 24), base, &chunk.at))
        return damaged(dmg, error, "a chunk lies beyond the end of the disk");
    chunk.offset = sector * DMG_SECTOR;
    chunk.bytes = sectors * DMG_SECTOR;
    chunk.stored = get_be64(at + 32);
    rc = check_chunk(dmg, &chunk, error);
    return rc ? rc : add(dmg, &chunk, error);
}

static int32_t read_table(struct dmg *dmg, const uint8_t *table,
                          uint64_t bytes, struct tn_error *error)
{
    uint64_t base;
    uint32_t count;
    int32_t rc = 0;

    if (bytes < TABLE_BYTES || get_be32(table) != TABLE_MAGIC)
        return 0; /* something else */
    count = get_be32(table + AT_COUNT);
    if (count > (bytes - TABLE_BYTES) / CHUNK_BYTES)
        return damaged(dmg, error, "a table of chunks is cut off");
    if (__builtin_add_overflow(get_be64(table + AT_DATA_OFFSET),
                               dmg->data_fork, &base))
        return damaged(dmg, error, "the place of the data");
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = read_chunk(dmg, table + TABLE_BYTES + i * CHUNK_BYTES,
                        get_be64(table + AT_FIRST_SECTOR), base, error);
    return rc;
}

/* ---- where tables stand ---- */

static int value_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* In place; returns how many bytes. What is no base64 is skipped. */
static uint64_t decode_base64(uint8_t *text, uint64_t bytes)
{
    uint8_t *to = text;
    uint32_t bits = 0, value = 0;

    for (uint64_t i = 0; i < bytes && text[i] != '='; i++) {
        int v = value_of(text[i]);

        if (v < 0)
            continue;
        value = value << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (uint8_t)(value >> bits);
        }
    }
    return (uint64_t)(to - text);
}

static uint8_t *find(uint8_t *from, uint8_t *end, const char *text)
{
    return from < end ? memmem(from, (size_t)(end - from), text, strlen(text))
                      : NULL;
}

/* <key>blkx</key> <array> ... <data>BASE64</data> ... </array> */
static int32_t read_xml(struct dmg *dmg, uint8_t *text, uint64_t bytes,
                        struct tn_error *error)
{
    uint8_t *end = text + bytes;
    uint8_t *at = find(text, end, "<key>blkx</key>");
    uint8_t *last = at ? find(at, end, "</array>") : NULL;
    int32_t rc = 0;

    if (!last)
        return damaged(dmg, error, "its property list has no tables");
    while (!rc && (at = find(at, last, "<data>"))) {
        uint8_t *close = find(at, last, "</data>");

        if (!close)
            return damaged(dmg, error, "its property list is cut off");
        at += strlen("<data>");
        rc = read_table(dmg, at, decode_base64(at, (uint64_t)(close - at)),
                        error);
        at = close;
    }
    return rc;
}

/* The fork's first number says where its data is: lengths and contents. */
static int32_t read_resources(struct dmg *dmg, uint8_t *fork, uint64_t bytes,
                              struct tn_error *error)
{
    uint64_t at, end;
    int32_t rc = 0;

    if (bytes < 16)
        return damaged(dmg, error, "its resource fork is cut off");
    at = get_be32(fork);
    end = at + get_be32(fork + 8);
    if (at > bytes || end > bytes)
        return damaged(dmg, error, "its resource fork is cut off");
    while (!rc && end - at >= 4) {
        uint64_t n = get_be32(fork + at);

        at += 4;
        if (n > end - at)
            return damaged(dmg, error, "its resource fork is cut off");
        rc = read_table(dmg, fork + at, n, error);
        at += n;
    }
    return rc;
}

static int32_t read_part(struct dmg *dmg, uint64_t at, uint64_t bytes,
                         int32_t (*read)(struct dmg *, uint8_t *, uint64_t,
                                         struct tn_error *),
                         struct tn_error *error)
{
    uint8_t *data;
    int32_t rc;

    if (at > dmg->length || bytes > dmg->length - at || bytes > MAX_XML)
        return damaged(dmg, error, "its tables lie outside of it");
    data = dmg->image->allocate(dmg->host, bytes + 1);
    if (!data)
        return tn_fail(dmg->host, error, -ENOMEM,
                       "its tables need too much memory");
    rc = dmg->image->pread(dmg->host, TN_IMAGE_FILE_SELF, at, data, bytes);
    rc = rc ? tn_fail(dmg->host, error, rc, "its tables cannot be read: %s",
                      strerror(-rc))
            : read(dmg, data, bytes, error);
    dmg->image->free(dmg->host, data);
    return rc;
}

/* At the end as a rule, in some images at the beginning. */
static int32_t read_trailer(struct dmg *dmg, uint8_t *trailer,
                            struct tn_error *error)
{
    const uint64_t places[] = {dmg->length - TRAILER_BYTES, 0};

    if (dmg->length < TRAILER_BYTES)
        return tn_fail(dmg->host, error, -EINVAL, "it is too short");
    for (int i = 0; i < 2; i++) {
        int32_t rc = dmg->image->pread(dmg->host, TN_IMAGE_FILE_SELF,
                                       places[i], trailer, TRAILER_BYTES);

        if (rc)
            return tn_fail(dmg->host, error, rc, "it cannot be read: %s",
                           strerror(-rc));
        if (get_be32(trailer) == TRAILER_MAGIC)
            return 0;
    }
    return tn_fail(dmg->host, error, -EINVAL,
                   "it has no trailer (koly): not a dmg image, or cut off");
}

static int by_offset(const void *a, const void *b)
{
    const struct dmg_chunk *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int32_t dmg_read_tables(struct dmg *dmg, struct tn_error *error)
{
    uint8_t trailer[TRAILER_BYTES];
    int32_t rc = read_trailer(dmg, trailer, error);

    if (rc)
        return rc;
    dmg->data_fork = get_be64(trailer + AT_DATA_FORK);
    dmg->sectors = get_be64(trailer + AT_SECTORS);
    if (get_be64(trailer + AT_XML_BYTES))
        rc = read_part(dmg, get_be64(trailer + AT_XML),
                       get_be64(trailer + AT_XML_BYTES), read_xml, error);
    else if (get_be64(trailer + AT_RESOURCE_BYTES))
        rc = read_part(dmg, get_be64(trailer + AT_RESOURCES),
                       get_be64(trailer + AT_RESOURCE_BYTES), read_resources,
                       error);
    else
        rc = damaged(dmg, error, "it has no tables");
    if (rc)
        return rc;
    if (!dmg->n)
        return damaged(dmg, error, "it has no chunks");
    qsort(dmg->chunks, dmg->n, sizeof *dmg->chunks, by_offset);
    for (uint32_t i = 1; i < dmg->n; i++)
        if (dmg->chunks[i].offset <
            dmg->chunks[i - 1].offset + dmg->chunks[i - 1].bytes)
            return damaged(dmg, error, "two chunks overlap");
    return 0;
}
