/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images become a flat table of dotted keys, and that one what
 * node_open() takes.
 */
#include "config.h"

#include "core/block/spec.h"

#include <errno.h>
#include <string.h>

#include "core/block/spec-table.h"
#include "core/block/values.h"

#define MAX_NESTING 64
#define MAX_NAME (64u << 10)

/* ---- lists ---- */

static char *next_until(const char **text, const char *stop)
{
    GString *out = g_string_new(NULL);
    const char *p = *text;

    while (*p) {
        if (*p == ',' && p[1] == ',')
            p++;
        else if (strchr(stop, *p))
            break;
        g_string_append_c(out, *p++);
    }
    *text = p;
    return g_string_free(out, FALSE);
}

gboolean image_spec_next(const char **list, char **key, char **value)
{
    *key = *value = NULL;
    if (!**list)
        return FALSE;
    *key = next_until(list, ",=");
    if (**list == '=') {
        ++*list;
        *value = next_until(list, ",");
    }
    if (**list == ',')
        ++*list;
    return TRUE;
}

/* ---- names ---- */

gboolean image_spec_has_protocol(const char *name)
{
    static const char *const prefixes[] = {"json:", "nbd:", "file:"};

    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(name, prefixes[i]))
            return TRUE;
    return strstr(name, "://") != NULL;
}

static char *nbd_uri(const char *host, const char *port, const char *path,
                     const char *export)
{
    g_autofree char *name =
        g_uri_escape_string(export ? export : "", "/", FALSE);

    if (path) {
        g_autofree char *socket = g_uri_escape_string(path, "/", FALSE);

        return g_strdup_printf("nbd+unix:///%s?socket=%s", name, socket);
    }
    if (strchr(host, ':') && host[0] != '[')
        return g_strdup_printf("nbd://[%s]:%s/%s", host, port, name);
    return g_strdup_printf("nbd://%s:%s/%s", host, port, name);
}

/* nbd:HOST:PORT[:exportname=NAME], nbd:unix:PATH[:exportname=NAME] */
static char *old_nbd_uri(const char *name, struct tn_error *error)
{
    const char *mark = strstr(name, ":exportname=");
    g_autofree char *address =
        mark ? g_strndup(name, (gsize)(mark - name)) : g_strdup(name);
    const char *export = mark ? mark + strlen(":exportname=") : NULL;
    char *colon;

    if (g_str_has_prefix(address, "nbd:unix:"))
        return nbd_uri(NULL, NULL, address + strlen("nbd:unix:"), export);
    colon = strrchr(address + strlen("nbd:"), ':');
    if (!colon) {
        tn_error_set(error, -EINVAL, "'%s' is no nbd:HOST:PORT", name);
        return NULL;
    }
    *colon = 0;
    return nbd_uri(address + strlen("nbd:"), colon + 1, NULL, export);
}

/* The protocol's own name for what the keys say. */
static char *protocol_name(GHashTable *table, const char *prefix,
                           const char *driver, struct tn_error *error)
{
    g_autofree char *filename = spec_table_take(table, prefix, "filename");
    g_autofree char *uri = spec_table_take(table, prefix, "uri");
    g_autofree char *url = spec_table_take(table, prefix, "url");
    const char *any = filename ? filename : uri ? uri : url;

    if (!strcmp(driver, "nbd") && !any) {
        g_autofree char *host = spec_table_take(table, prefix, "server.host");
        g_autofree char *port = spec_table_take(table, prefix, "server.port");
        g_autofree char *path = spec_table_take(table, prefix, "server.path");
        g_autofree char *export = spec_table_take(table, prefix, "export");

        g_free(spec_table_take(table, prefix, "server.type"));
        if (!host)
            host = spec_table_take(table, prefix, "host");
        if (!port)
            port = spec_table_take(table, prefix, "port");
        if (!path)
            path = spec_table_take(table, prefix, "path");
        if (host || path)
            return nbd_uri(host, port ? port : "10809", path, export);
    }
    if (any && g_str_has_prefix(any, "nbd:") &&
        !g_str_has_prefix(any, "nbd://"))
        return old_nbd_uri(any, error);
    if (any)
        return g_strdup(any);
    if (g_str_has_prefix(driver, "null"))
        return g_strdup_printf("%s://", driver);
    tn_error_set(error, -EINVAL,
                 "The '%s' block driver requires a file name", driver);
    return NULL;
}

/* ---- building ---- */

static const struct {
    const char *theirs, *ours;
} protocol_aliases[] = {
    {"host_device", "file"}, {"host_cdrom", "file"}, {"null-co", "null"},
    {"null-aio", "null"},   {"https", "http"},
};

static const char *protocol_id(const char *driver)
{
    for (gsize i = 0; i < G_N_ELEMENTS(protocol_aliases); i++)
        if (!strcmp(driver, protocol_aliases[i].theirs))
            return protocol_aliases[i].ours;
    return driver;
}

