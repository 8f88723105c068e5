/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing. What is new stands in the files, and is stable, before a single
 * sector of the header or of the descriptor says that it counts: a loss of
 * power leaves the old size or the new one. Only in a descriptor of several
 * sectors are the last extent's new size and the extents that follow it two
 * steps; between them the image has a size between the two.
 */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE (0xffffffffull * VMDK_SECTOR) /* of a sparse extent */

/* A sparse extent as it will be. */
struct grown {
    uint64_t n_tables, gd_at, rgd_at, end;
    uint64_t *gd, *rgd; /* NULL: where it is */
};

static uint64_t grains_of(const struct extent *x)
{
    return (x->bytes + x->grain - 1) / x->grain;
}

/* ---- the last old table and the last old grain ---- */

static int32_t clear_entries(struct vmdk *v, const struct extent *x,
                             const uint64_t *gd)
{
    static const uint8_t zeroes[VMDK_UNIT];
    uint64_t used = grains_of(x) % x->gtes;
    uint64_t at, end;
    int32_t rc = 0;

    if (!used || !gd || !gd[x->n_tables - 1])
        return 0;
    at = gd[x->n_tables - 1] + used * 4;
    end = gd[x->n_tables - 1] + x->gtes * 4ull;
    while (rc == 0 && at < end) {
        uint64_t n = VMDK_UNIT - at % VMDK_UNIT;

        n = n < end - at ? n : end - at;
        rc = v->image->pwrite(v->host, x->file, at, zeroes, n);
        at += n;
    }
    return rc;
}

static int32_t clear_grain(struct vmdk *v, const struct extent *x)
{
    static const uint8_t zeroes[4096];
    uint64_t used = x->bytes % x->grain, at;
    uint32_t kind;
    int32_t rc;

    if (!used)
        return 0;
    rc = vmdk_grain(v, x, x->bytes / x->grain, &kind, &at);
    if (rc < 0 || kind != TN_EXTENT_DATA)
        return rc;
    while (rc == 0 && used < x->grain) {
        uint64_t n = x->grain - used;

        n = n < sizeof zeroes ? n : sizeof zeroes;
        rc = v->image->pwrite(v->host, x->file, at + used, zeroes, n);
        used += n;
    }
    return rc;
}

/* ---- directories ---- */

/* A longer one at *AT, which becomes the end of its tables: a hole. */
static int32_t write_directory(struct vmdk *v, const struct extent *x,
                               uint64_t *at, const uint64_t *old, uint64_t *gd,
                               uint64_t n_tables)
{
    uint64_t bytes = vmdk_round_up(n_tables * 4, VMDK_SECTOR);
    uint64_t table = vmdk_round_up(x->gtes * 4ull, VMDK_SECTOR);
    uint64_t place = *at;
    uint8_t *raw = v->image->allocate(v->host, bytes);
    int32_t rc;

    if (!raw)
        return -ENOMEM;
    *at += bytes;
    for (uint64_t i = 0; i < n_tables; i++) {
        gd[i] = i < x->n_tables ? old[i] : *at;
        *at += i < x->n_tables ? 0 : table;
        put_le32(raw + i * 4, (uint32_t)(gd[i] / VMDK_SECTOR));
    }
    rc = v->image->pwrite(v->host, x->file, place, raw, bytes);
    v->image->free(v->host, raw);
    return rc;
}

static int32_t grow_directories(struct vmdk *v, struct extent *x,
                                struct grown *g, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, x->file);
    uint64_t each = vmdk_round_up(g->n_tables * 4, VMDK_SECTOR) +
                    (g->n_tables - x->n_tables) *
                        vmdk_round_up(x->gtes * 4ull, VMDK_SECTOR);
    uint64_t at = vmdk_round_up(length > x->end ? length : x->end, 4096);
    int32_t rc;

    if (at + 2 * each > MAX_FILE)
        return -EFBIG;
    g->gd = v->image->allocate(v->host, g->n_tables * 8 + 8);
    if (x->rgd)
        g->rgd = v->image->allocate(v->host, g->n_tables * 8 + 8);
    if (!g->gd || (x->rgd && !g->rgd))
        return -ENOMEM;
    rc = v->image->set_length(v->host, x->file,
                              at + (x->rgd ? 2 : 1) * each, error);
    g->rgd_at = x->rgd ? at : 0;
    if (rc == 0 && x->rgd)
        rc = write_directory(v, x, &at, x->rgd, g->rgd, g->n_tables);
    g->gd_at = at;
    if (rc == 0)
        rc = write_directory(v, x, &at, x->gd, g->gd, g->n_tables);
    g->end = vmdk_round_up(at, x->grain > 4096 ? x->grain : 4096);
    return rc;
}

