/* SPDX-License-Identifier: Apache-2.0 */
/* Another image below: its name, and the CID that it must have. */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        rc = vmdk_put_base(v, cid, hint);
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
