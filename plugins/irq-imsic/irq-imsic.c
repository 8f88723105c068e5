/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The incoming-MSI controllers of all harts, RISC-V Advanced Interrupt
 * Architecture 1.0, chapter "Incoming MSI Controller (IMSIC)". A hart has an
 * interrupt file for M and one for S: pending and enable bits of identities
 * 1..N, reached by the hart's CSRs (tenon/riscv.h), and a page that messages
 * are written to. The pages of one level follow each other in the order of
 * harts.
 *
 * Messages come from any thread, CSRs from the hart's: each file has its own
 * lock, under which nothing is called but the hart's interrupt line.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/fdt.h"
#include "tenon/irq.h"
#include "tenon/memory.h"
#include "tenon/riscv.h"
#include "tenon/state.h"
#include "tenon/tree.h"

/* An interrupt file's page, section "Memory region for an interrupt file". */
#define PAGE 0x1000u
#define SETEIPNUM_LE 0x000u
#define SETEIPNUM_BE 0x004u

/* Values of *iselect. */
#define EIDELIVERY 0x70u
#define EITHRESHOLD 0x72u
#define EIP0 0x80u
#define EIE0 0xc0u
#define LAST_REGISTER 0xffu

#define DELIVERY_ON 1u
#define MAX_HARTS 512u
#define LEVELS 2u
#define MAX_FILES (MAX_HARTS * LEVELS)
#define MAX_WORDS 32u /* 2047 identities */

struct imsic;

struct level {
    struct imsic *imsic;
    struct tn_region *region;
    uint32_t first_file; /* of hart 0 */
};

#define N_FIELDS 4u

struct imsic {
    struct tn_host *host;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    const struct tn_riscv_harts *harts;
    void *harts_self;
    uint32_t n_harts;
    uint32_t n_levels; /* 1: M alone */
    uint32_t n_ids;    /* the highest identity: 64 * n_words - 1 */
    uint32_t n_words;
    struct level level[LEVELS]; /* M, S */
    struct tn_irq *line[MAX_FILES];
    pthread_mutex_t lock[MAX_FILES];
    /* By file, and by file and word. */
    uint32_t delivery[MAX_FILES];
    uint32_t threshold[MAX_FILES];
    uint64_t pending[MAX_FILES * MAX_WORDS];
    uint64_t enable[MAX_FILES * MAX_WORDS];
    struct tn_field fields[N_FIELDS]; /* of this many files */
    struct tn_state state;
};

static const char *const level_lines[LEVELS] = {"mei", "sei"};

/* ---- one interrupt file; its lock is held ---- */

/* The lowest identity that is pending, enabled and below the threshold. */
static uint32_t top_identity(const struct imsic *m, uint32_t file)
{
    uint32_t limit = m->threshold[file] ? m->threshold[file] : UINT32_MAX;

    for (uint32_t i = 0; i < m->n_words; i++) {
        uint64_t bits = m->pending[file * m->n_words + i] &
                        m->enable[file * m->n_words + i];

        if (bits) {
            uint32_t id = 64 * i + (uint32_t)__builtin_ctzll(bits);

            return id < limit ? id : 0;
        }
    }
    return 0;
}

static void update(struct imsic *m, uint32_t file)
{
    uint32_t level =
        m->delivery[file] == DELIVERY_ON && top_identity(m, file) != 0;

    if (m->line[file])
        m->irqs->set(m->host, m->line[file], level);
}

/* Bits of a pair of 32-bit registers that stand for identities. */
static uint64_t implemented(uint32_t word)
{
    return word ? UINT64_MAX : ~(uint64_t)1;
}

/* ---- messages ---- */

static void deliver(struct imsic *m, uint32_t file, uint32_t id)
{
    if (!id || id > m->n_ids)
        return;
    pthread_mutex_lock(&m->lock[file]);
    m->pending[file * m->n_words + id / 64] |= 1ull << id % 64;
    update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

static uint64_t page_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void page_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct level *level = opaque;
    uint32_t file = level->first_file + (uint32_t)(offset / PAGE);

    (void)size;
    if (offset % PAGE == SETEIPNUM_LE)
        deliver(level->imsic, file, (uint32_t)value);
    else if (offset % PAGE == SETEIPNUM_BE)
        deliver(level->imsic, file, __builtin_bswap32((uint32_t)value));
}

static const struct tn_region_ops page_ops = {
    .size = sizeof page_ops,
    .flags = TN_REGION_PARALLEL,
    .min_access = 4,
    .max_access = 4,
    .read = page_read,
    .write = page_write,
};

/* ---- what the harts' CSRs reach: struct tn_riscv_imsic ---- */

