/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's disk: in memory, completions in any order the test likes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/block.h"
#include "testhost/private.h"

#define MOST_WAITING 4096u

struct tn_disk {
    struct tn_host *host;
    struct test_disk *disk;
    const struct tn_disk_handlers *handlers;
    void *opaque;
    struct {
        struct tn_disk_request *request;
        int32_t result;
    } waiting[MOST_WAITING];
    uint32_t n_waiting;
    uint32_t scheduled;
};

static struct tn_disk *disk_open(struct tn_host *host, const char *id,
                                 const struct tn_disk_handlers *handlers,
                                 void *opaque, struct tn_error *error)
{
    struct test_disk *disk = testhost_machine_data(host, "disk");
    struct tn_disk *open = calloc(1, sizeof *open);

    (void)id;
    (void)error;
    if (!disk || !open)
        abort();
    open->host = host;
    open->disk = disk;
    open->handlers = handlers;
    open->opaque = opaque;
    disk->open = open;
    return open;
}

static void disk_close(struct tn_host *host, struct tn_disk *open)
{
    (void)host;
    if (open->n_waiting)
        abort();
    open->disk->open = NULL;
    free(open);
}

static void disk_info(struct tn_host *host, struct tn_disk *open,
                      struct tn_disk_info *info)
{
    const struct test_disk *disk = open->disk;
    struct tn_disk_info all = {
        .size = info->size,
        .flags = disk->flags,
        .bytes = disk->bytes,
        .block_bytes = disk->block_bytes,
        .physical_bytes = 4096,
        .optimal_bytes = 65536,
        .discard_bytes = 4096,
    };

    (void)host;
    memcpy(info, &all, info->size < sizeof all ? info->size : sizeof all);
}

/* Complete one, the oldest or any. */
static void complete_one(void *opaque)
{
    struct tn_disk *open = opaque;
    uint32_t at;
    struct tn_disk_request *request;
    int32_t result;

    if (!open->n_waiting)
        return;
    at = open->disk->shuffle
             ? (uint32_t)(testhost_random(&open->disk->shuffle) %
                          open->n_waiting)
             : 0;
    request = open->waiting[at].request;
    result = open->waiting[at].result;
    memmove(&open->waiting[at], &open->waiting[at + 1],
            (--open->n_waiting - at) * sizeof open->waiting[0]);
    request->done(request, result);
}

static int32_t perform(struct test_disk *disk,
                       const struct tn_disk_request *request)
{
    uint64_t at = request->offset;
    uint64_t end;
    uint64_t sum = 0;

    if (disk->fail_next) {
        disk->fail_next--;
        return -EIO;
    }
    if (request->op == TN_DISK_FLUSH) {
        disk->flushes++;
        return 0;
    }
    if (__builtin_add_overflow(at, request->bytes, &end) || end > disk->bytes ||
        (at | request->bytes) % disk->block_bytes)
        return -EINVAL;
    if (request->op != TN_DISK_READ && disk->flags & TN_DISK_READ_ONLY)
        return -EROFS;
    if (request->op >= TN_DISK_DISCARD) {
        memset(disk->content + at, request->op == TN_DISK_DISCARD ? 0xdd : 0,
               request->bytes);
        disk->unmaps += request->flags & TN_DISK_UNMAP;
        return 0;
    }
    for (uint32_t i = 0; i < request->n_iov; i++) {
        const struct tn_iovec *v = &request->iov[i];

        if (request->op == TN_DISK_READ)
            memcpy(v->base, disk->content + at + sum, v->bytes);
        else
            memcpy(disk->content + at + sum, v->base, v->bytes);
        sum += v->bytes;
    }
    if (sum != request->bytes)
        abort();
    return 0;
}

static void disk_submit(struct tn_host *host, struct tn_disk *open,
                        struct tn_disk_request *request)
{
    if (open->n_waiting == MOST_WAITING ||
        (request->op != TN_DISK_READ && request->op != TN_DISK_WRITE &&
         request->n_iov))
        abort();
    open->disk->requests++;
    open->waiting[open->n_waiting].request = request;
    open->waiting[open->n_waiting++].result = perform(open->disk, request);
    testhost_later(host, complete_one, open);
}

static void disk_drain(struct tn_host *host, struct tn_disk *open)
{
    (void)host;
    while (open->n_waiting)
        complete_one(open);
    /* What was scheduled finds nothing, and must not outlive the handle. */
    testhost_forget(host, complete_one, open);
}

static void set_writeback(struct tn_host *host, struct tn_disk *open,
                          uint32_t enabled)
{
    (void)host;
    open->disk->writeback = enabled;
}

static const struct tn_blocks blocks = {
    .size = sizeof(struct tn_blocks),
    .open = disk_open,
    .close = disk_close,
    .info = disk_info,
    .submit = disk_submit,
    .drain = disk_drain,
    .set_writeback = set_writeback,
};

void testhost_disk(struct testhost *machine, struct test_disk *disk)
{
    if (!disk->block_bytes)
        disk->block_bytes = 512;
    testhost_add_service(machine, TN_HOST_BLOCK, &blocks);
    testhost_set_machine_data(machine, "disk", disk);
}

void testhost_disk_changed(struct test_disk *disk)
{
    struct tn_disk *open = disk->open;

    test_enter(instance_of(open->host));
    open->handlers->changed(open->opaque);
    test_leave(instance_of(open->host));
}
