/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RISC-V platform-level interrupt controller, RISC-V PLIC Specification
 * 1.0.0. Sources are level triggered: a source is pending while its line is
 * high and it is not claimed. Each context (a hart's M or S mode) has an
 * enable bit per source and a threshold, and drives one line of its hart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/fdt.h"
#include "tenon/irq.h"
#include "tenon/memory.h"
#include "tenon/state.h"
#include "tenon/tree.h"

/* Memory map, PLIC specification chapter 3. */
#define PRIORITY_BASE 0x000000u
#define PENDING_BASE 0x001000u
#define ENABLE_BASE 0x002000u
#define CONTEXT_BASE 0x200000u
#define CONTEXT_STRIDE 0x1000u
#define CONTEXT_THRESHOLD 0x0u
#define CONTEXT_CLAIM 0x4u

#define MAX_SOURCES 1024u /* source 0 does not exist */
#define WORDS (MAX_SOURCES / 32)
#define MAX_CONTEXTS 512u
#define PRIORITY_MASK 7u

struct plic {
    struct tn_host *host;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    const struct tn_tree *tree;
    struct tn_region *region;
    uint32_t n_sources; /* highest source number + 1 */
    uint32_t n_contexts;
    uint32_t modes; /* contexts a hart */
    uint64_t bytes;
    uint32_t priority[MAX_SOURCES];
    uint32_t level[WORDS];   /* input lines */
    uint32_t claimed[WORDS]; /* being served */
    uint32_t enable[MAX_CONTEXTS * WORDS];
    uint32_t threshold[MAX_CONTEXTS];
    uint32_t asserted[MAX_CONTEXTS]; /* level of the hart's line */
    struct tn_irq *line[MAX_CONTEXTS];
};

/* Names of a hart's lines, in the order of contexts. */
static const char *const mode_lines[2] = {"mei", "sei"};

static uint32_t pending_word(const struct plic *p, uint32_t word)
{
    return p->level[word] & ~p->claimed[word];
}

/* The source CONTEXT would claim: highest priority above its threshold, and
 * of equals the lowest number (3.8); 0 if there is none. */
static uint32_t best_source(const struct plic *p, uint32_t context)
{
    const uint32_t *enable = &p->enable[context * WORDS];
    uint32_t best = 0, best_priority = p->threshold[context];

    for (uint32_t word = 0; word < (p->n_sources + 31) / 32; word++) {
        uint32_t bits = pending_word(p, word) & enable[word];

        while (bits) {
            uint32_t source = word * 32 + (uint32_t)__builtin_ctz(bits);

            bits &= bits - 1;
            if (p->priority[source] > best_priority) {
                best = source;
                best_priority = p->priority[source];
            }
        }
    }
    return best;
}

static void update_context(struct plic *p, uint32_t context)
{
    uint32_t level = best_source(p, context) != 0;

    if (level == p->asserted[context])
        return;
    p->asserted[context] = level;
    if (p->line[context])
        p->irqs->set(p->host, p->line[context], level);
}

static void update(struct plic *p)
{
    for (uint32_t i = 0; i < p->n_contexts; i++)
        update_context(p, i);
}

static void plic_set(void *opaque, uint32_t line, uint32_t level)
{
    struct plic *p = opaque;
    uint32_t bit = 1u << line % 32, *word = &p->level[line / 32];

    if (line == 0 || line >= p->n_sources)
        return;
    *word = level ? *word | bit : *word & ~bit;
    update(p);
}

/* ---- registers ---- */

static uint32_t claim(struct plic *p, uint32_t context)
{
    uint32_t source = best_source(p, context);

    if (source) {
        p->claimed[source / 32] |= 1u << source % 32;
        update(p);
    }
    return source;
}

/* A completion of a source the context has not enabled is ignored (3.9). */
static void complete(struct plic *p, uint32_t context, uint32_t source)
{
    if (source == 0 || source >= p->n_sources ||
        !(p->enable[context * WORDS + source / 32] >> source % 32 & 1))
        return;
    p->claimed[source / 32] &= ~(1u << source % 32);
    update(p);
}

static uint64_t plic_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct plic *p = opaque;
    uint64_t index, context;

    (void)size;
    if (offset < PENDING_BASE) {
        index = offset / 4;
        return index < p->n_sources ? p->priority[index] : 0;
    }
    if (offset < ENABLE_BASE) {
        index = (offset - PENDING_BASE) / 4;
        return index < WORDS ? pending_word(p, (uint32_t)index) : 0;
    }
    if (offset < CONTEXT_BASE) {
        index = (offset - ENABLE_BASE) / 4;
        return index < p->n_contexts * WORDS ? p->enable[index] : 0;
    }
    context = (offset - CONTEXT_BASE) / CONTEXT_STRIDE;
    if (context >= p->n_contexts)
        return 0;
    switch (offset % CONTEXT_STRIDE) {
    case CONTEXT_THRESHOLD:
        return p->threshold[context];
    case CONTEXT_CLAIM:
        return claim(p, (uint32_t)context);
    default:
        return 0;
    }
}

