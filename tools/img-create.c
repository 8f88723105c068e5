/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img create */
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

static GPtrArray *lists;
static const char *backing, *backing_format;
static gboolean unsafe;

static const struct img_option options[] = {
    {'f', "format", "FORMAT", IMG_TEXT, &img.format,
     "of the new image (default: raw)"},
    {'o', "options", "LIST", IMG_LIST, &lists,
     "the format's options; -o help lists them"},
    {'b', "backing", "FILE", IMG_TEXT, &backing,
     "store only what differs from FILE"},
    {'F', NULL, "FORMAT", IMG_TEXT, &backing_format, "of the backing file"},
    {'B', "backing-format", "FORMAT", IMG_TEXT, &backing_format, "the same"},
    {'u', "backing-unsafe", NULL, IMG_FLAG, &unsafe,
     "do not look at the backing file"},
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static int fill(struct img_make *make, const char *size)
{
    uint64_t bytes;
    int status = img_make_options(make, lists);

    make->unsafe = unsafe;
    if (!status && backing) {
        if (make->backing)
            return img_fail("%s: Options for the backing file were given "
                            "twice", make->name);
        make->backing = g_strdup(backing);
    }
    if (backing_format) {
        g_free(make->backing_format);
        make->backing_format = g_strdup(backing_format);
    }
    if (make->backing && !*make->backing)
        g_clear_pointer(&make->backing, g_free);
    if (!status && make->backing_format && !img_format(make->backing_format))
        return 1;
    if (!status && size) {
        if (img_parse_size(size, &make->bytes))
            return img_fail("Invalid image size specified: '%s'", size);
        make->has_size = TRUE;
    }
    if (status || !make->backing)
        return status;
    status = img_make_backing(make, &bytes);
    if (!status && !make->has_size) {
        make->bytes = bytes;
        make->has_size = TRUE;
    }
    return status;
}

static int run(int argc, char **argv)
{
    const char *format = img.format ? img.format : "raw";
    struct img_make make = {0};
    int status = img_begin();

    if (status)
        return status;
    if (img_options_help(lists, format, argc ? argv[0] : NULL, FALSE, &status))
        return status;
    if (argc < 1)
        return img_usage("Expecting image file name");
    if (argc > 2)
        return img_usage("Unexpected argument: %s", argv[2]);
    status = img_make_init(&make, argv[0], format);
    if (!status)
        status = fill(&make, argc > 1 ? argv[1] : NULL);
    if (!status && !make.has_size)
        status = img_fail("%s: Image creation needs a size parameter",
                          argv[0]);
    if (!status && !img.quiet)
        img_make_tell(&make);
    make.bytes = img_round_up(make.bytes, 512);
    if (!status)
        status = img_make_create(&make);
    img_make_clear(&make);
    return status;
}

const struct img_command img_create = {
    "create", "FILE [SIZE]", "Make a new image", options, run, FALSE};
