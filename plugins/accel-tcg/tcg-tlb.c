/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spaces: the TLBs of one guest address space as one vCPU sees it. A vCPU
 * keeps those of the spaces it used last, so that a context switch does not
 * empty them. Only the vCPU's own thread, or an exclusive section, touches
 * them.
 */
#include "tcg.h"

#include <stdlib.h>
#include <string.h>

static void clear_mode(struct tcg_space *s, uint32_t mode)
{
    if (s->n_filled[mode] >= 0) {
        for (int32_t i = 0; i < s->n_filled[mode]; i++) {
            uint32_t n = s->filled[mode][i];

            s->tlb[mode][n].read = s->tlb[mode][n].write = tag_none(n);
        }
    } else {
        memset(s->tlb[mode], 0, sizeof s->tlb[mode]);
        s->tlb[mode][0].read = s->tlb[mode][0].write = tag_none(0);
    }
    for (uint32_t i = 0; i < VICTIMS; i++)
        s->victim[mode][i].read = s->victim[mode][i].write = 1;
    memset(s->exec_id[mode], 0, sizeof s->exec_id[mode]);
    s->n_filled[mode] = 0;
    s->large_sizes[mode] = 0;
    memset(s->large_seen[mode], 0, sizeof s->large_seen[mode]);
    s->modes_used &= ~(1u << mode);
}

static void clear_space(struct tcg_space *s)
{
    for (uint32_t mode = 0; mode < N_MODES; mode++)
        if (s->modes_used >> mode & 1)
            clear_mode(s, mode);
}

/* A flush of one address of a large page forgets all pieces of it. They are
 * not listed: everything of the mode goes. */
static uint32_t large_bit(uint64_t va, uint32_t bits)
{
    return (uint32_t)(((va >> bits) + bits) * 0x9e3779b97f4a7c15ull >> 40) &
           (LARGE_BITS - 1);
}

static void note_large(struct tcg_space *s, const struct tn_walk *w)
{
    uint32_t bit;

    if (w->page_bits <= PAGE_BITS || w->page_bits > 63)
        return;
    bit = large_bit(w->va, w->page_bits);
    s->large_sizes[w->mode] |= 1ull << w->page_bits;
    s->large_seen[w->mode][bit / 64] |= 1ull << bit % 64;
}

static bool maybe_large(const struct tcg_space *s, uint32_t mode, uint64_t va)
{
    for (uint64_t sizes = s->large_sizes[mode]; sizes; sizes &= sizes - 1) {
        uint32_t bit = large_bit(va, (uint32_t)__builtin_ctzll(sizes));

        if (s->large_seen[mode][bit / 64] >> bit % 64 & 1)
            return true;
    }
    return false;
}

static struct tcg_space *new_space(void)
{
    struct tcg_space *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    for (uint32_t mode = 0; mode < N_MODES; mode++) {
        s->tlb[mode][0].read = s->tlb[mode][0].write = tag_none(0);
        for (uint32_t i = 0; i < VICTIMS; i++)
            s->victim[mode][i].read = s->victim[mode][i].write = 1;
    }
    return s;
}

void tlb_set_space(struct tcg_cpu *tc, uint64_t id)
{
    struct tcg_space *s = NULL;
    uint32_t slot = 0;

    if (tc->space && tc->space->id == id)
        return;
    for (uint32_t i = 0; i < N_SPACES; i++)
        if (tc->spaces[i] && tc->spaces[i]->id == id)
            s = tc->spaces[i];
    if (!s) {
        for (uint32_t i = 0; i < N_SPACES; i++) {
            if (!tc->spaces[i]) {
                tc->spaces[i] = new_space();
                slot = i;
                break;
            }
            if (tc->spaces[i]->last_used < tc->spaces[slot]->last_used)
                slot = i;
        }
        s = tc->spaces[slot];
        if (!s) { /* no memory: the current one serves all */
            s = tc->space;
            if (!s)
                return;
        }
        clear_space(s);
        tc->n_new_spaces++;
        s->id = id;
    }
    s->last_used = ++tc->use_counter;
    tc->space = s;
    tc->cpu->accel_hot[HOT_SPACE] = (uint64_t)(uintptr_t)s;
}

