/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers and grain directories of sparse extents: hosted ("KDMV"), ESXi's
 * older ("COWD") and newer (seSparse) ones.
 */
#include "vmdk.h"

#include <errno.h>
#include <string.h>

static int32_t bad(struct vmdk *v, struct extent *x, struct tn_error *error,
                   const char *what)
{
    return tn_fail(v->host, error, -EINVAL, "%s%snot a sound extent: %s",
                   x->name, x->name[0] ? ": " : "", what);
}

static int32_t check_shape(struct vmdk *v, struct extent *x, uint64_t capacity,
                           struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, x->file), span;

    if (x->grain < VMDK_SECTOR || x->grain > 64u << 20 ||
        x->grain & (x->grain - 1))
        return bad(v, x, error, "the grain size is out of range");
    if (x->gtes == 0 || x->gtes > 65536 || x->gtes & (x->gtes - 1))
        return bad(v, x, error, "the grain tables' size is out of range");
    if (capacity > 1ull << 46)
        return bad(v, x, error, "the capacity is out of range");
    if (x->bytes == 0)
        x->bytes = capacity * VMDK_SECTOR;
    if (capacity * VMDK_SECTOR < x->bytes)
        return bad(v, x, error, "it is smaller than the descriptor says");
    span = x->grain * x->gtes;
    x->n_tables = (x->bytes + span - 1) / span;
    if (x->gd_at < VMDK_SECTOR || x->gd_at > length || (length - x->gd_at) / x->entry_bytes <
                                 x->n_tables)
        return bad(v, x, error, "the grain directory is out of place");
    return 0;
}

/* N entries of four bytes: sectors. */
static int32_t read_directory(struct vmdk *v, struct extent *x, uint64_t at,
                              uint64_t **directory, struct tn_error *error)
{
    uint64_t *gd = v->image->allocate(v->host, x->n_tables * 8 + 8);
    uint8_t *raw;
    int32_t rc;

    if (!gd)
        return tn_fail(v->host, error, -ENOMEM,
                       "no memory for a grain directory");
    *directory = gd;
    raw = (uint8_t *)gd + x->n_tables * 4; /* the upper half */
    rc = v->image->pread(v->host, x->file, at, raw, x->n_tables * 4);
    if (rc < 0)
        return tn_fail(v->host, error, rc,
                       "the grain directory cannot be read");
    for (uint64_t i = 0; i < x->n_tables; i++)
        gd[i] = (uint64_t)get_le32(raw + i * 4) * VMDK_SECTOR;
    return 0;
}

int32_t vmdk_find_text(struct vmdk *v, const uint8_t *h)
{
    uint64_t at = get_le64(h + H_DESCRIPTOR);
    uint64_t sectors = get_le64(h + H_DESCRIPTOR_SECTORS);
    int32_t rc;

    if (get_le32(h) != VMDK_MAGIC || at == 0 || sectors == 0)
        return 0;
    if (at > 1u << 30 || sectors > MAX_DESCRIPTOR / VMDK_SECTOR)
        return -EINVAL;
    v->text_at = at * VMDK_SECTOR;
    v->text_room = v->text_length = sectors * VMDK_SECTOR;
    v->text = v->image->allocate(v->host, v->text_room + 1);
    if (!v->text)
        return -ENOMEM;
    rc = v->image->pread(v->host, 0, v->text_at, v->text, v->text_room);
    return rc;
}

/* ---- hosted ---- */

/* A stream's header says that the real one is at the end. */
static int32_t read_footer(struct vmdk *v, struct extent *x, uint8_t *h,
                           struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, x->file);
    int32_t rc = 0;

    if (get_le64(h + H_GD) != GD_AT_END)
        return 0;
    if (length < 3 * VMDK_SECTOR)
        return bad(v, x, error, "its footer is missing");
    rc = v->image->pread(v->host, x->file, length - 2 * VMDK_SECTOR, h,
                         VMDK_SECTOR);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the footer cannot be read");
    if (get_le32(h) != VMDK_MAGIC || get_le64(h + H_GD) == GD_AT_END)
        return bad(v, x, error,
                   "its footer is missing: it was not written to its end");
    return 0;
}

