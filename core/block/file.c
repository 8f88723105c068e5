/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a protocol: by its descriptor if it has one, else by its
 * submit().
 */
#include "core/block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_OFFSET ((uint64_t)INT64_MAX)

void *block_file_memory(struct block_file *file, uint64_t bytes)
{
    void *memory;
    size_t align = MAX(file->info.memory_alignment, 64u);

    bytes = MAX(bytes, 1);
    if (posix_memalign(&memory, align, bytes))
        return NULL;
    return memory;
}

/* The caller's done(), after the accounting. */
static void finish(struct file_io *io, int result)
{
    struct block_file *file = io->file;

    if (io->op == AIO_FSYNC) {
        if (result)
            file->broken = result;
    } else if (io->op != AIO_READ) {
        file->written = TRUE;
        if (!result && io->op != AIO_PUNCH)
            file->length = MAX(file->length, io->offset + io->bytes);
    }
    io->done(io, result);
}

/* ---- transfers that fit ---- */

static void raw_done(struct file_io *io, int result);

static void aio_done(struct aio *aio, int result)
{
    raw_done((struct file_io *)((char *)aio - offsetof(struct file_io, aio)),
             result);
}

static void request_posted(struct block_work *work)
{
    struct file_io *io = (struct file_io *)((char *)work -
                                            offsetof(struct file_io, aio));

    g_clear_pointer(&io->request_iov, g_free);
    raw_done(io, io->result);
}

static void request_done(struct tn_protocol_request *request, int32_t result)
{
    struct file_io *io = request->opaque;

    io->result = plugin_result(&io->file->host, result);
    io->aio.work.run = request_posted;
    block_context_post(io->file->context, &io->aio.work);
}

static void raw_submit(struct file_io *io, uint64_t offset, uint64_t bytes,
                       struct iovec *iov, uint32_t n_iov)
{
    static const uint32_t ops[] = {
        [AIO_READ] = TN_DISK_READ,       [AIO_WRITE] = TN_DISK_WRITE,
        [AIO_FSYNC] = TN_DISK_FLUSH,     [AIO_PUNCH] = TN_DISK_ZERO,
        [AIO_ZERO] = TN_DISK_ZERO,
    };
    struct block_file *file = io->file;

    if (file->info.fd >= 0) {
        io->aio = (struct aio){.fd = file->info.fd,
                               .op = io->reading_around ? AIO_READ : io->op,
                               .offset = offset,
                               .bytes = bytes,
                               .iov = iov,
                               .n_iov = n_iov,
                               .buffered =
                                   !(file->flags & TN_IMAGE_DIRECT),
                               .done = aio_done};
        if (io->aio.op == AIO_WRITE && file->one_writer &&
            (bytes >= AIO_LARGE || atomic_load(&file->large_writes.busy)))
            aio_submit_in_lane(file->context, &file->large_writes, &io->aio);
        else
            aio_submit(file->context, &io->aio);
        return;
    }
    io->request_iov = g_new(struct tn_iovec, n_iov + 1);
    for (uint32_t i = 0; i < n_iov; i++)
        io->request_iov[i] =
            (struct tn_iovec){iov[i].iov_base, iov[i].iov_len};
    io->request = (struct tn_protocol_request){
        .size = sizeof io->request,
        .op = ops[io->reading_around ? AIO_READ : io->op],
        /* A hole reads as zeroes, which what is discarded need not. */
        .flags = io->op == AIO_PUNCH ? TN_DISK_UNMAP : 0,
        .n_iov = n_iov,
        .offset = offset,
        .bytes = bytes,
        .iov = io->request_iov,
        .done = request_done,
        .opaque = io,
    };
    file->ops.submit(file->host.self, &io->request);
}

/* ---- transfers that do not: a buffer around them ---- */

static void copy(const struct file_io *io, uint8_t *buffer, gboolean to_buffer)
{
    for (uint32_t i = 0; i < io->n_iov; i++) {
        if (to_buffer)
            memcpy(buffer, io->iov[i].iov_base, io->iov[i].iov_len);
        else
            memcpy(io->iov[i].iov_base, buffer, io->iov[i].iov_len);
        buffer += io->iov[i].iov_len;
    }
}

static uint64_t bounce_start(const struct file_io *io)
{
    return io->offset - io->offset % io->file->info.block_bytes;
}

static uint64_t bounce_bytes(const struct file_io *io)
{
    uint64_t unit = io->file->info.block_bytes;
    uint64_t end = (io->offset + io->bytes + unit - 1) / unit * unit;

    return end - bounce_start(io);
}

static gboolean is_ragged(const struct file_io *io)
{
    return io->offset % io->file->info.block_bytes ||
           io->bytes % io->file->info.block_bytes;
}

static void bounce_submit(struct file_io *io)
{
    io->bounce_iov =
        (struct iovec){.iov_base = io->bounce, .iov_len = bounce_bytes(io)};
    raw_submit(io, bounce_start(io), bounce_bytes(io), &io->bounce_iov, 1);
}

