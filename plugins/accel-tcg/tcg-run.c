/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's loop: requests, interrupts, exceptions, finding units. */
#include "tcg.h"

#include <stdlib.h>
#include <string.h>

/* ---- jump caches: one a state key ---- */

static uint32_t jump_index(struct tcg *t, uint64_t pc)
{
    uint32_t align = t->info->insn_align;
    uint32_t shift = align >= 4 ? 2 : align == 2 ? 1 : 0;

    return (uint32_t)((pc ^ pc >> JUMP_FOLD) >> shift) & (JUMP_ENTRIES - 1);
}

static void jumps_reset(struct tcg *t, struct jump_cache *j)
{
    /* A pc that does not belong to the index never matches: 0 belongs to the
     * first, this one to another. */
    if (j->in_use)
        memset(j->entry, 0, sizeof j->entry);
    j->in_use = true;
    j->entry[0].pc = t->info->insn_align >= 4 ? 4 : t->info->insn_align;
}

void jumps_clear(struct tcg_cpu *tc)
{
    for (uint32_t i = 0; i < N_JUMP_CACHES; i++)
        if (tc->jump_caches[i])
            jumps_reset(tc->tcg, tc->jump_caches[i]);
}

/* Make the cache for the current key current. */
bool jumps_select(struct tcg_cpu *tc)
{
    uint64_t key = tc->cpu->key;
    uint32_t slot = 0;
    struct jump_cache *j = NULL;

    if (tc->jumps && tc->jumps->key == key)
        return true;
    for (uint32_t i = 0; i < N_JUMP_CACHES; i++)
        if (tc->jump_caches[i] && tc->jump_caches[i]->key == key)
            j = tc->jump_caches[i];
    if (!j) {
        for (uint32_t i = 0; i < N_JUMP_CACHES; i++) {
            if (!tc->jump_caches[i]) {
                tc->jump_caches[i] = calloc(1, sizeof *j);
                slot = i;
                break;
            }
            if (tc->jump_caches[i]->last_used <
                tc->jump_caches[slot]->last_used)
                slot = i;
        }
        j = tc->jump_caches[slot];
        if (!j)
            return false;
        jumps_reset(tc->tcg, j);
        j->key = key;
    }
    j->last_used = ++tc->use_counter;
    tc->jumps = j;
    tc->cpu->accel_hot[HOT_JUMPS] = (uint64_t)(uintptr_t)j->entry;
    tc->fetch_mode =
        tc->tcg->target->fetch_mode(tc->tcg->target_self, key);
    return true;
}

/* ---- units ---- */

/* A unit that crosses a page also needs the second to be what it was. */
static bool second_page_ok(struct tcg_cpu *tc, const struct tcg_unit *u)
{
    struct exec_entry e;
    uint32_t id;

    return u->ram_page[1] == UINT64_MAX ||
           (tlb_fetch(tc, (u->pc | PAGE_MASK) + 1, tc->fetch_mode, &e, &id,
                      &tc->exception) &&
            id == u->exec_id[1]);
}

/* The unit that was left because its page was not known, if it is right after
 * all: TLBs are emptied far more often than pages move. */
static struct tcg_unit *last_left(struct tcg_cpu *tc, uint64_t pc, uint32_t id)
{
    struct tcg_unit *u =
        tc->reason == LEAVE_DEAD
            ? (struct tcg_unit *)(uintptr_t)tc->cpu->accel_hot[HOT_LEFT]
            : NULL;

    return u && u->pc == pc && u->key == tc->cpu->key &&
                   u->exec_id[0] == id && !atomic_load(&u->dead)
               ? u
               : NULL;
}

static struct tcg_unit *find(struct tcg_cpu *tc, uint64_t pc)
{
    struct exec_entry e;
    struct tcg_unit *u;
    uint32_t id;

    tc->n_lookups++;
    if (!tlb_fetch(tc, pc, tc->fetch_mode, &e, &id, &tc->exception))
        return NULL;
    u = tc->one_insn ? NULL : last_left(tc, pc, id);
    if (!u && !tc->one_insn)
        u = cache_find(tc->tcg, pc, tc->cpu->key, e.ram_page, id);
    /* Protection may be finer than a page: is all of it executable? */
    if (u && u->ram_page[1] == UINT64_MAX &&
        (pc & PAGE_MASK) + u->n_bytes > e.last + 1)
        u = NULL;
    if (u && second_page_ok(tc, u))
        return u;
    return translate(tc, pc);
}

static void follow_link(struct tcg_cpu *tc, struct tcg_unit *u)
{
    struct tcg_link *l =
        tc->reason == LEAVE_LINK
            ? (struct tcg_link *)(uintptr_t)tc->cpu->accel_hot[HOT_LEFT]
            : NULL;

    tc->cpu->accel_hot[HOT_LEFT] = 0;
    if (l && u && tc->tcg->chain && !tc->one_insn && l->unit->key == u->key &&
        l->pc == u->pc)
        cache_link(tc->tcg, l, u);
}

static void remember_jump(struct tcg_cpu *tc, struct tcg_unit *u)
{
    struct jump_entry *e = &tc->jumps->entry[jump_index(tc->tcg, u->pc)];

    if (!tc->tcg->chain || tc->one_insn)
        return;
    e->pc = u->pc;
    e->code = CHECKED_ENTRY(u);
}

/* ---- events ---- */

static void take_exception(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;

    if (t->log & LOG_INT)
        fprintf(t->log_file, "cpu %u: exception 0x%x value 0x%llx at 0x%llx\n",
                tc->cpu->index, tc->exception.code,
                (unsigned long long)tc->exception.value,
                (unsigned long long)get_pc(tc));
    t->target->take_exception(t->target_self, tc->cpu, &tc->exception);
}

