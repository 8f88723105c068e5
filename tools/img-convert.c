/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img convert */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/block/copy.h"
#include "core/block/values.h"
#include "tools/tenon-img.h"

#define MOST_SPARSE (16u << 20)

static GPtrArray *lists;
static const char *out_format, *backing, *backing_format, *snapshot;
static gboolean target_opts, target_is_zero, bitmaps, skip_broken, offload,
    compress, no_create, any_order, salvage;
static uint64_t sparse = 4096, rate;
static uint64_t parallel = UINT64_MAX; /* which is: as suits */

static const struct img_option options[] = {
    {'f', "source-format", "FORMAT", IMG_TEXT, &img.format,
     "of every SOURCE (default: look at them)"},
    IMG_IMAGE_OPTS,
    {'O', "target-format", "FORMAT", IMG_TEXT, &out_format,
     "of TARGET (default: raw)"},
    {0, "target-image-opts", NULL, IMG_FLAG, &target_opts,
     "TARGET is a list of KEY=VALUE; needs -n"},
    {'o', "target-format-options", "LIST", IMG_LIST, &lists,
     "the format's options; -o help lists them"},
    {'b', "backing", "FILE", IMG_TEXT, &backing,
     "TARGET stores only what differs from FILE, which has the content of "
     "the source's base"},
    {'B', NULL, "FILE", IMG_TEXT, &backing, "the same"},
    {'F', "backing-format", "FORMAT", IMG_TEXT, &backing_format,
     "of the backing file"},
    {'l', "snapshot", "SNAPSHOT", IMG_TEXT, &snapshot,
     "convert an internal snapshot"},
    {'c', "compress", NULL, IMG_FLAG, &compress, "compress"},
    {'n', "no-create", NULL, IMG_FLAG, &no_create, "TARGET exists already"},
    {0, "target-is-zero", NULL, IMG_FLAG, &target_is_zero,
     "with -n: TARGET reads as zeroes"},
    {'S', "sparse-size", "SIZE", IMG_SIZE, &sparse,
     "so many zeroes are not stored (default 4k; 0: store all)"},
    {0, "bitmaps", NULL, IMG_FLAG, &bitmaps, "copy persistent bitmaps too"},
    {0, "skip-broken-bitmaps", NULL, IMG_FLAG, &skip_broken,
     "leave those out that were not saved"},
    {0, "salvage", NULL, IMG_FLAG, &salvage,
     "what cannot be read becomes zeroes"},
    {'C', "copy-range-offloading", NULL, IMG_FLAG, &offload,
     "let the file system copy, zeroes or not"},
    {'W', "oob-writes", NULL, IMG_FLAG, &any_order,
     "write in the order in which reads end"},
    {'m', "parallel", "N", IMG_NUMBER, &parallel, "requests in flight"},
    {'r', "rate-limit", "RATE", IMG_SIZE, &rate, "bytes a second"},
    IMG_SOURCE_CACHE,
    {'t', "target-cache", "CACHE", IMG_TEXT, &img.cache,
     "the same for TARGET (default: unsafe)"},
    IMG_JOBS,
    IMG_SHARE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

/* ---- sources ---- */

static void close_sources(GPtrArray *sources)
{
    for (guint i = 0; i < sources->len; i++)
        node_close(g_ptr_array_index(sources, i), NULL);
    g_ptr_array_unref(sources);
}

static int open_sources(GPtrArray *sources, int n, char **names,
                        uint64_t *bytes)
{
    *bytes = 0;
    for (int i = 0; i < n; i++) {
        struct img_open open = {.name = names[i],
                                .format = img.format,
                                .options = img.image_opts,
                                .cache = img.source_cache};
        struct block_node *node = img_open(&open);

        if (!node)
            return 1;
        g_ptr_array_add(sources, node);
        if (snapshot && img_view_snapshot(node, snapshot))
            return 1;
        if (__builtin_add_overflow(*bytes, node->info.bytes, bytes))
            return img_fail("together the sources are too large");
    }
    return 0;
}

/* ---- the target ---- */

static int make_target(struct img_make *make, uint64_t bytes)
{
    uint64_t backing_bytes;
    int status = img_make_options(make, lists);

    if (status)
        return status;
    if (backing) {
        if (make->backing)
            return img_fail("%s: the backing file was given twice",
                            make->name);
        make->backing = g_strdup(backing);
    }
    if (backing_format) {
        g_free(make->backing_format);
        make->backing_format = g_strdup(backing_format);
    }
    if (make->backing && img_make_backing(make, &backing_bytes))
        return 1;
    if (!make->has_size)
        make->bytes = bytes;
    if (make->bytes < bytes)
        return img_fail("Output file is smaller than input file");
    return img_make_create(make);
}

static struct block_node *open_target(const struct img_make *make,
                                      const char *name)
{
    struct img_open open = {
        .name = name,
        .format = target_opts ? NULL : make->format->info.id,
        .options = target_opts,
        .cache = img.cache ? img.cache : "unsafe",
        .flags = TN_IMAGE_WRITABLE,
    };
    struct tn_value *secrets = make->format ? img_make_secrets(make) : NULL;
    struct block_node *node;

    open.values = secrets;
    node = img_open(&open);
    if (secrets)
        block_values_free(make->format, secrets);
    return node;
}

/* ---- bitmaps ---- */

static int copy_bitmap(struct block_node *to, struct block_node *from,
                       const struct tn_image_bitmap *bitmap)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_bitmap fresh = *bitmap;
    int32_t rc;

    fresh.flags &= TN_BITMAP_ENABLED;
    rc = image_bitmap(to, TN_BITMAP_ADD, &fresh, &error);
    if (!rc)
        rc = image_bitmap_find(to, bitmap->name, &fresh);
    if (!rc)
        rc = image_bitmap_merge(to, &fresh, from, bitmap, &error);
    if (rc)
        return img_fail("Failed to copy bitmap %s: %s", bitmap->name,
                        tn_error_text(&error, rc));
    return 0;
}

