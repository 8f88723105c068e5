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

/* ---- zeroes without a change of the map ---- */

/* What of a range does not read as zeroes already is zeroed in the file where
 * that may be written in place, else written. One piece after the other. */
struct zeroes {
    struct block_op op; /* of a write */
    struct file_io io;  /* of the file's own zeroing */
    struct block_op *parent;
    struct iovec iov;
    guint epoch;
    uint64_t cursor, piece, end;
};

static void zeroes_next(struct zeroes *z);

static void zeroes_end(struct zeroes *z, int result)
{
    struct block_op *parent = z->parent;

    g_free(z->iov.iov_base);
    g_free(z);
    block_op_put(parent, result);
}

static void piece_done(struct zeroes *z, int result)
{
    if (result) {
        zeroes_end(z, result);
        return;
    }
    z->cursor += z->piece;
    zeroes_next(z);
}

static void zeroes_written(struct block_op *op, int result)
{
    piece_done((struct zeroes *)op, result);
}

static void write_piece(struct zeroes *z)
{
    z->piece = MIN(z->piece, ZEROES_AT_ONCE);
    if (!z->iov.iov_base)
        z->iov.iov_base = g_malloc0(MIN(z->end - z->cursor, ZEROES_AT_ONCE));
    z->iov.iov_len = z->piece;
    z->op = (struct block_op){.node = z->parent->node,
                              .op = TN_DISK_WRITE,
                              .offset = z->cursor,
                              .bytes = z->piece,
                              .iov = &z->iov,
                              .n_iov = 1,
                              .done = zeroes_written};
    block_op_start(&z->op);
}

static gboolean is_unsupported(int result)
{
    return result == -EOPNOTSUPP || result == -ENOTSUP || result == -ENODEV ||
           result == -EINVAL || result == -ENOSYS;
}

static void file_zeroed(struct file_io *io, int result)
{
    struct zeroes *z = io->opaque;

    node_epoch_leave(z->parent->node, z->epoch);
    if (is_unsupported(result))
        write_piece(z);
    else
        piece_done(z, result);
}

static void zero_file(struct zeroes *z, const struct tn_extent *e)
{
    struct block_op *parent = z->parent;
    gboolean punch =
        (parent->flags & TN_DISK_UNMAP) && parent->node->discard;

    z->epoch = node_epoch_enter(parent->node);
    z->io = (struct file_io){.file = node_file(parent->node, e->file),
                             .op = punch ? AIO_PUNCH : AIO_ZERO,
                             .offset = e->at,
                             .bytes = e->bytes,
                             .done = file_zeroed,
                             .opaque = z};
    block_file_submit(&z->io);
}

static gboolean reads_zero(const struct block_node *node,
                           const struct tn_extent *e)
{
    return e->kind == TN_EXTENT_ZERO ||
           (e->kind == TN_EXTENT_UNALLOCATED &&
            (!node->backing || e->offset >= node->backing->info.bytes));
}

static void zeroes_resume(struct parked *parked)
{
    zeroes_next((struct zeroes *)parked);
}

static void zeroes_next(struct zeroes *z)
{
    struct block_node *node = z->parent->node;
    struct tn_extent e;

    while (z->cursor < z->end) {
        int32_t n = node_map(node, z->cursor, z->end - z->cursor, &e, 1);

        if (n == -EAGAIN) {
            z->op.parked.resume = zeroes_resume;
            node_park(node, &z->op.parked);
            return;
        }
        if (n < 0) {
            zeroes_end(z, n);
            return;
        }
        z->piece = e.bytes;
        if (reads_zero(node, &e)) {
            z->cursor += e.bytes;
            continue;
        }
        if (e.kind == TN_EXTENT_DATA && (e.flags & TN_EXTENT_WRITABLE) &&
            !(e.flags & TN_EXTENT_ENCRYPTED))
            zero_file(z, &e);
        else
            write_piece(z);
        return;
    }
    zeroes_end(z, 0);
}

static void write_zeroes(struct block_op *parent, uint64_t start, uint64_t end)
{
    struct zeroes *z;

    if (start >= end)
        return;
    z = g_new0(struct zeroes, 1);
    z->parent = parent;
    z->cursor = start;
    z->end = end;
    block_op_get(parent);
    zeroes_next(z);
}

/* ---- the file under a raw image ---- */

struct discard {
    struct file_io io;
    struct block_op *op;
};

static void discarded(struct file_io *io, int result)
{
    struct discard *discard = (struct discard *)io;
    struct block_op *op = discard->op;

    (void)result; /* a hint */
    g_free(discard);
    block_op_put(op, 0);
}

static void discard_file(struct block_op *op)
{
    struct discard *discard = g_new0(struct discard, 1);

    discard->op = op;
    discard->io = (struct file_io){.file = node_file(op->node, 0),
                                   .op = AIO_PUNCH,
                                   .offset = op->offset,
                                   .bytes = op->bytes,
                                   .done = discarded};
    block_file_submit(&discard->io);
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
    uint64_t cluster = MAX(op->node->info.cluster_bytes, 512u);
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
    if (node->pass && op->op == TN_DISK_DISCARD) {
        discard_file(op);
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
