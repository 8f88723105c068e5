/* SPDX-License-Identifier: Apache-2.0 */
/* What tools show of an image, and how large a new one will be. */
#include "qcow2.h"
#include "qcow2-create.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"

struct out {
    char *text;
    size_t at, room;
    int full;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o,
                                                      const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(o->text + o->at, o->room - o->at, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= o->room - o->at)
        o->full = 1;
    else
        o->at += (size_t)n;
}

static void put_string(struct out *o, const char *s)
{
    put(o, "\"");
    for (; *s && !o->full; s++)
        if (*s == '"' || *s == '\\')
            put(o, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            put(o, "\\u%04x", *s);
        else
            put(o, "%c", *s);
    put(o, "\"");
}

static const char *truth(int v)
{
    return v ? "true" : "false";
}

static void put_bitmaps(struct out *o, const struct qcow2 *q)
{
    put(o, ", \"bitmaps\": [");
    for (uint32_t i = 0; i < q->n_bitmaps; i++) {
        const struct qcow2_bitmap *b = &q->bitmaps[i];
        int in_use = (b->flags & BITMAP_IN_USE) != 0;
        int automatic = (b->flags & BITMAP_AUTO) != 0;

        put(o, "%s{\"flags\": [%s%s%s], \"name\": ", i ? ", " : "",
            in_use ? "\"in-use\"" : "", in_use && automatic ? ", " : "",
            automatic ? "\"auto\"" : "");
        put_string(o, b->name);
        put(o, ", \"granularity\": %llu}", 1ull << b->granularity_bits);
    }
    put(o, "]");
}

static void put_encryption(struct out *o, const struct qcow2 *q)
{
    char text[8192];
    int32_t n;

    if (q->crypt_method == CRYPT_AES) {
        put(o, ", \"encrypt\": {\"format\": \"aes\"}");
        return;
    }
    n = q->luks ? luks1_describe(q->luks, 0, text, sizeof text) : 0;
    if (n > 2)
        put(o, ", \"encrypt\": {\"format\": \"luks\", %.*s", (int)n - 1,
            text + 1);
}

int32_t qcow2_describe(void *self, char *text, uint32_t room)
{
    const struct qcow2 *q = self;
    struct out o = {text, 0, room, 0};

    put(&o, "{\"compat\": \"%s\", \"compression-type\": \"%s\"",
        q->version < 3 ? "0.10" : "1.1",
        q->compression == COMPRESSION_ZSTD ? "zstd" : "zlib");
    if (q->version >= 3)
        put(&o, ", \"lazy-refcounts\": %s",
            truth((q->compatible & COMPAT_LAZY_REFCOUNTS) != 0));
    put(&o, ", \"refcount-bits\": %u", 1u << q->refcount_order);
    if (q->version >= 3)
        put(&o, ", \"corrupt\": %s, \"extended-l2\": %s",
            truth((q->incompatible & INCOMPAT_CORRUPT) != 0),
            truth(qcow2_is_extended(q)));
    if (q->n_bitmaps)
        put_bitmaps(&o, q);
    if (q->incompatible & INCOMPAT_EXTERNAL_DATA) {
        if (q->data_name[0]) {
            put(&o, ", \"data-file\": ");
            put_string(&o, q->data_name);
        }
        put(&o, ", \"data-file-raw\": %s",
            truth((q->autoclear & AUTOCLEAR_RAW_EXTERNAL) != 0));
    }
    if (q->crypt_method)
        put_encryption(&o, q);
    put(&o, "}");
    return o.full ? -ENOSPC : (int32_t)o.at;
}

/* With all data allocated everything has the place that preallocation gives
 * it; what is not allocated is not there. */
int32_t qcow2_measure(void *self, const struct tn_create *create,
                      struct tn_measure *m, struct tn_error *error)
{
    struct qcow2 *q = self;
    struct layout l = {0};
    uint64_t disk;
    int32_t rc = layout_options(q, &l, create, error);

    if (rc < 0)
        return rc;
    rc = layout_make(q, &l, create->bytes, 1, error);
    if (rc < 0)
        return rc;
    disk = (create->bytes + l.cluster - 1) & ~(l.cluster - 1);
    m->cluster_bytes = l.cluster;
    m->fully_allocated = l.total * l.cluster;
    m->required = m->fully_allocated - disk + m->data_bytes;
    if (l.preallocation >= TN_PREALLOCATE_FALLOC)
        m->required = m->fully_allocated;
    return 0;
}