static void rmw_next(struct block_file *file)
{
    struct file_io *io = g_queue_pop_head(&file->rmw);

    file->rmw_busy = io != NULL;
    if (io)
        bounce_submit(io);
}

static void raw_done(struct file_io *io, int result)
{
    uint8_t *inside;

    if (!io->bounce) {
        finish(io, result);
        return;
    }
    inside = (uint8_t *)io->bounce + (io->offset - bounce_start(io));
    if (io->op == AIO_READ && !result)
        copy(io, inside, FALSE);
    if (io->reading_around) {
        io->reading_around = FALSE;
        if (!result) {
            copy(io, inside, TRUE);
            bounce_submit(io);
            return;
        }
    }
    g_clear_pointer(&io->bounce, free);
    if (io->op == AIO_WRITE && is_ragged(io))
        rmw_next(io->file);
    finish(io, result);
}

static void post_result(struct file_io *io, int result)
{
    io->result = result;
    io->bounce = NULL;
    io->request_iov = NULL;
    io->aio.work.run = request_posted;
    block_context_post(io->file->context, &io->aio.work);
}

static void submit_bounced(struct file_io *io)
{
    io->bounce = block_file_memory(io->file, bounce_bytes(io));
    if (!io->bounce) {
        post_result(io, -ENOMEM);
        return;
    }
    if (io->op == AIO_WRITE && is_ragged(io)) {
        io->reading_around = TRUE;
        if (io->file->rmw_busy) {
            g_queue_push_tail(&io->file->rmw, io);
            return;
        }
        io->file->rmw_busy = TRUE;
    } else if (io->op == AIO_WRITE) {
        copy(io, io->bounce, TRUE);
    }
    bounce_submit(io);
}

static gboolean needs_bounce(const struct file_io *io)
{
    const struct tn_protocol_info *info = &io->file->info;
    uint32_t align = info->memory_alignment;

    if (io->op > AIO_WRITE)
        return FALSE;
    if (io->n_iov > IOV_MAX || is_ragged(io))
        return TRUE;
    for (uint32_t i = 0; align > 1 && i < io->n_iov; i++)
        if ((uintptr_t)io->iov[i].iov_base % align ||
            io->iov[i].iov_len % info->block_bytes)
            return TRUE;
    return FALSE;
}

void block_file_submit(struct file_io *io)
{
    struct block_file *file = io->file;
    uint64_t end;

    io->bounce = NULL;
    io->request_iov = NULL;
    io->reading_around = FALSE;
    if (__builtin_add_overflow(io->offset, io->bytes, &end) ||
        end > MAX_OFFSET) {
        post_result(io, -EIO);
    } else if (io->op != AIO_READ && !(file->flags & TN_IMAGE_WRITABLE)) {
        post_result(io, io->op == AIO_FSYNC ? 0 : -EROFS);
    } else if (io->op == AIO_FSYNC && (file->broken || file->no_flush)) {
        file->written = FALSE;
        post_result(io, file->broken);
    } else if (io->op > AIO_FSYNC && file->info.fd < 0 &&
               !(file->info.flags & TN_PROTOCOL_CAN_ZERO)) {
        post_result(io, -EOPNOTSUPP);
    } else if (needs_bounce(io)) {
        submit_bounced(io);
    } else {
        if (io->op == AIO_FSYNC)
            file->written = FALSE;
        raw_submit(io, io->offset, io->bytes, io->iov, io->n_iov);
    }
}

/* ---- waiting ---- */

struct waiting {
    struct file_io io;
    gboolean finished;
    int result;
};

static void transfer_done(struct file_io *io, int result)
{
    struct waiting *w = io->opaque;

    w->finished = TRUE;
    w->result = result;
}

int32_t block_file_transfer(struct block_file *file, uint32_t op,
                            uint64_t offset, void *data, uint64_t bytes)
{
    struct iovec iov = {.iov_base = data, .iov_len = bytes};
    struct waiting w = {.io = {.file = file,
                               .op = op,
                               .n_iov = op <= AIO_WRITE ? 1 : 0,
                               .iov = &iov,
                               .offset = offset,
                               .bytes = bytes,
                               .done = transfer_done,
                               .opaque = &w}};

    if (bytes == 0 && op != AIO_FSYNC)
        return 0;
    block_file_submit(&w.io);
    while (!w.finished)
        block_context_wait(file->context);
    return w.result;
}

/* ---- open and close ---- */

static int32_t check_info(struct block_file *file, struct tn_error *error)
{
    struct tn_protocol_info *info = &file->info;
    struct stat status;
    gboolean odd = !info->block_bytes || info->block_bytes > 65536 ||
                   (info->block_bytes & (info->block_bytes - 1)) ||
                   info->memory_alignment > 65536 ||
                   (info->memory_alignment & (info->memory_alignment - 1)) ||
                   info->bytes > MAX_OFFSET;

    if (odd || (info->fd < 0 && !file->ops.submit))
        return tn_error_set(error, -EPROTO, "%s gives no usable information",
                            file->host.entry->info.id);
    info->memory_alignment = MAX(info->memory_alignment, 1u);
    file->length = info->bytes;
    /* Direct writes and devices take several at a time. */
    file->one_writer = info->fd >= 0 && !(file->flags & TN_IMAGE_DIRECT) &&
                       fstat(info->fd, &status) == 0 &&
                       S_ISREG(status.st_mode);
    return 0;
}

