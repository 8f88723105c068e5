/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: requests of devices become operations on the top node of a chain, on
 * the device's I/O thread.
 */
#include "core/block/disk.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <tenon/block.h>
#include <tenon/loop.h>

#include "core/block/node.h"
#include "core/block/overlay.h"
#include "core/block/secret-read.h"
#include "core/block/throttle.h"
#include "core/machine/instance.h"
#include "core/machine/loop.h"
#include "core/machine/machine.h"
#include "core/machine/thread.h"
#include "core/util/log.h"

#define MAX_IOV 1024u
#define MAX_TRANSFER (64u << 20)

/* In the order of their choices in the schema. */
enum {
    CACHE_WRITEBACK,
    CACHE_NONE,
    CACHE_WRITETHROUGH,
    CACHE_UNSAFE,
    CACHE_DIRECTSYNC
};
enum { AIO_AUTO, AIO_URING, AIO_THREADS };
enum { ZEROES_NO, ZEROES_YES, ZEROES_UNMAP };

struct tn_disk {
    struct tn_host *device;
    const struct tn_block_desc *desc;
    struct block_context *context;
    struct block_node *node;
    struct block_overlay overlay; /* snapshot = yes */
    gboolean said_full;           /* the overlay's directory */
    struct tn_watch *watch;
    struct throttle *throttle; /* NULL: no limits */
    uint64_t detect_zeroes;
    gboolean writethrough; /* the machine file's word */
    atomic_int guest_writethrough;
    GMutex lock;
    GCond idle;
    guint64 in_flight; /* under lock */
};

/* A device's request on its way. */
struct disk_request {
    struct block_op op;
    struct block_work work;
    struct throttle_item throttled;
    struct tn_disk *disk;
    struct tn_disk_request *request;
    int32_t result;
    struct iovec iov[];
};

/* ---- the end of a request ---- */

static void request_end(struct disk_request *r, int32_t result)
{
    struct tn_disk *disk = r->disk;
    struct tn_disk_request *request = r->request;
    gboolean entered = tn_host_enter(disk->device) == 0;

    g_free(r);
    request->done(request, result);
    if (entered)
        tn_host_leave(disk->device);
    g_mutex_lock(&disk->lock);
    if (--disk->in_flight == 0)
        g_cond_broadcast(&disk->idle);
    g_mutex_unlock(&disk->lock);
}

static void op_done(struct block_op *op, int result)
{
    struct disk_request *r = (struct disk_request *)op;
    struct tn_disk *disk = r->disk;

    if (result == -ENOSPC && disk->overlay.directory && !disk->said_full) {
        disk->said_full = TRUE;
        tn_log_error("%s: %s has no space left for what the guest writes "
                     "(snapshot = yes): its writes fail",
                     disk->desc->id, disk->overlay.directory);
    }
    request_end(r, result);
}

static void refuse(struct block_work *work)
{
    struct disk_request *r = (struct disk_request *)(
        (char *)work - offsetof(struct disk_request, work));

    request_end(r, r->result);
}

/* ---- the beginning ---- */

static gboolean all_zeroes(const struct block_op *op)
{
    for (uint32_t i = 0; i < op->n_iov; i++) {
        const uint8_t *data = op->iov[i].iov_base;
        size_t bytes = op->iov[i].iov_len;

        if (bytes && (data[0] || memcmp(data, data + 1, bytes - 1)))
            return FALSE;
    }
    return TRUE;
}

static void begin(struct block_work *work)
{
    struct disk_request *r = (struct disk_request *)(
        (char *)work - offsetof(struct disk_request, work));
    struct tn_disk *disk = r->disk;

    if (disk->detect_zeroes && r->op.op == TN_DISK_WRITE && r->op.bytes &&
        all_zeroes(&r->op)) {
        r->op.op = TN_DISK_ZERO;
        r->op.n_iov = 0;
        if (disk->detect_zeroes == ZEROES_UNMAP)
            r->op.flags |= TN_DISK_UNMAP;
    }
    block_op_start(&r->op);
}

static void start(struct block_work *work)
{
    struct disk_request *r = (struct disk_request *)(
        (char *)work - offsetof(struct disk_request, work));

    if (!r->disk->throttle || r->op.op == TN_DISK_FLUSH) {
        begin(work);
        return;
    }
    r->throttled.work = work;
    r->throttled.bytes = r->op.op <= TN_DISK_WRITE ? r->op.bytes : 0;
    r->work.run = begin;
    throttle_submit(r->disk->throttle, &r->throttled,
                    r->op.op != TN_DISK_READ);
}

