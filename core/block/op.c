/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations: their beginning, their parts, their end.
 */
#include "core/block/node.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

void block_op_get(struct block_op *op)
{
    op->pending++;
}

static void flushed(struct flush_waiter *waiter, int result)
{
    struct block_op *op = (struct block_op *)(
        (char *)waiter - offsetof(struct block_op, waiter));

    op->done(op, result);
}

void block_op_put(struct block_op *op, int result)
{
    if (result && !op->result)
        op->result = result;
    if (--op->pending)
        return;
    if (op->op != TN_DISK_READ)
        node_limit_dirty(op->node);
    if ((op->flags & TN_DISK_FUA) && !op->result) {
        op->waiter.done = flushed;
        node_flush(op->node, &op->waiter);
        return;
    }
    op->done(op, op->result);
}

void block_op_start(struct block_op *op)
{
    op->cursor = op->offset;
    op->pending = 1;
    op->result = 0;
    if ((op->node->info.flags & TN_FORMAT_TRACKS_WRITES) &&
        op->node->fmt.written && op->op != TN_DISK_READ &&
        op->op != TN_DISK_FLUSH)
        op->node->fmt.written(op->node->host.self, op->offset, op->bytes);
    switch (op->op) {
    case TN_DISK_READ:
        op_read(op);
        break;
    case TN_DISK_WRITE:
        if (op->flags & BLOCK_OP_COMPRESS)
            op_compress(op);
        else
            op_write(op);
        break;
    case TN_DISK_FLUSH:
        op->waiter.done = flushed;
        node_flush(op->node, &op->waiter);
        break;
    case TN_DISK_DISCARD:
    case TN_DISK_ZERO:
        op_change(op);
        break;
    default:
        block_op_put(op, -ENOTSUP);
    }
}

/* ---- transfers of the guest's data ---- */

struct part {
    struct file_io io;
    struct block_op *op;
    guint epoch;
    struct iovec iov[];
};

static void part_done(struct file_io *io, int result)
{
    struct part *part = (struct part *)io;
    struct block_op *op = part->op;

    node_epoch_leave(op->node, part->epoch);
    g_free(part);
    block_op_put(op, result);
}

void op_transfer(struct block_op *op, uint32_t aio_op,
                 const struct tn_extent *extent)
{
    struct part *part =
        g_malloc(sizeof *part + (op->n_iov + 1) * sizeof(struct iovec));

    part->op = op;
    part->epoch = node_epoch_enter(op->node);
    part->io = (struct file_io){
        .file = node_file(op->node, extent->file),
        .op = aio_op,
        .n_iov = iov_cut(op->iov, op->n_iov, extent->offset - op->offset,
                         extent->bytes, part->iov),
        .iov = part->iov,
        .offset = extent->at,
        .bytes = extent->bytes,
        .done = part_done,
    };
    block_op_get(op);
    node_submit_data(op->node, &part->io, extent->offset,
                     (extent->flags & TN_EXTENT_ENCRYPTED) != 0);
}

/* ---- waiting ---- */

struct waiting {
    gboolean finished;
    int result;
};

static void wait_done(struct block_op *op, int result)
{
    struct waiting *w = op->opaque;

    w->finished = TRUE;
    w->result = result;
}

int32_t block_op_wait(struct block_op *op)
{
    struct waiting w = {FALSE, 0};

    op->done = wait_done;
    op->opaque = &w;
    block_op_start(op);
    while (!w.finished)
        block_context_wait(op->node->context);
    return w.result;
}
