/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of check(): see qcow2-check.c. */
#ifndef TENON_QCOW2_CHECK_H
#define TENON_QCOW2_CHECK_H

#include "qcow2.h"

struct checker {
    struct qcow2 *q;
    struct tn_check *result;
    uint64_t n_clusters; /* of the file */
    uint16_t *counts;    /* references found; saturates */
    uint32_t *times;     /* L1 entries of the tree under way that refer to an
                            L2 table; zeroes between two trees */
    uint8_t *fixed;      /* bits: written in place, so never shared */
    uint32_t repair;     /* all */
    uint32_t rebuild;    /* the refcount structures cannot be mended */
    uint32_t owns_counts; /* the refcount table and its blocks are claimed */
    uint32_t flush;
    uint64_t next_host;  /* without fragmentation; 0: none before */
};

#define COUNT_MOST UINT16_MAX

__attribute__((format(printf, 2, 3))) void check_say(struct checker *c,
                                                     const char *format, ...);
/* A corruption; FIXED: it is mended now. */
void check_corrupt(struct checker *c, int fixed);
/* TIMES references to each of N clusters from FIRST on, which are inside the
 * file. */
void check_count(struct checker *c, uint64_t first, uint64_t n,
                 uint32_t times);
/* The same for what is written in place. 0: it is outside, not aligned or
 * already something else. */
int check_claim(struct checker *c, uint64_t offset, uint64_t bytes);
int check_is_fixed(const struct checker *c, uint64_t cluster);
/* qcow2-check-tables.c */
int32_t check_l1(struct checker *c, uint64_t *l1, uint64_t offset,
                 uint64_t entries, uint32_t active);
int32_t check_marks(struct checker *c);
/* qcow2-check-counts.c */
int32_t check_counts(struct checker *c, struct tn_error *error);
int32_t check_rebuild(struct checker *c, struct tn_error *error);
void check_refcount_structures(struct checker *c);

/* New counts of 1 << ORDER bits. */
int32_t qcow2_check_width(struct qcow2 *q, uint32_t order,
                          struct tn_error *error);

#endif
