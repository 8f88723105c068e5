/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: virtio 1.2 section 5.2.6. A chain is a header of 16 bytes, data,
 * and one status byte at the very end, cut into pieces wherever the driver
 * likes. On the I/O thread.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio-blk.h"

#define TYPE_IN 0u
#define TYPE_OUT 1u
#define TYPE_FLUSH 4u
#define TYPE_GET_ID 8u
#define TYPE_DISCARD 11u
#define TYPE_WRITE_ZEROES 13u

#define STATUS_OK 0u
#define STATUS_ERROR 1u
#define STATUS_UNSUPPORTED 2u

#define RANGE_UNMAP 0x1u

#define MOST_PIECES 1024u /* of a request to the block engine */

struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

struct range {
    uint64_t sector;
    uint32_t sectors;
    uint32_t flags;
};

static void finish(struct blk_request *request, uint8_t status,
                   uint64_t written)
{
    struct blk *blk = request->blk;
    struct tn_virtio_chain *chain = request->chain;
    uint32_t queue = chain->queue;

    free(request->own_iov);
    tn_virtio_copy_in(chain, request->in_data, &status, 1);
    /* The used length counts from the start, and the status byte is last: it
     * is all of `in` or, after an error, still written. */
    blk->transport->push(blk->virtio, chain,
                         status == STATUS_OK ? written + 1
                                             : request->in_data + 1);
    blk->unflushed[queue / 64] |= (uint64_t)1 << queue % 64;
}

/* A batch of completions is published at once, after the last of them. */
static void completed(struct blk_request *request, int32_t result,
                      uint64_t written)
{
    struct blk *blk = request->blk;

    blk->in_flight--;
    finish(request, result ? STATUS_ERROR : STATUS_OK, written);
    blk->loop->schedule(blk->host, blk->flush_task);
}

static void transfer_done(struct tn_disk_request *disk, int32_t result)
{
    struct blk_request *request = (struct blk_request *)disk;

    if (result)
        tn_logf(request->blk->host, TN_LOG_WARNING,
                "%s of %llu bytes at %llu failed: error %d",
                disk->op == TN_DISK_READ    ? "read"
                : disk->op == TN_DISK_WRITE ? "write"
                                            : "flush",
                (unsigned long long)disk->bytes,
                (unsigned long long)disk->offset, (int)-result);
    completed(request, result, disk->op == TN_DISK_READ ? request->in_data : 0);
}

static void submit(struct blk_request *request)
{
    struct blk *blk = request->blk;

    request->disk.size = sizeof request->disk;
    blk->blocks->submit(blk->host, blk->disk, &request->disk);
}

/* ---- data ---- */

/* The BYTES from position SKIP of the pieces as a buffer of their own. */
static int32_t cut(struct blk_request *request, const struct tn_iovec *pieces,
                   uint32_t n, uint64_t skip, uint64_t bytes)
{
    struct tn_disk_request *disk = &request->disk;
    uint32_t used = 0;

    disk->bytes = bytes;
    /* The usual shape: header and status in pieces of their own. */
    while (n && skip >= pieces->bytes) {
        skip -= pieces->bytes;
        pieces++;
        n--;
    }
    if (!skip) {
        uint64_t sum = 0;

        while (used < n && sum < bytes)
            sum += pieces[used++].bytes;
        if (sum == bytes) {
            disk->iov = pieces;
            disk->n_iov = used;
            return 0;
        }
        used = 0;
    }
    request->own_iov = malloc((n ? n : 1) * sizeof *request->own_iov);
    if (!request->own_iov)
        return -ENOMEM;
    for (uint32_t i = 0; i < n && bytes; i++, skip = 0) {
        uint64_t piece = pieces[i].bytes - skip;

        if (piece > bytes)
            piece = bytes;
        request->own_iov[used].base = (char *)pieces[i].base + skip;
        request->own_iov[used++].bytes = piece;
        bytes -= piece;
    }
    disk->iov = request->own_iov;
    disk->n_iov = used;
    return 0;
}

/* Sector SECTOR as an offset, if BYTES from there lie inside the disk. */
static uint32_t inside(const struct blk *blk, uint64_t sector, uint64_t bytes,
                       uint64_t *offset)
{
    uint64_t end;

    *offset = sector << SECTOR_SHIFT;
    return sector <= UINT64_MAX >> SECTOR_SHIFT &&
           !__builtin_add_overflow(*offset, bytes, &end) &&
           end <= blk->info.bytes;
}

static uint8_t start_transfer(struct blk_request *request,
                              const struct header *header)
{
    struct blk *blk = request->blk;
    const struct tn_virtio_chain *chain = request->chain;
    struct tn_disk_request *disk = &request->disk;
    uint32_t is_read = header->type == TYPE_IN;
    uint64_t bytes =
        is_read ? request->in_data : chain->out_bytes - sizeof *header;

    if (!is_read && blk->info.flags & TN_DISK_READ_ONLY)
        return STATUS_ERROR;
    if (bytes % SECTOR_BYTES ||
        !inside(blk, header->sector, bytes, &disk->offset))
        return STATUS_ERROR;
    if (!bytes)
        return STATUS_OK;
    if (cut(request, is_read ? chain->in : chain->out,
            is_read ? chain->n_in : chain->n_out, is_read ? 0 : sizeof *header,
            bytes) ||
        disk->n_iov > MOST_PIECES)
        return STATUS_ERROR;
    disk->op = is_read ? TN_DISK_READ : TN_DISK_WRITE;
    disk->flags = 0;
    disk->done = transfer_done;
    blk->in_flight++;
    submit(request);
    return UINT8_MAX;
}

