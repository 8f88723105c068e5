/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LUKS headers of version 2: the two copies with their checksums, and
 * unlocking. LUKS2 On-Disk Format Specification 1.1.1, sections 2 and 4.
 */
#include "luks2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The binary header, section 2.1. */
#define BINARY_BYTES 4096u
#define AT_VERSION 6u
#define AT_HEADER_BYTES 8u
#define AT_SEQUENCE 16u
#define AT_LABEL 24u
#define AT_CHECKSUM_NAME 72u
#define AT_UUID 168u
#define AT_OFFSET 256u
#define AT_CHECKSUM 448u
#define CHECKSUM_BYTES 64u
#define SECOND_MAGIC "SKUL\xba\xbe"
#define LEAST_HEADER (16u << 10)
#define MOST_HEADER (4u << 20)

/* What somebody else's header may ask of us to make one key. */
#define LIMIT_ITERATIONS (UINT64_C(1) << 29) /* PBKDF2 */
#define LIMIT_MEMORY (4u << 20)              /* argon2, KiB: 4 GiB */
#define LIMIT_WORK (UINT64_C(1) << 27)       /* argon2, KiB times passes */

static uint64_t get_be64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

/* ---- the two copies ---- */

struct copy {
    uint8_t *data; /* binary header, JSON, a zero byte */
    uint64_t bytes;
    uint64_t sequence;
};

static int checksum_fits(uint8_t *header, uint64_t bytes)
{
    uint8_t stored[CHECKSUM_BYTES], sum[CRYPTO_MAX_DIGEST];
    char name[33] = {0};
    int hash;

    memcpy(name, header + AT_CHECKSUM_NAME, 32);
    hash = crypto_hash_find(name);
    if (hash < 0)
        return 0;
    memcpy(stored, header + AT_CHECKSUM, sizeof stored);
    memset(header + AT_CHECKSUM, 0, sizeof stored);
    if (crypto_digest((uint32_t)hash, header, bytes, sum))
        return 0;
    return !memcmp(sum, stored, crypto_digest_bytes((uint32_t)hash));
}

/* A copy that is whole; else its data is NULL. */
static void read_copy(struct luks2 *luks, uint64_t offset, const char *magic,
                      struct copy *copy)
{
    uint8_t binary[BINARY_BYTES];
    uint64_t bytes;

    copy->data = NULL;
    if (offset + sizeof binary > luks->bytes ||
        luks->io.read(luks->io.opaque, offset, binary, sizeof binary))
        return;
    bytes = get_be64(binary + AT_HEADER_BYTES);
    if (memcmp(binary, magic, LUKS_MAGIC_BYTES) || binary[AT_VERSION] ||
        binary[AT_VERSION + 1] != 2 || bytes < LEAST_HEADER ||
        bytes > MOST_HEADER || (bytes & (bytes - 1)) ||
        get_be64(binary + AT_OFFSET) != offset ||
        offset + bytes > luks->bytes)
        return;
    copy->data = luks->image->allocate(luks->host, bytes + 1);
    if (!copy->data)
        return;
    copy->bytes = bytes;
    copy->sequence = get_be64(binary + AT_SEQUENCE);
    if (luks->io.read(luks->io.opaque, offset, copy->data, bytes) ||
        !checksum_fits(copy->data, bytes)) {
        luks->image->free(luks->host, copy->data);
        copy->data = NULL;
    }
    if (copy->data)
        copy->data[bytes] = 0;
}

/* The newer of the copies that are whole. */
static void read_header(struct luks2 *luks, struct copy *best)
{
    struct copy second = {0};

    read_copy(luks, 0, LUKS_MAGIC, best);
    for (uint64_t at = LEAST_HEADER; at <= MOST_HEADER && !second.data;
         at *= 2)
        read_copy(luks, at, SECOND_MAGIC, &second);
    if (second.data && (!best->data || second.sequence > best->sequence)) {
        luks->image->free(luks->host, best->data);
        *best = second;
    } else if (second.data) {
        luks->image->free(luks->host, second.data);
    }
}

