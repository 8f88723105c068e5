/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zeroes and discards: by changing the map, or the file under a raw image;
 * what is not aligned to that, or not possible so, is written.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/block/node.h"

#define ZEROES_AT_ONCE (1u << 20)

struct change {
    struct parked parked;
    struct range_lock lock;
    struct block_op *op;
    uint64_t cursor, end; /* aligned */
    uint32_t kind;
};

/* ---- zeroes that are written ---- */

struct zeroes {
    struct block_op op;
    struct block_op *parent;
    struct iovec iov;
    uint64_t end;
};

static void zeroes_next(struct zeroes *z);

static void zeroes_done(struct block_op *op, int result)
{
    struct zeroes *z = (struct zeroes *)op;
    struct block_op *parent = z->parent;

    z->op.offset += z->op.bytes;
    if (!result && z->op.offset < z->end) {
        zeroes_next(z);
        return;
    }
    g_free(z->iov.iov_base);
    g_free(z);
    block_op_put(parent, result);
}

static void zeroes_next(struct zeroes *z)
{
    z->op.bytes = MIN(z->end - z->op.offset, ZEROES_AT_ONCE);
    z->iov.iov_len = z->op.bytes;
    block_op_start(&z->op);
}

static void write_zeroes(struct block_op *parent, uint64_t start, uint64_t end)
{
    struct zeroes *z;

    if (start >= end)
        return;
    z = g_new0(struct zeroes, 1);
    z->parent = parent;
    z->end = end;
    z->iov.iov_base = g_malloc0(MIN(end - start, ZEROES_AT_ONCE));
    z->op = (struct block_op){.node = parent->node,
                              .op = TN_DISK_WRITE,
                              .offset = start,
                              .iov = &z->iov,
                              .n_iov = 1,
                              .done = zeroes_done};
    block_op_get(parent);
    zeroes_next(z);
}

/* ---- the file under a raw image ---- */

struct pass {
    struct file_io io;
    struct block_op *op;
};

static void pass_done(struct file_io *io, int result)
{
    struct pass *pass = (struct pass *)io;
    struct block_op *op = pass->op;

    g_free(pass);
    if (result && op->op == TN_DISK_DISCARD) {
        result = 0; /* a hint */
    } else if (result == -EOPNOTSUPP || result == -ENOTSUP ||
               result == -ENODEV || result == -EINVAL || result == -ENOSYS) {
        write_zeroes(op, op->offset, op->offset + op->bytes);
        result = 0;
    }
    block_op_put(op, result);
}

static void change_file(struct block_op *op)
{
    gboolean punch = op->op == TN_DISK_DISCARD ||
                     ((op->flags & TN_DISK_UNMAP) && op->node->discard);
    struct pass *pass = g_new0(struct pass, 1);

    pass->op = op;
    pass->io = (struct file_io){.file = node_file(op->node, 0),
                                .op = punch ? AIO_PUNCH : AIO_ZERO,
                                .offset = op->offset,
                                .bytes = op->bytes,
                                .done = pass_done};
    block_file_submit(&pass->io);
}

/* ---- the map ---- */

static void change_end(struct change *c, int result)
{
    struct block_op *op = c->op;
    gboolean write = result == -ENOTSUP && op->op == TN_DISK_ZERO;

    node_unlock(op->node, &c->lock);
    if (write)
        write_zeroes(op, c->cursor, c->end);
    if (result == -ENOTSUP)
        result = 0;
    g_free(c);
    block_op_put(op, result);
}

static void change_step(struct parked *parked)
{
    struct change *c = (struct change *)parked;
    struct block_node *node = c->op->node;
    uint64_t done;
    int32_t rc;

    while (c->cursor < c->end) {
        done = 0;
        rc = -EAGAIN;
        if (!node->frozen)
            rc = node->fmt.change(node->host.self, c->cursor,
                                  c->end - c->cursor, c->kind, &done);
        if (rc == -EAGAIN) {
            c->parked.resume = change_step;
            node_park(node, &c->parked);
            return;
        }
        rc = plugin_result(&node->host, rc);
        if (!rc && (done == 0 || done > c->end - c->cursor))
            rc = -EIO;
        if (rc) {
            change_end(c, rc);
            return;
        }
        c->cursor += done;
        node_limit_dirty(node);
    }
    change_end(c, 0);
}

static void granted(struct range_lock *lock)
{
    struct change *c =
        (struct change *)((char *)lock - offsetof(struct change, lock));

    change_step(&c->parked);
}

static void change_map(struct block_op *op, uint64_t start, uint64_t end)
{
    uint64_t cluster = op->node->info.cluster_bytes;
    struct change *c = g_new0(struct change, 1);

    c->op = op;
    c->cursor = start;
    c->end = end;
    c->kind = op->op == TN_DISK_DISCARD ? TN_CHANGE_DISCARD
              : (op->flags & TN_DISK_UNMAP) && op->node->discard
                  ? TN_CHANGE_UNMAP
                  : TN_CHANGE_ZERO;
    c->lock.start = start / cluster * cluster;
    c->lock.end = (end + cluster - 1) / cluster * cluster;
    c->lock.granted = granted;
    block_op_get(op);
    if (node_lock(op->node, &c->lock))
        change_step(&c->parked);
}

void op_change(struct block_op *op)
{
    struct block_node *node = op->node;
    uint64_t unit = node->info.change_bytes;
    uint64_t end = op->offset + op->bytes;
    uint64_t first, last;

    if (op->op == TN_DISK_DISCARD && !node->discard) {
        block_op_put(op, 0);
        return;
    }
    if (op->bytes == 0) {
        block_op_put(op, 0);
        return;
    }
    if (node->pass) {
        change_file(op);
        return;
    }
    if (!unit || !node->fmt.change) {
        if (op->op == TN_DISK_ZERO)
            write_zeroes(op, op->offset, end);
        block_op_put(op, 0);
        return;
    }
    first = (op->offset + unit - 1) / unit * unit;
    last = end == node->info.bytes ? end : end / unit * unit;
    if (first >= last)
        first = last = end;
    if (op->op == TN_DISK_ZERO) {
        write_zeroes(op, op->offset, MIN(first, end));
        write_zeroes(op, last, end);
    }
    if (first < last)
        change_map(op, first, last);
    block_op_put(op, 0);
}
