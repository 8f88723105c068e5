/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RISC-V advanced platform-level interrupt controller (APLIC), Advanced
 * Interrupt Architecture 1.0: life and saved state. domain.c has its sources,
 * registers.c what the guest sees.
 *
 * Lines and registers come from any thread; one lock of its own orders them.
 * Under it harts' lines are driven; messages are sent without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/fdt.h>

#include "aplic.h"

/* The smallest region, and the IDC structures of MAX_HARTS. */
#define WINDOW (0x4000u + 32u * MAX_HARTS)

static const char *const level_lines[MAX_DOMAINS] = {"mei", "sei"};

static void input(void *opaque, uint32_t line, uint32_t level)
{
    struct aplic *a = opaque;

    if (!line || line >= a->n_sources)
        return;
    pthread_mutex_lock(&a->lock);
    aplic_wire(a, line, level);
    pthread_mutex_unlock(&a->lock);
    aplic_forward(a);
}

/* ---- saved state ---- */

#define DOMAIN_FIELD_(index_, prefix_, member_)                                \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = TN_FIELD_UINT,                \
        .name = prefix_ "." #member_,                                          \
        .offset = offsetof(struct aplic, domain[index_].member_),              \
        .width = sizeof(uint32_t),                                             \
        .count = sizeof(((struct aplic *)0)->domain[index_].member_) /         \
                 sizeof(uint32_t),                                             \
        .since = 1                                                             \
    }
#define DOMAIN_FIELDS_(index_, prefix_)                                        \
    DOMAIN_FIELD_(index_, prefix_, config),                                    \
        DOMAIN_FIELD_(index_, prefix_, source),                                \
        DOMAIN_FIELD_(index_, prefix_, target),                                \
        DOMAIN_FIELD_(index_, prefix_, pending),                               \
        DOMAIN_FIELD_(index_, prefix_, enable),                                \
        DOMAIN_FIELD_(index_, prefix_, delivery),                              \
        DOMAIN_FIELD_(index_, prefix_, force),                                 \
        DOMAIN_FIELD_(index_, prefix_, threshold)

static const struct tn_field aplic_fields[] = {
    TN_FIELD_ARRAY(struct aplic, wire, 1),
    TN_FIELD_ARRAY(struct aplic, msi, 1),
    DOMAIN_FIELDS_(ROOT, "m"),
    DOMAIN_FIELDS_(CHILD, "s"),
};

/* What no write of the guest could have made is put right: through the same
 * ways that writes take. */
static void check_domain(struct domain *d)
{
    uint32_t n = d->aplic->n_sources;

    d->config &= DOMAIN_IE | DOMAIN_DM;
    for (uint32_t i = 0; i < MAX_SOURCES; i++) {
        uint32_t mode = d->source[i], target = d->target[i];
        uint32_t bit = 1u << i % 32;

        if (i && i < n && d->index == ROOT && (mode & SOURCE_D) &&
            d->aplic->n_domains > 1) {
            d->source[i] = SOURCE_D;
        } else if (mode & ~7u || mode == 2 || mode == 3 ||
                   !domain_active(d, i)) {
            d->source[i] = MODE_INACTIVE;
        } else {
            domain_set_target(d, i, target);
            continue;
        }
        d->target[i] = 0;
        d->pending[i / 32] &= ~bit;
        d->enable[i / 32] &= ~bit;
    }
    for (uint32_t i = 0; i < MAX_HARTS; i++) {
        d->delivery[i] &= 1;
        d->force[i] &= 1;
        d->threshold[i] &= TARGET_PRIORITY;
    }
    domain_update(d);
}

static int32_t aplic_loaded(void *self, uint32_t version,
                            struct tn_error *error)
{
    struct aplic *a = self;

    (void)version, (void)error;
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < a->n_domains; i++)
        check_domain(&a->domain[i]);
    pthread_mutex_unlock(&a->lock);
    return 0;
}

static const struct tn_state aplic_state = {
    .size = sizeof aplic_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof aplic_fields / sizeof *aplic_fields,
    .field_size = sizeof(struct tn_field),
    .fields = aplic_fields,
    .loaded = aplic_loaded,
};

/* ---- life cycle ---- */

static int32_t aplic_create(struct tn_host *host, void **self)
{
    struct aplic *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    a->host = host;
    for (uint32_t i = 0; i < MAX_DOMAINS; i++) {
        a->domain[i].aplic = a;
        a->domain[i].index = i;
    }
    pthread_mutex_init(&a->lock, NULL);
    *self = a;
    return 0;
}

static void aplic_destroy(void *self)
{
    struct aplic *a = self;

    pthread_mutex_destroy(&a->lock);
    free(a);
}

