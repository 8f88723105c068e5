/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the options of new images are spelled, listed by -o help and told by
 * create: as the scripts for other tools know them.
 */
#include <stdio.h>
#include <string.h>

#include "core/block/values.h"
#include "tools/tenon-img.h"

/* encrypt-key-secret -> encrypt.key-secret, cluster-size -> cluster_size: as
 * other tools spell them. */
static char *foreign_name(const char *name)
{
    static const char *const as_they_are[] = {
        "key-secret", "cipher-alg", "cipher-mode",     "ivgen-alg",
        "hash-alg",   "iter-time",  "ivgen-hash-alg",  "new-secret",
        "old-secret", "detached-header",
    };
    char *out;

    if (g_str_has_prefix(name, "encrypt-"))
        return g_strconcat("encrypt.", name + strlen("encrypt-"), NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(as_they_are); i++)
        if (!strcmp(name, as_they_are[i]))
            return g_strdup(name);
    out = g_strdup(name);
    return g_strdelimit(out, "-", '_');
}

static const char *type_text(const struct tn_property *row)
{
    switch (row->type) {
    case TN_PROP_BOOL: return "bool (on/off)";
    case TN_PROP_UINT:
    case TN_PROP_INT: return "num";
    case TN_PROP_SIZE: return "size";
    default: return "str";
    }
}

struct help_row {
    char *name;
    const char *type;
    char *doc;
};

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct help_row *const *)a)->name,
                  (*(struct help_row *const *)b)->name);
}

static void add_row(GPtrArray *rows, const char *name, const char *type,
                    const char *doc, const char *choices)
{
    struct help_row *row = g_new0(struct help_row, 1);
    g_autofree char *list = g_strdup(choices);

    for (char *p = list; p && *p; p++)
        if (*p == '|')
            *p = ' ';
    row->name = foreign_name(name);
    row->type = type;
    row->doc = list && *list ? g_strdup_printf("%s (%s)", doc, list)
                             : g_strdup(doc);
    g_ptr_array_add(rows, row);
}

static void free_row(gpointer data)
{
    struct help_row *row = data;

    g_free(row->name);
    g_free(row->doc);
    g_free(row);
}

static gboolean has_backing(struct tn_component_entry *entry)
{
    static const char *const with[] = {"qcow2", "qcow", "qed", "vmdk"};

    for (gsize i = 0; i < G_N_ELEMENTS(with); i++)
        if (!strcmp(entry->info.id, with[i]))
            return TRUE;
    return FALSE;
}

/* A secret is not the new image's, but making it needs it. */
static gboolean is_option(const struct tn_property *row, gboolean amend)
{
    return row->flags & (amend ? TN_PROP_AMEND : TN_PROP_CREATE) ||
           (!amend && g_str_has_suffix(row->name, "key-secret"));
}

static guint add_rows(GPtrArray *rows, struct tn_component_entry *entry,
                      gboolean amend)
{
    guint n = rows->len;

    for (guint i = 0; i < entry->info.n_properties; i++) {
        const struct tn_property *row = &entry->properties[i];

        if (is_option(row, amend))
            add_row(rows, row->name, type_text(row), row->doc, row->choices);
    }
    return rows->len - n;
}

static void print_options(struct tn_component_entry *entry,
                          struct tn_component_entry *protocol, gboolean amend)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);

    add_rows(rows, entry, amend);
    if (!amend) {
        add_row(rows, "size", "size", "Virtual disk size", "");
        if (!strcmp(entry->info.id, "raw"))
            add_row(rows, "preallocation", "str", "Space for the data",
                    "off|falloc|full");
    }
    if (!amend && has_backing(entry)) {
        add_row(rows, "backing_file", "str", "File name of a base image", "");
        add_row(rows, "backing_fmt", "str", "Image format of the base image",
                "");
    }
    if (protocol)
        add_rows(rows, protocol, FALSE);
    g_ptr_array_sort(rows, by_name);
    if (protocol)
        puts("Supported options:");
    else
        printf(amend ? "Amend options for '%s':\n"
                     : "Supported %s options:\n", entry->info.id);
    for (guint i = 0; i < rows->len; i++) {
        const struct help_row *row = g_ptr_array_index(rows, i);
        g_autofree char *left = g_strdup_printf("%s=<%s>", row->name,
                                                row->type);

        printf("  %-22s - %s\n", left, row->doc);
    }
    if (!protocol && !amend)
        puts("\nThe protocol level may support further options.\n"
             "Specify the target filename to include those options.");
}

/* Formats of which nothing can be changed have no options to list. */
static gboolean can_amend(struct tn_component_entry *entry)
{
    for (guint i = 0; i < entry->info.n_properties; i++)
        if (entry->properties[i].flags & TN_PROP_AMEND)
            return TRUE;
    return FALSE;
}

