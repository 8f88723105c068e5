/* SPDX-License-Identifier: Apache-2.0 */
/* The header, opening, closing and new images. */
#include "parallels.h"

#include <errno.h>
#include <stdio.h>

#define PIECE_ENTRIES 16384u
#define MAX_CLUSTER (256ull << 20)

static int is_ext(const uint8_t *header)
{
    return !memcmp(header, MAGIC_EXT, MAGIC_BYTES);
}

uint32_t parallels_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    if (bytes < HEADER_BYTES ||
        (!is_ext(header) && memcmp(header, MAGIC, MAGIC_BYTES)))
        return 0;
    return get32(header + H_VERSION) == VERSION ? 100 : 0;
}

static int32_t bad(struct parallels *p, struct tn_error *error,
                   const char *what)
{
    return tn_fail(p->host, error, -EINVAL, "not a valid Parallels image: %s",
                   what);
}

static int32_t parse_header(struct parallels *p, struct tn_error *error)
{
    const uint8_t *h = p->header;
    uint64_t sectors = get64(h + H_SECTORS), bat_end;

    if (!parallels_probe(h, HEADER_BYTES, 0))
        return bad(p, error, "the header's magic or version is unknown");
    p->cluster = get32(h + H_TRACKS) * SECTOR;
    if (!p->cluster || p->cluster > MAX_CLUSTER)
        return bad(p, error, "the cluster size is out of range");
    p->multiplier = is_ext(h) ? p->cluster : SECTOR;
    if (!is_ext(h)) /* its upper half is not defined */
        sectors &= 0xffffffffull;
    if (sectors > (uint64_t)INT64_MAX / SECTOR)
        return bad(p, error, "the disk is too large");
    p->bytes = sectors * SECTOR;
    p->entries = get32(h + H_ENTRIES);
    if (p->entries < ceil_div(p->bytes, p->cluster))
        return bad(p, error, "its table is too small for the disk");
    bat_end = HEADER_BYTES + p->entries * 4;
    p->data = get32(h + H_DATA) * SECTOR;
    if (!p->data)
        p->data = ceil_div(bat_end, SECTOR) * SECTOR;
    if (p->data < bat_end || bat_end > p->image->length(p->host, 0))
        return bad(p, error, "its table is out of place");
    if (is_ext(h)) /* entries cannot say anything else */
        p->data = ceil_div(p->data, p->cluster) * p->cluster;
    return 0;
}

/* ---- for writing ---- */

static int32_t mark_used(struct parallels *p)
{
    uint8_t *piece = p->image->allocate(p->host, PIECE_ENTRIES * 4);
    uint64_t length = p->image->length(p->host, 0), i = 0;
    int32_t rc = piece ? 0 : -ENOMEM;

    while (rc == 0 && i < p->entries) {
        uint64_t n = p->entries - i;

        if (n > PIECE_ENTRIES)
            n = PIECE_ENTRIES;
        rc = p->image->pread(p->host, 0, HEADER_BYTES + i * 4, piece, n * 4);
        for (uint64_t k = 0; rc == 0 && k < n; k++, i++) {
            uint64_t place = get32(piece + k * 4) * p->multiplier;

            if (place && parallels_place_is_good(p, place, length))
                parallels_mark(p, p->used, place, 1);
        }
    }
    p->image->free(p->host, piece);
    return rc;
}

int32_t parallels_write_header(struct parallels *p)
{
    int32_t rc = p->image->pwrite(p->host, 0, 0, p->header, HEADER_BYTES);

    return rc < 0 ? rc : p->image->flush(p->host);
}

/* An extension has dirty bitmaps, which would be wrong after a write that they
 * do not know of: without them a backup is complete. */
static int32_t drop_extension(struct parallels *p)
{
    if (!get64(p->header + H_EXTENSION))
        return 0;
    tn_logf(p->host, TN_LOG_WARNING,
            "the image's dirty bitmaps are given up: it is written to");
    put64(p->header + H_EXTENSION, 0);
    return parallels_write_header(p);
}

static int32_t prepare_writing(struct parallels *p, uint32_t flags,
                               struct tn_error *error)
{
    uint64_t length = p->image->length(p->host, 0);
    struct tn_check check = {.size = sizeof check, .repair = 2};
    int32_t rc;

    p->slots = p->entries + 1;
    if (length > p->data)
        p->slots += ceil_div(length - p->data, p->cluster);
    p->used = p->image->allocate(p->host, p->slots / 8 + 1);
    if (!p->used)
        return tn_fail(p->host, error, -ENOMEM,
                       "no memory for a file of so many clusters");
    rc = mark_used(p);
    if (rc == 0)
        rc = drop_extension(p);
    if (rc == 0 && get32(p->header + H_IN_USE) == IN_USE &&
        !(flags & TN_IMAGE_CHECK)) {
        tn_logf(p->host, TN_LOG_WARNING,
                "the image was not closed cleanly: it is checked now");
        rc = parallels_check(p, &check, error);
    }
    return rc;
}

