/* SPDX-License-Identifier: Apache-2.0 */
/* The note reader: good files, and files that lie. */
#include "core/plugin/plugin-test.h"

static int32_t read_notes(struct file_bytes file, struct tn_plugin_notes *notes,
                          struct tn_error *error)
{
    struct tn_elf_input input = {
        .fd = -1, .memory = file.data, .size = file.size};

    return tn_plugin_notes_read(notes, &input, error);
}

static void test_good_file(void **state)
{
    struct file_bytes file = read_variant("good");
    struct tn_plugin_notes notes;
    struct tn_component_note *widget, *end;

    (void)state;
    assert_int_equal(read_notes(file, &notes, NULL), 0);
    assert_string_equal(notes.info.id, "test-plugin");
    assert_string_equal(notes.info.version, "1.2");
    assert_int_equal(notes.components->len, 2);
    widget = &g_array_index(notes.components, struct tn_component_note, 0);
    end = &g_array_index(notes.components, struct tn_component_note, 1);
    if (strcmp(widget->info.id, "widget")) {
        struct tn_component_note *other = widget;

        widget = end;
        end = other;
    }
    assert_int_equal(widget->info.n_properties, 2);
    assert_string_equal(widget->properties[1].choices, "a|b");
    assert_int_equal(end->info.kind, TN_KIND_CHAR);
    assert_int_equal(end->info.n_properties, 0);
    tn_plugin_notes_clear(&notes);
    g_free(file.data);
}

static void test_cut_short_anywhere(void **state)
{
    struct file_bytes file = read_variant("good");
    gsize size = file.size;

    (void)state;
    for (file.size = 0; file.size < size; file.size += 64) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_plugin_notes notes;
        /* A copy of that size, so that the sanitizer sees an overrun. */
        struct file_bytes copy = {g_memdup2(file.data, file.size), file.size};

        assert_int_equal(read_notes(copy, &notes, &error), -ENOEXEC);
        if (file.size < 4)
            assert_string_equal(error.text, "not an ELF file");
        else
            assert_non_null(strstr(error.text, "cut short"));
        assert_null(notes.components);
        g_free(copy.data);
    }
    g_free(file.data);
}

/* ---- one field changed ---- */

enum place { ELF_HEADER, PLUGIN, WIDGET, PROPERTY };

struct change {
    const char *name;
    enum place place;
    gssize offset;
    guint8 bytes[8];
    gsize size;
    const char *expected;
};

#define INFO(member) offsetof(struct tn_plugin_info, member)
#define COMPONENT(member) offsetof(struct tn_component_info, member)
#define ROW(member) offsetof(struct tn_property, member)
#define HEADER(member) offsetof(ElfW(Ehdr), member)
#define NOTE_OWNER (-(gssize)8)
#define NOTE_DESC_SIZE (-(gssize)16)

