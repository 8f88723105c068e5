/* SPDX-License-Identifier: Apache-2.0 */
/* GUIDs, checksums and texts as VHDX has them. */
#include "vhdx.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

/* A GUID's first three groups are little-endian numbers. */
#define GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                          \
    {                                                                          \
        (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff,       \
            (b)&0xff, (b) >> 8 & 0xff, (c)&0xff, (c) >> 8 & 0xff, d0, d1, d2,  \
            d3, d4, d5, d6, d7                                                 \
    }

const uint8_t vhdx_guid_none[GUID_BYTES] = {0};
const uint8_t vhdx_guid_bat[GUID_BYTES] =
    GUID(0x2dc27766u, 0xf623u, 0x4200u, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd,
         0x4a, 0x08);
const uint8_t vhdx_guid_metadata[GUID_BYTES] =
    GUID(0x8b7ca206u, 0x4790u, 0x4b9au, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f,
         0x88, 0x6e);
const uint8_t vhdx_guid_parameters[GUID_BYTES] =
    GUID(0xcaa16737u, 0xfa36u, 0x4d43u, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44,
         0xe7, 0x6b);
const uint8_t vhdx_guid_size[GUID_BYTES] =
    GUID(0x2fa54224u, 0xcd1bu, 0x4876u, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b,
         0xf4, 0xb8);
const uint8_t vhdx_guid_page83[GUID_BYTES] =
    GUID(0xbeca12abu, 0xb2e6u, 0x4523u, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00,
         0xc7, 0x46);
const uint8_t vhdx_guid_logical[GUID_BYTES] =
    GUID(0x8141bf1du, 0xa96fu, 0x4709u, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa,
         0xab, 0x5f);
const uint8_t vhdx_guid_physical[GUID_BYTES] =
    GUID(0xcda348c7u, 0x445du, 0x4471u, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51,
         0xc5, 0x56);
const uint8_t vhdx_guid_locator[GUID_BYTES] =
    GUID(0xa8d35f2du, 0xb30bu, 0x454du, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34,
         0xab, 0x0c);
const uint8_t vhdx_guid_locator_vhdx[GUID_BYTES] =
    GUID(0xb04aefb7u, 0xd19eu, 0x4a81u, 0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44,
         0x59, 0x13);

int32_t vhdx_bad(struct vhdx *v, struct tn_error *error, const char *what)
{
    return tn_fail(v->host, error, -EINVAL, "not a valid VHDX image: %s", what);
}

/* ---- CRC-32C, reflected polynomial 0x82f63b78 ---- */

static const uint32_t *crc_table(uint32_t *table)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (uint32_t bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        table[i] = c;
    }
    return table;
}

uint32_t vhdx_checksum(const void *data, uint64_t bytes, uint64_t skip)
{
    uint32_t room[256], crc = 0xffffffffu;
    const uint32_t *table = crc_table(room);
    const uint8_t *p = data;

    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t byte = i - skip < 4 ? 0 : p[i];

        crc = table[(crc ^ byte) & 0xff] ^ crc >> 8;
    }
    return ~crc;
}

/* ---- GUIDs ---- */

int32_t vhdx_new_guid(uint8_t *guid)
{
    if (getrandom(guid, GUID_BYTES, 0) != GUID_BYTES)
        return -EIO;
    guid[7] = (uint8_t)((guid[7] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
    return 0;
}

void vhdx_guid_text(const uint8_t *g, char *text)
{
    snprintf(text, 37, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             get32(g), get16(g + 4), get16(g + 6), g[8], g[9], g[10], g[11],
             g[12], g[13], g[14], g[15]);
}

/* ---- texts ---- */

static uint32_t utf8_put(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

int32_t vhdx_from_utf16(const uint8_t *from, uint32_t bytes, char *to,
                        uint32_t room)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i + 2 <= bytes; i += 2) {
        uint32_t c = get16(from + i);

        if (c >= 0xd800 && c < 0xdc00 && i + 4 <= bytes &&
            (get16(from + i + 2) & 0xfc00) == 0xdc00) {
            c = 0x10000 + ((c & 0x3ff) << 10) + (get16(from + i + 2) & 0x3ff);
            i += 2;
        }
        if (c == 0 || (c >= 0xd800 && c < 0xe000) || n + 5 > room)
            return -1;
        n += utf8_put(c, to + n);
    }
    to[n] = 0;
    return (int32_t)n;
}

/* One character of UTF-8; returns its bytes, 0: nonsense. */
static uint32_t utf8_get(const uint8_t *p, uint32_t *c)
{
    uint32_t n = p[0] < 0x80             ? 1
                 : (p[0] & 0xe0) == 0xc0 ? 2
                 : (p[0] & 0xf0) == 0xe0 ? 3
                 : (p[0] & 0xf8) == 0xf0 ? 4
                                         : 0;

    *c = n == 1 ? p[0] : n ? p[0] & (0x7fu >> n) : 0;
    for (uint32_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (p[i] & 0x3f);
    }
    return *c > 0x10ffff ? 0 : n;
}

int32_t vhdx_to_utf16(const char *from, uint8_t *to, uint32_t room)
{
    const uint8_t *p = (const uint8_t *)from;
    uint32_t n = 0, used, c;

    for (; *p; p += used) {
        used = utf8_get(p, &c);
        if (!used || n + 4 > room)
            return -1;
        if (c >= 0x10000) {
            put16(to + n, (uint16_t)(0xd800 | (c - 0x10000) >> 10));
            put16(to + n + 2, (uint16_t)(0xdc00 | ((c - 0x10000) & 0x3ff)));
            n += 4;
        } else {
            put16(to + n, (uint16_t)c);
            n += 2;
        }
    }
    return (int32_t)n;
}