static void write_enable(struct plic *p, uint32_t context, uint32_t word,
                         uint32_t value)
{
    uint32_t first = word * 32;

    /* Source 0 and those past the last are hard-wired to zero. */
    if (context >= p->n_contexts || first >= p->n_sources)
        return;
    if (p->n_sources - first < 32)
        value &= (1u << (p->n_sources - first)) - 1;
    if (word == 0)
        value &= ~1u;
    p->enable[context * WORDS + word] = value;
    update_context(p, context);
}

static void write_context(struct plic *p, uint32_t context, uint64_t offset,
                          uint32_t value)
{
    if (context >= p->n_contexts)
        return;
    if (offset == CONTEXT_THRESHOLD) {
        p->threshold[context] = value & PRIORITY_MASK;
        update_context(p, context);
    } else if (offset == CONTEXT_CLAIM) {
        complete(p, context, value);
    }
}

static void plic_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct plic *p = opaque;
    uint64_t index;

    (void)size;
    if (offset < PENDING_BASE) {
        if (offset / 4 != 0 && offset / 4 < p->n_sources) {
            p->priority[offset / 4] = (uint32_t)value & PRIORITY_MASK;
            update(p);
        }
    } else if (offset >= CONTEXT_BASE) {
        index = (offset - CONTEXT_BASE) / CONTEXT_STRIDE;
        write_context(p, (uint32_t)index, offset % CONTEXT_STRIDE,
                      (uint32_t)value);
    } else if (offset >= ENABLE_BASE) { /* pending bits are read only */
        index = (offset - ENABLE_BASE) / 4;
        write_enable(p, (uint32_t)(index / WORDS), (uint32_t)(index % WORDS),
                     (uint32_t)value);
    }
}

static const struct tn_region_ops plic_region = {
    .size = sizeof plic_region,
    .min_access = 4,
    .max_access = 4,
    .read = plic_read,
    .write = plic_write,
};

/* ---- device tree: riscv,plic0 ---- */

static int32_t plic_describe(void *self, const struct tn_fdt *fdt)
{
    static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";
    struct plic *p = self;
    uint64_t address = 0, bytes = 0;
    const uint32_t zero = 0, one = 1, ndev = p->n_sources - 1;
    uint32_t *cells;
    char name[40];

    p->memory->region_address(p->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "interrupt-controller@%llx",
             (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->set_phandle(fdt->builder, NULL);
    fdt->bytes(fdt->builder, "compatible", compatible, sizeof compatible);
    fdt->reg(fdt->builder);
    fdt->empty(fdt->builder, "interrupt-controller");
    fdt->u32(fdt->builder, "#interrupt-cells", &one, 1);
    fdt->u32(fdt->builder, "#address-cells", &zero, 1);
    fdt->u32(fdt->builder, "riscv,ndev", &ndev, 1);
    cells = calloc(p->n_contexts * 2, sizeof *cells);
    if (!cells)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->n_contexts; i++) {
        char cpu[16];

        snprintf(cpu, sizeof cpu, "cpu%u", i / p->modes);
        cells[2 * i] = fdt->phandle(fdt->builder, cpu);
        cells[2 * i + 1] = i % p->modes == 0 ? 11 : 9; /* mcause numbers */
    }
    fdt->u32(fdt->builder, "interrupts-extended", cells, p->n_contexts * 2);
    free(cells);
    fdt->end(fdt->builder);
    return 0;
}

static uint32_t plic_irq_cells(void *self, uint32_t line, uint32_t cells[4])
{
    (void)self;
    cells[0] = line;
    return 1;
}

static const struct tn_fdt_node plic_fdt = {
    .size = sizeof plic_fdt,
    .describe = plic_describe,
    .irq_cells = plic_irq_cells,
};

/* ---- saved state ---- */

/* The levels of the harts' lines follow from these. */
static const struct tn_field plic_fields[] = {
    TN_FIELD_ARRAY(struct plic, priority, 1),
    TN_FIELD_ARRAY(struct plic, level, 1),
    TN_FIELD_ARRAY(struct plic, claimed, 1),
    TN_FIELD_ARRAY(struct plic, enable, 1),
    TN_FIELD_ARRAY(struct plic, threshold, 1),
};

static int32_t plic_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct plic *p = self;

    (void)version, (void)error;
    for (uint32_t i = 0; i < MAX_SOURCES; i++)
        p->priority[i] &= PRIORITY_MASK;
    for (uint32_t i = 0; i < MAX_CONTEXTS; i++)
        p->enable[i * WORDS] &= ~1u;
    update(p);
    return 0;
}

