/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streamOptimized extents (specification, "Stream-Optimized Compressed Sparse
 * Extents"): grains as zlib streams behind markers, each table after its
 * grains, and at the end the directory and the header again, as a footer.
 *
 * encode() and decode() run on workers.
 */
#include "vmdk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#define LEVEL 6

/* ---- one grain ---- */

#ifdef HAVE_LIBDEFLATE

static int64_t deflate_bytes(const void *data, uint64_t bytes, void *out,
                             uint64_t room)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);
    size_t n;

    if (!c)
        return -ENOMEM;
    n = libdeflate_zlib_compress(c, data, bytes, out, room);
    libdeflate_free_compressor(c);
    return n ? (int64_t)n : -ENOSPC;
}

#else

static int64_t deflate_bytes(const void *data, uint64_t bytes, void *out,
                             uint64_t room)
{
    uLongf n = (uLongf)room;

    return compress2(out, &n, data, (uLong)bytes, LEVEL) == Z_OK
               ? (int64_t)n
               : -ENOSPC;
}

#endif

/* The whole grain, or as much of it as there is room for. */
static int32_t inflate_bytes(const void *stored, uint64_t stored_bytes,
                             void *data, uint64_t bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stored,
                  .avail_in = (uInt)stored_bytes,
                  .next_out = data,
                  .avail_out = (uInt)bytes};
    int status;

    if (inflateInit(&z) != Z_OK)
        return -ENOMEM;
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (status != Z_STREAM_END && z.avail_out != 0)
        return -EIO;
    if (z.avail_out)
        memset((uint8_t *)data + (bytes - z.avail_out), 0, z.avail_out);
    return 0;
}

#ifdef HAVE_LIBDEFLATE
/* Faster, but only for a stream that ends with its bytes. */
static int inflate_at_once(const void *stored, uint64_t stored_bytes,
                           void *data, uint64_t bytes)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    enum libdeflate_result result;

    if (!d)
        return 0;
    result = libdeflate_zlib_decompress(d, stored, stored_bytes, data, bytes,
                                        NULL);
    libdeflate_free_decompressor(d);
    return result == LIBDEFLATE_SUCCESS;
}
#endif

int32_t vmdk_decode(void *self, const struct tn_extent *e, const void *stored,
                    uint64_t stored_bytes, void *data)
{
    const uint8_t *from = stored;

    (void)self;
    if (e->codec == 1) {
        uint32_t size;

        if (stored_bytes < MARKER_BYTES)
            return -EIO;
        size = get_le32(from + 8);
        if (size == 0 || size > stored_bytes - MARKER_BYTES)
            return -EIO;
        from += MARKER_BYTES;
        stored_bytes = size;
#ifdef HAVE_LIBDEFLATE
        if (inflate_at_once(from, stored_bytes, data, e->unit_bytes))
            return 0;
#endif
    }
    return inflate_bytes(from, stored_bytes, data, e->unit_bytes);
}

int64_t vmdk_encode(void *self, const struct tn_encode *u)
{
    struct vmdk *v = self;
    uint64_t grain = v->extents[0].grain;
    uint8_t *out = u->stored, *whole = NULL;
    int64_t n;

    if (u->bytes < grain) { /* the disk's last */
        whole = calloc(1, grain);
        if (!whole)
            return -ENOMEM;
        memcpy(whole, u->data, u->bytes);
    }
    n = deflate_bytes(whole ? whole : u->data, grain, out + MARKER_BYTES,
                      u->room - MARKER_BYTES);
    free(whole);
    if (n < 0)
        return n;
    put_le64(out, u->offset / VMDK_SECTOR);
    put_le32(out + 8, (uint32_t)n);
    return n + MARKER_BYTES;
}

/* ---- the order of things ---- */

static void fill_marker(uint8_t *marker, uint64_t sectors, uint32_t type)
{
    memset(marker, 0, VMDK_SECTOR);
    put_le64(marker, sectors);
    put_le32(marker + MARKER_BYTES, type);
}

/* Whole units: nothing here waits. */
static int32_t put_units(struct vmdk *v, struct extent *x, const void *data,
                         uint64_t bytes)
{
    const uint8_t *from = data;
    int32_t rc = 0;

    for (uint64_t i = 0; rc == 0 && i < bytes; i += VMDK_UNIT)
        rc = v->image->write(v->host, x->file, x->end + i, VMDK_UNIT,
                             from + i);
    if (rc == 0)
        x->end += bytes;
    return rc;
}

