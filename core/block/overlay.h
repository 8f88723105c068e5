/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image that is only read, and over it a temporary file for what is
 * written: [disk] snapshot = yes. The format "overlay" keeps the map.
 * [control]
 */
#ifndef TENON_CORE_BLOCK_OVERLAY_H
#define TENON_CORE_BLOCK_OVERLAY_H

#include "core/block/node.h"

/* Zeroed before. */
struct block_overlay {
    const char *directory; /* of the temporary file; NULL: there is none */
    struct tn_component_entry *format;
    struct tn_value *values;
};

/* Open what IMAGE says without its TN_IMAGE_WRITABLE, and a writable NODE over
 * it. The file is in $TMPDIR, or /var/tmp, and has no name any more. */
int32_t block_overlay_open(struct block_overlay *overlay,
                           const struct node_options *image,
                           struct block_node **node, struct tn_error *error);
/* After node_close(). */
void block_overlay_clear(struct block_overlay *overlay);

#endif
