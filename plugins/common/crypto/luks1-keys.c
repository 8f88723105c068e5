/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key slots of LUKS version 1: LUKS On-Disk Format Specification 1.2.3,
 * sections 3 and 4. The master key, split into stripes, stands in each slot,
 * encrypted with a key made from the slot's password.
 */
#include "crypto/luks1-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The slot's cipher: the disk's, with the password's key. */
static int32_t slot_cipher(struct luks1 *luks, const struct luks1_slot *slot,
                           const void *password, uint64_t password_bytes,
                           struct crypto_cipher **cipher,
                           struct tn_error *error)
{
    uint8_t key[CRYPTO_MAX_KEY];
    int32_t rc = crypto_pbkdf2(luks->hash, password, password_bytes,
                               slot->salt, sizeof slot->salt,
                               slot->iterations, key, luks->key_bytes);

    if (rc)
        tn_fail(luks->host, error, rc,
                "no key can be made of the password with hash %s",
                crypto_hash_name(luks->hash));
    else
        rc = crypto_cipher_new(luks->host, &luks->spec, key, cipher, error);
    crypto_wipe(key, sizeof key);
    return rc;
}

static uint64_t material_offset(const struct luks1_slot *slot)
{
    return (uint64_t)slot->offset * CRYPTO_SECTOR;
}

/* ---- unlocking ---- */

static int32_t read_material(struct luks1 *luks, const struct luks1_slot *slot,
                             const void *password, uint64_t password_bytes,
                             uint8_t *split, uint64_t bytes,
                             struct tn_error *error)
{
    struct crypto_cipher *cipher = NULL;
    int32_t rc =
        luks->io.read(luks->io.opaque, material_offset(slot), split, bytes);

    if (rc)
        return tn_fail(luks->host, error, rc,
                       "the LUKS key material cannot be read: %s",
                       strerror(-rc));
    rc = slot_cipher(luks, slot, password, password_bytes, &cipher, error);
    if (rc)
        return rc;
    rc = crypto_cipher_transform(cipher, 0, 0, split, bytes);
    crypto_cipher_free(cipher);
    return rc;
}

/* 0: KEY is the master key. -EPERM: it is not. */
static int32_t try_slot(struct luks1 *luks, uint32_t index,
                        const void *password, uint64_t password_bytes,
                        uint8_t *key, struct tn_error *error)
{
    const struct luks1_slot *slot = &luks->slots[index];
    uint64_t bytes = luks1_material_bytes(luks->key_bytes, slot->stripes);
    uint8_t digest[sizeof luks->digest];
    uint8_t *split = malloc(bytes);
    int32_t rc;

    if (!split)
        return -ENOMEM;
    rc = read_material(luks, slot, password, password_bytes, split, bytes,
                       error);
    if (!rc)
        rc = crypto_merge(luks->hash, split, luks->key_bytes, slot->stripes,
                          key);
    if (!rc)
        rc = crypto_pbkdf2(luks->hash, key, luks->key_bytes,
                           luks->digest_salt, sizeof luks->digest_salt,
                           luks->digest_iterations, digest, sizeof digest);
    if (!rc && crypto_differ(digest, luks->digest, sizeof digest))
        rc = -EPERM;
    crypto_wipe(split, bytes);
    free(split);
    return rc;
}

static int32_t check_iterations(const struct luks1 *luks, uint32_t only,
                                struct tn_error *error)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < LUKS1_SLOTS; i++)
        if (luks->slots[i].active && (only == LUKS1_ANY_SLOT || only == i)) {
            sum += (uint64_t)luks->slots[i].iterations +
                   luks->digest_iterations;
            if (!luks->slots[i].iterations || !luks->digest_iterations)
                return tn_fail(luks->host, error, -EINVAL,
                               "the LUKS header is damaged: no iterations");
        }
    return sum > LIMIT_ITERATIONS
               ? tn_fail(luks->host, error, -EINVAL,
                         "the LUKS header asks for %llu iterations to make "
                         "the key: too many",
                         (unsigned long long)sum)
               : 0;
}

int32_t luks1_unlock(struct luks1 *luks, uint32_t slot, const void *password,
                     uint64_t password_bytes, struct tn_error *error)
{
    uint8_t key[CRYPTO_MAX_KEY];
    int32_t rc = check_iterations(luks, slot, error);

    if (rc)
        return rc;
    rc = -EPERM;
    for (uint32_t i = 0; i < LUKS1_SLOTS && rc == -EPERM; i++) {
        if (!luks->slots[i].active || (slot != LUKS1_ANY_SLOT && slot != i))
            continue;
        rc = try_slot(luks, i, password, password_bytes, key, error);
        if (!rc) {
            memcpy(luks->key, key, luks->key_bytes);
            luks->unlocked = 1;
            rc = (int32_t)i;
            break;
        }
    }
    crypto_wipe(key, sizeof key);
    if (rc == -EPERM)
        tn_fail(luks->host, error, rc,
                "the password is wrong: no key slot opens with it");
    return rc;
}

