/* SPDX-License-Identifier: Apache-2.0 */
/* Symbol hygiene: a plugin exports its entry function alone, and is not mapped
 * writable and executable. The file was checked by the note reader before. */
#include "sdk/check.h"

#include <elf.h>
#include <link.h>
#include <string.h>

struct image {
    const guint8 *data;
    gsize size;
};

/* TABLE[INDEX] of records of BYTES, or NULL outside the file. */
static const void *at(const struct image *image, uint64_t offset, gsize bytes)
{
    if (offset > image->size || bytes > image->size - offset ||
        offset % sizeof(uint32_t))
        return NULL;
    return image->data + offset;
}

static void check_symbol(const struct image *image, const ElfW(Shdr) * names,
                         const ElfW(Sym) * symbol)
{
    unsigned char binding = ELF64_ST_BIND(symbol->st_info);
    const char *name;

    if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL ||
        symbol->st_shndx == SHN_ABS)
        return;
    if (symbol->st_name >= names->sh_size ||
        names->sh_offset + names->sh_size > image->size)
        return;
    name = (const char *)image->data + names->sh_offset + symbol->st_name;
    if (!memchr(name, 0, names->sh_size - symbol->st_name))
        return;
    if (strcmp(name, "tenon_plugin_entry"))
        check_failed("it exports '%s'; hide all but tenon_plugin_entry "
                     "(-fvisibility=hidden)",
                     name);
}

static void check_symbols(const struct image *image, const ElfW(Ehdr) * header)
{
    const ElfW(Shdr) *sections =
        at(image, header->e_shoff, header->e_shnum * sizeof sections[0]);

    for (guint i = 0; sections && i < header->e_shnum; i++) {
        const ElfW(Sym) * symbols;

        if (sections[i].sh_type != SHT_DYNSYM ||
            sections[i].sh_link >= header->e_shnum)
            continue;
        symbols = at(image, sections[i].sh_offset, sections[i].sh_size);
        for (gsize j = 0;
             symbols && j < sections[i].sh_size / sizeof symbols[0]; j++)
            check_symbol(image, &sections[sections[i].sh_link], &symbols[j]);
    }
}

static void check_segments(const struct image *image, const ElfW(Ehdr) * header)
{
    const ElfW(Phdr) *segments =
        at(image, header->e_phoff, header->e_phnum * sizeof segments[0]);

    for (guint i = 0; segments && i < header->e_phnum; i++) {
        gboolean stack = segments[i].p_type == PT_GNU_STACK;

        if (segments[i].p_type == PT_LOAD &&
            (segments[i].p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            check_failed("a segment is writable and executable");
        if (stack && segments[i].p_flags & PF_X)
            check_failed("it asks for an executable stack");
    }
}

void check_elf(const char *path)
{
    g_autofree char *data = NULL;
    struct image image;

    if (!g_file_get_contents(path, &data, &image.size, NULL) ||
        image.size < sizeof(ElfW(Ehdr))) {
        check_failed("it cannot be read");
        return;
    }
    image.data = (const guint8 *)data;
    check_symbols(&image, (const ElfW(Ehdr) *)image.data);
    check_segments(&image, (const ElfW(Ehdr) *)image.data);
}
