/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: what the map says, one extent after the other, all in flight
 * together.
 */
#include <errno.h>

#include "core/block/node.h"

#define EXTENTS 32

struct below {
    struct block_op op;
    struct block_op *parent;
    struct iovec iov[];
};

static void below_done(struct block_op *op, int result)
{
    struct below *below = (struct below *)op;
    struct block_op *parent = below->parent;

    g_free(below);
    block_op_put(parent, result);
}

/* What the image leaves to the one it is based on; zeroes beyond its end. */
static void read_backing(struct block_op *op, uint64_t offset, uint64_t bytes)
{
    struct block_node *backing = op->node->backing;
    uint64_t there = 0;
    struct below *below;

    if (backing && offset < backing->info.bytes)
        there = MIN(bytes, backing->info.bytes - offset);
    if (there < bytes)
        iov_zero(op->iov, op->n_iov, offset + there - op->offset,
                 bytes - there);
    if (!there)
        return;
    below = g_malloc0(sizeof *below + (op->n_iov + 1) * sizeof *below->iov);
    below->parent = op;
    below->op = (struct block_op){
        .node = backing,
        .op = TN_DISK_READ,
        .offset = offset,
        .bytes = there,
        .iov = below->iov,
        .n_iov = iov_cut(op->iov, op->n_iov, offset - op->offset, there,
                         below->iov),
        .done = below_done,
    };
    block_op_get(op);
    block_op_start(&below->op);
}

/* The first of N extents at least. Returns how many. */
static guint read_extents(struct block_op *op, const struct tn_extent *e,
                          guint n)
{
    switch (e->kind) {
    case TN_EXTENT_DATA:
        op_transfer(op, AIO_READ, e);
        break;
    case TN_EXTENT_COMPRESSED:
        return op_decode(op, e, n);
    case TN_EXTENT_UNALLOCATED:
        read_backing(op, e->offset, e->bytes);
        break;
    default:
        iov_zero(op->iov, op->n_iov, e->offset - op->offset, e->bytes);
    }
    return 1;
}

static void resume(struct parked *parked)
{
    op_read((struct block_op *)parked);
}

void op_read(struct block_op *op)
{
    struct tn_extent extents[EXTENTS];
    uint64_t end = op->offset + op->bytes;

    while (op->cursor < end) {
        int32_t n = node_map(op->node, op->cursor, end - op->cursor, extents,
                             EXTENTS);

        if (n == -EAGAIN) {
            op->parked.resume = resume;
            node_park(op->node, &op->parked);
            return;
        }
        if (n < 0) {
            block_op_put(op, n);
            return;
        }
        for (int32_t i = 0; i < n; i++)
            op->cursor += extents[i].bytes;
        for (guint i = 0; i < (guint)n;)
            i += read_extents(op, &extents[i], (guint)n - i);
    }
    block_op_put(op, 0);
}
