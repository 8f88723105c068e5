/* SPDX-License-Identifier: Apache-2.0 */
/* Giving the guest's pages back to the host: sections 5.5.6 and 5.5.6.7. */
#include <endian.h>
#include <errno.h>

#include "virtio-balloon.h"

/* 1: the guest named what is not RAM. */
static uint32_t discard(struct balloon *b, uint64_t address, uint64_t bytes)
{
    int32_t rc;

    if (!bytes || !TN_HAS(b->memory, discard))
        return 0;
    rc = b->memory->discard(b->host, address, bytes);
    if (rc && rc != -EFAULT && !b->complained++)
        tn_logf(b->host, TN_LOG_WARNING,
                "cannot give memory back to the host: error %d", (int)-rc);
    return rc == -EFAULT;
}

/* Page numbers of one chain; Linux sends 256. */
#define MOST_PAGES 65536u

/* Page numbers, neighbours given back together. */
void balloon_inflate(struct balloon *b, const struct tn_virtio_chain *chain)
{
    uint32_t numbers[256];
    uint64_t start = 0;
    uint64_t bytes = 0;
    uint64_t at = 0;
    uint64_t got;
    uint32_t wrong = 0;

    if (chain->out_bytes > MOST_PAGES * sizeof numbers[0]) {
        b->transport->needs_reset(b->virtio, "too many pages at once");
        return;
    }
    while ((got = tn_virtio_copy_out(chain, at, numbers, sizeof numbers)) >=
           sizeof numbers[0]) {
        at += got;
        for (uint32_t i = 0; i < got / sizeof numbers[0]; i++) {
            uint64_t page = (uint64_t)le32toh(numbers[i]) << PAGE_BITS;

            if (page == start + bytes) {
                bytes += PAGE_BYTES;
            } else if (bytes && page + PAGE_BYTES == start) {
                start = page;
                bytes += PAGE_BYTES;
            } else {
                wrong += discard(b, start, bytes);
                start = page;
                bytes = PAGE_BYTES;
            }
        }
    }
    wrong += discard(b, start, bytes);
    if (wrong)
        tn_logf(b->host, TN_LOG_GUEST, "pages in the balloon that are no RAM");
}

/* Free pages are the buffers themselves. Their content is lost, unless the
 * guest wants its poison in them (section 5.5.6.7). */
void balloon_report(struct balloon *b, const struct tn_virtio_chain *chain)
{
    if (balloon_has(b, F_PAGE_POISON) && b->poison)
        return;
    for (uint32_t i = 0; i < chain->n_in; i++) {
        uint64_t start = b->transport->in_address(b->virtio, chain, i);
        uint64_t end = (start + chain->in[i].bytes) & ~(PAGE_BYTES - 1);

        start = (start + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        if (end > start)
            discard(b, start, end - start);
    }
}