static int32_t open_hosted(struct vmdk *v, struct extent *x, uint8_t *h,
                           struct tn_error *error)
{
    uint64_t sectors;
    int32_t rc = read_footer(v, x, h, error);

    if (rc < 0)
        return rc;
    if (get_le32(h + H_VERSION) > 3)
        return tn_fail(v->host, error, -ENOTSUP, "VMDK version %u",
                       get_le32(h + H_VERSION));
    x->flags = get_le32(h + H_FLAGS);
    if (x->flags & FLAG_COMPRESSED &&
        get_le16(h + H_COMPRESSION) != COMPRESSION_DEFLATE)
        return tn_fail(v->host, error, -ENOTSUP, "unknown compression %u",
                       get_le16(h + H_COMPRESSION));
    sectors = get_le64(h + H_GRAIN);
    if (sectors > 1u << 20 || get_le64(h + H_GD) > 1ull << 46 ||
        (x->flags & FLAG_COMPRESSED && sectors > 2048))
        return bad(v, x, error, "the header is damaged");
    x->grain = sectors * VMDK_SECTOR;
    x->gtes = get_le32(h + H_GTES);
    x->entry_bytes = 4;
    x->gd_at = get_le64(h + H_GD) * VMDK_SECTOR;
    rc = check_shape(v, x, get_le64(h + H_CAPACITY), error);
    if (rc < 0)
        return rc;
    x->first = get_le64(h + H_OVERHEAD);
    x->first = x->first < 1u << 30 ? x->first * VMDK_SECTOR : VMDK_SECTOR;
    if (x->flags & FLAG_COMPRESSED)
        x->first = VMDK_SECTOR;
    if (x->flags & FLAG_REDUNDANT && get_le64(h + H_RGD) < 1ull << 46)
        x->rgd_at = get_le64(h + H_RGD) * VMDK_SECTOR;
    if ((x->rgd_at < x->gd_at + x->n_tables * 4 &&
         x->gd_at < x->rgd_at + x->n_tables * 4) ||
        x->rgd_at >= v->image->length(v->host, x->file))
        x->rgd_at = 0;
    rc = read_directory(v, x, x->gd_at, &x->gd, error);
    if (rc == 0 && x->rgd_at)
        rc = read_directory(v, x, x->rgd_at, &x->rgd, error);
    return rc;
}

/* ---- COWD: places and sizes of 32 bits, tables of 4096 entries ---- */

#define COWD_CAPACITY 12u
#define COWD_GRAIN 16u
#define COWD_GD 20u
#define COWD_FREE 28u

static int32_t open_cowd(struct vmdk *v, struct extent *x, const uint8_t *h,
                         struct tn_error *error)
{
    int32_t rc;

    if (get_le32(h + H_VERSION) != 1)
        return tn_fail(v->host, error, -ENOTSUP, "COWD version %u",
                       get_le32(h + H_VERSION));
    x->kind = EXTENT_COWD;
    x->grain = (uint64_t)get_le32(h + COWD_GRAIN) * VMDK_SECTOR;
    x->gtes = 4096;
    x->entry_bytes = 4;
    x->gd_at = (uint64_t)get_le32(h + COWD_GD) * VMDK_SECTOR;
    x->first = VMDK_SECTOR;
    rc = check_shape(v, x, get_le32(h + COWD_CAPACITY), error);
    if (rc < 0)
        return rc;
    x->end = (uint64_t)get_le32(h + COWD_FREE) * VMDK_SECTOR;
    return read_directory(v, x, x->gd_at, &x->gd, error);
}

/* ---- seSparse: read only ---- */

