/* SPDX-License-Identifier: Apache-2.0 */
/* What the properties log, perf-map and gdb-symbols tell about each unit. */
#include "tcg.h"

/* The instructions in the order they were decoded; exits that stand behind
 * the unit name theirs again. */
static void guest_code(struct tcg_cpu *tc,
                       int32_t (*read)(void *opaque, uint64_t va,
                                       uint32_t bytes, void *buffer),
                       void *opaque)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < tc->ir.n_ops && n < tc->ir.n_insns; i++) {
        const struct tn_ir_op *o = &tc->ir.ops[i];
        uint64_t pc = o->a | (uint64_t)o->b << 32;
        uint32_t bytes = o->c & 0xff;
        uint8_t code[256];

        if (o->op != TN_OP_INSN)
            continue;
        n++;
        if (!read(opaque, pc, bytes, code))
            list_guest_insn(tc->tcg, pc, code, bytes);
    }
}

void log_unit(struct tcg_cpu *tc, struct tcg_unit *u,
              int32_t (*read)(void *opaque, uint64_t va, uint32_t bytes,
                              void *buffer),
              void *opaque)
{
    struct tcg *t = tc->tcg;

    if (t->perf_map) {
        fprintf(t->perf_map, "%llx %x guest-0x%llx\n",
                (unsigned long long)(uintptr_t)CHECKED_ENTRY(u),
                u->code_bytes + CHECKED_BYTES, (unsigned long long)u->pc);
        fflush(t->perf_map);
    }
    if (t->gdb_symbols)
        gdb_add(t, u);
    if (!(t->log & (LOG_GUEST | LOG_IR | LOG_HOST)))
        return;
    flockfile(t->log_file); /* a unit's parts stay together */
    fprintf(t->log_file, "cpu %u: unit 0x%llx key 0x%llx: %u instructions\n",
            tc->cpu->index, (unsigned long long)u->pc,
            (unsigned long long)u->key, u->n_insns);
    if (t->log & LOG_GUEST) {
        fputs(" guest code\n", t->log_file);
        guest_code(tc, read, opaque);
    }
    if (t->log & LOG_IR) {
        fputs(" intermediate code\n", t->log_file);
        ir_dump(t->log_file, &tc->ir, t->info);
    }
    if (t->log & LOG_HOST) {
        fprintf(t->log_file, " host code, %u bytes\n", u->code_bytes);
        list_host(t, u->body, u->code_bytes);
    }
    fflush(t->log_file);
    funlockfile(t->log_file);
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
            "%llu flushes (spaces %llu, modes %llu), %llu spaces made\n",
            tc->cpu->index, (unsigned long long)tc->n_units,
            (unsigned long long)tc->n_insns,
            (unsigned long long)tc->n_code_bytes,
            (unsigned long long)tc->n_lookups,
            (unsigned long long)tc->n_slow_loads,
            (unsigned long long)tc->n_slow_stores,
            (unsigned long long)tc->n_walks,
            (unsigned long long)tc->n_flushes,
            (unsigned long long)tc->n_cleared,
            (unsigned long long)tc->n_large,
            (unsigned long long)tc->n_new_spaces);
    for (uint32_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i])
            fprintf(f, "  %llu %s\n", (unsigned long long)tc->n_reason[i],
                    reasons[i]);
}
