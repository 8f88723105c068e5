/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.boot/1.
 */
#include <errno.h>

#include <tenon/boot.h>

#include "core/machine/boot-file.h"
#include "core/machine/elf-load.h"
#include "core/machine/fdt-tree.h"
#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/services.h"
#include "core/machine/thread.h"

static int32_t read_file(struct tn_host *host, const char *path, uint64_t limit,
                         void **data, uint64_t *bytes, struct tn_error *error)
{
    CHECK_CONTROL(instance_of(host));
    if (!path || !data || !bytes)
        return -EINVAL;
    return boot_file_read(path, limit, TRUE, data, bytes, error);
}

static int32_t read_raw_file(struct tn_host *host, const char *path,
                             uint64_t limit, void **data, uint64_t *bytes,
                             struct tn_error *error)
{
    CHECK_CONTROL(instance_of(host));
    if (!path || !data || !bytes)
        return -EINVAL;
    return boot_file_read(path, limit, FALSE, data, bytes, error);
}

static void free_data(struct tn_host *host, void *data)
{
    (void)host;
    g_free(data);
}

static int32_t write_memory(struct tn_host *host, uint64_t address,
                            const void *data, uint64_t bytes)
{
    CHECK_CONTROL(instance_of(host));
    if (bytes && !data)
        return -EINVAL;
    return memory_write(instance_of(host)->machine, address, data, bytes, TRUE);
}

static int32_t load_elf(struct tn_host *host, const void *data, uint64_t bytes,
                        uint64_t offset, struct tn_elf_image *image,
                        struct tn_error *error)
{
    CHECK_CONTROL(instance_of(host));
    if (!data || !image)
        return -EINVAL;
    return elf_load(instance_of(host)->machine, data, bytes, offset, image,
                    error);
}

static int32_t device_tree_from(struct tn_host *host, const void *tree,
                                uint64_t tree_bytes,
                                const struct tn_boot_chosen *chosen,
                                void **blob, uint64_t *bytes,
                                struct tn_error *error)
{
    CHECK_CONTROL(instance_of(host));
    if (!tree || !blob || !bytes)
        return -EINVAL;
    return fdt_tree_choose(tree, tree_bytes, chosen, blob, bytes, error);
}

static int32_t device_tree(struct tn_host *host,
                           const struct tn_boot_chosen *chosen, void **blob,
                           uint64_t *bytes, struct tn_error *error)
{
    GBytes *tree = instance_of(host)->machine->device_tree;

    if (!tree)
        return tn_error_set(error, -EAGAIN, "the device tree is not made yet");
    return device_tree_from(host, g_bytes_get_data(tree, NULL),
                            g_bytes_get_size(tree), chosen, blob, bytes, error);
}

static struct tn_cpu *cpu_at(struct tn_machine *machine, uint32_t cpu)
{
    return cpu < machine->vcpus.n ? machine->vcpus.cpus[cpu].cpu : NULL;
}

static int32_t set_register(struct tn_host *host, uint32_t cpu,
                            const char *name, uint64_t value)
{
    struct tn_machine *machine = instance_of(host)->machine;
    struct tn_cpu *state = cpu_at(machine, cpu);
    void *target;
    uint8_t bytes[8];
    int32_t rc;

    CHECK_CONTROL(instance_of(host));
    if (!state || !name || !machine->target.write_reg)
        return -EINVAL;
    target = machine->target_instance->self;
    for (guint i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    rc = machine->target.write_reg(target, state, name, bytes, 8);
    if (rc == -EINVAL) /* a 32-bit register */
        rc = machine->target.write_reg(target, state, name, bytes, 4);
    return rc;
}

static int32_t get_register(struct tn_host *host, uint32_t cpu,
                            const char *name, uint64_t *value)
{
    struct tn_machine *machine = instance_of(host)->machine;
    struct tn_cpu *state = cpu_at(machine, cpu);
    uint8_t bytes[64] = {0};
    uint32_t size = sizeof bytes;
    int32_t rc;

    CHECK_CONTROL(instance_of(host));
    if (!state || !name || !value || !machine->target.read_reg)
        return -EINVAL;
    rc = machine->target.read_reg(machine->target_instance->self, state, name,
                                  bytes, &size);
    *value = 0;
    for (guint i = 0; i < 8; i++)
        *value |= (uint64_t)bytes[i] << (8 * i);
    return rc;
}

static uint32_t cpu_count(struct tn_host *host)
{
    return instance_of(host)->machine->desc->cpus;
}

static void main_memory(struct tn_host *host, uint64_t *address,
                        uint64_t *bytes)
{
    const struct tn_machine_desc *desc = instance_of(host)->machine->desc;

    *address = desc->ram_base;
    *bytes = desc->memory;
}

static const char *target_name(struct tn_host *host)
{
    const struct tn_target_info *info = instance_of(host)->machine->vcpus.info;

    return info ? info->name : "";
}

GBytes *tn_machine_device_tree(struct tn_machine *machine,
                               struct tn_error *error)
{
    if (!machine->device_tree) {
        tn_error_set(error, -EAGAIN, "the device tree is not made yet");
        return NULL;
    }
    return g_bytes_ref(machine->device_tree);
}

const struct tn_boot_services host_boot = {
    .size = sizeof(struct tn_boot_services),
    .read_file = read_file,
    .read_raw_file = read_raw_file,
    .free_data = free_data,
    .write = write_memory,
    .load_elf = load_elf,
    .device_tree = device_tree,
    .device_tree_from = device_tree_from,
    .set_register = set_register,
    .get_register = get_register,
    .cpu_count = cpu_count,
    .main_memory = main_memory,
    .target_name = target_name,
};
