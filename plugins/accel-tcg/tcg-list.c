/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of code for the log: bytes, and text where capstone knows the
 * architecture. The library is opened when a log is first asked for, so that
 * nobody else pays for it, and its absence costs the text only.
 */
#include "tcg.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CAPSTONE
#include <capstone.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define LIBRARY "libcapstone.so." TEXT(CS_API_MAJOR)

struct tcg_lister {
    void *library;
    csh host, guest; /* 0: none */
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    cs_err (*close)(csh *handle);
    size_t (*disasm)(csh handle, const uint8_t *code, size_t size,
                     uint64_t address, size_t count, cs_insn **insn);
    void (*free)(cs_insn *insn, size_t count);
};

/* What a target's lister() may answer. */
static const struct {
    const char *name;
    int32_t arch;
    uint32_t mode;
} architectures[] = {
    {"x86_64", CS_ARCH_X86, CS_MODE_64},
    {"i386", CS_ARCH_X86, CS_MODE_32},
    {"arm", CS_ARCH_ARM, CS_MODE_ARM},
    {"aarch64", CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN},
    {"ppc64", CS_ARCH_PPC, (uint32_t)CS_MODE_64 | (uint32_t)CS_MODE_BIG_ENDIAN},
    {"ppc64le", CS_ARCH_PPC, CS_MODE_64},
    {"mips64", CS_ARCH_MIPS,
     (uint32_t)CS_MODE_MIPS64 | (uint32_t)CS_MODE_BIG_ENDIAN},
    {"s390x", CS_ARCH_SYSZ, (uint32_t)CS_MODE_BIG_ENDIAN},
    {"sparc64", CS_ARCH_SPARC,
     (uint32_t)CS_MODE_V9 | (uint32_t)CS_MODE_BIG_ENDIAN},
#if CS_API_MAJOR >= 5
    {"riscv64", CS_ARCH_RISCV, CS_MODE_RISCV64 | CS_MODE_RISCVC},
    {"riscv32", CS_ARCH_RISCV, CS_MODE_RISCV32 | CS_MODE_RISCVC},
#endif
};

static csh open_for(struct tcg_lister *l, const char *name)
{
    csh handle = 0;

    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (name && !strcmp(name, architectures[i].name) &&
            l->open((cs_arch)architectures[i].arch,
                    (cs_mode)architectures[i].mode, &handle) != CS_ERR_OK)
            handle = 0;
    return handle;
}

static bool find_functions(struct tcg_lister *l)
{
    const struct {
        const char *name;
        void *to;
    } functions[] = {{"cs_open", &l->open},
                     {"cs_close", &l->close},
                     {"cs_disasm", &l->disasm},
                     {"cs_free", &l->free}};

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *f = dlsym(l->library, functions[i].name);

        if (!f)
            return false;
        memcpy(functions[i].to, &f, sizeof f);
    }
    return true;
}

void list_init(struct tcg *t)
{
    struct tcg_lister *l = calloc(1, sizeof *l);

    if (!l)
        return;
    l->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!l->library || !find_functions(l)) {
        if (l->library)
            dlclose(l->library);
        free(l);
        return;
    }
    l->host = open_for(l, "x86_64");
    l->guest = open_for(l, t->target->lister
                               ? t->target->lister(t->target_self)
                               : t->info->name);
    t->lister = l;
}

void list_fini(struct tcg *t)
{
    struct tcg_lister *l = t->lister;

    if (!l)
        return;
    if (l->host)
        l->close(&l->host);
    if (l->guest)
        l->close(&l->guest);
    dlclose(l->library);
    free(l);
    t->lister = NULL;
}

/* Text of the instruction at CODE and its length; 0: not known. */
static uint32_t describe(const struct tcg *t, bool host, const uint8_t *code,
                         uint32_t n, uint64_t address, char *text,
                         uint32_t size)
{
    struct tcg_lister *l = t->lister;
    csh handle = !l ? 0 : host ? l->host : l->guest;
    cs_insn *insn;
    uint32_t bytes;

    *text = 0;
    if (!handle || l->disasm(handle, code, n, address, 1, &insn) != 1)
        return 0;
    snprintf(text, size, "%s %s", insn->mnemonic, insn->op_str);
    bytes = insn->size;
    l->free(insn, 1);
    return bytes;
}

#else

void list_init(struct tcg *t)
{
    (void)t;
}

void list_fini(struct tcg *t)
{
    (void)t;
}

static uint32_t describe(const struct tcg *t, bool host, const uint8_t *code,
                         uint32_t n, uint64_t address, char *text,
                         uint32_t size)
{
    (void)t, (void)host, (void)code, (void)n, (void)address, (void)size;
    *text = 0;
    return 0;
}

#endif

static void line(FILE *f, uint64_t address, const uint8_t *code, uint32_t n,
                 const char *text)
{
    fprintf(f, "  %12llx:", (unsigned long long)address);
    for (uint32_t i = 0; i < n; i++)
        fprintf(f, " %02x", code[i]);
    if (*text)
        fprintf(f, "%*s%s", (int)(n < 12 ? 36 - 3 * n : 2), "", text);
    fputc('\n', f);
}

void list_guest_insn(struct tcg *t, uint64_t pc, const uint8_t *code,
                     uint32_t bytes)
{
    char text[200];

    describe(t, false, code, bytes, pc, text, sizeof text);
    line(t->log_file, pc, code, bytes, text);
}

void list_host(struct tcg *t, const uint8_t *code, uint32_t bytes)
{
    char text[200];

    for (uint32_t at = 0; at < bytes;) {
        uint32_t n = describe(t, true, code + at, bytes - at,
                              (uint64_t)(uintptr_t)(code + at), text,
                              sizeof text);

        if (!n) /* sixteen bytes a line then */
            n = bytes - at < 16 ? bytes - at : 16;
        line(t->log_file, (uint64_t)(uintptr_t)(code + at), code + at, n,
             text);
        at += n;
    }
}
