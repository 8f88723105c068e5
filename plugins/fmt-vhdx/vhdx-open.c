/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and region tables ([MS-VHDX] 2.2), opening and closing. */
#include "vhdx.h"

#include <errno.h>
#include <stdio.h>

#define MAX_REGIONS 2047u
#define R_COUNT 8
#define R_ENTRIES 16
#define R_ENTRY 32u

uint32_t vhdx_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    return bytes >= 8 && !memcmp(header, FILE_ID, 8) ? 100 : 0;
}

static int header_is_valid(const uint8_t *h)
{
    return get32(h) == SIGNATURE_HEADER &&
           vhdx_checksum(h, PAGE, H_CHECKSUM) == get32(h + H_CHECKSUM);
}

/* The valid header with the higher sequence number counts. */
static int32_t read_header(struct vhdx *v, struct tn_error *error)
{
    uint8_t other[PAGE];
    int first, second;
    int32_t rc = v->image->pread(v->host, 0, HEADER_PLACE(0), v->header, PAGE);

    if (rc == 0)
        rc = v->image->pread(v->host, 0, HEADER_PLACE(1), other, PAGE);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the headers cannot be read");
    first = header_is_valid(v->header);
    second = header_is_valid(other);
    if (!first && !second)
        return vhdx_bad(v, error, "neither header is valid");
    v->current = second && (!first || get64(other + H_SEQUENCE) >
                                          get64(v->header + H_SEQUENCE));
    if (v->current)
        memcpy(v->header, other, PAGE);
    if (get16(v->header + H_VERSION) != 1)
        return tn_fail(v->host, error, -ENOTSUP, "VHDX version %u",
                       get16(v->header + H_VERSION));
    return 0;
}

static int table_is_valid(const uint8_t *t)
{
    return get32(t) == SIGNATURE_REGIONS && get32(t + R_COUNT) <= MAX_REGIONS &&
           vhdx_checksum(t, REGIONS_BYTES, 4) == get32(t + 4);
}

static int32_t parse_region(struct vhdx *v, const uint8_t *e, uint32_t index,
                            struct tn_error *error)
{
    struct vhdx_region r = {get64(e + 16), get32(e + 24)};

    if (r.offset < MIB || r.offset % MIB || r.bytes % MIB || !r.bytes ||
        r.offset > 4 * MAX_BYTES)
        return vhdx_bad(v, error, "a region is out of place");
    if (!memcmp(e, vhdx_guid_bat, GUID_BYTES) && !v->bat.bytes) {
        v->bat = r;
        v->bat_index = index;
    } else if (!memcmp(e, vhdx_guid_metadata, GUID_BYTES) &&
               !v->metadata.bytes) {
        v->metadata = r;
        v->metadata_index = index;
    } else if (get32(e + 28) & 1) {
        return tn_fail(v->host, error, -ENOTSUP,
                       "the image needs a region of an unknown kind");
    }
    return 0;
}

