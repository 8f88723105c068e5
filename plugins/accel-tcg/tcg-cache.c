/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code cache: memory mapped twice, chunks of it for each vCPU, units found
 * by what they were made from, and their end when that is written.
 *
 * Units are added and removed under translate_lock; they are looked up without
 * one. A removed unit's memory stays until the whole cache is emptied, which
 * is an exclusive section; its body then leads to the run loop.
 */
#include "tcg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DATA_BYTES (CHUNK_BYTES)
#define UNITS_PER_CHUNK 16384u
#define MAPPING_BUCKETS 65536u

int32_t cache_init(struct tcg *t, struct tn_error *error)
{
    uint64_t least = (2 + 3 * (uint64_t)t->n_cpus) * CHUNK_BYTES, bytes;

    /* Fewer chunks than vCPUs would empty the cache all the time. */
    if (t->cache_size < least)
        t->cache_size = least;
    bytes = t->cache_size & ~(CHUNK_BYTES - 1);
    t->n_chunks = bytes / CHUNK_BYTES - 1;
    t->code_fd = memfd_create("tenon-code", MFD_CLOEXEC);
    if (t->code_fd < 0 || ftruncate(t->code_fd, (off_t)bytes) < 0)
        return tn_fail(t->host, error, -errno, "code cache: %s",
                       strerror(errno));
    t->code_rw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      t->code_fd, 0);
    t->code_rx = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED,
                      t->code_fd, 0);
    if (t->code_rw == MAP_FAILED || t->code_rx == MAP_FAILED)
        return tn_fail(t->host, error, -errno, "code cache: %s",
                       strerror(errno));
    t->n_pages = (t->mem->ram_bytes(t->host) + PAGE_MASK) >> PAGE_BITS;
    t->hash = calloc(1u << HASH_BITS, sizeof *t->hash);
    t->chunks = calloc(t->n_chunks, sizeof *t->chunks);
    t->pages = calloc(t->n_pages + 1, sizeof *t->pages);
    t->writers = calloc(t->n_pages + 1, 1);
    t->mappings = calloc(MAPPING_BUCKETS, sizeof *t->mappings);
    if (!t->hash || !t->chunks || !t->pages || !t->writers || !t->mappings)
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    t->next_mapping = 1;
    return 0;
}

static void free_mappings(struct tcg *t)
{
    struct tcg_mapping *m, *older;

    /* Along the mappings: most buckets were never touched, and their memory
     * need not come to be. */
    for (m = t->last_mapping; m; m = older) {
        older = m->older;
        atomic_store(m->bucket, NULL);
        free(m);
    }
    t->last_mapping = NULL;
}

static void free_chunks(struct tcg *t)
{
    for (uint64_t i = 0; t->chunks && i < t->n_chunks; i++) {
        if (t->chunks[i].pinned)
            continue;
        free(t->chunks[i].units);
        free(t->chunks[i].data);
        memset(&t->chunks[i], 0, sizeof t->chunks[i]);
    }
}

void cache_fini(struct tcg *t)
{
    uint64_t bytes = t->cache_size & ~(CHUNK_BYTES - 1);

    free_mappings(t);
    for (uint64_t i = 0; t->chunks && i < t->n_chunks; i++)
        t->chunks[i].pinned = false;
    free_chunks(t);
    free((void *)t->mappings);
    free(t->chunks);
    free((void *)t->hash);
    free(t->pages);
    free((void *)t->writers);
    if (t->code_rw && t->code_rw != MAP_FAILED)
        munmap(t->code_rw, bytes);
    if (t->code_rx && t->code_rx != MAP_FAILED)
        munmap(t->code_rx, bytes);
    if (t->code_fd >= 0)
        close(t->code_fd);
    t->code_rw = t->code_rx = NULL;
    t->code_fd = -1;
}

static struct tcg_mapping *find_mapping(struct tcg_mapping *m,
                                        uint64_t va_page, uint64_t ram_page)
{
    while (m && (m->va_page != va_page || m->ram_page != ram_page))
        m = m->next;
    return m;
}

/* Mappings are added at the head and stay until the cache is emptied: they
 * are looked up without the lock. */
