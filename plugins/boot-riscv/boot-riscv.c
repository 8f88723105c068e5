/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RISC-V boot: firmware in machine mode at the start of RAM, a kernel for
 * supervisor mode behind it, the initrd behind that, the device tree near the
 * top of low memory. Without a kernel, what is in the flash chip is the
 * supervisor's; without firmware, kernel or flash is entered in machine mode.
 */
#include "boot-riscv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Firmware keeps its data and stacks behind itself; kernels begin at the next
 * huge page, 0x80200000 on most boards, which is where U-Boot is linked to. */
#define FIRMWARE_ROOM (512 * 1024u)
/* Plain binaries do not say what they need behind them. */
#define KERNEL_ROOM (16 * MIB)
/* Below this, from the start of RAM, everything can reach the device tree. */
#define LOW_MEMORY (1024 * MIB)

static const char *const default_firmware[] = {
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    "/usr/share/opensbi/generic/fw_dynamic.bin",
    "/usr/share/opensbi/lp64/generic/firmware/fw_dynamic.bin",
};

/* The firmware's file, or NULL if there shall be none. */
static int32_t firmware_path(struct boot *b, const char **path,
                             struct tn_error *error)
{
    const char *text = b->props->get_string(b->host, "firmware");
    const char *slash = text ? strrchr(text, '/') : NULL;

    *path = NULL;
    if (text && *text) {
        if (strcmp(slash ? slash + 1 : text, "none") != 0)
            *path = text;
        return 0;
    }
    for (size_t i = 0; i < sizeof default_firmware / sizeof *default_firmware;
         i++)
        if (access(default_firmware[i], R_OK) == 0) {
            *path = default_firmware[i];
            return 0;
        }
    return tn_fail(b->host, error, -ENOENT,
                   "no OpenSBI firmware at %s (Debian: opensbi); set "
                   "firmware = FILE, or none",
                   default_firmware[0]);
}

/* Is there anything in the flash chip? An empty one reads as all ones. */
static int flash_is_programmed(struct boot *b)
{
    uint8_t bytes[64];
    uint32_t blank = 0;

    if (!b->flash ||
        b->memory->dma_read(b->host, b->flash, bytes, sizeof bytes))
        return 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        blank += bytes[i] == 0xff || bytes[i] == 0;
    return blank < sizeof bytes;
}

static const char *file_property(struct boot *b, const char *name)
{
    const char *path = b->props->get_string(b->host, name);

    return path && *path ? path : NULL;
}

/* The device tree with /chosen, near the top of low memory. */
static int32_t place_tree(struct boot *b, const struct loaded *initrd,
                          uint64_t *address, struct tn_error *error)
{
    const char *path = file_property(b, "dtb");
    uint8_t seed[32];
    struct tn_boot_chosen chosen = {
        .size = sizeof chosen,
        .bootargs = b->props->get_string(b->host, "cmdline"),
        .initrd_start = initrd->start,
        .initrd_end = initrd->end,
    };
    uint64_t top = b->ram_bytes < LOW_MEMORY ? b->ram_bytes : LOW_MEMORY;
    uint64_t bytes = 0, file_bytes = 0;
    void *tree = NULL, *file = NULL;
    int32_t rc;

    if (getrandom(seed, sizeof seed, 0) == (ssize_t)sizeof seed) {
        chosen.rng_seed = seed;
        chosen.rng_seed_bytes = sizeof seed;
    }
    if (path) {
        rc = b->services->read_file(b->host, path, 64 * MIB, &file, &file_bytes,
                                    error);
        if (!rc)
            rc = b->services->device_tree_from(b->host, file, file_bytes,
                                               &chosen, &tree, &bytes, error);
        b->services->free_data(b->host, file);
    } else {
        rc = b->services->device_tree(b->host, &chosen, &tree, &bytes, error);
    }
    if (rc)
        return rc;
    *address = b->ram + (top > bytes ? (top - bytes) & ~(HUGE_PAGE - 1) : 0);
    if (initrd->end > *address)
        rc = tn_fail(b->host, error, -ENOSPC,
                     "kernel, initrd and device tree do not fit in memory");
    else if (b->services->write(b->host, *address, tree, bytes))
        rc = tn_fail(b->host, error, -ENOSPC,
                     "no memory at %#llx for the "
                     "device tree",
                     (unsigned long long)*address);
    b->services->free_data(b->host, tree);
    return rc;
}

static int32_t place_files(struct boot *b, struct loaded *firmware,
                           struct loaded *kernel, struct loaded *initrd,
                           struct tn_error *error)
{
    const char *path = NULL;
    uint64_t next = b->ram, top;
    int32_t rc = firmware_path(b, &path, error);

    if (!rc && path) {
        rc = load_firmware(b, path, b->ram, firmware, error);
        next = align_up(firmware->end + FIRMWARE_ROOM, HUGE_PAGE);
    }
    path = file_property(b, "kernel");
    if (!rc && path) {
        rc = load_kernel(b, path, next, kernel, error);
        next = kernel->end;
    } else if (!rc && flash_is_programmed(b)) {
        kernel->start = kernel->entry = b->flash;
    }
    path = file_property(b, "initrd");
    if (!rc && path) {
        /* Below the device tree, whose size is not known yet. */
        top = b->ram_bytes < LOW_MEMORY ? b->ram_bytes : LOW_MEMORY;
        rc = load_initrd(b, path, align_up(next + KERNEL_ROOM, HUGE_PAGE),
                         b->ram + top, initrd, error);
    }
    return rc;
}

