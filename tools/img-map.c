/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img map */
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

#define STEP (1ull << 30)

static uint64_t first, most = UINT64_MAX;
static gboolean exact;

static const struct img_option options[] = {
    {'s', "start-offset", "OFFSET", IMG_SIZE, &first, "begin there"},
    {'l', "max-length", "LENGTH", IMG_SIZE, &most, "look at so much"},
    IMG_EXACT(exact),
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_OUTPUT,
    IMG_SHARE,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static const char *yes(gboolean value)
{
    return value ? "true" : "false";
}

static int print_extent(const struct image_extent *e, gboolean json,
                        gboolean is_first)
{
    if (json) {
        printf("%s{ \"start\": %" G_GUINT64_FORMAT
               ", \"length\": %" G_GUINT64_FORMAT
               ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s, "
               "\"compressed\": %s",
               is_first ? "" : ",\n", e->offset, e->bytes, e->depth,
               yes(e->present), yes(e->zero), yes(e->data),
               yes(e->compressed));
        if (e->plain)
            printf(", \"offset\": %" G_GUINT64_FORMAT, e->at);
        putchar('}');
        return 0;
    }
    if (!e->data || e->zero)
        return 0;
    if (!e->plain)
        return img_fail("File contains external, encrypted or compressed "
                        "clusters.");
    printf("%#-16" G_GINT64_MODIFIER "x%#-16" G_GINT64_MODIFIER
           "x%#-16" G_GINT64_MODIFIER "x%s\n",
           e->offset, e->bytes, e->at, e->node->name);
    return 0;
}

static int print_map(struct block_node *node, gboolean json)
{
    uint64_t end = node->info.bytes - MIN(first, node->info.bytes) > most
                       ? first + most
                       : node->info.bytes;
    struct image_extent last = {0}, e;
    gboolean is_first = TRUE;
    int status = 0;

    if (json)
        putchar('[');
    else
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    for (uint64_t at = first; at < end && !status; at += e.bytes) {
        int32_t rc = img_extent(node, at, MIN(end - at, STEP), exact, &e);

        if (rc)
            return img_fail("Failed to read image metadata: %s",
                            g_strerror(-rc));
        if (last.bytes && image_extent_merge(&last, &e))
            continue;
        if (last.bytes) {
            status = print_extent(&last, json, is_first);
            is_first = FALSE;
        }
        last = e;
    }
    if (last.bytes && !status)
        status = print_extent(&last, json, is_first);
    if (json)
        puts("]");
    return status;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format, .options = img.image_opts};
    struct block_node *node;
    gboolean json;
    int status;

    if (img_want_output(&json))
        return 1;
    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (img_begin())
        return 1;
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return 1;
    status = print_map(node, json);
    node_close(node, NULL);
    return status;
}

const struct img_command img_map = {
    "map", "FILE", "Say where an image's content is", options, run, FALSE};
