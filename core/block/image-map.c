/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an image's content is, through its whole chain; see image.h.
 */
#include "core/block/image.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int32_t image_map(struct block_node *node, uint64_t offset, uint64_t bytes,
                  struct tn_extent *extent)
{
    int32_t n;

    while ((n = node_map(node, offset, bytes, extent, 1)) == -EAGAIN)
        image_wait(node);
    return MIN(n, 0);
}

/* The units of CLUSTER bytes in use from which on there are clearly more than
 * have space on the disk, by two and by a tenth; 0 if that is not known. */
static uint64_t more_than_stored(const struct block_file *file,
                                 uint64_t cluster)
{
    struct stat st;
    uint64_t stored;

    if (!cluster || file->info.fd < 0 || fstat(file->info.fd, &st) ||
        !S_ISREG(st.st_mode))
        return 0;
    stored = (uint64_t)st.st_blocks * 512 / cluster;
    return MAX(stored * 10 / 9, stored + 2);
}

static gboolean has_holes(const struct block_file *file, uint64_t cluster)
{
    uint64_t enough = more_than_stored(file, cluster);

    return enough && file->length / cluster >= enough;
}

/* Was the image made with its metadata preallocated? */
static gboolean is_ahead(struct block_node *node, const struct block_file *file)
{
    uint64_t enough = more_than_stored(file, node->info.cluster_bytes), n = 0;
    int32_t rc = 0;

    if (node->ahead == NODE_AHEAD_UNKNOWN) {
        if (enough && file->length / node->info.cluster_bytes >= enough) {
            node->may_block = TRUE;
            rc = node->fmt.used(node->host.self, enough, &n);
            node->may_block = FALSE;
        }
        node->ahead = rc == 0 && enough && n >= enough ? NODE_AHEAD_YES
                                                       : NODE_AHEAD_NO;
    }
    return node->ahead == NODE_AHEAD_YES;
}

/* May there be holes under what the format says is data? Looking for one takes
 * the kernel longer than reading what is there. */
static gboolean may_be_hole(const struct image_extent *e,
                            const struct tn_extent *map,
                            enum image_status status)
{
    struct block_node *node = e->node;

    if (node->pass || map->flags & TN_EXTENT_FLAT)
        return TRUE;
    if (status == IMAGE_STATUS_HOLES)
        return has_holes(e->file, MAX(node->info.cluster_bytes, 1u << 16));
    return node->fmt.used && map->file == 0 && is_ahead(node, e->file);
}

/* Does the protocol know that there is a hole at the extent's bytes? */
static void ask_protocol(struct image_extent *e, const struct tn_extent *map,
                         enum image_status status)
{
    struct block_file *file = e->file;
    uint64_t bytes = 0, end = file->length;
    int32_t rc;

    if (!may_be_hole(e, map, status))
        return;
    if (status == IMAGE_STATUS_HOLES)
        end = (end + 511) & ~511ull;
    if (e->at >= end) { /* a raw image's last, partial sector */
        e->zero = TRUE;
        e->data = FALSE;
        return;
    }
    if (!file->ops.status) {
        e->bytes = MIN(e->bytes, end - e->at);
        return;
    }
    rc = file->ops.status(file->host.self, e->at, &bytes);
    if (rc < 0 || bytes == 0)
        return; /* then it is data, as far as is known */
    if (rc == (int32_t)TN_STATUS_HOLE) {
        e->zero = TRUE;
        e->data = !e->node->pass;
    }
    if (e->at + bytes >= file->length)
        bytes = end - e->at;
    e->bytes = MIN(e->bytes, bytes);
}

static void set_extent(struct image_extent *e, struct block_node *node,
                       guint depth, const struct tn_extent *map)
{
    e->node = node;
    e->depth = depth;
    e->bytes = map->bytes;
    e->present = map->kind != TN_EXTENT_UNALLOCATED;
    e->zero = map->kind == TN_EXTENT_ZERO;
    e->compressed = map->kind == TN_EXTENT_COMPRESSED;
    e->data = map->kind == TN_EXTENT_DATA || e->compressed;
    e->plain = (map->kind == TN_EXTENT_DATA &&
                !(map->flags & TN_EXTENT_ENCRYPTED)) ||
               (map->flags & TN_EXTENT_RESERVED);
    e->at = e->plain ? map->at : 0;
    e->file = e->plain ? node_file(node, map->file) : NULL;
}

int32_t image_extent(struct block_node *node, struct block_node *base,
                     uint64_t offset, uint64_t bytes, enum image_status status,
                     struct image_extent *e)
{
    guint depth = 0;
    struct tn_extent map;
    int32_t rc;

    memset(e, 0, sizeof *e);
    e->offset = offset;
    e->bytes = bytes;
    for (;;) {
        rc = image_map(node, offset, e->bytes, &map);
        if (rc)
            return rc;
        set_extent(e, node, depth, &map);
        if (e->present || !node->backing || node->backing == base)
            break;
        /* Beyond the end of the one below there are zeroes: this one's. */
        if (offset >= node->backing->info.bytes) {
            e->zero = e->present = e->beyond = TRUE;
            return 0;
        }
        e->bytes = MIN(e->bytes, node->backing->info.bytes - offset);
        node = node->backing;
        depth++;
    }
    if (!e->present)
        e->zero = !node->backing;
    if (status && e->data && e->file)
        ask_protocol(e, &map, status);
    return 0;
}

gboolean image_extent_merge(struct image_extent *a,
                            const struct image_extent *b)
{
    if (a->offset + a->bytes != b->offset || a->zero != b->zero ||
        a->data != b->data || a->present != b->present ||
        a->beyond != b->beyond ||
        a->compressed != b->compressed || a->plain != b->plain ||
        a->depth != b->depth || a->node != b->node || a->file != b->file ||
        (a->plain && a->at + a->bytes != b->at))
        return FALSE;
    a->bytes += b->bytes;
    return TRUE;
}
