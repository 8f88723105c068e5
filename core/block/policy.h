/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which other files an image may name. An image is data that a stranger may
 * have made; what it names (a backing image, an external data file, extents)
 * is opened with the rights of whoever opens the image.
 */
#ifndef TENON_CORE_BLOCK_POLICY_H
#define TENON_CORE_BLOCK_POLICY_H

#include <glib.h>

#include "core/util/error.h"

struct block_policy {
    gboolean forbid_backing; /* an image that has one is refused */
    /* Other files only below these directories, or for what belongs to the
     * image itself the one it is in; NULL: anywhere. */
    GPtrArray *directories; /* of char *, real paths */
};

struct block_policy *block_policy_new(void);
void block_policy_free(struct block_policy *policy);
int32_t block_policy_add_directory(struct block_policy *policy,
                                   const char *directory,
                                   struct tn_error *error);
/* May IMAGE have NAME (resolved; a path or URI), which PROTOCOL opens, as its
 * backing image, or as a file of its own? Only names of protocol "file" are
 * paths. POLICY NULL allows everything. 0 or -EPERM. */
int32_t block_policy_backing(const struct block_policy *policy,
                             const char *image, const char *name,
                             const char *protocol, struct tn_error *error);
int32_t block_policy_file(const struct block_policy *policy, const char *image,
                          const char *name, const char *protocol,
                          struct tn_error *error);

#endif
