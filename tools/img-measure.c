/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img measure */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

#define STEP (1ull << 30)
#define BITMAP_ENTRY 24u /* of qcow2's directory, without the name */

static GPtrArray *lists;
static const char *out_format, *snapshot;
static uint64_t size = UINT64_MAX;
static gboolean exact;

static const struct img_option options[] = {
    {'O', "target-format", "FORMAT", IMG_TEXT, &out_format,
     "of the new image (default: raw)"},
    {'o', "target-format-options", "LIST", IMG_LIST, &lists, "its options"},
    {'s', "size", "SIZE", IMG_SIZE, &size, "an empty image of SIZE"},
    {'l', "snapshot", "SNAPSHOT", IMG_TEXT, &snapshot,
     "an internal snapshot of FILE"},
    IMG_EXACT(exact),
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_OUTPUT,
    IMG_SHARE,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

/* Clusters of UNIT bytes in which the source has data. */
static int32_t count_data(struct block_node *node, uint64_t unit,
                          uint64_t *bytes)
{
    uint64_t counted = 0; /* up to here */
    struct image_extent e;

    *bytes = 0;
    for (uint64_t at = 0; at < node->info.bytes; at += e.bytes) {
        int32_t rc = img_extent(node, at, MIN(node->info.bytes - at, STEP),
                                exact, &e);
        uint64_t first = at / unit * unit;
        uint64_t last = img_round_up(at + e.bytes, unit);

        if (rc)
            return rc;
        if (e.zero)
            continue;
        first = MAX(first, counted);
        *bytes += last > first ? last - first : 0;
        counted = MAX(counted, last);
    }
    return 0;
}

/* Could the source have bitmaps? Those of parallels are not copied: none. */
static gboolean may_have_bitmaps(const struct block_node *node)
{
    return node && (!strcmp(node->host.entry->info.id, "parallels") ||
                    (node->fmt.bitmap_info &&
                     strcmp(node->info.format_version, "qcow2 v2") != 0));
}

static uint64_t bitmaps_size(struct block_node *node, uint64_t cluster)
{
    struct tn_image_bitmap b;
    uint64_t sum = 0, directory = 0;

    for (uint32_t i = 0; image_bitmap_info(node, i, &b) == 0; i++) {
        uint64_t bits = (node->info.bytes + b.granularity - 1) / b.granularity;
        uint64_t clusters = ((bits + 7) / 8 + cluster - 1) / cluster;

        if (b.flags & TN_BITMAP_IN_USE)
            continue;
        sum += clusters * cluster + img_round_up(clusters * 8, cluster);
        directory += img_round_up(BITMAP_ENTRY + strlen(b.name), 8);
    }
    return sum + img_round_up(directory, cluster);
}

struct result {
    uint64_t required, full, bitmaps;
    gboolean has_bitmaps;
};

static int measure(struct block_node *node, struct img_make *make,
                   struct result *result)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create,
                               .bytes = make->bytes,
                               .backing = make->backing,
                               .backing_format = make->backing_format};
    struct tn_measure m = {.size = sizeof m};
    int32_t rc = image_measure(img.context, make->format, make->values,
                               &create, &m, &error);

    if (rc == -ENOTSUP && !strcmp(make->format->info.id, "raw")) {
        result->required = result->full = make->bytes;
        return 0;
    }
    if (rc == -ENOTSUP)
        return img_fail("Format driver '%s' does not support size "
                        "measurement", make->format->info.id);
    if (!rc && node && m.cluster_bytes) {
        rc = count_data(node, m.cluster_bytes, &m.data_bytes);
        if (!rc)
            rc = image_measure(img.context, make->format, make->values,
                               &create, &m, &error);
    }
    if (rc)
        return img_fail("%s", tn_error_text(&error, rc));
    result->required = m.required;
    result->full = m.fully_allocated;
    result->has_bitmaps = may_have_bitmaps(node) &&
                          !strcmp(make->format->info.id, "qcow2");
    if (result->has_bitmaps)
        result->bitmaps = bitmaps_size(node, m.cluster_bytes);
    return 0;
}

static void print_result(const struct result *r, gboolean json)
{
    JsonObject *o;
    JsonNode *root;

    if (!json) {
        printf("required size: %" G_GUINT64_FORMAT "\n", r->required);
        printf("fully allocated size: %" G_GUINT64_FORMAT "\n", r->full);
        if (r->has_bitmaps)
            printf("bitmaps size: %" G_GUINT64_FORMAT "\n", r->bitmaps);
        return;
    }
    o = json_object_new();
    if (r->has_bitmaps)
        json_object_set_int_member(o, "bitmaps", (gint64)r->bitmaps);
    json_object_set_int_member(o, "required", (gint64)r->required);
    json_object_set_int_member(o, "fully-allocated", (gint64)r->full);
    root = img_json_object_node(o);
    img_json_print(root);
    json_node_unref(root);
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format, .options = img.image_opts};
    const char *format = out_format ? out_format : "raw";
    struct block_node *node = NULL;
    struct img_make make = {0};
    struct result result = {0};
    gboolean json, has_size = size != UINT64_MAX;
    int status;

    if (img_want_output(&json))
        return 1;
    if (argc > 1 || (argc == 1) == has_size)
        return img_usage(has_size ? "Expecting either a file name or --size"
                                  : "Expecting one image file name or --size");
    if (img_begin())
        return 1;
    if (img_options_help(lists, format, NULL, FALSE, &status))
        return status;
    if (argc == 1) {
        open.name = argv[0];
        node = img_open(&open);
        if (!node)
            return 1;
    }
    status = node && snapshot ? img_view_snapshot(node, snapshot) : 0;
    if (!status)
        status = img_make_init(&make, "new image", format);
    if (!status)
        status = img_make_options(&make, lists);
    if (!status) {
        make.bytes = node ? node->info.bytes : img_round_up(size, 512);
        status = measure(node, &make, &result);
    }
    if (!status)
        print_result(&result, json);
    img_make_clear(&make);
    node_close(node, NULL);
    return status;
}

const struct img_command img_measure = {
    "measure", "FILE | --size SIZE", "Say how large a new image will be",
    options, run, FALSE};
