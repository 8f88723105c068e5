/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF headers and PT_NOTE segments (System V ABI, chapters 4 and 5). The
 * records inside the notes are taken apart by note-records.c.
 */
#include "core/plugin/elf-note.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "core/plugin/note-records.h"

/* This object's own ELF header (defined by the linker) tells class, byte order
 * and machine of what can be loaded here. */
extern const ElfW(Ehdr) __ehdr_start
    __attribute__((weak, visibility("hidden")));

#define MAX_SEGMENTS 128u

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_386, "i386"},        {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},
    {EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"},  {EM_PPC64, "POWER"},
    {EM_S390, "S/390"},      {EM_MIPS, "MIPS"},
};

static const char *machine_name(uint16_t machine)
{
    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++)
        if (machines[i].machine == machine)
            return machines[i].name;
    return "an unknown machine";
}

static gboolean inside(const struct tn_elf_input *input, uint64_t offset,
                       uint64_t bytes)
{
    return offset <= input->size && bytes <= input->size - offset;
}

static int32_t truncated(struct tn_error *error, const char *what)
{
    return tn_error_set(error, -ENOEXEC, "cut short: its %s is missing", what);
}

/* All of [OFFSET, OFFSET+BYTES), which WHAT names. */
static int32_t read_at(const struct tn_elf_input *input, uint64_t offset,
                       void *buffer, gsize bytes, const char *what,
                       struct tn_error *error)
{
    guint8 *to = buffer;

    if (!inside(input, offset, bytes))
        return truncated(error, what);
    if (input->fd < 0 ||
        (offset <= input->head && bytes <= input->head - offset)) {
        memcpy(buffer, input->memory + offset, bytes);
        return 0;
    }
    while (bytes) {
        ssize_t done = pread(input->fd, to, bytes, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return tn_error_set(error, -errno, "cannot be read: %s",
                                g_strerror(errno));
        if (done == 0) /* it shrank since its size was taken */
            return truncated(error, what);
        to += done;
        offset += (uint64_t)done;
        bytes -= (gsize)done;
    }
    return 0;
}

static int32_t check_architecture(const ElfW(Ehdr) * header,
                                  struct tn_error *error)
{
    const unsigned char *ours = __ehdr_start.e_ident;
    unsigned char class = header->e_ident[EI_CLASS];

    if (class != ours[EI_CLASS])
        return tn_error_set(error, -ENOEXEC,
                            "for another architecture: it is a %s-bit file",
                            class == ELFCLASS32   ? "32"
                            : class == ELFCLASS64 ? "64"
                                                  : "?");
    if (header->e_ident[EI_DATA] != ours[EI_DATA])
        return tn_error_set(error, -ENOEXEC,
                            "for another architecture: byte order differs");
    if (header->e_machine != __ehdr_start.e_machine)
        return tn_error_set(error, -ENOEXEC,
                            "for another architecture: %s, this is %s",
                            machine_name(header->e_machine),
                            machine_name(__ehdr_start.e_machine));
    return 0;
}

static int32_t read_header(const struct tn_elf_input *input,
                           ElfW(Ehdr) * header, struct tn_error *error)
{
    guint8 magic[SELFMAG];
    int32_t code;

    if (!inside(input, 0, SELFMAG))
        return tn_error_set(error, -ENOEXEC, "not an ELF file");
    code = read_at(input, 0, magic, sizeof magic, "ELF header", error);
    if (code)
        return code;
    if (memcmp(magic, ELFMAG, SELFMAG))
        return tn_error_set(error, -ENOEXEC, "not an ELF file");
    /* A header of the other class is of another length; its identification
     * stands in the same place. */
    memset(header, 0, sizeof *header);
    code = read_at(input, 0, header,
                   MIN(sizeof *header, (gsize)MIN(input->size, G_MAXINT)),
                   "ELF header", error);
    if (code)
        return code;
    if (!inside(input, 0, EI_NIDENT))
        return truncated(error, "ELF header");
    code = check_architecture(header, error);
    if (code)
        return code;
    if (!inside(input, 0, sizeof *header))
        return truncated(error, "ELF header");
    if (header->e_type != ET_DYN)
        return tn_error_set(error, -ENOEXEC, "not a shared object");
    if (header->e_phnum == 0 || header->e_phnum > MAX_SEGMENTS ||
        header->e_phentsize != sizeof(ElfW(Phdr)))
        return tn_error_set(error, -ENOEXEC, "damaged: bad program headers");
    return 0;
}

/* The dynamic linker maps PT_LOAD as it is told; all of it must be there. The
 * section headers close a linked file: a file that lost its end shows there. */
static int32_t check_complete(const struct tn_elf_input *input,
                              const ElfW(Ehdr) * header,
                              const ElfW(Phdr) * segments,
                              struct tn_error *error)
{
    uint64_t sections = (uint64_t)header->e_shnum * header->e_shentsize;

