/* SPDX-License-Identifier: Apache-2.0 */
/* JSON on standard output. json-glib's own layout puts a blank before the
 * colon, which scripts that look for lines do not expect. */
#include <stdio.h>

#include "tools/tenon-img.h"

static void print_string(const char *text)
{
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p == '\n')
            fputs("\\n", stdout);
        else if (*p == '\t')
            fputs("\\t", stdout);
        else if (*p == '\r')
            fputs("\\r", stdout);
        else if (*p == '\b')
            fputs("\\b", stdout);
        else if (*p == '\f')
            fputs("\\f", stdout);
        else if (*p < 0x20)
            printf("\\u%04x", *p);
        else
            putchar(*p);
    }
    putchar('"');
}

static void indent(guint depth)
{
    printf("\n%*s", (int)depth * 4, "");
}

static void print_node(JsonNode *node, guint depth);

static void print_object(JsonObject *object, guint depth)
{
    g_autoptr(GList) names = json_object_get_members(object);

    putchar('{');
    for (GList *l = names; l; l = l->next) {
        indent(depth + 1);
        print_string(l->data);
        fputs(": ", stdout);
        print_node(json_object_get_member(object, l->data), depth + 1);
        if (l->next)
            putchar(',');
    }
    indent(depth);
    putchar('}');
}

static void print_array(JsonArray *array, guint depth)
{
    guint n = json_array_get_length(array);

    putchar('[');
    for (guint i = 0; i < n; i++) {
        indent(depth + 1);
        print_node(json_array_get_element(array, i), depth + 1);
        if (i + 1 < n)
            putchar(',');
    }
    indent(depth);
    putchar(']');
}

static void print_node(JsonNode *node, guint depth)
{
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node)
                                             : G_TYPE_INVALID;

    if (JSON_NODE_HOLDS_OBJECT(node))
        print_object(json_node_get_object(node), depth);
    else if (JSON_NODE_HOLDS_ARRAY(node))
        print_array(json_node_get_array(node), depth);
    else if (type == G_TYPE_STRING)
        print_string(json_node_get_string(node));
    else if (type == G_TYPE_BOOLEAN)
        fputs(json_node_get_boolean(node) ? "true" : "false", stdout);
    else if (type == G_TYPE_INT64)
        printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    else if (type == G_TYPE_DOUBLE)
        printf("%.17g", json_node_get_double(node));
    else
        fputs("null", stdout);
}

void img_json_print(JsonNode *node)
{
    print_node(node, 0);
    putchar('\n');
}

JsonNode *img_json_object_node(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    return node;
}
