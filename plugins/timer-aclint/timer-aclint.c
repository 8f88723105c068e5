/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RISC-V Advanced Core Local Interruptor, ACLINT specification 1.0-rc4, laid
 * out as the SiFive CLINT that firmware expects: an MSWI device (machine
 * software interrupts) at 0, an MTIMER (mtimecmp and mtime) at 0x4000.
 *
 * mtime counts the virtual clock, so it is the same time the harts' `time`
 * CSR shows, and stands still while the machine does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/clock.h"
#include "tenon/fdt.h"
#include "tenon/irq.h"
#include "tenon/memory.h"
#include "tenon/state.h"
#include "tenon/tree.h"

#define MSIP_BASE 0x0000u
#define MTIMECMP_BASE 0x4000u
#define MTIME 0xbff8u
#define WINDOW 0x10000u
/* Specification 2.1: an MTIMER serves at most 4095 harts. */
#define MAX_HARTS 4095u
#define NS_PER_S 1000000000ull

struct aclint;

struct hart {
    struct aclint *aclint;
    struct tn_timer *timer;
    struct tn_irq *mti, *msi;
};

struct aclint {
    struct tn_host *host;
    const struct tn_clock *clock;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    struct tn_region *region;
    uint64_t frequency;
    uint64_t mtime_offset; /* added to the clock: mtime can be written */
    uint32_t n_harts;
    struct hart *harts;
    uint64_t mtimecmp[MAX_HARTS];
    uint8_t msip[MAX_HARTS];
};

static uint64_t mtime(const struct aclint *a)
{
    uint64_t ns = a->clock->now(a->host, TN_CLOCK_VIRTUAL);

    return tn_muldiv64(ns, a->frequency, NS_PER_S) + a->mtime_offset;
}

/* The first nanosecond at which mtime is at least TICKS. */
static uint64_t deadline_of(const struct aclint *a, uint64_t ticks)
{
    unsigned __int128 ns =
        ((unsigned __int128)(ticks - a->mtime_offset) * NS_PER_S +
         a->frequency - 1) /
        a->frequency;

    return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* MTIP is mtime >= mtimecmp (3.2.1 of the privileged specification). */
static void update_timer(struct hart *h)
{
    struct aclint *a = h->aclint;
    uint64_t compare = a->mtimecmp[h - a->harts], now = mtime(a);

    if (now >= compare) {
        a->clock->cancel_timer(a->host, h->timer);
        a->irqs->set(a->host, h->mti, 1);
        return;
    }
    a->irqs->set(a->host, h->mti, 0);
    /* Written mtime may have run past what the offset can express. */
    a->clock->set_timer(a->host, h->timer,
                        compare < a->mtime_offset ? UINT64_MAX
                                                  : deadline_of(a, compare));
}

static void timer_fired(void *opaque)
{
    update_timer(opaque);
}

/* ---- registers ---- */

static uint64_t half(uint64_t value, uint64_t offset, uint32_t size)
{
    return size == 8 ? value : (value >> 8 * (offset & 4)) & 0xffffffffu;
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t offset,
                      uint32_t size)
{
    if (size == 8)
        return value;
    return offset & 4 ? (old & 0xffffffffu) | value << 32
                      : (old & ~0xffffffffull) | (value & 0xffffffffu);
}

static uint64_t aclint_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct aclint *a = opaque;
    uint64_t index;

    if (offset < MTIMECMP_BASE) {
        index = offset / 4;
        return index < a->n_harts ? a->msip[index] : 0;
    }
    if (offset >= MTIME && offset < MTIME + 8)
        return half(mtime(a), offset, size);
    index = (offset - MTIMECMP_BASE) / 8;
    return index < a->n_harts ? half(a->mtimecmp[index], offset, size) : 0;
}

static void write_msip(struct aclint *a, uint64_t index, uint64_t value)
{
    if (index >= a->n_harts)
        return;
    a->msip[index] = value & 1;
    a->irqs->set(a->host, a->harts[index].msi, value & 1);
}

static void write_mtime(struct aclint *a, uint64_t value)
{
    a->mtime_offset += value - mtime(a);
    for (uint32_t i = 0; i < a->n_harts; i++)
        update_timer(&a->harts[i]);
}

static void aclint_write(void *opaque, uint64_t offset, uint64_t value,
                         uint32_t size)
{
    struct aclint *a = opaque;
    uint64_t index;

    if (offset < MTIMECMP_BASE) {
        write_msip(a, offset / 4, value);
        if (size == 8)
            write_msip(a, offset / 4 + 1, value >> 32);
        return;
    }
    if (offset >= MTIME && offset < MTIME + 8) {
        write_mtime(a, merge(mtime(a), value, offset, size));
        return;
    }
    index = (offset - MTIMECMP_BASE) / 8;
    if (index >= a->n_harts)
        return;
    a->mtimecmp[index] = merge(a->mtimecmp[index], value, offset, size);
    update_timer(&a->harts[index]);
}

static const struct tn_region_ops aclint_region = {
    .size = sizeof aclint_region,
    .min_access = 4,
    .max_access = 8,
    .read = aclint_read,
    .write = aclint_write,
};

/* ---- device tree: riscv,clint0 ---- */

