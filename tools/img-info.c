/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-img info */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/img-snapshots.h"
#include "tools/tenon-img.h"

static gboolean whole_chain, limits;

static const struct img_option options[] = {
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    {0, "backing-chain", NULL, IMG_FLAG, &whole_chain,
     "the images below it too"},
    {0, "limits", NULL, IMG_FLAG, &limits, "what requests are possible"},
    IMG_CACHE,
    IMG_OUTPUT,
    IMG_SHARE,
    IMG_OBJECT,
    IMG_POLICY,
    IMG_END,
};

/* ---- facts ---- */

/* Bytes on the disk; -1: not known. */
static int64_t occupied(const struct block_file *file)
{
    struct stat st;

    if (file->info.fd >= 0 && !fstat(file->info.fd, &st))
        return (int64_t)st.st_blocks * 512;
    return file->info.allocated ? (int64_t)file->info.allocated : -1;
}

/* Those that are the format's own. A data file is another's: scripts take an
 * image's size as the image's file's. */
static guint own_files(const struct block_node *node)
{
    return !strcmp(node->host.entry->info.id, "qcow2") ? 1 : node->files->len;
}

static int64_t all_occupied(const struct block_node *node)
{
    int64_t sum = 0;

    for (guint i = 0; i < own_files(node); i++) {
        int64_t one = occupied(g_ptr_array_index(node->files, i));

        if (one < 0)
            return i ? sum : -1;
        sum += one;
    }
    return sum;
}

/* Of some formats the reference says neither the cluster's size nor whether
 * the image was closed. */
static gboolean is_told(const struct block_node *node)
{
    return strcmp(node->host.entry->info.id, "parallels") != 0;
}

static const char *protocol_of(const struct block_file *file)
{
    const char *id = file->host.entry->info.id;
    struct stat st;

    if (!strcmp(id, "file") && file->info.fd >= 0 &&
        !fstat(file->info.fd, &st) && S_ISBLK(st.st_mode))
        return "host_device";
    return id;
}

/* "file" and those that the format opened. */
static char *child_name(guint index)
{
    return index ? g_strdup_printf("extents.%u", index - 1) : g_strdup("file");
}

static JsonNode *describe(struct block_node *node)
{
    g_autofree char *text = image_describe(node);
    g_autoptr(JsonParser) parser = json_parser_new();

    if (!text || !json_parser_load_from_data(parser, text, -1, NULL))
        return NULL;
    return json_parser_steal_root(parser);
}

static char *full_backing(const struct block_node *node)
{
    const char *name = node->info.backing;

    /* Relative to the image, as it was named. */
    if (image_spec_has_protocol(name) || !strchr(node->name, '/'))
        return g_strdup(name);
    return node_relative(node, name);
}

/* ---- JSON ---- */

static JsonObject *limits_json(const struct block_file *file, gboolean format)
{
    JsonObject *o = json_object_new();

    json_object_set_int_member(o, "request-alignment",
                               format ? MAX(file->info.block_bytes, 512)
                                      : file->info.block_bytes);
    json_object_set_int_member(o, "min-mem-alignment",
                               MAX(file->info.memory_alignment, 1));
    json_object_set_int_member(o, "opt-mem-alignment", sysconf(_SC_PAGESIZE));
    json_object_set_int_member(o, "max-iov", 1024);
    return o;
}

static JsonObject *file_json(struct block_file *file)
{
    JsonObject *o = json_object_new();
    int64_t bytes = occupied(file);
    const char *protocol = protocol_of(file);

    json_object_set_array_member(o, "children", json_array_new());
    json_object_set_int_member(o, "virtual-size",
                               (gint64)img_round_up(file->length, 512));
    json_object_set_string_member(o, "filename", file->name);
    json_object_set_string_member(o, "format", protocol);
    if (bytes >= 0)
        json_object_set_int_member(o, "actual-size", bytes);
    if (!strcmp(protocol, "file")) {
        JsonObject *specific = json_object_new();

        json_object_set_string_member(specific, "type", "file");
        json_object_set_object_member(specific, "data", json_object_new());
        json_object_set_object_member(o, "format-specific", specific);
    }
    if (limits)
        json_object_set_object_member(o, "limits", limits_json(file, FALSE));
    json_object_set_boolean_member(o, "dirty-flag", FALSE);
    return o;
}

