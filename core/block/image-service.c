/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.image/1: what the engine does for a format.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "core/block/node.h"
#include "core/block/policy.h"

/* What the image decides may cost so much memory. */
#define MAX_MEMORY (256u << 20)

static struct block_node *node_of(struct tn_host *host)
{
    return ((struct plugin_host *)host)->node;
}

struct block_file *node_file(struct block_node *node, uint32_t file)
{
    return file < node->files->len ? g_ptr_array_index(node->files, file)
                                   : NULL;
}

static uint64_t length(struct tn_host *host, uint32_t file)
{
    struct block_file *f = node_file(node_of(host), file);

    return f ? f->length : 0;
}

static int32_t set_block(struct tn_host *host, uint32_t bytes)
{
    return meta_set_unit(&node_of(host)->meta, bytes);
}

static gboolean crosses(struct block_node *node, uint64_t offset,
                        uint32_t bytes)
{
    return bytes == 0 ||
           offset % node->meta.unit + bytes > node->meta.unit;
}

static int32_t image_read(struct tn_host *host, uint32_t file, uint64_t offset,
                          uint32_t bytes, const void **data)
{
    struct block_node *node = node_of(host);
    struct meta_block *block;
    int32_t rc;

    if (crosses(node, offset, bytes))
        return -EINVAL;
    rc = meta_get(node, file, offset, FALSE, &block);
    if (!rc)
        *data = block->data + offset % node->meta.unit;
    return rc;
}

static int32_t image_write(struct tn_host *host, uint32_t file,
                           uint64_t offset, uint32_t bytes, const void *data)
{
    struct block_node *node = node_of(host);
    struct meta_block *block;
    int32_t rc;

    if (crosses(node, offset, bytes))
        return -EINVAL;
    if (!(node->flags & TN_IMAGE_WRITABLE))
        return -EROFS;
    rc = meta_get(node, file, offset, bytes == node->meta.unit, &block);
    if (rc)
        return rc;
    memcpy(block->data + offset % node->meta.unit, data, bytes);
    meta_changed(node, block);
    return 0;
}

static int32_t image_order(struct tn_host *host, uint32_t first_file,
                           uint64_t first, uint32_t then_file, uint64_t then)
{
    struct block_node *node = node_of(host);
    struct meta_block *a = meta_peek(node, first_file, first);
    struct meta_block *b;
    int32_t rc;

    if (node->broken)
        return -EIO;
    if (!a) /* not in memory, so not dirty */
        return 0;
    rc = meta_get(node, then_file, then, FALSE, &b);
    if (rc)
        return rc;
    if (a == b || meta_order(node, a, b))
        return 0;
    if (node->may_block) {
        rc = node_flush_wait(node);
        return rc ? rc : meta_order(node, a, b) ? 0 : -EIO;
    }
    node->flush.asked = TRUE; /* not inside a call to the format */
    return -EAGAIN;
}

static void want_flush(struct tn_host *host)
{
    node_of(host)->flush.asked = TRUE;
}

static int32_t image_flush(struct tn_host *host)
{
    struct block_node *node = node_of(host);

    return node->may_block ? node_flush_wait(node) : -EDEADLK;
}

static void image_release(struct tn_host *host, uint32_t file, uint64_t offset,
                          uint64_t bytes)
{
    struct released r = {file, FALSE, offset, bytes};

    g_array_append_val(node_of(host)->released_new, r);
}

static void image_drop(struct tn_host *host, uint32_t file, uint64_t offset,
                       uint64_t bytes)
{
    struct released r = {file, TRUE, offset, bytes};

    g_array_append_val(node_of(host)->released_new, r);
}

/* The part of [OFFSET, OFFSET + BYTES) in cached blocks, to or from DATA. */
static void copy_cached(struct block_node *node, uint32_t file,
                        uint64_t offset, uint8_t *data, uint64_t bytes,
                        gboolean to_cache)
{
    uint32_t unit = node->meta.unit;

    while (bytes) {
        uint32_t inside = (uint32_t)(offset % unit);
        uint64_t n = MIN(bytes, unit - inside);
        struct meta_block *block = meta_peek(node, file, offset);

        if (block && to_cache)
            memcpy(block->data + inside, data, n);
        else if (block)
            memcpy(data, block->data + inside, n);
        offset += n;
        data += n;
        bytes -= n;
    }
}

static int32_t image_pread(struct tn_host *host, uint32_t file,
                           uint64_t offset, void *data, uint64_t bytes)
{
    struct block_node *node = node_of(host);
    struct block_file *f = node_file(node, file);
    int32_t rc;

    if (!f || !node->may_block)
        return -EINVAL;
    rc = block_file_transfer(f, AIO_READ, offset, data, bytes);
    if (!rc)
        copy_cached(node, file, offset, data, bytes, FALSE);
    return rc;
}

