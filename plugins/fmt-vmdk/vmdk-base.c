/* SPDX-License-Identifier: Apache-2.0 */
/* Another image below: its name, and the CID that it must have. */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the descriptor's lines ---- */

/* The value of KEY in TEXT; 0 nowhere. *LINE: where its line begins. */
static uint64_t find_key(const char *text, const char *key, uint64_t *line)
{
    size_t n = strlen(key);

    for (const char *p = text; p; p = strchr(p, '\n')) {
        const char *q = p += *p == '\n';

        q += strspn(q, " \t");
        if (strncmp(q, key, n) != 0)
            continue;
        q += n;
        q += strspn(q, " \t");
        if (*q++ != '=')
            continue;
        *line = (uint64_t)(p - text);
        return (uint64_t)(q + strspn(q, " \t") - text);
    }
    return 0;
}

static char *with_parent_cid(struct vmdk *v, char *text, uint32_t cid)
{
    uint64_t line, at = text ? find_key(text, "parentCID", &line) : 0;
    char value[16];

    if (!at) {
        v->image->free(v->host, text);
        return NULL;
    }
    snprintf(value, sizeof value, "%08x", cid);
    return vmdk_splice(v, text, at, strspn(text + at, "0123456789abcdefABCDEF"),
                  value);
}

static char *based_text(struct vmdk *v, uint32_t cid, const char *hint)
{
    char *text = with_parent_cid(v, vmdk_copy_text(v), cid);
    uint64_t line;

    if (text && find_key(text, "parentFileNameHint", &line)) {
        uint64_t n = strcspn(text + line, "\n");

        text = vmdk_splice(v, text, line, n + (text[line + n] == '\n'), "");
    }
    if (text && find_key(text, "createType", &line))
        text = vmdk_splice(v, text, line, 0, hint);
    return text;
}

static char *insert_comment(struct vmdk *v, char *text, uint64_t at,
                            uint64_t n)
{
    char more[1200];

    if (n >= sizeof more)
        return text;
    memset(more, '#', n);
    more[n] = 0;
    return vmdk_splice(v, text, at, 0, more);
}

/* Of the same length: what the name takes a comment behind it loses, and the
 * other way. */
static char *edited_name(struct vmdk *v, uint32_t cid, const char *hint)
{
    char *text = based_text(v, cid, hint), *comment;
    uint64_t line, length = strlen(v->text), now = text ? strlen(text) : 0;

    if (!text || !find_key(text, "createType", &line))
        return text;
    comment = strstr(text + line, "\n#");
    if (comment && now > length && strcspn(comment + 1, "\n") > now - length)
        text = vmdk_splice(v, text, (uint64_t)(comment + 1 - text), now - length,
                      "");
    else if (comment && now < length)
        text = insert_comment(v, text, (uint64_t)(comment + 1 - text),
                              length - now);
    return text;
}

/* Of the same length: the old name becomes a comment. */
static char *edited_base(struct vmdk *v, uint32_t cid)
{
    char *text = with_parent_cid(v, vmdk_copy_text(v), cid);
    uint64_t line;

    if (text && find_key(text, "parentFileNameHint", &line))
        text[line] = '#';
    return text;
}

static int32_t put_base(struct vmdk *v, uint32_t cid, const char *hint)
{
    char *text = based_text(v, cid, hint);
    uint8_t h[VMDK_SECTOR];
    int32_t rc;

    if (!text)
        return -ENOMEM;
    if (!v->text_file) {
        rc = v->image->pread(v->host, 0, 0, h, sizeof h);
        if (rc == 0)
            return vmdk_put_embedded(v, text, h);
        v->image->free(v->host, text);
        return rc;
    }
    if (vmdk_is_small(v, text))
        return vmdk_put_small(v, text);
    v->image->free(v->host, text);
    text = edited_name(v, cid, hint);
    if (vmdk_can_edit(v, text)) {
        rc = vmdk_put_file(v, text, "", 0);
        v->image->free(v->host, text);
        return rc;
    }
    v->image->free(v->host, text);
    text = edited_base(v, cid);
    if (!*hint && text && !vmdk_can_edit(v, text)) {
        /* Without a parent's CID its name says nothing. */
        char *first = with_parent_cid(v, vmdk_copy_text(v), cid);

        rc = vmdk_put_file(v, first, "", 1);
        v->image->free(v->host, first);
        if (rc < 0) {
            v->image->free(v->host, text);
            return rc;
        }
    }
    rc = vmdk_put_file(v, text, hint, 1);
    v->image->free(v->host, text);
    return rc;
}

/* ---- the call ---- */

static int32_t why_not(struct vmdk *v, const struct tn_base *base,
                       struct tn_error *error)
{
    for (uint32_t i = 0; i < v->n_extents; i++)
        if (v->extents[i].kind != EXTENT_SPARSE ||
            v->extents[i].flags & FLAG_COMPRESSED)
            return tn_fail(v->host, error, -ENOTSUP,
                           "a %s image cannot be based on another one",
                           v->create_type);
    if (!v->text)
        return tn_fail(v->host, error, -ENOTSUP,
                       "the image has no descriptor");
    if (!base->name)
        return 0;
    if (base->format && strcmp(base->format, "vmdk"))
        return tn_fail(v->host, error, -EINVAL,
                       "a VMDK image can only be based on a VMDK image");
    if (!base->id || strlen(base->id) != 8 ||
        strspn(base->id, "0123456789abcdef") != 8)
        return tn_fail(v->host, error, -EINVAL,
                       "a VMDK image can only be based on a VMDK image with a "
                       "descriptor");
    if (strlen(base->name) > 1000 || strpbrk(base->name, "\"\r\n"))
        return tn_fail(v->host, error, -EINVAL,
                       "the backing image's name is too long, or has "
                       "characters that a descriptor cannot have");
    return 0;
}

int32_t vmdk_set_base(void *self, const struct tn_base *base,
                      struct tn_error *error)
{
    struct vmdk *v = self;
    uint32_t cid = NO_PARENT;
    char hint[1100] = "";
    int32_t rc = why_not(v, base, error);

    if (rc < 0)
        return rc;
    if (base->name) {
        cid = (uint32_t)strtoul(base->id, NULL, 16);
        snprintf(hint, sizeof hint, "parentFileNameHint=\"%s\"\n",
                 base->name);
    }
    rc = v->image->flush(v->host);
    if (rc == 0)
        rc = put_base(v, cid, hint);
    if (rc == -ENOTSUP || rc == -ENOSPC)
        return tn_fail(v->host, error, rc,
                       "the descriptor cannot be changed in one step: convert "
                       "the image");
    if (rc < 0)
        return tn_fail(v->host, error, rc,
                       "the descriptor cannot be written");
    v->parent_cid = cid;
    snprintf(v->parent, sizeof v->parent, "%s", base->name ? base->name : "");
    for (uint32_t i = 0; i < v->n_extents; i++)
        v->extents[i].shared_parent = cid != NO_PARENT;
    return 0;
}
