/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM: memfd-backed blocks, with one byte of flags for each 4 KiB page.
 *
 * Blocks keep their place in memory until the machine goes, so a pointer into
 * one never dangles; freeing gives the pages back. Each has its own part of
 * one number space of all RAM, the ram_offset of accel.h.
 */
#ifndef TENON_CORE_MACHINE_RAM_H
#define TENON_CORE_MACHINE_RAM_H

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/util/error.h"

struct tn_machine;

#define RAM_PAGE_BITS 12
#define RAM_PAGE ((uint64_t)1 << RAM_PAGE_BITS)

struct ram_block {
    struct ram_block *next; /* never changes once the block is in the list */
    char *name;
    int fd;
    uint32_t flags; /* TN_RAM_* */
    uint8_t *memory;
    uint64_t bytes;
    uint64_t mapped_bytes; /* with guard and alignment, from mapping */
    void *mapping;
    uint64_t ram_offset;
    _Atomic uint8_t *page_flags; /* TN_PAGE_* */
};

struct ram_set {
    _Atomic(struct ram_block *) blocks;
    uint64_t next_offset; /* under memory.map_lock */
    uint64_t limit;       /* of the number space; constant */
};

/* The number space is fixed from the start, since accelerators size tables by
 * it: main memory, and this much for ROMs, flash and video memory. */
#define RAM_RESERVE ((uint64_t)1 << 30)
void ram_init(struct ram_set *set, uint64_t main_memory);

/* [control] OWNER, an instance's id or NULL, and NAME make the block's name,
 * which no other has and which is the same whenever the machine is made. */
int32_t ram_new(struct tn_machine *machine, const char *owner,
                const char *name, uint64_t bytes, uint32_t flags,
                struct ram_block **block, struct tn_error *error);
/* Give the pages back to the host; the block stays, reading as zero. */
void ram_discard(struct ram_block *block);
/* The same for whole pages of it. 0 or a negative errno. */
int32_t ram_discard_pages(struct ram_block *block, uint64_t offset,
                          uint64_t bytes);
void ram_free_all(struct ram_set *set);
struct ram_block *ram_find(struct ram_set *set, const void *memory);

/* [any] Bytes [offset, +bytes) were written by other than the accelerator:
 * keep the dirty log and tell the accelerator of code. */
void ram_written(struct tn_machine *machine, struct ram_block *block,
                 uint64_t offset, uint64_t bytes);

#endif