static JsonArray *children_json(struct block_node *node)
{
    JsonArray *children = json_array_new();

    for (guint i = own_files(node); i-- > 0;) { /* the last one first */
        JsonObject *child = json_object_new();
        g_autofree char *name = child_name(i);

        json_object_set_string_member(child, "name", name);
        json_object_set_object_member(child, "info",
                                      file_json(node_file(node, i)));
        json_array_add_object_element(children, child);
    }
    return children;
}

static void backing_json(JsonObject *o, const struct block_node *node)
{
    g_autofree char *full = NULL;

    if (!node->info.backing[0])
        return;
    full = full_backing(node);
    json_object_set_string_member(o, "backing-filename", node->info.backing);
    json_object_set_string_member(o, "full-backing-filename", full);
    if (node->info.backing_format[0])
        json_object_set_string_member(o, "backing-filename-format",
                                      node->info.backing_format);
}

static JsonObject *info_json(struct block_node *node)
{
    JsonObject *o = json_object_new();
    JsonArray *snapshots = img_snapshots_json(node);
    JsonNode *data = describe(node);
    int64_t bytes = all_occupied(node);

    json_object_set_array_member(o, "children", children_json(node));
    if (snapshots)
        json_object_set_array_member(o, "snapshots", snapshots);
    json_object_set_int_member(o, "virtual-size", (gint64)node->info.bytes);
    json_object_set_string_member(o, "filename", node->name);
    if (node->info.cluster_bytes && !node->pass && is_told(node))
        json_object_set_int_member(o, "cluster-size",
                                   node->info.cluster_bytes);
    json_object_set_string_member(o, "format", node->host.entry->info.id);
    if (bytes >= 0)
        json_object_set_int_member(o, "actual-size", bytes);
    if (data) {
        JsonObject *specific = json_object_new();

        json_object_set_string_member(specific, "type",
                                      node->host.entry->info.id);
        json_object_set_member(specific, "data", data);
        json_object_set_object_member(o, "format-specific", specific);
    }
    backing_json(o, node);
    if (node->info.flags & TN_FORMAT_ENCRYPTED)
        json_object_set_boolean_member(o, "encrypted", TRUE);
    if (limits)
        json_object_set_object_member(o, "limits",
                                      limits_json(node_file(node, 0), TRUE));
    if (is_told(node) || node->info.flags & TN_FORMAT_DIRTY)
        json_object_set_boolean_member(
            o, "dirty-flag", (node->info.flags & TN_FORMAT_DIRTY) != 0);
    return o;
}

/* ---- for people ---- */

static void print_human(const char *key, JsonNode *node, guint depth);

static void print_inside(JsonNode *node, guint depth)
{
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);

        for (GList *l = names; l; l = l->next)
            print_human(l->data, json_object_get_member(object, l->data),
                        depth);
        return;
    }
    for (guint i = 0; i < json_array_get_length(json_node_get_array(node));
         i++) {
        g_autofree char *index = g_strdup_printf("[%u]", i);

        print_human(index,
                    json_array_get_element(json_node_get_array(node), i),
                    depth);
    }
}

static void print_human(const char *key, JsonNode *node, guint depth)
{
    g_autofree char *name = g_strdelimit(g_strdup(key), "-", ' ');
    GType type;

    printf("%*s%s:", (int)depth * 4, "", name);
    if (!JSON_NODE_HOLDS_VALUE(node)) {
        putchar('\n');
        if (!JSON_NODE_HOLDS_NULL(node))
            print_inside(node, depth + 1);
        return;
    }
    type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING)
        printf(" %s\n", json_node_get_string(node));
    else if (type == G_TYPE_BOOLEAN)
        printf(" %s\n", json_node_get_boolean(node) ? "true" : "false");
    else if (type == G_TYPE_INT64)
        printf(" %" G_GINT64_FORMAT "\n", json_node_get_int(node));
    else
        printf(" %g\n", json_node_get_double(node));
}

