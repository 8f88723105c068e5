/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LUKS version 1 headers: reading, checking, writing. LUKS On-Disk Format
 * Specification 1.2.3, section 2.2. Key slots are in luks1-keys.c.
 *
 * A header may be hostile. What its numbers can make us do is bounded by the
 * LIMIT constants.
 */
#include "crypto/luks1-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The header's fields, figure 1 of the specification. */
#define AT_VERSION 6u
#define AT_CIPHER 8u
#define AT_MODE 40u
#define AT_HASH 72u
#define AT_PAYLOAD 104u
#define AT_KEY_BYTES 108u
#define AT_DIGEST 112u
#define AT_DIGEST_SALT 132u
#define AT_DIGEST_ITERATIONS 164u
#define AT_UUID 168u
#define AT_SLOTS 208u
/* A slot's, figure 2. */
#define SLOT_BYTES 48u
#define SLOT_ACTIVE 0u
#define SLOT_ITERATIONS 4u
#define SLOT_SALT 8u
#define SLOT_OFFSET 40u
#define SLOT_STRIPES 44u

#define ACTIVE 0x00ac71f3u
#define INACTIVE 0x0000deadu

#define FIRST_SLOT_SECTOR 8u /* 4096 bytes */
#define SLOT_ALIGN_SECTORS 8u

static uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static void put_be32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

uint64_t luks1_material_bytes(uint32_t key_bytes, uint32_t stripes)
{
    uint64_t bytes = (uint64_t)key_bytes * stripes;

    return (bytes + CRYPTO_SECTOR - 1) / CRYPTO_SECTOR * CRYPTO_SECTOR;
}

static uint32_t slot_sectors(uint32_t key_bytes)
{
    uint64_t sectors =
        luks1_material_bytes(key_bytes, LUKS1_STRIPES) / CRYPTO_SECTOR;

    return (uint32_t)((sectors + SLOT_ALIGN_SECTORS - 1) /
                      SLOT_ALIGN_SECTORS * SLOT_ALIGN_SECTORS);
}

uint64_t luks1_header_bytes(const struct luks1_options *options)
{
    uint32_t key_bytes = crypto_key_bytes(&options->spec);

    return key_bytes ? (FIRST_SLOT_SECTOR +
                        (uint64_t)LUKS1_SLOTS * slot_sectors(key_bytes)) *
                           CRYPTO_SECTOR
                     : 0;
}

void luks1_free(struct luks1 *luks)
{
    if (!luks)
        return;
    crypto_wipe(luks, sizeof *luks);
    free(luks);
}

/* ---- reading ---- */

/* A text of at most 32 bytes; must end in it. */
static int get_text(const uint8_t *at, char text[32])
{
    memcpy(text, at, 32);
    return text[31] ? -1 : 0;
}

static int32_t check_slot(const struct luks1 *luks, uint32_t i,
                          uint64_t bytes, struct tn_error *error)
{
    const struct luks1_slot *slot = &luks->slots[i];
    uint64_t start = (uint64_t)slot->offset * CRYPTO_SECTOR;
    uint64_t size = luks1_material_bytes(luks->key_bytes, slot->stripes);

    if (slot->stripes < 1 || slot->stripes > LIMIT_STRIPES ||
        start < LUKS1_HEADER_BYTES || start + size > bytes ||
        (luks->payload_sector &&
         start + size > (uint64_t)luks->payload_sector * CRYPTO_SECTOR))
        return tn_fail(luks->host, error, -EINVAL,
                       "the LUKS header is damaged: key slot %u lies outside "
                       "of it", i);
    for (uint32_t other = 0; other < i; other++) {
        const struct luks1_slot *o = &luks->slots[other];
        uint64_t o_start = (uint64_t)o->offset * CRYPTO_SECTOR;

        if (start < o_start + luks1_material_bytes(luks->key_bytes,
                                                   o->stripes) &&
            o_start < start + size)
            return tn_fail(luks->host, error, -EINVAL,
                           "the LUKS header is damaged: key slots %u and %u "
                           "overlap", other, i);
    }
    return 0;
}

