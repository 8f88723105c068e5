/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the installed formats. See block-plugin.h, probe().
 */
#include "core/block/probe.h"

#include <errno.h>
#include <string.h>

#define HEADER_BYTES 4096u
/* More than raw, less than any content. */
#define SURE_BY_NAME 2u

static uint32_t ask(const struct block_file *file,
                    struct tn_component_entry *entry, const uint8_t *header,
                    uint32_t bytes)
{
    struct plugin_host host;
    struct tn_format format;
    uint32_t sure = 0;

    if (plugin_host_init(&host, entry, NULL, entry->info.id, file->context,
                         NULL))
        return 0;
    if (plugin_host_interface(&host, TN_FORMAT, &format, sizeof format) &&
        format.probe)
        sure = format.probe(header, bytes, file->length);
    plugin_host_clear(&host);
    return sure;
}

/* Is "OFFSET:HEX" in the header? */
static gboolean is_there(const char *pattern, const uint8_t *header,
                         uint32_t bytes)
{
    char *hex;
    guint64 at = g_ascii_strtoull(pattern, &hex, 10);
    gsize n = *hex == ':' ? strlen(hex + 1) / 2 : 0;

    if (n == 0 || at > bytes || n > bytes - at)
        return FALSE;
    for (gsize i = 0; i < n; i++)
        if (g_ascii_xdigit_value(hex[1 + 2 * i]) * 16 +
                g_ascii_xdigit_value(hex[2 + 2 * i]) !=
            header[at + i])
            return FALSE;
    return TRUE;
}

/* Is "name:ENDING" how the file's name ends? Whoever wrote the content has not
 * chosen that. */
static gboolean is_named(const char *pattern, const char *name)
{
    gsize n = strlen(pattern), length = strlen(name);

    if (!g_str_has_prefix(pattern, "name:"))
        return FALSE;
    n -= strlen("name:");
    return length > n &&
           !g_ascii_strcasecmp(name + length - n, pattern + strlen("name:"));
}

enum likeness { DIFFERS, BY_NAME, BY_CONTENT };

/* Can the file have this format, as far as the format's note says? */
static enum likeness compare(const struct tn_component_entry *entry,
                             const struct block_file *file,
                             const uint8_t *header, uint32_t bytes)
{
    g_auto(GStrv) patterns = NULL;
    enum likeness likeness = DIFFERS;

    if (entry->info.kind != TN_KIND_FORMAT)
        return DIFFERS;
    if (!entry->info.provides[0])
        return BY_CONTENT;
    patterns = g_strsplit(entry->info.provides, ",", -1);
    for (guint i = 0; patterns[i]; i++) {
        if (is_there(patterns[i], header, bytes))
            return BY_CONTENT;
        if (is_named(patterns[i], file->name))
            likeness = BY_NAME;
    }
    return likeness;
}

int32_t probe_format(struct tn_registry *registry, struct block_file *file,
                     struct tn_component_entry **format,
                     struct tn_error *error)
{
    GPtrArray *all = tn_registry_components(registry);
    g_autofree uint8_t *header = g_malloc0(HEADER_BYTES);
    uint32_t bytes = (uint32_t)MIN(file->length, HEADER_BYTES);
    uint32_t best = 0;
    int32_t rc = block_file_transfer(file, AIO_READ, 0, header, bytes);

    if (rc)
        return tn_error_set(error, rc, "%s: %s", file->name, g_strerror(-rc));
    *format = NULL;
    for (guint i = 0; i < all->len; i++) {
        struct tn_component_entry *entry = g_ptr_array_index(all, i);
        enum likeness likeness = compare(entry, file, header, bytes);
        uint32_t sure = likeness == BY_NAME ? SURE_BY_NAME : 0;

        if (likeness == BY_CONTENT)
            sure = ask(file, entry, header, bytes);
        if (sure > best) {
            best = sure;
            *format = entry;
        }
    }
    if (!*format)
        return tn_error_set(error, -ENOENT,
                            "%s: no installed format knows this image",
                            file->name);
    return 0;
}
