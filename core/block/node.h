/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node: one image of a chain, a format over its files. And the operations
 * on it. All on the context's thread.
 */
#ifndef TENON_CORE_BLOCK_NODE_H
#define TENON_CORE_BLOCK_NODE_H

#include <glib.h>

#include <tenon/block-plugin.h>

#include "core/block/context.h"
#include "core/block/file.h"
#include "core/block/meta.h"
#include "core/block/plugin-host.h"

/* What waits for metadata, a lock, or the end of a flush, to try again. */
struct parked {
    struct parked *next;
    void (*resume)(struct parked *parked);
};

/* Space that has a reference less. */
struct released {
    uint32_t file;
    gboolean last; /* it had no other: a hole can be made */
    uint64_t offset;
    uint64_t bytes;
};

/* Who wants to know when a flush is done. */
struct flush_waiter {
    struct flush_waiter *next;
    void (*done)(struct flush_waiter *waiter, int result);
};

struct node_flush {
    gboolean active;
    struct flush_waiter *current;
    struct flush_waiter *next;
    gboolean wanted; /* another cycle without a waiter */
    gboolean asked;  /* a call that is about to be parked wants a cycle */
    struct parked parked; /* before_flush() waits for metadata */
    guint pending;
    int result;
    guint rounds;
};

/* A split image of 2 GiB a file may have 8 TiB. */
#define NODE_MAX_FILES 4096

/* Were clusters given their place ahead of their data? Asked once. */
enum node_ahead { NODE_AHEAD_UNKNOWN, NODE_AHEAD_NO, NODE_AHEAD_YES };

struct block_node {
    struct plugin_host host;
    struct tn_format fmt;
    struct tn_image_info info;
    struct block_context *context;
    struct tn_registry *registry;
    uint32_t flags; /* TN_IMAGE_* */
    char *name;     /* of the image */
    GPtrArray *files; /* of struct block_file * */
    struct block_node *backing;
    gboolean pass;    /* the map is the identity */
    gboolean discard; /* give space back to the files */
    gboolean opening;  /* add_file() may be called */
    gboolean creating; /* create_file() too */
    gboolean opened;
    gboolean may_block;
    enum node_ahead ahead;
    gboolean broken; /* the last flush failed: no changes of metadata */

    struct meta meta;
    struct parked *parked;
    gboolean frozen; /* nothing may change metadata: a flush is finishing */
    struct node_flush flush;
    GQueue locks; /* of struct range_lock *, held or waiting, oldest first */
    GQueue compressing; /* of units without space yet, oldest first */
    guint64 busy; /* flush cycles, releases */

    /* Space on its way back: named by a change, then stable, then no longer
     * read by a request that was there before. */
    GArray *released_new;
    GArray *released_flushing;
    GArray *released_stable;
    GArray *released_going;
    struct parked release_parked;
    struct file_io release_io;
    guint release_index;
    gboolean releasing;
    guint epoch;
    guint64 in_epoch[2];
    guint64 memory; /* given to the format */
};

/* An exclusive right to a range of the guest's bytes. */
struct range_lock {
    uint64_t start, end;
    gboolean held;
    void (*granted)(struct range_lock *lock);
    GList link;
    struct range_lock *next_granted;
};

/* WRITE: a whole unit of tn_image_info.compress_bytes, to be compressed. */
#define BLOCK_OP_COMPRESS 0x100u

/* One operation, from a device or inside a chain. */
struct block_op {
    struct parked parked;
    struct block_node *node;
    uint32_t op;    /* TN_DISK_* */
    uint32_t flags; /* TN_DISK_FUA, _UNMAP, BLOCK_OP_COMPRESS */
    uint64_t offset;
    uint64_t bytes;
    struct iovec *iov; /* not changed */
    uint32_t n_iov;
    void (*done)(struct block_op *op, int result);
    void *opaque;
    /* private */
    uint64_t cursor;
    guint pending;
    int result;
    struct flush_waiter waiter;
};

/* ---- node.c: open and close ---- */

struct image_spec;

