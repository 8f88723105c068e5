/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers and the cache. A worker with a request takes what chunks there
 * are, fetches the next ones that are missing in one transfer, and waits for
 * those that another one fetches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

/* All under the lock. */

static struct http_chunk *find(struct http *http, uint64_t index)
{
    for (uint32_t i = 0; i < HTTP_CHUNKS; i++)
        if (http->chunks[i].state != HTTP_EMPTY &&
            http->chunks[i].index == index)
            return &http->chunks[i];
    return NULL;
}

/* A place for INDEX: an empty one or the longest unused. NULL: none now. */
static struct http_chunk *claim(struct http *http, uint64_t index)
{
    struct http_chunk *best = NULL;

    for (uint32_t i = 0; i < HTTP_CHUNKS; i++) {
        struct http_chunk *chunk = &http->chunks[i];

        if (chunk->state == HTTP_BUSY || chunk->users)
            continue;
        if (chunk->state == HTTP_EMPTY) {
            best = chunk;
            break;
        }
        if (!best || chunk->used < best->used)
            best = chunk;
    }
    if (!best)
        return NULL;
    if (!best->data)
        best->data = malloc(http->chunk_bytes);
    if (!best->data)
        return NULL;
    best->index = index;
    best->state = HTTP_BUSY;
    best->used = ++http->clock;
    return best;
}

/* Fetches INDEX and what is missing after it, up to LAST. The lock is given
 * up meanwhile. */
static int32_t fetch_run(struct http_worker *worker, uint64_t index,
                         uint64_t last)
{
    struct http *http = worker->http;
    struct http_chunk *run[HTTP_RUN];
    uint8_t *pieces[HTTP_RUN];
    uint64_t offset = index * http->chunk_bytes;
    uint64_t bytes;
    uint32_t n = 0;
    int32_t rc;

    while (n < HTTP_RUN && index + n <= last && !find(http, index + n)) {
        run[n] = claim(http, index + n);
        if (!run[n])
            break;
        pieces[n] = run[n]->data;
        n++;
    }
    if (!n)
        return -ENOMEM;
    bytes = n * http->chunk_bytes;
    bytes = bytes < http->bytes - offset ? bytes : http->bytes - offset;
    pthread_mutex_unlock(&http->lock);
    rc = http_fetch(worker, offset, bytes, pieces, n);
    pthread_mutex_lock(&http->lock);
    for (uint32_t i = 0; i < n; i++)
        run[i]->state = rc ? HTTP_EMPTY : HTTP_READY;
    pthread_cond_broadcast(&http->wake);
    return rc;
}

/* Into the request's memory, from byte AT of it on; DATA NULL: zeroes. */
static void give(const struct tn_protocol_request *request, uint64_t at,
                 const uint8_t *data, uint64_t bytes)
{
    for (uint32_t i = 0; i < request->n_iov && bytes; i++) {
        uint64_t n = request->iov[i].bytes;
        uint8_t *to = request->iov[i].base;

        if (at >= n) {
            at -= n;
            continue;
        }
        n -= at;
        n = n < bytes ? n : bytes;
        if (data)
            memcpy(to + at, data, n);
        else
            memset(to + at, 0, n);
        data = data ? data + n : NULL;
        bytes -= n;
        at = 0;
    }
}

static int32_t read_chunks(struct http_worker *worker,
                           const struct tn_protocol_request *request,
                           uint64_t bytes)
{
    struct http *http = worker->http;
    uint64_t unit = http->chunk_bytes;
    uint64_t at = 0;

    while (at < bytes) {
        uint64_t offset = request->offset + at;
        uint64_t inside = offset % unit;
        uint64_t n = unit - inside < bytes - at ? unit - inside : bytes - at;
        struct http_chunk *chunk = find(http, offset / unit);

        if (!chunk) {
            int32_t rc = fetch_run(worker, offset / unit,
                                   (request->offset + bytes - 1) / unit);

            if (rc)
                return rc;
            continue;
        }
        if (chunk->state == HTTP_BUSY) {
            pthread_cond_wait(&http->wake, &http->lock);
            continue;
        }
        chunk->used = ++http->clock;
        chunk->users++;
        pthread_mutex_unlock(&http->lock);
        give(request, at, chunk->data + inside, n);
        pthread_mutex_lock(&http->lock);
        chunk->users--;
        at += n;
    }
    return 0;
}

static int32_t do_request(struct http_worker *worker,
                          const struct tn_protocol_request *request)
{
    struct http *http = worker->http;
    uint64_t room = request->offset < http->bytes
                        ? http->bytes - request->offset
                        : 0;
    uint64_t bytes = request->bytes < room ? request->bytes : room;

    if (request->op == TN_DISK_FLUSH)
        return 0;
    if (request->op != TN_DISK_READ)
        return -EROFS;
    give(request, bytes, NULL, request->bytes - bytes);
    return read_chunks(worker, request, bytes);
}

static void *work(void *opaque)
{
    struct http_worker *worker = opaque;
    struct http *http = worker->http;

    pthread_mutex_lock(&http->lock);
    while (!http->stopping) {
        struct tn_protocol_request *request = http->queue;
        int32_t rc;

        if (!request) {
            pthread_cond_wait(&http->wake, &http->lock);
            continue;
        }
        http->queue = request->plugin[0];
        rc = do_request(worker, request);
        pthread_mutex_unlock(&http->lock);
        request->done(request, rc);
        pthread_mutex_lock(&http->lock);
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

void http_queue(struct http *http, struct tn_protocol_request *request)
{
    struct tn_protocol_request *last;

    request->plugin[0] = NULL;
    pthread_mutex_lock(&http->lock);
    if (!http->queue) {
        http->queue = request;
    } else {
        for (last = http->queue; last->plugin[0]; last = last->plugin[0])
            ;
        last->plugin[0] = request;
    }
    pthread_cond_broadcast(&http->wake);
    pthread_mutex_unlock(&http->lock);
}

int32_t http_start(struct http *http)
{
    http->queue = NULL;
    http->stopping = 0;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->wake, NULL);
    for (http->n_workers = 0; http->n_workers < HTTP_WORKERS;
         http->n_workers++) {
        struct http_worker *worker = &http->workers[http->n_workers];

        worker->http = http;
        worker->curl = http_curl_new(http, worker->error);
        if (!worker->curl ||
            pthread_create(&worker->thread, NULL, work, worker)) {
            curl_easy_cleanup(worker->curl);
            break;
        }
    }
    if (http->n_workers)
        return 0;
    http_stop(http);
    return -EAGAIN;
}

void http_stop(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    http->stopping = 1;
    pthread_cond_broadcast(&http->wake);
    pthread_mutex_unlock(&http->lock);
    for (uint32_t i = 0; i < http->n_workers; i++) {
        pthread_join(http->workers[i].thread, NULL);
        curl_easy_cleanup(http->workers[i].curl);
    }
    http->n_workers = 0;
    for (uint32_t i = 0; i < HTTP_CHUNKS; i++)
        free(http->chunks[i].data);
    memset(http->chunks, 0, sizeof http->chunks);
    pthread_cond_destroy(&http->wake);
    pthread_mutex_destroy(&http->lock);
}
