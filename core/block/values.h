/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property values for one instance of a format or protocol, set one by one.
 * [control]
 */
#ifndef TENON_CORE_BLOCK_VALUES_H
#define TENON_CORE_BLOCK_VALUES_H

#include <glib.h>

#include "core/plugin/registry.h"
#include "core/plugin/schema.h"

/* A row each of ENTRY's schema, with the defaults. NULL with ERROR. */
struct tn_value *block_values_new(struct tn_component_entry *entry,
                                  struct tn_error *error);
/* Twins of VALUES. */
struct tn_value *block_values_copy(struct tn_component_entry *entry,
                                   const struct tn_value *values);
void block_values_free(struct tn_component_entry *entry,
                       struct tn_value *values);
/* The schema's row called NAME, in which '_', '.' and '-' are one; NULL: there
 * is none. */
const struct tn_property *block_values_row(struct tn_component_entry *entry,
                                           const char *name);
/* -ENOENT without a text: there is no property NAME. */
int32_t block_values_set(struct tn_component_entry *entry,
                         struct tn_value *values, const char *name,
                         const char *text, struct tn_error *error);

#endif