static int copy_bitmaps(struct block_node *to, struct block_node *from)
{
    struct tn_image_bitmap bitmap;
    int status = 0;

    for (uint32_t i = 0; !status; i++) {
        int32_t rc = image_bitmap_info(from, i, &bitmap);

        if (rc == -ENOENT)
            break;
        if (rc)
            return img_fail("%s: reading its bitmaps: %s", from->name,
                            g_strerror(-rc));
        if (!(bitmap.flags & TN_BITMAP_IN_USE))
            status = copy_bitmap(to, from, &bitmap);
        else if (skip_broken)
            img_warn("Skipping inconsistent bitmap '%s'", bitmap.name);
        else
            status = img_fail("Cannot copy inconsistent bitmap '%s'\n"
                              "Try --skip-broken-bitmaps, or use 'tenon-img "
                              "bitmap --remove' to delete it",
                              bitmap.name);
    }
    return status;
}

/* ---- the copy ---- */

static void unreadable(void *opaque, uint64_t offset, uint64_t bytes, int rc)
{
    (void)opaque;
    if (!img.quiet)
        fprintf(stderr, "tenon-img: warning: error while reading offset %"
                G_GUINT64_FORMAT " (%" G_GUINT64_FORMAT " bytes): %s\n",
                offset, bytes, g_strerror(-rc));
}

static uint64_t done_before;

static void progress(void *opaque, uint64_t done)
{
    (void)opaque;
    img_progress(NULL, done_before + done);
}

static int copy_all(GPtrArray *sources, struct block_node *target,
                    gboolean is_zero)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    uint64_t at = 0;

    for (guint i = 0; i < sources->len; i++) {
        struct block_node *source = g_ptr_array_index(sources, i);
        struct image_copy copy = {
            .source = source,
            .target = target,
            .target_offset = at,
            .bytes = source->info.bytes,
            .compress = compress,
            .target_is_zero = is_zero,
            .any_order = any_order,
            .salvage = salvage,
            .offload = offload,
            .sparse = sparse,
            .rate = rate,
            .parallel = parallel == UINT64_MAX ? 0
                                               : (guint)MIN(parallel, 64),
            .progress = progress,
            .unreadable = unreadable,
        };
        int32_t rc;

        /* What the source's base has, the target's has too. */
        if (target->backing && source->backing) {
            copy.stored_only = TRUE;
            copy.base = source->backing;
        }
        done_before = at;
        rc = image_copy(&copy, &error);
        if (rc)
            return img_fail("%s", tn_error_text(&error, rc));
        at += source->info.bytes;
    }
    return 0;
}