int32_t block_file_open_below(struct block_context *context,
                              struct tn_component_entry *entry,
                              const struct tn_value *values, const char *name,
                              uint32_t flags, guint depth,
                              struct block_file **result,
                              struct tn_error *error)
{
    struct block_file *file = g_new0(struct block_file, 1);
    int32_t rc;

    file->context = context;
    file->name = g_strdup(name);
    file->flags = flags;
    file->depth = depth;
    rc = plugin_host_init(&file->host, entry, values, file->name, context,
                          error);
    file->host.file = file;
    if (!rc && (!plugin_host_interface(&file->host, TN_PROTOCOL, &file->ops,
                                       sizeof file->ops) ||
                !file->ops.open || !file->ops.close || !file->ops.info))
        rc = tn_error_set(error, -EPROTO, "%s offers no %s", entry->info.id,
                          TN_PROTOCOL);
    if (!rc)
        rc = plugin_result(&file->host, file->ops.open(file->host.self, name,
                                                       flags, error));
    if (rc) {
        plugin_host_clear(&file->host);
        g_free(file->name);
        g_free(file);
        return rc;
    }
    file->info = (struct tn_protocol_info){.size = sizeof file->info,
                                           .fd = -1};
    file->ops.info(file->host.self, &file->info);
    rc = check_info(file, error);
    if (rc)
        block_file_close(file);
    else
        *result = file;
    return rc;
}

int32_t block_file_open(struct block_context *context,
                        struct tn_component_entry *entry,
                        const struct tn_value *values, const char *name,
                        uint32_t flags, struct block_file **file,
                        struct tn_error *error)
{
    return block_file_open_below(context, entry, values, name, flags, 0, file,
                                 error);
}

void block_file_close(struct block_file *file)
{
    if (!file)
        return;
    while (file->laters)
        block_context_wait(file->context);
    file->ops.close(file->host.self);
    plugin_host_clear(&file->host);
    g_mutex_clear(&file->large_writes.lock);
    g_free(file->name);
    g_free(file);
}

int32_t block_file_create(struct block_context *context,
                          struct tn_component_entry *entry,
                          const struct tn_value *values, const char *name,
                          uint64_t bytes, struct tn_error *error)
{
    struct plugin_host host;
    struct tn_protocol ops;
    int32_t rc = plugin_host_init(&host, entry, values, name, context, error);

    if (rc)
        return rc;
    if (plugin_host_interface(&host, TN_PROTOCOL, &ops, sizeof ops) &&
        ops.create)
        rc = plugin_result(&host, ops.create(host.self, name, bytes, error));
    else
        rc = tn_error_set(error, -ENOTSUP, "%s: nothing can be made there",
                          name);
    plugin_host_clear(&host);
    return rc;
}

int32_t block_file_resize(struct block_file *file, uint64_t bytes,
                          struct tn_error *error)
{
    int32_t rc;

    if (!file->ops.resize)
        return tn_error_set(error, -ENOTSUP, "%s: its length is fixed",
                            file->name);
    rc = plugin_result(&file->host,
                       file->ops.resize(file->host.self, bytes, error));
    if (!rc) {
        file->length = bytes;
        file->written = TRUE;
    }
    return rc;
}

#define ZEROES_AT_ONCE (1u << 20)

static int32_t write_zeroes(struct block_file *file, uint64_t offset,
                            uint64_t bytes)
{
    void *zeroes = block_file_memory(file, ZEROES_AT_ONCE);
    int32_t rc = zeroes ? 0 : -ENOMEM;

    if (zeroes)
        memset(zeroes, 0, ZEROES_AT_ONCE);
    while (!rc && bytes) {
        uint64_t n = MIN(bytes, ZEROES_AT_ONCE);

        rc = block_file_transfer(file, AIO_WRITE, offset, zeroes, n);
        offset += n;
        bytes -= n;
    }
    free(zeroes);
    return rc;
}

int32_t block_file_preallocate(struct block_file *file, uint64_t offset,
                               uint64_t bytes, uint32_t mode,
                               struct tn_error *error)
{
    int32_t rc = -EOPNOTSUPP;
    uint64_t end;

    if (!bytes)
        return 0;
    if (__builtin_add_overflow(offset, bytes, &end) || end > MAX_OFFSET)
        return tn_error_set(error, -EFBIG, "%s: too large", file->name);
    if (mode == TN_PREALLOCATE_FULL)
        rc = write_zeroes(file, offset, bytes);
    else if (file->info.fd >= 0)
        rc = -posix_fallocate(file->info.fd, (off_t)offset, (off_t)bytes);
    if (rc)
        return tn_error_set(error, rc, "%s: %" G_GUINT64_FORMAT
                            " bytes cannot be reserved: %s",
                            file->name, bytes, g_strerror(-rc));
    file->length = MAX(file->length, end);
    file->written = TRUE;
    return 0;
}
