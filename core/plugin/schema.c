/* SPDX-License-Identifier: Apache-2.0 */
/* Property values read as their schema says; see schema.h. */
#include "core/plugin/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

static const struct unit time_units[] = {
    {"", 1},
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000 * 1000},
    {"s", 1000 * 1000 * 1000},
};

static const struct unit no_units[] = {{"", 1}};

static const char *const type_names[] = {
    [TN_PROP_STRING] = "text",     [TN_PROP_BOOL] = "yes or no",
    [TN_PROP_UINT] = "number",     [TN_PROP_INT] = "integer",
    [TN_PROP_SIZE] = "size",       [TN_PROP_ENUM] = "choice",
    [TN_PROP_PATH] = "file name",  [TN_PROP_REF] = "instance",
    [TN_PROP_MAC] = "MAC address", [TN_PROP_TIME] = "time",
};

static const char *const type_forms[] = {
    [TN_PROP_BOOL] = "yes or no",
    [TN_PROP_UINT] = "a number (decimal, or 0x and hexadecimal)",
    [TN_PROP_INT] = "an integer",
    [TN_PROP_SIZE] = "a size (a number of bytes, or with K, M, G or T)",
    [TN_PROP_MAC] = "a MAC address (aa:bb:cc:dd:ee:ff)",
    [TN_PROP_TIME] = "a time (a number with ns, us, ms or s)",
};

const char *tn_property_type_name(uint32_t type)
{
    if (type < G_N_ELEMENTS(type_names) && type_names[type])
        return type_names[type];
    return "unknown";
}

/* Digits in the base that the prefix tells, then one of UNITS. */
static int32_t parse_number(const char *text, const struct unit *units,
                            gsize n_units, uint64_t *number)
{
    uint64_t value;
    char *end;

    /* strtoull would take a sign and spaces. */
    if (!g_ascii_isdigit(text[0]))
        return -EINVAL;
    errno = 0;
    value = g_ascii_strtoull(text, &end, 0);
    if (errno)
        return -errno;
    for (gsize i = 0; i < n_units; i++) {
        if (strcmp(end, units[i].suffix))
            continue;
        return __builtin_mul_overflow(value, units[i].factor, number) ? -ERANGE
                                                                      : 0;
    }
    return -EINVAL;
}

int32_t tn_parse_uint(const char *text, uint64_t *number)
{
    return parse_number(text, no_units, G_N_ELEMENTS(no_units), number);
}

int32_t tn_parse_size(const char *text, uint64_t *bytes)
{
    return parse_number(text, size_units, G_N_ELEMENTS(size_units), bytes);
}

int32_t tn_parse_time(const char *text, uint64_t *nanoseconds)
{
    return parse_number(text, time_units, G_N_ELEMENTS(time_units),
                        nanoseconds);
}

static int32_t parse_int(const char *text, uint64_t *number)
{
    gboolean negative = text[0] == '-';
    uint64_t magnitude;
    int32_t error = tn_parse_uint(text + negative, &magnitude);

    if (error)
        return error;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *number = negative ? 0 - magnitude : magnitude;
    return 0;
}

int32_t tn_parse_bool(const char *text, gboolean *value)
{
    static const char *const yes[] = {"true", "yes", "on", "1", NULL};
    static const char *const no[] = {"false", "no", "off", "0", NULL};

    if (g_strv_contains(yes, text))
        *value = TRUE;
    else if (g_strv_contains(no, text))
        *value = FALSE;
    else
        return -EINVAL;
    return 0;
}

int32_t tn_parse_mac(const char *text, uint64_t *mac)
{
    uint64_t value = 0;

    if (strlen(text) != 17)
        return -EINVAL;
    for (guint i = 0; i < 17; i++) {
        if (i % 3 == 2) {
            if (text[i] != ':')
                return -EINVAL;
        } else if (!g_ascii_isxdigit(text[i])) {
            return -EINVAL;
        } else {
            value = value << 4 | (uint64_t)g_ascii_xdigit_value(text[i]);
        }
    }
    *mac = value;
    return 0;
}

static int32_t parse_enum(const char *choices, const char *text,
                          uint64_t *index)
{
    g_auto(GStrv) list = g_strsplit(choices, "|", -1);

    for (guint i = 0; list[i]; i++) {
        if (!strcmp(list[i], text)) {
            *index = i;
            return 0;
        }
    }
    return -EINVAL;
}

/* TEXT as a number of TYPE; types that have none give 0. */
static int32_t parse_typed(const struct tn_property *row, const char *text,
                           uint64_t *number)
{
    gboolean flag = FALSE;
    int32_t error;

    *number = 0;
    switch (row->type) {
    case TN_PROP_BOOL:
        error = tn_parse_bool(text, &flag);
        *number = (uint64_t)flag;
        return error;
    case TN_PROP_UINT:
        return tn_parse_uint(text, number);
    case TN_PROP_INT:
        return parse_int(text, number);
    case TN_PROP_SIZE:
        return tn_parse_size(text, number);
    case TN_PROP_TIME:
        return tn_parse_time(text, number);
    case TN_PROP_ENUM:
        return parse_enum(row->choices, text, number);
    case TN_PROP_MAC:
        return tn_parse_mac(text, number);
    default:
        return 0;
    }
}

static gboolean below(uint32_t type, uint64_t a, uint64_t b)
{
    return type == TN_PROP_INT ? (int64_t)a < (int64_t)b : a < b;
}

static int32_t check_range(const struct tn_property *row, const char *text,
                           uint64_t number, struct tn_error *error)
{
    uint64_t limit;

    if (row->minimum[0] && !parse_typed(row, row->minimum, &limit) &&
        below(row->type, number, limit))
        return tn_error_set(error, -EINVAL, "%s is less than the minimum, %s",
                            text, row->minimum);
    if (row->maximum[0] && !parse_typed(row, row->maximum, &limit) &&
        below(row->type, limit, number))
        return tn_error_set(error, -EINVAL, "%s is more than the maximum, %s",
                            text, row->maximum);
    return 0;
}