static void copy_text(char *to, const uint8_t *from, size_t bytes)
{
    memcpy(to, from, bytes);
    to[bytes - 1] = 0;
    for (; *to; to++)
        if (*to < ' ' || *to > '~' || *to == '"' || *to == '\\')
            *to = '?';
}

int32_t luks2_open(struct tn_host *host, const struct tn_image *image,
                   const struct luks_io *io, uint64_t bytes,
                   struct luks2 **result, struct tn_error *error)
{
    struct luks2 *luks = calloc(1, sizeof *luks);
    struct copy header = {0};
    int32_t rc;

    if (!luks)
        return -ENOMEM;
    luks->host = host;
    luks->image = image;
    luks->io = *io;
    luks->bytes = bytes;
    read_header(luks, &header);
    if (!header.data) {
        luks2_free(luks);
        return tn_fail(host, error, -EINVAL,
                       "both copies of the LUKS header are damaged");
    }
    copy_text(luks->uuid, header.data + AT_UUID, sizeof luks->uuid);
    copy_text(luks->label, header.data + AT_LABEL, sizeof luks->label);
    rc = luks2_parse(luks, (const char *)header.data + BINARY_BYTES,
                     header.bytes - BINARY_BYTES, error);
    image->free(host, header.data);
    if (rc)
        luks2_free(luks);
    else
        *result = luks;
    return rc;
}

void luks2_free(struct luks2 *luks)
{
    free(luks);
}

const struct luks2_segment *luks2_segment(const struct luks2 *luks)
{
    return &luks->segment;
}

/* ---- unlocking ---- */

static int32_t derive(const struct luks2 *luks, const struct luks2_slot *slot,
                      const void *password, uint64_t password_bytes,
                      uint8_t *key, struct tn_error *error)
{
    int32_t rc;

    if (slot->kdf == LUKS2_PBKDF2) {
        if (slot->time > LIMIT_ITERATIONS)
            return tn_fail(luks->host, error, -EINVAL,
                           "key slot %u asks for %u iterations: too many",
                           slot->number, slot->time);
        return crypto_pbkdf2(slot->hash, password, password_bytes, slot->salt,
                             slot->salt_bytes, slot->time, key,
                             slot->area_key_bytes);
    }
    if (slot->memory > LIMIT_MEMORY || slot->cpus < 1 || slot->cpus > 64 ||
        slot->time < 1 || slot->memory < 8 * slot->cpus ||
        (uint64_t)slot->time * slot->memory > LIMIT_WORK)
        return tn_fail(luks->host, error, -EINVAL,
                       "key slot %u asks for %u KiB, %u times: too much",
                       slot->number, slot->memory, slot->time);
    rc = crypto_argon2(slot->kdf == LUKS2_ARGON2ID ? 2 : 1, password,
                       password_bytes, slot->salt, slot->salt_bytes,
                       slot->time, slot->memory, slot->cpus, key,
                       slot->area_key_bytes);
    if (rc == -ENOTSUP)
        tn_fail(luks->host, error, rc,
                "key slot %u uses argon2, which libgcrypt of this system does "
                "not have", slot->number);
    else if (rc == -ENOMEM)
        tn_fail(luks->host, error, rc,
                "key slot %u needs %u MiB of memory to make the key",
                slot->number, slot->memory >> 10);
    return rc;
}

static int32_t read_key(const struct luks2 *luks,
                        const struct luks2_slot *slot, const void *password,
                        uint64_t password_bytes, uint8_t *split,
                        uint64_t bytes, uint8_t *key, struct tn_error *error)
{
    struct crypto_cipher *cipher = NULL;
    uint8_t area_key[CRYPTO_MAX_KEY];
    int32_t rc = luks->io.read(luks->io.opaque, slot->area_offset, split,
                               bytes);

    if (rc)
        return tn_fail(luks->host, error, rc,
                       "key slot %u cannot be read: %s", slot->number,
                       strerror(-rc));
    rc = derive(luks, slot, password, password_bytes, area_key, error);
    if (!rc)
        rc = crypto_cipher_new(luks->host, &slot->spec, area_key, &cipher,
                               error);
    crypto_wipe(area_key, sizeof area_key);
    if (!rc)
        rc = crypto_cipher_transform(cipher, 0, 0, split, bytes);
    crypto_cipher_free(cipher);
    if (!rc)
        rc = crypto_merge(slot->split_hash, split, slot->key_bytes,
                          slot->stripes, key);
    return rc;
}

