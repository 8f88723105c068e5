/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the format can do with an image: check, resize, snapshots,
 * bitmaps; see image.h.
 */
#include "core/block/image.h"

#include <errno.h>
#include <string.h>

#define ALL_DATA_STEP (1u << 20)

static int32_t begin(struct block_node *node)
{
    int32_t rc = 0;

    if (node->flags & TN_IMAGE_WRITABLE)
        rc = node_flush_wait(node);
    node->may_block = TRUE;
    return rc;
}

static int32_t end(struct block_node *node, int32_t rc)
{
    int32_t flushed = 0;

    rc = plugin_result(&node->host, rc);
    if (node->flags & TN_IMAGE_WRITABLE)
        flushed = node_flush_wait(node);
    node->may_block = FALSE;
    return rc ? rc : flushed;
}

static int32_t unsupported(struct block_node *node, const char *what,
                           struct tn_error *error)
{
    return tn_error_set(error, -ENOTSUP, "%s: the format %s %s", node->name,
                        node->host.entry->info.id, what);
}

int32_t image_check(struct block_node *node, struct tn_check *check,
                    struct tn_error *error)
{
    int32_t rc;

    if (!node->fmt.check)
        return unsupported(node, "has nothing to check", error);
    rc = begin(node);
    if (!rc)
        rc = end(node, node->fmt.check(node->host.self, check, error));
    return rc;
}

/* What was invisible below because this image ended before it stays so. And
 * the rest of what was the last cluster may hold what shrinking left there. */
static int32_t cover_backing(struct block_node *node, uint64_t old,
                             uint64_t bytes)
{
    uint64_t cluster = MAX(node->info.cluster_bytes, 512u);
    uint64_t below = node->backing ? node->backing->info.bytes : 0;
    uint64_t until = MAX(below, (old + cluster - 1) / cluster * cluster);

    until = MIN(until, bytes);
    if (node->pass)
        return 0;

    return until > old ? image_zero(node, old, until - old, 0) : 0;
}

static int32_t preallocate(struct block_node *node, uint64_t old,
                           uint64_t bytes, uint32_t mode,
                           struct tn_error *error)
{
    g_autofree uint8_t *zeroes = NULL;

    if (mode == TN_PREALLOCATE_OFF || bytes <= old)
        return 0;
    if (node->pass) {
        if (mode == TN_PREALLOCATE_METADATA)
            return unsupported(node, "has no metadata to preallocate", error);
        return block_file_preallocate(node_file(node, 0), old, bytes - old,
                                      mode, error);
    }
    zeroes = g_malloc0(ALL_DATA_STEP);
    for (uint64_t at = old; at < bytes; at += ALL_DATA_STEP) {
        int32_t rc = image_write(node, at, zeroes,
                                 MIN(bytes - at, ALL_DATA_STEP));

        if (rc)
            return tn_error_set(error, rc, "%s: %s", node->name,
                                g_strerror(-rc));
    }
    return 0;
}

int32_t image_resize(struct block_node *node, uint64_t bytes,
                     uint32_t preallocation, struct tn_error *error)
{
    uint64_t old = node->info.bytes;
    int32_t rc;

    if (!node->fmt.resize)
        return unsupported(node, "does not support resizing", error);
    rc = begin(node);
    if (!rc)
        rc = end(node, node->fmt.resize(node->host.self, bytes, error));
    if (rc)
        return rc;
    node->info.bytes = bytes;
    rc = cover_backing(node, old, bytes);
    if (!rc)
        rc = preallocate(node, old, bytes, preallocation, error);
    return rc ? rc : image_flush(node);
}

int32_t image_forget(struct block_node *node)
{
    uint64_t at = 0, done;
    int32_t rc = node->fmt.change ? begin(node) : -ENOTSUP;

    if (rc)
        return rc;
    while (!rc && at < node->info.bytes) {
        done = 0;
        rc = node->frozen ? -EAGAIN
                          : node->fmt.change(node->host.self, at,
                                             node->info.bytes - at,
                                             TN_CHANGE_FORGET, &done);
        if (rc == -EAGAIN) {
            image_wait(node);
            rc = 0;
        } else if (!rc) {
            rc = done ? 0 : -EIO;
            at += done;
            node_limit_dirty(node);
        }
    }
    return end(node, rc);
}

