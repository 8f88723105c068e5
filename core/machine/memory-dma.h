/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking an address up in the flat map, with the thread's last-hit cache.
 */
#ifndef TENON_CORE_MACHINE_MEMORY_DMA_H
#define TENON_CORE_MACHINE_MEMORY_DMA_H

#include "core/machine/region.h"

/* Where an address leads; REGION is good inside the epoch or while it is
 * referenced. */
struct place {
    struct tn_region *region;
    uint64_t offset; /* in the region */
    uint64_t left;   /* bytes after this one for which it holds */
    uint32_t flags;  /* RANGE_* */
};

/* In an epoch. FALSE: nothing there. */
gboolean memory_lookup(struct tn_machine *machine, uint64_t address,
                       struct place *place);

#endif
