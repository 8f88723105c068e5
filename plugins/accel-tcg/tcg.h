/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accel-tcg: translates units of guest code to host code and runs them.
 *
 * Terms. A *unit* is one translation. Its code has two entries: the *checked*
 * entry first compares the number of the guest page's mapping (struct
 * tcg_space.exec_id), so it may be jumped to from anywhere; the *body* follows
 * and may be jumped to from units of the same guest page only. A *space* is
 * one guest address space's set of TLBs: a context switch changes to another.
 *
 * Generated code is shared by all vCPUs and lives in memory mapped twice, once
 * writable and once executable. Everything per vCPU is reached from two host
 * registers: the CPU's state and the current space.
 */
#ifndef TENON_ACCEL_TCG_H
#define TENON_ACCEL_TCG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "tenon/accel.h"
#include "ir/ir-tools.h"

#define PAGE_BITS 12
#define PAGE_SIZE (1ull << PAGE_BITS)
#define PAGE_MASK (PAGE_SIZE - 1)

#define N_MODES 16u
#define TLB_BITS 13
#define TLB_ENTRIES (1u << TLB_BITS)
#define EXEC_BITS 10
#define EXEC_ENTRIES (1u << EXEC_BITS)
#define MAX_FILLED 1024 /* entries emptied one by one */
#define VICTIMS 8u
#define LARGE_BITS 4096u
#define N_SPACES 4u
#define N_JUMP_CACHES 6u
#define JUMP_BITS 14
#define JUMP_ENTRIES (1u << JUMP_BITS)
#define JUMP_FOLD 12 /* index: pc ^ pc >> this */
#define MAX_OPS 2048u
#define UNIT_INSNS 48u
#define HASH_BITS 19
#define GRANULE_BITS 6

/* One page as one mode sees it. A tag is the page's address; TAG_NONE() never
 * equals an address that looks at that entry. */
struct tlb_entry {
    uint64_t read, write;
    uint64_t addend; /* host address = guest address + addend */
    uint64_t pa;     /* of the page; low bit: memory that ignores stores */
};

/* Pages code is fetched from; compared in C. */
struct exec_entry {
    uint64_t page; /* address | 1 */
    uint8_t *host;
    uint64_t ram_page;
    _Atomic uint8_t *page_flags;
    /* The bytes of the page that may be executed: all, or, where protection is
     * finer and the entry is not kept, those around the address asked for. */
    uint32_t first, last;
};

/* What generated code reaches by r13. */
struct tcg_space {
    /* Number of the mapping (guest page, RAM page) at each index, 0: none. */
    uint32_t exec_id[N_MODES][EXEC_ENTRIES];
    struct tlb_entry tlb[N_MODES][TLB_ENTRIES];
    /* From here on C only. */
    struct tlb_entry victim[N_MODES][VICTIMS];
    uint8_t victim_next[N_MODES];
    struct exec_entry exec[N_MODES][EXEC_ENTRIES];
    uint64_t id;
    uint64_t last_used;
    bool in_use;
    uint32_t modes_used; /* modes with anything in them */
    /* Large pages that pieces of are cached: their sizes (a bit each), and a
     * filter of their numbers that may say yes by mistake. */
    uint64_t large_sizes[N_MODES];
    uint64_t large_seen[N_MODES][LARGE_BITS / 64];
    /* Indexes filled since the last flush of everything; -1: too many. */
    int32_t n_filled[N_MODES];
    uint16_t filled[N_MODES][MAX_FILLED];
};

struct jump_entry {
    uint64_t pc;
    const void *code; /* checked entry */
};

/* Jump targets found by address under one state key. */
struct jump_cache {
    struct jump_entry entry[JUMP_ENTRIES];
    uint64_t key;
    uint64_t last_used;
    bool in_use;
};

/* A host address in a unit that C code may be called from, and the guest
 * instruction it belongs to. */
struct tcg_site {
    uint32_t host_offset; /* return address - body */
    int32_t pc_offset;    /* guest pc - unit pc */
    uint32_t info;        /* INSN's */
};

/* A jump from a unit to another that can be linked. */
struct tcg_link {
    struct tcg_unit *unit; /* it leaves from */
    uint64_t pc;           /* it goes to */
    uint32_t field;        /* offset from body of the displacement */
    uint32_t stub;         /* where it goes while not linked */
};

