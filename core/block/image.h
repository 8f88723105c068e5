/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images for tools: the engine's operations, each waiting until it is done, on
 * the thread of the image's context. Operations started by block_op_start()
 * may be in flight meanwhile, except where it is said otherwise.
 */
#ifndef TENON_CORE_BLOCK_IMAGE_H
#define TENON_CORE_BLOCK_IMAGE_H

#include "core/block/node.h"

/* ---- content ---- */

int32_t image_read(struct block_node *node, uint64_t offset, void *data,
                   uint64_t bytes);
int32_t image_write(struct block_node *node, uint64_t offset, const void *data,
                    uint64_t bytes);
/* FLAGS: TN_DISK_UNMAP. */
int32_t image_zero(struct block_node *node, uint64_t offset, uint64_t bytes,
                   uint32_t flags);
int32_t image_discard(struct block_node *node, uint64_t offset,
                      uint64_t bytes);
int32_t image_flush(struct block_node *node);
/* A call that restarts said -EAGAIN: until it is worth trying again. */
void image_wait(struct block_node *node);

/* ---- where the content is ---- */

/* A stretch of the content as the whole chain has it. */
struct image_extent {
    uint64_t offset, bytes;
    gboolean zero;       /* known to read as zeroes */
    gboolean data;       /* something stores it (it may be zeroes) */
    gboolean present;    /* an image of the chain says what it is */
    gboolean beyond;     /* only in that the image below ends before it */
    gboolean compressed;
    gboolean plain;      /* AT is where the bytes stand as they are */
    guint depth;         /* 0: the image itself; the one that says */
    struct block_node *node; /* that image */
    struct block_file *file; /* of AT */
    uint64_t at;
};

/* What the image alone says, nothing of those below: kinds as node_map(). */
int32_t image_map(struct block_node *node, uint64_t offset, uint64_t bytes,
                  struct tn_extent *extent);
/* Are the protocols asked for holes? */
enum image_status {
    IMAGE_STATUS_MAP,    /* no */
    IMAGE_STATUS_REPORT, /* to the byte; inside formats only where data has its
                            place before it is written */
    IMAGE_STATUS_HOLES,  /* wherever there may be some, to the sector */
};
/* The stretch from OFFSET on; BASE is where the chain ends, not looked into;
 * NULL: at its end. */
int32_t image_extent(struct block_node *node, struct block_node *base,
                     uint64_t offset, uint64_t bytes, enum image_status status,
                     struct image_extent *extent);
/* Are the two one stretch? Then A becomes it. */
gboolean image_extent_merge(struct image_extent *a,
                            const struct image_extent *b);

/* ---- the format's own; nothing may be in flight ---- */

int32_t image_check(struct block_node *node, struct tn_check *check,
                    struct tn_error *error);
/* PREALLOCATE: TN_PREALLOCATE_*, of what is added. */
int32_t image_resize(struct block_node *node, uint64_t bytes,
                     uint32_t preallocate, struct tn_error *error);
/* ID: the new one's content_id; formats with chains of ids need it. */
int32_t image_set_backing(struct block_node *node, const char *backing,
                          const char *format, const char *id,
                          struct tn_error *error);
/* -ENOENT beyond the last one. */
int32_t image_snapshot_info(struct block_node *node, uint32_t index,
                            struct tn_image_snapshot *snapshot);
/* By id, else by name. */
int32_t image_snapshot_find(struct block_node *node, const char *name,
                            struct tn_image_snapshot *snapshot);
int32_t image_snapshot(struct block_node *node, uint32_t what,
                       struct tn_image_snapshot *snapshot,
                       struct tn_error *error);
int32_t image_bitmap_info(struct block_node *node, uint32_t index,
                          struct tn_image_bitmap *bitmap);
int32_t image_bitmap_find(struct block_node *node, const char *name,
                          struct tn_image_bitmap *bitmap);
int32_t image_bitmap(struct block_node *node, uint32_t what,
                     const struct tn_image_bitmap *bitmap,
                     struct tn_error *error);
/* As tn_format.bitmap_bits(). */
int32_t image_bitmap_bits(struct block_node *node, uint32_t index,
                          uint32_t write, uint64_t offset, uint8_t *bits,
                          uint64_t bytes);
/* Everything the image stores is given back; what is below is seen again.
 * -ENOTSUP: the format cannot, nothing was changed. */
int32_t image_forget(struct block_node *node);
/* What is set in bitmap FROM of SOURCE is set in TO of NODE. */
int32_t image_bitmap_merge(struct block_node *node,
                           const struct tn_image_bitmap *to,
                           struct block_node *source,
                           const struct tn_image_bitmap *from,
                           struct tn_error *error);
int32_t image_amend(struct block_node *node, const struct tn_amend *amend,
                    struct tn_error *error);
/* The format's JSON object; NULL: it has none. g_free(). */
char *image_describe(struct block_node *node);
/* What a new image would need; -ENOTSUP. */
int32_t image_measure(struct block_context *context,
                      struct tn_component_entry *format,
                      const struct tn_value *values,
                      const struct tn_create *create,
                      struct tn_measure *measure, struct tn_error *error);

/* ---- zeroes ---- */

gboolean image_is_zero(const void *data, gsize bytes);

#endif
