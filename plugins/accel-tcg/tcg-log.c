/* SPDX-License-Identifier: Apache-2.0 */
/* What the `log` and `perf-map` properties write about each unit. */
#include "tcg.h"

static void bytes(FILE *f, const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        fprintf(f, "%s%02x", i % 32 == 0 ? "\n    " : " ", p[i]);
    fputc('\n', f);
}

void log_unit(struct tcg_cpu *tc, struct tcg_unit *u)
{
    struct tcg *t = tc->tcg;

    if (t->perf_map) {
        fprintf(t->perf_map, "%llx %x guest-0x%llx\n",
                (unsigned long long)(uintptr_t)CHECKED_ENTRY(u),
                u->code_bytes + CHECKED_BYTES, (unsigned long long)u->pc);
        fflush(t->perf_map);
    }
    if (!(t->log & (LOG_GUEST | LOG_IR | LOG_HOST)))
        return;
    fprintf(t->log_file, "unit 0x%llx key 0x%llx: %u instructions\n",
            (unsigned long long)u->pc, (unsigned long long)u->key, u->n_insns);
    if (t->log & LOG_IR)
        ir_dump(t->log_file, &tc->ir, t->info);
    if (t->log & LOG_HOST) {
        fprintf(t->log_file, "host code at %p, %u bytes", (void *)u->body,
                u->code_bytes);
        bytes(t->log_file, u->body, u->code_bytes);
    }
    fflush(t->log_file);
}

void log_statistics(struct tcg_cpu *tc)
{
    static const char *const reasons[] = {
        [LEAVE_LINK] = "direct exits to link",
        [LEAVE_JUMP] = "indirect jumps not in the cache",
        [LEAVE_REQUEST] = "requests",
        [LEAVE_DEAD] = "units or mappings gone",
        [LEAVE_SYNC] = "changes of state",
        [LEAVE_HALT] = "halts",
        [LEAVE_EXCEPTION] = "exceptions",
        [LEAVE_AGAIN] = "restarts",
    };
    FILE *f = tc->tcg->log_file;

    fprintf(f,
            "cpu %u: %llu units of %llu instructions, %llu bytes of code\n"
            "  %llu lookups, %llu slow loads, %llu slow stores, %llu walks, "
            "%llu flushes\n",
            tc->cpu->index, (unsigned long long)tc->n_units,
            (unsigned long long)tc->n_insns,
            (unsigned long long)tc->n_code_bytes,
            (unsigned long long)tc->n_lookups,
            (unsigned long long)tc->n_slow_loads,
            (unsigned long long)tc->n_slow_stores,
            (unsigned long long)tc->n_walks,
            (unsigned long long)tc->n_flushes);
    for (uint32_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i])
            fprintf(f, "  %llu %s\n", (unsigned long long)tc->n_reason[i],
                    reasons[i]);
}
