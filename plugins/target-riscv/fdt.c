/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hart's node in the device tree, after the bindings "riscv/cpus.yaml" and
 * "riscv/extensions.yaml". Core has opened /cpus, whose #address-cells is 1.
 */
#include <stdio.h>
#include <string.h>

#include "riscv.h"

static void u32(const struct tn_fdt *f, const char *name, uint32_t value)
{
    f->u32(f->builder, name, &value, 1);
}

/* riscv,isa-base and riscv,isa-extensions */
static void describe_isa(const struct riscv_target *t, const struct tn_fdt *f)
{
    char names[512];
    uint32_t n = 0;

    f->string(f->builder, "riscv,isa", t->isa);
    f->string(f->builder, "riscv,isa-base", t->xlen == 32 ? "rv32i" : "rv64i");
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        if (!has(t, 1ull << i) || i == FEATURE_S || i == FEATURE_U)
            continue;
        n += (uint32_t)snprintf(names + n, sizeof names - n, "%s",
                                riscv_features[i].name) +
             1;
    }
    f->bytes(f->builder, "riscv,isa-extensions", names, n);
}

static const char *mmu_type(const struct riscv_target *t)
{
    switch (t->mmu) {
    case RISCV_SV32:
        return "riscv,sv32";
    case RISCV_SV39:
        return "riscv,sv39";
    case RISCV_SV48:
        return "riscv,sv48";
    case RISCV_SV57:
        return "riscv,sv57";
    default:
        return "riscv,none";
    }
}

int32_t riscv_describe_cpu(void *self, struct tn_cpu *cpu, const void *fdt)
{
    const struct riscv_target *t = self;
    const struct tn_fdt *f = fdt;
    char name[32], id[32];

    if (cpu->index == 0)
        u32(f, "timebase-frequency", t->timebase);
    snprintf(name, sizeof name, "cpu@%x", cpu->index);
    f->begin(f->builder, name);
    f->string(f->builder, "device_type", "cpu");
    u32(f, "reg", cpu->index);
    f->string(f->builder, "status", "okay");
    f->string(f->builder, "compatible", "riscv");
    describe_isa(t, f);
    f->string(f->builder, "mmu-type", mmu_type(t));
    if (has(t, HAS(ZICBOM)))
        u32(f, "riscv,cbom-block-size", CBO_BLOCK);
    if (has(t, HAS(ZICBOP)))
        u32(f, "riscv,cbop-block-size", CBO_BLOCK);
    if (has(t, HAS(ZICBOZ)))
        u32(f, "riscv,cboz-block-size", CBO_BLOCK);
    f->begin(f->builder, "interrupt-controller");
    u32(f, "#interrupt-cells", 1);
    f->empty(f->builder, "interrupt-controller");
    f->string(f->builder, "compatible", "riscv,cpu-intc");
    snprintf(id, sizeof id, "cpu%u", cpu->index);
    f->set_phandle(f->builder, id);
    f->end(f->builder);
    f->end(f->builder);
    return 0;
}