static int32_t boot_boot(void *self, uint32_t kind, struct tn_error *error)
{
    struct boot *b = self;
    struct loaded firmware = {0}, kernel = {0}, initrd = {0};
    uint64_t tree = 0;
    int32_t rc;

    (void)kind;
    b->services->main_memory(b->host, &b->ram, &b->ram_bytes);
    b->xlen = strstr(b->services->target_name(b->host), "32") ? 32 : 64;
    rc = place_files(b, &firmware, &kernel, &initrd, error);
    if (!rc)
        rc = place_tree(b, &initrd, &tree, error);
    if (rc)
        return rc;
    if (!kernel.start && !firmware.start)
        return tn_fail(b->host, error, -ENOENT,
                       "nothing to boot: no firmware, kernel or flash image");
    if (!kernel.start)
        tn_logf(b->host, TN_LOG_WARNING,
                "no kernel and nothing in flash: firmware has nowhere to go");
    write_reset_rom(b, firmware.start ? firmware.entry : kernel.entry, tree,
                    kernel.entry);
    for (uint32_t i = 0; i < b->services->cpu_count(b->host) && !rc; i++)
        rc = b->services->set_register(b->host, i, "pc", b->rom_address);
    if (rc)
        return tn_fail(b->host, error, rc, "the target has no register 'pc'");
    return 0;
}

static const struct tn_boot boot_interface = {
    .size = sizeof boot_interface,
    .boot = boot_boot,
};

/* ---- life cycle ---- */

static int32_t boot_create(struct tn_host *host, void **self)
{
    struct boot *b = calloc(1, sizeof *b);

    if (!b)
        return -ENOMEM;
    b->host = host;
    *self = b;
    return 0;
}

static void boot_destroy(void *self)
{
    free(self);
}

static int32_t boot_realize(void *self, struct tn_error *error)
{
    struct boot *b = self;

    b->services = tn_service(b->host, TN_HOST_BOOT);
    b->memory = tn_service(b->host, TN_HOST_MEMORY);
    b->props = tn_service(b->host, TN_HOST_PROPS);
    if (!b->services || !b->memory)
        return tn_fail(b->host, error, -ENOSYS, "the host lacks a service");
    b->rom_address = b->props->get_uint(b->host, "reset");
    b->flash = b->props->get_uint(b->host, "flash");
    b->rom = b->memory->new_ram(b->host, "reset-rom", RESET_ROM_BYTES,
                                TN_RAM_READ_ONLY, &b->rom_bytes);
    if (!b->rom)
        return -ENOMEM;
    if (b->memory->map(b->host, b->rom, NULL, b->rom_address, 0))
        return tn_fail(b->host, error, -EINVAL, "no place for the reset code");
    return 0;
}

static void boot_unrealize(void *self)
{
    struct boot *b = self;

    b->memory->free_region(b->host, b->rom);
    b->rom = NULL;
}

static const void *boot_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_BOOT) == 0 ? &boot_interface : NULL;
}

static const struct tn_component_ops boot_ops = {
    .size = sizeof boot_ops,
    .create = boot_create,
    .destroy = boot_destroy,
    .realize = boot_realize,
    .unrealize = boot_unrealize,
    .get_interface = boot_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "boot-riscv",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "RISC-V boot: OpenSBI, Linux images, ELF, flash"},
};

#define PROPERTIES 9
TN_COMPONENT_INFO(boot_info, PROPERTIES) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, boot_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_BOOT, PROPERTIES),
             .id = "boot-riscv",
             .summary = "RISC-V boot: OpenSBI, Linux images, ELF, flash"},
    .properties =
        {
            {.name = "firmware",
             .type = TN_PROP_PATH,
             .doc = "Machine-mode firmware, fw_dynamic or ELF; 'none' for "
                    "none; default is the installed OpenSBI"},
            {.name = "kernel",
             .type = TN_PROP_PATH,
             .doc = "Linux image (plain or gzip), ELF file or plain binary"},
            {.name = "initrd", .type = TN_PROP_PATH, .doc = "Initial RAM disk"},
            {.name = "cmdline",
             .type = TN_PROP_STRING,
             .doc = "Kernel command line"},
            {.name = "dtb",
             .type = TN_PROP_PATH,
             .doc = "Device tree to use in place of the machine's own"},
            {.name = "compatible",
             .type = TN_PROP_STRING,
             .default_value = "riscv-virtio",
             .doc = "What the device tree's root is compatible with"},
            {.name = "model",
             .type = TN_PROP_STRING,
             .default_value = "riscv-virtio,tenon",
             .doc = "Model in the device tree's root"},
            {.name = "reset",
             .type = TN_PROP_UINT,
             .default_value = "0x1000",
             .doc = "Where harts begin after a reset"},
            {.name = "flash",
             .type = TN_PROP_UINT,
             .default_value = "0x20000000",
             .doc = "Flash chip that may hold what is booted; 0 for none"},
        },
};

TN_COMPONENT(boot_component, boot_info, boot_ops);

TN_PLUGIN_ENTRY(plugin_info, &boot_component)