/* The file's number, or MAX_FILES. */
static uint32_t find_file(const struct imsic *m, uint32_t hart, uint32_t level)
{
    uint32_t index = level == TN_RISCV_M ? 0 : 1;

    if (hart >= m->n_harts || index >= m->n_levels)
        return MAX_FILES;
    return m->level[index].first_file + hart;
}

static uint32_t has_level(void *self, uint32_t level)
{
    return find_file(self, 0, level) != MAX_FILES;
}

/* The word of eip or eie that NUMBER names and where in it; NULL if it has no
 * identities of this controller. */
static uint64_t *array_word(struct imsic *m, uint32_t file, uint32_t number,
                            uint32_t *word)
{
    uint64_t *array = number < EIE0 ? m->pending : m->enable;

    *word = (number & 0x3f) / 2;
    return number >= EIP0 && number <= LAST_REGISTER && *word < m->n_words
               ? &array[file * m->n_words + *word]
               : NULL;
}

static uint64_t register_read(void *self, uint32_t hart, uint32_t level,
                              uint32_t number, uint32_t bits)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), word;
    uint64_t value = 0, *at;

    if (file == MAX_FILES)
        return 0;
    pthread_mutex_lock(&m->lock[file]);
    if (number == EIDELIVERY)
        value = m->delivery[file];
    else if (number == EITHRESHOLD)
        value = m->threshold[file];
    else if ((at = array_word(m, file, number, &word)))
        value = bits == 32 ? (uint32_t)(*at >> 32 * (number & 1)) : *at;
    pthread_mutex_unlock(&m->lock[file]);
    return value;
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return (old & ~mask) | (value & mask);
}

static void register_write(void *self, uint32_t hart, uint32_t level,
                           uint32_t number, uint32_t bits, uint64_t value,
                           uint64_t mask)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), word;
    uint64_t *at;

    if (file == MAX_FILES)
        return;
    pthread_mutex_lock(&m->lock[file]);
    if (number == EIDELIVERY) { /* WARL: 0 or 1 */
        m->delivery[file] = merge(m->delivery[file], value, mask) == 1;
    } else if (number == EITHRESHOLD) {
        m->threshold[file] =
            (uint32_t)merge(m->threshold[file], value, mask) & m->n_ids;
    } else if ((at = array_word(m, file, number, &word))) {
        if (bits == 32) {
            value = (value & UINT32_MAX) << 32 * (number & 1);
            mask = (mask & UINT32_MAX) << 32 * (number & 1);
        }
        *at = merge(*at, value, mask & implemented(word));
    }
    update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

static uint32_t top(void *self, uint32_t hart, uint32_t level)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), id;

    if (file == MAX_FILES)
        return 0;
    pthread_mutex_lock(&m->lock[file]);
    id = top_identity(m, file);
    pthread_mutex_unlock(&m->lock[file]);
    return id << 16 | id;
}

static void claim(void *self, uint32_t hart, uint32_t level, uint32_t id)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level);

    if (file == MAX_FILES || !id || id > m->n_ids)
        return;
    pthread_mutex_lock(&m->lock[file]);
    m->pending[file * m->n_words + id / 64] &= ~(1ull << id % 64);
    update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

static const struct tn_riscv_imsic imsic_table = {
    .size = sizeof imsic_table,
    .has_level = has_level,
    .read = register_read,
    .write = register_write,
    .top = top,
    .claim = claim,
};

/* ---- device tree: riscv,imsics ---- */

static int32_t describe_level(struct imsic *m, const struct tn_fdt *fdt,
                              uint32_t level)
{
    static const uint8_t cause[LEVELS] = {11, 9}; /* external interrupts */
    uint64_t reg[2] = {0, 0};
    uint32_t *cells = calloc(m->n_harts, 2 * sizeof *cells);
    void *b = fdt->builder;
    char name[48];

    if (!cells)
        return -ENOMEM;
    m->memory->region_address(m->host, level, &reg[0], &reg[1]);
    reg[1] = (uint64_t)m->n_harts * PAGE;
    for (uint32_t i = 0; i < m->n_harts; i++) {
        snprintf(name, sizeof name, "cpu%u", i);
        cells[2 * i] = fdt->phandle(b, name);
        cells[2 * i + 1] = cause[level];
    }
    snprintf(name, sizeof name, "interrupt-controller@%llx",
             (unsigned long long)reg[0]);
    fdt->begin(b, name);
    /* What devices send messages to has the instance's name: the lowest
     * level. The machine's own is for the APLIC. */
    if (level == m->n_levels - 1) {
        fdt->set_phandle(b, NULL);
    } else {
        const struct tn_props *props = tn_service(m->host, TN_HOST_PROPS);

        snprintf(name, sizeof name, "%.40s.m", props->instance_id(m->host));
        fdt->set_phandle(b, name);
    }
    fdt->string(b, "compatible", "riscv,imsics");
    fdt->u64(b, "reg", reg, 2);
    fdt->empty(b, "interrupt-controller");
    fdt->u32(b, "#interrupt-cells", &(uint32_t){0}, 1);
    fdt->empty(b, "msi-controller");
    fdt->u32(b, "#msi-cells", &(uint32_t){0}, 1);
    fdt->u32(b, "interrupts-extended", cells, 2 * m->n_harts);
    fdt->u32(b, "riscv,num-ids", &m->n_ids, 1);
    fdt->end(b);
    free(cells);
    return 0;
}

