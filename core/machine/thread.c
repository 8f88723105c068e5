/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calling thread's state.
 */
#include "core/machine/thread.h"

#include <stdatomic.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"

static _Thread_local struct thread_state state;

struct thread_state *thread_current(void)
{
    return &state;
}

void thread_set_role(enum thread_role role, struct tn_machine *machine)
{
    state.role = role;
    state.machine = machine;
}

gboolean thread_is_inside(const struct instance *instance)
{
    for (guint i = 0; i < state.n_calls; i++)
        if (state.calls[i] == instance ||
            (state.calls[i]->lock == instance->lock && instance->lock))
            return TRUE;
    return FALSE;
}

#ifdef TN_DEBUG
void thread_check_control(const struct instance *instance, const char *function)
{
    const struct tn_machine *machine = instance->machine;

    if (machine->control == g_thread_self())
        return;
    if (!atomic_load(&machine->vcpus_running))
        return;
    g_error("%s: %s() is a [control] call, made on another thread",
            instance->desc->id, function);
}
#endif