static const struct tn_state plic_state = {
    .size = sizeof plic_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof plic_fields / sizeof *plic_fields,
    .field_size = sizeof(struct tn_field),
    .fields = plic_fields,
    .loaded = plic_loaded,
};

/* ---- life cycle ---- */

static int32_t plic_create(struct tn_host *host, void **self)
{
    struct plic *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->host = host;
    *self = p;
    return 0;
}

static void plic_destroy(void *self)
{
    free(self);
}

static int32_t plic_configure(void *self, struct tn_error *error)
{
    struct plic *p = self;
    const struct tn_props *props = tn_service(p->host, TN_HOST_PROPS);

    p->n_sources = (uint32_t)props->get_uint(p->host, "sources") + 1;
    p->modes = (uint32_t)props->get_uint(p->host, "modes") + 1;
    p->bytes = props->get_uint(p->host, "size");
    if (p->bytes < CONTEXT_BASE + CONTEXT_STRIDE || p->bytes % 4096)
        return tn_fail(p->host, error, -EINVAL,
                       "size must be whole pages and at least %#x",
                       CONTEXT_BASE + CONTEXT_STRIDE);
    return 0;
}

static int32_t plic_realize(void *self, struct tn_error *error)
{
    struct plic *p = self;

    p->irqs = tn_service(p->host, TN_HOST_IRQ);
    p->memory = tn_service(p->host, TN_HOST_MEMORY);
    p->tree = tn_service(p->host, TN_HOST_TREE);
    if (!p->irqs || !p->memory || !p->tree)
        return tn_fail(p->host, error, -ENOSYS, "the host lacks a service");
    p->n_contexts = p->tree->cpu_count(p->host) * p->modes;
    if (p->n_contexts > MAX_CONTEXTS ||
        CONTEXT_BASE + (uint64_t)p->n_contexts * CONTEXT_STRIDE > p->bytes)
        return tn_fail(p->host, error, -EINVAL,
                       "%u contexts do not fit in %#llx bytes", p->n_contexts,
                       (unsigned long long)p->bytes);
    p->region = p->memory->new_mmio(p->host, "plic", p->bytes, &plic_region, p);
    if (!p->region)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->n_contexts; i++)
        p->line[i] = p->irqs->cpu_line(p->host, i / p->modes,
                                       mode_lines[i % p->modes]);
    return p->irqs->inputs(p->host, p->n_sources, plic_set, p);
}

static void plic_unrealize(void *self)
{
    struct plic *p = self;

    if (p->region)
        p->memory->free_region(p->host, p->region);
    p->region = NULL;
    p->n_contexts = 0;
}

static void plic_reset(void *self, uint32_t kind)
{
    struct plic *p = self;

    (void)kind; /* input lines keep the level their devices drive */
    memset(p->priority, 0, sizeof p->priority);
    memset(p->claimed, 0, sizeof p->claimed);
    memset(p->enable, 0, sizeof p->enable);
    memset(p->threshold, 0, sizeof p->threshold);
    update(p);
}

static const void *plic_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &plic_fdt;
    return strcmp(id, TN_STATE) == 0 ? &plic_state : NULL;
}

static const struct tn_component_ops plic_ops = {
    .size = sizeof plic_ops,
    .create = plic_create,
    .destroy = plic_destroy,
    .configure = plic_configure,
    .realize = plic_realize,
    .unrealize = plic_unrealize,
    .reset = plic_reset,
    .get_interface = plic_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "irq-plic",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "RISC-V platform-level interrupt controller"},
};

TN_COMPONENT_INFO(plic_info, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, plic_info),
    .info = {TN_COMPONENT_INFO_DEVICE(3),
             .flags = TN_COMPONENT_SAVES,
             .id = "plic",
             .summary = "RISC-V platform-level interrupt controller (PLIC)"},
    .properties =
        {
            {.name = "sources",
             .type = TN_PROP_UINT,
             .default_value = "95",
             .minimum = "1",
             .maximum = "1023",
             .doc = "Highest interrupt source number (riscv,ndev)"},
            {.name = "modes",
             .type = TN_PROP_ENUM,
             .default_value = "MS",
             .choices = "M|MS",
             .doc = "Privilege modes of each hart that have a context"},
            {.name = "size",
             .type = TN_PROP_SIZE,
             .default_value = "0x600000",
             .unit = "bytes",
             .doc = "Size of the register window"},
        },
};

TN_COMPONENT(plic_component, plic_info, plic_ops);

TN_PLUGIN_ENTRY(plugin_info, &plic_component)