static const struct change changes[] = {
    {"no ELF magic", ELF_HEADER, 0,
     "\x7f"
     "ELG",
     4, "not an ELF file"},
    {"foreign class",
     ELF_HEADER,
     EI_CLASS,
     {__ELF_NATIVE_CLASS == 64 ? 1 : 2},
     1,
     "for another architecture: it is a "},
    {"foreign byte order",
     ELF_HEADER,
     EI_DATA,
     {3},
     1,
     "for another architecture: byte order differs"},
    {"foreign machine",
     ELF_HEADER,
     HEADER(e_machine),
     {2, 0},
     2,
     "for another architecture: an unknown machine, this is "},
    {"a program",
     ELF_HEADER,
     HEADER(e_type),
     {ET_EXEC, 0},
     2,
     "not a shared object"},
    {"no segments",
     ELF_HEADER,
     HEADER(e_phnum),
     {0, 0},
     2,
     "damaged: bad program headers"},
    {"segment table far away",
     ELF_HEADER,
     HEADER(e_phoff),
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
     sizeof(ElfW(Off)),
     "cut short: its program header table is missing"},
    {"section table far away",
     ELF_HEADER,
     HEADER(e_shoff),
     {0xff, 0xff, 0xff, 0xff},
     4,
     "cut short: its section table is missing"},
    {"note of somebody else", PLUGIN, NOTE_OWNER, "Venon", 5,
     "damaged notes: no plugin record"},
    {"note longer than its segment",
     PLUGIN,
     NOTE_DESC_SIZE,
     {0xff, 0xff, 0xff, 0xff},
     4,
     "cut short: its a note is missing"},
    {"plugin record of no size",
     PLUGIN,
     INFO(size),
     {0, 0, 0, 0},
     4,
     "damaged notes: plugin record too short"},
    {"plugin record longer than its note",
     PLUGIN,
     INFO(size),
     {0, 0, 0, 1},
     4,
     "damaged notes: plugin record too short"},
    {"plugin id that is no id", PLUGIN, INFO(id), "../x", 5,
     "damaged notes: bad plugin id"},
    {"plugin version with an escape", PLUGIN, INFO(version), "\033[1m", 5,
     "damaged notes: plugin record with unprintable text"},
    {"more components announced",
     PLUGIN,
     INFO(n_components),
     {3, 0, 0, 0},
     4,
     "damaged notes: 3 components announced, 2 there"},
    {"component record of no size",
     WIDGET,
     COMPONENT(size),
     {8, 0, 0, 0},
     4,
     "damaged notes: component record too short"},
    {"properties of no size",
     WIDGET,
     COMPONENT(property_size),
     {8, 0, 0, 0},
     4,
     "damaged notes: property rows too short"},
    {"properties that are not there",
     WIDGET,
     COMPONENT(n_properties),
     {200, 0, 0, 0},
     4,
     "damaged notes: properties are missing"},
    {"too many properties",
     WIDGET,
     COMPONENT(n_properties),
     {0xff, 0xff, 0xff, 0xff},
     4,
     "damaged notes: too many properties"},
    {"huge properties",
     WIDGET,
     COMPONENT(property_size),
     {0xff, 0xff, 0xff, 0xff},
     4,
     "damaged notes: properties are missing"},
    {"component id that is no id", WIDGET, COMPONENT(id), "a b", 4,
     "damaged notes: bad component id"},
    {"property of unknown type",
     PROPERTY,
     ROW(type),
     {99, 0, 0, 0},
     4,
     "damaged notes: component 'widget': property 'size' has unknown type 99"},
    {"property with a bad default", PROPERTY, ROW(default_value), "4Q", 3,
     "damaged notes: component 'widget': default of property 'size': '4Q' is "
     "not a size (a number of bytes, or with K, M, G or T)"},
    {"property with a bad limit", PROPERTY, ROW(minimum), "x", 2,
     "damaged notes: component 'widget': property 'size' has a bad limit"},
    {"property twice", PROPERTY, ROW(name), "mode", 5,
     "damaged notes: a property twice"},
};

/* Not inlined: under -fsanitize gcc takes the bytes before a record, which are
 * in the file too, for being outside of an object. */
G_GNUC_NO_INLINE static guint8 *place_of(struct file_bytes file,
                                         enum place place)
{
    switch (place) {
    case ELF_HEADER:
        return file.data;
    case PLUGIN:
        return find_record(file, TN_NOTE_PLUGIN, "test-plugin");
    case WIDGET:
        return find_record(file, TN_NOTE_COMPONENT, "widget");
    case PROPERTY:
        return find_record(file, TN_NOTE_COMPONENT, "widget") +
               sizeof(struct tn_component_info);
    }
    return NULL;
}

static void test_change(void **state)
{
    const struct change *change = *state;
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct file_bytes file = read_variant("good");
    struct tn_plugin_notes notes;

    memcpy(place_of(file, change->place) + change->offset, change->bytes,
           change->size);
    assert_int_equal(read_notes(file, &notes, &error), -ENOEXEC);
    /* Some go on with this host's architecture. */
    if (!g_str_has_prefix(error.text, change->expected))
        assert_string_equal(error.text, change->expected);
    g_free(file.data);
}

static void test_text_without_an_end(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct file_bytes file = read_variant("good");
    struct tn_plugin_notes notes;

    (void)state;
    memset(place_of(file, PLUGIN) + INFO(summary), 'x',
           sizeof(((struct tn_plugin_info *)0)->summary));
    assert_int_equal(read_notes(file, &notes, &error), -ENOEXEC);
    assert_string_equal(error.text,
                        "damaged notes: plugin record with unprintable text");
    g_free(file.data);
}

