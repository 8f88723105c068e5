/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NBD requests become operations of the image, on the context's thread. Those
 * that change part of a sector read it first, and for that long nothing else
 * changes the image.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/img-nbd.h"

static const struct {
    uint32_t op;
    gboolean changes;
} ops[] = {
    [NBD_READ] = {TN_DISK_READ, FALSE},
    [NBD_WRITE] = {TN_DISK_WRITE, TRUE},
    [NBD_FLUSH] = {TN_DISK_FLUSH, FALSE},
    [NBD_TRIM] = {TN_DISK_DISCARD, TRUE},
    [NBD_CACHE] = {TN_DISK_READ, FALSE},
    [NBD_WRITE_ZEROES] = {TN_DISK_ZERO, TRUE},
};

static uint32_t flags_of(const struct nbd_request *r)
{
    uint32_t flags = 0;

    if (ops[r->type].changes && (r->flags & NBD_CMD_FUA))
        flags |= TN_DISK_FUA;
    if (r->type == NBD_WRITE_ZEROES && !(r->flags & NBD_CMD_NO_HOLE))
        flags |= TN_DISK_UNMAP;
    return flags;
}

static void op_done(struct block_op *op, int result)
{
    struct nbd_request *r = op->opaque;

    if (ops[r->type].changes)
        r->client->server->changing--;
    nbd_request_done(r, result);
}

static void start(struct nbd_request *r)
{
    gboolean moves_data = r->data != NULL;

    r->iov = (struct iovec){r->data, r->span};
    r->op = (struct block_op){.node = r->client->server->node,
                              .op = ops[r->type].op,
                              .flags = flags_of(r),
                              .offset = r->start,
                              .bytes = r->span,
                              .iov = &r->iov,
                              .n_iov = moves_data ? 1 : 0,
                              .done = op_done,
                              .opaque = r};
    if (r->type == NBD_FLUSH)
        r->op.offset = r->op.bytes = 0;
    if (ops[r->type].changes)
        r->client->server->changing++;
    block_op_start(&r->op);
}

/* Is it known that no data need be written for zeroes? */
static gboolean zeroes_are_fast(struct block_node *node)
{
    const struct block_file *file = node_file(node, 0);
    struct stat st;

    if (!node->pass)
        return (node->info.flags & TN_FORMAT_CAN_ZERO) != 0;
    return file->info.fd >= 0 && !fstat(file->info.fd, &st) &&
           S_ISREG(st.st_mode);
}

static gboolean is_ragged(const struct nbd_request *r)
{
    return ops[r->type].changes && r->span != r->bytes;
}

void nbd_work(struct block_work *work)
{
    struct nbd_request *r = (struct nbd_request *)work;
    struct nbd_server *server = r->client->server;

    if ((r->flags & NBD_CMD_FAST_ZERO) && !zeroes_are_fast(server->node))
        nbd_request_done(r, -EOPNOTSUPP);
    else if (r->type == NBD_STATUS || is_ragged(r) ||
             (server->alone && ops[r->type].changes))
        g_async_queue_push(server->later, r);
    else
        start(r);
}

/* ---- parts of sectors ---- */

/* BYTES at OFFSET of the image, within one sector; NULL: zeroes. */
static int32_t change_sector(struct block_node *node, uint64_t offset,
                             const uint8_t *data, uint64_t bytes)
{
    uint8_t *sector = block_file_memory(node_file(node, 0), NBD_SECTOR);
    uint64_t at = offset % NBD_SECTOR;
    int32_t rc = sector ? image_read(node, offset - at, sector, NBD_SECTOR)
                        : -ENOMEM;

    if (!rc && data)
        memcpy(sector + at, data, bytes);
    else if (!rc)
        memset(sector + at, 0, bytes);
    if (!rc)
        rc = image_write(node, offset - at, sector, NBD_SECTOR);
    free(sector);
    return rc;
}

/* Whole sectors. DATA stands where the memory's alignment is as the
 * image's. */
static int32_t change_sectors(const struct nbd_request *r, uint64_t offset,
                              const uint8_t *data, uint64_t bytes)
{
    struct block_node *node = r->client->server->node;

    if (r->type == NBD_WRITE)
        return image_write(node, offset, data, bytes);
    return r->type == NBD_TRIM
               ? image_discard(node, offset, bytes)
               : image_zero(node, offset, bytes, flags_of(r) & TN_DISK_UNMAP);
}

static int32_t change_ragged(const struct nbd_request *r)
{
    struct nbd_server *server = r->client->server;
    uint64_t at = server->offset + r->offset, end = at + r->bytes;
    int32_t rc = 0;

    while (at < end && !rc) {
        const uint8_t *data = r->data ? r->data + (at - r->start) : NULL;
        uint64_t n = MIN(NBD_SECTOR - at % NBD_SECTOR, end - at);

        if (n == NBD_SECTOR) {
            n = (end - at) / NBD_SECTOR * NBD_SECTOR;
            rc = change_sectors(r, at, data, n);
        } else if (r->type != NBD_TRIM) { /* which need do nothing */
            rc = change_sector(server->node, at, data, n);
        }
        at += n;
    }
    if (!rc && (r->flags & NBD_CMD_FUA))
        rc = image_flush(server->node);
    return rc;
}

void nbd_work_later(struct nbd_request *request)
{
    struct nbd_server *server = request->client->server;

    if (request->type == NBD_STATUS) {
        nbd_answer_status(request);
    } else if (!is_ragged(request)) {
        start(request);
    } else {
        server->alone = TRUE;
        while (server->changing)
            block_context_wait(server->node->context);
        nbd_request_done(request, change_ragged(request));
        server->alone = FALSE;
    }
}
