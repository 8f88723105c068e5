/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device tree node for each level: Linux's binding
 * interrupt-controller/riscv,imsics.yaml.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "imsic.h"

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

const struct tn_fdt_node imsic_fdt = {
    .size = sizeof imsic_fdt,
    .describe = imsic_describe,
};
