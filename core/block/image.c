/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's content; see image.h.
 */
#include "core/block/image.h"

/* ---- content ---- */

static int32_t transfer(struct block_node *node, uint32_t op, uint64_t offset,
                        void *data, uint64_t bytes, uint32_t flags)
{
    struct iovec iov = {data, bytes};
    struct block_op request = {.node = node,
                               .op = op,
                               .flags = flags,
                               .offset = offset,
                               .bytes = bytes,
                               .iov = &iov,
                               .n_iov = data ? 1 : 0};

    return block_op_wait(&request);
}

int32_t image_read(struct block_node *node, uint64_t offset, void *data,
                   uint64_t bytes)
{
    return transfer(node, TN_DISK_READ, offset, data, bytes, 0);
}

int32_t image_write(struct block_node *node, uint64_t offset, const void *data,
                    uint64_t bytes)
{
    return transfer(node, TN_DISK_WRITE, offset, (void *)(uintptr_t)data,
                    bytes, 0);
}

int32_t image_zero(struct block_node *node, uint64_t offset, uint64_t bytes,
                   uint32_t flags)
{
    return transfer(node, TN_DISK_ZERO, offset, NULL, bytes, flags);
}

int32_t image_discard(struct block_node *node, uint64_t offset, uint64_t bytes)
{
    return transfer(node, TN_DISK_DISCARD, offset, NULL, bytes, 0);
}

int32_t image_flush(struct block_node *node)
{
    return transfer(node, TN_DISK_FLUSH, 0, NULL, 0, 0);
}

/* ---- waiting ---- */

struct woken {
    struct parked parked;
    gboolean awake;
};

static void wake(struct parked *parked)
{
    ((struct woken *)parked)->awake = TRUE;
}

void image_wait(struct block_node *node)
{
    struct woken w = {{NULL, wake}, FALSE};

    node_park(node, &w.parked);
    while (!w.awake)
        block_context_wait(node->context);
}

/* ---- zeroes ---- */

typedef unsigned long long zero_vector
    __attribute__((vector_size(64), aligned(1), may_alias));

static gboolean is_zero_slowly(const uint8_t *p, gsize bytes)
{
    uint8_t any = 0;

    for (gsize i = 0; i < bytes; i++)
        any |= p[i];
    return any == 0;
}

gboolean image_is_zero(const void *data, gsize bytes)
{
    const uint8_t *p = data;

    /* Most data is told by its first bytes. */
    if (bytes < 256)
        return is_zero_slowly(p, bytes);
    if (!is_zero_slowly(p, 16))
        return FALSE;
    for (; bytes >= 256; p += 256, bytes -= 256) {
        const zero_vector *v = (const zero_vector *)p;
        zero_vector any = v[0] | v[1] | v[2] | v[3];

        if (any[0] | any[1] | any[2] | any[3] | any[4] | any[5] | any[6] |
            any[7])
            return FALSE;
    }
    return is_zero_slowly(p, bytes);
}
