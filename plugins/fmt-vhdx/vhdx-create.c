/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image: headers and region tables in the first megabyte, then the log,
 * the metadata and the BAT. The file's identifier is written last: until then
 * it is no image.
 */
#include "vhdx.h"

#include <errno.h>
#include <stdio.h>

#define CREATOR "Tenon"
#define FLAG_DISK 2u
#define FLAG_REQUIRED 4u
#define PIECE (64u * 1024u)
#define MAX_NAME 1000u
#define MAX_LOG_BYTES (1024u * MIB)

struct plan {
    const struct tn_create *c;
    struct vhdx *v;
    uint64_t log_bytes;
    uint32_t fixed, zero_state;
    uint64_t data; /* where the blocks of a fixed image begin */
    struct tn_error *error;
};

/* What suits a disk of that size if nobody says it. */
static uint32_t usual_block(uint64_t bytes)
{
    return (uint32_t)(bytes > 32ull << 40    ? 64 * MIB
                      : bytes > 100ull << 30 ? 32 * MIB
                      : bytes > 1ull << 30   ? 16 * MIB
                                             : 8 * MIB);
}

static int32_t read_options(struct plan *p)
{
    struct vhdx *v = p->v;
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    uint64_t block = props->get_uint(v->host, "block-size");

    p->log_bytes = round_up(props->get_uint(v->host, "log-size"), MIB);
    p->fixed = (uint32_t)props->get_uint(v->host, "subformat") == 1;
    p->zero_state = (uint32_t)props->get_uint(v->host, "block-state-zero");
    v->logical =
        (uint32_t)props->get_uint(v->host, "logical-sector-size") ? 4096 : 512;
    v->physical = 4096;
    v->bytes = p->c->bytes;
    v->block = block ? (uint32_t)block : usual_block(v->bytes);
    v->leave_allocated = p->fixed;
    v->has_parent = p->c->backing != NULL;
    if (block > 256 * MIB || v->block < MIB || v->block & (v->block - 1))
        return tn_fail(v->host, p->error, -EINVAL,
                       "block-size must be a power of two, 1M to 256M");
    if (p->log_bytes == 0 || p->log_bytes > MAX_LOG_BYTES)
        return tn_fail(v->host, p->error, -EINVAL,
                       "log-size must be at least 1M and at most 1G");
    if (v->bytes > MAX_BYTES)
        return tn_fail(v->host, p->error, -EINVAL,
                       "a VHDX image has at most 64T");
    if (v->bytes % v->logical)
        return tn_fail(v->host, p->error, -EINVAL,
                       "the size must be a multiple of the logical sector "
                       "size, %u",
                       v->logical);
    return 0;
}

static int32_t check_parent(struct plan *p)
{
    const struct tn_create *c = p->c;

    if (!c->backing)
        return 0;
    if (p->fixed)
        return tn_fail(p->v->host, p->error, -EINVAL,
                       "a fixed image has no backing image");
    if (!c->backing_id || strlen(c->backing_id) != 36 ||
        (c->backing_format && strcmp(c->backing_format, "vhdx")))
        return tn_fail(p->v->host, p->error, -EINVAL,
                       "the backing image of a VHDX must be a VHDX too");
    if (strlen(c->backing) > MAX_NAME)
        return tn_fail(p->v->host, p->error, -EINVAL,
                       "the backing file's name is too long");
    return 0;
}

/* ---- parts ---- */

static int32_t write_id(struct plan *p)
{
    uint8_t id[512] = {0};

    memcpy(id, FILE_ID, 8);
    if (vhdx_to_utf16(CREATOR, id + 8, 64) < 0)
        return -EINVAL;
    return p->v->image->pwrite(p->v->host, 0, FILE_ID_PLACE, id, sizeof id);
}

static int32_t write_headers(struct plan *p)
{
    struct vhdx *v = p->v;
    uint8_t h[PAGE] = {0};
    int32_t rc = vhdx_new_guid(h + H_FILE_WRITE_GUID);

    if (rc == 0)
        rc = vhdx_new_guid(h + H_DATA_WRITE_GUID);
    put32(h, SIGNATURE_HEADER);
    put16(h + H_VERSION, 1);
    put32(h + H_LOG_LENGTH, (uint32_t)p->log_bytes);
    put64(h + H_LOG_OFFSET, MIB);
    for (uint32_t i = 0; rc == 0 && i < 2; i++) {
        put64(h + H_SEQUENCE, i + 1);
        put32(h + H_CHECKSUM, vhdx_checksum(h, PAGE, H_CHECKSUM));
        rc = v->image->pwrite(v->host, 0, HEADER_PLACE(i), h, PAGE);
    }
    return rc;
}