struct tcg_unit {
    /* What a lookup reads comes first. */
    struct tcg_unit *next; /* in its hash chain */
    uint64_t pc;
    uint64_t key;
    uint32_t exec_id[2];
    _Atomic uint32_t dead;
    uint32_t dead_stub; /* offset from body of the way to the run loop */
    uint64_t ram_page[2]; /* second: UINT64_MAX if it lies in one page */
    uint8_t *body;        /* executable address */
    struct tcg_unit *page_next[2]; /* in its pages' lists */
    uint64_t granules[2]; /* 64-byte pieces of those pages it was made from */
    uint32_t n_bytes;
    uint32_t n_insns;
    uint32_t n_sites;
    uint32_t n_links;
    uint32_t code_bytes;
    struct tcg_site *sites;
    struct tcg_link *links;
};

#define CHECKED_ENTRY(u) ((u)->body - CHECKED_BYTES)
#define CHECKED_BYTES 17

/* A page of RAM that code was made from. */
struct tcg_page {
    struct tcg_unit *units; /* linked by page_next[which page of the unit] */
    uint64_t granules;
    uint32_t version; /* changes when it is written */
    /* Somewhere protection was found to be finer than the page: from then on
     * units of it are entered by way of the check alone. */
    _Atomic uint32_t divided;
};

/* (Guest page, RAM page) -> number. */
struct tcg_mapping {
    struct tcg_mapping *next;
    uint64_t va_page, ram_page;
    uint32_t id;
    struct tcg_mapping *older; /* of all */
    _Atomic(struct tcg_mapping *) *bucket;
};

/* Where code and unit records are put: one range of both each vCPU. */
struct tcg_arena {
    uint8_t *code, *code_end; /* writable addresses */
    uint8_t *data, *data_end;
};

/* A chunk of the code cache handed to one vCPU; its units in order. */
struct tcg_chunk {
    struct tcg_unit **units;
    _Atomic uint32_t n_units;
    uint32_t max_units;
    /* A vCPU is in a device access or the like and returns to code here. */
    bool pinned;
    uint8_t *data;
};

struct tcg;

struct tcg_cpu {
    struct tcg *tcg;
    struct tn_cpu *cpu;
    struct tcg_space *space;
    struct tcg_space *spaces[N_SPACES];
    struct jump_cache *jumps;
    struct jump_cache *jump_caches[N_JUMP_CACHES];
    uint64_t use_counter;
    struct tn_backing ram; /* the last one found; size 0: none */
    struct tcg_arena arena;
    struct tcg_chunk *chunk;
    struct tn_exception exception;
    uint64_t fault_pc;
    uint32_t fetch_mode;
    bool one_insn;  /* the next unit has one instruction and is not kept */
    bool in_code;   /* generated code called us: host state is saved */
    uint32_t idle_rounds; /* waits in a row that ended at once, unserved */
    bool halted;
    bool failed;
    uint32_t reason; /* why generated code came back last: LEAVE_* */
    uint32_t since_flush;
    jmp_buf outside; /* for what raises outside generated code */
    struct ir_fp fp;
    uint32_t run_fp_control; /* the host's MXCSR */
    _Atomic uint32_t inside;
    /* Translating. */
    struct tn_ir_unit ir;
    struct gen *gen;
    struct tcg_unit *one_unit;
    uint64_t n_lookups, n_slow_loads, n_slow_stores, n_walks, n_flushes;
    uint64_t n_units, n_insns, n_code_bytes, n_invalidated, n_jump_misses;
    uint64_t n_exits, n_reason[16];
    uint64_t n_cleared, n_large, n_new_spaces;
};

/* Offsets in accel_hot, as generated code uses them. */
enum {
    HOT_JUMPS,    /* current jump cache */
    HOT_RETURN,   /* host address a C function was called from */
    HOT_STACK,    /* stack pointer of the run loop */
    HOT_LEFT,     /* LEAVE_LINK: struct tcg_link that left, LEAVE_DEAD: the
                     struct tcg_unit; or 0 */
    HOT_RES_ADDR, /* LOAD_EX: reserved address, ~0: none */
    HOT_RES_VALUE,
    HOT_MXCSR, /* two words: store here, load from here */
    HOT_SPACE,
};

