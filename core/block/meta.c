/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata cache's blocks and dependencies.
 */
#include "core/block/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/node.h"

static guint64 key_of(const struct meta *meta, uint32_t file, uint64_t offset)
{
    return (guint64)file << META_KEY_BITS | offset / meta->unit;
}

static void block_free(gpointer data)
{
    struct meta_block *block = data;

    g_array_unref(block->deps);
    free(block->data);
    g_free(block);
}

/* By what it is, not where: blocks are then written in the same order in each
 * run of a program that does the same. */
static guint hash_block(gconstpointer key)
{
    return g_int64_hash(&((const struct meta_block *)key)->key);
}

void meta_init(struct meta *meta)
{
    meta->blocks =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, block_free);
    meta->dirty = g_hash_table_new(hash_block, NULL);
    g_queue_init(&meta->lru);
    meta_set_unit(meta, 4096);
}

void meta_clear(struct meta *meta)
{
    if (!meta->blocks)
        return;
    g_hash_table_unref(meta->dirty);
    g_hash_table_unref(meta->blocks);
    g_queue_init(&meta->lru);
    meta->blocks = NULL;
}

int32_t meta_set_unit(struct meta *meta, uint32_t bytes)
{
    if (bytes < 512 || bytes > 65536 || (bytes & (bytes - 1)) ||
        g_hash_table_size(meta->blocks))
        return -EINVAL;
    meta->unit = bytes;
    meta->limit = MAX(META_CACHE_BYTES / bytes, 256u);
    return 0;
}

static gboolean is_dirty(const struct meta_block *block)
{
    return block->version > block->durable;
}

static void forget(struct meta *meta, struct meta_block *block)
{
    g_queue_unlink(&meta->lru, &block->lru);
    g_hash_table_remove(meta->blocks, &block->key);
}

/* Keep the cache within its limit. Those used last stay, and with them what
 * the call under way has read. */
static void trim(struct meta *meta)
{
    GList *link = meta->lru.tail;
    guint looked_at = 0;

    while (link && meta->lru.length > meta->limit && looked_at++ < 16) {
        struct meta_block *block = link->data;

        link = link->prev;
        if (!block->loading && !block->writing && !is_dirty(block) &&
            block->users == 0)
            forget(meta, block);
    }
}

static void load_done(struct file_io *io, int result)
{
    struct meta_block *block = io->opaque;

    block->loading = FALSE;
    block->error = result;
    node_resume_all(block->node);
}

static int32_t load(struct block_node *node, struct meta_block *block)
{
    block->loading = TRUE;
    block->iov = (struct iovec){block->data, node->meta.unit};
    block->io = (struct file_io){.file = node_file(node, block->file),
                                 .op = AIO_READ,
                                 .n_iov = 1,
                                 .iov = &block->iov,
                                 .offset = block->offset,
                                 .bytes = node->meta.unit,
                                 .done = load_done,
                                 .opaque = block};
    block_file_submit(&block->io);
    if (!node->may_block)
        return -EAGAIN;
    while (block->loading)
        block_context_wait(node->context);
    return block->error;
}

static struct meta_block *block_new(struct block_node *node, uint32_t file,
                                    uint64_t offset)
{
    struct meta *meta = &node->meta;
    struct meta_block *block = g_new0(struct meta_block, 1);

    block->key = key_of(meta, file, offset);
    block->file = file;
    block->offset = offset / meta->unit * meta->unit;
    block->node = node;
    block->deps = g_array_new(FALSE, FALSE, sizeof(struct meta_dep));
    block->data = block_file_memory(node_file(node, file), meta->unit);
    block->lru.data = block;
    if (!block->data) {
        block_free(block);
        return NULL;
    }
    memset(block->data, 0, meta->unit);
    g_hash_table_insert(meta->blocks, &block->key, block);
    g_queue_push_head_link(&meta->lru, &block->lru);
    return block;
}

int32_t meta_get(struct block_node *node, uint32_t file, uint64_t offset,
                 gboolean whole, struct meta_block **result)
{
    struct meta *meta = &node->meta;
    guint64 key = key_of(meta, file, offset);
    struct meta_block *block = g_hash_table_lookup(meta->blocks, &key);
    int32_t rc = 0;

    if (!node_file(node, file) ||
        offset > (uint64_t)INT64_MAX - meta->unit ||
        offset / meta->unit >> META_KEY_BITS)
        return -EIO;
    if (!block) {
        trim(meta);
        block = block_new(node, file, offset);
        if (!block)
            return -ENOMEM;
        if (!whole && block->offset < node_file(node, file)->length)
            rc = load(node, block);
    } else if (block->loading) {
        return -EAGAIN;
    } else {
        g_queue_unlink(&meta->lru, &block->lru);
        g_queue_push_head_link(&meta->lru, &block->lru);
        rc = block->error;
    }
    if (rc && rc != -EAGAIN)
        forget(meta, block);
    *result = block;
    return rc;
}

struct meta_block *meta_peek(struct block_node *node, uint32_t file,
                             uint64_t offset)
{
    guint64 key = key_of(&node->meta, file, offset);
    struct meta_block *block = g_hash_table_lookup(node->meta.blocks, &key);

    return block && !block->loading && !block->error ? block : NULL;
}

void meta_changed(struct block_node *node, struct meta_block *block)
{
    block->version++;
    g_hash_table_add(node->meta.dirty, block);
}

static gboolean is_met(const struct meta_dep *dep)
{
    return dep->block->durable >= dep->version;
}

static void drop_dep(struct meta_block *block, guint index)
{
    g_array_index(block->deps, struct meta_dep, index).block->users--;
    g_array_remove_index_fast(block->deps, index);
}

gboolean meta_is_ready(struct meta_block *block)
{
    guint i = 0;

    while (i < block->deps->len) {
        if (!is_met(&g_array_index(block->deps, struct meta_dep, i)))
            return FALSE;
        drop_dep(block, i);
    }
    return TRUE;
}

/* Does BLOCK wait, at however many removes, for OTHER? */
static gboolean waits_for(struct meta *meta, struct meta_block *block,
                          const struct meta_block *other)
{
    if (block == other)
        return TRUE;
    if (block->mark == meta->mark)
        return FALSE;
    block->mark = meta->mark;
    for (guint i = 0; i < block->deps->len; i++) {
        struct meta_dep *dep = &g_array_index(block->deps, struct meta_dep, i);

        if (!is_met(dep) && waits_for(meta, dep->block, other))
            return TRUE;
    }
    return FALSE;
}

gboolean meta_order(struct block_node *node, struct meta_block *first,
                    struct meta_block *then)
{
    struct meta_dep dep = {first, first->version};

    if (!is_dirty(first))
        return TRUE;
    for (guint i = 0; i < then->deps->len; i++)
        if (g_array_index(then->deps, struct meta_dep, i).block == first) {
            g_array_index(then->deps, struct meta_dep, i).version =
                first->version;
            return TRUE;
        }
    node->meta.mark++;
    if (waits_for(&node->meta, first, then))
        return FALSE;
    g_array_append_val(then->deps, dep);
    first->users++;
    return TRUE;
}

void meta_made_durable(struct block_node *node, struct meta_block *block)
{
    block->durable = MAX(block->durable, block->flushing);
    if (is_dirty(block) || block->writing)
        return;
    while (block->deps->len)
        drop_dep(block, 0);
    g_hash_table_remove(node->meta.dirty, block);
}
