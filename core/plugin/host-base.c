/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log and property services of every instance. Any thread.
 */
#include "core/plugin/host-base.h"

#include <errno.h>

#include "core/util/error.h"

static struct host_base *base_of(struct tn_host *host)
{
    return (struct host_base *)host;
}

/* ---- tenon.host.log/1 ---- */

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    if (text)
        tn_log_write(&base_of(host)->log, level, text);
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

const struct tn_log host_log = {
    .size = sizeof(struct tn_log),
    .write = log_write,
    .set_error = set_error,
    .enabled = enabled,
};

/* ---- tenon.host.props/1 ---- */

static const struct tn_value *value_of(struct tn_host *host, const char *name)
{
    return name ? base_of(host)->value(base_of(host), name) : NULL;
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
    const struct tn_value_item *item = item_of(host, name, 0);

    if (!item || !item->text)
        return -ENOENT;
    for (guint i = 0; i < 6; i++)
        mac[i] = (uint8_t)(item->number >> (40 - 8 * i));
    return 0;
}

static const char *instance_id(struct tn_host *host)
{
    return base_of(host)->log.name;
}

const struct tn_props host_props = {
    .size = sizeof(struct tn_props),
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
