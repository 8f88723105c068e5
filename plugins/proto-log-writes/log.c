/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the log. Entries stand in the order in which the child was done with
 * them, but a flush where it began: what was done only while it ran may not be
 * on stable storage. A request is acknowledged when it is in the log, and the
 * superblock counts what was there at the last flush. All [engine].
 */
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_le64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void log_next(struct log_writes *l);

/* ---- one piece of a record ---- */

static void finish_record(struct log_writes *l)
{
    struct log_record *r = l->first;
    struct tn_protocol_request *request = r->request;
    int32_t result = r->result ? r->result : l->broken;

    l->first = r->next;
    if (!l->first)
        l->last = &l->first;
    free(r);
    request->done(request, result);
}

static void super_written(struct tn_protocol_request *io, int32_t result)
{
    struct log_record *r = io->opaque;
    struct log_writes *l = r->owner;

    if (result)
        l->broken = result;
    finish_record(l);
    l->writing = 0;
    log_next(l);
}

static void send(struct log_writes *l, struct log_record *r, uint32_t n_iov,
                 uint64_t offset,
                 void (*done)(struct tn_protocol_request *, int32_t))
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < n_iov; i++)
        bytes += r->iov[i].bytes;
    r->io = (struct tn_protocol_request){
        .size = sizeof r->io,
        .op = TN_DISK_WRITE,
        .n_iov = n_iov,
        .offset = offset,
        .bytes = bytes,
        .iov = r->iov,
        .done = done,
        .opaque = r,
    };
    l->filter.children->submit(l->filter.host, l->log, &r->io);
}

static void write_super(struct log_writes *l, struct log_record *r)
{
    memset(l->sector, 0, l->sector_bytes);
    put_le64(l->sector, LOG_MAGIC);
    put_le64(l->sector + 8, LOG_VERSION);
    put_le64(l->sector + 16, l->entries);
    for (int i = 0; i < 4; i++)
        l->sector[24 + i] = (uint8_t)(l->sector_bytes >> (8 * i));
    r->iov[0] = (struct tn_iovec){l->sector, l->sector_bytes};
    send(l, r, 1, 0, super_written);
}

static void entry_written(struct tn_protocol_request *io, int32_t result)
{
    struct log_record *r = io->opaque;
    struct log_writes *l = r->owner;

    if (result) {
        l->broken = result;
    } else {
        l->next_sector += io->bytes / l->sector_bytes;
        l->entries++;
    }
    r->logged += r->piece;
    if (!l->broken && r->request->op == TN_DISK_FLUSH) {
        write_super(l, r);
        return;
    }
    if (l->broken || r->logged >= r->request->bytes)
        finish_record(l);
    l->writing = 0;
    log_next(l);
}

static void write_entry(struct log_writes *l, struct log_record *r)
{
    const struct tn_protocol_request *request = r->request;
    uint64_t offset = request->offset + r->logged;
    uint64_t flags = request->flags & TN_DISK_FUA ? LOG_FUA : 0;
    uint32_t n_iov = 1;
    uint64_t data;

    r->piece = request->bytes - r->logged;
    data = r->piece;
    if (request->op == TN_DISK_ZERO) {
        data = r->piece = r->piece < LOG_ZEROES ? r->piece : LOG_ZEROES;
        r->iov[1] = (struct tn_iovec){l->zeroes, data};
        n_iov = 2;
    } else if (request->op == TN_DISK_WRITE) {
        memcpy(r->iov + 1, request->iov,
               request->n_iov * sizeof *request->iov);
        n_iov = 1 + request->n_iov;
    } else {
        flags |= request->op == TN_DISK_FLUSH ? LOG_FLUSH : LOG_DISCARD;
        data = 0;
    }
    memset(l->sector, 0, l->sector_bytes);
    put_le64(l->sector, offset / l->sector_bytes);
    put_le64(l->sector + 8, r->piece / l->sector_bytes);
    put_le64(l->sector + 16, flags);
    put_le64(l->sector + 24, data);
    r->iov[0] = (struct tn_iovec){l->sector, l->sector_bytes};
    send(l, r, n_iov, l->next_sector * l->sector_bytes, entry_written);
}

/* What is next in the log, if nothing is on its way. */
static void log_next(struct log_writes *l)
{
    while (!l->writing && l->first && l->first->ready) {
        if (l->first->result || l->broken) {
            finish_record(l);
            continue;
        }
        l->writing = 1;
        write_entry(l, l->first);
    }
}

/* ---- requests ---- */

static void append(struct log_writes *l, struct log_record *r)
{
    r->next = NULL;
    *l->last = r;
    l->last = &r->next;
}

static void child_done(struct tn_protocol_request *io, int32_t result)
{
    struct log_record *r = io->opaque;
    struct log_writes *l = r->owner;

    r->result = result;
    r->ready = 1;
    if (r->request->op != TN_DISK_FLUSH)
        append(l, r);
    log_next(l);
}

static void fail(void *opaque)
{
    struct tn_protocol_request *request = opaque;

    request->done(request, -ENOMEM);
}

void log_submit(struct log_writes *l, struct tn_protocol_request *request)
{
    struct log_record *r;

    if (request->op == TN_DISK_READ) {
        l->filter.children->submit(l->filter.host, l->filter.child, request);
        return;
    }
    r = calloc(1, sizeof *r + (request->n_iov + 2) * sizeof r->iov[0]);
    if (!r) {
        l->filter.children->later(l->filter.host, 0, fail, request);
        return;
    }
    r->owner = l;
    r->request = request;
    r->io = *request;
    r->io.done = child_done;
    r->io.opaque = r;
    if (request->op == TN_DISK_FLUSH)
        append(l, r);
    l->filter.children->submit(l->filter.host, l->filter.child, &r->io);
}

/* ---- open and close ---- */

int32_t log_open(struct log_writes *l, const char *name,
                 struct tn_error *error)
{
    const struct tn_children *children = l->filter.children;
    int32_t rc = children->create(l->filter.host, name, 0, error);

    if (!rc)
        rc = children->open(l->filter.host, name, TN_IMAGE_WRITABLE, &l->log,
                            error);
    if (rc)
        return rc;
    l->last = &l->first;
    l->next_sector = 1;
    l->entries = 0;
    l->broken = 0;
    l->sector = calloc(1, l->sector_bytes);
    l->zeroes = calloc(1, LOG_ZEROES);
    return l->sector && l->zeroes ? 0 : -ENOMEM;
}

void log_close(struct log_writes *l)
{
    if (l->log)
        l->filter.children->close(l->filter.host, l->log);
    free(l->sector);
    free(l->zeroes);
    l->log = NULL;
    l->sector = NULL;
    l->zeroes = NULL;
}
