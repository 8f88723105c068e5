/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running machine: what tools use.
 *
 * The thread that calls tn_machine_new() is the machine's control thread: it
 * makes every call tagged [control], and the machine acts on requests while
 * it is in tn_machine_wait() (or iterates tn_machine_context()). Several
 * machines may live in one process, on the same or on different threads.
 */
#ifndef TENON_CORE_MACHINE_MACHINE_H
#define TENON_CORE_MACHINE_MACHINE_H

#include <glib.h>
#include <stdint.h>

#include "core/config/machine-desc.h"
#include "core/util/error.h"

struct tn_machine;

/* [control] Load plugins, make and wire every instance of DESC, which must
 * outlive the machine. Nothing runs yet. NULL and *CODE, ERROR on failure;
 * what had been made is taken back. */
struct tn_machine *tn_machine_new(const struct tn_machine_desc *desc,
                                  int32_t *code, struct tn_error *error);
/* [control] Reset, boot, run. 0 or a negative errno. If an instance waits for
 * something (a connection) that is 0 too: tn_machine_wait() runs the machine
 * when it has come, or ends it if that is asked for. */
int32_t tn_machine_start(struct tn_machine *machine, struct tn_error *error);
/* A reason to end beside TN_REQUEST_*: what failed was not the guest. */
#define TN_MACHINE_BROKEN 6u
/* [control] Serve the machine until it ends. Returns why (TN_REQUEST_*,
 * tenon/tree.h, or TN_MACHINE_BROKEN); *DETAIL is the code that goes with TN_REQUEST_FAIL. A pause
 * is not an end. A reset is one only if the description says so. */
uint32_t tn_machine_wait(struct tn_machine *machine, uint32_t *detail);
/* [any] Ask for TN_REQUEST_*; tn_machine_wait() acts on it. Also from a signal
 * handler's thread, not from the handler itself. */
void tn_machine_request(struct tn_machine *machine, uint32_t what,
                        uint32_t detail);
/* [control] Stop the vCPUs and the virtual clock; go on. Nothing happens if it
 * is so already. */
void tn_machine_pause(struct tn_machine *machine);
int32_t tn_machine_resume(struct tn_machine *machine, struct tn_error *error);
/* [control] Back to power-on (TN_RESET_*) and boot again; runs if it ran. */
int32_t tn_machine_reset(struct tn_machine *machine, uint32_t kind,
                         struct tn_error *error);
/* [any] TRUE while vCPUs run. */
gboolean tn_machine_is_running(struct tn_machine *machine);
/* [control] Stop and free everything. NULL is allowed. */
void tn_machine_free(struct tn_machine *machine);

/* [control] The control thread's sources (monitor, signals) attach here. */
GMainContext *tn_machine_context(struct tn_machine *machine);
const struct tn_machine_desc *
tn_machine_description(struct tn_machine *machine);
/* [control] The finished device tree, as the boot component would get it
 * without additions. Free with g_bytes_unref(); NULL with ERROR. */
GBytes *tn_machine_device_tree(struct tn_machine *machine,
                               struct tn_error *error);
/* [control] The accelerator's statistics; free with g_free(); may be NULL. */
char *tn_machine_statistics(struct tn_machine *machine);
/* [control] The state of all instances, CPUs and RAM, in memory, as of one
 * moment: the machine is paused for it and goes on if it ran. What images hold
 * is not part of it. NULL with ERROR. */
GBytes *tn_machine_save_state(struct tn_machine *machine,
                              struct tn_error *error);
/* [control] Back to that moment, also of another machine of the same
 * description that need not have been started. Goes on if it ran. After an
 * error the machine does not run; reset or free it. */
int32_t tn_machine_load_state(struct tn_machine *machine, GBytes *state,
                              struct tn_error *error);

/*
 * Services of other parts of core (block engine, character and network hubs)
 * join here: the table that tn_service() returns for ID, for every machine
 * made afterwards. Per-instance data of such a part hangs on the instance
 * under its own key and is freed when the instance is.
 */
struct tn_host;
void tn_machine_add_service(const char *id, const void *table);
void tn_host_set_data(struct tn_host *host, const char *key, void *data,
                      GDestroyNotify free_data);
void *tn_host_data(struct tn_host *host, const char *key);
struct tn_machine *tn_host_machine(struct tn_host *host);
const struct tn_instance_desc *tn_host_description(struct tn_host *host);
/* Likewise for the machine itself (a registry of open images). */
void tn_machine_set_data(struct tn_machine *machine, const char *key,
                         void *data, GDestroyNotify free_data);
void *tn_machine_data(struct tn_machine *machine, const char *key);
/* [any] The handle of instance ID, for tn_host_*(); NULL if there is none. */
struct tn_host *tn_machine_host(struct tn_machine *machine, const char *id);
/* [any] The instance ID's interface, or NULL; for core parts that are a
 * plugin's peer. */
const void *tn_machine_interface(struct tn_machine *machine, const char *id,
                                 const char *interface_id, void **self);
/* [any] Run FUNCTION on HOST's I/O thread with the instance's lock held, or
 * on the control thread. Order is kept. */
void tn_host_invoke(struct tn_host *host, void (*function)(void *opaque),
                    void *opaque);
/* Take the instance's lock around a callback into it made by another part of
 * core: 0 or -EDEADLK if one is running on this thread. */
int32_t tn_host_enter(struct tn_host *host);
void tn_host_leave(struct tn_host *host);

#endif
