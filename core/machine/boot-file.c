/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a boot file: a plain one, or one compressed with gzip (RFC 1952).
 */
#include "core/machine/boot-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define READ_PIECE ((gsize)1 << 20)

static int32_t read_all(int fd, uint64_t limit, GByteArray *into)
{
    for (;;) {
        guint at = into->len;
        ssize_t n;

        if ((uint64_t)at > limit || at > G_MAXUINT - READ_PIECE)
            return -EFBIG;
        g_byte_array_set_size(into, at + (guint)READ_PIECE);
        n = read(fd, into->data + at, READ_PIECE);
        g_byte_array_set_size(into, at + (guint)MAX(n, 0));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (!n)
            return (uint64_t)into->len > limit ? -EFBIG : 0;
    }
}

static int32_t expand(const GByteArray *packed, uint64_t limit,
                      GByteArray *into)
{
    z_stream z = {.next_in = packed->data, .avail_in = packed->len};
    int rc = inflateInit2(&z, 15 + 16); /* gzip only */
    int32_t result = 0;

    if (rc != Z_OK)
        return -ENOMEM;
    do {
        guint at = into->len;

        if (at > limit || at > G_MAXUINT - READ_PIECE) {
            result = -EFBIG;
            break;
        }
        g_byte_array_set_size(into, at + (guint)READ_PIECE);
        z.next_out = into->data + at;
        z.avail_out = READ_PIECE;
        rc = inflate(&z, Z_NO_FLUSH);
        g_byte_array_set_size(into, at + (guint)READ_PIECE - z.avail_out);
    } while (rc == Z_OK);
    inflateEnd(&z);
    if (!result && rc != Z_STREAM_END)
        result = -EINVAL;
    if (!result && into->len > limit)
        result = -EFBIG;
    return result;
}

int32_t boot_file_read(const char *path, uint64_t limit, gboolean expand_it,
                       void **data, uint64_t *bytes, struct tn_error *error)
{
    g_autoptr(GByteArray) plain = g_byte_array_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int32_t rc = fd < 0 ? -errno : 0;

    if (!rc)
        rc = read_all(fd, limit, plain);
    if (fd >= 0)
        close(fd);
    if (!rc && expand_it && plain->len > 2 && plain->data[0] == 0x1f &&
        plain->data[1] == 0x8b) {
        g_autoptr(GByteArray) packed = g_steal_pointer(&plain);

        plain = g_byte_array_new();
        rc = expand(packed, limit, plain);
    }
    if (rc == -EFBIG)
        return tn_error_set(error, rc,
                            "%s: larger than %" G_GUINT64_FORMAT " bytes", path,
                            limit);
    if (rc)
        return tn_error_set(error, rc, "%s: %s", path,
                            rc == -EINVAL ? "damaged gzip data"
                                          : g_strerror(-rc));
    *bytes = plain->len;
    *data = g_byte_array_free(g_steal_pointer(&plain), FALSE);
    return 0;
}
