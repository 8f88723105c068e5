/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets that a machine's description names, read once: a file may be a
 * pipe. Control thread of the machine. */
#include "core/block/secret-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/block/secret.h"

#define MAX_SECRET (16u << 20)

static void wipe(char *data, gsize bytes)
{
    if (data)
        explicit_bzero(data, bytes);
    g_free(data);
}

/* In place; -EINVAL if DATA is something else. */
static int32_t decode(char *data, gsize *bytes)
{
    for (gsize i = 0; i < *bytes; i++)
        if (!g_ascii_isalnum(data[i]) && !strchr("+/=\r\n", data[i]))
            return -EINVAL;
    if (*bytes)
        g_base64_decode_inplace(data, bytes);
    return *bytes ? 0 : -EINVAL;
}

static int32_t fetch(const struct tn_secret_desc *secret, char **data,
                     gsize *bytes, struct tn_error *error)
{
    const char *path = secret->values[TN_SECRET_FILE].text;
    const char *name = secret->values[TN_SECRET_ENV].text;
    const char *value;
    g_autoptr(GError) problem = NULL;

    if (path) {
        if (!g_file_get_contents(path, data, bytes, &problem))
            return tn_error_set(error, -EIO, "%s", problem->message);
        return 0;
    }
    value = name ? getenv(name) : NULL;
    if (!value)
        return tn_error_set(error, -ENOENT,
                            "the environment has no variable '%s'",
                            name ? name : "");
    *data = g_strdup(value);
    *bytes = strlen(value);
    return 0;
}

/* Where the file or variable is named. */
static void name_place(struct tn_error *error,
                       const struct tn_secret_desc *secret)
{
    const struct tn_value *file = &secret->values[TN_SECRET_FILE];
    const struct tn_value *source =
        file->text ? file : &secret->values[TN_SECRET_ENV];

    if (source->line)
        tn_error_prefix(error, "%s:%u: [secret %s]: ", source->file,
                        source->line, secret->id);
    else
        tn_error_prefix(error, "[secret %s]: ", secret->id);
}

static int32_t read_one(struct block_secrets *store,
                        const struct tn_secret_desc *secret,
                        struct tn_error *error)
{
    const struct tn_value *format = &secret->values[TN_SECRET_FORMAT];
    gboolean base64 = format->n_items && format->items[0].number == 1;
    char *data = NULL;
    gsize bytes = 0, read;
    int32_t rc = fetch(secret, &data, &bytes, error);

    read = bytes;
    if (!rc && bytes > MAX_SECRET)
        rc = tn_error_set(error, -EFBIG, "longer than 16 MiB");
    if (!rc && base64 && decode(data, &bytes))
        rc = tn_error_set(error, -EINVAL, "not in base64");
    if (!rc)
        block_secrets_add(store, secret->id, data, bytes);
    else
        name_place(error, secret);
    wipe(data, read);
    return rc;
}

int32_t block_secrets_read(struct tn_secrets_desc *secrets,
                           struct tn_error *error)
{
    /* Two machines may be made from one description. */
    static GMutex lock;
    int32_t rc = 0;

    if (!secrets)
        return 0;
    g_mutex_lock(&lock);
    if (!secrets->store) {
        struct block_secrets *store = block_secrets_new();

        for (guint i = 0; !rc && i < secrets->list->len; i++)
            rc = read_one(store, secrets->list->pdata[i], error);
        if (rc)
            block_secrets_free(store);
        else
            secrets->store = store;
    }
    g_mutex_unlock(&lock);
    return rc;
}
