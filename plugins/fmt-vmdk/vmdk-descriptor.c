/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor's text (specification, "The Descriptor File"): lines of
 * "key=value", and one line for each extent.
 */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *next_line(const char *p)
{
    const char *end = strchr(p, '\n');

    return end ? end + 1 : p + strlen(p);
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* The value behind "KEY =" on the line at P, or NULL. */
static const char *value_on_line(const char *p, const char *key)
{
    size_t n = strlen(key);

    p = skip_blanks(p);
    if (strncmp(p, key, n) != 0)
        return NULL;
    p = skip_blanks(p + n);
    return *p == '=' ? skip_blanks(p + 1) : NULL;
}

static const char *find_value(const char *text, const char *key)
{
    for (const char *p = text; *p; p = next_line(p)) {
        const char *value = value_on_line(p, key);

        if (value)
            return value;
    }
    return NULL;
}

int vmdk_value(const char *text, const char *key, char *value, uint32_t room)
{
    const char *p = find_value(text, key);
    uint32_t n = 0;
    char end = '\n';

    if (!p)
        return 0;
    if (*p == '"')
        end = *p++;
    while (p[n] && p[n] != end && p[n] != '\n' && p[n] != '\r')
        n++;
    if (n >= room)
        return 0;
    memcpy(value, p, n);
    value[n] = 0;
    return 1;
}

/* Comments, and then the version. */
int vmdk_is_descriptor(const uint8_t *text, uint64_t bytes)
{
    uint64_t i = 0;

    while (i < bytes && (text[i] == '#' || text[i] == '\n' ||
                         text[i] == '\r' || text[i] == ' ')) {
        if (text[i] == '#')
            while (i < bytes && text[i] != '\n') {
                if (text[i] == 0)
                    return 0;
                i++;
            }
        i += i < bytes;
    }
    return i + 9 <= bytes && memcmp(text + i, "version=", 8) == 0 &&
           text[i + 8] >= '1' && text[i + 8] <= '9';
}

static int32_t bad(struct vmdk *v, struct tn_error *error, const char *what)
{
    return tn_fail(v->host, error, -EINVAL, "not a sound VMDK image: %s",
                   what);
}

/* ---- extents ---- */

static const struct type {
    const char *name;
    enum extent_kind kind;
} types[] = {
    {"FLAT", EXTENT_FLAT},         {"VMFS", EXTENT_FLAT},
    {"ZERO", EXTENT_ZERO},         {"SPARSE", EXTENT_SPARSE},
    {"VMFSSPARSE", EXTENT_COWD},   {"SESPARSE", EXTENT_SESPARSE},
};

static const char *word(const char *p, char *out, uint32_t room)
{
    uint32_t n = 0;

    p = skip_blanks(p);
    while (*p && *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r') {
        if (n + 1 < room)
            out[n++] = *p;
        p++;
    }
    out[n] = 0;
    return p;
}

/* Image files beside this one, and nothing else that a name could reach. */
static int is_near(const char *name)
{
    const char *p = name;

    if (name[0] == '/' || strstr(name, "://"))
        return 0;
    while (p) {
        if (!strncmp(p, "../", 3) || !strcmp(p, ".."))
            return 0;
        p = strchr(p, '/');
        p = p ? p + 1 : NULL;
    }
    return 1;
}

/* 1 an extent, 0 another line, or an errno. */
static int32_t parse_extent(struct vmdk *v, const char *line, struct extent *x,
                            struct tn_error *error)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    char access[12], number[24], *end;
    const char *p = word(line, access, sizeof access), *close;
    uint32_t i = 0;

    if (strcmp(access, "RW") && strcmp(access, "RDONLY") &&
        strcmp(access, "NOACCESS"))
        return 0;
    memset(x, 0, sizeof *x);
    x->writable = !strcmp(access, "RW");
    p = word(p, number, sizeof number);
    x->bytes = strtoull(number, &end, 10);
    p = word(p, x->type, sizeof x->type);
    if (*end || end == number || x->bytes > 1ull << 46 || !strcmp(access, "NOACCESS"))
        return bad(v, error, "an extent's line is damaged");
    x->bytes *= VMDK_SECTOR;
    while (i < sizeof types / sizeof *types && strcmp(types[i].name, x->type))
        i++;
    if (i == sizeof types / sizeof *types)
        return tn_fail(v->host, error, -ENOTSUP,
                       "extents of type '%s' are not supported", x->type);
    x->kind = types[i].kind;
    if (x->kind == EXTENT_ZERO)
        return 1;
    p = skip_blanks(p);
    close = *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!close || close == p + 1 || (size_t)(close - p) > sizeof x->name)
        return bad(v, error, "an extent's line has no sound file name");
    memcpy(x->name, p + 1, (size_t)(close - p - 1));
    if (!is_near(x->name) && !props->get_uint(v->host, "extents-anywhere"))
        return tn_fail(v->host, error, -EPERM,
                       "the extent '%s' is not in the image's directory; if "
                       "that is right say extents-anywhere = yes",
                       x->name);
    word(close + 1, number, sizeof number);
    x->at = strtoull(number, &end, 10);
    if (*end || x->at > 1ull << 46)
        return bad(v, error, "an extent's line is damaged");
    x->at *= VMDK_SECTOR;
    return 1;
}

