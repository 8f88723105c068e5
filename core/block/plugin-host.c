/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of format and protocol instances.
 */
#include "core/block/plugin-host.h"

#include <errno.h>
#include <string.h>

#include "core/block/secret.h"
#include "core/block/values.h"

static struct plugin_host *of(struct tn_host *host)
{
    return (struct plugin_host *)host;
}

static const struct tn_value *value_of(struct host_base *base,
                                       const char *name)
{
    struct plugin_host *host = of(&base->host);

    for (guint i = 0; i < host->entry->info.n_properties; i++)
        if (!strcmp(host->entry->properties[i].name, name))
            return &host->values[i];
    return NULL;
}

static const void *service(struct tn_host *host, const char *id)
{
    if (id && !strcmp(id, TN_HOST_LOG))
        return &host_log;
    if (id && !strcmp(id, TN_HOST_PROPS))
        return &host_props;
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

int32_t plugin_host_init(struct plugin_host *host,
                         struct tn_component_entry *entry,
                         const struct tn_value *values, const char *id,
                         struct block_context *context,
                         struct tn_error *error)
{
    int32_t rc;

    memset(host, 0, sizeof *host);
    host->base.host.service = service;
    host->base.value = value_of;
    host->entry = entry;
    host->base.log.name = id;
    host->context = context;
    rc = tn_component_load(entry, error);
    if (!rc) {
        host->values = values ? block_values_copy(entry, values)
                              : block_values_new(entry, error);
        rc = host->values ? 0 : -EINVAL;
    }
    if (!rc && (!entry->ops.create || !entry->ops.destroy ||
                !entry->ops.get_interface))
        rc = tn_error_set(error, -EPROTO, "%s lacks a function",
                          entry->info.id);
    if (!rc)
        rc = plugin_result(host, entry->ops.create(&host->base.host,
                                                   &host->self));
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
    block_values_free(host->entry, host->values);
    host->values = NULL;
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
    tn_warning("%s: %s returned %" G_GINT64_FORMAT, host->base.log.name,
               host->entry->info.id, result);
    return -EPROTO;
}