int32_t luks1_cipher(struct luks1 *luks, struct crypto_cipher **cipher,
                     struct tn_error *error)
{
    return crypto_cipher_new(luks->host, &luks->spec, luks->key, cipher,
                             error);
}

/* ---- changing ---- */

static int32_t free_slot(const struct luks1 *luks)
{
    for (uint32_t i = 0; i < LUKS1_SLOTS; i++)
        if (!luks->slots[i].active)
            return (int32_t)i;
    return -ENOSPC;
}

static int32_t write_material(struct luks1 *luks,
                              const struct luks1_slot *slot,
                              const void *password, uint64_t password_bytes,
                              struct tn_error *error)
{
    uint64_t bytes = luks1_material_bytes(luks->key_bytes, slot->stripes);
    uint8_t *split = calloc(1, bytes);
    struct crypto_cipher *cipher = NULL;
    int32_t rc;

    if (!split)
        return -ENOMEM;
    rc = crypto_split(luks->hash, luks->key, luks->key_bytes, slot->stripes,
                      split);
    if (!rc)
        rc = slot_cipher(luks, slot, password, password_bytes, &cipher, error);
    if (!rc)
        rc = crypto_cipher_transform(cipher, 1, 0, split, bytes);
    if (!rc)
        rc = luks->io.write(luks->io.opaque, material_offset(slot), split,
                            bytes);
    crypto_cipher_free(cipher);
    crypto_wipe(split, bytes);
    free(split);
    return rc;
}

int32_t luks1_add_key(struct luks1 *luks, uint32_t index, const void *password,
                      uint64_t password_bytes, uint64_t iter_milliseconds,
                      struct tn_error *error)
{
    struct luks1_slot slot;
    int32_t rc = index == LUKS1_ANY_SLOT ? free_slot(luks) : (int32_t)index;

    if (rc < 0)
        return tn_fail(luks->host, error, rc, "all key slots are in use");
    index = (uint32_t)rc;
    if (index >= LUKS1_SLOTS)
        return tn_fail(luks->host, error, -EINVAL,
                       "there is no key slot %u, only 0 to %u", index,
                       LUKS1_SLOTS - 1);
    if (luks->slots[index].active)
        return tn_fail(luks->host, error, -EBUSY,
                       "key slot %u is in use: erase it first, or use force "
                       "to replace it", index);
    slot = luks->slots[index];
    slot.active = 1;
    slot.stripes = LUKS1_STRIPES;
    rc = crypto_random(slot.salt, sizeof slot.salt);
    if (!rc)
        rc = crypto_pbkdf2_iterations(luks->hash, luks->key_bytes,
                                      iter_milliseconds, LUKS1_MIN_ITERATIONS,
                                      &slot.iterations);
    if (!rc && luks1_material_bytes(luks->key_bytes, slot.stripes) >
                   luks1_material_bytes(luks->key_bytes,
                                        luks->slots[index].stripes))
        slot.stripes = luks->slots[index].stripes;
    if (!rc)
        rc = write_material(luks, &slot, password, password_bytes, error);
    if (rc)
        return tn_fail(luks->host, error, rc,
                       "key slot %u cannot be written: %s", index,
                       strerror(-rc));
    luks->slots[index] = slot;
    rc = luks1_write_header(luks, error);
    return rc ? rc : (int32_t)index;
}

static uint32_t count_active(const struct luks1 *luks)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < LUKS1_SLOTS; i++)
        n += luks->slots[i].active;
    return n;
}

int32_t luks1_erase_slot(struct luks1 *luks, uint32_t index, uint32_t force,
                         struct tn_error *error)
{
    struct luks1_slot *slot;
    uint64_t bytes;
    uint8_t *noise;
    int32_t rc;

    if (index >= LUKS1_SLOTS)
        return tn_fail(luks->host, error, -EINVAL,
                       "there is no key slot %u, only 0 to %u", index,
                       LUKS1_SLOTS - 1);
    slot = &luks->slots[index];
    if (slot->active && count_active(luks) == 1 && !force)
        return tn_fail(luks->host, error, -EPERM,
                       "key slot %u is the last one: without it nobody can "
                       "ever read the image; use force to erase it all the "
                       "same", index);
    /* First the material: a header that says "free" must be true. */
    bytes = luks1_material_bytes(luks->key_bytes, slot->stripes);
    noise = malloc(bytes);
    if (!noise)
        return -ENOMEM;
    rc = crypto_random(noise, bytes);
    if (!rc)
        rc = luks->io.write(luks->io.opaque, material_offset(slot), noise,
                            bytes);
    free(noise);
    if (rc)
        return tn_fail(luks->host, error, rc,
                       "key slot %u cannot be erased: %s", index,
                       strerror(-rc));
    slot->active = 0;
    slot->iterations = 0;
    memset(slot->salt, 0, sizeof slot->salt);
    return luks1_write_header(luks, error);
}