static int32_t parse(struct luks1 *luks, const uint8_t *header,
                     uint64_t bytes, struct tn_error *error)
{
    char cipher[32], mode[32], hash[32];
    int found;
    int32_t rc;

    if (get_text(header + AT_CIPHER, cipher) ||
        get_text(header + AT_MODE, mode) || get_text(header + AT_HASH, hash))
        return tn_fail(luks->host, error, -EINVAL,
                       "the LUKS header is damaged: a name has no end");
    luks->payload_sector = get_be32(header + AT_PAYLOAD);
    luks->key_bytes = get_be32(header + AT_KEY_BYTES);
    luks->digest_iterations = get_be32(header + AT_DIGEST_ITERATIONS);
    memcpy(luks->digest, header + AT_DIGEST, sizeof luks->digest);
    memcpy(luks->digest_salt, header + AT_DIGEST_SALT,
           sizeof luks->digest_salt);
    memcpy(luks->uuid, header + AT_UUID, sizeof luks->uuid);
    luks->uuid[sizeof luks->uuid - 1] = 0;
    for (char *c = luks->uuid; *c; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '?';
    if (luks->key_bytes > CRYPTO_MAX_KEY)
        return tn_fail(luks->host, error, -EINVAL,
                       "the LUKS header is damaged: its key has %u bytes",
                       luks->key_bytes);
    luks->spec.sector_bytes = CRYPTO_SECTOR;
    rc = crypto_spec_parse(luks->host, &luks->spec, cipher, mode,
                           luks->key_bytes, error);
    if (rc)
        return rc;
    found = crypto_hash_find(hash);
    if (found < 0)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "its keys are derived with \"%s\", which is not known "
                       "here", hash);
    luks->hash = (uint32_t)found;
    for (uint32_t i = 0; i < LUKS1_SLOTS; i++) {
        const uint8_t *at = header + AT_SLOTS + i * SLOT_BYTES;
        struct luks1_slot *slot = &luks->slots[i];
        uint32_t active = get_be32(at + SLOT_ACTIVE);

        if (active != ACTIVE && active != INACTIVE)
            return tn_fail(luks->host, error, -EINVAL,
                           "the LUKS header is damaged: key slot %u is "
                           "neither in use nor free", i);
        slot->active = active == ACTIVE;
        slot->iterations = get_be32(at + SLOT_ITERATIONS);
        memcpy(slot->salt, at + SLOT_SALT, sizeof slot->salt);
        slot->offset = get_be32(at + SLOT_OFFSET);
        slot->stripes = get_be32(at + SLOT_STRIPES);
        rc = check_slot(luks, i, bytes, error);
        if (rc)
            return rc;
    }
    return 0;
}

int32_t luks1_open(struct tn_host *host, const struct luks_io *io,
                   uint64_t bytes, struct luks1 **result,
                   struct tn_error *error)
{
    uint8_t header[LUKS1_HEADER_BYTES];
    struct luks1 *luks;
    int32_t rc;

    if (bytes < sizeof header)
        return tn_fail(host, error, -EINVAL,
                       "it is too short for a LUKS header");
    rc = io->read(io->opaque, 0, header, sizeof header);
    if (rc)
        return tn_fail(host, error, rc, "the LUKS header cannot be read: %s",
                       strerror(-rc));
    if (memcmp(header, LUKS_MAGIC, LUKS_MAGIC_BYTES) ||
        header[AT_VERSION] || header[AT_VERSION + 1] != 1)
        return tn_fail(host, error, -EINVAL,
                       "there is no LUKS header of version 1");
    luks = calloc(1, sizeof *luks);
    if (!luks)
        return -ENOMEM;
    luks->host = host;
    luks->io = *io;
    rc = parse(luks, header, bytes, error);
    if (rc)
        luks1_free(luks);
    else
        *result = luks;
    return rc;
}

/* ---- writing ---- */

static int32_t luks1_flush(const struct luks1 *luks)
{
    return luks->io.flush ? luks->io.flush(luks->io.opaque) : 0;
}

