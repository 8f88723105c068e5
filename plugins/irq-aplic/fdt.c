/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domains' device tree nodes: Linux's binding
 * interrupt-controller/riscv,aplic.yaml. What devices are wired to is the
 * domain that the operating system has, the child; the instance's name stands
 * for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <tenon/fdt.h>

#include "aplic.h"

#define LEVEL_HIGH 4u /* Linux's interrupt types */

/* The harts' lines that DOMAIN drives. */
static int32_t describe_harts(const struct aplic *a, const struct tn_fdt *fdt,
                              uint32_t domain)
{
    static const uint8_t cause[MAX_DOMAINS] = {11, 9}; /* external interrupts */
    uint32_t *cells = calloc(a->n_harts, 2 * sizeof *cells);
    char cpu[16];

    if (!cells)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n_harts; i++) {
        snprintf(cpu, sizeof cpu, "cpu%u", i);
        cells[2 * i] = fdt->phandle(fdt->builder, cpu);
        cells[2 * i + 1] = cause[domain];
    }
    fdt->u32(fdt->builder, "interrupts-extended", cells, 2 * a->n_harts);
    free(cells);
    return 0;
}

static void describe_msi(const struct aplic *a, const struct tn_fdt *fdt,
                         uint32_t domain)
{
    char id[64];
    uint32_t phandle;

    /* The machine's interrupt files are "ID.m" beside the supervisor's. */
    snprintf(id, sizeof id, "%.48s%s", a->imsic,
             domain == ROOT && a->n_domains > 1 ? ".m" : "");
    phandle = fdt->phandle(fdt->builder, id);
    fdt->u32(fdt->builder, "msi-parent", &phandle, 1);
}

/* All sources go to the one child. Firmware before 2023 knows the older name
 * of the property. */
static void describe_child(const struct aplic *a, const struct tn_fdt *fdt)
{
    uint32_t child = fdt->phandle(fdt->builder, NULL);
    const uint32_t delegation[3] = {child, 1, a->n_sources - 1};

    fdt->u32(fdt->builder, "riscv,children", &child, 1);
    fdt->u32(fdt->builder, "riscv,delegation", delegation, 3);
    fdt->u32(fdt->builder, "riscv,delegate", delegation, 3);
}

static int32_t describe_domain(struct aplic *a, const struct tn_fdt *fdt,
                               uint32_t index)
{
    const struct tn_props *props = tn_service(a->host, TN_HOST_PROPS);
    const uint32_t last = a->n_sources - 1;
    uint64_t reg[2] = {0, 0};
    void *b = fdt->builder;
    char name[64];
    int32_t rc = 0;

    a->memory->region_address(a->host, index, &reg[0], &reg[1]);
    snprintf(name, sizeof name, "interrupt-controller@%llx",
             (unsigned long long)reg[0]);
    fdt->begin(b, name);
    if (index == a->n_domains - 1) {
        fdt->set_phandle(b, NULL);
    } else {
        snprintf(name, sizeof name, "%.48s.m", props->instance_id(a->host));
        fdt->set_phandle(b, name);
        describe_child(a, fdt);
    }
    fdt->string(b, "compatible", "riscv,aplic");
    fdt->u64(b, "reg", reg, 2);
    fdt->empty(b, "interrupt-controller");
    fdt->u32(b, "#interrupt-cells", &(uint32_t){2}, 1);
    fdt->u32(b, "#address-cells", &(uint32_t){0}, 1);
    fdt->u32(b, "riscv,num-sources", &last, 1);
    if (a->imsic[0])
        describe_msi(a, fdt, index);
    else
        rc = describe_harts(a, fdt, index);
    fdt->end(b);
    return rc;
}

static int32_t aplic_describe(void *self, const struct tn_fdt *fdt)
{
    struct aplic *a = self;
    int32_t rc = 0;

    for (uint32_t i = 0; i < a->n_domains && !rc; i++)
        rc = describe_domain(a, fdt, i);
    return rc;
}

static uint32_t aplic_irq_cells(void *self, uint32_t line, uint32_t cells[4])
{
    (void)self;
    cells[0] = line;
    cells[1] = LEVEL_HIGH;
    return 2;
}

const struct tn_fdt_node aplic_fdt = {
    .size = sizeof aplic_fdt,
    .describe = aplic_describe,
    .irq_cells = aplic_irq_cells,
};