/* Why generated code came back. */
enum {
    LEAVE_LINK,      /* direct exit that is not linked; pc is set */
    LEAVE_JUMP,      /* jump cache miss; pc is set */
    LEAVE_REQUEST,   /* request word; pc is set */
    LEAVE_DEAD,      /* the unit is no longer valid here; pc is set */
    LEAVE_SYNC,      /* EXIT_SYNC */
    LEAVE_HALT,      /* EXIT_HALT */
    LEAVE_TRAP,      /* EXIT_TRAP; exception in tcg_cpu */
    LEAVE_EXCEPTION, /* raised in C; exception in tcg_cpu */
    LEAVE_AGAIN,     /* try the current instruction once more */
};

/* Debug log, a property. */
#define LOG_GUEST 1u
#define LOG_IR 2u
#define LOG_HOST 4u
#define LOG_EXEC 8u
#define LOG_INT 32u
#define LOG_STATS 64u


struct tcg {
    struct tn_host *host;
    const struct tn_guestmem *mem;
    const struct tn_target *target;
    void *target_self;
    const struct tn_target_info *info;
    uint32_t pc_offset, pc_bytes;
    uint64_t address_mask;
    uint32_t n_cpus;
    struct tcg_cpu **cpus;
    /* properties */
    uint64_t cache_size;
    uint32_t max_insns;
    bool chain, verify;
    uint32_t flush_every;
    uint32_t log;
    FILE *log_file;
    struct tcg_lister *lister;
    FILE *perf_map;
    bool gdb_symbols;
    struct tcg_symbols *symbols;
    /* code cache */
    int code_fd;
    uint8_t *code_rw, *code_rx;
    uint64_t thunk_bytes;
    _Atomic uint64_t chunk_next;
    uint64_t n_chunks;
    struct tcg_chunk *chunks;
    pthread_mutex_t translate_lock; /* page lists and mappings */
    _Atomic(struct tcg_unit *) *hash;
    struct tcg_page *pages; /* a page of RAM each */
    _Atomic uint8_t *writers; /* 0 none, vCPU index + 1, 255 several */
    uint64_t n_pages;
    _Atomic(struct tcg_mapping *) *mappings;
    struct tcg_mapping *last_mapping; /* under translate_lock */
    uint32_t next_mapping;
    struct tcg_host *codegen; /* the host CPU's part */
    /* exclusive sections */
    pthread_mutex_t exclusive_lock;
    pthread_mutex_t state_lock;
    pthread_cond_t state_changed;
    _Atomic uint32_t exclusive;
    _Atomic uint32_t units_since_flush;
};

#define CHUNK_BYTES (1ull << 20)

static inline struct tcg_cpu *tcg_cpu_of(struct tn_cpu *cpu)
{
    return (struct tcg_cpu *)cpu->accel;
}

static inline uint64_t get_pc(struct tcg_cpu *tc)
{
    const uint8_t *p = (const uint8_t *)tc->cpu + tc->tcg->pc_offset;

    return tc->tcg->pc_bytes == 4 ? *(const uint32_t *)p
                                  : *(const uint64_t *)p;
}

static inline void set_pc(struct tcg_cpu *tc, uint64_t pc)
{
    uint8_t *p = (uint8_t *)tc->cpu + tc->tcg->pc_offset;

    if (tc->tcg->pc_bytes == 4)
        *(uint32_t *)p = (uint32_t)pc;
    else
        *(uint64_t *)p = pc;
}

/* Tag of entry INDEX that no address at that index has. */
static inline uint64_t tag_none(uint32_t index)
{
    return index ? 0 : PAGE_SIZE;
}

static inline struct tlb_entry *tlb_at(struct tcg_space *s, uint32_t mode,
                                       uint64_t va)
{
    return &s->tlb[mode][va >> PAGE_BITS & (TLB_ENTRIES - 1)];
}

/* What a guest address is. */
struct tcg_place {
    uint8_t *host; /* of the byte at va, or NULL: a device or nothing */
    _Atomic uint8_t *page_flags;
    uint64_t ram_page;
    uint64_t pa;
    bool read_only;
};

/* tcg-mem.c: accesses that generated code does not do itself. All may raise.
 * Signature of everything generated code calls. */
uint64_t tcg_load(struct tn_cpu *cpu, uint64_t va, uint64_t mo, uint64_t,
                  uint64_t);
