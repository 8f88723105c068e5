/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush cycle: metadata to the file in the order that dependencies demand,
 * and all of it, with the data, to stable storage.
 *
 * Rounds of: flush the files; write every dirty block whose dependencies are
 * durable. Since a round begins with a flush, data written before is stable
 * before metadata that refers to it. The cycle ends when what was dirty at its
 * start is durable. If writers keep changing the same blocks they are held up
 * after a few rounds.
 */
#include "core/block/node.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FREE_ROUNDS 4

static void cycle_start(struct block_node *node);
static void round_flush(struct block_node *node);
static void round_write(struct block_node *node);

static void cycle_end(struct block_node *node)
{
    struct node_flush *f = &node->flush;
    struct flush_waiter *waiters = f->current;
    int result = f->result;

    f->current = NULL;
    f->active = FALSE;
    node->frozen = FALSE;
    node->broken = result != 0; /* until a flush succeeds */
    node_releases_flushed(node, result == 0);
    node_resume_all(node);
    while (waiters) {
        struct flush_waiter *waiter = waiters;

        waiters = waiter->next;
        waiter->done(waiter, result);
    }
    node->busy--;
    if (!f->active && (f->next || f->wanted))
        cycle_start(node);
}

/* ---- flushing the files ---- */

struct file_flush {
    struct file_io io;
    struct block_node *node;
};

static void flushed(struct block_node *node)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, node->meta.dirty);
    if (node->flush.result == 0) {
        g_autoptr(GPtrArray) blocks = g_ptr_array_new();

        while (g_hash_table_iter_next(&iter, &key, NULL))
            g_ptr_array_add(blocks, key);
        for (guint i = 0; i < blocks->len; i++)
            meta_made_durable(node, g_ptr_array_index(blocks, i));
    }
    round_write(node);
}

static void file_flushed(struct file_io *io, int result)
{
    struct block_node *node = io->opaque;

    if (result)
        node->flush.result = result;
    g_free(io);
    if (--node->flush.pending == 0)
        flushed(node);
}

static void round_flush(struct block_node *node)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, node->meta.dirty);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        struct meta_block *block = key;

        block->flushing = block->written;
    }
    node->flush.pending = 1;
    for (guint i = 0; i < node->files->len; i++) {
        struct block_file *file = g_ptr_array_index(node->files, i);
        struct file_io *io;

        if (!file->written && !file->broken)
            continue;
        io = g_new0(struct file_io, 1);
        io->file = file;
        io->op = AIO_FSYNC;
        io->done = file_flushed;
        io->opaque = node;
        node->flush.pending++;
        block_file_submit(io);
    }
    if (--node->flush.pending == 0)
        flushed(node);
}

/* ---- writing blocks ---- */

static void written(struct file_io *io, int result)
{
    struct meta_block *block = io->opaque;
    struct block_node *node = block->node;

    block->writing = FALSE;
    g_clear_pointer(&block->copy, free);
    if (result)
        node->flush.result = result;
    else
        block->written = block->writing_version;
    if (--node->flush.pending == 0)
        round_flush(node);
}

static void write_block(struct block_node *node, struct meta_block *block)
{
    struct block_file *file = node_file(node, block->file);
    uint32_t unit = node->meta.unit;

    block->copy = block_file_memory(file, unit);
    if (!block->copy) {
        node->flush.result = -ENOMEM;
        return;
    }
    memcpy(block->copy, block->data, unit);
    block->iov = (struct iovec){block->copy, unit};
    block->writing = TRUE;
    block->writing_version = block->version;
    block->io = (struct file_io){.file = file,
                                 .op = AIO_WRITE,
                                 .n_iov = 1,
                                 .iov = &block->iov,
                                 .offset = block->offset,
                                 .bytes = unit,
                                 .done = written,
                                 .opaque = block};
    node->flush.pending++;
    block_file_submit(&block->io);
}

static gboolean targets_left(struct block_node *node)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, node->meta.dirty);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const struct meta_block *block = key;

        if (block->durable < block->target)
            return TRUE;
    }
    return FALSE;
}

static gint by_offset(gconstpointer a, gconstpointer b)
{
    const struct meta_block *x = *(struct meta_block *const *)a;
    const struct meta_block *y = *(struct meta_block *const *)b;

    return x->key < y->key ? -1 : x->key > y->key;
}

static void round_write(struct block_node *node)
{
    g_autoptr(GPtrArray) ready = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;

    if (node->flush.result || !targets_left(node)) {
        cycle_end(node);
        return;
    }
    node->frozen = ++node->flush.rounds > FREE_ROUNDS;
    g_hash_table_iter_init(&iter, node->meta.dirty);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        struct meta_block *block = key;

        if (block->version > block->written && meta_is_ready(block))
            g_ptr_array_add(ready, block);
    }
    g_ptr_array_sort(ready, by_offset);
    node->flush.pending = 1;
    for (guint i = 0; i < ready->len; i++)
        write_block(node, g_ptr_array_index(ready, i));
    if (--node->flush.pending == 0)
        round_flush(node);
}

/* All that is dirty now is what the cycle is for. */
static void cycle_mark(struct block_node *node)
{
    GHashTableIter iter;
    gpointer key;
    GArray *swap = node->released_flushing;

    node->released_flushing = node->released_new;
    node->released_new = swap;
    g_hash_table_iter_init(&iter, node->meta.dirty);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        struct meta_block *block = key;

        block->target = block->version;
    }
    round_flush(node);
}

static void before_flush(struct parked *parked)
{
    struct block_node *node =
        (struct block_node *)((char *)parked -
                              offsetof(struct block_node, flush.parked));
    int32_t rc = 0;

    if (node->opened && node->fmt.before_flush)
        rc = node->fmt.before_flush(node->host.self);
    if (rc == -EAGAIN) {
        node->flush.parked.resume = before_flush;
        node_park(node, &node->flush.parked);
        return;
    }
    node->flush.result = plugin_result(&node->host, rc);
    cycle_mark(node);
}

static void cycle_start(struct block_node *node)
{
    struct node_flush *f = &node->flush;

    f->active = TRUE;
    f->wanted = FALSE;
    f->current = f->next;
    f->next = NULL;
    f->result = 0;
    f->rounds = 0;
    node->busy++;
    before_flush(&f->parked);
}

void node_flush(struct block_node *node, struct flush_waiter *waiter)
{
    struct node_flush *f = &node->flush;

    if (waiter) {
        waiter->next = f->next;
        f->next = waiter;
    } else {
        f->wanted = TRUE;
    }
    if (!f->active)
        cycle_start(node);
}

struct waiting {
    struct flush_waiter waiter;
    gboolean finished;
    int result;
};

static void wait_done(struct flush_waiter *waiter, int result)
{
    struct waiting *w = (struct waiting *)waiter;

    w->finished = TRUE;
    w->result = result;
}

int32_t node_flush_wait(struct block_node *node)
{
    struct waiting *w = g_new0(struct waiting, 1);
    int32_t result;

    w->waiter.done = wait_done;
    node_flush(node, &w->waiter);
    while (!w->finished || node->busy)
        block_context_wait(node->context);
    result = w->result;
    g_free(w);
    return result;
}

void node_limit_dirty(struct block_node *node)
{
    guint64 bytes =
        (guint64)g_hash_table_size(node->meta.dirty) * node->meta.unit;

    if (!node->flush.active &&
        (bytes > META_DIRTY_BYTES || node->released_new->len > 1024))
        node_flush(node, NULL);
    else if (bytes > 4 * META_DIRTY_BYTES && node->flush.active)
        node->frozen = TRUE;
}