uint32_t cache_mapping(struct tcg *t, uint64_t va_page, uint64_t ram_page)
{
    uint64_t h = ((va_page >> PAGE_BITS) * 0xc2b2ae3d27d4eb4full ^ ram_page) *
                 0x9e3779b97f4a7c15ull;
    _Atomic(struct tcg_mapping *) *head =
        &t->mappings[h >> 40 & (MAPPING_BUCKETS - 1)];
    struct tcg_mapping *first =
        atomic_load_explicit(head, memory_order_acquire);
    struct tcg_mapping *m = find_mapping(first, va_page, ram_page);
    uint32_t id;

    if (m)
        return m->id;
    pthread_mutex_lock(&t->translate_lock);
    first = atomic_load_explicit(head, memory_order_relaxed);
    m = find_mapping(first, va_page, ram_page);
    if (!m && (m = malloc(sizeof *m)) != NULL) {
        *m = (struct tcg_mapping){
            .next = first,
            .va_page = va_page,
            .ram_page = ram_page,
            .id = t->next_mapping++,
            .older = t->last_mapping,
            .bucket = head,
        };
        t->last_mapping = m;
        atomic_store_explicit(head, m, memory_order_release);
    }
    id = m ? m->id : 0;
    pthread_mutex_unlock(&t->translate_lock);
    return id;
}

/* ---- memory ---- */

static bool next_chunk(struct tcg_cpu *tc)
{
    struct tcg *t = tc->tcg;
    struct tcg_chunk *c;
    uint64_t n;

    do {
        n = atomic_fetch_add(&t->chunk_next, 1);
        if (n >= t->n_chunks)
            return false;
    } while (t->chunks[n].pinned);
    c = &t->chunks[n];
    c->data = malloc(DATA_BYTES);
    c->units = calloc(UNITS_PER_CHUNK, sizeof *c->units);
    c->max_units = UNITS_PER_CHUNK;
    if (!c->data || !c->units)
        return false;
    tc->chunk = c;
    tc->arena.code = t->code_rw + (n + 1) * CHUNK_BYTES;
    tc->arena.code_end = tc->arena.code + CHUNK_BYTES;
    tc->arena.data = c->data;
    tc->arena.data_end = c->data + DATA_BYTES;
    return true;
}

bool cache_room(struct tcg_cpu *tc, uint64_t bytes, uint64_t data)
{
    struct tcg_arena *a = &tc->arena;

    if (bytes > CHUNK_BYTES || data > DATA_BYTES)
        return false;
    if (a->code && (uint64_t)(a->code_end - a->code) >= bytes &&
        (uint64_t)(a->data_end - a->data) >= data && tc->chunk &&
        atomic_load(&tc->chunk->n_units) < tc->chunk->max_units)
        return true;
    return next_chunk(tc);
}

void *cache_data(struct tcg_cpu *tc, uint64_t bytes)
{
    uint8_t *p = tc->arena.data;

    bytes = (bytes + 15) & ~15ull;
    if (!p || (uint64_t)(tc->arena.data_end - p) < bytes)
        return NULL;
    tc->arena.data = p + bytes;
    return p;
}

static struct tcg_chunk *chunk_at(struct tcg *t, const void *host)
{
    uint64_t offset = (uint64_t)((const uint8_t *)host - t->code_rx);

    if (offset < CHUNK_BYTES || offset / CHUNK_BYTES - 1 >= t->n_chunks)
        return NULL;
    return &t->chunks[offset / CHUNK_BYTES - 1];
}

/* The unit whose code HOST is in. Chunks' units are in order of address. */
struct tcg_unit *cache_unit_at(struct tcg *t, const void *host)
{
    const struct tcg_chunk *c = chunk_at(t, host);
    uint32_t lo = 0, hi;

    if (!c)
        return NULL;
    hi = atomic_load(&c->n_units);
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if ((const uint8_t *)host < c->units[mid]->body)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo ? c->units[lo - 1] : NULL;
}

/* ---- units ---- */

/* All of pc counts: a library has another address in each process, and its
 * units of all of them would share a chain. */
static uint32_t hash_of(uint64_t pc, uint64_t key, uint64_t ram_page)
{
    uint64_t h = (ram_page * 0xc2b2ae3d27d4eb4full ^ pc) *
                     0x9e3779b97f4a7c15ull ^
                 key * 0xff51afd7ed558ccdull;

    return (uint32_t)(h >> (64 - HASH_BITS));
}

