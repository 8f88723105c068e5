/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing images and their chains.
 */
#include "core/block/node.h"

#include <errno.h>
#include <string.h>

#include "core/block/policy.h"
#include "core/block/probe.h"
#include "core/block/spec.h"
#include "core/util/log.h"

#define MAX_DEPTH 64
#define MAX_COMPRESS (2u << 20)

/* "nbd://host", "nbd:host:port" -> "nbd"; NULL: a plain file name. */
static char *scheme_of(const char *name)
{
    gsize n = 0;

    while (g_ascii_isalnum(name[n]) || (n && name[n] && strchr("+-.", name[n])))
        n++;
    return n && g_ascii_isalpha(name[0]) && name[n] == ':' ? g_strndup(name, n)
                                                          : NULL;
}

/* A protocol's note names the schemes it serves besides its id. */
static struct tn_component_entry *find_protocol(struct tn_registry *registry,
                                                const char *scheme)
{
    struct tn_component_entry *entry =
        tn_registry_find(registry, TN_KIND_PROTOCOL, scheme);
    GPtrArray *all;

    if (entry)
        return entry;
    all = tn_registry_components(registry);
    for (guint i = 0; i < all->len && !entry; i++) {
        struct tn_component_entry *other = g_ptr_array_index(all, i);
        g_auto(GStrv) schemes = NULL;

        if (other->info.kind != TN_KIND_PROTOCOL)
            continue;
        schemes = g_strsplit(other->info.provides, ",", -1);
        if (g_strv_contains((const char *const *)schemes, scheme))
            entry = other;
    }
    return entry;
}

struct tn_component_entry *node_protocol(struct tn_registry *registry,
                                         const char *name,
                                         struct tn_error *error)
{
    g_autofree char *scheme = scheme_of(name);
    struct tn_component_entry *entry =
        scheme ? find_protocol(registry, scheme) : NULL;

    /* "what:ever" may be a file; "what://ever" is none. */
    if (!entry && (!scheme || strncmp(name + strlen(scheme), "://", 3))) {
        g_free(scheme);
        scheme = g_strdup("file");
        entry = tn_registry_find(registry, TN_KIND_PROTOCOL, scheme);
    }
    if (!entry) {
        g_autofree char *hint =
            tn_registry_hint(registry, TN_KIND_PROTOCOL, scheme);

        tn_error_set(error, -ENOENT, "'%s': no protocol '%s'%s", name, scheme,
                     hint);
    }
    return entry;
}

char *node_relative(const struct block_node *node, const char *name)
{
    g_autofree char *directory = NULL;
    g_autofree char *scheme = NULL;

    if (g_str_has_prefix(name, "file:") && !g_str_has_prefix(name, "file://"))
        name += 5;
    scheme = scheme_of(name);
    if (g_path_is_absolute(name) || strstr(name, "://") ||
        (scheme && find_protocol(node->registry, scheme)))
        return g_strdup(name);
    if (!strchr(node->name, '/') && !strchr(name, ':'))
        return g_strdup(name);
    directory = g_path_get_dirname(node->name);
    return g_build_filename(directory, name, NULL);
}

static struct block_node *node_new(const struct node_options *options)
{
    struct block_node *node = g_new0(struct block_node, 1);

    node->context = options->context;
    node->registry = options->registry;
    node->flags = options->flags;
    node->discard = options->discard;
    node->name = g_strdup(options->image);
    node->files = g_ptr_array_new();
    node->released_new = g_array_new(FALSE, FALSE, sizeof(struct released));
    node->released_flushing =
        g_array_new(FALSE, FALSE, sizeof(struct released));
    node->released_stable = g_array_new(FALSE, FALSE, sizeof(struct released));
    node->released_going = g_array_new(FALSE, FALSE, sizeof(struct released));
    g_queue_init(&node->locks);
    g_queue_init(&node->compressing);
    meta_init(&node->meta);
    return node;
}

static void node_free(struct block_node *node)
{
    plugin_host_clear(&node->host);
    meta_clear(&node->meta);
    for (guint i = 0; i < node->files->len; i++)
        block_file_close(g_ptr_array_index(node->files, i));
    g_ptr_array_unref(node->files);
    g_array_unref(node->released_new);
    g_array_unref(node->released_flushing);
    g_array_unref(node->released_stable);
    g_array_unref(node->released_going);
    g_free(node->name);
    g_free(node);
}

static int32_t open_file(struct block_node *node,
                         const struct node_options *options,
                         struct tn_error *error)
{
    struct tn_component_entry *protocol = options->protocol;
    struct block_file *file;
    int32_t rc;

    if (!protocol)
        protocol = node_protocol(options->registry, options->image, error);
    if (!protocol)
        return -ENOENT;
    rc = block_file_open(node->context, protocol, options->protocol_values,
                         options->image, options->flags, &file, error);
    if (rc)
        return rc;
    file->no_flush = options->no_flush;
    if (file->info.flags & TN_PROTOCOL_READ_ONLY)
        node->flags &= ~TN_IMAGE_WRITABLE;
    g_ptr_array_add(node->files, file);
    return 0;
}

