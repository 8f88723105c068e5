/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img resize */
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

static const char *preallocation;
static gboolean shrink;

static const struct img_option options[] = {
    {0, "shrink", NULL, IMG_FLAG, &shrink, "allow the image to get smaller"},
    {0, "preallocation", "MODE", IMG_TEXT, &preallocation,
     "off, metadata, falloc or full: of what is added"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static int preallocate_mode(uint32_t *mode)
{
    static const char *const names[] = {"off", "metadata", "falloc", "full"};

    *mode = TN_PREALLOCATE_OFF;
    if (!preallocation)
        return 0;
    for (uint32_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!strcmp(preallocation, names[i])) {
            *mode = i;
            return 0;
        }
    return img_fail("Invalid preallocation mode '%s'", preallocation);
}

/* SIZE, +SIZE or -SIZE. */
static int new_size(const char *text, uint64_t old, uint64_t *bytes)
{
    gboolean relative = *text == '+' || *text == '-';
    uint64_t size;

    if (img_parse_size(text + relative, &size))
        return img_fail("Invalid image size specified: '%s'", text);
    *bytes = size;
    if (*text == '+')
        *bytes = old + size;
    else if (*text == '-')
        *bytes = size < old ? old - size : 0;
    *bytes = img_round_up(*bytes, 512);
    if (*bytes == 0 || *bytes < (*text == '+' ? old : 0))
        return img_fail("New image size must be positive");
    return 0;
}

static int resize(struct block_node *node, const char *text, uint32_t mode)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    uint64_t old = node->info.bytes, bytes = 0;
    int32_t rc;

    if (new_size(text, old, &bytes))
        return 1;
    if (bytes < old && !shrink) {
        img_warn("Shrinking an image will delete all data beyond the shrunken "
                 "image's end. Before performing such an operation, make sure "
                 "there is no important data there.");
        return img_fail("Use the --shrink option to perform a shrink "
                        "operation.");
    }
    if (bytes <= old && mode != TN_PREALLOCATE_OFF)
        return img_fail("Preallocation can only be used for growing images");
    rc = image_resize(node, bytes, mode, &error);
    if (rc)
        return img_fail("%s", tn_error_text(&error, rc));
    img_say("Image resized.\n");
    return 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .flags = TN_IMAGE_WRITABLE};
    struct block_node *node;
    uint32_t mode;
    int status;

    if (argc != 2)
        return img_usage("Expecting image file name and size");
    if (preallocate_mode(&mode) || img_begin())
        return 1;
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return 1;
    status = resize(node, argv[1], mode);
    return img_close(node) || status;
}

const struct img_command img_resize = {
    "resize", "FILE [+|-]SIZE", "Change an image's size", options, run, TRUE};
