/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image's changes into the one it is based on. */
#include "core/block/copy.h"

#include <errno.h>

#define SPARSE 4096

int32_t image_commit(struct image_copy *copy, gboolean forget, gboolean *kept,
                     struct tn_error *error)
{
    struct block_node *top = copy->source, *base = copy->target;
    int32_t rc = 0;

    *kept = FALSE;
    copy->bytes = top->info.bytes;
    copy->base = base;
    copy->stored_only = TRUE;
    copy->sparse = SPARSE;
    if (base->info.bytes < top->info.bytes)
        rc = image_resize(base, top->info.bytes, TN_PREALLOCATE_OFF, error);
    if (!rc)
        rc = image_copy(copy, error);
    if (!rc)
        rc = image_flush(base);
    if (rc || !forget)
        return rc;
    /* Only now may the overlay forget. */
    rc = image_forget(top);
    *kept = rc == -ENOTSUP;
    return *kept ? 0 : rc;
}
