/* SPDX-License-Identifier: Apache-2.0 */
/* Opening images as the options say: policy, cache modes, names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/block/policy.h"
#include "core/block/secret.h"
#include "tools/tenon-img.h"

/* ---- the beginning ---- */

static int make_policy(void)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct block_policy *policy;

    if (!img.no_backing && !img.backing_dirs)
        return 0;
    policy = block_policy_new();
    policy->forbid_backing = img.no_backing;
    for (guint i = 0; img.backing_dirs && i < img.backing_dirs->len; i++) {
        int32_t rc = block_policy_add_directory(
            policy, g_ptr_array_index(img.backing_dirs, i), &error);

        if (rc)
            return img_fail("%s", tn_error_text(&error, rc));
    }
    img.context->policy = policy;
    return 0;
}

int img_begin(void)
{
    int status;

    img.registry = tn_registry_new();
    tn_registry_add_default(img.registry, NULL);
    if (!tn_registry_plugins(img.registry)->len)
        return img_fail("no plugins are installed, and without them there "
                        "are no image formats: see the packages called "
                        "tenon-fmt-* and tenon-proto-*");
    img.context = block_context_new(BLOCK_IO_BEST);
    if (img.jobs)
        g_thread_pool_set_max_threads(img.context->workers,
                                      (gint)MIN(img.jobs, 256u), NULL);
    img.context->registry = img.registry;
    img.context->secrets = block_secrets_new();
    status = make_policy();
    for (guint i = 0; !status && img.objects && i < img.objects->len; i++)
        status = img_object_add(g_ptr_array_index(img.objects, i));
    return status;
}

struct tn_component_entry *img_format(const char *name)
{
    struct tn_component_entry *entry =
        tn_registry_find(img.registry, TN_KIND_FORMAT, name);

    if (!entry) {
        g_autofree char *hint =
            tn_registry_hint(img.registry, TN_KIND_FORMAT, name);

        img_fail("Unknown file format '%s'%s", name, hint);
    }
    return entry;
}

/* ---- cache modes ---- */

gboolean img_cache(const char *cache, uint32_t *flags, gboolean *no_flush)
{
    static const struct {
        const char *name;
        gboolean direct, no_flush;
    } modes[] = {
        {"none", TRUE, FALSE},        {"off", TRUE, FALSE},
        {"directsync", TRUE, FALSE},  {"writeback", FALSE, FALSE},
        {"writethrough", FALSE, FALSE}, {"unsafe", FALSE, TRUE},
    };

    for (gsize i = 0; cache && i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(cache, modes[i].name) != 0)
            continue;
        if (modes[i].direct)
            *flags |= TN_IMAGE_DIRECT;
        *no_flush = modes[i].no_flush;
        return TRUE;
    }
    return !cache;
}

/* ---- images ---- */

static struct image_spec *make_spec(const struct img_open *open,
                                    struct tn_error *error)
{
    g_autofree char *options =
        open->options ? img_objects_in(open->name, error) : NULL;

    if (open->options)
        return options ? image_spec_from_options(img.registry, options, error)
                       : NULL;
    return image_spec_new(img.registry, open->name, error);
}

static void warn_raw(const struct img_open *open, struct block_node *node)
{
    if (!(node->flags & TN_IMAGE_WRITABLE) || open->format || open->options ||
        strcmp(node->host.entry->info.id, "raw") != 0 ||
        g_str_has_prefix(open->name, "json:") || img.quiet)
        return;
    fprintf(stderr,
            "WARNING: Image format was not specified for '%s' and probing "
            "guessed raw.\n"
            "         Automatically detecting the format is dangerous for raw "
            "images: whoever wrote its first bytes chooses the format.\n"
            "         Specify the 'raw' format explicitly (-f raw).\n",
            open->name);
}

struct block_node *img_open(const struct img_open *open)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autoptr(image_spec) spec = NULL;
    struct node_options options = {
        .registry = img.registry,
        .context = img.context,
        .flags = open->flags,
        .discard = TRUE,
        .no_backing = open->no_backing,
        .trust_raw = TRUE,
    };
    struct block_node *node = NULL;
    int32_t rc = -EINVAL;

    if (!img_cache(open->cache, &options.flags, &options.no_flush)) {
        img_fail("Invalid cache option: %s", open->cache);
        return NULL;
    }
    if (img.shared)
        options.flags |= TN_IMAGE_UNLOCKED | TN_IMAGE_SHARED;
    if (open->format) {
        options.format = img_format(open->format);
        options.format_values = open->values;
        if (!options.format)
            return NULL;
    }
    spec = make_spec(open, &error);
    if (spec) {
        image_spec_apply(spec, &options);
        rc = node_open(&options, &node, &error);
    }
    if (rc) {
        if (!open->keep_quiet)
            img_fail("Could not open '%s': %s", open->name,
                     tn_error_text(&error, rc));
        return NULL;
    }
    /* The name that was given, for messages and `info`. */
    if (!open->options && !g_str_has_prefix(open->name, "json:")) {
        g_free(node->name);
        node->name = g_strdup(open->name);
    }
    warn_raw(open, node);
    return node;
}

int img_close(struct block_node *node)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = node_close(node, &error);

    return rc ? img_fail("%s", tn_error_text(&error, rc)) : 0;
}

/* snapshot.id=ID,snapshot.name=NAME, or one of the two alone. */
static int find_snapshot(struct block_node *node, const char *parameter,
                         struct tn_image_snapshot *snapshot)
{
    g_autofree char *id = NULL;
    g_autofree char *name = NULL;
    const char *rest = parameter;
    char *key, *value;

    if (!g_str_has_prefix(parameter, "snapshot."))
        return image_snapshot_find(node, parameter, snapshot);
    while (image_spec_next(&rest, &key, &value)) {
        char **to = !strcmp(key, "snapshot.id")     ? &id
                    : !strcmp(key, "snapshot.name") ? &name
                                                    : NULL;

        g_free(key);
        if (!to || !value) {
            g_free(value);
            return -EINVAL;
        }
        g_free(*to);
        *to = value;
    }
    for (uint32_t i = 0;; i++) {
        int32_t rc = image_snapshot_info(node, i, snapshot);

        if (rc)
            return rc;
        if ((!id || !strcmp(id, snapshot->id)) &&
            (!name || !strcmp(name, snapshot->name)))
            return 0;
    }
}

int img_view_snapshot(struct block_node *node, const char *parameter)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot snapshot;
    int32_t rc = find_snapshot(node, parameter, &snapshot);

    if (rc)
        return img_fail("Failed to load snapshot: %s has no snapshot '%s'",
                        node->name, parameter);
    rc = image_snapshot(node, TN_SNAPSHOT_VIEW, &snapshot, &error);
    if (rc)
        return img_fail("Failed to load snapshot: %s",
                        tn_error_text(&error, rc));
    return 0;
}
