/* SPDX-License-Identifier: Apache-2.0 */
/* A host for one instance that has nothing but log and properties; it says
 * when a plugin uses them wrongly. */
#include "sdk/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct check_host *host_of(struct tn_host *host)
{
    return (struct check_host *)host;
}

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    (void)host;
    if (level > TN_LOG_GUEST)
        check_failed("a message has the unknown level %u", level);
    if (!text || !g_utf8_validate(text, -1, NULL))
        check_failed("a message is no text in UTF-8");
}

static void log_set_error(struct tn_host *host, struct tn_error *error,
                          const char *text)
{
    if (error && error != host_of(host)->given)
        check_failed("an error object is not the one that was passed");
    tn_error_set(error, 0, "%s", text ? text : "");
}

static uint32_t log_enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    (void)level;
    return 1;
}

static const struct tn_log log_service = {
    .size = sizeof log_service,
    .write = log_write,
    .set_error = log_set_error,
    .enabled = log_enabled,
};

static const struct tn_value *find(struct tn_host *host, const char *name)
{
    const struct check_host *self = host_of(host);

    for (guint i = 0; i < self->entry->info.n_properties; i++)
        if (!strcmp(self->entry->properties[i].name, name))
            return &self->values[i];
    check_failed("it asks for a property '%s' that is not in its schema", name);
    return NULL;
}

static uint32_t props_is_set(struct tn_host *host, const char *name)
{
    const struct tn_value *value = find(host, name);

    return value && value->set;
}

static uint64_t props_get_uint(struct tn_host *host, const char *name)
{
    const struct tn_value *value = find(host, name);

    return value && value->n_items ? value->items[0].number : 0;
}

static int64_t props_get_int(struct tn_host *host, const char *name)
{
    return (int64_t)props_get_uint(host, name);
}

static const char *props_get_string(struct tn_host *host, const char *name)
{
    const struct tn_value *value = find(host, name);

    return value ? value->text : NULL;
}

static uint32_t props_count(struct tn_host *host, const char *name)
{
    const struct tn_value *value = find(host, name);

    return value ? value->n_items : 0;
}

static const char *props_get_item(struct tn_host *host, const char *name,
                                  uint32_t index)
{
    const struct tn_value *value = find(host, name);

    return value && index < value->n_items ? value->items[index].text : NULL;
}

static uint64_t props_get_item_uint(struct tn_host *host, const char *name,
                                    uint32_t index)
{
    const struct tn_value *value = find(host, name);

    return value && index < value->n_items ? value->items[index].number : 0;
}

static int32_t props_get_mac(struct tn_host *host, const char *name,
                             uint8_t mac[6])
{
    const struct tn_value *value = find(host, name);

    if (!value || !value->n_items)
        return -ENOENT;
    for (guint i = 0; i < 6; i++)
        mac[i] = (uint8_t)(value->items[0].number >> (40 - 8 * i));
    return 0;
}

static const char *props_instance_id(struct tn_host *host)
{
    (void)host;
    return "checked";
}

static const struct tn_props props_service = {
    .size = sizeof props_service,
    .is_set = props_is_set,
    .get_uint = props_get_uint,
    .get_int = props_get_int,
    .get_string = props_get_string,
    .count = props_count,
    .get_item = props_get_item,
    .get_item_uint = props_get_item_uint,
    .get_mac = props_get_mac,
    .instance_id = props_instance_id,
};

static const void *service(struct tn_host *host, const char *id)
{
    struct check_host *self = host_of(host);

    self->called_then |= self->in_create;
    if (!strcmp(id, TN_HOST_LOG))
        return &log_service;
    if (!strcmp(id, TN_HOST_PROPS))
        return &props_service;
    return NULL;
}

/* Something that a required property takes. */
static const char *any_text(const struct tn_property *row)
{
    switch (row->type) {
    case TN_PROP_BOOL:
        return "no";
    case TN_PROP_UINT:
    case TN_PROP_INT:
    case TN_PROP_SIZE:
    case TN_PROP_TIME:
        return row->minimum[0] ? row->minimum : "1";
    case TN_PROP_MAC:
        return "52:54:00:12:34:56";
    case TN_PROP_PATH:
        return "/dev/null";
    default:
        return "x";
    }
}

static void set_value(const struct tn_property *row, struct tn_value *value)
{
    const char *text = row->default_value;
    g_auto(GStrv) choices = g_strsplit(row->choices, "|", 2);

    value->schema = row;
    if (!text[0] && row->flags & TN_PROP_REQUIRED) {
        text = row->type == TN_PROP_ENUM ? choices[0] : any_text(row);
        value->set = TRUE;
    }
    if (text[0])
        (void)tn_value_parse(value, row, text, "/", NULL);
}

struct check_host *check_host_new(const struct tn_component_entry *entry)
{
    struct check_host *host = g_new0(struct check_host, 1);

    host->host.service = service;
    host->entry = entry;
    host->values = g_new0(struct tn_value, MAX(entry->info.n_properties, 1));
    for (guint i = 0; i < entry->info.n_properties; i++)
        set_value(&entry->properties[i], &host->values[i]);
    return host;
}

void check_host_free(struct check_host *host)
{
    for (guint i = 0; i < host->entry->info.n_properties; i++)
        tn_value_clear(&host->values[i]);
    g_free(host->values);
    g_free(host);
}
