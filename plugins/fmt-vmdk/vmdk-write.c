/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the map: space for grains, tables' entries, and grains given up. */
#include "vmdk.h"

#include <errno.h>
#include <string.h>

#define MAX_RUN 32u /* grains that an allocation covers at most */
#define MAX_SECTOR 0xffffffffull
#define COWD_FREE 28u

/* tn_allocation.plugin[] */
#define P_EXTENT 0
#define P_GRAIN 1
#define P_COUNT 2
#define P_PLACE 3

/* ---- space ---- */

static void give_place(struct vmdk *v, struct extent *x, uint64_t place)
{
    if (x->n_free == x->free_room) {
        uint64_t room = x->free_room * 2 + 64;
        uint64_t *list = v->image->allocate(v->host, room * sizeof *list);

        if (!list)
            return; /* a leak */
        if (x->n_free)
            memcpy(list, x->free, x->n_free * sizeof *list);
        v->image->free(v->host, x->free);
        x->free = list;
        x->free_room = room;
    }
    x->free[x->n_free++] = place;
}

/* *N grains in a row, or as many as there are. */
static int32_t take_place(struct extent *x, uint64_t *n, uint64_t *place)
{
    uint64_t most;

    if (x->n_free) {
        *place = x->free[--x->n_free];
        *n = 1;
        return 0;
    }
    most = (MAX_SECTOR * VMDK_SECTOR - x->end) / x->grain;
    if (x->end >= MAX_SECTOR * VMDK_SECTOR || most == 0)
        return -EFBIG;
    if (*n > most)
        *n = most;
    *place = x->end;
    x->end += *n * x->grain;
    return 0;
}

/* ---- tables ---- */

static int32_t set_directory(struct vmdk *v, struct extent *x, uint64_t at,
                             uint64_t *gd, uint64_t table, uint64_t place)
{
    uint64_t entry_at = at + table * 4;
    uint8_t raw[4];
    const void *data;
    int32_t rc = v->image->read(v->host, x->file, entry_at, 4, &data);

    for (uint64_t i = 0; rc == 0 && i < x->gtes * 4ull; i += VMDK_UNIT)
        rc = v->image->order(v->host, x->file, place + i, x->file, entry_at);
    put_le32(raw, (uint32_t)(place / VMDK_SECTOR));
    if (rc == 0)
        rc = v->image->write(v->host, x->file, entry_at, 4, raw);
    if (rc == 0)
        gd[table] = place;
    return rc;
}

static int32_t make_table(struct vmdk *v, struct extent *x, uint64_t at,
                          uint64_t *gd, uint64_t table)
{
    static const uint8_t zeroes[VMDK_UNIT];
    uint64_t bytes = vmdk_round_up((uint64_t)x->gtes * 4, VMDK_UNIT);
    uint64_t place = x->end;
    const void *data;
    int32_t rc = v->image->read(v->host, x->file, at + table * 4, 4, &data);

    if (rc < 0)
        return rc;
    if (place + bytes > MAX_SECTOR * VMDK_SECTOR)
        return -EFBIG;
    for (uint64_t i = 0; rc == 0 && i < bytes; i += VMDK_UNIT)
        rc = v->image->write(v->host, x->file, place + i, VMDK_UNIT, zeroes);
    if (rc == 0)
        rc = set_directory(v, x, at, gd, table, place);
    if (rc == 0)
        x->end = vmdk_round_up(place + bytes,
                               x->grain > 4096 ? x->grain : 4096);
    return rc;
}

static int32_t make_tables(struct vmdk *v, struct extent *x, uint64_t grain)
{
    uint64_t table = grain / x->gtes;
    int32_t rc = 0;

    if (!x->gd[table])
        rc = make_table(v, x, x->gd_at, x->gd, table);
    if (rc == 0 && x->rgd && !x->rgd[table])
        rc = make_table(v, x, x->rgd_at, x->rgd, table);
    return rc;
}

