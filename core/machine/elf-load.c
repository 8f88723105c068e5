/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF loader: System V ABI, chapters "ELF Header" and "Program Loading", both
 * classes and byte orders. Every offset of the file is checked.
 */
#include "core/machine/elf-load.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/machine/machine-private.h"
#include "core/machine/region.h"

struct elf {
    const uint8_t *data;
    uint64_t bytes;
    gboolean is64, big;
};

/* WIDTH bytes at OFFSET as a number; the caller checked the bounds. */
static uint64_t number(const struct elf *elf, uint64_t offset, guint width)
{
    uint64_t value = 0;

    for (guint i = 0; i < width; i++) {
        guint shift = 8 * (elf->big ? width - 1 - i : i);

        value |= (uint64_t)elf->data[offset + i] << shift;
    }
    return value;
}

#define EHDR(elf, member)                                                      \
    ((elf)->is64 ? number(elf, offsetof(Elf64_Ehdr, member),                   \
                          sizeof(((Elf64_Ehdr *)0)->member))                   \
                 : number(elf, offsetof(Elf32_Ehdr, member),                   \
                          sizeof(((Elf32_Ehdr *)0)->member)))
#define PHDR(elf, at, member)                                                  \
    ((elf)->is64 ? number(elf, (at) + offsetof(Elf64_Phdr, member),            \
                          sizeof(((Elf64_Phdr *)0)->member))                   \
                 : number(elf, (at) + offsetof(Elf32_Phdr, member),            \
                          sizeof(((Elf32_Phdr *)0)->member)))

static gboolean inside(const struct elf *elf, uint64_t offset, uint64_t bytes)
{
    return offset <= elf->bytes && bytes <= elf->bytes - offset;
}

static int32_t zero(struct tn_machine *machine, uint64_t address,
                    uint64_t bytes)
{
    static const uint8_t zeroes[65536];
    int32_t rc = 0;

    while (bytes && !rc) {
        uint64_t piece = MIN(bytes, sizeof zeroes);

        rc = memory_write(machine, address, zeroes, piece, TRUE);
        address += piece;
        bytes -= piece;
    }
    return rc;
}

static int32_t load_segment(struct tn_machine *machine, const struct elf *elf,
                            uint64_t at, uint64_t offset,
                            struct tn_elf_image *image, struct tn_error *error)
{
    uint64_t file_offset = PHDR(elf, at, p_offset);
    uint64_t file_bytes = PHDR(elf, at, p_filesz);
    uint64_t memory_bytes = PHDR(elf, at, p_memsz);
    uint64_t address = PHDR(elf, at, p_paddr) + offset;
    uint64_t end;

    if (PHDR(elf, at, p_type) != PT_LOAD || !memory_bytes)
        return 0;
    if (!inside(elf, file_offset, file_bytes) || file_bytes > memory_bytes ||
        __builtin_add_overflow(address, memory_bytes, &end))
        return tn_error_set(error, -EINVAL, "ELF segment is not in the file");
    if (memory_write(machine, address, elf->data + file_offset, file_bytes,
                     TRUE) ||
        zero(machine, address + file_bytes, memory_bytes - file_bytes))
        return tn_error_set(error, -EFAULT,
                            "no memory for the ELF segment at "
                            "0x%" G_GINT64_MODIFIER "x",
                            address);
    image->low = MIN(image->low, address);
    image->high = MAX(image->high, end);
    return 0;
}

static int32_t open_elf(struct elf *elf, struct tn_error *error)
{
    if (elf->bytes < EI_NIDENT || memcmp(elf->data, ELFMAG, SELFMAG))
        return tn_error_set(error, -ENOEXEC, "not an ELF file");
    elf->is64 = elf->data[EI_CLASS] == ELFCLASS64;
    elf->big = elf->data[EI_DATA] == ELFDATA2MSB;
    if (elf->bytes < (elf->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)) ||
        EHDR(elf, e_phentsize) <
            (elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        !inside(elf, EHDR(elf, e_phoff),
                EHDR(elf, e_phentsize) * EHDR(elf, e_phnum)))
        return tn_error_set(error, -EINVAL, "ELF file is damaged");
    return 0;
}

int32_t elf_load(struct tn_machine *machine, const void *data, uint64_t bytes,
                 uint64_t offset, struct tn_elf_image *image,
                 struct tn_error *error)
{
    struct elf elf = {.data = data, .bytes = bytes};
    struct tn_elf_image found = {.low = UINT64_MAX};
    uint32_t size = image->size;
    int32_t rc = open_elf(&elf, error);

    for (uint64_t i = 0; !rc && i < EHDR(&elf, e_phnum); i++)
        rc = load_segment(machine, &elf,
                          EHDR(&elf, e_phoff) + i * EHDR(&elf, e_phentsize),
                          offset, &found, error);
    if (!rc && found.low > found.high)
        rc = tn_error_set(error, -EINVAL, "ELF file has nothing to load");
    if (rc)
        return rc;
    found.machine = (uint32_t)EHDR(&elf, e_machine);
    found.bits = elf.is64 ? 64 : 32;
    found.big_endian = elf.big;
    found.entry = EHDR(&elf, e_entry) + offset;
    found.size = size;
    memcpy(image, &found, MIN((gsize)size, sizeof found));
    return 0;
}