static int32_t aclint_describe(void *self, const struct tn_fdt *fdt)
{
    static const char compatible[] = "sifive,clint0\0riscv,clint0";
    struct aclint *a = self;
    uint64_t address = 0, bytes = 0;
    uint32_t *cells;
    char name[32];

    a->memory->region_address(a->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "clint@%llx", (unsigned long long)address);
    cells = calloc(a->n_harts, 4 * sizeof *cells);
    if (!cells)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n_harts; i++) {
        char cpu[16];

        snprintf(cpu, sizeof cpu, "cpu%u", i);
        cells[4 * i] = cells[4 * i + 2] = fdt->phandle(fdt->builder, cpu);
        cells[4 * i + 1] = 3; /* machine software interrupt */
        cells[4 * i + 3] = 7; /* machine timer interrupt */
    }
    fdt->begin(fdt->builder, name);
    fdt->bytes(fdt->builder, "compatible", compatible, sizeof compatible);
    fdt->reg(fdt->builder);
    fdt->u32(fdt->builder, "interrupts-extended", cells, 4 * a->n_harts);
    fdt->end(fdt->builder);
    free(cells);
    return 0;
}

static const struct tn_fdt_node aclint_fdt = {
    .size = sizeof aclint_fdt,
    .describe = aclint_describe,
};

/* ---- saved state ---- */

static const struct tn_field aclint_fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct aclint, mtime_offset, 1),
    TN_FIELD_ARRAY(struct aclint, mtimecmp, 1),
    TN_FIELD_ARRAY(struct aclint, msip, 1),
};

static int32_t aclint_loaded(void *self, uint32_t version,
                             struct tn_error *error)
{
    struct aclint *a = self;

    (void)version, (void)error;
    for (uint32_t i = 0; i < a->n_harts; i++) {
        write_msip(a, i, a->msip[i]);
        update_timer(&a->harts[i]);
    }
    return 0;
}

static const struct tn_state aclint_state = {
    .size = sizeof aclint_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof aclint_fields / sizeof *aclint_fields,
    .field_size = sizeof(struct tn_field),
    .fields = aclint_fields,
    .loaded = aclint_loaded,
};

/* ---- life cycle ---- */

static int32_t aclint_create(struct tn_host *host, void **self)
{
    struct aclint *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    a->host = host;
    *self = a;
    return 0;
}

static void aclint_destroy(void *self)
{
    free(self);
}

static int32_t aclint_configure(void *self, struct tn_error *error)
{
    struct aclint *a = self;
    const struct tn_props *props = tn_service(a->host, TN_HOST_PROPS);

    (void)error;
    a->frequency = props->get_uint(a->host, "frequency");
    return 0;
}

static void aclint_unrealize(void *self)
{
    struct aclint *a = self;

    for (uint32_t i = 0; a->harts && i < a->n_harts; i++)
        a->clock->free_timer(a->host, a->harts[i].timer);
    free(a->harts);
    a->harts = NULL;
    if (a->region)
        a->memory->free_region(a->host, a->region);
    a->region = NULL;
}

static int32_t aclint_realize(void *self, struct tn_error *error)
{
    struct aclint *a = self;
    const struct tn_tree *tree = tn_service(a->host, TN_HOST_TREE);

    a->clock = tn_service(a->host, TN_HOST_CLOCK);
    a->irqs = tn_service(a->host, TN_HOST_IRQ);
    a->memory = tn_service(a->host, TN_HOST_MEMORY);
    if (!tree || !a->clock || !a->irqs || !a->memory)
        return tn_fail(a->host, error, -ENOSYS, "the host lacks a service");
    a->n_harts = tree->cpu_count(a->host);
    if (a->n_harts > MAX_HARTS)
        return tn_fail(a->host, error, -EINVAL, "at most %u harts", MAX_HARTS);
    a->harts = calloc(a->n_harts, sizeof *a->harts);
    if (!a->harts)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n_harts; i++) {
        struct hart *h = &a->harts[i];

        h->aclint = a;
        h->mti = a->irqs->cpu_line(a->host, i, "mti");
        h->msi = a->irqs->cpu_line(a->host, i, "msi");
        h->timer =
            a->clock->new_timer(a->host, TN_CLOCK_VIRTUAL, timer_fired, h);
        if (!h->mti || !h->msi || !h->timer) {
            aclint_unrealize(a);
            return tn_fail(a->host, error, -EINVAL,
                           "hart %u has no lines 'mti' and 'msi'", i);
        }
    }
    a->region =
        a->memory->new_mmio(a->host, "aclint", WINDOW, &aclint_region, a);
    if (a->region)
        return 0;
    aclint_unrealize(a);
    return -ENOMEM;
}

static void aclint_reset(void *self, uint32_t kind)
{
    struct aclint *a = self;

    (void)kind;
    a->mtime_offset = 0;
    for (uint32_t i = 0; i < a->n_harts; i++) {
        write_msip(a, i, 0);
        a->mtimecmp[i] = UINT64_MAX;
        update_timer(&a->harts[i]);
    }
}

static const void *aclint_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &aclint_fdt;
    return strcmp(id, TN_STATE) == 0 ? &aclint_state : NULL;
}

static const struct tn_component_ops aclint_ops = {
    .size = sizeof aclint_ops,
    .create = aclint_create,
    .destroy = aclint_destroy,
    .configure = aclint_configure,
    .realize = aclint_realize,
    .unrealize = aclint_unrealize,
    .reset = aclint_reset,
    .get_interface = aclint_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "timer-aclint",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "RISC-V core-local timer and software interrupts"},
};

TN_COMPONENT_INFO(aclint_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, aclint_info),
    .info = {TN_COMPONENT_INFO_DEVICE(1),
             .flags = TN_COMPONENT_SAVES,
             .id = "aclint",
             .summary = "RISC-V core-local timer and software interrupts "
                        "(ACLINT, CLINT layout)"},
    .properties =
        {
            {.name = "frequency",
             .type = TN_PROP_UINT,
             .default_value = "10000000",
             .minimum = "1",
             .maximum = "1000000000",
             .unit = "Hz",
             .doc = "Rate of mtime; the target's timebase must be the same"},
        },
};

TN_COMPONENT(aclint_component, aclint_info, aclint_ops);

TN_PLUGIN_ENTRY(plugin_info, &aclint_component)
