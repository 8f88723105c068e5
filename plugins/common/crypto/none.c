/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of gcrypt.c in a build without libgcrypt. */
#include "crypto/crypto-private.h"

#include <errno.h>

int32_t crypto_algorithm_check(struct tn_host *host,
                               const struct crypto_spec *spec,
                               struct tn_error *error)
{
    (void)spec;
    return tn_fail(host, error, -ENOTSUP,
                   "this build of Tenon has no encryption: it was made "
                   "without libgcrypt");
}

int32_t crypto_cipher_new(struct tn_host *host, const struct crypto_spec *spec,
                          const void *key, struct crypto_cipher **cipher,
                          struct tn_error *error)
{
    (void)key;
    (void)cipher;
    return crypto_spec_check(host, spec, error);
}

void crypto_cipher_free(struct crypto_cipher *cipher)
{
    (void)cipher;
}

int32_t crypto_cipher_transform(struct crypto_cipher *cipher, uint32_t encrypt,
                                uint64_t sector, void *data, uint64_t bytes)
{
    (void)cipher;
    (void)encrypt;
    (void)sector;
    (void)data;
    (void)bytes;
    return -ENOTSUP;
}

int32_t crypto_digest(uint32_t hash, const void *data, size_t bytes,
                      void *digest)
{
    (void)hash;
    (void)data;
    (void)bytes;
    (void)digest;
    return -ENOTSUP;
}

int32_t crypto_pbkdf2(uint32_t hash, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t iterations, void *key,
                      size_t key_bytes)
{
    (void)hash;
    (void)password;
    (void)password_bytes;
    (void)salt;
    (void)salt_bytes;
    (void)iterations;
    (void)key;
    (void)key_bytes;
    return -ENOTSUP;
}

int32_t crypto_pbkdf2_iterations(uint32_t hash, size_t key_bytes,
                                 uint64_t milliseconds, uint32_t minimum,
                                 uint32_t *iterations)
{
    (void)hash;
    (void)key_bytes;
    (void)milliseconds;
    (void)minimum;
    (void)iterations;
    return -ENOTSUP;
}

int32_t crypto_argon2(uint32_t type, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t time, uint32_t memory,
                      uint32_t lanes, void *key, size_t key_bytes)
{
    (void)type;
    (void)password;
    (void)password_bytes;
    (void)salt;
    (void)salt_bytes;
    (void)time;
    (void)memory;
    (void)lanes;
    (void)key;
    (void)key_bytes;
    return -ENOTSUP;
}
