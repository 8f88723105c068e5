/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of exports: NBD URIs (NetworkBlockDevice doc/uri.md) and the older
 * nbd:HOST:PORT:exportname=NAME and nbd:unix:PATH:exportname=NAME.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"

void nbd_name_clear(struct nbd_name *name)
{
    free(name->host);
    free(name->port);
    free(name->path);
    free(name->export);
    free(name->tls_certificates);
    free(name->tls_psk_file);
    free(name->tls_hostname);
    memset(name, 0, sizeof *name);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A copy with %XX decoded; NULL: not possible. */
static char *decode(const char *text, size_t bytes)
{
    char *made = malloc(bytes + 1);
    char *to = made;

    for (size_t i = 0; made && i < bytes; i++) {
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        if (i + 2 >= bytes || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0 ||
            (text[i + 1] == '0' && text[i + 2] == '0')) {
            free(made);
            return NULL;
        }
        *to++ = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
    }
    if (made)
        *to = 0;
    return made;
}

static int set(char **where, const char *text, size_t bytes)
{
    free(*where);
    *where = decode(text, bytes);
    return *where ? 0 : -1;
}

static int parse_query(struct nbd_name *name, const char *query)
{
    const struct {
        const char *key;
        char **value;
    } keys[] = {{"socket", &name->path},
                {"tls-certificates", &name->tls_certificates},
                {"tls-psk-file", &name->tls_psk_file},
                {"tls-hostname", &name->tls_hostname}};

    while (*query) {
        size_t bytes = strcspn(query, "&;");
        size_t key = strcspn(query, "=&;");
        size_t value = key < bytes ? key + 1 : bytes;
        int known = 0;

        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (strlen(keys[i].key) == key &&
                !memcmp(query, keys[i].key, key)) {
                known = 1;
                if (set(keys[i].value, query + value, bytes - value))
                    return -1;
            }
        if (key == 15 && !memcmp(query, "tls-verify-peer", 15)) {
            known = 1;
            name->no_verify = bytes > value && strchr("0nNfF", query[value]);
        }
        if (!known)
            return -1;
        query += bytes;
        query += *query != 0;
    }
    return 0;
}

static int parse_authority(struct nbd_name *name, const char *text,
                           size_t bytes)
{
    const char *at = memchr(text, '@', bytes);
    const char *end = text + bytes;
    const char *colon;

    text = at ? at + 1 : text; /* a user's name means nothing here */
    if (text < end && *text == '[') {
        const char *close = memchr(text, ']', (size_t)(end - text));

        if (!close || set(&name->host, text + 1, (size_t)(close - text - 1)))
            return -1;
        colon = close + 1 < end ? close + 1 : NULL;
        if (colon && *colon != ':')
            return -1;
    } else {
        colon = memchr(text, ':', (size_t)(end - text));
        if (set(&name->host, text,
                (size_t)((colon ? colon : end) - text)))
            return -1;
    }
    if (!name->host[0] && set(&name->host, "localhost", 9))
        return -1;
    return colon && colon + 1 < end
               ? set(&name->port, colon + 1, (size_t)(end - colon - 1))
               : set(&name->port, NBD_DEFAULT_PORT, strlen(NBD_DEFAULT_PORT));
}

static int parse_uri(struct nbd_name *name, const char *text)
{
    const char *rest = strstr(text, "://") + 3;
    size_t scheme = (size_t)(rest - text) - 3;
    size_t authority = strcspn(rest, "/?#");
    const char *path = rest + authority;
    size_t bytes;
    int is_unix = scheme > 5 && !memcmp(text + scheme - 5, "+unix", 5);

    name->tls = scheme > 3 && text[3] == 's';
    if (is_unix ? authority != 0 : parse_authority(name, rest, authority))
        return -1;
    path += *path == '/';
    bytes = strcspn(path, "?#");
    if (set(&name->export, path, bytes))
        return -1;
    path += bytes;
    if (*path == '?' && parse_query(name, path + 1))
        return -1;
    return is_unix == (name->path != NULL) ? 0 : -1;
}

static int parse_old(struct nbd_name *name, const char *text)
{
    const char *export = strstr(text, ":exportname=");
    size_t bytes = export ? (size_t)(export - text) : strlen(text);
    const char *last;
    int wrong;

    /* These are not percent-encoded; decode() is for names that are. */
    if (export)
        name->export = strdup(export + 12);
    else
        name->export = strdup("");
    if (bytes > 5 && !memcmp(text, "unix:", 5)) {
        name->path = strndup(text + 5, bytes - 5);
        return name->path && name->export ? 0 : -1;
    }
    last = memrchr(text, ':', bytes);
    if (!last || last == text || last + 1 == text + bytes)
        return -1;
    wrong = parse_authority(name, text, bytes);
    return wrong || !name->export ? -1 : 0;
}

int32_t nbd_name_parse(struct tn_host *host, struct nbd_name *name,
                       const char *text, struct tn_error *error)
{
    int wrong;

    memset(name, 0, sizeof *name);
    wrong = strstr(text, "://") ? parse_uri(name, text)
                                : parse_old(name, text + strcspn(text, ":") +
                                                      (strchr(text, ':') != 0));
    if (!wrong && strlen(name->export) > NBD_MAX_NAME)
        wrong = 1;
    if (!wrong)
        return 0;
    nbd_name_clear(name);
    return tn_fail(host, error, -EINVAL,
                   "'%s' is no NBD name: nbd://HOST:PORT/EXPORT, "
                   "nbd+unix:///EXPORT?socket=PATH, nbds:// for TLS",
                   text);
}
