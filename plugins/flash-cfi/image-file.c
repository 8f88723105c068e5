/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that the flash's content comes from and goes to. Pages that the
 * guest changed are written by a worker, and once more when the machine stops.
 */
#include "flash-cfi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t read_image(struct flash *f)
{
    uint64_t done = 0;

    if (!f->image_bytes)
        return 0; /* blank */

    while (done < f->size) {
        ssize_t n = pread(f->fd, f->bytes + done, f->size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (uint64_t)n;
    }
    memset(f->bytes + done, 0xff, f->size - done);
    f->blank = 0;
    return 0;
}

int32_t image_open(struct flash *f, const char *path, struct tn_error *error)
{
    struct stat info;
    int32_t rc = 0;

    f->dirty = calloc(f->size / PAGE, 1);
    if (!f->dirty)
        return -ENOMEM;
    f->fd = open(path, (f->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &info) < 0)
        return tn_fail(f->host, error, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > f->size)
        return tn_fail(f->host, error, -EINVAL,
                       "%s: not a file of at most %llu bytes", path,
                       (unsigned long long)f->size);
    f->image_bytes = (uint64_t)info.st_size;
    rc = read_image(f);
    if (rc)
        return tn_fail(f->host, error, rc, "%s: %s", path, strerror(-rc));
    return 0;
}

void image_changed(struct flash *f, uint64_t offset, uint64_t bytes)
{
    if (f->fd < 0)
        return;
    /* Bytes past the end of a shorter file must not become zero. */
    for (uint64_t at = f->image_bytes; at < f->size; at += PAGE)
        __atomic_store_n(&f->dirty[at / PAGE], 1, __ATOMIC_SEQ_CST);
    f->image_bytes = f->size;
    for (uint64_t page = offset / PAGE; page <= (offset + bytes - 1) / PAGE;
         page++)
        __atomic_store_n(&f->dirty[page], 1, __ATOMIC_SEQ_CST);
    f->loop->schedule(f->host, f->write_back);
}

void image_write(struct flash *f)
{
    for (uint64_t page = 0; f->fd >= 0 && page < f->size / PAGE; page++) {
        uint64_t offset = page * PAGE;

        /* Cleared before the bytes are read: a change meanwhile sets it. */
        if (!__atomic_exchange_n(&f->dirty[page], 0, __ATOMIC_SEQ_CST))
            continue;
        if (pwrite(f->fd, f->bytes + offset, PAGE, (off_t)offset) !=
            (ssize_t)PAGE)
            tn_logf(f->host, TN_LOG_ERROR, "flash image not written: %s",
                    strerror(errno));
    }
}

void image_close(struct flash *f)
{
    if (f->fd >= 0) {
        image_write(f);
        if (!f->read_only && fdatasync(f->fd) < 0)
            tn_logf(f->host, TN_LOG_ERROR, "flash image not on disk: %s",
                    strerror(errno));
        close(f->fd);
    }
    f->fd = -1;
    free(f->dirty);
    f->dirty = NULL;
}
