/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of translated code for a debugger attached to this process: the
 * interface described in gdb's manual, chapter "JIT Compilation Interface". A
 * symbol file in memory is linked into a list that the debugger knows by name,
 * then an empty function is called that it has a breakpoint in.
 *
 * The two names are the process's, not an instance's: the one piece of shared
 * state here, under a lock. The debugger finds them in the symbol table, so
 * the plugin must not be stripped.
 */
#include "tcg.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

enum { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

extern struct jit_descriptor __jit_debug_descriptor;
struct jit_descriptor __jit_debug_descriptor = {.version = 1};
void __jit_debug_register_code(void);
__attribute__((noinline, used)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

enum { SECTION_NULL, SECTION_TEXT, SECTION_SYMBOLS, SECTION_STRINGS,
       N_SECTIONS };

/* One executable with one function. Section names and the symbol's share a
 * string table. */
struct image {
    Elf64_Ehdr header;
    Elf64_Shdr section[N_SECTIONS];
    Elf64_Sym symbol[2];
    char strings[96];
};

struct tcg_symbols {
    struct jit_code_entry entry; /* first: the debugger's part */
    struct tcg_symbols *next;
    struct image image;
};

static uint32_t add_string(struct image *m, uint32_t *used, const char *s)
{
    uint32_t at = *used;

    snprintf(m->strings + at, sizeof m->strings - at, "%s", s);
    *used = at + (uint32_t)strlen(m->strings + at) + 1;
    return at;
}

static void describe(struct image *m, const struct tcg_unit *u)
{
    uint64_t start = (uint64_t)(uintptr_t)CHECKED_ENTRY(u);
    uint64_t bytes = u->code_bytes + CHECKED_BYTES;
    uint32_t used = 1;
    char name[40];

    snprintf(name, sizeof name, "guest-0x%llx", (unsigned long long)u->pc);
    m->header = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                    ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
        .e_shoff = offsetof(struct image, section),
        .e_ehsize = sizeof m->header, .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = N_SECTIONS, .e_shstrndx = SECTION_STRINGS};
    m->section[SECTION_TEXT] = (Elf64_Shdr){
        .sh_name = add_string(m, &used, ".text"), .sh_type = SHT_NOBITS,
        .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = start,
        .sh_size = bytes};
    m->section[SECTION_SYMBOLS] = (Elf64_Shdr){
        .sh_name = add_string(m, &used, ".symtab"), .sh_type = SHT_SYMTAB,
        .sh_offset = offsetof(struct image, symbol),
        .sh_size = sizeof m->symbol, .sh_link = SECTION_STRINGS, .sh_info = 1,
        .sh_entsize = sizeof(Elf64_Sym)};
    m->section[SECTION_STRINGS] = (Elf64_Shdr){
        .sh_name = add_string(m, &used, ".strtab"), .sh_type = SHT_STRTAB,
        .sh_offset = offsetof(struct image, strings),
        .sh_size = sizeof m->strings};
    m->symbol[1] = (Elf64_Sym){
        .st_name = add_string(m, &used, name),
        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
        .st_shndx = SECTION_TEXT, .st_value = start, .st_size = bytes};
}

static void tell(struct jit_code_entry *e, uint32_t action)
{
    __jit_debug_descriptor.relevant_entry = e;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
    __jit_debug_descriptor.relevant_entry = NULL;
}

void gdb_add(struct tcg *t, const struct tcg_unit *u)
{
    struct tcg_symbols *s = calloc(1, sizeof *s);

    if (!s)
        return;
    describe(&s->image, u);
    s->entry.symfile_addr = (const char *)&s->image;
    s->entry.symfile_size = sizeof s->image;
    pthread_mutex_lock(&lock);
    s->next = t->symbols;
    t->symbols = s;
    s->entry.next_entry = __jit_debug_descriptor.first_entry;
    if (s->entry.next_entry)
        s->entry.next_entry->prev_entry = &s->entry;
    __jit_debug_descriptor.first_entry = &s->entry;
    tell(&s->entry, JIT_REGISTER);
    pthread_mutex_unlock(&lock);
}

void gdb_forget(struct tcg *t)
{
    pthread_mutex_lock(&lock);
    while (t->symbols) {
        struct tcg_symbols *s = t->symbols;
        struct jit_code_entry *e = &s->entry;

        t->symbols = s->next;
        if (e->prev_entry)
            e->prev_entry->next_entry = e->next_entry;
        else
            __jit_debug_descriptor.first_entry = e->next_entry;
        if (e->next_entry)
            e->next_entry->prev_entry = e->prev_entry;
        tell(e, JIT_UNREGISTER);
        free(s);
    }
    pthread_mutex_unlock(&lock);
}