    for (guint i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type != PT_GNU_STACK &&
            !inside(input, segments[i].p_offset, segments[i].p_filesz))
            return truncated(error, "a segment");
    if (header->e_shoff && !inside(input, header->e_shoff, sections))
        return truncated(error, "section table");
    return 0;
}

static gsize padded(gsize bytes)
{
    return (bytes + 3) & ~(gsize)3;
}

/* Every note of one segment; those of other owners are passed over. */
static int32_t walk_notes(const guint8 *data, gsize bytes,
                          struct tn_plugin_notes *notes, gboolean *found,
                          struct tn_error *error)
{
    static const char owner[] = "Tenon";
    ElfW(Nhdr) header; /* the same in both classes */

    while (bytes >= sizeof header) {
        gsize name, description;
        int32_t code;

        memcpy(&header, data, sizeof header);
        data += sizeof header;
        bytes -= sizeof header;
        if (header.n_namesz > bytes || header.n_descsz > bytes)
            return truncated(error, "a note");
        name = padded(header.n_namesz);
        description = padded(header.n_descsz);
        if (name > bytes || description > bytes - name)
            return truncated(error, "a note");
        if (header.n_namesz == sizeof owner &&
            !memcmp(data, owner, sizeof owner)) {
            *found = TRUE;
            code = tn_note_record(notes, header.n_type, data + name,
                                  header.n_descsz, error);
            if (code)
                return code;
        }
        data += name + description;
        bytes -= name + description;
    }
    return 0;
}

static int32_t read_notes(const struct tn_elf_input *input,
                          const ElfW(Ehdr) * header,
                          const ElfW(Phdr) * segments,
                          struct tn_plugin_notes *notes, struct tn_error *error)
{
    gboolean found = FALSE;

    for (guint i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *segment = &segments[i];
        g_autofree guint8 *data = NULL;
        int32_t code;

        /* Notes aligned to 8 are padded to 8: those of the tool chain, which
         * are none of ours. */
        if (segment->p_type != PT_NOTE || segment->p_align > 4 ||
            segment->p_filesz == 0)
            continue;
        if (segment->p_filesz > TN_NOTES_MAX_BYTES)
            return tn_error_set(error, -ENOEXEC, "damaged: notes too long");
        data = g_malloc(segment->p_filesz);
        code = read_at(input, segment->p_offset, data, segment->p_filesz,
                       "note segment", error);
        if (!code)
            code = walk_notes(data, segment->p_filesz, notes, &found, error);
        if (code)
            return code;
    }
    if (!found)
        return tn_error_set(error, -ENOEXEC, "not a Tenon plugin");
    return tn_note_finish(notes, error);
}

int32_t tn_plugin_notes_read(struct tn_plugin_notes *notes,
                             const struct tn_elf_input *input,
                             struct tn_error *error)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[MAX_SEGMENTS];
    int32_t code;

    memset(notes, 0, sizeof *notes);
    code = read_header(input, &header, error);
    if (!code)
        code = read_at(input, header.e_phoff, segments,
                       header.e_phnum * sizeof segments[0],
                       "program header table", error);
    if (!code)
        code = check_complete(input, &header, segments, error);
    if (code)
        return code;
    notes->components =
        g_array_new(FALSE, TRUE, sizeof(struct tn_component_note));
    code = read_notes(input, &header, segments, notes, error);
    if (code)
        tn_plugin_notes_clear(notes);
    return code;
}

void tn_plugin_notes_clear(struct tn_plugin_notes *notes)
{
    if (notes->components) {
        for (guint i = 0; i < notes->components->len; i++)
            g_free(g_array_index(notes->components, struct tn_component_note, i)
                       .properties);
        g_array_free(notes->components, TRUE);
    }
    memset(notes, 0, sizeof *notes);
}
