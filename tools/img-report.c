/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an image's content is, in the words that scripts know from the
 * reference's tool. It says less than is known: an allocated cluster is data
 * unless the format says that it is zeroes or gave it its place beforehand,
 * and of some formats it does not know the map. The option --exact is without
 * that.
 */
#include "tools/tenon-img.h"

#include <string.h>

enum habit {
    FREE_IS_PRESENT, /* a block that was never written counts as present */
    ALL_IS_DATA,     /* nothing is known of the map */
};

static const struct {
    const char *format;
    enum habit habit;
} habits[] = {
    {"vdi", FREE_IS_PRESENT},
    {"vpc", FREE_IS_PRESENT},
    {"vhdx", ALL_IS_DATA},
};

static void apply(enum habit habit, struct image_extent *e)
{
    if (habit == FREE_IS_PRESENT) {
        e->present |= e->zero && !e->node->backing;
        return;
    }
    e->data = e->present = TRUE;
    e->zero = e->plain = FALSE;
    e->file = NULL;
    e->at = 0;
}

int32_t img_extent(struct block_node *node, uint64_t offset, uint64_t bytes,
                   gboolean exact, struct image_extent *e)
{
    int32_t rc = image_extent(node, NULL, offset, bytes,
                              exact ? IMAGE_STATUS_HOLES : IMAGE_STATUS_REPORT,
                              e);

    if (rc || exact)
        return rc;
    if (e->beyond)
        e->present = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(habits); i++)
        if (!strcmp(habits[i].format, e->node->host.entry->info.id))
            apply(habits[i].habit, e);
    return 0;
}