int32_t luks1_write_header(const struct luks1 *luks, struct tn_error *error)
{
    uint8_t header[LUKS1_HEADER_BYTES] = {0};
    char cipher[32] = {0}, mode[32] = {0};
    int32_t rc;

    memcpy(header, LUKS_MAGIC, LUKS_MAGIC_BYTES);
    header[AT_VERSION + 1] = 1;
    crypto_spec_print(&luks->spec, cipher, mode);
    memcpy(header + AT_CIPHER, cipher, strlen(cipher));
    memcpy(header + AT_MODE, mode, strlen(mode));
    memcpy(header + AT_HASH, crypto_hash_name(luks->hash),
           strlen(crypto_hash_name(luks->hash)));
    put_be32(header + AT_PAYLOAD, luks->payload_sector);
    put_be32(header + AT_KEY_BYTES, luks->key_bytes);
    memcpy(header + AT_DIGEST, luks->digest, sizeof luks->digest);
    memcpy(header + AT_DIGEST_SALT, luks->digest_salt,
           sizeof luks->digest_salt);
    put_be32(header + AT_DIGEST_ITERATIONS, luks->digest_iterations);
    memcpy(header + AT_UUID, luks->uuid, strlen(luks->uuid));
    for (uint32_t i = 0; i < LUKS1_SLOTS; i++) {
        const struct luks1_slot *slot = &luks->slots[i];
        uint8_t *at = header + AT_SLOTS + i * SLOT_BYTES;

        put_be32(at + SLOT_ACTIVE, slot->active ? ACTIVE : INACTIVE);
        put_be32(at + SLOT_ITERATIONS, slot->iterations);
        memcpy(at + SLOT_SALT, slot->salt, sizeof slot->salt);
        put_be32(at + SLOT_OFFSET, slot->offset);
        put_be32(at + SLOT_STRIPES, slot->stripes);
    }
    /* Key material that the header speaks of is there first; and the first
     * sector, which says of most slots that they are in use, comes last. */
    rc = luks1_flush(luks);
    if (!rc)
        rc = luks->io.write(luks->io.opaque, CRYPTO_SECTOR,
                            header + CRYPTO_SECTOR,
                            sizeof header - CRYPTO_SECTOR);
    if (!rc)
        rc = luks1_flush(luks);
    if (!rc)
        rc = luks->io.write(luks->io.opaque, 0, header, CRYPTO_SECTOR);
    if (!rc)
        rc = luks1_flush(luks);
    return rc ? tn_fail(luks->host, error, rc,
                        "the LUKS header cannot be written: %s", strerror(-rc))
              : 0;
}

/* RFC 9562 section 5.4. */
static int32_t make_uuid(char uuid[40])
{
    uint8_t u[16];
    int32_t rc = crypto_random(u, sizeof u);

    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    snprintf(uuid, 40,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
             "%02x%02x%02x%02x%02x%02x",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
             u[10], u[11], u[12], u[13], u[14], u[15]);
    return rc;
}

/* What was there before must not show where keys may be written later. */
static int32_t clear_area(const struct luks_io *io, uint64_t bytes)
{
    static const uint8_t zeroes[64 << 10];
    int32_t rc = 0;

    for (uint64_t at = 0; at < bytes && !rc; at += sizeof zeroes)
        rc = io->write(io->opaque, at, zeroes,
                       bytes - at < sizeof zeroes ? bytes - at
                                                  : sizeof zeroes);
    return rc;
}

static int32_t make_key(struct luks1 *luks, uint64_t milliseconds)
{
    int32_t rc = crypto_random(luks->key, luks->key_bytes);

    if (!rc)
        rc = crypto_random(luks->digest_salt, sizeof luks->digest_salt);
    /* The digest is only compared with; an eighth of the time is enough. */
    if (!rc)
        rc = crypto_pbkdf2_iterations(luks->hash, sizeof luks->digest,
                                      (milliseconds + 7) / 8,
                                      LUKS1_MIN_ITERATIONS,
                                      &luks->digest_iterations);
    if (!rc)
        rc = crypto_pbkdf2(luks->hash, luks->key, luks->key_bytes,
                           luks->digest_salt, sizeof luks->digest_salt,
                           luks->digest_iterations, luks->digest,
                           sizeof luks->digest);
    luks->unlocked = !rc;
    return rc;
}

