/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a plugin's code: the one place that calls dlopen().
 *
 * A file that was loaded stays, for every registry of the process: it is known
 * by device and inode, its descriptor stays open (the dynamic linker knows the
 * object by its name /proc/self/fd/N, so N must not be used again), and it is
 * never unmapped.
 */
#ifndef TENON_CORE_PLUGIN_LOADER_H
#define TENON_CORE_PLUGIN_LOADER_H

#include <stdint.h>

#include <tenon/abi.h>

#include "core/plugin/elf-note.h"
#include "core/util/error.h"

struct tn_safe_walk;

/* Open PATH safely and read its notes; nothing is run. ERROR's text begins
 * with the path. */
int32_t tn_plugin_inspect(const char *path, struct tn_plugin_notes *notes,
                          struct tn_error *error);
/* The same for NAME in DIRECTORY, a descriptor of tn_safe_directory(). */
int32_t tn_plugin_inspect_at(int directory, const char *name, const char *path,
                             struct tn_plugin_notes *notes,
                             struct tn_error *error);

/* Load PATH, which WALK helps to find (may be NULL), call its entry function
 * and check that the descriptor says what its notes, read now, say. Errors as
 * tn_component_load() in registry.h. */
int32_t tn_plugin_load(struct tn_safe_walk *walk, const char *path,
                       const struct tn_plugin **plugin, struct tn_error *error);

/* Does DESCRIPTOR agree with NOTES, and are its tables usable? -ENOEXEC and
 * what differs. For the loader and the conformance checker. */
int32_t tn_plugin_check_descriptor(const struct tn_plugin *descriptor,
                                   const struct tn_plugin_notes *notes,
                                   struct tn_error *error);

#endif
