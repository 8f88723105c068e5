/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: machine files, from their text to a resolved machine and its
 * dump, which has to be a machine file again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/config/test-components.h"

const char *const fuzz_words[] = {"[",
                                  "]",
                                  "=",
                                  "%",
                                  "\n",
                                  "#",
                                  "\\",
                                  ",",
                                  ":",
                                  "+ ",
                                  "* ",
                                  "(",
                                  "count",
                                  "address",
                                  "irq",
                                  "parent",
                                  "slot",
                                  "device",
                                  "backend",
                                  "0xffffffffffffffff",
                                  "attach.",
                                  "enabled",
                                  "option.",
                                  " if a=x",
                                  "[device plic if a=x|y]\n",
                                  "[device x-%]\n",
                                  "[disk d]\n",
                                  "component = flash\n",
                                  "peer = ",
                                  "plic:",
                                  NULL};

static const char *const seeds[] = {
    "[board]\ntarget = toy\nboot = toy-boot\nram = 2G\n"
    "attach.virtio = virtio-pci\ndefault.disk = virtio-blk\n"
    "[machine]\naccel = slow, fast\ncpus = 2\nkernel = k\n"
    "[device plic]\ncomponent = plic\naddress = 0xc000000\n"
    "[device pci]\ncomponent = pci-host\n"
    "[device mmio-%]\ncomponent = virtio-mmio\ncount = 3\n"
    "address = 0x1000 + 0x1000 * %\nirq = plic:1 + %\n"
    "[disk root]\nimage = x\nformat = qcow2\ncluster = 4K\n"
    "[net lan]\nbackend = user\ndevice = virtio-net\nforward = a, b\n",
    "[board]\ntarget = toy\n[machine]\naccel = slow\n"
    "[device a]\ncomponent = flash\nimage = x\npeer = b\nirq = b:(1 + 2) * 3\n"
    "[device b]\ncomponent = flash\nimage = y\n"
    "[char c]\nbackend = stdio\ndevice = uart\nescape = \\s\\n\\#\n",
    "[board]\ntarget = toy\noption.a = x | y\n[machine]\naccel = slow\na = y\n"
    "[device b if a=y]\ncomponent = flash\nimage = y\n",
};

/* The machine in TEXT, read through a file without a name. */
static struct tn_machine_desc *load(struct tn_registry *registry,
                                    const void *text, size_t size)
{
    struct tn_diagnostics *diagnostics = tn_diagnostics_new();
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    struct tn_config_source source = {path, NULL, NULL};
    struct tn_machine_desc *desc;

    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        abort();
    desc = tn_config_load(&source, registry, diagnostics);
    close(fd);
    tn_diagnostics_free(diagnostics);
    return desc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_registry *registry = test_registry();
    struct tn_machine_desc *desc = load(registry, data, size);

    if (desc) {
        g_autofree char *text = tn_config_dump(desc, FALSE);
        struct tn_machine_desc *again = load(registry, text, strlen(text));
        g_autofree char *second = again ? tn_config_dump(again, FALSE) : NULL;

        if (!second || strcmp(text, second)) {
            g_printerr("%s\n----\n%s\n", text, second ? second : "(none)");
            abort();
        }
        tn_machine_desc_free(again);
    }
    tn_machine_desc_free(desc);
    tn_registry_free(registry);
    return 0;
}

uint8_t *fuzz_seed(unsigned int index, size_t *size)
{
    if (index >= G_N_ELEMENTS(seeds))
        return NULL;
    *size = strlen(seeds[index]);
    return (uint8_t *)g_strdup(seeds[index]);
}