struct node_options {
    struct tn_registry *registry;
    struct block_context *context;
    const char *image;
    struct tn_component_entry *format; /* NULL: look at it */
    const struct tn_value *format_values;
    struct tn_component_entry *protocol; /* NULL: by the name */
    const struct tn_value *protocol_values;
    uint32_t flags; /* TN_IMAGE_* */
    gboolean discard;
    gboolean no_flush;
    gboolean no_backing; /* leave the backing image out */
    gboolean trust_raw;  /* an image that looks like nothing else is raw */
    guint depth;
    const struct image_spec *backing_spec; /* instead of the image's; NULL */
    gboolean named; /* by an image that is based on it: so is backing_spec */
    struct block_node *backing_node; /* the same, open; closed with the new
                                        node if that is made; NULL */
};

int32_t node_open(const struct node_options *options, struct block_node **node,
                  struct tn_error *error);
/* Flushes; ERROR may be NULL. After the last operation. */
int32_t node_close(struct block_node *node, struct tn_error *error);
/* Make and format a new image; VALUES are the format's options. */
int32_t node_create(const struct node_options *options,
                    const struct tn_create *create, struct tn_error *error);
struct block_file *node_file(struct block_node *node, uint32_t file);
/* NAME as it stands in the image: relative to it. */
char *node_relative(const struct block_node *node, const char *name);
/* The protocol for NAME; NULL with ERROR. */
struct tn_component_entry *node_protocol(struct tn_registry *registry,
                                         const char *name,
                                         struct tn_error *error);

/* ---- wait.c: waiting and locks ---- */

void node_park(struct block_node *node, struct parked *parked);
void node_resume_all(struct block_node *node);
/* TRUE: held at once; else granted() comes later. */
gboolean node_lock(struct block_node *node, struct range_lock *lock);
void node_unlock(struct block_node *node, struct range_lock *lock);
/* Around every transfer of the guest's data. */
guint node_epoch_enter(struct block_node *node);
void node_epoch_leave(struct block_node *node, guint epoch);
/* The flush cycle is done: free what was released before it. */
void node_releases_flushed(struct block_node *node, gboolean ok);
/* There is no space now: is some on its way back? Then park and try again. */
gboolean node_space_will_come(struct block_node *node);

/* ---- flush.c ---- */

/* Start a flush cycle; WAITER may be NULL. */
void node_flush(struct block_node *node, struct flush_waiter *waiter);
/* The same, waiting. */
int32_t node_flush_wait(struct block_node *node);
/* Is so much metadata dirty that it should be written? */
void node_limit_dirty(struct block_node *node);

/* ---- operations ---- */

void block_op_start(struct block_op *op);
void block_op_get(struct block_op *op);
/* Drop a reference, with a part's result; the last one ends it. */
void block_op_put(struct block_op *op, int result);
/* The same operation, waiting. */
int32_t block_op_wait(struct block_op *op);

/* op-map.c: map() with what it said checked. Extents are cut to the range. */
int32_t node_map(struct block_node *node, uint64_t offset, uint64_t bytes,
                 struct tn_extent *extents, uint32_t max);
/* BYTES from SKIP on of IOV; returns how many pieces. OUT has room for all. */
uint32_t iov_cut(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
                 uint64_t bytes, struct iovec *out);
void iov_zero(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
              uint64_t bytes);
void iov_fill(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
              const void *data, uint64_t bytes);

void op_read(struct block_op *op);
void op_write(struct block_op *op);
void op_compress(struct block_op *op);
void op_change(struct block_op *op);
/* A transfer of what EXTENT says of OP; refers to OP until it is done. */
void op_transfer(struct block_op *op, uint32_t aio_op,
                 const struct tn_extent *extent);
/* crypt.c: a transfer of data at guest offset GUEST. A write's memory is not
 * looked at any more after the call if it is encrypted. */
void node_submit_data(struct block_node *node, struct file_io *io,
                      uint64_t guest, gboolean is_encrypted);
/* op-decode.c: the first of N extents, which is compressed, and more of them if
 * that is cheaper. Returns how many. */
guint op_decode(struct block_op *op, const struct tn_extent *extents, guint n);

#endif
