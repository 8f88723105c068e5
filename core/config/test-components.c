/* SPDX-License-Identifier: Apache-2.0 */
/* Components for tests; see test-components.h. */
#include "core/config/test-components.h"

#include <string.h>

#include "core/plugin/elf-note.h"
#include "core/plugin/registry-private.h"

#define MAX_ROWS 4

struct test_component {
    uint32_t kind;
    const char *id;
    const char *bus;
    const char *provides;
    uint32_t flags;
    struct tn_property rows[MAX_ROWS]; /* up to the first without a name */
};

static const struct test_component components[] = {
    {TN_KIND_ACCEL,
     "fast",
     "",
     "",
     0,
     {{"jit", TN_PROP_BOOL, 0, "yes", "", "", "", "", ""}}},
    {TN_KIND_ACCEL,
     "slow",
     "",
     "",
     0,
     {{"verify", TN_PROP_BOOL, 0, "no", "", "", "", "", ""}}},
    {TN_KIND_TARGET,
     "toy",
     "",
     "",
     0,
     {{"model", TN_PROP_ENUM, 0, "small", "", "", "small|large", "", ""}}},
    {TN_KIND_BOOT,
     "toy-boot",
     "",
     "",
     0,
     {{"kernel", TN_PROP_PATH, 0, "", "", "", "", "", ""},
      {"cmdline", TN_PROP_STRING, 0, "", "", "", "", "", ""}}},
    {TN_KIND_NET,
     "user",
     "",
     "",
     0,
     {{"forward", TN_PROP_STRING, TN_PROP_LIST, "", "", "", "", "", ""},
      {"queues", TN_PROP_UINT, 0, "1", "1", "8", "", "", ""}}},
    {TN_KIND_CHAR,
     "stdio",
     "",
     "",
     0,
     {{"escape", TN_PROP_STRING, 0, "", "", "", "", "", ""}}},
    {TN_KIND_FORMAT,
     "qcow2",
     "",
     "",
     0,
     {{"cluster", TN_PROP_SIZE, 0, "64K", "512", "2M", "", "", ""}}},
    {TN_KIND_DEVICE,
     "plic",
     "",
     "",
     0,
     {{"sources", TN_PROP_UINT, 0, "96", "1", "1023", "", "", ""}}},
    {TN_KIND_DEVICE,
     "uart",
     "",
     "",
     0,
     {{"chardev", TN_PROP_REF, 0, "", "", "", "", "", ""}}},
    {TN_KIND_DEVICE, "virtio-mmio", "", "virtio", 0, {{.name = ""}}},
    {TN_KIND_DEVICE,
     "pci-host",
     "",
     "pci",
     TN_COMPONENT_MULTI_SLOT,
     {{"slots", TN_PROP_UINT, 0, "4", "1", "32", "", "", ""},
      {"first-slot", TN_PROP_UINT, 0, "1", "0", "31", "", "", ""}}},
    {TN_KIND_DEVICE, "virtio-pci", "pci", "virtio", 0, {{.name = ""}}},
    {TN_KIND_DEVICE,
     "virtio-blk",
     "virtio",
     "",
     0,
     {{"disk", TN_PROP_REF, TN_PROP_REQUIRED, "", "", "", "", "", "image"},
      {"serial", TN_PROP_STRING, 0, "", "", "", "", "", ""},
      {"readonly", TN_PROP_BOOL, 0, "no", "", "", "", "", ""},
      {"timeout", TN_PROP_TIME, 0, "", "1ms", "10s", "", "", ""}}},
    {TN_KIND_DEVICE,
     "virtio-net",
     "virtio",
     "",
     0,
     {{"netdev", TN_PROP_REF, 0, "", "", "", "", "", ""},
      {"mac", TN_PROP_MAC, 0, "", "", "", "", "", ""},
      {"queues", TN_PROP_UINT, 0, "1", "1", "64", "", "", ""}}},
    {TN_KIND_DEVICE,
     "flash",
     "",
     "",
     0,
     {{"image", TN_PROP_PATH, TN_PROP_REQUIRED, "", "", "", "", "",
       "its content"},
      {"peer", TN_PROP_REF, 0, "", "", "", "", "", ""}}},
};

static void add_component(struct tn_plugin_notes *notes,
                          const struct test_component *component)
{
    struct tn_component_note note = {0};
    guint rows = 0;

    while (rows < MAX_ROWS && component->rows[rows].name[0])
        rows++;
    note.info.size = sizeof note.info;
    note.info.kind = component->kind;
    note.info.flags = component->flags;
    note.info.property_size = sizeof(struct tn_property);
    note.info.n_properties = rows;
    g_strlcpy(note.info.id, component->id, sizeof note.info.id);
    g_strlcpy(note.info.bus, component->bus, sizeof note.info.bus);
    g_strlcpy(note.info.provides, component->provides,
              sizeof note.info.provides);
    note.properties = g_new0(struct tn_property, rows + 1);
    memcpy(note.properties, component->rows, rows * sizeof note.properties[0]);
    g_array_append_val(notes->components, note);
}

struct tn_registry *test_registry(void)
{
    struct tn_registry *registry = tn_registry_new();
    struct tn_plugin_notes notes = {0};
    struct index_row *row = g_new0(struct index_row, 1);

    notes.info.size = sizeof notes.info;
    notes.info.abi_major = TN_ABI_MAJOR;
    notes.info.n_components = G_N_ELEMENTS(components);
    g_strlcpy(notes.info.id, "test", sizeof notes.info.id);
    notes.components =
        g_array_new(FALSE, TRUE, sizeof(struct tn_component_note));
    for (gsize i = 0; i < G_N_ELEMENTS(components); i++)
        add_component(&notes, &components[i]);
    (void)tn_registry_add_notes(registry, "test.so", &notes, NULL);
    row->kind = TN_KIND_DEVICE;
    row->id = g_strdup("virtio-rng");
    row->plugin = g_strdup("dev-virtio-rng");
    g_ptr_array_add(registry->index, row);
    return registry;
}
