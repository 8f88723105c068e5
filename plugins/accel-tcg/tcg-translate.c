/* SPDX-License-Identifier: Apache-2.0 */
/* From guest code to a unit: fetch, decode, generate, publish. */
#include "tcg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
    struct tcg_cpu *tc;
    uint64_t pc, key;
    uint32_t mode;
    uint32_t n_pages;
    struct exec_entry page[2];
    uint32_t id[2];
    uint32_t version[2];
    bool reached_out; /* of what is known to be executable by its start */
};

static void drop_everywhere(struct tcg *t, void *opaque)
{
    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (t->cpus[i])
            tlb_drop_writes(t->cpus[i], opaque);
}

/* From now on stores to the page come to our notice. */
static void protect(struct tcg_cpu *tc, const struct exec_entry *e)
{
    struct tcg *t = tc->tcg;
    uint8_t writers;

    if (atomic_fetch_or(e->page_flags, TN_PAGE_CODE) & TN_PAGE_CODE)
        return;
    writers = atomic_load(&t->writers[e->ram_page]);
    if (writers == tc->cpu->index + 1)
        tlb_drop_writes(tc, e->host);
    else if (writers)
        sync_exclusive(t, tc, drop_everywhere, e->host);
    atomic_store(&t->writers[e->ram_page], 0);
}

static bool open_page(struct fetch *f, uint64_t va, uint32_t n)
{
    if (!tlb_fetch(f->tc, va, f->mode, &f->page[n], &f->id[n],
                   &f->tc->exception))
        return false;
    protect(f->tc, &f->page[n]);
    f->version[n] = cache_version(f->tc->tcg, f->page[n].ram_page);
    f->n_pages = n + 1;
    return true;
}

/* May the byte at AT, in the unit's page, be executed too? Where protection is
 * finer than a page only the bytes around the unit's start are known to be. An
 * instruction that begins among them may reach out of them; the unit ends
 * there. */
static bool byte_allowed(struct fetch *f, uint64_t at)
{
    uint32_t offset = (uint32_t)(at & PAGE_MASK), id;
    struct exec_entry e;

    if (offset >= f->page[0].first && offset <= f->page[0].last)
        return true;
    if (at - f->pc >= f->tc->tcg->info->max_insn_bytes ||
        !tlb_fetch(f->tc, at, f->mode, &e, &id, &f->tc->exception))
        return false;
    f->page[0].last = e.last;
    f->reached_out = true;
    return true;
}

/* The decoder's reader. A unit lies in one page, but for an instruction that
 * crosses into the next if it is the unit's first. */
static int32_t fetch_code(void *opaque, uint64_t va, uint32_t bytes,
                          void *buffer)
{
    struct fetch *f = opaque;
    uint8_t *out = buffer;

    for (uint32_t i = 0; i < bytes; i++) {
        uint64_t at = (va + i) & f->tc->tcg->address_mask;
        uint32_t n = ((at ^ f->pc) & ~PAGE_MASK) != 0;

        if (n && (((at - PAGE_SIZE) ^ f->pc) & ~PAGE_MASK ||
                  at - f->pc >= f->tc->tcg->info->max_insn_bytes))
            return -EFAULT;
        if (n && f->n_pages < 2 && !open_page(f, at, 1))
            return -EFAULT;
        if (!n && !byte_allowed(f, at))
            return -EFAULT;
        out[i] = f->page[n].host[at & PAGE_MASK];
    }
    return 0;
}

static void describe(struct tcg_cpu *tc, struct tcg_unit *u,
                     const struct fetch *f)
{
    bool two = (f->pc & PAGE_MASK) + tc->ir.n_bytes > PAGE_SIZE;

    memset(u, 0, sizeof *u);
    u->pc = f->pc;
    u->key = f->key;
    u->n_bytes = tc->ir.n_bytes;
    u->n_insns = tc->ir.n_insns;
    u->ram_page[0] = f->page[0].ram_page;
    u->ram_page[1] = two ? f->page[1].ram_page : UINT64_MAX;
    u->exec_id[0] = f->id[0];
    u->exec_id[1] = two ? f->id[1] : 0;
    /* Run once, never found again. */
    u->dead = tc->one_insn || f->reached_out;
}

/* Decode at most MAX instructions. 0, or a negative errno. */
static int32_t decode(struct tcg_cpu *tc, struct fetch *f, uint32_t max)
{
    struct tcg *t = tc->tcg;
    struct tn_decode d = {.size = sizeof d, .max_insns = max, .pc = f->pc,
                          .key = f->key, .unit = &tc->ir,
                          .fetch = fetch_code, .opaque = f};
    struct tn_ir_op *ops = tc->ir.ops;

    memset(&tc->ir, 0, sizeof tc->ir);
    tc->ir.size = sizeof tc->ir;
    tc->ir.ops = ops;
    tc->ir.max_ops = MAX_OPS;
    tc->ir.pc = f->pc;
    return t->target->decode(t->target_self, &d);
}

static bool verified(struct tcg_cpu *tc)
{
    char message[256];

    if (!tc->tcg->verify ||
        ir_verify(&tc->ir, tc->tcg->info, message, sizeof message))
        return true;
    tn_logf(tc->tcg->host, TN_LOG_ERROR, "IR at 0x%llx: %s",
            (unsigned long long)tc->ir.pc, message);
    ir_dump(stderr, &tc->ir, tc->tcg->info);
    return false;
}

/* 0 done; 1 fewer instructions; 2 cache full; 3 code changed; -errno. */
static int attempt(struct tcg_cpu *tc, struct fetch *f, uint32_t max,
                   struct tcg_unit **result)
{
    int32_t r = decode(tc, f, max);
    struct tcg_unit *u;
    int made;

    if (tc->ir.overflow)
        return 1;
    if (r < 0)
        return r;
    if (!verified(tc))
        return -EINVAL;
    if (!cache_room(tc, 1, 65536))
        return 2;
    u = cache_data(tc, sizeof *u);
    if (!u)
        return 2;
    describe(tc, u, f);
    made = host_generate(tc, u);
    if (made)
        return made;
    cache_note(tc, u);
    log_unit(tc, u, fetch_code, f);
    tc->n_units++;
    tc->n_insns += u->n_insns;
    if (!u->dead && !cache_add(tc, u, f->version))
        return 3;
    *result = u;
    return 0;
}

struct tcg_unit *translate(struct tcg_cpu *tc, uint64_t pc)
{
    struct tcg *t = tc->tcg;
    struct fetch f = {.tc = tc, .pc = pc, .key = tc->cpu->key,
                      .mode = tc->fetch_mode};
    uint32_t max = tc->one_insn ? 1 : t->max_insns;
    struct tcg_unit *u = NULL;

    for (;;) {
        int r;

        f.n_pages = 0;
        f.reached_out = false;
        if (!open_page(&f, pc, 0))
            return NULL;
        r = attempt(tc, &f, max, &u);
        if (r == 0)
            return u;
        if (r == 1 && max > 1) {
            max = max > 8 ? max / 2 : max - 1;
        } else if (r == 2) {
            cache_flush(tc);
            tc->exception.size = 0;
            return NULL;
        } else if (r == -EFAULT) {
            return NULL; /* tc->exception is set */
        } else if (r != 3) {
            tc->failed = true;
            tn_logf(t->host, TN_LOG_ERROR,
                    "code at 0x%llx cannot be translated (%s)",
                    (unsigned long long)pc,
                    r == 1 ? "too complex" : strerror(-r));
            return NULL;
        }
    }
}
