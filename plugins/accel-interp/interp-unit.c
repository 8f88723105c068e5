/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded units. A unit is found by pc, the key bits it depends on, and the
 * RAM pages it was decoded from; it is current while the versions of those
 * pages are the ones it saw.
 *
 * A decoder first marks the page as holding code, then takes its version, then
 * reads the bytes. A writer first stores, then looks at the mark, then changes
 * the version. So either the decoder saw the new bytes, or the version it
 * recorded is old.
 */
#include "interp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct code_window {
    struct icpu *ic;
    uint32_t mode;
    uint64_t pc;
    uint64_t first_page; /* virtual */
    struct tlb_entry entry[2];
    bool second;         /* entry[1] is filled */
    uint32_t version[2]; /* taken before the bytes are read */
    bool watched[2];
    struct tn_exception exception;
};

static uint32_t page_version(struct interp *in, uint64_t ram_page)
{
    return atomic_load(&in->page_version[ram_page]);
}

static bool open_second_page(struct code_window *w)
{
    if (!w->second)
        w->second = mem_fetch_page(w->ic, w->first_page + PAGE_SIZE, w->mode,
                                   &w->entry[1], &w->exception);
    return w->second;
}

/* May the byte at OFFSET of the unit's page be executed too? Where protection
 * is finer than a page only the bytes around the unit's start are known to be.
 * An instruction that begins among them may reach out of them; the unit ends
 * there. */
static bool byte_allowed(struct code_window *w, uint64_t va, uint32_t offset)
{
    struct tlb_entry e;

    if (offset >= w->entry[0].first && offset <= w->entry[0].last)
        return true;
    if (va - w->pc >= w->ic->in->info->max_insn_bytes ||
        !mem_fetch_page(w->ic, va, w->mode, &e, &w->exception))
        return false;
    w->entry[0].last = e.last;
    return true;
}

/* Before the first byte is read for decoding. */
static void watch_page(struct code_window *w, uint32_t which)
{
    struct tlb_entry *e = &w->entry[which];

    if (w->watched[which])
        return;
    w->watched[which] = true;
    if (!(atomic_load(e->page_flags) & TN_PAGE_CODE))
        atomic_fetch_or(e->page_flags, TN_PAGE_CODE);
    w->version[which] = page_version(w->ic->in, e->ram_page);
}

/* The decoder's view of code: the unit's page and the one after it. */
static int32_t fetch(void *opaque, uint64_t va, uint32_t bytes, void *buffer)
{
    struct code_window *w = opaque;
    uint8_t *out = buffer;

    while (bytes > 0) {
        uint64_t page = va & ~PAGE_MASK, offset = va & PAGE_MASK;
        uint32_t n = (uint32_t)(PAGE_SIZE - offset);
        uint32_t which = page == w->first_page ? 0 : 1;

        if (which == 1 &&
            (page != w->first_page + PAGE_SIZE || !open_second_page(w)))
            return -EFAULT;
        if (which == 0) {
            if (!byte_allowed(w, va, (uint32_t)offset))
                return -EFAULT;
            n = w->entry[0].last + 1 - (uint32_t)offset;
        }
        watch_page(w, which);
        if (n > bytes)
            n = bytes;
        memcpy(out, w->entry[which].host + offset, n);
        out += n;
        va += n;
        bytes -= n;
    }
    return 0;
}

void unit_flush(struct icpu *ic)
{
    for (uint32_t i = 0; i < UNIT_HASH; i++)
        while (ic->hash[i]) {
            struct unit *u = ic->hash[i];

            ic->hash[i] = u->next;
            free(u);
        }
    ic->cached_ops = 0;
}

static uint32_t hash_of(uint64_t pc, uint64_t ram_page)
{
    uint64_t h = (pc >> 1) ^ ram_page * 0x9e3779b97f4a7c15ull;

    return (uint32_t)(h ^ h >> 29) & (UNIT_HASH - 1);
}

/* Is U what is at PC now? *STALE: it was, and its code has changed. */
static bool unit_matches(struct icpu *ic, const struct unit *u, uint64_t pc,
                         struct code_window *w, bool *stale)
{
    *stale = false;
    if (u->pc != pc || (ic->cpu->key & u->key_used) != u->key ||
        u->ram_page[0] != w->entry[0].ram_page)
        return false;
    if (u->ram_page[1] != UINT64_MAX) {
        if (!open_second_page(w))
            return false;
        if (u->ram_page[1] != w->entry[1].ram_page)
            return false;
        *stale = u->version[1] != page_version(ic->in, u->ram_page[1]);
    }
    *stale |= u->version[0] != page_version(ic->in, u->ram_page[0]);
    /* Not all of it is known to be executable now. */
    *stale |= u->ram_page[1] == UINT64_MAX &&
              (pc & PAGE_MASK) + u->n_bytes > w->entry[0].last + 1;
    return !*stale;
}

