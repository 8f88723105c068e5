/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img check */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/tenon-img.h"

#define EXIT_CORRUPT 2
#define EXIT_LEAKS 3
#define EXIT_UNSUPPORTED 63

static const char *repair;
static gboolean exact;

static const struct img_option options[] = {
    {'r', "repair", "leaks|all", IMG_TEXT, &repair, "repair what is found"},
    {0, "exact", NULL, IMG_FLAG, &exact,
     "all counts, of every format, in JSON too"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    {'T', "cache", "CACHE", IMG_TEXT, &img.source_cache,
     "none, writeback, unsafe, directsync or writethrough"},
    IMG_OUTPUT,
    IMG_SHARE,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

static void message(void *opaque, const char *text)
{
    (void)opaque;
    if (!img.quiet)
        fprintf(stderr, "%s\n", text);
}

static void add(JsonObject *o, const char *name, uint64_t value)
{
    if (value)
        json_object_set_int_member(o, name, (gint64)value);
}

/* The reference counts less, or nothing, of these: a script that compares two
 * reports must not see a difference. */
static gboolean has_end(const char *format)
{
    return exact || (strcmp(format, "qed") && strcmp(format, "vdi") &&
                     strcmp(format, "vmdk") && strcmp(format, "vhdx"));
}

static gboolean has_counts(const char *format)
{
    return has_end(format) || !strcmp(format, "qed");
}

static void add_counts(JsonObject *o, const struct tn_check *c)
{
    add(o, "total-clusters", c->total_clusters);
    add(o, "allocated-clusters", c->allocated_clusters);
    add(o, "fragmented-clusters", c->fragmented_clusters);
    add(o, "compressed-clusters", c->compressed_clusters);
}

static void print_json(const struct block_node *node, const struct tn_check *c)
{
    const char *format = node->host.entry->info.id;
    JsonObject *o = json_object_new();
    JsonNode *root;

    if (has_end(format))
        add(o, "image-end-offset", c->image_end);
    add(o, "corruptions", c->corruptions);
    add(o, "leaks", c->leaks);
    add(o, "corruptions-fixed", c->corruptions_fixed);
    add(o, "leaks-fixed", c->leaks_fixed);
    if (has_counts(format))
        add_counts(o, c);
    json_object_set_int_member(o, "check-errors", 0);
    json_object_set_string_member(o, "filename", node->name);
    json_object_set_string_member(o, "format", format);
    root = img_json_object_node(o);
    img_json_print(root);
    json_node_unref(root);
}

static void print_found(const struct tn_check *c)
{
    if (!c->corruptions && !c->leaks)
        puts("No errors were found on the image.");
    if (c->corruptions)
        printf("\n%" G_GUINT64_FORMAT " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may "
               "corrupt it.\n",
               c->corruptions);
    if (c->leaks)
        printf("\n%" G_GUINT64_FORMAT " leaked clusters were found on the "
               "image.\nThis means waste of disk space, but no harm to data.\n",
               c->leaks);
}

static void print_text(const struct tn_check *c)
{
    print_found(c);
    if (c->total_clusters && c->allocated_clusters)
        printf("%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT
               " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed "
               "clusters\n",
               c->allocated_clusters, c->total_clusters,
               (double)c->allocated_clusters * 100 /
                   (double)c->total_clusters,
               (double)c->fragmented_clusters * 100 /
                   (double)c->allocated_clusters,
               (double)c->compressed_clusters * 100 /
                   (double)c->allocated_clusters);
    if (c->image_end)
        printf("Image end offset: %" G_GUINT64_FORMAT "\n", c->image_end);
}

static int check_once(struct block_node *node, struct tn_check *c,
                      uint32_t mode)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    *c = (struct tn_check){.size = sizeof *c,
                           .repair = mode,
                           .message = message};
    rc = image_check(node, c, &error);
    if (rc == -ENOTSUP && !node->fmt.check) {
        img_fail("This image format does not support checks");
        return EXIT_UNSUPPORTED;
    }
    return rc ? img_fail("Check failed: %s", tn_error_text(&error, rc)) : 0;
}

static int check_all(struct block_node *node, uint32_t mode, gboolean json)
{
    struct tn_check c, again;
    int status = check_once(node, &c, mode);

    if (status)
        return status;
    if (c.corruptions_fixed || c.leaks_fixed) {
        if (!json)
            img_say("The following inconsistencies were found and repaired:\n\n"
                    "    %" G_GUINT64_FORMAT " leaked clusters\n"
                    "    %" G_GUINT64_FORMAT " corruptions\n\n"
                    "Double checking the fixed image now...\n",
                    c.leaks_fixed, c.corruptions_fixed);
        status = check_once(node, &again, 0);
        if (status)
            return status;
        again.leaks_fixed = c.leaks_fixed;
        again.corruptions_fixed = c.corruptions_fixed;
        c = again;
    }
    if (json)
        print_json(node, &c);
    else if (!img.quiet)
        print_text(&c);
    return c.corruptions ? EXIT_CORRUPT : c.leaks ? EXIT_LEAKS : 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.source_cache,
                            .flags = TN_IMAGE_CHECK,
                            .no_backing = TRUE};
    struct block_node *node;
    uint32_t mode = 0;
    gboolean json;
    int status;

    if (img_want_output(&json))
        return 1;
    if (repair && strcmp(repair, "leaks") && strcmp(repair, "all"))
        return img_usage("--repair expects 'leaks' or 'all', not '%s'",
                         repair);
    if (repair)
        mode = !strcmp(repair, "leaks") ? 1 : 2;
    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (img_begin())
        return 1;
    open.name = argv[0];
    if (mode)
        open.flags |= TN_IMAGE_WRITABLE;
    node = img_open(&open);
    if (!node)
        return 1;
    status = check_all(node, mode, json);
    return img_close(node) ? 1 : status;
}

const struct img_command img_check = {
    "check", "FILE", "Look for damage and repair it", options, run, FALSE};
