/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's disk. */
#ifndef TENON_TESTHOST_BLOCK_H
#define TENON_TESTHOST_BLOCK_H

#include <tenon/block.h>

#include "testhost/testhost.h"

/* The test's own; it sets the first members. */
struct test_disk {
    uint8_t *content;
    uint64_t bytes;
    uint32_t flags;       /* TN_DISK_* of tn_disk_info */
    uint32_t block_bytes; /* 0: 512 */
    uint64_t shuffle;     /* a seed: complete in random order */
    /* While it runs. */
    uint32_t fail_next; /* so many requests fail with -EIO */
    uint32_t flushes, unmaps, requests;
    uint32_t writeback;
    struct tn_disk *open;
};

/* The disk that every device of the machine opens. */
void testhost_disk(struct testhost *machine, struct test_disk *disk);
/* Its size or flags changed. */
void testhost_disk_changed(struct test_disk *disk);

#endif