void tlb_free(struct tcg_cpu *tc)
{
    for (uint32_t i = 0; i < N_SPACES; i++)
        free(tc->spaces[i]);
}

void tlb_flush_all(struct tcg_cpu *tc)
{
    for (uint32_t i = 0; i < N_SPACES; i++)
        if (tc->spaces[i])
            clear_space(tc->spaces[i]);
}

static void flush_page(struct tcg_cpu *tc, struct tcg_space *s, uint64_t va)
{
    uint64_t page = va & ~PAGE_MASK;
    uint32_t index = page >> PAGE_BITS & (TLB_ENTRIES - 1);
    uint32_t exec = page >> PAGE_BITS & (EXEC_ENTRIES - 1);
    struct tlb_entry *e;

    for (uint32_t mode = 0; mode < N_MODES; mode++) {
        if (!(s->modes_used >> mode & 1))
            continue;
        if (maybe_large(s, mode, page)) {
            clear_mode(s, mode);
            tc->n_large++;
            continue;
        }
        e = &s->tlb[mode][index];
        if (e->read == page || e->write == page)
            e->read = e->write = tag_none(index);
        if (s->exec[mode][exec].page == (page | 1))
            s->exec_id[mode][exec] = 0;
        for (uint32_t i = 0; i < VICTIMS; i++)
            if (s->victim[mode][i].read == page ||
                s->victim[mode][i].write == page)
                s->victim[mode][i].read = s->victim[mode][i].write = 1;
    }
}

void tlb_flush(struct tcg_cpu *tc, uint64_t va, uint64_t bytes, uint64_t space)
{
    uint64_t first = va & ~PAGE_MASK;
    uint64_t n = (bytes + (va & PAGE_MASK) + PAGE_MASK) >> PAGE_BITS;

    tc->n_flushes++;
    for (uint32_t i = 0; i < N_SPACES; i++) {
        struct tcg_space *s = tc->spaces[i];

        if (!s || (space != TN_SPACE_ALL && s->id != space))
            continue;
        if (bytes == 0 || n > 256) {
            clear_space(s);
            tc->n_cleared++;
            continue;
        }
        for (uint64_t k = 0; k < n; k++)
            flush_page(tc, s, (first + k * PAGE_SIZE) & tc->tcg->address_mask);
    }
    /* The page of the code that runs may have gone. */
    __atomic_fetch_or(&tc->cpu->request, TN_CPU_WORK, __ATOMIC_RELAXED);
}

static void drop_write(struct tlb_entry *e, uint64_t host_page, uint64_t none)
{
    /* Which page: tag + addend; the read tag may be the only one. */
    if (e->write != none &&
        (host_page == 0 || e->write + e->addend == host_page))
        e->write = none;
}

static void drop_writes(struct tcg_cpu *tc, uint64_t host_page)
{
    for (uint32_t i = 0; i < N_SPACES; i++) {
        struct tcg_space *s = tc->spaces[i];

        for (uint32_t mode = 0; s && mode < N_MODES; mode++) {
            if (!(s->modes_used >> mode & 1))
                continue;
            if (s->n_filled[mode] >= 0)
                for (int32_t k = 0; k < s->n_filled[mode]; k++)
                    drop_write(&s->tlb[mode][s->filled[mode][k]], host_page,
                               tag_none(s->filled[mode][k]));
            else
                for (uint32_t n = 0; n < TLB_ENTRIES; n++)
                    drop_write(&s->tlb[mode][n], host_page, tag_none(n));
            for (uint32_t n = 0; n < VICTIMS; n++)
                drop_write(&s->victim[mode][n], host_page, 1);
        }
    }
}

