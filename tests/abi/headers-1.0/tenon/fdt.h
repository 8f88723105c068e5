/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device tree: each component describes its own node. A component offers
 * "tenon.fdt.node/1"; core calls describe() for every instance in the order of
 * the board and hands the finished tree to the boot component. Nothing is
 * hand-kept beside the code.
 */
#ifndef TENON_FDT_H
#define TENON_FDT_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The builder, valid during describe(). Errors stick; core reports them. */
struct tn_fdt {
    uint32_t size;
    uint32_t reserved;
    void *builder; /* pass it first */
    /* [control] Nodes are opened inside the current one. Core has already
     * opened the parent ("/soc", or the parent instance's node). */
    void (*begin)(void *builder, const char *name);
    void (*end)(void *builder);
    void (*u32)(void *builder, const char *name, const uint32_t *values,
                uint32_t n);
    void (*u64)(void *builder, const char *name, const uint64_t *values,
                uint32_t n);
    void (*string)(void *builder, const char *name, const char *value);
    /* Several strings, each ended by NUL, BYTES in all. */
    void (*bytes)(void *builder, const char *name, const void *data,
                  uint32_t bytes);
    void (*empty)(void *builder, const char *name);
    /* The phandle of instance ID (""), this instance's own if ID is NULL, or
     * of "cpuN" (that CPU's interrupt controller). */
    uint32_t (*phandle)(void *builder, const char *id);
    /* Writes "phandle" into the current node and makes it ID's (NULL: own). */
    void (*set_phandle)(void *builder, const char *id);
    /* Writes "reg" from the board's addresses of this instance. */
    void (*reg)(void *builder);
    /* Writes "interrupts-extended" from this instance's wired outputs, as
     * each controller's tn_fdt_node.irq_cells says. */
    void (*interrupts)(void *builder);
    /* Where output OUTPUT of this instance is wired: sets *PHANDLE to the
     * controller's and CELLS to its name of the line; returns how many cells,
     * 0 if it is not wired. For maps (interrupt-map, msi-map) that a bus
     * writes itself. Added with minor 0, before the first release. */
    uint32_t (*output)(void *builder, uint32_t output, uint32_t *phandle,
                       uint32_t cells[4]);
};

#define TN_FDT_NODE "tenon.fdt.node/1"
struct tn_fdt_node {
    uint32_t size;
    uint32_t reserved;
    /* [control] Write this instance's node(s). */
    int32_t (*describe)(void *self, const struct tn_fdt *fdt);
    /* [control] Interrupt controllers: the cells that name input LINE; returns
     * how many (at most 4). */
    uint32_t (*irq_cells)(void *self, uint32_t line, uint32_t cells[4]);
    /* [control] Add to /chosen, which is open: after all nodes are there. PATH
     * is that of this instance's node. What another has set stays. */
    int32_t (*describe_chosen)(void *self, const struct tn_fdt *fdt,
                               const char *path);
};

#ifdef __cplusplus
}
#endif
#endif
