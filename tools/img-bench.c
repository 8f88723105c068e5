/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tenon-img.h"

static uint64_t count = 75000, depth = 64, offset, size = 4096, step,
                flush_interval, pattern;
static gboolean writes, native, no_drain;
static const char *aio;

static const struct img_option options[] = {
    {'c', "count", "N", IMG_NUMBER, &count, "requests (default 75000)"},
    {'d', "depth", "N", IMG_NUMBER, &depth, "in flight (default 64)"},
    {'o', "offset", "OFFSET", IMG_SIZE, &offset, "of the first"},
    {'s', "buffer-size", "SIZE", IMG_SIZE, &size, "of each (default 4k)"},
    {'S', "step-size", "SIZE", IMG_SIZE, &step,
     "from one to the next (default: their size)"},
    {'w', "write", NULL, IMG_FLAG, &writes, "write, do not read"},
    {0, "pattern", "BYTE", IMG_NUMBER, &pattern, "what to write"},
    {0, "flush-interval", "N", IMG_NUMBER, &flush_interval,
     "flush after so many"},
    {0, "no-drain", NULL, IMG_FLAG, &no_drain,
     "do not wait for the others before a flush"},
    {'i', "aio", "AIO", IMG_TEXT, &aio, "threads, native or io_uring"},
    {'n', "native", NULL, IMG_FLAG, &native, "the same as -i native"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_CACHE,
    IMG_SHARE,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

struct bench {
    struct block_node *node;
    uint64_t left, at;
    guint in_flight;
    gboolean flushing;
    int result;
};

struct request {
    struct block_op op;
    struct iovec iov;
    struct bench *bench;
    gboolean busy;
};

static void done(struct block_op *op, int result)
{
    struct request *r = (struct request *)op;

    r->busy = FALSE;
    r->bench->in_flight--;
    if (op->op == TN_DISK_FLUSH)
        r->bench->flushing = FALSE;
    if (result)
        r->bench->result = result;
}

static void start(struct bench *b, struct request *r, uint32_t kind)
{
    uint64_t end = b->node->info.bytes;

    r->op = (struct block_op){.node = b->node,
                              .op = kind,
                              .iov = &r->iov,
                              .n_iov = 1,
                              .done = done};
    r->bench = b;
    r->busy = TRUE;
    b->in_flight++;
    if (kind == TN_DISK_FLUSH) {
        r->op.n_iov = 0;
        b->flushing = TRUE;
    } else {
        if (b->at + size > end)
            b->at = b->at % end + size > end ? 0 : b->at % end;
        r->op.offset = b->at;
        r->op.bytes = size;
        b->at += step;
        b->left--;
    }
    block_op_start(&r->op);
}

static gboolean flush_is_due(const struct bench *b, uint64_t flushed_at)
{
    return writes && flush_interval && b->left % flush_interval == 0 &&
           b->left < count && b->left != flushed_at;
}

static int measure(struct bench *b, struct request *requests)
{
    uint64_t flushed_at = UINT64_MAX;
    guint i;

    while ((b->left || b->in_flight) && !b->result) {
        for (i = 0; i < depth && requests[i].busy; i++)
            ;
        if (i == depth || (!b->left && !flush_is_due(b, flushed_at)) ||
            (b->flushing && !no_drain)) {
            block_context_wait(img.context);
        } else if (flush_is_due(b, flushed_at)) {
            if (b->in_flight && !no_drain) {
                block_context_wait(img.context);
                continue;
            }
            flushed_at = b->left;
            start(b, &requests[i], TN_DISK_FLUSH);
        } else {
            start(b, &requests[i], writes ? TN_DISK_WRITE : TN_DISK_READ);
        }
    }
    while (b->in_flight)
        block_context_wait(img.context);
    return b->result ? img_fail("Failed request: %s", g_strerror(-b->result))
                     : 0;
}

static int bench(struct block_node *node)
{
    struct bench b = {.node = node, .left = count, .at = offset};
    struct request *requests = g_new0(struct request, depth);
    uint8_t *data = block_file_memory(node_file(node, 0), size * depth);
    int64_t began;
    int status = data ? 0 : img_fail("no memory");

    if (data)
        memset(data, (int)pattern, size * depth);
    for (guint i = 0; i < depth; i++)
        requests[i].iov = (struct iovec){data + i * size, size};
    img_say("Sending %" G_GUINT64_FORMAT " %s requests, %" G_GUINT64_FORMAT
            " bytes each, %" G_GUINT64_FORMAT " in parallel (starting at "
            "offset %" G_GUINT64_FORMAT ", step size %" G_GUINT64_FORMAT ")\n",
            count, writes ? "write" : "read", size, depth, offset, step);
    if (flush_interval)
        img_say("Sending flush every %s%" G_GUINT64_FORMAT " requests\n",
                no_drain ? "" : "", flush_interval);
    began = g_get_monotonic_time();
    if (!status)
        status = measure(&b, requests);
    if (!status)
        img_say("Run completed in %3.3f seconds.\n",
                (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC);
    free(data);
    g_free(requests);
    return status;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache};
    struct block_node *node;
    int status;

    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (!writes && (flush_interval || pattern))
        return img_usage("--flush-interval and --pattern are only available "
                         "in write tests");
    if (no_drain && !flush_interval)
        return img_usage("--no-drain needs --flush-interval");
    if (flush_interval && flush_interval < depth && !no_drain)
        return img_usage("Flush interval can't be smaller than depth");
    if (!count || !depth || depth > 65536 || !size || size > 256u << 20 ||
        size % 512 || step % 512 || offset % 512 || pattern > 255)
        return img_usage("a number is out of range, or no multiple of 512");
    if (aio && strcmp(aio, "threads") && strcmp(aio, "native") &&
        strcmp(aio, "io_uring"))
        return img_usage("Invalid aio option: %s", aio);
    if (img_begin())
        return 1;
    step = step ? step : size;
    open.name = argv[0];
    open.flags = writes ? TN_IMAGE_WRITABLE : 0;
    node = img_open(&open);
    if (!node)
        return 1;
    if (size > node->info.bytes)
        status = img_fail("%s is smaller than a request", node->name);
    else
        status = bench(node);
    return img_close(node) || status;
}

const struct img_command img_bench = {
    "bench", "FILE", "Measure sequential reads or writes", options, run,
    FALSE};
