/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tn_plugin_info and tn_component_info as they stand in a note. A record says
 * its own size; it may be shorter or longer than ours, but not shorter than
 * in ABI 1.0. Texts are shown to users, so they must be printable.
 */
#include "core/plugin/note-records.h"

#include <errno.h>
#include <string.h>

#include "core/plugin/schema.h"

#define END_OF(type, member)                                                   \
    (offsetof(type, member) + sizeof(((type *)0)->member))
/* The records' sizes in ABI 1.0: their last member then. */
#define PLUGIN_INFO_1_0 END_OF(struct tn_plugin_info, summary)
#define COMPONENT_INFO_1_0 END_OF(struct tn_component_info, summary)
#define PROPERTY_1_0 END_OF(struct tn_property, doc)

void tn_copy_sized(void *to, gsize room, const void *from, gsize size)
{
    uint32_t ours = (uint32_t)room;

    memset(to, 0, room);
    memcpy(to, from, MIN(room, size));
    memcpy(to, &ours, sizeof ours);
}

static int32_t damaged(struct tn_error *error, const char *what)
{
    return tn_error_set(error, -ENOEXEC, "damaged notes: %s", what);
}

static gboolean printable(const char *text, gsize room)
{
    gsize length = strnlen(text, room);

    if (length == room || !g_utf8_validate(text, (gssize)length, NULL))
        return FALSE;
    for (gsize i = 0; i < length; i++)
        if ((guchar)text[i] < 0x20 || text[i] == 0x7f)
            return FALSE;
    return TRUE;
}
#define PRINTABLE(array) printable(array, sizeof(array))

/* Ids stand in machine files and package names. */
static gboolean good_id(const char *id, gsize room)
{
    if (!printable(id, room) || !g_ascii_isalnum(id[0]))
        return FALSE;
    for (; *id; id++)
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id))
            return FALSE;
    return TRUE;
}

static int32_t plugin_record(struct tn_plugin_notes *notes, const uint8_t *data,
                             gsize bytes, struct tn_error *error)
{
    struct tn_plugin_info *info = &notes->info;
    uint32_t size;

    if (info->size)
        return damaged(error, "two plugin records");
    if (bytes < sizeof size)
        return damaged(error, "plugin record too short");
    memcpy(&size, data, sizeof size);
    if (size < PLUGIN_INFO_1_0 || size > bytes)
        return damaged(error, "plugin record too short");
    tn_copy_sized(info, sizeof *info, data, size);
    if (!good_id(info->id, sizeof info->id))
        return damaged(error, "bad plugin id");
    if (!PRINTABLE(info->version) || !PRINTABLE(info->vendor) ||
        !PRINTABLE(info->licence) || !PRINTABLE(info->summary))
        return damaged(error, "plugin record with unprintable text");
    return 0;
}

/* The schema rows after a component record. */
static int32_t properties_of(struct tn_component_note *note,
                             const uint8_t *data, gsize bytes,
                             struct tn_error *error)
{
    const struct tn_component_info *info = &note->info;

    if (info->n_properties > TN_NOTES_MAX_PROPERTIES)
        return damaged(error, "too many properties");
    if (info->n_properties && info->property_size < PROPERTY_1_0)
        return damaged(error, "property rows too short");
    if (info->n_properties && info->property_size > bytes / info->n_properties)
        return damaged(error, "properties are missing");
    note->properties = g_new0(struct tn_property, MAX(info->n_properties, 1));
    for (uint32_t i = 0; i < info->n_properties; i++) {
        struct tn_property *row = &note->properties[i];
        int32_t code;

        memcpy(row, data + (gsize)i * info->property_size,
               MIN(sizeof *row, info->property_size));
        code = tn_property_check(row, error);
        if (code) {
            tn_error_prefix(error, "damaged notes: component '%s': ", info->id);
            return -ENOEXEC;
        }
        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(note->properties[j].name, row->name))
                return damaged(error, "a property twice");
    }
    note->info.property_size = sizeof(struct tn_property);
    return 0;
}

