/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libgcrypt does for us: sectors, digests, key derivation, random bytes.
 * A cipher handle of the library holds the IV of one transfer, so a cipher
 * here keeps a list of handles that are not in use.
 */
#include "crypto/crypto-private.h"

#include <errno.h>
#include <gcrypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* In the order of the properties' choices. */
static const int algorithms[] = {
    GCRY_CIPHER_AES128,     GCRY_CIPHER_AES192,     GCRY_CIPHER_AES256,
    GCRY_CIPHER_CAST5,      GCRY_CIPHER_SERPENT128, GCRY_CIPHER_SERPENT192,
    GCRY_CIPHER_SERPENT256, GCRY_CIPHER_TWOFISH128, 0 /* twofish-192 */,
    GCRY_CIPHER_TWOFISH,    GCRY_CIPHER_3DES,
};
static const int modes[] = {GCRY_CIPHER_MODE_ECB, GCRY_CIPHER_MODE_CBC,
                            GCRY_CIPHER_MODE_XTS, GCRY_CIPHER_MODE_CTR};
static const int hashes[] = {
    GCRY_MD_MD5,    GCRY_MD_SHA1,   GCRY_MD_SHA224, GCRY_MD_SHA256,
    GCRY_MD_SHA384, GCRY_MD_SHA512, GCRY_MD_RMD160,
};

static int32_t code(gcry_error_t error)
{
    switch (gcry_err_code(error)) {
    case GPG_ERR_NO_ERROR:
        return 0;
    case GPG_ERR_ENOMEM:
        return -ENOMEM;
    case GPG_ERR_CIPHER_ALGO:
    case GPG_ERR_DIGEST_ALGO:
    case GPG_ERR_NOT_SUPPORTED:
    case GPG_ERR_UNKNOWN_ALGORITHM:
        return -ENOTSUP;
    default:
        return -EINVAL;
    }
}

/* The library is set up once a process, by whoever comes first: perhaps not
 * us. No locked memory: keys are in ours anyway. */