static int32_t check(const struct tn_disk *disk,
                     const struct tn_disk_request *q)
{
    const struct block_node *node = disk->node;
    uint64_t sum = 0, end;

    if (q->op > TN_DISK_ZERO)
        return -ENOTSUP;
    if (q->op != TN_DISK_READ && q->op != TN_DISK_FLUSH &&
        !(node->flags & TN_IMAGE_WRITABLE))
        return -EROFS;
    if (q->op == TN_DISK_FLUSH)
        return 0;
    if (q->offset % 512 || q->bytes % 512 ||
        __builtin_add_overflow(q->offset, q->bytes, &end) ||
        end > node->info.bytes)
        return -EINVAL;
    if (q->op > TN_DISK_WRITE)
        return 0;
    if (q->n_iov > MAX_IOV || q->bytes > MAX_TRANSFER)
        return -EINVAL;
    for (uint32_t i = 0; i < q->n_iov; i++)
        if (__builtin_add_overflow(sum, q->iov[i].bytes, &sum))
            return -EINVAL;
    return sum == q->bytes ? 0 : -EINVAL;
}

static void submit(struct tn_host *host, struct tn_disk *disk,
                   struct tn_disk_request *q)
{
    gboolean data = q->op <= TN_DISK_WRITE && q->n_iov <= MAX_IOV;
    uint32_t n_iov = data ? q->n_iov : 0;
    struct disk_request *r =
        g_malloc0(sizeof *r + n_iov * sizeof(struct iovec));

    (void)host;
    r->disk = disk;
    r->request = q;
    r->result = check(disk, q);
    for (uint32_t i = 0; i < n_iov; i++)
        r->iov[i] = (struct iovec){q->iov[i].base, q->iov[i].bytes};
    r->op = (struct block_op){.node = disk->node,
                              .op = q->op,
                              .flags = q->flags & TN_DISK_UNMAP,
                              .offset = q->offset,
                              .bytes = q->bytes,
                              .iov = r->iov,
                              .n_iov = n_iov,
                              .done = op_done};
    if ((q->op == TN_DISK_WRITE || q->op == TN_DISK_ZERO) &&
        ((q->flags & TN_DISK_FUA) || disk->writethrough ||
         atomic_load(&disk->guest_writethrough)))
        r->op.flags |= TN_DISK_FUA;
    r->work.run = r->result ? refuse : start;
    g_mutex_lock(&disk->lock);
    disk->in_flight++;
    g_mutex_unlock(&disk->lock);
    block_context_post(disk->context, &r->work);
}

/* ---- open and close ---- */

static uint64_t number(const struct tn_block_desc *desc, const char *name)
{
    const struct tn_value *value = tn_block_value(desc, name);

    return value && value->n_items ? value->items[0].number : 0;
}

static struct throttle *limits(struct tn_disk *disk)
{
    static const char *const names[THROTTLE_LIMITS] = {
        [THROTTLE_REQUESTS] = "iops",
        [THROTTLE_READ_REQUESTS] = "iops-read",
        [THROTTLE_WRITE_REQUESTS] = "iops-write",
        [THROTTLE_BYTES] = "bandwidth",
        [THROTTLE_READ_BYTES] = "bandwidth-read",
        [THROTTLE_WRITE_BYTES] = "bandwidth-write",
    };
    uint64_t rates[THROTTLE_LIMITS];

    for (guint i = 0; i < THROTTLE_LIMITS; i++)
        rates[i] = number(disk->desc, names[i]);
    return throttle_new(disk->context, rates, number(disk->desc, "burst"));
}

static int32_t open_node(struct tn_disk *disk, struct tn_registry *registry,
                         struct tn_error *error)
{
    const struct tn_block_desc *desc = disk->desc;
    const struct tn_value *image = tn_block_value(desc, "image");
    uint64_t cache = number(desc, "cache");
    struct node_options options = {
        .registry = registry,
        .context = disk->context,
        .image = image ? image->text : NULL,
        .format = desc->format,
        .format_values = desc->format_values,
        .protocol = desc->protocol,
        .protocol_values = desc->protocol_values,
        .flags = (number(desc, "readonly") ? 0 : TN_IMAGE_WRITABLE) |
                 (cache == CACHE_NONE || cache == CACHE_DIRECTSYNC
                      ? TN_IMAGE_DIRECT
                      : 0),
        .discard = number(desc, "discard") != 0,
        .no_flush = cache == CACHE_UNSAFE,
    };

    if (!options.image)
        return tn_error_set(error, -EINVAL, "%s has no image", desc->id);
    if (number(desc, "aio") == AIO_URING && !disk->context->uring)
        return tn_error_set(error, -ENOTSUP, "%s: there is no io_uring here",
                            desc->id);
    disk->writethrough =
        cache == CACHE_WRITETHROUGH || cache == CACHE_DIRECTSYNC;
    disk->detect_zeroes = number(desc, "detect-zeroes");
    disk->throttle = limits(disk);
    if (number(desc, "snapshot") && (options.flags & TN_IMAGE_WRITABLE))
        return block_overlay_open(&disk->overlay, &options, &disk->node,
                                  error);
    return node_open(&options, &disk->node, error);
}

static void disk_free(struct tn_disk *disk)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (disk->watch)
        loop_watch_free(disk->watch);
    if (disk->node && node_close(disk->node, &error))
        tn_log_error("%s", tn_error_text(&error, 0));
    block_overlay_clear(&disk->overlay);
    block_context_free(disk->context);
    throttle_free(disk->throttle);
    g_mutex_clear(&disk->lock);
    g_cond_clear(&disk->idle);
    g_free(disk);
}

