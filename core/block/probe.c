/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks every installed format. See block-plugin.h, probe().
 */
#include "core/block/probe.h"

#include <errno.h>

#define HEADER_BYTES 4096u

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
        uint32_t sure;

        if (entry->info.kind != TN_KIND_FORMAT)
            continue;
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
