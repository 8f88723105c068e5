/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img rebase */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tenon-img.h"

#define CHUNK (2u << 20)
#define STEP (1ull << 30)

static const char *backing, *backing_format;
static gboolean unsafe, compress;

static const struct img_option options[] = {
    {'b', "backing", "FILE", IMG_TEXT, &backing,
     "the new backing file; \"\" for none"},
    {'F', NULL, "FORMAT", IMG_TEXT, &backing_format, "of the backing file"},
    {'B', "backing-format", "FORMAT", IMG_TEXT, &backing_format, "the same"},
    {'u', "backing-unsafe", NULL, IMG_FLAG, &unsafe,
     "change only the name; the content must be the same"},
    {'c', "compress", NULL, IMG_FLAG, &compress,
     "compress what has to be written"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_CACHE,
    {'T', "backing-cache", "CACHE", IMG_TEXT, &img.source_cache,
     "the same for backing files"},
    IMG_SHARE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

struct rebase {
    struct block_node *top, *old, *new;
    struct block_node *shared; /* the old chain's image that the new one is */
    uint8_t *old_data, *new_data;
    uint64_t unit;
};

/* Beyond an image's end, or without one, there are zeroes. */
static int32_t read_below(struct block_node *node, uint64_t at, uint8_t *data,
                          uint64_t bytes)
{
    uint64_t there = 0;

    if (node && at < node->info.bytes)
        there = MIN(bytes, node->info.bytes - at);
    memset(data + there, 0, bytes - there);
    return there ? image_read(node, at, data, there) : 0;
}

static int32_t write_top(struct rebase *r, uint64_t at, const uint8_t *data,
                         uint64_t bytes)
{
    struct iovec iov = {(void *)(uintptr_t)data, bytes};
    struct block_op op = {.node = r->top,
                          .op = TN_DISK_WRITE,
                          .offset = at,
                          .bytes = bytes,
                          .iov = &iov,
                          .n_iov = 1};

    /* Without an image below, zeroes need no space: there they would not
     * hide the new one. */
    if (image_is_zero(data, bytes) && r->old)
        return image_zero(r->top, at, bytes, TN_DISK_UNMAP);
    if (compress && at % r->unit == 0 && r->unit == r->top->info.compress_bytes)
        op.flags = BLOCK_OP_COMPRESS;
    return block_op_wait(&op);
}

/* Write what differs, in whole units. */
static int32_t merge_chunk(struct rebase *r, uint64_t at, uint64_t bytes)
{
    int32_t rc = read_below(r->old, at, r->old_data, bytes);

    if (!rc)
        rc = read_below(r->new, at, r->new_data, bytes);
    for (uint64_t i = 0; i < bytes && !rc;) {
        uint64_t n = MIN(r->unit - (at + i) % r->unit, bytes - i);

        if (memcmp(r->old_data + i, r->new_data + i, n) != 0)
            rc = write_top(r, at + i, r->old_data + i, n);
        i += n;
    }
    return rc;
}

static gboolean known_zero(struct block_node *node, uint64_t at, uint64_t bytes)
{
    struct image_extent e;

    if (!node || at >= node->info.bytes)
        return TRUE;
    return !image_extent(node, NULL, at, MIN(bytes, node->info.bytes - at),
                         IMAGE_STATUS_HOLES, &e) &&
           e.zero && (e.bytes >= bytes || at + e.bytes >= node->info.bytes);
}

static int32_t merge(struct rebase *r)
{
    uint64_t end = r->top->info.bytes, at = 0;
    int32_t rc = 0;

    while (at < end && !rc) {
        struct image_extent e;
        struct tn_extent own;
        uint64_t n;

        rc = image_map(r->top, at, MIN(end - at, STEP), &own);
        if (rc)
            break;
        n = own.bytes;
        if (own.kind == TN_EXTENT_UNALLOCATED && (r->old || r->new)) {
            /* From the image on that both chains have, nothing differs. */
            rc = r->shared ? image_extent(r->top, r->shared, at, n, IMAGE_STATUS_MAP, &e)
                           : 0;
            if (!rc && r->shared && !e.present) {
                n = e.bytes;
            } else if (!rc) {
                n = MIN(n, CHUNK - at % CHUNK);
                if (!known_zero(r->old, at, n) || !known_zero(r->new, at, n))
                    rc = merge_chunk(r, at, n);
            }
        }
        at += n;
        img_progress(NULL, at);
    }
    return rc;
}

static gboolean same_file(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    gboolean same = x && y && !strcmp(x, y);

    free(x);
    free(y);
    return same;
}

static int open_new(struct rebase *r)
{
    g_autofree char *path =
        image_spec_has_protocol(backing) ? g_strdup(backing)
                                         : node_relative(r->top, backing);
    struct img_open open = {.name = path,
                            .format = backing_format,
                            .cache = img.source_cache,
                            .no_backing = unsafe};

    r->new = img_open(&open);
    if (!r->new)
        return 1;
    for (struct block_node *n = r->old; n; n = n->backing)
        if (same_file(n->name, r->new->name))
            r->shared = n;
    return 0;
}

static int rebase(struct rebase *r)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const char *format = backing_format;
    int32_t rc = 0;

    if (!unsafe) {
        r->old_data = g_malloc(CHUNK);
        r->new_data = g_malloc(CHUNK);
        r->unit = MIN(MAX(r->top->info.cluster_bytes, 512u), CHUNK);
        img_progress_begin(r->top->info.bytes);
        rc = merge(r);
        g_free(r->old_data);
        g_free(r->new_data);
        if (rc)
            return img_fail("error while merging the old backing file: %s",
                            g_strerror(-rc));
    }
    rc = image_set_backing(r->top, *backing ? backing : NULL,
                           *backing ? format : NULL,
                           r->new ? r->new->info.content_id : NULL, &error);
    if (rc)
        return img_fail("Could not change the backing file to '%s': %s",
                        backing, tn_error_text(&error, rc));
    img_progress_end();
    return 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache,
                            .flags = TN_IMAGE_WRITABLE,
                            .no_backing = unsafe};
    struct rebase r = {0};
    int status = 0;

    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (!backing)
        return img_usage("Use backing file (-b) option");
    if (*backing && !backing_format)
        return img_fail("Could not change the backing file to '%s': backing "
                        "format must be specified (-F)", backing);
    if (img_begin() || (backing_format && !img_format(backing_format)))
        return 1;
    open.name = argv[0];
    r.top = img_open(&open);
    if (!r.top)
        return 1;
    r.old = r.top->backing;
    /* Unsafe: only for what says which content it is. */
    if (*backing && (!unsafe || r.top->fmt.set_base))
        status = open_new(&r);
    if (!status)
        status = rebase(&r);
    node_close(r.new, NULL);
    return img_close(r.top) || status;
}

const struct img_command img_rebase = {
    "rebase", "-b BACKING FILE", "Change what an image is based on", options,
    run, FALSE};
