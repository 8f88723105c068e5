/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anti-forensic splitter: a key made so long that it is lost when any of
 * its bytes is. LUKS On-Disk Format Specification 1.2.3, section 2.4. And the
 * old encryption of qcow images.
 */
#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The spec's H1: digests of (number of the piece, piece), the last one cut. */
static int32_t diffuse(uint32_t hash, uint8_t *block, size_t bytes)
{
    size_t unit = crypto_digest_bytes(hash);
    uint8_t piece[4 + CRYPTO_MAX_DIGEST];
    uint8_t digest[CRYPTO_MAX_DIGEST];

    for (size_t at = 0, i = 0; at < bytes; at += unit, i++) {
        size_t n = bytes - at < unit ? bytes - at : unit;
        int32_t rc;

        piece[0] = (uint8_t)(i >> 24);
        piece[1] = (uint8_t)(i >> 16);
        piece[2] = (uint8_t)(i >> 8);
        piece[3] = (uint8_t)i;
        memcpy(piece + 4, block + at, n);
        rc = crypto_digest(hash, piece, 4 + n, digest);
        if (rc)
            return rc;
        memcpy(block + at, digest, n);
    }
    return 0;
}

static void add(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] ^= from[i];
}

/* What all stripes but the last come to. */
static int32_t fold(uint32_t hash, const uint8_t *split, size_t key_bytes,
                    uint32_t stripes, uint8_t *d)
{
    int32_t rc = 0;

    memset(d, 0, key_bytes);
    for (uint32_t i = 0; i + 1 < stripes && !rc; i++) {
        add(d, split + i * key_bytes, key_bytes);
        rc = diffuse(hash, d, key_bytes);
    }
    return rc;
}

int32_t crypto_split(uint32_t hash, const uint8_t *key, size_t key_bytes,
                     uint32_t stripes, uint8_t *split)
{
    uint8_t *last = split + (stripes - 1) * key_bytes;
    int32_t rc = crypto_random(split, (stripes - 1) * key_bytes);

    if (!rc)
        rc = fold(hash, split, key_bytes, stripes, last);
    add(last, key, key_bytes);
    return rc;
}

int32_t crypto_merge(uint32_t hash, const uint8_t *split, size_t key_bytes,
                     uint32_t stripes, uint8_t *key)
{
    int32_t rc = fold(hash, split, key_bytes, stripes, key);

    add(key, split + (stripes - 1) * key_bytes, key_bytes);
    return rc;
}

int32_t crypto_cipher_new_legacy(struct tn_host *host, const void *password,
                                 uint64_t bytes, struct crypto_cipher **cipher,
                                 struct tn_error *error)
{
    static const struct crypto_spec spec = {
        .algorithm = CRYPTO_AES_128,
        .mode = CRYPTO_MODE_CBC,
        .ivgen = CRYPTO_IVGEN_PLAIN64,
        .sector_bytes = CRYPTO_SECTOR,
    };
    uint8_t key[16] = {0};
    int32_t rc;

    if (bytes)
        memcpy(key, password, bytes < sizeof key ? bytes : sizeof key);
    rc = crypto_cipher_new(host, &spec, key, cipher, error);
    crypto_wipe(key, sizeof key);
    return rc;
}
