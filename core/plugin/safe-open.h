/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a file whose content will run as us.
 *
 * Trusted is what root or the user who started the program owns, and nobody
 * else can write: neither group nor others. It must hold for the file, the
 * directory it is in, and every directory above. One exception: a directory
 * above may be writable by others if it is sticky (/tmp), because nobody but
 * the owner can then replace an entry; what lies below is checked as always.
 * A program that runs with more rights than the user who started it trusts
 * root alone.
 */
#ifndef TENON_CORE_PLUGIN_SAFE_OPEN_H
#define TENON_CORE_PLUGIN_SAFE_OPEN_H

#include <stdint.h>

#include "core/util/error.h"

/* Directories that were checked, held open by the path that led to them, so
 * that a walk to a neighbour begins there. What is opened through a held
 * descriptor is in the directory that was checked, whatever happened to the
 * path since. Every function takes NULL, which holds nothing. */
struct tn_safe_walk;
struct tn_safe_walk *tn_safe_walk_new(void);
void tn_safe_walk_free(struct tn_safe_walk *walk);
/* Let go of all; later calls begin at the root again. */
void tn_safe_walk_forget(struct tn_safe_walk *walk);

/* Opens PATH for reading and returns the descriptor (close-on-exec), or
 *   -EACCES  unsafe; ERROR names the file or directory and what to change
 *   -errno   it cannot be opened
 * Symbolic links above the file are followed first and the real path checked;
 * the file itself must be a plain file and no link. What was checked is what
 * is opened: the walk holds each directory open. */
int32_t tn_safe_open(struct tn_safe_walk *walk, const char *path,
                     struct tn_error *error);

/* The same test of a directory alone: a descriptor of it, which can only be
 * used as the place where openat() begins. */
int32_t tn_safe_directory(struct tn_safe_walk *walk, const char *path,
                          struct tn_error *error);
/* The file NAME in DIRECTORY, which tn_safe_directory() gave; PATH is what
 * messages call it. */
int32_t tn_safe_open_at(int directory, const char *name, const char *path,
                        struct tn_error *error);

#endif
