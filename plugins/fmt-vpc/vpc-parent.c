/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent of a differencing image: its identity, and the locators that say
 * where it is (specification, "Parent Locator Entries").
 */
#include "vpc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 512u /* of the parent's name in the header */
#define LOCATOR_ROOM 2048u

/* ---- UTF-16 ---- */

static uint32_t unit_at(const uint8_t *p, int big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void from_utf16(const uint8_t *in, uint32_t bytes, int big, char *out,
                       uint32_t room)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i + 2 <= bytes && n + 5 <= room; i += 2) {
        uint32_t c = unit_at(in + i, big);

        if (c == 0)
            break;
        if (c >= 0xd800 && c < 0xdc00 && i + 4 <= bytes) {
            i += 2;
            c = 0x10000 + ((c & 0x3ff) << 10 | (unit_at(in + i, big) & 0x3ff));
        }
        n += put_utf8(c, out + n);
    }
    out[n] = 0;
}

/* Returns the length in bytes; what does not fit, or is no UTF-8, is left
 * out. */
static uint32_t to_utf16(const char *text, int big, uint8_t *out,
                         uint32_t room)
{
    const uint8_t *in = (const uint8_t *)text;
    uint32_t n = 0;

    while (*in && n + 4 <= room) {
        uint32_t more = *in < 0x80 ? 0 : *in < 0xe0 ? 1 : *in < 0xf0 ? 2 : 3;
        uint32_t c = more == 0   ? *in
                     : more == 1 ? *in & 0x1fu
                     : more == 2 ? *in & 0x0fu
                                 : *in & 0x07u;
        uint32_t units[2], n_units = 1;

        for (in++; more && (*in & 0xc0) == 0x80; more--)
            c = c << 6 | (*in++ & 0x3f);
        units[0] = c;
        if (c >= 0x10000) {
            units[0] = 0xd800 | ((c - 0x10000) >> 10 & 0x3ff);
            units[1] = 0xdc00 | ((c - 0x10000) & 0x3ff);
            n_units = 2;
        }
        for (uint32_t i = 0; i < n_units; i++, n += 2) {
            out[n] = (uint8_t)(big ? units[i] >> 8 : units[i]);
            out[n + 1] = (uint8_t)(big ? units[i] : units[i] >> 8);
        }
    }
    return n;
}

/* ---- reading ---- */

/* Paths are written as Windows has them. */
static void turn_slashes(char *path)
{
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
}

static int read_locator(struct vpc *v, uint32_t code, char *path,
                        uint32_t room)
{
    uint8_t data[LOCATOR_ROOM];

    for (uint32_t i = 0; i < VPC_LOCATORS; i++) {
        const uint8_t *l = v->header + H_LOCATORS + i * LOCATOR_BYTES;
        uint32_t bytes = get_be32(l + 8);
        uint64_t at = get_be64(l + 16);

        if (get_be32(l) != code || bytes == 0 || bytes > sizeof data ||
            at > 1ull << 50 || v->image->pread(v->host, 0, at, data, bytes))
            continue;
        if (code == LOCATOR_MACX) {
            memcpy(path, data, bytes < room ? bytes : room - 1);
            path[bytes < room ? bytes : room - 1] = 0;
        } else {
            from_utf16(data, bytes, 0, path, room);
        }
        return path[0] != 0;
    }
    return 0;
}

int32_t vpc_read_parent(struct vpc *v, struct tn_image_info *info,
                        struct tn_error *error)
{
    static const uint8_t none[16];
    uint32_t room = sizeof info->backing;
    char *path = info->backing;

    if (read_locator(v, LOCATOR_W2RU, path, room)) {
        turn_slashes(path);
    } else if (read_locator(v, LOCATOR_MACX, path, room)) {
        if (!strncmp(path, "file://", 7))
            memmove(path, path + 7, strlen(path + 7) + 1);
    } else if (read_locator(v, LOCATOR_W2KU, path, room)) {
        turn_slashes(path);
    } else {
        from_utf16(v->header + H_PARENT_NAME, NAME_BYTES, 1, path, room);
        turn_slashes(path);
    }
    if (!path[0])
        return tn_fail(v->host, error, -EINVAL,
                       "the differencing image does not name its parent");
    if (memcmp(v->header + H_PARENT_UUID, none, 16) != 0)
        for (uint32_t i = 0; i < 16; i++)
            snprintf(info->backing_id + 2 * i, 3, "%02x",
                     v->header[H_PARENT_UUID + i]);
    v->has_parent = 1;
    return 0;
}

/* ---- writing ---- */

static void put_uuid(uint8_t *uuid, const char *text)
{
    for (uint32_t i = 0; text && i < 16; i++) {
        unsigned int byte;

        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            break;
        uuid[i] = (uint8_t)byte;
    }
}

int32_t vpc_name_parent(struct vpc *v, const struct tn_create *create,
                        uint8_t *locator, uint64_t at, struct tn_error *error)
{
    uint8_t *entry = v->header + H_LOCATORS;
    const char *name = create->backing;
    char path[1024 + 8];
    uint32_t code, bytes;

    if (strlen(name) >= 1000)
        return tn_fail(v->host, error, -EINVAL,
                       "the parent's name is too long");
    if (strstr(name, "://"))
        return tn_fail(v->host, error, -EINVAL,
                       "the parent of a VHD image must be a file");
    if (name[0] == '/') {
        code = LOCATOR_MACX;
        bytes = (uint32_t)snprintf(path, sizeof path, "file://%s", name);
        memcpy(locator, path, bytes);
    } else {
        code = LOCATOR_W2RU;
        snprintf(path, sizeof path, "%s%s",
                 name[0] == '.' && name[1] == '/' ? "" : "./", name);
        for (char *p = path; *p; p++)
            if (*p == '/')
                *p = '\\';
        bytes = to_utf16(path, 0, locator, LOCATOR_ROOM);
    }
    to_utf16(name, 1, v->header + H_PARENT_NAME, NAME_BYTES - 2);
    put_uuid(v->header + H_PARENT_UUID, create->backing_id);
    put_be32(entry, code);
    put_be32(entry + 4, LOCATOR_ROOM / VPC_SECTOR);
    put_be32(entry + 8, bytes);
    put_be64(entry + 16, at);
    return 0;
}
