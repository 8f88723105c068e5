/* SPDX-License-Identifier: Apache-2.0 */
/* Reading sections from files and --set; the grammar is in sections.h. */
#include "core/config/sections.h"

#include <string.h>

#include "core/config/section-types.h"

/* A machine file is written by hand. */
#define MAX_FILE_BYTES (1u << 20)

struct reader {
    struct tn_sections *sections;
    struct tn_diagnostics *diagnostics;
    const char *path;
    guint line;
    struct tn_section *section; /* NULL before the first header */
    gboolean skip;              /* below a header that could not be read */
    GHashTable *seen;           /* "type name key" -> line, of this file */
};

/* A mistake at the reader's line. */
#define MISTAKE(reader, ...)                                                   \
    tn_diagnose((reader)->diagnostics, FALSE, (reader)->path, (reader)->line,  \
                NULL, __VA_ARGS__)

/* Undo escapes in place, cut off a comment and the blanks before it. Returns
 * FALSE at an escape that does not exist. */
static gboolean unescape(char *value)
{
    static const char letters[] = "sntr\\#", meanings[] = " \n\t\r\\#";
    char *to = value, *end = value;

    for (const char *from = value; *from; from++) {
        const char *which;

        if (*from == '#' && (from == value || g_ascii_isspace(from[-1])))
            break;
        if (*from != '\\') {
            *to++ = *from;
            if (!g_ascii_isspace(*from))
                end = to;
            continue;
        }
        from++;
        which = *from ? strchr(letters, *from) : NULL;
        if (!which)
            return FALSE;
        *to++ = meanings[which - letters];
        end = to; /* an escaped blank is meant */
    }
    *end = 0;
    return TRUE;
}

char *tn_value_escape(const char *value)
{
    GString *text = g_string_new(NULL);
    gsize length = strlen(value);

    for (gsize i = 0; i < length; i++) {
        gboolean edge = i == 0 || i == length - 1;

        if (value[i] == '\n')
            g_string_append(text, "\\n");
        else if (value[i] == '\r')
            g_string_append(text, "\\r");
        else if (value[i] == '\t')
            g_string_append(text, "\\t");
        else if (value[i] == '\\')
            g_string_append(text, "\\\\");
        else if (value[i] == ' ' && edge)
            g_string_append(text, "\\s");
        else if (value[i] == '#')
            g_string_append(text, "\\#");
        else
            g_string_append_c(text, value[i]);
    }
    return g_string_free(text, FALSE);
}

/* NAME without its condition; NULL if that is none. */
static char *plain_name(const char *name)
{
    const char *condition = tn_section_condition(name);

    if (!condition)
        return g_strdup(name);
    if (strspn(condition, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789-_=| ") != strlen(condition) ||
        !strchr(condition, '='))
        return NULL;
    return g_strchomp(g_strndup(
        name, (gsize)(condition - name) - strlen("if ")));
}

/* "[type name]" or "[type name if option=value]", LINE without blanks around it. */
static void read_header(struct reader *reader, char *line)
{
    char *end = strchr(line, ']');
    char *type = line + 1, *name;
    g_autofree char *plain = NULL;

    reader->section = NULL;
    reader->skip = TRUE;
    if (!end) {
        MISTAKE(reader, "section header without ']'");
        return;
    }
    *end++ = 0;
    g_strstrip(end);
    if (*end && *end != '#') {
        MISTAKE(reader, "text after the section header: '%s'", end);
        return;
    }
    g_strstrip(type);
    name = type + strcspn(type, " \t");
    if (*name) {
        *name++ = 0;
        g_strstrip(name);
    }
    plain = plain_name(name);
    if (!tn_section_name_valid(type) || !plain ||
        (*plain && !tn_section_name_valid(plain)))
        MISTAKE(reader, "bad section header: a type and a name of letters, "
                        "digits, '-' and '_', and perhaps 'if OPTION=VALUE'");
    else if (tn_section_type_check(type, plain, reader->path, reader->line,
                                   reader->diagnostics)) {
        reader->section = tn_sections_get(reader->sections, type, name,
                                          reader->path, reader->line);
        reader->skip = FALSE;
    }
}

/* GKeyFile lets the last of two equal keys win; whoever wrote both did not
 * mean that. */
static void check_twice(struct reader *reader, const char *key)
{
    g_autofree char *title = tn_section_title(reader->section);
    char *full = g_strdup_printf("%s %s", title, key);
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(reader->seen, full));

    if (before)
        tn_diagnose(reader->diagnostics, TRUE, reader->path, reader->line,
                    title, "'%s' stands on line %u already; this one counts",
                    key, before);
    g_hash_table_insert(reader->seen, full, GUINT_TO_POINTER(reader->line));
}

