/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --object: secrets, which formats ask for by their id, and credentials of
 * TLS, whose id stands as tls-creds in --image-opts.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/block/secret.h"
#include "tools/tenon-img.h"

#define MAX_SECRET (16u << 20)

struct object {
    char *id;
    char *data, *file, *format;                      /* secret */
    char *dir, *endpoint, *verify, *username, *other; /* tls-creds-... */
};

/* Credentials by id: "tls=on,tls-certificates=DIR" and such. */
static GHashTable *credentials;

static const struct key {
    const char *type, *name;
    gsize at;
} keys[] = {
    {"secret", "id", offsetof(struct object, id)},
    {"secret", "data", offsetof(struct object, data)},
    {"secret", "file", offsetof(struct object, file)},
    {"secret", "format", offsetof(struct object, format)},
    {"tls-creds-x509", "id", offsetof(struct object, id)},
    {"tls-creds-x509", "dir", offsetof(struct object, dir)},
    {"tls-creds-x509", "endpoint", offsetof(struct object, endpoint)},
    {"tls-creds-x509", "verify-peer", offsetof(struct object, verify)},
    {"tls-creds-x509", "sanity-check", offsetof(struct object, other)},
    {"tls-creds-psk", "id", offsetof(struct object, id)},
    {"tls-creds-psk", "dir", offsetof(struct object, dir)},
    {"tls-creds-psk", "endpoint", offsetof(struct object, endpoint)},
    {"tls-creds-psk", "username", offsetof(struct object, username)},
};

/* ---- secrets ---- */

static int read_secret(const struct object *s, char **bytes, gsize *n)
{
    g_autoptr(GError) error = NULL;

    if (!s->id || (!s->data == !s->file))
        return img_fail("--object secret needs id= and one of data= and "
                        "file=");
    if (s->data) {
        *bytes = g_strdup(s->data);
        *n = strlen(s->data);
    } else if (!g_file_get_contents(s->file, bytes, n, &error)) {
        return img_fail("secret %s: %s", s->id, error->message);
    }
    if (*n > MAX_SECRET)
        return img_fail("secret %s is too long", s->id);
    if (s->format && !strcmp(s->format, "base64")) {
        g_autofree guchar *plain = g_base64_decode(*bytes, n);

        g_free(*bytes);
        *bytes = g_memdup2(plain, *n + 1);
    } else if (s->format && strcmp(s->format, "raw") != 0) {
        return img_fail("secret %s: format %s is neither raw nor base64",
                        s->id, s->format);
    }
    return 0;
}

static int add_secret(const struct object *object)
{
    g_autofree char *bytes = NULL;
    gsize n = 0;
    int status = read_secret(object, &bytes, &n);

    if (!status)
        block_secrets_add(img.context->secrets, object->id, bytes, n);
    return status;
}

/* ---- credentials ---- */

/* KEY=VALUE, whose commas are doubled in lists. */
static void append(GString *list, const char *prefix, const char *key,
                   const char *value)
{
    if (list->len)
        g_string_append_c(list, ',');
    g_string_append_printf(list, "%s%s", prefix, key);
    if (value)
        g_string_append_c(list, '=');
    for (; value && *value; value++) {
        if (*value == ',')
            g_string_append_c(list, ',');
        g_string_append_c(list, *value);
    }
}

static int add_credentials(const char *type, const struct object *o)
{
    GString *list;

    if (!o->id || !o->dir)
        return img_fail("--object %s needs id= and dir=", type);
    if (o->endpoint && strcmp(o->endpoint, "client") != 0)
        return img_fail("--object %s: images are opened with credentials of a "
                        "client (endpoint=client)", type);
    list = g_string_new(NULL);
    append(list, "", "tls", "on");
    if (!strcmp(type, "tls-creds-x509")) {
        append(list, "", "tls-certificates", o->dir);
        if (o->verify && (!strcmp(o->verify, "off") || !strcmp(o->verify, "no")))
            append(list, "", "tls-verify", "no");
    } else {
        g_autofree char *file = g_build_filename(o->dir, "keys.psk", NULL);

        append(list, "", "tls-psk-file", file);
    }
    if (!credentials)
        credentials = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            g_free);
    g_hash_table_replace(credentials, g_strdup(o->id),
                         g_string_free(list, FALSE));
    return 0;
}

/* PREFIX's credentials ID in the place of tls-creds. */
static gboolean put_credentials(GString *list, const char *prefix,
                                const char *id)
{
    const char *rest = credentials ? g_hash_table_lookup(credentials, id)
                                   : NULL;
    char *key, *value;

    if (!rest)
        return FALSE;
    while (image_spec_next(&rest, &key, &value)) {
        append(list, prefix, key, value);
        g_free(key);
        g_free(value);
    }
    return TRUE;
}

char *img_objects_in(const char *options, struct tn_error *error)
{
    g_autoptr(GString) list = g_string_new(NULL);
    const char *rest = options;
    gboolean known = TRUE;
    char *key, *value;

    while (image_spec_next(&rest, &key, &value)) {
        if (value && (!strcmp(key, "tls-creds") ||
                      g_str_has_suffix(key, ".tls-creds"))) {
            key[strlen(key) - strlen("tls-creds")] = 0;
            known = put_credentials(list, key, value);
            if (!known)
                tn_error_set(error, -ENOENT,
                             "%s: there is no --object tls-creds-x509 or "
                             "tls-creds-psk with id=%s", options, value);
        } else {
            append(list, "", key, value);
        }
        g_free(key);
        g_free(value);
        if (!known)
            return NULL;
    }
    return g_strdup(list->str);
}

void img_objects_clear(void)
{
    g_clear_pointer(&credentials, g_hash_table_unref);
}

/* ---- all of them ---- */

static const char *known_type(const char *type)
{
    for (gsize i = 0; type && i < G_N_ELEMENTS(keys); i++)
        if (!strcmp(keys[i].type, type))
            return keys[i].type;
    return NULL;
}

/* VALUE becomes the object's. */
static int set_key(struct object *object, const char *type, const char *name,
                   char *value)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!strcmp(keys[i].type, type) && !strcmp(keys[i].name, name)) {
            char **at = (char **)((char *)object + keys[i].at);

            g_free(*at);
            *at = value;
            return 0;
        }
    g_free(value);
    return img_fail("--object %s: there is no '%s'", type, name);
}

static void clear(struct object *object)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        char **at = (char **)((char *)object + keys[i].at);

        g_clear_pointer(at, g_free);
    }
}

/* The type comes first, by itself or, in another notation, as "qom-type=". */
int img_object_add(const char *text)
{
    struct object object = {0};
    const char *type = NULL, *rest = text;
    char *key, *value;
    int status = 0;

    while (!status && image_spec_next(&rest, &key, &value)) {
        g_autofree char *name = key;

        if (type) {
            status = set_key(&object, type, name, value);
            continue;
        }
        type = known_type(!strcmp(name, "qom-type") ? value : name);
        g_free(value);
        if (!type)
            status = img_fail("--object %s: only secret, tls-creds-x509 and "
                              "tls-creds-psk are known here", text);
    }
    if (!status && !type)
        status = img_fail("--object needs a type");
    if (!status)
        status = strcmp(type, "secret") ? add_credentials(type, &object)
                                        : add_secret(&object);
    clear(&object);
    return status;
}
