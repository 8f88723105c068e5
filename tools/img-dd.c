/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img dd */
#include <stdio.h>
#include <string.h>

#include "core/block/copy.h"
#include "tools/tenon-img.h"

#define MAX_BLOCK (1u << 30)

static const char *out_format;

static const struct img_option options[] = {
    {'f', "format", "FORMAT", IMG_TEXT, &img.format, "of the input"},
    IMG_IMAGE_OPTS,
    {'O', "output-format", "FORMAT", IMG_TEXT, &out_format,
     "of the output (default: raw)"},
    IMG_SHARE,
    IMG_OBJECT,
    IMG_POLICY,
    {0, NULL, NULL, IMG_HEADING, NULL,
     "bs=SIZE count=BLOCKS skip=BLOCKS if=INPUT of=OUTPUT"},
    IMG_END,
};

static const char *input, *output;
static uint64_t block = 512, count, skip;
static gboolean has_count;

static int number(const char *name, const char *text, uint64_t *value)
{
    if (img_parse_size(text, value))
        return img_fail("invalid number: '%s' for %s", text, name);
    return 0;
}

static int operand(const char *word)
{
    if (g_str_has_prefix(word, "if="))
        input = word + 3;
    else if (g_str_has_prefix(word, "of="))
        output = word + 3;
    else if (g_str_has_prefix(word, "bs="))
        return number("bs", word + 3, &block);
    else if (g_str_has_prefix(word, "skip="))
        return number("skip", word + 5, &skip);
    else if (g_str_has_prefix(word, "count=")) {
        has_count = TRUE;
        return number("count", word + 6, &count);
    } else {
        return img_fail("unrecognized operand %s", word);
    }
    return 0;
}

/* Copies begin and end on sectors; what is shorter is moved. */
static int32_t copy_ragged(struct block_node *from, struct block_node *to,
                           uint64_t start, uint64_t bytes)
{
    g_autofree uint8_t *data = g_malloc0((2u << 20) + 1024);
    uint64_t into = start % 512, at = 0;
    int32_t rc = 0;

    while (at < bytes && !rc) {
        uint64_t n = MIN(bytes - at, 2u << 20);
        uint64_t first = (start + at) / 512 * 512;
        uint64_t need = img_round_up(into + n, 512);
        uint64_t there = MIN(need, from->info.bytes - first);

        rc = image_read(from, first, data, there);
        memmove(data, data + into, n);
        memset(data + n, 0, 1024);
        if (!rc)
            rc = image_write(to, at, data, img_round_up(n, 512));
        at += n;
    }
    return rc;
}

static int copy(struct block_node *from, uint64_t start, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct img_make make;
    struct img_open open = {.name = output,
                            .format = out_format ? out_format : "raw",
                            .cache = "unsafe",
                            .flags = TN_IMAGE_WRITABLE};
    struct block_node *to = NULL;
    int32_t rc;
    int status = img_make_init(&make, output, open.format);

    make.bytes = img_round_up(bytes, 512);
    if (!status)
        status = img_make_create(&make);
    img_make_clear(&make);
    to = status ? NULL : img_open(&open);
    if (!to)
        return 1;
    if (start % 512 || bytes % 512) {
        rc = copy_ragged(from, to, start, bytes);
    } else {
        struct image_copy job = {.source = from,
                                 .target = to,
                                 .source_offset = start,
                                 .bytes = bytes,
                                 .target_is_zero = TRUE,
                                 .sparse = 4096};

        rc = image_copy(&job, &error);
    }
    if (rc)
        img_fail("error while copying: %s", tn_error_text(&error, rc));
    return img_close(to) || rc;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format, .options = img.image_opts};
    struct block_node *from;
    uint64_t start, bytes;
    int status = 0;

    for (int i = 0; i < argc && !status; i++)
        status = operand(argv[i]);
    if (status)
        return status;
    if (!input || !output)
        return img_fail("Must specify both input and output file names");
    if (block == 0 || block > MAX_BLOCK)
        return img_fail("invalid number: bs must be between 1 and 1G");
    if (img_begin())
        return 1;
    open.name = input;
    from = img_open(&open);
    if (!from)
        return 1;
    bytes = from->info.bytes;
    if (has_count && count < bytes / block)
        bytes = count * block;
    if (__builtin_mul_overflow(skip, block, &start) ||
        start >= from->info.bytes) {
        if (skip)
            fprintf(stderr, "tenon-img: %s: cannot skip to specified offset\n",
                    input);
        start = skip ? from->info.bytes : 0;
    }
    bytes = MIN(bytes, from->info.bytes - start);
    status = copy(from, start, bytes);
    node_close(from, NULL);
    return status;
}

const struct img_command img_dd = {
    "dd", "if=INPUT of=OUTPUT ...", "Copy a part of an image", options, run,
    FALSE};
