/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of format and protocol instances.
 */
#include "core/block/plugin-host.h"

#include <errno.h>
#include <string.h>

#include "core/block/secret.h"

static struct plugin_host *of(struct tn_host *host)
{
    return (struct plugin_host *)host;
}

/* ---- log ---- */

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    if (text)
        tn_log_write(&of(host)->log, level, text);
}

static void set_error(struct tn_host *host, struct tn_error *error,
                      const char *text)
{
    (void)host;
    if (error && text)
        tn_error_set(error, 0, "%s", text);
}

static uint32_t enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    return tn_log_enabled(level) ? 1 : 0;
}

static const struct tn_log log_service = {
    .size = sizeof log_service,
    .write = log_write,
    .set_error = set_error,
    .enabled = enabled,
};

/* ---- properties ---- */

static const struct tn_value *value_of(struct tn_host *host, const char *name)
{
    const struct tn_component_entry *entry = of(host)->entry;

    for (guint i = 0; name && i < entry->info.n_properties; i++)
        if (!strcmp(entry->properties[i].name, name))
            return &of(host)->values[i];
    return NULL;
}

static const struct tn_value_item *item_of(struct tn_host *host,
                                           const char *name, uint32_t index)
{
    const struct tn_value *value = value_of(host, name);

    return value && index < value->n_items ? &value->items[index] : NULL;
}

static uint32_t is_set(struct tn_host *host, const char *name)
{
    const struct tn_value *value = value_of(host, name);

    return value && value->set;
}

static uint64_t get_item_uint(struct tn_host *host, const char *name,
                              uint32_t index)
{
    const struct tn_value_item *item = item_of(host, name, index);

    return item ? item->number : 0;
}

static uint64_t get_uint(struct tn_host *host, const char *name)
{
    return get_item_uint(host, name, 0);
}

static int64_t get_int(struct tn_host *host, const char *name)
{
    return (int64_t)get_uint(host, name);
}

static const char *get_string(struct tn_host *host, const char *name)
{
    const struct tn_value *value = value_of(host, name);

    return value ? value->text : NULL;
}

static uint32_t count(struct tn_host *host, const char *name)
{
    const struct tn_value *value = value_of(host, name);

    return value ? value->n_items : 0;
}

static const char *get_item(struct tn_host *host, const char *name,
                            uint32_t index)
{
    const struct tn_value_item *item = item_of(host, name, index);

    return item ? item->text : NULL;
}

static int32_t get_mac(struct tn_host *host, const char *name, uint8_t mac[6])
{
    (void)host;
    (void)name;
    (void)mac;
    return -ENOENT;
}

static const char *instance_id(struct tn_host *host)
{
    return of(host)->log.name;
}

static const struct tn_props props_service = {
    .size = sizeof props_service,
    .is_set = is_set,
    .get_uint = get_uint,
    .get_int = get_int,
    .get_string = get_string,
    .count = count,
    .get_item = get_item,
    .get_item_uint = get_item_uint,
    .get_mac = get_mac,
    .instance_id = instance_id,
};

static const void *service(struct tn_host *host, const char *id)
{
    if (id && !strcmp(id, TN_HOST_LOG))
        return &log_service;
    if (id && !strcmp(id, TN_HOST_PROPS))
        return &props_service;
    if (id && !strcmp(id, TN_HOST_SECRET))
        return &block_secret_service;
    if (id && !strcmp(id, TN_HOST_IMAGE) &&
        of(host)->entry->info.kind == TN_KIND_FORMAT)
        return &block_image_service;
    if (id && !strcmp(id, TN_HOST_CHILD) &&
        of(host)->entry->info.kind == TN_KIND_PROTOCOL)
        return &block_child_service;
    return NULL;
}

/* ---- life ---- */

static int32_t make_defaults(struct plugin_host *host, struct tn_error *error)
{
    struct tn_component_entry *entry = host->entry;

    host->defaults = g_new0(struct tn_value, entry->info.n_properties + 1);
    host->values = host->defaults;
    for (guint i = 0; i < entry->info.n_properties; i++) {
        const struct tn_property *row = &entry->properties[i];
        int32_t rc;

        host->defaults[i].schema = row;
        if (!row->default_value[0])
            continue;
        rc = tn_value_parse(&host->defaults[i], row, row->default_value, NULL,
                            error);
        if (rc)
            return rc;
    }
    return 0;
}

int32_t plugin_host_init(struct plugin_host *host,
                         struct tn_component_entry *entry,
                         const struct tn_value *values, const char *id,
                         struct block_context *context,
                         struct tn_error *error)
{
    int32_t rc;

    memset(host, 0, sizeof *host);
    host->host.service = service;
    host->entry = entry;
    host->values = values;
    host->log.name = id;
    host->context = context;
    rc = tn_component_load(entry, error);
    if (!rc && !values)
        rc = make_defaults(host, error);
    if (!rc && (!entry->ops.create || !entry->ops.destroy ||
                !entry->ops.get_interface))
        rc = tn_error_set(error, -EPROTO, "%s lacks a function",
                          entry->info.id);
    if (!rc)
        rc = plugin_result(host, entry->ops.create(&host->host, &host->self));
    if (!rc && entry->ops.configure)
        rc = plugin_result(host, entry->ops.configure(host->self, error));
    if (rc)
        plugin_host_clear(host);
    return rc;
}

void plugin_host_clear(struct plugin_host *host)
{
    if (host->self)
        host->entry->ops.destroy(host->self);
    host->self = NULL;
    for (guint i = 0; host->defaults && i < host->entry->info.n_properties;
         i++)
        tn_value_clear(&host->defaults[i]);
    g_clear_pointer(&host->defaults, g_free);
}

gboolean plugin_host_interface(struct plugin_host *host, const char *id,
                               void *table, gsize bytes)
{
    const void *theirs =
        host->entry->ops.get_interface(host->self, id);
    uint32_t size;

    memset(table, 0, bytes);
    if (!theirs)
        return FALSE;
    memcpy(&size, theirs, sizeof size);
    memcpy(table, theirs, MIN((gsize)size, bytes));
    return TRUE;
}

int32_t plugin_result(const struct plugin_host *host, int64_t result)
{
    if (result <= 0 && result >= -4095)
        return (int32_t)result;
    tn_warning("%s: %s returned %" G_GINT64_FORMAT, host->log.name,
               host->entry->info.id, result);
    return -EPROTO;
}
