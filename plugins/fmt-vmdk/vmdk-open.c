/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: the descriptor and the extents. */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t vmdk_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    if (bytes < VMDK_SECTOR && !vmdk_is_descriptor(header, bytes))
        return 0;
    if (bytes >= VMDK_SECTOR && (get_le32(header) == VMDK_MAGIC ||
                                 get_le32(header) == COWD_MAGIC))
        return 100;
    return vmdk_is_descriptor(header, bytes) ? 100 : 0;
}

/* ---- one file ---- */

static int32_t open_monolithic(struct vmdk *v, const uint8_t *header,
                               struct tn_error *error)
{
    int32_t rc = vmdk_find_text(v, header);

    if (rc < 0)
        return tn_fail(v->host, error, rc, "the descriptor cannot be read");
    v->parent_cid = NO_PARENT;
    if (v->text && v->text[0])
        rc = vmdk_parse(v, 0, error);
    if (rc < 0)
        return rc;
    if (!v->create_type[0])
        strcpy(v->create_type, get_le32(header) == COWD_MAGIC
                                   ? "vmfsSparse"
                                   : "monolithicSparse");
    v->extents = v->image->allocate(v->host, sizeof *v->extents);
    if (!v->extents)
        return -ENOMEM;
    v->n_extents = 1;
    v->extents[0].kind = EXTENT_SPARSE;
    v->extents[0].writable = 1;
    rc = vmdk_open_sparse(v, &v->extents[0], error);
    v->bytes = v->extents[0].bytes;
    return rc;
}

/* ---- a descriptor file ---- */

static int32_t open_extent(struct vmdk *v, struct extent *x, uint32_t flags,
                           struct tn_error *error)
{
    uint64_t length;
    int32_t rc;

    if (x->kind == EXTENT_ZERO)
        return 0;
    if (!x->writable)
        flags &= ~TN_IMAGE_WRITABLE;
    rc = v->image->add_file(v->host, x->name, flags, error);
    if (rc < 0)
        return rc;
    x->file = (uint32_t)rc;
    if (x->kind != EXTENT_FLAT)
        return vmdk_open_sparse(v, x, error);
    length = v->image->length(v->host, x->file);
    if (x->at > length || length - x->at < x->bytes)
        return tn_fail(v->host, error, -EINVAL,
                       "%s: the file is shorter than the extent", x->name);
    return 0;
}

static int32_t open_descriptor(struct vmdk *v, uint32_t flags,
                               struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc;

    if (length > MAX_DESCRIPTOR)
        return tn_fail(v->host, error, -EINVAL,
                       "not a sound VMDK image: the descriptor is too long");
    v->text = v->image->allocate(v->host, length + 1);
    if (!v->text)
        return -ENOMEM;
    rc = v->image->pread(v->host, 0, 0, v->text, length);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the descriptor cannot be read");
    if (!vmdk_is_descriptor((uint8_t *)v->text, length))
        return tn_fail(v->host, error, -EINVAL,
                       "neither a VMDK header nor a descriptor");
    v->text_file = 1;
    v->text_length = length;
    v->text_room = MAX_DESCRIPTOR;
    rc = vmdk_parse(v, 1, error);
    for (uint32_t i = 0; rc == 0 && i < v->n_extents; i++)
        rc = open_extent(v, &v->extents[i], flags, error);
    return rc;
}

/* ---- both ---- */

static int stream_is_empty(const struct extent *x)
{
    for (uint64_t i = 0; i < x->n_tables; i++)
        if (x->gd[i])
            return 0;
    return 1;
}

static int32_t prepare_extent(struct vmdk *v, struct extent *x,
                              struct tn_error *error)
{
    if (!vmdk_is_sparse(x))
        return 0;
    if (x->kind == EXTENT_SESPARSE)
        return tn_fail(v->host, error, -ENOTSUP,
                       "seSparse images can only be read");
    if (x->start % x->grain)
        return tn_fail(v->host, error, -ENOTSUP,
                       "%s: the extent does not begin with a grain", x->name);
    if (!(x->flags & FLAG_COMPRESSED))
        return 0;
    if (v->n_extents > 1 || !(x->flags & FLAG_MARKERS) ||
        !stream_is_empty(x))
        return tn_fail(v->host, error, -ENOTSUP,
                       "a streamOptimized image is written once, from "
                       "beginning to end: convert it to another subformat");
    v->sequential = 1;
    v->stream.entries = v->image->allocate(
        v->host, vmdk_round_up((uint64_t)x->gtes * 4, VMDK_SECTOR));
    return v->stream.entries ? 0 : -ENOMEM;
}

