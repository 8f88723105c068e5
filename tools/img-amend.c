/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img amend */
#include <stdio.h>
#include <string.h>

#include "core/block/values.h"
#include "tools/tenon-img.h"

static GPtrArray *lists;
static gboolean force;

static const struct img_option options[] = {
    {'o', "options", "LIST", IMG_LIST, &lists,
     "what to change; -o help lists what can be"},
    {0, "force", NULL, IMG_FLAG, &force, "do what cannot be undone"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_CACHE,
    IMG_PROGRESS,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static int gather(struct block_node *node, GPtrArray *names, GPtrArray *values)
{
    for (guint i = 0; i < lists->len; i++) {
        const char *rest = g_ptr_array_index(lists, i);
        char *key, *value;

        while (image_spec_next(&rest, &key, &value)) {
            const struct tn_property *row =
                block_values_row(node->host.entry, key);

            if (!row || !(row->flags & TN_PROP_AMEND)) {
                int status =
                    img_fail("%s: '%s' cannot be changed: see -o help",
                             node->name, key);

                g_free(key);
                g_free(value);
                return status;
            }
            g_free(key);
            g_ptr_array_add(names, g_strdup(row->name));
            g_ptr_array_add(values, value ? value : g_strdup("on"));
        }
    }
    return 0;
}

static int amend(struct block_node *node)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    struct tn_amend request = {.size = sizeof request, .force = force};
    int32_t rc;

    if (gather(node, names, values))
        return 1;
    request.n = names->len;
    request.names = (const char *const *)names->pdata;
    request.values = (const char *const *)values->pdata;
    img_progress_begin(1);
    rc = image_amend(node, &request, &error);
    if (rc)
        return img_fail("%s", tn_error_text(&error, rc));
    img_progress_end();
    return 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache,
                            .flags = TN_IMAGE_WRITABLE};
    struct block_node *node;
    int status;

    if (!lists)
        return img_usage("Must specify options (-o)");
    if (img_begin())
        return 1;
    if (img.format && img_options_help(lists, img.format, NULL, TRUE, &status))
        return status;
    if (argc != 1)
        return img_usage("Expecting one image file name");
    open.name = argv[0];
    node = img_open(&open);
    if (!node)
        return 1;
    if (!img_options_help(lists, node->host.entry->info.id, NULL, TRUE,
                          &status))
        status = amend(node);
    return img_close(node) || status;
}

const struct img_command img_amend = {
    "amend", "-o LIST FILE", "Change options of an image that exists", options,
    run, FALSE};
