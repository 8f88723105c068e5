/* SPDX-License-Identifier: Apache-2.0 */
/* The store of secrets, and plugins' view of it. */
#include "core/block/secret.h"

#include <errno.h>
#include <string.h>

#include "core/block/context.h"
#include "core/block/plugin-host.h"

struct block_secrets {
    GHashTable *by_id; /* char * -> struct secret * */
};

struct secret {
    gsize bytes;
    guint8 data[];
};

static void secret_free(gpointer data)
{
    struct secret *secret = data;

    explicit_bzero(secret->data, secret->bytes);
    g_free(secret);
}

struct block_secrets *block_secrets_new(void)
{
    struct block_secrets *secrets = g_new0(struct block_secrets, 1);

    secrets->by_id =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, secret_free);
    return secrets;
}

void block_secrets_free(struct block_secrets *secrets)
{
    if (!secrets)
        return;
    g_hash_table_unref(secrets->by_id);
    g_free(secrets);
}

void block_secrets_add(struct block_secrets *secrets, const char *id,
                       const void *data, gsize bytes)
{
    struct secret *secret = g_malloc(sizeof *secret + bytes);

    secret->bytes = bytes;
    memcpy(secret->data, data, bytes);
    g_hash_table_replace(secrets->by_id, g_strdup(id), secret);
}

const void *block_secrets_find(struct block_secrets *secrets, const char *id,
                               gsize *bytes)
{
    struct secret *secret =
        secrets ? g_hash_table_lookup(secrets->by_id, id) : NULL;

    if (!secret)
        return NULL;
    *bytes = secret->bytes;
    return secret->data;
}

static int32_t get(struct tn_host *host, const char *id, const void **data,
                   uint64_t *bytes, struct tn_error *error)
{
    struct plugin_host *plugin = (struct plugin_host *)host;
    gsize length = 0;
    const void *found =
        id ? block_secrets_find(plugin->context->secrets, id, &length) : NULL;

    if (!found)
        return tn_error_set(error, -ENOENT, "there is no secret '%s'",
                            id ? id : "");
    *data = found;
    *bytes = length;
    return 0;
}

const struct tn_secrets block_secret_service = {
    .size = sizeof block_secret_service,
    .get = get,
};
