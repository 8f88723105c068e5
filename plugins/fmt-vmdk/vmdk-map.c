/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest's bytes are: extents, tables, grains. */
#include "vmdk.h"

#include <errno.h>

struct extent *vmdk_extent(struct vmdk *v, uint64_t offset)
{
    uint32_t low = 0, high = v->n_extents;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct extent *x = &v->extents[middle];

        if (offset < x->start)
            high = middle;
        else if (offset - x->start >= x->bytes)
            low = middle + 1;
        else
            return x;
    }
    return NULL;
}

static uint64_t place_in(const struct extent *x, const uint64_t *gd,
                         uint64_t grain)
{
    uint64_t table = gd ? gd[grain / x->gtes] : 0;

    return table ? table + grain % x->gtes * x->entry_bytes : 0;
}

uint64_t vmdk_entry_place(const struct extent *x, uint64_t grain)
{
    return place_in(x, x->gd, grain);
}

uint64_t vmdk_redundant_place(const struct extent *x, uint64_t grain)
{
    return place_in(x, x->rgd, grain);
}

static int32_t hosted_entry(const struct extent *x, uint32_t entry,
                            uint32_t *kind, uint64_t *at)
{
    *at = (uint64_t)entry * VMDK_SECTOR;
    *kind = x->flags & FLAG_COMPRESSED ? TN_EXTENT_COMPRESSED
                                       : TN_EXTENT_DATA;
    if (entry == 0)
        *kind = TN_EXTENT_UNALLOCATED;
    else if (entry == 1 && x->flags & FLAG_ZEROED)
        *kind = TN_EXTENT_ZERO;
    return 0;
}

static int32_t se_entry(const struct extent *x, uint64_t entry, uint32_t *kind,
                        uint64_t *at)
{
    uint64_t grain = (entry & 0x0fff000000000000ull) >> 48 |
                     (entry & 0x0000ffffffffffffull) << 12;

    *at = 0;
    switch (entry >> 60) {
    case 0:
        *kind = TN_EXTENT_UNALLOCATED;
        return entry ? -EIO : 0;
    case 1: /* unmapped by the guest */
    case 2:
        *kind = TN_EXTENT_ZERO;
        return 0;
    case 3:
        *kind = TN_EXTENT_DATA;
        if (grain > 1ull << 44)
            return -EIO;
        *at = x->grains_at + grain * x->grain;
        return 0;
    default:
        return -EIO;
    }
}

int32_t vmdk_grain(struct vmdk *v, const struct extent *x, uint64_t grain,
                   uint32_t *kind, uint64_t *at)
{
    uint64_t place = vmdk_entry_place(x, grain);
    uint64_t length = v->image->length(v->host, x->file);
    const void *data;
    int32_t rc;

    *kind = TN_EXTENT_UNALLOCATED;
    if (!place)
        return 0;
    /* A new table may not be in the file yet. */
    rc = place < x->end ? v->image->read(v->host, x->file, place,
                                         x->entry_bytes, &data)
                        : -EIO;
    if (rc == 0)
        rc = x->kind == EXTENT_SESPARSE
                 ? se_entry(x, get_le64(data), kind, at)
                 : hosted_entry(x, get_le32(data), kind, at);
    if (rc == 0 &&
        (*kind == TN_EXTENT_DATA || *kind == TN_EXTENT_COMPRESSED) &&
        (*at < x->first || *at >= length))
        rc = -EIO;
    if (rc == -EIO)
        tn_logf(v->host, TN_LOG_ERROR,
                "the entry of the grain at guest offset %#llx is damaged",
                (unsigned long long)(x->start + grain * x->grain));
    return rc;
}

/* A compressed grain ends where the next one begins, if that comes later in
 * the file: an upper bound without reading its marker. */
static int32_t stored_bytes(struct vmdk *v, const struct extent *x,
                            uint64_t grain, uint64_t at, uint64_t *bytes)
{
    uint64_t most = x->grain + x->grain / 16 + 1024, next;
    uint64_t length = v->image->length(v->host, x->file);
    uint64_t place = vmdk_entry_place(x, grain);
    const void *data;
    int32_t rc;

    *bytes = most;
    /* Only in the same unit, which is in memory. */
    if ((place + x->entry_bytes) % VMDK_UNIT && grain % x->gtes + 1 < x->gtes) {
        rc = v->image->read(v->host, x->file, place + x->entry_bytes,
                            x->entry_bytes, &data);
        if (rc < 0)
            return rc;
        next = (uint64_t)get_le32(data) * VMDK_SECTOR;
        if (next > at && next - at < most)
            *bytes = next - at;
    }
    if (*bytes > length - at)
        *bytes = length - at;
    return 0;
}

static int32_t sparse_extent(struct vmdk *v, const struct extent *x,
                             uint64_t offset, struct tn_extent *e)
{
    uint64_t grain = (offset - x->start) / x->grain;
    uint64_t inside = (offset - x->start) % x->grain;
    uint64_t left = x->start + x->bytes - offset, at = 0;
    int32_t rc = vmdk_grain(v, x, grain, &e->kind, &at);

    if (rc < 0)
        return rc;
    e->bytes = x->grain - inside;
    if (!vmdk_entry_place(x, grain)) /* nothing under the whole table */
        e->bytes = x->grain * (x->gtes - grain % x->gtes) - inside;
    if (e->bytes > left)
        e->bytes = left;
    e->at = at + inside;
    if (e->kind == TN_EXTENT_DATA && x->writable)
        e->flags = TN_EXTENT_WRITABLE;
    if (e->kind == TN_EXTENT_COMPRESSED) {
        e->at = at;
        e->codec = x->flags & FLAG_MARKERS ? 1 : 0;
        e->unit = offset - inside;
        e->unit_bytes = inside + e->bytes;
        rc = stored_bytes(v, x, grain, at, &e->stored);
    }
    return rc;
}

static int32_t extent_at(struct vmdk *v, uint64_t offset, struct tn_extent *e)
{
    const struct extent *x = vmdk_extent(v, offset);

    if (!x)
        return -EIO;
    *e = (struct tn_extent){.kind = TN_EXTENT_ZERO,
                            .file = x->file,
                            .offset = offset,
                            .bytes = x->start + x->bytes - offset};
    if (x->kind == EXTENT_FLAT) {
        e->kind = TN_EXTENT_DATA;
        e->at = x->at + (offset - x->start);
        e->flags = TN_EXTENT_FLAT | (x->writable ? TN_EXTENT_WRITABLE : 0);
    } else if (vmdk_is_sparse(x)) {
        return sparse_extent(v, x, offset, e);
    }
    return 0;
}

static int continues(const struct tn_extent *a, const struct tn_extent *b)
{
    if (a->kind != b->kind || a->flags != b->flags || a->file != b->file ||
        a->kind == TN_EXTENT_COMPRESSED)
        return 0;
    return a->kind != TN_EXTENT_DATA || a->at + a->bytes == b->at;
}

int32_t vmdk_map(void *self, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max)
{
    uint64_t end = offset + bytes;
    uint32_t n = 0;

    while (offset < end) {
        struct tn_extent e;
        int32_t rc = extent_at(self, offset, &e);

        if (rc < 0)
            return n > 0 ? (int32_t)n : rc;
        if (n > 0 && continues(&extents[n - 1], &e))
            extents[n - 1].bytes += e.bytes;
        else if (n == max)
            break;
        else
            extents[n++] = e;
        offset += e.bytes;
    }
    return (int32_t)n;
}