/* All that the header H of extent X will refer to. */
static int32_t prepare_sparse(struct vmdk *v, struct extent *x, uint64_t bytes,
                              struct grown *g, uint8_t *h,
                              struct tn_error *error)
{
    uint64_t span = x->grain * x->gtes;
    int32_t rc = v->image->pread(v->host, x->file, 0, h, VMDK_SECTOR);

    g->n_tables = (bytes + span - 1) / span;
    if (bytes > MAX_FILE || x->end + (bytes - x->bytes) > MAX_FILE)
        return tn_fail(v->host, error, -EFBIG,
                       "the disk is too large: a sparse extent's file ends "
                       "at 2 TiB");
    if (rc == 0 && x->n_tables)
        rc = clear_entries(v, x, x->gd);
    if (rc == 0 && x->n_tables)
        rc = clear_entries(v, x, x->rgd);
    if (rc == 0)
        rc = clear_grain(v, x);
    if (rc < 0)
        return rc;
    put_le64(h + H_CAPACITY, bytes / VMDK_SECTOR);
    if (g->n_tables == x->n_tables)
        return 0;
    rc = grow_directories(v, x, g, error);
    put_le64(h + H_GD, g->gd_at / VMDK_SECTOR);
    put_le64(h + H_RGD, g->rgd_at / VMDK_SECTOR);
    if (!g->rgd)
        put_le32(h + H_FLAGS, get_le32(h + H_FLAGS) & ~FLAG_REDUNDANT);
    return rc;
}

static void take_grown(struct vmdk *v, struct extent *x, struct grown *g,
                       uint64_t bytes)
{
    x->bytes = bytes;
    if (!g->gd)
        return;
    v->image->free(v->host, x->gd);
    v->image->free(v->host, x->rgd);
    x->gd = g->gd;
    x->rgd = g->rgd;
    x->gd_at = g->gd_at;
    x->rgd_at = g->rgd_at;
    x->n_tables = g->n_tables;
    x->end = x->end > g->end ? x->end : g->end;
    *g = (struct grown){0};
}

static void drop_grown(struct vmdk *v, struct grown *g)
{
    v->image->free(v->host, g->gd);
    v->image->free(v->host, g->rgd);
}

/* ---- one file ---- */

static int32_t resize_embedded(struct vmdk *v, uint64_t bytes,
                               struct tn_error *error)
{
    struct extent *x = &v->extents[0];
    uint8_t h[VMDK_SECTOR];
    struct grown g = {0};
    char *text = NULL;
    int32_t rc = prepare_sparse(v, x, bytes, &g, h, error);

    if (rc == 0 && v->text) {
        text = vmdk_resized_text(v, bytes - x->start, bytes, "");
        if (!text)
            rc = -ENOMEM;
    }
    if (rc == 0) {
        x->end = x->end > g.end ? x->end : g.end;
        rc = vmdk_put_embedded(v, text, h);
    } else {
        v->image->free(v->host, text);
    }
    if (rc == 0)
        take_grown(v, x, &g, bytes);
    drop_grown(v, &g);
    return rc;
}

/* ---- a descriptor and extents ---- */

/* It reads as zeroes, also if the file was longer than the extent. */
static int32_t grow_flat(struct vmdk *v, const struct extent *x,
                         uint64_t bytes, struct tn_error *error)
{
    int32_t rc = 0;

    if (v->image->length(v->host, x->file) > x->at + x->bytes)
        rc = v->image->set_length(v->host, x->file, x->at + x->bytes, error);
    if (rc == 0)
        rc = v->image->set_length(v->host, x->file, x->at + bytes, error);
    return rc < 0 ? rc : v->image->flush(v->host);
}

static int32_t grow_extent(struct vmdk *v, struct extent *x, uint64_t bytes,
                           struct tn_error *error)
{
    uint8_t h[VMDK_SECTOR];
    struct grown g = {0};
    int32_t rc;

    for (uint32_t i = 0; i < v->n_extents; i++)
        if (&v->extents[i] != x && !strcmp(v->extents[i].name, x->name))
            return tn_fail(v->host, error, -ENOTSUP,
                           "%s: the file has more than one extent", x->name);
    if (x->kind == EXTENT_FLAT)
        return grow_flat(v, x, bytes, error);
    rc = prepare_sparse(v, x, bytes, &g, h, error);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        rc = v->image->pwrite(v->host, x->file, 0, h, sizeof h);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0) /* its size is what the descriptor says: still the old one */
        take_grown(v, x, &g, bytes);
    drop_grown(v, &g);
    return rc;
}

static int is_split(const struct vmdk *v)
{
    return strncmp(v->create_type, "twoGbMaxExtent", 14) == 0;
}