static void check(struct icpu *ic, const struct tn_ir_unit *u)
{
    char message[160];

    if (ir_verify(u, ic->in->info, message, sizeof message))
        return;
    tn_logf(ic->in->host, TN_LOG_ERROR, "target's unit at %#llx is invalid: %s",
            (unsigned long long)u->pc, message);
    ir_dump(stderr, u, ic->in->info);
    abort();
}

/* Decode into ic->scratch; a unit that does not fit is made shorter. */
static int32_t decode(struct icpu *ic, uint64_t pc, struct code_window *w,
                      uint64_t *fault_va)
{
    struct tn_ir_unit *u = &ic->scratch;
    struct tn_decode d = {.size = sizeof d, .max_insns = ic->in->max_insns,
                          .pc = pc, .key = ic->cpu->key, .unit = u,
                          .fetch = fetch, .opaque = w};
    int32_t r;

    for (;;) {
        u->n_ops = u->n_labels = u->n_locals = u->overflow = 0;
        u->n_insns = u->n_bytes = 0;
        u->pc = pc;
        u->key_used = 0;
        r = ic->in->target->decode(ic->in->target_self, &d);
        if (r < 0 || !u->overflow || d.max_insns == 1)
            break;
        d.max_insns /= 2;
    }
    *fault_va = d.fault_va;
    return r;
}

static struct unit *unit_decode(struct icpu *ic, uint64_t pc,
                                struct code_window *w)
{
    struct tn_ir_unit *s = &ic->scratch;
    uint64_t fault_va;
    struct unit *u;
    uint32_t hash;

    if (decode(ic, pc, w, &fault_va) < 0) {
        /* The first instruction reaches into a page that cannot be fetched. */
        ic->exception = w->exception;
        ic->exception.value = fault_va;
        ic->exception.pc = pc;
        return NULL;
    }
    if (ic->in->verify)
        check(ic, s);
    u = malloc(sizeof *u + s->n_ops * sizeof *s->ops +
               s->n_labels * sizeof *u->label);
    if (!u)
        abort(); /* as GLib does: nothing can go on without memory */
    memcpy(u->ops, s->ops, s->n_ops * sizeof *s->ops);
    u->label = (uint32_t *)(u->ops + s->n_ops);
    u->n_ops = s->n_ops;
    u->n_labels = s->n_labels;
    for (uint32_t i = 0; i < s->n_ops; i++)
        if (s->ops[i].op == TN_OP_LABEL)
            u->label[s->ops[i].a] = i;
    u->pc = pc;
    u->n_bytes = s->n_bytes;
    u->key_used = s->key_used;
    u->key = ic->cpu->key & s->key_used;
    u->ram_page[0] = w->entry[0].ram_page;
    u->version[0] = w->version[0];
    u->ram_page[1] = UINT64_MAX;
    if ((pc & PAGE_MASK) + s->n_bytes > PAGE_SIZE) {
        u->ram_page[1] = w->entry[1].ram_page;
        u->version[1] = w->version[1];
    }
    if (ic->cached_ops > MAX_CACHED_OPS)
        unit_flush(ic);
    ic->cached_ops += s->n_ops;
    hash = hash_of(pc, u->ram_page[0]);
    u->next = ic->hash[hash];
    ic->hash[hash] = u;
    return u;
}

const struct unit *unit_lookup(struct icpu *ic, uint64_t pc)
{
    struct interp *in = ic->in;
    struct code_window w = {
        .ic = ic, .pc = pc, .first_page = pc & ~PAGE_MASK};
    struct unit **link;
    bool stale;

    w.mode = in->target->fetch_mode(in->target_self, ic->cpu->key);
    if (!mem_fetch_page(ic, pc, w.mode, &w.entry[0], &ic->exception)) {
        ic->exception.pc = pc;
        return NULL;
    }
    link = &ic->hash[hash_of(pc, w.entry[0].ram_page)];
    while (*link) {
        struct unit *u = *link;

        if (unit_matches(ic, u, pc, &w, &stale))
            return u;
        if (stale) {
            *link = u->next;
            ic->cached_ops -= u->n_ops;
            free(u);
        } else {
            link = &u->next;
        }
    }
    return unit_decode(ic, pc, &w);
}
