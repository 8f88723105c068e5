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

/* ---- compressed extents ---- */

struct decode {
    struct file_io io;
    struct block_work work;
    struct iovec iov;
    struct block_op *op;
    struct tn_extent extent;
    uint64_t offset, bytes;
    guint epoch;
    int result;
    void *stored;
    void *data;
};

static struct decode *decode_of(struct block_work *work)
{
    return (struct decode *)((char *)work - offsetof(struct decode, work));
}

static void decode_end(struct block_work *work)
{
    struct decode *d = decode_of(work);
    struct block_op *op = d->op;
    int result = d->result;

    if (!result)
        iov_fill(op->iov, op->n_iov, d->offset - op->offset,
                 (char *)d->data + (d->offset - d->extent.unit), d->bytes);
    node_epoch_leave(op->node, d->epoch);
    free(d->stored);
    g_free(d->data);
    g_free(d);
    block_op_put(op, result);
}

static void decode_work(struct block_work *work)
{
    struct decode *d = decode_of(work);
    struct block_node *node = d->op->node;

    d->result = plugin_result(
        &node->host, node->fmt.decode(node->host.self, &d->extent, d->stored,
                                      d->io.bytes, d->data));
    work->run = decode_end;
    block_context_post(node->context, work);
}

static void stored_read(struct file_io *io, int result)
{
    struct decode *d = (struct decode *)io;

    d->result = result;
    d->work.run = result ? decode_end : decode_work;
    if (result)
        decode_end(&d->work);
    else
        block_context_work(d->op->node->context, &d->work);
}

void op_decode(struct block_op *op, const struct tn_extent *extent,
               uint64_t offset, uint64_t bytes)
{
    struct block_file *file = node_file(op->node, extent->file);
    struct decode *d = g_new0(struct decode, 1);
    uint64_t stored = extent->stored;

    block_op_get(op);
    if (extent->at >= file->length || !stored) {
        g_free(d);
        block_op_put(op, -EIO);
        return;
    }
    stored = MIN(stored, file->length - extent->at);
    d->op = op;
    d->extent = *extent;
    d->offset = offset;
    d->bytes = bytes;
    d->stored = block_file_memory(file, stored);
    d->data = g_try_malloc(extent->unit_bytes);
    d->epoch = node_epoch_enter(op->node);
    if (!d->stored || !d->data) {
        d->result = -ENOMEM;
        decode_end(&d->work);
        return;
    }
    d->iov = (struct iovec){d->stored, stored};
    d->io = (struct file_io){.file = file,
                             .op = AIO_READ,
                             .n_iov = 1,
                             .iov = &d->iov,
                             .offset = extent->at,
                             .bytes = stored,
                             .done = stored_read};
    block_file_submit(&d->io);
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
