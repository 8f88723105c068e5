/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's run: starting, pausing, resetting, ending.
 *
 * All of it happens on the control thread. Other threads ask with
 * tn_machine_request(), which leaves a note and wakes the control thread's
 * main context.
 */
#include "core/machine/machine.h"

#include <errno.h>

#include <tenon/tree.h>

#include "core/machine/loop.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"
#include "core/util/log.h"

/* How often what an instance waits for is looked at. */
#define TRY_AGAIN_MS 50

struct instance *machine_instance(struct tn_machine *machine, const char *id)
{
    return g_hash_table_lookup(machine->by_id, id);
}

struct event_loop *machine_loop(struct tn_machine *machine, const char *name)
{
    struct event_loop *loop;

    if (!name)
        name = "io";
    loop = g_hash_table_lookup(machine->loops, name);
    if (!loop) {
        loop = event_loop_new(machine, name);
        g_hash_table_insert(machine->loops, g_strdup(name), loop);
    }
    return loop;
}

void machine_code_written(struct tn_machine *machine, uint64_t ram_offset,
                          uint64_t bytes)
{
    if (machine->accel.code_written)
        machine->accel.code_written(machine->accel_instance->self, ram_offset,
                                    bytes);
}

void machine_map_changed(struct tn_machine *machine)
{
    if (machine->accel.map_changed)
        machine->accel.map_changed(machine->accel_instance->self);
}

struct tn_machine *tn_machine_new(const struct tn_machine_desc *desc,
                                  int32_t *code, struct tn_error *error)
{
    struct tn_machine *machine = g_new0(struct tn_machine, 1);
    int32_t rc;

    machine->desc = desc;
    machine->control = g_thread_self();
    machine->context = g_main_context_new();
    machine->instances = g_ptr_array_new();
    machine->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    machine->loops =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&machine->request_lock);
    g_datalist_init(&machine->data);
    clock_init(&machine->clock);
    vcpus_init(machine);
    thread_set_role(THREAD_CONTROL, machine);
    rc = machine_build(machine, error);
    if (code)
        *code = rc;
    if (rc) {
        tn_machine_free(machine);
        return NULL;
    }
    return machine;
}

void tn_machine_free(struct tn_machine *machine)
{
    if (!machine)
        return;
    tn_machine_pause(machine);
    machine_dismantle(machine);
    g_datalist_clear(&machine->data);
    vcpus_fini(machine);
    g_hash_table_unref(machine->loops);
    g_hash_table_unref(machine->by_id);
    g_ptr_array_unref(machine->instances);
    g_clear_pointer(&machine->device_tree, g_bytes_unref);
    g_main_context_unref(machine->context);
    g_mutex_clear(&machine->request_lock);
    thread_set_role(THREAD_OTHER, NULL);
    g_free(machine);
}

gboolean tn_machine_is_running(struct tn_machine *machine)
{
    return atomic_load(&machine->running);
}

/* Stop the first N instances, last one first. */
static void stop_instances(struct tn_machine *machine, guint n)
{
    while (n--)
        instance_stop(g_ptr_array_index(machine->instances, n));
}

static void stop_trying(struct tn_machine *machine)
{
    if (!machine->starting)
        return;
    g_source_destroy(machine->starting);
    g_clear_pointer(&machine->starting, g_source_unref);
}

void tn_machine_pause(struct tn_machine *machine)
{
    stop_trying(machine);
    if (!atomic_load(&machine->running))
        return;
    vcpus_stop(machine);
    clock_stop(machine);
    stop_instances(machine, machine->instances->len);
    atomic_store(&machine->running, 0);
}

int32_t tn_machine_resume(struct tn_machine *machine, struct tn_error *error)
{
    if (atomic_load(&machine->running))
        return 0;
    for (guint i = 0; i < machine->instances->len; i++) {
        int32_t rc =
            instance_start(g_ptr_array_index(machine->instances, i), error);

        if (rc) {
            stop_instances(machine, i);
            return rc;
        }
    }
    atomic_store(&machine->running, 1);
    clock_start(machine);
    vcpus_start(machine);
    return 0;
}

/* Power-on state and boot; nothing runs. */
static int32_t reset_all(struct tn_machine *machine, uint32_t kind,
                         struct tn_error *error)
{
    int32_t rc = 0;

    for (guint i = 0; i < machine->instances->len; i++)
        instance_reset(g_ptr_array_index(machine->instances, i), kind);
    vcpus_reset(machine, kind);
    if (machine->boot.boot) {
        struct instance *boot = machine->boot_instance;

        instance_enter(boot);
        rc = machine->boot.boot(boot->self, kind, error);
        instance_leave(boot);
        if (rc) {
            if (error && !error->text)
                tn_error_set(error, rc, "%s", tn_error_text(error, rc));
            tn_error_prefix(error, "%s: ", boot->desc->id);
            rc = rc < 0 ? rc : -EPROTO;
        }
    }
    vcpus_changed(machine);
    return rc;
}

int32_t tn_machine_reset(struct tn_machine *machine, uint32_t kind,
                         struct tn_error *error)
{
    gboolean ran = atomic_load(&machine->running);
    int32_t rc;

    tn_machine_pause(machine);
    rc = reset_all(machine, kind, error);
    if (!rc && ran)
        rc = tn_machine_resume(machine, error);
    return rc;
}