static int32_t parse_extents(struct vmdk *v, struct tn_error *error)
{
    v->extents =
        v->image->allocate(v->host, MAX_EXTENTS * sizeof *v->extents);
    if (!v->extents)
        return -ENOMEM;
    for (const char *p = v->text; *p; p = next_line(p)) {
        struct extent x;
        int32_t rc = parse_extent(v, p, &x, error);

        if (rc < 0)
            return rc;
        if (rc == 0 || x.bytes == 0)
            continue;
        if (v->n_extents == MAX_EXTENTS)
            return tn_fail(v->host, error, -ENOTSUP,
                           "the image has more than %u extents", MAX_EXTENTS);
        x.start = v->bytes;
        v->bytes += x.bytes;
        v->extents[v->n_extents++] = x;
    }
    return 0;
}

int32_t vmdk_parse(struct vmdk *v, int with_extents, struct tn_error *error)
{
    char value[24];

    v->parent_cid = NO_PARENT;
    if (!vmdk_value(v->text, "createType", v->create_type,
                    sizeof v->create_type))
        return bad(v, error, "the descriptor has no createType");
    if (vmdk_value(v->text, "CID", value, sizeof value))
        v->cid = (uint32_t)strtoul(value, NULL, 16);
    if (vmdk_value(v->text, "parentCID", value, sizeof value))
        v->parent_cid = (uint32_t)strtoul(value, NULL, 16);
    if (v->parent_cid != NO_PARENT &&
        !vmdk_value(v->text, "parentFileNameHint", v->parent,
                    sizeof v->parent))
        return bad(v, error, "the descriptor does not name the parent");
    return with_extents ? parse_extents(v, error) : 0;
}

/* ---- another CID for another content ---- */

void vmdk_written(void *self, uint64_t offset, uint64_t bytes)
{
    struct vmdk *v = self;

    (void)offset;
    (void)bytes;
    v->modified = !v->keep_id;
}

/* TEXT with NEW in the place of the first CID, as long as there is room. */
static char *with_cid(struct vmdk *v, uint32_t cid)
{
    const char *old = find_value(v->text, "CID");
    size_t before, rest, room = strlen(v->text) + 16;
    char *text;

    if (!old)
        return NULL;
    before = (size_t)(old - v->text);
    rest = strspn(old, "0123456789abcdefABCDEF");
    text = v->image->allocate(v->host, vmdk_round_up(room, VMDK_UNIT));
    if (!text)
        return NULL;
    memcpy(text, v->text, before);
    snprintf(text + before, room - before, "%08x%s", cid, old + rest);
    if (strlen(text) > v->text_room) {
        v->image->free(v->host, text);
        return NULL;
    }
    return text;
}

/* A text file becomes whole units here; close() cuts it again. */
static int32_t write_text(struct vmdk *v, const char *text)
{
    uint64_t length = strlen(text), all;
    int32_t rc = 0;

    all = vmdk_round_up(length > v->text_length ? length : v->text_length,
                        VMDK_UNIT);
    for (uint64_t i = 0; rc == 0 && i < all; i += VMDK_UNIT) {
        uint8_t unit[VMDK_UNIT] = {0};

        if (i < length)
            memcpy(unit, text + i,
                   length - i < VMDK_UNIT ? length - i : VMDK_UNIT);
        rc = v->image->write(v->host, 0, v->text_at + i, VMDK_UNIT, unit);
    }
    if (rc == 0)
        v->text_length = length;
    return rc;
}

int32_t vmdk_before_flush(void *self)
{
    struct vmdk *v = self;
    uint32_t cid = 0;
    char *text;
    int32_t rc;

    if (!v->modified || v->marked || !v->text)
        return 0;
    while (cid == 0 || cid == NO_PARENT || cid == v->cid)
        if (getrandom(&cid, sizeof cid, 0) != sizeof cid)
            cid = v->cid + 1;
    text = with_cid(v, cid);
    if (!text) {
        v->marked = 1; /* there is nowhere to say it */
        return 0;
    }
    rc = write_text(v, text);
    if (rc < 0) {
        v->image->free(v->host, text);
        return rc;
    }
    v->image->free(v->host, v->text);
    v->text = text;
    v->cid = cid;
    v->marked = 1;
    return 0;
}
