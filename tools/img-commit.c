/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img commit */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/copy.h"
#include "tools/tenon-img.h"

static const char *base_name;
static gboolean drop;
static uint64_t rate;

static const struct img_option options[] = {
    {'b', "base", "FILE", IMG_TEXT, &base_name,
     "commit down to this image of the chain; implies -d"},
    {'d', "drop", NULL, IMG_FLAG, &drop, "do not empty FILE afterwards"},
    {'r', "rate-limit", "RATE", IMG_SIZE, &rate, "bytes a second"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_CACHE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_JOBS,
    IMG_END,
};

/* The images of a chain, by name and format, from the top. */
struct layer {
    char *name, *format;
};

static void layer_clear(gpointer data)
{
    struct layer *layer = data;

    g_free(layer->name);
    g_free(layer->format);
}

static gboolean same_file(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    gboolean same = !strcmp(a, b) || (x && y && !strcmp(x, y));

    free(x);
    free(y);
    return same;
}

/* The names down to the base, which is the last one. */
static int find_layers(const struct img_open *open, GArray *layers)
{
    struct img_open look = *open;
    struct block_node *top;
    gboolean found = FALSE;

    look.flags = 0;
    top = img_open(&look);
    if (!top)
        return 1;
    for (struct block_node *n = top; n && !found; n = n->backing) {
        struct layer layer = {g_strdup(n->name),
                              g_strdup(n->host.entry->info.id)};

        g_array_append_val(layers, layer);
        if (n != top)
            found = !base_name || same_file(n->name, base_name);
    }
    node_close(top, NULL);
    if (found)
        return 0;
    if (base_name && layers->len > 1)
        return img_fail("Did not find '%s' in the backing chain of '%s'",
                        base_name, open->name);
    return img_fail("Image does not have a backing file");
}

/* The chain with a base that can be written. */
static struct block_node *open_layers(const struct img_open *top,
                                      GArray *layers)
{
    struct block_node *below = NULL;

    for (guint i = layers->len; i-- > 0;) {
        const struct layer *layer = &g_array_index(layers, struct layer, i);
        struct img_open open = {.name = layer->name,
                                .format = layer->format,
                                .cache = img.cache,
                                .no_backing = below != NULL};
        struct block_node *node;

        if (i == 0)
            open = *top;
        if (i == 0)
            open.no_backing = TRUE;
        if (i == 0)
            open.flags = TN_IMAGE_WRITABLE;
        /* What is based on it has the same content before and after, and must
         * accept it whenever this ends. */
        if (i + 1 == layers->len)
            open.flags = TN_IMAGE_WRITABLE | TN_IMAGE_KEEP_ID;
        node = img_open(&open);
        if (!node) {
            node_close(below, NULL);
            return NULL;
        }
        node->backing = below ? below : node->backing;
        below = node;
    }
    return below;
}

static int commit(struct block_node *top, struct block_node *base)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_copy copy = {
        .source = top,
        .target = base,
        .rate = rate,
        .progress = img_progress,
    };
    gboolean kept;
    int32_t rc = image_commit(&copy, !drop && !base_name, &kept, &error);

    if (rc)
        return img_fail("Error during commit: %s", tn_error_text(&error, rc));
    if (kept)
        img_warn("%s: its format cannot be emptied: it keeps its copy of the "
                 "data", top->name);
    return 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache};
    g_autoptr(GArray) layers = g_array_new(FALSE, FALSE, sizeof(struct layer));
    struct block_node *top, *base;
    int status;

    g_array_set_clear_func(layers, layer_clear);
    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (img_begin())
        return 1;
    open.name = argv[0];
    if (find_layers(&open, layers))
        return 1;
    top = open_layers(&open, layers);
    if (!top)
        return 1;
    base = top;
    for (guint i = 1; i < layers->len; i++)
        base = base->backing;
    img_progress_begin(top->info.bytes);
    status = commit(top, base);
    status |= img_close(top);
    if (!status) {
        img_progress_end();
        img_say("Image committed.\n");
    }
    return status;
}

const struct img_command img_commit = {
    "commit", "FILE", "Write an image's changes into the one it is based on",
    options, run, FALSE};
