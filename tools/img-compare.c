/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img compare */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tenon-img.h"

#define EXIT_DIFFER 1
#define EXIT_OPEN 2
#define EXIT_MAP 3
#define EXIT_READ 4
#define CHUNK (2u << 20)
#define STEP (1ull << 30)

static const char *second_format;
static gboolean strict;

static const struct img_option options[] = {
    {'f', "a-format", "FORMAT", IMG_TEXT, &img.format, "of FILE1"},
    {'F', "b-format", "FORMAT", IMG_TEXT, &second_format, "of FILE2"},
    IMG_IMAGE_OPTS,
    {'s', "strict", NULL, IMG_FLAG, &strict,
     "sizes and allocation must be equal too"},
    {'T', "cache", "CACHE", IMG_TEXT, &img.source_cache,
     "none, writeback, unsafe, directsync or writethrough"},
    IMG_SHARE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_JOBS,
    IMG_END,
};

static int differ(const char *text, uint64_t offset)
{
    img_progress_end();
    img_say("%s at offset %" G_GUINT64_FORMAT "!\n", text, offset);
    return EXIT_DIFFER;
}

static int read_failed(const struct block_node *node, uint64_t at, int32_t rc)
{
    img_fail("Error while reading offset %" G_GUINT64_FORMAT " of %s: %s", at,
             node->name, g_strerror(-rc));
    return EXIT_READ;
}

/* ---- two reads at once ---- */

struct pair {
    struct block_op op[2];
    struct iovec iov[2];
    int result[2];
    guint pending;
};

static void read_done(struct block_op *op, int result)
{
    struct pair *pair = op->opaque;

    pair->result[op == &pair->op[1]] = result;
    pair->pending--;
}

static void read_start(struct pair *pair, int i, struct block_node *node,
                       uint64_t offset, uint8_t *data, uint64_t bytes)
{
    pair->iov[i] = (struct iovec){data, bytes};
    pair->op[i] = (struct block_op){.node = node,
                                    .op = TN_DISK_READ,
                                    .offset = offset,
                                    .bytes = bytes,
                                    .iov = &pair->iov[i],
                                    .n_iov = 1,
                                    .done = read_done,
                                    .opaque = pair};
    pair->pending++;
    block_op_start(&pair->op[i]);
}

static uint64_t first_difference(const uint8_t *a, const uint8_t *b,
                                 uint64_t bytes)
{
    uint64_t i = 0;

    while (i < bytes && a[i] == b[i])
        i++;
    return i;
}

struct buffers {
    uint8_t *a, *b;
};

static int compare_data(struct block_node *a, struct block_node *b,
                        uint64_t at, uint64_t bytes, const struct buffers *m)
{
    struct pair pair = {0};

    read_start(&pair, 0, a, at, m->a, bytes);
    read_start(&pair, 1, b, at, m->b, bytes);
    while (pair.pending)
        block_context_wait(img.context);
    if (pair.result[0])
        return read_failed(a, at, pair.result[0]);
    if (pair.result[1])
        return read_failed(b, at, pair.result[1]);
    if (!memcmp(m->a, m->b, bytes))
        return 0;
    /* Scripts know the sector. */
    return differ("Content mismatch",
                  (at + first_difference(m->a, m->b, bytes)) & ~511ull);
}

static int expect_zeroes(struct block_node *node, uint64_t at, uint64_t bytes,
                         const struct buffers *m)
{
    int32_t rc = image_read(node, at, m->a, bytes);
    uint64_t i = 0;

    if (rc)
        return read_failed(node, at, rc);
    if (image_is_zero(m->a, bytes))
        return 0;
    while (!m->a[i])
        i++;
    return differ("Content mismatch", (at + i) & ~511ull);
}

static int map_failed(const struct block_node *node)
{
    img_fail("Sector allocation test failed for %s", node->name);
    return EXIT_MAP;
}

/* The part that both have. */
static int compare_common(struct block_node *a, struct block_node *b,
                          uint64_t end, const struct buffers *m)
{
    struct image_extent x = {0}, y = {0};
    uint64_t at = 0;
    int status = 0;

    while (at < end && !status) {
        uint64_t n;

        if (x.offset + x.bytes <= at &&
            image_extent(a, NULL, at, MIN(end - at, STEP), IMAGE_STATUS_HOLES, &x))
            return map_failed(a);
        if (y.offset + y.bytes <= at &&
            image_extent(b, NULL, at, MIN(end - at, STEP), IMAGE_STATUS_HOLES, &y))
            return map_failed(b);
        n = MIN(x.offset + x.bytes, y.offset + y.bytes) - at;
        if (strict && (x.zero != y.zero || x.data != y.data))
            return differ("Strict mode: Offset", at);
        if (!x.zero || !y.zero) {
            n = MIN(n, CHUNK);
            status = x.zero   ? expect_zeroes(b, at, n, m)
                     : y.zero ? expect_zeroes(a, at, n, m)
                              : compare_data(a, b, at, n, m);
        }
        at += n;
        img_progress(NULL, at);
    }
    return status;
}

/* Beyond the end of the shorter one. */
static int compare_rest(struct block_node *node, uint64_t at,
                        const struct buffers *m)
{
    struct image_extent e;
    int status = 0;

    while (at < node->info.bytes && !status) {
        uint64_t n;

        if (image_extent(node, NULL, at, MIN(node->info.bytes - at, STEP),
                         IMAGE_STATUS_HOLES, &e))
            return map_failed(node);
        n = e.zero ? e.bytes : MIN(e.bytes, CHUNK);
        if (!e.zero)
            status = expect_zeroes(node, at, n, m);
        at += n;
        img_progress(NULL, at);
    }
    return status;
}

static int compare(struct block_node *a, struct block_node *b)
{
    struct buffers m = {block_file_memory(node_file(a, 0), CHUNK),
                        block_file_memory(node_file(b, 0), CHUNK)};
    uint64_t common = MIN(a->info.bytes, b->info.bytes);
    struct block_node *longer = a->info.bytes > b->info.bytes ? a : b;
    int status = 0;

    if (!m.a || !m.b) {
        img_fail("no memory");
        return EXIT_READ;
    }
    img_progress_begin(longer->info.bytes);
    if (strict && a->info.bytes != b->info.bytes) {
        img_say("Strict mode: Image size mismatch!\n");
        status = EXIT_DIFFER;
    }
    if (!status)
        status = compare_common(a, b, common, &m);
    if (!status && longer->info.bytes > common) {
        img_say("Warning: Image size mismatch!\n");
        status = compare_rest(longer, common, &m);
    }
    if (!status) {
        img_progress_end();
        img_say("Images are identical.\n");
    }
    free(m.a);
    free(m.b);
    return status;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.options = img.image_opts,
                            .cache = img.source_cache};
    struct block_node *a, *b;
    int status = EXIT_OPEN;

    if (argc != 2) {
        img_usage("Expecting two image file names");
        return EXIT_OPEN;
    }
    if (img_begin())
        return EXIT_OPEN;
    open.name = argv[0];
    open.format = img.format;
    a = img_open(&open);
    if (!a)
        return EXIT_OPEN;
    open.name = argv[1];
    open.format = second_format;
    b = img_open(&open);
    if (b)
        status = compare(a, b);
    node_close(a, NULL);
    node_close(b, NULL);
    return status;
}

const struct img_command img_compare = {
    "compare", "FILE1 FILE2", "Say whether two images have the same content",
    options, run, FALSE};
