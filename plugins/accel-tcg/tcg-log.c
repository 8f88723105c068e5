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