static gboolean has_range(uint32_t type)
{
    return type == TN_PROP_UINT || type == TN_PROP_INT ||
           type == TN_PROP_SIZE || type == TN_PROP_TIME;
}

static int32_t describe_bad(const struct tn_property *row, const char *text,
                            int32_t code, struct tn_error *error)
{
    if (code == -ERANGE)
        return tn_error_set(error, -EINVAL, "'%s' is too large", text);
    if (row->type == TN_PROP_ENUM) {
        g_auto(GStrv) list = g_strsplit(row->choices, "|", -1);
        g_autofree char *choices = g_strjoinv(", ", list);

        return tn_error_set(error, -EINVAL, "'%s' is none of: %s", text,
                            choices);
    }
    return tn_error_set(error, -EINVAL, "'%s' is not %s", text,
                        type_forms[row->type]);
}

static int32_t parse_item(struct tn_value_item *item,
                          const struct tn_property *row, const char *text,
                          const char *directory, struct tn_error *error)
{
    int32_t code = parse_typed(row, text, &item->number);

    if (code)
        return describe_bad(row, text, code, error);
    if (has_range(row->type)) {
        code = check_range(row, text, item->number, error);
        if (code)
            return code;
    }
    /* "nbd://host/x" is no file name. */
    if (row->type == TN_PROP_PATH && text[0] && !strstr(text, "://"))
        item->text = g_canonicalize_filename(text, directory);
    else
        item->text = g_strdup(text);
    return 0;
}

/* Elements of a list are separated by commas; blanks around them go. */
static char **split(const struct tn_property *row, const char *text)
{
    char **parts;

    if (!(row->flags & TN_PROP_LIST)) {
        parts = g_new0(char *, 2);
        parts[0] = g_strdup(text);
        return parts;
    }
    parts = g_strsplit(text, ",", -1);
    for (guint i = 0; parts[i]; i++)
        g_strstrip(parts[i]);
    return parts;
}

static char *join_items(const struct tn_value *value)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < value->n_items; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               value->items[i].text);
    return g_string_free(text, FALSE);
}

int32_t tn_value_parse(struct tn_value *value, const struct tn_property *schema,
                       const char *text, const char *directory,
                       struct tn_error *error)
{
    g_auto(GStrv) parts = split(schema, text);
    guint n = g_strv_length(parts);

    value->schema = schema;
    value->items = g_new0(struct tn_value_item, MAX(n, 1));
    value->n_items = 0;
    for (guint i = 0; i < n; i++) {
        int32_t code =
            parse_item(&value->items[i], schema, parts[i], directory, error);

        if (code) {
            tn_value_clear(value);
            return code;
        }
        value->n_items++;
    }
    value->text = join_items(value);
    return 0;
}

void tn_value_copy(struct tn_value *to, const struct tn_value *from)
{
    *to = *from;
    to->text = g_strdup(from->text);
    to->file = g_strdup(from->file);
    to->items = g_new0(struct tn_value_item, from->n_items);
    for (guint i = 0; i < from->n_items; i++) {
        to->items[i] = from->items[i];
        to->items[i].text = g_strdup(from->items[i].text);
    }
}

void tn_value_clear(struct tn_value *value)
{
    for (guint i = 0; i < value->n_items; i++)
        g_free(value->items[i].text);
    g_clear_pointer(&value->items, g_free);
    value->n_items = 0;
    g_clear_pointer(&value->text, g_free);
    g_clear_pointer(&value->file, g_free);
}

static gboolean good_name(const char *name)
{
    if (!g_ascii_isalpha(name[0]))
        return FALSE;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && *name != '-' && *name != '_')
            return FALSE;
    return TRUE;
}

static gboolean text_ended(const char *text, gsize room)
{
    return memchr(text, 0, room) != NULL;
}

static gboolean texts_ended(const struct tn_property *row)
{
    return text_ended(row->name, sizeof row->name) &&
           text_ended(row->default_value, sizeof row->default_value) &&
           text_ended(row->minimum, sizeof row->minimum) &&
           text_ended(row->maximum, sizeof row->maximum) &&
           text_ended(row->choices, sizeof row->choices) &&
           text_ended(row->unit, sizeof row->unit) &&
           text_ended(row->doc, sizeof row->doc);
}

int32_t tn_property_check(const struct tn_property *row, struct tn_error *error)
{
    uint64_t number;
    struct tn_value value = {0};
    int32_t code;

    if (!texts_ended(row))
        return tn_error_set(error, -EINVAL, "a property's text has no end");
    if (!good_name(row->name))
        return tn_error_set(error, -EINVAL, "bad property name");
    if (row->type == 0 || row->type >= G_N_ELEMENTS(type_names))
        return tn_error_set(error, -EINVAL, "property '%s' has unknown type %u",
                            row->name, row->type);
    if (row->type == TN_PROP_ENUM && !row->choices[0])
        return tn_error_set(error, -EINVAL, "property '%s' has no choices",
                            row->name);
    if (has_range(row->type) &&
        ((row->minimum[0] && parse_typed(row, row->minimum, &number)) ||
         (row->maximum[0] && parse_typed(row, row->maximum, &number))))
        return tn_error_set(error, -EINVAL, "property '%s' has a bad limit",
                            row->name);
    if (!row->default_value[0])
        return 0;
    code = tn_value_parse(&value, row, row->default_value, "/", error);
    tn_value_clear(&value);
    if (code)
        tn_error_prefix(error, "default of property '%s': ", row->name);
    return code;
}
