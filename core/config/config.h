/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files and --set to a struct tn_machine_desc.
 *
 * Reading goes on after a mistake so that all are reported at once. Nothing is
 * started or loaded.
 */
#ifndef TENON_CORE_CONFIG_CONFIG_H
#define TENON_CORE_CONFIG_CONFIG_H

#include <glib.h>

#include "core/config/diagnostics.h"
#include "core/config/machine-desc.h"
#include "core/plugin/registry.h"

struct tn_config_source {
    const char *file;              /* machine file, or NULL: all from --set */
    const char *const *settings;   /* "section.key=value", NULL-terminated */
    const char *const *board_dirs; /* --board-dir, NULL-terminated */
};

/* The machine that SOURCE describes, or NULL if there were errors. What was
 * wrong or doubtful is in DIAGNOSTICS, also when there is a result. */
struct tn_machine_desc *tn_config_load(const struct tn_config_source *source,
                                       struct tn_registry *registry,
                                       struct tn_diagnostics *diagnostics);

/* The resolved machine as a machine file without a board; loading it gives the
 * same machine. With DEFAULTS, what nobody set stands there as comments. Free
 * with g_free(). */
char *tn_config_dump(const struct tn_machine_desc *desc, gboolean defaults);

/* Directories with boards in the order searched: EXTRA, the working directory,
 * ~/.config/tenon/boards, the build tree's or the installed ones. Free with
 * g_strfreev(). */
char **tn_board_directories(const char *const *extra);

#endif