static void set_up(void)
{
    if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
        return;
    gcry_check_version(NULL);
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

int32_t crypto_algorithm_check(struct tn_host *host,
                               const struct crypto_spec *spec,
                               struct tn_error *error)
{
    set_up();
    if (!algorithms[spec->algorithm] ||
        gcry_cipher_test_algo(algorithms[spec->algorithm]))
        return tn_fail(host, error, -ENOTSUP,
                       "libgcrypt of this system has no cipher %s",
                       crypto_algorithm_name(spec->algorithm));
    return 0;
}

/* ---- sectors ---- */

struct handle {
    struct handle *next;
    gcry_cipher_hd_t data;
    gcry_cipher_hd_t essiv; /* NULL: none */
};

struct crypto_cipher {
    struct crypto_spec spec;
    uint32_t block_bytes;
    pthread_mutex_t lock;
    struct handle *idle;
    uint8_t key[CRYPTO_MAX_KEY];
    uint8_t essiv_key[CRYPTO_MAX_DIGEST];
};

static void handle_free(struct handle *handle)
{
    if (!handle)
        return;
    gcry_cipher_close(handle->data);
    gcry_cipher_close(handle->essiv);
    free(handle);
}

static int32_t handle_new(struct crypto_cipher *cipher, struct handle **result)
{
    const struct crypto_spec *spec = &cipher->spec;
    struct handle *handle = calloc(1, sizeof *handle);
    gcry_error_t rc;

    if (!handle)
        return -ENOMEM;
    rc = gcry_cipher_open(&handle->data, algorithms[spec->algorithm],
                          modes[spec->mode], 0);
    if (!rc)
        rc = gcry_cipher_setkey(handle->data, cipher->key,
                                crypto_key_bytes(spec));
    if (!rc && spec->ivgen == CRYPTO_IVGEN_ESSIV)
        rc = gcry_cipher_open(&handle->essiv,
                              algorithms[crypto_essiv_algorithm(spec)],
                              GCRY_CIPHER_MODE_ECB, 0);
    if (!rc && handle->essiv)
        rc = gcry_cipher_setkey(handle->essiv, cipher->essiv_key,
                                crypto_digest_bytes(spec->ivgen_hash));
    if (rc)
        handle_free(handle);
    else
        *result = handle;
    return code(rc);
}

static int32_t handle_get(struct crypto_cipher *cipher,
                          struct handle **handle)
{
    pthread_mutex_lock(&cipher->lock);
    *handle = cipher->idle;
    if (*handle)
        cipher->idle = (*handle)->next;
    pthread_mutex_unlock(&cipher->lock);
    return *handle ? 0 : handle_new(cipher, handle);
}

static void handle_put(struct crypto_cipher *cipher, struct handle *handle)
{
    pthread_mutex_lock(&cipher->lock);
    handle->next = cipher->idle;
    cipher->idle = handle;
    pthread_mutex_unlock(&cipher->lock);
}

int32_t crypto_cipher_new(struct tn_host *host, const struct crypto_spec *spec,
                          const void *key, struct crypto_cipher **result,
                          struct tn_error *error)
{
    struct crypto_cipher *cipher;
    struct handle *handle;
    int32_t rc = crypto_spec_check(host, spec, error);

    if (rc)
        return rc;
    cipher = calloc(1, sizeof *cipher);
    if (!cipher)
        return -ENOMEM;
    cipher->spec = *spec;
    cipher->block_bytes = crypto_algorithms[spec->algorithm].block_bytes;
    pthread_mutex_init(&cipher->lock, NULL);
    memcpy(cipher->key, key, crypto_key_bytes(spec));
    if (spec->ivgen == CRYPTO_IVGEN_ESSIV)
        rc = crypto_digest(spec->ivgen_hash, key, crypto_key_bytes(spec),
                           cipher->essiv_key);
    if (!rc)
        rc = handle_get(cipher, &handle);
    if (rc) {
        crypto_cipher_free(cipher);
        return tn_fail(host, error, rc, "the cipher cannot be set up");
    }
    handle_put(cipher, handle);
    *result = cipher;
    return 0;
}

void crypto_cipher_free(struct crypto_cipher *cipher)
{
    if (!cipher)
        return;
    while (cipher->idle) {
        struct handle *handle = cipher->idle;

        cipher->idle = handle->next;
        handle_free(handle);
    }
    pthread_mutex_destroy(&cipher->lock);
    crypto_wipe(cipher, sizeof *cipher);
    free(cipher);
}

static void put_le64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static gcry_error_t set_iv(struct crypto_cipher *cipher, struct handle *handle,
                           uint64_t sector)
{
    uint8_t iv[16] = {0};
    gcry_error_t rc = 0;

    /* Some name a way to make vectors for ecb too, which has none. */
    if (cipher->spec.ivgen == CRYPTO_IVGEN_NONE ||
        cipher->spec.mode == CRYPTO_MODE_ECB)
        return 0;
    put_le64(iv, cipher->spec.ivgen == CRYPTO_IVGEN_PLAIN ? (uint32_t)sector
                                                          : sector);
    if (handle->essiv)
        rc = gcry_cipher_encrypt(handle->essiv, iv, cipher->block_bytes, NULL,
                                 0);
    if (rc)
        return rc;
    return cipher->spec.mode == CRYPTO_MODE_CTR
               ? gcry_cipher_setctr(handle->data, iv, cipher->block_bytes)
               : gcry_cipher_setiv(handle->data, iv, cipher->block_bytes);
}

int32_t crypto_cipher_transform(struct crypto_cipher *cipher, uint32_t encrypt,
                                uint64_t sector, void *data, uint64_t bytes)
{
    uint32_t unit = cipher->spec.sector_bytes;
    uint8_t *at = data;
    struct handle *handle;
    gcry_error_t error = 0;
    int32_t rc;

    if (bytes % unit)
        return -EINVAL;
    rc = handle_get(cipher, &handle);
    if (rc)
        return rc;
    for (; bytes && !error; bytes -= unit) {
        error = set_iv(cipher, handle, sector);
        if (!error)
            error = encrypt
                        ? gcry_cipher_encrypt(handle->data, at, unit, NULL, 0)
                        : gcry_cipher_decrypt(handle->data, at, unit, NULL, 0);
        at += unit;
        sector += unit / CRYPTO_SECTOR;
    }
    handle_put(cipher, handle);
    return error ? -EIO : 0;
}

/* ---- digests and keys ---- */

int32_t crypto_digest(uint32_t hash, const void *data, size_t bytes,
                      void *digest)
{
    set_up();
    if (gcry_md_test_algo(hashes[hash]))
        return -ENOTSUP;
    gcry_md_hash_buffer(hashes[hash], digest, data, bytes);
    return 0;
}

int32_t crypto_pbkdf2(uint32_t hash, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t iterations, void *key,
                      size_t key_bytes)
{
    set_up();
    return code(gcry_kdf_derive(password_bytes ? password : "", password_bytes,
                                GCRY_KDF_PBKDF2, hashes[hash], salt,
                                salt_bytes, iterations, key_bytes, key));
}

static uint64_t thread_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#define TRIAL_NANOSECONDS 20000000u

int32_t crypto_pbkdf2_iterations(uint32_t hash, size_t key_bytes,
                                 uint64_t milliseconds, uint32_t minimum,
                                 uint32_t *iterations)
{
    uint32_t count = 1000;
    uint8_t key[CRYPTO_MAX_KEY];
    uint64_t taken;
    double wanted;

    for (;; count *= 2) {
        uint64_t start = thread_nanoseconds();
        int32_t rc = crypto_pbkdf2(hash, "password", 8, "salt", 4, count, key,
                                   key_bytes);

        if (rc)
            return rc;
        taken = thread_nanoseconds() - start;
        if (taken >= TRIAL_NANOSECONDS || count > UINT32_MAX / 4)
            break;
    }
    wanted = (double)count / (double)(taken + 1) * (double)milliseconds * 1e6;
    *iterations = wanted < minimum      ? minimum
                  : wanted > UINT32_MAX ? UINT32_MAX
                                        : (uint32_t)wanted;
    return 0;
}

int32_t crypto_argon2(uint32_t type, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t time, uint32_t memory,
                      uint32_t lanes, void *key, size_t key_bytes)
{
    const unsigned long parameters[] = {key_bytes, time, memory, lanes};
    gcry_kdf_hd_t handle;
    gcry_error_t rc;

    set_up();
    rc = gcry_kdf_open(&handle, GCRY_KDF_ARGON2,
                       type == 2 ? GCRY_KDF_ARGON2ID : GCRY_KDF_ARGON2I,
                       parameters, 4, password_bytes ? password : "",
                       password_bytes, salt, salt_bytes, NULL, 0, NULL, 0);
    if (rc)
        return code(rc);
    rc = gcry_kdf_compute(handle, NULL);
    if (!rc)
        rc = gcry_kdf_final(handle, key_bytes, key);
    gcry_kdf_close(handle);
    return code(rc);
}
