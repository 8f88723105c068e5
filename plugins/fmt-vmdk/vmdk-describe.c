/* SPDX-License-Identifier: Apache-2.0 */
/* Facts for `info`: the descriptor's identity and the extents, as JSON. */
#include "vmdk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *text;
    uint32_t room, n;
};

static void put(struct out *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(o->text + o->n, o->room - o->n, format, ap);
    va_end(ap);
    if (n < 0 || (uint32_t)n >= o->room - o->n)
        o->room = o->n; /* full */
    else
        o->n += (uint32_t)n;
}

static void put_string(struct out *o, const char *s)
{
    put(o, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            put(o, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            put(o, "\\u%04x", (unsigned int)(unsigned char)*s);
        else
            put(o, "%c", *s);
    put(o, "\"");
}

/* An extent's name is relative to the image. */
static void put_path(struct vmdk *v, struct out *o, const struct extent *x)
{
    const char *image = v->image->name(v->host);
    const char *slash = strrchr(image, '/');
    char path[4096];

    if (!x->name[0] && x->kind != EXTENT_ZERO)
        snprintf(path, sizeof path, "%s", image);
    else if (x->name[0] == '/' || !slash)
        snprintf(path, sizeof path, "%s", x->name);
    else
        snprintf(path, sizeof path, "%.*s%s", (int)(slash + 1 - image), image,
                 x->name);
    put_string(o, path);
}

int32_t vmdk_describe(void *self, char *text, uint32_t room)
{
    struct vmdk *v = self;
    struct out o = {text, room, 0};

    put(&o, "{\"cid\": %u, \"parent-cid\": %u, \"create-type\": ", v->cid,
        v->parent_cid);
    put_string(&o, v->create_type);
    put(&o, ", \"extents\": [");
    for (uint32_t i = 0; i < v->n_extents; i++) {
        const struct extent *x = &v->extents[i];

        put(&o, "%s{", i ? ", " : "");
        if (x->flags & FLAG_COMPRESSED)
            put(&o, "\"compressed\": true, ");
        put(&o, "\"virtual-size\": %llu, \"filename\": ",
            (unsigned long long)x->bytes);
        put_path(v, &o, x);
        if (vmdk_is_sparse(x))
            put(&o, ", \"cluster-size\": %llu", (unsigned long long)x->grain);
        put(&o, ", \"format\": ");
        put_string(&o, x->type);
        put(&o, "}");
    }
    put(&o, "]}");
    return o.room == o.n ? -ENOSPC : (int32_t)o.n;
}