static int32_t component_record(struct tn_plugin_notes *notes,
                                const uint8_t *data, gsize bytes,
                                struct tn_error *error)
{
    struct tn_component_note note = {0};
    struct tn_component_info *info = &note.info;
    uint32_t size;
    int32_t code;

    if (notes->components->len >= TN_NOTES_MAX_COMPONENTS)
        return damaged(error, "too many components");
    if (bytes < sizeof size)
        return damaged(error, "component record too short");
    memcpy(&size, data, sizeof size);
    if (size < COMPONENT_INFO_1_0 || size > bytes)
        return damaged(error, "component record too short");
    tn_copy_sized(info, sizeof *info, data, size);
    if (!good_id(info->id, sizeof info->id))
        return damaged(error, "bad component id");
    if (!PRINTABLE(info->bus) || !PRINTABLE(info->provides) ||
        !PRINTABLE(info->summary))
        return damaged(error, "component record with unprintable text");
    code = properties_of(&note, data + size, bytes - size, error);
    if (code)
        g_free(note.properties);
    else
        g_array_append_val(notes->components, note);
    return code;
}

int32_t tn_note_record(struct tn_plugin_notes *notes, uint32_t type,
                       const uint8_t *data, gsize bytes, struct tn_error *error)
{
    switch (type) {
    case TN_NOTE_PLUGIN:
        return plugin_record(notes, data, bytes, error);
    case TN_NOTE_COMPONENT:
        return component_record(notes, data, bytes, error);
    default:
        return 0;
    }
}

int32_t tn_note_finish(struct tn_plugin_notes *notes, struct tn_error *error)
{
    GArray *list = notes->components;

    if (!notes->info.size)
        return damaged(error, "no plugin record");
    if (notes->info.n_components != list->len)
        return tn_error_set(error, -ENOEXEC,
                            "damaged notes: %u components announced, %u there",
                            notes->info.n_components, list->len);
    for (guint i = 0; i < list->len; i++) {
        const struct tn_component_info *a =
            &g_array_index(list, struct tn_component_note, i).info;

        for (guint j = 0; j < i; j++) {
            const struct tn_component_info *b =
                &g_array_index(list, struct tn_component_note, j).info;

            if (a->kind == b->kind && !strcmp(a->id, b->id))
                return tn_error_set(error, -ENOEXEC,
                                    "damaged notes: component '%s' twice",
                                    a->id);
        }
    }
    return 0;
}

static int32_t outdated(struct tn_error *error, const char *tier,
                        const char *verdict, uint32_t major, uint32_t minor,
                        uint32_t our_major, uint32_t our_minor)
{
    return tn_error_set(
        error, -EPROTO,
        "too %s for this Tenon: made for %sABI %u.%u, this is %u.%u", verdict,
        tier, major, minor, our_major, our_minor);
}

int32_t tn_plugin_info_supported(const struct tn_plugin_info *info,
                                 struct tn_error *error)
{
    if (info->abi_major < TN_ABI_MAJOR)
        return outdated(error, "", "old", info->abi_major, info->abi_minor,
                        TN_ABI_MAJOR, TN_ABI_MINOR);
    if (info->abi_major > TN_ABI_MAJOR || info->needs_minor > TN_ABI_MINOR)
        return outdated(error, "", "new", info->abi_major,
                        info->abi_major > TN_ABI_MAJOR ? info->abi_minor
                                                       : info->needs_minor,
                        TN_ABI_MAJOR, TN_ABI_MINOR);
    if (!info->fast_major)
        return 0;
    if (info->fast_major < TN_FAST_MAJOR)
        return outdated(error, "fast-tier ", "old", info->fast_major,
                        info->fast_minor, TN_FAST_MAJOR, TN_FAST_MINOR);
    if (info->fast_major > TN_FAST_MAJOR || info->fast_minor > TN_FAST_MINOR)
        return outdated(error, "fast-tier ", "new", info->fast_major,
                        info->fast_minor, TN_FAST_MAJOR, TN_FAST_MINOR);
    return 0;
}
