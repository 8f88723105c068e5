/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of ciphers, modes and hashes: those of properties, and those that
 * LUKS headers have; what needs no library. See crypto.h.
 */
#include "crypto/crypto-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* In the order of CRYPTO_ALGORITHM_CHOICES. */
const struct crypto_algorithm crypto_algorithms[] = {
    {"aes-128", "aes", 16, 16},         {"aes-192", "aes", 24, 16},
    {"aes-256", "aes", 32, 16},         {"cast5-128", "cast5", 16, 8},
    {"serpent-128", "serpent", 16, 16}, {"serpent-192", "serpent", 24, 16},
    {"serpent-256", "serpent", 32, 16}, {"twofish-128", "twofish", 16, 16},
    {"twofish-192", "twofish", 24, 16}, {"twofish-256", "twofish", 32, 16},
    {"3des", "des3_ede", 24, 8},
};
const uint32_t crypto_n_algorithms =
    sizeof crypto_algorithms / sizeof *crypto_algorithms;

static const char *const modes[] = {"ecb", "cbc", "xts", "ctr"};
static const char *const ivgens[] = {NULL, "plain", "plain64", "essiv"};

static const struct {
    const char *name;
    uint32_t bytes;
} hashes[] = {
    {"md5", 16},    {"sha1", 20},   {"sha224", 28},    {"sha256", 32},
    {"sha384", 48}, {"sha512", 64}, {"ripemd160", 20},
};

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof *(a)))

const char *crypto_algorithm_name(uint32_t algorithm)
{
    return algorithm < crypto_n_algorithms ? crypto_algorithms[algorithm].name
                                           : NULL;
}

const char *crypto_mode_name(uint32_t mode)
{
    return mode < COUNT(modes) ? modes[mode] : NULL;
}

const char *crypto_ivgen_name(uint32_t ivgen)
{
    return ivgen < COUNT(ivgens) ? ivgens[ivgen] : NULL;
}

const char *crypto_hash_name(uint32_t hash)
{
    return hash < COUNT(hashes) ? hashes[hash].name : NULL;
}

int crypto_hash_find(const char *name)
{
    for (uint32_t i = 0; i < COUNT(hashes); i++)
        if (!strcmp(hashes[i].name, name))
            return (int)i;
    return -1;
}

uint32_t crypto_digest_bytes(uint32_t hash)
{
    return hash < COUNT(hashes) ? hashes[hash].bytes : 0;
}

uint32_t crypto_key_bytes(const struct crypto_spec *spec)
{
    if (spec->algorithm >= crypto_n_algorithms)
        return 0;
    return crypto_algorithms[spec->algorithm].key_bytes *
           (spec->mode == CRYPTO_MODE_XTS ? 2 : 1);
}

int32_t crypto_spec_check(struct tn_host *host,
                          const struct crypto_spec *spec,
                          struct tn_error *error)
{
    if (spec->algorithm >= crypto_n_algorithms ||
        spec->mode >= COUNT(modes) || spec->ivgen >= COUNT(ivgens))
        return tn_fail(host, error, -EINVAL, "there is no such cipher");
    if (spec->mode == CRYPTO_MODE_XTS &&
        crypto_algorithms[spec->algorithm].block_bytes != 16)
        return tn_fail(host, error, -EINVAL,
                       "mode xts needs a cipher with blocks of 16 bytes, "
                       "%s has %u",
                       crypto_algorithm_name(spec->algorithm),
                       crypto_algorithms[spec->algorithm].block_bytes);
    if (spec->mode != CRYPTO_MODE_ECB && spec->ivgen == CRYPTO_IVGEN_NONE)
        return tn_fail(host, error, -EINVAL,
                       "mode %s needs a way to make initial vectors",
                       modes[spec->mode]);
    if (spec->ivgen == CRYPTO_IVGEN_ESSIV &&
        crypto_essiv_algorithm(spec) < 0)
        return tn_fail(host, error, -EINVAL,
                       "essiv with this hash makes no key for this cipher");
    return crypto_algorithm_check(host, spec, error);
}

