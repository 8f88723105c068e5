/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of memory; several make a buffer. */
#ifndef TENON_IOV_H
#define TENON_IOV_H

#include <stdint.h>

/* Laid out as POSIX's struct iovec on 64-bit hosts. */
struct tn_iov {
    void *base;
    uint64_t bytes;
};

#endif
