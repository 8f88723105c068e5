/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies that the file system makes by itself, of one raw image to another.
 */
#include "core/block/copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OFFLOAD_STEP (256ull << 20)

static gboolean can_offload(const struct image_copy *job)
{
    struct block_node *from = job->source, *to = job->target;

    return from->pass && to->pass && !job->salvage && !job->stored_only &&
           !job->rate && node_file(from, 0)->info.fd >= 0 &&
           node_file(to, 0)->info.fd >= 0;
}

/* All of it at once. */
static gboolean share_blocks(const struct image_copy *job)
{
    struct block_file *from = node_file(job->source, 0);
    struct block_file *to = node_file(job->target, 0);
    struct file_clone_range range = {
        .src_fd = from->info.fd,
        .src_offset = job->source_offset,
        .src_length = MIN(job->bytes, from->length - job->source_offset),
        .dest_offset = job->target_offset,
    };

    if (!job->sparse || from->length < job->source_offset)
        return FALSE;
    if (ioctl(to->info.fd, FICLONERANGE, &range))
        return FALSE;
    to->length = MAX(to->length, job->target_offset + range.src_length);
    to->written = TRUE;
    return TRUE;
}

static gboolean offload(const struct image_copy *job, uint64_t *done)
{
    struct block_file *from = node_file(job->source, 0);
    struct block_file *to = node_file(job->target, 0);
    uint64_t end = MIN(job->bytes, from->length - job->source_offset);

    while (*done < end) {
        loff_t in = (loff_t)(job->source_offset + *done);
        loff_t out = (loff_t)(job->target_offset + *done);
        ssize_t n = copy_file_range(from->info.fd, &in, to->info.fd, &out,
                                    MIN(end - *done, OFFLOAD_STEP), 0);

        if (n <= 0)
            return FALSE;
        *done += (uint64_t)n;
        to->length = MAX(to->length, job->target_offset + *done);
        to->written = TRUE;
        if (job->progress)
            job->progress(job->opaque, *done);
    }
    *done = job->bytes;
    return TRUE;
}

gboolean copy_by_file_system(const struct image_copy *job, uint64_t *done)
{
    return can_offload(job) &&
           (share_blocks(job) || (job->offload && offload(job, done)));
}
