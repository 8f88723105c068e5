/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files into the small host's RAM, by physical address. */
#include "cpu-host.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
    uint8_t *bytes;
    size_t size;
};

static bool read_file(const char *file, struct image *image)
{
    FILE *f = fopen(file, "rb");
    long n;

    if (!f) {
        perror(file);
        return false;
    }
    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    image->size = n > 0 ? (size_t)n : 0;
    image->bytes = malloc(image->size + 1);
    if (fread(image->bytes, 1, image->size, f) != image->size)
        image->size = 0;
    fclose(f);
    return true;
}

static bool inside(const struct image *i, uint64_t offset, uint64_t bytes)
{
    return offset <= i->size && bytes <= i->size - offset;
}

/* One function a width: the structures differ, the steps do not. */
#define DEFINE_LOADER(W)                                                       \
    static bool load_##W(struct cpu_machine *m, const struct image *i)         \
    {                                                                          \
        const Elf##W##_Ehdr *eh = (const void *)i->bytes;                      \
        const Elf##W##_Phdr *ph = (const void *)(i->bytes + eh->e_phoff);      \
                                                                               \
        for (uint32_t n = 0; n < eh->e_phnum; n++) {                           \
            uint8_t *to;                                                       \
                                                                               \
            if (ph[n].p_type != PT_LOAD || !ph[n].p_memsz)                     \
                continue;                                                      \
            to = cpu_memory(m, ph[n].p_paddr, ph[n].p_memsz);                  \
            if (!to || !inside(i, ph[n].p_offset, ph[n].p_filesz))             \
                return false;                                                  \
            memset(to, 0, ph[n].p_memsz);                                      \
            memcpy(to, i->bytes + ph[n].p_offset, ph[n].p_filesz);             \
        }                                                                      \
        return true;                                                           \
    }                                                                          \
    static uint64_t symbol_##W(const struct image *i, const char *name)        \
    {                                                                          \
        const Elf##W##_Ehdr *eh = (const void *)i->bytes;                      \
        const Elf##W##_Shdr *sh = (const void *)(i->bytes + eh->e_shoff);      \
                                                                               \
        for (uint32_t n = 0; n < eh->e_shnum; n++) {                           \
            const Elf##W##_Sym *s = (const void *)(i->bytes + sh[n].sh_offset);\
            const char *text;                                                  \
                                                                               \
            if (sh[n].sh_type != SHT_SYMTAB)                                   \
                continue;                                                      \
            text = (const char *)i->bytes + sh[sh[n].sh_link].sh_offset;       \
            for (uint64_t k = 0; k < sh[n].sh_size / sizeof *s; k++)           \
                if (!strcmp(text + s[k].st_name, name))                        \
                    return s[k].st_value;                                      \
        }                                                                      \
        return 0;                                                              \
    }
DEFINE_LOADER(32)
DEFINE_LOADER(64)

uint64_t cpu_load_elf(struct cpu_machine *m, const char *file, uint64_t *tohost)
{
    struct image i = {0};
    uint64_t entry = 0;
    bool ok = false;

    if (!read_file(file, &i))
        return 0;
    if (i.size > sizeof(Elf64_Ehdr) && !memcmp(i.bytes, ELFMAG, SELFMAG)) {
        if (i.bytes[EI_CLASS] == ELFCLASS64) {
            ok = load_64(m, &i);
            entry = ((const Elf64_Ehdr *)(const void *)i.bytes)->e_entry;
            *tohost = symbol_64(&i, "tohost");
        } else {
            ok = load_32(m, &i);
            entry = ((const Elf32_Ehdr *)(const void *)i.bytes)->e_entry;
            *tohost = symbol_32(&i, "tohost");
        }
    }
    if (!ok)
        fprintf(stderr, "%s cannot be loaded\n", file);
    free(i.bytes);
    return ok ? entry : 0;
}
