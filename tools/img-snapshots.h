/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of internal snapshots, for `info` and `snapshot`. */
#ifndef TENON_TOOLS_IMG_SNAPSHOTS_H
#define TENON_TOOLS_IMG_SNAPSHOTS_H

#include <json-glib/json-glib.h>

#include "core/block/node.h"

/* A table under TITLE; nothing if there are none. */
void img_snapshots_print(struct block_node *node, const char *title);
/* NULL: there are none. */
JsonArray *img_snapshots_json(struct block_node *node);

#endif