int32_t luks1_create(struct tn_host *host, const struct luks_io *io,
                     const struct luks1_options *options, uint32_t detached,
                     const void *password, uint64_t password_bytes,
                     struct luks1 **result, struct tn_error *error)
{
    uint64_t bytes = luks1_header_bytes(options);
    struct luks1 *luks;
    int32_t rc = crypto_spec_check(host, &options->spec, error);

    if (rc)
        return rc;
    if (!crypto_hash_name(options->hash))
        return tn_fail(host, error, -EINVAL, "there is no such hash");
    luks = calloc(1, sizeof *luks);
    if (!luks)
        return -ENOMEM;
    luks->host = host;
    luks->io = *io;
    luks->spec = options->spec;
    luks->hash = options->hash;
    luks->key_bytes = crypto_key_bytes(&options->spec);
    luks->payload_sector = detached ? 0 : (uint32_t)(bytes / CRYPTO_SECTOR);
    for (uint32_t i = 0; i < LUKS1_SLOTS; i++)
        luks->slots[i] = (struct luks1_slot){
            .offset = FIRST_SLOT_SECTOR + i * slot_sectors(luks->key_bytes),
            .stripes = LUKS1_STRIPES,
        };
    rc = make_uuid(luks->uuid);
    if (!rc)
        rc = make_key(luks, options->iter_milliseconds);
    if (rc)
        tn_fail(host, error, rc, "a key cannot be made with hash %s: %s",
                crypto_hash_name(options->hash), strerror(-rc));
    if (!rc)
        rc = clear_area(io, bytes);
    if (!rc)
        rc = luks1_add_key(luks, 0, password, password_bytes,
                           options->iter_milliseconds, error);
    rc = rc < 0 ? rc : 0;
    if (rc)
        luks1_free(luks);
    else
        *result = luks;
    return rc;
}

/* ---- describing ---- */

int32_t luks1_describe(const struct luks1 *luks, uint32_t detached, char *text,
                       uint32_t room)
{
    const struct crypto_spec *spec = &luks->spec;
    char line[1536];
    int n = snprintf(line, sizeof line,
                     "{\"ivgen-alg\": \"%s\", \"hash-alg\": \"%s\", "
                     "\"cipher-alg\": \"%s\", \"uuid\": \"%s\", "
                     "\"cipher-mode\": \"%s\", ",
                     spec->ivgen ? crypto_ivgen_name(spec->ivgen) : "plain64",
                     crypto_hash_name(luks->hash),
                     crypto_algorithm_name(spec->algorithm), luks->uuid,
                     crypto_mode_name(spec->mode));

    if (spec->ivgen == CRYPTO_IVGEN_ESSIV)
        n += snprintf(line + n, sizeof line - (size_t)n,
                      "\"ivgen-hash-alg\": \"%s\", ",
                      crypto_hash_name(spec->ivgen_hash));
    if (detached != UINT32_MAX)
        n += snprintf(line + n, sizeof line - (size_t)n,
                      "\"detached-header\": %s, ",
                      detached ? "true" : "false");
    n += snprintf(line + n, sizeof line - (size_t)n, "\"slots\": [");
    for (uint32_t i = 0; i < LUKS1_SLOTS; i++) {
        const struct luks1_slot *slot = &luks->slots[i];
        uint64_t at = (uint64_t)slot->offset * CRYPTO_SECTOR;

        n += snprintf(line + n, sizeof line - (size_t)n, "%s{\"active\": %s, ",
                      i ? ", " : "", slot->active ? "true" : "false");
        if (slot->active)
            n += snprintf(line + n, sizeof line - (size_t)n,
                          "\"iters\": %u, \"stripes\": %u, ",
                          slot->iterations, slot->stripes);
        n += snprintf(line + n, sizeof line - (size_t)n,
                      "\"key-offset\": %llu}", (unsigned long long)at);
    }
    n += snprintf(line + n, sizeof line - (size_t)n,
                  "], \"payload-offset\": %llu, \"master-key-iters\": %u}",
                  (unsigned long long)luks->payload_sector * CRYPTO_SECTOR,
                  luks->digest_iterations);
    if ((uint32_t)n >= room || (size_t)n >= sizeof line)
        return -ENOSPC;
    memcpy(text, line, (size_t)n + 1);
    return n;
}