/* The format of an image of which none is stated. Content decides, but never
 * that a writable image is raw: a guest could have written that content. */
static int32_t choose_format(struct block_node *node,
                             const struct node_options *options,
                             struct tn_component_entry **format,
                             struct tn_error *error)
{
    int32_t rc = probe_format(options->registry, node_file(node, 0), format,
                              error);

    if (rc)
        return rc;
    if (!strcmp((*format)->info.id, "raw") && !options->trust_raw &&
        (options->flags & TN_IMAGE_WRITABLE))
        return tn_error_set(error, -EINVAL,
                            "%s: not an image of a known format; if it is a "
                            "raw image say so: format = raw",
                            options->image);
    return 0;
}

static gboolean is_usable(const struct tn_format *f)
{
    return f->open && f->close && f->map;
}

static gboolean is_writable(const struct tn_format *f)
{
    return f->allocate && f->commit && f->cancel;
}

static int32_t load_format(struct block_node *node,
                           const struct node_options *options,
                           struct tn_error *error)
{
    struct tn_component_entry *format = options->format;
    int32_t rc = 0;

    if (!format)
        rc = choose_format(node, options, &format, error);
    if (!rc)
        rc = plugin_host_init(&node->host, format,
                              options->format ? options->format_values : NULL,
                              node->name, node->context, error);
    node->host.node = node;
    if (!rc && (!plugin_host_interface(&node->host, TN_FORMAT, &node->fmt,
                                       sizeof node->fmt) ||
                !is_usable(&node->fmt)))
        rc = tn_error_set(error, -EPROTO, "%s offers no %s", format->info.id,
                          TN_FORMAT);
    return rc;
}

static int32_t check_info(struct block_node *node, struct tn_error *error)
{
    struct tn_image_info *info = &node->info;

    info->backing[sizeof info->backing - 1] = 0;
    info->backing_format[sizeof info->backing_format - 1] = 0;
    info->content_id[sizeof info->content_id - 1] = 0;
    info->backing_id[sizeof info->backing_id - 1] = 0;
    node->pass = (info->flags & TN_FORMAT_PASS) != 0;
    if ((info->flags & TN_FORMAT_DAMAGED) && !(node->flags & TN_IMAGE_CHECK) &&
        (node->flags & TN_IMAGE_WRITABLE))
        return tn_error_set(error, -EROFS,
                            "%s is marked as damaged: check and repair it",
                            node->name);
    if (info->bytes % 512 || info->bytes > (uint64_t)INT64_MAX ||
        info->cluster_bytes > (256u << 20) ||
        info->compress_bytes > MAX_COMPRESS ||
        (!node->pass && (node->flags & TN_IMAGE_WRITABLE) &&
         !(info->flags & TN_FORMAT_IN_PLACE) &&
         (!info->cluster_bytes || !is_writable(&node->fmt))))
        return tn_error_set(error, -ENOTSUP, "%s: %s images cannot be written",
                            node->name, node->host.entry->info.id);
    return 0;
}

static int32_t open_format(struct block_node *node, struct tn_error *error)
{
    int32_t rc;

    node->info = (struct tn_image_info){.size = sizeof node->info};
    node->may_block = TRUE;
    node->opening = TRUE;
    rc = plugin_result(&node->host,
                       node->fmt.open(node->host.self, node->flags,
                                      &node->info, error));
    node->opening = FALSE;
    if (rc)
        tn_error_prefix(error, "%s: ", node->name);
    else
        rc = check_info(node, error);
    if (!rc && (node->flags & TN_IMAGE_WRITABLE))
        rc = node_flush_wait(node);
    node->may_block = FALSE;
    return rc;
}

/* ---- the image below ---- */

/* An image based on another one is good for nothing once that has changed. */
static int32_t check_identity(struct block_node *node, struct tn_error *error)
{
    const struct tn_image_info *info = &node->info;
    const struct tn_image_info *below = &node->backing->info;

    if (!info->backing_id[0] || !strcmp(info->backing_id, below->content_id))
        return 0;
    return tn_error_set(error, -ESTALE,
                        "%s is based on %s as it was when it had the id %s; "
                        "it has %s now: it was changed or replaced since",
                        node->name, node->backing->name, info->backing_id,
                        below->content_id[0] ? below->content_id : "none");
}

/* What the image itself says that it is based on. */
static int32_t named_backing(struct block_node *node,
                             struct node_options *below,
                             struct image_spec **spec, struct tn_error *error)
{
    const char *name = node->info.backing;
    const char *format = node->info.backing_format;
    g_autofree char *path = NULL;

