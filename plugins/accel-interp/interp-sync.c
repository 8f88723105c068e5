/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vCPU is where, and the request word.
 *
 * A vCPU is *inside* while it may use TLB entries, and *outside* while it
 * sleeps, waits for a device's lock or is not run at all. An exclusive section
 * begins when every vCPU is outside and keeps those that come back waiting.
 * Entering stores `inside` and then looks at `exclusive`, a section stores
 * `exclusive` and then looks at `inside`: one of the two sees the other.
 */
#include "interp.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void sync_enter(struct icpu *ic)
{
    struct interp *in = ic->in;

    for (;;) {
        atomic_store(&ic->inside, 1);
        if (!atomic_load(&in->exclusive))
            return;
        sync_leave(ic);
        pthread_mutex_lock(&in->state_lock);
        while (atomic_load(&in->exclusive))
            pthread_cond_wait(&in->state_changed, &in->state_lock);
        pthread_mutex_unlock(&in->state_lock);
    }
}

void sync_leave(struct icpu *ic)
{
    struct interp *in = ic->in;

    atomic_store(&ic->inside, 0);
    if (atomic_load(&in->exclusive)) {
        pthread_mutex_lock(&in->state_lock);
        pthread_cond_broadcast(&in->state_changed);
        pthread_mutex_unlock(&in->state_lock);
    }
}

void sync_exclusive(struct interp *in, struct icpu *self,
                    void (*fn)(struct icpu *ic, void *opaque), void *opaque)
{
    bool was_inside = self && atomic_load(&self->inside);

    if (was_inside)
        sync_leave(self);
    pthread_mutex_lock(&in->exclusive_lock);
    atomic_store(&in->exclusive, 1);
    for (uint32_t i = 0; i < in->n_cpus; i++)
        if (in->cpus[i])
            sync_request(in->cpus[i]->cpu, TN_CPU_WORK);
    pthread_mutex_lock(&in->state_lock);
    for (uint32_t i = 0; i < in->n_cpus; i++)
        while (in->cpus[i] && atomic_load(&in->cpus[i]->inside))
            pthread_cond_wait(&in->state_changed, &in->state_lock);
    pthread_mutex_unlock(&in->state_lock);
    for (uint32_t i = 0; i < in->n_cpus; i++)
        if (in->cpus[i])
            fn(in->cpus[i], opaque);
    pthread_mutex_lock(&in->state_lock);
    atomic_store(&in->exclusive, 0);
    pthread_cond_broadcast(&in->state_changed);
    pthread_mutex_unlock(&in->state_lock);
    pthread_mutex_unlock(&in->exclusive_lock);
    if (was_inside)
        sync_enter(self);
}

static void futex(uint32_t *word, int operation, uint32_t value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

void sync_request(struct tn_cpu *cpu, uint32_t bits)
{
    uint32_t old = __atomic_fetch_or(&cpu->request, bits, __ATOMIC_SEQ_CST);

    if (!old)
        futex(&cpu->request, FUTEX_WAKE_PRIVATE, 1);
}

void sync_wait_request(struct tn_cpu *cpu)
{
    while (!__atomic_load_n(&cpu->request, __ATOMIC_SEQ_CST))
        futex(&cpu->request, FUTEX_WAIT_PRIVATE, 0);
}