static void put_region(uint8_t *e, const uint8_t *guid,
                       const struct vhdx_region *r)
{
    memcpy(e, guid, GUID_BYTES);
    put64(e + 16, r->offset);
    put32(e + 24, r->bytes);
    put32(e + 28, 1);
}

static int32_t write_regions(struct plan *p)
{
    struct vhdx *v = p->v;
    uint8_t *t = v->image->allocate(v->host, REGIONS_BYTES);
    int32_t rc = t ? 0 : -ENOMEM;

    if (rc < 0)
        return rc;
    put32(t, SIGNATURE_REGIONS);
    put32(t + 8, 2);
    put_region(t + 16, vhdx_guid_bat, &v->bat);
    put_region(t + 48, vhdx_guid_metadata, &v->metadata);
    put32(t + 4, vhdx_checksum(t, REGIONS_BYTES, 4));
    for (uint32_t i = 0; rc == 0 && i < 2; i++)
        rc = v->image->pwrite(v->host, 0, REGIONS_PLACE(i), t, REGIONS_BYTES);
    v->image->free(v->host, t);
    return rc;
}

/* ---- metadata ---- */

struct table {
    uint8_t *region;
    uint32_t n, at; /* items, and where the next one goes */
};

static uint8_t *add_item(struct table *t, const uint8_t *guid, uint32_t bytes,
                         uint32_t flags)
{
    uint8_t *e = t->region + 32 + t->n++ * 32;
    uint8_t *data = t->region + t->at;

    memcpy(e, guid, GUID_BYTES);
    put32(e + 16, t->at);
    put32(e + 20, bytes);
    put32(e + 24, flags);
    t->at += (bytes + 7) & ~7u;
    put16(t->region + 10, (uint16_t)t->n);
    return data;
}

/* One pair of the locator; texts grow behind the entries. */
static uint32_t add_pair(uint8_t *locator, uint32_t index, uint32_t at,
                         const char *key, const char *value)
{
    uint8_t *e = locator + 20 + (uint64_t)index * 12;
    int32_t k = vhdx_to_utf16(key, locator + at, 128);
    int32_t d =
        k < 0 ? -1 : vhdx_to_utf16(value, locator + at + k, 2 * MAX_NAME + 128);

    if (d < 0)
        return 0;
    put32(e, at);
    put32(e + 4, at + (uint32_t)k);
    put16(e + 8, (uint16_t)k);
    put16(e + 10, (uint16_t)d);
    return at + (uint32_t)(k + d);
}

static int32_t fill_locator(struct plan *p, uint8_t *locator, uint32_t *bytes)
{
    char name[MAX_NAME + 8], id[40];
    uint32_t at = 20 + 2 * 12;

    snprintf(id, sizeof id, "{%s}", p->c->backing_id);
    snprintf(name, sizeof name, "%s%s", p->c->backing[0] == '/' ? "" : "./",
             p->c->backing);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '\\';
    memcpy(locator, vhdx_guid_locator_vhdx, GUID_BYTES);
    put16(locator + 18, 2);
    at = add_pair(locator, 0, at, "parent_linkage", id);
    if (at)
        at = add_pair(locator, 1, at, "relative_path", name);
    *bytes = at;
    return at ? 0
              : tn_fail(p->v->host, p->error, -EINVAL,
                        "the backing file's name is not UTF-8");
}

