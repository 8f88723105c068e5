/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and passwords by name, for tenon.host.secret/1. A store is filled
 * before images are opened and outlives them.
 */
#ifndef TENON_CORE_BLOCK_SECRET_H
#define TENON_CORE_BLOCK_SECRET_H

#include <glib.h>

#include <tenon/block-plugin.h>

struct block_secrets;

struct block_secrets *block_secrets_new(void);
/* Wipes what is in it. NULL is allowed. */
void block_secrets_free(struct block_secrets *secrets);
/* An earlier one of that name is replaced. */
void block_secrets_add(struct block_secrets *secrets, const char *id,
                       const void *data, gsize bytes);
/* NULL: there is none. SECRETS may be NULL. */
const void *block_secrets_find(struct block_secrets *secrets, const char *id,
                               gsize *bytes);

extern const struct tn_secrets block_secret_service;

#endif
