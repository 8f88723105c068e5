/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct tn_host: finding services by id, and the log and property services.
 */
#include <errno.h>
#include <string.h>

#include "core/machine/instance.h"
#include "core/machine/loop.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/util/log.h"

/* ---- tenon.host.log/1 ---- */

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    if (text)
        tn_log_write(&instance_of(host)->log, level, text);
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
    struct instance *instance = instance_of(host);
    const struct tn_value *value =
        name ? tn_instance_value(instance->desc, name) : NULL;

    if (!value)
        tn_logf(host, TN_LOG_ERROR,
                "asked for property '%s', which its "
                "schema does not have",
                name ? name : "");
    return value;
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
    return instance_of(host)->desc->id;
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

/* ---- services by id ---- */

struct service {
    const char *id;
    const void *table;
    uint32_t kind; /* only for components of this kind; 0: for all */
};

static const struct service services[] = {
    {TN_HOST_LOG, &host_log, 0},
    {TN_HOST_PROPS, &host_props, 0},
    {TN_HOST_MEMORY, &host_memory, 0},
    {TN_HOST_IRQ, &host_irqs, 0},
    {TN_HOST_CLOCK, &host_clock, 0},
    {TN_HOST_LOOP, &host_loop, 0},
    {TN_HOST_TREE, &host_tree, 0},
    {TN_HOST_GUESTMEM, &host_guestmem, TN_KIND_ACCEL},
    {TN_HOST_BOOT, &host_boot, TN_KIND_BOOT},
};

/* Of other parts of core: appended before the first machine is made. */
static GMutex added_lock;
static GArray *added;

void tn_machine_add_service(const char *id, const void *table)
{
    struct service service = {g_strdup(id), table, 0};

    g_mutex_lock(&added_lock);
    if (!added)
        added = g_array_new(FALSE, FALSE, sizeof service);
    g_array_append_val(added, service);
    g_mutex_unlock(&added_lock);
}

const void *host_service(struct tn_host *host, const char *id)
{
    uint32_t kind = instance_of(host)->desc->component->info.kind;
    const void *table = NULL;

    if (!id)
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(services); i++)
        if (!strcmp(services[i].id, id))
            return !services[i].kind || services[i].kind == kind
                       ? services[i].table
                       : NULL;
    g_mutex_lock(&added_lock);
    for (guint i = 0; added && i < added->len; i++)
        if (!strcmp(g_array_index(added, struct service, i).id, id))
            table = g_array_index(added, struct service, i).table;
    g_mutex_unlock(&added_lock);
    return table;
}

/* ---- for other parts of core ---- */

void tn_host_set_data(struct tn_host *host, const char *key, void *data,
                      GDestroyNotify free_data)
{
    g_datalist_set_data_full(&instance_of(host)->data, key, data, free_data);
}

void *tn_host_data(struct tn_host *host, const char *key)
{
    return g_datalist_get_data(&instance_of(host)->data, key);
}

struct tn_machine *tn_host_machine(struct tn_host *host)
{
    return instance_of(host)->machine;
}

const struct tn_instance_desc *tn_host_description(struct tn_host *host)
{
    return instance_of(host)->desc;
}

void tn_host_invoke(struct tn_host *host, void (*function)(void *opaque),
                    void *opaque)
{
    loop_invoke(instance_of(host)->loop, instance_of(host), function, opaque);
}

int32_t tn_host_enter(struct tn_host *host)
{
    return instance_enter(instance_of(host));
}

void tn_host_leave(struct tn_host *host)
{
    instance_leave(instance_of(host));
}