/* The rest of the keys under PREFIX are the component's properties. */
static int32_t take_properties(GHashTable *table, const char *prefix,
                               struct tn_component_entry *entry,
                               struct tn_value **values,
                               struct tn_error *error)
{
    GHashTableIter iter;
    gpointer key, text;
    int32_t rc;

    *values = block_values_new(entry, error);
    if (!*values)
        return -EINVAL;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, &text)) {
        const char *name = (const char *)key + strlen(prefix);

        if (!g_str_has_prefix(key, prefix) ||
            !block_values_row(entry, name))
            continue;
        rc = block_values_set(entry, *values, name, text, error);
        if (rc)
            return rc;
        g_hash_table_iter_remove(&iter);
    }
    return 0;
}

/* Keys that mean nothing here, or what is done anyway. */
static void drop_known(GHashTable *table, const char *prefix)
{
    static const char *const known[] = {
        "node-name",  "discard",       "detect-zeroes", "auto-read-only",
        "aio",        "locking",       "lazy-refcounts", "cache-size",
        "l2-cache-size", "refcount-cache-size", "cache-clean-interval",
        "pass-discard-request", "pass-discard-snapshot", "pass-discard-other",
        "overlap-check", "check-cache-dropped", "x-check-cache-dropped",
        "drop-cache", "pr-manager",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        g_free(spec_table_take(table, prefix, known[i]));
}

static int32_t set_protocol(struct image_spec *spec,
                            struct tn_registry *registry, GHashTable *table,
                            const char *prefix, const char *driver,
                            struct tn_error *error)
{
    struct tn_component_entry *entry =
        tn_registry_find(registry, TN_KIND_PROTOCOL, protocol_id(driver));

    if (!entry)
        return tn_error_set(error, -ENOENT, "Unknown driver '%s'", driver);
    spec->name = protocol_name(table, prefix, driver, error);
    if (!spec->name)
        return -EINVAL;
    drop_known(table, prefix);
    if (!strstr(spec->name, "://"))
        spec->protocol = entry;
    else
        spec->protocol = node_protocol(registry, spec->name, error);
    if (!spec->protocol)
        return -ENOENT;
    return take_properties(table, prefix, spec->protocol,
                           &spec->protocol_values, error);
}

static int32_t build(struct image_spec *spec, struct tn_registry *registry,
                     GHashTable *table, const char *prefix, guint depth,
                     struct tn_error *error);

static int32_t build_backing(struct image_spec *spec,
                             struct tn_registry *registry, GHashTable *table,
                             const char *prefix, guint depth,
                             struct tn_error *error)
{
    g_autofree char *inner = g_strconcat(prefix, "backing.", NULL);
    g_autofree char *name = spec_table_take(table, prefix, "backing");

    if (name && *name)
        return tn_error_set(error, -ENOTSUP,
                            "backing: '%s' would be the name of a node, and "
                            "there are none here: say backing.driver and "
                            "backing.file.filename", name);
    spec->no_backing = name != NULL;
    if (name || !spec_table_has(table, inner))
        return 0;
    spec->backing = g_new0(struct image_spec, 1);
    spec->backing->text = g_strdup(spec->text);
    return build(spec->backing, registry, table, inner, depth + 1, error);
}

static int32_t build_file(struct image_spec *spec,
                          struct tn_registry *registry, GHashTable *table,
                          const char *prefix, struct tn_error *error)
{
    g_autofree char *inner = g_strconcat(prefix, "file.", NULL);
    g_autofree char *node = spec_table_take(table, prefix, "file");
    g_autofree char *driver = NULL;

    if (node)
        return tn_error_set(error, -ENOTSUP,
                            "file: '%s' would be the name of a node, and "
                            "there are none here: say file.filename", node);
    if (!spec_table_has(table, inner)) {
        g_autofree char *filename = spec_table_take(table, prefix, "filename");

        if (!filename)
            return tn_error_set(error, -EINVAL,
                                "A block device must be specified for "
                                "\"file\"");
        if (g_str_has_prefix(filename, "nbd:") &&
            !g_str_has_prefix(filename, "nbd://"))
            spec->name = old_nbd_uri(filename, error);
        else
            spec->name = g_strdup(filename);
        return spec->name ? 0 : -EINVAL;
    }
    driver = spec_table_take(table, inner, "driver");
    if (driver && tn_registry_find(registry, TN_KIND_FORMAT, driver) &&
        !tn_registry_find(registry, TN_KIND_PROTOCOL, protocol_id(driver)))
        return tn_error_set(error, -ENOTSUP,
                            "file.driver=%s: a format inside a format is not "
                            "possible", driver);
    return set_protocol(spec, registry, table, inner, driver ? driver : "file",
                        error);
}

static void take_flags(struct image_spec *spec, GHashTable *table,
                       const char *prefix)
{
    spec->read_only |= spec_table_take_flag(table, prefix, "read-only");
    spec->shared |= spec_table_take_flag(table, prefix, "force-share");
    spec->direct |= spec_table_take_flag(table, prefix, "cache.direct");
    spec->no_flush |= spec_table_take_flag(table, prefix, "cache.no-flush");
    g_free(spec_table_take(table, prefix, "cache.writeback"));
}

static int32_t build(struct image_spec *spec, struct tn_registry *registry,
                     GHashTable *table, const char *prefix, guint depth,
                     struct tn_error *error)
{
    g_autofree char *driver = spec_table_take(table, prefix, "driver");
    g_autofree char *file = g_strconcat(prefix, "file.", NULL);
    int32_t rc;

    if (depth > MAX_NESTING)
        return tn_error_set(error, -ELOOP, "nested too deeply");
    take_flags(spec, table, prefix);
    take_flags(spec, table, file);
    rc = build_backing(spec, registry, table, prefix, depth, error);
    if (rc)
        return rc;
    if (driver && !tn_registry_find(registry, TN_KIND_FORMAT, driver) &&
        tn_registry_find(registry, TN_KIND_PROTOCOL, protocol_id(driver))) {
        spec->format = tn_registry_find(registry, TN_KIND_FORMAT, "raw");
        return set_protocol(spec, registry, table, prefix, driver, error);
    }
    if (driver) {
        spec->format = tn_registry_find(registry, TN_KIND_FORMAT, driver);
        if (!spec->format) {
            g_autofree char *hint =
                tn_registry_hint(registry, TN_KIND_FORMAT, driver);

            return tn_error_set(error, -ENOENT, "Unknown driver '%s'%s",
                                driver, hint);
        }
    }
    rc = build_file(spec, registry, table, prefix, error);
    drop_known(table, prefix);
    if (!rc && spec->format)
        rc = take_properties(table, prefix, spec->format, &spec->format_values,
                             error);
    return rc;
}

static struct image_spec *from_table(struct tn_registry *registry,
                                     GHashTable *table, const char *text,
                                     struct tn_error *error)
{
    g_autoptr(image_spec) spec = g_new0(struct image_spec, 1);
    GHashTableIter iter;
    gpointer key;

    spec->text = g_strdup(text);
    if (build(spec, registry, table, "", 0, error))
        return NULL;
    g_hash_table_iter_init(&iter, table);
    if (g_hash_table_iter_next(&iter, &key, NULL)) {
        tn_error_set(error, -EINVAL, "%s: there is no option '%s'", text,
                     (const char *)key);
        return NULL;
    }
    return g_steal_pointer(&spec);
}

struct image_spec *image_spec_from_options(struct tn_registry *registry,
                                           const char *options,
                                           struct tn_error *error)
{
    g_autoptr(GHashTable) table = spec_table_new();
    const char *rest = options;
    char *key, *value;

    while (image_spec_next(&rest, &key, &value)) {
        if (!value) {
            tn_error_set(error, -EINVAL, "'%s': expected '=' after parameter "
                         "'%s'", options, key);
            g_free(key);
            return NULL;
        }
        g_hash_table_replace(table, key, value);
    }
    return from_table(registry, table, options, error);
}

struct image_spec *image_spec_new(struct tn_registry *registry,
                                  const char *name, struct tn_error *error)
{
    struct image_spec *spec;

    if (strlen(name) > MAX_NAME) {
        tn_error_set(error, -ENAMETOOLONG, "the name is too long");
        return NULL;
    }
    if (g_str_has_prefix(name, "json:")) {
        g_autoptr(GHashTable) table = spec_table_new();

        if (spec_table_read_json(table, name + strlen("json:"), error))
            return NULL;
        return from_table(registry, table, name, error);
    }
    spec = g_new0(struct image_spec, 1);
    spec->text = g_strdup(name);
    if (g_str_has_prefix(name, "nbd:") && !g_str_has_prefix(name, "nbd://"))
        spec->name = old_nbd_uri(name, error);
    else if (g_str_has_prefix(name, "file:") &&
             !g_str_has_prefix(name, "file://"))
        spec->name = g_strdup(name + strlen("file:"));
    else
        spec->name = g_strdup(name);
    if (!spec->name)
        g_clear_pointer(&spec, image_spec_free);
    return spec;
}

void image_spec_free(struct image_spec *spec)
{
    if (!spec)
        return;
    image_spec_free(spec->backing);
    if (spec->format)
        block_values_free(spec->format, spec->format_values);
    if (spec->protocol)
        block_values_free(spec->protocol, spec->protocol_values);
    g_free(spec->name);
    g_free(spec->text);
    g_free(spec);
}

void image_spec_apply(const struct image_spec *spec,
                      struct node_options *options)
{
    options->image = spec->name;
    if (spec->format) {
        options->format = spec->format;
        options->format_values = spec->format_values;
    }
    options->protocol = spec->protocol;
    options->protocol_values = spec->protocol_values;
    options->backing_spec = spec->backing;
    options->no_backing |= spec->no_backing;
    options->no_flush |= spec->no_flush;
    if (spec->read_only)
        options->flags &= ~TN_IMAGE_WRITABLE;
    if (spec->shared)
        options->flags |= TN_IMAGE_UNLOCKED | TN_IMAGE_SHARED;
    if (spec->direct)
        options->flags |= TN_IMAGE_DIRECT;
}