static int32_t read_se_directory(struct vmdk *v, struct extent *x,
                                 struct tn_error *error)
{
    int32_t rc;

    x->gd = v->image->allocate(v->host, x->n_tables * 8 + 8);
    if (!x->gd)
        return -ENOMEM;
    rc = v->image->pread(v->host, x->file, x->gd_at, x->gd, x->n_tables * 8);
    if (rc < 0)
        return tn_fail(v->host, error, rc,
                       "the grain directory cannot be read");
    for (uint64_t i = 0; i < x->n_tables; i++) {
        uint64_t entry = get_le64(&x->gd[i]);

        if (entry != 0 && entry >> 32 != 0x10000000)
            return bad(v, x, error, "the grain directory is damaged");
        x->gd[i] = entry ? x->tables_at + (uint32_t)entry * x->table_bytes : 0;
    }
    return 0;
}

static int32_t open_sesparse(struct vmdk *v, struct extent *x,
                             const uint8_t *h, struct tn_error *error)
{
    uint64_t places[] = {get_le64(h + 80), get_le64(h + 128),
                         get_le64(h + 144), get_le64(h + 192)};
    uint8_t volatile_header[VMDK_SECTOR];
    int32_t rc;

    if (get_le64(h) != SESPARSE_MAGIC)
        return bad(v, x, error, "it has no seSparse header");
    if (get_le64(h + 8) != 0x0000000200000001ull)
        return tn_fail(v->host, error, -ENOTSUP, "seSparse version %#llx",
                       (unsigned long long)get_le64(h + 8));
    for (uint32_t i = 0; i < 4; i++)
        if (places[i] > 1ull << 46)
            return bad(v, x, error, "the header is damaged");
    if (get_le64(h + 24) != 8 || get_le64(h + 32) != 64)
        return tn_fail(v->host, error, -ENOTSUP,
                       "seSparse with other sizes of grains or tables");
    x->grain = 8 * VMDK_SECTOR;
    x->table_bytes = 64 * VMDK_SECTOR;
    x->gtes = (uint32_t)(x->table_bytes / 8);
    x->entry_bytes = 8;
    x->gd_at = places[1] * VMDK_SECTOR;
    x->tables_at = places[2] * VMDK_SECTOR;
    x->grains_at = x->first = places[3] * VMDK_SECTOR;
    rc = check_shape(v, x, get_le64(h + 16), error);
    if (rc < 0)
        return rc;
    rc = v->image->pread(v->host, x->file, places[0] * VMDK_SECTOR,
                         volatile_header, sizeof volatile_header);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the header cannot be read");
    if (get_le64(volatile_header) != SESPARSE_VOLATILE_MAGIC)
        return bad(v, x, error, "the volatile header is damaged");
    if (volatile_header[24])
        return tn_fail(v->host, error, -ENOTSUP,
                       "the seSparse journal has to be replayed by VMware");
    return read_se_directory(v, x, error);
}

int32_t vmdk_open_sparse(struct vmdk *v, struct extent *x,
                         struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, x->file), end;
    uint8_t h[VMDK_SECTOR];
    int32_t rc = v->image->pread(v->host, x->file, 0, h, sizeof h);

    if (rc < 0)
        return tn_fail(v->host, error, rc, "the header cannot be read");
    if (x->kind == EXTENT_SESPARSE)
        rc = open_sesparse(v, x, h, error);
    else if (get_le32(h) == COWD_MAGIC)
        rc = open_cowd(v, x, h, error);
    else if (get_le32(h) == VMDK_MAGIC)
        rc = open_hosted(v, x, h, error);
    else
        rc = bad(v, x, error, "it has no header");
    if (rc < 0)
        return rc;
    end = x->end > length && x->end - length < 1u << 30 ? x->end : length;
    x->end = vmdk_round_up(end, x->grain > 4096 ? x->grain : 4096);
    return 0;
}
