/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing. Where the map says that data may be written in place, it is. The
 * rest goes piece by piece: lock the clusters, look at the map again, let the
 * format allocate, read what has to be kept around the new data, write, and
 * let the format make it visible.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/node.h"

#define EXTENTS 32

enum step { STEP_MAP, STEP_COMMIT };

struct piece {
    struct parked parked;
    struct range_lock lock;
    struct block_op *op;
    uint64_t cursor, end;
    enum step step;
    struct tn_allocation allocation;
    uint64_t bytes; /* of the request in this allocation */
    uint64_t head_bytes, tail_bytes;
    uint8_t *head, *tail; /* what is kept around them */
    uint8_t *extension;   /* the last bytes of a file that has to grow */
    guint reading;
    int result;
    struct block_op head_op, tail_op;
    struct iovec head_iov, tail_iov, extension_iov;
    struct file_io io, extension_io;
    guint writing;
    struct iovec *iov;
    guint epoch;
};

static void piece_step(struct piece *p);

static void piece_end(struct piece *p, int result)
{
    struct block_op *op = p->op;

    node_unlock(op->node, &p->lock);
    free(p->head);
    free(p->tail);
    free(p->extension);
    g_free(p->iov);
    g_free(p);
    block_op_put(op, result);
}

static void piece_resume(struct parked *parked)
{
    piece_step((struct piece *)parked);
}

static void piece_park(struct piece *p)
{
    p->parked.resume = piece_resume;
    node_park(p->op->node, &p->parked);
}

static void piece_fail(struct piece *p, int result)
{
    struct block_node *node = p->op->node;

    node->fmt.cancel(node->host.self, &p->allocation);
    piece_end(p, result);
}

/* ---- the data ---- */

static void data_written(struct file_io *io, int result)
{
    struct piece *p = io->opaque;

    if (result)
        p->result = result;
    if (--p->writing)
        return;
    node_epoch_leave(p->op->node, p->epoch);
    g_clear_pointer(&p->iov, g_free);
    g_clear_pointer(&p->head, free);
    g_clear_pointer(&p->tail, free);
    g_clear_pointer(&p->extension, free);
    if (p->result) {
        piece_fail(p, p->result);
        return;
    }
    p->step = STEP_COMMIT;
    piece_step(p);
}

/* The file ends where the space does, although its tail is not written. */
static void extend_file(struct piece *p)
{
    const struct tn_allocation *a = &p->allocation;
    struct block_file *file = node_file(p->op->node, a->file);
    uint64_t bytes = MAX(file->info.block_bytes, 512u);
    uint64_t end = a->at + a->bytes;

    if (!(a->flags & TN_ALLOCATION_EXTENDS) || p->tail ||
        p->tail_bytes < bytes || file->length >= end)
        return;
    p->extension = block_file_memory(file, bytes);
    if (!p->extension) {
        p->result = -ENOMEM;
        return;
    }
    memset(p->extension, 0, bytes);
    p->extension_iov = (struct iovec){p->extension, bytes};
    p->extension_io = (struct file_io){.file = file,
                                       .op = AIO_WRITE,
                                       .n_iov = 1,
                                       .iov = &p->extension_iov,
                                       .offset = end - bytes,
                                       .bytes = bytes,
                                       .done = data_written,
                                       .opaque = p};
    p->writing++;
    block_file_submit(&p->extension_io);
}

static void write_data(struct piece *p)
{
    struct block_op *op = p->op;
    const struct tn_allocation *a = &p->allocation;
    uint64_t at = a->at, bytes = p->bytes, guest = a->offset;
    uint32_t n = 0;

    p->iov = g_new(struct iovec, op->n_iov + 3);
    if (p->head) {
        p->iov[n++] = (struct iovec){p->head, p->head_bytes};
        bytes += p->head_bytes;
    } else {
        at += p->head_bytes;
        guest += p->head_bytes;
    }
    n += iov_cut(op->iov, op->n_iov, p->cursor - op->offset, p->bytes,
                 p->iov + n);
    if (p->tail) {
        p->iov[n++] = (struct iovec){p->tail, p->tail_bytes};
        bytes += p->tail_bytes;
    }
    p->epoch = node_epoch_enter(op->node);
    p->io = (struct file_io){.file = node_file(op->node, a->file),
                             .op = AIO_WRITE,
                             .n_iov = n,
                             .iov = p->iov,
                             .offset = at,
                             .bytes = bytes,
                             .done = data_written,
                             .opaque = p};
    p->writing = 1;
    extend_file(p);
    node_submit_data(op->node, &p->io, guest,
                     (a->flags & TN_EXTENT_ENCRYPTED) != 0);
}

