/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.child/1: the protocol behind a filter.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/block/node.h"

struct tn_child {
    struct block_file *file;
};

static struct block_file *owner_of(struct tn_host *host)
{
    return ((struct plugin_host *)host)->file;
}

static int32_t child_open(struct tn_host *host, const char *name,
                          uint32_t flags, struct tn_child **result,
                          struct tn_error *error)
{
    struct block_context *context = ((struct plugin_host *)host)->context;
    struct tn_component_entry *protocol;
    struct block_file *file;
    int32_t rc;

    if (!owner_of(host))
        return -EPERM;
    if (owner_of(host)->depth >= BLOCK_FILE_MAX_DEPTH)
        return tn_error_set(error, -ELOOP, "%s: too many filters", name);
    protocol = node_protocol(context->registry, name, error);
    if (!protocol)
        return -ENOENT;
    rc = block_file_open_below(context, protocol, NULL, name, flags,
                               owner_of(host)->depth + 1, &file, error);
    if (rc)
        return rc;
    *result = g_new0(struct tn_child, 1);
    (*result)->file = file;
    return 0;
}

static void child_close(struct tn_host *host, struct tn_child *child)
{
    (void)host;
    if (!child)
        return;
    block_file_close(child->file);
    g_free(child);
}

static void child_info(struct tn_host *host, struct tn_child *child,
                       struct tn_protocol_info *info)
{
    struct tn_protocol_info full = child->file->info;

    (void)host;
    full.fd = -1;
    full.bytes = child->file->length;
    full.size = MIN(info->size, (uint32_t)sizeof full);
    memcpy(info, &full, full.size);
}

/* ---- requests ---- */

struct child_request {
    struct file_io io;
    struct tn_protocol_request *request;
    struct iovec iov[];
};

static void request_end(struct file_io *io, int result)
{
    struct child_request *r = (struct child_request *)io;
    struct tn_protocol_request *request = r->request;

    if (!result && io->op != AIO_FSYNC && io->op != AIO_READ &&
        (request->flags & TN_DISK_FUA)) {
        r->io = (struct file_io){
            .file = io->file, .op = AIO_FSYNC, .done = request_end};
        block_file_submit(&r->io);
        return;
    }
    g_free(r);
    request->done(request, result);
}

static uint32_t aio_op(const struct tn_protocol_request *request)
{
    switch (request->op) {
    case TN_DISK_READ:
        return AIO_READ;
    case TN_DISK_WRITE:
        return AIO_WRITE;
    case TN_DISK_FLUSH:
        return AIO_FSYNC;
    case TN_DISK_DISCARD:
        return AIO_PUNCH;
    default:
        return request->flags & TN_DISK_UNMAP ? AIO_PUNCH : AIO_ZERO;
    }
}

static void child_submit(struct tn_host *host, struct tn_child *child,
                         struct tn_protocol_request *request)
{
    struct child_request *r =
        g_malloc(sizeof *r + (request->n_iov + 1) * sizeof r->iov[0]);

    (void)host;
    for (uint32_t i = 0; i < request->n_iov; i++)
        r->iov[i] =
            (struct iovec){request->iov[i].base, request->iov[i].bytes};
    r->request = request;
    r->io = (struct file_io){.file = child->file,
                             .op = aio_op(request),
                             .n_iov = request->n_iov,
                             .iov = r->iov,
                             .offset = request->offset,
                             .bytes = request->bytes,
                             .done = request_end};
    block_file_submit(&r->io);
}

/* ---- the rest ---- */

static int32_t child_resize(struct tn_host *host, struct tn_child *child,
                            uint64_t bytes, struct tn_error *error)
{
    (void)host;
    return block_file_resize(child->file, bytes, error);
}

static int32_t child_status(struct tn_host *host, struct tn_child *child,
                            uint64_t offset, uint64_t *bytes)
{
    struct block_file *file = child->file;

    (void)host;
    if (file->ops.status)
        return file->ops.status(file->host.self, offset, bytes);
    *bytes = MAX(file->length, offset + 1) - offset;
    return (int32_t)TN_STATUS_DATA;
}

static int32_t child_create(struct tn_host *host, const char *name,
                            uint64_t bytes, struct tn_error *error)
{
    struct block_context *context = ((struct plugin_host *)host)->context;
    struct tn_component_entry *protocol =
        node_protocol(context->registry, name, error);

    if (!protocol)
        return -ENOENT;
    return block_file_create(context, protocol, NULL, name, bytes, error);
}

struct later {
    struct block_timer timer;
    struct block_file *file;
    void (*function)(void *opaque);
    void *opaque;
};

static void later_run(struct block_work *work)
{
    struct later *later =
        (struct later *)((char *)work - offsetof(struct later, timer.work));

    later->file->laters--;
    later->function(later->opaque);
    g_free(later);
}

static void child_later(struct tn_host *host, uint64_t nanoseconds,
                        void (*function)(void *opaque), void *opaque)
{
    struct block_file *file = owner_of(host);
    struct later *later = g_new0(struct later, 1);

    later->timer.work.run = later_run;
    later->file = file;
    later->function = function;
    later->opaque = opaque;
    file->laters++;
    block_context_later(file->context, &later->timer, nanoseconds);
}

const struct tn_children block_child_service = {
    .size = sizeof block_child_service,
    .open = child_open,
    .close = child_close,
    .info = child_info,
    .submit = child_submit,
    .resize = child_resize,
    .status = child_status,
    .create = child_create,
    .later = child_later,
};