    path = g_str_has_prefix(name, "json:") ? g_strdup(name)
                                           : node_relative(node, name);
    *spec = image_spec_new(node->registry, path, error);
    if (!*spec)
        return tn_error_prefix(error, "%s: its backing image: ", node->name),
               -EINVAL;
    image_spec_apply(*spec, below);
    if (below->format)
        return 0;
    if (!format[0]) {
        tn_warning("%s does not say what format its backing image has: "
                   "guessed from its content",
                   node->name);
        return 0;
    }
    below->format = tn_registry_find(node->registry, TN_KIND_FORMAT, format);
    if (!below->format)
        return tn_error_set(error, -ENOENT,
                            "%s: its backing image has the format '%s', "
                            "which no plugin knows",
                            node->name, format);
    return 0;
}

/* May NODE be based on BELOW, which an image has named? */
static int32_t check_policy(const struct block_node *node,
                            const struct node_options *below,
                            struct tn_error *error)
{
    struct tn_component_entry *protocol = below->protocol;

    if (!protocol)
        protocol = node_protocol(below->registry, below->image, error);
    return protocol ? block_policy_backing(node->context->policy, node->name,
                                           below->image, protocol->info.id,
                                           error)
                    : -ENOENT;
}

static int32_t open_backing(struct block_node *node,
                            const struct node_options *options,
                            struct tn_error *error)
{
    g_autoptr(image_spec) spec = NULL;
    struct node_options below = {
        .registry = options->registry,
        .context = options->context,
        .flags = options->flags &
                 ~(TN_IMAGE_WRITABLE | TN_IMAGE_CHECK | TN_IMAGE_KEEP_ID),
        .trust_raw = TRUE,
        .no_flush = options->no_flush,
        .depth = options->depth + 1,
        /* Not the caller's own word. */
        .named = options->named || !options->backing_spec,
    };
    int32_t rc = 0;

    if (options->backing_node) {
        node->backing = options->backing_node;
        return 0;
    }
    if (options->no_backing ||
        (!node->info.backing[0] && !options->backing_spec))
        return 0;
    if (below.depth > MAX_DEPTH)
        return tn_error_set(error, -ELOOP, "%s: more than %d images in a chain",
                            node->name, MAX_DEPTH);
    if (options->backing_spec)
        image_spec_apply(options->backing_spec, &below);
    else
        rc = named_backing(node, &below, &spec, error);
    below.flags &= ~TN_IMAGE_WRITABLE;
    if (!rc && below.named)
        rc = check_policy(node, &below, error);
    if (rc)
        return rc;
    rc = node_open(&below, &node->backing, error);
    if (rc)
        return tn_error_prefix(error, "%s is based on ", node->name), rc;
    return check_identity(node, error);
}

int32_t node_open(const struct node_options *options,
                  struct block_node **result, struct tn_error *error)
{
    struct block_node *node = node_new(options);
    gboolean opened = FALSE;
    int32_t rc;

    if (!options->context->registry)
        options->context->registry = options->registry;
    rc = open_file(node, options, error);
    if (!rc)
        rc = load_format(node, options, error);
    if (!rc) {
        rc = open_format(node, error);
        opened = node->opened = rc == 0;
    }
    if (!rc)
        rc = open_backing(node, options, error);
    if (rc) {
        if (opened)
            node_close(node, NULL);
        else
            node_free(node);
        return rc;
    }
    *result = node;
    return 0;
}

int32_t node_close(struct block_node *node, struct tn_error *error)
{
    int32_t rc = 0;

    if (!node)
        return 0;
    node->may_block = TRUE;
    if (node->flags & TN_IMAGE_WRITABLE)
        rc = node_flush_wait(node);
    /* Freed space is written down by the flush after the one that freed it.
     * What is released from now on is a leak. */
    node->opened = FALSE;
    node->fmt.close(node->host.self);
    node->fmt.release = NULL;
    if (!rc && (node->flags & TN_IMAGE_WRITABLE))
        rc = node_flush_wait(node);
    if (rc)
        tn_error_set(error, rc, "%s: %s", node->name, g_strerror(-rc));
    if (node->backing)
        node_close(node->backing, NULL);
    node_free(node);
    return rc;
}

int32_t node_create(const struct node_options *options,
                    const struct tn_create *create, struct tn_error *error)
{
    struct node_options with = *options;
    struct tn_component_entry *protocol = options->protocol;
    struct block_node *node;
    int32_t rc;

    if (!options->context->registry)
        options->context->registry = options->registry;
    if (!protocol)
        protocol = node_protocol(options->registry, options->image, error);
    if (!protocol)
        return -ENOENT;
    rc = block_file_create(options->context, protocol, options->protocol_values,
                           options->image, 0, error);
    if (rc)
        return rc;
    with.flags |= TN_IMAGE_WRITABLE;
    node = node_new(&with);
    node->may_block = TRUE;
    node->creating = TRUE;
    rc = open_file(node, &with, error);
    if (!rc)
        rc = load_format(node, &with, error);
    if (!rc && !node->fmt.create)
        rc = tn_error_set(error, -ENOTSUP, "%s images cannot be made",
                          with.format->info.id);
    if (!rc)
        rc = plugin_result(&node->host,
                           node->fmt.create(node->host.self, create, error));
    if (!rc)
        rc = node_flush_wait(node);
    node_free(node);
    return rc;
}
