/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: plugin files, as the note reader and the registry see them. */
#include "tests/fuzz/fuzz.h"

#include "core/plugin/elf-note.h"
#include "core/plugin/registry.h"

const char *const fuzz_words[] = {"Tenon",
                                  "\x7f"
                                  "ELF",
                                  "\x01\x01\x01", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_elf_input input = {.fd = -1, .memory = data, .size = size};
    struct tn_plugin_notes notes;
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_registry *registry;

    if (tn_plugin_notes_read(&notes, &input, &error))
        return 0;
    registry = tn_registry_new();
    (void)tn_registry_add_notes(registry, "fuzz.so", &notes, &error);
    g_free(tn_registry_hint(registry, 0, "widgte"));
    tn_registry_free(registry);
    return 0;
}

uint8_t *fuzz_seed(unsigned int index, size_t *size)
{
    const char *build = g_getenv("TENON_TOP_BUILDDIR");
    g_autofree char *path =
        g_build_filename(build ? build : ".", "core", "plugin", ".libs",
                         "test-plugin-good.so", NULL);
    char *data;

    if (index || !g_file_get_contents(path, &data, size, NULL))
        return NULL;
    return (uint8_t *)data;
}