static void ready(void *opaque, uint32_t events)
{
    struct tn_disk *disk = opaque;

    (void)events;
    block_context_run(disk->context);
}

static struct tn_disk *disk_open(struct tn_host *host, const char *id,
                                 const struct tn_disk_handlers *handlers,
                                 void *opaque, struct tn_error *error)
{
    const struct tn_machine_desc *machine =
        tn_machine_description(tn_host_machine(host));
    const struct tn_instance_desc *device = tn_host_description(host);
    const struct tn_block_desc *desc;
    struct tn_disk *disk;

    (void)handlers; /* size and read-only never change yet */
    (void)opaque;
    if (!id)
        id = device->backend;
    desc = id ? tn_machine_desc_block(machine, id) : NULL;
    if (!desc) {
        tn_error_set(error, -ENOENT, "there is no disk '%s'", id ? id : "");
        return NULL;
    }
    if (block_secrets_read(machine->secrets, error))
        return NULL;
    disk = g_new0(struct tn_disk, 1);
    g_mutex_init(&disk->lock);
    g_cond_init(&disk->idle);
    disk->device = host;
    disk->desc = desc;
    disk->context = block_context_new(
        number(desc, "aio") == AIO_THREADS ? BLOCK_IO_THREADS : BLOCK_IO_BEST);
    disk->context->secrets = machine->secrets ? machine->secrets->store : NULL;
    if (open_node(disk, machine->registry, error)) {
        disk_free(disk);
        return NULL;
    }
    disk->watch = loop_watch_new(instance_of(host)->loop, NULL,
                                 block_context_fd(disk->context),
                                 TN_WATCH_READ, ready, disk);
    if (!disk->watch) {
        tn_error_set(error, -ENOMEM, "%s: no memory", id);
        disk_free(disk);
        return NULL;
    }
    return disk;
}

static void drain(struct tn_host *host, struct tn_disk *disk)
{
    struct instance *instance = instance_of(host);
    gboolean unlock;

    /* Waiting for itself. */
    if (event_loop_is_current(instance->loop))
        return;
    unlock = instance->lock && thread_is_inside(instance);
    /* The calls stay on record: nothing re-enters on this thread. */
    if (unlock)
        g_mutex_unlock(&instance->lock->mutex);
    throttle_open(disk->throttle, 1);
    g_mutex_lock(&disk->lock);
    while (disk->in_flight)
        g_cond_wait(&disk->idle, &disk->lock);
    g_mutex_unlock(&disk->lock);
    throttle_open(disk->throttle, -1);
    if (unlock)
        g_mutex_lock(&instance->lock->mutex);
}

static void disk_close(struct tn_host *host, struct tn_disk *disk)
{
    if (!disk)
        return;
    drain(host, disk);
    disk_free(disk);
}

static void info(struct tn_host *host, struct tn_disk *disk,
                 struct tn_disk_info *out)
{
    struct block_node *node = disk->node;
    struct block_node *image =
        disk->overlay.directory ? node->backing : node;
    const struct tn_protocol_info *file = &node_file(image, 0)->info;
    gboolean writable = (node->flags & TN_IMAGE_WRITABLE) != 0;
    gboolean discard = writable && node->discard;
    gboolean rotates = (file->flags & TN_PROTOCOL_ROTATIONAL) != 0;
    gboolean through =
        disk->writethrough || atomic_load(&disk->guest_writethrough);
    struct tn_disk_info full = {
        .flags = (writable ? 0 : TN_DISK_READ_ONLY) |
                 (through ? 0 : TN_DISK_WRITEBACK) |
                 (discard ? TN_DISK_CAN_DISCARD | TN_DISK_CAN_UNMAP : 0) |
                 (rotates ? TN_DISK_ROTATIONAL : 0),
        .bytes = node->info.bytes,
        .block_bytes = MAX(node->info.block_bytes, 512u),
        .physical_bytes = MAX(file->physical_bytes, 512u),
        .optimal_bytes = file->optimal_bytes,
        .discard_bytes =
            node->pass ? MAX(file->discard_bytes, 512u)
                       : MAX(node->info.change_bytes, 512u),
        .max_transfer_bytes = MAX_TRANSFER,
        .max_discard_bytes = 2u << 30,
    };
    uint32_t size = MIN(out->size, (uint32_t)sizeof full);

    (void)host;
    g_strlcpy(full.serial, file->serial, sizeof full.serial);
    full.size = size;
    memcpy(out, &full, size);
}

static void set_writeback(struct tn_host *host, struct tn_disk *disk,
                          uint32_t enabled)
{
    (void)host;
    atomic_store(&disk->guest_writethrough, !enabled);
}

static const struct tn_blocks service = {
    .size = sizeof service,
    .open = disk_open,
    .close = disk_close,
    .info = info,
    .submit = submit,
    .drain = drain,
    .set_writeback = set_writeback,
};

void tn_block_register(void)
{
    tn_machine_add_service(TN_HOST_BLOCK, &service);
}
