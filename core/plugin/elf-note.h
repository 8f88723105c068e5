/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a plugin's ELF notes, and no more of it than that.
 *
 * The file is an input like any other: every offset and length is checked
 * against its real size, and the whole of what the dynamic linker would map
 * must be there, because it does not check (a file cut short would be a
 * SIGBUS).
 */
#ifndef TENON_CORE_PLUGIN_ELF_NOTE_H
#define TENON_CORE_PLUGIN_ELF_NOTE_H

#include <glib.h>
#include <stdint.h>

#include <tenon/abi.h>

#include "core/util/error.h"

/* What the notes may hold at most; a file beyond it is refused. */
#define TN_NOTES_MAX_BYTES (4u << 20)
#define TN_NOTES_MAX_COMPONENTS 256u
#define TN_NOTES_MAX_PROPERTIES 512u

/* The bytes to read: a file, or memory (tests). Of a file, `memory` may have
 * the beginning, which is then not read again. */
struct tn_elf_input {
    int fd;                /* -1: memory */
    const uint8_t *memory; /* `size` bytes, or `head` bytes of a file */
    uint64_t size;
    uint64_t head;
};

/* One component as its note has it. Sizes are the host's. */
struct tn_component_note {
    struct tn_component_info info;
    struct tn_property *properties; /* info.n_properties */
};

struct tn_plugin_notes {
    struct tn_plugin_info info;
    GArray *components; /* of struct tn_component_note */
};

/* Fills NOTES (tn_plugin_notes_clear() afterwards) and returns 0. Otherwise
 * NOTES is empty, ERROR says what is wrong with the file without naming it, and
 * the result is
 *   -ENOEXEC  no ELF file, for another architecture, no shared object, no Tenon
 *             plugin, cut short, or its notes are damaged
 *   -errno    it could not be read */
int32_t tn_plugin_notes_read(struct tn_plugin_notes *notes,
                             const struct tn_elf_input *input,
                             struct tn_error *error);
void tn_plugin_notes_clear(struct tn_plugin_notes *notes);

/* Can this host use a plugin with these facts? -EPROTO: too old or too new,
 * ERROR says which. */
int32_t tn_plugin_info_supported(const struct tn_plugin_info *info,
                                 struct tn_error *error);

/* Copy a record that says of itself that it is SIZE bytes into a zeroed one of
 * ROOM bytes whose first member is its size. */
void tn_copy_sized(void *to, gsize room, const void *from, gsize size);

#endif