/* ---- what is kept around it ---- */

static void kept_read(struct block_op *op, int result)
{
    struct piece *p = op->opaque;

    if (result)
        p->result = result;
    if (--p->reading)
        return;
    if (p->result)
        piece_fail(p, p->result);
    else
        write_data(p);
}

static void read_kept(struct piece *p, struct block_op *op, struct iovec *iov,
                      uint8_t *to, uint64_t offset, uint64_t bytes)
{
    uint64_t size = p->op->node->info.bytes;
    uint64_t there = offset < size ? MIN(bytes, size - offset) : 0;

    memset(to + there, 0, bytes - there);
    if (!there)
        return;
    *iov = (struct iovec){to, there};
    *op = (struct block_op){.node = p->op->node,
                            .op = TN_DISK_READ,
                            .offset = offset,
                            .bytes = there,
                            .iov = iov,
                            .n_iov = 1,
                            .done = kept_read,
                            .opaque = p};
    p->reading++;
    block_op_start(op);
}

/* Is there nothing but zeroes in the range? Only what is known at once. */
static gboolean reads_zero(struct block_node *node, uint64_t offset,
                           uint64_t bytes)
{
    uint64_t size = node->info.bytes;
    struct tn_extent e;

    if (offset >= size || bytes == 0)
        return TRUE;
    bytes = MIN(bytes, size - offset);
    return node_map(node, offset, bytes, &e, 1) == 1 && e.bytes == bytes &&
           (e.kind == TN_EXTENT_ZERO ||
            (e.kind == TN_EXTENT_UNALLOCATED &&
             (!node->backing || offset >= node->backing->info.bytes)));
}

static void keep_and_write(struct piece *p)
{
    const struct tn_allocation *a = &p->allocation;
    struct block_node *node = p->op->node;
    struct block_file *file = node_file(node, a->file);
    uint64_t after = p->cursor + p->bytes;
    /* Zeroes in the file are no zeroes once they are decrypted. */
    gboolean fresh = a->fresh && !(a->flags & TN_EXTENT_ENCRYPTED);

    p->head_bytes = p->cursor - a->offset;
    p->tail_bytes = a->offset + a->bytes - after;
    p->result = 0;
    p->reading = 1;
    if (p->head_bytes &&
        !(fresh && reads_zero(node, a->offset, p->head_bytes))) {
        p->head = block_file_memory(file, p->head_bytes);
        if (p->head)
            read_kept(p, &p->head_op, &p->head_iov, p->head, a->offset,
                      p->head_bytes);
        else
            p->result = -ENOMEM;
    }
    if (p->tail_bytes &&
        (!(fresh && reads_zero(node, after, p->tail_bytes)) ||
         ((a->flags & TN_ALLOCATION_EXTENDS) &&
          p->tail_bytes < MAX(file->info.block_bytes, 512u)))) {
        p->tail = block_file_memory(file, p->tail_bytes);
        if (p->tail)
            read_kept(p, &p->tail_op, &p->tail_iov, p->tail, after,
                      p->tail_bytes);
        else
            p->result = -ENOMEM;
    }
    p->tail_op.opaque = p;
    kept_read(&p->tail_op, 0);
}

/* ---- allocation ---- */

static gboolean is_sound(struct piece *p)
{
    const struct tn_allocation *a = &p->allocation;
    uint64_t cluster = MAX(p->op->node->info.cluster_bytes, 512u);
    uint64_t most = (uint64_t)INT64_MAX / 2;

    return node_file(p->op->node, a->file) && a->offset <= p->cursor &&
           p->cursor - a->offset < cluster && a->at <= most &&
           a->bytes <= most && a->offset + a->bytes > p->cursor &&
           a->offset + a->bytes <= p->lock.end;
}