/* Run, or have it tried again later. */
static int32_t try_start(struct tn_machine *machine, struct tn_error *error)
{
    int32_t rc = tn_machine_resume(machine, error);

    if (rc == -EAGAIN) {
        tn_status("%s: %s", machine->desc->name, tn_error_text(error, rc));
        tn_error_clear(error);
        return 0;
    }
    stop_trying(machine);
    tn_status_clear();
    return rc;
}

static gboolean try_again(gpointer data)
{
    struct tn_machine *machine = data;
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = try_start(machine, &error);

    if (rc) {
        tn_log_error("%s: %s", machine->desc->name, tn_error_text(&error, rc));
        tn_machine_request(machine, TN_MACHINE_BROKEN, 0);
    }
    return machine->starting ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

int32_t tn_machine_start(struct tn_machine *machine, struct tn_error *error)
{
    g_auto(tn_error_auto) own = TN_ERROR_INIT;
    int32_t rc = tn_machine_reset(machine, TN_RESET_COLD, error);

    if (rc)
        return rc;
    stop_trying(machine);
    machine->starting = g_timeout_source_new(TRY_AGAIN_MS);
    g_source_set_callback(machine->starting, try_again, machine, NULL);
    g_source_attach(machine->starting, machine->context);
    return try_start(machine, error ? error : &own);
}

void tn_machine_request(struct tn_machine *machine, uint32_t what,
                        uint32_t detail)
{
    if (!what || what > TN_MACHINE_BROKEN)
        return;
    g_mutex_lock(&machine->request_lock);
    machine->requests |= 1u << what;
    if (what == TN_REQUEST_FAIL)
        machine->fail_detail = detail;
    g_mutex_unlock(&machine->request_lock);
    g_main_context_wakeup(machine->context);
}

static void end(struct tn_machine *machine, uint32_t reason, uint32_t detail)
{
    tn_status_clear();
    tn_machine_pause(machine);
    machine->end_reason = reason;
    machine->end_detail = detail;
}

static void reboot(struct tn_machine *machine)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    if (machine->desc->exit_on_reboot) {
        end(machine, TN_REQUEST_RESET, 0);
        return;
    }
    rc = tn_machine_reset(machine, TN_RESET_WARM, &error);
    if (rc) {
        tn_log_error("reset failed: %s", tn_error_text(&error, rc));
        end(machine, TN_MACHINE_BROKEN, 0);
    }
}

/* What ends the run comes before what does not. */
static void act_on_requests(struct tn_machine *machine)
{
    guint requests;
    uint32_t detail;

    g_mutex_lock(&machine->request_lock);
    requests = machine->requests;
    detail = machine->fail_detail;
    machine->requests = 0;
    g_mutex_unlock(&machine->request_lock);
    if (requests & 1u << TN_REQUEST_QUIT)
        end(machine, TN_REQUEST_QUIT, 0);
    else if (requests & 1u << TN_MACHINE_BROKEN)
        end(machine, TN_MACHINE_BROKEN, 0);
    else if (requests & 1u << TN_REQUEST_FAIL)
        end(machine, TN_REQUEST_FAIL, detail);
    else if (requests & 1u << TN_REQUEST_POWEROFF)
        end(machine, TN_REQUEST_POWEROFF, 0);
    else if (requests & 1u << TN_REQUEST_RESET)
        reboot(machine);
    if (requests & 1u << TN_REQUEST_PAUSE)
        tn_machine_pause(machine);
}

uint32_t tn_machine_wait(struct tn_machine *machine, uint32_t *detail)
{
    uint32_t reason;

    g_main_context_push_thread_default(machine->context);
    for (;;) {
        act_on_requests(machine);
        if (machine->end_reason)
            break;
        g_main_context_iteration(machine->context, TRUE);
    }
    g_main_context_pop_thread_default(machine->context);
    reason = machine->end_reason;
    machine->end_reason = 0;
    if (detail)
        *detail = machine->end_detail;
    return reason;
}

GMainContext *tn_machine_context(struct tn_machine *machine)
{
    return machine->context;
}

const struct tn_machine_desc *tn_machine_description(struct tn_machine *machine)
{
    return machine->desc;
}

char *tn_machine_statistics(struct tn_machine *machine)
{
    char text[4096] = "";

    if (!machine->accel.statistics ||
        machine->accel.statistics(machine->accel_instance->self, text,
                                  sizeof text) < 0)
        return NULL;
    text[sizeof text - 1] = '\0';
    return g_strdup(text);
}

void tn_machine_set_data(struct tn_machine *machine, const char *key,
                         void *data, GDestroyNotify free_data)
{
    g_datalist_set_data_full(&machine->data, key, data, free_data);
}

void *tn_machine_data(struct tn_machine *machine, const char *key)
{
    return g_datalist_get_data(&machine->data, key);
}

struct tn_host *tn_machine_host(struct tn_machine *machine, const char *id)
{
    struct instance *instance = machine_instance(machine, id);

    return instance ? &instance->base.host : NULL;
}

const void *tn_machine_interface(struct tn_machine *machine, const char *id,
                                 const char *interface_id, void **self)
{
    struct instance *instance = machine_instance(machine, id);

    if (!instance)
        return NULL;
    return host_tree.interface_(&instance->base.host, (struct tn_peer *)instance,
                                interface_id, self);
}
