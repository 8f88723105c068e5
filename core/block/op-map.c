/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thunk around a format's map(), and cutting of I/O vectors.
 */
#include "core/block/node.h"

#include <errno.h>
#include <string.h>

#include "core/util/log.h"

#define MAX_UNIT (2u << 20)
#define MAX_STORED (2u * MAX_UNIT)

static gboolean is_sound(struct block_node *node, const struct tn_extent *e,
                         uint64_t offset)
{
    uint64_t end;

    if (e->offset > offset || e->bytes == 0 ||
        __builtin_add_overflow(e->offset, e->bytes, &end) || end <= offset)
        return FALSE;
    if (e->kind == TN_EXTENT_ZERO || e->kind == TN_EXTENT_UNALLOCATED)
        return TRUE;
    if (!node_file(node, e->file) || e->at > (uint64_t)INT64_MAX)
        return FALSE;
    if (e->kind == TN_EXTENT_DATA)
        return e->bytes <= (uint64_t)INT64_MAX - e->at;
    return e->kind == TN_EXTENT_COMPRESSED && node->fmt.decode &&
           e->stored <= MAX_STORED && e->unit_bytes <= MAX_UNIT &&
           e->unit <= e->offset && end <= e->unit + e->unit_bytes;
}

/* Cut the front of E off, and what is beyond END. */
static void clip(struct tn_extent *e, uint64_t start, uint64_t end)
{
    uint64_t skip = start - e->offset;

    e->offset = start;
    e->bytes = MIN(e->bytes - skip, end - start);
    if (e->kind == TN_EXTENT_DATA || (e->flags & TN_EXTENT_RESERVED))
        e->at += skip;
}

int32_t node_map(struct block_node *node, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max)
{
    uint64_t at = offset, end = offset + bytes;
    int32_t n, i;

    if (node->pass) {
        extents[0] = (struct tn_extent){.kind = TN_EXTENT_DATA,
                                        .flags = TN_EXTENT_WRITABLE,
                                        .offset = offset,
                                        .bytes = bytes,
                                        .at = offset};
        return 1;
    }
    n = node->fmt.map(node->host.self, offset, bytes, extents, max);
    if (n < 0)
        return n >= -4095 ? n : -EIO;
    for (i = 0; i < n && (uint32_t)i < max && at < end; i++) {
        if (!is_sound(node, &extents[i], at))
            goto nonsense;
        clip(&extents[i], at, end);
        at += extents[i].bytes;
    }
    if (i > 0 && (uint32_t)n <= max)
        return i;
nonsense:
    tn_log_write(&node->host.base.log, TN_LOG_GUEST,
                 "the image's map makes no sense");
    return -EIO;
}

uint32_t iov_cut(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
                 uint64_t bytes, struct iovec *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_iov && bytes; i++) {
        uint64_t length = iov[i].iov_len;

        if (skip >= length) {
            skip -= length;
            continue;
        }
        length = MIN(length - skip, bytes);
        out[n++] = (struct iovec){(char *)iov[i].iov_base + skip, length};
        bytes -= length;
        skip = 0;
    }
    return n;
}

/* Copies from DATA; NULL stands for zeroes. */
static void fill(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
                 const uint8_t *data, uint64_t bytes)
{
    for (uint32_t i = 0; i < n_iov && bytes; i++) {
        uint64_t length = iov[i].iov_len;
        uint8_t *to = iov[i].iov_base;

        if (skip >= length) {
            skip -= length;
            continue;
        }
        length = MIN(length - skip, bytes);
        if (data)
            memcpy(to + skip, data, length);
        else
            memset(to + skip, 0, length);
        data = data ? data + length : NULL;
        bytes -= length;
        skip = 0;
    }
}

void iov_zero(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
              uint64_t bytes)
{
    fill(iov, n_iov, skip, NULL, bytes);
}

void iov_fill(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
              const void *data, uint64_t bytes)
{
    fill(iov, n_iov, skip, data, bytes);
}
