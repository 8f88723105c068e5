/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections as text: what machine files, boards and --set say before anything
 * of it is understood. Every key knows where it was written.
 */
#ifndef TENON_CORE_CONFIG_SECTIONS_H
#define TENON_CORE_CONFIG_SECTIONS_H

#include <glib.h>

#include "core/config/diagnostics.h"

struct tn_key {
    char *name;
    char *value;
    char *file;    /* as shown in messages; "--set" */
    guint line;    /* 0: --set */
    gboolean used; /* somebody understood it */
};

struct tn_section {
    char *type; /* "disk" */
    char *name; /* "root"; "": none */
    char *file; /* where its first header is */
    guint line;
    GPtrArray *keys; /* of struct tn_key * */
};

/* In order of first appearance. */
struct tn_sections {
    GPtrArray *list; /* of struct tn_section * */
};

struct tn_sections *tn_sections_new(void);
void tn_sections_free(struct tn_sections *sections);

struct tn_section *tn_sections_find(const struct tn_sections *sections,
                                    const char *type, const char *name);
/* Found, or added at the end with this place. */
struct tn_section *tn_sections_get(struct tn_sections *sections,
                                   const char *type, const char *name,
                                   const char *file, guint line);

struct tn_key *tn_section_key(const struct tn_section *section,
                              const char *name);
/* Set a key, replacing value and place of one that is there. */
void tn_section_set(struct tn_section *section, const char *name,
                    const char *value, const char *file, guint line);
/* Every key of FROM into TO. */
void tn_section_merge(struct tn_section *to, const struct tn_section *from);
/* Every section of FROM into TO. */
void tn_sections_merge(struct tn_sections *to, const struct tn_sections *from);

/* "disk root"; free with g_free(). */
char *tn_section_title(const struct tn_section *section);

/* The condition of a section's NAME ("plic if aia=none", "if aia=none"), or
 * NULL: tn_options_apply() takes it away. */
const char *tn_section_condition(const char *name);

/* A section's or instance's name: letters, digits, '-' and '_'; '%' where a
 * board makes several. */
gboolean tn_section_name_valid(const char *name);

/* Read a machine or board file: GKeyFile's grammar, by a parser of our own
 * because GKeyFile does not say on which line a key stands. Beyond GKeyFile,
 * a '#' after white space begins a comment ("\#" is a '#'). Mistakes go to
 * DIAGNOSTICS and reading goes on; returns FALSE only if the file cannot be
 * read. */
gboolean tn_sections_read_file(struct tn_sections *sections, const char *path,
                               struct tn_diagnostics *diagnostics);
/* The same from memory; PATH is for messages. */
void tn_sections_read_text(struct tn_sections *sections, const char *path,
                           const char *text, gsize bytes,
                           struct tn_diagnostics *diagnostics);
/* One --set: "disk.root.image=x", "machine.cpus=4", "uart0.chardev=x". */
void tn_sections_read_setting(struct tn_sections *sections, const char *setting,
                              struct tn_diagnostics *diagnostics);

/* VALUE as it has to be written to be read back as it is. Free with g_free().
 */
char *tn_value_escape(const char *value);

#endif