static uint8_t start_flush(struct blk_request *request)
{
    struct tn_disk_request *disk = &request->disk;

    disk->op = TN_DISK_FLUSH;
    disk->flags = 0;
    disk->n_iov = 0;
    disk->offset = disk->bytes = 0;
    disk->done = transfer_done;
    request->blk->in_flight++;
    submit(request);
    return UINT8_MAX;
}

/* ---- discard, write zeroes: one range after the other ---- */

static void range_done(struct tn_disk_request *disk, int32_t result)
{
    struct blk_request *request = (struct blk_request *)disk;
    const struct blk_range *range;

    if (result || request->next_range == request->n_ranges) {
        completed(request, result, 0);
        return;
    }
    range = &request->ranges[request->next_range++];
    disk->offset = range->sector << SECTOR_SHIFT;
    disk->bytes = (uint64_t)range->sectors << SECTOR_SHIFT;
    if (disk->op == TN_DISK_ZERO)
        disk->flags = range->flags & RANGE_UNMAP ? TN_DISK_UNMAP : 0;
    submit(request);
}

/* Take the ranges out of the chain; what is wrong with them, or OK. */
static uint8_t take_ranges(struct blk_request *request, uint32_t type)
{
    const struct tn_virtio_chain *chain = request->chain;
    uint64_t bytes = chain->out_bytes - sizeof(struct header);
    struct range raw[MOST_RANGES];

    if (!bytes || bytes % sizeof raw[0] || bytes > sizeof raw)
        return STATUS_ERROR;
    tn_virtio_copy_out(chain, sizeof(struct header), raw, bytes);
    request->n_ranges = (uint32_t)(bytes / sizeof raw[0]);
    for (uint32_t i = 0; i < request->n_ranges; i++) {
        struct blk_range *range = &request->ranges[i];
        uint64_t offset;

        range->sector = le64toh(raw[i].sector);
        range->sectors = le32toh(raw[i].sectors);
        range->flags = le32toh(raw[i].flags);
        if (range->flags & ~(type == TYPE_DISCARD ? 0 : RANGE_UNMAP))
            return STATUS_UNSUPPORTED;
        if (!inside(request->blk, range->sector,
                    (uint64_t)range->sectors << SECTOR_SHIFT, &offset))
            return STATUS_ERROR;
    }
    return STATUS_OK;
}

static uint8_t start_ranges(struct blk_request *request, uint32_t type)
{
    struct blk *blk = request->blk;
    uint32_t feature = type == TYPE_DISCARD ? F_DISCARD : F_WRITE_ZEROES;
    uint8_t wrong;

    if (!(blk->features >> feature & 1))
        return STATUS_UNSUPPORTED;
    if (blk->info.flags & TN_DISK_READ_ONLY)
        return STATUS_ERROR;
    wrong = take_ranges(request, type);
    if (wrong)
        return wrong;
    request->disk.op = type == TYPE_DISCARD ? TN_DISK_DISCARD : TN_DISK_ZERO;
    request->disk.flags = 0;
    request->disk.n_iov = 0;
    request->disk.done = range_done;
    request->next_range = 0;
    blk->in_flight++;
    range_done(&request->disk, 0);
    return UINT8_MAX;
}

/* ---- all of them ---- */

static uint8_t give_id(struct blk_request *request, uint64_t *written)
{
    uint64_t bytes = request->in_data;

    if (bytes < ID_BYTES)
        return STATUS_ERROR;
    *written = bytes;
    tn_virtio_copy_in(request->chain, 0, request->blk->id, ID_BYTES);
    return STATUS_OK;
}

/* A status, or UINT8_MAX: it is under way. */
static uint8_t dispatch(struct blk_request *request,
                        const struct header *header, uint64_t *written)
{
    switch (header->type) {
    case TYPE_IN:
    case TYPE_OUT:
        return start_transfer(request, header);
    case TYPE_FLUSH:
        return start_flush(request);
    case TYPE_GET_ID:
        return give_id(request, written);
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        return start_ranges(request, header->type);
    default:
        return STATUS_UNSUPPORTED;
    }
}

void blk_request_start(struct blk *blk, struct tn_virtio_chain *chain)
{
    struct blk_request *request = chain->room;
    struct header header;
    uint64_t written = 0;
    uint8_t status;

    request->blk = blk;
    request->chain = chain;
    request->own_iov = NULL;
    if (!chain->in_bytes ||
        tn_virtio_copy_out(chain, 0, &header, sizeof header) < sizeof header) {
        blk->transport->push(blk->virtio, chain, 0);
        blk->transport->needs_reset(blk->virtio,
                                    "a request without header or status");
        return;
    }
    header.type = le32toh(header.type);
    header.sector = le64toh(header.sector);
    request->in_data = chain->in_bytes - 1;
    status = dispatch(request, &header, &written);
    if (status != UINT8_MAX)
        finish(request, status, written);
}
