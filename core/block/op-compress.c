/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed writes, one unit each (tn_image_info.compress_bytes). Units are
 * compressed on the workers, many at once, and get their space in the order
 * in which the writes were started: the same input gives the same image.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/node.h"

#define EXTRA_ROOM 4096u

struct unit {
    struct parked parked;
    struct range_lock lock;
    struct block_work work;
    struct file_io io;
    struct iovec iov;
    struct block_op *op;
    uint8_t *gathered; /* the data, if it is not in one piece */
    const void *data;
    uint8_t *stored;
    int64_t result; /* of encode() */
    gboolean encoded, locked;
    gboolean committing;
    struct tn_allocation allocation;
    guint epoch;
};

static void unit_step(struct parked *parked);

static void unit_end(struct unit *u, int result)
{
    struct block_op *op = u->op;

    if (u->lock.link.data)
        node_unlock(op->node, &u->lock);
    g_free(u->gathered);
    free(u->stored);
    g_free(u);
    block_op_put(op, result);
}

/* ---- in order: space ---- */

static void granted(struct range_lock *lock)
{
    struct unit *u =
        (struct unit *)((char *)lock - offsetof(struct unit, lock));

    u->locked = TRUE;
    unit_step(&u->parked);
}

/* The oldest unit that has no space yet. */
static void next_unit(struct block_node *node)
{
    struct unit *u = g_queue_peek_head(&node->compressing);

    if (!u || !u->encoded || u->lock.link.data)
        return;
    u->lock.start = u->op->offset;
    u->lock.end = u->op->offset + node->info.compress_bytes;
    u->lock.granted = granted;
    if (node_lock(node, &u->lock))
        granted(&u->lock);
}

static void leave_queue(struct unit *u)
{
    struct block_node *node = u->op->node;

    g_queue_remove(&node->compressing, u);
}

/* It does not get smaller: an ordinary write, which locks by itself. */
static void write_plain(struct unit *u)
{
    struct block_op *op = u->op;
    struct block_node *node = op->node;

    leave_queue(u);
    node_unlock(node, &u->lock);
    g_free(u->gathered);
    free(u->stored);
    g_free(u);
    op_write(op);
    next_unit(node);
}

static void fail(struct unit *u, int result)
{
    struct block_node *node = u->op->node;

    leave_queue(u);
    unit_end(u, result);
    next_unit(node);
}

static void written(struct file_io *io, int result)
{
    struct unit *u = io->opaque;
    struct block_node *node = u->op->node;

    node_epoch_leave(node, u->epoch);
    if (result) {
        node->fmt.cancel(node->host.self, &u->allocation);
        unit_end(u, result);
        return;
    }
    u->committing = TRUE;
    unit_step(&u->parked);
}

static void write_stored(struct unit *u)
{
    struct block_node *node = u->op->node;

    u->iov = (struct iovec){u->stored, (size_t)u->result};
    u->epoch = node_epoch_enter(node);
    u->io = (struct file_io){.file = node_file(node, u->allocation.file),
                             .op = AIO_WRITE,
                             .n_iov = 1,
                             .iov = &u->iov,
                             .offset = u->allocation.at,
                             .bytes = (uint64_t)u->result,
                             .done = written,
                             .opaque = u};
    block_file_submit(&u->io);
}

static void park(struct unit *u)
{
    u->parked.resume = unit_step;
    node_park(u->op->node, &u->parked);
}

static void allocate(struct unit *u)
{
    struct block_op *op = u->op;
    struct block_node *node = op->node;
    struct tn_allocation *a = &u->allocation;
    int32_t rc = -EAGAIN;

    *a = (struct tn_allocation){.size = sizeof *a,
                                .stored = (uint64_t)u->result,
                                .codec = node->info.codec};
    if (!node->frozen)
        rc = node->fmt.allocate(node->host.self, op->offset, op->bytes,
                                TN_ALLOCATE_WHOLE | TN_ALLOCATE_COMPRESSED, a);
    if (rc == -EAGAIN || (rc == -ENOSPC && node_space_will_come(node))) {
        park(u);
        return;
    }
    rc = plugin_result(&node->host, rc);
    if (!rc && (!node_file(node, a->file) || a->offset != op->offset ||
                a->bytes < op->bytes || a->at > (uint64_t)INT64_MAX / 2))
        rc = -EIO;
    if (rc) {
        fail(u, rc);
        return;
    }
    leave_queue(u);
    write_stored(u);
    next_unit(node);
}

