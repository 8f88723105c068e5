/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property values: texts of a machine file read as a schema row says.
 *
 * The one place where "512M", "20ms", "yes" and ranges are understood;
 * machine files, --set, describe and block nodes all come here.
 */
#ifndef TENON_CORE_PLUGIN_SCHEMA_H
#define TENON_CORE_PLUGIN_SCHEMA_H

#include <glib.h>
#include <stdint.h>

#include <tenon/abi.h>

#include "core/util/error.h"

/* One element of a value; a property that is no list has one. */
struct tn_value_item {
    char *text;      /* enum: the choice; reference: the instance id */
    uint64_t number; /* UINT SIZE TIME; BOOL 0/1; ENUM index; INT as two's
                        complement; MAC: the six bytes, first one highest */
};

/* The value of one property of one instance. */
struct tn_value {
    const struct tn_property *schema; /* not owned */
    gboolean set;                     /* FALSE: default, or nothing at all */
    char *text; /* whole text; path: absolute. NULL: no value, no default */
    struct tn_value_item *items; /* n_items */
    guint n_items;
    char *file; /* where it was written; "--set"; NULL for a default */
    guint line; /* 0 for --set and defaults */
};

/* Read TEXT as SCHEMA says. Relative paths are taken from DIRECTORY (NULL:
 * the working directory). On success fills *VALUE's text and items (schema
 * too; the caller sets the rest) and returns 0; else -EINVAL with a text like
 * "'12Q' is not a size (a number with K, M, G or T)" or "65 is more than the
 * maximum, 64". */
int32_t tn_value_parse(struct tn_value *value, const struct tn_property *schema,
                       const char *text, const char *directory,
                       struct tn_error *error);
/* FROM's twin, which shares nothing with it but the schema. *TO is not freed
 * before. */
void tn_value_copy(struct tn_value *to, const struct tn_value *from);
/* Free what VALUE points to, not VALUE. */
void tn_value_clear(struct tn_value *value);

/* Numbers as machine files write them; the whole of TEXT must be one. */
int32_t tn_parse_uint(const char *text, uint64_t *number);
int32_t tn_parse_size(const char *text, uint64_t *bytes);
int32_t tn_parse_time(const char *text, uint64_t *nanoseconds);
int32_t tn_parse_bool(const char *text, gboolean *value);
int32_t tn_parse_mac(const char *text, uint64_t *mac);

/* "size", "enumeration", ... for documentation. */
const char *tn_property_type_name(uint32_t type);

/* Is this row sound: known type, terminated texts, a default and limits that
 * parse, choices for an enumeration? Run on every schema that is read from a
 * file. */
int32_t tn_property_check(const struct tn_property *row,
                          struct tn_error *error);

#endif
