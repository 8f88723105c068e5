/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making images: -o lists, the backing image's size, create.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/block/values.h"
#include "tools/tenon-img.h"

int img_make_init(struct img_make *make, const char *name, const char *format)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    memset(make, 0, sizeof *make);
    make->name = name;
    make->texts = g_ptr_array_new_with_free_func(g_free);
    make->format = img_format(format);
    if (!make->format)
        return 1;
    make->values = block_values_new(make->format, &error);
    if (!make->values)
        return img_fail("%s: %s", format, tn_error_text(&error, 0));
    return 0;
}

void img_make_clear(struct img_make *make)
{
    if (make->format)
        block_values_free(make->format, make->values);
    if (make->protocol)
        block_values_free(make->protocol, make->protocol_values);
    if (make->texts)
        g_ptr_array_unref(make->texts);
    g_free(make->backing);
    g_free(make->backing_format);
    g_free(make->raw_preallocation);
    memset(make, 0, sizeof *make);
}

/* ---- -o ---- */

/* A file system's affair, not the format's: raw images. */
static int set_preallocation(struct img_make *make, const char *value)
{
    gboolean raw = !strcmp(make->format->info.id, "raw");

    if (strcmp(value, "off") != 0 &&
        !(raw && (!strcmp(value, "falloc") || !strcmp(value, "full"))))
        return img_fail("%s: Unsupported preallocation mode: %s", make->name,
                        value);
    g_free(make->raw_preallocation);
    make->raw_preallocation = raw ? g_strdup(value) : NULL;
    return 0;
}

static gboolean is_protocol_option(struct img_make *make, const char *key)
{
    const struct tn_property *row;

    if (!make->protocol)
        make->protocol = node_protocol(img.registry, make->name, NULL);
    row = make->protocol ? block_values_row(make->protocol, key) : NULL;
    return row && row->flags & TN_PROP_CREATE;
}

static int set_protocol_option(struct img_make *make, const char *key,
                               const char *value)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = 0;

    if (!make->protocol_values)
        make->protocol_values = block_values_new(make->protocol, &error);
    if (make->protocol_values)
        rc = block_values_set(make->protocol, make->protocol_values, key,
                              value, &error);
    if (rc || !make->protocol_values)
        return img_fail("%s: %s", make->name, tn_error_text(&error, rc));
    return 0;
}

/* Made in the current directory, like all that a command names; the image
 * says where that is unless the two are side by side. */
static char *data_file_name(const struct img_make *make, const char *value)
{
    g_autofree char *directory = g_path_get_dirname(make->name);

    if (!*value || g_path_is_absolute(value) || !strcmp(directory, ".") ||
        image_spec_has_protocol(value) || image_spec_has_protocol(make->name))
        return g_strdup(value);
    return g_canonicalize_filename(value, NULL);
}

static int set_one(struct img_make *make, const char *key, const char *value)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *place = NULL;
    const struct tn_property *row;
    int32_t rc;

    if (!strcmp(key, "size")) {
        make->has_size = TRUE;
        if (img_parse_size(value, &make->bytes))
            return img_fail("Invalid image size specified: '%s'", value);
        return 0;
    }
    if (!strcmp(key, "backing_file") || !strcmp(key, "backing-file")) {
        g_free(make->backing);
        make->backing = g_strdup(value);
        return 0;
    }
    if (!strcmp(key, "backing_fmt") || !strcmp(key, "backing-fmt")) {
        g_free(make->backing_format);
        make->backing_format = g_strdup(value);
        return 0;
    }
    row = block_values_row(make->format, key);
    if (!row && !strcmp(key, "preallocation"))
        return set_preallocation(make, value);
    if (!row && is_protocol_option(make, key))
        return set_protocol_option(make, key, value);
    if (!row)
        return img_fail("%s: Invalid parameter '%s': see -o help", make->name,
                        key);
    if (!strcmp(row->name, "data-file"))
        value = place = data_file_name(make, value);
    rc = block_values_set(make->format, make->values, key, value, &error);
    if (rc)
        return img_fail("%s: %s", make->name, tn_error_text(&error, rc));
    g_ptr_array_add(make->texts, g_strdup_printf("%s=%s", row->name, value));
    return 0;
}

int img_make_options(struct img_make *make, GPtrArray *lists)
{
    for (guint i = 0; lists && i < lists->len; i++) {
        const char *rest = g_ptr_array_index(lists, i);
        char *key, *value;

        if (!*rest || *rest == ',' || g_str_has_suffix(rest, ",")) {
            g_autofree char *list = g_strdup(rest);

            if (!g_str_has_suffix(list, ",,") || *rest == ',')
                return img_fail("Invalid option list: %s", list);
        }
        while (image_spec_next(&rest, &key, &value)) {
            int status;

            /* A name alone switches on, "noNAME" off. */
            if (!value && g_str_has_prefix(key, "no") &&
                !block_values_row(make->format, key))
                status = set_one(make, key + 2, "off");
            else
                status = set_one(make, key, value ? value : "on");
            g_free(key);
            g_free(value);
            if (status)
                return status;
        }
    }
    return 0;
}

