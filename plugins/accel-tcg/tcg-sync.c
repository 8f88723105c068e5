/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exclusive sections and the request word.
 *
 * A vCPU is *inside* while it may use units, TLB entries or backings, and
 * outside while it sleeps, waits for a device or is not run. A section starts
 * when all are outside. `inside` and `exclusive` are stored first and the
 * other is looked at after, so that one of the two sides sees the other.
 */
#include "tcg.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void sync_enter(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;

    for (;;) {
        atomic_store(&tc->inside, 1);
        if (!atomic_load(&t->exclusive))
            return;
        sync_leave(tc);
        pthread_mutex_lock(&t->state_lock);
        while (atomic_load(&t->exclusive))
            pthread_cond_wait(&t->state_changed, &t->state_lock);
        pthread_mutex_unlock(&t->state_lock);
    }
}

void sync_leave(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;

    atomic_store(&tc->inside, 0);
    if (atomic_load(&t->exclusive)) {
        pthread_mutex_lock(&t->state_lock);
        pthread_cond_broadcast(&t->state_changed);
        pthread_mutex_unlock(&t->state_lock);
    }
}

void sync_exclusive(struct tcg *t, struct tcg_cpu *self,
                    void (*fn)(struct tcg *t, void *opaque), void *opaque)
{
    bool was_inside = self && atomic_load(&self->inside);

    if (was_inside)
        sync_leave(self);
    pthread_mutex_lock(&t->exclusive_lock);
    atomic_store(&t->exclusive, 1);
    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (t->cpus[i] && t->cpus[i] != self)
            sync_request(t->cpus[i]->cpu, TN_CPU_WORK);
    pthread_mutex_lock(&t->state_lock);
    for (uint32_t i = 0; i < t->n_cpus; i++)
        while (t->cpus[i] && atomic_load(&t->cpus[i]->inside))
            pthread_cond_wait(&t->state_changed, &t->state_lock);
    pthread_mutex_unlock(&t->state_lock);
    fn(t, opaque);
    pthread_mutex_lock(&t->state_lock);
    atomic_store(&t->exclusive, 0);
    pthread_cond_broadcast(&t->state_changed);
    pthread_mutex_unlock(&t->state_lock);
    pthread_mutex_unlock(&t->exclusive_lock);
    if (was_inside)
        sync_enter(self);
}

static void futex(uint32_t *word, int operation, uint32_t value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

void sync_request(struct tn_cpu *cpu, uint32_t bits)
{
    if (!__atomic_fetch_or(&cpu->request, bits, __ATOMIC_SEQ_CST))
        futex(&cpu->request, FUTEX_WAKE_PRIVATE, 1);
}

void sync_nap(struct tn_cpu *cpu, uint32_t ns)
{
    const struct timespec time = {0, ns};

    syscall(SYS_futex, &cpu->request, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
}

void sync_wait(struct tn_cpu *cpu)
{
    while (!__atomic_load_n(&cpu->request, __ATOMIC_SEQ_CST))
        futex(&cpu->request, FUTEX_WAIT_PRIVATE, 0);
}
