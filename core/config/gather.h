/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is said about a machine in one list of sections: the board's, then
 * the machine file's over it, then --set; sections with a '%' multiplied.
 */
#ifndef TENON_CORE_CONFIG_GATHER_H
#define TENON_CORE_CONFIG_GATHER_H

#include "core/config/config.h"
#include "core/config/sections.h"

/* NULL, after reporting, if the machine file cannot be read. *BOARD is set to
 * the board file's path or NULL; free it with g_free(). */
struct tn_sections *tn_gather(const struct tn_config_source *source,
                              char **board, struct tn_diagnostics *diagnostics);

/* The file of board NAME, as seen from the directory BESIDE (that of the file
 * that names it), or NULL after reporting. KEY is where the name stands. */
char *tn_board_find(const char *name, const char *beside,
                    const char *const *extra, const struct tn_key *key,
                    struct tn_diagnostics *diagnostics);

/* What the options of BOARD, or of a [board] in FILE, are, name to value: [machine] of SETTINGS or FILE
 * says it, else the first choice. They are taken out of all three. */
GHashTable *tn_options_read(struct tn_sections *board, struct tn_sections *file,
                            struct tn_sections *settings,
                            struct tn_diagnostics *diagnostics);
/* Sections with a condition go over those without, or away. */
void tn_options_apply(struct tn_sections *sections, GHashTable *options,
                      struct tn_diagnostics *diagnostics);

/* Replace each section that has '%' in its name by `count` copies. A section
 * that has one copy's name goes over that copy. */
void tn_replicate(struct tn_sections *sections,
                  struct tn_diagnostics *diagnostics);

#endif