static int32_t verify(const struct luks2 *luks, const struct luks2_slot *slot,
                      const uint8_t *key)
{
    for (uint32_t i = 0; i < luks->n_digests; i++) {
        const struct luks2_digest *d = &luks->digests[i];
        uint8_t digest[CRYPTO_MAX_DIGEST];

        if (!(d->slots >> slot->number & 1) ||
            d->iterations > LIMIT_ITERATIONS)
            continue;
        if (!crypto_pbkdf2(d->hash, key, slot->key_bytes, d->salt,
                           d->salt_bytes, d->iterations, digest,
                           d->digest_bytes) &&
            !crypto_differ(digest, d->digest, d->digest_bytes))
            return 0;
    }
    return -EPERM;
}

static int32_t try_slot(const struct luks2 *luks,
                        const struct luks2_slot *slot, const void *password,
                        uint64_t password_bytes, uint8_t *key,
                        struct tn_error *error)
{
    uint64_t bytes = (uint64_t)slot->stripes * slot->key_bytes;
    uint8_t *split;
    int32_t rc;

    bytes = (bytes + CRYPTO_SECTOR - 1) / CRYPTO_SECTOR * CRYPTO_SECTOR;
    if (bytes > slot->area_bytes || slot->key_bytes != luks->segment.key_bytes)
        return -EPERM;
    split = malloc(bytes);
    if (!split)
        return -ENOMEM;
    rc = read_key(luks, slot, password, password_bytes, split, bytes, key,
                  error);
    if (!rc)
        rc = verify(luks, slot, key);
    crypto_wipe(split, bytes);
    free(split);
    return rc;
}

int32_t luks2_unlock(struct luks2 *luks, const void *password,
                     uint64_t password_bytes, struct crypto_cipher **cipher,
                     struct tn_error *error)
{
    uint8_t key[CRYPTO_MAX_KEY];
    int32_t worst = -EPERM;
    int32_t rc = -EPERM;
    uint32_t i;

    for (i = 0; i < luks->n_slots && rc; i++) {
        rc = try_slot(luks, &luks->slots[i], password, password_bytes, key,
                      error);
        worst = rc && rc != -EPERM ? rc : worst;
    }
    if (!rc)
        rc = crypto_cipher_new(luks->host, &luks->segment.spec, key, cipher,
                               error);
    else if (worst != -EPERM)
        rc = worst; /* with the text of the slot that failed */
    else
        tn_fail(luks->host, error, rc,
                "the password is wrong: no key slot opens with it");
    crypto_wipe(key, sizeof key);
    return rc ? rc : (int32_t)luks->slots[i - 1].number;
}

int32_t luks2_describe(const struct luks2 *luks, char *text, uint32_t room)
{
    const struct crypto_spec *spec = &luks->segment.spec;
    int n = snprintf(text, room,
                     "{\"version\": 2, \"uuid\": \"%s\", \"label\": \"%s\", "
                     "\"cipher-alg\": \"%s\", \"cipher-mode\": \"%s\", "
                     "\"ivgen-alg\": \"%s\", \"sector-size\": %u, "
                     "\"payload-offset\": %llu, \"slots\": %u}",
                     luks->uuid, luks->label,
                     crypto_algorithm_name(spec->algorithm),
                     crypto_mode_name(spec->mode),
                     spec->ivgen ? crypto_ivgen_name(spec->ivgen) : "none",
                     spec->sector_bytes,
                     (unsigned long long)luks->segment.offset, luks->n_slots);

    return (uint32_t)n < room ? n : -ENOSPC;
}