uint64_t tcg_store(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                   uint64_t value, uint64_t);
/* MO with TN_ATOMIC_* << 32. */
uint64_t tcg_atomic(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                    uint64_t operand, uint64_t);
uint64_t tcg_cas(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                 uint64_t expected, uint64_t desired);
uint64_t tcg_load_ex(struct tn_cpu *cpu, uint64_t va, uint64_t mo, uint64_t,
                     uint64_t);
uint64_t tcg_store_ex(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                      uint64_t value, uint64_t);
/* 16 bytes at FRAME: in and out. */
uint64_t tcg_load_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                       uint64_t frame, uint64_t);
uint64_t tcg_store_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                        uint64_t frame, uint64_t);
/* FRAME: expected, desired (16 bytes each); old to the first. */
uint64_t tcg_cas_wide(struct tn_cpu *cpu, uint64_t va, uint64_t mo,
                      uint64_t frame, uint64_t);
bool mem_cas(struct tcg_cpu *tc, const struct tcg_place *p, uint64_t *expected,
             uint64_t wanted, uint32_t bytes);
uint64_t mem_read(const uint8_t *p, uint32_t bytes);
void mem_probe(struct tcg_cpu *tc, uint64_t va, uint32_t access,
               uint32_t mode);
__attribute__((noreturn)) void tcg_raise(struct tn_cpu *cpu, const struct tn_exception *e);
extern const struct tn_cpu_services tcg_services;

/* tcg-tlb.c: spaces and their TLBs. */
/* What is behind a physical address. */
const struct tn_backing *tlb_backing(struct tcg_cpu *tc, uint64_t pa);
bool tlb_translate(struct tcg_cpu *tc, uint64_t va, uint32_t bytes,
                   uint32_t access, uint32_t mode, struct tcg_place *p, struct tn_exception *e);
/* The entry for VA, from the victims if need be, or NULL. */
struct tlb_entry *tlb_lookup(struct tcg_cpu *tc, uint64_t va, bool write,
                             uint32_t mode);
bool tlb_fetch(struct tcg_cpu *tc, uint64_t va, uint32_t mode,
               struct exec_entry *entry, uint32_t *id,
               struct tn_exception *e);
void tlb_flush(struct tcg_cpu *tc, uint64_t va, uint64_t bytes,
               uint64_t space);
void tlb_flush_all(struct tcg_cpu *tc);
void tlb_set_space(struct tcg_cpu *tc, uint64_t space);
void tlb_drop_writes(struct tcg_cpu *tc, const uint8_t *host_page);
void tlb_drop_all_writes(struct tcg_cpu *tc);
void tlb_free(struct tcg_cpu *tc);

/* tcg-cache.c: units. */
int32_t cache_init(struct tcg *t, struct tn_error *error);
void cache_fini(struct tcg *t);
struct tcg_unit *cache_find(struct tcg *t, uint64_t pc, uint64_t key,
                            uint64_t ram_page, uint32_t id);
/* Make room for BYTES of code and DATA bytes of records; false: none left. */
bool cache_room(struct tcg_cpu *tc, uint64_t bytes, uint64_t data);
void *cache_data(struct tcg_cpu *tc, uint64_t bytes);
bool cache_add(struct tcg_cpu *tc, struct tcg_unit *u,
               const uint32_t *version);
void cache_note(struct tcg_cpu *tc, struct tcg_unit *u);
uint32_t cache_version(struct tcg *t, uint64_t ram_page);
void cache_link(struct tcg *t, struct tcg_link *link, struct tcg_unit *to);
/* Bytes FIRST..LAST of a page were written. FLAGS: the page's, if known. */
void cache_written(struct tcg *t, uint64_t ram_page, uint32_t first,
                   uint32_t last, _Atomic uint8_t *flags);
void cache_divided(struct tcg *t, uint64_t ram_page);
bool cache_overlaps(struct tcg_unit *u, uint64_t ram_page, uint32_t first,
                    uint32_t last);
void cache_flush(struct tcg_cpu *tc);
struct tcg_unit *cache_unit_at(struct tcg *t, const void *host);
uint32_t cache_mapping(struct tcg *t, uint64_t va_page, uint64_t ram_page);
static inline uint8_t *to_rx(struct tcg *t, uint8_t *rw)
{
    return t->code_rx + (rw - t->code_rw);
}
static inline uint8_t *to_rw(struct tcg *t, const uint8_t *rx)
{
    return t->code_rw + (rx - t->code_rx);
}