static void fill_info(const struct vmdk *v, struct tn_image_info *info)
{
    uint32_t in_place = 1, compressed = 0;

    info->bytes = v->bytes;
    for (uint32_t i = 0; i < v->n_extents; i++) {
        const struct extent *x = &v->extents[i];

        in_place &= x->kind == EXTENT_FLAT && x->writable;
        if (!vmdk_is_sparse(x))
            continue;
        compressed |= x->flags & FLAG_COMPRESSED;
        if (x->grain > info->cluster_bytes)
            info->cluster_bytes = (uint32_t)x->grain;
    }
    info->flags |= TN_FORMAT_TRACKS_WRITES;
    if (in_place)
        info->flags |= TN_FORMAT_IN_PLACE;
    else if (!info->cluster_bytes)
        info->cluster_bytes = 65536;
    if (compressed)
        info->flags |= TN_FORMAT_COMPRESSED;
    if (!in_place && !compressed) {
        info->flags |= TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
        info->change_bytes = info->cluster_bytes;
    }
    if (v->sequential) {
        info->flags |= TN_FORMAT_COMPRESSES | TN_FORMAT_SEQUENTIAL;
        info->compress_bytes = (uint32_t)v->extents[0].grain;
    }
    if (v->text)
        snprintf(info->content_id, sizeof info->content_id, "%08x", v->cid);
    snprintf(info->format_version, sizeof info->format_version, "%.31s",
             v->create_type);
    if (v->parent_cid == NO_PARENT)
        return;
    info->flags |= TN_FORMAT_BACKING;
    snprintf(info->backing, sizeof info->backing, "%s", v->parent);
    strcpy(info->backing_format, "vmdk");
    snprintf(info->backing_id, sizeof info->backing_id, "%08x", v->parent_cid);
}

int32_t vmdk_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error)
{
    struct vmdk *v = self;
    struct tn_host *host = v->host;
    uint8_t header[VMDK_SECTOR];
    int32_t rc;

    memset(v, 0, sizeof *v);
    v->host = host;
    v->image = tn_service(v->host, TN_HOST_IMAGE);
    v->writable = flags & TN_IMAGE_WRITABLE;
    v->keep_id = flags & TN_IMAGE_KEEP_ID;
    rc = v->image->set_block(v->host, VMDK_UNIT);
    if (rc == 0)
        rc = v->image->pread(v->host, 0, 0, header, sizeof header);
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the header cannot be read");
    if (get_le32(header) == VMDK_MAGIC || get_le32(header) == COWD_MAGIC)
        rc = open_monolithic(v, header, error);
    else
        rc = open_descriptor(v, flags, error);
    for (uint32_t i = 0; rc == 0 && v->writable && i < v->n_extents; i++)
        rc = prepare_extent(v, &v->extents[i], error);
    for (uint32_t i = 0; i < v->n_extents; i++)
        v->extents[i].shared_parent = v->parent_cid != NO_PARENT;
    if (rc < 0) {
        v->writable = 0;
        vmdk_close(v);
        return rc;
    }
    fill_info(v, info);
    return 0;
}

void vmdk_close(void *self)
{
    struct vmdk *v = self;
    uint32_t had_mark = v->marked;

    if (v->writable && v->stream.active && !v->stream.broken) {
        uint8_t header[VMDK_SECTOR];

        if (v->image->pread(v->host, 0, 0, header, sizeof header) == 0)
            (void)vmdk_stream_finish(v, &v->extents[0], header);
    }
    if (v->writable) {
        (void)vmdk_before_flush(v);
        if (v->text_file && (v->marked || had_mark)) {
            (void)v->image->flush(v->host);
            (void)v->image->set_length(v->host, 0, v->text_length, NULL);
        }
    }
    for (uint32_t i = 0; i < v->n_extents; i++) {
        v->image->free(v->host, v->extents[i].gd);
        v->image->free(v->host, v->extents[i].rgd);
        v->image->free(v->host, v->extents[i].free);
    }
    v->image->free(v->host, v->extents);
    v->image->free(v->host, v->text);
    v->image->free(v->host, v->stream.entries);
    v->extents = NULL;
    v->text = NULL;
    v->stream.entries = NULL;
    v->n_extents = 0;
}
