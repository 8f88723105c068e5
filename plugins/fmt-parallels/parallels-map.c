/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's bytes are, and changing it. An entry of the BAT is written
 * when the data is stable (the engine sees to that), and a cluster is used
 * again when the entry that referred to it is gone: an image that is killed at
 * any moment has unused clusters at worst.
 */
#include "parallels.h"

#include <errno.h>

#define MOST_AT_ONCE 65536u

static uint64_t entry_place(uint64_t offset, uint64_t cluster)
{
    return HEADER_BYTES + offset / cluster * 4;
}

int parallels_place_is_good(const struct parallels *p, uint64_t place,
                            uint64_t length)
{
    return place >= p->data && place < length;
}

static int32_t get_entry(struct parallels *p, uint64_t offset, uint64_t *place)
{
    const void *data;
    int32_t rc;

    if (offset / p->cluster >= p->entries)
        return -EIO;
    rc = p->image->read(p->host, 0, entry_place(offset, p->cluster), 4, &data);
    if (rc < 0)
        return rc;
    *place = get32(data) * p->multiplier;
    if (*place && *place < p->data) {
        tn_logf(p->host, TN_LOG_ERROR,
                "the BAT entry of guest offset %#llx is damaged",
                (unsigned long long)offset);
        return -EIO;
    }
    return 0;
}

static int32_t set_entry(struct parallels *p, uint64_t offset, uint64_t place)
{
    uint8_t bytes[4];

    put32(bytes, (uint32_t)(place / p->multiplier));
    p->changed = 1;
    return p->image->write(p->host, 0, entry_place(offset, p->cluster), 4,
                           bytes);
}

int32_t parallels_map(void *self, uint64_t offset, uint64_t bytes,
                      struct tn_extent *extents, uint32_t max)
{
    struct parallels *p = self;
    uint64_t end = offset + bytes, place;
    uint32_t n = 0;

    while (offset < end) {
        uint64_t inside = offset % p->cluster;
        struct tn_extent e = {.kind = TN_EXTENT_UNALLOCATED,
                              .offset = offset,
                              .bytes = p->cluster - inside};
        int32_t rc = get_entry(p, offset, &place);

        if (rc < 0)
            return rc == -EAGAIN && n > 0 ? (int32_t)n : rc;
        if (place) {
            e.kind = TN_EXTENT_DATA;
            e.flags = TN_EXTENT_WRITABLE;
            e.at = place + inside;
        }
        if (n > 0 && extents[n - 1].kind == e.kind &&
            (!place || extents[n - 1].at + extents[n - 1].bytes == e.at))
            extents[n - 1].bytes += e.bytes;
        else if (n == max)
            break;
        else
            extents[n++] = e;
        offset += e.bytes;
    }
    return (int32_t)n;
}

/* ---- space ---- */

uint32_t parallels_mark(struct parallels *p, uint8_t *bits, uint64_t place,
                        int used)
{
    uint64_t first = (place - p->data) / p->cluster;
    uint64_t end = ceil_div(place - p->data + p->cluster, p->cluster);
    uint32_t before = 0;

    for (; first < end && first < p->slots; first++) {
        uint8_t bit = (uint8_t)(1u << (first % 8));

        before += bits[first / 8] & bit ? 1 : 0;
        if (used)
            bits[first / 8] |= bit;
        else
            bits[first / 8] &= (uint8_t)~bit;
        if (used && bits == p->used && first >= p->end)
            p->end = first + 1;
    }
    return before;
}

uint64_t parallels_take(struct parallels *p)
{
    uint64_t most = UINT32_MAX * p->multiplier, place;

    while (p->hint < p->slots && p->used[p->hint / 8] >> (p->hint % 8) & 1)
        p->hint++;
    place = p->data + p->hint * p->cluster;
    if (p->hint == p->slots || place > most)
        return 0;
    parallels_mark(p, p->used, place, 1);
    return place;
}

int32_t parallels_release(void *self, uint32_t file, uint64_t offset,
                          uint64_t bytes)
{
    struct parallels *p = self;

    (void)bytes;
    if (file != TN_IMAGE_FILE_SELF || offset < p->data)
        return -EINVAL;
    parallels_mark(p, p->used, offset, 0);
    if ((offset - p->data) / p->cluster < p->hint)
        p->hint = (offset - p->data) / p->cluster;
    return 0;
}

/* ---- changes ---- */

int32_t parallels_allocate(void *self, uint64_t offset, uint64_t bytes,
                           uint32_t flags, struct tn_allocation *a)
{
    struct parallels *p = self;
    uint64_t length = p->image->length(p->host, 0);

    (void)flags;
    (void)bytes;
    a->at = parallels_take(p);
    if (!a->at)
        return -ENOSPC;
    a->offset = offset - offset % p->cluster;
    a->bytes = p->cluster;
    a->fresh = a->at >= length;
    a->flags = TN_ALLOCATION_EXTENDS;
    return 0;
}

int32_t parallels_commit(void *self, const struct tn_allocation *a)
{
    struct parallels *p = self;
    uint64_t place;
    int32_t rc = get_entry(p, a->offset, &place);

    return rc < 0 ? rc : set_entry(p, a->offset, a->at);
}

void parallels_cancel(void *self, const struct tn_allocation *a)
{
    struct parallels *p = self;

    p->image->drop(p->host, 0, a->at, a->bytes);
}

int32_t parallels_change(void *self, uint64_t offset, uint64_t bytes,
                         uint32_t kind, uint64_t *done)
{
    struct parallels *p = self;
    uint64_t place;
    int32_t rc = 0;

    if (kind < TN_CHANGE_ZERO || kind > TN_CHANGE_FORGET)
        return -ENOTSUP;
    for (*done = 0; *done < bytes && *done / p->cluster < MOST_AT_ONCE;
         *done += p->cluster) {
        rc = get_entry(p, offset + *done, &place);
        if (rc == 0 && !place)
            continue;
        if (rc == 0)
            rc = set_entry(p, offset + *done, 0);
        if (rc < 0)
            break;
        p->image->drop(p->host, 0, place, p->cluster);
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}
