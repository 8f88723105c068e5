/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img bitmap */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

static gboolean add, delete, delete_all, clear, enable, disable;
static GPtrArray *merge;
static const char *source_file, *source_format;
static uint64_t granularity;

static const struct img_option options[] = {
    {0, "add", NULL, IMG_FLAG, &add, "make BITMAP; it records writes"},
    {'g', "granularity", "SIZE", IMG_SIZE, &granularity,
     "bytes for each bit of a new one"},
    {0, "remove", NULL, IMG_FLAG, &delete, "remove BITMAP"},
    {0, "remove-all", NULL, IMG_FLAG, &delete_all, "remove all bitmaps"},
    {0, "clear", NULL, IMG_FLAG, &clear, "clear BITMAP"},
    {0, "enable", NULL, IMG_FLAG, &enable, "record writes from now on"},
    {0, "disable", NULL, IMG_FLAG, &disable, "stop recording"},
    {0, "merge", "BITMAP", IMG_LIST, &merge,
     "add what another bitmap has"},
    {'b', "source-file", "FILE", IMG_TEXT, &source_file,
     "of the bitmaps to merge"},
    {'F', "source-format", "FORMAT", IMG_TEXT, &source_format,
     "of that file"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static int failed(const char *what, const char *name, const char *why)
{
    return img_fail("Operation %s on bitmap %s failed: %s", what, name, why);
}

static int change(struct block_node *node, uint32_t what, const char *verb,
                  const char *name)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_bitmap bitmap = {.size = sizeof bitmap,
                                     .granularity = granularity,
                                     .flags = TN_BITMAP_ENABLED};
    int32_t rc;

    if (strlen(name) >= sizeof bitmap.name)
        return failed(verb, name, "the name is too long");
    strcpy(bitmap.name, name);
    rc = image_bitmap(node, what, &bitmap, &error);
    return rc ? failed(verb, name, tn_error_text(&error, rc)) : 0;
}

static int remove_all(struct block_node *node)
{
    struct tn_image_bitmap bitmap;

    while (image_bitmap_info(node, 0, &bitmap) == 0)
        if (change(node, TN_BITMAP_REMOVE, "remove", bitmap.name))
            return 1;
    return 0;
}

static int merge_one(struct block_node *node, struct block_node *source,
                     const char *name, const char *from_name)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_bitmap to, from;
    int32_t rc;

    if (image_bitmap_find(node, name, &to))
        return failed("merge", name, "there is no such bitmap");
    if (image_bitmap_find(source, from_name, &from))
        return failed("merge", name, "there is no source bitmap of that name");
    if (from.flags & TN_BITMAP_IN_USE)
        return failed("merge", name,
                      "the source bitmap was not saved: it means nothing");
    rc = image_bitmap_merge(node, &to, source, &from, &error);
    return rc ? failed("merge", name, tn_error_text(&error, rc)) : 0;
}

static int merge_all(struct block_node *node, const char *name)
{
    struct img_open open = {.name = source_file, .format = source_format};
    struct block_node *source = source_file ? img_open(&open) : node;
    int status = 0;

    if (!source)
        return 1;
    for (guint i = 0; i < merge->len && !status; i++)
        status = merge_one(node, source, name, g_ptr_array_index(merge, i));
    if (source != node)
        node_close(source, NULL);
    return status;
}

static int change_all(struct block_node *node, const char *name)
{
    int status = 0;

    if (delete_all)
        return remove_all(node);
    if (add)
        status = change(node, TN_BITMAP_ADD, "add", name);
    if (!status && clear)
        status = change(node, TN_BITMAP_CLEAR, "clear", name);
    if (!status && disable)
        status = change(node, TN_BITMAP_DISABLE, "disable", name);
    if (!status && merge)
        status = merge_all(node, name);
    if (!status && enable)
        status = change(node, TN_BITMAP_ENABLE, "enable", name);
    if (!status && delete)
        status = change(node, TN_BITMAP_REMOVE, "remove", name);
    return status;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .flags = TN_IMAGE_WRITABLE};
    struct block_node *node;
    int status;

    if (argc != (delete_all ? 1 : 2))
        return img_usage("Expecting filename and bitmap name");
    if (!(add || delete || delete_all || clear || enable || disable || merge))
        return img_usage("Need at least one of --add, --remove, --remove-all, "
                         "--clear, --enable, --disable, or --merge");
    if (granularity && !add)
        return img_usage("granularity only supported with --add");
    if (source_file && !merge)
        return img_usage("Merge bitmap source file only supported with "
                         "--merge");
    if (img_begin())
        return 1;
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return 1;
    status = change_all(node, argc > 1 ? argv[1] : NULL);
    return img_close(node) || status;
}

const struct img_command img_bitmap = {
    "bitmap", "FILE BITMAP", "Change persistent dirty bitmaps", options, run,
    FALSE};