static void allocate(struct piece *p, uint64_t bytes)
{
    struct block_node *node = p->op->node;
    int32_t rc;

    if (node->frozen) {
        piece_park(p);
        return;
    }
    if (!node->fmt.allocate) { /* it said that everything is in place */
        piece_end(p, -EIO);
        return;
    }
    p->allocation = (struct tn_allocation){.size = sizeof p->allocation};
    rc = node->fmt.allocate(node->host.self, p->cursor, bytes, 0,
                            &p->allocation);
    if (rc == -EAGAIN ||
        (rc == -ENOSPC && node_space_will_come(node))) {
        piece_park(p);
        return;
    }
    rc = plugin_result(&node->host, rc);
    if (!rc && !is_sound(p)) {
        tn_warning("%s: the format allocated nonsense", node->name);
        rc = -EIO;
    }
    if (rc) {
        piece_end(p, rc);
        return;
    }
    p->bytes = MIN(p->end, p->allocation.offset + p->allocation.bytes) -
               p->cursor;
    p->bytes = MIN(p->bytes, bytes);
    keep_and_write(p);
}

static gboolean in_place(const struct tn_extent *e)
{
    return e->kind == TN_EXTENT_DATA && (e->flags & TN_EXTENT_WRITABLE);
}

static void map_step(struct piece *p)
{
    struct tn_extent extents[EXTENTS];
    uint64_t run;
    int32_t n, i;

    while (p->cursor < p->end) {
        n = node_map(p->op->node, p->cursor, p->end - p->cursor, extents,
                     EXTENTS);
        if (n == -EAGAIN) {
            piece_park(p);
            return;
        }
        if (n < 0) {
            piece_end(p, n);
            return;
        }
        if (!in_place(&extents[0])) {
            run = 0;
            for (i = 0; i < n && !in_place(&extents[i]); i++)
                run += extents[i].bytes;
            allocate(p, run);
            return;
        }
        op_transfer(p->op, AIO_WRITE, &extents[0]);
        p->cursor += extents[0].bytes;
    }
    piece_end(p, 0);
}

static void commit_step(struct piece *p)
{
    struct block_node *node = p->op->node;
    int32_t rc = -EAGAIN;

    if (!node->frozen)
        rc = node->fmt.commit(node->host.self, &p->allocation);
    if (rc == -EAGAIN) {
        piece_park(p);
        return;
    }
    rc = plugin_result(&node->host, rc);
    if (rc) {
        piece_fail(p, rc);
        return;
    }
    p->cursor += p->bytes;
    p->step = STEP_MAP;
    map_step(p);
}

static void piece_step(struct piece *p)
{
    if (p->step == STEP_COMMIT)
        commit_step(p);
    else
        map_step(p);
}

static void granted(struct range_lock *lock)
{
    piece_step((struct piece *)((char *)lock - offsetof(struct piece, lock)));
}

static void piece_start(struct block_op *op, uint64_t offset, uint64_t end)
{
    uint64_t cluster = MAX(op->node->info.cluster_bytes, 512u);
    struct piece *p = g_new0(struct piece, 1);

    p->op = op;
    p->cursor = offset;
    p->end = end;
    p->lock.start = offset / cluster * cluster;
    p->lock.end = (end + cluster - 1) / cluster * cluster;
    p->lock.granted = granted;
    block_op_get(op);
    if (node_lock(op->node, &p->lock))
        piece_step(p);
}

/* ---- the operation ---- */

static void resume(struct parked *parked)
{
    op_write((struct block_op *)parked);
}

static void write_extents(struct block_op *op, const struct tn_extent *extents,
                          int32_t n)
{
    for (int32_t i = 0; i < n;) {
        uint64_t start = extents[i].offset;

        if (in_place(&extents[i])) {
            op->cursor += extents[i].bytes;
            op_transfer(op, AIO_WRITE, &extents[i]);
            i++;
            continue;
        }
        for (; i < n && !in_place(&extents[i]); i++)
            op->cursor += extents[i].bytes;
        piece_start(op, start, op->cursor);
    }
}

void op_write(struct block_op *op)
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
        write_extents(op, extents, n);
    }
    block_op_put(op, 0);
}
