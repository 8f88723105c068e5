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

/* Opens PATH for reading and returns the descriptor (close-on-exec), or
 *   -EACCES  unsafe; ERROR names the file or directory and what to change
 *   -errno   it cannot be opened
 * Symbolic links above the file are followed first and the real path checked;
 * the file itself must be a plain file and no link. What was checked is what
 * is opened: the walk holds each directory open. If REAL is not NULL, *REAL is
 * set to the real path (free with g_free()). */
int32_t tn_safe_open(const char *path, char **real, struct tn_error *error);

/* The same test of a directory alone. */
int32_t tn_safe_directory(const char *path, struct tn_error *error);

#endif
