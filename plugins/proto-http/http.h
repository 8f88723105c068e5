/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP client's files share. A few threads, each with a connection of
 * its own, take requests from a queue; what they fetch goes through a cache of
 * chunks, so that small reads and those side by side become few transfers.
 */
#ifndef TENON_PROTO_HTTP_H
#define TENON_PROTO_HTTP_H

#include <pthread.h>
#include <stdint.h>

#include <curl/curl.h>

#include <tenon/block-plugin.h>

#define HTTP_WORKERS 4u
#define HTTP_CHUNKS 64u     /* in the cache */
#define HTTP_RUN 16u        /* fetched at once */
#define HTTP_MAX_ETAG 256u

enum http_state { HTTP_EMPTY, HTTP_BUSY, HTTP_READY };

struct http_chunk {
    uint64_t index; /* offset / chunk_bytes */
    uint32_t state; /* enum http_state */
    uint32_t users;
    uint64_t used;  /* when last */
    uint8_t *data;
};

struct http_worker {
    struct http *http;
    pthread_t thread;
    CURL *curl;
    char error[CURL_ERROR_SIZE];
};

struct http {
    struct tn_host *host;
    char *url;
    char etag[HTTP_MAX_ETAG]; /* "" none that is strong */
    char modified[HTTP_MAX_ETAG]; /* Last-Modified, without one; "" none */
    struct curl_slist *headers;
    uint64_t bytes;
    uint64_t chunk_bytes;
    uint64_t timeout; /* seconds */
    uint32_t verify;
    char *cookie, *user, *password, *proxy_user, *proxy_password;
    struct http_worker workers[HTTP_WORKERS];
    uint32_t n_workers;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* workers: a request, or a chunk is there */
    /* under the lock */
    struct tn_protocol_request *queue; /* linked by plugin[0] */
    uint32_t stopping;
    uint64_t clock;
    struct http_chunk chunks[HTTP_CHUNKS];
};

/* http-transfer.c */
CURL *http_curl_new(struct http *http, char *error);
/* Learn the length. */
int32_t http_look(struct http *http, CURL *curl, char *curl_error,
                  struct tn_error *error);
/* BYTES from OFFSET on into N pieces of chunk_bytes. */
int32_t http_fetch(struct http_worker *worker, uint64_t offset,
                   uint64_t bytes, uint8_t *const *pieces, uint32_t n);

/* http-cache.c */
int32_t http_start(struct http *http);
void http_stop(struct http *http);
void http_queue(struct http *http, struct tn_protocol_request *request);

#endif
