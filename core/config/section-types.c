/* SPDX-License-Identifier: Apache-2.0 */
/* Section types and core's own keys, as tables; see section-types.h. */
#include "core/config/section-types.h"

#include <string.h>

#include "core/config/machine-desc.h"
#include "core/util/nearest.h"

const struct tn_property tn_machine_schema[TN_MACHINE_ROWS] = {
    [TN_MACHINE_NAME] = {"name", TN_PROP_STRING, 0, "", "", "", "", "",
                         "name of the machine; default: the file's"},
    [TN_MACHINE_BOARD] = {"board", TN_PROP_STRING, 0, "", "", "", "", "",
                          "name or file of the board; none: the machine file "
                          "has a [board] itself"},
    [TN_MACHINE_ACCEL] = {"accel", TN_PROP_STRING, TN_PROP_LIST,
                          "kvm, tcg, interp", "", "", "", "",
                          "accelerators; the first that works is used"},
    [TN_MACHINE_CPUS] = {"cpus", TN_PROP_UINT, 0, "1", "1", "1024", "", "",
                         "number of virtual CPUs"},
    [TN_MACHINE_CPU] = {"cpu", TN_PROP_STRING, 0, "", "", "", "", "",
                        "CPU model: the target's property 'model'"},
    [TN_MACHINE_MEMORY] = {"memory", TN_PROP_SIZE, 0, "128M", "1M", "", "",
                           "bytes", "main memory"},
    [TN_MACHINE_REBOOT] = {"reboot", TN_PROP_ENUM, 0, "reset", "", "",
                           "reset|exit", "",
                           "what happens when the guest reboots"},
    [TN_MACHINE_BOOT] = {"boot", TN_PROP_STRING, 0, "", "", "", "", "",
                         "boot protocol, in place of the board's"},
    [TN_MACHINE_KERNEL] = {"kernel", TN_PROP_PATH, 0, "", "", "", "", "",
                           "kernel image: a property of the boot protocol"},
    [TN_MACHINE_INITRD] = {"initrd", TN_PROP_PATH, 0, "", "", "", "", "",
                           "initial RAM disk, likewise"},
    [TN_MACHINE_CMDLINE] = {"cmdline", TN_PROP_STRING, 0, "", "", "", "", "",
                            "kernel command line, likewise"},
    [TN_MACHINE_FIRMWARE] = {"firmware", TN_PROP_PATH, 0, "", "", "", "", "",
                             "firmware image, likewise"},
    [TN_MACHINE_DTB] = {"dtb", TN_PROP_PATH, 0, "", "", "", "", "",
                        "device tree to use in place of the machine's own, "
                        "likewise"},
    [TN_MACHINE_DUMP_DTB] = {"dump-dtb", TN_PROP_PATH, 0, "", "", "", "", "",
                             "write the machine's device tree to this file"},
};

/* Besides these, attach.KIND and default.TYPE; see board.c. */
const struct tn_property tn_board_schema[TN_BOARD_ROWS] = {
    [TN_BOARD_DESCRIPTION] = {"description", TN_PROP_STRING, 0, "", "", "", "",
                              "", "one line about the board"},
    [TN_BOARD_BASE] = {"base", TN_PROP_STRING, 0, "", "", "", "", "",
                       "another board that this one adds to"},
    [TN_BOARD_TARGET] = {"target", TN_PROP_STRING, TN_PROP_REQUIRED, "", "", "",
                         "", "",
                         "instruction set: component of kind "
                         "target"},
    [TN_BOARD_BOOT] = {"boot", TN_PROP_STRING, 0, "", "", "", "", "",
                       "boot protocol: component of kind boot"},
    [TN_BOARD_RAM] = {"ram", TN_PROP_SIZE, 0, "0", "", "", "", "",
                      "physical address of main memory"},
};

const struct tn_property tn_secret_schema[TN_SECRET_ROWS] = {
    [TN_SECRET_FILE] = {"file", TN_PROP_PATH, 0, "", "", "", "", "",
                        "file with the secret: all of it, an end of line "
                        "included"},
    [TN_SECRET_ENV] = {"env", TN_PROP_STRING, 0, "", "", "", "", "",
                       "environment variable with the secret, in place of a "
                       "file"},
    [TN_SECRET_FORMAT] = {"format", TN_PROP_ENUM, 0, "raw", "", "",
                          "raw|base64", "", "how it is written there"},
};