void tlb_drop_writes(struct tcg_cpu *tc, const uint8_t *host_page)
{
    drop_writes(tc, (uint64_t)(uintptr_t)host_page);
}

void tlb_drop_all_writes(struct tcg_cpu *tc)
{
    drop_writes(tc, 0);
}

/* ---- filling ---- */

static void note_writer(struct tcg_cpu *tc, uint64_t ram_page)
{
    _Atomic uint8_t *w = &tc->tcg->writers[ram_page];
    uint8_t me = tc->cpu->index < 253 ? (uint8_t)(tc->cpu->index + 1) : 255;
    uint8_t old = atomic_load(w);

    if (old != me && old != 255)
        atomic_store(w, old == 0 && atomic_compare_exchange_strong(
                                        w, &old, me)
                            ? me
                            : 255);
    atomic_thread_fence(memory_order_seq_cst);
}

static void fill(struct tcg_cpu *tc, const struct tn_walk *w,
                 const struct tcg_place *p)
{
    struct tcg_space *s = tc->space;
    uint64_t page = w->va & ~PAGE_MASK;
    uint32_t index = page >> PAGE_BITS & (TLB_ENTRIES - 1), mode = w->mode;
    struct tlb_entry *e = &s->tlb[mode][index];
    uint64_t none = tag_none(index);

    if (w->page_bits < PAGE_BITS || p->ram_page >= tc->tcg->n_pages)
        return;
    s->modes_used |= 1u << mode;
    note_large(s, w);
    if ((e->read != none && e->read != page) ||
        (e->write != none && e->write != page)) {
        struct tlb_entry *v =
            &s->victim[mode][s->victim_next[mode]++ % VICTIMS];

        *v = *e;
        if (v->read == none)
            v->read = 1;
        if (v->write == none)
            v->write = 1;
    } else if (e->read == none && e->write == none &&
               s->n_filled[mode] >= 0) {
        if (s->n_filled[mode] < MAX_FILLED)
            s->filled[mode][s->n_filled[mode]++] = (uint16_t)index;
        else
            s->n_filled[mode] = -1;
    }
    e->addend = (uint64_t)(uintptr_t)p->host - w->va;
    e->pa = p->ram_page << PAGE_BITS;
    e->read = w->prot & TN_PROT_READ ? page : none;
    e->write = none;
    if (w->prot & TN_PROT_WRITE && !p->read_only) {
        e->pa |= 1;
        note_writer(tc, p->ram_page);
        if (!atomic_load(p->page_flags))
            e->write = page;
    }
}

static _Atomic uint8_t *flags_of(const struct tn_backing *b, uint64_t pa)
{
    return (_Atomic uint8_t *)(b->page_flags +
                               ((pa - b->start + (b->start & PAGE_MASK)) >>
                                PAGE_BITS));
}

/* Most addresses lie in one stretch of RAM; what is known of it holds until
 * tcg_map_changed(). */
const struct tn_backing *tlb_backing(struct tcg_cpu *tc, uint64_t pa)
{
    struct tn_backing *b = &tc->ram;

    if (!b->size || pa < b->start || pa > b->last) {
        *b = (struct tn_backing){.size = sizeof *b};
        tc->tcg->mem->resolve(tc->tcg->host, pa, b);
    }
    return b;
}

/* Walk; then look behind the physical address. */
static bool walk(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                 uint32_t access, uint32_t mode, struct tn_walk *w, struct tcg_place *p,
                 struct tn_exception *e)
{
    struct tcg *t = tc->tcg;
    const struct tn_backing *b;

