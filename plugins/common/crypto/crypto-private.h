/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this library share. */
#ifndef TENON_COMMON_CRYPTO_PRIVATE_H
#define TENON_COMMON_CRYPTO_PRIVATE_H

#include "crypto/crypto.h"

struct crypto_algorithm {
    const char *name;   /* of the property */
    const char *cipher; /* in a LUKS header */
    uint32_t key_bytes;
    uint32_t block_bytes;
};

extern const struct crypto_algorithm crypto_algorithms[];
extern const uint32_t crypto_n_algorithms;

/* What encrypts the sector number in ESSIV, or -1. */
int crypto_essiv_algorithm(const struct crypto_spec *spec);
/* Does the library have the cipher? */
int32_t crypto_algorithm_check(struct tn_host *host,
                               const struct crypto_spec *spec,
                               struct tn_error *error);

#endif