static void test_no_notes_of_ours(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct file_bytes file = read_variant("good");
    struct tn_plugin_notes notes;

    (void)state;
    place_of(file, PLUGIN)[NOTE_OWNER] = 'V';
    place_of(file, WIDGET)[NOTE_OWNER] = 'V';
    find_record(file, TN_NOTE_COMPONENT, "pipe")[NOTE_OWNER] = 'V';
    assert_int_equal(read_notes(file, &notes, &error), -ENOEXEC);
    assert_string_equal(error.text, "not a Tenon plugin");
    g_free(file.data);
}

/* Found by fuzzing: nothing must be copied to nowhere. */
static void test_empty_note_segments(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct file_bytes file = read_variant("good");
    struct tn_plugin_notes notes;
    ElfW(Ehdr) header;

    (void)state;
    memcpy(&header, file.data, sizeof header);
    for (guint i = 0; i < header.e_phnum; i++) {
        guint8 *at = file.data + header.e_phoff + i * sizeof(ElfW(Phdr));
        ElfW(Phdr) segment;

        memcpy(&segment, at, sizeof segment);
        if (segment.p_type == PT_NOTE)
            segment.p_filesz = 0;
        memcpy(at, &segment, sizeof segment);
    }
    assert_int_equal(read_notes(file, &notes, &error), -ENOEXEC);
    assert_string_equal(error.text, "not a Tenon plugin");
    g_free(file.data);
}

/* ---- versions ---- */

static void test_versions(void **state)
{
    static const struct {
        uint32_t major, minor, needs, fast_major, fast_minor;
        const char *expected; /* NULL: supported */
    } rows[] = {
        {1, 0, 0, 0, 0, NULL},
        {1, 9, 0, 0, 0, NULL}, /* newer, but works with ours */
        {1, 0, 0, 1, 0, NULL},
        {0, 7, 0, 0, 0,
         "too old for this Tenon: made for ABI 0.7, this is "},
        {2, 0, 0, 0, 0,
         "too new for this Tenon: made for ABI 2.0, this is "},
        {1, 9, 5, 0, 0,
         "too new for this Tenon: made for ABI 1.5, this is "},
        {1, 0, 0, 2, 1,
         "too new for this Tenon: made for fast-tier ABI 2.1, this is "},
        {1, 0, 0, 1, 3,
         "too new for this Tenon: made for fast-tier ABI 1.3, this is "},
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_plugin_info info = {
            .abi_major = rows[i].major,
            .abi_minor = rows[i].minor,
            .needs_minor = rows[i].needs,
            .fast_major = rows[i].fast_major,
            .fast_minor = rows[i].fast_minor,
        };

        assert_int_equal(tn_plugin_info_supported(&info, &error),
                         rows[i].expected ? -EPROTO : 0);
        if (rows[i].expected) {
            gboolean fast = strstr(rows[i].expected, "fast-tier") != NULL;
            g_autofree char *expected = g_strdup_printf(
                "%s%u.%u", rows[i].expected,
                fast ? TN_FAST_MAJOR : TN_ABI_MAJOR,
                fast ? TN_FAST_MINOR : TN_ABI_MINOR);

            assert_string_equal(error.text, expected);
        }
    }
}

/* A record made by a newer header is longer: what we do not know is left. */
static void test_longer_records_are_read(void **state)
{
    struct {
        uint32_t size;
        uint32_t known;
        uint32_t unknown;
    } newer = {12, 7, 8};
    struct {
        uint32_t size;
        uint32_t known;
    } ours;
    struct {
        uint32_t size;
        uint32_t known;
        uint32_t unknown;
        uint32_t more;
    } larger;

    (void)state;
    tn_copy_sized(&ours, sizeof ours, &newer, newer.size);
    assert_int_equal(ours.size, sizeof ours);
    assert_int_equal(ours.known, 7);
    tn_copy_sized(&larger, sizeof larger, &newer, newer.size);
    assert_int_equal(larger.unknown, 8);
    assert_int_equal(larger.more, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_text_without_an_end),
        cmocka_unit_test(test_no_notes_of_ours),
        cmocka_unit_test(test_empty_note_segments),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_longer_records_are_read),
    };
    struct CMUnitTest cases[G_N_ELEMENTS(changes)] = {0};
    int failed;

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        cases[i].name = changes[i].name;
        cases[i].test_func = test_change;
        cases[i].initial_state = (void *)(uintptr_t)&changes[i];
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("changes", cases, NULL, NULL);
    return failed;
}
