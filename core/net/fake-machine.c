/* SPDX-License-Identifier: Apache-2.0 */
/* Two instances without a machine around them. */
#include "core/net/fake-machine.h"

#include <errno.h>

#include "core/machine/machine.h"

struct fake {
    struct tn_host host; /* first */
    struct tn_instance_desc desc;
    const struct tn_net *net;
    void *self;
    GMutex lock;
    GThread *owner; /* of the lock */
    GThread *thread;
    GAsyncQueue *jobs;
    GData *data;
};

struct job {
    void (*function)(void *opaque);
    void *opaque;
};

static struct fake *fakes[2];
static const void *service;

static gpointer run(gpointer data)
{
    struct fake *f = data;
    struct job *job;
    gboolean more = TRUE;

    while (more) {
        job = g_async_queue_pop(f->jobs);
        g_assert_cmpint(tn_host_enter(&f->host), ==, 0);
        more = job->function != NULL;
        if (more)
            job->function(job->opaque);
        tn_host_leave(&f->host);
        g_free(job);
    }
    return NULL;
}

struct tn_host *fake_host_new(const char *id, const char *backend)
{
    struct fake *f = g_new0(struct fake, 1);

    f->desc.id = g_strdup(id);
    f->desc.backend = g_strdup(backend);
    g_mutex_init(&f->lock);
    g_datalist_init(&f->data);
    f->jobs = g_async_queue_new();
    f->thread = g_thread_new(id, run, f);
    fakes[fakes[0] ? 1 : 0] = f;
    return &f->host;
}

void fake_host_free(struct tn_host *host)
{
    struct fake *f = (struct fake *)host;

    tn_host_invoke(host, NULL, NULL);
    g_thread_join(f->thread);
    g_async_queue_unref(f->jobs);
    g_datalist_clear(&f->data);
    g_mutex_clear(&f->lock);
    g_free(f->desc.id);
    g_free(f->desc.backend);
    fakes[fakes[0] == f ? 0 : 1] = NULL;
    g_free(f);
}

void fake_host_offer(struct tn_host *host, const struct tn_net *net,
                     void *self)
{
    struct fake *f = (struct fake *)host;

    f->net = net;
    f->self = self;
}

static void set_flag(void *opaque)
{
    g_atomic_int_set((gint *)opaque, 1);
}

void fake_host_settle(struct tn_host *host)
{
    gint done = 0;

    tn_host_invoke(host, set_flag, &done);
    while (!g_atomic_int_get(&done))
        g_usleep(50);
}

gboolean fake_host_is_inside(struct tn_host *host)
{
    return g_atomic_pointer_get(&((struct fake *)host)->owner) ==
           g_thread_self();
}

const struct tn_nets *fake_service(void)
{
    return service;
}

/* ---- core/machine/machine.h ---- */

void tn_machine_add_service(const char *id, const void *table)
{
    g_assert_cmpstr(id, ==, TN_HOST_NET);
    service = table;
}

struct tn_machine *tn_host_machine(struct tn_host *host)
{
    (void)host;
    return NULL;
}

static struct fake *find(const char *id)
{
    for (guint i = 0; i < G_N_ELEMENTS(fakes); i++)
        if (fakes[i] && !g_strcmp0(fakes[i]->desc.id, id))
            return fakes[i];
    return NULL;
}

struct tn_host *tn_machine_host(struct tn_machine *machine, const char *id)
{
    struct fake *f = find(id);

    (void)machine;
    return f ? &f->host : NULL;
}

const void *tn_machine_interface(struct tn_machine *machine, const char *id,
                                 const char *interface_id, void **self)
{
    struct fake *f = find(id);

    (void)machine;
    if (!f || g_strcmp0(interface_id, TN_NET))
        return NULL;
    *self = f->self;
    return f->net;
}

const struct tn_instance_desc *tn_host_description(struct tn_host *host)
{
    return &((struct fake *)host)->desc;
}

void tn_host_set_data(struct tn_host *host, const char *key, void *data,
                      GDestroyNotify free_data)
{
    g_datalist_set_data_full(&((struct fake *)host)->data, key, data,
                             free_data);
}

void *tn_host_data(struct tn_host *host, const char *key)
{
    return g_datalist_get_data(&((struct fake *)host)->data, key);
}

void tn_host_invoke(struct tn_host *host, void (*function)(void *opaque),
                    void *opaque)
{
    struct job *job = g_new(struct job, 1);

    *job = (struct job){function, opaque};
    g_async_queue_push(((struct fake *)host)->jobs, job);
}

int32_t tn_host_enter(struct tn_host *host)
{
    struct fake *f = (struct fake *)host;

    if (fake_host_is_inside(host))
        return -EDEADLK;
    g_mutex_lock(&f->lock);
    g_atomic_pointer_set(&f->owner, g_thread_self());
    return 0;
}

void tn_host_leave(struct tn_host *host)
{
    struct fake *f = (struct fake *)host;

    g_atomic_pointer_set(&f->owner, NULL);
    g_mutex_unlock(&f->lock);
}