/* Another program takes its space from where the header says. */
static int32_t move_free_sector(struct vmdk *v, struct extent *x,
                                uint64_t place)
{
    uint32_t sector = (uint32_t)(x->end / VMDK_SECTOR);
    uint8_t raw[4];
    const void *data;
    int32_t rc;

    if (x->kind != EXTENT_COWD)
        return 0;
    rc = v->image->read(v->host, x->file, COWD_FREE, 4, &data);
    if (rc == 0 && get_le32(data) != sector) {
        put_le32(raw, sector);
        rc = v->image->write(v->host, x->file, COWD_FREE, 4, raw);
    }
    if (rc == 0)
        rc = v->image->order(v->host, x->file, 0, x->file, place);
    return rc;
}

/* Have both entries' units in memory. */
static int32_t prepare_entry(struct vmdk *v, struct extent *x, uint64_t grain)
{
    uint64_t second = vmdk_redundant_place(x, grain);
    const void *data;
    int32_t rc = v->image->read(v->host, x->file, vmdk_entry_place(x, grain),
                                4, &data);

    if (rc == 0 && second)
        rc = v->image->read(v->host, x->file, second, 4, &data);
    return rc < 0 ? rc : move_free_sector(v, x, vmdk_entry_place(x, grain));
}

static int32_t put_entry(struct vmdk *v, struct extent *x, uint64_t grain,
                         uint32_t entry)
{
    uint64_t second = vmdk_redundant_place(x, grain);
    uint8_t raw[4];
    int32_t rc;

    put_le32(raw, entry);
    rc = v->image->write(v->host, x->file, vmdk_entry_place(x, grain), 4, raw);
    if (rc == 0 && second)
        rc = v->image->write(v->host, x->file, second, 4, raw);
    return rc;
}

/* ---- writing ---- */

static int32_t run_length(struct vmdk *v, const struct extent *x,
                          uint64_t grain, uint64_t limit, uint64_t *n)
{
    uint64_t left = x->gtes - grain % x->gtes;

    if (limit > left)
        limit = left;
    for (*n = 0; *n < limit; ++*n) {
        uint32_t kind;
        uint64_t at;
        int32_t rc = vmdk_grain(v, x, grain + *n, &kind, &at);

        if (rc < 0)
            return rc;
        if (kind == TN_EXTENT_DATA)
            break;
    }
    return *n ? 0 : -EIO;
}

int32_t vmdk_allocate(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t flags, struct tn_allocation *a)
{
    struct vmdk *v = self;
    struct extent *x = vmdk_extent(v, offset);
    uint64_t grain, n, place = 0;
    int32_t rc;

    if (!x || !vmdk_is_sparse(x) || !x->writable)
        return -EROFS;
    if (x->flags & FLAG_COMPRESSED)
        return flags & TN_ALLOCATE_COMPRESSED
                   ? vmdk_stream_allocate(v, offset, bytes, a)
                   : -ENOTSUP;
    grain = (offset - x->start) / x->grain;
    if (bytes > x->start + x->bytes - offset)
        bytes = x->start + x->bytes - offset;
    n = (offset + bytes - x->start + x->grain - 1) / x->grain - grain;
    if (n > MAX_RUN)
        n = MAX_RUN;
    rc = make_tables(v, x, grain);
    if (rc == 0)
        rc = run_length(v, x, grain, n, &n);
    if (rc == 0)
        rc = take_place(x, &n, &place);
    if (rc < 0)
        return rc;
    a->file = x->file;
    a->flags = TN_ALLOCATION_EXTENDS;
    a->offset = x->start + grain * x->grain;
    a->bytes = n * x->grain;
    if (a->bytes > x->start + x->bytes - a->offset)
        a->bytes = x->start + x->bytes - a->offset;
    a->at = place;
    a->fresh = place >= v->image->length(v->host, x->file);
    a->plugin[P_EXTENT] = (uint64_t)(x - v->extents);
    a->plugin[P_GRAIN] = grain;
    a->plugin[P_COUNT] = n;
    a->plugin[P_PLACE] = place;
    return 0;
}

int32_t vmdk_commit(void *self, const struct tn_allocation *a)
{
    struct vmdk *v = self;
    struct extent *x = &v->extents[a->plugin[P_EXTENT]];
    uint64_t grain = a->plugin[P_GRAIN], n = a->plugin[P_COUNT];
    uint64_t place = a->plugin[P_PLACE];
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = prepare_entry(v, x, grain + i);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = put_entry(v, x, grain + i,
                       (uint32_t)((place + i * x->grain) / VMDK_SECTOR));
    return rc;
}