/* Files for what the last extent does not take; their lines go into LINES. */
static int32_t add_extents(struct vmdk *v, const struct extent *like,
                           uint64_t start, uint64_t bytes, uint32_t *n_extents,
                           char *lines, size_t room, struct tn_error *error)
{
    size_t used = 0;

    for (uint64_t end = start + bytes; start < end;) {
        struct extent *x = &v->extents[*n_extents];
        int32_t rc;

        if (*n_extents == MAX_EXTENTS)
            return tn_fail(v->host, error, -EFBIG,
                           "an image has at most %u extents", MAX_EXTENTS);
        memset(x, 0, sizeof *x);
        x->kind = like->kind;
        x->writable = 1;
        x->start = start;
        x->bytes = end - start < VMDK_SPLIT ? end - start : VMDK_SPLIT;
        x->shared_parent = like->shared_parent;
        memcpy(x->type, like->type, sizeof x->type);
        rc = vmdk_add_extent(v, like, *n_extents, x, error);
        if (rc == 0 && vmdk_is_sparse(x))
            rc = vmdk_open_sparse(v, x, error);
        ++*n_extents;
        if (rc < 0)
            return rc;
        used += (size_t)snprintf(lines + used, room - used,
                                 "RW %llu %s \"%s\"%s\n",
                                 (unsigned long long)x->bytes / VMDK_SECTOR,
                                 x->type, x->name,
                                 x->kind == EXTENT_FLAT ? " 0" : "");
        start += x->bytes;
    }
    return 0;
}

static int32_t resize_files(struct vmdk *v, uint64_t bytes,
                            struct tn_error *error)
{
    struct extent *x = &v->extents[v->n_extents - 1];
    uint64_t old = x->bytes, wanted = bytes - x->start, n_new;
    uint32_t n_extents = v->n_extents;
    uint64_t unit = vmdk_is_sparse(x) ? x->grain : VMDK_SECTOR;
    size_t room;
    char *lines;
    int32_t rc = 0;

    if (is_split(v) && wanted > VMDK_SPLIT)
        wanted = old > VMDK_SPLIT ? old : VMDK_SPLIT;
    if (is_split(v))
        wanted = vmdk_resized_limit(
            v, wanted, unit, (bytes - x->start - wanted) / VMDK_SPLIT + 1);
    n_new = (bytes - x->start - wanted + VMDK_SPLIT - 1) / VMDK_SPLIT;
    if (wanted < old || (n_new && wanted % unit))
        return tn_fail(v->host, error, -ENOTSUP,
                       "the last extent's line in the descriptor cannot be "
                       "changed in one step: convert the image");
    if (n_new > MAX_EXTENTS)
        return tn_fail(v->host, error, -EFBIG,
                       "an image has at most %u extents", MAX_EXTENTS);
    room = (size_t)n_new * 320 + 1;
    lines = v->image->allocate(v->host, room);
    if (!lines)
        return -ENOMEM;
    if (wanted != old)
        rc = grow_extent(v, x, wanted, error);
    if (rc == 0)
        rc = add_extents(v, x, x->start + wanted, bytes - x->start - wanted,
                         &n_extents, lines, room, error);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        rc = vmdk_put_resized(v, wanted, bytes, lines);
    v->image->free(v->host, lines);
    for (uint32_t i = v->n_extents; rc < 0 && i < n_extents; i++) {
        v->image->free(v->host, v->extents[i].gd);
        v->image->free(v->host, v->extents[i].rgd);
    }
    if (rc < 0)
        return rc;
    x->bytes = wanted;
    v->n_extents = n_extents;
    return 0;
}

/* ---- all ---- */

static int32_t why_not(struct vmdk *v, uint64_t bytes, struct tn_error *error)
{
    const struct extent *x = &v->extents[v->n_extents - 1];

    if (bytes < v->bytes)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a VMDK image cannot be made smaller");
    if (bytes % VMDK_SECTOR)
        return tn_fail(v->host, error, -EINVAL,
                       "the size is not a multiple of 512");
    if (bytes > 1ull << 54)
        return tn_fail(v->host, error, -EFBIG, "the disk is too large");
    if (x->flags & FLAG_COMPRESSED)
        return tn_fail(v->host, error, -ENOTSUP,
                       "a streamOptimized image cannot be resized: convert it "
                       "to another subformat");
    if ((x->kind != EXTENT_SPARSE && x->kind != EXTENT_FLAT) || !x->writable)
        return tn_fail(v->host, error, -ENOTSUP,
                       "the last extent, of type '%s', cannot be resized",
                       x->type[0] ? x->type : v->create_type);
    return 0;
}

int32_t vmdk_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct vmdk *v = self;
    int32_t rc;

    if (!v->n_extents)
        return tn_fail(v->host, error, -ENOTSUP, "the image has no extent");
    rc = why_not(v, bytes, error);
    if (rc < 0 || bytes == v->bytes)
        return rc;
    /* The descriptor has its new CID, if it gets one. */
    rc = v->image->flush(v->host);
    if (rc == 0)
        rc = v->text_file ? resize_files(v, bytes, error)
                          : resize_embedded(v, bytes, error);
    if (rc == 0)
        v->bytes = bytes;
    return rc;
}