int32_t image_set_backing(struct block_node *node, const char *backing,
                          const char *format, const char *id,
                          struct tn_error *error)
{
    struct tn_base base = {.size = sizeof base,
                           .name = backing,
                           .format = format,
                           .id = id && *id ? id : NULL};
    int32_t rc;

    if (!node->fmt.set_backing && !node->fmt.set_base)
        return unsupported(node, "cannot change its backing file", error);
    rc = begin(node);
    if (!rc && node->fmt.set_base)
        rc = end(node, node->fmt.set_base(node->host.self, &base, error));
    else if (!rc)
        rc = end(node, node->fmt.set_backing(node->host.self, backing, format,
                                             error));
    return rc;
}

int32_t image_snapshot_info(struct block_node *node, uint32_t index,
                            struct tn_image_snapshot *snapshot)
{
    int32_t rc;

    if (!node->fmt.snapshot_info)
        return -ENOENT;
    *snapshot = (struct tn_image_snapshot){.size = sizeof *snapshot,
                                           .index = index};
    node->may_block = TRUE;
    rc = node->fmt.snapshot_info(node->host.self, index, snapshot);
    node->may_block = FALSE;
    snapshot->id[sizeof snapshot->id - 1] = 0;
    snapshot->name[sizeof snapshot->name - 1] = 0;
    return plugin_result(&node->host, rc);
}

int32_t image_snapshot_find(struct block_node *node, const char *name,
                            struct tn_image_snapshot *snapshot)
{
    for (guint pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0;; i++) {
            int32_t rc = image_snapshot_info(node, i, snapshot);

            if (rc == -ENOENT)
                break;
            if (rc)
                return rc;
            if (!strcmp(pass ? snapshot->name : snapshot->id, name))
                return 0;
        }
    }
    return -ENOENT;
}

int32_t image_snapshot(struct block_node *node, uint32_t what,
                       struct tn_image_snapshot *snapshot,
                       struct tn_error *error)
{
    int32_t rc;

    if (!node->fmt.snapshot)
        return unsupported(node, "has no internal snapshots", error);
    rc = begin(node);
    if (!rc)
        rc = end(node, node->fmt.snapshot(node->host.self, what, snapshot,
                                          error));
    if (!rc && what == TN_SNAPSHOT_VIEW && snapshot->bytes)
        node->info.bytes = snapshot->bytes;
    return rc;
}

int32_t image_bitmap_info(struct block_node *node, uint32_t index,
                          struct tn_image_bitmap *bitmap)
{
    int32_t rc;

    if (!node->fmt.bitmap_info)
        return -ENOENT;
    *bitmap = (struct tn_image_bitmap){.size = sizeof *bitmap,
                                       .index = index};
    node->may_block = TRUE;
    rc = node->fmt.bitmap_info(node->host.self, index, bitmap);
    node->may_block = FALSE;
    bitmap->name[sizeof bitmap->name - 1] = 0;
    return plugin_result(&node->host, rc);
}

int32_t image_bitmap_find(struct block_node *node, const char *name,
                          struct tn_image_bitmap *bitmap)
{
    for (uint32_t i = 0;; i++) {
        int32_t rc = image_bitmap_info(node, i, bitmap);

        if (rc || !strcmp(bitmap->name, name))
            return rc;
    }
}

int32_t image_bitmap(struct block_node *node, uint32_t what,
                     const struct tn_image_bitmap *bitmap,
                     struct tn_error *error)
{
    int32_t rc;

    if (!node->fmt.bitmap)
        return unsupported(node, "has no bitmaps", error);
    rc = begin(node);
    if (!rc)
        rc = end(node, node->fmt.bitmap(node->host.self, what, bitmap, error));
    return rc;
}

int32_t image_bitmap_bits(struct block_node *node, uint32_t index,
                          uint32_t write, uint64_t offset, uint8_t *bits,
                          uint64_t bytes)
{
    int32_t rc;

    if (!node->fmt.bitmap_bits)
        return -ENOTSUP;
    node->may_block = TRUE;
    rc = node->fmt.bitmap_bits(node->host.self, index, write, offset, bits,
                               bytes);
    node->may_block = FALSE;
    return plugin_result(&node->host, rc);
}

#define MERGE_BYTES 4096u

