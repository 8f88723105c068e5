/* SPDX-License-Identifier: Apache-2.0 */
/* See spec-table.h. */
#include "config.h"

#include "core/block/spec-table.h"

#include <errno.h>
#include <string.h>

#include "core/plugin/schema.h"
#include "core/util/json-library.h"

#define MAX_NESTING 64

GHashTable *spec_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

#ifdef HAVE_JSON_GLIB
static int32_t flatten(const struct tn_json_library *glib, GHashTable *table,
                       const char *prefix, JsonNode *node, guint depth,
                       struct tn_error *error);

static int32_t flatten_member(const struct tn_json_library *glib,
                              GHashTable *table, const char *prefix,
                              const char *name, JsonNode *node, guint depth,
                              struct tn_error *error)
{
    g_autofree char *key = *prefix ? g_strdup_printf("%s.%s", prefix, name)
                                   : g_strdup(name);

    return flatten(glib, table, key, node, depth + 1, error);
}

static char *scalar_text(const struct tn_json_library *glib, JsonNode *node)
{
    GType type = glib->json_node_get_value_type(node);

    if (type == G_TYPE_STRING)
        return g_strdup(glib->json_node_get_string(node));
    if (type == G_TYPE_BOOLEAN)
        return g_strdup(glib->json_node_get_boolean(node) ? "on" : "off");
    if (type == G_TYPE_INT64)
        return g_strdup_printf("%" G_GINT64_FORMAT,
                               glib->json_node_get_int(node));
    return NULL;
}

static int32_t flatten(const struct tn_json_library *glib, GHashTable *table,
                       const char *prefix, JsonNode *node, guint depth,
                       struct tn_error *error)
{
    JsonNodeType type = glib->json_node_get_node_type(node);
    int32_t rc = 0;
    char *text;

    if (depth > MAX_NESTING)
        return tn_error_set(error, -ELOOP, "nested too deeply");
    if (type == JSON_NODE_OBJECT) {
        JsonObject *object = glib->json_node_get_object(node);
        g_autoptr(GList) names = glib->json_object_get_members(object);

        for (GList *l = names; l && !rc; l = l->next)
            rc = flatten_member(glib, table, prefix, l->data,
                                glib->json_object_get_member(object, l->data),
                                depth, error);
        return rc;
    }
    if (type == JSON_NODE_ARRAY) {
        JsonArray *array = glib->json_node_get_array(node);

        for (guint i = 0; i < glib->json_array_get_length(array) && !rc; i++) {
            g_autofree char *index = g_strdup_printf("%u", i);

            rc = flatten_member(glib, table, prefix, index,
                                glib->json_array_get_element(array, i), depth,
                                error);
        }
        return rc;
    }
    text = type == JSON_NODE_NULL ? g_strdup("") : scalar_text(glib, node);
    if (!text)
        return tn_error_set(error, -EINVAL, "'%s' has a value of a kind that "
                            "no option takes", prefix);
    g_hash_table_replace(table, g_strdup(prefix), text);
    return 0;
}

int32_t spec_table_read_json(GHashTable *table, const char *text,
                         struct tn_error *error)
{
    const struct tn_json_library *glib = tn_json_library(error);
    g_autoptr(GError) problem = NULL;
    JsonParser *parser;
    JsonNode *root;
    int32_t rc;

    if (!glib)
        return -ELIBACC;
    parser = glib->json_parser_new();
    if (!glib->json_parser_load_from_data(parser, text, -1, &problem))
        rc = tn_error_set(error, -EINVAL,
                          "Could not parse the JSON options: %s",
                          problem->message);
    else if (!(root = glib->json_parser_get_root(parser)) ||
             glib->json_node_get_node_type(root) != JSON_NODE_OBJECT)
        rc = tn_error_set(error, -EINVAL, "Invalid JSON object given");
    else
        rc = flatten(glib, table, "", root, 0, error);
    glib->g_object_unref(parser);
    return rc;
}
#else
int32_t spec_table_read_json(GHashTable *table, const char *text,
                         struct tn_error *error)
{
    (void)table;
    (void)text;
    return tn_error_set(error, -ENOTSUP,
                        "this program was built without json-glib, which "
                        "names that begin with json: need");
}
#endif

/* Take KEY out of the table; NULL: it is not there. */
char *spec_table_take(GHashTable *table, const char *prefix, const char *name)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    gpointer found_key, value;

    if (!g_hash_table_steal_extended(table, key, &found_key, &value))
        return NULL;
    g_free(found_key);
    return value;
}

gboolean spec_table_take_flag(GHashTable *table, const char *prefix,
                          const char *name)
{
    g_autofree char *text = spec_table_take(table, prefix, name);
    gboolean value = FALSE;

    return text && tn_parse_bool(text, &value) == 0 && value;
}

gboolean spec_table_has(GHashTable *table, const char *prefix)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (g_str_has_prefix(key, prefix))
            return TRUE;
    return FALSE;
}