static int32_t aplic_configure(void *self, struct tn_error *error)
{
    struct aplic *a = self;
    const struct tn_props *props = tn_service(a->host, TN_HOST_PROPS);

    (void)error;
    a->n_sources = (uint32_t)props->get_uint(a->host, "sources") + 1;
    a->n_domains = (uint32_t)props->get_uint(a->host, "modes") + 1;
    a->imsic = props->get_string(a->host, "imsic");
    if (!a->imsic)
        a->imsic = "";
    return 0;
}

static void aplic_unrealize(void *self)
{
    struct aplic *a = self;

    for (uint32_t i = 0; i < MAX_DOMAINS; i++) {
        if (a->domain[i].region)
            a->memory->free_region(a->host, a->domain[i].region);
        a->domain[i].region = NULL;
    }
}

/* Harts with IMSICs take nothing from an APLIC directly. */
static int32_t make_domain(struct aplic *a, struct domain *d)
{
    static const char *const names[MAX_DOMAINS] = {"aplic-m", "aplic-s"};

    for (uint32_t i = 0; i < a->n_harts && !a->imsic[0]; i++)
        d->line[i] = a->irqs->cpu_line(a->host, i, level_lines[d->index]);
    d->region = a->memory->new_mmio(a->host, names[d->index], WINDOW,
                                    &aplic_registers, d);
    return d->region ? 0 : -ENOMEM;
}

static int32_t aplic_realize(void *self, struct tn_error *error)
{
    struct aplic *a = self;
    const struct tn_tree *tree = tn_service(a->host, TN_HOST_TREE);
    int32_t rc = 0;

    a->irqs = tn_service(a->host, TN_HOST_IRQ);
    a->memory = tn_service(a->host, TN_HOST_MEMORY);
    if (!tree || !a->irqs || !a->memory)
        return tn_fail(a->host, error, -ENOSYS, "the host lacks a service");
    a->n_harts = tree->cpu_count(a->host);
    if (a->n_harts > MAX_HARTS)
        return tn_fail(a->host, error, -EINVAL, "at most %u harts", MAX_HARTS);
    for (uint32_t i = 0; i < a->n_domains && !rc; i++)
        rc = make_domain(a, &a->domain[i]);
    if (!rc)
        rc = a->irqs->inputs(a->host, a->n_sources, input, a);
    if (rc)
        aplic_unrealize(a);
    return rc;
}

static void aplic_reset(void *self, uint32_t kind)
{
    struct aplic *a = self;

    (void)kind; /* input lines keep the level their devices drive */
    pthread_mutex_lock(&a->lock);
    memset(a->msi, 0, sizeof a->msi);
    for (uint32_t i = 0; i < a->n_domains; i++) {
        struct domain *d = &a->domain[i];

        d->config = 0;
        memset(d->source, 0, sizeof d->source);
        memset(d->target, 0, sizeof d->target);
        memset(d->pending, 0, sizeof d->pending);
        memset(d->enable, 0, sizeof d->enable);
        memset(d->delivery, 0, sizeof d->delivery);
        memset(d->force, 0, sizeof d->force);
        memset(d->threshold, 0, sizeof d->threshold);
        domain_update(d);
    }
    pthread_mutex_unlock(&a->lock);
}

static const void *aplic_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &aplic_fdt;
    return strcmp(id, TN_STATE) == 0 ? &aplic_state : NULL;
}

static const struct tn_component_ops aplic_ops = {
    .size = sizeof aplic_ops,
    .create = aplic_create,
    .destroy = aplic_destroy,
    .configure = aplic_configure,
    .realize = aplic_realize,
    .unrealize = aplic_unrealize,
    .reset = aplic_reset,
    .get_interface = aplic_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "irq-aplic",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "RISC-V advanced platform-level interrupt controller"},
};

TN_COMPONENT_INFO(aplic_info, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, aplic_info),
    .info = {TN_COMPONENT_INFO_DEVICE(3),
             .flags = TN_COMPONENT_PARALLEL | TN_COMPONENT_SAVES,
             .id = "aplic",
             .summary = "RISC-V advanced platform-level interrupt controller "
                        "(APLIC)"},
    .properties =
        {
            {.name = "sources",
             .type = TN_PROP_UINT,
             .default_value = "96",
             .minimum = "1",
             .maximum = "1023",
             .doc = "Highest interrupt source number (riscv,num-sources)"},
            {.name = "modes",
             .type = TN_PROP_ENUM,
             .default_value = "MS",
             .choices = "M|MS",
             .doc = "Privilege modes that have an interrupt domain"},
            {.name = "imsic",
             .type = TN_PROP_REF,
             .doc = "Controller that takes the messages; none: interrupts are "
                    "delivered to the harts directly"},
        },
};

TN_COMPONENT(aplic_component, aplic_info, aplic_ops);

TN_PLUGIN_ENTRY(plugin_info, &aplic_component)
