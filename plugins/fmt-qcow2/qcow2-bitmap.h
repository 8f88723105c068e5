/* SPDX-License-Identifier: Apache-2.0 */
/* Between qcow2-bitmap.c and qcow2-bitmap-data.c. */
#ifndef TENON_QCOW2_BITMAP_H
#define TENON_QCOW2_BITMAP_H

#include "qcow2.h"

/* Clusters that the bits of B take: the entries of its table. */
uint64_t bitmap_pages(const struct qcow2 *q, const struct qcow2_bitmap *b);
int bitmap_is_usable(const struct qcow2_bitmap *b);
int bitmap_is_too_large(const struct qcow2 *q, const struct qcow2_bitmap *b);
void bitmap_free(struct qcow2 *q, struct qcow2_bitmap *b);
void bitmap_free_pages(struct qcow2 *q, struct qcow2_bitmap *b);
/* A table of zeroes. */
int32_t bitmap_make_table(struct qcow2 *q, struct qcow2_bitmap *b,
                          struct tn_error *error);
/* A new directory; the header then refers to it. */
int32_t bitmap_directory_write(struct qcow2 *q, struct tn_error *error);
/* The clusters of its bits lose their references. */
int32_t bitmap_give_data(struct qcow2 *q, const struct qcow2_bitmap *b);
/* In memory; no I/O. */
void bitmap_set(struct qcow2 *q, struct qcow2_bitmap *b, uint64_t first,
                uint64_t last);
int32_t bitmap_add_bytes(struct qcow2 *q, struct qcow2_bitmap *b, uint64_t at,
                         const uint8_t *bits, uint64_t bytes);
int32_t bitmap_read_bytes(struct qcow2 *q, const struct qcow2_bitmap *b,
                          uint64_t at, uint8_t *bits, uint64_t bytes);

#endif
