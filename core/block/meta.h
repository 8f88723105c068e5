/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata cache of an image: what a format reads and changes of it, and
 * the order in which changes reach the file (block-plugin.h, tn_image).
 *
 * A block is a unit of the file. Each change gives it a new version; a block
 * is written with the version it has then, and that version is durable once a
 * flush that began later is done. A dependency says: not before VERSION of
 * BLOCK is durable. All on the context's thread.
 */
#ifndef TENON_CORE_BLOCK_META_H
#define TENON_CORE_BLOCK_META_H

#include <glib.h>

#include "core/block/file.h"

struct block_node;
struct meta_block;

/* Of a block's key, for its place in the file; the rest says which file. */
#define META_KEY_BITS 51

struct meta_dep {
    struct meta_block *block;
    uint64_t version;
};

struct meta_block {
    guint64 key; /* file and index */
    uint32_t file;
    uint64_t offset;
    struct block_node *node;
    uint8_t *data;
    gboolean loading;
    int error; /* of loading */
    gboolean writing;
    uint64_t version;  /* of what is in memory */
    uint64_t writing_version;
    uint64_t written;  /* in the file, not yet flushed */
    uint64_t flushing; /* what the flush under way makes durable */
    uint64_t durable;
    uint64_t target; /* what the flush cycle under way waits for */
    GArray *deps;    /* of struct meta_dep */
    guint users;     /* dependencies on it */
    uint32_t mark;   /* of the search for circles */
    GList lru;
    struct file_io io;
    struct iovec iov;
    void *copy; /* what is being written */
};

struct meta {
    uint32_t unit;
    GHashTable *blocks; /* key -> struct meta_block */
    GQueue lru;         /* most recently used first */
    GHashTable *dirty;  /* set of blocks with version > durable */
    guint limit;        /* clean blocks beyond that many are dropped */
    uint32_t mark;
};

/* Bytes of clean metadata kept, and of dirty metadata before it is written
 * without being asked. */
#define META_CACHE_BYTES (8u << 20)
#define META_DIRTY_BYTES (4u << 20)

void meta_init(struct meta *meta);
void meta_clear(struct meta *meta);
int32_t meta_set_unit(struct meta *meta, uint32_t bytes);

/* 0 and the block; -EAGAIN: it is being fetched. WHOLE: all of it is about to
 * be written. */
int32_t meta_get(struct block_node *node, uint32_t file, uint64_t offset,
                 gboolean whole, struct meta_block **block);
/* The block if it is in memory and valid, else NULL. */
struct meta_block *meta_peek(struct block_node *node, uint32_t file,
                             uint64_t offset);
void meta_changed(struct block_node *node, struct meta_block *block);
/* FALSE: FIRST already waits for THEN. */
gboolean meta_order(struct block_node *node, struct meta_block *first,
                    struct meta_block *then);
/* May it be written? Drops dependencies that are met. */
gboolean meta_is_ready(struct meta_block *block);
void meta_made_durable(struct block_node *node, struct meta_block *block);

#endif
