/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying an image's content into another one: reads and writes in flight
 * together, compression on the workers, nothing read that is known to be
 * zeroes. On the thread of the context that all the images share.
 */
#ifndef TENON_CORE_BLOCK_COPY_H
#define TENON_CORE_BLOCK_COPY_H

#include "core/block/image.h"

struct image_copy {
    struct block_node *source;
    struct block_node *target;
    uint64_t source_offset, target_offset; /* multiples of 512 */
    uint64_t bytes;
    /* Only what is stored above this image of the source's chain; the target
     * already has the rest. NULL: everything. */
    struct block_node *base;
    gboolean stored_only; /* BASE counts, also if it is NULL: the chain ends */
    gboolean compress;
    gboolean target_is_zero; /* zeroes need not be written */
    gboolean any_order;      /* write what has been read first */
    gboolean salvage;        /* what cannot be read is zeroes */
    gboolean offload;        /* the file system copies, zeroes or not */
    /* So many zeroes become none; 0: do not look, write everything. */
    uint64_t sparse;
    uint64_t rate;  /* bytes a second; 0: no limit */
    guint parallel; /* requests in flight; 0: chosen */
    /* [any time] DONE of .bytes are copied; may be NULL. */
    void (*progress)(void *opaque, uint64_t done);
    void (*unreadable)(void *opaque, uint64_t offset, uint64_t bytes, int rc);
    void *opaque;
};

/* The content of both is unspecified if it fails. Does not flush. */
int32_t image_copy(struct image_copy *copy, struct tn_error *error);

/* ---- copy-offload.c ---- */

/* Have the file system share or copy the content if it can. FALSE: copy by
 * hand from *DONE on. */
gboolean copy_by_file_system(const struct image_copy *job, uint64_t *done);
/* ---- commit.c ---- */

/* Write what is stored in the image COPY->source and above COPY->target, an
 * image of its chain, into that one, which grows to its size, and put it on
 * stable storage; then, if FORGET, the source drops its copy of it. Power may
 * fail at any moment: the source shows the same. *KEPT: its format drops
 * nothing. The fields besides rate, parallel, progress and opaque are set
 * here. */
int32_t image_commit(struct image_copy *copy, gboolean forget, gboolean *kept,
                     struct tn_error *error);

#endif
