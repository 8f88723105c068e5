/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of core/plugin share: plugin files in a directory of their
 * own, changed as each test wants. */
#ifndef TENON_CORE_PLUGIN_PLUGIN_TEST_H
#define TENON_CORE_PLUGIN_PLUGIN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <link.h>

#include "core/plugin/elf-note.h"

struct file_bytes {
    guint8 *data;
    gsize size;
};

/* The plugin built as test-plugin-VARIANT. */
static inline struct file_bytes read_variant(const char *variant)
{
    const char *build = g_getenv("TENON_TOP_BUILDDIR");
    g_autofree char *name = g_strdup_printf("test-plugin-%s.so", variant);
    g_autofree char *path = g_build_filename(build ? build : ".", "core",
                                             "plugin", ".libs", name, NULL);
    struct file_bytes file;

    assert_true(
        g_file_get_contents(path, (char **)&file.data, &file.size, NULL));
    return file;
}

/* Where WHAT first stands in FILE. */
static inline guint8 *find_bytes(struct file_bytes file, const void *what,
                                 gsize bytes)
{
    for (gsize i = 0; i + bytes <= file.size; i++)
        if (!memcmp(file.data + i, what, bytes))
            return file.data + i;
    fail_msg("bytes not found");
    return NULL;
}

/* The record in the note of TYPE that holds the id ID. */
static inline guint8 *find_record(struct file_bytes file, uint32_t type,
                                  const char *id)
{
    gsize offset = type == TN_NOTE_PLUGIN
                       ? offsetof(struct tn_plugin_info, id)
                       : offsetof(struct tn_component_info, id);
    guint8 owner[12];

    memcpy(owner, &type, 4);
    memcpy(owner + 4, "Tenon\0\0\0", 8);
    for (gsize i = 0; i + offset + strlen(id) < file.size; i++)
        if (!memcmp(file.data + i, owner, sizeof owner) &&
            !strcmp((char *)file.data + i + sizeof owner + offset, id))
            return file.data + i + sizeof owner;
    fail_msg("no note of %s", id);
    return NULL;
}

static inline void put32(guint8 *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

#endif
