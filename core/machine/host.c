/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct tn_host: finding services by id, and the values of properties.
 */
#include <errno.h>
#include <string.h>

#include "core/machine/instance.h"
#include "core/machine/loop.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/util/log.h"

/* ---- values of properties ---- */

const struct tn_value *host_value(struct host_base *base, const char *name)
{
    struct instance *instance = instance_of(&base->host);
    const struct tn_value *value = tn_instance_value(instance->desc, name);

    if (!value)
        tn_logf(&base->host, TN_LOG_ERROR,
                "asked for property '%s', which its "
                "schema does not have",
                name);
    return value;
}

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