static int32_t imsic_describe(void *self, const struct tn_fdt *fdt)
{
    struct imsic *m = self;
    int32_t rc = 0;

    for (uint32_t i = 0; i < m->n_levels && !rc; i++)
        rc = describe_level(m, fdt, i);
    return rc;
}

static const struct tn_fdt_node imsic_fdt = {
    .size = sizeof imsic_fdt,
    .describe = imsic_describe,
};

/* ---- saved state ---- */

static int32_t imsic_loaded(void *self, uint32_t version,
                            struct tn_error *error)
{
    struct imsic *m = self;

    (void)version, (void)error;
    for (uint32_t file = 0; file < m->n_harts * m->n_levels; file++) {
        m->delivery[file] = m->delivery[file] == DELIVERY_ON;
        m->threshold[file] &= m->n_ids;
        m->pending[file * m->n_words] &= implemented(0);
        m->enable[file * m->n_words] &= implemented(0);
        update(m, file);
    }
    return 0;
}

static void make_state(struct imsic *m)
{
    const uint32_t files = m->n_harts * m->n_levels;
    const struct tn_field fields[N_FIELDS] = {
        TN_FIELD_ARRAY(struct imsic, delivery, 1),
        TN_FIELD_ARRAY(struct imsic, threshold, 1),
        TN_FIELD_ARRAY(struct imsic, pending, 1),
        TN_FIELD_ARRAY(struct imsic, enable, 1),
    };

    memcpy(m->fields, fields, sizeof fields);
    m->fields[0].count = m->fields[1].count = files;
    m->fields[2].count = m->fields[3].count = files * m->n_words;
    m->state = (struct tn_state){
        .size = sizeof m->state,
        .version = 1,
        .oldest = 1,
        .n_fields = N_FIELDS,
        .field_size = sizeof(struct tn_field),
        .fields = m->fields,
        .loaded = imsic_loaded,
    };
}

/* ---- life cycle ---- */

static int32_t imsic_create(struct tn_host *host, void **self)
{
    struct imsic *m = calloc(1, sizeof *m);

    if (!m)
        return -ENOMEM;
    m->host = host;
    for (uint32_t i = 0; i < MAX_FILES; i++)
        pthread_mutex_init(&m->lock[i], NULL);
    *self = m;
    return 0;
}

static void imsic_destroy(void *self)
{
    struct imsic *m = self;

    for (uint32_t i = 0; i < MAX_FILES; i++)
        pthread_mutex_destroy(&m->lock[i]);
    free(m);
}

static int32_t imsic_configure(void *self, struct tn_error *error)
{
    struct imsic *m = self;
    const struct tn_props *props = tn_service(m->host, TN_HOST_PROPS);

    m->n_ids = (uint32_t)props->get_uint(m->host, "ids");
    m->n_levels = (uint32_t)props->get_uint(m->host, "modes") + 1;
    m->n_words = (m->n_ids + 1) / 64;
    /* Identities fill whole words, and a threshold whole bits. */
    if (m->n_ids < 63 || m->n_ids > 2047 || (m->n_ids & (m->n_ids + 1)))
        return tn_fail(m->host, error, -EINVAL,
                       "ids: 63, 127, 255, 511, 1023 or 2047");
    return 0;
}

static void imsic_unrealize(void *self)
{
    struct imsic *m = self;

    if (m->harts)
        m->harts->detach_imsic(m->harts_self);
    m->harts = NULL;
    for (uint32_t i = 0; i < LEVELS; i++) {
        if (m->level[i].region)
            m->memory->free_region(m->host, m->level[i].region);
        m->level[i].region = NULL;
    }
}

