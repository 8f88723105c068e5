/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of `tenon` share. */
#ifndef TENON_TOOLS_TOOL_H
#define TENON_TOOLS_TOOL_H

#include <glib.h>

#include "core/config/config.h"
#include "core/plugin/registry.h"

/* Exit status; documented in tenon(1). */
#define EXIT_POWEROFF 0     /* guest switched itself off; or: it worked */
#define EXIT_OWN_FAILURE 1  /* Tenon could not do it */
#define EXIT_USAGE 2        /* command line, machine file, missing plugin */
#define EXIT_GUEST_FAILED 3 /* guest reported failure */
#define EXIT_REBOOT 4       /* guest asked for a reboot, reboot = exit */
#define EXIT_SIGNAL 128     /* plus the signal's number */

/* Options that every command has. */
struct tool {
    char **settings;
    char **plugin_dirs;
    char **board_dirs;
    gboolean in_tree_only;
    gboolean verbose;
    gboolean quiet;
};

/* One command: its own options and what it does with the rest of the command
 * line. Returns the exit status. */
struct command {
    const char *name;
    const char *arguments; /* for its help: "FILE" */
    const char *summary;
    const GOptionEntry *options; /* may be NULL */
    int (*run)(const struct tool *tool, int argc, char **argv);
};

extern const struct command command_run, command_check, command_dump, command_describe,
    command_list, command_plugins;

/* "tenon: TEXT" on standard error; returns EXIT_USAGE. */
int tool_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* A registry as the options say. */
struct tn_registry *tool_registry(const struct tool *tool);

/* The machine of FILE (NULL: from --set alone), after printing what is wrong
 * with it; NULL if it cannot be used. FILE may be the name of one of the
 * user's machines. */
struct tn_machine_desc *tool_machine(const struct tool *tool, const char *file,
                                     struct tn_registry *registry);

/* ~/.config/tenon/machines; g_free(). */
char *tool_machines_directory(void);

#define MACHINE_SUFFIX ".conf"
#define BOARD_SUFFIX ".board"

#endif