/* ---- amend options ---- */

/* The slot has another password then. Until it is written the new one is in
 * a free slot: at each moment one of them opens the image. */
static int32_t replace(struct luks1 *luks, const struct luks1_amend *amend,
                       struct tn_error *error)
{
    int32_t spare = free_slot(luks), rc = 0;

    if (spare >= 0)
        rc = luks1_add_key(luks, (uint32_t)spare, amend->new_secret,
                           amend->new_bytes, amend->iter_milliseconds, error);
    if (rc >= 0)
        rc = luks1_erase_slot(luks, amend->slot, 0, error);
    if (rc >= 0)
        rc = luks1_add_key(luks, amend->slot, amend->new_secret,
                           amend->new_bytes, amend->iter_milliseconds, error);
    if (rc >= 0 && spare >= 0)
        rc = luks1_erase_slot(luks, (uint32_t)spare, 0, error);
    return rc < 0 ? rc : 0;
}

static int32_t activate(struct luks1 *luks, const struct luks1_amend *amend,
                        struct tn_error *error)
{
    int32_t rc;

    if (!amend->new_secret)
        return tn_fail(luks->host, error, -EINVAL,
                       "a new key needs new-secret");
    if (amend->old_secret)
        rc = luks1_unlock(luks, LUKS1_ANY_SLOT, amend->old_secret,
                          amend->old_bytes, error);
    else
        rc = luks->unlocked ? 0
                            : tn_fail(luks->host, error, -EINVAL,
                                      "a new key needs one that opens the "
                                      "image: key-secret or old-secret");
    if (rc >= 0 && amend->slot < LUKS1_SLOTS &&
        luks->slots[amend->slot].active && amend->force)
        return replace(luks, amend, error);
    if (rc >= 0)
        rc = luks1_add_key(luks, amend->slot, amend->new_secret,
                           amend->new_bytes, amend->iter_milliseconds, error);
    return rc < 0 ? rc : 0;
}

/* Which active slots open with the old secret, as bits. */
static int32_t find_slots(struct luks1 *luks, const struct luks1_amend *amend,
                          struct tn_error *error)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < LUKS1_SLOTS; i++) {
        int32_t rc;

        if (!luks->slots[i].active ||
            (amend->slot != LUKS1_ANY_SLOT && amend->slot != i))
            continue;
        rc = luks1_unlock(luks, i, amend->old_secret, amend->old_bytes,
                          error);
        if (rc >= 0)
            found |= 1u << i;
        else if (rc != -EPERM)
            return rc;
    }
    return found ? (int32_t)found
                 : tn_fail(luks->host, error, -EINVAL,
                           "no key slot opens with old-secret");
}

static int32_t deactivate(struct luks1 *luks, const struct luks1_amend *amend,
                          struct tn_error *error)
{
    int32_t found;
    int32_t rc = 0;

    if (amend->new_secret)
        return tn_fail(luks->host, error, -EINVAL,
                       "new-secret makes no sense with state=inactive");
    if (amend->old_secret) {
        found = find_slots(luks, amend, error);
    } else if (amend->slot == LUKS1_ANY_SLOT) {
        return tn_fail(luks->host, error, -EINVAL,
                       "which key is to be erased? keyslot or old-secret "
                       "says");
    } else if (amend->slot >= LUKS1_SLOTS || !luks->slots[amend->slot].active) {
        return tn_fail(luks->host, error, -EINVAL, "key slot %u is not in use",
                       amend->slot);
    } else {
        found = 1 << amend->slot;
    }
    if (found < 0)
        return found;
    if ((uint32_t)__builtin_popcount((uint32_t)found) == count_active(luks) &&
        !amend->force)
        return tn_fail(luks->host, error, -EPERM,
                       "that would erase the last key: nobody could ever read "
                       "the image; use force to do it all the same");
    for (uint32_t i = 0; i < LUKS1_SLOTS && !rc; i++)
        if (found >> i & 1)
            rc = luks1_erase_slot(luks, i, amend->force, error);
    return rc;
}

int32_t luks1_amend(struct luks1 *luks, const struct luks1_amend *amend,
                    struct tn_error *error)
{
    return amend->activate ? activate(luks, amend, error)
                           : deactivate(luks, amend, error);
}