static gboolean asks_for_help(GPtrArray *lists)
{
    gboolean help = FALSE;

    for (guint i = 0; lists && i < lists->len; i++) {
        const char *rest = g_ptr_array_index(lists, i);
        char *key, *value;

        while (image_spec_next(&rest, &key, &value)) {
            help |= !value && (!strcmp(key, "help") || !strcmp(key, "?"));
            g_free(key);
            g_free(value);
        }
    }
    return help;
}

gboolean img_options_help(GPtrArray *lists, const char *format,
                          const char *name, gboolean amend, int *status)
{
    struct tn_component_entry *entry, *protocol = NULL;

    if (!asks_for_help(lists))
        return FALSE;
    entry = img_format(format);
    *status = entry ? 0 : 1;
    if (entry && amend && !can_amend(entry))
        *status = img_fail("Format driver '%s' does not support option "
                           "amendment", format);
    if (name && entry) {
        protocol = node_protocol(img.registry, name, NULL);
        *status = protocol ? 0 : img_fail("%s: no such protocol", name);
    }
    if (!*status)
        print_options(entry, protocol, amend);
    return TRUE;
}

/* ---- what create says ---- */

/* In which order, and what although it was not asked for (with '+'). */
static const struct {
    const char *format, *words;
} told[] = {
    {"raw", "size preallocation nocow extent_size_hint"},
    {"qcow2",
     "encryption encrypt.format encrypt.key-secret encrypt.cipher-alg "
     "encrypt.cipher-mode encrypt.ivgen-alg encrypt.ivgen-hash-alg "
     "encrypt.hash-alg encrypt.iter-time +cluster_size +extended_l2 "
     "preallocation +compression_type keep_data_file size backing_file "
     "backing_fmt compat data_file data_file_raw +lazy_refcounts "
     "+refcount_bits"},
    {"vmdk",
     "size adapter_type backing_file backing_fmt +compat6 hwversion "
     "toolsversion subformat zeroed_grain"},
    {"vdi", "size +static preallocation"},
    {"vpc", "size subformat force_size"},
    {"vhdx", "size +log_size +block_size subformat block_state_zero"},
    {"qed", "size backing_file backing_fmt +cluster_size table_size"},
    {"parallels", "size +cluster_size"},
};

static void tell_value(const struct tn_value *value)
{
    const struct tn_property *row = value->schema;
    g_autofree char *name = foreign_name(row->name);

    if (row->type == TN_PROP_BOOL && value->n_items)
        printf(" %s=%s", name, value->items[0].number ? "on" : "off");
    else if (row->type == TN_PROP_SIZE && value->n_items)
        printf(" %s=%" G_GUINT64_FORMAT, name, value->items[0].number);
    else
        printf(" %s=%s", name, value->text ? value->text : "");
}

/* ENTRY's property NAME, or with NULL all that were set; each once. */
static void tell(struct tn_component_entry *entry, struct tn_value *values,
                 const char *name, GHashTable *done)
{
    gboolean always = name && *name == '+';
    const struct tn_property *row =
        name ? block_values_row(entry, name + always) : NULL;

    for (guint i = 0; entry && i < entry->info.n_properties; i++) {
        struct tn_value *value = &values[i];

        if ((name && value->schema != row) || (!always && !value->set) ||
            !g_hash_table_add(done, value))
            continue;
        tell_value(value);
    }
}

static void tell_word(const struct img_make *make, const char *word,
                      GHashTable *done)
{
    if (!strcmp(word, "size"))
        printf(" size=%" G_GUINT64_FORMAT, make->bytes);
    else if (!strcmp(word, "backing_file") && make->backing)
        printf(" backing_file=%s", make->backing);
    else if (!strcmp(word, "backing_fmt") && make->backing &&
             make->backing_format)
        printf(" backing_fmt=%s", make->backing_format);
    else if (!strcmp(word, "preallocation") && make->raw_preallocation)
        printf(" preallocation=%s", make->raw_preallocation);
    else
        tell(make->format, make->values, word, done);
}

void img_make_tell(const struct img_make *make)
{
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
    const char *words = "size backing_file backing_fmt";
    g_auto(GStrv) each = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(told); i++)
        if (!strcmp(told[i].format, make->format->info.id))
            words = told[i].words;
    each = g_strsplit(words, " ", -1);
    printf("Formatting '%s', fmt=%s", make->name, make->format->info.id);
    for (guint i = 0; each[i]; i++)
        tell_word(make, each[i], done);
    tell(make->format, make->values, NULL, done);
    if (make->protocol_values)
        tell(make->protocol, make->protocol_values, NULL, done);
    putchar('\n');
    fflush(stdout);
}
