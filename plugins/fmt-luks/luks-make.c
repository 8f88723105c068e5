/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS images made, measured, resized, and given other keys. May block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luks.h"

/* ---- making ---- */

static int32_t get_options(struct luks *luks, struct luks1_options *options,
                           struct tn_error *error)
{
    const struct tn_props *p = luks->props;
    struct tn_host *host = luks->host;

    *options = (struct luks1_options){
        .spec = {.algorithm = (uint32_t)p->get_uint(host, "cipher-alg"),
                 .mode = (uint32_t)p->get_uint(host, "cipher-mode"),
                 .ivgen = (uint32_t)p->get_uint(host, "ivgen-alg"),
                 .ivgen_hash = (uint32_t)p->get_uint(host, "ivgen-hash-alg"),
                 .sector_bytes = CRYPTO_SECTOR},
        .hash = (uint32_t)p->get_uint(host, "hash-alg"),
        .iter_milliseconds = p->get_uint(host, "iter-time"),
    };
    return crypto_spec_check(host, &options->spec, error);
}

static int32_t fill(struct luks *luks, uint64_t payload, uint64_t bytes,
                    struct tn_error *error)
{
    uint32_t mode =
        (uint32_t)luks->props->get_uint(luks->host, "preallocation");

    if (mode >= TN_PREALLOCATE_FALLOC && bytes)
        return luks->image->preallocate(luks->host, TN_IMAGE_FILE_SELF, payload,
                                        bytes, mode, error);
    return luks->image->set_length(luks->host, TN_IMAGE_FILE_SELF,
                                   payload + bytes, error);
}

int32_t luks_make(void *self, const struct tn_create *create,
                  struct tn_error *error)
{
    struct luks *luks = self;
    struct luks1_options options;
    struct luks1 *made = NULL;
    struct luks_io io = luks_header_io(luks);
    const void *password;
    uint64_t password_bytes;
    uint32_t detached;
    int32_t rc;

    luks_services(luks);
    if (create->backing)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "a luks image cannot be based on another one");
    if (create->bytes > INT64_MAX / 2)
        return tn_fail(luks->host, error, -EFBIG, "that is too large");
    detached = (uint32_t)luks->props->get_uint(luks->host, "detached-header");
    rc = get_options(luks, &options, error);
    if (!rc)
        rc = luks_password(luks, &password, &password_bytes, error);
    if (!rc)
        rc = luks1_create(luks->host, &io, &options, detached, password,
                          password_bytes, &made, error);
    luks1_free(made);
    if (!rc && !detached)
        rc = fill(luks, luks1_header_bytes(&options), create->bytes, error);
    return rc;
}

int32_t luks_measure(void *self, const struct tn_create *create,
                     struct tn_measure *measure, struct tn_error *error)
{
    struct luks *luks = self;
    struct luks1_options options;
    int32_t rc;

    luks_services(luks);
    rc = get_options(luks, &options, error);
    if (rc)
        return rc;
    measure->cluster_bytes = CRYPTO_SECTOR;
    measure->required = luks1_header_bytes(&options) + create->bytes;
    measure->fully_allocated = measure->required;
    return 0;
}

/* ---- changing ---- */

int32_t luks_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct luks *luks = self;

    if (!luks->v1)
        return tn_fail(luks->host, error, -EROFS,
                       "LUKS images of version 2 can only be read");
    if (bytes > INT64_MAX / 2)
        return tn_fail(luks->host, error, -EFBIG, "that is too large");
    return luks->image->set_length(luks->host, TN_IMAGE_FILE_SELF,
                                   luks->payload + bytes, error);
}

/* ID's secret, unless ID is NULL. */
static int32_t amend_secret(struct luks *luks, const char *id,
                            const void **data, uint64_t *bytes,
                            struct tn_error *error)
{
    return id ? luks_secret(luks, id, data, bytes, error) : 0;
}

int32_t luks_amend(void *self, const struct tn_amend *amend,
                   struct tn_error *error)
{
    struct luks *luks = self;
    struct luks1_amend what = {
        .slot = LUKS1_ANY_SLOT,
        .iter_milliseconds = luks->props->get_uint(luks->host, "iter-time"),
        .force = amend->force,
    };
    const char *old_id = NULL, *new_id = NULL, *state = NULL;
    int32_t rc;

    if (!luks->v1)
        return tn_fail(luks->host, error, -EROFS,
                       "LUKS images of version 2 can only be read");
    for (uint32_t i = 0; i < amend->n; i++) {
        const char *name = amend->names[i];
        const char *value = amend->values[i];

        if (!strcmp(name, "state"))
            state = value;
        else if (!strcmp(name, "keyslot"))
            what.slot = (uint32_t)strtoul(value, NULL, 0);
        else if (!strcmp(name, "iter-time"))
            what.iter_milliseconds = strtoull(value, NULL, 0);
        else if (!strcmp(name, "old-secret"))
            old_id = value;
        else if (!strcmp(name, "new-secret"))
            new_id = value;
        else
            return tn_fail(luks->host, error, -EINVAL,
                           "%s cannot be changed in an existing luks image",
                           name);
    }
    if (!state || (strcmp(state, "active") && strcmp(state, "inactive")))
        return tn_fail(luks->host, error, -EINVAL,
                       "state must say active, to add a key, or inactive, to "
                       "erase one");
    what.activate = !strcmp(state, "active");
    rc = amend_secret(luks, old_id, &what.old_secret, &what.old_bytes, error);
    if (!rc)
        rc = amend_secret(luks, new_id, &what.new_secret, &what.new_bytes,
                          error);
    if (!rc)
        rc = luks1_amend(luks->v1, &what, error);
    return rc ? rc : luks->image->flush(luks->host);
}