const struct tn_property tn_instance_schema[] = {
    {"component", TN_PROP_STRING, 0, "", "", "", "", "",
     "[device] the component it is an instance of"},
    {"device", TN_PROP_STRING, 0, "", "", "", "", "",
     "[disk] [net] [char] [display] the component that the guest sees"},
    {"backend", TN_PROP_STRING, 0, "", "", "", "", "",
     "[net] [char] [display] [management] the component behind it"},
    {"parent", TN_PROP_STRING, 0, "", "", "", "", "",
     "instance on whose bus the device sits; default: the first free bus of "
     "its kind"},
    {"attach", TN_PROP_STRING, 0, "", "", "", "", "",
     "adapter to make for the device, though there is a free bus"},
    {"slot", TN_PROP_UINT, 0, "", "0", "65535", "", "", "place on that bus"},
    {"address", TN_PROP_STRING, TN_PROP_LIST, "", "", "", "", "",
     "physical addresses of the device's regions"},
    {"irq", TN_PROP_STRING, TN_PROP_LIST, "", "", "", "", "",
     "where its interrupt outputs go: CONTROLLER:LINE or cpuN:LINE"},
    {"iothread", TN_PROP_STRING, 0, "", "", "", "", "",
     "name of the I/O thread that serves it"},
    {"count", TN_PROP_UINT, 0, "", "0", "4096", "", "",
     "how many there are, if its name has a '%'"},
    {"enabled", TN_PROP_BOOL, 0, "yes", "", "", "", "",
     "no: as if the section were not there"},
};
const guint tn_instance_schema_rows = G_N_ELEMENTS(tn_instance_schema);

#define INSTANCE_KEYS tn_instance_schema, G_N_ELEMENTS(tn_instance_schema)

const struct tn_section_type tn_section_types[] = {
    {"machine", TN_SECTION_SETTINGS, 0, NULL, tn_machine_schema,
     TN_MACHINE_ROWS, "the machine as a whole"},
    {"board", TN_SECTION_SETTINGS, 0, NULL, tn_board_schema, TN_BOARD_ROWS,
     "what board files say about the board"},
    {"accel", TN_SECTION_MAY_NAME, TN_KIND_ACCEL, NULL, NULL, 0,
     "properties of the accelerators, or of the one named"},
    {"cpu", 0, TN_KIND_TARGET, NULL, NULL, 0, "properties of the target"},
    {"boot", 0, TN_KIND_BOOT, NULL, NULL, 0, "properties of the boot protocol"},
    {"disk", TN_SECTION_NAMED | TN_SECTION_DEVICE | TN_SECTION_BLOCK, 0, "disk",
     INSTANCE_KEYS, "an image and the device that shows it"},
    {"net", TN_SECTION_NAMED | TN_SECTION_DEVICE, TN_KIND_NET, "netdev",
     INSTANCE_KEYS, "a network back-end and the device on it"},
    {"char", TN_SECTION_NAMED | TN_SECTION_DEVICE, TN_KIND_CHAR, "chardev",
     INSTANCE_KEYS, "a character back-end, and perhaps a device on it"},
    {"display", TN_SECTION_NAMED | TN_SECTION_DEVICE, TN_KIND_DISPLAY,
     "display", INSTANCE_KEYS, "a display back-end and the device on it"},
    {"management", TN_SECTION_NAMED, TN_KIND_MANAGEMENT, NULL, INSTANCE_KEYS,
     "a management service"},
    {"secret", TN_SECTION_NAMED | TN_SECTION_SETTINGS, 0, NULL,
     tn_secret_schema, TN_SECRET_ROWS,
     "a key or password, for properties like key-secret"},
    {"device", TN_SECTION_NAMED | TN_SECTION_DEVICE, 0, NULL, INSTANCE_KEYS,
     "a device"},
};
const guint tn_section_type_count = G_N_ELEMENTS(tn_section_types);

const struct tn_section_type *tn_section_type_find(const char *type)
{
    for (guint i = 0; i < tn_section_type_count; i++)
        if (!strcmp(tn_section_types[i].type, type))
            return &tn_section_types[i];
    return NULL;
}

gboolean tn_section_type_known(const char *type)
{
    return tn_section_type_find(type) != NULL;
}

gboolean tn_section_type_named(const char *type)
{
    const struct tn_section_type *row = tn_section_type_find(type);

    return row && row->flags & TN_SECTION_NAMED;
}

gboolean tn_section_type_check(const char *type, const char *name,
                               const char *file, guint line,
                               struct tn_diagnostics *diagnostics)
{
    const struct tn_section_type *row = tn_section_type_find(type);

    if (!row) {
        g_autofree char *hint = NULL;
        struct tn_nearest nearest;

        tn_nearest_init(&nearest, type);
        for (guint i = 0; i < tn_section_type_count; i++)
            tn_nearest_offer(&nearest, tn_section_types[i].type);
        hint = tn_nearest_hint(&nearest);
        tn_diagnose(diagnostics, FALSE, file, line, NULL,
                    "unknown section type '%s'%s", type, hint);
        return FALSE;
    }
    if (row->flags & TN_SECTION_NAMED && !*name) {
        tn_diagnose(diagnostics, FALSE, file, line, NULL,
                    "[%s] needs a name: [%s NAME]", type, type);
        return FALSE;
    }
    if (*name && !(row->flags & (TN_SECTION_NAMED | TN_SECTION_MAY_NAME))) {
        tn_diagnose(diagnostics, FALSE, file, line, NULL, "[%s] takes no name",
                    type);
        return FALSE;
    }
    return TRUE;
}

const struct tn_property *tn_schema_find(const struct tn_property *schema,
                                         guint rows, const char *name)
{
    for (guint i = 0; i < rows; i++)
        if (!strcmp(schema[i].name, name))
            return &schema[i];
    return NULL;
}
