/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "http": files on web servers, read in parts. Over libcurl.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

static int32_t http_new(struct tn_host *host, void **self)
{
    struct http *http = calloc(1, sizeof *http);

    if (!http)
        return -ENOMEM;
    http->host = host;
    *self = http;
    return 0;
}

static void http_destroy(void *self)
{
    free(self);
}

static void wipe(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
    }
    *text = NULL;
}

static void clear(struct http *http)
{
    curl_slist_free_all(http->headers);
    http->headers = NULL;
    free(http->url);
    http->url = NULL;
    http->etag[0] = 0;
    http->modified[0] = 0;
    wipe(&http->cookie);
    wipe(&http->user);
    wipe(&http->password);
    wipe(&http->proxy_user);
    wipe(&http->proxy_password);
}

/* ---- options ---- */

static int32_t take_secret(struct http *http, const char *property,
                           char **where, struct tn_error *error)
{
    const struct tn_secrets *secrets = tn_service(http->host, TN_HOST_SECRET);
    const struct tn_props *props = tn_service(http->host, TN_HOST_PROPS);
    const char *id = props->get_string(http->host, property);
    const void *data;
    uint64_t bytes;
    int32_t rc;

    if (!id)
        return 0;
    if (!secrets)
        return tn_fail(http->host, error, -ENOTSUP,
                       "this program has no secrets to give");
    rc = secrets->get(http->host, id, &data, &bytes, error);
    if (rc)
        return rc;
    if (memchr(data, 0, bytes) || memchr(data, '\n', bytes) ||
        memchr(data, '\r', bytes))
        return tn_fail(http->host, error, -EINVAL,
                       "secret '%s' is no line of text", id);
    free(*where);
    *where = strndup(data, bytes);
    return *where ? 0 : -ENOMEM;
}

static int32_t take_text(struct http *http, const char *property, char **where)
{
    const struct tn_props *props = tn_service(http->host, TN_HOST_PROPS);
    const char *text = props->get_string(http->host, property);

    *where = text ? strdup(text) : NULL;
    return text && !*where ? -ENOMEM : 0;
}

static int32_t read_options(struct http *http, const char *name,
                            struct tn_error *error)
{
    const struct tn_props *props = tn_service(http->host, TN_HOST_PROPS);
    int32_t rc;

    http->url = strdup(name);
    http->timeout = props->get_uint(http->host, "timeout");
    http->verify = (uint32_t)props->get_uint(http->host, "sslverify");
    http->chunk_bytes = props->get_uint(http->host, "readahead");
    http->chunk_bytes = (http->chunk_bytes + 4095) / 4096 * 4096;
    rc = http->url ? 0 : -ENOMEM;
    if (!rc)
        rc = take_text(http, "cookie", &http->cookie);
    if (!rc)
        rc = take_text(http, "username", &http->user);
    if (!rc)
        rc = take_text(http, "proxy-username", &http->proxy_user);
    if (!rc)
        rc = take_secret(http, "cookie-secret", &http->cookie, error);
    if (!rc)
        rc = take_secret(http, "password-secret", &http->password, error);
    if (!rc)
        rc = take_secret(http, "proxy-password-secret", &http->proxy_password,
                         error);
    return rc;
}

/* ---- the protocol ---- */

static int32_t look(struct http *http, struct tn_error *error)
{
    char text[CURL_ERROR_SIZE] = "";
    CURL *curl = http_curl_new(http, text);
    int32_t rc = curl ? http_look(http, curl, text, error) : -ENOMEM;

    curl_easy_cleanup(curl);
    if (!rc && http->etag[0]) {
        char line[HTTP_MAX_ETAG + 16];

        snprintf(line, sizeof line, "If-Range: %s", http->etag);
        http->headers = curl_slist_append(NULL, line);
        rc = http->headers ? 0 : -ENOMEM;
    }
    return rc;
}

static int32_t http_open(void *self, const char *name, uint32_t flags,
                         struct tn_error *error)
{
    struct http *http = self;
    int32_t rc;

    if (flags & TN_IMAGE_WRITABLE)
        return tn_fail(http->host, error, -EROFS,
                       "%s: what is on a web server can only be read", name);
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return -ENOMEM;
    rc = read_options(http, name, error);
    if (!rc)
        rc = look(http, error);
    if (!rc)
        rc = http_start(http);
    if (rc) {
        clear(http);
        curl_global_cleanup();
    }
    return rc;
}

static void http_close(void *self)
{
    struct http *http = self;

    http_stop(http);
    clear(http);
    curl_global_cleanup();
}

static void http_info(void *self, struct tn_protocol_info *info)
{
    struct http *http = self;

    info->flags = TN_PROTOCOL_READ_ONLY;
    info->bytes = http->bytes;
    info->block_bytes = 1;
    info->memory_alignment = 1;
    info->physical_bytes = 512;
    info->optimal_bytes = (uint32_t)http->chunk_bytes;
    info->fd = -1;
}

static void http_submit(void *self, struct tn_protocol_request *request)
{
    http_queue(self, request);
}

static const struct tn_protocol http_protocol = {
    .size = sizeof http_protocol,
    .schemes = "http,https",
    .open = http_open,
    .close = http_close,
    .info = http_info,
    .submit = http_submit,
};

static const void *http_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &http_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-http",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Images on web servers, read only"},
};

TN_COMPONENT_INFO(http_component, 9) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, http_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 9), .id = "http",
             .provides = "https", .summary = "A file on a web server"},
    .properties =
        {
            {.name = "readahead", .type = TN_PROP_SIZE,
             .default_value = "256K", .minimum = "512", .maximum = "16M",
             .unit = "bytes",
             .doc = "The unit in which it is fetched, rounded up to 4K"},
            {.name = "timeout", .type = TN_PROP_UINT, .default_value = "30",
             .minimum = "1", .maximum = "3600", .unit = "s",
             .doc = "How long the server may be silent"},
            {.name = "sslverify", .type = TN_PROP_BOOL,
             .default_value = "yes",
             .doc = "Check the server's certificate"},
            {.name = "cookie", .type = TN_PROP_STRING,
             .doc = "Cookies to send: NAME=VALUE; NAME=VALUE"},
            {.name = "cookie-secret", .type = TN_PROP_STRING,
             .doc = "The secret that is the cookies to send"},
            {.name = "username", .type = TN_PROP_STRING,
             .doc = "Who we are"},
            {.name = "password-secret", .type = TN_PROP_STRING,
             .doc = "The secret that proves it"},
            {.name = "proxy-username", .type = TN_PROP_STRING,
             .doc = "Who we are to the proxy"},
            {.name = "proxy-password-secret", .type = TN_PROP_STRING,
             .doc = "The secret that proves it"},
        },
};

static const struct tn_component_ops http_ops = {
    .size = sizeof http_ops,
    .create = http_new,
    .destroy = http_destroy,
    .get_interface = http_interface,
};

TN_COMPONENT(http, http_component, http_ops);
TN_PLUGIN_ENTRY(plugin_info, &http)
