/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core knows of the calling thread: its role in a machine, and the
 * instances whose callbacks are running on it, innermost last.
 *
 * The stack of calls is what makes re-entry detectable: an instance that is on
 * it must not be called again on this thread. It holds no memory of its own.
 */
#ifndef TENON_CORE_MACHINE_THREAD_H
#define TENON_CORE_MACHINE_THREAD_H

#include <glib.h>
#include <stdint.h>

struct tn_machine;
struct instance;

enum thread_role {
    THREAD_OTHER,
    THREAD_CONTROL,
    THREAD_VCPU,
    THREAD_IO,
    THREAD_WORKER,
};

/* Deeper chains of calls from instance to instance are refused. */
#define THREAD_MAX_CALLS 32

struct thread_state {
    enum thread_role role;
    struct tn_machine *machine; /* that it belongs to, or NULL */
    guint n_calls;
    struct instance *calls[THREAD_MAX_CALLS];
    guint parallel_callbacks; /* of regions, running here */
    /* Where the last device access went: see memory-access.c. */
    uint64_t last_map; /* its serial number */
    guint last_range;
};

struct thread_state *thread_current(void);
void thread_set_role(enum thread_role role, struct tn_machine *machine);

/* Is a callback of INSTANCE, or of one that shares its lock, running here? */
gboolean thread_is_inside(const struct instance *instance);

/* Thread tags. In debug builds a call from the wrong thread aborts and names
 * the function; otherwise nothing is checked. */
#ifdef TN_DEBUG
void thread_check_control(const struct instance *instance,
                          const char *function);
#    define CHECK_CONTROL(instance) thread_check_control((instance), __func__)
#else
#    define CHECK_CONTROL(instance) ((void)(instance))
#endif

#endif