static int32_t attach(struct imsic *m, const struct tn_tree *tree,
                      struct tn_error *error)
{
    struct tn_peer *cpu = tree->find(m->host, "cpu");
    const struct tn_riscv_harts *harts =
        cpu ? tree->interface_(m->host, cpu, TN_RISCV_HARTS, &m->harts_self)
            : NULL;

    if (!harts || !TN_HAS(harts, attach_imsic) || !TN_HAS(harts, detach_imsic))
        return tn_fail(m->host, error, -ENOTSUP,
                       "the target has no RISC-V harts");
    if (harts->attach_imsic(m->harts_self, &imsic_table, m))
        return tn_fail(m->host, error, -ENOTSUP,
                       "the harts have another, or lack the extensions smaia "
                       "and ssaia: set cpu.smaia=yes cpu.ssaia=yes");
    m->harts = harts;
    return 0;
}

static int32_t make_level(struct imsic *m, uint32_t index)
{
    static const char *const names[LEVELS] = {"imsic-m", "imsic-s"};
    struct level *level = &m->level[index];

    level->imsic = m;
    level->first_file = index * m->n_harts;
    for (uint32_t i = 0; i < m->n_harts; i++)
        m->line[level->first_file + i] =
            m->irqs->cpu_line(m->host, i, level_lines[index]);
    level->region =
        m->memory->new_mmio(m->host, names[index], (uint64_t)m->n_harts * PAGE,
                            &page_ops, level);
    return level->region ? 0 : -ENOMEM;
}

static int32_t imsic_realize(void *self, struct tn_error *error)
{
    struct imsic *m = self;
    const struct tn_tree *tree = tn_service(m->host, TN_HOST_TREE);
    int32_t rc;

    m->irqs = tn_service(m->host, TN_HOST_IRQ);
    m->memory = tn_service(m->host, TN_HOST_MEMORY);
    if (!tree || !m->irqs || !m->memory)
        return tn_fail(m->host, error, -ENOSYS, "the host lacks a service");
    m->n_harts = tree->cpu_count(m->host);
    if (m->n_harts > MAX_HARTS)
        return tn_fail(m->host, error, -EINVAL, "at most %u harts", MAX_HARTS);
    make_state(m);
    rc = attach(m, tree, error);
    for (uint32_t i = 0; i < m->n_levels && !rc; i++)
        rc = make_level(m, i);
    if (rc)
        imsic_unrealize(m);
    return rc;
}

static void imsic_reset(void *self, uint32_t kind)
{
    struct imsic *m = self;

    (void)kind;
    for (uint32_t file = 0; file < m->n_harts * m->n_levels; file++) {
        uint32_t first = file * m->n_words;

        pthread_mutex_lock(&m->lock[file]);
        m->delivery[file] = m->threshold[file] = 0;
        memset(&m->pending[first], 0, m->n_words * sizeof m->pending[0]);
        memset(&m->enable[first], 0, m->n_words * sizeof m->enable[0]);
        update(m, file);
        pthread_mutex_unlock(&m->lock[file]);
    }
}

static const void *imsic_get_interface(void *self, const char *id)
{
    struct imsic *m = self;

    if (strcmp(id, TN_FDT_NODE) == 0)
        return &imsic_fdt;
    return strcmp(id, TN_STATE) == 0 && m->state.size ? &m->state : NULL;
}

static const struct tn_component_ops imsic_ops = {
    .size = sizeof imsic_ops,
    .create = imsic_create,
    .destroy = imsic_destroy,
    .configure = imsic_configure,
    .realize = imsic_realize,
    .unrealize = imsic_unrealize,
    .reset = imsic_reset,
    .get_interface = imsic_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "irq-imsic",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "RISC-V incoming-MSI controllers"},
};

TN_COMPONENT_INFO(imsic_info, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, imsic_info),
    .info = {TN_COMPONENT_INFO_DEVICE(2),
             .flags = TN_COMPONENT_PARALLEL | TN_COMPONENT_SAVES,
             .id = "imsic",
             .summary = "RISC-V incoming-MSI controllers (IMSIC), one a hart"},
    .properties =
        {
            {.name = "ids",
             .type = TN_PROP_UINT,
             .default_value = "255",
             .minimum = "63",
             .maximum = "2047",
             .doc = "Highest interrupt identity of a file (riscv,num-ids): "
                    "63, 127, 255, 511, 1023 or 2047"},
            {.name = "modes",
             .type = TN_PROP_ENUM,
             .default_value = "MS",
             .choices = "M|MS",
             .doc = "Privilege modes of each hart that have an interrupt "
                    "file"},
        },
};

TN_COMPONENT(imsic_component, imsic_info, imsic_ops);

TN_PLUGIN_ENTRY(plugin_info, &imsic_component)
