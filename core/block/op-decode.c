/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed extents: their stored bytes are read, and expanded by a worker.
 * Those that follow each other, in the guest and in the file, go together: one
 * transfer, one turn of a worker.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/node.h"

/* So much is expanded together; less than most requests, so that more than one
 * worker has something to do. */
#define MOST_BYTES (256u << 10)
#define MOST_STORED (1u << 20)
#define MOST_EXTENTS 16u
#define MOST_GAP (32u << 10) /* read for nothing between two of them */

struct decode {
    struct file_io io;
    struct block_work work;
    struct iovec iov;
    struct block_op *op;
    guint epoch;
    int result;
    void *stored; /* from io.offset on, io.bytes */
    guint n;
    struct tn_extent extents[MOST_EXTENTS];
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

    node_epoch_leave(op->node, d->epoch);
    free(d->stored);
    g_free(d);
    block_op_put(op, result);
}

/* Where the request has BYTES in one piece; NULL: nowhere. */
static uint8_t *one_piece(const struct block_op *op, uint64_t offset,
                          uint64_t bytes)
{
    uint64_t skip = offset - op->offset;

    for (uint32_t i = 0; i < op->n_iov; i++) {
        if (skip < op->iov[i].iov_len)
            return bytes <= op->iov[i].iov_len - skip
                       ? (uint8_t *)op->iov[i].iov_base + skip
                       : NULL;
        skip -= op->iov[i].iov_len;
    }
    return NULL;
}

/* In place if all of the unit is wanted, and in one piece. */
static int expand(struct decode *d, const struct tn_extent *e)
{
    struct block_op *op = d->op;
    struct block_node *node = op->node;
    uint64_t at = e->at - d->io.offset;
    g_autofree uint8_t *unit = NULL;
    uint8_t *data = NULL;
    int32_t rc;

    if (e->bytes == e->unit_bytes)
        data = one_piece(op, e->offset, e->bytes);
    if (!data)
        data = unit = g_try_malloc(e->unit_bytes);
    if (!data)
        return -ENOMEM;
    rc = node->fmt.decode(node->host.self, e, (uint8_t *)d->stored + at,
                          MIN(e->stored, d->io.bytes - at), data);
    if (!rc && unit)
        iov_fill(op->iov, op->n_iov, e->offset - op->offset,
                 unit + (e->offset - e->unit), e->bytes);
    return plugin_result(&node->host, rc);
}

static void decode_work(struct block_work *work)
{
    struct decode *d = decode_of(work);

    for (guint i = 0; i < d->n && !d->result; i++)
        d->result = expand(d, &d->extents[i]);
    work->run = decode_end;
    block_context_post(d->op->node->context, work);
}

static void stored_read(struct file_io *io, int result)
{
    struct decode *d = (struct decode *)io;

    d->result = result;
    if (result) {
        decode_end(&d->work);
        return;
    }
    d->work.run = decode_work;
    block_context_work(d->op->node->context, &d->work);
}

/* How many of the extents go together, and the end of what is stored. */
static guint gather(const struct tn_extent *e, guint n, uint64_t *end)
{
    uint64_t bytes = e->bytes;
    guint i = 1;

    *end = e->at + e->stored;
    for (; i < n && i < MOST_EXTENTS; i++) {
        if (e[i].kind != TN_EXTENT_COMPRESSED || e[i].file != e->file ||
            e[i].at < e->at || e[i].at > *end + MOST_GAP ||
            e[i].at + e[i].stored > e->at + MOST_STORED ||
            bytes + e[i].bytes > MOST_BYTES)
            break;
        *end = MAX(*end, e[i].at + e[i].stored);
        bytes += e[i].bytes;
    }
    return i;
}

guint op_decode(struct block_op *op, const struct tn_extent *extents, guint n)
{
    struct block_file *file = node_file(op->node, extents->file);
    struct decode *d;
    uint64_t end;

    n = gather(extents, n, &end);
    block_op_get(op);
    for (guint i = 0; i < n; i++) {
        if (extents[i].at >= file->length || !extents[i].stored) {
            block_op_put(op, -EIO);
            return n;
        }
    }
    d = g_new0(struct decode, 1);
    end = MIN(end, file->length);
    d->op = op;
    d->n = n;
    memcpy(d->extents, extents, n * sizeof *extents);
    d->stored = block_file_memory(file, end - extents->at);
    d->epoch = node_epoch_enter(op->node);
    if (!d->stored) {
        d->result = -ENOMEM;
        decode_end(&d->work);
        return n;
    }
    d->iov = (struct iovec){d->stored, end - extents->at};
    d->io = (struct file_io){.file = file,
                             .op = AIO_READ,
                             .n_iov = 1,
                             .iov = &d->iov,
                             .offset = extents->at,
                             .bytes = end - extents->at,
                             .done = stored_read};
    block_file_submit(&d->io);
    return n;
}