static int overlap(const struct vhdx_region *a, const struct vhdx_region *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static int32_t parse_regions(struct vhdx *v, const uint8_t *t,
                             struct tn_error *error)
{
    int32_t rc = 0;

    v->n_regions = get32(t + R_COUNT);
    for (uint32_t i = 0; rc == 0 && i < v->n_regions; i++)
        rc = parse_region(v, t + R_ENTRIES + i * R_ENTRY, i, error);
    if (rc < 0)
        return rc;
    if (!v->bat.bytes || !v->metadata.bytes)
        return vhdx_bad(v, error, "a region that must be there is missing");
    if (overlap(&v->bat, &v->metadata) || overlap(&v->bat, &v->log) ||
        overlap(&v->log, &v->metadata))
        return vhdx_bad(v, error, "its regions overlap");
    return 0;
}

static int32_t read_regions(struct vhdx *v, struct tn_error *error)
{
    uint8_t *t = v->image->allocate(v->host, REGIONS_BYTES);
    int32_t rc = t ? 0 : -ENOMEM;
    uint32_t i;

    for (i = 0; rc == 0 && i < 2; i++) {
        rc = vhdx_pread(v, REGIONS_PLACE(i), t, REGIONS_BYTES);
        if (rc == 0 && table_is_valid(t))
            break;
    }
    if (rc == 0)
        rc = i < 2 ? parse_regions(v, t, error)
                   : vhdx_bad(v, error, "neither region table is valid");
    v->image->free(v->host, t);
    return rc;
}

void vhdx_geometry(struct vhdx *v)
{
    v->chunk_ratio = SECTORS_PER_BITMAP * v->logical / v->block;
    v->n_blocks = ceil_div(v->bytes, v->block);
    v->n_entries =
        v->has_parent
            ? ceil_div(v->n_blocks, v->chunk_ratio) * (v->chunk_ratio + 1)
            : v->n_blocks +
                  (v->n_blocks ? (v->n_blocks - 1) / v->chunk_ratio : 0);
}

static void describe_info(const struct vhdx *v, struct tn_image_info *info)
{
    info->bytes = v->bytes;
    info->cluster_bytes = v->block;
    info->change_bytes = v->block;
    info->block_bytes = v->logical;
    info->flags = TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD |
                  TN_FORMAT_TRACKS_WRITES | TN_FORMAT_BACKING;
    if (v->n_replayed)
        info->flags |= TN_FORMAT_DIRTY;
    vhdx_guid_text(v->header + H_DATA_WRITE_GUID, info->content_id);
    snprintf(info->format_version, sizeof info->format_version, "vhdx v1 %s",
             v->has_parent        ? "differencing"
             : v->leave_allocated ? "fixed"
                                  : "dynamic");
}

static int32_t open_image(struct vhdx *v, struct tn_image_info *info,
                          struct tn_error *error)
{
    uint8_t id[8];
    int32_t rc = v->image->pread(v->host, 0, FILE_ID_PLACE, id, 8);

    if (rc == 0 && memcmp(id, FILE_ID, 8))
        return vhdx_bad(v, error, "it does not begin with " FILE_ID);
    if (rc == 0)
        rc = v->image->set_block(v->host, PAGE);
    if (rc == 0)
        rc = read_header(v, error);
    if (rc == 0)
        rc = vhdx_log_open(v, error);
    if (rc == 0)
        rc = read_regions(v, error);
    if (rc == 0)
        rc = vhdx_read_metadata(v, info, error);
    if (rc < 0)
        return rc;
    vhdx_geometry(v);
    if (v->n_entries * 8 > v->bat.bytes)
        return vhdx_bad(v, error, "the BAT is too small for the disk");
    if (!v->writable)
        return 0;
    rc = vhdx_pages_init(v);
    return rc < 0 ? rc : vhdx_space_init(v, error);
}

int32_t vhdx_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error)
{
    struct vhdx *v = self;
    int32_t rc;

    v->image = tn_service(v->host, TN_HOST_IMAGE);
    v->writable = flags & TN_IMAGE_WRITABLE;
    v->stable_length = v->image->length(v->host, 0);
    rc = open_image(v, info, error);
    if (rc < 0) {
        v->writable = 0;
        vhdx_close(v);
        return rc;
    }
    v->stable_length = v->image->length(v->host, 0);
    v->data_guid_new = (flags & TN_IMAGE_KEEP_ID) != 0;
    describe_info(v, info);
    return 0;
}

/* Everything is in its place: the file gets the length that it should have,
 * and the log is not needed any more. If it is not so the log stays. */
static void settle(struct vhdx *v)
{
    uint64_t length = v->image->length(v->host, 0);
    struct tn_error *none = NULL;
    int32_t rc = v->image->flush(v->host);

    if (rc < 0 || v->n_pages || !v->log_in_header)
        return;
    if (length < v->end)
        rc = v->image->set_length(v->host, 0, v->end, none);
    if (rc == 0 && length < v->end)
        rc = v->image->flush(v->host);
    if (rc == 0)
        rc = vhdx_finish(v);
    if (rc == 0 && v->used && vhdx_last_used(v) < v->image->length(v->host, 0))
        (void)v->image->set_length(v->host, 0, vhdx_last_used(v), none);
}

void vhdx_close(void *self)
{
    struct vhdx *v = self;
    struct tn_host *host = v->host;

    if (v->writable)
        settle(v);
    vhdx_pages_free(v);
    v->image->free(v->host, v->used);
    memset(v, 0, sizeof *v);
    v->host = host;
}
