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
#include <stdlib.h>
#include <string.h>

#include <tenon/tree.h>

#include "imsic.h"

static const char *const level_lines[LEVELS] = {"mei", "sei"};

/* ---- saved state ---- */

static int32_t imsic_loaded(void *self, uint32_t version,
                            struct tn_error *error)
{
    struct imsic *m = self;

    (void)version, (void)error;
    for (uint32_t file = 0; file < m->n_harts * m->n_levels; file++) {
        m->delivery[file] = m->delivery[file] == DELIVERY_ON;
        m->threshold[file] &= m->n_ids;
        m->pending[file * m->n_words] &= imsic_implemented(0);
        m->enable[file * m->n_words] &= imsic_implemented(0);
        imsic_update(m, file);
    }
    return 0;
}

/* The table is there from create() on; how many files, realize() knows. */
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
    make_state(m);
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
                            &imsic_page, level);
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
        imsic_update(m, file);
        pthread_mutex_unlock(&m->lock[file]);
    }
}

static const void *imsic_get_interface(void *self, const char *id)
{
    struct imsic *m = self;

    if (strcmp(id, TN_FDT_NODE) == 0)
        return &imsic_fdt;
    return strcmp(id, TN_STATE) == 0 ? &m->state : NULL;
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
