/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epoch-based reclamation. The global epoch only grows. A reader's slot holds
 * the epoch it entered in, 0 while outside. What was retired in epoch E can be
 * freed when every slot is 0 or above E: such a reader entered after the
 * object was unpublished.
 */
#include "core/machine/epoch.h"

#include <stdatomic.h>

struct slot {
    _Atomic guint64 epoch; /* 0: outside */
    guint depth;
    atomic_int used;
    struct slot *next; /* slots are never freed, but reused */
};

struct retired {
    struct retired *next;
    guint64 epoch;
    void *object;
    void (*free_object)(void *object);
};

static _Atomic guint64 global_epoch = 1;
static _Atomic(struct slot *) slots;
static GMutex retire_mutex;
static struct retired *retire_list;

static void slot_release(gpointer data)
{
    struct slot *slot = data;

    atomic_store(&slot->epoch, 0);
    slot->depth = 0;
    atomic_store(&slot->used, 0);
}

static _Thread_local struct slot *own_slot;
static GPrivate slot_key = G_PRIVATE_INIT(slot_release);

static struct slot *slot_get(void)
{
    struct slot *slot = own_slot;

    if (G_LIKELY(slot))
        return slot;
    for (slot = atomic_load(&slots); slot; slot = slot->next) {
        int unused = 0;

        if (atomic_compare_exchange_strong(&slot->used, &unused, 1))
            break;
    }
    if (!slot) {
        slot = g_new0(struct slot, 1);
        atomic_store(&slot->used, 1);
        slot->next = atomic_load(&slots);
        while (!atomic_compare_exchange_weak(&slots, &slot->next, slot))
            ;
    }
    own_slot = slot;
    g_private_set(&slot_key, slot);
    return slot;
}

void epoch_enter(void)
{
    struct slot *slot = slot_get();

    if (slot->depth++)
        return;
    /* Sequentially consistent: the slot is seen before anything read in the
     * section is loaded. */
    atomic_store(&slot->epoch, atomic_load(&global_epoch));
    atomic_thread_fence(memory_order_seq_cst);
}

void epoch_exit(void)
{
    struct slot *slot = own_slot;

    if (!--slot->depth)
        atomic_store_explicit(&slot->epoch, 0, memory_order_release);
}

/* The oldest epoch a reader is in; UINT64_MAX if there is none. */
static guint64 oldest_reader(void)
{
    guint64 oldest = G_MAXUINT64;

    atomic_thread_fence(memory_order_seq_cst);
    for (struct slot *slot = atomic_load(&slots); slot; slot = slot->next) {
        guint64 epoch = atomic_load(&slot->epoch);

        if (epoch && epoch < oldest)
            oldest = epoch;
    }
    return oldest;
}

static void reclaim(void)
{
    struct retired *ready = NULL;
    guint64 oldest = oldest_reader();

    g_mutex_lock(&retire_mutex);
    for (struct retired **link = &retire_list; *link;) {
        struct retired *item = *link;

        if (item->epoch < oldest) {
            *link = item->next;
            item->next = ready;
            ready = item;
        } else {
            link = &item->next;
        }
    }
    g_mutex_unlock(&retire_mutex);
    while (ready) {
        struct retired *item = ready;

        ready = item->next;
        item->free_object(item->object);
        g_free(item);
    }
}

void epoch_retire(void *object, void (*free_object)(void *object))
{
    struct retired *item = g_new0(struct retired, 1);

    item->object = object;
    item->free_object = free_object;
    item->epoch = atomic_fetch_add(&global_epoch, 1);
    g_mutex_lock(&retire_mutex);
    item->next = retire_list;
    retire_list = item;
    g_mutex_unlock(&retire_mutex);
    reclaim();
}

void epoch_synchronize(void)
{
    guint64 epoch = atomic_fetch_add(&global_epoch, 1);

    g_assert(!slot_get()->depth);
    /* Sections are short and do not block. */
    while (oldest_reader() <= epoch)
        g_thread_yield();
    reclaim();
}
