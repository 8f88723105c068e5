/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names an image as a flat table of texts with dotted keys
 * ("file.driver"): made from a list or from JSON, and taken apart key by key;
 * what is left in the end is nobody's option. [control]
 */
#ifndef TENON_CORE_BLOCK_SPEC_TABLE_H
#define TENON_CORE_BLOCK_SPEC_TABLE_H

#include <glib.h>

#include "core/util/error.h"

GHashTable *spec_table_new(void);
/* All of the JSON object TEXT. */
int32_t spec_table_read_json(GHashTable *table, const char *text,
                             struct tn_error *error);
/* Take PREFIX NAME out of the table; NULL: it is not there. */
char *spec_table_take(GHashTable *table, const char *prefix, const char *name);
/* The same of a yes or no; no if it is not there. */
gboolean spec_table_take_flag(GHashTable *table, const char *prefix,
                              const char *name);
/* Is there a key that begins with PREFIX? */
gboolean spec_table_has(GHashTable *table, const char *prefix);

#endif