static int32_t put_table(struct vmdk *v, struct extent *x)
{
    struct stream *s = &v->stream;
    uint64_t bytes = vmdk_round_up((uint64_t)x->gtes * 4, VMDK_SECTOR);
    uint8_t marker[VMDK_SECTOR];
    int32_t rc;

    if (s->n_entries == 0)
        return 0;
    fill_marker(marker, bytes / VMDK_SECTOR, MARKER_GT);
    rc = put_units(v, x, marker, sizeof marker);
    if (rc < 0)
        return rc;
    x->gd[s->table] = x->end;
    rc = put_units(v, x, s->entries, bytes);
    memset(s->entries, 0, bytes);
    s->n_entries = 0;
    return rc;
}

static int32_t begin(struct vmdk *v, struct extent *x)
{
    const void *data;
    int32_t rc = v->image->read(v->host, x->file, 0, VMDK_SECTOR, &data);

    if (rc < 0)
        return rc;
    /* Over the empty directory and its footer. */
    x->end = get_le64((const uint8_t *)data + H_OVERHEAD) * VMDK_SECTOR;
    if (x->end < VMDK_SECTOR || x->end > 1ull << 40)
        return -EIO;
    v->stream.active = 1;
    return 0;
}

int32_t vmdk_stream_allocate(struct vmdk *v, uint64_t offset, uint64_t bytes,
                             struct tn_allocation *a)
{
    struct stream *s = &v->stream;
    struct extent *x = &v->extents[0];
    uint64_t grain = offset / x->grain;
    int32_t rc = 0;

    if (s->broken || offset < s->next || offset % x->grain)
        return -ENOTSUP;
    if (!s->active)
        rc = begin(v, x);
    if (rc == 0 && grain / x->gtes != s->table)
        rc = put_table(v, x);
    if (rc < 0)
        return rc;
    if (x->end + a->stored >= 0xffffffffull * VMDK_SECTOR)
        return -EFBIG;
    s->table = grain / x->gtes;
    put_le32(s->entries + grain % x->gtes * 4,
             (uint32_t)(x->end / VMDK_SECTOR));
    s->n_entries++;
    s->next = offset + bytes;
    a->file = x->file;
    a->flags = 0;
    a->fresh = 1;
    a->offset = offset;
    a->bytes = bytes;
    a->at = x->end;
    memset(a->plugin, 0, sizeof a->plugin);
    x->end += vmdk_round_up(a->stored, VMDK_SECTOR);
    return 0;
}

/* The directory's sectors, in pieces. */
static int32_t put_directory(struct vmdk *v, struct extent *x)
{
    uint64_t bytes = vmdk_round_up(x->n_tables * 4, VMDK_SECTOR);
    uint8_t *raw = v->image->allocate(v->host, bytes);
    int32_t rc = raw ? 0 : -ENOMEM;

    for (uint64_t i = 0; rc == 0 && i < x->n_tables; i++)
        put_le32(raw + i * 4, (uint32_t)(x->gd[i] / VMDK_SECTOR));
    if (rc == 0)
        rc = v->image->pwrite(v->host, x->file, x->end, raw, bytes);
    v->image->free(v->host, raw);
    if (rc == 0)
        x->end += bytes;
    return rc;
}

int32_t vmdk_stream_finish(struct vmdk *v, struct extent *x,
                           const uint8_t *header)
{
    uint8_t tail[4 * VMDK_SECTOR];
    uint64_t gd_bytes = vmdk_round_up(x->n_tables * 4, VMDK_SECTOR);
    int32_t rc = v->stream.entries ? put_table(v, x) : 0;

    fill_marker(tail, gd_bytes / VMDK_SECTOR, MARKER_GD);
    if (rc == 0)
        rc = v->image->pwrite(v->host, x->file, x->end, tail, VMDK_SECTOR);
    x->end += VMDK_SECTOR;
    x->gd_at = x->end;
    if (rc == 0)
        rc = put_directory(v, x);
    if (rc < 0)
        return rc;
    fill_marker(tail, 1, MARKER_FOOTER);
    memcpy(tail + VMDK_SECTOR, header, VMDK_SECTOR);
    put_le64(tail + VMDK_SECTOR + H_GD, x->gd_at / VMDK_SECTOR);
    fill_marker(tail + 2 * VMDK_SECTOR, 0, MARKER_EOS);
    rc = v->image->pwrite(v->host, x->file, x->end, tail, 3 * VMDK_SECTOR);
    x->end += 3 * VMDK_SECTOR;
    /* A longer image was here before, or nothing. */
    return rc < 0 ? rc
                  : v->image->set_length(v->host, x->file, x->end, NULL);
}
