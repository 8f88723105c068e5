/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.tree/1. A peer is the other instance itself.
 */
#include <errno.h>

#include <tenon/tree.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"

static struct tn_peer *peer_of(struct instance *instance)
{
    return (struct tn_peer *)instance;
}

static struct instance *instance_at(struct tn_peer *peer)
{
    return (struct instance *)peer;
}

static struct tn_peer *parent(struct tn_host *host)
{
    return peer_of(instance_of(host)->parent);
}

static struct tn_peer *find(struct tn_host *host, const char *id)
{
    if (!id)
        return NULL;
    return peer_of(machine_instance(instance_of(host)->machine, id));
}

static struct tn_peer *child(struct tn_host *host, uint32_t index)
{
    GPtrArray *children = instance_of(host)->children;

    return index < children->len ? peer_of(g_ptr_array_index(children, index))
                                 : NULL;
}

static const void *interface_(struct tn_host *host, struct tn_peer *peer,
                              const char *id, void **self)
{
    struct instance *instance = instance_at(peer);
    const void *table = NULL;

    (void)host;
    if (self)
        *self = NULL;
    if (!instance || !id || instance->stage < INSTANCE_CREATED ||
        !instance->ops->get_interface)
        return NULL;
    table = instance->ops->get_interface(instance->self, id);
    if (table && self)
        *self = instance->self;
    return table;
}

static int32_t enter(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    return peer ? instance_enter(instance_at(peer)) : -EINVAL;
}

static void leave(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    if (peer)
        instance_leave(instance_at(peer));
}

static const char *peer_id(struct tn_host *host, struct tn_peer *peer)
{
    (void)host;
    return peer ? instance_at(peer)->desc->id : NULL;
}

static uint32_t cpu_count(struct tn_host *host)
{
    return instance_of(host)->machine->desc->cpus;
}

static uint64_t ram_size(struct tn_host *host)
{
    return instance_of(host)->machine->desc->memory;
}

static void request(struct tn_host *host, uint32_t what, uint32_t code)
{
    if (what <= TN_REQUEST_QUIT)
        tn_machine_request(instance_of(host)->machine, what, code);
}

static int32_t slot(struct tn_host *host)
{
    return instance_of(host)->desc->slot;
}

const struct tn_tree host_tree = {
    .size = sizeof(struct tn_tree),
    .parent = parent,
    .find = find,
    .child = child,
    .interface_ = interface_,
    .enter = enter,
    .leave = leave,
    .peer_id = peer_id,
    .cpu_count = cpu_count,
    .ram_size = ram_size,
    .request = request,
    .slot = slot,
};
