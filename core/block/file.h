/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open protocol: the bytes under a format. Direct I/O that a request does
 * not fit is done through a buffer that does.
 */
#ifndef TENON_CORE_BLOCK_FILE_H
#define TENON_CORE_BLOCK_FILE_H

#include <glib.h>

#include "core/block/context.h"
#include "core/block/plugin-host.h"

struct block_file {
    struct plugin_host host;
    struct tn_protocol ops;
    struct tn_protocol_info info;
    struct block_context *context;
    char *name; /* as it was opened */
    uint32_t flags; /* TN_IMAGE_* */
    uint64_t length; /* grows with what is written */
    gboolean written; /* something is not flushed */
    gboolean no_flush; /* cache = unsafe */
    int broken; /* a flush failed: what is on the medium is not known */
    gboolean rmw_busy; /* unaligned direct writes go one by one */
    GQueue rmw; /* of struct file_io * */
    gboolean one_writer; /* its file system copies into it one by one */
    struct aio_lane large_writes;
    guint depth;  /* of filters before it */
    guint laters; /* calls that are to come, of tn_children.later() */
};

#define BLOCK_FILE_MAX_DEPTH 16

/* One request. The caller fills in what is above the line and keeps it, and
 * what iov points to, until done() is called, from the context's run. IOV is
 * changed. */
struct file_io {
    struct block_file *file;
    uint32_t op; /* AIO_* */
    uint32_t n_iov;
    struct iovec *iov;
    uint64_t offset;
    uint64_t bytes;
    void (*done)(struct file_io *io, int result);
    void *opaque;
    /* ---- */
    struct aio aio;
    struct tn_protocol_request request;
    struct tn_iovec *request_iov;
    int result;
    void *bounce;
    struct iovec bounce_iov;
    gboolean reading_around; /* first half of an unaligned write */
};

int32_t block_file_open(struct block_context *context,
                        struct tn_component_entry *entry,
                        const struct tn_value *values, const char *name,
                        uint32_t flags, struct block_file **file,
                        struct tn_error *error);
/* The same, DEPTH filters down. */
int32_t block_file_open_below(struct block_context *context,
                              struct tn_component_entry *entry,
                              const struct tn_value *values, const char *name,
                              uint32_t flags, guint depth,
                              struct block_file **file,
                              struct tn_error *error);
void block_file_close(struct block_file *file);
/* Make a file; one that is there is replaced. */
int32_t block_file_create(struct block_context *context,
                          struct tn_component_entry *entry,
                          const struct tn_value *values, const char *name,
                          uint64_t bytes, struct tn_error *error);
/* Have the space: TN_PREALLOCATE_FALLOC or _FULL. The file grows. */
int32_t block_file_preallocate(struct block_file *file, uint64_t offset,
                               uint64_t bytes, uint32_t mode,
                               struct tn_error *error);
void block_file_submit(struct file_io *io);
/* The same, waiting on the context; for its thread while nothing else runs. */
int32_t block_file_transfer(struct block_file *file, uint32_t op,
                            uint64_t offset, void *data, uint64_t bytes);
int32_t block_file_resize(struct block_file *file, uint64_t bytes,
                          struct tn_error *error);
/* Memory that direct I/O takes. */
void *block_file_memory(struct block_file *file, uint64_t bytes);

#endif