void vmdk_cancel(void *self, const struct tn_allocation *a)
{
    struct vmdk *v = self;
    struct extent *x = &v->extents[a->plugin[P_EXTENT]];

    if (x->flags & FLAG_COMPRESSED)
        v->stream.broken = 1; /* it cannot be written again */
    for (uint64_t i = 0; i < a->plugin[P_COUNT]; i++)
        give_place(v, x, a->plugin[P_PLACE] + i * x->grain);
}

/* ---- zeroes and holes ---- */

/* What becomes of the entry; -ENOTSUP: it cannot say so. *ENTRY ~0: nothing. */
static int32_t changed_entry(const struct extent *x, uint32_t change,
                             uint32_t kind, uint32_t *entry)
{
    int zeroed = x->flags & FLAG_ZEROED;

    *entry = ~0u;
    if (change > TN_CHANGE_FORGET)
        return -ENOTSUP;
    if (change == TN_CHANGE_FORGET) {
        if (kind != TN_EXTENT_UNALLOCATED)
            *entry = 0;
        return 0;
    }
    if (kind == TN_EXTENT_ZERO)
        return 0;
    if (kind == TN_EXTENT_UNALLOCATED) {
        if (!x->shared_parent || change == TN_CHANGE_DISCARD)
            return 0;
        *entry = 1;
        return zeroed ? 0 : -ENOTSUP;
    }
    if (change == TN_CHANGE_ZERO)
        return -ENOTSUP;
    if (x->shared_parent && !zeroed)
        return change == TN_CHANGE_DISCARD ? 0 : -ENOTSUP;
    *entry = zeroed ? 1 : 0;
    return 0;
}

static int32_t change_grain(struct vmdk *v, struct extent *x, uint64_t grain,
                            uint32_t change)
{
    uint32_t kind, entry = ~0u;
    uint64_t at;
    int32_t rc = vmdk_grain(v, x, grain, &kind, &at);

    if (rc == 0)
        rc = changed_entry(x, change, kind, &entry);
    if (rc < 0 || entry == ~0u)
        return rc;
    rc = make_tables(v, x, grain);
    if (rc == 0)
        rc = prepare_entry(v, x, grain);
    if (rc == 0)
        rc = put_entry(v, x, grain, entry);
    if (rc == 0 && kind == TN_EXTENT_DATA)
        v->image->drop(v->host, x->file, at, x->grain);
    return rc;
}

int32_t vmdk_change(void *self, uint64_t offset, uint64_t bytes, uint32_t kind,
                    uint64_t *done)
{
    struct vmdk *v = self;
    int32_t rc = 0;

    for (*done = 0; *done < bytes;) {
        struct extent *x = vmdk_extent(v, offset + *done);
        uint64_t inside, step;

        if (!x)
            return -EIO;
        inside = offset + *done - x->start;
        step = x->bytes - inside;
        if (vmdk_is_sparse(x)) {
            if (step > x->grain - inside % x->grain)
                step = x->grain - inside % x->grain;
            rc = x->writable && !(x->flags & FLAG_COMPRESSED)
                     ? change_grain(v, x, inside / x->grain, kind)
                     : -ENOTSUP;
        } else if (x->kind == EXTENT_FLAT && kind != TN_CHANGE_DISCARD) {
            rc = -ENOTSUP; /* the engine does it in the file */
        }
        if (rc < 0)
            break;
        *done += step;
    }
    if (*done > bytes)
        *done = bytes;
    return *done > 0 ? 0 : rc;
}

int32_t vmdk_release(void *self, uint32_t file, uint64_t offset,
                     uint64_t bytes)
{
    struct vmdk *v = self;

    for (uint32_t i = 0; i < v->n_extents; i++) {
        struct extent *x = &v->extents[i];

        if (vmdk_is_sparse(x) && x->file == file && x->grain == bytes) {
            give_place(v, x, offset);
            return 0;
        }
    }
    return -EINVAL;
}