struct tcg_unit *cache_find(struct tcg *t, uint64_t pc, uint64_t key,
                            uint64_t ram_page, uint32_t id)
{
    struct tcg_unit *u =
        atomic_load_explicit(&t->hash[hash_of(pc, key, ram_page)],
                             memory_order_acquire);

    for (; u; u = __atomic_load_n(&u->next, __ATOMIC_ACQUIRE))
        if (u->pc == pc && u->key == key && u->exec_id[0] == id &&
            !atomic_load_explicit(&u->dead, memory_order_relaxed))
            return u;
    return NULL;
}

static uint64_t granules(uint32_t first, uint32_t last)
{
    uint32_t a = first >> GRANULE_BITS, b = last >> GRANULE_BITS;

    return (~0ull >> (63 - (b - a))) << a;
}

static uint32_t pages_of(const struct tcg_unit *u)
{
    return u->ram_page[1] == UINT64_MAX ? 1 : 2;
}

bool cache_add(struct tcg_cpu *tc, struct tcg_unit *u, const uint32_t *version)
{
    struct tcg *t = tc->tcg;
    _Atomic(struct tcg_unit *) *head =
        &t->hash[hash_of(u->pc, u->key, u->ram_page[0])];
    uint32_t first = u->pc & PAGE_MASK, last = first + u->n_bytes - 1;
    bool ok = true;

    u->granules[0] = granules(first, last > PAGE_MASK ? PAGE_MASK : last);
    u->granules[1] = last > PAGE_MASK ? granules(0, last & PAGE_MASK) : 0;
    pthread_mutex_lock(&t->translate_lock);
    for (uint32_t i = 0; i < pages_of(u); i++) {
        struct tcg_page *p = &t->pages[u->ram_page[i]];

        __atomic_fetch_or(&p->granules, u->granules[i], __ATOMIC_SEQ_CST);
        ok &= __atomic_load_n(&p->version, __ATOMIC_SEQ_CST) == version[i];
    }
    if (ok) {
        for (uint32_t i = 0; i < pages_of(u); i++) {
            struct tcg_page *p = &t->pages[u->ram_page[i]];

            u->page_next[i] = p->units;
            p->units = u;
        }
        u->next = atomic_load_explicit(head, memory_order_relaxed);
        atomic_store_explicit(head, u, memory_order_release);
    }
    pthread_mutex_unlock(&t->translate_lock);
    return ok;
}

/* The unit is in its chunk's list even if it is not kept. */
void cache_note(struct tcg_cpu *tc, struct tcg_unit *u)
{
    uint32_t n = atomic_load(&tc->chunk->n_units);

    tc->chunk->units[n] = u;
    atomic_store(&tc->chunk->n_units, n + 1);
}

void cache_link(struct tcg *t, struct tcg_link *link, struct tcg_unit *to)
{
    bool same = ((link->unit->pc ^ to->pc) & ~PAGE_MASK) == 0;

    if (!atomic_load(&link->unit->dead) && !atomic_load(&to->dead))
        host_patch(t, link,
                   same && !atomic_load(&t->pages[to->ram_page[0]].divided)
                       ? to->body
                       : CHECKED_ENTRY(to));
}

static void unhash(struct tcg *t, struct tcg_unit *u)
{
    _Atomic(struct tcg_unit *) *head =
        &t->hash[hash_of(u->pc, u->key, u->ram_page[0])];
    struct tcg_unit *x = atomic_load(head);

    if (x == u) {
        atomic_store(head, u->next);
        return;
    }
    for (; x; x = x->next)
        if (x->next == u) {
            __atomic_store_n(&x->next, u->next, __ATOMIC_RELEASE);
            return;
        }
}

static void unpage(struct tcg *t, struct tcg_unit *u, uint32_t which)
{
    struct tcg_page *p = &t->pages[u->ram_page[which]];
    struct tcg_unit **x = &p->units;
    uint64_t left = 0;

    while (*x) {
        uint32_t k = (*x)->ram_page[0] == u->ram_page[which] ? 0 : 1;

        if (*x == u) {
            *x = u->page_next[which];
            continue;
        }
        left |= (*x)->granules[k];
        x = &(*x)->page_next[k];
    }
    __atomic_store_n(&p->granules, left, __ATOMIC_SEQ_CST);
}

static void kill_unit(struct tcg *t, struct tcg_unit *u)
{
    atomic_store(&u->dead, 1);
    host_kill(t, u);
    unhash(t, u);
    for (uint32_t i = 0; i < pages_of(u); i++)
        unpage(t, u, i);
}

