/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of a new image: qcow2-create.c, and measure(). */
#ifndef TENON_QCOW2_CREATE_H
#define TENON_QCOW2_CREATE_H

#include "qcow2.h"

/* All in clusters, in this order in the file but for the data file's data. */
struct layout {
    uint64_t cluster;
    uint32_t cluster_bits, refcount_order, version;
    uint32_t extended, compression, lazy, preallocation;
    uint32_t data_raw, data_keep, crypt;
    const char *data_file; /* NULL none */
    uint64_t table, blocks, crypt_clusters, l1, l2, data;
    uint64_t l1_entries, total;
};

/* From the instance's properties. */
int32_t layout_options(struct qcow2 *q, struct layout *l,
                       const struct tn_create *create, struct tn_error *error);
/* For a disk of BYTES; ALL: with its data and their tables. */
int32_t layout_make(struct qcow2 *q, struct layout *l, uint64_t bytes,
                    uint32_t all, struct tn_error *error);

/* qcow2-crypt.c */
int32_t crypt_options(struct qcow2 *q, struct layout *l,
                      struct tn_error *error);
/* Bytes of the encryption header. */
uint64_t crypt_header_bytes(struct qcow2 *q);
int32_t crypt_create(struct qcow2 *q, uint64_t offset,
                     struct tn_error *error);

#endif
