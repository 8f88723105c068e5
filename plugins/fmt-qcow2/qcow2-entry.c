/* SPDX-License-Identifier: Apache-2.0 */
/* What an L2 entry refers to (spec, "Cluster mapping"). */
#include "qcow2.h"

uint32_t qcow2_entry_clusters(const struct qcow2 *q, uint64_t entry,
                              uint64_t *first)
{
    if (entry & ENTRY_COMPRESSED) {
        uint32_t bits = 62 - (q->cluster_bits - 8);
        uint64_t at = entry & ((1ull << bits) - 1);
        uint64_t sectors = (entry & (ENTRY_COMPRESSED - 1)) >> bits;

        *first = at >> q->cluster_bits;
        return (uint32_t)((((at & ~511ull) + sectors * 512) >>
                           q->cluster_bits) -
                          *first + 1);
    }
    *first = (entry & OFFSET_MASK) >> q->cluster_bits;
    return entry & OFFSET_MASK && !q->data_file ? 1 : 0;
}

int qcow2_has_space(const struct qcow2 *q, const struct l2_entry *l2,
                    uint64_t *at)
{
    *at = l2->entry & OFFSET_MASK;
    if (l2->entry & ENTRY_COMPRESSED)
        return 0;
    /* In a data file the first cluster is at 0. */
    return *at != 0 || (q->data_file && l2->entry & ENTRY_COPIED);
}

int qcow2_own_space(const struct qcow2 *q, const struct l2_entry *l2,
                    uint64_t *at)
{
    return qcow2_has_space(q, l2, at) && l2->entry & ENTRY_COPIED;
}