static void print_disk_size(int64_t bytes, const char *indent)
{
    g_autofree char *text = bytes < 0 ? NULL : img_size_text((uint64_t)bytes);

    printf("%sdisk size: %s\n", indent, text ? text : "unavailable");
}

static void print_limits(const struct block_file *file, gboolean format,
                         const char *indent)
{
    if (!limits)
        return;
    printf("%sBlock limits:\n", indent);
    printf("%s    request alignment: %u\n", indent,
           format ? MAX(file->info.block_bytes, 512) : file->info.block_bytes);
    printf("%s    min mem alignment: %u\n", indent,
           MAX(file->info.memory_alignment, 1));
    printf("%s    opt mem alignment: %ld\n", indent, sysconf(_SC_PAGESIZE));
    printf("%s    max iov: 1024\n", indent);
}

static void print_children(struct block_node *node)
{
    for (guint i = own_files(node); i-- > 0;) {
        struct block_file *file = node_file(node, i);
        g_autofree char *name = child_name(i);
        uint64_t length = img_round_up(file->length, 512);
        g_autofree char *size = img_size_text(length);

        printf("Child node '/%s':\n", name);
        printf("    filename: %s\n", file->name);
        printf("    protocol type: %s\n", protocol_of(file));
        printf("    file length: %s (%" G_GUINT64_FORMAT " bytes)\n", size,
               length);
        print_disk_size(occupied(file), "    ");
        print_limits(file, FALSE, "    ");
    }
}

static void print_backing(const struct block_node *node)
{
    g_autofree char *full = NULL;

    if (!node->info.backing[0])
        return;
    full = full_backing(node);
    printf("backing file: %s", node->info.backing);
    if (strcmp(full, node->info.backing) != 0)
        printf(" (actual path: %s)", full);
    putchar('\n');
    if (node->info.backing_format[0])
        printf("backing file format: %s\n", node->info.backing_format);
}

static void print_info(struct block_node *node)
{
    g_autofree char *size = img_size_text(node->info.bytes);
    JsonNode *data = describe(node);

    printf("image: %s\n", node->name);
    printf("file format: %s\n", node->host.entry->info.id);
    printf("virtual size: %s (%" G_GUINT64_FORMAT " bytes)\n", size,
           node->info.bytes);
    print_disk_size(all_occupied(node), "");
    if (node->info.flags & TN_FORMAT_ENCRYPTED)
        puts("encrypted: yes");
    if (node->info.cluster_bytes && !node->pass)
        printf("cluster_size: %u\n", node->info.cluster_bytes);
    if (node->info.flags & TN_FORMAT_DIRTY)
        puts("cleanly shut down: no");
    print_backing(node);
    img_snapshots_print(node, "Snapshot list:\n");
    print_limits(node_file(node, 0), TRUE, "");
    if (data) {
        puts("Format specific information:");
        print_inside(data, 1);
        json_node_unref(data);
    }
    print_children(node);
}

/* ---- the command ---- */

static void print_json(struct block_node *node)
{
    JsonNode *root;

    if (whole_chain) {
        JsonArray *array = json_array_new();

        for (struct block_node *n = node; n; n = n->backing)
            json_array_add_object_element(array, info_json(n));
        root = json_node_new(JSON_NODE_ARRAY);
        json_node_take_array(root, array);
    } else {
        root = img_json_object_node(info_json(node));
    }
    img_json_print(root);
    json_node_unref(root);
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache,
                            .flags = TN_IMAGE_NO_IO,
                            .no_backing = !whole_chain};
    struct block_node *node;
    gboolean json;

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
    if (json)
        print_json(node);
    for (struct block_node *n = node; n && !json;
         n = whole_chain ? n->backing : NULL) {
        if (n != node)
            putchar('\n');
        print_info(n);
    }
    node_close(node, NULL);
    return 0;
}

const struct img_command img_info = {
    "info", "FILE", "Say what an image is", options, run, FALSE};
