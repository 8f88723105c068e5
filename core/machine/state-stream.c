/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, numbers and fields of saved state.
 */
#include "core/machine/state-stream.h"

#include <string.h>

#define MAX_NAME_BYTES 255u

void state_put_u32(GByteArray *stream, uint32_t value)
{
    uint32_t little = GUINT32_TO_LE(value);

    g_byte_array_append(stream, (const guint8 *)&little, 4);
}

void state_put_name(GByteArray *stream, const char *name)
{
    uint32_t bytes = (uint32_t)MIN(strlen(name), MAX_NAME_BYTES);

    state_put_u32(stream, bytes);
    g_byte_array_append(stream, (const guint8 *)name, bytes);
}

void state_put_bytes(GByteArray *stream, const char *name, const void *data,
                     uint32_t bytes)
{
    state_put_name(stream, name);
    state_put_u32(stream, 1);
    state_put_u32(stream, bytes);
    g_byte_array_append(stream, data, bytes);
}

const uint8_t *state_take(struct state_reader *reader, gsize bytes)
{
    const uint8_t *at = reader->at;

    if (bytes > reader->left) {
        reader->bad = TRUE;
        return NULL;
    }
    reader->at += bytes;
    reader->left -= bytes;
    return at;
}

uint32_t state_take_u32(struct state_reader *reader)
{
    const uint8_t *b = state_take(reader, 4);

    return b ? (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                   (uint32_t)b[3] << 24
             : 0;
}

char *state_take_name(struct state_reader *reader)
{
    uint32_t length = state_take_u32(reader);
    const uint8_t *bytes =
        length <= MAX_NAME_BYTES ? state_take(reader, length) : NULL;

    reader->bad |= !bytes;
    return bytes ? g_strndup((const char *)bytes, length) : g_strdup("");
}

gboolean state_take_field(struct state_reader *reader, char **name,
                          uint32_t *width, uint32_t *bytes,
                          const uint8_t **data)
{
    *name = state_take_name(reader);
    if (!**name)
        return FALSE;
    *width = state_take_u32(reader);
    *bytes = state_take_u32(reader);
    *data = state_take(reader, *bytes);
    return *data != NULL;
}
