/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SiFive test finisher: a 32-bit register by which a program ends the
 * machine. Through its "syscon" device tree node it is also how Linux and
 * firmware power off and reboot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/fdt.h"
#include "tenon/memory.h"
#include "tenon/state.h"
#include "tenon/tree.h"

#define FINISHER_FAIL 0x3333u /* with an exit code in the upper half */
#define FINISHER_PASS 0x5555u
#define FINISHER_RESET 0x7777u

struct finisher {
    struct tn_host *host;
    const struct tn_memory *memory;
    const struct tn_tree *tree;
    struct tn_region *region;
};

static uint64_t finisher_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void finisher_write(void *opaque, uint64_t offset, uint64_t value,
                           uint32_t size)
{
    struct finisher *f = opaque;

    (void)size;
    if (offset != 0)
        return;
    switch (value & 0xffff) {
    case FINISHER_FAIL:
        f->tree->request(f->host, TN_REQUEST_FAIL,
                         (uint32_t)(value >> 16 & 0xffff));
        break;
    case FINISHER_PASS:
        f->tree->request(f->host, TN_REQUEST_POWEROFF, 0);
        break;
    case FINISHER_RESET:
        f->tree->request(f->host, TN_REQUEST_RESET, 0);
        break;
    default:
        tn_logf(f->host, TN_LOG_GUEST, "%#llx written to the finisher",
                (unsigned long long)value);
        break;
    }
}

static const struct tn_region_ops finisher_region = {
    .size = sizeof finisher_region,
    .min_access = 2,
    .max_access = 4,
    .read = finisher_read,
    .write = finisher_write,
};

/* A syscon and its two users: syscon-poweroff and syscon-reboot. */
static void describe_user(const struct tn_fdt *fdt, const char *name,
                          const char *compatible, uint32_t value)
{
    const uint32_t zero = 0, phandle = fdt->phandle(fdt->builder, NULL);

    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", compatible);
    fdt->u32(fdt->builder, "regmap", &phandle, 1);
    fdt->u32(fdt->builder, "offset", &zero, 1);
    fdt->u32(fdt->builder, "value", &value, 1);
    fdt->end(fdt->builder);
}

static int32_t finisher_describe(void *self, const struct tn_fdt *fdt)
{
    static const char compatible[] = "sifive,test1\0sifive,test0\0syscon";
    struct finisher *f = self;
    uint64_t address = 0, bytes = 0;
    char name[32];

    f->memory->region_address(f->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "test@%llx", (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->set_phandle(fdt->builder, NULL);
    fdt->bytes(fdt->builder, "compatible", compatible, sizeof compatible);
    fdt->reg(fdt->builder);
    fdt->end(fdt->builder);
    describe_user(fdt, "poweroff", "syscon-poweroff", FINISHER_PASS);
    describe_user(fdt, "reboot", "syscon-reboot", FINISHER_RESET);
    return 0;
}

static const struct tn_fdt_node finisher_fdt = {
    .size = sizeof finisher_fdt,
    .describe = finisher_describe,
};

/* It has no state. */
static const struct tn_state finisher_state = {
    .size = sizeof finisher_state,
    .version = 1,
    .oldest = 1,
    .field_size = sizeof(struct tn_field),
};

static int32_t finisher_create(struct tn_host *host, void **self)
{
    struct finisher *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    f->host = host;
    *self = f;
    return 0;
}

static void finisher_destroy(void *self)
{
    free(self);
}

static int32_t finisher_realize(void *self, struct tn_error *error)
{
    struct finisher *f = self;

    f->tree = tn_service(f->host, TN_HOST_TREE);
    f->memory = tn_service(f->host, TN_HOST_MEMORY);
    if (!f->tree || !f->memory)
        return tn_fail(f->host, error, -ENOSYS, "the host lacks a service");
    f->region =
        f->memory->new_mmio(f->host, "finisher", 0x1000, &finisher_region, f);
    return f->region ? 0 : -ENOMEM;
}

static void finisher_unrealize(void *self)
{
    struct finisher *f = self;

    f->memory->free_region(f->host, f->region);
    f->region = NULL;
}

static const void *finisher_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &finisher_fdt;
    return strcmp(id, TN_STATE) == 0 ? &finisher_state : NULL;
}

static const struct tn_component_ops finisher_ops = {
    .size = sizeof finisher_ops,
    .create = finisher_create,
    .destroy = finisher_destroy,
    .realize = finisher_realize,
    .unrealize = finisher_unrealize,
    .get_interface = finisher_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "test-finisher",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "SiFive test finisher: power off, reboot, fail"},
};

TN_COMPONENT_INFO(finisher_info, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, finisher_info),
    .info = {TN_COMPONENT_INFO_DEVICE(0),
             .flags = TN_COMPONENT_SAVES,
             .id = "test-finisher",
             .summary = "SiFive test finisher: power off, reboot, fail"},
};

TN_COMPONENT(finisher_component, finisher_info, finisher_ops);

TN_PLUGIN_ENTRY(plugin_info, &finisher_component)