/* Bits of FROM become bits of another granularity; a bit is set if anything
 * of what it stands for is. */
static void scale_bits(const uint8_t *from, uint64_t from_granularity,
                       uint8_t *to, uint64_t to_granularity, uint64_t bytes)
{
    uint64_t bits = bytes / from_granularity;

    for (uint64_t i = 0; i < bits; i++) {
        uint64_t first = i * from_granularity / to_granularity;
        uint64_t last =
            ((i + 1) * from_granularity - 1) / to_granularity;

        if (!(from[i / 8] & 1u << i % 8))
            continue;
        for (uint64_t j = first; j <= last; j++)
            to[j / 8] |= (uint8_t)(1u << j % 8);
    }
}

int32_t image_bitmap_merge(struct block_node *node,
                           const struct tn_image_bitmap *to,
                           struct block_node *source,
                           const struct tn_image_bitmap *from,
                           struct tn_error *error)
{
    uint64_t coarse = MAX(to->granularity, from->granularity);
    uint64_t fine = MIN(to->granularity, from->granularity);
    uint64_t step, bytes = MIN(node->info.bytes, source->info.bytes);
    g_autofree uint8_t *in = NULL;
    g_autofree uint8_t *out = NULL;
    int32_t rc = 0;

    if (!fine || coarse / fine > 1u << 22 || coarse > 1ull << 40)
        return tn_error_set(error, -EINVAL, "%s: granularities too different",
                            node->name);
    step = MAX(coarse * 8, fine * 8 * MERGE_BYTES);
    in = g_malloc(step / from->granularity / 8);
    out = g_malloc(step / to->granularity / 8);
    for (uint64_t at = 0; at < bytes && !rc; at += step) {
        uint64_t n_in = step / from->granularity / 8;
        uint64_t n_out = step / to->granularity / 8;

        memset(in, 0, n_in);
        memset(out, 0, n_out);
        n_in = MIN(n_in, (bytes - at + from->granularity * 8 - 1) /
                             (from->granularity * 8));
        n_out = MIN(n_out, (bytes - at + to->granularity * 8 - 1) /
                               (to->granularity * 8));
        rc = image_bitmap_bits(source, from->index, 0, at, in, n_in);
        if (rc || image_is_zero(in, n_in))
            continue;
        scale_bits(in, from->granularity, out, to->granularity,
                   MIN(step, n_in * 8 * from->granularity));
        rc = image_bitmap_bits(node, to->index, 1, at, out, n_out);
    }
    if (rc)
        tn_error_set(error, rc, "%s: bitmap %s: %s", node->name, to->name,
                     g_strerror(-rc));
    return rc;
}

int32_t image_amend(struct block_node *node, const struct tn_amend *amend,
                    struct tn_error *error)
{
    int32_t rc;

    if (!node->fmt.amend)
        return unsupported(node, "does not support option amendment", error);
    rc = begin(node);
    if (!rc)
        rc = end(node, node->fmt.amend(node->host.self, amend, error));
    return rc;
}

char *image_describe(struct block_node *node)
{
    uint32_t room = 16u << 10;
    char *text = NULL;
    int32_t n = -ENOSPC;

    if (!node->fmt.describe)
        return NULL;
    node->may_block = TRUE;
    while (n == -ENOSPC && room <= 64u << 20) {
        room *= 4;
        text = g_realloc(text, room);
        n = node->fmt.describe(node->host.self, text, room);
    }
    node->may_block = FALSE;
    if (n < 0 || (uint32_t)n >= room) {
        g_free(text);
        return NULL;
    }
    text[n] = 0;
    return text;
}

int32_t image_measure(struct block_context *context,
                      struct tn_component_entry *format,
                      const struct tn_value *values,
                      const struct tn_create *create,
                      struct tn_measure *measure, struct tn_error *error)
{
    struct plugin_host host;
    struct tn_format table;
    int32_t rc = plugin_host_init(&host, format, values, "new image", context,
                                  error);

    if (rc)
        return rc;
    if (plugin_host_interface(&host, TN_FORMAT, &table, sizeof table) &&
        table.measure)
        rc = plugin_result(&host,
                           table.measure(host.self, create, measure, error));
    else
        rc = -ENOTSUP;
    plugin_host_clear(&host);
    return rc;
}