static int32_t image_pwrite(struct tn_host *host, uint32_t file,
                            uint64_t offset, const void *data, uint64_t bytes)
{
    struct block_node *node = node_of(host);
    struct block_file *f = node_file(node, file);
    int32_t rc;

    if (!f || !node->may_block)
        return -EINVAL;
    rc = block_file_transfer(f, AIO_WRITE, offset, (void *)(uintptr_t)data,
                             bytes);
    if (!rc)
        copy_cached(node, file, offset, (uint8_t *)(uintptr_t)data, bytes,
                    TRUE);
    return rc;
}

static int32_t set_length(struct tn_host *host, uint32_t file, uint64_t bytes,
                          struct tn_error *error)
{
    struct block_node *node = node_of(host);
    struct block_file *f = node_file(node, file);

    if (!f || !node->may_block)
        return -EINVAL;
    return block_file_resize(f, bytes, error);
}

/* In create(), or in a call that has the image to itself: resize(). */
static gboolean may_create(const struct block_node *node)
{
    return node->creating || (node->opened && node->may_block &&
                              node->flags & TN_IMAGE_WRITABLE);
}

/* An image of many files may need more than a process is given at first. */
static gboolean allow_more_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return FALSE;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int32_t add_file(struct tn_host *host, const char *name, uint32_t flags,
                        struct tn_error *error)
{
    struct block_node *node = node_of(host);
    struct tn_component_entry *protocol;
    g_autofree char *path = NULL;
    struct block_file *file;
    int32_t rc;

    if (!node->opening && !may_create(node))
        return -EPERM;
    if (node->files->len >= NODE_MAX_FILES)
        return tn_error_set(error, -EMFILE, "more than %u files",
                            NODE_MAX_FILES);
    protocol = node_protocol(node->registry, name, error);
    if (!protocol)
        return -ENOENT;
    path = node_relative(node, name);
    rc = block_policy_file(node->context->policy, node->name, path,
                           protocol->info.id, error);
    if (rc)
        return rc;
    rc = block_file_open(node->context, protocol, NULL, path,
                         flags & node->flags, &file, error);
    if (rc == -EMFILE && allow_more_files())
        rc = block_file_open(node->context, protocol, NULL, path,
                             flags & node->flags, &file, error);
    if (rc)
        return rc;
    g_ptr_array_add(node->files, file);
    return (int32_t)node->files->len - 1;
}

static int32_t create_file(struct tn_host *host, const char *name,
                           uint64_t bytes, struct tn_error *error)
{
    struct block_node *node = node_of(host);
    struct tn_component_entry *protocol;
    g_autofree char *path = NULL;
    int32_t rc;

    if (!may_create(node))
        return -EPERM;
    protocol = node_protocol(node->registry, name, error);
    if (!protocol)
        return -ENOENT;
    path = node_relative(node, name);
    rc = block_file_create(node->context, protocol, NULL, path, bytes, error);
    if (rc == -EMFILE && allow_more_files())
        rc = block_file_create(node->context, protocol, NULL, path, bytes,
                               error);
    return rc ? rc : add_file(host, name, TN_IMAGE_WRITABLE, error);
}

static int32_t preallocate(struct tn_host *host, uint32_t file,
                           uint64_t offset, uint64_t bytes, uint32_t mode,
                           struct tn_error *error)
{
    struct block_node *node = node_of(host);
    struct block_file *f = node_file(node, file);

    if (!f || !node->may_block)
        return -EINVAL;
    return block_file_preallocate(f, offset, bytes, mode, error);
}

static const char *image_name(struct tn_host *host)
{
    return node_of(host)->name;
}

/* The size goes before the memory, so that free() knows it. */
static void *allocate(struct tn_host *host, uint64_t bytes)
{
    struct block_node *node = node_of(host);
    uint64_t *memory;

    if (bytes > MAX_MEMORY || node->memory + bytes > MAX_MEMORY)
        return NULL;
    memory = g_try_malloc0(bytes + 16);
    if (!memory)
        return NULL;
    memory[0] = bytes;
    node->memory += bytes;
    return memory + 2;
}

static void release_memory(struct tn_host *host, void *memory)
{
    uint64_t *base = memory;

    if (!base)
        return;
    node_of(host)->memory -= base[-2];
    g_free(base - 2);
}

const struct tn_image block_image_service = {
    .size = sizeof block_image_service,
    .length = length,
    .set_block = set_block,
    .read = image_read,
    .write = image_write,
    .order = image_order,
    .flush = image_flush,
    .release = image_release,
    .pread = image_pread,
    .pwrite = image_pwrite,
    .set_length = set_length,
    .add_file = add_file,
    .allocate = allocate,
    .free = release_memory,
    .drop = image_drop,
    .create_file = create_file,
    .preallocate = preallocate,
    .name = image_name,
    .want_flush = want_flush,
};