/* The same cipher with a key as long as the hash's digest, or -1. */
int crypto_essiv_algorithm(const struct crypto_spec *spec)
{
    const char *cipher = crypto_algorithms[spec->algorithm].cipher;
    uint32_t bytes = crypto_digest_bytes(spec->ivgen_hash);

    for (uint32_t i = 0; i < crypto_n_algorithms; i++)
        if (!strcmp(crypto_algorithms[i].cipher, cipher) &&
            crypto_algorithms[i].key_bytes == bytes)
            return (int)i;
    return -1;
}

/* ---- as LUKS has them ---- */

static int find_algorithm(const char *cipher, uint32_t key_bytes)
{
    for (uint32_t i = 0; i < crypto_n_algorithms; i++)
        if (!strcmp(crypto_algorithms[i].cipher, cipher) &&
            crypto_algorithms[i].key_bytes == key_bytes)
            return (int)i;
    return -1;
}

/* "xts-plain64", "cbc-essiv:sha256", "ecb". */
static int parse_mode(struct crypto_spec *spec, const char *mode)
{
    const char *dash = strchr(mode, '-');
    size_t bytes = dash ? (size_t)(dash - mode) : strlen(mode);
    const char *colon = dash ? strchr(dash, ':') : NULL;
    size_t ivgen_bytes;
    uint32_t i;
    int hash;

    for (i = 0; i < COUNT(modes); i++)
        if (strlen(modes[i]) == bytes && !memcmp(modes[i], mode, bytes))
            break;
    if (i == COUNT(modes))
        return -1;
    spec->mode = i;
    spec->ivgen = CRYPTO_IVGEN_NONE;
    spec->ivgen_hash = 0;
    if (!dash)
        return 0;
    ivgen_bytes = colon ? (size_t)(colon - dash - 1) : strlen(dash + 1);
    for (i = 1; i < COUNT(ivgens); i++)
        if (strlen(ivgens[i]) == ivgen_bytes &&
            !memcmp(ivgens[i], dash + 1, ivgen_bytes))
            break;
    if (i == COUNT(ivgens) || (i == CRYPTO_IVGEN_ESSIV) != (colon != NULL))
        return -1;
    spec->ivgen = i;
    if (!colon)
        return 0;
    hash = crypto_hash_find(colon + 1);
    spec->ivgen_hash = (uint32_t)hash;
    return hash < 0 ? -1 : 0;
}

int32_t crypto_spec_parse(struct tn_host *host, struct crypto_spec *spec,
                          const char *cipher, const char *mode,
                          uint32_t key_bytes, struct tn_error *error)
{
    int algorithm;

    if (parse_mode(spec, mode))
        return tn_fail(host, error, -ENOTSUP,
                       "it is encrypted in mode \"%.31s\", which is not known "
                       "here", mode);
    if (spec->mode == CRYPTO_MODE_XTS)
        key_bytes = key_bytes % 2 ? 0 : key_bytes / 2;
    algorithm = find_algorithm(cipher, key_bytes);
    if (algorithm < 0)
        return tn_fail(host, error, -ENOTSUP,
                       "it is encrypted with \"%.31s\" and a key of %u bits, "
                       "which is not known here",
                       cipher, (unsigned)key_bytes * 8);
    spec->algorithm = (uint32_t)algorithm;
    return crypto_spec_check(host, spec, error);
}

void crypto_spec_print(const struct crypto_spec *spec, char cipher[32],
                       char mode[32])
{
    snprintf(cipher, 32, "%s", crypto_algorithms[spec->algorithm].cipher);
    if (spec->ivgen == CRYPTO_IVGEN_NONE)
        snprintf(mode, 32, "%s", modes[spec->mode]);
    else if (spec->ivgen == CRYPTO_IVGEN_ESSIV)
        snprintf(mode, 32, "%s-essiv:%s", modes[spec->mode],
                 crypto_hash_name(spec->ivgen_hash));
    else
        snprintf(mode, 32, "%s-%s", modes[spec->mode], ivgens[spec->ivgen]);
}

/* ---- small things ---- */

int32_t crypto_random(void *data, size_t bytes)
{
    uint8_t *at = data;

    while (bytes) {
        ssize_t n = getrandom(at, bytes, 0);

        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

void crypto_wipe(void *data, size_t bytes)
{
    explicit_bzero(data, bytes);
}

int crypto_differ(const void *a, const void *b, size_t bytes)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < bytes; i++)
        difference |= (uint8_t)(x[i] ^ y[i]);
    return difference;
}