static gboolean key_valid(const char *key)
{
    if (!*key)
        return FALSE;
    for (; *key; key++)
        if (!g_ascii_isalnum(*key) && !strchr("-_.", *key))
            return FALSE;
    return TRUE;
}

static void read_key(struct reader *reader, char *line)
{
    char *value = strchr(line, '=');

    if (!value) {
        MISTAKE(reader, "neither '[section]' nor 'key = value': '%s'", line);
        return;
    }
    *value++ = 0;
    g_strchomp(line);
    g_strchug(value);
    if (!key_valid(line))
        MISTAKE(reader, "bad key '%s'", line);
    else if (reader->skip)
        return;
    else if (!reader->section)
        MISTAKE(reader, "'%s' stands before the first section", line);
    else if (!unescape(value))
        MISTAKE(reader,
                "value of '%s': '\\' begins one of \\s \\n \\t \\r "
                "\\# and \\\\",
                line);
    else {
        check_twice(reader, line);
        tn_section_set(reader->section, line, value, reader->path,
                       reader->line);
    }
}

static void read_line(struct reader *reader, char *line)
{
    g_strstrip(line);
    if (!*line || *line == '#')
        return;
    if (*line == '[')
        read_header(reader, line);
    else
        read_key(reader, line);
}

void tn_sections_read_text(struct tn_sections *sections, const char *path,
                           const char *text, gsize bytes,
                           struct tn_diagnostics *diagnostics)
{
    struct reader reader = {
        .sections = sections, .diagnostics = diagnostics, .path = path};
    g_autofree char *copy = NULL;
    g_auto(GStrv) lines = NULL;

    if (memchr(text, 0, bytes) || !g_utf8_validate(text, (gssize)bytes, NULL)) {
        tn_diagnose(diagnostics, FALSE, path, 0, NULL, "no text file in UTF-8");
        return;
    }
    copy = g_strndup(text, bytes);
    lines = g_strsplit(copy, "\n", -1);
    reader.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; lines[i]; i++) {
        reader.line = i + 1;
        read_line(&reader, lines[i]);
    }
    g_hash_table_destroy(reader.seen);
}

gboolean tn_sections_read_file(struct tn_sections *sections, const char *path,
                               struct tn_diagnostics *diagnostics)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize bytes;

    if (!g_file_get_contents(path, &text, &bytes, &error)) {
        tn_diagnose(diagnostics, FALSE, NULL, 0, NULL, "%s", error->message);
        return FALSE;
    }
    if (bytes > MAX_FILE_BYTES) {
        tn_diagnose(diagnostics, FALSE, path, 0, NULL,
                    "too long for a machine file");
        return FALSE;
    }
    tn_sections_read_text(sections, path, text, bytes, diagnostics);
    return TRUE;
}

/* Splits "disk.root.image", in place, into type, name and key. A first word
 * that is no section type is the name of a [device]. */
static gboolean split_path(char *path, const char **type, const char **name,
                           const char **key)
{
    char *rest = strchr(path, '.');

    if (!rest)
        return FALSE;
    *rest++ = 0;
    *type = path;
    *name = "";
    *key = rest;
    if (!tn_section_type_known(path)) {
        *type = "device";
        *name = path;
    } else if (tn_section_type_named(path)) {
        char *dot = strchr(rest, '.');

        if (!dot)
            return FALSE;
        *dot++ = 0;
        *name = rest;
        *key = dot;
    }
    return key_valid(*key) && (!**name || tn_section_name_valid(*name));
}

void tn_sections_read_setting(struct tn_sections *sections, const char *setting,
                              struct tn_diagnostics *diagnostics)
{
    g_autofree char *path = g_strdup(setting);
    const char *type, *name, *key;
    char *value = strchr(path, '=');

    if (value)
        *value++ = 0;
    if (!value || !split_path(g_strstrip(path), &type, &name, &key)) {
        tn_diagnose(diagnostics, FALSE, "--set", 0, NULL,
                    "'%s' is not section.key=value", setting);
        return;
    }
    tn_section_set(tn_sections_get(sections, type, name, "--set", 0), key,
                   g_strstrip(value), "--set", 0);
}
