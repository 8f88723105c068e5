/* SPDX-License-Identifier: Apache-2.0 */
/* A header of version 2 as luks2-json.c reads it. */
#ifndef TENON_FMT_LUKS2_H
#define TENON_FMT_LUKS2_H

#include "luks.h"

#define LUKS2_SLOTS 32u
#define LUKS2_DIGESTS 32u
#define LUKS2_MAX_SALT 64u

enum luks2_kdf { LUKS2_PBKDF2, LUKS2_ARGON2I, LUKS2_ARGON2ID };

struct luks2_slot {
    uint32_t number;
    uint32_t key_bytes;
    uint32_t kdf; /* enum luks2_kdf */
    uint32_t hash;   /* pbkdf2 */
    uint32_t time;   /* iterations, or argon2's passes */
    uint32_t memory; /* argon2: KiB */
    uint32_t cpus;
    uint8_t salt[LUKS2_MAX_SALT];
    size_t salt_bytes;
    uint32_t stripes;
    uint32_t split_hash;
    struct crypto_spec spec; /* of the key material */
    uint32_t area_key_bytes;
    uint64_t area_offset;
    uint64_t area_bytes;
};

struct luks2_digest {
    uint32_t slots; /* bits: whose keys it is of */
    uint32_t hash;
    uint32_t iterations;
    uint8_t salt[LUKS2_MAX_SALT];
    size_t salt_bytes;
    uint8_t digest[CRYPTO_MAX_DIGEST];
    size_t digest_bytes;
};

struct luks2 {
    struct tn_host *host;
    const struct tn_image *image;
    struct luks_io io;
    uint64_t bytes; /* of what the header is in */
    char uuid[40];
    char label[48];
    struct luks2_segment segment;
    uint32_t n_slots;
    struct luks2_slot slots[LUKS2_SLOTS];
    uint32_t n_digests;
    struct luks2_digest digests[LUKS2_DIGESTS]; /* of the segment */
};

/* TEXT ends in a zero byte. Fills in slots, digests and segment. */
int32_t luks2_parse(struct luks2 *luks, const char *text, uint64_t bytes,
                    struct tn_error *error);

#endif
