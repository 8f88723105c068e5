/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's data on its way to and from a file, through the format's
 * transform() if the extent is encrypted: in a buffer of its own, since
 * neither the guest's memory nor its content may change under it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/node.h"

struct crypt {
    struct file_io io;
    struct block_work work;
    struct iovec iov;
    struct block_node *node;
    struct file_io *outer;
    uint64_t guest; /* offset of what is in the buffer */
    uint64_t skip;  /* bytes before what is asked for */
    uint8_t *buffer;
    int result;
};

static struct crypt *crypt_of(struct block_work *work)
{
    return (struct crypt *)((char *)work - offsetof(struct crypt, work));
}

static void finish(struct crypt *c, int result)
{
    struct file_io *outer = c->outer;

    free(c->buffer);
    g_free(c);
    outer->done(outer, result);
}

static void decrypted(struct block_work *work)
{
    struct crypt *c = crypt_of(work);

    if (!c->result)
        iov_fill(c->outer->iov, c->outer->n_iov, 0, c->buffer + c->skip,
                 c->outer->bytes);
    finish(c, c->result);
}

static void transferred(struct file_io *io, int result)
{
    struct crypt *c = (struct crypt *)io;

    if (result || io->op == AIO_WRITE)
        finish(c, result);
    else
        block_context_work(c->node->context, &c->work);
}

static void submit(struct crypt *c)
{
    c->iov = (struct iovec){c->buffer, c->io.bytes};
    block_file_submit(&c->io);
}

static void encrypted(struct block_work *work)
{
    struct crypt *c = crypt_of(work);

    if (c->result)
        finish(c, c->result);
    else
        submit(c);
}

/* On a worker. */
static void transform(struct block_work *work)
{
    struct crypt *c = crypt_of(work);
    struct block_node *node = c->node;
    gboolean write = c->io.op == AIO_WRITE;

    c->result = plugin_result(
        &node->host,
        node->fmt.transform(node->host.self, write, c->guest, c->io.offset,
                            c->buffer, c->io.bytes));
    work->run = write ? encrypted : decrypted;
    block_context_post(node->context, work);
}

static void failed(struct block_work *work)
{
    struct crypt *c = crypt_of(work);

    finish(c, c->result);
}

static void start(struct crypt *c)
{
    struct file_io *outer = c->outer;
    uint8_t *to = c->buffer;

    c->work.run = transform;
    if (c->io.op == AIO_READ) {
        submit(c);
        return;
    }
    for (uint32_t i = 0; i < outer->n_iov; i++) {
        memcpy(to, outer->iov[i].iov_base, outer->iov[i].iov_len);
        to += outer->iov[i].iov_len;
    }
    block_context_work(c->node->context, &c->work);
}

void node_submit_data(struct block_node *node, struct file_io *io,
                      uint64_t guest, gboolean is_encrypted)
{
    uint64_t unit = MAX(node->info.block_bytes, 512u);
    uint64_t skip = guest % unit;
    uint64_t bytes = (skip + io->bytes + unit - 1) / unit * unit;
    struct crypt *c;

    if (!is_encrypted) {
        block_file_submit(io);
        return;
    }
    c = g_new0(struct crypt, 1);
    c->node = node;
    c->outer = io;
    c->guest = guest - skip;
    c->skip = skip;
    c->io = (struct file_io){.file = io->file,
                             .op = io->op,
                             .n_iov = 1,
                             .iov = &c->iov,
                             .offset = io->offset - skip,
                             .bytes = bytes,
                             .done = transferred};
    if (!node->fmt.transform)
        c->result = -ENOTSUP;
    else if (io->offset < skip || (io->op == AIO_WRITE && bytes != io->bytes))
        c->result = -EINVAL;
    else if (!(c->buffer = block_file_memory(io->file, bytes)))
        c->result = -ENOMEM;
    if (!c->result) {
        start(c);
        return;
    }
    c->work.run = failed; /* never from inside the call */
    block_context_post(node->context, &c->work);
}