static gboolean reads_zero(struct block_node *target)
{
    if (target->backing)
        return FALSE;
    if (no_create)
        return target_is_zero;
    if (target->info.flags & TN_FORMAT_ENCRYPTED) {
        struct image_extent e;

        /* Zeroes that are there decrypt to anything. */
        return !image_extent(target, NULL, 0, target->info.bytes,
                             IMAGE_STATUS_MAP, &e) &&
               e.zero && !e.data;
    }
    return !target->pass ||
           (node_file(target, 0)->info.flags & TN_PROTOCOL_ZERO_INIT);
}

static int check_target(const struct block_node *target, uint64_t bytes)
{
    if (target->info.bytes < bytes)
        return img_fail("Output file is smaller than input file");
    if (target_is_zero && target->backing)
        return img_fail("Cannot use --target-is-zero when the destination "
                        "image has a backing file");
    if (compress && (!target->info.compress_bytes || !target->fmt.encode))
        return img_fail("Compression not supported for this file format");
    if (bitmaps && !target->fmt.bitmap)
        return img_fail("Format driver '%s' does not support bitmaps",
                        target->host.entry->info.id);
    return 0;
}

static int convert(GPtrArray *sources, struct img_make *make,
                   const char *name, uint64_t bytes)
{
    struct block_node *target;
    int status = 0;

    if (!no_create)
        status = make_target(make, bytes);
    if (status)
        return status;
    target = open_target(make, name);
    if (!target)
        return 1;
    if (target->info.flags & TN_FORMAT_SEQUENTIAL)
        compress = TRUE;
    status = check_target(target, bytes);
    if (!status) {
        img_progress_begin(bytes);
        status = copy_all(sources, target, reads_zero(target));
    }
    if (!status && bitmaps)
        status = copy_bitmaps(target, g_ptr_array_index(sources, 0));
    status |= img_close(target);
    if (!status)
        img_progress_end();
    return status;
}

static int check_options(int argc)
{
    if (argc < 2)
        return img_usage("Must specify image file name");
    if (target_opts && !no_create)
        return img_fail("--target-image-opts requires use of -n flag");
    if (target_is_zero && !no_create)
        return img_fail("--target-is-zero requires use of -n flag");
    if (no_create && (lists || backing))
        return img_fail("-n cannot be used with -o or -B: nothing is made");
    if (skip_broken && !bitmaps)
        return img_fail("Use of --skip-broken-bitmaps requires --bitmaps");
    if (compress && any_order)
        return img_fail("Out of order write and compress are mutually "
                        "exclusive");
    if (compress && offload)
        return img_fail("Cannot enable copy offloading when -c is used");
    if (sparse % 512 || sparse > MOST_SPARSE)
        return img_fail("Invalid buffer size for sparse output specified. "
                        "Valid sizes are multiples of 512 up to %u. Select 0 "
                        "to disable sparse detection (fully allocates "
                        "output).", MOST_SPARSE);
    if (parallel == 0)
        return img_fail("Invalid number of requests in flight specified: it "
                        "must be at least 1");
    if (bitmaps && argc > 2)
        return img_fail("Copying bitmaps only possible with single source");
    return 0;
}

static int run(int argc, char **argv)
{
    const char *format = out_format ? out_format : "raw";
    GPtrArray *sources;
    struct img_make make = {0};
    uint64_t bytes;
    int status = 0;

    if (img_begin())
        return 1;
    if (img_options_help(lists, format, NULL, FALSE, &status))
        return status;
    status = check_options(argc);
    if (status)
        return status;
    sources = g_ptr_array_new();
    if (img.quiet)
        img.progress = FALSE;
    status = open_sources(sources, argc - 1, argv, &bytes);
    if (!status && !target_opts)
        status = img_make_init(&make, argv[argc - 1], format);
    if (!status)
        status = convert(sources, &make, argv[argc - 1], bytes);
    img_make_clear(&make);
    close_sources(sources);
    return status;
}

const struct img_command img_convert = {
    "convert", "SOURCE... TARGET", "Copy images, from format to format",
    options, run, FALSE};
