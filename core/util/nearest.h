/* SPDX-License-Identifier: Apache-2.0 */
/* The name that somebody probably meant. */
#ifndef TENON_CORE_UTIL_NEAREST_H
#define TENON_CORE_UTIL_NEAREST_H

#include <glib.h>

struct tn_nearest {
    const char *wanted;
    const char *best; /* NULL: nothing is near enough */
    guint distance;
};

/* Start looking for WANTED, then offer every candidate; the strings are not
 * copied. */
void tn_nearest_init(struct tn_nearest *nearest, const char *wanted);
void tn_nearest_offer(struct tn_nearest *nearest, const char *candidate);

/* "; did you mean 'x'?" or "". Free with g_free(). */
char *tn_nearest_hint(const struct tn_nearest *nearest);

/* Edits (insert, delete, replace, swap of neighbours) from A to B; stops
 * counting at LIMIT. */
guint tn_edit_distance(const char *a, const char *b, guint limit);

#endif
