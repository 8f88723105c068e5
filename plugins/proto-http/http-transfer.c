/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transfer: a GET with a range (RFC 9110 section 14). What comes back must
 * be exactly that range of the same content, or it is an error.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"

#define TRIES 3u

struct transfer {
    struct http *http;
    /* the answer's header */
    uint64_t first, total; /* Content-Range */
    int has_range;
    char etag[HTTP_MAX_ETAG], modified[HTTP_MAX_ETAG];
    /* where the body goes */
    uint64_t bytes;
    uint64_t received;
    uint8_t *const *pieces;
    uint32_t n;
    int overflow;
};

/* ---- what curl calls ---- */

static int parse_range(struct transfer *t, const char *text)
{
    unsigned long long first = 0, last = 0, total = 0;

    if (sscanf(text, "bytes %llu-%llu/%llu", &first, &last, &total) == 3 &&
        first <= last && last < total) {
        t->first = first;
    } else if (sscanf(text, "bytes */%llu", &total) != 1) {
        return 0;
    }
    t->total = total;
    return 1;
}

static size_t take_header(char *line, size_t size, size_t count, void *opaque)
{
    struct transfer *t = opaque;
    size_t bytes = size * count;
    char text[512];
    size_t n;

    if (bytes >= 5 && !strncmp(line, "HTTP/", 5)) { /* of a redirection */
        t->has_range = 0;
        t->etag[0] = t->modified[0] = 0;
    }
    if (bytes >= sizeof text)
        return bytes;
    memcpy(text, line, bytes);
    text[bytes] = 0;
    n = strcspn(text, "\r\n");
    text[n] = 0;
    if (!strncasecmp(text, "content-range:", 14))
        t->has_range = parse_range(t, text + 14 + strspn(text + 14, " \t"));
    else if (!strncasecmp(text, "etag:", 5) && n < HTTP_MAX_ETAG)
        strcpy(t->etag, text + 5 + strspn(text + 5, " \t"));
    else if (!strncasecmp(text, "last-modified:", 14) && n < HTTP_MAX_ETAG)
        strcpy(t->modified, text + 14 + strspn(text + 14, " \t"));
    return bytes;
}

static size_t take_body(char *data, size_t size, size_t count, void *opaque)
{
    struct transfer *t = opaque;
    uint64_t unit = t->http->chunk_bytes;
    size_t bytes = size * count, left = bytes;

    if (bytes > t->bytes - t->received) {
        t->overflow = 1;
        return 0;
    }
    while (left && t->n) {
        uint64_t at = t->received % unit;
        size_t n = unit - at < left ? (size_t)(unit - at) : left;

        memcpy(t->pieces[t->received / unit] + at, data, n);
        data += n;
        left -= n;
        t->received += n;
    }
    t->received += left;
    return bytes;
}

/* ---- one transfer ---- */

CURL *http_curl_new(struct http *http, char *error)
{
    CURL *curl = curl_easy_init();
    const char *again = strncasecmp(http->url, "https:", 6) ? "http,https"
                                                            : "https";

    if (!curl)
        return NULL;
    curl_easy_setopt(curl, CURLOPT_URL, http->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* No other kind of URL, wherever the server sends us. */
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, again);
#else
    (void)again;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
                     CURLPROTO_HTTP | CURLPROTO_HTTPS);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)http->timeout);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)http->timeout);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, (long)http->verify);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, http->verify ? 2L : 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tenon");
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    if (http->cookie)
        curl_easy_setopt(curl, CURLOPT_COOKIE, http->cookie);
    if (http->user)
        curl_easy_setopt(curl, CURLOPT_USERNAME, http->user);
    if (http->password)
        curl_easy_setopt(curl, CURLOPT_PASSWORD, http->password);
    if (http->proxy_user)
        curl_easy_setopt(curl, CURLOPT_PROXYUSERNAME, http->proxy_user);
    if (http->proxy_password)
        curl_easy_setopt(curl, CURLOPT_PROXYPASSWORD, http->proxy_password);
    return curl;
}