/* ---- the backing image ---- */

/* As the new image will find it: relative to itself. */
static char *backing_path(const struct img_make *make)
{
    g_autofree char *directory = NULL;

    if (g_path_is_absolute(make->backing) ||
        image_spec_has_protocol(make->backing) ||
        image_spec_has_protocol(make->name))
        return g_strdup(make->backing);
    directory = g_path_get_dirname(make->name);
    return strcmp(directory, ".")
               ? g_build_filename(directory, make->backing, NULL)
               : g_strdup(make->backing);
}

int img_make_backing(struct img_make *make, uint64_t *bytes)
{
    g_autofree char *path = backing_path(make);
    struct img_open open = {.name = path, .format = make->backing_format};
    struct block_node *node;
    int status = 0;

    *bytes = 0;
    if (make->unsafe && make->has_size)
        return 0;
    node = img_open(&open);
    if (!node)
        return img_fail("%s: Could not open backing image", make->name);
    *bytes = node->info.bytes;
    if (!make->backing_format)
        status = img_fail("%s: Backing file specified without backing "
                          "format\nDetected format of %s.",
                          make->name, node->host.entry->info.id);
    node_close(node, NULL);
    return status;
}

/* ---- create ---- */

/* Raw images have no format to reserve their space. */
static uint32_t raw_preallocation(const struct img_make *make)
{
    if (!g_strcmp0(make->raw_preallocation, "falloc"))
        return TN_PREALLOCATE_FALLOC;
    if (!g_strcmp0(make->raw_preallocation, "full"))
        return TN_PREALLOCATE_FULL;
    return TN_PREALLOCATE_OFF;
}

static int preallocate_raw(const struct img_make *make, uint32_t mode)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct img_open open = {.name = make->name,
                            .format = "raw",
                            .flags = TN_IMAGE_WRITABLE};
    struct block_node *node = img_open(&open);
    int32_t rc;

    if (!node)
        return 1;
    rc = block_file_preallocate(node_file(node, 0), 0, make->bytes, mode,
                                &error);
    if (rc)
        img_fail("%s", tn_error_text(&error, rc));
    return img_close(node) || rc;
}

/* The content id of the backing image, for formats that note it. */
static char *backing_id(const struct img_make *make)
{
    g_autofree char *path = make->backing ? backing_path(make) : NULL;
    struct img_open open = {.name = path,
                            .format = make->backing_format,
                            .keep_quiet = TRUE};
    struct block_node *node = path && !make->unsafe ? img_open(&open) : NULL;
    char *id = NULL;

    if (node && node->info.content_id[0])
        id = g_strdup(node->info.content_id);
    if (node)
        node_close(node, NULL);
    return id;
}

int img_make_create(struct img_make *make)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autoptr(image_spec) spec = NULL;
    g_autofree char *id = backing_id(make);
    struct node_options options = {
        .registry = img.registry,
        .context = img.context,
    };
    struct tn_create create = {
        .size = sizeof create,
        .bytes = make->bytes,
        .backing = make->backing,
        .backing_format = make->backing ? make->backing_format : NULL,
        .backing_bytes = make->bytes,
        .backing_id = id,
    };
    uint32_t mode = raw_preallocation(make);
    int32_t rc = -EINVAL;

    if (make->bytes > (uint64_t)INT64_MAX - 511)
        return img_fail("%s: Image size must be less than 8 EiB!", make->name);
    spec = image_spec_new(img.registry, make->name, &error);
    if (spec) {
        image_spec_apply(spec, &options);
        options.format = make->format;
        options.format_values = make->values;
        if (make->protocol_values && options.protocol == make->protocol)
            options.protocol_values = make->protocol_values;
        options.no_flush = TRUE;
        rc = node_create(&options, &create, &error);
    }
    if (rc)
        return img_fail("%s: %s", make->name, tn_error_text(&error, rc));
    return mode == TN_PREALLOCATE_OFF ? 0 : preallocate_raw(make, mode);
}

struct tn_value *img_make_secrets(const struct img_make *make)
{
    struct tn_value *values = block_values_new(make->format, NULL);

    for (guint i = 0; values && i < make->texts->len; i++) {
        const char *text = g_ptr_array_index(make->texts, i);
        g_auto(GStrv) pair = g_strsplit(text, "=", 2);

        /* It was set in the same way before. */
        if (g_str_has_suffix(pair[0], "key-secret"))
            (void)block_values_set(make->format, values, pair[0], pair[1],
                                   NULL);
    }
    return values;
}