static int32_t fill_metadata(struct plan *p, struct table *t)
{
    struct vhdx *v = p->v;
    uint8_t *d, locator[8192] = {0};
    uint32_t bytes = 0;
    int32_t rc;

    memcpy(t->region, "metadata", 8);
    d = add_item(t, vhdx_guid_parameters, 8, FLAG_REQUIRED);
    put32(d, v->block);
    put32(d + 4, v->leave_allocated | v->has_parent << 1);
    put64(add_item(t, vhdx_guid_size, 8, FLAG_REQUIRED | FLAG_DISK), v->bytes);
    rc = vhdx_new_guid(
        add_item(t, vhdx_guid_page83, 16, FLAG_REQUIRED | FLAG_DISK));
    put32(add_item(t, vhdx_guid_logical, 4, FLAG_REQUIRED | FLAG_DISK),
          v->logical);
    put32(add_item(t, vhdx_guid_physical, 4, FLAG_REQUIRED | FLAG_DISK),
          v->physical);
    if (rc == 0 && v->has_parent)
        rc = fill_locator(p, locator, &bytes);
    if (rc == 0 && v->has_parent)
        memcpy(add_item(t, vhdx_guid_locator, bytes, FLAG_REQUIRED), locator,
               bytes);
    return rc;
}

static int32_t write_metadata(struct plan *p)
{
    struct vhdx *v = p->v;
    struct table t = {.at = METADATA_TABLE_BYTES};
    int32_t rc;

    t.region = v->image->allocate(v->host, 2 * METADATA_TABLE_BYTES);
    if (!t.region)
        return -ENOMEM;
    rc = fill_metadata(p, &t);
    if (rc == 0)
        rc = v->image->pwrite(v->host, 0, v->metadata.offset, t.region,
                              2 * METADATA_TABLE_BYTES);
    v->image->free(v->host, t.region);
    return rc;
}

/* ---- the BAT ---- */

static uint64_t first_entry(const struct plan *p, uint64_t index)
{
    const struct vhdx *v = p->v;
    uint64_t block = index - index / (v->chunk_ratio + 1);

    if (index % (v->chunk_ratio + 1) == v->chunk_ratio)
        return BITMAP_NOT_PRESENT;
    if (p->fixed)
        return (p->data + block * v->block) | BLOCK_PRESENT;
    return p->zero_state && !v->has_parent ? BLOCK_ZERO : BLOCK_NOT_PRESENT;
}

static int32_t write_bat(struct plan *p)
{
    struct vhdx *v = p->v;
    uint64_t index = 0;
    uint8_t *piece;
    int32_t rc = 0;

    if (!p->fixed && (!p->zero_state || v->has_parent))
        return 0; /* the file reads as zeroes there */
    piece = v->image->allocate(v->host, PIECE);
    if (!piece)
        return -ENOMEM;
    while (rc == 0 && index < v->n_entries) {
        uint64_t start = index, n = 0;

        for (; n < PIECE / 8 && index < v->n_entries; n++, index++)
            put64(piece + n * 8, first_entry(p, index));
        rc = v->image->pwrite(v->host, 0, v->bat.offset + start * 8, piece,
                              n * 8);
    }
    v->image->free(v->host, piece);
    return rc;
}

static int32_t write_image(struct plan *p)
{
    struct vhdx *v = p->v;
    uint64_t end = p->data;
    int32_t rc;

    if (p->fixed)
        end += v->n_blocks * v->block;
    rc = v->image->set_length(v->host, 0, end, p->error);
    if (rc == 0)
        rc = write_headers(p);
    if (rc == 0)
        rc = write_regions(p);
    if (rc == 0)
        rc = write_metadata(p);
    if (rc == 0)
        rc = write_bat(p);
    if (rc == 0)
        rc = v->image->flush(v->host);
    return rc < 0 ? rc : write_id(p);
}

int32_t vhdx_create(void *self, const struct tn_create *create,
                    struct tn_error *error)
{
    struct vhdx *v = self;
    struct plan p = {.c = create, .v = v, .error = error};
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    rc = read_options(&p);
    if (rc == 0)
        rc = check_parent(&p);
    if (rc < 0)
        return rc;
    vhdx_geometry(v);
    v->metadata = (struct vhdx_region){MIB + p.log_bytes, (uint32_t)MIB};
    v->bat.offset = v->metadata.offset + v->metadata.bytes;
    v->bat.bytes = (uint32_t)round_up(v->n_entries * 8, MIB);
    if (!v->bat.bytes)
        v->bat.bytes = (uint32_t)MIB;
    p.data = v->bat.offset + v->bat.bytes;
    return write_image(&p);
}
