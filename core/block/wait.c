/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that wait, range locks, and the way of released space.
 */
#include "core/block/node.h"

#include <errno.h>
#include <stddef.h>

#include "core/util/log.h"

void node_park(struct block_node *node, struct parked *parked)
{
    parked->next = node->parked;
    node->parked = parked;
    if (node->flush.asked) {
        node->flush.asked = FALSE;
        if (node->flush.active)
            node->flush.wanted = TRUE;
        else
            node_flush(node, NULL);
    }
}

void node_resume_all(struct block_node *node)
{
    struct parked *list = node->parked;
    struct parked *ordered = NULL;

    node->parked = NULL;
    while (list) { /* oldest first */
        struct parked *next = list->next;

        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered) {
        list = ordered;
        ordered = list->next;
        list->resume(list);
    }
}

/* ---- range locks: first come, first served ---- */

static gboolean must_wait(struct block_node *node, struct range_lock *lock)
{
    for (GList *l = node->locks.head; l && l != &lock->link; l = l->next) {
        const struct range_lock *other = l->data;

        if (other->start < lock->end && lock->start < other->end)
            return TRUE;
    }
    return FALSE;
}

gboolean node_lock(struct block_node *node, struct range_lock *lock)
{
    lock->link = (GList){.data = lock};
    g_queue_push_tail_link(&node->locks, &lock->link);
    lock->held = !must_wait(node, lock);
    return lock->held;
}

void node_unlock(struct block_node *node, struct range_lock *lock)
{
    struct range_lock *granted = NULL;
    struct range_lock **end = &granted;

    g_queue_unlink(&node->locks, &lock->link);
    for (GList *l = node->locks.head; l; l = l->next) {
        struct range_lock *other = l->data;

        if (!other->held && !must_wait(node, other)) {
            other->held = TRUE;
            other->next_granted = NULL;
            *end = other;
            end = &other->next_granted;
        }
    }
    /* granted() may free its own lock and release others. */
    while (granted) {
        struct range_lock *other = granted;

        granted = other->next_granted;
        other->granted(other);
    }
}

/* ---- released space ---- */

static void release_step(struct parked *parked);

static struct block_node *releasing_node(struct parked *parked)
{
    return (struct block_node *)((char *)parked -
                                 offsetof(struct block_node, release_parked));
}

static void release_end(struct block_node *node)
{
    g_array_set_size(node->released_going, 0);
    node->releasing = FALSE;
    node->busy--;
    node_resume_all(node); /* what waits for space */
}

gboolean node_space_will_come(struct block_node *node)
{
    gboolean unflushed = node->released_new->len > 0;

    if (node->broken)
        return FALSE;
    if (unflushed && node->flush.active)
        node->flush.wanted = TRUE;
    else if (unflushed)
        node_flush(node, NULL);
    return unflushed || node->released_flushing->len > 0 ||
           node->released_stable->len > 0 || node->releasing;
}

/* Requests from before the release that may still read the space are over. */
static void release_begin(struct block_node *node)
{
    node->release_index = 0;
    node->release_parked.resume = release_step;
    release_step(&node->release_parked);
}

static void try_release(struct block_node *node)
{
    GArray *stable = node->released_stable;

    if (node->releasing || stable->len == 0)
        return;
    node->releasing = TRUE;
    node->busy++;
    node->released_stable = node->released_going;
    node->released_going = stable;
    node->epoch ^= 1;
    if (node->in_epoch[node->epoch ^ 1] == 0)
        release_begin(node);
}

static void give_back(struct block_node *node)
{
    const struct released *r = &g_array_index(
        node->released_going, struct released, node->release_index);
    int32_t rc = 0;

    if (node->fmt.release)
        rc = node->fmt.release(node->host.self, r->file, r->offset, r->bytes);
    if (rc == -EAGAIN) {
        node_park(node, &node->release_parked);
        return;
    }
    if (rc)
        tn_warning("%s: space could not be given back: %s", node->name,
                   g_strerror(-rc));
    node->release_index++;
    release_step(&node->release_parked);
}

static void punched(struct file_io *io, int result)
{
    (void)result; /* a file system without holes keeps the space */
    give_back(io->opaque);
}

static void release_step(struct parked *parked)
{
    struct block_node *node = releasing_node(parked);
    const struct released *r;

    if (node->release_index == node->released_going->len) {
        release_end(node);
        try_release(node);
        return;
    }
    if (node->frozen) {
        node_park(node, parked);
        return;
    }
    r = &g_array_index(node->released_going, struct released,
                       node->release_index);
    /* A parked step comes here again; the hole is then made twice. */
    if (r->last && node->discard && node_file(node, r->file)) {
        node->release_io = (struct file_io){.file = node_file(node, r->file),
                                            .op = AIO_PUNCH,
                                            .offset = r->offset,
                                            .bytes = r->bytes,
                                            .done = punched,
                                            .opaque = node};
        block_file_submit(&node->release_io);
    } else {
        give_back(node);
    }
}

guint node_epoch_enter(struct block_node *node)
{
    node->in_epoch[node->epoch]++;
    return node->epoch;
}

void node_epoch_leave(struct block_node *node, guint epoch)
{
    if (--node->in_epoch[epoch] == 0 && epoch != node->epoch &&
        node->releasing)
        release_begin(node);
}

void node_releases_flushed(struct block_node *node, gboolean ok)
{
    GArray *to = ok ? node->released_stable : node->released_new;

    g_array_append_vals(to, node->released_flushing->data,
                        node->released_flushing->len);
    g_array_set_size(node->released_flushing, 0);
    try_release(node);
}
