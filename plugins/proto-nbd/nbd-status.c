/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a hole: doc/proto.md, "NBD_CMD_BLOCK_STATUS". On the engine's
 * thread, which waits; the last answer serves until something is written.
 */
#include <errno.h>
#include <stdlib.h>

#include "nbd.h"

#define MAX_STATUS (1u << 31)

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int done;
};

static void status_done(struct nbd_job *job)
{
    struct wait *wait = job->opaque;

    pthread_mutex_lock(&wait->lock);
    wait->done = 1;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

static int32_t ask_status(struct nbd *nbd, uint64_t offset)
{
    struct wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    struct nbd_job job = {.status = nbd->status,
                          .done = status_done,
                          .opaque = &wait};
    struct nbd_command *command =
        nbd_command_new(&job, NBD_CMD_BLOCK_STATUS);
    uint64_t bytes = nbd->export.bytes - offset;

    if (!command)
        return -ENOMEM;
    nbd->status->n = 0;
    nbd->status->offset = offset;
    command->offset = offset;
    command->bytes =
        (uint32_t)(bytes < MAX_STATUS
                       ? bytes
                       : MAX_STATUS - MAX_STATUS % nbd->export.min_block);
    nbd_connection_queue(nbd_choose(nbd), command);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done)
        pthread_cond_wait(&wait.cond, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    pthread_mutex_destroy(&wait.lock);
    pthread_cond_destroy(&wait.cond);
    if (job.result)
        nbd->status->n = 0;
    return job.result;
}

/* What the last answer says about OFFSET; 0: nothing. */
static uint64_t look_up(const struct nbd_status *status, uint64_t offset,
                        uint32_t *is_hole)
{
    uint64_t at = status->offset, bytes = 0;

    for (uint32_t i = 0; i < status->n; i++) {
        uint64_t end = at + status->extents[i].bytes;
        uint32_t hole = (status->extents[i].flags & NBD_STATE_ZERO) != 0;

        if (offset >= at && offset < end) {
            *is_hole = hole;
            bytes = end - offset;
        } else if (bytes && hole == *is_hole) {
            bytes += status->extents[i].bytes;
        } else if (bytes || offset < at) {
            break;
        }
        at = end;
    }
    return bytes;
}

int32_t nbd_status_at(void *self, uint64_t offset, uint64_t *bytes)
{
    struct nbd *nbd = self;
    uint64_t room =
        offset < nbd->export.bytes ? nbd->export.bytes - offset : 0;
    uint32_t hole = 0;
    int32_t rc;

    *bytes = room ? room : 1;
    if (!nbd->export.status || !room)
        return TN_STATUS_DATA;
    *bytes = look_up(nbd->status, offset, &hole);
    if (!*bytes) {
        uint64_t start = offset - offset % nbd->export.min_block;

        rc = ask_status(nbd, start);
        if (rc)
            return rc;
        *bytes = look_up(nbd->status, offset, &hole);
    }
    if (*bytes > room)
        *bytes = room;
    if (!*bytes)
        return -EPROTO;
    return hole ? TN_STATUS_HOLE : TN_STATUS_DATA;
}