static void describe_info(const struct parallels *p, struct tn_image_info *info)
{
    info->bytes = p->bytes;
    info->cluster_bytes = (uint32_t)p->cluster;
    info->change_bytes = (uint32_t)p->cluster;
    info->flags = TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
    if (get32(p->header + H_IN_USE) == IN_USE)
        info->flags |= TN_FORMAT_DIRTY;
    snprintf(info->format_version, sizeof info->format_version, "%.16s",
             (const char *)p->header);
}

int32_t parallels_open(void *self, uint32_t flags, struct tn_image_info *info,
                       struct tn_error *error)
{
    struct parallels *p = self;
    int32_t rc;

    p->image = tn_service(p->host, TN_HOST_IMAGE);
    p->writable = flags & TN_IMAGE_WRITABLE;
    rc = p->image->pread(p->host, 0, 0, p->header, HEADER_BYTES);
    if (rc < 0)
        return tn_fail(p->host, error, rc, "the header cannot be read");
    rc = parse_header(p, error);
    if (rc == 0)
        rc = p->image->set_block(p->host, UNIT);
    if (rc == 0 && p->writable)
        rc = prepare_writing(p, flags, error);
    if (rc < 0) {
        p->writable = 0;
        parallels_close(p);
        return rc;
    }
    describe_info(p, info);
    return 0;
}

/* The file ends with the last cluster that is in use. */
static void settle(struct parallels *p)
{
    uint64_t end = p->end, bytes;

    while (end > 0 && !(p->used[(end - 1) / 8] >> ((end - 1) % 8) & 1))
        end--;
    bytes = p->data + end * p->cluster;
    if (p->image->flush(p->host) == 0 && bytes < p->image->length(p->host, 0))
        (void)p->image->set_length(p->host, 0, bytes, NULL);
}

void parallels_close(void *self)
{
    struct parallels *p = self;

    if (p->writable && p->changed)
        settle(p);
    p->image->free(p->host, p->used);
    p->used = NULL;
    p->slots = p->end = p->hint = 0;
    p->changed = 0;
}

/* ---- a new image ---- */

/* Nothing uses the geometry; it is that of a disk of such a size. */
static void put_geometry(uint8_t *h, uint64_t sectors)
{
    uint64_t heads = 16, per_track = sectors > 1008 * 16 * 63 ? 63 : 32;
    uint64_t cylinders = sectors / heads / per_track;

    put32(h + H_HEADS, (uint32_t)heads);
    put32(h + H_CYLINDERS,
          (uint32_t)(cylinders > UINT32_MAX ? UINT32_MAX : cylinders));
}

int32_t parallels_create(void *self, const struct tn_create *c,
                         struct tn_error *error)
{
    struct parallels *p = self;
    const struct tn_props *props = tn_service(p->host, TN_HOST_PROPS);
    uint64_t sectors = ceil_div(c->bytes, SECTOR), entries, data;
    uint8_t *h = p->header;
    int32_t rc;

    p->image = tn_service(p->host, TN_HOST_IMAGE);
    p->cluster = props->get_uint(p->host, "cluster-size");
    if (!p->cluster || p->cluster % SECTOR || p->cluster > MAX_CLUSTER)
        return tn_fail(p->host, error, -EINVAL,
                       "cluster-size must be a multiple of 512, up to 256M");
    if (c->backing)
        return tn_fail(p->host, error, -ENOTSUP,
                       "Parallels images do not name a backing image");
    entries = ceil_div(sectors * SECTOR, p->cluster);
    data = ceil_div(HEADER_BYTES + entries * 4, p->cluster) * p->cluster;
    if (entries > 1u << 30 || data / SECTOR > UINT32_MAX)
        return tn_fail(p->host, error, -EINVAL,
                       "the disk is too large for clusters of %llu bytes",
                       (unsigned long long)p->cluster);
    memset(h, 0, HEADER_BYTES);
    memcpy(h, MAGIC_EXT, MAGIC_BYTES);
    put32(h + H_VERSION, VERSION);
    put_geometry(h, sectors);
    put32(h + H_TRACKS, (uint32_t)(p->cluster / SECTOR));
    put32(h + H_ENTRIES, (uint32_t)entries);
    put64(h + H_SECTORS, sectors);
    put32(h + H_DATA, (uint32_t)(data / SECTOR));
    rc = p->image->set_length(p->host, 0, data, error);
    return rc < 0 ? rc : parallels_write_header(p);
}