static void commit(struct unit *u)
{
    struct block_node *node = u->op->node;
    int32_t rc = -EAGAIN;

    if (!node->frozen)
        rc = node->fmt.commit(node->host.self, &u->allocation);
    if (rc == -EAGAIN) {
        park(u);
        return;
    }
    rc = plugin_result(&node->host, rc);
    if (rc)
        node->fmt.cancel(node->host.self, &u->allocation);
    unit_end(u, rc);
}

static void unit_step(struct parked *parked)
{
    struct unit *u = (struct unit *)parked;
    gboolean sequential =
        (u->op->node->info.flags & TN_FORMAT_SEQUENTIAL) != 0;

    if (u->committing)
        commit(u);
    else if (u->result < 0 || (u->result == 0 && sequential))
        fail(u, u->result ? (int)u->result : -EIO);
    else if (u->result == 0)
        write_plain(u);
    else
        allocate(u);
}

/* ---- at once: the work ---- */

static struct unit *unit_of(struct block_work *work)
{
    return (struct unit *)((char *)work - offsetof(struct unit, work));
}

static void encoded(struct block_work *work)
{
    struct unit *u = unit_of(work);

    u->encoded = TRUE;
    next_unit(u->op->node);
}

static void encode(struct block_work *work)
{
    struct unit *u = unit_of(work);
    struct block_node *node = u->op->node;
    uint64_t unit = node->info.compress_bytes;
    struct tn_encode request = {
        .size = sizeof request,
        .codec = node->info.codec,
        .offset = u->op->offset,
        .data = u->data,
        .bytes = unit,
        .stored = u->stored,
        .room = unit + EXTRA_ROOM,
    };

    u->result = node->fmt.encode(node->host.self, &request);
    if (u->result > (int64_t)request.room || u->result < -4095)
        u->result = -EPROTO;
    work->run = encoded;
    block_context_post(node->context, work);
}

static void gather(struct unit *u)
{
    const struct block_op *op = u->op;
    uint64_t unit = op->node->info.compress_bytes;
    uint8_t *to;

    if (op->n_iov == 1 && op->bytes == unit) {
        u->data = op->iov[0].iov_base;
        return;
    }
    to = u->gathered = g_malloc0(unit);
    for (uint32_t i = 0; i < op->n_iov; i++) {
        memcpy(to, op->iov[i].iov_base, op->iov[i].iov_len);
        to += op->iov[i].iov_len;
    }
    u->data = u->gathered;
}

void op_compress(struct block_op *op)
{
    struct block_node *node = op->node;
    uint64_t unit = node->info.compress_bytes;
    gboolean whole =
        unit && op->offset % unit == 0 &&
        (op->bytes == unit || (op->bytes < unit &&
                               op->offset + op->bytes == node->info.bytes));
    struct unit *u;

    if (!unit || !node->fmt.encode || !node->fmt.allocate) {
        block_op_put(op, -ENOTSUP);
        return;
    }
    if (!whole) {
        block_op_put(op, -EINVAL);
        return;
    }
    u = g_new0(struct unit, 1);
    u->op = op;
    u->stored = block_file_memory(node_file(node, 0), unit + EXTRA_ROOM);
    if (!u->stored) {
        g_free(u);
        block_op_put(op, -ENOMEM);
        return;
    }
    gather(u);
    u->work.run = encode;
    g_queue_push_tail(&node->compressing, u);
    block_context_work(node->context, &u->work);
}