bool cache_overlaps(struct tcg_unit *u, uint64_t ram_page, uint32_t first,
                    uint32_t last)
{
    uint64_t mask = granules(first, last);

    return (u->ram_page[0] == ram_page && u->granules[0] & mask) ||
           (u->ram_page[1] == ram_page && u->granules[1] & mask);
}

uint32_t cache_version(struct tcg *t, uint64_t ram_page)
{
    return __atomic_load_n(&t->pages[ram_page].version, __ATOMIC_SEQ_CST);
}

void cache_written(struct tcg *t, uint64_t ram_page, uint32_t first,
                   uint32_t last, _Atomic uint8_t *flags)
{
    struct tcg_page *p;
    struct tcg_unit *u, *next;
    uint64_t mask = granules(first, last), there;

    if (ram_page >= t->n_pages)
        return;
    p = &t->pages[ram_page];
    /* Whoever is translating from it now will see this; see cache_add(). */
    __atomic_fetch_add(&p->version, 1, __ATOMIC_SEQ_CST);
    there = __atomic_load_n(&p->granules, __ATOMIC_SEQ_CST);
    if (!(there & mask) && (there || !flags))
        return;
    pthread_mutex_lock(&t->translate_lock);
    for (u = p->units; u; u = next) {
        next = u->page_next[u->ram_page[0] == ram_page ? 0 : 1];
        if (cache_overlaps(u, ram_page, first, last))
            kill_unit(t, u);
    }
    if (!p->units && flags)
        atomic_fetch_and(flags, (uint8_t)~TN_PAGE_CODE);
    pthread_mutex_unlock(&t->translate_lock);
}

/* Units made before, and the jumps between them, took the page as one. */
void cache_divided(struct tcg *t, uint64_t ram_page)
{
    if (!atomic_load(&t->pages[ram_page].divided) &&
        !atomic_exchange(&t->pages[ram_page].divided, 1))
        cache_written(t, ram_page, 0, PAGE_MASK, NULL);
}

/* vCPUs that called C from generated code and are outside (a device, an
 * exclusive section) return to it: the chunk stays for one more round, its
 * links lead to the run loop. */
static void pin_chunks(struct tcg *t)
{
    for (uint64_t n = 0; n < t->n_chunks; n++)
        t->chunks[n].pinned = false;
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        struct tcg_chunk *c;

        if (!t->cpus[i] || !t->cpus[i]->in_code)
            continue;
        c = chunk_at(t, (const void *)(uintptr_t)
                            t->cpus[i]->cpu->accel_hot[HOT_RETURN]);
        if (!c || c->pinned)
            continue;
        c->pinned = true;
        for (uint32_t k = 0; k < atomic_load(&c->n_units); k++)
            for (uint32_t l = 0; l < c->units[k]->n_links; l++)
                host_patch(t, &c->units[k]->links[l], NULL);
    }
}

/* U and all that is found where U is. */
static void forget(struct tcg *t, const struct tcg_unit *u)
{
    atomic_store(&t->hash[hash_of(u->pc, u->key, u->ram_page[0])], NULL);
    for (uint32_t k = 0; k < pages_of(u); k++) {
        t->pages[u->ram_page[k]].units = NULL;
        t->pages[u->ram_page[k]].granules = 0;
    }
}

static void empty(struct tcg *t, void *opaque)
{
    (void)opaque;
    for (uint64_t n = 0; n < t->n_chunks; n++) {
        struct tcg_chunk *c = &t->chunks[n];

        for (uint32_t i = 0; i < atomic_load(&c->n_units); i++)
            forget(t, c->units[i]);
    }
    free_mappings(t);
    pin_chunks(t);
    free_chunks(t);
    gdb_forget(t);
    atomic_store(&t->chunk_next, 0);
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        struct tcg_cpu *tc = t->cpus[i];

        if (!tc)
            continue;
        memset(&tc->arena, 0, sizeof tc->arena);
        tc->chunk = NULL;
        tc->cpu->accel_hot[HOT_LEFT] = 0;
        tlb_flush_all(tc); /* numbers of mappings are gone */
        jumps_clear(tc);
    }
}

void cache_flush(struct tcg_cpu *tc)
{
    sync_exclusive(tc->tcg, tc, empty, NULL);
}