/* tcg-translate.c. NULL: an exception to take is in tc->exception, or, if
 * tc->exception.size is 0, the cache was emptied: try again. */
struct tcg_unit *translate(struct tcg_cpu *tc, uint64_t pc);

/* tcg-run.c */
int32_t tcg_run(void *self, struct tn_cpu *cpu);
bool jumps_select(struct tcg_cpu *tc);
void jumps_clear(struct tcg_cpu *tc);

/* tcg-sync.c: who is where, and the request word. */
void sync_enter(struct tcg_cpu *tc);
void sync_leave(struct tcg_cpu *tc);
/* Run FN once while no vCPU is inside. SELF is the calling vCPU or NULL. */
void sync_exclusive(struct tcg *t, struct tcg_cpu *self,
                    void (*fn)(struct tcg *t, void *opaque), void *opaque);
void sync_request(struct tn_cpu *cpu, uint32_t bits);
void sync_wait(struct tn_cpu *cpu);
/* ... or until NS nanoseconds have passed. */
void sync_nap(struct tn_cpu *cpu, uint32_t ns);

/* tcg-eval.c: operations done in C. */
uint64_t tcg_eval(struct tn_cpu *cpu, uint64_t op, uint64_t frame, uint64_t,
                  uint64_t);
uint64_t tcg_trap(struct tn_cpu *cpu, uint64_t code, uint64_t value, uint64_t,
                  uint64_t);
uint64_t tcg_getx(struct tn_cpu *cpu, uint64_t reg, uint64_t type, uint64_t,
                  uint64_t);
uint64_t tcg_fp_sync(struct tn_cpu *cpu, uint64_t, uint64_t, uint64_t,
                     uint64_t);
uint64_t tcg_fp_get(struct tn_cpu *cpu, uint64_t, uint64_t, uint64_t,
                    uint64_t);
uint64_t tcg_fp_set(struct tn_cpu *cpu, uint64_t flags, uint64_t, uint64_t,
                    uint64_t);

/* The host CPU's part (host-x86_64/). */
int32_t host_init(struct tcg *t, struct tn_error *error);
void host_fini(struct tcg *t);
struct gen *host_gen_new(struct tcg *t);
void host_gen_free(struct gen *g);
/* Generate code for tc->ir. 0; 1: too complex, decode fewer instructions; 2:
 * the code cache is full; negative: cannot. */
int host_generate(struct tcg_cpu *tc, struct tcg_unit *u);
/* Run from CODE until something comes up: LEAVE_*. */
uint32_t host_enter(struct tcg_cpu *tc, const void *code);
__attribute__((noreturn)) void host_leave(struct tcg_cpu *tc, uint32_t reason);
/* Set a link's displacement (NULL: back to its stub). */
void host_patch(struct tcg *t, struct tcg_link *link, const uint8_t *target);
/* The unit's body becomes a way out to the run loop. */
void host_kill(struct tcg *t, struct tcg_unit *u);
/* FP status while generated code runs. */
void host_fp_begin(struct tcg_cpu *tc);
void host_fp_end(struct tcg_cpu *tc);
uint32_t host_fp_flags(struct tcg_cpu *tc, bool clear);

/* tcg-list.c */
void list_init(struct tcg *t); /* after attaching; without it only bytes */
void list_fini(struct tcg *t);
void list_guest_insn(struct tcg *t, uint64_t pc, const uint8_t *code,
                     uint32_t bytes);
void list_host(struct tcg *t, const uint8_t *code, uint32_t bytes);

/* tcg-gdb.c: property gdb-symbols. */
void gdb_add(struct tcg *t, const struct tcg_unit *u);
void gdb_forget(struct tcg *t);

/* tcg-log.c */
/* READ copies guest code: the decoder's own reader. */
void log_unit(struct tcg_cpu *tc, struct tcg_unit *u,
              int32_t (*read)(void *opaque, uint64_t va, uint32_t bytes,
                              void *buffer),
              void *opaque);
/* How often what happened on one vCPU. */
void log_statistics(struct tcg_cpu *tc);

#endif