static CURLcode get(CURL *curl, struct transfer *t, uint64_t first,
                    uint64_t last, long *status)
{
    char range[64];
    CURLcode rc;

    t->has_range = 0;
    t->received = 0;
    t->overflow = 0;
    t->etag[0] = t->modified[0] = 0;
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)first,
             (unsigned long long)last);
    curl_easy_setopt(curl, CURLOPT_RANGE, range);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->http->headers);
    rc = curl_easy_perform(curl);
    *status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    return rc;
}

static int32_t refusal(struct http *http, long status, struct tn_error *error)
{
    int32_t code = status == 404 || status == 410   ? -ENOENT
                   : status == 401 || status == 403 ? -EACCES
                                                    : -EIO;

    return tn_fail(http->host, error, code, "%s: the server says %ld%s",
                   http->url, status,
                   code == -ENOENT   ? ", there is no such file"
                   : code == -EACCES ? ", we may not have it"
                                     : "");
}

int32_t http_look(struct http *http, CURL *curl, char *curl_error,
                  struct tn_error *error)
{
    struct transfer t = {.http = http, .bytes = 1};
    long status;
    CURLcode rc = get(curl, &t, 0, 0, &status);

    if (rc && status != 200 && status != 206)
        return tn_fail(http->host, error,
                       rc == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT
                                                      : -EHOSTUNREACH,
                       "%s: %s", http->url,
                       curl_error[0] ? curl_error : curl_easy_strerror(rc));
    if (status == 416 && t.has_range && t.total == 0) {
        http->bytes = 0; /* an empty file has no first byte */
        return 0;
    }
    if (status == 200)
        return tn_fail(http->host, error, -ENOTSUP,
                       "%s: the server cannot send parts of a file (ranges)",
                       http->url);
    if (status != 206)
        return refusal(http, status, error);
    if (rc || !t.has_range || t.first != 0 || t.received != 1 ||
        t.total > (uint64_t)INT64_MAX)
        return tn_fail(http->host, error, -EPROTO,
                       "%s: the server does not say how long the file is",
                       http->url);
    http->bytes = t.total;
    /* A weak one may stay while the bytes change. */
    if (t.etag[0] == '"')
        strcpy(http->etag, t.etag);
    else
        strcpy(http->modified, t.modified);
    return 0;
}

/* Is what both answers say of a kind different? */
static int differ(const char *was, const char *is)
{
    return was[0] && is[0] && strcmp(was, is);
}

static int32_t check(struct http *http, const struct transfer *t,
                     uint64_t offset, long status)
{
    if (status == 200 || status == 412 || status == 416 ||
        (status == 206 &&
         ((t->has_range && t->total != http->bytes) ||
          differ(http->etag, t->etag) ||
          differ(http->modified, t->modified)))) {
        tn_logf(http->host, TN_LOG_ERROR,
                "the file is another one now than when it was opened");
        return -ESTALE;
    }
    if (status != 206)
        return status >= 500 || status == 429 || status == 408 ? -EAGAIN
                                                               : -EIO;
    if (!t->has_range || t->first != offset || t->overflow)
        return -EPROTO;
    return t->received == t->bytes ? 0 : -EAGAIN;
}

int32_t http_fetch(struct http_worker *worker, uint64_t offset,
                   uint64_t bytes, uint8_t *const *pieces, uint32_t n)
{
    struct http *http = worker->http;
    int32_t result = -EAGAIN;

    for (uint32_t i = 0; i < TRIES && result == -EAGAIN; i++) {
        struct transfer t = {
            .http = http, .bytes = bytes, .pieces = pieces, .n = n};
        long status;
        CURLcode rc;

        worker->error[0] = 0;
        rc = get(worker->curl, &t, offset, offset + bytes - 1, &status);
        if (rc == CURLE_OPERATION_TIMEDOUT && i + 1 == TRIES)
            return -ETIMEDOUT;
        result = rc && status != 200 && !t.overflow ? -EAGAIN
                                                    : check(http, &t, offset,
                                                            status);
        if (result == -EAGAIN)
            tn_logf(http->host, TN_LOG_WARNING, "%s",
                    worker->error[0] ? worker->error
                                     : "the server does not send all of it");
    }
    return result == -EAGAIN ? -EIO : result;
}
