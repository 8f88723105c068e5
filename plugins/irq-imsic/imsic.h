/* SPDX-License-Identifier: Apache-2.0 */
/* The IMSICs' instance, shared by its files. */
#ifndef TENON_IMSIC_H
#define TENON_IMSIC_H

#include <pthread.h>

#include <tenon/fdt.h>
#include <tenon/irq.h>
#include <tenon/memory.h>
#include <tenon/riscv.h>
#include <tenon/state.h>

#define PAGE 0x1000u /* of an interrupt file */
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

/* file.c */
/* The file's line follows its state. Its lock is held. */
void imsic_update(struct imsic *m, uint32_t file);
/* Bits of word WORD of a file that stand for identities. */
uint64_t imsic_implemented(uint32_t word);
extern const struct tn_region_ops imsic_page;
extern const struct tn_riscv_imsic imsic_table;
/* fdt.c */
extern const struct tn_fdt_node imsic_fdt;

#endif