    tc->n_walks++;
    *w = (struct tn_walk){.size = sizeof *w, .access = access, .mode = mode,
                          .va = va, .bytes = bytes};
    w->exception.size = sizeof w->exception;
    if (t->target->walk(t->target_self, tc->cpu, w) < 0) {
        *e = w->exception;
        return false;
    }
    b = tlb_backing(tc, w->pa);
    *p = (struct tcg_place){.pa = w->pa, .ram_page = UINT64_MAX,
                            .read_only = b->flags & TN_BACKING_READ_ONLY};
    if (!b->memory)
        return true;
    p->host = b->memory + (w->pa - b->start);
    p->page_flags = flags_of(b, w->pa);
    /* Only whole pages of memory can be kept. */
    if ((w->pa & ~PAGE_MASK) < b->start || (w->pa | PAGE_MASK) > b->last)
        w->page_bits = 0;
    p->ram_page = (b->ram_offset + (w->pa - b->start)) >> PAGE_BITS;
    return true;
}

bool tlb_translate(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                   uint32_t access, uint32_t mode, struct tcg_place *p, struct tn_exception *e)
{
    struct tn_walk w;

    if (!walk(tc, va, bytes, access, mode, &w, p, e))
        return false;
    if (p->host)
        fill(tc, &w, p);
    return true;
}

struct tlb_entry *tlb_lookup(struct tcg_cpu *tc, uint64_t va, bool write,
                             uint32_t mode)
{
    struct tcg_space *s = tc->space;
    struct tlb_entry *e = tlb_at(s, mode, va), t;
    uint64_t page = va & ~PAGE_MASK;
    uint64_t none = tag_none(va >> PAGE_BITS & (TLB_ENTRIES - 1));

    if ((write ? e->write : e->read) == page)
        return e;
    for (uint32_t i = 0; i < VICTIMS; i++) {
        struct tlb_entry *v = &s->victim[mode][i];

        if ((write ? v->write : v->read) != page)
            continue;
        t = *e;
        *e = *v;
        *v = t;
        if (e->read == 1)
            e->read = none;
        if (e->write == 1)
            e->write = none;
        if (v->read == none)
            v->read = 1;
        if (v->write == none)
            v->write = 1;
        if (t.read == none && t.write == none && s->n_filled[mode] >= 0)
            s->n_filled[mode] = -1; /* not in the list of filled ones */
        return e;
    }
    return NULL;
}

bool tlb_fetch(struct tcg_cpu *tc, uint64_t va, uint32_t mode,
               struct exec_entry *entry, uint32_t *id, struct tn_exception *e)
{
    struct tcg_space *s = tc->space;
    uint64_t page = va & ~PAGE_MASK;
    uint32_t index = page >> PAGE_BITS & (EXEC_ENTRIES - 1);
    struct exec_entry *x = &s->exec[mode][index];
    struct tcg_place p;
    struct tn_walk w;

    if (s->exec_id[mode][index] && x->page == (page | 1)) {
        *entry = *x;
        *id = s->exec_id[mode][index];
        return true;
    }
    if (!walk(tc, va, 0, TN_ACCESS_FETCH, mode, &w, &p, e))
        return false;
    if (!p.host || p.ram_page >= tc->tcg->n_pages) {
        *e = (struct tn_exception){.size = sizeof *e, .code = TN_FAULT_BUS,
                                   .access = TN_ACCESS_FETCH, .value = va};
        return false;
    }
    *x = (struct exec_entry){.page = page | 1,
                             .host = p.host - (va & PAGE_MASK),
                             .ram_page = p.ram_page,
                             .page_flags = p.page_flags,
                             .last = PAGE_MASK};
    if (w.page_bits < PAGE_BITS) {
        uint32_t inside = (1u << w.page_bits) - 1;

        x->first = (uint32_t)(va & PAGE_MASK) & ~inside;
        x->last = x->first | inside;
        cache_divided(tc->tcg, p.ram_page);
    }
    *entry = *x;
    *id = cache_mapping(tc->tcg, page, p.ram_page);
    s->modes_used |= 1u << mode;
    note_large(s, &w);
    s->exec_id[mode][index] = w.page_bits < PAGE_BITS ? 0 : *id;
    return true;
}
