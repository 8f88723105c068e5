/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which format an image has, by its content.
 */
#ifndef TENON_CORE_BLOCK_PROBE_H
#define TENON_CORE_BLOCK_PROBE_H

#include "core/block/file.h"

/* The format that is surest; "raw" if none knows it. */
int32_t probe_format(struct tn_registry *registry, struct block_file *file,
                     struct tn_component_entry **format,
                     struct tn_error *error);

#endif
