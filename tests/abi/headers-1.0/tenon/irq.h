/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.irq/1: interrupt lines, each with a level.
 *
 * Outputs are wired by the board or machine file: `irq = plic:10` wires
 * output 0, `irq = plic:32, plic:33` outputs 0 and 1. Levels flow one way,
 * device -> controller -> CPU, and a set() takes the locks of what it passes
 * in that order; a controller never calls a device. An MSI is a 4-byte
 * tn_memory.dma_write.
 */
#ifndef TENON_IRQ_H
#define TENON_IRQ_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_irq; /* one output */

#define TN_HOST_IRQ "tenon.host.irq/1"
struct tn_irqs {
    uint32_t size;
    uint32_t reserved;
    /* [control] Output INDEX of this instance. Never NULL for an index below
     * 2048; an output the board does not wire swallows its level. */
    struct tn_irq *(*output)(struct tn_host *host, uint32_t index);
    /* [any] Drive it. LEVEL 0 or 1. Cheap if unchanged. */
    void (*set)(struct tn_host *host, struct tn_irq *irq, uint32_t level);
    /* [control] 1 if output INDEX is wired to something. */
    uint32_t (*is_wired)(struct tn_host *host, uint32_t index);
    /* [control] Become a controller: COUNT input lines. SET is called [any]
     * with this instance's lock held, unless it is TN_COMPONENT_PARALLEL. */
    int32_t (*inputs)(struct tn_host *host, uint32_t count,
                      void (*set)(void *opaque, uint32_t line,
                                  uint32_t level),
                      void *opaque);
    /* [control] An output wired to the line called NAME of vCPU CPU, as the
     * target's table of lines has it ("mei", "sei", "msi", "mti"). NULL if
     * there is none. */
    struct tn_irq *(*cpu_line)(struct tn_host *host, uint32_t cpu,
                               const char *name);
    /* [control] An output wired to input LINE of instance ID. NULL if that
     * is no controller or has fewer lines. */
    struct tn_irq *(*wire)(struct tn_host *host, const char *id,
                           uint32_t line);
};

#ifdef __cplusplus
}
#endif
#endif
