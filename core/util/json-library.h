/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-glib, loaded when the first JSON text comes along. Linked as usual it
 * would cost every start of a machine more than all of core's own work: it
 * brings GObject, GIO and what those need. Control thread.
 */
#ifndef TENON_CORE_UTIL_JSON_LIBRARY_H
#define TENON_CORE_UTIL_JSON_LIBRARY_H

#include "config.h"

#include "core/util/error.h"

#ifdef HAVE_JSON_GLIB
#    include <json-glib/json-glib.h>

#    define TN_JSON_FUNCTIONS(X)                                              \
        X(g_object_unref)                                                      \
        X(json_array_get_element)                                              \
        X(json_array_get_length)                                               \
        X(json_builder_add_boolean_value)                                      \
        X(json_builder_add_int_value)                                          \
        X(json_builder_add_string_value)                                       \
        X(json_builder_begin_array)                                            \
        X(json_builder_begin_object)                                           \
        X(json_builder_end_array)                                              \
        X(json_builder_end_object)                                             \
        X(json_builder_get_root)                                               \
        X(json_builder_new)                                                    \
        X(json_builder_set_member_name)                                        \
        X(json_generator_new)                                                  \
        X(json_generator_set_pretty)                                           \
        X(json_generator_set_root)                                             \
        X(json_generator_to_data)                                              \
        X(json_node_free)                                                      \
        X(json_node_get_array)                                                 \
        X(json_node_get_boolean)                                               \
        X(json_node_get_int)                                                   \
        X(json_node_get_node_type)                                             \
        X(json_node_get_object)                                                \
        X(json_node_get_string)                                                \
        X(json_node_get_value_type)                                            \
        X(json_object_get_member)                                              \
        X(json_object_get_members)                                             \
        X(json_parser_get_root)                                                \
        X(json_parser_load_from_data)                                          \
        X(json_parser_new)

/* The library's functions under their own names. */
struct tn_json_library {
#    define X(name) __typeof__(&name) name;
    TN_JSON_FUNCTIONS(X)
#    undef X
};

/* NULL, and ERROR says which library is missing. Never unloaded. */
const struct tn_json_library *tn_json_library(struct tn_error *error);
#endif

#endif