static void check_interrupts(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;

    if (t->target->irq_pending(t->target_self, tc->cpu) & TN_IRQ_TAKE) {
        t->target->take_irq(t->target_self, tc->cpu);
        if (t->log & LOG_INT)
            fprintf(t->log_file, "cpu %u: interrupt, now at 0x%llx\n",
                    tc->cpu->index, (unsigned long long)get_pc(tc));
    }
}

/* False: core wants the thread back. */
static bool handle_request(struct tcg_cpu *tc)
{
    uint32_t r = __atomic_load_n(&tc->cpu->request, __ATOMIC_SEQ_CST);

    if (!r)
        return true;
    __atomic_fetch_and(&tc->cpu->request, ~(TN_CPU_STOP | TN_CPU_WORK),
                       __ATOMIC_SEQ_CST);
    if (r & TN_CPU_STOP)
        return false;
    if (r & TN_CPU_WORK) { /* let an exclusive section pass */
        sync_leave(tc);
        sync_enter(tc);
    }
    if (r & TN_CPU_IRQ) {
        __atomic_fetch_and(&tc->cpu->request, ~TN_CPU_IRQ, __ATOMIC_SEQ_CST);
        check_interrupts(tc);
    }
    return true;
}

/*
 * A pending interrupt that is masked ends a wait at once, so firmware that
 * waits for a word of memory with one (OpenSBI's harts that are not started
 * yet) turns in a circle. After some rounds each takes a moment, which a new
 * request cuts short.
 */
#define IDLE_ROUNDS 32
#define IDLE_NAP 200000 /* ns */

static void idle_round(struct tcg_cpu *tc, uint32_t pending)
{
    if (pending & TN_IRQ_TAKE) {
        tc->idle_rounds = 0;
    } else if (++tc->idle_rounds > IDLE_ROUNDS) {
        sync_leave(tc);
        sync_nap(tc->cpu, IDLE_NAP);
        sync_enter(tc);
    }
}

static void halt(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;
    uint32_t pending;

    for (;;) {
        __atomic_fetch_and(&tc->cpu->request, ~TN_CPU_IRQ, __ATOMIC_SEQ_CST);
        pending = t->target->irq_pending(t->target_self, tc->cpu);
        if (pending)
            break;
        tc->idle_rounds = 0;
        if (__atomic_load_n(&tc->cpu->request, __ATOMIC_SEQ_CST) &
            TN_CPU_STOP)
            return; /* the loop sees it; halts again when run again */
        sync_leave(tc);
        sync_wait(tc->cpu);
        sync_enter(tc);
        __atomic_fetch_and(&tc->cpu->request, ~TN_CPU_WORK, __ATOMIC_SEQ_CST);
    }
    tc->halted = false;
    idle_round(tc, pending);
    check_interrupts(tc);
}

/* Run generated code once and see to why it came back. */
static void run_code(struct tcg_cpu *tc, uint64_t pc, const void *code)
{
    tc->n_exits++;
    if (tc->tcg->log & LOG_EXEC)
        fprintf(tc->tcg->log_file, "cpu %u: 0x%llx\n", tc->cpu->index,
                (unsigned long long)pc);
    tc->in_code = true;
    tc->reason = host_enter(tc, code);
    tc->in_code = false;
    tc->n_reason[tc->reason & 15]++;
    switch (tc->reason) {
    case LEAVE_SYNC:
        check_interrupts(tc);
        break;
    case LEAVE_HALT:
        tc->halted = true;
        break;
    case LEAVE_EXCEPTION:
        take_exception(tc);
        break;
    default:
        break;
    }
}

static void forced_flush(struct tcg_cpu *tc)
{
    if (tc->tcg->flush_every && ++tc->since_flush >= tc->tcg->flush_every) {
        tc->since_flush = 0;
        cache_flush(tc);
    }
}

/* The entry for PC if the jump cache has it and it can be used. */
static const void *known_jump(struct tcg_cpu *tc, uint64_t pc)
{
    const struct jump_entry *e;

    if (tc->one_insn || tc->reason == LEAVE_LINK || tc->reason == LEAVE_DEAD)
        return NULL; /* more is to be done than to go there */
    e = &tc->jumps->entry[jump_index(tc->tcg, pc)];
    return e->pc == pc ? e->code : NULL;
}

static void step(struct tcg_cpu *tc)
{
    uint64_t pc = get_pc(tc);
    const void *known;
    struct tcg_unit *u;

    if (!jumps_select(tc)) {
        tc->failed = true;
        return;
    }
    known = known_jump(tc, pc);
    if (known) {
        run_code(tc, pc, known);
        return;
    }
    u = find(tc, pc);
    if (!u) {
        tc->cpu->accel_hot[HOT_LEFT] = 0;
        if (!tc->failed && tc->exception.size) {
            tc->exception.pc = pc;
            take_exception(tc);
        }
        return;
    }
    follow_link(tc, u);
    if (tc->reason != LEAVE_LINK)
        remember_jump(tc, u);
    tc->one_insn = false;
    run_code(tc, pc, u->body);
}

int32_t tcg_run(void *self, struct tn_cpu *cpu)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);

    (void)self;
    host_fp_begin(tc);
    sync_enter(tc);
    if (_setjmp(tc->outside))
        take_exception(tc); /* raised in C outside generated code */
    else
        check_interrupts(tc);
    while (!tc->failed && handle_request(tc)) {
        if (tc->halted) {
            halt(tc);
            continue;
        }
        forced_flush(tc);
        step(tc);
    }
    sync_leave(tc);
    host_fp_end(tc);
    return tc->failed ? TN_RUN_FAILED : TN_RUN_STOPPED;
}
